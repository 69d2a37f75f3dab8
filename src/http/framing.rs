//! Whether a body follows the head, and whether another request may follow that.
//!
//! *Invariants:*
//! - Where two readers could disagree about the end of a request, it is refused: that is how requests are smuggled.
//! - After a request with a body no other is read from the connection, since no body is read here: what came in a body
//!   is never taken for a request.
//!
//! RFC 9112 §6 (message body), §9.3 (persistence).

use super::bad_request::BadRequest;
use super::field::{Fields, Sole};
use super::method::{Method, Version};

/// What the head says about the body after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// None, or one of length 0.
    None,
    /// So many bytes; never 0.
    Length(u64),
    /// Chunks, up to one of length 0.
    Chunked,
}

/// Whether the connection may carry another request after this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    KeepAlive,
    Close,
}

/// The length of the body, by the rules of RFC 9112 §6.3 in their order:
///
/// 1. Responses to HEAD, and 1xx, 204, 304: not a request.
/// 2. A 2xx response to CONNECT: not a request.
/// 3. Both Transfer-Encoding and Content-Length: the RFC lets a server refuse or believe the former. 400.
/// 4. Transfer-Encoding: its last coding must be chunked, else 400. Any other coding before it: 501.
/// 5. Content-Length that is no number: 400. The RFC lets `5, 5` and two equal lines pass; here they are 400 too.
/// 6. Content-Length that is a number: that is the length.
/// 7. A request with neither: no body.
/// 8. A response with neither: not a request.
pub fn body(version: Version, fields: &Fields<'_>) -> Result<Body, BadRequest> {
    let length = fields.sole("content-length");
    if fields.first("transfer-encoding").is_some() {
        return match length {
            Sole::Absent => coded(version, fields),
            Sole::One(_) | Sole::Repeated => Err(BadRequest::LengthAndCoding),
        };
    }
    match length {
        Sole::Absent => Ok(Body::None),
        Sole::One(digits) => counted(digits),
        Sole::Repeated => Err(BadRequest::LengthRepeated),
    }
}

/// Whether the connection goes on after this request, by the rules of RFC 9112 §9.3 in their order, after two of ours:
///
/// - A body follows: close, as no one is going to read it.
/// - CONNECT: close, as the client may already be talking to the other end of the tunnel it did not get.
///
/// 1. `close` among the members of Connection: close, whatever else is there.
/// 2. HTTP/1.1 (or later): go on.
/// 3. HTTP/1.0 with `keep-alive` among them: go on. (Unless the recipient is a proxy: it is not.)
/// 4. Otherwise: close.
pub fn persistence(method: Method, version: Version, fields: &Fields<'_>, body: Body) -> Persistence {
    if body != Body::None || method == Method::Connect || fields.has_token("connection", "close") {
        return Persistence::Close;
    }
    match version {
        Version::Http11 => Persistence::KeepAlive,
        Version::Http10 if fields.has_token("connection", "keep-alive") => Persistence::KeepAlive,
        Version::Http10 => Persistence::Close,
    }
}

/// RFC 9112 §6.1: a Transfer-Encoding in HTTP/1.0 is faulty framing. A coding that is not known is 501, provided that
/// chunked comes last and once (§7.1: no one may chunk twice); `identity` is not a coding any more, so it is not known.
fn coded(version: Version, fields: &Fields<'_>) -> Result<Body, BadRequest> {
    match version {
        Version::Http10 => return Err(BadRequest::CodingInHttp10),
        Version::Http11 => {}
    }
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if !fields.elements("transfer-encoding").last().is_some_and(is_chunked) {
        return Err(BadRequest::CodingNotChunked);
    }
    if fields.elements("transfer-encoding").filter(|coding| is_chunked(coding)).count() > 1 {
        return Err(BadRequest::ChunkedRepeated);
    }
    match fields.elements("transfer-encoding").count() {
        1 => Ok(Body::Chunked),
        _ => Err(BadRequest::CodingUnknown),
    }
}

/// `Content-Length = 1*DIGIT` (RFC 9110 §8.6). Parsing alone would take a plus sign.
fn counted(digits: &[u8]) -> Result<Body, BadRequest> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(BadRequest::LengthMalformed);
    }
    let digits = str::from_utf8(digits).map_err(|_| BadRequest::LengthMalformed)?;
    match digits.parse::<u64>() {
        Ok(0) => Ok(Body::None),
        Ok(length) => Ok(Body::Length(length)),
        // Only digits are left, so the one thing that can be wrong with them is that there are too many.
        Err(_) => Err(BadRequest::LengthTooLarge),
    }
}
