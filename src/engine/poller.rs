//! Who is ready: one epoll set that all workers share, so that the kernel's ready list is the queue of jobs.
//!
//! *Invariants:* a connection is in the set from its first parking to its end, edge-triggered: an event tells of something
//! new, once, to one worker. Nothing has to be armed again, so a warm request costs no `epoll_ctl`; in return whoever has
//! an event must see to it that it is acted on (the hand-off of [`pond`](super::pond)). An event carries a [`Token`] and
//! never a descriptor, because descriptor numbers are used again as soon as they are closed.
//!
//! Room to write is watched only from the first time that a response had to wait for some. The kernel reports room only
//! to who has found none (`SOCK_NOSPACE`), so from then on the watch costs nothing and needs no change.
//!
//! A worker takes a batch of events. What may wait for a disk comes last in it and can be taken over by others (see
//! [`worker`](super::worker)), so a slow file holds back no connection that happened to be taken together with it.
//!
//! This is the only file that names epoll and eventfd; a port to another system starts here.
//!
//! Rejected: one-shot arming. It needs no hand-off, and one system call more in every turn. A thread that polls and hands
//! each ready connection to the pool's queue: it costs a second hop between threads per request (measured: 1.6 times the
//! processor time), and that queue has no bound.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

use crate::config;

/// Which connection an event is about: the index of its slot, and the slot's generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    pub index: u32,
    pub generation: u32,
}

/// What a parked connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Bytes to read, or the end of them.
    Read,
    /// Room to write.
    Write,
}

/// What a worker is told of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub token: Token,
    /// Whether the peer has sent the end of the stream, or urgent data, at which a read stops short. If bytes stand before
    /// the one or behind the other, no other event will tell of it.
    pub ended: bool,
}

/// The events that one call of [`Poller::wait`] returned.
pub struct Batch {
    events: [epoll::Event; config::BATCH_MAX],
    count: usize,
}

/// How long a wait for events is to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// Until there is one.
    Never,
    /// Not at all: what is there already is taken.
    AtOnce,
}

/// Whether there will be more events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    GoOn,
    Stop,
}

/// The shared set.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    stop: Bell,
    /// Wakes one worker that waits.
    nudge: Bell,
}

/// The tokens of the bells; no slot has this index.
const STOP: u64 = u64::MAX;
const NUDGE: u64 = u64::MAX - 1;

impl Poller {
    /// # Errors
    /// When the system is out of descriptors.
    pub fn new() -> io::Result<Poller> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let poller = Poller { epoll, stop: Bell::new()?, nudge: Bell::new()? };
        // Level-triggered and never read: once rung, it wakes every worker.
        epoll::add(&poller.epoll, &poller.stop, EventData::new_u64(STOP), EventFlags::IN)?;
        // Edge-triggered and never read: each ring wakes one.
        epoll::add(&poller.epoll, &poller.nudge, EventData::new_u64(NUDGE), EventFlags::IN | EventFlags::ET)?;
        Ok(poller)
    }

    /// Watches a descriptor for bytes to read. What has come already is reported at once.
    ///
    /// # Errors
    /// When the system is out of memory or of watches.
    pub fn watch(&self, descriptor: impl AsFd, token: Token) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, descriptor, token.data(), INPUT)?)
    }

    /// Watches a descriptor for room to write too. If there is some, or anything to read, that is reported at once.
    ///
    /// # Errors
    /// When the system is out of memory.
    pub fn watch_room(&self, descriptor: impl AsFd, token: Token) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, descriptor, token.data(), INPUT | EventFlags::OUT)?)
    }

    /// Takes events that no other worker has been given.
    pub fn wait(&self, batch: &mut Batch, timeout: Timeout) -> Run {
        let limit = match timeout {
            Timeout::Never => None,
            Timeout::AtOnce => Some(Timespec { tv_sec: 0, tv_nsec: 0 }),
        };
        batch.count = match epoll::wait(&self.epoll, &mut batch.events, limit.as_ref()) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(errno) => panic!("epoll_wait can only fail on a bad descriptor or buffer: {errno}"),
        };
        let stops = batch.taken().iter().any(|event| event.data.u64() == STOP);
        if stops { Run::Stop } else { Run::GoOn }
    }

    /// Ends one worker's present or next [`wait`](Poller::wait).
    pub fn nudge(&self) {
        self.nudge.ring();
    }

    /// Ends every present and future [`wait`](Poller::wait).
    pub fn stop(&self) {
        self.stop.ring();
    }
}

const INPUT: EventFlags = EventFlags::ET.union(EventFlags::IN).union(EventFlags::RDHUP).union(EventFlags::PRI);

const END: EventFlags = EventFlags::RDHUP.union(EventFlags::HUP).union(EventFlags::PRI);

impl Batch {
    pub fn new() -> Batch {
        let none = epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        Batch { events: [none; config::BATCH_MAX], count: 0 }
    }

    /// The events of connections.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        self.taken().iter().filter(|event| event.data.u64() != NUDGE).map(|event| {
            let (data, flags) = (event.data, event.flags);
            Event { token: Token::from_data(data), ended: flags.intersects(END) }
        })
    }

    fn taken(&self) -> &[epoll::Event] {
        &self.events[..self.count]
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.events()).finish()
    }
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

impl Token {
    fn data(self) -> EventData {
        EventData::new_u64(join(self.generation, self.index))
    }

    fn from_data(data: EventData) -> Token {
        let (generation, index) = split(data.u64());
        Token { index, generation }
    }
}

/// Two numbers as one that a register, an event or an atomic holds.
pub(super) fn join(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// The two numbers again: the high one first.
pub(super) fn split(joined: u64) -> (u32, u32) {
    let half = |half: u64| u32::try_from(half).expect("half of 64 bits are 32");
    (half(joined >> 32), half(joined & u64::from(u32::MAX)))
}

/// A descriptor that becomes readable when rung: how one thread wakes another that waits in `poll`.
#[derive(Debug)]
pub struct Bell {
    event: OwnedFd,
    /// Whether anyone waits for it. Set before looking at what the ringer changes, and read after changing it, both
    /// sequentially consistent: either the waiter sees the change or the ringer sees the wish.
    wanted: AtomicBool,
}

impl Bell {
    /// # Errors
    /// When the system is out of descriptors.
    pub fn new() -> io::Result<Bell> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Bell { event, wanted: AtomicBool::new(false) })
    }

    /// Makes the descriptor readable.
    pub fn ring(&self) {
        // It fails only when its counter is full, and then it is readable anyway.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    /// Asks to be rung for the next [`ring_if_wanted`](Bell::ring_if_wanted).
    pub fn want(&self) {
        self.wanted.store(true, Ordering::SeqCst);
    }

    /// Rings once for all that happened since it was wanted; costs no system call when it isn't.
    pub fn ring_if_wanted(&self) {
        if self.wanted.load(Ordering::SeqCst) && self.wanted.swap(false, Ordering::SeqCst) {
            self.ring();
        }
    }

    /// Makes the descriptor unreadable again.
    pub fn hush(&self) {
        // Nothing to read is what is asked for.
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
