//! One event of a trace, and how Chrome writes it: a line of JSON, with times in microseconds. The format is described as
//! "Trace Event Format"; this is the part of it that Perfetto reads without a complaint.

use serde_json::{Value, json};

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

impl Event {
    /// When it is over.
    pub fn end(&self) -> u64 {
        match self.phase {
            Phase::Slice(duration) => self.at + duration,
            Phase::Mark | Phase::Count | Phase::Begin(_) | Phase::Through(_) | Phase::End(_) => self.at,
        }
    }

    pub fn render(&self, pid: usize, tid: usize) -> Value {
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
pub fn title(what: &str, pid: usize, tid: usize, name: &str) -> Value {
    json!({ "ph": "M", "pid": pid, "tid": tid, "name": format!("{what}_name"), "args": { "name": name } })
}

/// Microseconds, as a trace has them.
fn micros(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}
