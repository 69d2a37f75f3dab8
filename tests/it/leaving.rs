//! A server behind a load balancer: it says how it stands, and goes on accepting for a while after the signal.
//!
//! *Invariants:* rows S16 and S17 of threats.md. The long delays here are ended by a second signal, and never waited for.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::load::{assert_took, plain_get};
use crate::support::{Client, PATIENCE, Server, Site, get, request, rows};

fn site() -> Site {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n").file(".millpond/health", "a file\n");
    site
}

const HEALTH: &str = "/.millpond/health";

/// Sends the signal, and returns once the accept loop has heard it.
fn signal(server: &Server, signal: Signal) {
    server.signal(signal);
    server.wait_for_stderr_line(PATIENCE, |line| line.contains("clients are let in for 60.0 s more"));
}

#[test]
fn during_the_delay_whoever_comes_is_answered_for_the_last_time() {
    let site = site();
    let mut server = Server::start(site.root(), &["--drain-delay", "60s", "--health"]);
    let (mut before, mut half) = (Client::connect(&server), Client::connect(&server));
    let healthy = before.ask(plain_get(HEALTH));
    assert_eq!((healthy.status, healthy.content.as_slice(), healthy.closes()), (200, b"ok\n".as_slice(), false));
    half.send("GET /hello.txt HTT");

    signal(&server, Signal::TERM);
    let mut after = Client::connect(&server);
    let hello = after.ask(plain_get("/hello.txt"));
    assert_eq!((hello.status, hello.content.as_slice(), hello.closes()), (200, b"hello, world\n".as_slice(), true));
    after.expect_closed();
    // More than the drain leaves to a quiet connection: that begins later. Nothing tells when a connection is not closed.
    std::thread::sleep(Duration::from_millis(600));
    let leaving = before.ask(plain_get(HEALTH));
    assert_eq!((leaving.status, leaving.content.as_slice(), leaving.closes()), (503, b"draining\n".as_slice(), true));
    before.expect_closed();
    half.send("P/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(half.response("GET").content, b"hello, world\n");

    let since = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(143));
    assert_took(since.elapsed(), Duration::ZERO..Duration::from_millis(500));
}

#[test]
fn pipelined_requests_are_all_answered_during_the_delay() {
    let site = site();
    let server = Server::start(site.root(), &["--drain-delay", "60s"]);
    signal(&server, Signal::INT);
    let mut client = Client::connect(&server);
    client.send(plain_get("/hello.txt").repeat(3));
    let closes = [(); 3].map(|()| client.response("GET").closes());
    assert_eq!(closes, [false, false, true]);
    client.expect_closed();
}

#[test]
fn after_the_delay_it_drains() {
    let site = site();
    let mut server = Server::start(site.root(), &["--drain-delay", "300ms"]);
    let mut idle = Client::connect(&server);
    idle.ask(plain_get("/hello.txt"));
    let since = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::from_millis(300)..Duration::from_secs(2));
    idle.expect_closed();
    TcpListener::bind(server.address()).expect("nobody listens there any more");
}

rows!(health:
    a_get_is_ok("GET", &["--health"], 200, Some("ok\n")),
    a_head_has_no_content("HEAD", &["--health"], 200, Some("")),
    a_post_is_not_allowed("POST", &["--health"], 405, None),
    an_options_is_not_allowed("OPTIONS", &["--health"], 405, None),
    an_unknown_method_is_not_allowed("FROB", &["--health"], 405, None),
    it_wins_over_a_file("GET", &["--health", "--hidden"], 200, Some("ok\n")),
    without_the_option_it_is_a_hidden_name("GET", &[], 404, None),
    without_the_option_it_is_a_file_like_any_other("GET", &["--hidden"], 200, Some("a file\n")),
);

fn health(method: &str, args: &[&str], status: u16, content: Option<&str>) {
    let site = site();
    let server = Server::start(site.root(), args);
    let response = crate::support::ask(&server, request(method, HEALTH, ""));
    assert_eq!(response.status, status);
    if let Some(content) = content {
        assert_eq!(response.content_text(), content);
    }
    if args.contains(&"--health") {
        assert_eq!(response.field("cache-control"), "no-store");
        assert_eq!(response.optional("allow").as_deref(), (status == 405).then_some("GET, HEAD"));
    }
}

rows!(not_health:
    a_slash_behind_it("/.millpond/health/"),
    something_behind_it("/.millpond/healthy"),
    the_directory("/.millpond/"),
    another_case("/.millpond/HEALTH"),
);

fn not_health(target: &str) {
    let site = site();
    let server = Server::start(site.root(), &["--health"]);
    assert_eq!(Client::connect(&server).ask(get(target, "")).status, 404);
}

#[test]
fn a_query_and_an_escape_change_nothing() {
    let site = site();
    let server = Server::start(site.root(), &["--health"]);
    let mut client = Client::connect(&server);
    for target in ["/.millpond/health?now", "/%2emillpond/healt%68", "/a/../.millpond/health"] {
        assert_eq!(client.ask(get(target, "")).content, b"ok\n", "{target}");
    }
}
