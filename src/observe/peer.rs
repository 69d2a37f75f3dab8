//! Who is at the other end of a connection, as the logs name them.
//!
//! A client of a Unix socket has no address, and nothing that it says of itself could be trusted: it is `unix:`, as nginx
//! writes it.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Ip(SocketAddr),
    /// A process of this machine, by a Unix socket.
    Unix,
}

impl Peer {
    /// Its address, without the port; none for a client of a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Peer::Ip(address) => Some(address.ip()),
            Peer::Unix => None,
        }
    }

    /// Its port; 0, which no client has, of a Unix socket.
    pub fn port(&self) -> u16 {
        match self {
            Peer::Ip(address) => address.port(),
            Peer::Unix => 0,
        }
    }
}

/// An IPv4 client of a socket for both families is what it is, so that one client has one address.
impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        Peer::Ip(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

impl Display for Peer {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Ip(address) => address.fmt(out),
            Peer::Unix => out.write_str(UNIX),
        }
    }
}

/// What stands for a client of a Unix socket where others have an address.
pub const UNIX: &str = "unix:";
