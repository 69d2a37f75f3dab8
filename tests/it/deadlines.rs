//! Every wait has an end: a head, an idle connection and a response each have a deadline, and nobody gets more time by
//! dripping.
//!
//! *Invariants:* 3 and 5 of DESIGN.md §3; rows C1, C2, C5, C6 and C11 of threats.md, promises 2 to 4. The timeouts are
//! options of the command line, so that no test waits for ten seconds. Here time itself is what is tested: pauses are
//! the pace of a client.
//!
//! RFC 9110 §15.5.9: a 408 is sent with `Connection: close`.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::load::{self, ASK_FOR_OPTIONS, DOWNLOAD, Download, Latencies, Silence, assert_took, plain_get, site};
use crate::support::{Client, PATIENCE, Response, Server, Site, patterned, rows};

const HEAD_TIMEOUT: Duration = Duration::from_millis(500);
const IDLE_TIMEOUT: Duration = Duration::from_millis(1_200);
const STALL_TIMEOUT: Duration = Duration::from_millis(1_000);

/// What the promise allows beyond a timeout.
const LATE_MAX: Duration = Duration::from_secs(1);

/// Clocks that tick in milliseconds on both sides.
const EARLY_MAX: Duration = Duration::from_millis(20);

fn serve(site: &Site) -> Server {
    let args = ["--workers", "1", "--head-timeout", "500ms", "--idle-timeout", "1200ms", "--stall-timeout", "1s"];
    Server::start(site.root(), &args)
}

fn at(timeout: Duration) -> std::ops::Range<Duration> {
    timeout - EARLY_MAX..timeout + LATE_MAX
}

// ------------------------------------------------------------------------------------------------------------ the head

rows!(drip:
    a_head_whose_first_byte_is_all_that_comes_is_timed_out("G", ""),
    a_head_dripped_byte_by_byte_is_timed_out("G", "ET /hello.txt HTTP/1.1\r\nHost: millpond.test\r\n"),
    a_head_dripped_in_field_lines_is_timed_out(
        "GET /hello.txt HTTP/1.1\r\nHost: millpond.test\r\n",
        "X: 1\r\nX: 2\r\nX: 3\r\nX: 4\r\n",
    ),
    a_head_that_lacks_its_last_byte_is_timed_out("GET /hello.txt HTTP/1.1\r\nHost: millpond.test\r\n\r", ""),
);

/// Sends the first bytes at once and the others one by one, ten in each head timeout, over and over: none of them moves
/// the deadline.
fn drip(first: &str, dripped: &str) {
    let site = site();
    let server = serve(&site);
    let mut client = Client::connect(&server);
    let since = Instant::now();
    client.send(first);
    let mut drops = dripped.bytes().cycle();
    client.stream().set_read_timeout(Some(HEAD_TIMEOUT / 10)).expect("a time that is not zero");
    while client.stream().peek(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
        if let Some(byte) = drops.next() {
            client.send([byte]);
        }
        assert!(since.elapsed() < PATIENCE, "no answer to a dripped head");
    }
    assert_took(since.elapsed(), at(HEAD_TIMEOUT));
    client.stream().set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
    assert_is_408(&client.response("GET"));
    // FIN, with nothing lost to a reset on the way.
    client.expect_closed();
    assert_took(since.elapsed(), at(HEAD_TIMEOUT));
}

fn assert_is_408(response: &Response) {
    assert_eq!((response.status, response.reason.as_str()), (408, "Request Timeout"));
    assert!(response.closes());
    assert!(!response.content.is_empty(), "a small body says what was wrong");
}

#[test]
fn five_hundred_dripped_heads_hurt_nobody_and_are_each_timed_out() {
    let _alone = load::alone();
    load::raise_descriptor_limit();
    let site = site();
    let server = Server::start(site.root(), &["--workers", "1", "--head-timeout", "2s", "--access-log", "off"]);
    let mut drips: Vec<(TcpStream, Instant)> = (0..500).map(|_| first_drop(&server)).collect();
    let hello = plain_get("/hello.txt");
    for _ in 0..5 {
        for (stream, _) in &mut drips {
            stream.write_all(b"x").expect("the server takes a byte");
        }
        let latencies = Latencies::fresh(&server, &hello, 40);
        latencies.assert_within(Duration::from_millis(10), Duration::from_millis(500));
    }
    for (mut stream, since) in drips {
        let head = load::read_head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{head:?}");
        stream.read_to_end(&mut Vec::new()).expect("closed by FIN");
        assert_took(since.elapsed(), at(Duration::from_secs(2)));
    }
}

fn first_drop(server: &Server) -> (TcpStream, Instant) {
    let mut stream = load::wide(server.address());
    let since = Instant::now();
    stream.write_all(b"GET /hello.txt HTTP/1.1\r\nX-Drip: ").expect("the server takes the beginning of a head");
    (stream, since)
}

#[test]
fn half_a_head_behind_whole_ones_has_the_head_timeout_from_its_own_first_byte() {
    let site = site();
    let server = serve(&site);
    let mut client = Client::connect(&server);
    let since = Instant::now();
    client.send(plain_get("/hello.txt").repeat(3) + "GET /he");
    for _ in 0..3 {
        assert_eq!(client.response("GET").content, b"hello, world\n");
    }
    assert_took(since.elapsed(), Duration::ZERO..HEAD_TIMEOUT);
    assert_is_408(&client.response("GET"));
    client.expect_closed();
    assert_took(since.elapsed(), at(HEAD_TIMEOUT));
}

#[test]
fn half_a_head_after_an_idle_time_has_the_head_timeout_and_not_what_is_left_of_the_idle_timeout() {
    let site = site();
    let server = serve(&site);
    let mut client = Client::connect(&server);
    client.ask(ASK_FOR_OPTIONS);
    thread::sleep(IDLE_TIMEOUT - HEAD_TIMEOUT / 2);
    let since = Instant::now();
    client.send("GET /he");
    assert_is_408(&client.response("GET"));
    assert_took(since.elapsed(), at(HEAD_TIMEOUT));
}

#[test]
fn each_head_on_a_connection_has_a_deadline_of_its_own() {
    let site = site();
    let server = serve(&site);
    let mut client = Client::connect(&server);
    let head = plain_get("/hello.txt");
    let (first_half, second_half) = head.split_at(head.len() / 2);
    for _ in 0..4 {
        client.send(first_half);
        // Together the four take longer than one may.
        thread::sleep(HEAD_TIMEOUT / 2);
        client.send(second_half);
        assert_eq!(client.response("GET").content, b"hello, world\n");
    }
}

#[test]
fn half_a_head_and_then_fin_is_closed_at_once() {
    let site = site();
    // The default head timeout is ten seconds.
    let server = Server::start(site.root(), &[]);
    let mut client = Client::connect(&server);
    let since = Instant::now();
    client.send("GET / HT");
    client.finish_sending();
    // Whether an answer is worth the trouble is the server's business: nobody who sends this needs one.
    client.read_to_end();
    assert_took(since.elapsed(), Duration::ZERO..LATE_MAX);
}

// ------------------------------------------------------------------------------------------------------------ idleness

rows!(idle:
    a_connection_that_never_says_anything_is_closed_without_a_byte(""),
    a_connection_idle_after_an_answer_is_closed_without_a_byte(ASK_FOR_OPTIONS),
);

fn idle(first: &str) {
    let site = site();
    let server = serve(&site);
    let mut stream = load::wide(server.address());
    let mut since = Instant::now();
    if !first.is_empty() {
        stream.write_all(first.as_bytes()).expect("the server takes a request");
        assert!(load::read_head(&mut stream).starts_with("HTTP/1.1 204 "));
        since = Instant::now();
    }
    assert_eq!(load::silence(&mut stream, PATIENCE), Silence::Closed);
    assert_took(since.elapsed(), at(IDLE_TIMEOUT));
}

#[test]
fn every_request_gives_a_connection_its_whole_idle_time_again() {
    let site = site();
    let server = serve(&site);
    let mut client = Client::connect(&server);
    for _ in 0..4 {
        thread::sleep(IDLE_TIMEOUT / 2);
        assert_eq!(client.ask(ASK_FOR_OPTIONS).status, 204);
    }
}

#[test]
fn five_hundred_idle_connections_are_closed_in_time_and_leave_nothing_behind() {
    let _alone = load::alone();
    load::raise_descriptor_limit();
    let site = site();
    let server = serve(&site);
    let before = load::descriptors_after(server.pid(), || drop(Client::connect(&server).ask(ASK_FOR_OPTIONS)));
    let idle = load::idle_connections(&server, 500);
    let since = Instant::now();
    for mut stream in idle {
        assert_eq!(load::silence(&mut stream, PATIENCE), Silence::Closed);
    }
    assert_took(since.elapsed(), IDLE_TIMEOUT / 2..IDLE_TIMEOUT + LATE_MAX);
    load::wait_until(PATIENCE, "every descriptor is free again", || load::descriptors(server.pid()) <= before);
}

// ------------------------------------------------------------------------------------------------------------ stalling

rows!(stall:
    a_reader_that_never_reads_is_reset_at_the_stall_timeout(load::narrow, 0),
    a_reader_with_a_large_window_that_never_reads_is_reset_at_the_stall_timeout(load::wide, 0),
    a_reader_that_stops_half_way_is_reset_at_the_stall_timeout(load::narrow, DOWNLOAD.len() / 4),
);

fn stall(connect: fn(SocketAddr) -> TcpStream, stops_after: usize) {
    let site = site();
    let server = serve(&site);
    let before = load::descriptors_after(server.pid(), || drop(Client::connect(&server).ask(plain_get("/hello.txt"))));
    let mut download = Download::start(connect(server.address()), "/download.bin", &DOWNLOAD);
    download.read_to(stops_after);
    let since = Instant::now();
    load::wait_until(PATIENCE, "socket and file are closed", || load::descriptors(server.pid()) <= before);
    assert_took(since.elapsed(), at(STALL_TIMEOUT));
    // With a FIN behind it, what nobody reads would stay with the kernel for as long as the client likes.
    let client = download.stream().local_addr().expect("a connected socket has an address");
    assert!(!load::is_known_to_the_kernel(server.address(), client), "the kernel still has the server's end");
    assert!(download.read_to_close() < DOWNLOAD.len());
}

rows!(pauses:
    a_reader_that_pauses_for_less_than_the_timeout_again_and_again_is_served_to_the_end(load::wide),
    a_reader_with_a_small_window_that_pauses_for_less_than_the_timeout_is_served_to_the_end(load::narrow),
);

fn pauses(connect: fn(SocketAddr) -> TcpStream) {
    let site = Site::new();
    let content = patterned(2 * DOWNLOAD.len());
    site.file("long.bin", &content);
    let server = serve(&site);
    let download = Download::start(connect(server.address()), "/long.bin", &content);
    // 2 MiB at a time: more than the kernel wants free (a third of the send buffer) before it calls a socket writable.
    download.finish_at_pace(2 * 1024 * 1024, STALL_TIMEOUT / 2);
}

rows!(slow_but_steady:
    a_reader_of_3_mib_a_second_is_not_cut_though_it_takes_longer_than_the_stall_timeout(
        64 * 1024,
        Duration::from_millis(20),
    ),
    a_reader_so_slow_that_the_socket_is_not_writable_within_the_stall_timeout_is_not_cut(
        8 * 1024,
        Duration::from_millis(40),
    ),
);

/// Bytes move all the time, so this is no stall, however few they are ("a response no byte of which moves").
fn slow_but_steady(piece_bytes: usize, interval: Duration) {
    let site = site();
    let server = serve(&site);
    let mut download = Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    let since = Instant::now();
    while since.elapsed() < 3 * STALL_TIMEOUT && download.received() + piece_bytes < DOWNLOAD.len() {
        download.read_to(download.received() + piece_bytes);
        thread::sleep(interval);
    }
    assert!(since.elapsed() > 2 * STALL_TIMEOUT, "this reader was too fast for the question");
    // What is left comes as fast as it can: every byte is the right one.
    download.finish();
}

#[test]
fn a_stalled_reader_is_cut_while_the_others_are_served_on() {
    let site = site();
    let server = serve(&site);
    let stalled = Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    let steady = Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    let mut after = steady.finish_at_pace(32 * 1024, Duration::from_millis(10));
    assert!(stalled.read_to_close() < DOWNLOAD.len());
    after.write_all(ASK_FOR_OPTIONS.as_bytes()).expect("the connection is kept");
    assert!(load::read_head(&mut after).starts_with("HTTP/1.1 204 "));
}

#[test]
fn whoever_reads_the_answer_and_stays_has_the_idle_timeout_after_it() {
    let site = site();
    let server = serve(&site);
    let mut stream: TcpStream = Download::start(load::wide(server.address()), "/download.bin", &DOWNLOAD).finish();
    let since = Instant::now();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("closed by FIN");
    assert_eq!(rest, b"");
    assert_took(since.elapsed(), at(IDLE_TIMEOUT));
}
