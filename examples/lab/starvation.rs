//! Keep-alive starvation: idle clients join one by one, and beside each number of them a newcomer asks.

use crate::client::PATIENCE;
use crate::guest::Guest;
use crate::kernel;
use crate::patience::{self, SMALL, yes_or_no};
use crate::plot::Plot;
use crate::report::{Report, Table, check};
use crate::serve::Kind;
use crate::setup::Setup;
use crate::subject::Start;

const WORKERS: usize = 4;

/// What one server made of it.
struct Seen {
    kind: Kind,
    threads: u64,
    /// Idle clients beside which no newcomer was answered; none if there was no such number.
    starved_by: Option<usize>,
    /// Whether that newcomer was answered as soon as one of them had left.
    recovered: bool,
}

pub fn run(setup: &Setup) -> Result<Report, String> {
    let idle_max = setup.choose(64, 8);
    let subject = setup.subject(Kind::BlockingPool, Kind::Millpond);
    let mut kinds = vec![subject, Kind::OneAtATime, Kind::ProcessPerWorker, Kind::ThreadPerConnection, Kind::Millpond];
    let mut of = std::collections::HashSet::new();
    kinds.retain(|kind| of.insert(kind.name()));
    let seen: Vec<Seen> = kinds.iter().map(|kind| observe(setup, *kind, idle_max)).collect::<Result<_, _>>()?;

    let mut table = Table::new(["server", "idle clients tried", "threads", "starved by", "served once one leaves"]);
    for Seen { kind, threads, starved_by, recovered } in &seen {
        let recovered = starved_by.map_or("-", |_| yes_or_no(*recovered));
        table.row([&kind.name(), &format!("0 to {idle_max}"), threads, &say(*starved_by), &recovered]);
    }
    let bars = |seen: &Seen| {
        let beside = seen.starved_by.unwrap_or(idle_max + 1) - 1;
        (seen.kind.name(), f64::from(u32::try_from(beside).unwrap_or(u32::MAX)))
    };
    let plot = Plot::bars(
        "Idle clients beside which a newcomer is still answered",
        &format!("idle clients, of {idle_max} at most"),
        seen.iter().map(bars).collect(),
    );
    let first = &seen[0];
    let workers = if subject == Kind::OneAtATime { 1 } else { WORKERS };
    let mut checks = vec![
        check(format!("idle clients that starve {}", subject.name()), say(Some(workers)), say(first.starved_by)),
        check("its newcomer is answered once one of them leaves", "yes", yes_or_no(first.recovered)),
    ];
    for seen in seen.iter().filter(|seen| seen.kind == Kind::Millpond) {
        checks.push(check("idle clients that starve millpond", say(None), say(seen.starved_by)));
    }
    Ok(Report { table, plot, checks })
}

fn say(starved_by: Option<usize>) -> String {
    starved_by.map_or("none".to_owned(), |clients| clients.to_string())
}

fn observe(setup: &Setup, kind: Kind, idle_max: usize) -> Result<Seen, String> {
    let server = setup.start(&Start::new(kind, WORKERS))?;
    let mut idle = Vec::new();
    loop {
        let mut newcomer = Guest::asking(&server, "newcomers", patience::last_get(SMALL))?;
        if !server.answers(&mut newcomer)? {
            let (threads, starved_by) = (kernel::threads(server.pid()), Some(idle.len()));
            idle.pop();
            let recovered = newcomer.is_answered(PATIENCE)?;
            return Ok(Seen { kind, threads, starved_by, recovered });
        }
        if idle.len() == idle_max {
            return Ok(Seen { kind, threads: kernel::threads(server.pid()), starved_by: None, recovered: false });
        }
        // It has its answer, so a worker has seen it.
        drop(newcomer);
        idle.push(Guest::served(&server, &format!("idle {}", idle.len() + 1))?);
    }
}
