//! What is done at a desk, written down for who watches.
//!
//! *Invariant:* where nobody does, a note is a look at whether there is a pen, and nothing else: no clock is read for it.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::connection::Outcome;
use super::desk::Desk;
use super::exchange::Exchange;
use super::mill::Client;
use super::poller::{Interest, Token, join};
use super::pond::{Kind, Wait};
use super::watch::Watch;
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

/// What is to be known of a request when its response has been sent. One word, as it is moved about with the response:
/// when it had come, or who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered(u64);

impl Remembered {
    const UNNOTED: Remembered = Remembered(0);
    const BY_OBSERVER: Remembered = Remembered(u64::MAX);

    /// When the request had come, as a pen writes it down; nothing of an observer's.
    pub fn received(self) -> Option<u64> {
        (self != Remembered::BY_OBSERVER).then_some(self.0)
    }

    pub fn whose(self) -> Whose {
        if self == Remembered::BY_OBSERVER { Whose::Observer } else { Whose::Client }
    }
}

impl Desk {
    /// Writes down what has just been done.
    #[inline]
    pub fn note(&mut self, what: What) {
        if let Some(pen) = &mut self.pen {
            note(pen, what);
        }
    }

    /// The same of another connection, which it is about from now on.
    #[inline]
    pub fn note_about(&mut self, connection: Token, what: What) {
        if let Some(pen) = &mut self.pen {
            pen.turn_to(number(connection));
            note(pen, what);
        }
    }

    /// What comes next is about that connection.
    #[inline]
    pub fn turn_to(&mut self, connection: Token) {
        if let Some(pen) = &mut self.pen {
            pen.turn_to(number(connection));
        }
    }

    #[inline]
    pub fn note_taking(&mut self, connection: Token) {
        self.note_about(connection, What::Took);
    }

    #[inline]
    pub fn note_received(&mut self, bytes: usize) {
        if let Some(pen) = &mut self.pen {
            note(pen, What::Received(saturated(bytes)));
        }
    }

    #[inline]
    pub fn note_sent(&mut self, bytes: u64) {
        if let Some(pen) = &mut self.pen {
            note(pen, What::Sent(saturated(bytes)));
        }
    }

    /// How a turn has ended.
    #[inline]
    pub fn note_outcome(&mut self, client: &Client<'_>, outcome: Outcome, watch: Option<&Watch>) {
        if let Some(pen) = &mut self.pen {
            note_outcome(pen, client, outcome, watch);
        }
    }

    /// Something was found to have come by now, and a worker is to look at it.
    pub fn note_arrival(&mut self, connection: Token, watch: Option<&Watch>) {
        if let (Some(pen), Some(watch)) = (&self.pen, watch) {
            watch.waits.began(connection, Some(pen.nanoseconds(Instant::now())));
        }
    }

    /// Events have come, so many.
    #[inline]
    pub fn note_waking(&mut self, ready: impl FnOnce() -> usize) {
        if let Some(pen) = &mut self.pen {
            pen.wake(ready(), Instant::now());
        }
    }

    /// Nothing is left to do.
    #[inline]
    pub fn note_rest(&mut self) {
        if let Some(pen) = &mut self.pen {
            pen.rest(Instant::now(), usage);
        }
    }

    /// A response has been made. Who watches the server is not written about in its log: that would be most of it.
    #[inline]
    pub fn note_answered(&mut self, status: Status, record: &mut Option<Box<Record>>) -> Remembered {
        if self.pen.is_none() { Remembered::UNNOTED } else { self.answered(status, record) }
    }

    #[inline(never)]
    fn answered(&mut self, status: Status, record: &mut Option<Box<Record>>) -> Remembered {
        let Some(pen) = &mut self.pen else { return Remembered::UNNOTED };
        let status = u32::from(status.code());
        match std::mem::take(&mut self.whose) {
            Whose::Client => {
                pen.note(What::Answered(status));
                Remembered(pen.nanoseconds(self.now))
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
    pub fn note_finished(&mut self, exchange: &Exchange) {
        if let Some(pen) = &mut self.pen {
            finish(pen, exchange);
        }
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
        Remembered(received) => pen.finish(exchange.status.code(), received),
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
