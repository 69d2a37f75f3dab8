//! A socket that gives and takes as little as it likes, makes wait whenever it likes, and breaks at any call: what is sent
//! is what would have been sent, whole, or its beginning and then the end of the connection.
//!
//! Which faults the kernel really has, and that none of them costs a slot or a worker, is asked of the running server
//! (`tests/it/faults.rs`), where no call can be made to move one byte. Here any can.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use millpond::engine::connection::{Connection, Outcome};
use millpond::engine::desk::{Arrival, Desk};
use millpond::engine::poller::Interest;
use millpond::engine::pond::{Kind, Wait};
use millpond::engine::transfer::{Behind, Stream};
use millpond::observe::peer::Peer;
use proptest::prelude::*;

use crate::connection::{get, patient};

/// What one call does, be it a read or a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Moves so many bytes at most.
    Moves(usize),
    /// Would wait.
    Waits,
    /// Fails with this error, as does every call after it.
    Fails(i32),
}

const ECONNRESET: i32 = 104;
const EPIPE: i32 = 32;
const EIO: i32 = 5;
const ENOMEM: i32 = 12;
const ENOBUFS: i32 = 105;
const ETIMEDOUT: i32 = 110;
const ERRORS: [i32; 6] = [ECONNRESET, EPIPE, EIO, ENOMEM, ENOBUFS, ETIMEDOUT];

/// A socket that follows a script; behind its end, calls move all there is.
#[derive(Debug)]
struct Scripted {
    script: std::vec::IntoIter<Act>,
    calls: usize,
    incoming: Vec<u8>,
    received: usize,
    /// Whether the client has sent the end behind all that.
    ended: bool,
    outgoing: Vec<u8>,
    broken: Option<i32>,
}

impl Scripted {
    /// How much the next call may move.
    fn act(&mut self) -> io::Result<usize> {
        self.calls += 1;
        if let Some(error) = self.broken {
            return Err(io::Error::from_raw_os_error(error));
        }
        match self.script.next().unwrap_or(Act::Moves(usize::MAX)) {
            Act::Moves(count) => Ok(count),
            Act::Waits => Err(io::ErrorKind::WouldBlock.into()),
            Act::Fails(error) => {
                self.broken = Some(error);
                Err(io::Error::from_raw_os_error(error))
            }
        }
    }

    fn has_more(&self) -> bool {
        self.received < self.incoming.len() || self.ended
    }
}

impl Stream for Scripted {
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = &self.incoming[self.received..];
        let (left, room) = (left.len(), buffer.len());
        let count = self.act()?.min(left).min(room);
        if count == 0 && !self.ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer[..count].copy_from_slice(&self.incoming[self.received..self.received + count]);
        self.received += count;
        Ok(count)
    }

    fn send(&mut self, first: &[u8], second: &[u8], _: Behind) -> io::Result<usize> {
        let bytes = [first, second].concat();
        let count = self.act()?.min(bytes.len());
        self.outgoing.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn send_file(&mut self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        let mut bytes = vec![0; self.act()?.min(count)];
        let count = file.read_at(&mut bytes, offset)?;
        self.outgoing.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.broken.map_or(Ok(()), |error| Err(io::Error::from_raw_os_error(error)))
    }

    fn reset(&mut self) {}
}

/// What a connection came to.
#[derive(Debug)]
struct Ran {
    /// All that was sent, with the dates, which depend on the time, blanked.
    sent: Vec<u8>,
    last: Outcome,
    calls: usize,
    broke: bool,
}

/// Has turns until the connection is closed, or waits for bytes that won't come. Whatever it waits for comes: another
/// event, if there is more to read or it waits for room.
fn run(requests: &[u8], ended: bool, script: Vec<Act>, arrival: Arrival) -> Ran {
    /// Far more than a script of some hundred acts can cause.
    const TURNS_MAX: usize = 100_000;
    let service = patient();
    let script = script.into_iter();
    let incoming = requests.to_vec();
    let stream = Scripted { script, calls: 0, incoming, received: 0, ended, outgoing: Vec::new(), broken: None };
    let mut connection = Connection::new(stream, Peer::from(SocketAddr::from(([127, 0, 0, 1], 1))), Instant::now());
    let mut desk = Desk::new();
    let with_event = if ended { Arrival::End } else { arrival };
    let mut arrival = with_event;
    for _ in 0..TURNS_MAX {
        connection.receive(&mut desk.seat, arrival);
        desk.look_at_the_clock();
        let last = connection.go_on(&mut desk, &service);
        let is_over = match last {
            Outcome::Close(_) => true,
            Outcome::Park(Interest::Read, _) => !connection.stream().has_more(),
            Outcome::Park(Interest::Write, _) | Outcome::Yield | Outcome::MayWait => false,
        };
        arrival = if last == Outcome::Yield { Arrival::Nothing } else { with_event };
        if is_over {
            let Scripted { outgoing, calls, broken, .. } = connection.stream_mut();
            return Ran { sent: undated(outgoing), last, calls: *calls, broke: broken.is_some() };
        }
    }
    panic!("no end after {TURNS_MAX} turns");
}

fn undated(sent: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"\r\nDate: ";
    let mut sent = sent.to_vec();
    let line_ends = sent.iter().enumerate().filter(|(_, byte)| **byte == b'\r').map(|(at, _)| at);
    let dates: Vec<usize> = line_ends.filter(|at| sent[*at..].starts_with(NAME)).map(|at| at + NAME.len()).collect();
    for date in dates {
        let end = sent.len().min(date + b"Sun, 06 Nov 1994 08:49:37 GMT".len());
        sent[date..end].fill(b' ');
    }
    sent
}

/// Beside what comes of the same requests without a fault: all of that was sent, or what was sent is its beginning and
/// that is the end.
fn assert_whole_or_closed(ran: &Ran, whole: &Ran) {
    if ran.broke {
        assert!(matches!(ran.last, Outcome::Close(_)), "{:?}", ran.last);
        assert!(whole.sent.starts_with(&ran.sent), "{}", ran.sent.escape_ascii());
    } else {
        assert!(ran.sent == whole.sent, "{} instead of {} bytes", ran.sent.len(), whole.sent.len());
        assert_eq!(is_kept(ran.last), is_kept(whole.last), "{:?} instead of {:?}", ran.last, whole.last);
    }
}

/// Whether another request may come. Where none may, it depends on what is known to have come by then whether the
/// connection is closed at once or lingers.
fn is_kept(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Park(Interest::Read, Wait { kind: Kind::Idle, .. }))
}

/// Each goes another way through the transfer; some end the connection.
fn requests() -> Vec<String> {
    let with = |line: &str, rest: &str| format!("{line} HTTP/1.1\r\nHost: x\r\n{rest}");
    vec![
        get("a"),
        get("memory"),
        get("memory?parts"),
        get("file?3000"),
        get("file?66000"),
        with("HEAD /file?66000", "\r\n"),
        with("GET /a", "Connection: close\r\n\r\n"),
        with("POST /a", "Content-Length: 5\r\n\r\nhello"),
        get("shrunk?3000"),
        get("shrunk?66000"),
        with("GET /a", "Host: y\r\n\r\n"),
    ]
}

#[test]
fn one_fault_at_any_call_is_survived_or_ends_the_connection() {
    let acts = [Act::Moves(1), Act::Waits].into_iter().chain(ERRORS.map(Act::Fails));
    let kept: String = requests()[..6].concat();
    for request in requests() {
        let stream = [kept.as_str(), &request].concat();
        let whole = run(stream.as_bytes(), false, Vec::new(), Arrival::Bytes);
        for act in acts.clone() {
            let mut before = 0;
            // Until the call is one that is never made.
            loop {
                let script = [vec![Act::Moves(usize::MAX); before], vec![act]].concat();
                let ran = run(stream.as_bytes(), false, script, Arrival::Bytes);
                assert_whole_or_closed(&ran, &whole);
                if ran.calls <= before {
                    break;
                }
                before += 1;
            }
            assert!(before > 6, "{before} calls");
        }
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => Just(Act::Moves(1)),
        4 => (1_usize..100).prop_map(Act::Moves),
        2 => (1_usize..50_000).prop_map(Act::Moves),
        4 => Just(Act::Waits),
    ];
    proptest::collection::vec(act, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_number_of_faults_anywhere_is_survived_or_ends_the_connection(
        chosen in proptest::collection::vec(prop::sample::select(requests()), 1..6),
        acts in acts(),
        breaks in prop::option::of((0_usize..200, prop::sample::select(&ERRORS[..]))),
        ended in any::<bool>(),
        arrival in prop::sample::select(&[Arrival::Bytes, Arrival::Missed][..]),
    ) {
        let mut script = acts;
        if let Some((at, error)) = breaks {
            script.truncate(at);
            script.push(Act::Fails(error));
        }
        let requests = chosen.concat();
        let ran = run(requests.as_bytes(), ended, script, arrival);
        assert_whole_or_closed(&ran, &run(requests.as_bytes(), ended, Vec::new(), arrival));
    }
}
