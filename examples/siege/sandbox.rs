//! Line 16: what can be seen from outside of what the process has given up.
//!
//! That nothing else can be read, written or connected to is tried from within, by the tests.

use std::fs;

use crate::report::Tally;
use crate::{Siege, Stop, proc};

pub fn holds(siege: &Siege) -> Result<Tally, Stop> {
    let mut tally = Tally::default();
    let statuses = proc::family(siege.server.pid).into_iter().flat_map(|pid| {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok()).collect::<Vec<_>>()
    });
    let bound: Vec<bool> = statuses.map(|status| status.lines().any(|line| line == "NoNewPrivs:\t1")).collect();
    let count = bound.iter().filter(|bound| **bound).count();
    tally.check(count == bound.len() && count > 0, format!("no_new_privs on {count} of {} threads", bound.len()));
    if siege.subject.is_millpond() {
        let said = siege.server.said("stderr")?;
        let said = String::from_utf8_lossy(&said).into_owned();
        let line = said.lines().find(|line| line.contains("sandbox"));
        tally.check(line.is_some(), line.unwrap_or("no line at start says what holds"));
    } else {
        tally.skip("what it says at start, which is not known here");
    }
    Ok(tally)
}
