//! Context switches: a client sends so many requests at a time, and the kernel counts how often the server's threads went
//! to sleep over them.
//!
//! The client takes its time: it sends when the server sleeps, as one does that is far away or thinks. (On one core the
//! two would else take turns, and which of them is counted as having gone to sleep would be the scheduler's choice.)

use std::thread;
use std::time::{Duration, Instant};

use crate::client;
use crate::guest::Guest;
use crate::kernel::{self, Switches};
use crate::patience::SMALL;
use crate::plot::Plot;
use crate::report::{Check, Report, Table};
use crate::serve::Kind;
use crate::setup::{Phenomenon, Setup};
use crate::subject::Start;

/// Requests that the client sends before it reads the answers.
const AT_A_TIME: [u32; 3] = [1, 4, 16];

struct Seen {
    kind: Kind,
    at_a_time: u32,
    switches: Switches,
    nanoseconds: f64,
}

pub fn run(setup: &Setup) -> Result<Report, String> {
    let requests: u32 = setup.choose(16_384, 1_024);
    let alone = match setup.phenomenon {
        Phenomenon::Present => AT_A_TIME[0],
        Phenomenon::Removed => AT_A_TIME[2],
    };
    let mut seen = Vec::new();
    for kind in [Kind::OneAtATime, Kind::Millpond] {
        for at_a_time in [alone, AT_A_TIME[1], AT_A_TIME[2]] {
            seen.push(observe(setup, kind, at_a_time, requests)?);
        }
    }
    let mut table = Table::new(["server", "at a time", "requests", "went to sleep", "each", "preempted", "µs each"]);
    let each = |seen: &Seen| f64::from(seen.slept()) / f64::from(requests);
    for seen in &seen {
        let Switches { voluntary, involuntary } = seen.switches;
        let (switches, time) = (format!("{:.2}", each(seen)), format!("{:.1}", seen.nanoseconds / 1_000.0));
        table.row([&seen.kind.name(), &seen.at_a_time, &requests, &voluntary, &switches, &involuntary, &time]);
    }
    let line = |kind: Kind| {
        let points = seen.iter().filter(|seen| seen.kind == kind);
        (kind.name(), points.map(|seen| (f64::from(seen.at_a_time), each(seen))).collect())
    };
    let plot = Plot::lines(
        "Context switches for each request",
        "times that a thread goes to sleep",
        "requests that come at a time",
        vec![line(Kind::OneAtATime), line(Kind::Millpond)],
    );
    let (single, batched) = (seen[0].slept(), seen[2].slept());
    let checks = vec![
        Check {
            expected: format!("{requests} requests, {alone} at a time: the thread goes to sleep for each, or nearly"),
            seen: format!("{single} times"),
            holds: single >= requests / 10 * 9,
        },
        Check {
            expected: format!("{requests} requests, {} at a time: a quarter of that, or less", AT_A_TIME[2]),
            seen: format!("{batched} times"),
            holds: batched <= single / 4,
        },
    ];
    Ok(Report { table, plot, checks })
}

impl Seen {
    fn slept(&self) -> u32 {
        u32::try_from(self.switches.voluntary).unwrap_or(u32::MAX)
    }
}

fn observe(setup: &Setup, kind: Kind, at_a_time: u32, requests: u32) -> Result<Seen, String> {
    let server = setup.start(&Start { note: format!("{at_a_time} at a time"), ..Start::new(kind, 1) })?;
    let mut client = Guest::served(&server, "client")?;
    let batch = client::get(SMALL).repeat(usize::try_from(at_a_time).map_err(|error| error.to_string())?);
    let (before, mut took) = (kernel::switches(server.pid()), Duration::ZERO);
    for _ in 0..requests / at_a_time {
        while !kernel::is_asleep(server.pid()) {
            thread::yield_now();
        }
        let since = Instant::now();
        client.send(&batch).map_err(|error| error.to_string())?;
        for _ in 0..at_a_time {
            client.answer().map_err(|error| error.to_string())?;
        }
        took += since.elapsed();
    }
    let after = kernel::switches(server.pid());
    let switches =
        Switches { voluntary: after.voluntary - before.voluntary, involuntary: after.involuntary - before.involuntary };
    Ok(Seen { kind, at_a_time, switches, nanoseconds: took.as_secs_f64() * 1e9 / f64::from(requests) })
}
