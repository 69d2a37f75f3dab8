//! The grammar of request heads, against a slow and obvious reading of the RFC.

use millpond::config::{FIELD_LINES_MAX, LEADING_EMPTY_LINES_MAX};
use millpond::http::bad_request::BadRequest;
use millpond::http::method::{Method, Version};
use millpond::http::request::{self, FieldStorage, RequestHead};
use millpond::http::target::BadTarget;
use proptest::prelude::*;

use crate::request::{EVERY, read};

/// Whether a fault is one of meaning: the grammar of the head is right.
fn is_of_meaning(bad: BadRequest) -> bool {
    let place = |of: BadRequest| EVERY.iter().position(|(bad, _)| *bad == of);
    place(bad) > place(BadRequest::Target(BadTarget::Byte))
}

#[derive(Debug, PartialEq)]
struct SlowHead {
    method: String,
    version: Version,
    fields: Vec<(String, Vec<u8>)>,
}

/// The grammar of RFC 9112 §2.1, §3, §5, line by line. None if there is no head at the begin of the stream.
fn slow_reading(stream: &[u8]) -> Option<SlowHead> {
    let mut rest = stream;
    for _ in 0..LEADING_EMPTY_LINES_MAX {
        rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
    }
    let end = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    // Each byte becomes one char, so that lines can be split as text.
    let text: String = rest[..end].iter().map(|byte| char::from(*byte)).collect();
    let mut lines = text.split("\r\n");
    let request_line: Vec<&str> = lines.next()?.split(' ').collect();
    let [method, target, version] = request_line[..] else { return None };
    let is_token = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
    };
    let is_target = !target.is_empty() && target.chars().all(|c| c.is_ascii_graphic() && !"\"#<>\\".contains(c));
    if !is_token(method) || !is_target {
        return None;
    }
    let version = match version {
        "HTTP/1.0" => Version::Http10,
        "HTTP/1.1" => Version::Http11,
        _ => return None,
    };
    let mut fields = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let is_control = |c: char| (c < ' ' && c != '\t') || c == '\x7f';
        if !is_token(name) || value.contains(is_control) {
            return None;
        }
        let value = value.trim_matches([' ', '\t']).chars().map(|c| c as u8).collect();
        fields.push((String::from(name), value));
    }
    (fields.len() <= FIELD_LINES_MAX).then_some(SlowHead { method: method.into(), version, fields })
}

/// Whether the stream was accepted.
fn assert_reads_as_slow(stream: &[u8]) -> bool {
    let slow = slow_reading(stream);
    let look = |head: RequestHead<'_>| {
        let fields = head.fields.iter().map(|(name, value)| (String::from(name), value.to_vec())).collect::<Vec<_>>();
        (head.method, head.version, fields)
    };
    match (read(stream, look), slow) {
        (Some(Ok(fast)), Some(slow)) => {
            assert_eq!(fast, (Method::from_token(&slow.method), slow.version, slow.fields));
            true
        }
        (Some(Err(bad)), Some(_)) if is_of_meaning(bad) => false,
        (Some(Err(bad)), None) if !is_of_meaning(bad) => false,
        (None, None) => false,
        (fast, slow) => panic!("{:?}: {fast:?}, but slowly {slow:?}", String::from_utf8_lossy(stream)),
    }
}

#[test]
fn every_head_one_byte_away_from_a_good_one_reads_as_the_slow_obvious_reading_does() {
    let heads: [&[u8]; 3] = [
        b"GET /a?b HTTP/1.1\r\nHost: a:1\r\nX-Y: \t z z \r\nE:\r\n\r\n",
        b"\r\n\r\n\r\n\r\nOPTIONS * HTTP/1.0\r\n\r\nGET",
        b"POST http://h/ HTTP/1.1\r\nContent-Length: 10\r\nConnection: close\r\nHost:\r\n\r\n",
    ];
    let (mut accepted, mut tried) = (0, 0);
    let mut try_one = |stream: &[u8]| {
        tried += 1;
        accepted += usize::from(assert_reads_as_slow(stream));
    };
    for head in heads {
        for at in 0..head.len() {
            try_one(&[&head[..at], &head[at + 1..]].concat());
            for byte in 0..=u8::MAX {
                try_one(&[&head[..at], &[byte], &head[at + 1..]].concat());
                try_one(&[&head[..at], &[byte], &head[at..]].concat());
            }
        }
    }
    // A table must be able to fail: both answers are given often.
    assert!(accepted > tried / 10 && accepted < tried * 9 / 10, "{accepted} of {tried}");
}

/// Pieces that heads, and what only looks like heads, are made of.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"GET",
        b"CONNECT",
        b" ",
        b"  ",
        b"\t",
        b"/",
        b"*",
        b"a:1",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"HTTP/2.0",
        b"\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\r",
        b"\n",
        b":",
        b"Host: a\r\n",
        b"X:y\r\n",
        b"X : y\r\n",
        b"\0",
        b"\x7f",
        b"\xe9",
        b"%2e",
        b"\x0b",
    ];
    prop_oneof![
        8 => prop::sample::select(pieces).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..5),
    ]
}

proptest! {
    #[test]
    fn pieces_of_heads_read_as_the_slow_obvious_reading_does(
        begin in prop_oneof![Just(""), Just("GET / HTTP/1.1\r\n"), Just("GET / HTTP/1.1\r\nHost: a\r\n"), Just("\r\n")],
        fragments in proptest::collection::vec(fragment(), 0..12),
        end in prop_oneof![Just(""), Just("\r\n\r\n"), Just("\r\n")],
    ) {
        assert_reads_as_slow(&[begin.as_bytes(), &fragments.concat(), end.as_bytes()].concat());
    }

    #[test]
    fn no_bytes_make_the_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes, |_| ());
        let _ = request::parse(&bytes, &mut FieldStorage::new()).map(|_| ());
    }
}
