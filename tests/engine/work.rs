//! Answers that take long: work in slices, and content that is made while it is sent.

use std::net::SocketAddr;
use std::panic;
use std::time::Instant;

use millpond::config;
use millpond::engine::connection::{Connection, Outcome};
use millpond::engine::desk::{Arrival, Desk, Patience};
use millpond::engine::health::Health;
use millpond::engine::poller::Interest;
use millpond::engine::pond::{Kind, Wait};
use millpond::engine::{Answer, CloseReason, Context, Handler, Response, Service, Work};
use millpond::http::pieces::{Pieces, Produce, Produced};
use millpond::http::request::RequestHead;
use millpond::http::response::Content;
use millpond::http::status::Status;
use millpond::http::target::RequestTarget;
use millpond::observe::peer::Peer;

use crate::connection::{get, patient};
use crate::memory::MemoryStream;

/// Answers `/3` after three slices, with three pieces; `/panic` panics in the second slice, `/torn` in the second piece.
struct Slow;

#[derive(Debug)]
struct Slices {
    left: usize,
    then: Then,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Pieces(usize),
    Panic,
    Torn,
}

impl Handler for Slow {
    fn respond(&self, request: &RequestHead<'_>, _: &Context) -> Answer {
        let RequestTarget::Resource { path, .. } = &request.target else { panic!("only paths are asked for") };
        let (left, then) = match path.relative().expect("a name") {
            b"at-once" => return Response::empty(Status::OK).content(Content::Bytes(b"at once".into())).into(),
            b"panic" => (1, Then::Panic),
            b"torn" => (1, Then::Torn),
            digits => {
                let count = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).expect("a number");
                (count, Then::Pieces(count))
            }
        };
        Answer::Work(Box::new(Slices { left, then }))
    }
}

impl Work for Slices {
    fn go_on(mut self: Box<Self>) -> Answer {
        if self.left > 1 {
            self.left -= 1;
            return Answer::Work(self);
        }
        let pieces = match self.then {
            Then::Panic => panic!("work with a mistake"),
            Then::Torn => Torn { made: 0, left: usize::MAX },
            Then::Pieces(count) => Torn { made: 0, left: count },
        };
        Response::empty(Status::OK).content(Content::Pieces(Pieces::new(Box::new(pieces)))).into()
    }
}

/// Makes so many pieces; panics at the second of endlessly many.
#[derive(Debug)]
struct Torn {
    made: usize,
    left: usize,
}

impl Produce for Torn {
    fn produce(&mut self, out: &mut Vec<u8>) -> Produced {
        assert!(self.made == 0 || self.left < 1 << 32, "a producer with a mistake");
        out.extend_from_slice(format!("piece {}\n", self.made).as_bytes());
        self.made += 1;
        self.left -= 1;
        if self.left == 0 { Produced::All } else { Produced::More }
    }
}

struct Bench {
    connection: Connection<MemoryStream>,
    desk: Desk,
}

fn slow() -> Service<Slow> {
    let Service { limits, drain, fields, access_log, .. } = patient();
    Service { handler: Slow, limits, drain, fields, access_log, health: Health::Untold, watch: None }
}

impl Bench {
    fn new(stream: MemoryStream) -> Bench {
        let peer = Peer::from(SocketAddr::from(([127, 0, 0, 1], 1)));
        Bench { connection: Connection::new(stream, peer, Instant::now()), desk: Desk::new() }
    }

    fn turn(&mut self, arrival: Arrival, service: &Service<Slow>) -> Outcome {
        self.connection.receive(&mut self.desk.seat, arrival);
        self.desk.look_at_the_clock();
        self.connection.go_on(&mut self.desk, service)
    }

    /// Turns until the client has to do something, each at a desk of its own; how many it took, and how the last ended.
    fn run(&mut self, service: &Service<Slow>) -> (usize, Outcome) {
        let mut arrival = Arrival::Bytes;
        for turn in 1..1000 {
            self.desk = Desk::new();
            match self.turn(arrival, service) {
                Outcome::Yield | Outcome::Park(Interest::Write, _) => arrival = Arrival::Nothing,
                outcome => return (turn, outcome),
            }
        }
        panic!("it never ends")
    }

    fn sent(&mut self) -> String {
        let text = String::from_utf8(self.connection.stream_mut().outgoing.clone()).expect("text");
        let date = |line: &&str| !line.starts_with("Date: ");
        text.split_inclusive("\r\n").filter(date).collect()
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\n";

fn chunked(pieces: usize) -> String {
    let piece = |number| format!("piece {number}\n");
    let chunk = |piece: String| format!("{:08x}\r\n{piece}\r\n", piece.len());
    let chunks: String = (0..pieces).map(piece).map(chunk).collect();
    format!("{OK}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
}

fn is_idle(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Park(Interest::Read, Wait { kind: Kind::Idle, .. }))
}

#[test]
fn a_turn_is_a_slice_and_the_requests_behind_wait_for_theirs() {
    let service = slow();
    let requests = get("3") + &get("at-once") + &get("2");
    let mut bench = Bench::new(MemoryStream::sending([requests]));
    // The last slice goes on to the response, and to nothing else; the other request shares a turn with the first of two.
    let (turns, outcome) = bench.run(&service);
    assert!(is_idle(outcome), "{outcome:?}");
    assert_eq!(turns, 3 + 2);
    let at_once = format!("{OK}Content-Length: 7\r\n\r\nat once");
    assert_eq!(bench.sent(), chunked(3) + &at_once + &chunked(2));
}

#[test]
fn what_comes_meanwhile_is_read_when_its_turn_comes() {
    let service = slow();
    let mut bench = Bench::new(MemoryStream::sending([get("5")]));
    assert_eq!(bench.turn(Arrival::Bytes, &service), Outcome::Yield);
    bench.connection.stream_mut().incoming.push_back(get("at-once").into_bytes());
    assert_eq!(bench.turn(Arrival::Bytes, &service), Outcome::Yield);
    let (_, outcome) = bench.run(&service);
    assert!(is_idle(outcome), "{outcome:?}");
    assert!(bench.sent().starts_with(&chunked(5)) && bench.sent().ends_with("at once"), "{}", bench.sent());
}

#[test]
fn however_little_a_write_takes_the_pieces_are_the_same() {
    for room in [1, 7, 100] {
        let service = slow();
        let mut bench = Bench::new(MemoryStream { room, ..MemoryStream::sending([get("20")]) });
        let (_, outcome) = bench.run(&service);
        assert!(is_idle(outcome), "{outcome:?}");
        assert_eq!(bench.sent(), chunked(20), "writes of {room} bytes");
    }
}

#[test]
fn a_client_of_http_1_0_gets_the_end_of_the_connection_for_the_end() {
    for option in ["", "Connection: keep-alive\r\n"] {
        let service = slow();
        let request = format!("GET /2 HTTP/1.0\r\n{option}\r\n");
        let mut bench = Bench::new(MemoryStream::sending([request]));
        let (_, outcome) = bench.run(&service);
        assert_eq!(bench.sent(), format!("{OK}Connection: close\r\n\r\npiece 0\npiece 1\n"), "{option:?}");
        match outcome {
            Outcome::Close(reason) => assert_eq!(reason, CloseReason::Answered),
            // It had hoped to go on, and may be sending.
            outcome => assert!(!option.is_empty() && bench.connection.stream_mut().finished, "{outcome:?}"),
        }
    }
}

#[test]
fn head_has_the_head_alone() {
    let service = slow();
    let request = "HEAD /2 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned() + &get("at-once");
    let mut bench = Bench::new(MemoryStream::sending([request]));
    let (_, outcome) = bench.run(&service);
    assert!(is_idle(outcome), "{outcome:?}");
    let expected = format!("{OK}Transfer-Encoding: chunked\r\n\r\n{OK}Content-Length: 7\r\n\r\nat once");
    assert_eq!(bench.sent(), expected);
}

#[test]
fn without_patience_no_slice_is_done() {
    let service = slow();
    let mut bench = Bench::new(MemoryStream::sending([get("3")]));
    assert_eq!(bench.turn(Arrival::Bytes, &service), Outcome::Yield);
    for _ in 0..10 {
        bench.desk.patience = Patience::None;
        assert_eq!(bench.turn(Arrival::Nothing, &service), Outcome::MayWait);
        bench.connection.leave(&mut bench.desk.seat);
    }
    bench.desk.patience = Patience::ForDisk;
    assert!(is_idle(bench.run(&service).1));
    assert_eq!(bench.sent(), chunked(3));
}

#[test]
fn a_look_at_the_clock_does_no_slice() {
    let service = slow();
    let mut bench = Bench::new(MemoryStream::sending([get("2")]));
    assert_eq!(bench.turn(Arrival::Bytes, &service), Outcome::Yield);
    for _ in 0..10 {
        assert_eq!(bench.connection.conclude(&mut bench.desk, &service, None), Outcome::Yield);
    }
    assert_eq!(bench.sent(), "");
    assert!(is_idle(bench.run(&service).1));
    assert_eq!(bench.sent(), chunked(2));
}

#[test]
fn a_drain_in_the_middle_is_said_in_the_answer() {
    let service = slow();
    let mut bench = Bench::new(MemoryStream::sending([get("3")]));
    assert_eq!(bench.turn(Arrival::Bytes, &service), Outcome::Yield);
    service.drain.handle().drain();
    let (_, outcome) = bench.run(&service);
    assert!(matches!(outcome, Outcome::Park(Interest::Read, Wait { kind: Kind::End, .. })), "{outcome:?}");
    assert_eq!(bench.sent(), chunked(3).replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1));
    assert_eq!(service.drain.responses_finished(), 1);
}

/// A turn that panics, and what is made of the connection then.
fn panics(bench: &mut Bench, service: &Service<Slow>) -> Outcome {
    let turn = panic::AssertUnwindSafe(|| while bench.turn(Arrival::Bytes, service) == Outcome::Yield {});
    assert!(panic::catch_unwind(turn).is_err());
    bench.connection.apologise(&mut bench.desk, service)
}

#[test]
fn a_panic_in_a_slice_is_answered_500_and_ends_the_connection() {
    let service = slow();
    let mut bench = Bench::new(MemoryStream::sending([get("panic") + &get("at-once")]));
    let outcome = panics(&mut bench, &service);
    assert!(matches!(outcome, Outcome::Park(Interest::Read, Wait { until: Some(_), kind: Kind::End })), "{outcome:?}");
    let text = bench.sent();
    assert!(text.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{text}");
    assert!(
        text.ends_with("Connection: close\r\n\r\n500 Internal Server Error: the server made a mistake\n"),
        "{text}"
    );
}

#[test]
fn a_panic_in_a_piece_resets_the_connection_so_that_no_client_takes_a_part_for_the_whole() {
    for version in ["1.0", "1.1"] {
        let service = slow();
        let request = format!("GET /torn HTTP/{version}\r\nHost: x\r\n\r\n");
        let mut bench = Bench::new(MemoryStream::sending([request]));
        assert_eq!(panics(&mut bench, &service), Outcome::Close(CloseReason::Panicked));
        assert!(bench.connection.stream_mut().reset && !bench.sent().ends_with("0\r\n\r\n"));
    }
}

/// The producer of one turn is asked for no more than a turn may send.
#[test]
fn a_turn_of_pieces_is_bounded_like_any_other() {
    #[derive(Debug)]
    struct Endless;
    impl Produce for Endless {
        fn produce(&mut self, out: &mut Vec<u8>) -> Produced {
            out.resize(out.len() + 64 * 1024, b'x');
            Produced::More
        }
    }
    let handler = |_: &RequestHead<'_>, _: &Context| {
        Response::empty(Status::OK).content(Content::Pieces(Pieces::new(Box::new(Endless))))
    };
    let Service { limits, drain, fields, access_log, .. } = patient();
    let service = Service { handler, limits, drain, fields, access_log, health: Health::Untold, watch: None };
    let peer = Peer::from(SocketAddr::from(([127, 0, 0, 1], 1)));
    let mut connection = Connection::new(MemoryStream::sending([get("a")]), peer, Instant::now());
    let mut desk = Desk::new();
    for turn in 1..=3 {
        connection.receive(&mut desk.seat, Arrival::Bytes);
        desk.look_at_the_clock();
        assert_eq!(connection.go_on(&mut desk, &service), Outcome::Yield);
        // Making counts as well.
        let most = turn * (config::TURN_BYTES_MAX / 3 + 2 * 65 * 1024);
        assert!(connection.stream_mut().outgoing.len() <= most, "turn {turn}");
    }
}
