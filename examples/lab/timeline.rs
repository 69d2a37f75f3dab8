//! What happens in a lab, as it happens: a process for each server, and in it a track for each client. It is written as
//! Chrome writes traces, which Perfetto opens (ui.perfetto.dev).
//!
//! *Invariant:* a track tells of one connection at a time, so its slices follow each other or lie within each other.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use millpond::engine::watch::trace;
use millpond::observe::histogram::nanoseconds;
use serde_json::{Value, json};

use crate::event::{Event, Phase, title};

/// What a track holds: the last of it, where there is more. 100,000 requests, one like the other, are no picture.
const TRACK_EVENTS_MAX: usize = 4_000;

/// Tracks in a process, at most. Perfetto wants their numbers to differ over all processes.
const TRACKS_MAX: usize = 10_000;

/// The slice with which the track of a client begins. Among its `args` is its `port`.
pub const CONNECTS: &str = "connects";

/// All of it.
#[derive(Clone, Debug)]
pub struct Timeline {
    epoch: Instant,
    /// Nothing is done while it is held but to put something in, or to look for a name, or, in the end, to write it down.
    kept: Arc<Mutex<Vec<KeptProcess>>>,
}

#[derive(Debug)]
struct KeptProcess {
    name: String,
    tracks: Vec<KeptTrack>,
}

#[derive(Debug)]
struct KeptTrack {
    name: String,
    events: VecDeque<Event>,
}

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

impl Timeline {
    pub fn begin() -> Timeline {
        Timeline { epoch: Instant::now(), kept: Arc::default() }
    }

    /// When that was.
    pub fn epoch(&self) -> Instant {
        self.epoch
    }

    /// The same on the clock of the machine, in nanoseconds.
    pub fn monotonic_epoch(&self) -> u64 {
        trace::monotonic_at_0(self.epoch)
    }

    /// Another process.
    pub fn process(&self, name: &str) -> Process {
        let mut processes = self.lock();
        processes.push(KeptProcess { name: name.to_owned(), tracks: Vec::new() });
        Process { timeline: self.clone(), index: processes.len() - 1 }
    }

    /// All that has happened, as a file.
    pub fn render(&self, lab: &str) -> String {
        let (processes, mut events) = (self.lock(), Vec::new());
        for (pid, process) in (1_usize..).zip(&*processes) {
            events.push(title("process", pid, pid * TRACKS_MAX, &process.name));
            for (tid, track) in (pid * TRACKS_MAX..).zip(&process.tracks) {
                events.push(title("thread", pid, tid, &track.name));
                let mut of_track: Vec<&Event> = track.events.iter().collect();
                // What lies within another comes after it.
                of_track.sort_by_key(|event| (event.at, std::cmp::Reverse(event.end())));
                events.extend(of_track.into_iter().map(|event| event.render(pid, tid)));
            }
        }
        json!({ "displayTimeUnit": "ms", "otherData": { "lab": lab }, "traceEvents": events }).to_string()
    }

    fn nanoseconds(&self, at: Instant) -> u64 {
        nanoseconds(at.saturating_duration_since(self.epoch))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<KeptProcess>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    /// The track of that name, a new one if there is none.
    pub fn track(&self, name: &str) -> Track {
        let mut processes = self.timeline.lock();
        let tracks = &mut processes[self.index].tracks;
        let index = tracks.iter().position(|track| track.name == name).unwrap_or_else(|| {
            assert!(tracks.len() < TRACKS_MAX, "no lab has so many clients");
            tracks.push(KeptTrack { name: name.to_owned(), events: VecDeque::new() });
            tracks.len() - 1
        });
        Track { process: self.clone(), index }
    }

    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The moments at which clients begin to connect, and their tracks, by their ports.
    pub fn clients(&self) -> HashMap<u64, Vec<(u64, Track)>> {
        let mut clients: HashMap<u64, Vec<(u64, Track)>> = HashMap::new();
        for (index, track) in self.timeline.lock()[self.index].tracks.iter().enumerate() {
            for event in track.events.iter().filter(|event| event.name == CONNECTS) {
                let port = event.args["port"].as_u64().unwrap_or(0);
                clients.entry(port).or_default().push((event.at, Track { process: self.clone(), index }));
            }
        }
        clients
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
        change(&mut self.process.timeline.lock()[self.process.index].tracks[self.index].events);
    }
}
