//! One complete request head, read into what it means.
//!
//! *Invariants:*
//! - A [`RequestHead`] only exists for a head that every rule below accepted. No room downstream checks one again.
//! - Reading a head allocates nothing and clears nothing, except for a path that has to be decoded.
//! - What is malformed is refused, never repaired: a repair is a second opinion about where the request ends.
//!
//! RFC 9112 §3 (request line), §3.2 (request-target, Host), §5 (field syntax), §6 (body); RFC 9110 §10.1.1 (Expect).
//!
//! httparse splits the head into its parts. It reads more than RFC 9112 lets a server accept:
//!
//! | what httparse takes | what the RFC asks for | refused by |
//! |---|---|---|
//! | a bare line feed as the end of a line | may be taken (§2.2); two readers could disagree | [`head`](super::head) |
//! | any number of empty lines in front | "at least one" is to be skipped (§2.2): here four | [`head`](super::head) |
//! | a head without an end | a limit of one's own (§3, §5) | [`head`](super::head) |
//! | `foo`, `*` and `host:port` for any method | one of four forms, by the method (§3.2) | [`target`] |
//! | `# " \ < >` and UTF-8 in a target | a URI has none of them (§3.2) | [`target`] |
//! | `%zz`, `%00`, `/../..` in a target | RFC 3986 §2.1, §5.2.4 | [`target`] |
//! | no Host, two, or a malformed one | 400 (§3.2) | `check_host` |
//! | any Content-Length, any number of times | 400 (§6.3 rule 5) | [`framing`] |
//! | any Transfer-Encoding, in any version | 400 or 501 (§6.1, §6.3 rules 3 and 4) | [`framing`] |
//! | any Expect | 417 (RFC 9110 §10.1.1) | `check_expect` |
//!
//! What it refuses for us: a bare CR, NUL and other controls, two spaces in the request line, white space before the
//! field name or before the colon, an empty name, obsolete line folding. It names one cause for many of them, so a
//! refused head is read once more, slowly, for the cause (`field_line_fault`; in the request line,
//! [`request_line::fault`] has found it when [`head`](super::head) came by).

use std::fmt;
use std::mem::MaybeUninit;

use crate::config::FIELD_LINES_MAX;

use super::authority;
use super::bad_request::BadRequest;
use super::field::{Fields, Sole, TOKEN};
use super::framing::{self, Body, Persistence};
use super::method::{Method, Version};
use super::request_line;
use super::target::{self, RequestTarget};

/// A request, but for its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead<'h> {
    pub method: Method,
    pub target: RequestTarget<'h>,
    pub version: Version,
    pub fields: Fields<'h>,
    /// What follows the head; it is not read.
    pub body: Body,
    /// Whether the client and the framing allow another request on the connection. The server may still close it.
    pub persistence: Persistence,
}

/// Room for the field lines of one head, on the stack of whoever reads it: about 3 KiB, not cleared before use.
pub struct FieldStorage<'b> {
    lines: [MaybeUninit<httparse::Header<'b>>; FIELD_LINES_MAX],
}

/// Reads one head that [`HeadScan`](super::head::HeadScan) found complete: these bytes, no more and no fewer. Line
/// ends and empty lines in front are not judged again.
///
/// The method need not be known: the head of a request with an unknown one is well formed.
///
/// # Errors
/// The first [`BadRequest`] in this order: request line, field lines, target, Host, body, Expect.
// Asked for where two engines are in the program, watched and not: 17 instructions of 4,853.
#[inline]
pub fn parse<'s, 'b: 's>(head: &'b [u8], storage: &'s mut FieldStorage<'b>) -> Result<RequestHead<'s>, BadRequest> {
    let parts = split(head, storage)?;
    let method = Method::from_token(parts.method);
    let target = target::parse(method, parts.target)?;
    check_host(parts.version, &parts.fields)?;
    let body = framing::body(parts.version, &parts.fields)?;
    check_expect(parts.version, &parts.fields)?;
    let persistence = framing::persistence(method, parts.version, &parts.fields, body);
    Ok(RequestHead { method, target, version: parts.version, fields: parts.fields, body, persistence })
}

impl FieldStorage<'_> {
    /// Empty room.
    pub fn new() -> Self {
        FieldStorage { lines: [MaybeUninit::uninit(); FIELD_LINES_MAX] }
    }
}

impl Default for FieldStorage<'_> {
    fn default() -> Self {
        FieldStorage::new()
    }
}

impl fmt::Debug for FieldStorage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldStorage").finish_non_exhaustive()
    }
}

/// A head taken apart, with nothing judged but its grammar.
struct Parts<'s> {
    method: &'s str,
    target: &'s str,
    version: Version,
    fields: Fields<'s>,
}

/// The boundary to httparse: its request of optional parts comes in, whole parts go out.
fn split<'s, 'b: 's>(head: &'b [u8], storage: &'s mut FieldStorage<'b>) -> Result<Parts<'s>, BadRequest> {
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, &mut storage.lines) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(httparse::Status::Complete(_) | httparse::Status::Partial) => return Err(BadRequest::NotOneHead),
        Err(error) => return Err(cause(error, head)),
    }
    let httparse::Request { method: Some(method), path: Some(target), version: Some(minor), headers } = request else {
        return Err(BadRequest::NotOneHead);
    };
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    Ok(Parts { method, target, version, fields: Fields::new(headers) })
}

/// RFC 9112 §3.2: HTTP/1.1 has exactly one Host, HTTP/1.0 may have one. Nothing else looks at its value, which may be
/// empty. An absolute-form target takes its place, but does not excuse it.
fn check_host(version: Version, fields: &Fields<'_>) -> Result<(), BadRequest> {
    match (fields.sole("host"), version) {
        (Sole::One(host), Version::Http10 | Version::Http11) if authority::is_valid(host) => Ok(()),
        (Sole::One(_), Version::Http10 | Version::Http11) => Err(BadRequest::HostMalformed),
        (Sole::Absent, Version::Http10) => Ok(()),
        (Sole::Absent, Version::Http11) => Err(BadRequest::HostMissing),
        (Sole::Repeated, Version::Http10 | Version::Http11) => Err(BadRequest::HostRepeated),
    }
}

/// RFC 9110 §10.1.1: `100-continue` is answered by the final response, anything else is 417; HTTP/1.0 has no Expect.
fn check_expect(version: Version, fields: &Fields<'_>) -> Result<(), BadRequest> {
    let is_continue = |member: &[u8]| member.eq_ignore_ascii_case(b"100-continue");
    match version {
        Version::Http11 if !fields.elements("expect").all(is_continue) => Err(BadRequest::Expectation),
        Version::Http10 | Version::Http11 => Ok(()),
    }
}

/// What is wrong with a head that httparse refused.
fn cause(error: httparse::Error, head: &[u8]) -> BadRequest {
    match error {
        httparse::Error::HeaderName => field_line_fault(head),
        httparse::Error::HeaderValue => BadRequest::FieldValue,
        httparse::Error::TooManyHeaders => BadRequest::FieldLines,
        // A stray CR is a `NewLine` in either part of the head, so the request line is asked first.
        httparse::Error::Token | httparse::Error::Version | httparse::Error::NewLine | httparse::Error::Status => {
            request_line::fault(request_line::of(head)).unwrap_or(BadRequest::CarriageReturn)
        }
    }
}

/// The fault of the first field line whose name is at fault.
fn field_line_fault(head: &[u8]) -> BadRequest {
    let lines = head.trim_ascii_start().split(|byte| *byte == b'\n').skip(1);
    let mut names = lines.map(|line| line.split(|byte| *byte == b':').next().unwrap_or_default());
    let is_faulty = |name: &&[u8]| name.is_empty() || !TOKEN.has_all(name);
    match names.find(is_faulty).unwrap_or_default() {
        [b' ' | b'\t', ..] => BadRequest::FieldFolded,
        [token @ .., b' ' | b'\t'] if TOKEN.has_all(token) => BadRequest::FieldNameSpace,
        _ => BadRequest::FieldName,
    }
}
