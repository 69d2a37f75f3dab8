//! What comes without end, and what nobody takes: it costs a bounded amount of memory, and nobody else's time.
//!
//! *Invariants:* nothing that a client sends, or doesn't read, stays in the server's memory, not even for a moment; a
//! response that waits for a slow reader holds 4 KiB at most. Rows A11, B6, C4, F2, H12 to H14, H16 and H20 of
//! tests/threats.md.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::head_size::floods;
use crate::load::{self, Background, Latencies, assert_took, plain_get, site};
use crate::support::{Client, PATIENCE, Server, get, rows};

/// What was resident at most since [`forget_peak`].
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("our own child shows its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a process that runs has VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("VmHWM is a number of kB")
}

/// The peak is what is resident now (proc_pid_clear_refs(5)).
fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the peak of our own child can be reset");
}

rows!(grows_no_memory:
    a_header_without_end(|server| floods(server, b"GET / HTTP/1.1\r\nHost: h\r\nX: ", &[b'x'; 64 * 1024], 431)),
    a_target_without_end(|server| floods(server, b"GET /", &[b'x'; 64 * 1024], 414)),
    field_lines_without_end(|server| {
        floods(server, b"GET / HTTP/1.1\r\nHost: h\r\n", &b"X: y\r\n".repeat(10_000), 431);
    }),
    empty_lines_without_end(|server| floods(server, b"", &b"\r\n".repeat(32 * 1024), 400)),
    content_without_end(|server| {
        floods(server, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2147483648\r\n\r\n", &[b'x'; 64 * 1024], 405);
    }),
    chunks_without_end(|server| {
        let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
        floods(server, b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", &chunk, 405);
    }),
    the_same_field_line_again_and_again(|server| {
        let request = get("/hello.txt", &"Cookie: name=value\r\n".repeat(90));
        let mut client = Client::connect(server);
        for _ in 0..1_000 {
            assert_eq!(client.ask(&request).status, 200);
        }
    }),
    names_that_do_not_exist(|server| {
        let mut client = Client::connect(server);
        for first in (0..50_000).step_by(100) {
            client.send((first..first + 100).map(|name| plain_get(&format!("/{name:0100}"))).collect::<String>());
            for _ in 0..100 {
                assert_eq!(client.response("GET").status, 404);
            }
        }
    }),
    requests_whose_answers_nobody_reads(|server| {
        const FLOOD_BYTES: usize = 64 * 1024 * 1024;
        let mut stream = load::narrow(server.address());
        load::will_abort(&stream);
        stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a time that is not zero");
        let (requests, mut sent) = (plain_get("/hello.txt").repeat(1_000), 0);
        let end = loop {
            match stream.write(requests.as_bytes()) {
                Ok(count) => sent += count,
                Err(error) => break error.kind(),
            }
            assert!(sent < FLOOD_BYTES, "the server reads on while nobody takes its answers");
        };
        assert!(matches!(end, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{end}");
    }),
);

/// The first time is for what is allocated once.
fn grows_no_memory(flood: fn(&Server)) {
    // The kernel counts pages on each processor, and adds them up when there are some tens: it is no more exact than that.
    const GROWN_MAX_KIB: u64 = 256;
    let _alone = load::alone();
    let site = site();
    let server = Server::start(site.root(), &["--workers", "1", "--access-log", "off"]);
    flood(&server);
    forget_peak(server.pid());
    let before = load::resident_kib(server.pid());
    flood(&server);
    let grown = peak_kib(server.pid()).saturating_sub(before);
    assert!(grown <= GROWN_MAX_KIB, "{grown} KiB more");
}

#[test]
fn a_response_that_waits_for_a_slow_reader_holds_4_kib_at_most() {
    const READERS: usize = 200;
    let _alone = load::alone();
    let site = site();
    let server = Server::start(site.root(), &["--workers", "1", "--access-log", "off"]);
    let slow_reader = |_| {
        let mut stream = load::narrow(server.address());
        load::will_abort(&stream);
        stream.write_all(plain_get("/download.bin").as_bytes()).expect("the server takes a request");
        load::read_head(&mut stream);
        stream.read_exact(&mut [0; 1024]).expect("the beginning of the content");
        stream
    };
    let first: Vec<TcpStream> = (0..10).map(slow_reader).collect();
    forget_peak(server.pid());
    let before = load::resident_kib(server.pid());
    let readers: Vec<TcpStream> = (0..READERS).map(slow_reader).collect();
    let grown = peak_kib(server.pid()).saturating_sub(before);
    assert!(grown <= 4 * 200, "{grown} KiB more for {} readers", readers.len());
    drop((first, readers));
}

#[test]
fn a_flood_of_connections_holds_up_no_answer_no_deadline_and_no_drain() {
    let _alone = load::alone();
    let site = site();
    let mut server = Server::start(site.root(), &["--workers", "1", "--head-timeout", "500ms", "--access-log", "off"]);
    let address = server.address();
    let mut kept = Client::connect(&server);
    kept.ask(plain_get("/hello.txt"));
    let connect_for_ever = || {
        Background::run(move || {
            // In the end nobody listens any more.
            if let Ok(stream) = TcpStream::connect_timeout(&address, PATIENCE) {
                load::abort(stream);
            }
        })
    };
    let flood = [connect_for_ever(), connect_for_ever()];
    // These clients share two cores with the flood and with whatever else runs, so that the bounds are a scheduler's, not a
    // server's: one that was starved would not answer at all, nor hear of a deadline or a signal.
    let latencies = Latencies::kept(&mut kept, &plain_get("/hello.txt"), 200);
    latencies.assert_within(Duration::from_millis(50), PATIENCE);
    let mut dripping = Client::connect(&server);
    let since = Instant::now();
    dripping.send("GET /hel");
    assert_eq!(dripping.response("GET").status, 408);
    assert_took(since.elapsed(), Duration::from_millis(480)..Duration::from_secs(3));
    drop(dripping);
    let since = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::ZERO..Duration::from_secs(5));
    drop(flood);
}
