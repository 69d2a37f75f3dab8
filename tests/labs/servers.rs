//! The four servers of `examples/`, each as a program of its own: they differ in who waits, and in nothing that a client
//! could read.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use millpond::engine::inherit;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::example;

const SERVERS: [&str; 4] = ["one_at_a_time", "thread_per_connection", "blocking_pool", "process_per_worker"];

const PATIENCE: Duration = Duration::from_secs(10);

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(name: &str, directory: &Path) -> Server {
        Server::run(Command::new(example(name)).arg("127.0.0.1:0").arg(directory))
    }

    fn run(command: &mut Command) -> Server {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let address = line.trim_end().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
        let address = address.and_then(|address| address.parse().ok());
        Server { child, address: address.unwrap_or_else(|| panic!("{command:?} printed {line:?}")) }
    }

    /// All that comes for these bytes, until the server closes. Dates are made the same.
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("it takes a client");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket has a timeout");
        stream.write_all(request.as_bytes()).expect("it takes a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers and closes");
        let lines =
            answer.split_inclusive("\r\n").map(|line| if line.starts_with("Date: ") { "Date: now\r\n" } else { line });
        lines.collect()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("our own child takes a signal");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn site() -> TempDir {
    let site = tempfile::tempdir().expect("there is room for a site");
    fs::write(site.path().join("a.txt"), HELLO).expect("a file");
    fs::create_dir(site.path().join("dir")).expect("a directory");
    for number in 0..200 {
        fs::write(site.path().join("dir").join(format!("{number}.txt")), HELLO).expect("a file");
    }
    site
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "{what} after {PATIENCE:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

const HELLO: &str = "hello, world\n";

/// Requests, after each of which the connection ends, and how the answer begins.
const ROWS: [(&str, &str, &str); 14] = [
    ("a file", "GET /a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200 OK"),
    ("its head", "HEAD /a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200 OK"),
    (
        "a range of it",
        "GET /a.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=7-11\r\nConnection: close\r\n\r\n",
        "206 Partial Content",
    ),
    ("HTTP/1.0 closes", "GET /a.txt HTTP/1.0\r\n\r\n", "200 OK"),
    (
        "three at a time, in order",
        "GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\nHEAD /a.txt HTTP/1.1\r\nHost: a\r\n\r\n\
         GET /a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        "200 OK",
    ),
    ("a listing, in chunks", "GET /dir/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200 OK"),
    ("a listing, until the end", "GET /dir/ HTTP/1.0\r\n\r\n", "200 OK"),
    ("no file", "GET /b.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "404 Not Found"),
    ("a method", "PUT /a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "405 Method Not Allowed"),
    ("content is no request", "GET /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nGET / HTT", "200 OK"),
    (
        "two lengths",
        "GET /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "400 Bad Request",
    ),
    ("no host", "GET /a.txt HTTP/1.1\r\n\r\n", "400 Bad Request"),
    ("no HTTP at all", "\x16\x03\x01\r\n\r\n", "400 Bad Request"),
    ("above the root", "GET /../a.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "400 Bad Request"),
];

#[test]
fn each_answers_as_millpond_does_to_the_byte() {
    let site = site();
    // Until a file has settled it has no validators; an old one has them from the first answer on.
    let old = fs::File::open(site.path().join("a.txt")).expect("the file is there");
    old.set_modified(SystemTime::UNIX_EPOCH).expect("it has a time");
    thread::sleep(millpond::config::SETTLE_TIME);
    let mut millpond = Command::new(env!("CARGO_BIN_EXE_millpond"));
    millpond.env_clear().args(["--port", "0"]).arg(site.path()).stderr(Stdio::null());
    let millpond = Server::run(&mut millpond);
    for name in SERVERS {
        let server = Server::start(name, site.path());
        for (what, request, status) in ROWS {
            let expected = millpond.ask(request);
            assert!(expected.starts_with(&format!("HTTP/1.1 {status}\r\n")), "millpond: {what}: {expected:?}");
            assert_eq!(server.ask(request), expected, "{name}: {what}");
        }
    }
}

#[test]
fn each_sends_a_large_file_whole() {
    let site = site();
    let content: String = ('a'..='z').cycle().take(3_000_000).collect();
    fs::write(site.path().join("large.txt"), &content).expect("a file");
    for name in SERVERS {
        let answer = Server::start(name, site.path()).ask("GET /large.txt HTTP/1.0\r\n\r\n");
        let (_, sent) = answer.split_once("\r\n\r\n").expect("a head ends");
        assert!(sent == content, "{name}: {} bytes", sent.len());
    }
}

#[test]
fn each_ends_by_a_signal_with_all_that_belongs_to_it() {
    let site = site();
    // A shell has what runs in its background ignore SIGINT, and these servers inherit that.
    let signals: Vec<Signal> =
        [Signal::INT, Signal::TERM].into_iter().filter(|signal| !inherit::is_ignored(signal.as_raw())).collect();
    for (name, signal) in SERVERS.into_iter().flat_map(|name| signals.iter().map(move |signal| (name, *signal))) {
        let mut server = Server::start(name, site.path());
        server.ask("GET /a.txt HTTP/1.0\r\n\r\n");
        server.signal(signal);
        server.child.wait().expect("it ends");
        // Workers that are processes hold the listener, too.
        wait_until(&format!("{name} takes clients"), || TcpStream::connect(server.address).is_err());
    }
}

#[test]
fn a_worker_that_is_a_process_is_replaced() {
    let site = site();
    let server = Server::start("process_per_worker", site.path());
    let children = || {
        let pid = server.child.id();
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it has a list of children");
        text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    wait_until("there are not four workers", || children().len() == 4);
    let before = children();
    let victim = Pid::from_raw(before[0].parse().expect("a number")).expect("above zero");
    kill_process(victim, Signal::KILL).expect("a worker of our own child");
    wait_until("it isn't replaced", || children().len() == 4 && !children().contains(&before[0]));
    assert!(server.ask("GET /a.txt HTTP/1.0\r\n\r\n").ends_with(HELLO));
}
