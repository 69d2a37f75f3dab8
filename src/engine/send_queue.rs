//! How much of what was sent a client has not acknowledged yet: only the kernel knows, and here it is asked.
//!
//! That is how a stall is told from slowness. Seen from outside the kernel, bytes leave in bursts, whenever a third of a
//! socket's megabytes is free: a client may read on steadily while nothing seems to move for a minute.
//!
//! The question goes over a netlink socket to [`sock_diag`], about one connection at a time: two system calls, asked only
//! of responses that wait for room, about once a second. Where the kernel has no answer (a sandbox without netlink),
//! only what is written counts as moving.
//!
//! Of connections that are closed here it delivers the rest by itself. At the end of a drain it is asked how much that is,
//! of all that have the server's port.
//!
//! On a Unix socket the kernel counts whole packets of up to 48 KiB: a local client slower than that in the time for a
//! stall is taken for one that stalls.
//!
//! Rejected: `TCP_USER_TIMEOUT`, which takes a client that opens its window by less than a segment for one that stalls,
//! and tells the client nothing when it gives up; `TCP_NOTSENT_LOWAT`, which makes progress visible and doubled the
//! processor time of large files; `SIOCOUTQ`, which nobody offers without `unsafe`.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::fstat;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use super::sock_diag::{self, ANY_STATE, Listed, Scope, TCP_QUEUES_AT, UNIX_QUEUES_AT, about_tcp, about_unix};
use crate::observe::peer::Peer;

/// The way to ask.
#[derive(Debug)]
pub struct SendQueues {
    netlink: Option<OwnedFd>,
}

/// A listener, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    Tcp(SocketAddr),
    /// By its inode.
    Unix(u32),
}

/// Who waits to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptQueue {
    pub length: u32,
    /// More than so many are not let in.
    pub limit: u32,
}

impl SendQueues {
    /// Opens the netlink socket, or goes without.
    pub fn open() -> SendQueues {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let netlink = net::socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG));
        if let Err(errno) = &netlink {
            log::debug!("what clients have taken can't be asked for: {errno}");
        }
        SendQueues { netlink: netlink.ok() }
    }

    /// The queue of a listener. `None` where the kernel doesn't say.
    pub fn backlog(&self, backlog: &Backlog) -> Option<AcceptQueue> {
        let netlink = self.netlink.as_ref()?;
        let [length, limit] = match *backlog {
            Backlog::Tcp(local) => {
                let question = about_tcp(ANY_STATE, local, sock_diag::anybody(local));
                ask(netlink, &question, TCP_QUEUES_AT).ok()??
            }
            Backlog::Unix(inode) => ask(netlink, &about_unix(inode), UNIX_QUEUES_AT).ok()??,
        };
        Some(AcceptQueue { length, limit })
    }

    /// Bytes that clients of this port have not acknowledged, on connections that are closed here. `None` where the kernel
    /// doesn't say.
    pub fn left_behind(&self, local: SocketAddr) -> Option<u64> {
        // FIN_WAIT1, LAST_ACK and CLOSING (include/net/tcp_states.h).
        const CLOSED: u32 = 1 << 4 | 1 << 9 | 1 << 11;
        let mut bytes = 0;
        let closed = |socket: Listed| {
            if socket.inode == 0 {
                bytes += u64::from(socket.sent.saturating_sub(1));
            }
        };
        sock_diag::list(self.netlink.as_ref()?, CLOSED, local, closed).ok().map(|()| bytes)
    }

    /// Bytes sent on this connection that `peer` has not acknowledged, those not on their way yet included; on a Unix
    /// socket, what the kernel holds of packets that have not been read to their end. `None` where the kernel doesn't say.
    pub fn untaken(&self, socket: impl AsFd, peer: Peer) -> Option<u32> {
        let netlink = self.netlink.as_ref()?;
        match peer {
            Peer::Ip(peer) => {
                let local = SocketAddr::try_from(net::getsockname(socket).ok()?).ok()?;
                let question = about_tcp(ANY_STATE, local, peer);
                ask(netlink, &question, TCP_QUEUES_AT).ok().flatten().map(|[_, sent]| sent)
            }
            Peer::Unix => {
                let inode = u32::try_from(fstat(socket).ok()?.st_ino).ok()?;
                ask(netlink, &about_unix(inode), UNIX_QUEUES_AT).ok().flatten().map(|[_, sent]| sent)
            }
        }
    }
}

/// Asks, and reads so many numbers of the answer.
fn ask<const N: usize>(netlink: &OwnedFd, question: &[u8], at: usize) -> io::Result<Option<[u32; N]>> {
    net::send(netlink, &sock_diag::message(Scope::One, question), SendFlags::DONTWAIT)?;
    let mut answer = [0; 512];
    // The kernel answers within `send`.
    let (length, _) = net::recv(netlink, &mut answer, RecvFlags::DONTWAIT)?;
    let answer = &answer[..length];
    let is_answer = sock_diag::head(answer).is_some_and(|(_, kind)| kind == sock_diag::BY_FAMILY);
    Ok(sock_diag::numbers(answer, at).filter(|_| is_answer))
}
