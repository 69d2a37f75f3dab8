//! A stream is searched for its first head, which is read.
//!
//! What must hold:
//! - the verdict is the same whether the stream comes whole, in two pieces or byte by byte, and it comes with the last
//!   byte that it needs;
//! - what was read, written again plainly, reads the same;
//! - no byte that a client sent ends a line of the log, or reaches a terminal as it came.

use std::net::{IpAddr, Ipv4Addr};
use std::time::UNIX_EPOCH;

use millpond::config::HEAD_BYTES_MAX;
use millpond::http::bad_request::BadRequest;
use millpond::http::head::{HeadScan, Scanned};
use millpond::http::request::{self, FieldStorage, RequestHead};
use millpond::http::request_line;
use millpond::observe::access_log::{COPIED_BYTES_MAX, Entry, Format};

pub fn check(stream: &[u8]) {
    let whole = HeadScan::new().advance(stream);
    let (dripped, needed) = drip(stream);
    assert_eq!(dripped, whole, "byte by byte, and whole");
    for split in [1, stream.len() / 2, needed.saturating_sub(1)] {
        let mut scan = HeadScan::new();
        let verdict = match scan.advance(&stream[..split.min(stream.len())]) {
            Ok(Scanned::Partial) => scan.advance(stream),
            verdict => verdict,
        };
        assert_eq!(verdict, whole, "split at {split}, and whole");
    }
    // Bytes that were not searched before must do no harm either.
    let _ = request::parse(stream, &mut FieldStorage::new()).map(|_| ());
    match whole {
        Ok(Scanned::Partial) => assert!(stream.len() < HEAD_BYTES_MAX),
        Ok(Scanned::Complete { head_length }) => {
            assert_eq!(needed, head_length, "it ends with its last byte");
            check_complete(&stream[..head_length]);
        }
        Err(bad) => check_refusal(bad, stream),
    }
}

/// The verdict on a stream that comes byte by byte, and how many bytes it took.
fn drip(stream: &[u8]) -> (Result<Scanned, BadRequest>, usize) {
    let mut scan = HeadScan::new();
    for end in 1..=stream.len() {
        match scan.advance(&stream[..end]) {
            Ok(Scanned::Partial) => {}
            verdict => return (verdict, end),
        }
    }
    (Ok(Scanned::Partial), stream.len())
}

fn check_complete(bytes: &[u8]) {
    assert!(bytes.ends_with(b"\r\n\r\n") && bytes.len() <= HEAD_BYTES_MAX);
    let mut storage = FieldStorage::new();
    let head = match request::parse(bytes, &mut storage) {
        Ok(head) => head,
        Err(bad) => return check_refusal(bad, bytes),
    };
    assert_eq!(request_line::fault(request_line::of(bytes)), None);
    let plain = written_plainly(bytes, &head);
    assert_eq!(HeadScan::new().advance(&plain), Ok(Scanned::Complete { head_length: plain.len() }));
    assert_eq!(request::parse(&plain, &mut FieldStorage::new()).as_ref(), Ok(&head), "written again, read again");
    for (name, _) in head.fields.iter() {
        assert!(head.fields.first(name).is_some() && !head.fields.lacks_all([name]), "{name} is there");
    }
    check_log_line(&entry(bytes, Some(&head)));
}

/// The request line, and the fields as they were understood.
fn written_plainly(bytes: &[u8], head: &RequestHead<'_>) -> Vec<u8> {
    let mut plain = [request_line::of(bytes), b"\r\n"].concat();
    for (name, value) in head.fields.iter() {
        plain.extend([name.as_bytes(), b":", value, b"\r\n"].concat());
    }
    plain.extend(b"\r\n");
    plain
}

/// An error that a client gets is one of its own making, and says nothing that it said.
fn check_refusal(bad: BadRequest, bytes: &[u8]) {
    let status = bad.status();
    assert!([400, 414, 417, 431, 501, 505].contains(&status.code()), "{bad}");
    check_log_line(&entry(bytes, None));
}

fn entry<'e>(bytes: &'e [u8], head: Option<&RequestHead<'e>>) -> Entry<'e> {
    let peer = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    Entry::new(peer, UNIX_EPOCH, request_line::of(bytes), head.map(|head| head.fields))
}

fn check_log_line(entry: &Entry<'_>) {
    let mut line = Vec::new();
    entry.render_before(&mut line);
    entry.render_after(Format::Combined, &mut line);
    assert_eq!(line.pop(), Some(b'\n'));
    assert!(line.iter().all(|byte| (b' '..=b'~').contains(byte)), "{:?}", String::from_utf8_lossy(&line));
    // Three things of a client's are copied, each byte of them as four at most, between a hundred of ours.
    assert!(line.len() <= 3 * 4 * COPIED_BYTES_MAX + 100);
}
