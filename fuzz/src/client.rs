//! The other end of a connection: how what a client sends arrives, and what it makes of the bytes that come back.
//!
//! An input's first byte says how (a bit each, below), the rest is the stream. [`CUT`] in it is where a read ends: what
//! stands behind comes as an event of its own.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use millpond::config::Limits;
use millpond::engine::connection::{Connection, Outcome};
use millpond::engine::desk::{Arrival, Desk, Patience};
use millpond::engine::drain_request::DrainRequest;
use millpond::engine::health::Health;
use millpond::engine::poller::Interest;
use millpond::engine::pond::{Kind, Wait};
use millpond::engine::{CloseReason, Handler, Service};
use millpond::http::date;
use millpond::http::framing::Persistence;
use millpond::http::head::{HeadScan, Scanned};
use millpond::http::method::Version;
use millpond::observe::peer::Peer;

use super::memory::MemoryStream;
use super::slow_head::{self, Head, Reading};

/// No part of any grammar; as part of a value it has 127 others that stand for it.
pub const CUT: u8 = 0xFE;

/// Writes take one byte at first, then two, then four, and would wait after each.
pub const SMALL_WRITES: u8 = 1;
/// Every byte is an event of its own.
pub const DRIPS: u8 = 2;
/// The client sends the end of the stream behind it all.
pub const ENDS: u8 = 4;
/// It doesn't wait for answers, and sends the end together with the last bytes.
pub const IMPATIENT: u8 = 8;
/// A turn begins without patience; what may wait is done later, every other time at another desk.
pub const HASTY: u8 = 16;
/// Between turns the clock is looked at.
pub const LOOKS: u8 = 32;
/// The server drains.
pub const DRAINING: u8 = 64;
/// The time for a head, or for being idle, is up at once.
pub const LATE: u8 = 128;

/// The services for the last two bits.
pub type Services<H> = [Service<H>; 4];

pub fn services<H>(handler: impl Fn() -> H) -> Services<H> {
    const LONG: Duration = Duration::from_secs(3600);
    [0, DRAINING, LATE, LATE | DRAINING].map(|plan| {
        let time = if plan & LATE == 0 { LONG } else { Duration::ZERO };
        let drain = DrainRequest::new().expect("the system has descriptors");
        if plan & DRAINING != 0 {
            drain.begin();
        }
        let limits = Limits {
            workers: 1,
            connections_max: 1,
            head_timeout: time,
            idle_timeout: time,
            stall_timeout: LONG,
            drain_timeout: LONG,
            drain_delay: Duration::ZERO,
        };
        Service {
            handler: handler(),
            limits,
            drain,
            fields: Vec::new(),
            access_log: None,
            health: Health::Untold,
            watch: None,
        }
    })
}

/// What came of an input.
pub struct Visit {
    plan: u8,
    /// All that the client sent.
    stream: Vec<u8>,
    /// How the last turn ended.
    outcome: Outcome,
    /// All that the server sent.
    pub sent: Vec<u8>,
    /// Whether it sent the end.
    finished: bool,
}

/// Gives a connection its turns until it is closed, or waits for what won't come.
pub fn visit<H: Handler>(input: &[u8], services: &Services<H>) -> Visit {
    let (plan, text) = input.split_first().map_or((0, input), |(plan, text)| (*plan, text));
    let has = |bit: u8| plan & bit != 0;
    let service = &services[usize::from(plan >> 6)];
    let size = if has(DRIPS) { 1 } else { usize::MAX };
    let pieces = text.split(|byte| *byte == CUT).flat_map(|piece| piece.chunks(size));
    let mut pieces: VecDeque<Vec<u8>> = pieces.map(<[u8]>::to_vec).collect();
    let stream: Vec<u8> = pieces.iter().flatten().copied().collect();
    let peer = Peer::from(SocketAddr::from(([127, 0, 0, 1], 1)));
    let mut connection = Connection::new(MemoryStream::default(), peer, Instant::now());
    let mut desk = Desk::new();
    let mut arrival = deliver(connection.stream_mut(), &mut pieces, plan);
    // Far more than the pieces, and the writes for each byte, can ask for.
    for turn in 0..1000 + 100 * stream.len() {
        if has(SMALL_WRITES) {
            let room = &mut connection.stream_mut().room;
            *room = (*room * 2).clamp(1, 1 << 20);
        }
        desk.patience = if has(HASTY) { Patience::None } else { Patience::ForDisk };
        connection.receive(&mut desk.seat, arrival);
        desk.look_at_the_clock();
        let mut outcome = connection.go_on(&mut desk, service);
        if outcome == Outcome::MayWait {
            if turn % 2 == 1 {
                connection.leave(&mut desk.seat);
                desk = Desk::new();
                connection.receive(&mut desk.seat, Arrival::Nothing);
                desk.look_at_the_clock();
            }
            desk.patience = Patience::ForDisk;
            outcome = connection.go_on(&mut desk, service);
        }
        if has(LOOKS) && matches!(outcome, Outcome::Park(..)) {
            outcome = connection.conclude(&mut desk, service, None);
        }
        let waits_for_bytes = matches!(outcome, Outcome::Park(Interest::Read, _));
        arrival = match outcome {
            Outcome::Close(_) => Arrival::Nothing,
            _ if waits_for_bytes || has(IMPATIENT) => deliver(connection.stream_mut(), &mut pieces, plan),
            _ => Arrival::Nothing,
        };
        if matches!(outcome, Outcome::Close(_)) || (waits_for_bytes && arrival == Arrival::Nothing) {
            let MemoryStream { outgoing, finished, reset, .. } = std::mem::take(connection.stream_mut());
            assert!(!reset, "only a client that takes nothing is reset");
            return Visit { plan, stream, outcome, sent: outgoing, finished };
        }
    }
    panic!("it never ends");
}

/// The next piece comes, or the end of the stream; what has not been read yet becomes one with it, as in a socket.
fn deliver(stream: &mut MemoryStream, pieces: &mut VecDeque<Vec<u8>>, plan: u8) -> Arrival {
    let piece = pieces.pop_front();
    let may_end = plan & ENDS != 0 && pieces.is_empty() && (piece.is_none() || plan & IMPATIENT != 0);
    let ends = may_end && !stream.ended;
    stream.ended |= ends;
    match (piece, stream.incoming.back_mut()) {
        (None, _) if !ends => return Arrival::Nothing,
        (None, _) => {}
        (Some(piece), Some(unread)) => unread.extend_from_slice(&piece),
        (Some(piece), None) => stream.incoming.push_back(piece),
    }
    if ends { Arrival::End } else { Arrival::Bytes }
}

/// A response.
#[derive(Debug)]
pub struct Answer<'s> {
    pub status: u16,
    pub fields: Vec<(&'s str, &'s str)>,
    pub content: &'s [u8],
}

impl<'s> Answer<'s> {
    /// The value of a field that stands at most once.
    pub fn field(&self, name: &str) -> Option<&'s str> {
        let values: Vec<&str> =
            self.fields.iter().filter(|(other, _)| *other == name).map(|(_, value)| *value).collect();
        assert!(values.len() <= 1, "{name} stands once in {self:?}");
        values.first().copied()
    }
}

/// Panics unless there is one whole response for each request, in order, and then no more; each is handed to `check` with
/// the request that it answers.
pub fn check_answers(visit: &Visit, mut check: impl FnMut(&Head, &Answer<'_>)) {
    let (mut stream, mut sent) = (&visit.stream[..], &visit.sent[..]);
    let mut goes_on = true;
    while goes_on && !sent.is_empty() {
        let is_late = visit.has(LATE) && sent.starts_with(b"HTTP/1.1 408 ");
        match slow_head::read(stream) {
            Reading::Accepted(head) if !is_late => {
                let (answer, behind) = read_answer(sent, head.method == "HEAD");
                check_option(&head, &answer, visit);
                check(&head, &answer);
                goes_on = answer.field("Connection") != Some("close");
                (stream, sent) = (&stream[head.length..], behind);
            }
            Reading::Accepted(_) | Reading::Unfinished | Reading::Refused => {
                let (answer, behind) = read_answer(sent, is_head_refused(stream, sent));
                assert_eq!(answer.field("Connection"), Some("close"), "after {answer:?} it can't go on");
                let is_bad = HeadScan::new().advance(stream) != Ok(Scanned::Partial);
                let is_refusal = (400..=505).contains(&answer.status) && answer.status != 408;
                assert!(is_late || (is_bad && is_refusal), "{answer:?}");
                (goes_on, sent) = (false, behind);
            }
        }
    }
    assert!(sent.is_empty(), "nothing follows the last answer: {:?}", String::from_utf8_lossy(sent));
    check_end(visit, stream, goes_on);
}

/// Whether the connection is as it should be after the last answer, with that much of the stream not answered.
fn check_end(visit: &Visit, stream: &[u8], goes_on: bool) {
    let Visit { outcome, .. } = visit;
    let is_closed = matches!(outcome, Outcome::Close(_));
    assert!(is_closed || !visit.has(ENDS), "the end of the stream is found: {outcome:?}");
    if !goes_on {
        let is_lingering = matches!(outcome, Outcome::Park(Interest::Read, Wait { kind: Kind::End, .. }));
        let is_answered = matches!(outcome, Outcome::Close(CloseReason::Answered | CloseReason::LingerSpent));
        assert!(is_answered || (is_lingering && visit.finished), "after the last answer: {outcome:?}");
        return;
    }
    // A quiet connection may be closed when its time is up, or the server drains.
    let may_close = (visit.has(LATE) && *outcome == Outcome::Close(CloseReason::IdleTimeout))
        || (visit.has(DRAINING) && *outcome == Outcome::Close(CloseReason::Drained));
    if may_close {
        return;
    }
    assert_eq!(HeadScan::new().advance(stream), Ok(Scanned::Partial), "a whole request is answered, and a bad one too");
    let is_blank = stream.iter().all(|byte| b"\r\n".contains(byte));
    let (kind, reason) = match is_blank {
        true => (Kind::Idle, CloseReason::PeerClosed),
        false => (Kind::Busy, CloseReason::PeerClosedInHead),
    };
    match outcome {
        Outcome::Park(Interest::Read, wait) => assert_eq!(wait.kind, kind, "it waits for the rest of {stream:?}"),
        Outcome::Close(closed) => assert!(*closed == reason && visit.has(ENDS), "{closed}"),
        outcome => panic!("{outcome:?}"),
    }
}

impl Visit {
    fn has(&self, bit: u8) -> bool {
        self.plan & bit != 0
    }
}

/// What the answer says of the connection is what the request asks for; while draining any answer may be the last.
fn check_option(head: &Head, answer: &Answer<'_>, visit: &Visit) {
    let option = match (head.persistence, head.version) {
        (Persistence::Close, _) => Some("close"),
        (Persistence::KeepAlive, Version::Http10) => Some("keep-alive"),
        (Persistence::KeepAlive, Version::Http11) => None,
    };
    let said = answer.field("Connection");
    assert!(said == option || (visit.has(DRAINING) && said == Some("close")), "{said:?} and not {option:?}");
}

/// Whether a refusal has no content, because the client seems to have meant HEAD. What comes before the method, and how
/// much of it was there when it was refused, is not looked at: it is the last answer in any case.
fn is_head_refused(stream: &[u8], sent: &[u8]) -> bool {
    let begin = stream.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(stream.len());
    stream[begin..].starts_with(b"HEAD ") && sent.ends_with(b"\r\n\r\n")
}

/// Reads one response by RFC 9112 §4 to §6, as a strict client would; and what is behind it.
fn read_answer(sent: &[u8], is_to_head: bool) -> (Answer<'_>, &[u8]) {
    let end = sent.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a response has a whole head");
    let (head, behind) = (str::from_utf8(&sent[..end]).expect("a head is text"), &sent[end + 4..]);
    assert!(head.chars().all(|c| c == '\r' || c == '\n' || (' '..='~').contains(&c)), "{head:?}");
    let mut lines = head.split("\r\n");
    let status_line = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("a status line");
    let (code, reason) = status_line.split_once(' ').expect("a code and a reason");
    assert!(code.len() == 3 && !reason.is_empty(), "{status_line}");
    let status = code.parse().expect("a number");
    let fields: Vec<_> =
        lines.map(|line| line.split_once(": ").expect("a name, a colon, a space and a value")).collect();
    assert!(fields.iter().all(|(name, value)| !name.contains(' ') && *value == value.trim() && !value.is_empty()));
    let mut answer = Answer { status, fields, content: b"" };
    let written = answer.field("Date").expect("every response has its date");
    assert!(date::parse(written.as_bytes()).is_some(), "{written}");
    assert_eq!(answer.field("Transfer-Encoding"), None);
    let length = answer.field("Content-Length").map(|digits| digits.parse::<usize>().expect("a number"));
    assert_eq!(length.is_none(), [204, 304].contains(&status), "a length, unless there can be no content: {head}");
    let length = if is_to_head { 0 } else { length.unwrap_or(0) };
    assert!(behind.len() >= length, "the content is whole: {} of {length}", behind.len());
    let (content, behind) = behind.split_at(length);
    answer.content = content;
    (answer, behind)
}
