//! The state machine, turn by turn, without a socket: DESIGN's invariants 1 and 3 to 6, 9 and 11.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::panic;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millpond::config::{self, Limits};
use millpond::engine::connection::{Connection, Outcome};
use millpond::engine::desk::{Arrival, Desk, Patience};
use millpond::engine::drain_request::DrainRequest;
use millpond::engine::health::Health;
use millpond::engine::poller::Interest;
use millpond::engine::pond::{Kind, Wait};
use millpond::engine::{Answer, CloseReason, Context, Handler, Response, Service};
use millpond::http::field::Fields;
use millpond::http::method::Method;
use millpond::http::multipart::Multipart;
use millpond::http::range::{self, Selection};
use millpond::http::request::RequestHead;
use millpond::http::response::{Content, Source};
use millpond::http::status::Status;
use millpond::http::target::RequestTarget;
use millpond::http::validator::Validators;
use millpond::observe::peer::Peer;

use crate::memory::MemoryStream;

/// Longer than any test takes, and one that has passed before it began.
const LONG: Duration = Duration::from_secs(3600);
const PASSED: Duration = Duration::ZERO;

/// A connection at a desk; the handler answers every path with its own name, or as the path says.
struct Bench {
    connection: Connection<MemoryStream>,
    desk: Desk,
}

fn service(head_timeout: Duration, idle_timeout: Duration) -> Service<impl Handler> {
    let limits = Limits {
        workers: 1,
        connections_max: 1,
        head_timeout,
        idle_timeout,
        stall_timeout: LONG,
        drain_timeout: LONG,
        drain_delay: Duration::ZERO,
    };
    let drain = DrainRequest::new().expect("the system has descriptors");
    Service { handler: echo, limits, drain, fields: Vec::new(), access_log: None, health: Health::Untold, watch: None }
}

pub fn patient() -> Service<impl Handler> {
    service(LONG, LONG)
}

/// The same for another handler.
fn patient_with<H: Handler>(handler: H) -> Service<H> {
    let Service { limits, drain, fields, access_log, health, watch, .. } = patient();
    Service { handler, limits, drain, fields, access_log, health, watch }
}

fn echo(request: &RequestHead<'_>, _: &Context) -> Response {
    let RequestTarget::Resource { path, query } = &request.target else { return Response::empty(Status::OK) };
    let name = String::from_utf8_lossy(path.relative().unwrap_or_default()).into_owned();
    match name.as_str() {
        "panic" => panic!("a handler with a mistake"),
        "file" => file_response(query.and_then(|query| query.parse().ok()).expect("the test gives the length")),
        "shrunk" => {
            let length = query.and_then(|query| query.parse().ok()).expect("the test gives the length");
            let content = Content::Slice { source: Source::Opened(Arc::new(numbers(length - 1))), first: 0, length };
            Response::empty(Status::OK).content(content)
        }
        "memory" => {
            let source = Source::Memory(pattern(1000).into());
            let content = match query {
                Some("parts") => Content::Multipart { source, parts: Box::new(parts()) },
                _ => Content::Slice { source, first: 10, length: 20 },
            };
            Response::empty(Status::OK).content(content)
        }
        _ => Response::empty(Status::OK).content(Content::Bytes(name.into_bytes().into())),
    }
}

/// Two ranges of a thousand bytes.
fn parts() -> Multipart {
    let lines = [httparse::Header { name: "Range", value: b"bytes=1-2,990-" }];
    match range::select(Method::Get, &Fields::new(&lines), &Validators::NONE, 1000) {
        Selection::Multiple(ranges) => Multipart::new(ranges, "a/b", 0).expect("two short ranges"),
        other => panic!("{other:?}"),
    }
}

fn file_response(length: u64) -> Response {
    let content = Content::Slice { source: Source::Opened(Arc::new(numbers(length))), first: 0, length };
    Response::empty(Status::OK).content(content)
}

/// A file in which every offset looks different from its neighbours.
fn numbers(length: u64) -> File {
    let mut file = tempfile::tempfile().expect("there is room for a file");
    file.write_all(&pattern(length)).and_then(|()| file.seek(SeekFrom::Start(0))).expect("the file can be written");
    file
}

pub fn pattern(length: u64) -> Vec<u8> {
    (0..length).map(|offset| u8::try_from(offset % 251).expect("below 251")).collect()
}

impl Bench {
    fn new(stream: MemoryStream) -> Bench {
        let peer = Peer::from(SocketAddr::from(([127, 0, 0, 1], 1)));
        Bench { connection: Connection::new(stream, peer, Instant::now()), desk: Desk::new() }
    }

    fn turn<H: Handler>(&mut self, service: &Service<H>) -> Outcome {
        self.turn_after(Arrival::Bytes, service)
    }

    fn turn_after<H: Handler>(&mut self, arrival: Arrival, service: &Service<H>) -> Outcome {
        self.connection.receive(&mut self.desk.seat, arrival);
        self.desk.look_at_the_clock();
        self.connection.go_on(&mut self.desk, service)
    }

    fn conclude<H: Handler>(&mut self, service: &Service<H>) -> Outcome {
        self.connection.conclude(&mut self.desk, service, None)
    }

    /// Turns until the connection is closed or waits for bytes that won't come; the outcome, and what was sent.
    fn run<H: Handler>(mut self, service: &Service<H>) -> (Outcome, MemoryStream) {
        loop {
            let outcome = self.turn(service);
            let waits = match outcome {
                Outcome::Close(_) => true,
                Outcome::Park(Interest::Read, _) => !self.connection.stream_mut().has_more(),
                Outcome::Park(Interest::Write, _) | Outcome::Yield | Outcome::MayWait => false,
            };
            if waits {
                return (outcome, std::mem::take(self.connection.stream_mut()));
            }
        }
    }
}

/// What was sent, without the `Date` lines, which depend on the time.
fn sent(stream: &MemoryStream) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = &stream.outgoing[..];
    while let Some(at) = rest.windows(8).position(|window| window == b"\r\nDate: ") {
        let (before, line) = rest.split_at(at);
        out.extend_from_slice(before);
        rest = &line[b"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT".len()..];
    }
    out.extend_from_slice(rest);
    out
}

fn ok(content: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{content}", content.len())
}

pub fn get(path: &str) -> String {
    format!("GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

fn is_idle(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Park(Interest::Read, Wait { kind: Kind::Idle, .. }))
}

#[test]
fn every_split_of_a_stream_in_two_is_answered_like_the_whole() {
    let streams = [
        ("two requests", get("a") + &get("bb")),
        ("leading empty lines", "\r\n\r\n".to_string() + &get("a") + "\r\n" + &get("b")),
        ("the second is bad", get("a") + "GET / HTTP/1.1\r\nHost : x\r\n\r\n" + &get("never")),
        (
            "the second has a body",
            get("a") + "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n" + &get("never"),
        ),
        ("HTTP/1.0", "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n".to_string()),
        ("a bare line feed", get("a") + "GET / HTTP/1.1\nHost: x\n\n"),
    ];
    for (name, stream) in streams {
        let service = patient();
        let whole = sent(&Bench::new(MemoryStream::sending([stream.clone()])).run(&service).1);
        assert!(!whole.is_empty());
        for split in 1..stream.len() {
            let (first, second) = stream.split_at(split);
            let (_, pieces) = Bench::new(MemoryStream::sending([first, second])).run(&service);
            assert_eq!(sent(&pieces), whole, "{name}, split at {split}: {first:?}");
        }
        let (_, dripped) = Bench::new(MemoryStream::sending(stream.bytes().map(|byte| [byte]))).run(&service);
        assert_eq!(sent(&dripped), whole, "{name}, byte by byte");
    }
}

#[test]
fn however_little_a_write_takes_the_bytes_are_the_same() {
    let length = config::INLINE_BYTES_MAX + 1000;
    let stream = get("a") + &get("file?3000") + &get(&format!("file?{length}")) + &get("b");
    let service = patient();
    let whole = sent(&Bench::new(MemoryStream::sending([stream.clone()])).run(&service).1);
    let mut expected = ok("a").into_bytes();
    for length in [3000, length] {
        expected.extend_from_slice(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes());
        expected.extend_from_slice(&pattern(length));
    }
    expected.extend_from_slice(ok("b").as_bytes());
    assert_eq!(whole, expected);
    for room in [1, 7, 100, 4096] {
        let client = MemoryStream { room, ..MemoryStream::sending([stream.clone()]) };
        let (outcome, client) = Bench::new(client).run(&service);
        assert!(is_idle(outcome), "{outcome:?}");
        assert!(sent(&client) == whole, "writes of {room} bytes");
    }
}

#[test]
fn invariant_1_with_a_complete_head_in_the_buffer_it_yields_and_does_not_wait_for_bytes() {
    let service = patient();
    let requests = config::TURN_REQUESTS_MAX + 1;
    let mut bench = Bench::new(MemoryStream::sending([get("a").repeat(requests)]));
    let outcome = bench.turn(&service);
    assert_eq!(outcome, Outcome::Yield);
    assert_eq!(sent(bench.connection.stream_mut()), ok("a").repeat(config::TURN_REQUESTS_MAX).into_bytes());
    assert!(is_idle(bench.turn(&service)));
    assert_eq!(sent(bench.connection.stream_mut()), ok("a").repeat(requests).into_bytes());
}

#[test]
fn invariant_3_a_write_that_would_wait_parks_for_room_and_holds_no_memory() {
    let service = patient();
    let client = MemoryStream { room: 10_000, ..MemoryStream::sending([get("file?9000000")]) };
    let mut bench = Bench::new(client);
    let Outcome::Park(Interest::Write, Wait { until: Some(until), kind: Kind::Room }) = bench.turn(&service) else {
        panic!("a full socket is waited for")
    };
    assert!(until <= Instant::now() + config::STALL_CHECK_INTERVAL, "it is looked after");
}

#[test]
fn a_response_that_stands_still_is_reset_and_one_that_moves_is_not() {
    let service = Service { limits: Limits { stall_timeout: PASSED, ..patient().limits }, ..patient() };
    let mut bench = Bench::new(MemoryStream { room: 1000, ..MemoryStream::sending([get("file?9000000")]) });
    assert!(matches!(bench.turn(&service), Outcome::Park(Interest::Write, _)), "it has not been waited for");
    assert_eq!(bench.conclude(&service), Outcome::Close(CloseReason::Stalled));
    assert!(bench.connection.stream_mut().reset);

    let service = patient();
    let mut bench = Bench::new(MemoryStream { room: 1000, ..MemoryStream::sending([get("file?9000000")]) });
    for _ in 0..10 {
        assert!(matches!(bench.conclude(&service), Outcome::Park(..)));
    }
    assert!(!bench.connection.stream_mut().reset);
}

#[test]
fn a_look_at_the_clock_reads_nothing_and_answers_nothing() {
    let service = patient();
    let mut bench = Bench::new(MemoryStream::sending([get("a")]));
    assert!(is_idle(bench.conclude(&service)));
    assert_eq!(bench.connection.stream_mut().calls, 0);
}

#[test]
fn empty_lines_between_requests_begin_no_head() {
    let service = patient();
    let (outcome, client) = Bench::new(MemoryStream::sending([get("a") + "\r\n"])).run(&service);
    assert!(is_idle(outcome), "{outcome:?}");
    assert_eq!(sent(&client), ok("a").into_bytes());
}

#[test]
fn invariant_11_a_panic_is_answered_500_and_ends_the_connection() {
    let service = patient();
    let mut bench = Bench::new(MemoryStream::sending([get("panic") + &get("never")]));
    let turn = panic::AssertUnwindSafe(|| bench.turn(&service));
    assert!(panic::catch_unwind(turn).is_err());
    let outcome = bench.connection.apologise(&mut bench.desk, &service);
    assert!(matches!(outcome, Outcome::Park(Interest::Read, Wait { until: Some(_), kind: Kind::End })), "{outcome:?}");
    let text = String::from_utf8(sent(bench.connection.stream_mut())).expect("text");
    assert!(text.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{text}");
    assert!(
        text.ends_with("Connection: close\r\n\r\n500 Internal Server Error: the server made a mistake\n"),
        "{text}"
    );
}

#[test]
fn while_draining_a_quiet_connection_is_kept_for_its_grace_and_no_longer() {
    let service = patient();
    service.drain.begin();
    let mut bench = Bench::new(MemoryStream::default());
    match bench.turn(&service) {
        Outcome::Park(Interest::Read, Wait { until: Some(until), kind: Kind::Idle }) => {
            assert!(until <= Instant::now() + config::DRAIN_GRACE);
        }
        outcome => panic!("{outcome:?}"),
    }
    let hasty = Service { limits: Limits { drain_timeout: PASSED, ..patient().limits }, ..patient() };
    hasty.drain.begin();
    assert_eq!(Bench::new(MemoryStream::default()).turn(&hasty), Outcome::Close(CloseReason::Drained));
    let mut late = Bench::new(MemoryStream::sending([get("a")]));
    late.turn(&hasty);
    assert!(sent(late.connection.stream_mut()).ends_with(b"\r\n\r\na"), "a request in the last look is answered");
}

#[test]
fn invariant_4_a_turn_writes_a_bounded_share() {
    let service = patient();
    let share = u64::try_from(config::TURN_BYTES_MAX).expect("it fits");
    let mut bench = Bench::new(MemoryStream::sending([get(&format!("file?{}", 3 * share))]));
    for turn in 1..=3 {
        assert_eq!(bench.turn(&service), Outcome::Yield, "turn {turn}");
        let moved = bench.connection.stream_mut().outgoing.len();
        assert!(moved <= turn * config::TURN_BYTES_MAX, "turn {turn}: {moved}");
    }
    assert!(is_idle(bench.turn(&service)));
}

#[test]
fn invariant_5_a_dripped_head_keeps_the_deadline_of_its_first_byte() {
    let service = patient();
    let mut bench = Bench::new(MemoryStream::default());
    let mut deadlines = Vec::new();
    for byte in get("a").bytes().take(20) {
        bench.connection.stream_mut().incoming.push_back(vec![byte]);
        match bench.turn(&service) {
            Outcome::Park(Interest::Read, Wait { until: Some(until), kind: Kind::Busy }) => deadlines.push(until),
            outcome => panic!("half a head: {outcome:?}"),
        }
    }
    assert!(deadlines.windows(2).all(|pair| pair[0] == pair[1]), "{deadlines:?}");
}

#[test]
fn when_its_time_is_up() {
    let late = "HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\n\
                X-Content-Type-Options: nosniff\r\nContent-Length: 61\r\nConnection: close\r\n\r\n\
                408 Request Timeout: the request head did not arrive in time\n";
    let rows = [
        ("half a head is answered 408 and lingers", "GET / HT", late, None),
        ("a quiet connection is closed without a word", "", "", Some(CloseReason::IdleTimeout)),
    ];
    for (name, received, expected, closed) in rows {
        let service = service(PASSED, PASSED);
        let mut bench = Bench::new(MemoryStream::sending(Some(received).filter(|bytes| !bytes.is_empty())));
        let outcome = bench.turn(&service);
        let answer = String::from_utf8(sent(bench.connection.stream_mut())).expect("text");
        assert_eq!(answer, expected, "{name}");
        assert_eq!(bench.connection.stream_mut().finished, closed.is_none(), "{name}");
        match closed {
            Some(reason) => assert_eq!(outcome, Outcome::Close(reason), "{name}"),
            None => assert!(matches!(outcome, Outcome::Park(Interest::Read, Wait { until: Some(_), .. })), "{name}"),
        }
    }
}

#[test]
fn a_request_that_came_with_the_deadline_is_answered() {
    let service = service(PASSED, PASSED);
    let mut bench = Bench::new(MemoryStream::sending([get("a")]));
    bench.turn(&service);
    assert_eq!(sent(bench.connection.stream_mut()), ok("a").into_bytes());
}

#[test]
fn invariant_6_after_an_error_nothing_is_answered_and_little_is_read() {
    let garbage = vec![b'x'; config::HEAD_BYTES_MAX];
    let mut pieces = vec![b"GET / HTTP/1.1\r\n\r\n".to_vec(), get("never").into_bytes()];
    pieces.extend(std::iter::repeat_n(garbage, 100));
    let service = patient();
    let (outcome, client) = Bench::new(MemoryStream::sending(pieces)).run(&service);
    assert_eq!(outcome, Outcome::Close(CloseReason::LingerSpent));
    let text = String::from_utf8(client.outgoing.clone()).expect("text");
    assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
    assert_eq!(text.matches("HTTP/1.1 4").count() + text.matches("HTTP/1.1 2").count(), 1, "{text}");
    assert!(client.finished);
    let read = 102 - client.incoming.len();
    assert!(read <= config::LINGER_BYTES_MAX / config::HEAD_BYTES_MAX + 3, "{read} pieces were read");
}

#[test]
fn invariant_9_a_file_that_got_shorter_is_never_padded_and_ends_the_connection() {
    let large = config::INLINE_BYTES_MAX + 1;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {large}\r\n\r\n");
    let sorry = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 X-Content-Type-Options: nosniff\r\nContent-Length: 50\r\nConnection: close\r\n\r\n\
                 500 Internal Server Error: the file can't be read\n";
    let rows = [
        ("found before the head is sent", 1000, sorry.as_bytes().to_vec(), CloseReason::LingerSpent),
        ("found behind it", large, [head.as_bytes(), &pattern(large - 1)].concat(), CloseReason::FileTruncated),
    ];
    for (name, length, expected, reason) in rows {
        let more = std::iter::repeat_n(get("never"), 3000);
        let client = MemoryStream::sending([get(&format!("shrunk?{length}"))].into_iter().chain(more));
        let (outcome, client) = Bench::new(client).run(&patient());
        assert_eq!(outcome, Outcome::Close(reason), "{name}");
        assert!(sent(&client) == expected, "{name}: {}", String::from_utf8_lossy(&sent(&client)[..300]));
    }
}

#[test]
fn invariant_12_while_draining_the_last_request_is_told_so() {
    let service = patient();
    service.drain.begin();
    let (outcome, client) = Bench::new(MemoryStream::sending([get("a") + &get("b")])).run(&service);
    let closing = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nb";
    assert_eq!(String::from_utf8(sent(&client)).expect("text"), ok("a") + closing);
    // It may have sent more by the time it reads that, and a close with bytes unread would reset the connection.
    assert!(matches!(outcome, Outcome::Park(Interest::Read, Wait { kind: Kind::End, .. })), "{outcome:?}");
    assert!(client.finished);
    assert_eq!(service.drain.responses_finished(), 2);
}

#[test]
fn a_client_that_ends_its_side_gets_its_answers() {
    let rows = [
        ("after a request", get("a"), ok("a"), CloseReason::PeerClosed),
        ("in the middle of a head", get("a") + "GET /", ok("a"), CloseReason::PeerClosedInHead),
        ("before anything", String::new(), String::new(), CloseReason::PeerClosed),
    ];
    for (name, request, expected, reason) in rows {
        let service = patient();
        let pieces = Some(request).filter(|request| !request.is_empty());
        let client = MemoryStream { ended: true, ..MemoryStream::sending(pieces) };
        let mut bench = Bench::new(client);
        while let Outcome::Park(..) = bench.turn_after(Arrival::End, &service) {}
        assert_eq!(sent(bench.connection.stream_mut()), expected.into_bytes(), "{name}");
        assert_eq!(bench.turn(&service), Outcome::Close(reason), "{name}");
    }
}

#[test]
fn a_quiet_connection_reads_once_and_a_request_costs_one_read_and_one_write() {
    let service = patient();
    let mut bench = Bench::new(MemoryStream::sending([get("a")]));
    bench.turn(&service);
    assert_eq!(bench.connection.stream_mut().calls, 2);
}

#[test]
fn how_far_a_turn_reads_depends_on_what_is_known_to_have_come() {
    let rows = [
        ("bytes: what is behind them is another event", Arrival::Bytes, 1, 1),
        ("the end of the stream: up to it", Arrival::End, 2, 3),
        ("events that were missed: until nothing is left", Arrival::Missed, 2, 3),
        ("nothing: not at all", Arrival::Nothing, 0, 0),
    ];
    for (name, arrival, answers, reads) in rows {
        let service = patient();
        let mut bench = Bench::new(MemoryStream::default());
        bench.turn(&service);
        *bench.connection.stream_mut() = MemoryStream::sending([get("a"), get("a")]);
        bench.turn_after(arrival, &service);
        let stream = bench.connection.stream_mut();
        assert_eq!((sent(stream), stream.calls), (ok("a").repeat(answers).into_bytes(), reads + answers), "{name}");
    }
}

#[test]
fn the_end_of_the_stream_is_found_behind_more_requests_than_a_turn_answers() {
    let rows = [
        ("its event came to a worker", Arrival::End, false),
        ("its event came while it had an owner", Arrival::Missed, false),
        ("an event was missed, and then its event came to a worker", Arrival::End, true),
    ];
    for (name, arrival, misses) in rows {
        let service = patient();
        let requests = 2 * config::HEAD_BYTES_MAX / get("a").len();
        let mut bench = Bench::new(MemoryStream { ended: true, ..MemoryStream::sending([get("a").repeat(requests)]) });
        if misses {
            bench.connection.miss();
        }
        let mut outcome = bench.turn_after(arrival, &service);
        while outcome == Outcome::Yield {
            outcome = bench.turn_after(Arrival::Nothing, &service);
        }
        // Parked, it would be there until its deadline: the event has been.
        assert_eq!(outcome, Outcome::Close(CloseReason::PeerClosed), "{name}");
        assert!(sent(bench.connection.stream_mut()) == ok("a").repeat(requests).as_bytes(), "{name}");
    }
}

/// A handler that has one path in memory.
struct Remembers;

impl Handler for Remembers {
    fn respond(&self, request: &RequestHead<'_>, context: &Context) -> Answer {
        echo(request, context).into()
    }

    fn respond_from_memory(&self, request: &RequestHead<'_>, context: &Context) -> Option<Response> {
        let RequestTarget::Resource { path, .. } = &request.target else { return None };
        (path.relative() != Some(b"cold")).then(|| echo(request, context))
    }
}

#[test]
fn a_turn_without_patience_leaves_what_may_wait_for_a_disk_and_goes_on_there_with_patience() {
    let rows = [
        ("in memory", get("a"), ok("a"), true),
        ("not in memory", get("cold"), String::new(), false),
        ("not in memory, behind one that is", get("a") + &get("cold") + &get("a"), ok("a"), false),
        ("content too large to be read at once", get("file?100000"), String::new(), false),
    ];
    for (name, requests, at_once, is_done) in rows {
        let service = patient_with(Remembers);
        let whole = sent(&Bench::new(MemoryStream::sending([requests.clone()])).run(&service).1);

        let mut bench = Bench::new(MemoryStream::sending([requests.clone()]));
        bench.desk.patience = Patience::None;
        let outcome = bench.turn(&service);
        assert_eq!(outcome != Outcome::MayWait, is_done, "{name}: {outcome:?}");
        assert_eq!(sent(bench.connection.stream_mut()), at_once.into_bytes(), "{name}");
        bench.desk.patience = Patience::ForDisk;
        assert!(is_idle(bench.connection.go_on(&mut bench.desk, &service)), "{name}");
        assert!(sent(bench.connection.stream_mut()) == whole, "{name}, from its seat");

        // The same by another worker, at another desk.
        let mut bench = Bench::new(MemoryStream::sending([requests]));
        bench.desk.patience = Patience::None;
        if bench.turn(&service) == Outcome::MayWait {
            bench.connection.leave(&mut bench.desk.seat);
            bench.desk = Desk::new();
            assert!(is_idle(bench.turn_after(Arrival::Nothing, &service)), "{name}");
        }
        assert!(sent(bench.connection.stream_mut()) == whole, "{name}, from another desk");
    }
}

/// A handler that notes when requests had been received, and has nothing in memory.
#[derive(Default)]
struct Notes(Mutex<Vec<Instant>>);

impl Handler for Notes {
    fn respond(&self, request: &RequestHead<'_>, context: &Context) -> Answer {
        self.0.lock().expect("no panic under this lock").push(context.received);
        echo(request, context).into()
    }
}

/// What is seen after that moment is not too old, and one look does for all that were received by then: so it is no later
/// for who has to wait for a turn, and no earlier than the last byte.
#[test]
fn a_request_has_been_received_when_its_last_byte_had_come() {
    let (head, rest) = ("GET /a HT", "TP/1.1\r\nHost: x\r\n\r\n");
    for (name, pieces) in [("whole", vec![head.to_owned() + rest]), ("in two pieces", vec![head.into(), rest.into()])] {
        let service = patient_with(Notes::default());
        let mut bench = Bench::new(MemoryStream::sending(pieces));
        bench.desk.patience = Patience::None;
        // Half a head parks it, with an earlier time.
        while bench.turn(&service) != Outcome::MayWait {}
        let received = bench.desk.now;
        bench.connection.leave(&mut bench.desk.seat);
        bench.desk = Desk::new();
        assert!(is_idle(bench.turn_after(Arrival::Nothing, &service)), "{name}");
        let noted = service.handler.0.into_inner().expect("no panic under this lock");
        assert_eq!(noted, [received], "{name}");
        assert!(noted[0] < bench.desk.now, "{name}: the turn is later");
    }
}

#[test]
fn content_in_memory_is_sent_as_content_of_a_file_is() {
    let bytes = pattern(1000);
    let stretch = [b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n", &bytes[10..30]].concat();
    let part = |first: usize, last: usize| {
        let head = format!("--{:016x}\r\nContent-Type: a/b\r\nContent-Range: bytes {first}-{last}/1000\r\n\r\n", 0);
        [head.as_bytes(), &bytes[first..=last], b"\r\n"].concat()
    };
    let closing = format!("--{:016x}--\r\n", 0);
    let content = [part(1, 2), part(990, 999), closing.into_bytes()].concat();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", content.len());
    let rows = [("memory", stretch), ("memory?parts", [head.into_bytes(), content].concat())];
    for (path, expected) in rows {
        let mut bench = Bench::new(MemoryStream::sending([get(path)]));
        bench.turn(&patient());
        assert!(sent(bench.connection.stream_mut()) == expected, "{path}");
    }
}
