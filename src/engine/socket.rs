//! A connected socket, as a transfer sends on it: every call returns at once.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown};

use super::transfer::{Behind, Stream};

/// A connected socket, non-blocking; a clone is a share of the same one, which closes with the last.
#[derive(Clone, Debug)]
pub struct Socket(Arc<OwnedFd>);

impl Socket {
    pub fn new(descriptor: OwnedFd) -> Socket {
        Socket(Arc::new(descriptor))
    }

    pub fn socket(&self) -> &Socket {
        self
    }

    /// The first byte that has come, left where it is; `None` at the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing has come.
    pub fn peek(&self) -> io::Result<Option<u8>> {
        let mut first = [0];
        let (count, _) = again(|| net::recv(self.as_fd(), &mut first, RecvFlags::DONTWAIT | RecvFlags::PEEK))?;
        Ok((count > 0).then_some(first[0]))
    }

    /// Sends the first bytes of some pieces, in as few segments as they need.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room.
    pub fn send_pieces(&self, pieces: &[IoSlice<'_>], behind: Behind) -> io::Result<usize> {
        let flags = send_flags(behind);
        Ok(again(|| net::sendmsg(self.as_fd(), pieces, &mut SendAncillaryBuffer::default(), flags))?)
    }

    /// Whether a read would not wait: bytes have come, or the end of them.
    pub fn has_input(&self) -> bool {
        let peeked = again(|| net::recv(self.as_fd(), &mut [0], RecvFlags::DONTWAIT | RecvFlags::PEEK));
        peeked.map_or_else(|errno| errno != Errno::AGAIN, |_| true)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Stream for Socket {
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(again(|| net::recv(self.as_fd(), &mut *buffer, RecvFlags::DONTWAIT).map(|(count, _)| count))?)
    }

    fn send(&mut self, first: &[u8], second: &[u8], behind: Behind) -> io::Result<usize> {
        if second.is_empty() {
            return Ok(again(|| net::send(self.as_fd(), first, send_flags(behind)))?);
        }
        self.send_pieces(&[IoSlice::new(first), IoSlice::new(second)], behind)
    }

    fn send_file(&mut self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        Ok(again(|| rustix::fs::sendfile(self.as_fd(), file, Some(&mut { offset }), count))?)
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(net::shutdown(self.as_fd(), Shutdown::Write)?)
    }

    fn reset(&mut self) {
        if let Err(errno) = net::sockopt::set_socket_linger(self.as_fd(), Some(Duration::ZERO)) {
            log::debug!("a connection can't be reset, it is closed: {errno}");
        }
    }
}

fn send_flags(behind: Behind) -> SendFlags {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    match behind {
        Behind::Nothing => flags,
        Behind::More => flags | SendFlags::MORE,
    }
}

/// Once more for a call that a signal interrupted before it did anything.
fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
