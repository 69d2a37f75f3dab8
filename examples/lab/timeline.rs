//! What happens in a lab, as it happens: a process for each server, and in it a track for each client. It is written as
//! Chrome writes traces, which Perfetto opens (ui.perfetto.dev).
//!
//! *Invariant:* a track tells of one connection at a time, so its slices follow each other or lie within each other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// What a track holds: the last of it, where there is more. 100,000 requests, one like the other, are no picture.
const TRACK_EVENTS_MAX: usize = 4_000;

/// Tracks in a process, at most. Perfetto wants their numbers to differ over all processes.
const TRACKS_MAX: usize = 10_000;

/// All of it.
#[derive(Clone, Debug)]
pub struct Timeline {
    epoch: Instant,
    /// Nothing is done while it is held but to put something in, or to look for a name.
    processes: Arc<Mutex<Vec<Tracks>>>,
}

/// The name of a process, and its tracks with theirs.
type Tracks = (String, Vec<(String, VecDeque<Event>)>);

/// Where a server and its clients are shown.
#[derive(Clone, Debug)]
pub struct Process {
    timeline: Timeline,
    index: usize,
}

/// Where one client is shown, or whatever else has a name.
#[derive(Clone, Debug)]
pub struct Track {
    process: Process,
    index: usize,
}

/// One event of a trace: its phase, and what goes with that.
#[derive(Debug)]
pub struct Event {
    pub phase: Phase,
    pub name: String,
    /// Nanoseconds since the timeline began.
    pub at: u64,
    /// What is shown of it when it is chosen.
    pub args: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It lasts so many nanoseconds.
    Slice(u64),
    Mark,
    /// A number that changes.
    Count,
    /// An arrow of that number begins in the slice that is here, leads through it, or ends there.
    Begin(u64),
    Through(u64),
    End(u64),
}

impl Timeline {
    pub fn begin() -> Timeline {
        Timeline { epoch: Instant::now(), processes: Arc::default() }
    }

    /// When that was.
    pub fn epoch(&self) -> Instant {
        self.epoch
    }

    /// The same on the clock of the machine, in nanoseconds.
    pub fn monotonic_epoch(&self) -> u64 {
        let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
        whole(now.saturating_sub(self.epoch.elapsed()))
    }

    /// Another process.
    pub fn process(&self, name: &str) -> Process {
        let mut processes = self.lock();
        processes.push((name.to_owned(), Vec::new()));
        Process { timeline: self.clone(), index: processes.len() - 1 }
    }

    /// All that has happened, as a file.
    pub fn render(&self, lab: &str) -> String {
        let (processes, mut events) = (self.lock(), Vec::new());
        for (pid, (process, tracks)) in (1_usize..).zip(&*processes) {
            events.push(title("process", pid, pid * TRACKS_MAX, process));
            for (tid, (track, of_track)) in (pid * TRACKS_MAX..).zip(tracks) {
                events.push(title("thread", pid, tid, track));
                let mut of_track: Vec<&Event> = of_track.iter().collect();
                // What lies within another comes after it.
                of_track.sort_by_key(|event| (event.at, std::cmp::Reverse(event.end())));
                events.extend(of_track.into_iter().map(|event| event.render(pid, tid)));
            }
        }
        json!({ "displayTimeUnit": "ms", "otherData": { "lab": lab }, "traceEvents": events }).to_string()
    }

    fn nanoseconds(&self, at: Instant) -> u64 {
        whole(at.saturating_duration_since(self.epoch))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Tracks>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    /// The track of that name, a new one if there is none.
    pub fn track(&self, name: &str) -> Track {
        let mut processes = self.timeline.lock();
        let tracks = &mut processes[self.index].1;
        let index = tracks.iter().position(|(found, _)| found == name).unwrap_or_else(|| {
            assert!(tracks.len() < TRACKS_MAX, "no lab has so many clients");
            tracks.push((name.to_owned(), VecDeque::new()));
            tracks.len() - 1
        });
        Track { process: self.clone(), index }
    }

    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// A number by which things of this process are told from those of others.
    pub fn number(&self, own: u64) -> u64 {
        own.wrapping_mul(1_000).wrapping_add(u64::try_from(self.index).unwrap_or(0))
    }
}

impl Track {
    /// Something that lasted.
    pub fn slice(&self, name: impl Into<String>, (begin, end): (Instant, Instant), args: Value) {
        let timeline = &self.process.timeline;
        let (at, end) = (timeline.nanoseconds(begin), timeline.nanoseconds(end));
        self.keep(Event { phase: Phase::Slice(end.saturating_sub(at)), name: name.into(), at, args });
    }

    /// Something that happens now.
    pub fn mark(&self, name: impl Into<String>) {
        let at = self.process.timeline.nanoseconds(Instant::now());
        self.keep(Event { phase: Phase::Mark, name: name.into(), at, args: json!({}) });
    }

    /// What a number has come to: how many of whom. A track has no more than one.
    pub fn count(&self, (whom, which): (&str, &str), at: Instant, count: impl Into<Value>) {
        let at = self.process.timeline.nanoseconds(at);
        self.keep(Event { phase: Phase::Count, name: whom.to_owned(), at, args: json!({ which: count.into() }) });
    }

    fn keep(&self, event: Event) {
        self.with_events(|events| {
            if events.len() == TRACK_EVENTS_MAX {
                events.pop_front();
            }
            events.push_back(event);
        });
    }

    /// Puts in what somebody else has kept, who had a limit of his own.
    pub fn put(&self, event: Event) {
        self.with_events(|events| events.push_back(event));
    }

    fn with_events(&self, change: impl FnOnce(&mut VecDeque<Event>)) {
        change(&mut self.process.timeline.lock()[self.process.index].1[self.index].1);
    }
}

impl Event {
    fn end(&self) -> u64 {
        match self.phase {
            Phase::Slice(duration) => self.at + duration,
            _ => self.at,
        }
    }

    fn render(&self, pid: usize, tid: usize) -> Value {
        let (phase, key, value) = match self.phase {
            Phase::Slice(duration) => ("X", "dur", micros(duration).into()),
            // Of its track alone.
            Phase::Mark => ("i", "s", "t".into()),
            Phase::Count => ("C", "id", tid.into()),
            Phase::Begin(arrow) => ("s", "id", arrow.into()),
            Phase::Through(arrow) => ("t", "id", arrow.into()),
            Phase::End(arrow) => ("f", "id", arrow.into()),
        };
        let mut event = json!({
            "ph": phase, "pid": pid, "tid": tid, "cat": "lab", "name": self.name, "ts": micros(self.at), "args": self.args,
        });
        event[key] = value;
        if phase == "f" {
            // In the slice around it, and not in the next.
            event["bp"] = "e".into();
        }
        event
    }
}

/// What a process or a thread is called.
fn title(what: &str, pid: usize, tid: usize, name: &str) -> Value {
    json!({ "ph": "M", "pid": pid, "tid": tid, "name": format!("{what}_name"), "args": { "name": name } })
}

/// Microseconds, as a trace has them.
fn micros(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}

fn whole(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
