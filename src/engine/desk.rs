//! A worker's desk: the buffers and the time of the turn that is being had at it.
//!
//! *Invariant:* a desk belongs to one worker, and between turns nothing of a connection lies on it. So memory for reading
//! and writing is needed per worker and not per connection: ten thousand that are idle own no buffer at all.

use std::io;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::transfer::Stream;
use crate::config;
use crate::http::date;

/// What a turn works with.
#[derive(Debug)]
pub struct Desk {
    pub input: Input,
    output: Vec<u8>,
    /// The time of the turn, for deadlines.
    pub now: Instant,
    /// The same on the clock on the wall, for dates.
    pub wall: SystemTime,
    /// The wall clock's second as a `Date`, rendered when it has changed.
    pub date: [u8; 29],
    date_second: Option<u64>,
    /// What is left of the turn's share.
    pub requests_left: usize,
    pub bytes_left: usize,
}

/// Received bytes: room for one head of the largest size.
#[derive(Debug)]
pub struct Input {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Whether the last read took all there was, so that another would find nothing.
    drained: bool,
}

impl Desk {
    /// A desk with nothing on it.
    pub fn new() -> Desk {
        Desk {
            input: Input {
                buffer: vec![0; config::HEAD_BYTES_MAX].into_boxed_slice(),
                start: 0,
                end: 0,
                drained: false,
            },
            output: Vec::new(),
            now: Instant::now(),
            wall: UNIX_EPOCH,
            date: date::render(UNIX_EPOCH),
            date_second: None,
            requests_left: 0,
            bytes_left: 0,
        }
    }

    /// Reads the clocks, and puts what the connection has kept on the desk. It keeps no memory meanwhile.
    pub fn begin_turn(&mut self, unread: &mut Vec<u8>) {
        self.now = Instant::now();
        self.wall = SystemTime::now();
        let second = self.wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.date_second != Some(second) {
            self.date = date::render(self.wall);
            self.date_second = Some(second);
        }
        self.requests_left = config::TURN_REQUESTS_MAX;
        self.bytes_left = config::TURN_BYTES_MAX;
        self.input.buffer[..unread.len()].copy_from_slice(unread);
        (self.input.start, self.input.end, self.input.drained) = (0, unread.len(), false);
        *unread = Vec::new();
    }

    /// Begins a turn that neither reads nor answers: for who looks at the clock.
    pub fn begin_look_at_the_clock(&mut self, unread: &mut Vec<u8>) {
        self.begin_turn(unread);
        self.input.drained = true;
        self.requests_left = 0;
    }

    /// Gives the connection what it has to keep.
    pub fn end_turn(&mut self, unread: &mut Vec<u8>) {
        *unread = self.input.unread().to_vec();
    }

    /// Whether the turn is to end although there is more to do.
    pub fn has_had_its_share(&self) -> bool {
        self.requests_left == 0 || self.bytes_left == 0
    }

    /// An empty buffer to write to.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Puts the buffer back, so that the next response need not ask for memory.
    pub fn give_back_output(&mut self, mut output: Vec<u8>) {
        output.clear();
        output.shrink_to(config::OUTPUT_BYTES_KEPT);
        self.output = output;
    }
}

impl Default for Desk {
    fn default() -> Desk {
        Desk::new()
    }
}

impl Input {
    /// What has been received and not consumed.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether a read would find nothing, as far as is known.
    pub fn is_drained(&self) -> bool {
        self.drained
    }

    pub fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Reads once, behind what is there; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing has come, and then the input is drained.
    pub fn fill(&mut self, stream: &mut impl Stream) -> io::Result<usize> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let room = &mut self.buffer[self.end..];
        let asked = room.len();
        let result = stream.receive(room);
        self.drained = match &result {
            // A read that wasn't filled took all there was.
            Ok(count) => *count < asked,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        self.end += *result.as_ref().unwrap_or(&0);
        result
    }

    /// Reads once, over what is there.
    ///
    /// # Errors
    /// `WouldBlock` when nothing has come.
    pub fn discard(&mut self, stream: &mut impl Stream) -> io::Result<usize> {
        (self.start, self.end) = (0, 0);
        stream.receive(&mut self.buffer)
    }
}
