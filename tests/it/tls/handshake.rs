//! The handshake, in pieces, half, broken and not at all.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, HandshakeKind, ProtocolVersion, SupportedProtocolVersion};

use super::site;
use crate::load::{self, Background, Silence, assert_took, plain_get};
use crate::support::tls::{End, TlsClient, client_config, hello, session, usual, wire_to_end};
use crate::support::{Client, PATIENCE, get, rows};

const HEAD_TIMEOUT: Duration = Duration::from_millis(500);
const IDLE_TIMEOUT: Duration = Duration::from_millis(1_200);

/// What the promise allows beyond a timeout.
const LATE_MAX: Duration = Duration::from_secs(1);

/// Clocks that tick in milliseconds on both sides.
const EARLY_MAX: Duration = Duration::from_millis(20);

const HASTY: [&str; 6] = ["--workers", "1", "--head-timeout", "500ms", "--idle-timeout", "1200ms"];

fn at(timeout: Duration) -> std::ops::Range<Duration> {
    timeout - EARLY_MAX..timeout + LATE_MAX
}

rows!(speaks:
    tls_1_3(&TLS13, ProtocolVersion::TLSv1_3),
    tls_1_2(&TLS12, ProtocolVersion::TLSv1_2),
);

fn speaks(version: &'static SupportedProtocolVersion, spoken: ProtocolVersion) {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut client = TlsClient::with(&server, client_config(&["http/1.1"], &[version]));
    assert_eq!(client.ask(plain_get("/hello.txt")).content, b"hello, world\n");
    assert_eq!(client.tls.protocol_version(), Some(spoken));
    assert_eq!(client.tls.alpn_protocol(), Some(b"http/1.1".as_slice()));
    let line = server.wait_for_stdout_line(PATIENCE, |line| line.contains("GET /hello.txt"));
    assert!(line.ends_with("\" 200 13"), "{line:?}");
}

// ------------------------------------------------------------------------------------------------------------ in pieces

/// The first flight in two segments, cut at every byte. The second is sent when the server has parked with the first:
/// by then a worker has answered another client behind it.
#[test]
fn a_hello_cut_anywhere_is_understood() {
    let (site, keys) = site();
    let server = keys.serve(&site, &["--workers", "1", "--access-log", "off"]);
    let mut other = TlsClient::connect(&server);
    let length = hello(&mut session(usual())).len();
    for cut in 1..length {
        let mut tls = session(usual());
        let flight = hello(&mut tls);
        let mut stream = load::wide(server.address());
        stream.write_all(&flight[..cut]).expect("the server takes the first part");
        assert_eq!(other.ask(plain_get("/hello.txt")).status, 200);
        stream.write_all(&flight[cut..]).expect("the server takes the rest");
        load::will_abort(&stream);
        let mut client = TlsClient::over(stream, tls);
        assert_eq!(client.ask(plain_get("/hello.txt")).content, b"hello, world\n", "cut at {cut} of {length}");
    }
}

/// A socket that sends every byte in a segment of its own.
struct Dripping(TcpStream);

impl Write for Dripping {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(&bytes[..bytes.len().min(1)])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Read for Dripping {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

#[test]
fn all_that_a_client_sends_may_come_byte_by_byte() {
    for version in [&TLS12, &TLS13] {
        let (site, keys) = site();
        let server = keys.serve(&site, &[]);
        let (mut tls, mut wire) = (session(client_config(&[], &[version])), Dripping(load::wide(server.address())));
        let mut stream = rustls::Stream::new(&mut tls, &mut wire);
        stream.write_all(&get("/hello.txt", "Connection: close\r\n")).expect("the server takes a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the server says when it is done");
        assert!(answer.ends_with(b"\r\n\r\nhello, world\n"), "{}", answer.escape_ascii());
    }
}

// ----------------------------------------------------------------------------------------------------------------- late

rows!(never_finishes:
    a_client_that_sends_one_byte_of_its_hello_is_ended(1, ""),
    a_client_that_sends_half_of_its_hello_is_ended(100, ""),
    a_client_that_drips_its_hello_gets_no_more_time(1, "drips"),
    a_client_that_never_finishes_is_ended(usize::MAX, ""),
);

fn never_finishes(count: usize, drips: &str) {
    let (site, keys) = site();
    let server = keys.serve(&site, &HASTY);
    let flight = hello(&mut session(usual()));
    let (now, later) = flight.split_at(count.min(flight.len()));
    let mut stream = load::wide(server.address());
    let since = Instant::now();
    stream.write_all(now).expect("the server takes it");
    if !drips.is_empty() {
        let mut drops = later.iter();
        while load::silence(&mut stream, HEAD_TIMEOUT / 10) == Silence::Open {
            stream.write_all(&[*drops.next().expect("it lasts longer than the timeout")]).expect("it was open");
            assert!(since.elapsed() < PATIENCE, "dripping is endless");
        }
    } else {
        // What the server has to say to a whole hello.
        wire_to_end(&mut stream, PATIENCE);
    }
    assert_took(since.elapsed(), at(HEAD_TIMEOUT));
}

#[test]
fn a_client_that_never_begins_is_idle() {
    let (site, keys) = site();
    let server = keys.serve(&site, &HASTY);
    let since = Instant::now();
    let mut stream = load::wide(server.address());
    assert_eq!(load::silence(&mut stream, PATIENCE), Silence::Closed);
    assert_took(since.elapsed(), at(IDLE_TIMEOUT));
}

/// Browsers open connections before they know what for: the time of the handshake is over, and that of the head has not
/// begun.
#[test]
fn a_client_that_has_shaken_hands_is_idle_and_its_head_has_its_own_time() {
    let (site, keys) = site();
    let server = keys.serve(&site, &HASTY);
    let mut client = TlsClient::connect(&server);
    client.shake_hands();
    // The pace of this client.
    thread::sleep(HEAD_TIMEOUT + HEAD_TIMEOUT / 2);
    client.send("GET /hello.txt HTTP/1.1\r\n");
    thread::sleep(HEAD_TIMEOUT / 5);
    client.send("Host: millpond.test\r\n\r\n");
    assert_eq!(client.response("GET").content, b"hello, world\n");
    let since = Instant::now();
    client.expect_end(End::CloseNotify);
    assert_took(since.elapsed(), at(IDLE_TIMEOUT));
}

#[test]
fn half_a_head_is_answered_408_at_its_deadline() {
    let (site, keys) = site();
    let server = keys.serve(&site, &HASTY);
    let mut client = TlsClient::connect(&server);
    let since = Instant::now();
    client.send("GET /hello.txt HTTP/1.1\r\n");
    assert_eq!(client.response("GET").status, 408);
    assert_took(since.elapsed(), at(HEAD_TIMEOUT));
    client.expect_end(End::CloseNotify);
}

/// One worker, and a hundred clients in the middle of their handshake.
#[test]
fn slow_handshakes_hold_no_worker() {
    let _alone = load::alone();
    let (site, keys) = site();
    let server = keys.serve(&site, &["--workers", "1"]);
    let flight = hello(&mut session(usual()));
    let slow: Vec<TcpStream> = (0..100)
        .map(|index| {
            let mut stream = load::wide(server.address());
            stream.write_all(&flight[..1 + index]).expect("the server takes it");
            stream
        })
        .collect();
    let mut client = TlsClient::connect(&server);
    for _ in 0..10 {
        let since = Instant::now();
        assert_eq!(client.ask(plain_get("/hello.txt")).status, 200);
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    }
    assert_eq!(load::connections(server.pid()), slow.len() + 1);
}

/// New connections without pause, and one that is kept: its answers come between the handshakes of the others.
#[test]
fn many_handshakes_hold_nobody_up() {
    let _alone = load::alone();
    let (site, keys) = site();
    let server = keys.serve(&site, &["--workers", "1", "--access-log", "off"]);
    let mut client = TlsClient::connect(&server);
    let address = server.address();
    let storm = move || {
        let sessions: Vec<_> = (0..16)
            .map(|_| {
                let mut stream = load::wide(address);
                stream.write_all(&hello(&mut session(usual()))).expect("the server takes it");
                load::will_abort(&stream);
                stream
            })
            .collect();
        for mut stream in sessions {
            assert!(matches!(stream.read(&mut [0; 16]), Ok(1..)), "every hello is answered");
        }
    };
    let _storm = Background::run(storm);
    let latencies = load::Latencies::of(50, || assert_eq!(client.ask(plain_get("/hello.txt")).status, 200));
    latencies.assert_within(Duration::from_millis(500), Duration::from_secs(2));
}

// ------------------------------------------------------------------------------------------------------------ something else

/// The record of a fatal alert: its type, the version, a length of two, the level, and what is wrong.
fn is_fatal_alert(bytes: &[u8]) -> bool {
    matches!(bytes, [21, 3, _, 0, 2, 2, _])
}

rows!(is_no_tls:
    zeros_get_an_alert(&[0; 64]),
    a_record_of_an_unknown_type_gets_an_alert(&[0xff, 3, 3, 0, 1, 0]),
    content_before_a_handshake_gets_an_alert(&[23, 3, 3, 0, 1, 0]),
    a_hello_of_ssl_2_gets_an_alert(b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x01\x00\x80\x03\x00\x80\x07\x00\xc0"),
    a_hello_that_says_nothing_gets_an_alert(&[22, 3, 1, 0, 4, 1, 0, 0, 0]),
    a_record_that_is_too_long_gets_an_alert(&[22, 3, 1, 0xff, 0xff, 1, 0, 0, 0]),
    a_handshake_that_begins_with_its_end_gets_an_alert(&[22, 3, 3, 0, 4, 20, 0, 0, 0]),
);

fn is_no_tls(bytes: &[u8]) {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut stream = load::wide(server.address());
    stream.write_all(bytes).expect("the server takes it");
    let answer = wire_to_end(&mut stream, PATIENCE);
    assert!(is_fatal_alert(&answer), "{}", answer.escape_ascii());
    assert_eq!(server.stdout().iter().filter(|byte| **byte == b'\n').count(), 1, "there was no request to log");
}

#[test]
fn garbage_without_end_is_cut_off() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut stream = load::wide(server.address());
    let since = Instant::now();
    while stream.write_all(&[0; 16 * 1024]).is_ok() {
        assert!(since.elapsed() < PATIENCE, "it goes on reading");
    }
    assert!(since.elapsed() < Duration::from_secs(4));
    assert_eq!(TlsClient::connect(&server).ask(plain_get("/hello.txt")).status, 200);
}

#[test]
fn a_session_that_breaks_gets_an_alert_and_no_answer() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut client = TlsClient::connect(&server);
    assert_eq!(client.ask(plain_get("/hello.txt")).status, 200);
    // A record that nobody has encrypted.
    client.stream.write_all(&[[23, 3, 3, 0, 32].as_slice(), &[7; 32]].concat()).expect("the server takes it");
    let error = rustls::Stream::new(&mut client.tls, &mut client.stream).read(&mut [0]).expect_err("an alert");
    let alert = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    assert_eq!(alert, Some(&rustls::Error::AlertReceived(AlertDescription::BadRecordMac)));
}

const USE_HTTPS: &str = "400 Bad Request: this port speaks TLS: use https://\n";

#[test]
fn plain_http_is_told_so_in_the_clear() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut client = Client::connect(&server);
    let response = client.ask("GET /hello.txt?a=b HTTP/1.1\r\nHost: millpond.test\r\n\r\n");
    assert_eq!((response.status, response.content_text(), response.closes()), (400, USE_HTTPS, true));
    assert_eq!(response.field("content-type"), "text/plain; charset=utf-8");
    client.expect_closed();
    let mut client = Client::connect(&server);
    let response = client.ask("HEAD / HTTP/1.0\r\n\r\n");
    assert_eq!((response.status, response.field("content-length").as_str()), (400, "52"));
    client.expect_closed();
    let line = server.wait_for_stdout_line(PATIENCE, |line| line.contains("\"GET /hello.txt"));
    assert!(line.ends_with("\"GET /hello.txt HTTP/1.1\" 400 52"), "{line:?}");
}

#[test]
fn half_a_head_in_the_clear_has_its_deadline_too() {
    let (site, keys) = site();
    let server = keys.serve(&site, &HASTY);
    let mut client = Client::connect(&server);
    let since = Instant::now();
    client.send("GET / HT");
    assert_eq!(client.response("GET").status, 408);
    assert_took(since.elapsed(), at(HEAD_TIMEOUT));
    client.expect_closed();
}

// ----------------------------------------------------------------------------------------------------------------- ALPN

#[test]
fn a_client_that_offers_nothing_speaks_http_1_1() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut client = TlsClient::with(&server, client_config(&[], rustls::ALL_VERSIONS));
    assert_eq!(client.ask(plain_get("/hello.txt")).status, 200);
    assert_eq!(client.tls.alpn_protocol(), None);
}

#[test]
fn of_several_protocols_it_takes_http_1_1() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut client = TlsClient::with(&server, client_config(&["h2", "http/1.1"], rustls::ALL_VERSIONS));
    assert_eq!(client.ask(plain_get("/hello.txt")).status, 200);
    assert_eq!(client.tls.alpn_protocol(), Some(b"http/1.1".as_slice()));
}

/// RFC 7301 §3.2.
#[test]
fn who_offers_only_h2_is_refused_with_the_alert_for_it() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut client = TlsClient::with(&server, client_config(&["h2"], rustls::ALL_VERSIONS));
    let error = client.try_send(plain_get("/hello.txt")).expect_err("there is no such protocol here");
    let alert = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    assert_eq!(alert, Some(&rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)));
}

// ---------------------------------------------------------------------------------------------------------- resumption

rows!(resumes:
    a_session_of_tls_1_3_is_resumed(&TLS13),
    a_session_of_tls_1_2_is_resumed(&TLS12),
);

fn resumes(version: &'static SupportedProtocolVersion) {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let config = client_config(&["http/1.1"], &[version]);
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
        let mut client = TlsClient::with(&server, config.clone());
        assert_eq!(client.ask(plain_get("/hello.txt")).status, 200);
        assert_eq!(client.tls.handshake_kind(), Some(expected));
        client.finish_sending();
        client.expect_end(End::CloseNotify);
    }
}

/// RFC 8446 §8: it could be sent again by who overheard it.
#[test]
fn early_data_is_not_invited() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut config = (*client_config(&["http/1.1"], &[&TLS13])).clone();
    config.enable_early_data = true;
    let config = Arc::new(config);
    let mut first = TlsClient::with(&server, config.clone());
    assert_eq!(first.ask(plain_get("/hello.txt")).status, 200);
    let mut second = TlsClient::with(&server, config);
    assert!(second.tls.early_data().is_none());
    assert_eq!(second.ask(plain_get("/hello.txt")).status, 200);
    assert_eq!(second.tls.handshake_kind(), Some(HandshakeKind::Resumed));
}
