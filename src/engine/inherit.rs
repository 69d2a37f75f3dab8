//! What was there before this process: listeners that a service manager opened and passes on (sd_listen_fds(3)), and
//! signals that whoever started it has ignored (nohup(1)).
//!
//! *Invariants:* it is asked for before this process opens anything, or it would take its own descriptors for passed ones.
//! What is taken listens, is a stream, doesn't block, and is closed when another program is started.
//!
//! So systemd can hold the port while the server restarts: who connects meanwhile waits, and nobody is refused.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use listenfd::ListenFd;
use rustix::net::sockopt;

use super::listen::{Address, Listener};

/// A passed descriptor that no client can connect to.
#[derive(Debug)]
pub struct InheritError {
    /// Which of those that were passed; the first is 0.
    index: usize,
    cause: io::Error,
}

/// What was passed; nothing where nobody passes anything.
///
/// # Errors
/// When something was passed that doesn't listen for streams of bytes, of TCP or of a Unix socket.
pub fn inherited() -> Result<Vec<Listener>, InheritError> {
    let mut passed = ListenFd::from_env();
    (0..passed.len()).map(|index| take(&mut passed, index).map_err(|cause| InheritError { index, cause })).collect()
}

/// Whether this process was started with the signal ignored (proc_pid_status(5), a mask in hexadecimal).
pub fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

fn take(passed: &mut ListenFd, index: usize) -> io::Result<Listener> {
    let none = || io::Error::new(io::ErrorKind::NotFound, "it is not there");
    let listener = match passed.take_unix_listener(index) {
        Ok(listener) => unix(listener.ok_or_else(none)?)?,
        Err(_) => tcp(passed.take_tcp_listener(index)?.ok_or_else(none)?)?,
    };
    if sockopt::socket_acceptconn(&listener)? {
        return Ok(listener);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is connected or unbound, and does not listen"))
}

fn tcp(listener: TcpListener) -> io::Result<Listener> {
    listener.set_nonblocking(true)?;
    sockopt::set_tcp_nodelay(&listener, true)?;
    let address: SocketAddr = listener.local_addr()?;
    Ok(Listener::new(OwnedFd::from(listener), Address::Ip(address)))
}

fn unix(listener: UnixListener) -> io::Result<Listener> {
    listener.set_nonblocking(true)?;
    let address = rustix::net::SocketAddrUnix::try_from(rustix::net::getsockname(&listener)?)?;
    let path = match (address.path(), address.abstract_name()) {
        (Some(path), _) => PathBuf::from(path.to_string_lossy().into_owned()),
        (None, name) => PathBuf::from(format!("@{}", String::from_utf8_lossy(name.unwrap_or_default()))),
    };
    Ok(Listener::new(OwnedFd::from(listener), Address::Unix(path)))
}

impl Display for InheritError {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let InheritError { index, cause } = self;
        write!(
            out,
            "can't listen on descriptor {index} of LISTEN_FDS: {cause}; pass sockets that listen for streams \
             (in systemd: ListenStream=, and Accept=no)"
        )
    }
}

impl Error for InheritError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}
