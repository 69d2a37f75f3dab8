//! The kernel's list of TCP sockets, asked for with sock_diag(7), as `ss` does.
//!
//! *Why not `/proc/net/tcp`:* it lists every socket of the machine, in pieces, and one that moves meanwhile may be listed
//! twice or not at all. Here the kernel picks out the port that is asked for.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use millpond::engine::sock_diag::{self, Listed};
use rustix::net::netlink::SOCK_DIAG;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// States of a TCP socket (include/net/tcp_states.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Established = 1,
    Listen = 10,
}

/// The sockets of an IPv4 address that are in this state.
pub fn sockets(address: SocketAddr, state: State) -> Result<Vec<Listed>, String> {
    let netlink = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG));
    let mut found = Vec::new();
    netlink
        .map_err(io::Error::from)
        .and_then(|netlink| sock_diag::list(netlink, 1 << state as u32, address, |socket| found.push(socket)))
        .map_err(|error| format!("the kernel lists no sockets: {error}"))?;
    Ok(found)
}

/// Whether the kernel lists sockets at all; if it doesn't, why.
pub fn are_listed() -> Result<(), String> {
    sockets((Ipv4Addr::LOCALHOST, 0).into(), State::Listen).map(drop)
}
