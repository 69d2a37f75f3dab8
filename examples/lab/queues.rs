//! Head-of-line blocking: one request is stuck, and others come. Who of them has to wait for it?

use crate::client;
use crate::guest::Guest;
use crate::patience::{self, GLANCE, SMALL};
use crate::plot::Plot;
use crate::report::{Report, Table, check};
use crate::serve::Kind;
use crate::setup::Setup;
use crate::subject::{Start, Subject};

const WORKERS: usize = 2;

struct Seen {
    name: String,
    arranged: &'static str,
    /// Answered while the first request was stuck, and after it.
    meanwhile: usize,
    after: usize,
}

pub fn run(setup: &Setup) -> Result<Report, String> {
    let others = setup.choose(100, 20);
    let subject = setup.subject(Kind::SeparateQueues, Kind::Millpond);
    let seen = [
        beside(setup, subject, others)?,
        beside(setup, Kind::BlockingPool, others)?,
        beside(setup, Kind::Millpond, others)?,
        behind(setup, others)?,
    ];
    let mut table = Table::new(["server", "arranged", "requests", "answered beside a stuck one", "answered after it"]);
    for Seen { name, arranged, meanwhile, after } in &seen {
        table.row([name, arranged, &others, meanwhile, after]);
    }
    let bars = seen.iter().map(|seen| {
        let count = f64::from(u32::try_from(seen.meanwhile).unwrap_or(u32::MAX));
        (format!("{}, {}", seen.name, seen.arranged), count)
    });
    let plot = Plot::bars(
        &format!("Of {others} requests, answered while one is stuck"),
        &format!("answers, from {WORKERS} workers"),
        bars.collect(),
    );
    let [separate, pool, millpond, pipeline] = &seen;
    let name = &separate.name;
    let checks = vec![
        check(
            format!("answered by {name} meanwhile: those that were dealt to the other worker"),
            others / 2,
            separate.meanwhile,
        ),
        check("answered by it after that", others - others / 2, separate.after),
        check("answered by a pool with one queue meanwhile", others, pool.meanwhile),
        check("answered by millpond meanwhile", others, millpond.meanwhile),
        check("answered on the connection of the stuck request itself", 0, pipeline.meanwhile),
        check("answered there after that, in their order", others, pipeline.after),
    ];
    Ok(Report { table, plot, checks })
}

/// The others have connections of their own.
fn beside(setup: &Setup, kind: Kind, others: usize) -> Result<Seen, String> {
    let server = setup.start(&Start::new(kind, WORKERS))?;
    let mut stuck = Guest::asking(&server, "stuck", patience::last_get("/gate"))?;
    server.await_entered(1)?;
    let mut asked = Vec::new();
    for number in 1..=others {
        asked.push(Guest::asking(&server, &format!("client {number}"), patience::last_get(SMALL))?);
    }
    let meanwhile = leave_with_answers(&server, &mut asked)?;
    server.open_gate()?;
    server.answers(&mut stuck)?;
    drop(stuck);
    let after = leave_with_answers(&server, &mut asked)?;
    let arranged = if kind == Kind::SeparateQueues { "a queue each" } else { "one queue" };
    Ok(Seen { name: kind.name(), arranged, meanwhile, after })
}

/// Whoever has an answer leaves with it, in whichever order they come, until no more can come; says how many did.
fn leave_with_answers(server: &Subject, asked: &mut Vec<Guest>) -> Result<usize, String> {
    let all = asked.len();
    loop {
        // Looked at first: what it has done by then is there to be seen.
        let is_done = server.stays_asleep();
        let before = asked.len();
        let mut left = Vec::new();
        for mut guest in asked.drain(..) {
            if !guest.is_answered(GLANCE)? {
                left.push(guest);
            }
        }
        *asked = left;
        if asked.is_empty() || (is_done && asked.len() == before) {
            return Ok(all - asked.len());
        }
    }
}

/// The others are on the same connection, behind it.
fn behind(setup: &Setup, others: usize) -> Result<Seen, String> {
    let server = setup.start(&Start { note: "one connection".into(), ..Start::new(Kind::Millpond, WORKERS) })?;
    let requests = client::get("/gate") + &client::get(SMALL).repeat(others);
    let mut client = Guest::asking(&server, "client", requests)?;
    server.await_entered(1)?;
    let mut answers = 0;
    while answers <= others && server.answers(&mut client)? {
        answers += 1;
    }
    let meanwhile = answers;
    server.open_gate()?;
    while answers <= others && server.answers(&mut client)? {
        answers += 1;
    }
    // The first is that of the stuck one.
    let after = (answers - meanwhile).saturating_sub(1);
    Ok(Seen { name: Kind::Millpond.name(), arranged: "one connection", meanwhile, after })
}
