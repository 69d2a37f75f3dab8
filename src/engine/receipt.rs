//! When the kernel received what waits in a socket: the begin of a wait that no thread can see.
//!
//! By the clock of a worker a request begins when it is read. If all workers are busy it has lain in the socket by then,
//! and a load that waits for its answers would see that and the server wouldn't. The kernel knows: it stamps each packet
//! that comes (socket(7), `SO_TIMESTAMP`; the option of a listener is that of all whom it lets in), and says so with the
//! bytes.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::{TimeSpec, TimeValLike as _};

use super::listen::Listener;

/// Has the kernel stamp what comes for those whom a listener lets in. It doesn't for Unix sockets.
pub fn stamp(listener: &Listener) {
    if let Err(errno) = setsockopt(listener, sockopt::ReceiveTimestampns, &true) {
        log::debug!("the kernel doesn't tell when something came: {errno}");
    }
}

/// When what waits in a socket came, by the clock on the wall; `None` where nothing waits, or is stamped. Of packets that
/// the kernel has joined it is the last one's time, so of pipelined requests the wait is told too short.
pub fn time(socket: impl AsFd) -> Option<SystemTime> {
    let mut byte = [0];
    let mut pieces = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!(TimeSpec);
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(socket.as_fd().as_raw_fd(), &mut pieces, Some(&mut space), flags).ok()?;
    message.cmsgs().ok()?.find_map(|message| match message {
        ControlMessageOwned::ScmTimestampns(stamp) => {
            Some(UNIX_EPOCH + Duration::from_nanos(u64::try_from(stamp.num_nanoseconds()).ok()?))
        }
        _ => None,
    })
}
