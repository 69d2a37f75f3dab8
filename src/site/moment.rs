//! Moments that looks at the file system vouch for, as numbers that threads can share.
//!
//! *Invariant:* a [`LookedAt`] at moment M says that at some time after M something was so: that a name led to a version, or
//! to nothing. It only grows, and only by a look that was made for a request received at M. So it answers every request that
//! was received at M or before, and nobody has to read a clock for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::root::Patience;
use crate::config;

/// When a request came, and what its answer may wait for.
#[derive(Clone, Copy, Debug)]
pub struct Occasion {
    /// For dates, and for whether a file has settled: no later than when it is looked at.
    pub now: SystemTime,
    /// By then the request had been received whole.
    pub received: Instant,
    pub patience: Patience,
}

/// Nanoseconds since an epoch. None stands for one before it: then nothing is known, and a look is made.
pub type Moment = u64;

/// What moments are counted from.
#[derive(Clone, Copy, Debug)]
pub struct Epoch(Instant);

impl Epoch {
    /// `start` is any time before the first request.
    pub fn new(start: Instant) -> Epoch {
        Epoch(start)
    }

    pub fn moment(self, instant: Instant) -> Option<Moment> {
        instant.checked_duration_since(self.0).map(nanoseconds)
    }
}

/// For which moment a look was made last; zero, if none was.
#[derive(Debug, Default)]
pub struct LookedAt(AtomicU64);

impl LookedAt {
    pub fn new(received: Option<Moment>) -> LookedAt {
        LookedAt(AtomicU64::new(received.unwrap_or(0)))
    }

    /// Whether a look was made for a request that was received then or later.
    pub fn covers(&self, received: Option<Moment>) -> bool {
        // Acquire here, Release in `note`: who relies on a look sees what was written before it.
        received.is_some_and(|received| self.0.load(Ordering::Acquire) >= received)
    }

    /// Notes a look that was made for a request received then.
    pub fn note(&self, received: Option<Moment>) {
        if let Some(received) = received {
            self.0.fetch_max(received, Ordering::Release);
        }
    }

    /// Whether a look was made so short a time before that the kernel still has in memory what it saw.
    pub fn is_recent(&self, received: Option<Moment>) -> bool {
        let looked_at = self.0.load(Ordering::Relaxed);
        let recently = nanoseconds(config::CACHE_IDLE_TIME);
        looked_at > 0 && received.is_some_and(|received| received.saturating_sub(looked_at) <= recently)
    }

    /// Whether the last look was made for an earlier moment.
    pub fn is_before(&self, moment: Moment) -> bool {
        self.0.load(Ordering::Relaxed) < moment
    }
}

pub fn nanoseconds(duration: Duration) -> Moment {
    // Enough for 584 years.
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
