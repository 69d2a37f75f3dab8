//! Threads against processes: each of N workers has a client, one worker panics, and one aborts. Who still gets answers?
//! And what do the walls cost?

use rustix::process::{Pid, Signal, kill_process};

use crate::client::{self, PATIENCE};
use crate::guest::Guest;
use crate::kernel;
use crate::patience::{SMALL, yes_or_no};
use crate::plot::Plot;
use crate::proc;
use crate::report::{Check, Report, Table, check};
use crate::serve::{Kind, PANIC, Watch};
use crate::setup::Setup;
use crate::subject::{Start, Subject, wait_until};

struct Seen {
    kind: Kind,
    processes: usize,
    memory_kib: u64,
    /// What came for the request that panicked, and clients but its own that were still served after it.
    panic_answer: String,
    after_panic: usize,
    after_abort: usize,
    newcomer_served: bool,
}

pub fn run(setup: &Setup) -> Result<Report, String> {
    let workers = setup.choose(16, 4);
    let subject = setup.subject(Kind::ProcessPerWorker, Kind::BlockingPool);
    let mut seen = vec![observe(setup, subject, workers)?];
    for kind in [Kind::BlockingPool, Kind::Millpond] {
        seen.push(observe(setup, kind, workers)?);
    }
    let mut table = Table::new([
        "server",
        "processes",
        "own memory",
        "clients",
        "a panic is answered",
        "others served after it",
        "served after an abort",
        "newcomers served",
    ]);
    for seen in &seen {
        let Seen { kind, processes, panic_answer, after_panic, after_abort, .. } = seen;
        let (memory, newcomers) = (format!("{} KiB", seen.memory_kib), yes_or_no(seen.newcomer_served));
        table.row([&kind.name(), processes, &memory, &workers, panic_answer, after_panic, after_abort, &newcomers]);
    }
    let bars = seen.iter().map(|seen| (seen.kind.name(), f64::from(u32::try_from(seen.after_abort).unwrap_or(0))));
    let plot =
        Plot::bars(&format!("Of {workers} clients, served after one worker has aborted"), "clients", bars.collect());
    let [first, threads, ..] = &seen[..] else { return Err("there were three servers".into()) };
    let name = subject.name();
    let mut checks = vec![
        check(
            format!("clients of {name} that are served after an abort: all but that of the worker"),
            workers - 1,
            first.after_abort,
        ),
        check(
            format!("newcomers are served by {name}, by a worker that took its place"),
            "yes",
            yes_or_no(first.newcomer_served),
        ),
        check("clients of the pool of threads that are served after an abort", 0, threads.after_abort),
        Check {
            expected: format!("memory that {name} shares with nobody: more than twice that of the pool of threads"),
            seen: format!("{} KiB and {} KiB", first.memory_kib, threads.memory_kib),
            holds: first.memory_kib > 2 * threads.memory_kib,
        },
    ];
    for seen in &seen {
        let what = format!("clients of {} that are served after another's panic", seen.kind.name());
        checks.push(check(what, workers - 1, seen.after_panic));
    }
    Ok(Report { table, plot, checks })
}

fn observe(setup: &Setup, kind: Kind, workers: usize) -> Result<Seen, String> {
    // Its lanes are memory, too; nobody else here has any.
    let mut server = setup.start(&Start { watch: Watch::Off, ..Start::new(kind, workers) })?;
    let client = |number: usize| Guest::served(&server, &format!("client {number}"));
    let mut clients: Vec<Guest> = (1..=workers).map(client).collect::<Result<_, _>>()?;
    let processes = proc::family(server.pid()).len();
    let memory_kib = kernel::own_memory_kib(server.pid());
    let panic_answer = clients[0].ask(client::get(&format!("/{PANIC}")));
    let panic_answer = panic_answer.map_or("no".to_owned(), |answer| answer.status.to_string());
    let after_panic = still_served(&mut clients[1..]);
    // Whose worker has ended, or at least its connection.
    clients[0] = Guest::served(&server, "client 1, again")?;
    abort_a_worker(&mut server)?;
    let after_abort = still_served(&mut clients);
    let newcomer_served = Guest::served(&server, "newcomer").is_ok();
    Ok(Seen { kind, processes, memory_kib, panic_answer, after_panic, after_abort, newcomer_served })
}

fn still_served(clients: &mut [Guest]) -> usize {
    clients.iter_mut().filter_map(|client| client.ask(client::get(SMALL)).ok()).count()
}

/// Sends what `abort` sends: it ends the process of whichever thread it is.
fn abort_a_worker(server: &mut Subject) -> Result<(), String> {
    let worker = proc::family(server.pid()).into_iter().find(|pid| *pid != server.pid().as_raw_pid());
    let Some(worker) = worker.and_then(Pid::from_raw) else {
        server.signal(Signal::ABORT)?;
        return server.wait(PATIENCE).map(drop).ok_or_else(|| "it outlives an abort".to_owned());
    };
    server.mark("has a worker abort");
    kill_process(worker, Signal::ABORT).map_err(|errno| format!("a worker takes no signal: {errno}"))?;
    match wait_until(PATIENCE, || !proc::family(server.pid()).contains(&worker.as_raw_pid())) {
        true => Ok(()),
        false => Err("a worker outlives an abort".into()),
    }
}
