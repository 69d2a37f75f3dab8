//! Coordinated omission: a server stalls once. A client that waits for each answer before it asks again sees one slow
//! answer, whereas everybody who would have come meanwhile has had one.
//!
//! A stall is a request that waits at the gate and holds the only worker. What it held up is what was due before the gate
//! was opened and answered after it: that is so however long anything took.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, PATIENCE};
use crate::guest::Guest;
use crate::patience::SMALL;
use crate::plot::{Note, Plot};
use crate::report::{Check, Report, Table, check};
use crate::serve::Kind;
use crate::setup::{Phenomenon, Setup};
use crate::subject::{Start, Subject, wait_until};

/// Between two requests of the open load; between an answer and the next request of the closed one.
const INTERVAL: Duration = Duration::from_millis(5);

/// Requests before the stall, and after it.
const AROUND: usize = 100;

/// When a request was due, and how long its answer took from then.
type Sample = (Instant, Duration);

/// How far a load is.
#[derive(Default)]
struct Progress {
    asked: AtomicUsize,
    answered: AtomicUsize,
    /// Whether it has been told to end.
    over: AtomicBool,
}

/// What a load saw.
struct Seen {
    name: &'static str,
    samples: Vec<Sample>,
    /// When the stall ended.
    ended: Instant,
}

pub fn run(setup: &Setup) -> Result<Report, String> {
    let stall = setup.choose(Duration::from_secs(2), Duration::from_millis(800));
    let closed = observe(setup, stall, "closed: asks 5 ms after each answer", ask_after_answers)?;
    let open = observe(setup, stall, "open: asks every 5 ms", ask_when_due)?;

    let mut table = Table::new(["load", "answers", "p50 ms", "p90 ms", "p99 ms", "longest ms", "held up"]);
    for seen in [&closed, &open] {
        let at = |percent| format!("{:.2}", seen.percentile(percent).as_secs_f64() * 1e3);
        table.row([&seen.name, &seen.samples.len(), &at(50), &at(90), &at(99), &at(100), &seen.held_up()]);
    }
    let plot = Plot::points(
        "How long answers take around a stall",
        "ms from when the request was due to its answer",
        "time in s",
        vec![("closed load".to_owned(), closed.points()), ("open load".to_owned(), open.points())],
        closed.slowest().map(|at| Note { at, text: "the slowest answer of the closed load".to_owned() }),
    );
    let due = usize::try_from(stall.as_millis() / INTERVAL.as_millis()).unwrap_or(0);
    let checks = vec![
        check("answers of the closed load that the stall held up", 1, closed.held_up()),
        Check {
            expected: format!("answers of the open load that it held up: all that were due, {due} or more"),
            seen: open.held_up().to_string(),
            holds: open.held_up() >= due,
        },
    ];
    Ok(Report { table, plot, checks })
}

/// Has a load go on before a stall, during it, and after it.
fn observe(
    setup: &Setup,
    stall: Duration,
    name: &'static str,
    load: fn(&Subject, &Progress) -> io::Result<Vec<Sample>>,
) -> Result<Seen, String> {
    // With others, a request that holds one worker up is no stall.
    let workers = match setup.phenomenon {
        Phenomenon::Present => 1,
        Phenomenon::Removed => 4,
    };
    let server = setup.start(&Start { note: name.to_owned(), ..Start::new(Kind::Millpond, workers) })?;
    let progress = Progress::default();
    let await_more = || {
        let before = progress.asked.load(Ordering::Relaxed);
        wait_until(PATIENCE, || progress.asked.load(Ordering::Relaxed) >= before + AROUND);
    };
    thread::scope(|scope| {
        let client = scope.spawn(|| load(&server, &progress));
        await_more();
        let ended = hold_up(&server, stall, &progress);
        await_more();
        progress.over.store(true, Ordering::Relaxed);
        let samples = client.join().map_err(|_| "the client panicked")?;
        let samples = samples.map_err(|error| format!("the client gave up: {error}"))?;
        let seen = Seen { name, samples, ended: ended? };
        seen.count(&server);
        Ok(seen)
    })
}

/// Holds up a worker for at least so long, and while somebody waits for it; says when that ended.
fn hold_up(server: &Subject, stall: Duration, progress: &Progress) -> Result<Instant, String> {
    let mut request = Guest::asking(server, "the stall", client::get("/gate"))?;
    server.await_entered(1)?;
    thread::sleep(stall);
    let asks = || progress.asked.load(Ordering::Relaxed) > progress.answered.load(Ordering::Relaxed);
    wait_until(stall, asks);
    let ended = Instant::now();
    server.open_gate()?;
    request.answer().map_err(|error| format!("the request that held a worker up has no answer: {error}"))?;
    Ok(ended)
}

/// The closed load: one request after the other.
fn ask_after_answers(server: &Subject, progress: &Progress) -> io::Result<Vec<Sample>> {
    let mut client = Guest::connect(server, "client")?;
    let mut samples = Vec::new();
    while !progress.over.load(Ordering::Relaxed) {
        let due = Instant::now();
        progress.asked.fetch_add(1, Ordering::Relaxed);
        client.ask(client::get(SMALL))?;
        samples.push((due, due.elapsed()));
        progress.answered.fetch_add(1, Ordering::Relaxed);
        thread::sleep(INTERVAL);
    }
    Ok(samples)
}

/// The open load: requests go out when they are due, whether answers have come or not.
fn ask_when_due(server: &Subject, progress: &Progress) -> io::Result<Vec<Sample>> {
    let mut reader = Guest::connect(server, "client")?;
    let mut writer = reader.stream().try_clone()?;
    let (ask, asked) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut due = Instant::now();
            while !progress.over.load(Ordering::Relaxed) {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                progress.asked.fetch_add(1, Ordering::Relaxed);
                // The reader notices when nothing comes; and when it has given up, nobody needs this.
                if writer.write_all(client::get(SMALL).as_bytes()).is_err() || ask.send(due).is_err() {
                    return;
                }
                due += INTERVAL;
            }
        });
        let mut samples = Vec::new();
        for due in asked {
            reader.expect(&format!("GET {SMALL}"), due);
            reader.answer()?;
            samples.push((due, due.elapsed()));
            progress.answered.fetch_add(1, Ordering::Relaxed);
        }
        Ok(samples)
    })
}

impl Seen {
    /// How many were due before the stall ended, and answered after it.
    fn held_up(&self) -> usize {
        self.samples.iter().filter(|(due, time)| *due < self.ended && *due + *time > self.ended).count()
    }

    fn percentile(&self, percent: usize) -> Duration {
        let mut times: Vec<Duration> = self.samples.iter().map(|(_, time)| *time).collect();
        times.sort_unstable();
        times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    /// Seconds since the first, and milliseconds.
    fn points(&self) -> Vec<(f64, f64)> {
        let first = self.samples.first().map_or(self.ended, |(due, _)| *due);
        let point = |(due, time): &Sample| (due.duration_since(first).as_secs_f64(), time.as_secs_f64() * 1e3);
        self.samples.iter().map(point).collect()
    }

    fn slowest(&self) -> Option<(f64, f64)> {
        self.points().into_iter().max_by(|(_, one), (_, other)| one.total_cmp(other))
    }

    /// Shows in the trace how many requests were due and had no answer.
    fn count(&self, server: &Subject) {
        let track = server.track("without an answer");
        let due = self.samples.iter().map(|(due, _)| (*due, true));
        let answered = self.samples.iter().map(|(due, time)| (*due + *time, false));
        let mut changes: Vec<(Instant, bool)> = due.chain(answered).collect();
        changes.sort_unstable();
        let mut count = 0_usize;
        for (at, is_due) in changes {
            count = if is_due { count + 1 } else { count.saturating_sub(1) };
            track.count(("requests", "without an answer"), at, count);
        }
    }
}
