//! However a stream of requests is cut into segments, the answers are those to the whole.
//!
//! The first part of a cut stream is sent behind a request whose answer is waited for: as both came in one segment, the
//! server has then read that part and parked with it, without a sleep. DESIGN.md §3.1, §3.5; threats.md H15, H21.

use std::thread;
use std::time::{Duration, Instant};

use rustix::net::SendFlags;
use rustix::process::Signal;

use crate::load;
use crate::support::{Client, Response, Server, common, get, request, server, show};

/// What is sent before a first part, in the same segment.
fn probe() -> Vec<u8> {
    request("OPTIONS", "*", "")
}

/// The answers with the one value taken out that may differ: the date.
fn undated(mut response: Response) -> Response {
    response.fields.retain(|(name, _)| !name.eq_ignore_ascii_case("date"));
    response.raw_head.clear();
    response
}

/// The answers to these methods, in order.
fn answers(client: &mut Client, methods: &[&str]) -> Vec<Response> {
    methods.iter().map(|method| undated(client.response(method))).collect()
}

/// Requests of every shape, with empty lines between some, that leave the connection open.
fn lasting_stream() -> (Vec<u8>, Vec<&'static str>) {
    let requests = [
        ("GET", get("/hello.txt", "")),
        ("HEAD", request("HEAD", "/digits.txt", "Range: bytes=1-2\r\n")),
        ("GET", [b"\r\n".as_slice(), &get("/digits.txt", "Range: bytes=5-10\r\n")].concat()),
        ("GET", get("/dir?q=%41", "Connection: TE, keep-alive\r\n")),
        ("GET", get("/hello.txt", "If-Match: \"a\", W/\"b\", \"c,d\"\r\nIf-Match: \"e\"\r\n")),
        ("GET", [b"\r\n\r\n".as_slice(), &get("/missing%20file", "X:\t y \r\n")].concat()),
        ("GET", b"GET /hello.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_vec()),
        ("DELETE", request("DELETE", "/hello.txt", "Content-Length: 0\r\n")),
        ("GET", get("http://other.test/digits.txt", "Range: bytes=0-1,4-5\r\n")),
        ("OPTIONS", request("OPTIONS", "*", "")),
    ];
    let methods = requests.iter().map(|(method, _)| *method).collect();
    (requests.into_iter().flat_map(|(_, bytes)| bytes).collect(), methods)
}

/// The boundary of a multipart may be another every time: the type and content of such an answer are compared without
/// it.
fn without_boundary(mut response: Response) -> Response {
    let content_type = response.optional("content-type").unwrap_or_default();
    if let Some(boundary) = content_type.strip_prefix("multipart/byteranges; boundary=") {
        response.content = response.content_text().replace(boundary, "boundary").into_bytes();
        response.fields.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    }
    response
}

#[test]
fn a_stream_cut_anywhere_gets_the_answers_of_the_whole() {
    let (stream, methods) = lasting_stream();
    let mut client = Client::connect(server());
    client.send(&stream);
    let expected: Vec<_> = answers(&mut client, &methods).into_iter().map(without_boundary).collect();
    assert_eq!(
        expected.iter().map(|answer| answer.status).collect::<Vec<_>>(),
        [200, 200, 206, 308, 412, 404, 200, 405, 206, 204]
    );
    for cut in 0..=stream.len() {
        let (first, rest) = stream.split_at(cut);
        client.send([&probe(), first].concat());
        assert_eq!(client.response("OPTIONS").status, 204);
        client.send(rest);
        let found: Vec<_> = answers(&mut client, &methods).into_iter().map(without_boundary).collect();
        assert_eq!(found, expected, "cut at {cut}: {} | {}", show(first), show(rest));
    }
}

#[test]
fn a_stream_cut_in_three_gets_the_answers_of_the_whole() {
    // The middle part is short: it begins and ends within one line end, name or value.
    let stream = [get("/hello.txt", "X: y\r\n"), get("/digits.txt", "")].concat();
    let mut client = Client::connect(server());
    for cut in 0..stream.len() {
        for length in 1..=4.min(stream.len() - cut) {
            let parts = [&stream[..cut], &stream[cut..cut + length], &stream[cut + length..]];
            client.send([&probe(), parts[0]].concat());
            assert_eq!(client.response("OPTIONS").status, 204);
            client.send(parts[1]);
            client.send(parts[2]);
            let found: Vec<_> =
                answers(&mut client, &["GET", "GET"]).into_iter().map(|answer| answer.content.len()).collect();
            assert_eq!(found, [13, 36], "cut at {cut} and {length} behind it");
        }
    }
}

#[test]
fn a_stream_in_single_bytes_gets_the_answers_of_the_whole() {
    let (stream, methods) = lasting_stream();
    let mut client = Client::connect(server());
    client.send(&stream);
    let expected: Vec<_> = answers(&mut client, &methods).into_iter().map(without_boundary).collect();
    let mut dripping = Client::connect(server());
    let mut found = Vec::new();
    for byte in &stream {
        dripping.send([*byte]);
        // Gives the other side a chance to see the byte alone; whether it takes it is all the same.
        thread::yield_now();
    }
    found.extend(answers(&mut dripping, &methods).into_iter().map(without_boundary));
    assert_eq!(found, expected);
}

/// A head as large as allowed, byte by byte: read as one, and in a time that does not grow with the square (threats.md
/// H15).
#[test]
fn a_large_head_in_single_bytes_is_one_head() {
    let fields = format!("X: {}\r\n", "x".repeat(16_000));
    let mut client = Client::connect(server());
    for byte in get("/hello.txt", &fields) {
        client.send([byte]);
    }
    assert_eq!(client.response("GET").content_text(), "hello, world\n");
}

/// A read stops short at urgent data (tcp(7)) although more has come behind it, which no other event will tell of. The
/// urgent byte itself isn't part of the stream.
#[test]
fn a_stream_with_urgent_data_anywhere_in_it_waits_for_no_deadline() {
    let stream = [get("/hello.txt", ""), get("/digits.txt", "")].concat();
    let server = Server::start(common().site.root(), &["--workers", "1", "--access-log", "off"]);
    for cut in (0..stream.len()).step_by(7) {
        let mut client = Client::connect(&server);
        client.send(probe());
        assert_eq!(client.response("OPTIONS").status, 204);
        // So that all of it has come before the first read.
        load::stop(&server);
        client.send(&stream[..cut]);
        assert_eq!(rustix::net::send(client.stream(), b"!", SendFlags::OOB), Ok(1));
        client.send(&stream[cut..]);
        let since = Instant::now();
        server.signal(Signal::CONT);
        let found: Vec<_> =
            answers(&mut client, &["GET", "GET"]).into_iter().map(|answer| answer.content.len()).collect();
        assert_eq!(found, [13, 36], "cut at {cut}");
        load::assert_took(since.elapsed(), Duration::ZERO..Duration::from_secs(2));
    }
}

/// Streams that end in a refusal: the same status wherever they are cut, and nothing behind it is answered.
#[test]
fn a_refused_stream_cut_anywhere_is_refused_alike() {
    const BEHIND: &str = "GET /hello.txt HTTP/1.1\r\nHost: behind\r\n\r\n";
    let refused = [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: h\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET /../x HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET / HTTP/1.10\r\nHost: h\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("GET /\r\n\r\n", 400),
        ("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 41\r\n\r\n", 405),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 200),
    ];
    for (request, status) in refused {
        let stream = [request, BEHIND].concat();
        for cut in 0..=request.len() {
            let (first, rest) = stream.split_at(cut);
            let mut client = Client::connect(server());
            client.send([&probe(), first.as_bytes()].concat());
            assert_eq!(client.response("OPTIONS").status, 204);
            // What came may have been refused already.
            let _ = client.try_send(rest);
            let response = client.response("GET");
            assert_eq!((response.status, response.closes()), (status, true), "{first:?} | {rest:?}");
            client.expect_closed();
        }
    }
}
