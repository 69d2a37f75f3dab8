//! A drain can be watched to its end by who watched before, and watching it puts its end off for nobody.
//!
//! *Invariants:* 12 of DESIGN.md §3; row S24 of threats.md.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::devtools::Page;
use crate::drain::{assert_summary, wait_until_refused};
use crate::load::{self, DOWNLOAD, Download, assert_took, plain_get, site, wait_until};
use crate::support::{Client, PATIENCE, Response, Server, Site, bare_command};

/// What a busy machine may make of no time.
const AT_ONCE: Duration = Duration::from_secs(1);

const LOOK: &str = "GET /.millpond/status.json HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn start(site: &Site, more: &[&str]) -> Server {
    Server::start(site.root(), &[&["--watch", "--workers", "2", "--access-log", "off"], more].concat())
}

/// One who watches: a connection on which it was asked how it is.
fn watcher(server: &Server) -> Client {
    let mut watcher = Client::connect(server);
    assert!(!watcher.ask(LOOK).closes());
    watcher
}

fn slow_reader(server: &Server) -> Download<'static> {
    Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD)
}

/// The signal, and all that follows from it before a client can know of it.
fn begin_to_drain(server: &Server) {
    server.signal(Signal::INT);
    wait_until_refused(server.address(), PATIENCE);
}

fn status(response: &Response) -> Value {
    assert!(!response.closes(), "there is more to be seen");
    serde_json::from_slice(&response.content).expect("it is JSON")
}

/// Looks until it is so.
fn look_until(watcher: &mut Client, what: &str, is_so: impl Fn(&Value) -> bool) {
    wait_until(PATIENCE, what, || is_so(&status(&watcher.ask(LOOK))));
}

#[test]
fn who_watched_before_sees_the_drain_to_its_end() {
    let site = site();
    let mut server = start(&site, &[]);
    let (first, second) = (slow_reader(&server), slow_reader(&server));
    let (mut watcher, mut another) = (watcher(&server), watcher(&server));
    begin_to_drain(&server);
    // Longer than a quiet connection is kept.
    thread::sleep(Duration::from_millis(600));
    let sees = |waiting: u64| {
        move |status: &Value| {
            status["state"] == "draining"
                && status["pond"]["waiting_to_write"] == waiting
                && status["pond"]["watching"] == 2
        }
    };
    look_until(&mut watcher, "both are waited for", sees(2));
    drop(first.finish());
    look_until(&mut watcher, "one is waited for", |now| sees(1)(now) && now["pond"]["connections"] == 3);
    look_until(&mut another, "others see the same", |now| sees(1)(now) && now["drain"]["finished"] == 1);
    assert!(server.is_running());
    let since = Instant::now();
    drop(second.finish());
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::ZERO..AT_ONCE);
    assert_summary(&server.stderr_to_end(), 2, 0);
    watcher.expect_closed();
    another.expect_closed();
}

#[test]
fn with_nobody_else_a_drain_ends_at_once_though_it_is_looked_at_all_the_time() {
    let _alone = load::alone();
    let site = site();
    let mut server = start(&site, &[]);
    let (address, looks, quiet) = (server.address(), AtomicUsize::new(0), watcher(&server));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut watcher = Client::connect_to(address);
                while watcher.try_send(LOOK).is_ok()
                    && watcher.response_or_close("GET").is_some_and(|now| !now.closes())
                {
                    looks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        wait_until(PATIENCE, "it is looked at", || looks.load(Ordering::Relaxed) > 100);
        let since = Instant::now();
        server.signal(Signal::TERM);
        assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
        assert_took(since.elapsed(), Duration::ZERO..AT_ONCE);
    });
    quiet.expect_closed();
    assert_summary(&server.stderr_to_end(), 0, 0);
}

#[test]
fn who_asks_for_something_else_while_it_drains_is_answered_for_the_last_time() {
    let site = site();
    let mut server = start(&site, &[]);
    let (reader, mut watcher) = (slow_reader(&server), watcher(&server));
    begin_to_drain(&server);
    look_until(&mut watcher, "it drains", |status| status["state"] == "draining");
    let hello = watcher.ask(plain_get("/hello.txt"));
    assert_eq!((hello.status, hello.content.as_slice(), hello.closes()), (200, b"hello, world\n".as_slice(), true));
    watcher.expect_closed();
    drop(reader.finish());
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_summary(&server.stderr_to_end(), 2, 0);
}

#[test]
fn when_the_time_is_up_who_watches_is_not_among_the_cut() {
    let site = site();
    let mut server = start(&site, &["--drain-timeout", "1s"]);
    let (stuck, quiet, mut watcher) = (slow_reader(&server), watcher(&server), watcher(&server));
    let since = Instant::now();
    begin_to_drain(&server);
    look_until(&mut watcher, "it drains", |status| status["state"] == "draining");
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::from_millis(980)..Duration::from_secs(2));
    assert_summary(&server.stderr_to_end(), 0, 1);
    assert!(stuck.read_to_close() < DOWNLOAD.len(), "it was cut");
    quiet.expect_closed();
}

#[test]
fn who_watches_and_takes_nothing_holds_up_nobody() {
    let site = site();
    let mut server = start(&site, &[]);
    let mut greedy = load::narrow(server.address());
    // More answers than both ends have buffers for.
    let mut asking = greedy.try_clone().expect("a socket can be shared");
    let asks = thread::spawn(move || {
        // It fails once the server is gone.
        let _ = std::io::Write::write_all(&mut asking, LOOK.repeat(50_000).as_bytes());
    });
    let mut watcher = watcher(&server);
    look_until(&mut watcher, "it waits for room", |status| {
        status["pond"]["waiting_to_write"] == 1 && status["waits"] == serde_json::json!([])
    });
    let since = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::ZERO..AT_ONCE);
    assert_summary(&server.stderr_to_end(), 0, 0);
    load::silence(&mut greedy, AT_ONCE);
    load::abort(greedy);
    asks.join().expect("the sender ends");
}

#[test]
fn top_sees_it_to_its_end_too() {
    let site = site();
    let mut server = start(&site, &[]);
    let reader = slow_reader(&server);
    let mut command: Command = bare_command();
    command.args(["top", &server.host(), "--interval", "50ms"]);
    let mut top = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("millpond runs");
    let mut lines = BufReader::new(top.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(": serving, ")));
    begin_to_drain(&server);
    assert!(lines.any(|line| line.contains(": draining, ")));
    // How it stood when that was said depends on how quickly others left.
    let waited = "connections waited for 1, responses finished since the signal 0";
    assert!(lines.any(|line| line == waited), "what is waited for is told");
    assert!(lines.any(|line| line.starts_with("the port is closed; watching 1")), "there is no queue any more");
    drop(reader.finish());
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_eq!(lines.last(), Some(format!("{} was draining, and has ended", server.host())));
    assert_eq!(top.wait().expect("it ends").code(), Some(0));
}

#[test]
fn the_page_sees_it_too_says_when_it_is_over_and_finds_the_next_server() {
    let Some(page) = Page::open() else { return };
    let site = site();
    let mut server = start(&site, &[]);
    let address = server.address();
    let reader = slow_reader(&server);
    let shows = |text: &str| {
        let shown = format!("document.getElementById('state')?.innerText.includes({text:?})");
        wait_until(PATIENCE, text, || page.ask(&shown) == serde_json::json!(true));
    };
    page.show(&format!("http://{address}/.millpond/"), 1280, "light");
    shows("serving");
    begin_to_drain(&server);
    shows("draining");
    // As long as it takes to be believed.
    thread::sleep(Duration::from_secs(1));
    shows("draining");
    drop(reader.finish());
    // From here on the browser complains that nobody answers.
    page.may_complain();
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    shows("ended");
    let mut next = bare_command();
    next.args(["--watch", "--port", &address.port().to_string()]).arg(site.root());
    let _next = Server::spawn(next);
    shows("serving");
}
