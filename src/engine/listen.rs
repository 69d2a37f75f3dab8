//! The listeners: bound addresses, and how many connections this process may hold.
//!
//! Listeners pass their options on to what they accept; the one that matters is no delay of small segments (Nagle's
//! algorithm waits for an acknowledgement that the client delays).

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config;

/// Binds an address and listens. `all` are the addresses that the server is to have: `::` stands for IPv4 as well,
/// unless an IPv4 address is among them.
///
/// # Errors
/// The address is in use, not of this machine, or not for this user.
pub fn listen(address: SocketAddr, all: &[SocketAddr]) -> io::Result<TcpListener> {
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
    net::listen(&socket, i32::try_from(config::BACKLOG).unwrap_or(i32::MAX))?;
    Ok(TcpListener::from(socket))
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
