//! Which connections live on, and that what is pipelined on them is answered in order.
//!
//! RFC 9112 §9.3 (persistence), §9.3.2 (pipelining), §9.6 (closing), RFC 9110 §7.6.1 (Connection); threats.md H17, H20,
//! H21.

use crate::support::{Client, LARGE_BYTES, ask, exchange, get, patterned, request, rows, server};

/// Whether the connection lives on after a GET of this version with these field lines, and what the answer says about
/// that.
#[track_caller]
fn after(version: &str, fields: &str, said: Option<&str>, stays: bool) {
    let request = format!("GET /hello.txt HTTP/{version}\r\nHost: h\r\n{fields}\r\n");
    let mut client = Client::connect(server());
    let first = client.ask(&request);
    let said_so = first.optional("connection").map(|value| value.to_ascii_lowercase());
    assert_eq!((first.status, said_so.as_deref()), (200, said));
    if stays {
        let second = client.ask(get("/hello.txt", "Connection: close\r\n"));
        assert_eq!((second.status, second.closes()), (200, true));
    }
    client.expect_closed();
}

rows!(after:
    http_1_1_stays("1.1", "", None, true),
    http_1_1_stays_when_asked_to("1.1", "Connection: keep-alive\r\n", None, true),
    http_1_1_with_close_closes("1.1", "Connection: close\r\n", Some("close"), false),
    close_is_close_in_any_case("1.1", "Connection: CLOSE\r\n", Some("close"), false),
    the_name_of_the_field_is_the_same_in_any_case("1.1", "cOnNeCtIoN: Close\r\n", Some("close"), false),
    close_is_close_within_white_space("1.1", "Connection: \t close \t\r\n", Some("close"), false),
    close_in_a_list_closes("1.1", "Connection: TE, close, Upgrade\r\n", Some("close"), false),
    close_in_a_list_without_spaces_closes("1.1", "Connection: TE,close\r\n", Some("close"), false),
    close_in_a_list_with_empty_elements_closes("1.1", "Connection: ,, ,close,,\r\n", Some("close"), false),
    close_on_a_second_line_closes("1.1", "Connection: TE\r\nConnection: close\r\n", Some("close"), false),
    close_outweighs_keep_alive("1.1", "Connection: keep-alive, close\r\n", Some("close"), false),
    close_outweighs_keep_alive_behind_it(
        "1.1", "Connection: close\r\nConnection: keep-alive\r\n", Some("close"), false,
    ),
    a_longer_token_is_not_close("1.1", "Connection: closed\r\n", None, true),
    a_token_that_ends_in_close_is_not_close("1.1", "Connection: not-close\r\n", None, true),
    a_token_behind_a_space_is_not_close("1.1", "Connection: not close\r\n", None, true),
    close_in_another_field_is_nothing("1.1", "Proxy-Connection: close\r\nX-Connection: close\r\n", None, true),
    an_empty_list_is_nothing("1.1", "Connection:\r\n", None, true),
    empty_elements_are_nothing("1.1", "Connection: ,,, ,\r\n", None, true),
    empty_elements_among_others_are_nothing("1.1", "Connection: TE,,Keep-Alive\r\n", None, true),
    http_1_0_closes("1.0", "", Some("close"), false),
    http_1_0_with_keep_alive_stays("1.0", "Connection: keep-alive\r\n", Some("keep-alive"), true),
    http_1_0_with_keep_alive_in_any_case_stays("1.0", "Connection: Keep-Alive\r\n", Some("keep-alive"), true),
    http_1_0_with_keep_alive_in_a_list_stays("1.0", "Connection: TE, keep-alive\r\n", Some("keep-alive"), true),
    http_1_0_with_keep_alive_on_a_second_line_stays(
        "1.0", "Connection: TE\r\nConnection: keep-alive\r\n", Some("keep-alive"), true,
    ),
    http_1_0_with_keep_alive_and_close_closes("1.0", "Connection: keep-alive, close\r\n", Some("close"), false),
    http_1_0_with_another_token_closes("1.0", "Connection: keep-alives\r\n", Some("close"), false),
    http_1_0_with_the_field_of_that_name_only_closes("1.0", "Keep-Alive: timeout=5\r\n", Some("close"), false),
    http_1_0_with_close_closes("1.0", "Connection: close\r\n", Some("close"), false),
);

#[test]
fn http_1_0_needs_no_host() {
    let response = ask(server(), "GET /hello.txt HTTP/1.0\r\n\r\n");
    assert_eq!((response.status, response.content_text(), response.closes()), (200, "hello, world\n", true));
}

#[test]
fn http_1_0_without_a_host_stays_when_asked_to() {
    let response = ask(server(), "GET /hello.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!((response.status, response.closes()), (200, false));
}

/// An answer that is no error of framing leaves the connection as it was.
#[track_caller]
fn keeps(request: Vec<u8>, status: u16) {
    let response = ask(server(), request);
    assert_eq!((response.status, response.closes()), (status, false));
}

rows!(keeps:
    a_200_keeps(get("/hello.txt", ""), 200),
    a_200_of_an_empty_file_keeps(get("/empty.txt", ""), 200),
    a_200_of_a_large_file_keeps(get("/large.bin", ""), 200),
    a_200_to_head_keeps(request("HEAD", "/sparse-5g.bin", ""), 200),
    a_204_keeps(request("OPTIONS", "/", ""), 204),
    a_206_keeps(get("/hello.txt", "Range: bytes=0-1\r\n"), 206),
    a_206_of_several_parts_keeps(get("/digits.txt", "Range: bytes=0-1,4-5\r\n"), 206),
    a_304_keeps(get("/hello.txt", "If-None-Match: *\r\n"), 304),
    a_308_keeps(get("/dir", ""), 308),
    a_404_keeps(get("/missing", ""), 404),
    a_404_to_head_keeps(request("HEAD", "/missing", ""), 404),
    a_412_keeps(get("/hello.txt", "If-Match: \"other\"\r\n"), 412),
    a_416_keeps(get("/hello.txt", "Range: bytes=99-\r\n"), 416),
    an_empty_post_keeps(request("POST", "/hello.txt", "Content-Length: 0\r\n"), 405),
);

/// Asks for byte `index`, so that each answer tells which request it belongs to.
fn one_byte(index: usize) -> Vec<u8> {
    get("/large.bin", &format!("Range: bytes={index}-{index}\r\n"))
}

#[test]
fn a_hundred_requests_in_one_segment_are_answered_in_order() {
    let mut client = Client::connect(server());
    client.send((0..100).flat_map(|index| one_byte(index * 8 + 7)).collect::<Vec<u8>>());
    let answers: Vec<u8> = (0..100).map(|_| client.response("GET").content[0]).collect();
    // The last byte of the eight that hold the offset: see `patterned`.
    let expected: Vec<u8> = (0..100_usize).map(|index| (index * 8).to_be_bytes()[7]).collect();
    assert_eq!(answers, expected);
    assert!(client.has_nothing_to_read());
}

#[test]
fn a_thousand_requests_in_one_write_are_answered_in_order() {
    let mut client = Client::connect(server());
    client.send((0..1_000).flat_map(|index| one_byte(index * 8 + 6)).collect::<Vec<u8>>());
    for index in 0..1_000_usize {
        assert_eq!(client.response("GET").content, [(index * 8).to_be_bytes()[6]], "answer {index}");
    }
}

#[test]
fn requests_of_every_kind_in_one_segment_are_answered_in_order() {
    let kinds = [
        ("GET", "/hello.txt", "", 200),
        ("HEAD", "/hello.txt", "", 200),
        ("GET", "/missing", "", 404),
        ("HEAD", "/missing", "", 404),
        ("OPTIONS", "*", "", 204),
        ("GET", "/dir", "", 308),
        ("GET", "/hello.txt", "If-None-Match: *\r\n", 304),
        ("GET", "/hello.txt", "Range: bytes=1-2\r\n", 206),
        ("GET", "/digits.txt", "Range: bytes=1-2,4-5\r\n", 206),
        ("GET", "/hello.txt", "Range: bytes=50-\r\n", 416),
        ("DELETE", "/hello.txt", "", 405),
        ("HEAD", "/sparse-5g.bin", "", 200),
        ("GET", "/empty.txt", "", 200),
        ("GET", "/large.bin", "", 200),
        ("GET", "/digits.txt", "", 200),
    ];
    let mut client = Client::connect(server());
    for _ in 0..3 {
        client.send(
            kinds.iter().flat_map(|(method, target, fields, _)| request(method, target, fields)).collect::<Vec<u8>>(),
        );
        for (method, target, fields, status) in kinds {
            assert_eq!(client.response(method).status, status, "{method} {target} {fields}");
        }
    }
    assert!(client.has_nothing_to_read());
}

#[test]
fn large_files_in_one_segment_are_answered_whole_and_in_order() {
    let expected = patterned(LARGE_BYTES);
    let mut client = Client::connect(server());
    client.send([get("/large.bin", ""), get("/hello.txt", ""), get("/large.bin", ""), get("/digits.txt", "")].concat());
    assert!(client.response("GET").content == expected, "the first large file");
    assert_eq!(client.response("GET").content_text(), "hello, world\n");
    assert!(client.response("GET").content == expected, "the second large file");
    assert_eq!(client.response("GET").content.len(), 36);
}

#[test]
fn nothing_is_answered_behind_a_request_that_closes() {
    let requests = [
        get("/hello.txt", ""),
        get("/hello.txt", "Connection: close\r\n"),
        get("/digits.txt", ""),
        get("/digits.txt", ""),
    ];
    let answers: Vec<(u16, bool)> =
        exchange(server(), requests.concat()).iter().map(|response| (response.status, response.closes())).collect();
    assert_eq!(answers, [(200, false), (200, true)]);
}

#[test]
fn nothing_is_answered_behind_http_1_0() {
    let requests = [b"GET /hello.txt HTTP/1.0\r\n\r\n".to_vec(), get("/digits.txt", "")];
    assert_eq!(exchange(server(), requests.concat()).len(), 1);
}

#[test]
fn half_a_request_behind_a_whole_one_waits_for_its_rest() {
    let mut client = Client::connect(server());
    let next = get("/digits.txt", "");
    let (begin, rest) = next.split_at(10);
    client.send([&get("/hello.txt", ""), begin].concat());
    assert_eq!(client.response("GET").content_text(), "hello, world\n");
    client.send([rest, &get("/hello.txt", "")].concat());
    assert_eq!(client.response("GET").content.len(), 36);
    assert_eq!(client.response("GET").content_text(), "hello, world\n");
}

#[test]
fn five_hundred_requests_one_by_one_share_a_connection() {
    let mut client = Client::connect(server());
    for _ in 0..500 {
        assert_eq!(client.ask(get("/hello.txt", "")).content_text(), "hello, world\n");
    }
}
