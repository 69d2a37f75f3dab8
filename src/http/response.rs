//! A response is a value: a status, field lines and content; this room says how its head is written.
//!
//! *Invariants:* no byte that came from outside can end a field line: every name and value is checked where it enters
//! ([`FieldLines::add`]). The fields that frame the message are nobody's but
//! [`Response::encode_head`]'s, so the head and what is sent behind it can't disagree.
//!
//! RFC 9110 §6.4 (content), §8.6 (Content-Length), §6.6.1 (Date); RFC 9112 §4 (status line), §6 (framing).
//!
//! The content's source is memory, or a type parameter: this wing knows stretches of bytes, `engine` knows that they lie
//! in a file.
//!
//! A response is made for every request, so making one from what is at hand takes no memory and no formatting: field
//! lines and content can be shares of what was written once.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::sync::Arc;

use super::decimal;
use super::field_block::{self, FieldBlock, FieldLines};
use super::field_line::FieldLine;
use super::method::Version;
use super::multipart::Multipart;
use super::pieces::{Framing, Pieces};
use super::range::ByteRange;
use super::status::Status;

/// A whole response; `F` is what the engine sends file content from.
#[derive(Debug)]
pub struct Response<F> {
    status: Status,
    /// The lines that it shares with other responses; before its own in the head.
    shared: FieldBlock,
    own: FieldLines,
    content: Content<F>,
}

/// What follows the head.
#[derive(Debug)]
pub enum Content<F> {
    /// Nothing, and no length is announced: 204 and 304 (RFC 9110 §8.6).
    None,
    /// Bytes in memory.
    Bytes(Cow<'static, [u8]>),
    /// A stretch of the source: from offset `first`, `length` bytes.
    Slice { source: Source<F>, first: u64, length: u64 },
    /// Several stretches of it, each with a head of its own (RFC 9110 §14.6).
    /// Boxed, because a response is moved, and few have any.
    Multipart { source: Source<F>, parts: Box<Multipart> },
    /// What is made while it is sent, of a length that nobody knows yet.
    Pieces(Pieces),
}

/// A representation's bytes, all of them.
#[derive(Clone, Debug)]
pub enum Source<F> {
    /// Here, and shared by all responses that send them.
    Memory(Arc<[u8]>),
    /// Behind something that is open.
    Opened(F),
}

/// What the `Connection` field says of the connection after this response (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionOption {
    /// Nothing: HTTP/1.1 persists without a word.
    Unsaid,
    /// An HTTP/1.0 client asked for it and gets it.
    KeepAlive,
    /// This is the last response.
    Close,
}

/// What is the same for every response of a moment: the time, and what the operator adds.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'s> {
    /// The time of the response, as [`date::render`](super::date::render) writes it.
    pub date: &'s [u8; 29],
    /// Field lines for every response; a response's own line of the same name gives way to them.
    pub extra: &'s [FieldLine],
    pub connection: ConnectionOption,
}

impl<F> Response<F> {
    /// A response without content.
    pub fn empty(status: Status) -> Response<F> {
        Response::with(status, FieldBlock::EMPTY)
    }

    /// The same, with field lines that are there already.
    pub fn with(status: Status, fields: FieldBlock) -> Response<F> {
        let content = if status.forbids_content() { Content::None } else { Content::Bytes(Cow::Borrowed(b"")) };
        Response { status, shared: fields, own: FieldLines::new(), content }
    }

    /// A line of plain text.
    pub fn text(status: Status, text: impl Into<String>) -> Response<F> {
        let mut text = text.into();
        text.push('\n');
        Response::plain(status, Cow::Owned(text.into_bytes()))
    }

    /// An error, with a line that says what was wrong in words of this program, never of the client or the system.
    pub fn error(status: Status, what: impl Display) -> Response<F> {
        // Room for most such lines, so that they are written where they stay.
        let mut text = String::with_capacity(128);
        writeln!(text, "{} {}: {what}", status.code(), status.reason()).expect("a String takes every text");
        Response::plain(status, Cow::Owned(text.into_bytes()))
    }

    /// The same for an error that is common and always the same: `line` is the whole text, with its line end.
    pub fn fixed_error(status: Status, line: &'static str) -> Response<F> {
        Response::plain(status, Cow::Borrowed(line.as_bytes()))
    }

    fn plain(status: Status, text: Cow<'static, [u8]>) -> Response<F> {
        Response::with(status, PLAIN_TEXT).content(Content::Bytes(text))
    }

    /// Adds a field line.
    ///
    /// # Panics
    /// As [`FieldLines::add`]: by a mistake of the program.
    pub fn field(mut self, name: &str, value: &str) -> Response<F> {
        self.own.add(name, value);
        self
    }

    /// Adds Content-Range for the one range that is the content.
    pub fn content_range(mut self, range: &ByteRange) -> Response<F> {
        self.own.add_content_range(range);
        self
    }

    /// Replaces the content. It is dropped where the status forbids any (RFC 9110 §15.3.5, §15.4.5).
    #[inline(always)]
    pub fn content(mut self, content: Content<F>) -> Response<F> {
        if !self.status.forbids_content() {
            self.content = content;
        }
        self
    }

    pub fn status(&self) -> Status {
        self.status
    }

    /// Frames content of unknown length so that a client of that version finds its end.
    pub fn frame_for(&mut self, version: Version) {
        if let Content::Pieces(pieces) = &mut self.content {
            pieces.frame(Framing::for_version(version));
        }
    }

    /// Whether the content is made while it is sent.
    pub fn has_unknown_length(&self) -> bool {
        matches!(&self.content, Content::Pieces(_))
    }

    /// The response's parts, for who sends it.
    pub fn into_content(self) -> Content<F> {
        self.content
    }

    /// Appends the head, from the status line to the empty line, to `out`. A response to HEAD has the same head.
    // As for `request::parse`: 9 instructions of 4,853.
    #[inline]
    pub fn encode_head(&self, stamp: Stamp<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        decimal::write(out, u64::from(self.status.code()));
        out.push(b' ');
        out.extend_from_slice(self.status.reason().as_bytes());
        out.extend_from_slice(b"\r\nDate: ");
        out.extend_from_slice(stamp.date);
        out.extend_from_slice(b"\r\n");
        self.encode_fields(stamp.extra, out);
        if let Some(length) = self.content.length() {
            out.extend_from_slice(b"Content-Length: ");
            decimal::write(out, length);
            out.extend_from_slice(b"\r\n");
        } else if matches!(&self.content, Content::Pieces(pieces) if pieces.framing() == Framing::Chunked) {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        out.extend_from_slice(match stamp.connection {
            ConnectionOption::Unsaid => b"\r\n",
            ConnectionOption::KeepAlive => b"Connection: keep-alive\r\n\r\n",
            ConnectionOption::Close => b"Connection: close\r\n\r\n",
        });
    }

    fn encode_fields(&self, extra: &[FieldLine], out: &mut Vec<u8>) {
        let (shared, own) = (self.shared.as_bytes(), self.own.as_bytes());
        if extra.is_empty() {
            out.extend_from_slice(shared);
            out.extend_from_slice(own);
            return;
        }
        let gives_way = |line: &&[u8]| {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            extra.iter().any(|other| other.name().as_bytes().eq_ignore_ascii_case(name))
        };
        let lines = [shared, own].into_iter().flat_map(|block| block.split_inclusive(|byte| *byte == b'\n'));
        for line in lines.filter(|line| !gives_way(line)) {
            out.extend_from_slice(line);
        }
        for line in extra {
            field_block::write_line(out, line.name(), line.value());
        }
    }
}

impl<F> Content<F> {
    /// Bytes on the wire, or that none are announced.
    pub fn length(&self) -> Option<u64> {
        match self {
            Content::None | Content::Pieces(_) => None,
            Content::Bytes(bytes) => Some(u64::try_from(bytes.len()).expect("a length fits 64 bits")),
            Content::Slice { length, .. } => Some(*length),
            Content::Multipart { parts, .. } => Some(parts.content_length()),
        }
    }

    /// One byte range of the source.
    pub fn range(source: Source<F>, range: ByteRange) -> Content<F> {
        Content::Slice { source, first: range.first(), length: range.len() }
    }
}

/// Of a line of text that this program says.
const PLAIN_TEXT: FieldBlock =
    FieldBlock::fixed("Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n");
