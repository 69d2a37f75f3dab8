//! A line of the access log as one JSON object (RFC 8259).
//!
//! *Invariants:* those of [`super::access_log`]: printable ASCII alone, secrets left out, bounded. Whatever a client
//! sends, the line is one object that any reader takes; a byte that is no printable ASCII is the character of that
//! number (`\u00e9` for 0xE9), so that it can be told what came, UTF-8 or not.
//!
//! All that is known of the request comes first, the outcome last, and so an object is whole when its response is.

use std::io::Write;

use super::access_log::{self, COPIED_BYTES_MAX, Entry, Outcome};
use crate::http::date;

/// Appends the object up to the outcome.
pub fn render_before(entry: &Entry<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    out.extend_from_slice(&date::render_rfc3339_milliseconds(entry.received));
    out.extend_from_slice(b"\",\"client\":\"");
    access_log::render_client(entry.client, out);
    out.extend_from_slice(b"\",\"request\":");
    render_string(&access_log::shown_request_line(entry.request_line), out);
    out.extend_from_slice(b",\"referer\":");
    render_optional(entry.referer.map(access_log::without_secrets), out);
    out.extend_from_slice(b",\"user_agent\":");
    render_optional(entry.user_agent, out);
}

/// Appends the outcome and the end of the object.
pub fn render_outcome(outcome: &Outcome, out: &mut Vec<u8>) {
    let Outcome { status, content_bytes, took } = outcome;
    let (seconds, microseconds) = (took.as_secs(), took.subsec_micros());
    let status = status.code();
    writeln!(out, ",\"status\":{status},\"bytes\":{content_bytes},\"seconds\":{seconds}.{microseconds:06}}}")
        .expect("a Vec takes every byte");
}

fn render_optional(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        Some(bytes) => render_string(&[bytes], out),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends the pieces as one string.
fn render_string(pieces: &[&[u8]], out: &mut Vec<u8>) {
    out.push(b'"');
    for piece in pieces {
        escape(&piece[..piece.len().min(COPIED_BYTES_MAX)], out);
    }
    out.push(b'"');
}

fn escape(mut bytes: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = bytes.iter().position(|byte| !access_log::is_harmless(*byte)) {
        out.extend_from_slice(&bytes[..at]);
        match bytes[at] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => write!(out, "\\u{byte:04x}").expect("a Vec takes every byte"),
        }
        bytes = &bytes[at + 1..];
    }
    out.extend_from_slice(bytes);
}
