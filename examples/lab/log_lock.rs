//! Lock contention: every request writes a line, and whoever reads the log stops reading. How many are still answered?

use std::io::{self, Read};
use std::process::ChildStderr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pipe::fcntl_setpipe_size;
use rustix::process::Signal;

use crate::client::{self, PATIENCE};
use crate::guest::Guest;
use crate::patience::{SMALL, yes_or_no};
use crate::plot::Plot;
use crate::report::{Check, Report, Table, check};
use crate::serve::{Kind, Log};
use crate::setup::{Phenomenon, Setup};
use crate::subject::Start;

const WORKERS: usize = 4;

/// What the pipe behind the log holds, whatever this kernel has for the size of a page or of a pipe.
const PIPE_BYTES: usize = 64 * 1024;

/// So that it is soon full.
const LINE_BYTES: usize = 1024;

struct Seen {
    log: Log,
    /// Answers after so many ms.
    progress: Vec<(f64, f64)>,
    meanwhile: usize,
    after: usize,
    log_bytes: usize,
}

pub fn run(setup: &Setup) -> Result<Report, String> {
    let each = setup.choose(500, 100);
    let naive = match setup.phenomenon {
        Phenomenon::Present => Log::Mutex,
        Phenomenon::Removed => Log::Queue,
    };
    let seen = [observe(setup, naive, each)?, observe(setup, Log::Queue, each)?];
    let requests = each * WORKERS;
    let mut table =
        Table::new(["the log is written", "requests", "answered while it is stuck", "once it is read", "KiB of log"]);
    for Seen { log, meanwhile, after, log_bytes, .. } in &seen {
        table.row([&describe(*log), &requests, meanwhile, after, &(log_bytes / 1024)]);
    }
    let lines = seen.iter().map(|seen| (describe(seen.log).to_owned(), seen.progress.clone())).collect();
    let plot = Plot::lines("Requests answered while nobody reads the log", "answers", "time in ms", lines);
    let [naive, queued] = &seen;
    let checks = vec![
        Check {
            expected: format!("answered behind a lock: as many as fit into the pipe, and not {requests}"),
            seen: naive.meanwhile.to_string(),
            holds: naive.meanwhile < requests,
        },
        check(
            "all of them are answered once the log is read",
            "yes",
            yes_or_no(naive.meanwhile + naive.after == requests),
        ),
        check("answered with a queue while it is stuck", requests, queued.meanwhile),
    ];
    Ok(Report { table, plot, checks })
}

fn describe(log: Log) -> &'static str {
    match log {
        Log::None => "not at all",
        Log::Mutex => "under a lock",
        Log::Queue => "through a queue",
    }
}

fn observe(setup: &Setup, log: Log, each: usize) -> Result<Seen, String> {
    let note = format!("the log {}", describe(log));
    let mut server = setup.start(&Start { log, note, ..Start::new(Kind::Millpond, WORKERS) })?;
    let stderr = server.take_stderr().ok_or("its log goes nowhere")?;
    // Refused to who has many pipes already: those are smaller, which does as well.
    let _ = fcntl_setpipe_size(&stderr, PIPE_BYTES);
    let (asked, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        let (server, asked, answered) = (&server, &asked, &answered);
        let ask = |number| {
            let mut client = Guest::connect(server, &format!("client {number}"))?;
            let agent = "a".repeat(LINE_BYTES);
            for _ in 0..each {
                asked.fetch_add(1, Ordering::Relaxed);
                client.ask(client::get_with(SMALL, &format!("User-Agent: {agent}\r\n")))?;
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        };
        let clients: Vec<_> = (1..=WORKERS).map(|number| scope.spawn(move || ask(number))).collect();
        let is_stuck = || asked.load(Ordering::Relaxed) == answered.load(Ordering::Relaxed) + WORKERS;
        let progress = watch(answered, each * WORKERS, || is_stuck() && server.stays_asleep());
        let meanwhile = answered.load(Ordering::Relaxed);
        let reader = scope.spawn(|| count(stderr));
        for client in clients {
            let ended: io::Result<()> = client.join().map_err(|_| "a client panicked")?;
            ended.map_err(|error| format!("a client gave up: {error}"))?;
        }
        let after = answered.load(Ordering::Relaxed) - meanwhile;
        server.look();
        // The end of the server is the end of its log; `Subject` waits for it once more, which does no harm.
        server.signal(Signal::TERM)?;
        let log_bytes = reader.join().map_err(|_| "the log's reader panicked")?.map_err(|error| error.to_string())?;
        Ok(Seen { log, progress, meanwhile, after, log_bytes })
    })
}

/// Answers over time, until there are all, or it is stuck, or nothing has come of it for so long that it may as well be.
fn watch(answered: &AtomicUsize, all: usize, is_stuck: impl Fn() -> bool) -> Vec<(f64, f64)> {
    let since = Instant::now();
    let (mut progress, mut before, mut changed) = (vec![(0.0, 0.0)], 0, since);
    loop {
        let now = answered.load(Ordering::Relaxed);
        progress.push((since.elapsed().as_secs_f64() * 1e3, f64::from(u32::try_from(now).unwrap_or(u32::MAX))));
        if now != before {
            (before, changed) = (now, Instant::now());
        }
        let is_over = now == all || (is_stuck() && answered.load(Ordering::Relaxed) == now);
        if is_over || changed.elapsed() > PATIENCE {
            return progress;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn count(mut log: ChildStderr) -> io::Result<usize> {
    let mut chunk = [0; 64 * 1024];
    let mut bytes = 0;
    loop {
        match log.read(&mut chunk)? {
            0 => return Ok(bytes),
            length => bytes += length,
        }
    }
}
