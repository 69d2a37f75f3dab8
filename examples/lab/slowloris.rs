//! Slowloris: clients drip a head byte by byte, never pausing for long, never coming to an end.
//!
//! The drips follow a schedule of steps. Both servers are given the same time: one for each read, the other for the whole
//! head. If the schedule itself runs late, so that a pause between two bytes could be taken for silence, nothing can be
//! learned from it, and it is begun anew.

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::client;
use crate::guest::Guest;
use crate::patience::{self, GLANCE, SMALL, yes_or_no};
use crate::plot::Plot;
use crate::report::{Report, Table, check};
use crate::serve::Kind;
use crate::setup::Setup;
use crate::subject::Start;

const WORKERS: usize = 4;

/// Bytes that a drip sends in the time that the deadline allows, if it is one for the whole head.
const STEPS_PER_DEADLINE: u32 = 10;

/// Times a schedule that ran late is begun anew.
const TRIES: usize = 5;

struct Seen {
    kind: Kind,
    /// After each step, how many drips had not been ended.
    open: Vec<usize>,
    /// Of those that were, how many had been told why.
    told: usize,
    newcomer_served: bool,
}

pub fn run(setup: &Setup) -> Result<Report, String> {
    let deadline = setup.choose(Duration::from_secs(2), Duration::from_secs(1));
    let steps = setup.choose(5, 3) * STEPS_PER_DEADLINE;
    let subject = setup.subject(Kind::BlockingPool, Kind::Millpond);
    let seen = [subject, Kind::Millpond].map(|kind| try_until_in_time(setup, kind, deadline, steps));
    let [subject, millpond] = seen;
    let (subject, millpond) = (subject?, millpond?);

    let mut table = Table::new(["server", "deadline for", "drips", "bytes each", "ended", "told 408", "others served"]);
    for seen in [&subject, &millpond] {
        let deadline_for = if seen.kind == Kind::Millpond { "the head" } else { "each read" };
        let ended = WORKERS - seen.last();
        table.row([
            &seen.kind.name(),
            &deadline_for,
            &WORKERS,
            &steps,
            &ended,
            &seen.told,
            &yes_or_no(seen.newcomer_served),
        ]);
    }
    let line = |seen: &Seen, name: String| {
        let points = (0_u32..)
            .zip(&seen.open)
            .map(|(step, open)| (f64::from(step), f64::from(u32::try_from(*open).unwrap_or(0))));
        (name, points.collect())
    };
    let plot = Plot::lines(
        "Drips that have not been ended",
        &format!("connections; a deadline's worth is {STEPS_PER_DEADLINE} bytes"),
        "bytes dripped, one every tenth of the deadline",
        vec![line(&subject, subject.kind.name()), line(&millpond, "millpond, beside it".to_owned())],
    );
    let name = subject.kind.name();
    let checks = vec![
        check(format!("drips that {name} ends in {steps} bytes"), 0, WORKERS - subject.last()),
        check(format!("another client is served by {name} meanwhile"), "no", yes_or_no(subject.newcomer_served)),
        check("drips that millpond ends", WORKERS, WORKERS - millpond.last()),
        check("of them answered 408 Request Timeout", WORKERS, millpond.told),
        check("another client is served by millpond meanwhile", "yes", yes_or_no(millpond.newcomer_served)),
    ];
    Ok(Report { table, plot, checks })
}

impl Seen {
    fn last(&self) -> usize {
        self.open.last().copied().unwrap_or(0)
    }
}

fn try_until_in_time(setup: &Setup, kind: Kind, deadline: Duration, steps: u32) -> Result<Seen, String> {
    for _ in 0..TRIES {
        if let Some(seen) = observe(setup, kind, deadline, steps)? {
            return Ok(seen);
        }
    }
    Err(format!("this machine was too busy, {TRIES} times, to send a byte every {:?}", deadline / STEPS_PER_DEADLINE))
}

/// None if the schedule ran late.
fn observe(setup: &Setup, kind: Kind, deadline: Duration, steps: u32) -> Result<Option<Seen>, String> {
    let server = setup.start(&Start { deadline, ..Start::new(kind, WORKERS) })?;
    let mut drips = Vec::new();
    for number in 1..=WORKERS {
        let guest = Guest::asking(&server, &format!("drip {number}"), "GET / HTTP/1.1\r\nHost: lab\r\nX-Drip: ")?;
        guest.stream().set_nonblocking(true).map_err(|error| error.to_string())?;
        drips.push(Drip { guest, heard: Vec::new(), ended: false });
    }
    let (mut newcomer, mut newcomer_served) = (None, false);
    let mut open = vec![WORKERS];
    let mut last = Instant::now();
    for step in 0..steps {
        thread::sleep(deadline / STEPS_PER_DEADLINE);
        for drip in &mut drips {
            drip.step();
        }
        if last.elapsed() > deadline / 2 {
            return Ok(None);
        }
        last = Instant::now();
        open.push(drips.iter().filter(|drip| !drip.ended).count());
        if step == STEPS_PER_DEADLINE / 2 {
            newcomer = Some(Guest::asking(&server, "newcomer", patience::last_get(SMALL))?);
        }
        // Many steps are left for it, as many deadlines.
        if let Some(newcomer) = newcomer.as_mut().filter(|_| !newcomer_served) {
            newcomer_served = newcomer.is_answered(GLANCE)?;
        }
    }
    let told = drips.iter().filter(|drip| drip.is_told()).count();
    Ok(Some(Seen { kind, open, told, newcomer_served }))
}

struct Drip {
    guest: Guest,
    heard: Vec<u8>,
    ended: bool,
}

impl Drip {
    /// One byte out, and whatever came in.
    fn step(&mut self) {
        if self.ended {
            return;
        }
        let takes_it = self.guest.stream().write_all(b"x").is_ok();
        // Whatever became of that: it may have said why before.
        let goes_on = self.listen();
        self.ended = !(takes_it && goes_on);
        if self.ended {
            self.guest.hear_last(if self.is_told() { "408" } else { "closed" });
        } else {
            self.guest.mark("a byte");
        }
    }

    /// Whether that was not the end.
    fn listen(&mut self) -> bool {
        let mut chunk = [0; 1024];
        loop {
            match self.guest.stream().read(&mut chunk) {
                Ok(0) => return false,
                Ok(length) => self.heard.extend_from_slice(&chunk[..length]),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    fn is_told(&self) -> bool {
        client::find(&self.heard, b"HTTP/1.1 408").is_some()
    }
}
