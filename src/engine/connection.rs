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
//! - a turn answers at most [`TURN_REQUESTS_MAX`](crate::config::TURN_REQUESTS_MAX) requests and writes about
//!   [`TURN_BYTES_MAX`](crate::config::TURN_BYTES_MAX) bytes;
//! - a half-read head keeps the deadline it got with its first byte, and is searched from where the last search ended; so
//!   does a handshake (see [`channel`](super::channel)), and behind it a client is idle until its first head begins;
//! - after an error in a head nothing more is read as a request: an answer, the end of the stream, and what still comes
//!   is thrown away for a bounded time (closing at once would reset the connection and could take the answer with it);
//! - a request is parsed only when the response before it is with the kernel.
//!
//! RFC 9112 §9 (connection management), §9.6 (tear-down); RFC 9110 §9.3.2 (HEAD).

use std::io;
use std::time::Instant;

use super::channel::Stage;
use super::desk::{Arrival, Desk, Patience, Seat, Unread};
use super::exchange::{Asked, Ending, Errand, Exchange};
use super::linger::Linger;
use super::notes::Whose;
use super::own::Page;
use super::poller::Interest;
use super::pond::{Kind, Wait};
use super::transfer::Stream;
use super::watchers::Watcher;
use super::{Answer, CloseReason, Context, Handler, Response, Service, notes};
use crate::http::bad_request::BadRequest;
use crate::http::head::{self, HeadScan, Scanned};
use crate::http::request::{self, FieldStorage, RequestHead};
use crate::http::status::Status;
use crate::observe::access_log::Record;
use crate::observe::event::What;
use crate::observe::peer::Peer;

mod sending;
mod out_of_turn;

/// A connection, over a socket or, in a test, over memory.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    peer: Peer,
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
    /// Whether its last request was for a page of the observer's.
    watches: Option<Watcher>,
    /// Whether the last answer had to be waited for. Then the next is taken to have to be, too, and its head isn't read
    /// twice: measured, 1,700 instructions less of 6,960 for a name that isn't there.
    waited: bool,
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
    pub fn new(stream: S, peer: Peer, now: Instant) -> Connection<S> {
        Connection {
            stream,
            peer,
            state: State::Awaiting,
            unread: Unread::default(),
            scan: HeadScan::new(),
            head_since: now,
            quiet_since: now,
            watches_room: false,
            watches: None,
            waited: false,
        }
    }

    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// The first step of a turn: takes a seat, and reads what has come. Time is looked at after it, so that all that was
    /// received had come by then.
    pub fn receive(&mut self, seat: &mut Seat, arrival: Arrival) {
        seat.take(&mut self.unread, arrival);
        let reads = !self.stream.stage().is_laborious() && !seat.input.is_drained();
        if matches!(self.state, State::Awaiting) && reads {
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
                Ok(Scanned::Complete { .. }) if self.waited && desk.patience == Patience::None => {
                    return Step::Leave(Outcome::MayWait);
                }
                Ok(Scanned::Complete { head_length }) => return self.answer(head_length, desk, service),
                Ok(Scanned::Partial) if desk.seat.input.is_drained() => return self.wait_for_head(desk, service),
                Ok(Scanned::Partial) if desk.patience == Patience::None && self.stream.stage().is_laborious() => {
                    return Step::Leave(Outcome::MayWait);
                }
                Ok(Scanned::Partial) => {}
                Err(bad) => return self.refuse_head(bad, desk, service),
            }
            let stage = self.stream.stage();
            let first = head::is_blank(desk.seat.input.unread());
            let is_new = !desk.seat.input.has_read_ahead();
            match desk.seat.input.fill(&mut self.stream) {
                Ok(0) if first => return Step::Leave(Outcome::Close(CloseReason::PeerClosed)),
                Ok(0) => return Step::Leave(Outcome::Close(CloseReason::PeerClosedInHead)),
                Ok(count) => {
                    desk.note_received::<H>(count);
                    if is_new {
                        desk.look_at_the_clock();
                    }
                    self.quiet_since = desk.now;
                    if first {
                        self.head_since = desk.now;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.stream.stage() != stage {
                        (self.head_since, self.quiet_since) = (desk.now, desk.now);
                    }
                    if !desk.seat.input.is_drained() {
                        return Step::Leave(Outcome::Yield);
                    }
                }
                // It is no TLS, or broken, and the client has been told.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    log::debug!("{}: {error}", self.peer);
                    return self.begin_linger(desk);
                }
                Err(error) => return Step::Leave(Outcome::Close(CloseReason::of(&error))),
            }
        }
    }

    /// Everything that has come is read, and it is no complete head: parks, unless the time for it is up.
    fn wait_for_head<H: Handler>(&mut self, desk: &mut Desk, service: &Service<H>) -> Step {
        let limits = &service.limits;
        let opening = self.stream.stage() == Stage::Opening;
        let half = opening || !head::is_blank(desk.seat.input.unread());
        let deadline =
            if half { self.head_since + limits.head_timeout } else { self.quiet_since + limits.idle_timeout };
        let kind = if half { Kind::Busy } else { Kind::Idle };
        let draining = service.drain.has_begun();
        let until = if draining { deadline.min(self.drained_at(kind, desk.now, service)) } else { deadline };
        if desk.now < until {
            return Step::Leave(Outcome::Park(self.stream.awaits(), Wait { until: Some(until), kind }));
        }
        match (half, draining) {
            (_, true) => Step::Leave(Outcome::Close(CloseReason::Drained)),
            (false, false) => Step::Leave(Outcome::Close(CloseReason::IdleTimeout)),
            (true, false) if opening => Step::Leave(Outcome::Close(CloseReason::HandshakeTimeout)),
            (true, false) => {
                let response = Response::error(Status::REQUEST_TIMEOUT, "the request head did not arrive in time");
                Step::Go(State::Responding(Exchange::refuse(response, self.peer, desk, service)))
            }
        }
    }

    /// The sandwich: a complete head becomes a response that is ready to be sent.
    fn answer<H: Handler>(&mut self, head_length: usize, desk: &mut Desk, service: &Service<H>) -> Step {
        if self.stream.stage() == Stage::Unprotected {
            return self.refuse_head(BadRequest::Unprotected, desk, service);
        }
        let request_head = &desk.seat.input.unread()[..head_length];
        let mut storage = FieldStorage::new();
        let request = match request::parse(request_head, &mut storage) {
            Ok(request) => request,
            Err(bad) => return self.refuse_head(bad, desk, service),
        };
        notes::write::<H>(&mut desk.pen, What::Parsed);
        // The last byte had come by then, and for all that wait for a turn from the same batch that is one moment, so that
        // one look does for them all.
        let context = Context { peer: self.peer, now: desk.wall, received: self.quiet_since };
        let asked = Asked::of(&request);
        let own = if service.has_own() { self.own(&request, service) } else { None };
        let at_hand = match (own, desk.patience) {
            (Some(page), patience) => service.own_page(page, &request, patience, &mut desk.whose),
            (None, Patience::ForDisk) if !self.waited => None,
            (None, Patience::ForDisk | Patience::None) => service.handler.respond_from_memory(&request, &context),
        };
        self.waited = at_hand.is_none() && (self.waited || desk.patience == Patience::None);
        let response = match (at_hand, desk.patience) {
            (Some(response), _) => response,
            (None, Patience::None) => return Step::Leave(Outcome::MayWait),
            (None, Patience::ForDisk) => match service.handler.respond(&request, &context) {
                Answer::Response(response) => {
                    notes::write::<H>(&mut desk.pen, What::Opened);
                    response
                }
                Answer::Work(work) => {
                    let record = service.record(self.peer, desk, request_head, Some(request.fields));
                    self.consume(head_length, desk);
                    return Step::Go(State::Working(Errand::begin(
                        asked,
                        record,
                        work,
                        desk.worked_on_since.take().unwrap_or(desk.now),
                    )));
                }
            },
        };
        let record = service.record(self.peer, desk, request_head, Some(request.fields));
        let Some(exchange) = self.respond(response, asked, record, head_length, desk, service) else {
            return Step::Leave(Outcome::MayWait);
        };
        self.consume(head_length, desk);
        Step::Go(State::Responding(exchange))
    }

    /// The page of the server's own that is asked for. Who asks for one of the observer's watches, until it asks for
    /// something else.
    #[cold]
    fn own<H>(&mut self, request: &RequestHead<'_>, service: &Service<H>) -> Option<Page> {
        let page = service.own(request, self.peer);
        match page.map_or(Whose::Client, Page::whose) {
            Whose::Client => self.watches = None,
            Whose::Observer if self.watches.is_some() => {}
            Whose::Observer => self.watches = Some(service.drain.watchers.admit()),
        }
        page
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
        record: Option<Box<Record>>,
        unconsumed: usize,
        desk: &mut Desk,
        service: &Service<H>,
    ) -> Option<Exchange> {
        let behind = &desk.seat.input.unread()[unconsumed..];
        if !behind.is_empty() {
            self.head_since = desk.now;
        }
        let then = asked.then(&response, desk.whose, behind, &desk.seat.input, service);
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
        desk.worked_on_since = Some(errand.since);
        let (asked, record) = errand.finish();
        let exchange = self.respond(response, asked, record, 0, desk, service);
        Step::Go(State::Responding(exchange.expect("with patience there is nothing to wait for")))
    }

    fn refuse_head<H: Handler>(&self, bad: BadRequest, desk: &mut Desk, service: &Service<H>) -> Step {
        let response = Response::error(bad.status(), bad);
        Step::Go(State::Responding(Exchange::refuse(response, self.peer, desk, service)))
    }
}

impl<S> Connection<S> {
    /// Whether a response is under way, and waits for room.
    pub fn is_responding(&self) -> bool {
        matches!(self.state, State::Responding(_))
    }

    /// Whether it is of those who watch.
    pub fn watches(&self) -> bool {
        self.watches.is_some()
    }

    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// For last words, and for a test that plays the other end.
    pub fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}
