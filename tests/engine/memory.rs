//! A stream in memory: what came is given in the pieces that the test chose, what is sent is taken in pieces too.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use millpond::engine::transfer::{Behind, Stream};

/// The other end of a connection.
#[derive(Debug, Default)]
pub struct MemoryStream {
    /// Pieces that have not been received; after each, reading would wait.
    pub incoming: VecDeque<Vec<u8>>,
    /// Whether the client has sent the end behind them.
    pub ended: bool,
    /// Everything that was sent.
    pub outgoing: Vec<u8>,
    /// Bytes that one write takes; after each, writing would wait. 0: all, always.
    pub room: usize,
    pub blocked: bool,
    /// Whether the server has sent the end.
    pub finished: bool,
    /// Whether closing would reset it.
    pub reset: bool,
    /// Reads and writes that were asked for.
    pub calls: usize,
}

impl MemoryStream {
    /// A client that sends these pieces, and then waits.
    pub fn sending<P: Into<Vec<u8>>>(pieces: impl IntoIterator<Item = P>) -> MemoryStream {
        MemoryStream { incoming: pieces.into_iter().map(Into::into).collect(), ..MemoryStream::default() }
    }

    /// Whether a read would return.
    pub fn has_more(&self) -> bool {
        self.ended || !self.incoming.is_empty()
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.room > 0 {
            self.blocked = !self.blocked;
            if !self.blocked {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        let count = if self.room > 0 { bytes.len().min(self.room) } else { bytes.len() };
        self.outgoing.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}

impl Stream for MemoryStream {
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        match self.incoming.pop_front() {
            None if self.ended => Ok(0),
            None => Err(io::ErrorKind::WouldBlock.into()),
            Some(mut piece) => {
                let rest = piece.split_off(piece.len().min(buffer.len()));
                buffer[..piece.len()].copy_from_slice(&piece);
                if !rest.is_empty() {
                    self.incoming.push_front(rest);
                }
                Ok(piece.len())
            }
        }
    }

    fn send(&mut self, first: &[u8], second: &[u8], _: Behind) -> io::Result<usize> {
        self.take(&[first, second].concat())
    }

    fn send_file(&mut self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        let mut bytes = vec![0; count];
        let length = file.read_at(&mut bytes, offset)?;
        self.take(&bytes[..length])
    }

    fn finish(&mut self) -> io::Result<()> {
        self.finished = true;
        Ok(())
    }

    fn reset(&mut self) {
        self.reset = true;
    }
}
