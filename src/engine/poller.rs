//! Who is ready: one epoll set that all workers share, so that the kernel's ready list is the queue of jobs.
//!
//! *Invariants:* a connection is armed one-shot: once it has been reported, nobody hears of it until it is armed again,
//! so an event has exactly one taker. An event carries a [`Token`] and never a descriptor, because descriptor numbers
//! are used again as soon as they are closed.
//!
//! A worker takes one event at a time. Every response may wait for a disk, so a batch would let one slow file hold back
//! the connections that happened to be taken together with it, while other workers sleep.
//!
//! This is the only file that names epoll and eventfd; a port to another system starts here.
//!
//! Rejected: a thread that polls and hands each ready connection to the pool's queue. It costs a second hop between
//! threads per request (measured: 1.6 times the processor time), and that queue has no bound.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

/// Which connection an event is about: the index of its slot, and the slot's generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Its next turn: for one that has had its share, or to whom something has come. Asking for either fires at once,
    /// behind those that are ready already, if there is room to write or something to read; and if there is neither, it
    /// is room to write that it waits for.
    Turn,
}

/// What a worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Ready(Token),
    /// There will be no more events.
    Stop,
}

/// The shared set.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    stop: Bell,
}

/// The token of the stop bell; no slot has this index.
const STOP: u64 = u64::MAX;

impl Poller {
    /// # Errors
    /// When the system is out of descriptors.
    pub fn new() -> io::Result<Poller> {
        let poller = Poller { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, stop: Bell::new()? };
        // Level-triggered and never read: once rung, it wakes every worker.
        epoll::add(&poller.epoll, &poller.stop, EventData::new_u64(STOP), EventFlags::IN)?;
        Ok(poller)
    }

    /// Adds a descriptor and arms it.
    ///
    /// # Errors
    /// When the system is out of memory or of watches.
    pub fn add(&self, descriptor: impl AsFd, token: Token, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, descriptor, token.data(), flags(interest))?)
    }

    /// Arms a descriptor that was added. One that is ready already is reported at once.
    ///
    /// # Errors
    /// When the system is out of memory.
    pub fn arm(&self, descriptor: impl AsFd, token: Token, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, descriptor, token.data(), flags(interest))?)
    }

    /// Waits for the next event that no other worker has been given.
    pub fn wait(&self) -> Event {
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }];
        loop {
            match epoll::wait(&self.epoll, &mut events, None) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) if events[0].data.u64() == STOP => return Event::Stop,
                Ok(_) => return Event::Ready(Token::from_data(events[0].data)),
                Err(errno) => panic!("epoll_wait can only fail on a bad descriptor or buffer: {errno}"),
            }
        }
    }

    /// Ends every present and future [`wait`](Poller::wait).
    pub fn stop(&self) {
        self.stop.ring();
    }
}

fn flags(interest: Interest) -> EventFlags {
    EventFlags::ONESHOT
        | match interest {
            Interest::Read => EventFlags::IN | EventFlags::RDHUP,
            Interest::Write => EventFlags::OUT,
            Interest::Turn => EventFlags::IN | EventFlags::RDHUP | EventFlags::OUT,
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
