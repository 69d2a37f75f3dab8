//! The first line of a request, looked at on its own: to log it, and to say what is wrong with it.
//!
//! *Invariant:* [`fault`] finds none in a line that httparse and [`target`](super::target) take.
//!
//! RFC 9112 §3 (request line), §2.3 (version).

use crate::config::HEAD_BYTES_MAX;

use super::bad_request::BadRequest;
use super::field::TOKEN;
use super::target::{BadTarget, TARGET};

/// The first line that is not empty, as it came, without its end: for the access log. It may be cut short, malformed,
/// or empty, and is never longer than [`HEAD_BYTES_MAX`].
pub fn of(head: &[u8]) -> &[u8] {
    let window = &head[..head.len().min(HEAD_BYTES_MAX)];
    let begin = window.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(window.len());
    let line = window[begin..].split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// How long the request line is that the text begins with, its end included. None if it isn't all there or has a
/// [`fault`], or if the text begins with an empty line.
pub fn whole_length(text: &[u8]) -> Option<usize> {
    let (method, rest) = text.split_at(TOKEN.run(text));
    let rest = rest.strip_prefix(b" ")?;
    let (target, rest) = rest.split_at(TARGET.run(rest));
    let behind = rest.strip_prefix(b" HTTP/1.1\r\n").or_else(|| rest.strip_prefix(b" HTTP/1.0\r\n"))?;
    (!method.is_empty() && !target.is_empty()).then_some(text.len() - behind.len())
}

/// The first fault of a request line: its shape, its method, its version, and last the bytes of its target.
pub fn fault(line: &[u8]) -> Option<BadRequest> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Some(BadRequest::RequestLine);
    };
    if method.is_empty() || target.is_empty() {
        return Some(BadRequest::RequestLine);
    }
    if !TOKEN.has_all(method) {
        return Some(BadRequest::Method);
    }
    match version {
        b"HTTP/1.0" | b"HTTP/1.1" => {
            let is_readable = TARGET.has_all(target);
            (!is_readable).then_some(BadRequest::Target(BadTarget::Byte))
        }
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Some(BadRequest::VersionUnsupported),
        _ => Some(BadRequest::VersionMalformed),
    }
}
