//! Slow readers: clients ask for a large file, read the head of the answer, and stop.

use std::io;

use crate::client::{self, PATIENCE};
use crate::guest::Guest;
use crate::kernel;
use crate::patience::{self, SMALL, yes_or_no};
use crate::plot::Plot;
use crate::report::{Report, Table, check};
use crate::serve::Kind;
use crate::setup::Setup;
use crate::subject::{Start, Subject};

const WORKERS: usize = 4;

struct Seen {
    kind: Kind,
    threads: u64,
    untaken: u64,
    served_meanwhile: bool,
    served_after: bool,
    /// Readers that got every byte in the end.
    whole: usize,
}

pub fn run(setup: &Setup) -> Result<Report, String> {
    let subject = setup.subject(Kind::BlockingPool, Kind::Millpond);
    let mut seen = vec![observe(setup, subject)?];
    for kind in [Kind::ThreadPerConnection, Kind::Millpond] {
        if kind != subject {
            seen.push(observe(setup, kind)?);
        }
    }
    let mut table = Table::new([
        "server",
        "readers that stopped",
        "threads",
        "KiB in the kernel",
        "others served",
        "once they read on",
        "got all of it",
    ]);
    for Seen { kind, threads, untaken, served_meanwhile, served_after, whole } in &seen {
        let kib = untaken / 1024;
        table.row([
            &kind.name(),
            &WORKERS,
            threads,
            &kib,
            &yes_or_no(*served_meanwhile),
            &yes_or_no(*served_after),
            whole,
        ]);
    }
    let plot = Plot::bars(
        "Answers that others get while as many clients as there are workers don't read theirs",
        "of one asked for",
        seen.iter().map(|seen| (seen.kind.name(), if seen.served_meanwhile { 1.0 } else { 0.0 })).collect(),
    );
    let (first, name) = (&seen[0], subject.name());
    let mut checks = vec![
        check(format!("others are served by {name} meanwhile"), "no", yes_or_no(first.served_meanwhile)),
        check(format!("others are served by {name} once the readers read on"), "yes", yes_or_no(first.served_after)),
        check(format!("readers of {name} that get all {} bytes", setup.large_bytes), WORKERS, first.whole),
    ];
    for seen in seen.iter().filter(|seen| seen.kind == Kind::Millpond) {
        checks.push(check("others are served by millpond meanwhile", "yes", yes_or_no(seen.served_meanwhile)));
        checks.push(check("readers of millpond that get all of it", WORKERS, seen.whole));
    }
    Ok(Report { table, plot, checks })
}

fn observe(setup: &Setup, kind: Kind) -> Result<Seen, String> {
    let server = setup.start(&Start::new(kind, WORKERS))?;
    let mut readers = Vec::new();
    for number in 1..=WORKERS {
        readers.push(begin(&server, number).map_err(|error| format!("a reader gets no head: {error}"))?);
    }
    let mut newcomer = Guest::asking(&server, "newcomer", patience::last_get(SMALL))?;
    let served_meanwhile = server.answers(&mut newcomer)?;
    let (threads, untaken) = (kernel::threads(server.pid()), kernel::untaken_bytes(server.address)?);
    // Closed behind its answer, each frees its worker.
    let whole = readers.into_iter().filter_map(|mut reader| reader.read_on(setup.large_bytes).ok()).count();
    let served_after = served_meanwhile || newcomer.is_answered(PATIENCE)?;
    Ok(Seen { kind, threads, untaken, served_meanwhile, served_after, whole })
}

/// A reader that has read the head, so that a worker is at its content.
fn begin(server: &Subject, number: usize) -> io::Result<Guest> {
    let mut reader = Guest::connect_narrow(server, &format!("reader {number}"))?;
    reader.send(client::get("/large.bin"))?;
    reader.read_head()?;
    Ok(reader)
}
