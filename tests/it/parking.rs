//! Whoever waits costs no worker: idle connections, slow readers and half heads by the thousand, and a plain GET
//! between them.
//!
//! DESIGN.md §1 and the invariants 1, 3 and 4 of its §3; rows C3, C4, W6 and A15 of threats.md, promises 1 and 3.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::load::{self, ASK_FOR_OPTIONS, Background, Latencies, plain_get};
use crate::support::{Client, PATIENCE, Server, Site, rows};

/// "Answered in milliseconds", with room for the neighbours on a busy machine.
const MEDIAN_MAX: Duration = Duration::from_millis(10);
const LATENCY_MAX: Duration = Duration::from_secs(1);

/// Half a head that is a fine one so far.
const HALF_HEAD: &str = "GET /hello.txt HTTP/1.1\r\nHost: millpond.test\r\nX-Half: ye";

fn site() -> Site {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n")
        .sparse("large.bin", 64 * 1024 * 1024)
        .sparse("huge.bin", 5 * 1024 * 1024 * 1024);
    site
}

fn serve(site: &Site, workers: &str) -> Server {
    load::raise_descriptor_limit();
    // Half heads live for the whole test.
    Server::start(site.root(), &["--workers", workers, "--access-log", "off", "--head-timeout", "2m"])
}

#[test]
fn one_worker_answers_between_2000_idle_connections_200_slow_readers_and_100_half_heads() {
    let _alone = load::alone();
    let site = site();
    let server = serve(&site, "1");
    let hello = plain_get("/hello.txt");
    let descriptors = load::descriptors_after(server.pid(), || drop(Latencies::fresh(&server, &hello, 10)));
    let threads = load::threads(server.pid());

    let mut idle = load::idle_connections(&server, 2_000);
    let half_heads: Vec<TcpStream> = (0..100).map(|_| half_head(&server)).collect();
    let slow_readers: Vec<TcpStream> = (0..200).map(|_| slow_reader(&server)).collect();
    let reading = read_slowly(slow_readers);

    Latencies::fresh(&server, &hello, 300).assert_within(MEDIAN_MAX, LATENCY_MAX);
    Latencies::kept(&mut Client::connect(&server), &hello, 300).assert_within(MEDIAN_MAX, LATENCY_MAX);
    assert_eq!(load::threads(server.pid()), threads, "a connection costs no thread");
    for stream in &mut idle {
        stream.write_all(ASK_FOR_OPTIONS.as_bytes()).expect("an idle connection is still open");
        assert!(load::read_head(stream).starts_with("HTTP/1.1 204 "), "every idle connection answers again");
    }
    for mut stream in half_heads {
        stream.write_all(b"s\r\n\r\n").expect("a half head can be completed");
        assert!(load::read_head(&mut stream).starts_with("HTTP/1.1 200 "), "a head completed late is answered");
    }
    drop((idle, reading));
    load::wait_until(PATIENCE, "every descriptor is free again", || load::descriptors(server.pid()) <= descriptors);
    assert_eq!(load::threads(server.pid()), threads);
}

fn half_head(server: &Server) -> TcpStream {
    let mut stream = load::wide(server.address());
    stream.write_all(HALF_HEAD.as_bytes()).expect("the server takes half a head");
    stream
}

fn slow_reader(server: &Server) -> TcpStream {
    let mut stream = load::narrow(server.address());
    load::will_abort(&stream);
    stream.write_all(plain_get("/large.bin").as_bytes()).expect("the server takes a request");
    assert!(load::read_head(&mut stream).starts_with("HTTP/1.1 200 "));
    stream
}

/// Each of them takes 1 KiB in its turn, round after round.
fn read_slowly(mut streams: Vec<TcpStream>) -> Background {
    Background::run(move || {
        for stream in &mut streams {
            stream.read_exact(&mut [0; 1024]).expect("a slow reader is served on");
        }
        // The pace of these clients.
        std::thread::sleep(Duration::from_millis(20));
    })
}

rows!(greedy:
    pipelining_small_requests_for_ever_starves_nobody(pipeline_for_ever),
    reading_a_huge_file_at_full_speed_starves_nobody(download_for_ever),
);

/// One worker, and one connection that always has more to do: the others have their turns in between.
fn greedy(take_all: fn(TcpStream) -> [Background; 2]) {
    let _alone = load::alone();
    let site = site();
    let server = serve(&site, "1");
    let greedy = load::wide(server.address());
    load::will_abort(&greedy);
    let _greedy = take_all(greedy);
    let hello = plain_get("/hello.txt");
    // This client shares two cores with the greedy one, so that the bound on the median is a scheduler's, not a
    // server's: a worker that never yielded would not answer at all.
    let median_max = Duration::from_millis(50);
    Latencies::fresh(&server, &hello, 50).assert_within(median_max, 2 * LATENCY_MAX);
    Latencies::kept(&mut Client::connect(&server), &hello, 50).assert_within(median_max, 2 * LATENCY_MAX);
}

fn pipeline_for_ever(stream: TcpStream) -> [Background; 2] {
    let batch = plain_get("/hello.txt").repeat(100).into_bytes();
    let mut writing = stream.try_clone().expect("a socket can be shared");
    // Whichever of the two is dropped first lets the other fill or drain the socket: they end by timeout at the latest.
    stream.set_read_timeout(Some(Duration::from_secs(1))).expect("a time that is not zero");
    writing.set_write_timeout(Some(Duration::from_secs(1))).expect("a time that is not zero");
    [Background::run(move || drop(writing.write(&batch))), discard(stream)]
}

fn download_for_ever(mut stream: TcpStream) -> [Background; 2] {
    stream.write_all(plain_get("/huge.bin").repeat(20).as_bytes()).expect("the server takes requests");
    stream.set_read_timeout(Some(Duration::from_secs(1))).expect("a time that is not zero");
    let second = stream.try_clone().expect("a socket can be shared");
    [discard(stream), discard(second)]
}

fn discard(mut stream: TcpStream) -> Background {
    let mut chunk = vec![0; 256 * 1024];
    Background::run(move || drop(stream.read(&mut chunk)))
}

rows!(thread_count:
    one_worker_and_a_fixed_number_of_other_threads(1),
    two_workers_and_the_same_number_of_other_threads(2),
    seven_workers_and_the_same_number_of_other_threads(7),
);

fn thread_count(workers: usize) {
    // The accept loop, the writer of the access log, and the writer of the diagnostics, at most.
    const OTHERS_MAX: usize = 3;
    let site = site();
    let server = serve(&site, &workers.to_string());
    let one_by_one = |workers: usize| load::threads(server.pid()) - workers;
    Client::connect(&server).ask(plain_get("/hello.txt"));
    let others = one_by_one(workers);
    assert!((1..=OTHERS_MAX).contains(&others), "{others} threads beside {workers} workers");
    let connections = load::idle_connections(&server, 300);
    assert_eq!(one_by_one(workers), others, "with {} connections", connections.len());
}

#[test]
fn five_thousand_idle_connections_cost_almost_nothing_and_answer_again() {
    let _alone = load::alone();
    let site = site();
    let server = serve(&site, "2");
    // What is allocated once is allocated now.
    drop(load::idle_connections(&server, 100));
    let resident_before = load::resident_kib(server.pid());
    let mut idle = load::idle_connections(&server, 5_000);
    let resident = load::resident_kib(server.pid()) - resident_before;
    assert!(resident <= 2 * 5_000, "{resident} KiB for 5,000 idle connections");
    let share = load::share_of_a_core(server.pid(), Duration::from_secs(1));
    assert!(share < 0.05, "{share} of a core for idle connections");
    for stream in &mut idle {
        stream.write_all(ASK_FOR_OPTIONS.as_bytes()).expect("an idle connection is still open");
        assert!(load::read_head(stream).starts_with("HTTP/1.1 204 "));
    }
}
