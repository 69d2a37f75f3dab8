//! The drain: requests are under way, and others wait, when Ctrl+C comes. Whose answers still come?
//!
//! Every request waits at the gate, which opens only when the server takes nobody any more: whoever forgets what it has
//! received has forgotten it by then.

use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::Signal;

use crate::client::{self, PATIENCE};
use crate::guest::Guest;
use crate::plot::Plot;
use crate::report::{Report, Table, check};
use crate::serve::Kind;
use crate::setup::Setup;
use crate::subject::{Start, wait_until};

const WORKERS: usize = 4;

struct Seen {
    kind: Kind,
    under_way: usize,
    lost: usize,
    end: String,
}

pub fn run(setup: &Setup) -> Result<Report, String> {
    let requests = setup.choose(64, 6);
    let subject = setup.subject(Kind::BlockingPool, Kind::Millpond);
    let mut seen = vec![observe(setup, subject, requests)?];
    for kind in [Kind::OneAtATime, Kind::ThreadPerConnection, Kind::ProcessPerWorker, Kind::Millpond] {
        if kind != subject {
            seen.push(observe(setup, kind, requests)?);
        }
    }
    let mut table = Table::new(["server", "under way", "waiting", "answered", "lost", "ended by"]);
    for Seen { kind, under_way, lost, end } in &seen {
        table.row([&kind.name(), under_way, &(requests - under_way), &(requests - lost), lost, end]);
    }
    let bars = seen.iter().map(|seen| (seen.kind.name(), f64::from(u32::try_from(seen.lost).unwrap_or(u32::MAX))));
    let plot = Plot::bars(
        &format!("Requests lost by Ctrl+C, of {requests} that had been sent whole"),
        "requests without an answer",
        bars.collect(),
    );
    let mut checks = vec![check(format!("requests that {} loses", subject.name()), requests, seen[0].lost)];
    for seen in seen.iter().filter(|seen| seen.kind == Kind::Millpond) {
        checks.push(check("requests that millpond loses", 0, seen.lost));
        checks.push(check("how it ends", "itself, with 0".to_owned(), seen.end.clone()));
    }
    Ok(Report { table, plot, checks })
}

fn observe(setup: &Setup, kind: Kind, requests: usize) -> Result<Seen, String> {
    let mut server = setup.start(&Start::new(kind, WORKERS))?;
    let under_way = match kind {
        Kind::OneAtATime => 1,
        Kind::ThreadPerConnection => requests,
        Kind::BlockingPool | Kind::ProcessPerWorker | Kind::SeparateQueues | Kind::Millpond => WORKERS.min(requests),
    };
    // Who watches from before the drain may go on to do so while others are still there.
    server.look();
    let mut asked = Vec::new();
    for number in 1..=requests {
        asked.push(Guest::asking(&server, &format!("client {number}"), client::get("/gate"))?);
    }
    server.await_entered(under_way)?;
    // As Ctrl+C would. Not SIGINT itself: whoever starts this in the background of a shell has it ignored.
    server.signal(Signal::TERM)?;
    if !wait_until(PATIENCE, || TcpStream::connect_timeout(&server.address, PATIENCE).is_err()) {
        return Err(format!("{} takes clients after Ctrl+C", kind.name()));
    }
    server.open_gate()?;
    let lost = asked.into_iter().filter_map(|mut guest| guest.answer().err()).count();
    server.look();
    let end = server.wait(PATIENCE).map_or("nothing yet".to_owned(), end);
    Ok(Seen { kind, under_way, lost, end })
}

fn end(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("itself, with {code}"),
        (None, signal) => format!("signal {}", signal.unwrap_or(0)),
    }
}
