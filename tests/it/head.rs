//! Whole response heads: for each kind of answer, every field it has and no other.
//!
//! RFC 9110 §6.6.1 (Date), §8 (representation fields), §9.3.2 (HEAD), §15 (what each status asks for).

use std::time::{Duration, SystemTime};

use crate::support::{Client, DATED, Response, Server, ask, common, get, request, rows, server};

/// What stands for a value that is checked elsewhere, or can't be known here.
const ANY: &str = "*";

/// The answer has exactly these fields, in any order; `Date` and the optional `Server` go without saying.
#[track_caller]
fn has_exactly(response: &Response, expected: &[(&str, &str)]) {
    let unsaid = ["date", "server"];
    let mut found: Vec<(String, String)> = response
        .fields
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), String::from_utf8_lossy(value).into_owned()))
        .filter(|(name, _)| !unsaid.contains(&name.as_str()))
        .collect();
    let mut expected: Vec<(String, String)> =
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    found.sort();
    expected.sort();
    let any = |name: &str| expected.iter().any(|(expected, value)| expected == name && value == ANY);
    for (_, value) in found.iter_mut().filter(|(name, _)| any(name)) {
        ANY.clone_into(value);
    }
    assert_eq!(found, expected, "status {}", response.status);
}

/// The date is one, in the only format that may be generated, and it is now.
#[track_caller]
fn has_a_date_of_now(response: &Response) {
    let text = response.field("date");
    let date = httpdate::parse_http_date(&text).expect("an HTTP date");
    assert_eq!(httpdate::fmt_http_date(date), text, "in the form of RFC 9110 §5.6.7");
    let distance = SystemTime::now().duration_since(date).unwrap_or_else(|future| future.duration());
    assert!(distance < Duration::from_secs(30), "{text} is {distance:?} from now");
}

/// The head that a request gets: its status line, and all of its fields.
#[track_caller]
fn whole_head(request: Vec<u8>, status_line: &str, expected: &[(&str, &str)]) {
    let response = ask(server(), request);
    assert_eq!(format!("{} {} {}", response.version, response.status, response.reason), status_line);
    has_a_date_of_now(&response);
    has_exactly(&response, expected);
}

/// The fields of a file, as any 200 or 206 to it has them.
const HELLO: [(&str, &str); 7] = [
    ("accept-ranges", "bytes"),
    ("cache-control", "no-cache"),
    ("content-type", "text/plain; charset=utf-8"),
    ("etag", ANY),
    ("last-modified", ANY),
    ("vary", "Accept-Encoding"),
    ("x-content-type-options", "nosniff"),
];

/// The fields of an answer with a sentence in it.
const SENTENCE: [(&str, &str); 3] =
    [("content-length", ANY), ("content-type", "text/plain; charset=utf-8"), ("x-content-type-options", "nosniff")];

fn and<'f>(fields: &[(&'f str, &'f str)], more: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    [fields, more].concat()
}

fn current_etag(target: &str) -> String {
    ask(server(), get(target, "")).field("etag")
}

rows!(whole_head:
    a_get_of_a_file_is_200(get("/hello.txt", ""), "HTTP/1.1 200 OK", &and(&HELLO, &[("content-length", "13")])),
    a_head_of_a_file_is_200(
        request("HEAD", "/hello.txt", ""), "HTTP/1.1 200 OK", &and(&HELLO, &[("content-length", "13")]),
    ),
    a_get_that_closes_says_so(get("/hello.txt", "Connection: close\r\n"), "HTTP/1.1 200 OK",
        &and(&HELLO, &[("content-length", "13"), ("connection", "close")])),
    an_empty_file_is_200_with_a_length_of_0(
        get("/empty.txt", ""), "HTTP/1.1 200 OK", &and(&HELLO, &[("content-length", "0")]),
    ),
    the_date_of_a_file_is_its_modification(get("/dated.txt", ""), "HTTP/1.1 200 OK",
        &and(&HELLO[..4], &[("last-modified", DATED), HELLO[5], HELLO[6], ("content-length", "10")])),
    a_range_is_206_with_all_the_fields_of_a_200(get("/hello.txt", "Range: bytes=7-11\r\n"), "HTTP/1.1 206 Partial Content",
        &and(&HELLO, &[("content-length", "5"), ("content-range", "bytes 7-11/13")])),
    a_range_beyond_the_end_is_416(get("/hello.txt", "Range: bytes=13-\r\n"), "HTTP/1.1 416 Range Not Satisfiable",
        &and(&SENTENCE, &[("content-range", "bytes */13"), ("vary", "Accept-Encoding")])),
    a_directory_without_its_slash_is_308(get("/dir", ""), "HTTP/1.1 308 Permanent Redirect",
        &and(&SENTENCE, &[("location", "/dir/"), ("cache-control", "no-cache")])),
    what_does_not_exist_is_404(get("/missing", ""), "HTTP/1.1 404 Not Found", &SENTENCE),
    a_method_that_no_file_takes_is_405(request("DELETE", "/hello.txt", ""), "HTTP/1.1 405 Method Not Allowed",
        &and(&SENTENCE, &[("allow", "GET, HEAD, OPTIONS")])),
    a_method_that_nobody_knows_is_501(request("BREW", "/hello.txt", ""), "HTTP/1.1 501 Not Implemented", &SENTENCE),
    options_of_a_file_is_204(request("OPTIONS", "/hello.txt", ""), "HTTP/1.1 204 No Content",
        &[("allow", "GET, HEAD, OPTIONS")]),
    options_of_the_server_is_204(request("OPTIONS", "*", ""), "HTTP/1.1 204 No Content",
        &[("allow", "GET, HEAD, OPTIONS")]),
    a_request_without_host_is_400(b"GET / HTTP/1.1\r\n\r\n".to_vec(), "HTTP/1.1 400 Bad Request",
        &and(&SENTENCE, &[("connection", "close")])),
    another_version_is_505(b"GET / HTTP/2.0\r\nHost: h\r\n\r\n".to_vec(), "HTTP/1.1 505 HTTP Version Not Supported",
        &and(&SENTENCE, &[("connection", "close")])),
    a_failed_precondition_is_412(
        get("/hello.txt", "If-Match: \"other\"\r\n"), "HTTP/1.1 412 Precondition Failed",
        &and(&SENTENCE, &[("vary", "Accept-Encoding")]),
    ),
);

/// RFC 9110 §15.4.5: the fields of the 200 that guide a cache, and nothing that describes content which isn't there.
#[test]
fn a_304_has_the_fields_that_guide_a_cache_and_no_others() {
    let etag = current_etag("/hello.txt");
    let response = ask(server(), get("/hello.txt", &format!("If-None-Match: {etag}\r\n")));
    assert_eq!((response.status, response.reason.as_str()), (304, "Not Modified"));
    has_a_date_of_now(&response);
    assert_eq!(response.field("etag"), etag);
    assert_eq!(response.field("cache-control"), "no-cache");
    for absent in ["content-type", "content-range", "content-encoding", "accept-ranges"] {
        assert!(!response.has(absent), "{absent} in {:?}", response.fields);
    }
    // A length is allowed if it is that of the 200 (RFC 9110 §8.6).
    assert_eq!(response.optional("content-length").unwrap_or("13".to_owned()), "13");
}

/// RFC 9110 §9.3.2: HEAD has the fields of GET, whatever the answer is; and never content (the client would panic).
#[track_caller]
fn head_is_get_without_content(target: &str, more_fields: &str) {
    let fields = |method: &str| {
        let mut response = ask(server(), request(method, target, more_fields));
        response.fields.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
        (response.status, response.reason, response.fields)
    };
    assert_eq!(fields("HEAD"), fields("GET"));
}

rows!(head_is_get_without_content:
    head_of_a_file("/hello.txt", ""),
    head_of_an_empty_file("/empty.txt", ""),
    head_of_an_index("/", ""),
    head_of_a_directory_without_its_slash("/dir?query", ""),
    head_of_a_directory_without_an_index("/empty-dir/", ""),
    head_of_what_does_not_exist("/missing", ""),
    head_with_an_expectation_that_fails("/hello.txt", "Expect: more\r\n"),
    head_with_a_failed_precondition("/hello.txt", "If-Match: \"other\"\r\n"),
    head_with_a_precondition_that_says_not_modified("/hello.txt", "If-None-Match: *\r\n"),
    head_that_closes("/hello.txt", "Connection: close\r\n"),
);

/// RFC 9110 §9.3.2 knows no exception: a request that begins with `HEAD ` gets a head, however little of the rest can
/// be read.
#[track_caller]
fn a_refused_head_has_no_content(head: impl AsRef<[u8]>, status: u16) {
    let mut client = Client::connect(server());
    client.send(head);
    let response = client.head();
    assert_eq!((response.status, response.closes()), (status, true));
    client.expect_closed();
}

rows!(a_refused_head_has_no_content:
    head_with_a_broken_escape("HEAD /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    head_above_the_root("HEAD /../x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    head_of_a_star("HEAD * HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    head_without_a_host("HEAD / HTTP/1.1\r\n\r\n", 400),
    head_with_two_hosts("HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    head_with_two_lengths("HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 400),
    head_with_an_unknown_coding("HEAD / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    head_in_another_version("HEAD / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    head_with_a_bad_field_line("HEAD / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
    head_with_line_feeds("HEAD / HTTP/1.1\nHost: h\n\n", 400),
    head_with_too_many_field_lines(request("HEAD", "/", &"X: y\r\n".repeat(200)), 431),
    head_behind_empty_lines_with_a_broken_escape("\r\n\r\nHEAD /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    head_that_is_too_large(request("HEAD", "/", &format!("X: {}\r\n", "x".repeat(20_000))), 431),
    head_with_a_target_that_is_too_long(request("HEAD", &format!("/{}", "x".repeat(20_000)), ""), 414),
);

#[test]
fn head_that_comes_too_slowly_has_no_content() {
    let server = Server::start(common().site.root(), &["--head-timeout", "200ms", "--access-log", "off"]);
    let mut client = Client::connect(&server);
    client.send("HEAD / HTTP/1.1\r\nHost: h\r\n");
    assert_eq!(client.head().status, 408);
    client.expect_closed();
}

#[test]
fn head_of_5_gib_has_the_whole_length_and_no_content() {
    let response = ask(server(), request("HEAD", "/sparse-5g.bin", ""));
    assert_eq!((response.status, response.field("content-length").as_str()), (200, "5368709120"));
}

/// RFC 9110 §6.6.1: an origin server with a clock dates everything but a 5xx, where it may; ours dates that too.
#[track_caller]
fn is_dated(request: Vec<u8>, status: u16) {
    let response = ask(server(), request);
    assert_eq!(response.status, status);
    has_a_date_of_now(&response);
}

rows!(is_dated:
    a_head_that_is_too_large_gets_a_date(get("/", &format!("X: {}\r\n", "x".repeat(17_000))), 431),
    an_expectation_that_fails_gets_a_date(get("/", "Expect: the impossible\r\n"), 417),
    a_coding_that_is_unknown_gets_a_date(get("/", "Transfer-Encoding: gzip, chunked\r\n"), 501),
);

/// A date that is kept from answer to answer is never more than a second old, whichever worker gives it (row G9 of
/// tests/threats.md).
#[test]
fn a_date_is_never_more_than_a_second_old() {
    const ACROSS_TWO_SECONDS: Duration = Duration::from_millis(2_100);
    let server = Server::start(common().site.root(), &["--workers", "4", "--access-log", "off"]);
    let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(&server)).collect();
    let (begun, mut dates) = (SystemTime::now(), std::collections::HashSet::new());
    while begun.elapsed().is_ok_and(|elapsed| elapsed < ACROSS_TWO_SECONDS) {
        for client in &mut clients {
            let before = SystemTime::now();
            let text = client.ask(get("/hello.txt", "")).field("date");
            let date = httpdate::parse_http_date(&text).expect("an HTTP date");
            assert!(before - Duration::from_secs(1) <= date && date <= SystemTime::now(), "{text} at {before:?}");
            dates.insert(text);
        }
    }
    assert!(dates.len() >= 3, "two seconds have passed: {dates:?}");
}
