//! What there is to be written down about the work of a thread, each event in three words.

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The thread has nothing to do, and waits for an event.
    Rests,
    /// So many connections were ready.
    Woke(u32),
    /// A connection was accepted, from a client of that port; 0 on a Unix socket.
    Accepted(u32),
    /// A worker took a connection that was ready.
    Took,
    /// It received so many bytes.
    Received(u32),
    /// It read the head to its end, and that is a request.
    Parsed,
    /// It chose a response that wasn't at hand: the file is open, if there is one, or else it is known why not.
    Opened,
    /// Its response is ready to be sent, and has that status.
    Answered(u32),
    /// The same for who watches the server.
    Observed(u32),
    /// The kernel took so many bytes.
    Sent(u32),
    /// The response is with the kernel, whole.
    Finished,
    /// The connection went back to the pond, which waits for that.
    Parked(For),
    /// It was closed, for the reason of that number.
    Closed(u32),
    /// From here on, one batch in so many is written down.
    Samples(u32),
}

/// What a parked connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    Request,
    RestOfHead,
    /// Room to write.
    Room,
    Turn,
    /// The end of what a client sends that isn't read any more.
    End,
}

/// One line of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Nanoseconds since the lanes were made.
    pub at: u64,
    /// Which connection: the number of its stay. Of none, where it is about the thread.
    pub connection: u64,
    pub what: What,
}

impl Event {
    pub fn into_words(self) -> [u64; 3] {
        let (kind, value) = self.what.number();
        [self.at, self.connection, u64::from(kind) << 32 | u64::from(value)]
    }

    /// `None` for words that no event has become.
    pub fn from_words([at, connection, what]: [u64; 3]) -> Option<Event> {
        let half = |half: u64| u32::try_from(half).ok();
        let what = What::from_number(half(what >> 32)?, half(what & u64::from(u32::MAX))?)?;
        Some(Event { at, connection, what })
    }
}

impl What {
    /// A number for the kind, and one for what goes with it.
    pub fn number(self) -> (u32, u32) {
        match self {
            What::Rests => (1, 0),
            What::Woke(count) => (2, count),
            What::Accepted(port) => (3, port),
            What::Took => (4, 0),
            What::Received(bytes) => (5, bytes),
            What::Answered(status) => (6, status),
            What::Observed(status) => (7, status),
            What::Sent(bytes) => (8, bytes),
            What::Finished => (9, 0),
            What::Parked(why) => (10, why.number()),
            What::Closed(reason) => (11, reason),
            What::Samples(every) => (12, every),
            What::Parsed => (13, 0),
            What::Opened => (14, 0),
        }
    }

    fn from_number(kind: u32, value: u32) -> Option<What> {
        Some(match kind {
            1 => What::Rests,
            2 => What::Woke(value),
            3 => What::Accepted(value),
            4 => What::Took,
            5 => What::Received(value),
            6 => What::Answered(value),
            7 => What::Observed(value),
            8 => What::Sent(value),
            9 => What::Finished,
            10 => What::Parked(For::from_number(value)?),
            11 => What::Closed(value),
            12 => What::Samples(value),
            13 => What::Parsed,
            14 => What::Opened,
            _ => return None,
        })
    }
}

impl For {
    const ALL: [For; 5] = [For::Request, For::RestOfHead, For::Room, For::Turn, For::End];

    pub fn number(self) -> u32 {
        match self {
            For::Request => 0,
            For::RestOfHead => 1,
            For::Room => 2,
            For::Turn => 3,
            For::End => 4,
        }
    }

    fn from_number(number: u32) -> Option<For> {
        For::ALL.get(usize::try_from(number).ok()?).copied()
    }
}

/// The names of the kinds, by their numbers; for who reads the numbers.
pub const KINDS: [&str; 15] = [
    "", "rests", "woke", "accepted", "took", "received", "answered", "observed", "sent", "finished", "parked",
    "closed", "samples", "parsed", "opened",
];

/// The names of what a connection is parked for, by their numbers.
pub const PARKED_FOR: [&str; 5] = ["a request", "the rest of a head", "room to write", "a turn", "the end"];
