//! The second half of a turn: a response on its way out, and what follows it.

use std::time::Instant;

use super::{Connection, Outcome, State, Step};
use crate::config;
use crate::engine::desk::{Desk, Patience};
use crate::engine::exchange::{Exchange, Then};
use crate::engine::linger::{Linger, Lingering};
use crate::engine::poller::Interest;
use crate::engine::pond::{Kind, Wait};
use crate::engine::transfer::{Progress, Stream};
use crate::engine::{CloseReason, Handler, Service};

impl<S: Stream> Connection<S> {
    pub(super) fn write<H: Handler>(&mut self, mut exchange: Exchange, desk: &mut Desk, service: &Service<H>) -> Step {
        if desk.patience == Patience::None && exchange.transfer.needs_file() {
            self.state = State::Responding(exchange);
            return Step::Leave(Outcome::MayWait);
        }
        let before = exchange.transfer.sent();
        let progress = exchange.transfer.push(&mut self.stream, &mut desk.seat.bytes_left);
        if exchange.transfer.sent() > before {
            desk.note_sent::<H>(exchange.transfer.sent() - before);
            self.quiet_since = desk.now;
            exchange.untaken = None;
        }
        let outcome = match progress {
            Ok(Progress::Blocked) => {
                // The next sweep looks for the first time, so that later looks have something to compare with.
                let until = Some(desk.now);
                Outcome::Park(Interest::Write, Wait { until, kind: Kind::Room })
            }
            Ok(Progress::TurnOver) => Outcome::Yield,
            Ok(Progress::Done) => return self.finish(exchange, desk, service),
            Err(reason) => {
                service.log(&mut exchange);
                return Step::Leave(Outcome::Close(reason));
            }
        };
        exchange.transfer.settle();
        self.state = State::Responding(exchange);
        Step::Leave(outcome)
    }

    /// The response is with the kernel, whole.
    fn finish<H: Handler>(&mut self, mut exchange: Exchange, desk: &mut Desk, service: &Service<H>) -> Step {
        self.quiet_since = match desk.patience {
            Patience::None => desk.now,
            // Not the begin of the turn: a slow disk is no quiet client.
            Patience::ForDisk => Instant::now(),
        };
        service.drain.response_finished(exchange.remembered.whose());
        desk.note_finished::<H>(&exchange);
        service.log(&mut exchange);
        desk.give_back_output(exchange.transfer.into_buffer());
        match exchange.then {
            Then::NextRequest => Step::Go(State::Awaiting),
            Then::Close => Step::Leave(Outcome::Close(CloseReason::Answered)),
            Then::Linger => self.begin_linger(desk),
        }
    }

    pub(super) fn begin_linger(&mut self, desk: &Desk) -> Step {
        match self.stream.finish() {
            Ok(()) => Step::Go(State::Lingering(Linger::begin(desk.now))),
            Err(error) => Step::Leave(Outcome::Close(CloseReason::of(&error))),
        }
    }

    pub(super) fn linger<H: Handler>(&mut self, mut linger: Linger, desk: &mut Desk, service: &Service<H>) -> Step {
        let until = match linger.discard(&mut desk.seat.input, &mut self.stream, desk.now) {
            Lingering::Ended(reason) => return Step::Leave(Outcome::Close(reason)),
            // While draining, everyone's deadline is near, so that the sweep finds nobody to hurry.
            Lingering::Until(until) if service.drain.has_begun() => until.min(desk.now + config::DRAIN_GRACE),
            Lingering::Until(until) => until,
        };
        self.state = State::Lingering(linger);
        Step::Leave(Outcome::Park(Interest::Read, Wait { until: Some(until), kind: Kind::End }))
    }
}
