//! What `--watch` tells of the time before a worker had a request, which only the kernel knows.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::load::{site, stop, wait_until};
use crate::support::{Client, PATIENCE, Server, Site, get};
use crate::watch::{self, STATUS};

/// How long nobody takes the request, at least.
const STOPPED_FOR: Duration = Duration::from_millis(100);

fn start(site: &Site) -> Server {
    Server::start(site.root(), &["--watch", "--workers", "1", "--access-log", "off"])
}

/// A client that has been answered once.
fn served() -> (Site, Server, Client) {
    let site = site();
    let server = start(&site);
    let mut client = Client::connect(&server);
    assert_eq!(client.ask(get("/hello.txt", "")).status, 200);
    (site, server, client)
}

#[test]
fn a_wait_begins_when_the_kernel_has_the_request_and_is_no_service() {
    let (_site, server, mut client) = served();
    stop(&server);
    let since = Instant::now();
    client.send(get("/hello.txt", ""));
    // Time is what this is about.
    std::thread::sleep(STOPPED_FOR.saturating_sub(since.elapsed()));
    server.signal(Signal::CONT);
    assert_eq!(client.response("GET").status, 200);
    let waited_at_most = since.elapsed();
    // In nanoseconds, to a sixteenth above what it was.
    let longest = |status: &Value| {
        let buckets = status["wait"]["buckets"].as_array().unwrap();
        Duration::from_nanos(buckets.last().map_or(0, |bucket| bucket[0].as_u64().unwrap()))
    };
    wait_until(PATIENCE, "the wait is told", || longest(&watch::json(&server, STATUS)) >= STOPPED_FOR);
    let status = watch::json(&server, STATUS);
    assert!(longest(&status) <= waited_at_most + waited_at_most / 16, "{status:#}");
    assert!(status["wait"]["count"].as_u64() >= Some(2), "with little to do each turn is asked about");
    let recent = &status["recent"]["wait_seconds"];
    assert!(recent["p50"].as_f64() <= recent["p99"].as_f64() && recent["p99"].as_f64() <= recent["max"].as_f64());
    let metrics = watch::watch(&server, "/.millpond/metrics");
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
    let (_site, server, client) = served();
    rustix::net::sockopt::set_socket_linger(client.stream(), Some(Duration::ZERO)).expect("a socket can be reset");
    drop(client);
    wait_until(PATIENCE, "the reset is counted as one", || {
        watch::json(&server, STATUS)["totals"]["closed"]["peer_reset"] == 1
    });
}

/// With one client who asks for the next as soon as it has the last, as many are in service as the worker is busy.
#[test]
fn as_many_are_seen_in_service_as_littles_law_says() {
    let site = site();
    let server = start(&site);
    let mut client = Client::connect(&server);
    let since = Instant::now();
    // Long enough for a thousand looks.
    while since.elapsed() < Duration::from_secs(1) {
        assert_eq!(client.ask(get("/hello.txt", "")).status, 200);
    }
    let recent = &watch::json(&server, STATUS)["recent"];
    let (by_law, seen) = (recent["in_service"].as_f64().unwrap(), recent["seen"].as_f64().unwrap());
    assert!(by_law > 0.0 && (seen - by_law).abs() < 0.1 + by_law / 4.0, "{recent:#}");
}
