//! How much of what was sent a client has not acknowledged yet: only the kernel knows, and here it is asked.
//!
//! That is how a stall is told from slowness. Seen from outside the kernel, bytes leave in bursts, whenever a third of a
//! socket's megabytes is free: a client may read on steadily while nothing seems to move for a minute.
//!
//! The question goes over a netlink socket to sock_diag(7), about one connection at a time: two system calls, asked only
//! of responses that wait for room, about once a second. Where the kernel has no answer (a sandbox without netlink),
//! only what is written counts as moving.
//!
//! On a Unix socket the kernel counts whole packets of up to 48 KiB: a local client slower than that in the time for a
//! stall is taken for one that stalls.
//!
//! Rejected: `TCP_USER_TIMEOUT`, which takes a client that opens its window by less than a segment for one that stalls,
//! and tells the client nothing when it gives up; `TCP_NOTSENT_LOWAT`, which makes progress visible and doubled the
//! processor time of large files; `SIOCOUTQ`, which nobody offers without `unsafe`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::fstat;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

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

/// `SOCK_DIAG_BY_FAMILY`, the question and the answer (linux/sock_diag.h).
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST` (linux/netlink.h).
const REQUEST: u16 = 1;
/// A netlink head.
const HEAD_BYTES: usize = 16;
/// An `inet_diag_req_v2` (linux/inet_diag.h).
const TCP_QUESTION_BYTES: usize = 56;
/// Where `idiag_wqueue` stands in the answer: behind the netlink head, four bytes, an `inet_diag_sockid` and two numbers.
const TCP_QUEUE_AT: usize = HEAD_BYTES + 4 + 48 + 8;
/// A `unix_diag_req` (linux/unix_diag.h).
const UNIX_QUESTION_BYTES: usize = 24;
/// Where `udiag_wqueue` stands: behind the netlink head, a `unix_diag_msg`, the head of the only attribute that was asked
/// for, and `udiag_rqueue`.
const UNIX_QUEUE_AT: usize = HEAD_BYTES + 16 + 4 + 4;

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
                let anybody = match local.ip() {
                    IpAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
                    IpAddr::V6(_) => SocketAddr::from(([0_u16; 8], 0)),
                };
                ask(netlink, &tcp_question(local, anybody), TCP_QUEUE_AT - 4).ok()??
            }
            Backlog::Unix(inode) => ask(netlink, &unix_question(inode), UNIX_QUEUE_AT - 4).ok()??,
        };
        Some(AcceptQueue { length, limit })
    }

    /// Bytes sent on this connection that `peer` has not acknowledged, those not on their way yet included; on a Unix
    /// socket, what the kernel holds of packets that have not been read to their end. `None` where the kernel doesn't say.
    pub fn untaken(&self, socket: impl AsFd, peer: Peer) -> Option<u32> {
        let netlink = self.netlink.as_ref()?;
        match peer {
            Peer::Ip(peer) => {
                let local = SocketAddr::try_from(net::getsockname(socket).ok()?).ok()?;
                ask(netlink, &tcp_question(local, peer), TCP_QUEUE_AT).ok().flatten().map(|[queue]| queue)
            }
            Peer::Unix => {
                let inode = u32::try_from(fstat(socket).ok()?.st_ino).ok()?;
                ask(netlink, &unix_question(inode), UNIX_QUEUE_AT).ok().flatten().map(|[queue]| queue)
            }
        }
    }
}

/// Asks, and reads so many numbers of the answer.
fn ask<const N: usize>(netlink: &OwnedFd, question: &[u8], at: usize) -> io::Result<Option<[u32; N]>> {
    let length = u32::try_from(HEAD_BYTES + question.len()).unwrap_or(0).to_ne_bytes();
    let head = [length.as_slice(), &BY_FAMILY.to_ne_bytes(), &REQUEST.to_ne_bytes(), &[0; 8]]; // sequence and port
    net::send(netlink, &[head.concat().as_slice(), question].concat(), SendFlags::DONTWAIT)?;
    let mut answer = [0; 512];
    // The kernel answers within `send`.
    let (length, _) = net::recv(netlink, &mut answer, RecvFlags::DONTWAIT)?;
    let answer = &answer[..length];
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let numbers = answer.get(at..at + 4 * N).map(|bytes| {
        let (numbers, _) = bytes.as_chunks::<4>();
        std::array::from_fn(|index| u32::from_ne_bytes(numbers[index]))
    });
    Ok(numbers.filter(|_| kind == Some(BY_FAMILY)))
}

/// One request for one socket. Numbers of netlink are in the machine's order, ports and addresses in the network's.
fn tcp_question(local: SocketAddr, peer: SocketAddr) -> [u8; TCP_QUESTION_BYTES] {
    const TCP: u8 = 6;
    const INET: u8 = 2;
    const INET6: u8 = 10;
    let (local_ip, peer_ip) = (local.ip().to_canonical(), peer.ip().to_canonical());
    let mut bytes = Vec::with_capacity(TCP_QUESTION_BYTES);
    bytes.extend_from_slice(&[if peer_ip.is_ipv4() { INET } else { INET6 }, TCP, 0, 0]);
    bytes.extend_from_slice(&u32::MAX.to_ne_bytes()); // in any state
    bytes.extend_from_slice(&local.port().to_be_bytes());
    bytes.extend_from_slice(&peer.port().to_be_bytes());
    bytes.extend_from_slice(&sixteen_bytes(local_ip));
    bytes.extend_from_slice(&sixteen_bytes(peer_ip));
    bytes.extend_from_slice(&[0; 4]); // on any interface
    bytes.extend_from_slice(&[0xff; 8]); // no cookie
    bytes.try_into().expect("the pieces add up")
}

/// The same for a Unix socket, which is known by the inode of its descriptor.
fn unix_question(inode: u32) -> [u8; UNIX_QUESTION_BYTES] {
    const UNIX: u8 = 1;
    const SHOW_QUEUES: u32 = 1 << 4;
    let mut bytes = Vec::with_capacity(UNIX_QUESTION_BYTES);
    bytes.extend_from_slice(&[UNIX, 0, 0, 0]);
    bytes.extend_from_slice(&u32::MAX.to_ne_bytes()); // in any state
    bytes.extend_from_slice(&inode.to_ne_bytes());
    bytes.extend_from_slice(&SHOW_QUEUES.to_ne_bytes());
    bytes.extend_from_slice(&[0xff; 8]); // no cookie
    bytes.try_into().expect("the pieces add up")
}

fn sixteen_bytes(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V6(ip) => ip.octets(),
        IpAddr::V4(ip) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&ip.octets());
            bytes
        }
    }
}
