//! A worker's desk: the buffers and the time of the turn that is being had at it.
//!
//! *Invariant:* a desk belongs to one worker, and between batches nothing of a connection lies on it. So memory for reading
//! and writing is needed per worker and not per connection: ten thousand that are idle own no buffer at all.
//!
//! What is a connection's own during its turn is its [`Seat`]; a batch has several, and one of them is at the desk.

use std::io;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::notes::Whose;
use super::transfer::Stream;
use crate::config;
use crate::http::date;
use crate::observe::lanes::Pen;

/// What a turn works with.
#[derive(Debug)]
pub struct Desk {
    /// Whose turn it is.
    pub seat: Seat,
    pub patience: Patience,
    output: Vec<u8>,
    /// The time, for deadlines. All that has been received by those who are served had come by then.
    pub now: Instant,
    /// The same on the clock on the wall, for dates.
    pub wall: SystemTime,
    /// The wall clock's second as a `Date`, rendered when it has changed.
    pub date: [u8; 29],
    date_second: Option<u64>,
    /// Where it is written down what is done, if anybody watches.
    pub pen: Option<Box<Pen>>,
    /// Who the response is for that is being made.
    pub whose: Whose,
    /// Since when its request has been there, if it was left from an earlier turn.
    pub worked_on_since: Option<Instant>,
}

/// Whether a turn may wait for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Others are to be served after it: what may wait is left for later.
    None,
    ForDisk,
}

/// What a connection has of a desk during its turn.
#[derive(Debug, Default)]
pub struct Seat {
    pub input: Input,
    /// What is left of the turn's share.
    pub requests_left: usize,
    pub bytes_left: usize,
}

/// What a connection keeps of its input between turns.
#[derive(Debug, Default)]
pub struct Unread {
    bytes: Vec<u8>,
    /// Whether nothing more had come when it left its seat.
    drained: bool,
    /// Whether there were events that nobody has acted on, or not to the end.
    missed: bool,
    /// Whether an event has told of the end of the stream.
    half_closed: bool,
}

/// What is known to have come for a connection when its turn begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Something; if anything else comes, there will be another event.
    Bytes,
    /// The end of the stream, and perhaps bytes before it.
    End,
    /// Nothing since the last turn.
    Nothing,
    /// Anything: there have been events that nobody acted on.
    Missed,
}

/// What a read that wasn't filled says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum More {
    /// If more comes, there will be an event: it took all there was.
    #[default]
    Event,
    /// More may have come already, be it the end of the stream.
    Unknown,
}

/// Received bytes: room for one head of the largest size.
#[derive(Debug, Default)]
pub struct Input {
    /// Empty until it is needed: with few clients most seats never are.
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// A read ahead of the turn: its bytes, if it got any, stand behind `end` until [`Input::fill`] asks for them.
    ahead: Option<io::Result<usize>>,
    /// Whether the last read took all there was, so that another would find nothing.
    drained: bool,
    more: More,
}

impl Desk {
    /// A desk with nothing on it.
    pub fn new() -> Desk {
        Desk {
            seat: Seat::default(),
            patience: Patience::ForDisk,
            output: Vec::new(),
            now: Instant::now(),
            wall: UNIX_EPOCH,
            date: date::render(UNIX_EPOCH),
            date_second: None,
            pen: None,
            whose: Whose::Client,
            worked_on_since: None,
        }
    }

    /// The same, at which all that is done is written down.
    pub fn with_pen(pen: Option<Pen>) -> Desk {
        Desk { pen: pen.map(Box::new), ..Desk::new() }
    }

    /// Reads the clocks.
    pub fn look_at_the_clock(&mut self) {
        self.now = Instant::now();
        self.wall = SystemTime::now();
        let second = self.wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.date_second != Some(second) {
            self.date = date::render(self.wall);
            self.date_second = Some(second);
        }
    }

    /// Has another seat at the desk; the one that was there is put where that one was.
    pub fn swap_seat(&mut self, other: &mut Seat) {
        std::mem::swap(&mut self.seat, other);
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

impl Seat {
    /// Begins a turn with what the connection has kept. It keeps no memory meanwhile.
    pub fn take(&mut self, unread: &mut Unread, arrival: Arrival) {
        unread.half_closed |= arrival == Arrival::End;
        let arrival = if std::mem::take(&mut unread.missed) { Arrival::Missed } else { arrival };
        self.requests_left = config::TURN_REQUESTS_MAX;
        self.bytes_left = config::TURN_BYTES_MAX;
        self.input.begin(std::mem::take(&mut unread.bytes));
        self.input.drained = unread.drained && arrival == Arrival::Nothing;
        if unread.half_closed || arrival == Arrival::Missed {
            self.input.more = More::Unknown;
        }
    }

    /// Begins a turn that neither reads nor answers: for who looks at the clock.
    pub fn take_to_look_at_the_clock(&mut self, unread: &mut Unread) {
        let bytes = std::mem::take(&mut unread.bytes);
        self.input.begin(bytes);
        // What is known of its input stays as it was.
        unread.missed |= !unread.drained;
        self.input.drained = true;
        self.requests_left = 0;
    }

    /// Gives the connection what it has to keep.
    pub fn leave(&mut self, unread: &mut Unread) {
        match self.input.ahead.take() {
            // What was read ahead and not asked for comes last.
            Some(Ok(count @ 1..)) => self.input.end += count,
            // The end of the stream, or an error: it will come again.
            Some(_) => self.input.drained = false,
            None => {}
        }
        unread.bytes = self.input.unread().to_vec();
        unread.drained = self.input.drained;
        // It ends before it has found everything that events have told of: the next turn is to go on looking, or the end of
        // the stream is never found behind bytes that a read takes all at once.
        unread.missed |= self.input.more == More::Unknown && !self.input.drained;
    }

    /// Whether the turn is to end although there is more to do.
    pub fn has_had_its_share(&self) -> bool {
        self.requests_left == 0 || self.bytes_left == 0
    }
}

impl Unread {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Something has come that the next turn has to look for.
    pub fn miss(&mut self) {
        self.missed = true;
    }
}

impl Input {
    fn begin(&mut self, unread: Vec<u8>) {
        if self.buffer.is_empty() {
            self.buffer = vec![0; config::HEAD_BYTES_MAX].into_boxed_slice();
        }
        self.buffer[..unread.len()].copy_from_slice(&unread);
        (self.start, self.end) = (0, unread.len());
        (self.ahead, self.drained, self.more) = (None, false, More::Event);
    }

    /// What has been received and not consumed.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether a read would find nothing, as far as is known.
    pub fn is_drained(&self) -> bool {
        self.drained && self.ahead.is_none()
    }

    pub fn consume(&mut self, count: usize) {
        self.start += count;
    }

    /// Reads once, before it is known what for; [`fill`](Input::fill) gets the result.
    pub fn read_ahead(&mut self, stream: &mut impl Stream) {
        // A read into no room would look like the end of the stream.
        if self.end < self.buffer.len() {
            self.ahead = Some(self.read(stream));
        }
    }

    /// Whether the next [`fill`](Input::fill) has been read ahead.
    pub fn has_read_ahead(&self) -> bool {
        self.ahead.is_some()
    }

    /// Reads once, behind what is there; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing has come, and then the input is drained.
    pub fn fill(&mut self, stream: &mut impl Stream) -> io::Result<usize> {
        let result = match self.ahead.take() {
            Some(result) => result,
            None => self.read(stream),
        };
        self.end += *result.as_ref().unwrap_or(&0);
        result
    }

    fn read(&mut self, stream: &mut impl Stream) -> io::Result<usize> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let room = &mut self.buffer[self.end..];
        let asked = room.len();
        let result = stream.receive(room);
        self.drained = match &result {
            // A read that wasn't filled took all there was.
            Ok(count) => *count < asked && self.more == More::Event && !stream.holds_input(),
            Err(error) => error.kind() == io::ErrorKind::WouldBlock && !stream.holds_input(),
        };
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
