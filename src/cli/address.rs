//! A place to listen at, as it is written on the command line.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::config;

/// Where to listen, but for the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    Ip(IpAddr),
    /// A Unix socket of that path.
    Unix(PathBuf),
}

/// Why a text is no place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressError {
    NotAnAddress { text: String },
    HasPort { text: String, address: IpAddr, port: u16 },
    NoPath,
    PathTooLong { bytes: usize },
}

/// Reads an IP address, one of IPv6 also in the brackets that it has in a URL; or `unix:` and a path.
pub fn parse(text: &str) -> Result<Bind, AddressError> {
    match text.strip_prefix("unix:") {
        Some("") => Err(AddressError::NoPath),
        Some(path) if path.len() > config::UNIX_PATH_BYTES_MAX => Err(AddressError::PathTooLong { bytes: path.len() }),
        Some(path) => Ok(Bind::Unix(PathBuf::from(path))),
        None => parse_ip(text).map(Bind::Ip),
    }
}

fn parse_ip(text: &str) -> Result<IpAddr, AddressError> {
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
                "`{text}` is not an IP address: write 127.0.0.1 or ::1 for this machine, 0.0.0.0 or :: for all, \
                 unix:PATH for a Unix socket"
            ),
            AddressError::HasPort { text, address, port } => {
                write!(out, "`{text}` has a port: write --bind {address} --port {port}")
            }
            AddressError::NoPath => write!(out, "`unix:` has no path: write unix:/run/millpond.sock"),
            AddressError::PathTooLong { bytes } => write!(
                out,
                "the path of a Unix socket has {} bytes at most, and this one {bytes}: write a shorter one, from / or \
                 from here",
                config::UNIX_PATH_BYTES_MAX
            ),
        }
    }
}

impl Error for AddressError {}
