//! One line per response: who asked, when, for what, and what came of it.
//!
//! *Invariants:* whatever a client sends, a line has no control byte but the line end that we write, no byte from 0x80
//! up, and no quotation mark or backslash of the client's that is not escaped: a client can neither forge a line nor
//! speak to the operator's terminal. A line's length is bounded whatever the client sent.
//!
//! *Secrets:* the query and the user name of the target, and whatever follows the path in a referer, are left out, for
//! tokens and passwords live there. No other field of the request is logged but the user agent.
//!
//! The formats are those of Apache httpd, "common" and "combined", which every log reader knows. They show a response of
//! zero bytes as `-`. Times are UTC: a local time needs a table of time zones and is ambiguous once a year.
//!
//! A line is rendered in three pieces because its outcome comes last and the request is gone by then: the pieces
//! [before](Entry::render_before) and [after](Entry::render_after) the outcome are kept as bytes with the response, and
//! [`render_outcome`] goes between them when it has been sent.

use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use super::json_line;
use super::log_queue::{Closed, LogQueue};
use super::peer::{self, Peer};
use super::proxies::Proxies;
use crate::http::date;
use crate::http::field::Fields;
use crate::http::status::Status;

/// Which fields a line has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Address, time, request line, status, bytes.
    Common,
    /// The same, then referer and user agent.
    Combined,
    /// What combined has, and the time it took, as an object ([`json_line`]).
    Json,
}

/// The log of one server: a format, and the queue that the lines go into.
#[derive(Clone, Debug)]
pub struct AccessLog {
    format: Format,
    queue: LogQueue,
    proxies: Proxies,
}

/// A line whose outcome is not known yet. It goes with the response.
#[derive(Debug)]
pub struct Record {
    line: Vec<u8>,
    /// Where the outcome goes.
    outcome_at: usize,
    /// When a worker took the request up, received whole.
    begun: Instant,
}

/// What came of a request.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub status: Status,
    /// Bytes of content that have been sent.
    pub content_bytes: u64,
    /// From when a worker took the request up to the end of the response.
    pub took: Duration,
}

impl AccessLog {
    pub fn new(format: Format, queue: LogQueue) -> AccessLog {
        AccessLog { format, queue, proxies: Proxies::default() }
    }

    /// The same, with proxies whose word is taken for whom they speak.
    #[must_use]
    pub fn with_proxies(mut self, proxies: Proxies) -> AccessLog {
        self.proxies = proxies;
        self
    }

    /// Whom a line is to name: a peer, or whom it speaks for.
    pub fn client(&self, peer: Peer, fields: Option<&Fields<'_>>) -> Option<IpAddr> {
        self.proxies.client(peer, fields)
    }

    /// Renders what is known of a line when the response begins.
    pub fn begin(&self, entry: &Entry<'_>, begun: Instant) -> Record {
        let mut line = Vec::with_capacity(LINE_BYTES_USUAL);
        match self.format {
            Format::Common | Format::Combined => entry.render_before(&mut line),
            Format::Json => json_line::render_before(entry, &mut line),
        }
        let outcome_at = line.len();
        entry.render_after(self.format, &mut line);
        Record { line, outcome_at, begun }
    }

    /// Queues the line, now that it is known how many bytes of content have been sent. The clock is read only for a
    /// format that tells the time it took.
    pub fn finish(&self, record: Record, status: Status, content_bytes: u64) {
        let Record { mut line, outcome_at, begun } = record;
        let after = line.split_off(outcome_at);
        match self.format {
            Format::Common | Format::Combined => render_outcome(status.code(), content_bytes, &mut line),
            Format::Json => {
                json_line::render_outcome(&Outcome { status, content_bytes, took: begun.elapsed() }, &mut line)
            }
        }
        line.extend_from_slice(&after);
        self.queue.push(&line);
    }

    /// Lines dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }

    /// As [`LogQueue::close`].
    pub fn close(&self, timeout: Duration) -> Closed {
        self.queue.close(timeout)
    }

    pub fn queue(&self) -> &LogQueue {
        &self.queue
    }
}

/// Most lines fit into that many bytes, so that one request for memory does.
const LINE_BYTES_USUAL: usize = 256;

/// What a line says of a request.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'e> {
    /// Who asked; none for a client of a Unix socket.
    pub client: Option<IpAddr>,
    pub received: SystemTime,
    /// As it came, without its line end; whatever there is of it where no head could be read.
    pub request_line: &'e [u8],
    pub referer: Option<&'e [u8]>,
    pub user_agent: Option<&'e [u8]>,
}

/// Bytes copied from each thing that a client sent: as much as most servers and proxies take of a request line by
/// default or more, and little enough that no client can fill the log queue with a few requests.
pub const COPIED_BYTES_MAX: usize = 4 * 1024;

impl<'e> Entry<'e> {
    /// A line about a request; without fields where no head could be read.
    pub fn new(
        client: Option<IpAddr>,
        received: SystemTime,
        request_line: &'e [u8],
        fields: Option<Fields<'e>>,
    ) -> Entry<'e> {
        let first = |name| fields.and_then(|fields| fields.first(name));
        Entry { client, received, request_line, referer: first("referer"), user_agent: first("user-agent") }
    }
}

impl Entry<'_> {
    /// Appends the line up to the outcome: `127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] "GET /a HTTP/1.1" `.
    pub fn render_before(&self, out: &mut Vec<u8>) {
        render_client(self.client, out);
        // Who the client is by identd (never asked) and by authentication (there is none).
        out.extend_from_slice(b" - - [");
        out.extend_from_slice(&date::render_common_log(self.received));
        out.extend_from_slice(b"] ");
        render_quoted(&shown_request_line(self.request_line), out);
        out.push(b' ');
    }

    /// Appends the line from the outcome to its end: a line end, or ` "referer" "agent"` and a line end.
    pub fn render_after(&self, format: Format, out: &mut Vec<u8>) {
        match format {
            // Its end belongs to the outcome.
            Format::Json => return,
            Format::Common => {}
            Format::Combined => {
                out.push(b' ');
                render_quoted(&[self.referer.map_or(b"".as_slice(), without_secrets)], out);
                out.push(b' ');
                render_quoted(&[self.user_agent.unwrap_or_default()], out);
            }
        }
        out.push(b'\n');
    }
}

/// Appends an address, or what stands for a client of a Unix socket. An IPv4 client of a socket for both families is shown
/// as what it is, so that one address has one spelling.
pub(super) fn render_client(client: Option<IpAddr>, out: &mut Vec<u8>) {
    match client {
        Some(address) => write!(out, "{}", address.to_canonical()).expect("a Vec takes every byte"),
        None => out.extend_from_slice(peer::UNIX.as_bytes()),
    }
}

/// Appends the outcome: `200 1234`, or `304 -` where no byte of content was sent.
pub fn render_outcome(status: u16, content_bytes: u64, out: &mut Vec<u8>) {
    match content_bytes {
        0 => write!(out, "{status} -"),
        _ => write!(out, "{status} {content_bytes}"),
    }
    .expect("a Vec takes every byte");
}

/// The pieces of a request line that are no secret.
pub(super) fn shown_request_line(line: &[u8]) -> [&[u8]; 3] {
    let RequestLine { head, version } = without_query(line);
    let [head, host_and_path] = without_userinfo(head);
    [head, host_and_path, version]
}

/// A request line that has lost its query.
struct RequestLine<'l> {
    /// Method and path.
    head: &'l [u8],
    /// With the blank before it; empty where none can be told from the query.
    version: &'l [u8],
}

/// Leaves out what stands between the first `?` and the version. A query may have a blank in it, by mistake or by
/// malice, so the version is what the *last* blank is followed by; and if that isn't a version, it may be a secret.
fn without_query(line: &[u8]) -> RequestLine<'_> {
    let Some(query) = line.iter().position(|byte| *byte == b'?') else {
        return RequestLine { head: line, version: b"" };
    };
    let (head, rest) = line.split_at(query);
    let version = rest.iter().rposition(|byte| *byte == b' ').map_or(b"".as_slice(), |blank| &rest[blank..]);
    RequestLine { head, version: if version.starts_with(b" HTTP/") { version } else { b"" } }
}

/// Leaves out what stands before an `@` in the authority of an absolute-form target: a user name and a password. Such a
/// target is refused, but its line is logged.
fn without_userinfo(head: &[u8]) -> [&[u8]; 2] {
    const AFTER_SCHEME: &[u8] = b"://";
    let target_at = head.iter().position(|byte| *byte == b' ').map_or(0, |blank| blank + 1);
    let scheme = head[target_at..].windows(AFTER_SCHEME.len()).position(|window| window == AFTER_SCHEME);
    let Some(scheme) = scheme.filter(|_| head.get(target_at) != Some(&b'/')) else { return [head, b""] };
    let (before, rest) = head.split_at(target_at + scheme + AFTER_SCHEME.len());
    let authority = rest.split(|byte| *byte == b'/').next().unwrap_or_default();
    let userinfo_bytes = authority.iter().rposition(|byte| *byte == b'@').unwrap_or(0);
    [before, &rest[userinfo_bytes..]]
}

/// Leaves out a referer's query and fragment: a page of ours names its own query as the referer of all it loads.
pub(super) fn without_secrets(referer: &[u8]) -> &[u8] {
    referer.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default()
}

/// Appends the pieces as one quoted string; `"-"` where there is nothing to quote.
fn render_quoted(pieces: &[&[u8]], out: &mut Vec<u8>) {
    out.push(b'"');
    if pieces.iter().all(|piece| piece.is_empty()) {
        out.push(b'-');
    }
    for piece in pieces {
        escape(&piece[..piece.len().min(COPIED_BYTES_MAX)], out);
    }
    out.push(b'"');
}

/// Appends bytes that came from outside. Stretches of harmless bytes, which is nearly always all of it, are copied whole.
fn escape(mut bytes: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = bytes.iter().position(|byte| !is_harmless(*byte)) {
        out.extend_from_slice(&bytes[..at]);
        match bytes[at] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => write!(out, "\\x{byte:02x}").expect("a Vec takes every byte"),
        }
        bytes = &bytes[at + 1..];
    }
    out.extend_from_slice(bytes);
}

/// Printable ASCII, the two that quoting itself needs excepted. From 0x80 up there are C1 control characters, in UTF-8
/// and in older encodings, that terminals obey.
pub(super) fn is_harmless(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}
