//! The listeners: where clients connect, and how many connections this process may hold.
//!
//! Listeners pass their options on to what they accept; the one that matters is no delay of small segments (Nagle's
//! algorithm waits for an acknowledgement that the client delays).

use std::fmt::{self, Display, Formatter};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::send_queue::Backlog;
use crate::config;
use crate::observe::peer::Peer;

/// A socket on which clients are waited for.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    address: Address,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Ip(SocketAddr),
    /// The path of a Unix socket; of one with an abstract name, the name behind an `@`.
    Unix(PathBuf),
}

/// An address that can't be had.
#[derive(Debug)]
pub struct BindError {
    pub address: Address,
    pub cause: io::Error,
}

/// Binds the addresses and listens; port 0 is any free one, and the same for all that have 0.
///
/// # Errors
/// When one of them is in use, not of this machine, or not for this user.
pub fn listen_all(addresses: &[SocketAddr]) -> Result<Vec<Listener>, BindError> {
    let mut listeners = Vec::with_capacity(addresses.len());
    let mut taken_port = None;
    for &(mut address) in addresses {
        if address.port() == 0 {
            address.set_port(taken_port.unwrap_or(0));
        }
        let failed = |cause| BindError { address: Address::Ip(address), cause };
        let socket = listen(address, addresses).map_err(failed)?;
        let bound = net::getsockname(&socket).and_then(SocketAddr::try_from);
        let bound = bound.map_err(|errno| failed(errno.into()))?;
        taken_port = taken_port.or(Some(bound.port()));
        listeners.push(Listener::new(socket, Address::Ip(bound)));
    }
    Ok(listeners)
}

/// `all` are the addresses that the server is to have: `::` stands for IPv4 as well, unless an IPv4 address is among them.
fn listen(address: SocketAddr, all: &[SocketAddr]) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    // A restart need not wait until the connections of the last run have timed out in the kernel.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, all.iter().any(SocketAddr::is_ipv4))?;
    }
    sockopt::set_tcp_nodelay(&socket, true)?;
    net::bind(&socket, &address)?;
    net::listen(&socket, backlog())?;
    Ok(socket)
}

/// As many as may wait in the kernel.
pub fn backlog() -> i32 {
    i32::try_from(config::BACKLOG).unwrap_or(i32::MAX)
}

impl Listener {
    /// A socket that listens already, and doesn't block.
    pub fn new(socket: OwnedFd, address: Address) -> Listener {
        Listener { socket, address }
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How the kernel is asked for who waits here.
    pub fn backlog(&self) -> Option<Backlog> {
        match self.address {
            Address::Ip(address) => Some(Backlog::Tcp(address)),
            Address::Unix(_) => u32::try_from(fstat(&self.socket).ok()?.st_ino).ok().map(Backlog::Unix),
        }
    }

    /// Lets in whoever has waited longest.
    ///
    /// # Errors
    /// `EAGAIN` when nobody waits; else as accept(2).
    pub fn accept(&self) -> Result<(OwnedFd, Peer), Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match self.address {
            Address::Ip(_) => {
                let (socket, peer) = net::acceptfrom_with(&self.socket, flags)?;
                let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
                Ok((socket, Peer::from(peer.unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))))))
            }
            Address::Unix(_) => Ok((net::accept_with(&self.socket, flags)?, Peer::Unix)),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Display for Address {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(out),
            Address::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

impl Display for BindError {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "can't listen on {}: {}", self.address, self.cause)
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Raises this process's limit on descriptors as far as it may, and says how many connections fit under it.
///
/// One in four is kept for the files that are being sent; where even those are used up, the answer is 503.
pub fn connections_that_fit() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(errno) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        log::warn!("the limit on descriptors can't be raised: {errno}");
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let fit = descriptors.saturating_sub(config::DESCRIPTORS_RESERVED) / 4 * 3;
    usize::try_from(fit).unwrap_or(usize::MAX).max(1)
}
