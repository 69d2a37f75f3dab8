//! The reading of a head, held beside the slow one: accepted or refused, how long it is, what it says, what follows it.
//!
//! The fast reading refuses what can't become a head before all of it is there. Then no end that could still have come
//! may make it one for the slow reading.

use millpond::http::framing::{Body, Persistence};
use millpond::http::head::{HeadScan, Scanned};
use millpond::http::method::{Method, Version};
use millpond::http::request::{self, FieldStorage, RequestHead};
use millpond::http::target::RequestTarget;

use super::slow_head::{self, Reading};
use super::slow_target::Target;

/// What both readings must agree on.
#[derive(Debug, PartialEq)]
struct Meaning {
    length: usize,
    method: Method,
    target: Target,
    version: Version,
    fields: Vec<(String, Vec<u8>)>,
    body: Body,
    persistence: Persistence,
}

/// Panics where the two disagree.
pub fn check(stream: &[u8]) {
    is_accepted(stream);
}

/// The same, and whether it was accepted.
pub fn is_accepted(stream: &[u8]) -> bool {
    let slow = slow_head::read(stream);
    match (fast_reading(stream), slow) {
        (Some(Some(fast)), Reading::Accepted(slow)) => {
            assert_eq!(fast, meaning(slow), "{:?}", String::from_utf8_lossy(stream));
            true
        }
        (Some(None), Reading::Refused) | (None, Reading::Unfinished) => false,
        (Some(None), Reading::Unfinished) => {
            assert_hopeless(stream);
            false
        }
        (fast, slow) => panic!("{:?}: {fast:?}, but slowly {slow:?}", String::from_utf8_lossy(stream)),
    }
}

/// None if more bytes are needed; none within if it is refused.
fn fast_reading(stream: &[u8]) -> Option<Option<Meaning>> {
    match HeadScan::new().advance(stream) {
        Ok(Scanned::Partial) => None,
        Ok(Scanned::Complete { head_length }) => {
            let mut storage = FieldStorage::new();
            Some(request::parse(&stream[..head_length], &mut storage).ok().map(|head| fast_meaning(head_length, &head)))
        }
        Err(_) => Some(None),
    }
}

fn fast_meaning(length: usize, head: &RequestHead<'_>) -> Meaning {
    let target = match &head.target {
        RequestTarget::Resource { path, .. } => Target::Path(path.relative().map(|path| [b"/", path].concat())),
        RequestTarget::Asterisk | RequestTarget::Authority => Target::Other,
    };
    Meaning {
        length,
        method: head.method,
        target,
        version: head.version,
        fields: head.fields.iter().map(|(name, value)| (String::from(name), value.to_vec())).collect(),
        body: head.body,
        persistence: head.persistence,
    }
}

fn meaning(slow: slow_head::Head) -> Meaning {
    let slow_head::Head { length, method, target, version, fields, body, persistence } = slow;
    let method = Method::from_token(&method);
    Meaning { length, method, target, version, fields, body, persistence }
}

/// No end that makes a head of any part of a good one makes one of this.
fn assert_hopeless(stream: &[u8]) {
    let good = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for begin in 0..good.len() {
        let whole = [stream, &good[begin..]].concat();
        let slow = slow_head::read(&whole);
        assert!(!matches!(slow, Reading::Accepted(_)), "refused too early: {:?}", String::from_utf8_lossy(&whole));
    }
}
