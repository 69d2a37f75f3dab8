//! Since when connections have waited: for each slot of the pond, when that began for which its connection was parked last.
//!
//! *Invariants:* it is written only where somebody may watch, and never for a connection that is idle: what is kept of such
//! a slot means nothing, and the pond says which are. So the lanes may leave out what they like, and the longest waits are
//! known to the millisecond all the same.

use std::time::Duration;

use crate::config;
use crate::engine::poller::Token;
use crate::engine::pond::Kind;
use crate::observe::event::For;
use crate::sync::{AtomicU64, Ordering, fence};

/// Nanoseconds since the lanes were made, by slot. Relaxed: who reads it looks at one that may just have moved on.
#[derive(Debug)]
pub struct Waits(Box<[AtomicU64]>);

/// A connection that waits for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    pub connection: Token,
    pub for_what: For,
    /// Since the lanes were made.
    pub since: Duration,
}

/// In place of a time: who watches.
const UNTOLD: u64 = u64::MAX;

impl Waits {
    pub fn new(connections_max: usize) -> Waits {
        Waits((0..connections_max).map(|_| AtomicU64::new(0)).collect())
    }

    /// What that connection is parked for has been waited for since then; nothing that is told of who watches.
    pub fn began(&self, connection: Token, since: Option<u64>) {
        if let Some(slot) = self.slot(connection) {
            slot.store(since.unwrap_or(UNTOLD), Ordering::Relaxed);
        }
    }

    /// The longest of those that are parked, the longest first.
    pub fn longest(&self, parked: impl Iterator<Item = (Token, Kind)>) -> Vec<Wait> {
        let waits = parked.filter_map(|(connection, kind)| {
            let for_what = match kind {
                Kind::Busy => For::RestOfHead,
                Kind::Room => For::Room,
                Kind::Turn => For::Turn,
                Kind::Idle | Kind::End => return None,
            };
            // Written before it was parked like this.
            fence(Ordering::Acquire);
            let since = self.slot(connection)?.load(Ordering::Relaxed);
            (since != UNTOLD).then_some(Wait { connection, for_what, since: Duration::from_nanos(since) })
        });
        let mut waits: Vec<Wait> = waits.collect();
        let order = |wait: &Wait| (wait.since, wait.connection.index);
        if waits.len() > config::STATUS_WAITS_MAX {
            waits.select_nth_unstable_by_key(config::STATUS_WAITS_MAX, order);
            waits.truncate(config::STATUS_WAITS_MAX);
        }
        waits.sort_unstable_by_key(order);
        waits
    }

    fn slot(&self, connection: Token) -> Option<&AtomicU64> {
        self.0.get(usize::try_from(connection.index).ok()?)
    }
}
