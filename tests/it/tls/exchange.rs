//! Requests and responses through TLS: every byte, every end, and nothing more held than has to be.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::site;
use crate::load::{self, DOWNLOAD, Silence, assert_took, plain_get};
use crate::support::tls::{End, TlsClient, hello, narrow, session, usual};
use crate::support::{PATIENCE, get, patterned, request};

#[test]
fn one_connection_answers_many_requests_one_by_one() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut client = TlsClient::connect(&server);
    for _ in 0..20 {
        let response = client.ask(plain_get("/hello.txt"));
        assert_eq!((response.status, response.content_text()), (200, "hello, world\n"));
        assert!(!response.closes());
    }
    let last = client.ask(get("/hello.txt", "Connection: close\r\n"));
    assert!(last.closes());
    client.expect_end(End::CloseNotify);
}

#[test]
fn requests_in_one_record_are_answered_in_order() {
    const REQUESTS: usize = 100;
    let (site, keys) = site();
    for index in 0..REQUESTS {
        site.file(format!("{index}.txt"), format!("number {index}\n"));
    }
    let server = keys.serve(&site, &["--workers", "1"]);
    let mut client = TlsClient::connect(&server);
    let requests: String = (0..REQUESTS).map(|index| plain_get(&format!("/{index}.txt"))).collect();
    client.send(requests);
    for index in 0..REQUESTS {
        assert_eq!(client.response("GET").content_text(), format!("number {index}\n"));
    }
}

#[test]
fn a_head_of_many_records_is_one_head() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut client = TlsClient::connect(&server);
    for byte in plain_get("/hello.txt").into_bytes() {
        client.send([byte]);
    }
    assert_eq!(client.response("GET").content, b"hello, world\n");
    // A head that fills more than one read of the socket, in records of the largest size.
    let long = get("/hello.txt", &format!("X: {}\r\n", "x".repeat(15_000)));
    assert_eq!(client.ask(&long).status, 200);
    assert_eq!(
        client.ask([long.as_slice(), &get("/", &format!("X: {}\r\n", "x".repeat(17_000)))].concat()).status,
        200
    );
    assert_eq!(client.response("GET").status, 431);
    client.expect_end(End::CloseNotify);
}

/// TLS 1.3 lets a client change its keys whenever it likes, and too often is too often.
#[test]
fn a_client_may_change_its_keys() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut client = TlsClient::connect(&server);
    for _ in 0..10 {
        assert_eq!(client.ask(plain_get("/hello.txt")).status, 200);
        client.tls.refresh_traffic_keys().expect("the handshake is over");
        // In the middle of a head, too.
        client.send("GET /hello.txt HTTP/1.1\r\n");
        client.tls.refresh_traffic_keys().expect("the handshake is over");
        client.send("Host: millpond.test\r\n\r\n");
        assert_eq!(client.response("GET").content, b"hello, world\n");
    }
    for _ in 0..1_000 {
        client.tls.refresh_traffic_keys().expect("the handshake is over");
        if client.try_send("").is_err() {
            break;
        }
    }
    load::wait_until(PATIENCE, "it is cut off", || load::connections(server.pid()) == 0);
    assert_eq!(TlsClient::connect(&server).ask(plain_get("/hello.txt")).status, 200);
}

#[test]
fn conditions_and_ranges_are_as_without_tls() {
    let (site, keys) = site();
    site.settle();
    let server = keys.serve(&site, &[]);
    let mut client = TlsClient::connect(&server);
    let tag = client.ask(plain_get("/hello.txt")).field("etag");
    let response = client.ask(get("/hello.txt", &format!("If-None-Match: {tag}\r\n")));
    assert_eq!((response.status, response.content.len()), (304, 0));
    let response = client.ask(get("/hello.txt", "Range: bytes=7-11\r\n"));
    assert_eq!((response.status, response.content_text()), (206, "world"));
    let response = client.ask(get("/download.bin", "Range: bytes=1000000-5999999\r\n"));
    assert_eq!((response.status, response.content == DOWNLOAD[1_000_000..6_000_000]), (206, true));
    let response = client.ask(get("/download.bin", "Range: bytes=0-99999,7000000-\r\n"));
    assert_eq!(response.status, 206);
    let parts = response.content.windows(4).filter(|window| window == b"\r\n\r\n").count();
    assert_eq!(parts, 2);
    let response = client.ask(request("HEAD", "/download.bin", ""));
    assert_eq!((response.status, response.content.len()), (200, 0));
    assert_eq!(client.ask(plain_get("/nowhere")).status, 404);
}

#[test]
fn content_of_every_size_is_byte_exact() {
    let (site, keys) = site();
    let sizes = [0, 1, 4_096, 4_097, 16_384, 16_385, 65_535, 65_536, 65_537, 131_072, 131_073, 1 << 20, (1 << 20) + 1];
    for size in sizes {
        site.file(format!("{size}.bin"), patterned(size));
    }
    site.settle();
    let server = keys.serve(&site, &[]);
    let mut client = TlsClient::connect(&server);
    // Twice: from the file, and from memory where it is small enough.
    for size in [sizes, sizes].concat() {
        let response = client.ask(plain_get(&format!("/{size}.bin")));
        assert!(response.content == patterned(size), "{size} bytes");
    }
}

// ---------------------------------------------------------------------------------------------------------- slow readers

#[test]
fn a_slow_reader_gets_every_byte_and_holds_no_worker() {
    let _alone = load::alone();
    let (site, keys) = site();
    let server = keys.serve(&site, &["--workers", "1"]);
    let mut slow = narrow(&server);
    slow.send(plain_get("/download.bin").repeat(2));
    assert_eq!(slow.head().status, 200);
    let mut other = TlsClient::connect(&server);
    let mut content = Vec::new();
    while content.len() < DOWNLOAD.len() {
        let piece = (DOWNLOAD.len() - content.len()).min(256 * 1024);
        content.extend(slow.take(piece));
        assert_eq!(other.ask(plain_get("/hello.txt")).status, 200);
    }
    assert!(content == *DOWNLOAD);
    assert!(slow.response("GET").content == *DOWNLOAD, "the connection goes on after it");
}

/// What waits for a client is what it has not taken of one piece: 64 KiB and what the records add.
#[test]
fn clients_that_take_nothing_cost_a_piece_each() {
    const CLIENTS: u64 = 64;
    let _alone = load::alone();
    let (site, keys) = site();
    let server = keys.serve(&site, &["--workers", "2"]);
    TlsClient::connect(&server).ask(plain_get("/download.bin"));
    let before = load::resident_kib(server.pid());
    let clients: Vec<TlsClient> = (0..CLIENTS)
        .map(|_| {
            let mut client = narrow(&server);
            client.send(plain_get("/download.bin"));
            client.head();
            client
        })
        .collect();
    load::wait_until(PATIENCE, "all wait for room", || {
        load::share_of_a_core(server.pid(), Duration::from_millis(200)) < 0.05
    });
    let each = load::resident_kib(server.pid()).saturating_sub(before) / CLIENTS;
    println!("{each} KiB each");
    assert!(each < 160, "{each} KiB each");
    drop(clients);
}

#[test]
fn a_client_that_takes_nothing_for_too_long_is_reset() {
    let (site, keys) = site();
    let server = keys.serve(&site, &["--stall-timeout", "1s"]);
    let mut client = narrow(&server);
    client.send(plain_get("/download.bin"));
    client.head();
    let since = Instant::now();
    load::wait_until(PATIENCE, "it is gone", || load::connections(server.pid()) == 0);
    assert_took(since.elapsed(), Duration::from_millis(500)..Duration::from_secs(3));
    let mut client = client;
    assert_eq!(client.read_to_end().1, End::Reset);
}

#[test]
fn a_file_that_gets_shorter_ends_the_connection_without_close_notify() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut client = narrow(&server);
    client.send(plain_get("/download.bin"));
    assert_eq!(client.head().field("content-length"), DOWNLOAD.len().to_string());
    let file = std::fs::File::options().write(true).open(site.path("download.bin")).expect("our own file");
    file.set_len(1).expect("our own file");
    let (content, end) = client.read_to_end();
    assert!(content.len() < DOWNLOAD.len() && DOWNLOAD.starts_with(&content));
    assert_ne!(end, End::CloseNotify, "it is not the end that was promised");
}

// ------------------------------------------------------------------------------------------------------------- the ends

#[test]
fn a_client_that_has_sent_its_end_is_answered_and_closed() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut client = TlsClient::connect(&server);
    // In one segment, so that no event tells of the end alone.
    client.shake_hands();
    client.tls.writer().write_all(plain_get("/hello.txt").as_bytes()).expect("there is room");
    client.tls.send_close_notify();
    while client.tls.wants_write() {
        client.tls.write_tls(&mut client.stream).expect("the server takes it");
    }
    assert_eq!(client.response("GET").content, b"hello, world\n");
    let since = Instant::now();
    client.expect_end(End::CloseNotify);
    assert!(since.elapsed() < Duration::from_secs(5), "the end was seen, not waited for");
}

#[test]
fn the_end_of_an_idle_client_is_answered_with_ours() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut client = TlsClient::connect(&server);
    assert_eq!(client.ask(plain_get("/hello.txt")).status, 200);
    client.finish_sending();
    client.expect_end(End::CloseNotify);
}

/// RFC 9112 §9.8: what is framed needs no end to be whole.
#[test]
fn a_fin_without_close_notify_is_an_end_too() {
    let (site, keys) = site();
    let server = keys.serve(&site, &["-v"]);
    let mut client = TlsClient::connect(&server);
    client.send(plain_get("/download.bin"));
    client.stream.shutdown(Shutdown::Write).expect("a connected socket");
    assert!(client.response("GET").content == *DOWNLOAD);
    client.expect_end(End::CloseNotify);
    server.wait_for_stderr_line(PATIENCE, |line| line.ends_with("closed: the peer closed it"));

    let mut client = TlsClient::connect(&server);
    client.send("GET /hello.txt HT");
    client.stream.shutdown(Shutdown::Write).expect("a connected socket");
    client.expect_end(End::CloseNotify);
    server.wait_for_stderr_line(PATIENCE, |line| line.ends_with("closed it in the middle of a request head"));

    let mut stream = load::wide(server.address());
    stream.write_all(&hello(&mut session(usual()))[..50]).expect("the server takes it");
    stream.shutdown(Shutdown::Write).expect("a connected socket");
    assert_eq!(load::silence(&mut stream, PATIENCE), Silence::Closed);
}

#[test]
fn an_upload_that_is_refused_is_read_on_so_that_the_answer_arrives() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut client = TlsClient::connect(&server);
    client.send(request("PUT", "/hello.txt", "Content-Length: 40000\r\n"));
    client.send([7; 40_000]);
    assert_eq!(client.response("PUT").status, 405);
    client.expect_end(End::CloseNotify);
}

#[test]
fn a_connection_that_makes_room_is_told_so() {
    let (site, keys) = site();
    let server = keys.serve(&site, &["--connections-max", "1"]);
    let mut first = TlsClient::connect(&server);
    assert_eq!(first.ask(plain_get("/hello.txt")).status, 200);
    let mut second = TlsClient::connect(&server);
    assert_eq!(second.ask(plain_get("/hello.txt")).status, 200);
    first.expect_end(End::CloseNotify);
}

// ------------------------------------------------------------------------------------------------------------ the drain

#[test]
fn a_drain_finishes_a_download_and_closes_the_rest() {
    let _alone = load::alone();
    let (site, keys) = site();
    let mut server = keys.serve(&site, &[]);
    let mut idle = TlsClient::connect(&server);
    assert_eq!(idle.ask(plain_get("/hello.txt")).status, 200);
    let mut download = narrow(&server);
    download.send(plain_get("/download.bin") + &plain_get("/hello.txt"));
    assert_eq!(download.head().status, 200);
    let mut half = load::wide(server.address());
    half.write_all(&hello(&mut session(usual()))[..50]).expect("the server takes it");
    let mut silent = load::wide(server.address());
    load::wait_until(PATIENCE, "all are let in", || load::connections(server.pid()) == 4);

    server.signal(Signal::TERM);
    idle.expect_end(End::CloseNotify);
    assert_eq!(load::silence(&mut half, PATIENCE), Silence::Closed, "it is not waited for");
    assert_eq!(load::silence(&mut silent, PATIENCE), Silence::Closed);
    assert!(server.is_running(), "a download is under way");
    let mut content = Vec::new();
    while content.len() < DOWNLOAD.len() {
        content.extend(download.take((DOWNLOAD.len() - content.len()).min(512 * 1024)));
        // The pace of this client.
        thread::sleep(Duration::from_millis(5));
    }
    assert!(content == *DOWNLOAD);
    let last = download.response("GET");
    assert_eq!((last.content_text(), last.closes()), ("hello, world\n", true));
    download.expect_end(End::CloseNotify);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
}

/// Whoever was in the kernel's queue when the signal came shakes hands and is answered.
#[test]
fn a_drain_lets_a_handshake_that_goes_on_come_to_its_answer() {
    let _alone = load::alone();
    let (site, keys) = site();
    let mut server = keys.serve(&site, &[]);
    load::stop(&server);
    let clients: Vec<_> = (0..4).map(|_| (load::wide(server.address()), session(usual()))).collect();
    server.signal(Signal::TERM);
    server.signal(Signal::CONT);
    for (stream, tls) in clients {
        let mut client = TlsClient::over(stream, tls);
        // A machine that is so busy that a quarter of a second passes is one that closes it, too.
        if client.try_send(plain_get("/hello.txt")).is_ok() {
            let response = client.response("GET");
            assert_eq!((response.content_text(), response.closes()), ("hello, world\n", true));
        }
    }
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
}

#[test]
fn a_drain_that_is_over_cuts_who_takes_nothing() {
    let (site, keys) = site();
    let mut server = keys.serve(&site, &["--drain-timeout", "500ms"]);
    let mut client = narrow(&server);
    client.send(plain_get("/download.bin"));
    client.head();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_eq!(client.read_to_end().1, End::Reset);
}

// ------------------------------------------------------------------------------------------------------------ the costs

#[test]
fn an_idle_connection_costs_a_few_kib() {
    const CLIENTS: u64 = 1_000;
    let _alone = load::alone();
    load::raise_descriptor_limit();
    let (site, keys) = site();
    let server = keys.serve(&site, &["--workers", "2", "--access-log", "off"]);
    let config = usual();
    // What every later one costs, not the first.
    for _ in 0..32 {
        TlsClient::with(&server, config.clone()).ask(plain_get("/hello.txt"));
    }
    let before = load::resident_kib(server.pid());
    let clients: Vec<TlsClient> = (0..CLIENTS)
        .map(|_| {
            let mut client = TlsClient::with(&server, config.clone());
            assert_eq!(client.ask(plain_get("/hello.txt")).status, 200);
            load::will_abort(&client.stream);
            client
        })
        .collect();
    let grown = load::resident_kib(server.pid()).saturating_sub(before);
    println!("{} bytes each", grown * 1024 / CLIENTS);
    assert!(grown / CLIENTS < 16, "{grown} KiB for {CLIENTS}");
    assert_eq!(load::connections(server.pid()), clients.len());
}

/// Both directions are full, and only the client can change that.
#[test]
fn a_client_that_pipelines_without_reading_is_parked() {
    let _alone = load::alone();
    let (site, keys) = site();
    let server = keys.serve(&site, &["--workers", "1"]);
    let mut client = narrow(&server);
    client.shake_hands();
    client.send(plain_get("/download.bin"));
    client.stream.set_nonblocking(true).expect("sockets can be non-blocking");
    let requests = plain_get("/hello.txt").repeat(1_000);
    let taken = client.tls.writer().write(requests.as_bytes()).expect("there is room");
    while client.tls.wants_write() && client.tls.write_tls(&mut client.stream).is_ok() {}
    client.stream.set_nonblocking(false).expect("sockets can be blocking");
    assert_eq!(TlsClient::connect(&server).ask(plain_get("/hello.txt")).status, 200, "the worker is free");
    assert!(client.response("GET").content == *DOWNLOAD);
    for _ in 0..taken / plain_get("/hello.txt").len() {
        assert_eq!(client.response("GET").status, 200);
    }
    let mut byte = [0];
    client.stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a time that is not zero");
    assert!(client.stream.read(&mut byte).is_err(), "nothing follows");
}
