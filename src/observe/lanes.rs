//! A lane per thread: what it does, written down where it does it, in a ring that holds the last of it, and as counts.
//!
//! *Invariants:*
//! - A lane has one writer, the thread whose lane it is, and that has the only [`Pen`]: it writes nothing that another
//!   thread writes, so counting is a plain addition.
//! - The ring holds [`LANE_SECONDS`](config::LANE_SECONDS) of whatever load: beyond [`LANE_EVENTS`](config::LANE_EVENTS) in
//!   that time, one batch in two is written down, then one in four, and so on, and an event says so. Counts count all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::{Event, What};
use super::histogram::{Histogram, nanoseconds};
use super::ring::Ring;
use crate::config;
use crate::sync::{AtomicU64, Ordering};

/// Why connections are closed, at most: so many counts there are.
pub const REASONS_MAX: usize = 16;

/// The lane of one thread, as others see it.
#[derive(Debug)]
pub struct Lane {
    pub ring: Ring,
    pub counts: Counters,
}

/// What a lane counts. All only grow.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that were let in.
    pub accepted: AtomicU64,
    pub turns: AtomicU64,
    pub batches: AtomicU64,
    /// Heads and what else came.
    pub received: AtomicU64,
    /// Responses that are with the kernel, by the first digit of their status; those to an observer are not among them.
    pub responses: [AtomicU64; 6],
    /// Responses to an observer.
    pub observed: AtomicU64,
    /// Bytes that the kernel took.
    pub sent: AtomicU64,
    /// Connections closed, by the number of the reason.
    pub closed: [AtomicU64; REASONS_MAX],
    /// Nanoseconds between two rests.
    pub busy: AtomicU64,
    /// When the last rest ended, or, with the lowest bit set, began: nanoseconds since the lanes were made.
    pub since: AtomicU64,
    /// One batch in so many is written down; 0 before it was first decided.
    pub every: AtomicU64,
    /// From the taking of a request to the last byte of its response; not of an observer's.
    pub service: Histogram,
    /// From the kernel's receipt of what a turn was had for until it was had; of one turn in so many.
    pub wait: Histogram,
    /// Connections that are taken and not parked again.
    pub in_hand: AtomicU64,
    /// Those in hand, summed over the first so many moments, [`GLANCE_INTERVAL`](config::GLANCE_INTERVAL) apart.
    pub glimpsed: AtomicU64,
    pub moments: AtomicU64,
    /// Nanoseconds of processor time of the thread, its voluntary context switches, and the others.
    pub processor: AtomicU64,
    pub voluntary: AtomicU64,
    pub involuntary: AtomicU64,
}

/// What the system says that a thread has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub processor: Duration,
    pub voluntary: u64,
    pub involuntary: u64,
}

/// The writer's end of a lane.
#[derive(Debug)]
pub struct Pen {
    lane: Arc<Lane>,
    epoch: Instant,
    /// The connection that the next events are about.
    connection: u64,
    /// Whether this batch is written down.
    writes: bool,
    every: u64,
    batches: u64,
    /// Events of all batches, written down or not.
    events: u64,
    woke_at: Instant,
    /// Since when the connection is in hand, or its last response is finished; none where no clock was looked at then.
    since: Option<Instant>,
    /// The stretch of time after which it is decided anew how many batches are written down: its end, and the events
    /// before it.
    window_ends: Instant,
    events_before: u64,
    usage_due: Instant,
    turns: u64,
}

/// How often it is decided how many batches are written down.
const WINDOW: Duration = Duration::from_millis(100);

impl Lane {
    /// A lane for so many events, a power of two.
    pub fn new(events: usize) -> Lane {
        Lane { ring: Ring::new(events), counts: Counters::default() }
    }

    /// Connections in hand, summed over the first so many moments: a thread that is long at something says so afterwards.
    pub fn glimpsed(&self, moments: u64) -> u64 {
        let untold = moments.saturating_sub(load(&self.counts.moments));
        load(&self.counts.glimpsed) + untold * load(&self.counts.in_hand)
    }
}

impl Pen {
    /// The pen for a lane. Times are counted from `epoch`, which is the same for all lanes.
    pub fn new(lane: Arc<Lane>, epoch: Instant) -> Pen {
        Pen {
            lane,
            epoch,
            connection: 0,
            writes: true,
            every: 1,
            batches: 0,
            events: 0,
            woke_at: epoch,
            since: None,
            window_ends: epoch + WINDOW,
            events_before: 0,
            usage_due: epoch,
            turns: 0,
        }
    }

    /// A rest is over: so many connections are ready. Whether what is done for them is written down is decided here.
    pub fn wake(&mut self, ready: usize, now: Instant) {
        if now >= self.window_ends {
            self.adapt(now);
        }
        self.glance(now);
        self.batches += 1;
        self.writes = self.batches.is_multiple_of(self.every);
        self.woke_at = now;
        self.connection = 0;
        let counts = &self.lane.counts;
        add(&counts.batches, 1);
        counts.since.store(self.nanoseconds(now) & !1, Ordering::Relaxed);
        self.note_at(What::Woke(saturated(ready)), now);
    }

    /// The next events are about one of those who were ready at the last waking.
    pub fn go_on_with(&mut self, connection: u64) {
        self.connection = connection;
        self.since = Some(self.woke_at);
    }

    /// When the request was taken that is being answered, and that had been received at `received`.
    pub fn taken(&self, received: Instant) -> u64 {
        self.nanoseconds(self.since.unwrap_or(received))
    }

    /// Nothing is left to do. `usage` is asked now and then for what the thread has used.
    pub fn rest(&mut self, now: Instant, usage: impl FnOnce() -> Option<Usage>) {
        self.glance(now);
        self.connection = 0;
        let counts = &self.lane.counts;
        add(&counts.busy, nanoseconds(now.saturating_duration_since(self.woke_at)));
        counts.since.store(self.nanoseconds(now) | 1, Ordering::Relaxed);
        self.note_at(What::Rests, now);
        if now < self.usage_due {
            return;
        }
        self.usage_due = now + config::USAGE_INTERVAL;
        if let Some(usage) = usage() {
            let counts = &self.lane.counts;
            counts.processor.store(nanoseconds(usage.processor), Ordering::Relaxed);
            counts.voluntary.store(usage.voluntary, Ordering::Relaxed);
            counts.involuntary.store(usage.involuntary, Ordering::Relaxed);
        }
    }

    /// The next events are about that connection.
    pub fn turn_to(&mut self, connection: u64) {
        self.connection = connection;
        self.since = None;
    }

    /// Whether it is to be asked when that came for which the last turn is had.
    pub fn asks_when_it_came(&self) -> bool {
        self.turns.is_multiple_of(self.every)
    }

    /// It came so long before.
    pub fn waited(&self, wait: Duration) {
        self.lane.counts.wait.record(wait);
    }

    /// Counts what has just been done, and writes it down if this batch is.
    pub fn note(&mut self, what: What) {
        self.events += 1;
        let at = self.writes.then(Instant::now);
        if let Some(at) = at {
            self.glance(at);
            self.write(what, at);
        }
        self.count(what);
    }

    fn note_at(&mut self, what: What, at: Instant) {
        self.events += 1;
        if self.writes {
            self.write(what, at);
        }
    }

    /// A response is with the kernel, whole: to a request that was [taken](Pen::taken) then.
    pub fn finish(&mut self, status: u16, taken: u64) {
        let now = Instant::now();
        self.glance(now);
        self.since = Some(now);
        let counts = &self.lane.counts;
        let class = usize::from(status / 100).min(counts.responses.len() - 1);
        add(&counts.responses[class], 1);
        counts.service.record(Duration::from_nanos(self.nanoseconds(now).saturating_sub(taken)));
        self.note_at(What::Finished, now);
    }

    /// The same to an observer.
    pub fn finish_observed(&mut self) {
        let now = Instant::now();
        self.since = Some(now);
        add(&self.lane.counts.observed, 1);
        self.note_at(What::Finished, now);
    }

    /// Counts who is in hand at each moment of a grid that has passed: as many as when that was last changed, or nearly, as
    /// in a batch that isn't written down it is only looked where a response is finished. So it is seen without asking the
    /// clock more often, and whether or not anybody else gets to run meanwhile.
    fn glance(&mut self, now: Instant) {
        let moments = self.nanoseconds(now) / nanoseconds(config::GLANCE_INTERVAL);
        let counts = &self.lane.counts;
        let passed = moments.saturating_sub(counts.moments.load(Ordering::Relaxed));
        if passed > 0 {
            add(&counts.glimpsed, passed * counts.in_hand.load(Ordering::Relaxed));
            add(&counts.moments, passed);
        }
    }

    fn count(&mut self, what: What) {
        let counts = &self.lane.counts;
        match what {
            What::Accepted(_) => add(&counts.accepted, 1),
            What::Took => {
                add(&counts.turns, 1);
                self.turns += 1;
                add(&counts.in_hand, 1);
            }
            What::Received(bytes) => add(&counts.received, u64::from(bytes)),
            What::Sent(bytes) => add(&counts.sent, u64::from(bytes)),
            What::Closed(reason) => {
                let reason = usize::try_from(reason).map_or(REASONS_MAX, |reason| reason).min(REASONS_MAX - 1);
                add(&counts.closed[reason], 1);
                put_down(&counts.in_hand);
            }
            // The accept loop parks those whose time is up without having taken them as a worker does.
            What::Parked(_) => put_down(&counts.in_hand),
            What::Rests | What::Woke(_) | What::Parsed | What::Opened | What::Answered(_) | What::Observed(_) => {}
            What::Finished | What::Samples(_) => {}
        }
    }

    fn write(&self, what: What, at: Instant) {
        self.lane.ring.write(Event { at: self.nanoseconds(at), connection: self.connection, what });
    }

    /// Decides how many batches are written down, by how many events there were since it was last decided.
    fn adapt(&mut self, now: Instant) {
        let elapsed = WINDOW + now.saturating_duration_since(self.window_ends);
        let seen = self.events - self.events_before;
        let second = nanoseconds(Duration::from_secs(1));
        let budget = (config::LANE_EVENTS_PER_SECOND.saturating_mul(nanoseconds(elapsed)) / second).max(1);
        let every = seen.div_ceil(budget).max(1).next_power_of_two();
        (self.window_ends, self.events_before) = (now + WINDOW, self.events);
        if every != self.every {
            self.every = every;
            self.lane.counts.every.store(every, Ordering::Relaxed);
            self.connection = 0;
            self.write(What::Samples(u32::try_from(every).unwrap_or(u32::MAX)), now);
        }
    }

    /// The time as this pen writes it down.
    pub fn nanoseconds(&self, at: Instant) -> u64 {
        nanoseconds(at.saturating_duration_since(self.epoch))
    }
}

/// A count by now.
pub fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// Adds to a count that only this thread changes: two plain instructions, where an atomic addition would cost twenty times
/// as much.
fn add(count: &AtomicU64, more: u64) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// One less, if there is any.
fn put_down(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
}

/// A count as an event has room for it.
pub fn saturated<N: TryInto<u32>>(count: N) -> u32 {
    count.try_into().unwrap_or(u32::MAX)
}
