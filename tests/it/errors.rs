//! Answers that are no file: the sentence in them, what they must not give away, and the fields that the operator adds
//! to all.
//!
//! RFC 9110 §15.5, §15.6; threats.md P18, D2, D6, D9, H18; the option `--header`.

use crate::support::{Client, Response, Server, Site, ask, common, exchange, find, get, request, rows, server};

/// A request, and the status that it gets on the shared site: one for each answer there is.
fn one_of_each() -> Vec<(Vec<u8>, u16)> {
    vec![
        (get("/hello.txt", ""), 200),
        (request("HEAD", "/hello.txt", ""), 200),
        (get("/", ""), 200),
        (get("/sparse-5g.bin", "Range: bytes=-4\r\n"), 206),
        (get("/digits.txt", "Range: bytes=0-1,4-5\r\n"), 206),
        (request("OPTIONS", "*", ""), 204),
        (request("OPTIONS", "/hello.txt", ""), 204),
        (get("/hello.txt", "If-None-Match: *\r\n"), 304),
        (request("HEAD", "/hello.txt", "If-None-Match: *\r\n"), 304),
        (get("/dir", ""), 308),
        (get("/%zz", ""), 400),
        (get("/../x", ""), 400),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 400),
        (b"\x16\x03\x01".to_vec(), 400),
        (b"GET / HTTP/1.1\nHost: h\n\n".to_vec(), 400),
        (request("POST", "/", "Content-Length: 1\r\nContent-Length: 2\r\n"), 400),
        (get("/missing", ""), 404),
        (get("/.hidden", ""), 404),
        (get("/special/fifo", ""), 404),
        (get("/links/out-absolute", ""), 404),
        (get("/x%2fy", ""), 404),
        (request("POST", "/hello.txt", ""), 405),
        (request("CONNECT", "a:1", ""), 405),
        (get("/hello.txt", "If-Match: \"other\"\r\n"), 412),
        (format!("GET /{} HTTP/1.1\r\n", "x".repeat(20_000)).into_bytes(), 414),
        (get("/hello.txt", "Range: bytes=99-\r\n"), 416),
        (get("/", "Expect: more\r\n"), 417),
        (get("/", &format!("X: {}\r\n", "x".repeat(20_000))), 431),
        (get("/", &"X: y\r\n".repeat(200)), 431),
        (request("BREW", "/", ""), 501),
        (request("POST", "/", "Transfer-Encoding: gzip, chunked\r\n"), 501),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n".to_vec(), 505),
    ]
}

/// Every answer there is, with the status it should have.
fn answers_of(server: &Server) -> impl Iterator<Item = Response> + use<'_> {
    one_of_each().into_iter().map(|(request, status)| {
        let response = ask(server, &request);
        assert_eq!(response.status, status, "{}", request[..request.len().min(80)].escape_ascii());
        response
    })
}

#[test]
fn no_answer_tells_where_the_root_is() {
    let root = common().site.root();
    let parts = [root.to_str().expect("a temporary directory has a plain name"), "millpond-it-", "/tmp/"];
    for response in answers_of(server()) {
        for part in parts {
            assert_eq!(find(&response.raw_head, part.as_bytes()), None, "{part} in the head of a {}", response.status);
            assert_eq!(
                find(&response.content, part.as_bytes()),
                None,
                "{part} in the content of a {}",
                response.status
            );
        }
    }
}

#[test]
fn no_error_says_what_the_operating_system_said() {
    let words = [
        "No such file",
        "os error",
        "ENOENT",
        "Permission denied",
        "Not a directory",
        "Too many levels",
        "Invalid cross-device",
    ];
    for response in answers_of(server()).filter(|response| response.status >= 400) {
        for word in words {
            assert_eq!(find(&response.content, word.as_bytes()), None, "{word} in a {}", response.status);
        }
    }
}

#[test]
fn no_answer_is_sniffed() {
    for response in answers_of(server()) {
        // Where there is no content, there is nothing to sniff.
        if ![204, 304].contains(&response.status) {
            assert_eq!(response.field("x-content-type-options"), "nosniff", "{}", response.status);
        }
    }
}

#[test]
fn every_error_is_a_short_sentence_of_plain_text() {
    for (request, status) in
        one_of_each().into_iter().filter(|(request, status)| *status >= 400 && !request.starts_with(b"HEAD"))
    {
        let response = ask(server(), request);
        let text = response.content_text();
        assert_eq!(response.field("content-type"), "text/plain; charset=utf-8", "{status}");
        assert!(
            text.ends_with('\n') && text.trim().len() > 3 && text.len() < 512 && text.is_ascii(),
            "{status}: {text:?}"
        );
    }
}

/// Nothing that a client sent comes back in a head, decoded or not (threats.md H18), nor as markup.
#[track_caller]
fn not_echoed(request: &str) {
    let response = ask(server(), request);
    for sent in ["Injected", "<script", "injected"] {
        assert_eq!(find(&response.raw_head, sent.as_bytes()), None, "{sent} in the head");
        assert_eq!(find(&response.content, sent.as_bytes()), None, "{sent} in the content");
    }
}

rows!(not_echoed:
    a_name_that_does_not_exist("GET /%0d%0aInjected:%201/%3Cscript%3E HTTP/1.1\r\nHost: h\r\n\r\n"),
    a_name_in_clear("GET /Injected HTTP/1.1\r\nHost: h\r\n\r\n"),
    a_host("GET / HTTP/1.1\r\nHost: Injected\r\n\r\n"),
    a_bad_host("GET / HTTP/1.1\r\nHost: <script>Injected\r\n\r\n"),
    a_method("Injected / HTTP/1.1\r\nHost: h\r\n\r\n"),
    a_version("GET / HTTP/Injected\r\nHost: h\r\n\r\n"),
    a_field_name("GET / HTTP/1.1\r\nHost: h\r\nInjected<: x\r\n\r\n"),
    an_expectation("GET / HTTP/1.1\r\nHost: h\r\nExpect: Injected\r\n\r\n"),
    a_length("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: Injected\r\n\r\n"),
    a_coding("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Injected\r\n\r\n"),
    a_range("GET /hello.txt HTTP/1.1\r\nHost: h\r\nRange: Injected=0-1\r\n\r\n"),
    a_broken_escape("GET /Injected%zz HTTP/1.1\r\nHost: h\r\n\r\n"),
    a_trace("TRACE /hello.txt HTTP/1.1\r\nHost: h\r\nX: Injected\r\n\r\n"),
);

#[test]
fn a_field_of_the_operator_is_on_every_answer() {
    let arguments =
        ["--header", "X-Operator: one, two", "--header", "Referrer-Policy: no-referrer", "--access-log", "off"];
    let server = Server::start(common().site.root(), &arguments);
    for response in answers_of(&server) {
        let found = (response.field("x-operator"), response.field("referrer-policy"));
        assert_eq!(found, ("one, two".to_owned(), "no-referrer".to_owned()), "{}", response.status);
    }
}

#[test]
fn a_field_of_the_operator_is_on_an_answer_to_a_head_that_came_too_slowly() {
    let server = Server::start(
        common().site.root(),
        &["--header", "X-Operator: one", "--head-timeout", "200ms", "--access-log", "off"],
    );
    let mut client = Client::connect(&server);
    client.send("GET / HTTP/1.1\r\n");
    let response = client.response("GET");
    assert_eq!((response.status, response.field("x-operator").as_str()), (408, "one"));
    client.expect_closed();
}

/// The operator's field stands in the place of the server's own: one line, with the operator's value.
#[track_caller]
fn replaces(header: &str, name: &str, value: &str) {
    let server = Server::start(common().site.root(), &["--header", header, "--access-log", "off"]);
    for response in answers_of(&server) {
        assert_eq!(response.field(name), value, "{}", response.status);
    }
}

rows!(replaces:
    the_operator_says_how_long_to_keep("Cache-Control: public, max-age=3600", "cache-control", "public, max-age=3600"),
    the_operator_says_it_in_any_case("cache-CONTROL: no-store", "cache-control", "no-store"),
    the_operator_names_the_server("Server: mill", "server", "mill"),
    the_operator_allows_sniffing("X-Content-Type-Options: off", "x-content-type-options", "off"),
    the_operator_sends_an_empty_field("X-Empty:", "x-empty", ""),
    the_operator_sends_a_value_with_colons("X-Colons: a:b: c", "x-colons", "a:b: c"),
);

/// RFC 9110 §6.4.1: no content with HEAD, 204 and 304 (the client would find it before the next answer), pipelined to
/// the last byte.
#[test]
fn answers_without_content_leave_the_framing_right() {
    let mut requests: Vec<Vec<u8>> = Vec::new();
    for _ in 0..20 {
        requests.push(request("HEAD", "/hello.txt", ""));
        requests.push(request("HEAD", "/hello.txt", "If-None-Match: *\r\n"));
        requests.push(get("/hello.txt", "If-None-Match: *\r\n"));
        requests.push(request("HEAD", "/missing", ""));
        requests.push(request("HEAD", "/dir", ""));
        requests.push(request("HEAD", "/hello.txt", "If-Match: \"other\"\r\n"));
        requests.push(request("OPTIONS", "/hello.txt", ""));
        requests.push(get("/hello.txt", ""));
    }
    requests.push(request("HEAD", "/hello.txt", "Connection: close\r\n"));
    let statuses: Vec<u16> = exchange(server(), requests.concat()).iter().map(|response| response.status).collect();
    let mut expected = [200, 304, 304, 404, 308, 412, 204, 200].repeat(20);
    expected.push(200);
    assert_eq!(statuses, expected);
}

/// A server on nothing at all still answers.
#[test]
fn an_empty_root_is_answered() {
    let site = Site::new();
    for (option, status) in [("--hidden", 200), ("--no-listing", 404)] {
        let server = Server::start(site.root(), &["--access-log", "off", option]);
        assert_eq!(ask(&server, get("/", "")).status, status);
        assert_eq!(ask(&server, request("OPTIONS", "*", "")).status, 204);
    }
}
