//! The server is stopped by a signal, for as long as somebody likes, and goes on: no byte is lost, and time that passed
//! meanwhile is no client's fault who used it.
//!
//! *Invariants:* 3, 5 and 12 of DESIGN.md §3; row C18 of threats.md. What comes to a stopped server together with the call
//! to drain is in [`drain`](crate::drain).

use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::crowd::{self, Base};
use crate::load::{self, ASK_FOR_OPTIONS, DOWNLOAD, Download, Silence, assert_took, plain_get, site};
use crate::support::{Client, PATIENCE, Server, Site, common};

/// Longer than any of the deadlines of [`serve`].
const STOPPED_FOR: Duration = Duration::from_millis(2_000);

/// What a sweep and a busy machine may make of "at once".
const AT_ONCE: Duration = Duration::from_secs(1);

fn serve(site: &Site, workers: &str) -> Server {
    let deadlines =
        ["--head-timeout", "1500ms", "--idle-timeout", "1500ms", "--stall-timeout", "1s", "--drain-timeout", "1s"];
    let arguments = ["--workers", workers, "--access-log", "off"];
    Server::start(site.root(), &[arguments.as_slice(), &deadlines].concat())
}

/// Stops the server, and has it go on after at least [`STOPPED_FOR`].
fn while_stopped(server: &Server, happens: impl FnOnce()) {
    load::stop(server);
    let since = Instant::now();
    happens();
    // Time is what this is about.
    thread::sleep(STOPPED_FOR.saturating_sub(since.elapsed()));
    server.signal(Signal::CONT);
}

fn sent(server: &Server, bytes: &str) -> TcpStream {
    let mut stream = load::wide(server.address());
    stream.write_all(bytes.as_bytes()).expect("the kernel takes it");
    stream
}

#[test]
fn downloads_whose_clients_read_on_while_it_was_stopped_are_byte_exact() {
    let site = site();
    let server = serve(&site, "2");
    let start = |connect: fn(_) -> _| Download::start(connect(server.address()), "/download.bin", &DOWNLOAD);
    let mut downloads: Vec<Download> =
        [load::narrow, load::narrow, load::wide, load::wide].into_iter().map(start).collect();
    downloads.iter_mut().for_each(|download| download.read_to(100_000));
    for _ in 0..2 {
        while_stopped(&server, || downloads.iter_mut().for_each(read_what_is_there));
        downloads.iter_mut().for_each(|download| download.read_to(download.received() + 200_000));
    }
    downloads.into_iter().for_each(|download| drop(download.finish()));
}

/// All that the kernel has of it.
fn read_what_is_there(download: &mut Download) {
    const PACE: Duration = Duration::from_millis(100);
    let is_there = |stream: &TcpStream| {
        stream.set_read_timeout(Some(PACE)).expect("a time that is not zero");
        let peeked = stream.peek(&mut [0]);
        stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
        peeked.is_ok_and(|count| count > 0)
    };
    while download.received() < 2 * DOWNLOAD.len() / 3 && is_there(download.stream()) {
        download.read(64 * 1024);
    }
}

#[test]
fn every_deadline_passes_while_it_is_stopped_and_whoever_sent_something_meanwhile_is_answered() {
    const EACH: usize = 40;
    let site = site();
    let server = serve(&site, "1");
    let before =
        load::descriptors_after(server.pid(), || drop(Client::connect(&server).ask(plain_get("/download.bin"))));
    let hello = plain_get("/hello.txt");
    let (half, rest) = hello.split_at(20);
    // Many: whether the sweep or a worker comes first to each is chance.
    let mut idle = load::idle_connections(&server, EACH);
    let mut half_heads: Vec<TcpStream> = (0..EACH).map(|_| sent(&server, half)).collect();
    let (mut quiet, mut half_only) = (load::idle_connections(&server, 1).remove(0), sent(&server, half));
    let unread = Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    let mut newcomers = Vec::new();
    while_stopped(&server, || {
        idle.iter_mut().for_each(|stream| stream.write_all(hello.as_bytes()).expect("the kernel takes it"));
        half_heads.iter_mut().for_each(|stream| stream.write_all(rest.as_bytes()).expect("the kernel takes it"));
        newcomers.extend((0..EACH).map(|_| sent(&server, &hello)));
    });
    let since = Instant::now();
    for answered in idle.iter_mut().chain(&mut half_heads).chain(&mut newcomers) {
        assert!(load::read_head(answered).starts_with("HTTP/1.1 200 "), "it was asked in time");
    }
    assert!(load::read_head(&mut half_only).starts_with("HTTP/1.1 408 "));
    assert_eq!(load::silence(&mut quiet, PATIENCE), Silence::Closed, "quiet for too long");
    assert_took(since.elapsed(), Duration::ZERO..AT_ONCE);
    drop((idle, half_heads, half_only, newcomers));
    load::wait_until(PATIENCE, "every descriptor is free again", || load::descriptors(server.pid()) <= before);
    assert!(unread.read_to_close() < DOWNLOAD.len(), "it was cut, because nobody read");
}

#[test]
fn stopped_and_let_go_on_a_hundred_times_under_load_it_loses_nothing() {
    let _alone = load::alone();
    let server = Server::start(common().site.root(), &["--workers", "2", "--access-log", "off"]);
    let base = Base::of(&server);
    let tally = thread::scope(|scope| {
        let asking = scope.spawn(|| crowd::ask(&server, 4, 60, &[]));
        for _ in 0..100 {
            server.signal(Signal::STOP);
            thread::sleep(Duration::from_millis(2));
            server.signal(Signal::CONT);
            thread::sleep(Duration::from_millis(2));
        }
        asking.join().expect("every whole answer is a right one")
    });
    assert_eq!((tally.refused, tally.cut), (0, 0), "{tally:?}");
    base.assert_again(&server);
}

#[test]
fn the_drain_deadline_passes_while_it_is_stopped_and_it_ends_as_soon_as_it_goes_on() {
    let site = site();
    // With the stall timeout as it is, so that the drain finds somebody to cut.
    let mut server = Server::start(site.root(), &["--workers", "1", "--drain-timeout", "1s", "--access-log", "off"]);
    let download = Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    let mut idle = load::idle_connections(&server, 1).remove(0);
    server.signal(Signal::TERM);
    assert_eq!(load::silence(&mut idle, PATIENCE), Silence::Closed, "it drains");
    while_stopped(&server, || {});
    let since = Instant::now();
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::ZERO..AT_ONCE);
    let stderr = String::from_utf8_lossy(&server.stderr_to_end()).into_owned();
    assert!(stderr.contains(", 1 connection cut"), "{stderr}");
    assert!(download.read_to_close() < DOWNLOAD.len());
}

#[test]
fn a_call_to_drain_that_comes_while_it_is_stopped_is_followed_when_it_goes_on() {
    let site = site();
    let mut server = serve(&site, "1");
    let download = Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    let mut asked = load::idle_connections(&server, 1).remove(0);
    while_stopped(&server, || {
        server.signal(Signal::TERM);
        asked.write_all(ASK_FOR_OPTIONS.as_bytes()).expect("the kernel takes it");
    });
    let finished = thread::scope(|scope| {
        let reading = scope.spawn(|| download.read_to_close());
        assert!(load::read_head(&mut asked).starts_with("HTTP/1.1 204 "));
        reading.join().expect("every byte is a right one")
    });
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    // Whoever read nothing for longer than the stall timeout may have been cut.
    assert!(finished > 0);
}
