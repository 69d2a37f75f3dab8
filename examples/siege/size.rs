//! How much of everything, in full and in a hurry.

use std::time::Duration;

use crate::report;
use crate::server::Subject;

#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Connections held idle, and for how long the processor is watched meanwhile.
    pub idle: usize,
    pub idle_window: Duration,
    /// Clients that drip a head.
    pub drips: usize,
    /// Clients that read 1 KiB/s, and for how long.
    pub readers: usize,
    pub reading: Duration,
    /// Clients that stop reading.
    pub stalled: usize,
    /// Requests against a directory that is swapped.
    pub swapped: usize,
    /// Files that are rewritten.
    pub rewritten: usize,
    /// Drains under load.
    pub drains: usize,
    /// Mutated requests.
    pub mutated: usize,
    /// Requests that are logged to nobody.
    pub logged: usize,
    /// What a server is given, if it takes options, and held to.
    pub head_timeout: Duration,
    pub stall_timeout: Duration,
    pub drain_timeout: Duration,
}

pub const FULL: Size = Size {
    idle: 10_000,
    idle_window: Duration::from_secs(10),
    drips: 500,
    readers: 200,
    reading: Duration::from_secs(20),
    stalled: 50,
    swapped: 5_000,
    rewritten: 1_000,
    drains: 10,
    mutated: 100_000,
    logged: 50_000,
    head_timeout: Duration::from_secs(10),
    stall_timeout: Duration::from_secs(30),
    drain_timeout: Duration::from_secs(10),
};

const QUICK: Size = Size {
    idle: 2_000,
    idle_window: Duration::from_secs(2),
    drips: 100,
    readers: 50,
    reading: Duration::from_secs(3),
    stalled: 10,
    swapped: 1_000,
    rewritten: 200,
    drains: 3,
    mutated: 10_000,
    logged: 20_000,
    head_timeout: Duration::from_secs(2),
    stall_timeout: Duration::from_secs(2),
    drain_timeout: Duration::from_secs(2),
};

impl Size {
    /// Only millpond can be given shorter timeouts than those that are promised.
    pub fn quick(subject: &Subject) -> Size {
        match subject {
            Subject::Millpond(_) => QUICK,
            Subject::Peer(_) | Subject::Template(_) | Subject::Foreign { .. } => {
                let Size { head_timeout, stall_timeout, drain_timeout, .. } = FULL;
                Size { head_timeout, stall_timeout, drain_timeout, ..QUICK }
            }
        }
    }

    /// The options that say so; none where they are the default.
    pub fn timeouts(&self) -> Vec<String> {
        let pairs = [
            ("head", self.head_timeout, FULL.head_timeout),
            ("stall", self.stall_timeout, FULL.stall_timeout),
            ("drain", self.drain_timeout, FULL.drain_timeout),
        ];
        let changed = pairs.into_iter().filter(|(_, timeout, default)| timeout != default);
        changed.map(|(name, timeout, _)| format!("--{name}-timeout={}s", timeout.as_secs())).collect()
    }

    /// What stands above the table.
    pub fn describe(&self) -> String {
        let Size { idle, drips, readers, swapped, rewritten, mutated, .. } = self;
        format!(
            "{idle} idle connections, {drips} drips, {readers} slow readers, {swapped} requests against a swapped \
             directory, {rewritten} rewrites, {mutated} mutated requests; timeouts: head {}, stall {}, drain {}",
            report::time(self.head_timeout),
            report::time(self.stall_timeout),
            report::time(self.drain_timeout),
        )
    }
}
