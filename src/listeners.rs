//! What the program listens on: what its options name.
//!
//! *Invariants:* IP addresses come first, so that what is printed begins with what a browser can open. Nothing is left
//! behind by a start that fails for want of a port: Unix sockets are made last.

use std::io::ErrorKind;

use rustix::fs::Mode;

use crate::cli::listening::Listening;
use crate::engine::listen::{self, Address, BindError, Listener};
use crate::engine::unix_socket;

/// Opens what there is to be listened on.
///
/// # Errors
/// When an address, a port or a path can't be had.
pub fn open(listening: &Listening) -> Result<Vec<Listener>, BindError> {
    let mut listeners = listen::listen_all(&listening.addresses())?;
    let mode = listening.socket_mode.map(|mode| Mode::from_raw_mode(mode.0));
    for path in listening.paths() {
        listeners.push(unix_socket::listen(path, mode)?);
    }
    Ok(listeners)
}

/// The line for who can't be served, with what would help.
pub fn advice(error: &BindError) -> String {
    let remedy = match (&error.address, error.cause.kind()) {
        (Address::Ip(_), ErrorKind::AddrInUse) => "choose another port with --port, or any free one with --port 0",
        (Address::Ip(_), ErrorKind::PermissionDenied) => {
            "ports below 1024 are for privileged users; choose one above with --port"
        }
        (Address::Ip(_), ErrorKind::AddrNotAvailable) => "give --bind an address of this machine",
        (Address::Unix(_), ErrorKind::AddrInUse) => "another server listens there; stop it, or choose another path",
        (Address::Unix(_), ErrorKind::AlreadyExists) => "choose another path, or remove it",
        (Address::Unix(_), ErrorKind::NotFound) => "make its directory first, or choose another path",
        (Address::Unix(_), ErrorKind::PermissionDenied) => "choose a path in a directory that this user may write to",
        _ => return error.to_string(),
    };
    format!("{error}; {remedy}")
}
