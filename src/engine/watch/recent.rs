//! What has been lately: rates, shares and percentiles over the last seconds, from the difference of two looks.
//!
//! *Invariant:* nothing is remembered unless somebody asks. Whoever asks leaves a mark for those who ask later; who asks
//! first is told of all the time since the start. In any case it is said over how long.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config;
use crate::observe::histogram::Counts;
use crate::observe::lanes::{Lane, load};

/// Marks, the oldest first; at least one.
#[derive(Debug)]
pub struct Recent {
    marks: VecDeque<Mark>,
}

/// What had been counted by a moment.
#[derive(Clone, Debug)]
struct Mark {
    at: Instant,
    responses: u64,
    sent: u64,
    busy: Vec<u64>,
    service: Counts,
    wait: Counts,
    /// Moments since the start, and connections that were in hand at each, summed.
    moments: u64,
    in_hand: u64,
    glances: Glances,
}

/// How often the accept loop has looked, and how many requests were in nobody's hands then, summed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Glances {
    pub count: u64,
    pub glimpsed: u64,
}

/// Between two moments.
#[derive(Clone, Debug)]
pub struct Lately {
    pub over: Duration,
    pub responses: u64,
    pub sent: u64,
    /// For each worker, from 0 to 1.
    pub busy: Vec<f64>,
    pub service: Counts,
    pub wait: Counts,
    /// How many requests were in service, on the average of all moments at which it was looked.
    pub seen: f64,
}

impl Recent {
    pub fn new(epoch: Instant, workers: &[Arc<Lane>]) -> Recent {
        Recent { marks: VecDeque::from([Mark::now(epoch, epoch, workers, Glances::default())]) }
    }

    /// How it has been lately.
    pub fn look(&mut self, now: Instant, epoch: Instant, workers: &[Arc<Lane>], glances: Glances) -> Lately {
        let mark = Mark::now(now, epoch, workers, glances);
        // The oldest that is needed is the last one that is older than the window.
        while self.marks.get(1).is_some_and(|second| now.duration_since(second.at) >= config::RECENT) {
            self.marks.pop_front();
        }
        let lately = match self.marks.front() {
            Some(front) => mark.since(front),
            None => mark.since(&mark),
        };
        if self.marks.back().is_none_or(|back| now.duration_since(back.at) >= config::RECENT / 20) {
            self.marks.push_back(mark);
        }
        lately
    }
}

impl Mark {
    fn now(at: Instant, epoch: Instant, workers: &[Arc<Lane>], glances: Glances) -> Mark {
        let elapsed = at.duration_since(epoch).as_nanos();
        let moments = u64::try_from(elapsed / config::GLANCE_INTERVAL.as_nanos()).unwrap_or(u64::MAX);
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let (service, wait) = (Counts::none(), Counts::none());
        let mut mark =
            Mark { at, responses: 0, sent: 0, busy: Vec::new(), service, wait, moments, in_hand: 0, glances };
        for lane in workers {
            let counts = &lane.counts;
            mark.responses += counts.responses.iter().map(load).sum::<u64>();
            mark.sent += load(&counts.sent);
            mark.busy.push(busy(lane, elapsed));
            mark.service.add(&counts.service.counts());
            mark.wait.add(&counts.wait.counts());
            mark.in_hand += lane.glimpsed(moments);
        }
        mark
    }

    fn since(&self, earlier: &Mark) -> Lately {
        let over = self.at.duration_since(earlier.at);
        let nanoseconds = over.as_nanos().max(1) as f64;
        let share = |(now, before): (&u64, &u64)| (now.saturating_sub(*before) as f64 / nanoseconds).min(1.0);
        Lately {
            over,
            responses: self.responses - earlier.responses,
            sent: self.sent - earlier.sent,
            busy: self.busy.iter().zip(&earlier.busy).map(share).collect(),
            service: self.service.since(&earlier.service),
            wait: self.wait.since(&earlier.wait),
            seen: average(self.in_hand.saturating_sub(earlier.in_hand), self.moments.saturating_sub(earlier.moments))
                + average(self.glances.glimpsed - earlier.glances.glimpsed, self.glances.count - earlier.glances.count),
        }
    }
}

fn average(sum: u64, count: u64) -> f64 {
    sum as f64 / count.max(1) as f64
}

/// Nanoseconds that a thread has been busy by now, what it is at included.
pub fn busy(lane: &Lane, elapsed: u64) -> u64 {
    let since = load(&lane.counts.since);
    let rests = since & 1 == 1 || since == 0;
    let under_way = if rests { 0 } else { elapsed.saturating_sub(since) };
    load(&lane.counts.busy) + under_way
}
