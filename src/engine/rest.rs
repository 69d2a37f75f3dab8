//! How many workers are up: no more than there are connections, for more could have nothing to do. The others rest.
//!
//! If all waited for events, the kernel would wake any of them for each, and mostly not the one that was just done and is
//! still warm: with a single client that asks as fast as it is answered, every request would go to another thread and
//! core. Measured with two workers and one client: 5 % of the processor time, and the slowest of a hundred took 60 µs
//! instead of some hundreds.
//!
//! *Invariant:* of `workers`, as many as there are connections are up, or all; and one at least. A worker has one
//! connection at a time where it may wait for a disk, so as long as any connection is without a worker, a worker is
//! without a connection, or all are busy. Who wants to rest says so first and looks at the connections second; who lets a
//! connection in counts it first and looks at who rests second; all of it sequentially consistent. One of the two sees
//! the other. At the end all get up, and nobody rests any more.
//!
//! A call that turns out not to be needed costs a turn of the loop: who follows it waits for events, like the others that
//! are up. There are never more calls than workers that rest, so none is left over for who rests next.
//!
//! Rejected: that every worker that leaves calls one of those who rest. A worker that is still busy then is not among
//! them, finds nobody needed when it is done, and rests for ever.

use std::sync::PoisonError;

use crate::sync::{AtomicUsize, Condvar, Mutex, MutexGuard, Ordering};

/// The bench of those who rest.
#[derive(Debug)]
pub struct Rest {
    workers: usize,
    resting: AtomicUsize,
    /// The lock is taken to rest and to call, which cost a system call anyway. Under it, `resting` counts those who wait
    /// for a call, and there are never more calls than that.
    calls: Mutex<Calls>,
    called: Condvar,
}

#[derive(Debug)]
struct Calls {
    /// That nobody has followed yet; each is for one worker, whichever.
    single: usize,
    /// For everybody, and for good.
    last: bool,
}

impl Rest {
    /// For so many workers, all of them up.
    pub fn new(workers: usize) -> Rest {
        let calls = Mutex::new(Calls { single: 0, last: false });
        Rest { workers, resting: AtomicUsize::new(0), calls, called: Condvar::new() }
    }

    /// Rests until called, if enough others are up; `connections` is asked for how many are needed.
    pub fn rest(&self, connections: impl Fn() -> usize) {
        if !self.is_enough(self.resting.load(Ordering::Relaxed) + 1, &connections) {
            return;
        }
        let mut calls = self.lock();
        let resting = self.resting.fetch_add(1, Ordering::SeqCst) + 1;
        if self.is_enough(resting, &connections) {
            while calls.single == 0 && !calls.last {
                calls = self.called.wait(calls).unwrap_or_else(PoisonError::into_inner);
            }
            calls.single = calls.single.saturating_sub(1);
        }
        self.resting.fetch_sub(1, Ordering::SeqCst);
    }

    /// Calls one of those who rest, if the connections need it. For each connection that was let in.
    pub fn call_if_needed(&self, connections: impl Fn() -> usize) {
        let resting = self.resting.load(Ordering::SeqCst);
        if resting > 0 && !self.is_enough(resting, connections) {
            self.call();
        }
    }

    /// Gets everybody up: it is over.
    pub fn end(&self) {
        self.lock().last = true;
        self.called.notify_all();
    }

    /// Calls one of those who rest, if any does.
    fn call(&self) {
        let mut calls = self.lock();
        // Otherwise as many as rest have been called already.
        if calls.single < self.resting.load(Ordering::SeqCst) {
            calls.single += 1;
            self.called.notify_one();
        }
    }

    fn is_enough(&self, resting: usize, connections: impl Fn() -> usize) -> bool {
        self.workers - resting.min(self.workers) >= connections().max(1)
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        // Nothing panics while it is held.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
