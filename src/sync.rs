//! What the hand-off of connections is made of: atomics and a lock, the standard library's or the model checker's.
//!
//! *Invariants:* under `cfg(loom)` the types are loom's, which run a test once for every order in which threads may
//! interleave and every value that a load may return; otherwise they are std's, and this room costs nothing. So what is
//! checked is the source that runs (`tests/loom`), not a copy of it.
//!
//! Only [`pond`](crate::engine::pond) takes them from here: the rest hands nothing over without it, or has a lock or a
//! channel for it.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};
