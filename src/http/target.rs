//! The request-target: which resource a request is about, read once and normalised for good.
//!
//! *Invariants:*
//! - A [`RequestPath`] only exists normalised: decoded once, no dot segment left, never above the root. No room
//!   downstream decodes, splits or checks a path again.
//! - What names a file ([`RequestPath::relative`]) has no NUL, no empty segment, and no slash that a client hid in an
//!   escape. Every other byte may stand in a name, since Linux allows it there.
//! - [`RequestPath::to_uri_path`] read again gives the same path.
//!
//! RFC 9112 §3.2 (the four forms), RFC 3986 §2.1 (percent-encoding), §3.3 (path), §5.2.4 (dot segments).
//!
//! The order is what makes it safe: cut at `?`, split at `/`, decode each segment, and only then ask whether a segment
//! is `.` or `..`. So `%2e%2e` is a dot segment, `.%0d.` is a name, and `%252e` is the name `%2e` (CVE-2006-5050,
//! CVE-2019-16278). An empty segment counts as a segment when `..` takes one away, as §5.2.4 has it.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

use super::authority;
use super::byte_set::ByteSet;
use super::method::Method;

/// What a request is about: one of the four forms of RFC 9112 §3.2. Origin-form and absolute-form mean the same here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestTarget<'h> {
    /// A path of this site, and what stood after the first `?`, not decoded.
    Resource { path: RequestPath<'h>, query: Option<&'h str> },
    /// `*`: the server as a whole. Only OPTIONS may ask about that.
    Asterisk,
    /// `host:port`: the other end of a tunnel. Only CONNECT may ask for one.
    Authority,
}

/// Why a request-target was refused. All of them are status 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadTarget {
    /// A control, a space, a byte above `~`, or one of `" # < > \`.
    Byte,
    /// Neither a path from the root nor an http or https URI.
    Form,
    /// `*` with another method than OPTIONS.
    Asterisk,
    /// CONNECT to something else than `host:port`.
    Connect,
    /// A URI whose host is empty or malformed, or that has a userinfo or a bad port.
    Authority,
    /// A `%` without two hexadecimal digits after it.
    Escape,
    /// `%00`, which no file name can hold.
    Nul,
    /// More `..` than there are segments to leave.
    AboveRoot,
}

/// Reads a request-target. Which forms are allowed depends on the method (RFC 9112 §3.2).
pub fn parse(method: Method, target: &str) -> Result<RequestTarget<'_>, BadTarget> {
    // Cut before anything is decoded. What comes after is nothing, a query, or a byte that no target has.
    let (before_query, rest) = target.split_at(UP_TO_QUERY.run(target.as_bytes()));
    if !TARGET.has_all(rest.as_bytes()) {
        return Err(BadTarget::Byte);
    }
    let query = rest.strip_prefix('?');
    if method == Method::Connect {
        return match authority::parse(target.as_bytes()) {
            Some(authority) if !authority.host.is_empty() && authority.port.is_some() => Ok(RequestTarget::Authority),
            Some(_) | None => Err(BadTarget::Connect),
        };
    }
    if target.starts_with('/') {
        return resource(before_query, query);
    }
    if target == "*" {
        return if method == Method::Options { Ok(RequestTarget::Asterisk) } else { Err(BadTarget::Asterisk) };
    }
    resource(after_authority(before_query)?, query)
}

impl fmt::Display for BadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadTarget::Byte => {
                "the request-target has a byte that must be percent-encoded: \
                 a control, a space, one of \" # < > \\, or one that is not ASCII"
            }
            BadTarget::Form => "the request-target is neither a path that begins with a slash nor an http or https URI",
            BadTarget::Asterisk => "the request-target * is for OPTIONS only",
            BadTarget::Connect => "the request-target of CONNECT is not a host, a colon and a port",
            BadTarget::Authority => {
                "the URI in the request line needs a host, may have a port, and may not have a user name"
            }
            BadTarget::Escape => "a % in the path is not followed by two hexadecimal digits",
            BadTarget::Nul => "the path has a NUL byte (%00)",
            BadTarget::AboveRoot => "the path leads above the root",
        })
    }
}

impl std::error::Error for BadTarget {}

/// The path of a resource, decoded and normalised.
///
/// It may still be one that can't name anything, such as `/a%2Fb` or `//a`: valid in HTTP, absent on any disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath<'h>(Form<'h>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form<'h> {
    /// Decoded, without its first slash; a slash at the end says that it is a directory. Borrowed if decoding and
    /// normalising changed nothing, which is the common case.
    Named(Cow<'h, [u8]>),
    /// A segment that is empty or has a slash in it. Kept encoded: decoded it would look like another path.
    Nameless(String),
}

impl RequestPath<'_> {
    /// The decoded path from the root, without a slash before it: `""` is the root itself, and a slash at the end says
    /// that a directory is meant. None if the path can't name a file: 404.
    pub fn relative(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Named(relative) => Some(relative),
            Form::Nameless(_) => None,
        }
    }

    /// Whether a file or directory could have this path.
    pub fn is_nameable(&self) -> bool {
        self.relative().is_some()
    }

    /// Whether a directory is meant: the path is the root, or ends in a slash or a dot segment.
    pub fn is_directory(&self) -> bool {
        match &self.0 {
            Form::Named(relative) => relative.is_empty() || relative.ends_with(b"/"),
            Form::Nameless(encoded) => encoded.ends_with('/'),
        }
    }

    /// The decoded names from the root down, none of them empty. No names at all for the root, and for what
    /// [`relative`](Self::relative) has no answer to.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.relative().unwrap_or_default().split(|byte| *byte == b'/').filter(|segment| !segment.is_empty())
    }

    /// The path as a URI writes it, for `Location`: percent-encoded anew, with exactly one slash in front, so that no
    /// client can take it for the name of another host (CVE-2021-28861).
    pub fn to_uri_path(&self) -> String {
        match &self.0 {
            Form::Named(relative) => uri_path(relative),
            Form::Nameless(encoded) => encoded.clone(),
        }
    }
}

/// The path of what has that name beneath the root, as a URI writes it.
pub fn uri_path(relative: &[u8]) -> String {
    format!("/{}", percent_encode(relative, &NOT_IN_PATH))
}

/// What is encoded in a segment: everything but unreserved, sub-delims, `:` and `@` (RFC 3986 §3.3).
pub const NOT_IN_SEGMENT: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// What is encoded in a path whose slashes all separate.
const NOT_IN_PATH: AsciiSet = NOT_IN_SEGMENT.remove(b'/');

/// The bytes that may stand in a target as they are. The grammar of RFC 3986 has no `` ^ ` { | } `` either, but browsers
/// send them.
pub(crate) static TARGET: ByteSet = ByteSet::VISIBLE.without(b"\"#<>\\");

/// The bytes that may stand in front of a query.
static UP_TO_QUERY: ByteSet = TARGET.without(b"?");

/// The bytes that stand in a segment and for themselves: no slash and no escape.
static UNESCAPED: ByteSet = TARGET.without(b"/%");

/// What stands after `http://host:port` in an absolute-form target without its query (RFC 9112 §3.2.2).
fn after_authority(uri: &str) -> Result<&str, BadTarget> {
    let (scheme, rest) = uri.split_once("://").ok_or(BadTarget::Form)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(BadTarget::Form);
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority::parse(authority.as_bytes()) {
        Some(authority) if !authority.host.is_empty() => Ok(path),
        Some(_) | None => Err(BadTarget::Authority),
    }
}

/// An absolute-form target may have no path: that is the root.
fn resource<'h>(path: &'h str, query: Option<&'h str>) -> Result<RequestTarget<'h>, BadTarget> {
    let after_slash = path.strip_prefix('/').unwrap_or(path);
    Ok(RequestTarget::Resource { path: normalise(after_slash.as_bytes())?, query })
}

/// Decodes and normalises a path whose first slash is off.
fn normalise(raw: &[u8]) -> Result<RequestPath<'_>, BadTarget> {
    if is_normal(raw) {
        return Ok(RequestPath(Form::Named(Cow::Borrowed(raw))));
    }
    let segments = remove_dot_segments(raw)?;
    let is_nameless = without_last(&segments).iter().any(|segment| segment.is_empty())
        || segments.iter().any(|segment| segment.contains(&b'/'));
    let form =
        if is_nameless { Form::Nameless(encode(&segments)) } else { Form::Named(Cow::Owned(segments.join(&b'/'))) };
    Ok(RequestPath(form))
}

/// Whether a path is its own normal form: no escape, no dot segment, no empty segment but the last.
fn is_normal(raw: &[u8]) -> bool {
    let mut rest = raw;
    loop {
        let (segment, behind) = rest.split_at(UNESCAPED.run(rest));
        match behind {
            _ if is_dots(segment) => return false,
            [] => return true,
            [b'/', after @ ..] if !segment.is_empty() => rest = after,
            [_, ..] => return false,
        }
    }
}

fn is_dots(segment: &[u8]) -> bool {
    segment == b"." || segment == b".."
}

/// The decoded segments that are left. A dot segment at the end leaves an empty one: what is before it is a directory.
fn remove_dot_segments(raw: &[u8]) -> Result<Vec<Cow<'_, [u8]>>, BadTarget> {
    let mut kept = Vec::new();
    let mut last_was_dots = false;
    for segment in raw.split(|byte| *byte == b'/') {
        let segment = decode(segment)?;
        last_was_dots = is_dots(&segment);
        match segment.as_ref() {
            b"." => {}
            b".." => drop(kept.pop().ok_or(BadTarget::AboveRoot)?),
            _ => kept.push(segment),
        }
    }
    if last_was_dots {
        kept.push(Cow::Borrowed(b"".as_slice()));
    }
    Ok(kept)
}

/// One segment, decoded once.
fn decode(segment: &[u8]) -> Result<Cow<'_, [u8]>, BadTarget> {
    // percent_decode leaves a bad escape as it stands, so that is looked for before.
    let is_escape = |after: &[u8]| matches!(after, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if !segment.split(|byte| *byte == b'%').skip(1).all(is_escape) {
        return Err(BadTarget::Escape);
    }
    let decoded = Cow::from(percent_decode(segment));
    if decoded.contains(&0) { Err(BadTarget::Nul) } else { Ok(decoded) }
}

/// A path that names nothing, as a URI writes it. An empty first segment gets `/.` in front: read again it says the
/// same, and no client takes what follows for a host.
fn encode(segments: &[Cow<'_, [u8]>]) -> String {
    let mut encoded = String::new();
    if segments.first().is_some_and(|first| first.is_empty()) {
        encoded.push_str("/.");
    }
    for segment in segments {
        encoded.push('/');
        encoded.extend(percent_encode(segment, &NOT_IN_SEGMENT));
    }
    encoded
}

fn without_last<T>(all: &[T]) -> &[T] {
    all.split_last().map_or(&[], |(_, others)| others)
}
