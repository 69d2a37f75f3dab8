//! One connection: what it is waiting for, and what a turn of it does.
//!
//! ```text
//!            ┌──────────────── next request ───────────────┐
//!            ▼                                             │
//!        Awaiting ── head complete ──► Responding ── all sent ──► closed
//!            │   └► Working ── done ──►    ▲    └── sent, but the client may still be sending ──► Lingering ──► closed
//!            └── no head of ours: 4xx, 5xx ┘
//! ```
//!
//! A turn goes round in it until it would have to wait (it parks, saying for what) or until it has had its share (it
//! parks for its next turn). The I/O sandwich of a request is on one screen, in `Connection::answer`: read → parse
//! (pure) → open → respond (pure) → write. A turn at a desk without [patience](Patience) also ends where it may have to
//! wait for a disk, and [`Connection::go_on`] with patience takes it up there. An answer that takes long is
//! [`Work`](super::Work): a turn does one slice of it, and that is the last thing it begins.
//!
//! *Invariants:*
//! - never parked for reading with a complete head in the buffer: no event would come for it;
//! - a turn answers at most [`TURN_REQUESTS_MAX`](config::TURN_REQUESTS_MAX) requests and writes about
//!   [`TURN_BYTES_MAX`](config::TURN_BYTES_MAX) bytes;
//! - a half-read head keeps the deadline it got with its first byte, and is searched from where the last search ended;
//! - after an error in a head nothing more is read as a request: an answer, the end of the stream, and what still comes
//!   is thrown away for a bounded time (closing at once would reset the connection and could take the answer with it);
//! - a request is parsed only when the response before it is with the kernel.
//!
//! RFC 9112 §9 (connection management), §9.6 (tear-down); RFC 9110 §9.3.2 (HEAD).

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use super::desk::{Arrival, Desk, Patience, Seat, Unread};
use super::exchange::{Asked, Ending, Errand, Exchange, Then};
use super::linger::{Linger, Lingering};
use super::poller::Interest;
use super::pond::{Kind, Wait};
use super::transfer::{Progress, Stream};
use super::{Answer, CloseReason, Context, Handler, Response, Service};
use crate::config;
use crate::http::bad_request::BadRequest;
use crate::http::head::{HeadScan, Scanned};
use crate::http::method::Method;
use crate::http::request::{self, FieldStorage};
use crate::http::request_line;
use crate::http::status::Status;
use crate::observe::access_log::Record;

mod out_of_turn;

/// A connection, over a socket or, in a test, over memory.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    peer: SocketAddr,
    state: State,
    /// Received and not parsed: half a head, or requests whose turn has not come. A quiet connection owns no memory here.
    unread: Unread,
    /// How far `unread` has been searched for the end of the head.
    scan: HeadScan,
    /// When the first byte of the head came that is not complete yet.
    head_since: Instant,
    /// When the last byte came or went.
    quiet_since: Instant,
    /// Whether room to write is watched too.
    pub watches_room: bool,
}

/// How a turn ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is nothing to do before an event, or a deadline.
    Park(Interest, Wait),
    /// It has had its share, and there is more to do.
    Yield,
    /// What is to be done next may wait for a disk. It still has its seat.
    MayWait,
    Close(CloseReason),
}

#[derive(Debug)]
enum State {
    /// A request head may come.
    Awaiting,
    /// A request is worked on, and nothing of it is left to be read.
    Working(Errand),
    Responding(Exchange),
    Lingering(Linger),
    /// In the hands of a step; left like this only by a panic.
    Taken,
}

/// What follows a step of a turn.
enum Step {
    Go(State),
    Leave(Outcome),
}

impl<S: Stream> Connection<S> {
    /// A connection that was just accepted.
    pub fn new(stream: S, peer: SocketAddr, now: Instant) -> Connection<S> {
        Connection {
            stream,
            peer,
            state: State::Awaiting,
            unread: Unread::default(),
            scan: HeadScan::new(),
            head_since: now,
            quiet_since: now,
            watches_room: false,
        }
    }

    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The first step of a turn: takes a seat, and reads what has come. Time is looked at after it, so that all that was
    /// received had come by then.
    pub fn receive(&mut self, seat: &mut Seat, arrival: Arrival) {
        seat.take(&mut self.unread, arrival);
        if matches!(self.state, State::Awaiting) && !seat.input.is_drained() {
            seat.input.read_ahead(&mut self.stream);
        }
    }

    /// The rest of a turn, from its seat.
    pub fn go_on<H: Handler>(&mut self, desk: &mut Desk, service: &Service<H>) -> Outcome {
        let outcome = loop {
            let step = match self.state {
                State::Awaiting => self.await_head(desk, service),
                State::Working(_) => self.work(desk, service),
                State::Responding(_) | State::Lingering(_) | State::Taken => {
                    match std::mem::replace(&mut self.state, State::Taken) {
                        State::Responding(exchange) => self.write(exchange, desk, service),
                        State::Lingering(linger) => self.linger(linger, desk, service),
                        _ => Step::Leave(Outcome::Close(CloseReason::Panicked)),
                    }
                }
            };
            match step {
                // What was there is in other hands by now, or was nothing: looking for what to drop would be 1 %.
                Step::Go(state) => std::mem::forget(std::mem::replace(&mut self.state, state)),
                Step::Leave(outcome) => break outcome,
            }
        };
        if outcome != Outcome::MayWait {
            self.leave(&mut desk.seat);
        }
        outcome
    }

    /// Something has come that its next turn has to look for.
    pub fn miss(&mut self) {
        self.unread.miss();
    }

    /// Gives up its seat: what is left there to be read goes with it.
    pub fn leave(&mut self, seat: &mut Seat) {
        seat.leave(&mut self.unread);
    }

    /// Reads until a head is complete, nothing more has come, or the head can't become one.
    fn await_head<H: Handler>(&mut self, desk: &mut Desk, service: &Service<H>) -> Step {
        loop {
            match self.scan.advance(desk.seat.input.unread()) {
                Ok(Scanned::Complete { .. }) if desk.seat.has_had_its_share() => {
                    return Step::Leave(Outcome::Yield);
                }
                Ok(Scanned::Complete { head_length }) => return self.answer(head_length, desk, service),
                Ok(Scanned::Partial) if desk.seat.input.is_drained() => return self.wait_for_head(desk, service),
                Ok(Scanned::Partial) => {}
                Err(bad) => return self.refuse_head(bad, desk, service),
            }
            let first = is_blank(desk.seat.input.unread());
            let is_new = !desk.seat.input.has_read_ahead();
            match desk.seat.input.fill(&mut self.stream) {
                Ok(0) if first => return Step::Leave(Outcome::Close(CloseReason::PeerClosed)),
                Ok(0) => return Step::Leave(Outcome::Close(CloseReason::PeerClosedInHead)),
                Ok(_) => {
                    if is_new {
                        desk.look_at_the_clock();
                    }
                    self.quiet_since = desk.now;
                    if first {
                        self.head_since = desk.now;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Step::Leave(Outcome::Close(CloseReason::of(&error))),
            }
        }
    }

    /// Everything that has come is read, and it is no complete head: parks, unless the time for it is up.
    fn wait_for_head<H: Handler>(&mut self, desk: &mut Desk, service: &Service<H>) -> Step {
        let limits = &service.limits;
        let half = !is_blank(desk.seat.input.unread());
        let deadline =
            if half { self.head_since + limits.head_timeout } else { self.quiet_since + limits.idle_timeout };
        let draining = service.drain.is_made();
        let until = if draining { deadline.min(self.quiet_since + service.drain_grace()) } else { deadline };
        if desk.now < until {
            let kind = if half { Kind::Busy } else { Kind::Idle };
            return Step::Leave(Outcome::Park(Interest::Read, Wait { until: Some(until), kind }));
        }
        match (half, draining) {
            (_, true) => Step::Leave(Outcome::Close(CloseReason::Drained)),
            (false, false) => Step::Leave(Outcome::Close(CloseReason::IdleTimeout)),
            (true, false) => {
                let response = Response::error(Status::REQUEST_TIMEOUT, "the request head did not arrive in time");
                Step::Go(State::Responding(self.refuse(response, desk, service)))
            }
        }
    }

    /// The sandwich: a complete head becomes a response that is ready to be sent.
    fn answer<H: Handler>(&mut self, head_length: usize, desk: &mut Desk, service: &Service<H>) -> Step {
        let request_head = &desk.seat.input.unread()[..head_length];
        let mut storage = FieldStorage::new();
        let request = match request::parse(request_head, &mut storage) {
            Ok(request) => request,
            Err(bad) => return self.refuse_head(bad, desk, service),
        };
        let context = Context { peer: self.peer, now: desk.wall, received: desk.now };
        let asked = Asked::of(&request);
        let record =
            |service: &Service<H>| service.record(self.peer.ip(), desk.wall, request_head, Some(request.fields));
        let response = match desk.patience {
            Patience::ForDisk => match service.handler.respond(&request, &context) {
                Answer::Response(response) => response,
                Answer::Work(work) => {
                    let errand = Errand::begin(asked, record(service), work);
                    self.consume(head_length, desk);
                    return Step::Go(State::Working(errand));
                }
            },
            Patience::None => match service.handler.respond_from_memory(&request, &context) {
                Some(response) => response,
                None => return Step::Leave(Outcome::MayWait),
            },
        };
        let record = record(service);
        let Some(exchange) = self.respond(response, asked, record, head_length, desk, service) else {
            return Step::Leave(Outcome::MayWait);
        };
        self.consume(head_length, desk);
        Step::Go(State::Responding(exchange))
    }

    /// A head has been read to its end.
    fn consume(&mut self, head_length: usize, desk: &mut Desk) {
        desk.seat.input.consume(head_length);
        desk.seat.requests_left -= 1;
        self.scan = HeadScan::new();
    }

    /// A response that is ready to be sent, to a request whose first so many bytes are still in the input; `None` without
    /// the patience that it takes.
    // Inlined, because a call would copy the response twice: 140 instructions of 4,650.
    #[inline(always)]
    fn respond<H: Handler>(
        &mut self,
        response: Response,
        asked: Asked,
        record: Option<Record>,
        unconsumed: usize,
        desk: &mut Desk,
        service: &Service<H>,
    ) -> Option<Exchange> {
        let behind = &desk.seat.input.unread()[unconsumed..];
        if !behind.is_empty() {
            self.head_since = desk.now;
        }
        let then = asked.then(&response, behind, &desk.seat.input, service);
        let ending = Ending { option: then.said_to(asked.version), then, version: asked.version, record };
        Exchange::prepare(response, asked.method, ending, desk, service)
    }

    /// A slice of work; the next one comes when others have had their turns.
    // Not inlined: it would be in the way of what is asked a thousand times as often.
    #[inline(never)]
    fn work<H: Handler>(&mut self, desk: &mut Desk, service: &Service<H>) -> Step {
        let State::Working(errand) = &mut self.state else { unreachable!("it is what is asked for") };
        if desk.patience == Patience::None {
            return Step::Leave(Outcome::MayWait);
        }
        // A slice is worth a turn: what is asked behind it has another.
        desk.seat.requests_left = 0;
        let Some(response) = errand.go_on() else { return Step::Leave(Outcome::Yield) };
        let (asked, record) = errand.finish();
        let exchange = self.respond(response, asked, record, 0, desk, service);
        Step::Go(State::Responding(exchange.expect("with patience there is nothing to wait for")))
    }

    fn refuse_head<H: Handler>(&self, bad: BadRequest, desk: &mut Desk, service: &Service<H>) -> Step {
        Step::Go(State::Responding(self.refuse(Response::error(bad.status(), bad), desk, service)))
    }

    /// An answer to what is no request; nothing that follows is taken for one. A client that meant to send HEAD reads no
    /// content whatever the status (RFC 9110 §9.3.2).
    fn refuse<H: Handler>(&self, response: Response, desk: &mut Desk, service: &Service<H>) -> Exchange {
        let unread = desk.seat.input.unread();
        let record = service.record(self.peer.ip(), desk.wall, unread, None);
        let method = if request_line::of(unread).starts_with(b"HEAD ") { Method::Head } else { Method::Get };
        Exchange::apology(response, method, record, desk, service)
    }

    fn write<H: Handler>(&mut self, mut exchange: Exchange, desk: &mut Desk, service: &Service<H>) -> Step {
        if desk.patience == Patience::None && exchange.transfer.needs_file() {
            self.state = State::Responding(exchange);
            return Step::Leave(Outcome::MayWait);
        }
        let before = exchange.transfer.sent();
        let progress = exchange.transfer.push(&mut self.stream, &mut desk.seat.bytes_left);
        if exchange.transfer.sent() > before {
            self.quiet_since = desk.now;
            exchange.untaken = None;
        }
        let outcome = match progress {
            Ok(Progress::Blocked) => {
                // The next sweep looks for the first time, so that later looks have something to compare with.
                let until = Some(desk.now);
                Outcome::Park(Interest::Write, Wait { until, kind: Kind::Busy })
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
        service.drain.response_finished();
        service.log(&mut exchange);
        desk.give_back_output(exchange.transfer.into_buffer());
        match exchange.then {
            Then::NextRequest => Step::Go(State::Awaiting),
            Then::Close => Step::Leave(Outcome::Close(CloseReason::Answered)),
            Then::Linger => match self.stream.finish() {
                Ok(()) => Step::Go(State::Lingering(Linger::begin(desk.now))),
                Err(error) => Step::Leave(Outcome::Close(CloseReason::of(&error))),
            },
        }
    }

    fn linger<H: Handler>(&mut self, mut linger: Linger, desk: &mut Desk, service: &Service<H>) -> Step {
        let until = match linger.discard(&mut desk.seat.input, &mut self.stream, desk.now) {
            Lingering::Ended(reason) => return Step::Leave(Outcome::Close(reason)),
            // While draining, everyone's deadline is near, so that the sweep finds nobody to hurry.
            Lingering::Until(until) if service.drain.is_made() => until.min(desk.now + config::DRAIN_GRACE),
            Lingering::Until(until) => until,
        };
        self.state = State::Lingering(linger);
        Step::Leave(Outcome::Park(Interest::Read, Wait { until: Some(until), kind: Kind::Busy }))
    }
}

impl<S> Connection<S> {
    /// Whether a response is under way, and waits for room.
    pub fn is_responding(&self) -> bool {
        matches!(self.state, State::Responding(_))
    }

    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// For a test that plays the other end.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}

/// Whether nothing of a head is there: an empty line or two between requests are to be ignored (RFC 9112 §2.2), and so
/// they make no idle connection one that has begun a head.
fn is_blank(unread: &[u8]) -> bool {
    unread.iter().all(|byte| b"\r\n".contains(byte))
}
