//! Requests with content, which nobody here takes: answered, then closed, and never read as a request.
//!
//! RFC 9112 §9.3, §9.6 (a lingering close), RFC 9110 §10.1.1 (Expect); threats.md B1 to B6.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::framing::BEHIND;
use crate::support::{Client, PATIENCE, Response, ask, exchange, get, request, rows, server, show};

/// Content comes with the request: it is answered, then the connection closes, and the content is never taken for a
/// request.
#[track_caller]
fn answered_then_closed(request: impl AsRef<[u8]>, status: u16) {
    let responses = exchange(server(), [request.as_ref(), BEHIND, BEHIND].concat());
    let found: Vec<_> = responses.iter().map(|response| (response.status, response.closes())).collect();
    assert_eq!(found, [(status, true)]);
}

fn with_length(method: &str, fields: &str) -> Vec<u8> {
    request(method, "/hello.txt", &format!("{fields}Content-Length: {}\r\n", BEHIND.len()))
}
fn chunked(method: &str) -> Vec<u8> {
    let head = request(method, "/hello.txt", "Transfer-Encoding: chunked\r\n");
    [head.as_slice(), format!("{:x}\r\n", BEHIND.len()).as_bytes(), BEHIND, b"\r\n0\r\n\r\n"].concat()
}

rows!(answered_then_closed:
    of_a_get(with_length("GET", ""), 200),
    of_a_head(with_length("HEAD", ""), 200),
    of_options(with_length("OPTIONS", ""), 204),
    of_a_post(with_length("POST", ""), 405),
    of_a_put(with_length("PUT", ""), 405),
    of_an_unknown_method(with_length("BREW", ""), 501),
    of_a_get_in_chunks(chunked("GET"), 200),
    of_a_head_in_chunks(chunked("HEAD"), 200),
    of_options_in_chunks(chunked("OPTIONS"), 204),
    of_a_post_in_chunks(chunked("POST"), 405),
    in_chunks_that_are_none(request("POST", "/", "Transfer-Encoding: chunked\r\n"), 405),
    in_chunks_spelled_in_any_case(request("GET", "/hello.txt", "Transfer-Encoding: CHUNKED\r\n"), 200),
    of_an_unchanged_file(with_length("GET", "If-None-Match: *\r\n"), 304),
    of_what_does_not_exist(request("GET", "/missing", "Content-Length: 1\r\n"), 404),
    of_a_directory_without_its_slash(request("GET", "/dir", "Content-Length: 1\r\n"), 308),
    of_a_client_that_asks_to_keep_the_connection(with_length("GET", "Connection: keep-alive\r\n"), 200),
    in_http_1_0("GET /hello.txt HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n", 200),
    of_the_largest_length(request("GET", "/hello.txt", "Content-Length: 18446744073709551615\r\n"), 200),
    of_a_length_with_leading_zeros(request("GET", "/hello.txt", "Content-Length: 0005\r\n"), 200),
    of_a_length_with_white_space(request("GET", "/hello.txt", "Content-Length: \t 5 \t\r\n"), 200),
);

rows!(answered_then_closed:
    expected_by_a_get(with_length("GET", "Expect: 100-continue\r\n"), 200),
    expected_by_a_post(with_length("POST", "Expect: 100-continue\r\n"), 405),
    expected_in_any_case(with_length("POST", "Expect: 100-Continue\r\n"), 405),
    expected_in_chunks(request("POST", "/", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"), 405),
    expected_in_http_1_0("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 405),
);

#[test]
fn an_expectation_without_content_is_met() {
    assert_eq!(ask(server(), get("/hello.txt", "Expect: 100-continue\r\n")).status, 200);
}

#[track_caller]
fn expectation_fails(value: &str) {
    let response = ask(server(), get("/hello.txt", &format!("Expect: {value}\r\n")));
    assert_eq!(response.status, 417);
}
rows!(expectation_fails:
    an_unknown_expectation_fails("200-ok"),
    a_known_and_an_unknown_expectation_fail("100-continue, 200-ok"),
    an_expectation_with_an_argument_fails("100-continue=now"),
);

/// threats.md B2: it is the answer that comes at once, and the end of the connection soon after, not the content.
#[test]
fn slow_content_is_not_waited_for() {
    let begun = Instant::now();
    let responses = exchange(server(), request("POST", "/", "Content-Length: 1000000000\r\n"));
    assert_eq!(responses.iter().map(|response| response.status).collect::<Vec<_>>(), [405]);
    // The lingering close is at most 2 s; the rest is the tester's machine.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

fn endless(fields: &str, chunk: Vec<u8>) {
    let mut client = Client::connect(server());
    let mut stream = client.stream().try_clone().expect("a socket can be shared");
    client.send(request("POST", "/", fields));
    let flood = thread::spawn(move || {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && stream.write_all(&chunk).is_ok() {}
        Instant::now() < until
    });
    let response = client.response("POST");
    assert_eq!((response.status, response.closes()), (405, true));
    client.expect_closed();
    assert!(flood.join().expect("the flood does not panic"), "the server still takes content");
}
rows!(endless:
    endless_content_is_cut("Content-Length: 1000000000000\r\n", vec![b'x'; 64 * 1024]),
    endless_chunks_are_cut("Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n".repeat(10_000)),
    an_endless_chunk_size_is_cut("Transfer-Encoding: chunked\r\n", vec![b'f'; 64 * 1024]),
);

/// threats.md B5: closing with content unread would reset the connection, and the reset could overtake the answer.
#[test]
fn the_answer_is_not_lost_for_content_unread() {
    for _ in 0..50 {
        let content = vec![b'x'; 60 * 1024];
        let request = [request("POST", "/", &format!("Content-Length: {}\r\n", content.len())), content].concat();
        let mut client = Client::connect(server());
        client.send(&request);
        let response = client.response("POST");
        assert_eq!((response.status, response.closes()), (405, true));
        // An orderly end, not a reset: the content was within what a lingering close takes.
        let mut rest = [0];
        let end = std::io::Read::read(&mut client.stream(), &mut rest);
        assert!(matches!(end, Ok(0)), "{end:?} {}", show(&rest));
    }
}

#[test]
fn what_follows_a_response_is_nothing_of_the_content() {
    let smuggled = get("/digits.txt", "");
    let outer = request("GET", "/hello.txt", &format!("Content-Length: {}\r\n", smuggled.len()));
    let responses = exchange(server(), [outer, smuggled].concat());
    let contents: Vec<&str> = responses.iter().map(Response::content_text).collect();
    assert_eq!(contents, ["hello, world\n"]);
}
