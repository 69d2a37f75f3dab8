//! The kernel's list of TCP sockets, asked for with sock_diag(7), as `ss` does.
//!
//! *Why not `/proc/net/tcp`:* it lists every socket of the machine, in pieces, and one that moves meanwhile may be listed
//! twice or not at all. Here the kernel picks out the port that is asked for.

use std::net::{Ipv4Addr, SocketAddr};

use millpond::engine::sock_diag::{self, HEAD_BYTES, Scope, TCP_QUEUES_AT};
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

/// States of a TCP socket (include/net/tcp_states.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Established = 1,
    Listen = 10,
}

/// A socket whose own end is the one asked for.
#[derive(Clone, Copy, Debug)]
pub struct Socket {
    /// Received and not read, in bytes; of a listener, connections that wait for accept.
    pub received: u32,
    /// Sent and not acknowledged, in bytes.
    pub sent: u32,
}

/// From include/uapi/linux/netlink.h.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// The sockets of an IPv4 address that are in this state.
pub fn sockets(address: SocketAddr, state: State) -> Result<Vec<Socket>, String> {
    let failed = |errno: rustix::io::Errno| format!("the kernel lists no sockets: {errno}");
    let netlink = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG));
    let netlink = netlink.map_err(failed)?;
    let question = sock_diag::about_tcp(1 << state as u32, address, sock_diag::anybody(address));
    let question = sock_diag::message(Scope::All, &question);
    sendto(&netlink, &question, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).map_err(failed)?;
    let mut found = Vec::new();
    loop {
        let mut answer = [0; 32 * 1024];
        let (length, _) = recv(&netlink, &mut answer, RecvFlags::empty()).map_err(failed)?;
        let mut rest = &answer[..length];
        while let Some((length, kind)) = sock_diag::head(rest) {
            match kind {
                NLMSG_DONE => return Ok(found),
                NLMSG_ERROR => return Err("the kernel lists no sockets: it has no tcp_diag".into()),
                _ if length < HEAD_BYTES => return Err("the kernel's list of sockets is no list".into()),
                _ => found
                    .extend(sock_diag::numbers(rest, TCP_QUEUES_AT).map(|[received, sent]| Socket { received, sent })),
            }
            // Messages begin at multiples of four.
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

/// Whether the kernel lists sockets at all; if it doesn't, why.
pub fn are_listed() -> Result<(), String> {
    sockets((Ipv4Addr::LOCALHOST, 0).into(), State::Listen).map(drop)
}
