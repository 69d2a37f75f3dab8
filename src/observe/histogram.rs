//! How long things took, as counts: one writer, any number of readers, and no lock.
//!
//! *Invariants:* a count only grows. Every duration has a bucket, whose bounds are at most a sixteenth apart, so what is
//! read off is right to about 6 % however short or long it was. Recording is one addition in memory that only one thread
//! writes.
//!
//! The buckets are those of an HdrHistogram with one hexadecimal digit: sixteen for each power of two. That crate's counts
//! aren't shared between threads; these are, and there is no more to it than what follows.

use std::time::Duration;

use crate::sync::{AtomicU64, Ordering};

/// Buckets for each power of two.
const PER_OCTAVE: u64 = 16;

/// What takes longer than 2^40 ns (18 minutes) counts as that.
const OCTAVES: u64 = 40;

/// Buckets in all: the first sixteen nanoseconds have one each.
pub const BUCKETS: usize = 592;

/// Counts of durations.
#[derive(Debug)]
pub struct Histogram {
    counts: Box<[AtomicU64]>,
    /// Nanoseconds, summed.
    sum: AtomicU64,
}

/// The counts at one moment, or over a stretch of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    counts: Box<[u64]>,
    sum: u64,
}

impl Histogram {
    pub fn new() -> Histogram {
        Histogram { counts: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    /// Counts one. Only ever from one thread: there is no other addition to collide with.
    pub fn record(&self, took: Duration) {
        let nanoseconds = nanoseconds(took);
        let count = &self.counts[bucket(nanoseconds)];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.sum.store(self.sum.load(Ordering::Relaxed).wrapping_add(nanoseconds), Ordering::Relaxed);
    }

    /// The counts by now.
    pub fn counts(&self) -> Counts {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Counts { counts, sum: self.sum.load(Ordering::Relaxed) }
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

impl Counts {
    /// Nothing counted.
    pub fn none() -> Counts {
        Counts { counts: vec![0; BUCKETS].into(), sum: 0 }
    }

    /// Adds those of another histogram.
    pub fn add(&mut self, other: &Counts) {
        for (own, other) in self.counts.iter_mut().zip(&other.counts) {
            *own += other;
        }
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Those that have come since an earlier moment.
    pub fn since(&self, earlier: &Counts) -> Counts {
        let counts = self.counts.iter().zip(&earlier.counts).map(|(now, before)| now.saturating_sub(*before));
        Counts { counts: counts.collect(), sum: self.sum.wrapping_sub(earlier.sum) }
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them, one after the other.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// How many took at most so long, to the bucket that it is in.
    pub fn at_most(&self, limit: Duration) -> u64 {
        let limit = nanoseconds(limit);
        let buckets = self.counts.iter().enumerate().take_while(|(index, _)| upper_bound(*index) <= limit);
        buckets.map(|(_, count)| count).sum()
    }

    /// The time that so many of a thousand took at most: 990 is the 99th percentile. Zero of nothing.
    pub fn quantile(&self, per_mille: u64) -> Duration {
        let total = self.total();
        // The smallest rank that covers the share.
        let rank = (total * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(upper_bound(index));
            }
        }
        Duration::ZERO
    }

    /// The buckets that have any: the longest time in each, and how many.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let counts = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        counts.map(|(index, count)| (Duration::from_nanos(upper_bound(index)), *count))
    }
}

/// All nanoseconds of a time; of six hundred years at most.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Which bucket so many nanoseconds are in.
fn bucket(nanoseconds: u64) -> usize {
    let bounded = nanoseconds.min((1 << OCTAVES) - 1);
    // Below sixteen each has its own; from there on, the four bits below the highest tell one of sixteen.
    let octave = u64::from((bounded | (PER_OCTAVE - 1)).ilog2()) - 3;
    let within = if octave == 0 { bounded } else { (bounded >> (octave - 1)) - PER_OCTAVE };
    usize::try_from(octave * PER_OCTAVE + within).expect("there are few hundred")
}

/// The longest time that a bucket holds, in nanoseconds.
fn upper_bound(bucket: usize) -> u64 {
    let bucket = u64::try_from(bucket).expect("there are few hundred");
    let (octave, within) = (bucket / PER_OCTAVE, bucket % PER_OCTAVE);
    if octave == 0 { within } else { ((PER_OCTAVE + within + 1) << (octave - 1)) - 1 }
}
