//! Started and stopped again and again under load, on one port: nothing that was received is lost, the port is free at
//! once, and the exit code is 0 each time.
//!
//! *Invariants:* 12 of DESIGN.md §3; rows S3, S11 and S15 of threats.md, promise 12.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::drain;
use crate::load::{self, Background};
use crate::support::{PATIENCE, Server, Site, bare_command};

/// A loopback address that no other test has. The port is the kernel's choice the first time, and the same from then on:
/// neither another test nor a client's own end (which is at 127.0.0.1) can take it meanwhile.
const ADDRESS: [u8; 4] = [127, 0, 0, 58];

#[test]
fn started_and_stopped_200_times_under_load_it_loses_nothing_and_the_port_is_free_at_once() {
    const TIMES: usize = 200;
    const CLIENTS: usize = 4;
    const ANSWERS_EACH_TIME: usize = 100;
    // Mostly it is some 30 ms.
    const ROUND_MAX: Duration = Duration::from_secs(3);
    let _alone = load::alone();
    let site = Site::new();
    site.file("hello.txt", "hello, world\n");
    let first = start(&site, SocketAddr::from((ADDRESS, 0)));
    let (address, answered) = (first.address(), Arc::new(AtomicUsize::new(0)));
    let client = |_| {
        let answered = Arc::clone(&answered);
        Background::run(move || {
            // It returns when nobody listens, and panics when anything is lost.
            drain::ask_until_the_end(address, &answered);
            // The pace of who finds the door closed.
            thread::sleep(Duration::from_millis(1));
        })
    };
    let clients: Vec<Background> = (0..CLIENTS).map(client).collect();
    let mut first = Some(first);
    for time in 0..TIMES {
        let since = Instant::now();
        let mut server = first.take().unwrap_or_else(|| start(&site, address));
        assert_eq!(server.address(), address);
        let before = answered.load(Ordering::Relaxed);
        load::wait_until(PATIENCE, "the load is on", || answered.load(Ordering::Relaxed) >= before + ANSWERS_EACH_TIME);
        server.signal(Signal::TERM);
        assert_eq!(server.wait_exit(PATIENCE).code(), Some(0), "time {time}");
        assert!(since.elapsed() < ROUND_MAX, "time {time} took {:?}", since.elapsed());
        let stderr = String::from_utf8_lossy(&server.stderr_to_end()).into_owned();
        assert!(stderr.contains(", 0 connections cut"), "time {time}: {stderr}");
    }
    drop(clients);
}

fn start(site: &Site, address: SocketAddr) -> Server {
    let mut command = bare_command();
    command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
    command.args(["--workers", "2", "--access-log", "off"]).arg(site.root());
    Server::spawn(command)
}
