//! Who waits, for what and since when: connections followed through the events of the lanes.

use std::collections::HashMap;

use serde_json::Value;

use super::number;

/// The connections whose request isn't finished, as far as the events tell.
#[derive(Debug, Default)]
pub struct Waits {
    next: Vec<u64>,
    connections: HashMap<String, Wait>,
    /// One batch in so many is told of.
    pub one_in: u64,
}

/// A request that isn't finished.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    /// On the server's clock, in nanoseconds.
    pub since: f64,
    /// Whether it had begun before that.
    pub is_longer: bool,
    pub last: f64,
    pub why: Why,
}

/// What it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Worker,
    RestOfHead,
    Room,
    Turn,
}

/// Events read back at the start, of each lane.
const BACK: u64 = 4096;

impl Waits {
    /// Begins to follow, a while before that status.
    pub fn begin(&mut self, status: &Value) {
        self.one_in = 1;
        self.next = lanes(status).map(|lane| next(lane).saturating_sub(BACK)).collect();
    }

    /// From which event of each lane on.
    pub fn next(&self) -> &[u64] {
        &self.next
    }

    /// Hears what has happened meanwhile.
    pub fn hear(&mut self, status: &Value) {
        let name = |list: &str, index: u64| {
            status.pointer(&format!("/names/{list}/{index}")).and_then(Value::as_str).unwrap_or_default()
        };
        let mut events: Vec<(u64, &str, &str, u64)> = Vec::new();
        for event in lanes(status).flat_map(|lane| lane["events"].as_array().into_iter().flatten()) {
            let (Some(at), Some(connection)) = (event[0].as_u64(), event[1].as_str()) else { continue };
            let (Some(kind), Some(value)) = (event[2].as_u64(), event[3].as_u64()) else { continue };
            events.push((at, connection, name("kinds", kind), value));
        }
        // Several lanes may tell of one connection.
        events.sort_by_key(|(at, ..)| *at);
        for (at, connection, kind, value) in events {
            self.follow(at as f64, connection, kind, value);
        }
        self.next = lanes(status).map(next).collect();
        self.forget(status);
    }

    fn follow(&mut self, at: f64, connection: &str, kind: &str, value: u64) {
        match (kind, value) {
            ("samples", every) => self.one_in = every.max(1),
            // Parked for a request, or for the end of what isn't read.
            ("finished" | "closed" | "observed", _) | ("parked", 0 | 4) => {
                self.connections.remove(connection);
            }
            ("received", _) => {
                let wait = Wait { since: at, is_longer: false, last: at, why: Why::Worker };
                self.connections.entry(connection.to_owned()).or_insert(wait).last = at;
            }
            ("parked", 1..=3) => {
                let why = [Why::RestOfHead, Why::Room, Why::Turn][usize::try_from(value - 1).unwrap_or(0)];
                // Whose request was not heard of has waited for longer than is known.
                let unheard = Wait { since: at, is_longer: true, last: at, why };
                let wait = self.connections.entry(connection.to_owned()).or_insert(unheard);
                (wait.last, wait.why) = (at, why);
            }
            _ => {}
        }
    }

    /// The end of a wait may not have been told of. There are no more of a kind than the pond has.
    fn forget(&mut self, status: &Value) {
        let pond = |key: &str| number(status, &format!("/pond/{key}"));
        let count = |why: Why| match why {
            Why::Worker => pond("active"),
            Why::RestOfHead => pond("half_a_head"),
            Why::Room => pond("waiting_to_write"),
            Why::Turn => pond("turns_due") + pond("active"),
        };
        for why in [Why::Worker, Why::RestOfHead, Why::Room, Why::Turn] {
            let mut its: Vec<(String, f64)> = self
                .connections
                .iter()
                .filter(|(_, wait)| wait.why == why)
                .map(|(id, wait)| (id.clone(), wait.last))
                .collect();
            its.sort_by(|a, b| b.1.total_cmp(&a.1));
            for (gone, _) in its.iter().skip(count(why) as usize) {
                self.connections.remove(gone);
            }
        }
    }

    /// Those who have waited longest.
    pub fn longest(&self, count: usize) -> Vec<(&str, Wait)> {
        let mut all: Vec<(&str, Wait)> = self.connections.iter().map(|(id, wait)| (id.as_str(), *wait)).collect();
        all.sort_by(|a, b| a.1.since.total_cmp(&b.1.since));
        all.truncate(count);
        all
    }
}

fn lanes(status: &Value) -> impl Iterator<Item = &Value> {
    status["lanes"].as_array().into_iter().flatten()
}

fn next(lane: &Value) -> u64 {
    lane["next"].as_u64().unwrap_or(0)
}
