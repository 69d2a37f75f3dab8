//! What the program listens on: the sockets that it was passed, or else those that its options name.
//!
//! *Invariants:* IP addresses come first, so that what is printed begins with what a browser can open. Nothing is left
//! behind by a start that fails for want of a port: Unix sockets are made last.

use std::fmt::{self, Display, Formatter};
use std::io::ErrorKind;

use rustix::fs::Mode;

use crate::cli::listening::{Listening, Ports};
use crate::config;
use crate::engine::listen::{self, Address, BindError, Listener};
use crate::engine::unix_socket;

/// Who has started this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartedBy {
    /// Somebody at a terminal, who reads which port it is.
    Person,
    /// A script, which connects to the port that it knows.
    Script,
}

/// What came of it.
#[derive(Debug)]
pub struct Opened {
    pub listeners: Vec<Listener>,
    pub reach: Reach,
    pub remark: Option<Remark>,
}

/// From where clients may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From this machine, to loopback addresses.
    Loopback,
    /// From other machines; or by a Unix socket, or one that was passed: who is behind those, somebody else decides.
    Further,
}

/// What is not as one might expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// The default port is in use.
    AnotherPort { port: u16 },
    /// Sockets were passed, and options say where to listen.
    OptionsUnused,
}

/// Opens what there is to be listened on.
///
/// # Errors
/// When an address, a port or a path can't be had.
pub fn open(inherited: Vec<Listener>, listening: &Listening, by: StartedBy) -> Result<Opened, BindError> {
    if !inherited.is_empty() {
        let remark = listening.is_given().then_some(Remark::OptionsUnused);
        return Ok(Opened { listeners: inherited, reach: Reach::Further, remark });
    }
    let (mut listeners, remark) = match (listening.ports(), by) {
        (Ports::Only(port), _) => (listen::listen_all(&listening.addresses(port))?, None),
        (Ports::From(port), StartedBy::Script) => (listen::listen_all(&listening.addresses(port))?, None),
        (Ports::From(port), StartedBy::Person) => next_free(listening, port)?,
    };
    let mode = listening.socket_mode.map(|mode| Mode::from_raw_mode(mode.0));
    for path in listening.paths() {
        listeners.push(unix_socket::listen(path, mode)?);
    }
    let reach = if listeners.iter().all(is_loopback) { Reach::Loopback } else { Reach::Further };
    Ok(Opened { listeners, reach, remark })
}

fn is_loopback(listener: &Listener) -> bool {
    match listener.address() {
        Address::Ip(address) => address.ip().to_canonical().is_loopback(),
        Address::Unix(_) => false,
    }
}

/// Tries one port after the other, as long as the reason is that it is in use; if all are, the first one's is told.
fn next_free(listening: &Listening, first: u16) -> Result<(Vec<Listener>, Option<Remark>), BindError> {
    let taken = match listen::listen_all(&listening.addresses(first)) {
        Err(error) if error.cause.kind() == ErrorKind::AddrInUse => error,
        result => return result.map(|listeners| (listeners, None)),
    };
    for port in (first + 1..).take(usize::from(config::PORTS_TRIED_MAX - 1)) {
        match listen::listen_all(&listening.addresses(port)) {
            Err(error) if error.cause.kind() == ErrorKind::AddrInUse => {}
            result => return result.map(|listeners| (listeners, Some(Remark::AnotherPort { port }))),
        }
    }
    Err(taken)
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

impl Display for Remark {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Remark::AnotherPort { port } => {
                write!(out, "port {} is in use, so this is port {port}; --port insists on one", config::PORT)
            }
            Remark::OptionsUnused => {
                out.write_str("--bind and --port are not used, because sockets were passed (LISTEN_FDS)")
            }
        }
    }
}
