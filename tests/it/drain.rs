//! Ctrl+C in the middle of everything loses nothing: the port closes, what was asked is answered, what is under way is
//! finished.
//!
//! *Invariants:* 12 of DESIGN.md §3; rows S1 to S5, S8, S11, S14 and S15 of threats.md, promise 12.
//!
//! RFC 9112 §9.6: a server that closes says so in its last response, and closes after it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::load::{self, ASK_FOR_OPTIONS, DOWNLOAD, Download, Process, Silence, assert_took, plain_get, site};
use crate::support::{Client, PATIENCE, Server, Site, get, rows};

/// "Port refused ≤ 100 ms" (promise 12).
const REFUSED_WITHIN: Duration = Duration::from_millis(100);

/// Idle connections are closed at once; this is what a busy machine may make of it.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Connects until nobody listens any more.
pub fn wait_until_refused(address: SocketAddr, timeout: Duration) {
    let deadline = Instant::now() + timeout;
    loop {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => load::abort(stream),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            // It was in the queue when the listener was closed.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("neither accepted nor refused: {error}"),
        }
        assert!(Instant::now() < deadline, "the port is still open after {timeout:?}");
    }
}

/// The last line on stderr says how the drain went: at least so many responses finished, and exactly so many
/// connections cut. One more may be finished: a client has its answer before the server has counted it.
pub fn assert_summary(stderr: &[u8], finished: usize, cut: usize) {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("drained in ")).collect();
    let [line] = lines.as_slice() else { panic!("not one line about the drain: {text:?}") };
    let numbers: Option<Vec<usize>> = line.split_once(" s: ").map(|(_, summary)| {
        summary.split(|letter: char| !letter.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    });
    let Some([said, said_cut]) = numbers.as_deref() else { panic!("no two numbers: {line:?}") };
    assert!((finished..=finished + 1).contains(said) && *said_cut == cut, "{line:?}: not {finished} and {cut}");
}

// ---------------------------------------------------------------------------------------------------------- one signal

rows!(drains:
    sigint_drains(Signal::INT),
    sigterm_drains(Signal::TERM),
    sighup_drains(Signal::HUP),
);

/// Three slow downloads, one of which has asked for more, and twenty idle connections.
fn drains(signal: Signal) {
    let _alone = load::alone();
    let site = site();
    let mut server = Server::start(site.root(), &["--workers", "2", "--access-log", "off"]);
    let mut idle = load::idle_connections(&server, 20);
    let start = |_| Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    let mut downloads: Vec<Download> = (0..2).map(start).collect();
    let mut pipelining = load::narrow(server.address());
    pipelining
        .write_all((plain_get("/download.bin") + &plain_get("/hello.txt")).as_bytes())
        .expect("the server takes requests");
    downloads.push(Download::answered(pipelining, &DOWNLOAD));

    let since = Instant::now();
    server.signal(signal);
    wait_until_refused(server.address(), REFUSED_WITHIN);
    for stream in &mut idle {
        assert_eq!(load::silence(stream, AT_ONCE), Silence::Closed, "an idle connection is closed without a byte");
    }
    assert_took(since.elapsed(), Duration::ZERO..AT_ONCE);
    assert!(server.is_running(), "three downloads are under way");
    thread::scope(|scope| {
        let paced = |download: Download<'static>| download.finish_at_pace(64 * 1024, Duration::from_millis(10));
        let finishing: Vec<_> = downloads.into_iter().map(|download| scope.spawn(move || paced(download))).collect();
        let finished = finishing.into_iter().map(|thread| thread.join().expect("a download is byte-exact"));
        let mut streams: Vec<TcpStream> = finished.collect();
        let pipelining = streams.pop().expect("three of them");
        let last = Download::answered(pipelining, b"hello, world\n");
        assert_eq!(
            load::field(last.head(), "connection"),
            Some("close"),
            "what was asked before the signal is answered"
        );
        streams.push(last.finish());
        for stream in &mut streams {
            assert_eq!(load::silence(stream, PATIENCE), Silence::Closed);
        }
    });
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_summary(&server.stderr_to_end(), 4, 0);
}

#[test]
fn a_drain_with_nothing_to_do_takes_no_time() {
    let site = site();
    let mut server = Server::start(site.root(), &[]);
    Client::connect(&server).ask(plain_get("/hello.txt"));
    let since = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::ZERO..AT_ONCE);
}

#[test]
fn half_heads_do_not_hold_the_drain_longer_than_its_deadline() {
    let site = site();
    let mut server = Server::start(site.root(), &["--drain-timeout", "1s", "--head-timeout", "2m"]);
    Client::connect(&server).ask(ASK_FOR_OPTIONS);
    let half_head = |_| {
        let mut stream = load::wide(server.address());
        stream.write_all(b"GET /hello.txt HT").expect("the server takes half a head");
        stream
    };
    let half_heads: Vec<TcpStream> = (0..200).map(half_head).collect();
    let since = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::ZERO..Duration::from_secs(2));
    drop(half_heads);
}

// ------------------------------------------------------------------ what has reached the kernel and not yet the server

/// Stops the server, lets something happen that it can't see yet, and then shows it that and the signal at once.
fn behind_its_back(server: &Server, happens: impl FnOnce()) {
    load::stop(server);
    happens();
    server.signal(Signal::TERM);
    server.signal(Signal::CONT);
}

/// A worker may have answered before the signal was heard, so that not every such answer says close; each connection
/// ends.
fn assert_last_answer(stream: TcpStream) {
    let answer = Download::answered(stream, b"hello, world\n");
    assert_eq!(load::silence(&mut answer.finish(), PATIENCE), Silence::Closed);
}

#[test]
fn connections_that_wait_to_be_accepted_are_served() {
    let site = site();
    let mut server = Server::start(site.root(), &["--workers", "2"]);
    Client::connect(&server).ask(plain_get("/hello.txt"));
    let mut queued = Vec::new();
    behind_its_back(&server, || {
        for _ in 0..200 {
            let mut stream = load::wide(server.address());
            stream
                .write_all(plain_get("/hello.txt").as_bytes())
                .expect("the kernel takes what the server does not yet");
            queued.push(stream);
        }
    });
    queued.into_iter().for_each(assert_last_answer);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
}

#[test]
fn requests_that_wait_to_be_read_on_idle_connections_are_answered() {
    let site = site();
    let mut server = Server::start(site.root(), &["--workers", "2"]);
    let mut idle = load::idle_connections(&server, 200);
    behind_its_back(&server, || {
        for stream in &mut idle {
            stream
                .write_all(plain_get("/hello.txt").as_bytes())
                .expect("the kernel takes what the server does not yet");
        }
    });
    idle.into_iter().for_each(assert_last_answer);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
}

#[test]
fn pipelined_requests_that_were_received_are_all_answered() {
    let site = site();
    let mut server = Server::start(site.root(), &["--workers", "1"]);
    let mut client = Client::connect(&server);
    client.ask(plain_get("/hello.txt"));
    behind_its_back(&server, || client.send(plain_get("/hello.txt").repeat(40)));
    for index in 0..40 {
        let response = client.response("GET");
        assert_eq!(response.content, b"hello, world\n");
        // RFC 9112 §9.6: whoever says close must not answer what follows. The last one need not say it, if the signal
        // came later.
        assert!(!response.closes() || index == 39, "answer {index} says close, and others were asked for");
    }
    client.expect_closed();
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
}

// ------------------------------------------------------------ what the kernel has taken, and the client has not yet

/// Small enough to wait with the kernel, whole, while nobody reads.
const HELD_BYTES: usize = 256 * 1024;

rows!(waits_for_the_last_bytes:
    what_a_connection_that_is_kept_has_yet_to_take_is_waited_for(""),
    what_a_connection_that_was_closed_has_yet_to_take_is_waited_for("Connection: close\r\n"),
);

/// In a container the network ends with the process, and what is still on its way is gone.
fn waits_for_the_last_bytes(more_fields: &str) {
    let (_site, mut server, mut held) = hold(more_fields);
    server.signal(Signal::TERM);
    wait_until_refused(server.address(), PATIENCE);
    // In pieces over half a second, by when the connection has been closed for long, kept or not.
    for piece in 1..=50 {
        held.read_to(piece * HELD_BYTES / 100);
        thread::sleep(Duration::from_millis(10));
    }
    assert!(server.is_running(), "half of it has yet to be taken");
    held.read_to(HELD_BYTES);
    let since = Instant::now();
    assert_eq!(load::silence(&mut held.finish(), PATIENCE), Silence::Closed);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::ZERO..AT_ONCE);
    let stderr = server.stderr_to_end();
    assert!(String::from_utf8_lossy(&stderr).contains("waiting while clients take the last "), "it says why it stays");
    assert_summary(&stderr, 0, 0);
}

#[test]
fn who_takes_nothing_of_the_last_bytes_is_not_waited_for_until_the_deadline() {
    let (_site, mut server, held) = hold("");
    let since = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::from_secs(1)..Duration::from_secs(4));
    // The kernel goes on with it.
    assert_eq!(load::silence(&mut held.finish(), PATIENCE), Silence::Closed);
}

/// A server to which a response is sent, and of which the client has taken the head.
fn hold(more_fields: &str) -> (Site, Server, Download<'static>) {
    let content = &DOWNLOAD[..HELD_BYTES];
    let site = Site::new();
    site.file("held.bin", content);
    let server = Server::start(site.root(), &[]);
    let mut stream = load::narrow(server.address());
    stream.write_all(&get("/held.bin", more_fields)).expect("the server takes a request");
    let held = Download::answered(stream, content);
    server.wait_for_stdout_line(PATIENCE, |line| line.ends_with(&format!("200 {HELD_BYTES}")));
    (site, server, held)
}

// --------------------------------------------------------------------------------------------- deadline and impatience

#[test]
fn a_client_that_never_reads_is_cut_at_the_deadline() {
    let site = site();
    let mut server = Server::start(site.root(), &["--drain-timeout", "1s", "--access-log", "off"]);
    let stuck = Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    let since = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::from_millis(980)..Duration::from_secs(2));
    assert_summary(&server.stderr_to_end(), 0, 1);
    let received = stuck.read_to_close();
    assert!(received < DOWNLOAD.len(), "it was cut");
}

rows!(second_signal:
    sigint_twice_exits_with_130(Signal::INT, Signal::INT, 130),
    sigterm_twice_exits_with_143(Signal::TERM, Signal::TERM, 143),
    sighup_twice_exits_with_129(Signal::HUP, Signal::HUP, 129),
    sigint_then_sigterm_exits_with_143(Signal::INT, Signal::TERM, 143),
    sigterm_then_sigint_exits_with_130(Signal::TERM, Signal::INT, 130),
);

/// A stuck client would hold the drain for its ten seconds.
fn second_signal(first: Signal, second: Signal, code: i32) {
    let site = site();
    let mut server = Server::start(site.root(), &["--access-log", "off"]);
    let stuck = Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    server.signal(first);
    wait_until_refused(server.address(), PATIENCE);
    assert!(server.is_running());
    let since = Instant::now();
    server.signal(second);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(code));
    assert_took(since.elapsed(), Duration::ZERO..Duration::from_millis(500));
    drop(stuck);
}

#[test]
fn an_inherited_ignored_sighup_stays_ignored() {
    let site = site();
    let program = Server::command(site.root());
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap "" HUP; exec "$0" "$@""#]).arg(program.get_program()).args(program.get_args());
    let mut server = Server::spawn(command);
    let mut client = Client::connect(&server);
    for _ in 0..3 {
        server.signal(Signal::HUP);
        assert!(!client.ask(plain_get("/hello.txt")).closes(), "it serves on as if nothing had happened");
    }
    // SIGHUP was seen, or not, long before this is.
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
}

#[test]
fn the_same_port_can_be_served_again_at_once() {
    let site = site();
    let mut server = Server::start(site.root(), &[]);
    let address = server.address();
    let open = load::idle_connections(&server, 10);
    // The server closes this one, which leaves the port in TIME_WAIT.
    Client::connect(&server).ask("GET /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    let mut command = Server::command(site.root());
    command.args(["--bind", "127.0.0.1"]);
    let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    let port = address.port().to_string();
    let mut again = crate::support::bare_command();
    again.args(args.iter().map(|arg| if arg == "0" { port.as_ref() } else { arg.as_os_str() }));
    let again = Process::start(again);
    assert_eq!(again.address, address);
    assert_eq!(Client::connect_to(address).ask(plain_get("/hello.txt")).content, b"hello, world\n");
    drop(open);
}

// ---------------------------------------------------------------------------------------------------------- under load

rows!(under_load:
    one_worker_drains_under_load("1"),
    two_workers_drain_under_load("2"),
    four_workers_drain_under_load("4"),
);

/// What became of one request in a loop of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The whole answer came, and the connection is kept.
    Answered,
    /// The whole answer came, and said that it was the last.
    AnsweredLast,
    /// Not a byte came: the connection was closed (FIN) first.
    Closed,
    /// Not a byte came: the connection was reset, as the kernel does with what was never accepted.
    Reset,
    /// Nobody listened.
    Refused,
}

/// Eight clients ask as fast as they can, 25 times on each connection; the signal comes in the middle of it, five times
/// over.
fn under_load(workers: &str) {
    const CLIENTS: usize = 8;
    const ANSWERS_BEFORE_THE_SIGNAL: usize = 1_500;
    let _alone = load::alone();
    let site = site();
    for _ in 0..5 {
        let mut server = Server::start(site.root(), &["--workers", workers, "--access-log", "off"]);
        let (address, answered) = (server.address(), AtomicUsize::new(0));
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| ask_until_the_end(address, &answered))).collect();
            load::wait_until(PATIENCE, "the load is on", || {
                answered.load(Ordering::Relaxed) > ANSWERS_BEFORE_THE_SIGNAL
            });
            server.signal(Signal::TERM);
            for client in clients {
                client.join().expect("no answer was half an answer, and none was lost");
            }
        });
        assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    }
}

/// Until nobody listens. A half answer panics in the client; a lost request panics here.
pub fn ask_until_the_end(address: SocketAddr, answered: &AtomicUsize) {
    const REQUESTS_PER_CONNECTION: usize = 25;
    loop {
        let Ok(stream) = TcpStream::connect_timeout(&address, PATIENCE) else { return };
        let mut connection = BufferedConnection { stream, read: Vec::new() };
        for index in 0..REQUESTS_PER_CONNECTION {
            match connection.ask() {
                Outcome::Answered => drop(answered.fetch_add(1, Ordering::Relaxed)),
                Outcome::AnsweredLast | Outcome::Refused => break,
                Outcome::Reset if index == 0 => break,
                // The server keeps a quiet connection for a grace (config::DRAIN_GRACE) that this client does not use
                // up, so that even on a used connection there is no request that it did not receive.
                lost => panic!("request {index} on a connection: {lost:?}, and it was sent"),
            }
        }
    }
}

struct BufferedConnection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl BufferedConnection {
    fn ask(&mut self) -> Outcome {
        self.stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
        match self.stream.write_all(plain_get("/hello.txt").as_bytes()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Outcome::Refused,
            Err(_) => return Outcome::Reset,
        }
        self.read.clear();
        let mut chunk = [0; 4 * 1024];
        while !self.read.ends_with(b"\r\n\r\nhello, world\n") {
            match self.stream.read(&mut chunk) {
                Ok(0) if self.read.is_empty() => return Outcome::Closed,
                Err(error) if error.kind() == ErrorKind::ConnectionReset && self.read.is_empty() => {
                    return Outcome::Reset;
                }
                Ok(0) | Err(_) => panic!("half an answer: {}", crate::support::show(&self.read)),
                Ok(read) => self.read.extend_from_slice(&chunk[..read]),
            }
        }
        let head = String::from_utf8_lossy(&self.read);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head:?}");
        if load::field(&head, "connection") == Some("close") { Outcome::AnsweredLast } else { Outcome::Answered }
    }
}
