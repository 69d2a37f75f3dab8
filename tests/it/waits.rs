//! What `--watch` tells of the time before a worker had a request, which only the kernel knows.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::load::{stop, wait_until};
use crate::support::{Client, PATIENCE, Server, Site};
use rustix::process::Signal;

/// How long nobody takes the request, at least.
const STOPPED_FOR: Duration = Duration::from_millis(100);

#[test]
fn a_wait_begins_when_the_kernel_has_the_request_and_is_no_service() {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n");
    let server = Server::start(site.root(), &["--watch", "--workers", "1"]);
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
    let mut client = Client::connect(&server);
    assert_eq!(client.ask(get("/hello.txt")).status, 200);
    stop(&server);
    let since = Instant::now();
    client.send(get("/hello.txt"));
    // Time is what this is about.
    std::thread::sleep(STOPPED_FOR.saturating_sub(since.elapsed()));
    server.signal(Signal::CONT);
    assert_eq!(client.response("GET").status, 200);
    let waited_at_most = since.elapsed();
    let status = || -> Value {
        let response = Client::connect(&server).ask(get("/.millpond/status.json"));
        serde_json::from_slice(&response.content).expect("it is JSON")
    };
    // In nanoseconds, to a sixteenth above what it was.
    let longest = |status: &Value| {
        let buckets = status["wait"]["buckets"].as_array().unwrap();
        Duration::from_nanos(buckets.last().map_or(0, |bucket| bucket[0].as_u64().unwrap()))
    };
    wait_until(PATIENCE, "the wait is told", || longest(&status()) >= STOPPED_FOR);
    let status = status();
    assert!(longest(&status) <= waited_at_most + waited_at_most / 16, "{status:#}");
    assert!(status["wait"]["count"].as_u64() >= Some(2), "with little to do each turn is asked about");
    let recent = &status["recent"]["wait_seconds"];
    assert!(recent["p50"].as_f64() <= recent["p99"].as_f64() && recent["p99"].as_f64() <= recent["max"].as_f64());
    let metrics = Client::connect(&server).ask(get("/.millpond/metrics"));
    let metrics = metrics.content_text();
    let of_slow = |name: &str| -> f64 {
        let value = |series: String| -> f64 {
            let line = metrics.lines().find_map(|line| line.strip_prefix(&series)).expect("it is told");
            line.trim().parse().expect("it is a number")
        };
        value(format!("{name}_count ")) - value(format!("{name}_bucket{{le=\"0.05\"}} "))
    };
    assert_eq!(of_slow("millpond_turn_wait_seconds"), 1.0, "{metrics}");
}

/// Who asks the kernel when something came is told of a reset, once: then who reads would hear of an end.
#[test]
fn a_reset_is_no_end_for_who_is_watched_either() {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n");
    let server = Server::start(site.root(), &["--watch", "--workers", "1"]);
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
    let mut client = Client::connect(&server);
    assert_eq!(client.ask(get("/hello.txt")).status, 200);
    rustix::net::sockopt::set_socket_linger(client.stream(), Some(Duration::ZERO)).expect("a socket can be reset");
    drop(client);
    let closed = |reason: &str| -> u64 {
        let response = Client::connect(&server).ask(get("/.millpond/status.json"));
        let status: Value = serde_json::from_slice(&response.content).expect("it is JSON");
        status["totals"]["closed"][reason].as_u64().unwrap()
    };
    wait_until(PATIENCE, "the reset is counted as one", || closed("peer_reset") == 1);
}

/// With one client who asks for the next as soon as it has the last, as many are in service as the worker is busy.
#[test]
fn as_many_are_seen_in_service_as_littles_law_says() {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n");
    let server = Server::start(site.root(), &["--watch", "--workers", "1", "--access-log", "off"]);
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
    let status = || -> Value {
        let response = Client::connect(&server).ask(get("/.millpond/status.json"));
        serde_json::from_slice(&response.content).expect("it is JSON")
    };
    let mut client = Client::connect(&server);
    let since = Instant::now();
    // Long enough for a thousand looks.
    while since.elapsed() < Duration::from_secs(1) {
        assert_eq!(client.ask(get("/hello.txt")).status, 200);
    }
    let recent = &status()["recent"];
    let (by_law, seen) = (recent["in_service"].as_f64().unwrap(), recent["seen"].as_f64().unwrap());
    assert!(by_law > 0.0 && (seen - by_law).abs() < 0.1 + by_law / 4.0, "{recent:#}");
}
