//! What is bounded stays bounded, and what runs out comes back: connections, descriptors, the patience after an error.
//!
//! *Invariants:* 6 and 10 of DESIGN.md §3; rows A1 to A8, B5 and C9 of threats.md, promises 11 and 13.
//!
//! RFC 9112 §9.6 is the reason for the lingering close: a reset would take the answer back that the client has not read
//! yet.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::load::{self, ASK_FOR_OPTIONS, DOWNLOAD, Download, Silence, assert_took, plain_get};
use crate::support::{Client, PATIENCE, Server, Site, rows};

fn site() -> Site {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n").file("other.txt", "other\n").file("download.bin", DOWNLOAD.as_slice());
    site
}

/// The connection is open and answers.
fn assert_answers(stream: &mut TcpStream) {
    stream.write_all(ASK_FOR_OPTIONS.as_bytes()).expect("the connection is open");
    assert!(load::read_head(stream).starts_with("HTTP/1.1 204 "));
}

// ----------------------------------------------------------------------------------------------------- connections-max

#[test]
fn at_the_limit_the_connection_that_was_idle_longest_makes_room() {
    let site = site();
    let server = Server::start(site.root(), &["--connections-max", "8", "--workers", "2"]);
    let mut idle = Vec::new();
    for _ in 0..8 {
        idle.extend(load::idle_connections(&server, 1));
        // An answer comes a moment before the server calls the connection idle: these are to be so in this order.
        thread::sleep(Duration::from_millis(5));
    }
    // The first of them is not the one that was idle longest any more.
    assert_answers(&mut idle[0]);
    let mut ninth = load::wide(server.address());
    assert_answers(&mut ninth);
    assert_eq!(load::silence(&mut idle[1], PATIENCE), Silence::Closed, "closed without a byte");
    for index in [0, 2, 3, 4, 5, 6, 7] {
        assert_answers(&mut idle[index]);
    }
    assert_answers(&mut ninth);
}

#[test]
fn a_limit_full_of_idle_connections_refuses_nobody() {
    let site = site();
    let server = Server::start(site.root(), &["--connections-max", "8", "--workers", "2"]);
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut stream = load::wide(server.address());
        assert_answers(&mut stream);
        held.push(stream);
    }
    let is_closed = |stream: &mut TcpStream| load::silence(stream, Duration::from_millis(1)) == Silence::Closed;
    load::wait_until(PATIENCE, "all but eight are closed without a byte", || {
        held.iter_mut().filter_map(|stream| is_closed(stream).then_some(())).count() == 92
    });
    // An answer comes a moment before the server calls the connection idle, so that neighbours may change places.
    let (old, new) = held.split_at_mut(80);
    assert!(old.iter_mut().all(is_closed), "the oldest made room for the newest");
    assert_answers(new.last_mut().expect("twenty of them"));
}

#[test]
fn when_all_connections_are_busy_accepting_pauses_and_resumes() {
    let _alone = load::alone();
    let site = site();
    let server = Server::start(site.root(), &["--connections-max", "8", "--workers", "2"]);
    let download = |_| Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    let mut busy: Vec<Download> = (0..8).map(download).collect();
    let mut ninth = load::wide(server.address());
    ninth.write_all(ASK_FOR_OPTIONS.as_bytes()).expect("the kernel takes what the server does not");
    let share = load::share_of_a_core(server.pid(), Duration::from_millis(500));
    assert!(share < 0.3, "{share} of a core while nothing can be accepted");
    assert_eq!(
        load::silence(&mut ninth, Duration::from_millis(100)),
        Silence::Open,
        "nobody busy was cut for the ninth"
    );
    let done = busy.pop().expect("eight are busy").finish();
    let since = Instant::now();
    // The eighth connection is idle now, and so makes room; or it is closed, and so does.
    assert!(load::read_head(&mut ninth).starts_with("HTTP/1.1 204 "));
    assert_took(since.elapsed(), Duration::ZERO..Duration::from_secs(2));
    for download in busy {
        download.finish();
    }
    drop(done);
}

// --------------------------------------------------------------------------------------------------------- descriptors

#[test]
fn out_of_descriptors_nothing_spins_nothing_is_404_and_all_who_waited_are_served() {
    const RECOVERY_MAX: Duration = Duration::from_secs(2);
    let _alone = load::alone();
    let site = site();
    let server = Server::start(site.root(), &["--workers", "2", "--access-log", "off"]);
    let mut held: Vec<Client> = (0..4).map(|_| Client::connect(&server)).collect();
    for client in &mut held {
        assert_eq!(client.ask(ASK_FOR_OPTIONS).status, 204);
    }
    // From here on it can't open one descriptor more.
    let old = load::limit_descriptors(server.pid(), load::next_descriptor(server.pid()));
    for client in &mut held {
        let refused = client.ask(plain_get("/hello.txt"));
        assert_eq!(
            (refused.status, refused.closes()),
            (503, false),
            "a lack of descriptors is no 404, and no reason to close"
        );
    }
    let connect = |_| {
        let mut stream = load::wide(server.address());
        stream.write_all(plain_get("/hello.txt").as_bytes()).expect("the kernel takes what the server does not");
        stream
    };
    let mut waiting: Vec<TcpStream> = (0..20).map(connect).collect();
    let share = load::share_of_a_core(server.pid(), Duration::from_secs(1));
    assert!(share < 0.3, "{share} of a core while out of descriptors");
    let lines = server.stderr().iter().filter(|byte| **byte == b'\n').count();
    assert!(lines <= 20, "{lines} lines on stderr in a second");
    for stream in &mut waiting {
        assert_eq!(load::silence(stream, Duration::from_millis(1)), Silence::Open, "who can't be accepted waits");
    }

    load::limit_descriptors(server.pid(), old);
    let since = Instant::now();
    for mut stream in waiting {
        assert!(load::read_head(&mut stream).starts_with("HTTP/1.1 200 "));
    }
    assert_took(since.elapsed(), Duration::ZERO..RECOVERY_MAX);
    for client in &mut held {
        assert_eq!(client.ask(plain_get("/other.txt")).content, b"other\n");
    }
}

#[test]
fn the_descriptor_limit_lowers_the_connection_limit_with_a_warning() {
    let site = site();
    let program = Server::command(site.root());
    // With 100 descriptors there can't be 16,384 connections of one file each.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", r#"ulimit -n 100; exec "$0" "$@""#]).arg(program.get_program()).args(program.get_args());
    let server = Server::spawn(command);
    server.wait_for_stderr_line(PATIENCE, |line| line.contains("warn") && line.contains("descriptors"));
    let mut held = load::idle_connections(&server, 150);
    assert_answers(held.last_mut().expect("150 of them"));
}

// -------------------------------------------------------------------------------------------------------------- aborts

#[test]
fn two_thousand_who_connect_before_the_first_is_accepted_are_all_served() {
    const CLIENTS: usize = 2_000;
    let backlog_max = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap_or_default();
    let allowed = backlog_max.trim().parse().is_ok_and(|backlog: usize| backlog >= CLIENTS);
    if load::skips(allowed, "backlog of 2,000 on this machine (net.core.somaxconn)") {
        return;
    }
    let _alone = load::alone();
    load::raise_descriptor_limit();
    let site = site();
    let server = Server::start(site.root(), &["--workers", "2", "--access-log", "off"]);
    server.signal(Signal::STOP);
    let mut waiting: Vec<TcpStream> = (0..CLIENTS).map(|_| sent(&server, ASK_FOR_OPTIONS)).collect();
    server.signal(Signal::CONT);
    for stream in &mut waiting {
        assert!(load::read_head(stream).starts_with("HTTP/1.1 204 "));
        load::will_abort(stream);
    }
}

#[test]
fn accept_survives_a_thousand_clients_that_are_gone_before_it() {
    let _alone = load::alone();
    let site = site();
    let server = Server::start(site.root(), &["--workers", "1"]);
    let before = load::descriptors_after(server.pid(), || drop(Client::connect(&server).ask(plain_get("/hello.txt"))));
    for _ in 0..1_000 {
        load::abort(load::wide(server.address()));
    }
    assert_eq!(Client::connect(&server).ask(plain_get("/hello.txt")).content, b"hello, world\n");
    load::wait_until(PATIENCE, "every descriptor is free again", || load::descriptors(server.pid()) <= before);
}

#[test]
fn ten_thousand_aborted_connections_leak_nothing() {
    const GROWN_MAX_KIB: u64 = 8 * 1024;
    let _alone = load::alone();
    let site = site();
    let server = Server::start(site.root(), &["--workers", "2", "--access-log", "off"]);
    let before = load::descriptors_after(server.pid(), || {
        // What is allocated once is allocated now.
        ABORTS.iter().for_each(|abort| abort(&server));
        Client::connect(&server).ask(plain_get("/hello.txt"));
    });
    let (threads, resident) = (load::threads(server.pid()), load::resident_kib(server.pid()));
    for abort in ABORTS.iter().cycle().take(10_000) {
        abort(&server);
    }
    load::wait_until(PATIENCE, "every descriptor is free again", || load::descriptors(server.pid()) <= before);
    assert_eq!(load::threads(server.pid()), threads);
    let grown = load::resident_kib(server.pid()).saturating_sub(resident);
    assert!(grown <= GROWN_MAX_KIB, "{grown} KiB more");
    assert_eq!(Client::connect(&server).ask(plain_get("/hello.txt")).content, b"hello, world\n");
}

/// A client that ends in each state a connection can be in, by RST and by FIN.
const ABORTS: [fn(&Server); 10] = [
    |server| load::abort(load::wide(server.address())),
    |server| drop(load::wide(server.address())),
    |server| load::abort(sent(server, "GET /hel")),
    |server| drop(sent(server, "GET /hel")),
    |server| load::abort(sent(server, &plain_get("/hello.txt"))),
    |server| load::abort(sent(server, &plain_get("/hello.txt").repeat(20))),
    |server| load::abort(sent(server, &plain_get("/download.bin"))),
    |server| load::abort(sent(server, "nonsense\r\n\r\n")),
    |server| {
        let mut stream = sent(server, &plain_get("/download.bin"));
        load::read_head(&mut stream);
        load::abort(stream);
    },
    |server| {
        let mut stream = sent(server, ASK_FOR_OPTIONS);
        load::read_head(&mut stream);
        load::abort(stream);
    },
];

fn sent(server: &Server, bytes: &str) -> TcpStream {
    let mut stream = load::wide(server.address());
    stream.write_all(bytes.as_bytes()).expect("the server takes the bytes");
    stream
}

// ----------------------------------------------------------------------------------------------------- lingering close

rows!(keeps_sending:
    whoever_keeps_sending_after_a_400_reads_it_whole("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    whoever_keeps_sending_after_a_505_reads_it_whole("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    whoever_sends_the_body_of_a_post_reads_the_405_whole(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
        405,
    ),
    whoever_sends_the_body_of_a_get_reads_the_answer_whole(
        "GET /hello.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 61440\r\n\r\n",
        200,
    ),
    whoever_sends_chunks_reads_the_answer_whole("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 405),
);

/// 60 KiB more, a request among them, before the first byte of the answer is read.
fn keeps_sending(request: &str, status: u16) {
    let site = site();
    let server = Server::start(site.root(), &["--workers", "1"]);
    let mut client = Client::connect(&server);
    client.send(request);
    client.send(plain_get("/hello.txt"));
    for _ in 0..15 {
        // The server has said its last word and only reads on: that it takes all this is the point.
        client.send([b'x'; 4 * 1024 - 20]);
    }
    let response = client.response("GET");
    assert_eq!((response.status, response.closes()), (status, true));
    client.expect_closed();
}

#[test]
fn whoever_sends_for_ever_after_an_error_is_cut_after_a_bounded_number_of_bytes() {
    let site = site();
    let server = Server::start(site.root(), &["--workers", "1"]);
    let mut stream = sent(&server, "nonsense\r\n\r\n");
    let (since, mut taken) = (Instant::now(), 0);
    let error = loop {
        match stream.write(&[b'x'; 16 * 1024]) {
            Ok(written) => taken += written,
            Err(error) => break error,
        }
    };
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
    assert_took(since.elapsed(), Duration::ZERO..Duration::from_secs(3));
    // What both socket buffers take is not the server's to count.
    assert!(taken < 16 * 1024 * 1024, "{taken} bytes taken");
}

rows!(is_freed:
    whoever_says_nothing_after_an_error_is_freed_after_two_seconds(Duration::from_secs(60)),
    whoever_drips_after_an_error_is_freed_after_two_seconds(Duration::from_millis(50)),
);

fn is_freed(interval: Duration) {
    const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
    let site = site();
    let server = Server::start(site.root(), &["--workers", "1"]);
    let before = load::descriptors_after(server.pid(), || drop(Client::connect(&server).ask(ASK_FOR_OPTIONS)));
    let since = Instant::now();
    let mut stream = sent(&server, "nonsense\r\n\r\n");
    assert!(load::read_head(&mut stream).starts_with("HTTP/1.1 400 "));
    let mut last_drop = Instant::now();
    load::wait_until(PATIENCE, "the connection is freed", || {
        if last_drop.elapsed() > interval {
            last_drop = Instant::now();
            // It fails once the server is gone, which is what is waited for.
            let _ = stream.write(b"x");
        }
        load::descriptors(server.pid()) <= before
    });
    assert_took(since.elapsed(), Duration::ZERO..LINGER_TIMEOUT + Duration::from_secs(1));
}

#[test]
fn whoever_closes_after_an_error_is_freed_at_once() {
    let site = site();
    let server = Server::start(site.root(), &["--workers", "1"]);
    let before = load::descriptors_after(server.pid(), || drop(Client::connect(&server).ask(ASK_FOR_OPTIONS)));
    let mut stream = sent(&server, "nonsense\r\n\r\n");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the answer ends with FIN");
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
    stream.shutdown(Shutdown::Both).expect("an open socket");
    load::wait_until(Duration::from_secs(1), "the connection is freed", || load::descriptors(server.pid()) <= before);
}
