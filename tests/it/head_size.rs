//! How large a head may be, and what becomes of one that is larger or has no end.
//!
//! RFC 9112 §3 (414), RFC 9110 §15.5.15, RFC 6585 §5 (431); threats.md H11 to H14, H16; PROMISE.md 5.

use std::io::Write;
use std::thread;

use crate::framing::{is_refusal, refused, refused_at_once};
use crate::support::{Client, Server, ask, get, rows, server};

const HEAD_BYTES_MAX: usize = 16 * 1024;
const FIELD_LINES_MAX: usize = 100;

/// A head of exactly so many bytes, filled up in a field value.
fn head_of(bytes: usize) -> Vec<u8> {
    let head = get("/hello.txt", "X: \r\n");
    get("/hello.txt", &format!("X: {}\r\n", "x".repeat(bytes - head.len())))
}

/// A head of exactly so many bytes, filled up in the target.
fn target_head_of(bytes: usize) -> Vec<u8> {
    let head = get("/hello.txt?", "");
    get(&format!("/hello.txt?{}", "q".repeat(bytes - head.len())), "")
}

/// A head of so many field lines.
fn lines(count: usize) -> Vec<u8> {
    get("/hello.txt", &"X: y\r\n".repeat(count - 1))
}

#[track_caller]
fn answers(bytes: Vec<u8>, status: u16) {
    assert_eq!(ask(server(), bytes).status, status);
}
rows!(answers:
    a_head_as_large_as_allowed(head_of(HEAD_BYTES_MAX), 200),
    a_target_as_large_as_allowed(target_head_of(HEAD_BYTES_MAX), 200),
    as_many_field_lines_as_allowed(lines(FIELD_LINES_MAX), 200),
    a_target_of_8_000_bytes_is_supported(target_head_of(8_100), 200),
);
rows!(refused:
    a_head_one_byte_too_large(head_of(HEAD_BYTES_MAX + 1), 431),
    a_head_of_60_kib(head_of(60 * 1024), 431),
    a_target_that_leaves_no_room_for_the_fields(target_head_of(HEAD_BYTES_MAX + 1), 431),
    a_target_of_20_kib(target_head_of(20 * 1024), 414),
    a_target_of_60_kib(target_head_of(60 * 1024), 414),
    one_field_line_too_many(lines(FIELD_LINES_MAX + 1), 431),
    a_thousand_field_lines(lines(1_000), 431),
    ten_thousand_field_lines(lines(10_000), 431),
    a_thousand_long_field_lines(get("/", &"X-Same-Name: same value\r\n".repeat(1_000)), 431),
    leading_empty_lines_count(["\r\n".repeat(4).as_bytes(), &head_of(HEAD_BYTES_MAX - 7)].concat(), 431),
);
rows!(refused_at_once:
    a_head_that_does_not_end(
        get("/", &format!("X: {}", "x".repeat(HEAD_BYTES_MAX))).strip_suffix(b"\r\n").expect("it ends so"), 431,
    ),
    a_field_name_that_does_not_end(["GET / HTTP/1.1\r\n", &"X".repeat(HEAD_BYTES_MAX)].concat(), 431),
    a_request_line_that_does_not_end(["GET /", &"x".repeat(HEAD_BYTES_MAX)].concat(), 414),
);

#[test]
fn leading_empty_lines_and_the_head_may_fill_the_limit() {
    let bytes = ["\r\n".repeat(4).as_bytes(), &head_of(HEAD_BYTES_MAX - 8)].concat();
    let mut client = Client::connect(server());
    client.send(bytes);
    assert_eq!(client.response("GET").status, 200);
}

#[test]
fn a_header_of_32_mib_is_cut() {
    floods(server(), b"GET / HTTP/1.1\r\nHost: h\r\nX: ", &[b'x'; 64 * 1024], 431);
}

#[test]
fn a_target_of_32_mib_is_cut() {
    floods(server(), b"GET /", &[b'x'; 64 * 1024], 414);
}

#[test]
fn field_lines_of_32_mib_are_cut() {
    floods(server(), b"GET / HTTP/1.1\r\nHost: h\r\n", &b"X: y\r\n".repeat(10_000), 431);
}

/// A client that sends for as long as it can: the answer is there to be read, and long before 32 MiB nobody takes any
/// more.
#[track_caller]
pub fn floods(server: &Server, start: &[u8], chunk: &[u8], status: u16) {
    const FLOOD_BYTES: usize = 32 * 1024 * 1024;
    let mut client = Client::connect(server);
    let mut stream = client.stream().try_clone().expect("a socket can be shared");
    let (start, chunk) = (start.to_vec(), chunk.to_vec());
    let flood = thread::spawn(move || {
        let mut sent = stream.write(&start).unwrap_or_default();
        while sent < FLOOD_BYTES {
            match stream.write(&chunk) {
                Ok(written) => sent += written,
                Err(_) => return sent,
            }
        }
        sent
    });
    is_refusal(&client.response("GET"), status);
    client.expect_closed();
    let sent = flood.join().expect("the flood does not panic");
    assert!(sent < FLOOD_BYTES, "the server took all of {sent} bytes");
}

#[test]
fn endless_empty_lines_are_cut() {
    floods(server(), b"", &b"\r\n".repeat(32 * 1024), 400);
}
