//! Coordinated omission: a server stalls once. A client that waits for each answer before it asks again sees one slow
//! answer, whereas everybody who would have come meanwhile has had one.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, PATIENCE};
use crate::guest::Guest;
use crate::patience::SMALL;
use crate::plot::Plot;
use crate::report::{Check, Report, Table};
use crate::serve::Kind;
use crate::setup::{Phenomenon, Setup};
use crate::subject::{Start, Subject, wait_until};

/// Between two requests of the open load; between an answer and the next request of the closed one.
const INTERVAL: Duration = Duration::from_millis(5);

/// Answers that are awaited before the stall, and after it.
const AROUND: usize = 100;

/// When a request was due, and how long its answer took from then.
type Sample = (Instant, Duration);

pub fn run(setup: &Setup) -> Result<Report, String> {
    let stall = setup.choose(Duration::from_secs(2), Duration::from_millis(800));
    // A stall is a request that holds its worker up. With others, there is none.
    let workers = match setup.phenomenon {
        Phenomenon::Present => 1,
        Phenomenon::Removed => 4,
    };
    let start =
        |load: &str| setup.start(&Start { note: format!("the load is {load}"), ..Start::new(Kind::Millpond, workers) });
    let server = start("closed")?;
    let closed = closed_load(&server, stall)?;
    count(&server, &closed);
    drop(server);
    let server = start("open")?;
    let open = open_load(&server, stall)?;
    count(&server, &open);

    let slow = |samples: &[Sample]| samples.iter().filter(|(_, time)| *time >= stall / 4).count();
    let mut table = Table::new(["load", "answers", "p50 ms", "p90 ms", "p99 ms", "longest ms", "slow answers"]);
    for (name, samples) in [("closed: asks 5 ms after each answer", &closed), ("open: asks every 5 ms", &open)] {
        let at = |percent| format!("{:.2}", percentile(samples, percent).as_secs_f64() * 1e3);
        table.row([&name, &samples.len(), &at(50), &at(90), &at(99), &at(100), &slow(samples)]);
    }
    let line = |name: &str, samples: &[Sample]| {
        let first = samples.first().map_or_else(Instant::now, |(due, _)| *due);
        let point = |(due, time): &Sample| (due.duration_since(first).as_secs_f64(), time.as_secs_f64() * 1e3);
        (name.to_owned(), samples.iter().map(point).collect())
    };
    let plot = Plot::points(
        "How long answers take around a stall",
        "ms from when the request was due to its answer",
        "time in s",
        vec![line("closed load", &closed), line("open load", &open)],
    );
    let (closed, open) = (slow(&closed), slow(&open));
    // Of those that are due during the stall, all but those of its last quarter.
    let due = usize::try_from((stall * 3 / 4).as_millis() / INTERVAL.as_millis()).unwrap_or(0);
    let checks = vec![
        Check {
            expected: "slow answers that the closed load sees: 1, and at most 3 on a machine that stalls as well"
                .to_owned(),
            seen: closed.to_string(),
            holds: (1..=3).contains(&closed),
        },
        Check {
            expected: format!("slow answers that the open load sees: about {due}, of which {} at least", due / 2),
            seen: open.to_string(),
            holds: open >= due / 2,
        },
    ];
    Ok(Report { table, plot, checks })
}

fn percentile(samples: &[Sample], percent: usize) -> Duration {
    let mut times: Vec<Duration> = samples.iter().map(|(_, time)| *time).collect();
    times.sort_unstable();
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Shows in the trace how many requests were due and had no answer.
fn count(server: &Subject, samples: &[Sample]) {
    let track = server.track("without an answer");
    let came = samples.iter().map(|(due, _)| (*due, true));
    let mut changes: Vec<(Instant, bool)> =
        came.chain(samples.iter().map(|(due, time)| (*due + *time, false))).collect();
    changes.sort_unstable();
    let mut count = 0_usize;
    for (at, is_due) in changes {
        count = if is_due { count + 1 } else { count.saturating_sub(1) };
        track.count(("requests", "without an answer"), at, count);
    }
}

/// Holds up a worker, as a slow disk would.
fn hold_up(server: &Subject, stall: Duration) -> Result<(), String> {
    let mut request = Guest::asking(server, "the stall", client::get("/gate"))?;
    server.await_entered(1)?;
    thread::sleep(stall);
    server.open_gate()?;
    request.answer().map(drop).map_err(|error| format!("the request that held a worker up has no answer: {error}"))
}

/// One client, one request after the other.
fn closed_load(server: &Subject, stall: Duration) -> Result<Vec<Sample>, String> {
    let (answered, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            let mut client = Guest::connect(server, "client")?;
            let mut samples = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let due = Instant::now();
                client.ask(client::get(SMALL))?;
                samples.push((due, due.elapsed()));
                thread::sleep(INTERVAL);
                answered.store(samples.len(), Ordering::Relaxed);
            }
            Ok(samples)
        });
        let await_more = || {
            let before = answered.load(Ordering::Relaxed);
            wait_until(PATIENCE, || answered.load(Ordering::Relaxed) >= before + AROUND);
        };
        await_more();
        let held = hold_up(server, stall);
        await_more();
        over.store(true, Ordering::Relaxed);
        let samples = client.join().map_err(|_| "the client panicked")?;
        held?;
        samples.map_err(|error: std::io::Error| format!("the client gave up: {error}"))
    })
}

/// Requests go out when they are due, whether answers have come or not.
fn open_load(server: &Subject, stall: Duration) -> Result<Vec<Sample>, String> {
    let during = u32::try_from(stall.as_millis() / INTERVAL.as_millis()).map_err(|error| error.to_string())?;
    let around = u32::try_from(AROUND).map_err(|error| error.to_string())?;
    let requests = 2 * around + during;
    thread::scope(|scope| {
        let client = scope.spawn(move || ask_when_due(server, requests));
        thread::sleep(INTERVAL * around);
        let held = hold_up(server, stall);
        let samples = client.join().map_err(|_| "the client panicked")?;
        held?;
        samples.map_err(|error| format!("the client gave up: {error}"))
    })
}

fn ask_when_due(server: &Subject, requests: u32) -> std::io::Result<Vec<Sample>> {
    let mut reader = Guest::connect(server, "client")?;
    let writer = reader.stream().try_clone()?;
    let since = Instant::now();
    thread::scope(|scope| {
        scope.spawn(move || {
            use std::io::Write as _;
            for number in 0..requests {
                thread::sleep((INTERVAL * number).saturating_sub(since.elapsed()));
                // The reader notices when nothing comes.
                let _ = (&writer).write_all(client::get(SMALL).as_bytes());
            }
        });
        let mut samples = Vec::new();
        for number in 0..requests {
            let due = since + INTERVAL * number;
            reader.expect("GET /small.txt", due);
            reader.answer()?;
            samples.push((due, due.elapsed()));
        }
        Ok(samples)
    })
}
