//! What the rings hold as a timeline: trace events as Chrome writes them, which Perfetto (ui.perfetto.dev) opens.
//!
//! A track for each thread. On it a slice for each batch, and in that a slice for each stretch of work on one connection:
//! from the event before it to the last event of its own. Stretches of one thread follow each other, so slices never
//! overlap. An arrow leads through the stretches of a connection, from accept to close.
//!
//! Perfetto takes a thread with the number 0 for none of this process, and an arrow's name for a number: it passes over
//! arrows whose names are none. So threads are numbered from 1, and arrows by their connections.
//!
//! It is megabytes, and so written entry by entry: as a tree of values it took 200 MiB and 0.4 s of a worker.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use serde_json::json;

use super::Watch;
use super::status::stay;
use crate::config;
use crate::engine::CloseReason;
use crate::observe::event::{Event, PARKED_FOR, What};
use crate::observe::histogram::nanoseconds;

/// The process, as a trace numbers it, and its first thread: which is, by having the same number, its main thread.
const PROCESS: u32 = 1;
const FIRST_THREAD: usize = 1;

/// A stretch of work on one connection.
struct Stretch {
    thread: usize,
    connection: u64,
    begin: u64,
    end: u64,
    what: Vec<What>,
}

/// An entry of the trace, as it stands there.
#[derive(Serialize)]
struct Entry<'e> {
    /// What it is: a slice (X), a name (M), or the begin, a stop, or the end of an arrow (s, t, f).
    ph: char,
    pid: u32,
    tid: usize,
    name: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'e str>,
    /// Microseconds, as `dur`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    /// Of an end: that it is in the slice at that time, not before the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<char>,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Details<'e>>,
}

/// What is shown of an entry when it is chosen.
#[derive(Serialize)]
#[serde(untagged)]
enum Details<'e> {
    Name {
        name: &'e str,
    },
    Batch {
        ready: u32,
    },
    Turn {
        connection: &'e str,
        what: &'e str,
        /// The client's, of what begins with its accept.
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u32>,
    },
}

/// What has been written of a trace.
struct Text(Vec<u8>);

impl Text {
    fn put(&mut self, entry: &Entry<'_>) {
        self.0.extend(if self.0.is_empty() { br#"{"traceEvents":["#.as_slice() } else { b",\n" });
        serde_json::to_writer(&mut self.0, entry).expect("memory takes every entry");
    }

    fn name(&mut self, thread: usize, what: &str, name: &str) {
        let args = Some(Details::Name { name });
        self.put(&Entry { ph: 'M', name: what, args, ..Entry::of(thread) });
    }
}

impl Entry<'_> {
    /// Nothing but whose it is.
    fn of(thread: usize) -> Self {
        let (cat, ts, dur, id, bp, args) = (None, None, None, None, None, None);
        Entry { ph: 'X', pid: PROCESS, tid: thread, name: "", cat, ts, dur, id, bp, args }
    }
}

/// The whole trace.
pub fn render(watch: &Watch) -> Vec<u8> {
    let mut text = Text(Vec::new());
    text.name(FIRST_THREAD, "process_name", "millpond");
    let mut stretches = Vec::new();
    let mut samples = 1;
    for (thread, (name, lane)) in (FIRST_THREAD..).zip(watch.lanes()) {
        text.name(thread, "thread_name", &name);
        let page = lane.ring.read(0, config::LANE_EVENTS);
        for event in &page.events {
            if let What::Samples(every) = event.what {
                samples = samples.max(every);
            }
        }
        add_batches(thread, &page.events, &mut text);
        stretches.extend(stretches_of(thread, &page.events));
    }
    stretches.sort_by_key(|stretch| stretch.begin);
    stretches.iter().for_each(|stretch| add_slice(stretch, &mut text));
    add_flows(&stretches, &mut text);
    let other = json!({
        "server": concat!("millpond ", env!("CARGO_PKG_VERSION")),
        // At its busiest, one batch in so many was written down.
        "one_batch_in": samples,
        // Where 0 is on the clock of the machine: so it can be laid beside what others wrote down (`perf -k mono`).
        "clock_monotonic_us_at_0": micros(monotonic_at_0(watch.epoch)),
    });
    text.0.extend(format!(r#"],"displayTimeUnit":"ns","otherData":{other}}}"#).into_bytes());
    text.0
}

/// Where times that are counted from an epoch begin on `CLOCK_MONOTONIC`, which `Instant` is read from but doesn't show, in nanoseconds.
pub fn monotonic_at_0(epoch: Instant) -> u64 {
    let now = Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default();
    nanoseconds(now.saturating_sub(epoch.elapsed()))
}

/// Microseconds, as a trace has them.
fn micros(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}

/// A slice from each waking to the rest behind it.
fn add_batches(thread: usize, events: &[Event], out: &mut Text) {
    let mut woke: Option<(u64, u32)> = None;
    for event in events {
        match (event.what, woke) {
            (What::Woke(ready), _) => woke = Some((event.at, ready)),
            (What::Rests, Some((begin, ready))) => {
                out.put(&Entry {
                    name: "batch",
                    cat: Some("batch"),
                    ts: Some(micros(begin)),
                    dur: Some(micros(event.at - begin)),
                    args: Some(Details::Batch { ready }),
                    ..Entry::of(thread)
                });
                woke = None;
            }
            _ => {}
        }
    }
}

fn stretches_of(thread: usize, events: &[Event]) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    let mut before: Option<u64> = None;
    // Whether the event before was of the last stretch.
    let mut goes_on = false;
    for event in events {
        let of_thread = matches!(event.what, What::Woke(_) | What::Rests | What::Samples(_));
        match stretches.last_mut() {
            _ if of_thread => goes_on = false,
            Some(last) if goes_on && last.connection == event.connection => {
                last.end = event.at;
                last.what.push(event.what);
            }
            _ => {
                let (begin, end) = (before.unwrap_or(event.at), event.at);
                stretches.push(Stretch { thread, connection: event.connection, begin, end, what: vec![event.what] });
                goes_on = true;
            }
        }
        before = Some(event.at);
    }
    stretches
}

fn add_slice(stretch: &Stretch, out: &mut Text) {
    let name = stretch.what.iter().rev().find_map(|what| match what {
        What::Answered(status) => Some(format!("answer {status}")),
        What::Observed(status) => Some(format!("observer {status}")),
        _ => None,
    });
    let name = name.unwrap_or_else(|| match stretch.what.last() {
        Some(What::Accepted(_)) => "accept".to_owned(),
        Some(What::Took) => "take".to_owned(),
        Some(What::Closed(_)) => "close".to_owned(),
        _ => "turn".to_owned(),
    });
    let port = stretch.what.iter().find_map(|what| match what {
        What::Accepted(port) => Some(*port),
        _ => None,
    });
    let what: Vec<String> = stretch.what.iter().map(|what| words(*what)).collect();
    out.put(&Entry {
        name: &name,
        cat: Some("turn"),
        ts: Some(micros(stretch.begin)),
        dur: Some(micros(stretch.end - stretch.begin)),
        args: Some(Details::Turn { connection: &stay(stretch.connection), what: &what.join(", "), port }),
        ..Entry::of(stretch.thread)
    });
}

/// An event in words.
fn words(what: What) -> String {
    let name = |names: &[&str], number: u32| {
        usize::try_from(number).ok().and_then(|number| names.get(number).copied()).unwrap_or("?").to_owned()
    };
    match what {
        What::Rests => "rests".to_owned(),
        What::Woke(ready) => format!("woke for {ready}"),
        What::Accepted(port) => format!("accepted from port {port}"),
        What::Took => "took".to_owned(),
        What::Received(bytes) => format!("received {bytes} bytes"),
        What::Parsed => "parsed".to_owned(),
        What::Opened => "opened".to_owned(),
        What::Answered(status) | What::Observed(status) => format!("answered {status}"),
        What::Sent(bytes) => format!("sent {bytes} bytes"),
        What::Finished => "finished".to_owned(),
        What::Parked(_) => format!("parked for {}", name(&PARKED_FOR, what.number().1)),
        What::Closed(reason) => format!("closed: {}", name(&CloseReason::NAMES, reason)),
        What::Samples(every) => format!("one batch in {every}"),
    }
}

/// Arrows through the stretches of each connection that has several.
fn add_flows(stretches: &[Stretch], out: &mut Text) {
    let mut of_connection: HashMap<u64, Vec<&Stretch>> = HashMap::new();
    for stretch in stretches {
        of_connection.entry(stretch.connection).or_default().push(stretch);
    }
    for (connection, its) in of_connection.iter().filter(|(_, its)| its.len() > 1) {
        for (index, stretch) in its.iter().enumerate() {
            let ph = match index {
                0 => 's',
                _ if index + 1 == its.len() => 'f',
                _ => 't',
            };
            out.put(&Entry {
                ph,
                name: "connection",
                cat: Some("connection"),
                ts: Some(micros(stretch.begin)),
                id: Some(*connection),
                bp: (ph == 'f').then_some('e'),
                ..Entry::of(stretch.thread)
            });
        }
    }
}
