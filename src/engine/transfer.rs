//! A response on its way out: one write for a small one, `sendfile` for files.
//!
//! *Invariants:* a write never waits: when the socket is full the transfer says so, and knows how far it came. It sends
//! exactly as many bytes as its head announced, or it fails: a file that got shorter is never padded (the client sees the
//! connection close before the length is reached, RFC 9112 §8), and never mapped into memory (a shorter file would then
//! be a SIGBUS for everyone).
//!
//! Head and content from memory leave in one write. In two, the second would wait for the client's delayed
//! acknowledgement of the first: 40 ms. Before `sendfile`, `MSG_MORE` says that more is coming, for the same reason.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::io::ReadWriteFlags;

use super::CloseReason;
use super::channel::Stage;
use super::desk::Patience;
use super::poller::Interest;
use crate::config;
use crate::http::multipart::Multipart;
use crate::http::pieces::Pieces;
use crate::http::response::{Content, Source};

/// What a connection does with its socket; a test has one in memory. Nothing here waits: `WouldBlock` says so instead. Who
/// was told so by a send asks for it again with the same bytes, or gives the connection up.
pub trait Stream {
    /// # Errors
    /// `WouldBlock` when nothing has come.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Sends the first bytes and, in the same segment, the second.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room.
    fn send(&mut self, first: &[u8], second: &[u8], behind: Behind) -> io::Result<usize>;
    /// # Errors
    /// `WouldBlock` when there is no room.
    fn send_file(&mut self, file: &File, offset: u64, count: usize) -> io::Result<usize>;
    /// Sends the end of the stream behind all that was sent.
    ///
    /// # Errors
    /// When the connection is gone.
    fn finish(&mut self) -> io::Result<()>;
    /// Has the connection reset when it is closed: what the peer has not taken is thrown away, here and in the kernel.
    fn reset(&mut self);

    // What follows is of interest where another protocol lies between this stream and the kernel.

    /// How far both ends are with agreeing on how to speak.
    fn stage(&self) -> Stage {
        Stage::Open
    }
    /// Whether a read would find something that no event will tell of.
    fn holds_input(&self) -> bool {
        false
    }
    /// What has to come before a read that would have waited finds more.
    fn awaits(&self) -> Interest {
        Interest::Read
    }
    /// Says that nothing follows, where closing the descriptor doesn't.
    fn farewell(&mut self) {}
}

/// Whether more follows at once what is sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    Nothing,
    More,
}

/// How far a transfer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All of it is with the kernel.
    Done,
    /// The socket is full.
    Blocked,
    /// The turn's allowance is used up.
    TurnOver,
}

/// Bytes in memory, and what of a source follows them.
#[derive(Debug)]
pub struct Transfer {
    buffer: Vec<u8>,
    buffer_sent: usize,
    source: Option<Source<Arc<File>>>,
    /// The stretch of the source that follows the buffer: where it begins, and its bytes.
    first: u64,
    left: u64,
    /// What follows that. Boxed, because a transfer is moved, and few have any.
    rest: Option<Box<Rest>>,
    /// Bytes that the kernel took, those of the head included.
    sent: u64,
}

/// What is got ready when the buffer is empty.
#[derive(Debug)]
enum Rest {
    /// Further stretches: all of them, and which comes next.
    Parts {
        parts: Box<Multipart>,
        next: usize,
    },
    Pieces(Pieces),
}

impl Transfer {
    /// Prepares `head` and the content behind it; reads the content if it is small.
    ///
    /// # Errors
    /// When the file can't be read, or (`UnexpectedEof`) has become shorter than its head says; `WouldBlock` when it
    /// would have to be waited for, and there is no patience for that.
    pub fn new(head: Vec<u8>, content: Content<Arc<File>>, patience: Patience) -> io::Result<Transfer> {
        let mut transfer =
            Transfer { buffer: head, buffer_sent: 0, source: None, first: 0, left: 0, rest: None, sent: 0 };
        match content {
            Content::None => {}
            Content::Bytes(bytes) => transfer.buffer.extend_from_slice(&bytes),
            Content::Slice { source, first, length } => {
                transfer.source = Some(source);
                transfer.take_up(first, length, patience)?;
            }
            Content::Multipart { source, parts } => {
                transfer.source = Some(source);
                transfer.rest = Some(Box::new(Rest::Parts { parts, next: 0 }));
            }
            Content::Pieces(mut pieces) => {
                // Behind the head, so that both leave in one write.
                pieces.write_next(&mut transfer.buffer);
                transfer.rest = Some(Box::new(Rest::Pieces(pieces)));
            }
        }
        Ok(transfer)
    }

    /// Sends until all is sent, the socket is full, or `allowance` bytes have gone; what it used is taken from there.
    ///
    /// # Errors
    /// The reason to close: the peer is gone, the file is too short, the system failed.
    pub fn push(&mut self, stream: &mut impl Stream, allowance: &mut usize) -> Result<Progress, CloseReason> {
        loop {
            let has_buffered = self.buffer_sent < self.buffer.len();
            let moved = if *allowance == 0 && !has_buffered && self.has_more() {
                return Ok(Progress::TurnOver);
            } else if has_buffered || self.in_memory().is_some_and(|rest| !rest.is_empty()) {
                self.send(stream, *allowance)
            } else if self.left > 0 {
                self.send_file(stream, *allowance)
            } else if self.next(allowance)? {
                continue;
            } else {
                return Ok(Progress::Done);
            };
            match moved {
                Ok(0) if !has_buffered => return Err(CloseReason::FileTruncated),
                Ok(count) => {
                    self.sent += u64::try_from(count).expect("a length fits 64 bits");
                    *allowance = allowance.saturating_sub(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Progress::Blocked),
                Err(error) => return Err(CloseReason::of(&error)),
            }
        }
    }

    /// Whether to go on needs a file, and so perhaps a disk.
    pub fn needs_file(&self) -> bool {
        matches!(self.source, Some(Source::Opened(_))) && self.has_more()
    }

    /// Bytes that the kernel has taken, those of the head included.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Gives back memory that a parked transfer has no use for: it may stay parked for long, with many others.
    pub fn settle(&mut self) {
        self.buffer.drain(..self.buffer_sent);
        self.buffer_sent = 0;
        self.buffer.shrink_to_fit();
    }

    /// The buffer, to be used again.
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Whether anything follows the buffer.
    fn has_more(&self) -> bool {
        self.left > 0 || self.has_rest()
    }

    fn has_rest(&self) -> bool {
        match self.rest.as_deref() {
            None => false,
            Some(Rest::Parts { .. }) => true,
            Some(Rest::Pieces(pieces)) => !pieces.is_done(),
        }
    }

    /// What is left of the stretch, if it lies in memory.
    fn in_memory(&self) -> Option<&[u8]> {
        let Some(Source::Memory(bytes)) = &self.source else { return None };
        Some(&bytes[index(self.first)..index(self.first + self.left)])
    }

    /// Sends what is left of the buffer, and what of the stretch lies in memory.
    fn send(&mut self, stream: &mut impl Stream, allowance: usize) -> io::Result<usize> {
        let head = &self.buffer[self.buffer_sent..];
        let stretch = self.in_memory().unwrap_or_default();
        let stretch = &stretch[..stretch.len().min(allowance)];
        let follows = self.has_rest() || self.left > u64::try_from(stretch.len()).unwrap_or(u64::MAX);
        let behind = if follows { Behind::More } else { Behind::Nothing };
        let head_length = head.len();
        let count = stream.send(head, stretch, behind)?;
        self.buffer_sent += count.min(head_length);
        self.advance(count.saturating_sub(head_length));
        Ok(count)
    }

    fn send_file(&mut self, stream: &mut impl Stream, allowance: usize) -> io::Result<usize> {
        let Some(Source::Opened(file)) = &self.source else { return Ok(0) };
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(allowance);
        let count = stream.send_file(file, self.first, count)?;
        self.advance(count);
        Ok(count)
    }

    /// So many bytes of the stretch have gone.
    fn advance(&mut self, count: usize) {
        let count = u64::try_from(count).expect("a length fits 64 bits");
        self.first += count;
        self.left -= count;
    }

    /// Puts what comes next into the buffer: a part's preamble, what ends the last, or a piece that is made, which counts
    /// as part of what the turn is allowed; `false` when there was nothing left.
    fn next(&mut self, allowance: &mut usize) -> Result<bool, CloseReason> {
        let Some(rest) = self.rest.as_deref_mut() else { return Ok(false) };
        self.buffer.clear();
        self.buffer_sent = 0;
        match rest {
            Rest::Pieces(pieces) if pieces.is_done() => return Ok(false),
            Rest::Pieces(pieces) => {
                pieces.write_next(&mut self.buffer);
                *allowance = allowance.saturating_sub(self.buffer.len() * config::MADE_BYTES_WEIGHT);
            }
            Rest::Parts { parts, next } => match parts.part(*next) {
                Some(part) => {
                    *next += 1;
                    self.buffer.extend_from_slice(&part.preamble);
                    let (first, length) = (part.range.first(), part.range.len());
                    self.take_up(first, length, Patience::ForDisk).map_err(|error| CloseReason::of(&error))?;
                }
                None => {
                    self.buffer.extend_from_slice(&parts.closing());
                    self.rest = None;
                }
            },
        }
        Ok(true)
    }

    /// Makes a stretch of the source the next to be sent. Of a file it is read to the buffer if it is small, else left to
    /// `sendfile`; from memory it is copied if it is so small that two pieces would cost more.
    fn take_up(&mut self, first: u64, length: u64, patience: Patience) -> io::Result<()> {
        (self.first, self.left) = (first, length);
        match &self.source {
            Some(Source::Memory(bytes)) if length <= config::COPIED_BYTES_MAX => {
                let stretch = &bytes[index(first)..index(first + length)];
                self.buffer.extend_from_slice(stretch);
            }
            Some(Source::Opened(file)) if length <= config::INLINE_BYTES_MAX => {
                let start = self.buffer.len();
                self.buffer.resize(start + index(length), 0);
                read_exact_at(file, &mut self.buffer[start..], first, patience)?;
            }
            _ => return Ok(()),
        }
        self.left = 0;
        Ok(())
    }
}

/// A place in memory; what lies there has been read, so its size fits.
fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("small content fits memory")
}

/// Reads a stretch of a file; without patience only what the kernel has in memory.
fn read_exact_at(file: &File, buffer: &mut [u8], first: u64, patience: Patience) -> io::Result<()> {
    match patience {
        Patience::ForDisk => file.read_exact_at(buffer, first),
        Patience::None => {
            let asked = buffer.len();
            let mut slices = [io::IoSliceMut::new(buffer)];
            match rustix::io::preadv2(file, &mut slices, first, ReadWriteFlags::NOWAIT) {
                Ok(count) if count == asked => Ok(()),
                // Not all of it is there, or this file system can't tell.
                _ => Err(io::ErrorKind::WouldBlock.into()),
            }
        }
    }
}
