//! An address to listen on, as it is written on the command line.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};

/// Why a text is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressError {
    NotAnAddress { text: String },
    HasPort { text: String, address: IpAddr, port: u16 },
}

/// Reads an IP address; one of IPv6 also in the brackets that it has in a URL.
pub fn parse(text: &str) -> Result<IpAddr, AddressError> {
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bracketed {
        Some(inner) => inner.parse().map(IpAddr::V6),
        None => text.parse(),
    };
    address.map_err(|_| match text.parse::<SocketAddr>() {
        Ok(socket) => AddressError::HasPort { text: text.to_owned(), address: socket.ip(), port: socket.port() },
        Err(_) => AddressError::NotAnAddress { text: text.to_owned() },
    })
}

impl Display for AddressError {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::NotAnAddress { text } => write!(
                out,
                "`{text}` is not an IP address: write 127.0.0.1 or ::1 for this machine, 0.0.0.0 or :: for all"
            ),
            AddressError::HasPort { text, address, port } => {
                write!(out, "`{text}` has a port: write --bind {address} --port {port}")
            }
        }
    }
}

impl Error for AddressError {}
