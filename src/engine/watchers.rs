//! Those who watch, and see a drain to its end: the connections whose last request was for a page of the observer's.
//!
//! *Invariant:* nobody waits for them. While a drain goes on for others, they stay and are answered as before, as long as
//! they ask for nothing else; once they are alone, or the time is up, they are dismissed: what has come from them by then is
//! answered for the last time, and they are closed. They are in no count of what was finished or cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::notes::Whose;

/// How many there are, and whether they may stay.
#[derive(Debug, Default)]
pub struct Watchers {
    count: Arc<AtomicUsize>,
    dismissed: AtomicBool,
}

/// Held by a connection for as long as it is one of them. Dropped, it isn't any more.
#[derive(Debug)]
pub struct Watcher(Arc<AtomicUsize>);

impl Watchers {
    /// One more.
    pub fn admit(&self) -> Watcher {
        self.count.fetch_add(1, Ordering::SeqCst);
        Watcher(Arc::clone(&self.count))
    }

    /// Never more than there are: a connection is counted as open before it is counted here, and closed after it.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// They have stayed long enough: the next answer is the last, and who is quiet is closed.
    pub fn dismiss(&self) {
        self.dismissed.store(true, Ordering::SeqCst);
    }

    pub fn are_dismissed(&self) -> bool {
        self.dismissed.load(Ordering::SeqCst)
    }

    /// Whether an answer for them may be followed by another although the end has been asked for.
    pub fn may_stay(&self, whose: Whose) -> bool {
        whose == Whose::Observer && !self.are_dismissed()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
