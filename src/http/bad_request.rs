//! Every way a request can be refused before anyone looks at what it asks for.
//!
//! *Invariants:*
//! - One failure, one variant, one text: a text in a log leads to one line of code.
//! - No text holds a byte of the request, so that nothing is reflected.
//! - After any of these the connection closes: what follows can't be told from the rest of what was refused.
//!
//! RFC 9110 §15.5 and §15.6 for the statuses, RFC 6585 §5 for 431.

use std::fmt;

use super::status::Status;
use super::target::BadTarget;

/// Why a request was refused, in about the order in which the checks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// The first byte can't begin a method: a TLS handshake, most often.
    FirstByte,
    /// HTTP where TLS was to come first.
    Unprotected,
    /// More than [`LEADING_EMPTY_LINES_MAX`](crate::config::LEADING_EMPTY_LINES_MAX) empty lines in front.
    EmptyLines,
    /// A line feed without a carriage return before it.
    LineFeed,
    /// The request line does not end within [`HEAD_BYTES_MAX`](crate::config::HEAD_BYTES_MAX).
    RequestLineTooLong,
    /// The head does not end within [`HEAD_BYTES_MAX`](crate::config::HEAD_BYTES_MAX).
    HeadTooLong,
    /// What should be one head has no empty line at its end, or has one before.
    NotOneHead,
    /// Not three parts with one space between each.
    RequestLine,
    /// The method is not a token.
    Method,
    /// The version does not have the form `HTTP/x.y`, or there is none, as in HTTP/0.9.
    VersionMalformed,
    /// A version that this server does not speak.
    VersionUnsupported,
    /// A carriage return without a line feed after it.
    CarriageReturn,
    /// A field line that begins with white space: an obsolete way to continue the line before.
    FieldFolded,
    /// White space between a field name and its colon.
    FieldNameSpace,
    /// A field line without a colon, or with a name that is empty or not a token.
    FieldName,
    /// A control other than a tab in a field value.
    FieldValue,
    /// More field lines than [`FIELD_LINES_MAX`](crate::config::FIELD_LINES_MAX).
    FieldLines,
    /// The request-target can't be read.
    Target(BadTarget),
    /// HTTP/1.1 without a Host.
    HostMissing,
    /// More than one Host.
    HostRepeated,
    /// A Host that is not a host and perhaps a port.
    HostMalformed,
    /// Both a Transfer-Encoding and a Content-Length: whoever believes the other one sees another request.
    LengthAndCoding,
    /// A Transfer-Encoding in HTTP/1.0, which has none.
    CodingInHttp10,
    /// The last transfer coding is not chunked, so that the body has no end.
    CodingNotChunked,
    /// Chunked stands somewhere before the last transfer coding too.
    ChunkedRepeated,
    /// A transfer coding that this server does not know, under a final chunked.
    CodingUnknown,
    /// More than one Content-Length line.
    LengthRepeated,
    /// A Content-Length that is not one row of digits.
    LengthMalformed,
    /// A Content-Length above 2^64 - 1 bytes.
    LengthTooLarge,
    /// An Expect with another member than `100-continue`.
    Expectation,
}

impl BadRequest {
    /// The status to answer with.
    pub fn status(&self) -> Status {
        match self {
            BadRequest::RequestLineTooLong => Status::URI_TOO_LONG,
            BadRequest::HeadTooLong | BadRequest::FieldLines => Status::REQUEST_HEADER_FIELDS_TOO_LARGE,
            BadRequest::VersionUnsupported => Status::HTTP_VERSION_NOT_SUPPORTED,
            BadRequest::CodingUnknown => Status::NOT_IMPLEMENTED,
            BadRequest::Expectation => Status::EXPECTATION_FAILED,
            BadRequest::FirstByte
            | BadRequest::Unprotected
            | BadRequest::EmptyLines
            | BadRequest::LineFeed
            | BadRequest::NotOneHead
            | BadRequest::RequestLine
            | BadRequest::Method
            | BadRequest::VersionMalformed
            | BadRequest::CarriageReturn
            | BadRequest::FieldFolded
            | BadRequest::FieldNameSpace
            | BadRequest::FieldName
            | BadRequest::FieldValue
            | BadRequest::Target(_)
            | BadRequest::HostMissing
            | BadRequest::HostRepeated
            | BadRequest::HostMalformed
            | BadRequest::LengthAndCoding
            | BadRequest::CodingInHttp10
            | BadRequest::CodingNotChunked
            | BadRequest::ChunkedRepeated
            | BadRequest::LengthRepeated
            | BadRequest::LengthMalformed
            | BadRequest::LengthTooLarge => Status::BAD_REQUEST,
        }
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadRequest::FirstByte => {
                "the first byte can't begin a request; if it was meant for TLS: this port speaks plain HTTP"
            }
            BadRequest::Unprotected => "this port speaks TLS: use https://",
            BadRequest::EmptyLines => "too many empty lines before the request line",
            BadRequest::LineFeed => "a line in the head ends in a line feed without a carriage return before it",
            BadRequest::RequestLineTooLong => "the request line is too long",
            BadRequest::HeadTooLong => "the head of the request is too long",
            BadRequest::NotOneHead => "the head of the request does not end where its empty line is",
            BadRequest::RequestLine => {
                "the request line is not a method, a request-target and a version with one space between each"
            }
            BadRequest::Method => "the method in the request line has a byte that no method has",
            BadRequest::VersionMalformed => "the version in the request line does not have the form HTTP/1.1",
            BadRequest::VersionUnsupported => "the version in the request line is neither HTTP/1.0 nor HTTP/1.1",
            BadRequest::CarriageReturn => "a carriage return in the head has no line feed after it",
            BadRequest::FieldFolded => "a field line begins with white space",
            BadRequest::FieldNameSpace => "a field line has white space between the name and the colon",
            BadRequest::FieldName => {
                "a field line has no colon, or a name that is empty or has a byte that no name has"
            }
            BadRequest::FieldValue => "a field value has a control character",
            BadRequest::FieldLines => "the head of the request has too many field lines",
            BadRequest::Target(target) => return target.fmt(f),
            BadRequest::HostMissing => "an HTTP/1.1 request needs a Host field",
            BadRequest::HostRepeated => "the Host field stands more than once",
            BadRequest::HostMalformed => "the Host field is not a host and perhaps a port",
            BadRequest::LengthAndCoding => "the request has both a Transfer-Encoding and a Content-Length",
            BadRequest::CodingInHttp10 => "an HTTP/1.0 request can't have a Transfer-Encoding",
            BadRequest::CodingNotChunked => "the last coding in Transfer-Encoding is not chunked",
            BadRequest::ChunkedRepeated => "chunked stands more than once in Transfer-Encoding",
            BadRequest::CodingUnknown => "Transfer-Encoding names a coding other than chunked",
            BadRequest::LengthRepeated => "the Content-Length field stands more than once",
            BadRequest::LengthMalformed => "the Content-Length field is not a row of digits",
            BadRequest::LengthTooLarge => "the Content-Length is too large",
            BadRequest::Expectation => "the Expect field asks for something other than 100-continue",
        })
    }
}

impl std::error::Error for BadRequest {}

impl From<BadTarget> for BadRequest {
    fn from(target: BadTarget) -> BadRequest {
        BadRequest::Target(target)
    }
}
