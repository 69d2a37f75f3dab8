//! The pond: where connections are while no worker has them, and how they change hands.
//!
//! *Invariants:*
//! 1. A connection has one owner: the pond, or whoever holds its [`Owned`]. Taking is one compare-and-swap on the slot's
//!    word, so of all who try (workers with an event, the deadline sweep, an eviction) one succeeds.
//! 2. No event is lost, though it comes but once. Who is told of a connection that has an owner marks it as *woken* and
//!    leaves; the owner then can't park it, and goes round again.
//! 3. Parking puts the connection in its slot first and swings the word second. The other way round, who takes it could
//!    find nothing there.
//! 4. A stay has one generation, from admission to closing, and its events carry it: one that was meant for an earlier
//!    resident neither takes nor marks the next. A slot's generations repeat after four billion stays; no event is under
//!    way for so long.
//!
//! Slots are one array, made at start: finding one takes no lock that all share. The word says
//!
//! ```text
//!  63          32 31        0
//! ┌──────────────┬───────────┐   vacant ──admit──► active ◄──event, sweep── idle or busy
//! │  generation  │   state   │      ▲              ││ ▲ │                        ▲
//! └──────────────┴───────────┘      │              ││ │ └──────────park──────────┘
//!                                   │              ││ └─park fails─┐
//!                                   │              │└────event──► woken ◄─┐
//!                                   └─────drop─────┴───────────────┘└event┘
//! ```
//!
//! and dropping begins the next generation. Between putting and swinging no lock is held and no fence is needed: parking
//! and marking change the same word, changes of one word have one order, and so one of the two sees the other. (A lock
//! and a flag beside it are two places: that takes a full fence on both sides.) The mutex around the resident is what
//! safe Rust asks for. Only the owner of the moment locks it, so it is never contended.
//!
//! The kernel owes this much: who gets an event sees what it is about, and what was done before the descriptor was added
//! to the set. So a connection is admitted first and added second, and the word is never older than the event's token.
//!
//! Deadlines are looked at in a sweep over the array, a few times a second. At 16,384 slots that is some tens of
//! microseconds; an ordered queue would cost a shared lock at every park to save them. Between the look and the taking a
//! connection may have had a turn and be parked anew, with a later deadline. No harm: whoever takes it looks at the time
//! again, and one that is taken to make room is idle in any case.
//!
//! Two slots share a cache line. Each on a line of its own, they would be twice as large (1 MiB for 16,384) and hardly
//! faster: two threads that did nothing but take and park, at 64 slots, needed 87 ns a time, and 85 so; with 1.6 µs of
//! work in between, 1.60 µs either way. A connection that changes hands brings its line along in any case.
//!
//! `tests/loom` tries this protocol in every order that threads and memory allow.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Instant;

use super::poller::{Token, join, split};
use super::slots::Slots;
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering};

/// The slots, and those of them that are vacant.
#[derive(Debug)]
pub struct Pond<T> {
    slots: Slots<Slot<T>>,
    /// Guards which slots are vacant. Taken once at accept and once at close.
    vacancies: Mutex<Vacancies>,
    occupied: AtomicUsize,
    /// Deadlines are kept in milliseconds since then.
    epoch: Instant,
}

/// What a parked connection waits for, besides readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// When the sweep is to look at it even if nothing happens.
    pub until: Option<Instant>,
    pub kind: Kind,
}

/// Whether anything is lost when a parked connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing is asked: it may have to make room for another.
    Idle,
    /// Half a head, or half a handshake.
    Busy,
    /// A response under way, and no room for more of it.
    Room,
    /// Its turn is due without an event.
    Turn,
    /// The last answer was given, and the client goes on sending.
    End,
}

/// How many connections are where, as of the moment each was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// A worker has it, or the sweep.
    pub active: usize,
    /// Parked, by what it waits for: see [`Kind`].
    pub idle: usize,
    pub heads: usize,
    pub rooms: usize,
    pub turns: usize,
    pub ends: usize,
}

/// A connection and the right to it. Dropped, it closes the connection and vacates the slot, whatever happened.
///
/// Whoever took it for an event has used that event up. So it is to be parked when reading or writing would wait; if
/// there is work left, nothing brings it back.
#[derive(Debug)]
pub struct Owned<'p, T> {
    pond: &'p Pond<T>,
    token: Token,
    /// Empty only in the moment of parking and of dropping.
    resident: Option<Box<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    /// Out of active and woken it is moved by the owner alone, except that an event makes active woken.
    word: AtomicU64,
    /// Milliseconds since the epoch. Only a hint for the sweep, so relaxed: who acts on it looks again.
    deadline: AtomicU64,
    /// Locked by the owner alone.
    resident: Mutex<Option<Box<T>>>,
}

/// A slot as the sweep saw it.
#[derive(Clone, Copy)]
struct Found {
    token: Token,
    state: u32,
}

#[derive(Debug, Default)]
struct Vacancies {
    returned: Vec<u32>,
    /// Slots from here on have never been used.
    fresh: u32,
}

const VACANT: u32 = 0;
const ACTIVE: u32 = 1;
/// Active, and an event has come meanwhile.
const WOKEN: u32 = 2;
const IDLE: u32 = 3;
const BUSY: u32 = 4;
const ROOM: u32 = 5;
const TURN: u32 = 6;
const END: u32 = 7;

/// The deadline of what has none.
const NEVER: u64 = u64::MAX;

impl<T> Pond<T> {
    /// A pond with room for so many.
    pub fn new(connections_max: usize) -> Pond<T> {
        let slots = Slots::new(connections_max);
        Pond { slots, vacancies: Mutex::default(), occupied: AtomicUsize::new(0), epoch: Instant::now() }
    }

    /// Connections held, parked or not.
    pub fn occupied(&self) -> usize {
        self.occupied.load(Ordering::SeqCst)
    }

    /// Whether another may be admitted.
    pub fn has_room(&self) -> bool {
        self.occupied() < self.slots.capacity()
    }

    /// Takes in a new connection, owned by the caller; `None` when there is no room.
    pub fn admit(&self, newcomer: T) -> Option<Owned<'_, T>> {
        let index = lock(&self.vacancies).take(&self.slots)?;
        let word = &self.slot(index).word;
        // Relaxed, as in `drop`: the lock on the vacancies stands between the last resident and this one.
        let (generation, _) = split(word.load(Ordering::Relaxed));
        word.store(join(generation, ACTIVE), Ordering::Relaxed);
        self.occupied.fetch_add(1, Ordering::SeqCst);
        Some(Owned { pond: self, token: Token { index, generation }, resident: Some(Box::new(newcomer)) })
    }

    /// Takes the connection that an event is about, if it is parked. If somebody has it, it is marked as woken, and they
    /// will see to what the event is about. `None` then, and when the connection is gone: neither is an error.
    pub fn take(&self, token: Token) -> Option<Owned<'_, T>> {
        let slot = self.slots.get(token.index)?;
        let mut word = slot.word.load(Ordering::Relaxed);
        loop {
            let (generation, state) = split(word);
            if generation != token.generation {
                return None;
            }
            let next = match state {
                IDLE..=END => ACTIVE,
                // One that was woken is marked again: the load may be out of date, and its owner past that mark.
                ACTIVE | WOKEN => WOKEN,
                _ => return None,
            };
            // To take: Acquire here, Release in `park`, so that the connection is in its slot. To mark: Release here,
            // Acquire in `park`, so that the owner sees what the event is about.
            match slot.word.compare_exchange(word, join(generation, next), Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return (next == ACTIVE).then(|| self.own(token)),
                Err(changed) => word = changed,
            }
        }
    }

    /// The connection that has been idle longest, to make room for another.
    pub fn take_idlest(&self) -> Option<Owned<'_, T>> {
        let idle = self.find(|state| state == IDLE);
        let idlest = idle.min_by_key(|found| self.slot(found.token.index).deadline.load(Ordering::Relaxed))?;
        self.take_found(idlest)
    }

    /// Every connection that is parked, one after the other.
    pub fn take_parked(&self) -> impl Iterator<Item = Owned<'_, T>> {
        self.find(is_parked).filter_map(|found| self.take_found(found))
    }

    /// Every parked connection whose deadline is not after `now`.
    pub fn take_due(&self, now: Instant) -> impl Iterator<Item = Owned<'_, T>> {
        let now = self.milliseconds(now);
        self.take_by_deadline(move |deadline| deadline <= now)
    }

    /// Every parked connection whose deadline is after `limit`; one without a deadline has none to shorten.
    pub fn take_due_after(&self, limit: Instant) -> impl Iterator<Item = Owned<'_, T>> {
        let limit = self.milliseconds(limit);
        self.take_by_deadline(move |deadline| deadline > limit && deadline != NEVER)
    }

    /// Counts them all. Nobody stands still for it, so it is exact only where nothing moves.
    pub fn census(&self) -> Census {
        let used = lock(&self.vacancies).fresh;
        let mut census = Census::default();
        for index in 0..used {
            let (_, state) = split(self.slot(index).word.load(Ordering::Relaxed));
            match state {
                ACTIVE | WOKEN => census.active += 1,
                IDLE => census.idle += 1,
                BUSY => census.heads += 1,
                ROOM => census.rooms += 1,
                TURN => census.turns += 1,
                END => census.ends += 1,
                _ => {}
            }
        }
        census
    }

    /// Those that are parked, and for what, each as of the moment it was looked at.
    pub fn parked(&self) -> impl Iterator<Item = (Token, Kind)> {
        self.find(is_parked).filter_map(|found| Some((found.token, kind(found.state)?)))
    }

    /// Connections that may be held.
    pub fn capacity(&self) -> usize {
        self.slots.capacity()
    }

    fn take_by_deadline(&self, wanted: impl Fn(u64) -> bool) -> impl Iterator<Item = Owned<'_, T>> {
        self.find(is_parked)
            .filter(move |found| wanted(self.slot(found.token.index).deadline.load(Ordering::Relaxed)))
            .filter_map(|found| self.take_found(found))
    }

    /// Takes a connection that was found parked, unless somebody else was first. It marks nobody: time is no event, and
    /// passes again.
    fn take_found(&self, found: Found) -> Option<Owned<'_, T>> {
        let Found { token, state } = found;
        let parked = join(token.generation, state);
        let active = join(token.generation, ACTIVE);
        // Acquire here, Release in `park`: the connection is in its slot.
        self.slot(token.index).word.compare_exchange(parked, active, Ordering::Acquire, Ordering::Relaxed).ok()?;
        Some(self.own(token))
    }

    /// For who has just moved the word to active.
    fn own(&self, token: Token) -> Owned<'_, T> {
        Owned { pond: self, token, resident: lock(&self.slot(token.index).resident).take() }
    }

    /// The slots in a state, as of the moment each is looked at. Relaxed: whoever takes one makes sure.
    fn find(&self, wanted: impl Fn(u32) -> bool) -> impl Iterator<Item = Found> {
        let used = lock(&self.vacancies).fresh;
        (0..used).filter_map(move |index| {
            let (generation, state) = split(self.slot(index).word.load(Ordering::Relaxed));
            wanted(state).then_some(Found { token: Token { index, generation }, state })
        })
    }

    fn slot(&self, index: u32) -> &Slot<T> {
        self.slots.get(index).expect("it was made when it was first given out")
    }

    fn milliseconds(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.epoch).as_millis()).unwrap_or(NEVER)
    }
}

impl<T> Owned<'_, T> {
    /// What the connection's events carry, for the whole of its stay.
    pub fn token(&self) -> Token {
        self.token
    }

    /// Gives the connection back to the pond.
    ///
    /// # Errors
    /// It was woken: the owner has it still, and goes round again, because the event that woke it won't come again.
    pub fn park(mut self, wait: Wait) -> Result<(), Self> {
        let pond = self.pond;
        let slot = pond.slot(self.token.index);
        let active = join(self.token.generation, ACTIVE);
        let parked = join(self.token.generation, state(wait.kind));
        slot.deadline.store(wait.until.map_or(NEVER, |until| pond.milliseconds(until)), Ordering::Relaxed);
        *lock(&slot.resident) = self.resident.take();
        // Release here, Acquire in `take` and `take_found`: who takes the connection finds it in its slot.
        let swung = slot.word.compare_exchange(active, parked, Ordering::Release, Ordering::Relaxed);
        if swung.is_ok() {
            // From here on it is the pond's, or whose the pond lets have it.
            mem::forget(self);
            return Ok(());
        }
        self.resident = lock(&slot.resident).take();
        // Acquire here, Release in `take`: the owner's next look at the socket finds what it was woken for.
        slot.word.swap(active, Ordering::Acquire);
        Err(self)
    }
}

impl<T> Drop for Owned<'_, T> {
    fn drop(&mut self) {
        // Closed before the slot is vacant: the limit on connections is one on descriptors.
        drop(self.resident.take());
        let Token { index, generation } = self.token;
        let next = generation.wrapping_add(1);
        // Woken or not: what the event was about went with the connection. A store would do here, but the model checker
        // doesn't know that nothing comes between the halves of a marking.
        self.pond.slot(index).word.swap(join(next, VACANT), Ordering::Relaxed);
        lock(&self.pond.vacancies).returned.push(index);
        self.pond.occupied.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<T> Deref for Owned<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.resident.as_deref().expect("an owner has its connection until it parks")
    }
}

impl<T> DerefMut for Owned<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.resident.as_deref_mut().expect("an owner has its connection until it parks")
    }
}

impl<T> Slot<T> {
    fn vacant() -> Slot<T> {
        Slot { word: AtomicU64::new(join(0, VACANT)), deadline: AtomicU64::new(NEVER), resident: Mutex::new(None) }
    }
}

impl Vacancies {
    /// The slot used last is taken first: its memory is warm, and the sweep's stretch stays short.
    fn take<T>(&mut self, slots: &Slots<Slot<T>>) -> Option<u32> {
        if let Some(index) = self.returned.pop() {
            return Some(index);
        }
        let index = self.fresh;
        slots.make(index, Slot::vacant)?;
        self.fresh += 1;
        Some(index)
    }
}

fn is_parked(state: u32) -> bool {
    state >= IDLE
}

fn state(kind: Kind) -> u32 {
    match kind {
        Kind::Idle => IDLE,
        Kind::Busy => BUSY,
        Kind::Room => ROOM,
        Kind::Turn => TURN,
        Kind::End => END,
    }
}

fn kind(state: u32) -> Option<Kind> {
    [Kind::Idle, Kind::Busy, Kind::Room, Kind::Turn, Kind::End].into_iter().find(|kind| self::state(*kind) == state)
}

/// A panic while one of these locks was held left nothing half done: what they guard is replaced whole.
fn lock<G>(mutex: &Mutex<G>) -> MutexGuard<'_, G> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
