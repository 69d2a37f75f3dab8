//! A Unix socket with a path: made with its mode, in the place of one that nobody listens on any more.
//!
//! *Invariants:* nobody can connect before the socket has its mode: the kernel makes the file with it. Nothing is ever
//! removed but a socket that refuses connections, which is what a server leaves that has ended: by then it has given up
//! the right to remove anything, so its successor does. Two that start at the same moment may both find the old one; then
//! the second is refused by the kernel, or takes the place of the first, as with any name on a disk.
//!
//! unix(7). The mode is set by way of the mask for new files, which all threads share: it is a thing for the start, when
//! there is but one.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::umask;

use super::listen::{self, Address, BindError, Listener};

/// Makes the socket and listens. Without a mode it has what the mask for new files leaves of 0777.
///
/// # Errors
/// `AlreadyExists` when something else than a socket is there, `AddrInUse` when somebody listens on it; and when the
/// path is too long, in a directory that isn't there, or not for this user.
pub fn listen(path: &Path, mode: Option<Mode>) -> Result<Listener, BindError> {
    let address = Address::Unix(path.to_owned());
    match bind(path, mode) {
        Ok(socket) => Ok(Listener::new(socket, address)),
        Err(cause) => Err(BindError { address, cause }),
    }
}

fn bind(path: &Path, mode: Option<Mode>) -> io::Result<OwnedFd> {
    let name = SocketAddrUnix::new(path)?;
    let socket = socket()?;
    match bind_with_mode(&socket, &name, mode) {
        Err(Errno::ADDRINUSE) => {
            make_room(path, &name)?;
            bind_with_mode(&socket, &name, mode)?;
        }
        result => result?,
    }
    net::listen(&socket, listen::backlog())?;
    Ok(socket)
}

fn socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

fn bind_with_mode(socket: &OwnedFd, name: &SocketAddrUnix, mode: Option<Mode>) -> Result<(), Errno> {
    let Some(mode) = mode else { return net::bind(socket, name) };
    let before = umask(Mode::RWXU.union(Mode::RWXG).union(Mode::RWXO).difference(mode));
    let result = net::bind(socket, name);
    umask(before);
    result
}

/// Removes what is there, if it is a socket that nobody listens on.
fn make_room(path: &Path, name: &SocketAddrUnix) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(ErrorKind::AlreadyExists, "something else than a socket is there"));
    }
    match net::connect(&socket()?, name) {
        Err(Errno::CONNREFUSED) => fs::remove_file(path),
        // It listens, be it that its queue is full; or it is a socket of another kind.
        Ok(()) | Err(_) => Err(ErrorKind::AddrInUse.into()),
    }
}
