//! The pond: where connections are while no worker has them, and how they change hands.
//!
//! *Invariants:*
//! 1. A connection has one owner: the pond, or whoever holds its [`Owned`]. Taking is one compare-and-swap on the slot's
//!    word, so of all who try (workers with an event, the deadline sweep, an eviction) one succeeds.
//! 2. Every parking has a generation of its own, which the event it is armed for carries: an event that was meant for an
//!    earlier parking, of this connection or of the one before it in the slot, takes nobody.
//! 3. Parking puts the connection in its slot first and arms the poller second. The other way round, the event could
//!    come before there is anything to take, and one-shot events don't come twice.
//! 4. Until it is armed, only its event may take a parked connection, not the sweep. The one who parked it could be held
//!    up before arming; were the connection taken, served and parked again meanwhile, that late arming would undo the
//!    one that counts, and its only event would carry a generation that is past.
//!
//! When its event comes before the one who arms is back from the kernel, the connection may be closed by then. So that
//! one holds a share of the descriptor meanwhile.
//!
//! Slots are one array, made at start: finding one takes no lock that all share. The word says
//!
//! ```text
//!  63          32 31        0
//! ┌──────────────┬───────────┐   vacant ──admit──► active ──put──► unarmed ──armed──► idle or busy
//! │  generation  │   state   │      ▲                │  ▲             │                    │
//! └──────────────┴───────────┘      └─────drop───────┘  └────event────┴────event, sweep────┘
//! ```
//!
//! and putting begins the next generation. The mutex around the resident is what safe Rust asks for. Only the owner of
//! the moment locks it, so it is never contended.
//!
//! Deadlines are looked at in a sweep over the array, a few times a second. At 16,384 slots that is some tens of
//! microseconds; an ordered queue would cost a shared lock at every park to save them.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use std::{io, iter};

use super::poller::{Token, join, split};

/// The slots, and those of them that are vacant.
#[derive(Debug)]
pub struct Pond<T> {
    slots: Box<[Slot<T>]>,
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
    /// Half a head, or a response under way.
    Busy,
}

/// A connection and the right to it. Dropped, it closes the connection and vacates the slot, whatever happened.
#[derive(Debug)]
pub struct Owned<'p, T> {
    pond: &'p Pond<T>,
    token: Token,
    /// Empty only in the moment of parking and of dropping.
    resident: Option<Box<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    word: AtomicU64,
    /// Milliseconds since the epoch. Only a hint for the sweep, so relaxed: who acts on it looks again.
    deadline: AtomicU64,
    /// Locked by the owner alone.
    resident: Mutex<Option<Box<T>>>,
}

#[derive(Debug, Default)]
struct Vacancies {
    returned: Vec<u32>,
    /// Slots from here on have never been used.
    fresh: u32,
}

const VACANT: u32 = 0;
const ACTIVE: u32 = 1;
const UNARMED: u32 = 2;
const IDLE: u32 = 3;
const BUSY: u32 = 4;

/// The deadline of what has none.
const NEVER: u64 = u64::MAX;

impl<T> Pond<T> {
    /// A pond with room for so many.
    pub fn new(connections_max: usize) -> Pond<T> {
        let slots = iter::repeat_with(Slot::vacant).take(connections_max).collect();
        Pond { slots, vacancies: Mutex::default(), occupied: AtomicUsize::new(0), epoch: Instant::now() }
    }

    /// Connections held, parked or not.
    pub fn occupied(&self) -> usize {
        self.occupied.load(Ordering::SeqCst)
    }

    /// Whether another may be admitted.
    pub fn has_room(&self) -> bool {
        self.occupied() < self.slots.len()
    }

    /// Takes in a new connection, owned by the caller; `None` when there is no room.
    pub fn admit(&self, newcomer: T) -> Option<Owned<'_, T>> {
        let index = lock(&self.vacancies).take(self.slots.len())?;
        let word = &self.slot(index).word;
        let (generation, _) = split(word.load(Ordering::Acquire));
        word.store(join(generation, ACTIVE), Ordering::Release);
        self.occupied.fetch_add(1, Ordering::SeqCst);
        Some(Owned { pond: self, token: Token { index, generation }, resident: Some(Box::new(newcomer)) })
    }

    /// Takes the connection that an event is about; `None` when it is gone, or somebody else's. That is no error: the
    /// sweep and an event may come for the same one.
    pub fn take(&self, token: Token) -> Option<Owned<'_, T>> {
        self.take_if(token, |state| is_armed(state) || state == UNARMED)
    }

    /// The connection that has been idle longest, to make room for another.
    pub fn take_idlest(&self) -> Option<Owned<'_, T>> {
        let idle = self.tokens(|state| state == IDLE);
        let idlest = idle.min_by_key(|token| self.slot(token.index).deadline.load(Ordering::Relaxed))?;
        self.take_if(idlest, |state| state == IDLE)
    }

    /// Every connection that is parked, one after the other.
    pub fn take_parked(&self) -> impl Iterator<Item = Owned<'_, T>> {
        self.tokens(is_armed).filter_map(|token| self.take_if(token, is_armed))
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

    fn take_by_deadline(&self, wanted: impl Fn(u64) -> bool) -> impl Iterator<Item = Owned<'_, T>> {
        self.tokens(is_armed)
            .filter(move |token| wanted(self.slot(token.index).deadline.load(Ordering::Relaxed)))
            .filter_map(|token| self.take_if(token, is_armed))
    }

    /// Moves a slot from one of these states to active, unless somebody else was first or it is another parking than the
    /// token's. Being armed meanwhile is no reason to give up: the event would be lost.
    fn take_if(&self, token: Token, takes: fn(u32) -> bool) -> Option<Owned<'_, T>> {
        let slot = self.slots.get(usize::try_from(token.index).ok()?)?;
        let active = join(token.generation, ACTIVE);
        let mut word = slot.word.load(Ordering::Relaxed);
        loop {
            let (generation, state) = split(word);
            if generation != token.generation || !takes(state) {
                return None;
            }
            // Acquire here, Release in `park`: who takes sees what the one who parked wrote.
            match slot.word.compare_exchange(word, active, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(Owned { pond: self, token, resident: lock(&slot.resident).take() }),
                Err(changed) => word = changed,
            }
        }
    }

    /// Tokens of the slots in a state, as of the moment each is looked at.
    fn tokens(&self, wanted: impl Fn(u32) -> bool) -> impl Iterator<Item = Token> {
        let used = lock(&self.vacancies).fresh;
        (0..used).filter_map(move |index| {
            let (generation, state) = split(self.slot(index).word.load(Ordering::Acquire));
            wanted(state).then_some(Token { index, generation })
        })
    }

    fn slot(&self, index: u32) -> &Slot<T> {
        &self.slots[usize::try_from(index).expect("Linux has at least 32 bits")]
    }

    fn milliseconds(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.epoch).as_millis()).unwrap_or(NEVER)
    }
}

impl<T> Owned<'_, T> {
    /// Gives the connection back to the pond, and then has it armed with `arm`. If that fails, it is closed.
    ///
    /// # Errors
    /// What `arm` returned.
    pub fn park(mut self, wait: Wait, arm: impl FnOnce(Token) -> io::Result<()>) -> io::Result<()> {
        let pond = self.pond;
        let slot = pond.slot(self.token.index);
        let token = Token { generation: self.token.generation.wrapping_add(1), ..self.token };
        *lock(&slot.resident) = self.resident.take();
        slot.deadline.store(wait.until.map_or(NEVER, |until| pond.milliseconds(until)), Ordering::Relaxed);
        let unarmed = join(token.generation, UNARMED);
        slot.word.store(unarmed, Ordering::Release);
        // From here on it is the pond's, or whose the pond lets have it.
        std::mem::forget(self);
        let armed = arm(token);
        match armed {
            // If this fails, its event has come already.
            Ok(()) => {
                let parked = join(token.generation, state(wait.kind));
                let _ = slot.word.compare_exchange(unarmed, parked, Ordering::Release, Ordering::Relaxed);
            }
            // No event will come for it.
            Err(_) => drop(pond.take(token)),
        }
        armed
    }
}

impl<T> Drop for Owned<'_, T> {
    fn drop(&mut self) {
        // Closed before the slot is vacant: the limit on connections is one on descriptors.
        drop(self.resident.take());
        let Token { index, generation } = self.token;
        self.pond.slot(index).word.store(join(generation, VACANT), Ordering::Release);
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
    fn take(&mut self, slots: usize) -> Option<u32> {
        if let Some(index) = self.returned.pop() {
            return Some(index);
        }
        let index = self.fresh;
        usize::try_from(index).ok().filter(|fresh| *fresh < slots)?;
        self.fresh += 1;
        Some(index)
    }
}

fn is_armed(state: u32) -> bool {
    state == IDLE || state == BUSY
}

fn state(kind: Kind) -> u32 {
    match kind {
        Kind::Idle => IDLE,
        Kind::Busy => BUSY,
    }
}

/// A panic while one of these locks was held left nothing half done: what they guard is replaced whole.
fn lock<G>(mutex: &Mutex<G>) -> MutexGuard<'_, G> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
