//! Little's law and the utilisation curve: clients come at random to one server, and those that are with it are counted.
//!
//! *The clock of this lab is virtual.* When clients come is drawn at random, and each request takes one unit of time from
//! when the server has begun it: it waits at a gate of its own, which the lab opens when its time is up. Between two such
//! moments the lab waits until the server sleeps, so that whatever follows from one has happened before the next. The
//! server is real, the kernel's queue before it is real, and how fast the machine is makes no difference.
//!
//! L is what the kernel counts: connections that the server has, accepted or not, on average over time. λ and W are what
//! the clients know: how many came per unit of time, and how long they stayed. L = λW, whatever the server is like. How
//! many wait isn't like that: it depends on how much of its time the server is busy, and goes up like a wall.
//!
//! The trace has the virtual clock, too: there a unit is a second. A client is shown in the first place that is free.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Client;
use crate::kernel;
use crate::patience::last_get;
use crate::plot::Plot;
use crate::report::{Check, Report, Table};
use crate::serve::{Kind, Watch};
use crate::setup::Setup;
use crate::subject::{Start, Subject, wait_until};

/// More may wait for accept than ever will.
const BACKLOG: i32 = 4096;

/// How far L and λW may be apart, as a part of them.
const TOLERANCE: f64 = 0.02;

/// Clients that wait, on average, beside one that is served, when the server is busy nine tenths of its time. Theory
/// (requests that take equally long, random arrivals) says 4, over a long time.
const QUEUE_MIN: f64 = 1.5;

#[derive(Default)]
struct Seen {
    arrivals: usize,
    /// From the first arrival to the last departure.
    time: f64,
    /// Connections over time, and the time that clients stayed.
    connection_time: f64,
    stay_time: f64,
    /// Part of the stays in which the request was being served.
    service_time: f64,
}

pub fn run(setup: &Setup) -> Result<Report, String> {
    let (utilisations, arrivals) =
        setup.choose((vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95], 600), (vec![0.3, 0.6, 0.9], 200));
    let subject = setup.subject(Kind::OneAtATime, Kind::ThreadPerConnection);
    let mut seen = Vec::new();
    for utilisation in utilisations {
        let note = format!("busy {:.0} %", utilisation * 100.0);
        // Its lanes would have another clock than the rest of the trace.
        let start = Start { note, backlog: BACKLOG, watch: Watch::Off, ..Start::new(subject, 1) };
        let server = setup.start(&start)?;
        seen.push((utilisation, Run::new(&server, setup.timeline.epoch()).play(utilisation, arrivals)?));
    }
    let mut table = Table::new(["busy", "arrivals", "λ", "W", "λW", "L, counted", "of them waiting"]);
    for (utilisation, seen) in &seen {
        let f = |value: f64| format!("{value:.2}");
        let busy = format!("{:.0} %", utilisation * 100.0);
        table.row([
            &busy,
            &seen.arrivals,
            &f(seen.lambda()),
            &f(seen.w()),
            &f(seen.lambda() * seen.w()),
            &f(seen.l()),
            &f(seen.waiting()),
        ]);
    }
    let points = |y: fn(&Seen) -> f64| seen.iter().map(|(utilisation, seen)| (utilisation * 100.0, y(seen))).collect();
    let plot = Plot::lines(
        &format!("Clients with {}, on average", subject.name()),
        "connections",
        "part of its time that the server is busy, in %",
        vec![("L, counted".into(), points(Seen::l)), ("of them waiting".into(), points(Seen::waiting))],
    );
    let mut checks: Vec<Check> = seen
        .iter()
        .map(|(utilisation, seen)| {
            let (l, product) = (seen.l(), seen.lambda() * seen.w());
            Check {
                expected: format!("busy {:.0} % of its time: L = λW", utilisation * 100.0),
                seen: format!("{l:.2} and {product:.2}"),
                holds: (l - product).abs() <= TOLERANCE * product,
            }
        })
        .collect();
    let (_, busiest) = seen.iter().find(|(utilisation, _)| *utilisation >= 0.9).ok_or("no load was high")?;
    checks.push(Check {
        expected: format!("busy 90 % of its time: on average {QUEUE_MIN} clients wait, or more"),
        seen: format!("{:.2}", busiest.waiting()),
        holds: busiest.waiting() >= QUEUE_MIN,
    });
    Ok(Report { table, plot, checks })
}

impl Seen {
    fn l(&self) -> f64 {
        self.connection_time / self.time
    }

    fn lambda(&self) -> f64 {
        f64::from(u32::try_from(self.arrivals).unwrap_or(u32::MAX)) / self.time
    }

    fn w(&self) -> f64 {
        self.stay_time / f64::from(u32::try_from(self.arrivals).unwrap_or(u32::MAX))
    }

    fn waiting(&self) -> f64 {
        ((self.stay_time - self.service_time) / self.time).max(0.0)
    }
}

/// Thousandths of the time that a request takes: whole numbers, so that moments have an order.
type Moment = u64;
const SERVICE: Moment = 1_000;

fn units(moment: Moment) -> f64 {
    f64::from(u32::try_from(moment).unwrap_or(u32::MAX)) / 1_000.0
}

/// One client with its request, and the gate that it waits at.
struct Visit {
    client: Client,
    place: usize,
    came: Moment,
    gate: File,
}

struct Run<'s> {
    server: &'s Subject,
    /// Where the virtual clock begins in the trace.
    epoch: Instant,
    now: Moment,
    visits: BTreeMap<usize, Visit>,
    /// When requests that are being served will have been; with their numbers.
    departures: BTreeSet<(Moment, usize)>,
    begun: usize,
    seen: Seen,
}

impl Run<'_> {
    fn new(server: &Subject, epoch: Instant) -> Run<'_> {
        let (visits, departures) = (BTreeMap::new(), BTreeSet::new());
        Run { server, epoch, now: 0, visits, departures, begun: 0, seen: Seen::default() }
    }

    /// Everything that happens, in the order of time.
    fn play(mut self, utilisation: f64, arrivals: usize) -> Result<Seen, String> {
        let pauses = pauses(arrivals, utilisation);
        let mut next = (0, 0);
        loop {
            let (number, arrival) = next;
            let departure = self.departures.first().copied();
            match departure {
                Some((moment, leaver)) if number == arrivals || moment <= arrival => self.depart(moment, leaver)?,
                None if number == arrivals => break,
                _ => {
                    self.arrive(arrival, number)?;
                    next = (number + 1, arrival + pauses[number]);
                }
            }
            self.settle()?;
        }
        self.pass_until(self.now)?;
        self.seen.time = units(self.now);
        Ok(self.seen)
    }

    /// Lets time pass, in which the connections are those that the kernel counts now.
    fn pass_until(&mut self, moment: Moment) -> Result<(), String> {
        let count = kernel::connections(self.server.address)?;
        self.seen.connection_time += f64::from(count) * units(moment - self.now);
        self.server.track("L").count(("clients", "with the server"), self.shown(self.now), count);
        self.now = moment;
        Ok(())
    }

    /// When that is in the trace: a moment is a millisecond there.
    fn shown(&self, moment: Moment) -> Instant {
        self.epoch + Duration::from_millis(moment)
    }

    fn arrive(&mut self, moment: Moment, number: usize) -> Result<(), String> {
        self.pass_until(moment)?;
        let gate = self.server.close_gate(number)?;
        let ask = || {
            let mut client = Client::connect(self.server.address)?;
            client.send(last_get(&format!("/gate/{number}")))?;
            Ok(client)
        };
        let client = ask().map_err(|error: io::Error| format!("a client can't ask: {error}"))?;
        let is_free = |place: &usize| self.visits.values().all(|visit| visit.place != *place);
        let place = (1..).find(is_free).unwrap_or_default();
        self.visits.insert(number, Visit { client, place, came: moment, gate });
        self.seen.arrivals += 1;
        Ok(())
    }

    fn depart(&mut self, moment: Moment, number: usize) -> Result<(), String> {
        self.pass_until(moment)?;
        self.departures.remove(&(moment, number));
        let Visit { mut client, place, came, gate } =
            self.visits.remove(&number).ok_or("somebody leaves who never came")?;
        drop(gate);
        client.answer().map_err(|error| format!("request {number} gets no answer: {error}"))?;
        self.seen.stay_time += units(moment - came);
        self.seen.service_time += units(SERVICE);
        let (track, begun) = (self.server.track(&format!("place {place}")), moment - SERVICE);
        if came < begun {
            track.slice("waits", (self.shown(came), self.shown(begun)), json!({ "request": number }));
        }
        track.slice("in service", (self.shown(begun), self.shown(moment)), json!({ "request": number }));
        Ok(())
    }

    /// Waits until the server has done what it can, and notes the requests that it has begun.
    fn settle(&mut self) -> Result<(), String> {
        // If nobody is being served and somebody is there, somebody will be.
        let mut settled = || {
            let asleep = kernel::is_asleep(self.server.pid());
            let begun = self.server.entered(self.begun).unwrap_or_default();
            for number in &begun {
                self.departures.insert((self.now + SERVICE, *number));
            }
            self.begun += begun.len();
            asleep && begun.is_empty() && (self.visits.is_empty() || !self.departures.is_empty())
        };
        let patience = crate::client::PATIENCE;
        if (0..100).any(|_| settled()) || wait_until(patience, settled) {
            return Ok(());
        }
        Err("the server neither serves nor sleeps".into())
    }
}

/// Times from one arrival to the next, when so many come in the time of one request, on average.
///
/// Random arrivals have times between them that are exponentially distributed. Here their sizes are those that such times
/// have (its quantiles), and only their order is drawn: so even a short run has the rate that it should have.
fn pauses(count: usize, rate: f64) -> Vec<Moment> {
    let size = |number: u32| {
        let share = (f64::from(number) + 0.5) / f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        // Not negative, and far from 2^63.
        (-share.ln() / rate * 1_000.0).round() as Moment
    };
    let mut pauses: Vec<Moment> = (0..).map(size).take(count).collect();
    // The same order every time (xorshift64*, Vigna 2016; Fisher and Yates).
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..pauses.len()).rev() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let random = usize::try_from(state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32).expect("32 bits are left");
        pauses.swap(last, random % (last + 1));
    }
    pauses
}
