//! Response heads, byte for byte: RFC 9112 §4, RFC 9110 §6.6.1, §8.6.

use std::borrow::Cow;
use std::panic;

use millpond::http::date;
use millpond::http::field_block::{FieldBlock, FieldLines};
use millpond::http::field_line::FieldLine;
use millpond::http::response::{ConnectionOption, Content, Response, Source, Stamp};
use millpond::http::status::Status;

use crate::support::seconds;

type Answer = Response<()>;

/// The head as it would be sent at one moment, without its first two lines.
fn head(response: &Answer, extra: &[FieldLine], connection: ConnectionOption) -> String {
    let date = date::render(seconds(784_111_777));
    let mut out = Vec::new();
    response.encode_head(Stamp { date: &date, extra, connection }, &mut out);
    let text = String::from_utf8(out).unwrap();
    let (status_line, rest) = text.split_once("\r\n").unwrap();
    let status = response.status();
    assert_eq!(status_line, format!("HTTP/1.1 {} {}", status.code(), status.reason()));
    rest.strip_prefix("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n").expect("the date comes first").to_owned()
}

fn plain_head(response: &Answer) -> String {
    head(response, &[], ConnectionOption::Unsaid)
}

#[test]
fn a_length_is_written_digit_by_digit() {
    for length in [0, 1, 9, 10, 99, 100, 1_024, 65_535, 1_000_000_007, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
        let content = Content::Slice { source: Source::Opened(()), first: 0, length };
        let response = Answer::empty(Status::OK).content(content);
        assert_eq!(plain_head(&response), format!("Content-Length: {length}\r\n\r\n"));
    }
}

#[test]
fn every_status_has_its_line() {
    for status in (200..=599).filter_map(Status::new) {
        let length = if status.forbids_content() { "\r\n" } else { "Content-Length: 0\r\n\r\n" };
        assert_eq!(plain_head(&Answer::empty(status)), length);
    }
}

#[test]
fn the_connection_is_spoken_of_last() {
    let table = [
        (ConnectionOption::Unsaid, "Content-Length: 0\r\n\r\n"),
        (ConnectionOption::KeepAlive, "Content-Length: 0\r\nConnection: keep-alive\r\n\r\n"),
        (ConnectionOption::Close, "Content-Length: 0\r\nConnection: close\r\n\r\n"),
    ];
    for (option, expected) in table {
        assert_eq!(head(&Answer::empty(Status::OK), &[], option), expected);
    }
}

fn block() -> FieldBlock {
    let mut lines = FieldLines::new();
    lines.add("ETag", "\"x\"");
    lines.add("Cache-Control", "no-cache");
    lines.share()
}

#[test]
fn shared_lines_come_before_a_response_s_own() {
    let response = Answer::with(Status::OK, block()).field("Content-Range", "bytes 0-0/1");
    let expected = "ETag: \"x\"\r\nCache-Control: no-cache\r\nContent-Range: bytes 0-0/1\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(plain_head(&response), expected);
}

#[test]
fn a_line_of_the_operator_takes_the_place_of_a_shared_and_of_an_own_one() {
    let extra = [FieldLine::new("cache-control", "max-age=60").unwrap(), FieldLine::new("X-B", "b").unwrap()];
    let response = Answer::with(Status::OK, block()).field("x-b", "own").field("X-Bc", "own");
    let expected = "ETag: \"x\"\r\nX-Bc: own\r\ncache-control: max-age=60\r\nX-B: b\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(head(&response, &extra, ConnectionOption::Unsaid), expected);
}

#[test]
fn a_block_can_be_the_beginning_of_another() {
    let mut lines = FieldLines::new();
    let none = lines.mark();
    lines.add("A", "1");
    let one = lines.mark();
    lines.add("B", "2");
    let all = lines.mark();
    let block = lines.share();
    let table = [(none, ""), (one, "A: 1\r\n"), (all, "A: 1\r\nB: 2\r\n")];
    for (mark, expected) in table {
        assert_eq!(block.until(mark).as_bytes(), expected.as_bytes());
    }
    assert_eq!(block.until(one).until(all).as_bytes(), b"A: 1\r\n");
    assert_eq!(FieldBlock::EMPTY.until(all).as_bytes(), b"");
}

#[test]
fn a_mark_of_another_block_is_no_end_of_a_line() {
    let mut other = FieldLines::new();
    other.add("A", "");
    let mark = other.mark();
    assert!(panic::catch_unwind(|| block().until(mark)).is_err());
}

#[test]
fn what_would_end_a_line_or_frame_the_message_is_no_line() {
    let table = [("A B", "x"), ("", "x"), ("A", "x\r\nB: y"), ("A", "x\0"), ("Content-Length", "1"), ("date", "x")];
    for (name, value) in table {
        assert!(panic::catch_unwind(|| FieldLines::new().add(name, value)).is_err(), "{name:?}: {value:?}");
    }
}

#[test]
fn an_error_says_what_is_wrong_in_a_line_of_plain_text() {
    let text = "404 Not Found: nothing\n";
    let lines = "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n";
    for response in [Answer::error(Status::NOT_FOUND, "nothing"), Answer::fixed_error(Status::NOT_FOUND, text)] {
        assert_eq!(plain_head(&response), format!("{lines}Content-Length: {}\r\n\r\n", text.len()));
        let Content::Bytes(content) = response.into_content() else { panic!("an error has text") };
        assert_eq!(content.as_ref(), text.as_bytes());
    }
    // What stands in the source is held to the same rules.
    for line in lines.split_terminator("\r\n") {
        let (name, value) = line.split_once(": ").unwrap();
        FieldLines::new().add(name, value);
    }
}

#[test]
fn a_status_that_forbids_content_has_none() {
    for status in [Status::NO_CONTENT, Status::NOT_MODIFIED] {
        let response = Answer::with(status, block()).content(Content::Bytes(Cow::Borrowed(b"x")));
        assert_eq!(plain_head(&response), "ETag: \"x\"\r\nCache-Control: no-cache\r\n\r\n");
        assert!(matches!(response.into_content(), Content::None));
    }
}
