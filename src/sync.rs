//! What the hand-off of connections is made of: atomics and a lock, the standard library's or the model checker's.
//!
//! *Invariants:* under `cfg(loom)` the types are loom's, which run a test once for every order in which threads may
//! interleave and every value that a load may return; otherwise they are std's, and this room costs nothing. So what is
//! checked is the source that runs (`tests/loom`), not a copy of it.
//!
//! [`pond`](crate::engine::pond), [`turns`](crate::engine::turns), [`rest`](crate::engine::rest) and the rings of
//! [`observe`](crate::observe) take them from here:
//! nothing else hands anything over without them, or it has a lock or a channel for it.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
