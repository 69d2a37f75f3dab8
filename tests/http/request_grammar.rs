//! The grammar of request heads, against a slow and obvious reading of the RFC.

use millpond::http::request::{self, FieldStorage};
use proptest::prelude::*;

use crate::differential;
use crate::request::read;

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
        accepted += usize::from(differential::is_accepted(stream));
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
        differential::check(&[begin.as_bytes(), &fragments.concat(), end.as_bytes()].concat());
    }

    #[test]
    fn no_bytes_make_the_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes, |_| ());
        let _ = request::parse(&bytes, &mut FieldStorage::new()).map(|_| ());
    }
}
