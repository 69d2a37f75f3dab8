//! What the kernel is asked about its sockets, and where its answers stand: netlink messages as sock_diag(7) has them.
//!
//! It is asked about one socket, or about all that have a port.
//!
//! Numbers of netlink are in the machine's order, ports and addresses in the network's.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use rustix::net::{self, RecvFlags, SendFlags};

/// A netlink head, which each message begins with.
pub const HEAD_BYTES: usize = 16;

/// `SOCK_DIAG_BY_FAMILY`, the kind of a question and of an answer (linux/sock_diag.h).
pub const BY_FAMILY: u16 = 20;

/// Where `idiag_rqueue` stands in an answer about TCP, and `idiag_wqueue`, the user and the inode behind it: behind the
/// netlink head, four bytes, an `inet_diag_sockid` and a number.
pub const TCP_QUEUES_AT: usize = HEAD_BYTES + 4 + 48 + 4;

/// Where `udiag_rqueue` and `udiag_wqueue` stand: behind the netlink head, a `unix_diag_msg` and the head of the only
/// attribute that is asked for.
pub const UNIX_QUEUES_AT: usize = HEAD_BYTES + 16 + 4;

/// Whichever state a socket is in.
pub const ANY_STATE: u32 = u32::MAX;

/// An `inet_diag_req_v2` (linux/inet_diag.h).
const TCP_QUESTION_BYTES: usize = 56;
/// A `unix_diag_req` (linux/unix_diag.h).
const UNIX_QUESTION_BYTES: usize = 24;

/// How many sockets are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The one that has exactly these addresses.
    One,
    /// All that have the port, in several messages.
    All,
}

/// From include/uapi/linux/netlink.h.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// What is said of a socket of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Bytes received and not read; of a listener, connections that wait for accept.
    pub received: u32,
    /// Bytes sent and not acknowledged; the end of the stream counts as one.
    pub sent: u32,
    /// 0 once it is closed: nobody has a descriptor of it any more.
    pub inode: u32,
}

/// Asks about all sockets that have this port as their own and are in one of these states, a bit for each.
///
/// # Errors
/// When the kernel lists none: it has no `tcp_diag`, or a sandbox refuses.
pub fn list(netlink: impl AsFd, states: u32, local: SocketAddr, mut each: impl FnMut(Listed)) -> io::Result<()> {
    net::send(&netlink, &message(Scope::All, &about_tcp(states, local, anybody(local))), SendFlags::empty())?;
    loop {
        let mut answer = [0; 32 * 1024];
        let (length, _) = net::recv(&netlink, &mut answer, RecvFlags::empty())?;
        let mut rest = &answer[..length];
        while let Some((length, kind)) = head(rest) {
            match kind {
                NLMSG_DONE => return Ok(()),
                NLMSG_ERROR => return Err(io::Error::other("it has no tcp_diag")),
                _ if length < HEAD_BYTES => return Err(io::Error::other("its list is no list")),
                _ => {
                    let said = numbers(rest, TCP_QUEUES_AT);
                    said.into_iter().for_each(|[received, sent, _, inode]| each(Listed { received, sent, inode }));
                }
            }
            // Messages begin at multiples of four.
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

/// A question with its head.
pub fn message(scope: Scope, question: &[u8]) -> Vec<u8> {
    // NLM_F_REQUEST, and NLM_F_DUMP (linux/netlink.h).
    let flags: u16 = match scope {
        Scope::One => 0x001,
        Scope::All => 0x001 | 0x300,
    };
    let length = u32::try_from(HEAD_BYTES + question.len()).unwrap_or(0).to_ne_bytes();
    // Number and sender are of use to who asks often.
    [length.as_slice(), &BY_FAMILY.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8], question].concat()
}

/// The length that a message gives in its head, and its kind.
pub fn head(message: &[u8]) -> Option<(usize, u16)> {
    let length = u32::from_ne_bytes(*message.first_chunk()?);
    let kind = u16::from_ne_bytes(*message.get(4..)?.first_chunk()?);
    Some((usize::try_from(length).ok()?, kind))
}

/// So many numbers of a message.
pub fn numbers<const N: usize>(message: &[u8], at: usize) -> Option<[u32; N]> {
    let (numbers, _) = message.get(at..at + 4 * N)?.as_chunks::<4>();
    Some(std::array::from_fn(|index| u32::from_ne_bytes(numbers[index])))
}

/// A question about sockets of TCP, in one of these states: a bit for each.
pub fn about_tcp(states: u32, local: SocketAddr, peer: SocketAddr) -> [u8; TCP_QUESTION_BYTES] {
    const TCP: u8 = 6;
    const INET: u8 = 2;
    const INET6: u8 = 10;
    let (local_ip, peer_ip) = (local.ip().to_canonical(), peer.ip().to_canonical());
    let mut bytes = Vec::with_capacity(TCP_QUESTION_BYTES);
    bytes.extend_from_slice(&[if peer_ip.is_ipv4() { INET } else { INET6 }, TCP, 0, 0]);
    bytes.extend_from_slice(&states.to_ne_bytes());
    bytes.extend_from_slice(&local.port().to_be_bytes());
    bytes.extend_from_slice(&peer.port().to_be_bytes());
    bytes.extend_from_slice(&sixteen_bytes(local_ip));
    bytes.extend_from_slice(&sixteen_bytes(peer_ip));
    bytes.extend_from_slice(&[0; 4]); // on any interface
    bytes.extend_from_slice(&[0xff; 8]); // no cookie
    bytes.try_into().expect("the pieces add up")
}

/// The same for a Unix socket, which is known by the inode of its descriptor.
pub fn about_unix(inode: u32) -> [u8; UNIX_QUESTION_BYTES] {
    const UNIX: u8 = 1;
    const SHOW_QUEUES: u32 = 1 << 4;
    let mut bytes = Vec::with_capacity(UNIX_QUESTION_BYTES);
    bytes.extend_from_slice(&[UNIX, 0, 0, 0]);
    bytes.extend_from_slice(&ANY_STATE.to_ne_bytes());
    bytes.extend_from_slice(&inode.to_ne_bytes());
    bytes.extend_from_slice(&SHOW_QUEUES.to_ne_bytes());
    bytes.extend_from_slice(&[0xff; 8]); // no cookie
    bytes.try_into().expect("the pieces add up")
}

/// The peer of whom it doesn't matter: a listener's, or whichever.
pub fn anybody(local: SocketAddr) -> SocketAddr {
    match local.ip() {
        IpAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
        IpAddr::V6(_) => SocketAddr::from(([0_u16; 8], 0)),
    }
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
