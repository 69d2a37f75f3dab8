//! What happens to a connection outside of its turns: the clock is looked at, a panic is answered, it is given up.

use std::time::Instant;

use super::{Connection, Outcome, State};
use crate::engine::desk::Desk;
use crate::engine::exchange::Exchange;
use crate::engine::poller::Interest;
use crate::engine::pond::{Kind, Wait};
use crate::engine::transfer::Stream;
use crate::engine::{CloseReason, Handler, Response, Service};
use crate::http::status::Status;
use crate::observe::lanes::Pen;

/// What a client is told of a panic.
const MISTAKE: &str = "the server made a mistake";

impl<S: Stream> Connection<S> {
    /// A turn that neither reads nor answers: what the time makes of a connection that has waited for it. `untaken` is
    /// how many bytes the client has not taken yet, where that is known.
    pub fn conclude<H: Handler>(&mut self, desk: &mut Desk, service: &Service<H>, untaken: Option<u32>) -> Outcome {
        desk.seat.take_to_look_at_the_clock(&mut self.unread);
        desk.look_at_the_clock();
        let exchange = match &mut self.state {
            State::Responding(exchange) => exchange,
            // It waits for nothing but its turn.
            State::Working(_) => {
                self.leave(&mut desk.seat);
                return Outcome::Yield;
            }
            State::Awaiting | State::Lingering(_) | State::Taken => return self.go_on(desk, service),
        };
        let before = std::mem::replace(&mut exchange.untaken, untaken);
        // The first look has nothing to compare with. It counts as movement: rather late by a look than early.
        if untaken.is_some_and(|now| before.is_none_or(|before| now < before)) {
            self.quiet_since = desk.now;
        }
        // No other try to send: a little more than what the client took always fits, and shows nothing.
        let stalled_at = self.quiet_since + service.limits.stall_timeout;
        let outcome = if desk.now < stalled_at {
            let until = Some(stalled_at.min(desk.now + service.stall_check_interval()));
            Outcome::Park(Interest::Write, Wait { until, kind: Kind::Room })
        } else {
            self.abandon(service);
            Outcome::Close(CloseReason::Stalled)
        };
        self.leave(&mut desk.seat);
        outcome
    }

    /// Until when it is kept while draining if nothing comes. Who watches stays, and is looked at now and then.
    pub(super) fn drained_at<H>(&self, kind: Kind, now: Instant, service: &Service<H>) -> Instant {
        match &self.watches {
            Some(_) if service.drain.watchers.are_dismissed() => now,
            Some(_) if kind == Kind::Idle => now + service.drain_grace(),
            Some(_) | None => self.quiet_since + service.drain_grace(),
        }
    }

    /// Since when a request has been there that was left for this turn: nothing has come or gone since.
    pub fn asked_since(&self) -> Option<Instant> {
        (matches!(self.state, State::Awaiting) && !self.unread.is_empty()).then_some(self.quiet_since)
    }

    /// Since when its client waits, or is waited for, as that pen writes it down; nothing for who watches.
    pub fn waits_since(&self, pen: &Pen) -> Option<u64> {
        match &self.state {
            _ if self.watches() => None,
            State::Responding(exchange) => exchange.remembered.taken(),
            State::Awaiting if !self.unread.is_empty() => Some(pen.nanoseconds(self.head_since)),
            // Nothing has come or gone since it asked.
            State::Awaiting | State::Working(_) | State::Lingering(_) | State::Taken => {
                Some(pen.nanoseconds(self.quiet_since))
            }
        }
    }

    /// What is left of a turn that has panicked: 500 if no byte of a response has been sent.
    pub fn apologise<H: Handler>(&mut self, desk: &mut Desk, service: &Service<H>) -> Outcome {
        match self.state {
            State::Awaiting => {
                let response = Response::error(Status::INTERNAL_SERVER_ERROR, MISTAKE);
                self.state = State::Responding(Exchange::refuse(response, self.peer, desk, service));
                self.go_on(desk, service)
            }
            State::Working(ref mut errand) => {
                let (asked, record) = errand.finish();
                let response = Response::error(Status::INTERNAL_SERVER_ERROR, MISTAKE);
                self.state = State::Responding(Exchange::apology(response, asked.method, record, desk, service));
                self.go_on(desk, service)
            }
            State::Responding(_) | State::Lingering(_) | State::Taken => {
                // Where nothing but the end of the stream ends the content, that would look like a whole one.
                self.stream.reset();
                Outcome::Close(CloseReason::Panicked)
            }
        }
    }

    /// Ends a connection whose time is up: the line of its response is logged, and it will be reset, not finished.
    pub fn abandon<H: Handler>(&mut self, service: &Service<H>) {
        if let State::Responding(exchange) = &mut self.state {
            service.log(exchange);
        }
        self.stream.reset();
    }
}
