//! The weights of these tests: many connections, slow ones, broken ones, and what `/proc` says of the server meanwhile.
//!
//! *Invariants:* tests that weigh on the machine, or measure it, run one after another ([`alone`]). What another
//! process does can only be looked at again and again ([`wait_until`]); a pause anywhere else is the pace of a client,
//! never a guess about the server.

// What only one of the modules needs is no mistake.
#![allow(dead_code)]

use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::support::{Client, LARGE_BYTES, PATIENCE, Server, Site, patterned, show};

/// Larger than what both ends' socket buffers take without anybody reading (about 4 MiB on loopback), so that it is
/// still under way while nobody reads, and small enough to be compared byte by byte.
pub const DOWNLOAD_BYTES: usize = LARGE_BYTES;

/// [`DOWNLOAD_BYTES`] of content that tells where it stands.
pub static DOWNLOAD: LazyLock<Vec<u8>> = LazyLock::new(|| patterned(DOWNLOAD_BYTES));

/// A site with that, as `download.bin`, and something small.
pub fn site() -> Site {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n").file("download.bin", DOWNLOAD.as_slice());
    site
}

/// A head that asks for one file and keeps the connection.
pub fn plain_get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: millpond.test\r\n\r\n")
}

/// A head that asks for nothing in the file system.
pub const ASK_FOR_OPTIONS: &str = "OPTIONS * HTTP/1.1\r\nHost: millpond.test\r\n\r\n";

// --------------------------------------------------------------------------------------------------------- the machine

/// Held by every test that weighs on the machine or measures it, for as long as it runs.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // A test that failed while it held this has said so itself.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets this process hold as many connections as the machine allows it.
pub fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(Resource::Nofile, raised).expect("a soft limit can be raised to the hard one");
}

/// Asks again and again until it holds.
///
/// # Panics
/// When it does not after `timeout`.
pub fn wait_until(timeout: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + timeout;
    while !holds() {
        assert!(Instant::now() < deadline, "not after {timeout:?}: {what}");
        // The other process tells nobody when it changes; looking 200 times a second costs nothing.
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a test that needs something the machine may not have is to be skipped, which is said; or fails, where
/// skipping is forbidden.
pub fn skips(present: bool, missing: &str) -> bool {
    if present {
        return false;
    }
    let must_not_skip = std::env::var_os("MILLPOND_TESTS_MUST_NOT_SKIP").is_some_and(|value| value == "1");
    assert!(!must_not_skip, "no {missing}, and MILLPOND_TESTS_MUST_NOT_SKIP=1");
    println!("skipped: no {missing}");
    true
}

/// Where the program is that a shell would start by this name.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
}

// ---------------------------------------------------------------------------------------------------------- the server

/// How many descriptors the process has open.
pub fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("our own child shows its descriptors").count()
}

/// How many descriptors it has open after its first clients, when they are gone: they had it open what it keeps.
pub fn descriptors_after(pid: u32, first_clients: impl FnOnce()) -> usize {
    let before = sockets(pid);
    first_clients();
    wait_until(PATIENCE, "the first clients are gone", || sockets(pid) == before);
    descriptors(pid)
}

/// How many of them are sockets: those it began with, and a connection each, also one that is over and has yet to be
/// closed, which [`connections`] leaves out.
pub fn sockets(pid: u32) -> usize {
    targets(pid).filter(|target| target.as_os_str().as_encoded_bytes().starts_with(b"socket:")).count()
}

/// How many of them are TCP connections that have both ends.
pub fn connections(pid: u32) -> usize {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    // The fourth field is the state, in which 0A is LISTEN; the tenth is the number of the socket.
    let numbers = tables.iter().flat_map(|table| table.lines()).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(9).filter(|_| fields[3] != "0A").map(|number| format!("socket:[{number}]"))
    });
    let numbers: HashSet<String> = numbers.collect();
    targets(pid).filter(|target| target.to_str().is_some_and(|target| numbers.contains(target))).count()
}

/// What each of its descriptors leads to.
fn targets(pid: u32) -> impl Iterator<Item = PathBuf> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).expect("our own child shows its descriptors").flatten();
    links.filter_map(|link| fs::read_link(link.path()).ok())
}

/// The number that its next descriptor will have.
pub fn next_descriptor(pid: u32) -> u64 {
    let open = |number: &u64| fs::symlink_metadata(format!("/proc/{pid}/fd/{number}")).is_ok();
    (0..).find(|number| !open(number)).expect("numbers do not end")
}

/// Stops a server, and returns once it stands still: until it is sent SIGCONT, it sees nothing of what happens.
pub fn stop(server: &Server) {
    server.signal(Signal::STOP);
    let stat = || fs::read_to_string(format!("/proc/{}/stat", server.pid())).expect("our own child");
    wait_until(PATIENCE, "the server is stopped", || stat().contains(") T "));
}

/// How many threads the process has.
pub fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).expect("our own child shows its threads").count()
}

/// Resident memory of the process.
pub fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("our own child shows its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process that runs has VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("VmRSS is a number of kB")
}

/// Time that all its threads had on a core, those that have ended included.
pub fn cpu_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("our own child shows its status");
    let after_name = stat.rsplit_once(')').expect("the name is in parentheses").1;
    let ticks = |index: usize| -> u64 {
        after_name.split_whitespace().nth(index).and_then(|text| text.parse().ok()).expect("a number")
    };
    // proc(5): utime and stime are fields 14 and 15, of which two stand before; USER_HZ is 100 on every Linux this runs
    // on.
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// Which part of one core the process uses from now on, measured for so long.
pub fn share_of_a_core(pid: u32, window: Duration) -> f64 {
    let (before, since) = (cpu_time(pid), Instant::now());
    thread::sleep(window);
    (cpu_time(pid) - before).as_secs_f64() / since.elapsed().as_secs_f64()
}

/// Lowers or raises the soft descriptor limit of a running process, and returns what it was.
pub fn limit_descriptors(pid: u32, soft: u64) -> u64 {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("our own child shows its limits");
    let line =
        limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("every process has this limit");
    let mut numbers = line.split_whitespace().map(|number| number.parse().expect("a limit on files is a number"));
    let (old, hard) = (numbers.next().expect("the soft limit"), numbers.next());
    let process = Pid::from_raw(pid.cast_signed()).expect("a child has a pid");
    let new = Rlimit { current: Some(soft), maximum: hard };
    rustix::process::prlimit(Some(process), Resource::Nofile, new).expect("the limits of our own child can be changed");
    old
}

/// A server whose standard output and error the test holds itself: killed when dropped.
pub struct Process {
    pub child: Child,
    pub address: SocketAddr,
    /// All of stdout after the first line, read by nobody until the test does.
    pub stdout: Option<ChildStdout>,
}

impl Process {
    /// Starts it and reads the first line, and not a byte more.
    pub fn start(mut command: Command) -> Process {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the server's binary starts");
        let mut stdout = child.stdout.take().expect("stdout is piped");
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let mut byte = [0];
            assert_eq!(stdout.read(&mut byte).expect("a pipe can be read"), 1, "stdout ended within {}", show(&line));
            line.push(byte[0]);
        }
        let line = String::from_utf8(line).expect("the first line is text");
        let url = line.trim_end().split(' ').next().expect("a split has a first part");
        let authority = url.strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
        let address = authority.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no address in {line:?}"));
        Process { child, address, stdout: Some(stdout) }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).expect("our own child takes a signal");
    }

    pub fn wait_exit(&mut self, timeout: Duration) -> ExitStatus {
        let mut status = None;
        wait_until(timeout, "the server has ended", || {
            status = self.child.try_wait().expect("our own child can be waited for");
            status.is_some()
        });
        status.expect("the wait ended with a status")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended before, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// --------------------------------------------------------------------------------------------------------- connections

/// A connection with the usual buffers.
pub fn wide(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("the server takes a connection");
    patient(stream)
}

/// A connection whose receive buffer was 4 KiB before it connected: what nobody reads stays with the server.
pub fn narrow(address: SocketAddr) -> TcpStream {
    const RECEIVE_BUFFER_BYTES: usize = 4 * 1024;
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    // Without CLOEXEC a server that another test starts meanwhile would hold a share of it.
    let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket");
    sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER_BYTES).expect("a receive buffer can be made small");
    rustix::net::connect(&socket, &address).expect("the server takes a connection");
    patient(TcpStream::from(socket))
}

fn patient(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time that is not zero");
    stream.set_nodelay(true).expect("TCP has no delay");
    stream
}

/// Ends the connection by RST: whatever was still on its way is gone.
pub fn abort(stream: TcpStream) {
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("a socket can linger");
    drop(stream);
}

/// Says that this connection, whenever it is dropped, ends by RST, which leaves no port behind in TIME_WAIT.
pub fn will_abort(stream: &TcpStream) {
    sockopt::set_socket_linger(stream, Some(Duration::ZERO)).expect("a socket can linger");
}

/// Whether the kernel still keeps a TCP connection from the first to the second of these IPv4 addresses.
pub fn is_known_to_the_kernel(from: SocketAddr, to: SocketAddr) -> bool {
    let hex = |address: SocketAddr| match address {
        SocketAddr::V4(four) => format!("{:08X}:{:04X}", u32::from_ne_bytes(four.ip().octets()), four.port()),
        SocketAddr::V6(_) => panic!("this table is about IPv4"),
    };
    let line_part = format!(" {} {} ", hex(from), hex(to));
    fs::read_to_string("/proc/net/tcp").expect("every Linux has this table").contains(&line_part)
}

/// What a read said about a connection that nothing more is expected from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// FIN.
    Closed,
    /// RST.
    Reset,
    /// It is open, and nothing came within the time.
    Open,
    /// A byte came.
    Broken,
}

/// Reads once, for at most so long.
pub fn silence(stream: &mut TcpStream, timeout: Duration) -> Silence {
    stream.set_read_timeout(Some(timeout)).expect("a time that is not zero");
    let read = stream.read(&mut [0]);
    stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
    match read {
        Ok(0) => Silence::Closed,
        Ok(_) => Silence::Broken,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Silence::Open,
        Err(_) => Silence::Reset,
    }
}

/// The head of a response, its empty line included, and not a byte of the content.
pub fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        let read = stream.read(&mut byte).unwrap_or_else(|error| panic!("{error} within a head: {}", show(&head)));
        assert_eq!(read, 1, "closed within a head: {}", show(&head));
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("this server's heads are ASCII")
}

/// The value of the only field line of that name in a head from [`read_head`].
pub fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    let first = values.next();
    assert!(values.next().is_none(), "more than one {name} in {head:?}");
    first
}

/// A response under way, whose content is known and compared as it comes.
pub struct Download<'a> {
    stream: TcpStream,
    expected: &'a [u8],
    received: usize,
    head: String,
}

impl<'a> Download<'a> {
    /// Asks for the target over this connection, and reads the head of its answer.
    pub fn start(mut stream: TcpStream, target: &str, expected: &'a [u8]) -> Download<'a> {
        stream.write_all(plain_get(target).as_bytes()).expect("the server takes a request");
        Download::answered(stream, expected)
    }

    /// The answer to a request that has been sent before.
    pub fn answered(mut stream: TcpStream, expected: &'a [u8]) -> Download<'a> {
        let head = read_head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head:?}");
        let length = expected.len().to_string();
        assert_eq!(field(&head, "content-length"), Some(length.as_str()), "{head:?}");
        Download { stream, expected, received: 0, head }
    }

    pub fn head(&self) -> &str {
        &self.head
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub fn received(&self) -> usize {
        self.received
    }

    /// Reads once, at most so much; nothing means that the server has closed.
    pub fn read(&mut self, bytes_max: usize) -> usize {
        let left = self.expected.len() - self.received;
        let mut chunk = vec![0; bytes_max.min(left)];
        let read = match self.stream.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("{error} after {} of {} bytes", self.received, self.expected.len()),
        };
        let expected = &self.expected[self.received..self.received + read];
        assert!(chunk[..read] == *expected, "wrong bytes at {} of {}", self.received, self.expected.len());
        self.received += read;
        read
    }

    /// Reads on until so many bytes have come.
    pub fn read_to(&mut self, received: usize) {
        while self.received < received {
            let read = self.read((received - self.received).min(64 * 1024));
            assert!(read > 0, "closed after {} of {} bytes", self.received, self.expected.len());
        }
    }

    /// Reads the rest in such pieces, one in each interval, and returns the connection behind the last byte.
    pub fn finish_at_pace(mut self, piece_bytes: usize, interval: Duration) -> TcpStream {
        while self.received < self.expected.len() {
            let piece_end = (self.received + piece_bytes).min(self.expected.len());
            self.read_to(piece_end);
            // The pace of this client.
            thread::sleep(interval);
        }
        self.stream
    }

    /// Reads the rest, and returns the connection behind the last byte.
    pub fn finish(mut self) -> TcpStream {
        self.read_to(self.expected.len());
        self.stream
    }

    /// Reads until the server closes or all has come, and returns how many bytes came: each was the right one.
    pub fn read_to_close(mut self) -> usize {
        while self.received < self.expected.len() && self.read(64 * 1024) > 0 {}
        self.received
    }
}

/// So many connections, each answered once and kept by the server.
pub fn idle_connections(server: &Server, count: usize) -> Vec<TcpStream> {
    let idle = |_| {
        let mut stream = wide(server.address());
        stream.write_all(ASK_FOR_OPTIONS.as_bytes()).expect("the server takes a request");
        assert!(read_head(&mut stream).starts_with("HTTP/1.1 204 "));
        will_abort(&stream);
        stream
    };
    (0..count).map(idle).collect()
}

/// A client that goes on with many connections in turn until it is dropped.
pub struct Background {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Calls `round` again and again on a thread of its own.
    pub fn run(mut round: impl FnMut() + Send + 'static) -> Background {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let work = move || {
            while !stopped.load(Ordering::Relaxed) {
                round();
            }
        };
        Background { stop, thread: Some(thread::spawn(work)) }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().expect("joined once").join();
        if ended.is_err() && !thread::panicking() {
            panic!("a client in the background failed");
        }
    }
}

// -------------------------------------------------------------------------------------------------------- measurements

/// How long each of some requests took.
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Asks so many times on one connection, one after the other.
    pub fn kept(client: &mut Client, request: &str, count: usize) -> Latencies {
        Latencies::of(count, || {
            client.ask(request);
        })
    }

    /// Asks so many times, each time on a new connection.
    pub fn fresh(server: &Server, request: &str, count: usize) -> Latencies {
        Latencies::of(count, || {
            Client::connect(server).ask(request);
        })
    }

    pub fn of(count: usize, mut ask: impl FnMut()) -> Latencies {
        let timed = |_| {
            let since = Instant::now();
            ask();
            since.elapsed()
        };
        let mut sorted: Vec<Duration> = (0..count).map(timed).collect();
        sorted.sort_unstable();
        Latencies(sorted)
    }

    pub fn median(&self) -> Duration {
        self.0[self.0.len() / 2]
    }

    pub fn max(&self) -> Duration {
        self.0[self.0.len() - 1]
    }

    /// # Panics
    /// When half of them took longer than `median_max`, or one longer than `max_max`.
    pub fn assert_within(&self, median_max: Duration, max_max: Duration) {
        let (median, max) = (self.median(), self.max());
        assert!(
            median <= median_max && max <= max_max,
            "median {median:?} of {median_max:?}, max {max:?} of {max_max:?}"
        );
    }
}

/// # Panics
/// When the time is outside the bounds.
pub fn assert_took(took: Duration, bounds: Range<Duration>) {
    assert!(bounds.contains(&took), "took {took:?}, not within {bounds:?}");
}
