//! What the state machine makes of a stream that has to agree on something before it has content: without TLS, and so with
//! any library for it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use millpond::config::Limits;
use millpond::engine::channel::Stage;
use millpond::engine::connection::{Connection, Outcome};
use millpond::engine::desk::{Arrival, Desk, Patience};
use millpond::engine::poller::Interest;
use millpond::engine::pond::{Kind, Wait};
use millpond::engine::transfer::{Behind, Stream};
use millpond::engine::{CloseReason, Handler, Service};
use millpond::observe::peer::Peer;

use crate::connection::patient;

/// What the next read does.
enum Read {
    /// The handshake goes on, or comes to its end, and there is no content yet.
    Reaches(Stage),
    /// It could go on if there were room to write.
    NeedsRoom,
    /// It has done enough for one turn.
    HasMore,
    Content(&'static [u8]),
    /// The other end speaks something else.
    Breaks,
}

use Read::{Breaks, Content, HasMore, NeedsRoom, Reaches};

/// A stream that does as it is told.
struct Script {
    reads: VecDeque<Read>,
    stage: Stage,
    awaits: Interest,
    holds_input: bool,
    sent: Vec<u8>,
    finished: bool,
}

impl Stream for Script {
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (self.awaits, self.holds_input) = (Interest::Read, false);
        match self.reads.pop_front() {
            None => return Err(io::ErrorKind::WouldBlock.into()),
            Some(Reaches(stage)) => self.stage = stage,
            Some(NeedsRoom) => self.awaits = Interest::Write,
            Some(HasMore) => self.holds_input = true,
            Some(Content(bytes)) => {
                self.stage = if self.stage == Stage::Unprotected { self.stage } else { Stage::Open };
                buffer[..bytes.len()].copy_from_slice(bytes);
                return Ok(bytes.len());
            }
            Some(Breaks) => return Err(io::ErrorKind::InvalidData.into()),
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn send(&mut self, first: &[u8], second: &[u8], _: Behind) -> io::Result<usize> {
        self.sent.extend([first, second].concat());
        Ok(first.len() + second.len())
    }

    fn send_file(&mut self, _: &File, _: u64, _: usize) -> io::Result<usize> {
        panic!("no file is asked for")
    }

    fn finish(&mut self) -> io::Result<()> {
        self.finished = true;
        Ok(())
    }

    fn reset(&mut self) {}

    fn stage(&self) -> Stage {
        self.stage
    }

    fn holds_input(&self) -> bool {
        self.holds_input
    }

    fn awaits(&self) -> Interest {
        self.awaits
    }
}

fn connection(reads: impl IntoIterator<Item = Read>) -> Connection<Script> {
    let reads = reads.into_iter().collect();
    let (stage, awaits) = (Stage::Fresh, Interest::Read);
    let script = Script { reads, stage, awaits, holds_input: false, sent: Vec::new(), finished: false };
    Connection::new(script, Peer::from(SocketAddr::from(([127, 0, 0, 1], 1))), Instant::now())
}

fn turn<H: Handler>(connection: &mut Connection<Script>, patience: Patience, service: &Service<H>) -> Outcome {
    let mut desk = Desk::new();
    desk.patience = patience;
    connection.receive(&mut desk.seat, Arrival::Bytes);
    desk.look_at_the_clock();
    let outcome = connection.go_on(&mut desk, service);
    if outcome == Outcome::MayWait {
        connection.leave(&mut desk.seat);
    }
    outcome
}

const HEAD: &[u8] = b"GET /name HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn a_handshake_is_left_for_last_and_content_is_not() {
    let service = patient();
    let mut connection = connection([Reaches(Stage::Opening), Reaches(Stage::Open), Content(HEAD), Content(HEAD)]);
    assert_eq!(turn(&mut connection, Patience::None, &service), Outcome::MayWait);
    assert_eq!(connection.stream().reads.len(), 4, "not a byte is read before");
    assert!(matches!(
        turn(&mut connection, Patience::ForDisk, &service),
        Outcome::Park(Interest::Read, Wait { kind: Kind::Busy, .. })
    ));
    assert_eq!(turn(&mut connection, Patience::None, &service), Outcome::MayWait);
    assert!(matches!(
        turn(&mut connection, Patience::ForDisk, &service),
        Outcome::Park(Interest::Read, Wait { kind: Kind::Idle, .. })
    ));
    // The handler of these tests answers with patience only.
    assert_eq!(turn(&mut connection, Patience::None, &service), Outcome::MayWait);
    assert_eq!(connection.stream().reads.len(), 1, "content is read in the first step");
}

#[test]
fn a_handshake_that_has_to_write_waits_for_room() {
    let mut connection = connection([Reaches(Stage::Opening), NeedsRoom, Content(HEAD)]);
    let service = patient();
    assert!(matches!(turn(&mut connection, Patience::ForDisk, &service), Outcome::Park(Interest::Read, _)));
    assert!(matches!(turn(&mut connection, Patience::ForDisk, &service), Outcome::Park(Interest::Write, _)));
    assert!(matches!(turn(&mut connection, Patience::ForDisk, &service), Outcome::Park(Interest::Read, _)));
    assert!(connection.stream().sent.ends_with(b"\r\n\r\nname"));
}

#[test]
fn what_has_done_enough_yields_and_what_no_event_would_tell_of_is_read() {
    let mut connection = connection([Reaches(Stage::Opening), HasMore, Content(HEAD)]);
    let service = patient();
    assert!(matches!(turn(&mut connection, Patience::ForDisk, &service), Outcome::Park(..)));
    assert_eq!(turn(&mut connection, Patience::ForDisk, &service), Outcome::Yield);
    assert!(matches!(turn(&mut connection, Patience::ForDisk, &service), Outcome::Park(Interest::Read, _)));
    assert!(connection.stream().sent.ends_with(b"\r\n\r\nname"));
}

#[test]
fn a_handshake_has_the_time_of_a_head_and_one_that_has_not_begun_is_idle() {
    let hour = Duration::from_secs(3600);
    let limits = Limits { head_timeout: Duration::ZERO, ..patient().limits };
    let service = Service { limits, ..patient() };
    let mut begun = connection([Reaches(Stage::Opening)]);
    let outcome = turn(&mut begun, Patience::ForDisk, &service);
    assert_eq!(outcome, Outcome::Close(CloseReason::HandshakeTimeout));
    assert_eq!(begun.stream().sent, b"", "there are no keys for an answer");
    for reads in [vec![], vec![Reaches(Stage::Open)]] {
        let outcome = turn(&mut connection(reads), Patience::ForDisk, &service);
        let Outcome::Park(Interest::Read, Wait { until: Some(until), kind: Kind::Idle }) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(until > Instant::now() + hour / 2);
    }
}

#[test]
fn what_breaks_is_ended_and_read_on_without_an_answer() {
    let mut connection = connection([Reaches(Stage::Opening), Breaks, Content(HEAD)]);
    let service = patient();
    assert!(matches!(turn(&mut connection, Patience::ForDisk, &service), Outcome::Park(..)));
    assert!(matches!(turn(&mut connection, Patience::ForDisk, &service), Outcome::Park(Interest::Read, _)));
    assert_eq!((connection.stream().finished, connection.stream().sent.as_slice()), (true, b"".as_slice()));
    assert_eq!(connection.stream().reads.len(), 0);
}

#[test]
fn http_in_the_clear_is_refused_and_nothing_behind_it_is_answered() {
    let mut connection = connection([Reaches(Stage::Unprotected), Content(HEAD), Content(HEAD)]);
    let service = patient();
    for _ in 0..3 {
        turn(&mut connection, Patience::ForDisk, &service);
    }
    let sent = String::from_utf8_lossy(&connection.stream().sent).into_owned();
    assert!(sent.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{sent}");
    assert!(
        sent.ends_with("\r\nConnection: close\r\n\r\n400 Bad Request: this port speaks TLS: use https://\n"),
        "{sent}"
    );
    assert!(connection.stream().finished);
}
