//! Tells the service manager how it stands: systemd waits for READY before it starts what needs this server (sd_notify(3)).
//!
//! *Invariants:* the socket is connected before the sandbox is entered, which lets nobody connect to abstract names
//! afterwards. Whatever happens to it, the server serves on.

use std::env;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::config;

/// The variable that names the manager's socket: a path, or an abstract name behind an `@`.
pub const VARIABLE: &str = "NOTIFY_SOCKET";

/// The way to the service manager, if there is one.
#[derive(Debug)]
pub struct Manager {
    socket: Option<UnixDatagram>,
}

impl Manager {
    /// The one that the environment names.
    ///
    /// # Errors
    /// When nobody takes messages there.
    pub fn from_environment() -> io::Result<Manager> {
        env::var_os(VARIABLE).map_or(Ok(Manager::none()), Manager::at)
    }

    /// Nobody is told.
    pub fn none() -> Manager {
        Manager { socket: None }
    }

    fn at(name: OsString) -> io::Result<Manager> {
        let socket = UnixDatagram::unbound()?;
        match name.as_bytes() {
            [b'/', ..] => socket.connect(&name)?,
            [b'@', name @ ..] => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
            _ => return Err(io::Error::new(ErrorKind::Unsupported, "it is neither a path nor an abstract name")),
        }
        socket.set_write_timeout(Some(config::NOTIFY_TIMEOUT))?;
        Ok(Manager { socket: Some(socket) })
    }

    /// Clients can connect, and are answered.
    pub fn ready(&self, status: &str) {
        // A line end in it would begin another message.
        let status = status.replace(char::is_control, " ");
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// The end has been asked for.
    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=draining");
    }

    fn say(&self, message: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(message.as_bytes()) {
            log::warn!("the service manager can't be told how it stands: {error}");
        }
    }
}
