//! What is done at a desk, written down for who watches.
//!
//! *Invariant:* where nobody does, a note is nothing. Whether somebody does is known of the [handler](Noted) when the
//! program is compiled, so there are two engines in it, and the code of one has no notes. Asking each time whether there is
//! a pen took 81 of 4,863 instructions of a warm request.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::connection::Outcome;
use super::desk::Desk;
use super::exchange::Exchange;
use super::mill::Client;
use super::poller::{Interest, Token, join};
use super::pond::{Kind, Wait};
use super::watch::Watch;
use super::{Answer, Context, Handler, Kept, Response, Service};
use crate::http::request::RequestHead;
use crate::http::status::Status;
use crate::observe::access_log::Record;
use crate::observe::event::{For, What};
use crate::observe::lanes::{Pen, Usage, saturated};

/// Who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whose {
    #[default]
    Client,
    /// Somebody who watches the server. Watching isn't part of what is watched.
    Observer,
}

/// A handler whose server is watched. It answers as it does without.
#[derive(Debug)]
pub struct Noted<H>(pub H);

impl<H: Handler> Handler for Noted<H> {
    const NOTES: Notes = Notes::Taken;

    fn respond(&self, request: &RequestHead<'_>, context: &Context) -> Answer {
        self.0.respond(request, context)
    }

    fn respond_from_memory(&self, request: &RequestHead<'_>, context: &Context) -> Option<Response> {
        self.0.respond_from_memory(request, context)
    }

    fn tidy(&self, now: Instant) -> Kept {
        self.0.tidy(now)
    }
}

impl<H> Service<H> {
    /// The same, with all that is done for its handler written down.
    pub fn watched(self, watch: Arc<Watch>) -> Service<Noted<H>> {
        let Service { handler, limits, drain, fields, access_log, health, .. } = self;
        Service { handler: Noted(handler), limits, drain, fields, access_log, health, watch: Some(watch) }
    }
}

/// Whether what is done for a handler is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notes {
    Taken,
    None,
}

/// What is to be known of a request when its response has been sent. One word, as it is moved about with the response:
/// when it was taken, or who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered(u64);

impl Remembered {
    const UNNOTED: Remembered = Remembered(0);
    const BY_OBSERVER: Remembered = Remembered(u64::MAX);

    /// When the request was taken, as a pen writes it down; nothing of an observer's.
    pub fn taken(self) -> Option<u64> {
        (self != Remembered::BY_OBSERVER).then_some(self.0)
    }

    pub fn whose(self) -> Whose {
        if self == Remembered::BY_OBSERVER { Whose::Observer } else { Whose::Client }
    }
}

impl Desk {
    #[inline(always)]
    fn pen<H: Handler>(&mut self) -> Option<&mut Pen> {
        match H::NOTES {
            Notes::Taken => self.pen.as_deref_mut(),
            Notes::None => None,
        }
    }

    /// Writes down what has just been done for another connection, which it is about from now on.
    #[inline]
    pub fn note_about<H: Handler>(&mut self, connection: Token, what: What) {
        if let Some(pen) = self.pen::<H>() {
            pen.turn_to(number(connection));
            note(pen, what);
        }
    }

    /// What comes next is about that connection.
    #[inline]
    pub fn turn_to<H: Handler>(&mut self, connection: Token) {
        if let Some(pen) = self.pen::<H>() {
            pen.turn_to(number(connection));
        }
    }

    /// What comes next is about that connection, which was ready with others.
    #[inline]
    pub fn go_on_with<H: Handler>(&mut self, connection: Token) {
        if let Some(pen) = self.pen::<H>() {
            pen.go_on_with(number(connection));
        }
    }

    #[inline]
    pub fn note_taking<H: Handler>(&mut self, connection: Token) {
        self.note_about::<H>(connection, What::Took);
    }

    /// Whether it is to be said [when that came](Desk::note_coming) for which the turn is had.
    #[inline]
    pub fn asks_when_it_came<H: Handler>(&mut self) -> bool {
        self.pen::<H>().is_some_and(|pen| pen.asks_when_it_came())
    }

    /// What a turn is had for came at that time, by the clock on the wall, as the kernel has no other here.
    pub fn note_coming<H: Handler>(&mut self, came: SystemTime) {
        if let Some(pen) = self.pen::<H>() {
            // A clock that was set back meanwhile has it come in the future.
            pen.waited(SystemTime::now().duration_since(came).unwrap_or_default());
        }
    }

    #[inline]
    pub fn note_received<H: Handler>(&mut self, bytes: usize) {
        if let Some(pen) = self.pen::<H>() {
            note(pen, What::Received(saturated(bytes)));
        }
    }

    #[inline]
    pub fn note_sent<H: Handler>(&mut self, bytes: u64) {
        if let Some(pen) = self.pen::<H>() {
            note(pen, What::Sent(saturated(bytes)));
        }
    }

    /// How a turn has ended.
    #[inline]
    pub fn note_outcome<H: Handler>(&mut self, client: &Client<'_>, outcome: Outcome, watch: Option<&Watch>) {
        if let Some(pen) = self.pen::<H>() {
            note_outcome(pen, client, outcome, watch);
        }
    }

    /// Something was found to have come by now, and a worker is to look at it.
    pub fn note_arrival<H: Handler>(&mut self, client: &Client<'_>, watch: Option<&Watch>) {
        if let (Some(pen), Some(watch)) = (self.pen::<H>(), watch) {
            // A response that is under way has been waited for longer.
            let now = pen.nanoseconds(Instant::now());
            let since = client.waits_since(pen).map(|since| if client.is_responding() { since } else { now });
            watch.waits.began(client.token(), since);
        }
    }

    /// Events have come, so many.
    #[inline]
    pub fn note_waking<H: Handler>(&mut self, ready: impl FnOnce() -> usize) {
        if let Some(pen) = self.pen::<H>() {
            pen.wake(ready(), Instant::now());
        }
    }

    /// Nothing is left to do.
    #[inline]
    pub fn note_rest<H: Handler>(&mut self) {
        if let Some(pen) = self.pen::<H>() {
            pen.rest(Instant::now(), usage);
        }
    }

    /// A response has been made. Who watches the server is not written about in its log: that would be most of it.
    #[inline]
    pub fn note_answered<H: Handler>(&mut self, status: Status, record: &mut Option<Box<Record>>) -> Remembered {
        if self.pen::<H>().is_none() { Remembered::UNNOTED } else { self.answered(status, record) }
    }

    #[inline(never)]
    fn answered(&mut self, status: Status, record: &mut Option<Box<Record>>) -> Remembered {
        let Some(pen) = &mut self.pen else { return Remembered::UNNOTED };
        let worked_on_since = self.worked_on_since.take();
        let status = u32::from(status.code());
        match std::mem::take(&mut self.whose) {
            Whose::Client => {
                pen.note(What::Answered(status));
                Remembered(worked_on_since.map_or_else(|| pen.taken(self.now), |since| pen.nanoseconds(since)))
            }
            Whose::Observer => {
                *record = None;
                pen.note(What::Observed(status));
                Remembered::BY_OBSERVER
            }
        }
    }

    /// A response is with the kernel.
    #[inline]
    pub fn note_finished<H: Handler>(&mut self, exchange: &Exchange) {
        if let Some(pen) = self.pen::<H>() {
            finish(pen, exchange);
        }
    }
}

/// Writes down what has just been done, for who has lent the rest of the desk to a request that is read from it.
#[inline]
pub fn write<H: Handler>(pen: &mut Option<Box<Pen>>, what: What) {
    if let (Notes::Taken, Some(pen)) = (H::NOTES, pen) {
        note(pen, what);
    }
}

/// Out of the way of those who write nothing down.
#[inline(never)]
fn note(pen: &mut Pen, what: What) {
    pen.note(what);
}

#[inline(never)]
fn note_outcome(pen: &mut Pen, client: &Client<'_>, outcome: Outcome, watch: Option<&Watch>) {
    pen.note(noted(outcome));
    match outcome {
        Outcome::Close(_) | Outcome::Park(_, Wait { kind: Kind::Idle | Kind::End, .. }) => {}
        Outcome::Park(..) | Outcome::Yield | Outcome::MayWait => {
            if let Some(watch) = watch {
                watch.waits.began(client.token(), client.waits_since(pen));
            }
        }
    }
}

#[inline(never)]
fn finish(pen: &mut Pen, exchange: &Exchange) {
    match exchange.remembered {
        Remembered::BY_OBSERVER => pen.finish_observed(),
        Remembered(taken) => pen.finish(exchange.status.code(), taken),
    }
}

/// What the end of a turn is written down as.
pub fn noted(outcome: Outcome) -> What {
    What::Parked(match outcome {
        Outcome::Close(reason) => return What::Closed(reason.number()),
        Outcome::Yield | Outcome::MayWait => For::Turn,
        Outcome::Park(Interest::Read | Interest::Write, Wait { kind, .. }) => match kind {
            Kind::Idle => For::Request,
            Kind::Busy => For::RestOfHead,
            Kind::Room => For::Room,
            Kind::Turn => For::Turn,
            Kind::End => For::End,
        },
    })
}

/// The number of a connection's stay.
fn number(connection: Token) -> u64 {
    join(connection.generation, connection.index)
}

/// What this thread has used; /proc, where it stands too, is closed to the process.
fn usage() -> Option<Usage> {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
    let nanoseconds = |time: TimeVal| u64::try_from(time.num_nanoseconds()).unwrap_or(0);
    Some(Usage {
        processor: Duration::from_nanos(nanoseconds(usage.user_time()) + nanoseconds(usage.system_time())),
        voluntary: u64::try_from(usage.voluntary_context_switches()).unwrap_or(0),
        involuntary: u64::try_from(usage.involuntary_context_switches()).unwrap_or(0),
    })
}
