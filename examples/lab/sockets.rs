//! The kernel's list of TCP sockets, asked for with sock_diag(7), as `ss` does.
//!
//! *Why not `/proc/net/tcp`:* it lists every socket of the machine, in pieces, and one that moves meanwhile may be listed
//! twice or not at all. Here the kernel picks out the port that is asked for.

use std::net::SocketAddr;

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

/// From include/uapi/linux/netlink.h and sock_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST_DUMP: u16 = 0x001 | 0x300;

const HEADER_BYTES: usize = 16;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;

/// The sockets of an IPv4 address that are in this state.
pub fn sockets(address: SocketAddr, state: State) -> Result<Vec<Socket>, String> {
    let failed = |errno: rustix::io::Errno| format!("the kernel lists no sockets: {errno}");
    let netlink = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG));
    let netlink = netlink.map_err(failed)?;
    sendto(&netlink, &request(address.port(), state), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))
        .map_err(failed)?;
    let mut found = Vec::new();
    loop {
        let mut answer = [0; 32 * 1024];
        let (length, _) = recv(&netlink, &mut answer, RecvFlags::empty()).map_err(failed)?;
        let mut rest = &answer[..length];
        while let (Some(message), Some(kind)) = (u32_at(rest, 0), u16_at(rest, 4)) {
            let message = usize::try_from(message).unwrap_or(0);
            match kind {
                NLMSG_DONE => return Ok(found),
                NLMSG_ERROR => return Err("the kernel lists no sockets: it has no tcp_diag".into()),
                _ => found.extend(socket(rest)),
            }
            if message < HEADER_BYTES {
                return Err("the kernel's list of sockets is no list".into());
            }
            // Messages begin at multiples of four.
            rest = rest.get(message.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

/// A `nlmsghdr`, and an `inet_diag_req_v2` behind it.
fn request(port: u16, state: State) -> Vec<u8> {
    let mut request = Vec::new();
    request.extend(72_u32.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(NLM_F_REQUEST_DUMP.to_ne_bytes());
    // Number and sender, which are of use to who asks often; then family, protocol, and no extensions.
    request.extend([0; 8]);
    request.extend([AF_INET, IPPROTO_TCP, 0, 0]);
    request.extend((1_u32 << state as u32).to_ne_bytes());
    // Its own port; the other one, the addresses and the device don't matter, and the cookie is none.
    request.extend(port.to_be_bytes());
    request.extend([0; 38]);
    request.extend([0xff; 8]);
    request
}

/// An `inet_diag_msg` behind its header: the queues are 56 and 60 bytes into it.
fn socket(message: &[u8]) -> Option<Socket> {
    Some(Socket { received: u32_at(message, HEADER_BYTES + 56)?, sent: u32_at(message, HEADER_BYTES + 60)? })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}
