//! Who waits longest, for what and since when, as the server tells.

use serde_json::Value;

use super::number;

/// A request that isn't finished.
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    /// A connection, or the worker that has one.
    pub who: String,
    /// On the server's clock, in nanoseconds.
    pub since: f64,
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

/// Nanoseconds that a worker is at one batch, at most, while nothing holds it up.
const BATCH: f64 = 50e6;

/// Those who have waited longest, as the server tells; before them the workers that are held up.
pub fn longest(status: &Value) -> Vec<Wait> {
    let workers = status["workers"].as_array().into_iter().flatten().enumerate();
    let held_up = workers.filter_map(|(index, worker)| {
        let since = worker["busy_since"].as_f64().filter(|since| number(status, "/now") - since > BATCH)?;
        Some(Wait { who: format!("worker {index}"), since, why: Why::Worker })
    });
    let parked = status["waits"].as_array().into_iter().flatten().filter_map(|wait| {
        let why = match wait[1].as_u64()? {
            1 => Why::RestOfHead,
            2 => Why::Room,
            3 => Why::Turn,
            _ => return None,
        };
        let who = wait[0].as_str()?.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
        Some(Wait { who, since: wait[2].as_f64()?, why })
    });
    held_up.chain(parked).collect()
}
