//! The last events of one thread, for whoever wants to read them: one writer, any number of readers, and no lock.
//!
//! *Invariants:*
//! - The writer neither waits, nor allocates, nor changes anything that another thread writes. Readers come and go, and it
//!   doesn't know of them.
//! - A reader gets only events that were whole when it read them: what was overwritten meanwhile is left out, and how many
//!   that were is known.
//!
//! An event is three words, so it isn't written at once; a reader could see the words of two. Hence the order: the count of
//! events is raised after an event has been written, and before any word of a later one. A reader copies first, looks at
//! the count second, and drops what the writer may have begun to overwrite by then. Nobody retries: it is a sequence lock
//! without the loop, as whoever reads late only reads less. `tests/loom` tries it in every order.
//!
//! Rejected: a channel to a thread that gathers. It costs the worker a wake-up or a lock for each event, and has no bound,
//! or drops the newest.

use super::event::Event;
use crate::sync::{AtomicU64, Ordering, fence};

/// The events, by their numbers: the first is 0.
#[derive(Debug)]
pub struct Ring {
    slots: Box<[Slot]>,
    /// Events that have been written. Release when one is whole, Acquire where they are read.
    written: AtomicU64,
}

/// The events that a reader found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub events: Vec<Event>,
    /// The number of the event after the last one: where to go on reading.
    pub next: u64,
    /// Events that were asked for and are not there: they were overwritten, or beyond the limit.
    pub missed: u64,
}

/// Where an event lies: its time, its connection, and what.
#[derive(Debug, Default)]
struct Slot([AtomicU64; 3]);

impl Ring {
    /// Room for so many events.
    ///
    /// # Panics
    /// When that is no power of two: a place is found by masking.
    pub fn new(events: usize) -> Ring {
        assert!(events.is_power_of_two(), "a place is found by masking");
        Ring { slots: (0..events).map(|_| Slot::default()).collect(), written: AtomicU64::new(0) }
    }

    /// Events from number `from` on, as far as they are still there; at most `limit`, and then the latest.
    pub fn read(&self, from: u64, limit: usize) -> Page {
        let next = self.written.load(Ordering::Acquire);
        let (capacity, limit) = (length(self.slots.len()), length(limit));
        let first = from.max(next.saturating_sub(capacity)).max(next.saturating_sub(limit)).min(next);
        let mut words: Vec<[u64; 3]> = (first..next).map(|number| self.slot(number).words()).collect();
        // Acquire here, the fence in `write`: whoever has seen a word of a later event sees that it was begun.
        fence(Ordering::Acquire);
        let begun = self.written.load(Ordering::Relaxed) + 1;
        let overwritten = begun.saturating_sub(capacity).saturating_sub(first).min(length(words.len()));
        words.drain(..usize::try_from(overwritten).expect("it is at most a length"));
        let events = words.into_iter().filter_map(Event::from_words).collect();
        Page { events, next, missed: (first + overwritten).saturating_sub(from) }
    }

    /// Writes an event over the oldest. Only ever called by one thread.
    pub fn write(&self, event: Event) {
        let number = self.written.load(Ordering::Relaxed);
        // Release here, the fence in `read`: the count of the event before is seen before any word of this one.
        fence(Ordering::Release);
        for (word, value) in self.slot(number).0.iter().zip(event.into_words()) {
            word.store(value, Ordering::Relaxed);
        }
        self.written.store(number + 1, Ordering::Release);
    }

    fn slot(&self, number: u64) -> &Slot {
        let mask = length(self.slots.len()) - 1;
        &self.slots[usize::try_from(number & mask).expect("it is below a length")]
    }
}

impl Slot {
    fn words(&self) -> [u64; 3] {
        let [at, connection, what] = &self.0;
        [at, connection, what].map(|word| word.load(Ordering::Relaxed))
    }
}

fn length(length: usize) -> u64 {
    u64::try_from(length).expect("a length fits 64 bits")
}
