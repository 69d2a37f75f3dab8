//! Logs that can't be written: blocked, closed, full, or failing now and then, on standard output and on standard error.
//! Nobody is slowed down or refused, and what was dropped is counted and said.
//!
//! *Invariants:* rows G3, G4 and S9 of threats.md, promise 15.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{PipeReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use millpond::observe::log_queue::REST;
use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::load::{self, Latencies, Process, assert_took, plain_get};
use crate::strace;
use crate::support::{Client, PATIENCE, Server, Site, rows};

fn site() -> Site {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n");
    site
}

// ------------------------------------------------------------------------------------------------------- from the start

/// Where an output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sink {
    /// To somebody who reads all of it.
    Taken,
    /// Into a pipe that is full and that nobody reads.
    Blocked,
    /// Into a pipe whose reader has gone: `millpond | true`.
    Closed,
    /// To a disk that is full.
    Full,
}
use Sink::{Blocked, Closed, Full, Taken};

rows!(hurts_nobody:
    a_blocked_stdout(Blocked, Taken),
    a_closed_stdout(Closed, Taken),
    a_full_stdout(Full, Taken),
    a_blocked_stderr(Taken, Blocked),
    a_closed_stderr(Taken, Closed),
    a_full_stderr(Taken, Full),
    both_blocked(Blocked, Blocked),
    both_closed(Closed, Closed),
    both_full(Full, Full),
    stdout_full_and_stderr_blocked(Full, Blocked),
    stdout_blocked_and_stderr_closed(Blocked, Closed),
);

/// Every request is a line on standard output, and everything that any module has to say goes to standard error.
fn hurts_nobody(stdout: Sink, stderr: Sink) {
    const KEPT: usize = 1_000;
    const FRESH: usize = 100;
    let _alone = load::alone();
    let site = site();
    let mut command = Server::command(site.root());
    command.args(["--workers", "1", "-v"]).env("RUST_LOG", "trace");
    let (of_stdout, of_stderr) =
        (End::give(&mut command, stdout, Command::stdout), End::give(&mut command, stderr, Command::stderr));
    let mut server = start(command);
    let address = server.address;

    let hello = plain_get("/hello.txt");
    let mut client = Client::connect_to(address);
    assert_eq!(client.ask(&hello).content, b"hello, world\n");
    let threads = load::threads(server.pid());
    let (median_max, max) = (Duration::from_millis(20), Duration::from_secs(2));
    Latencies::kept(&mut client, &hello, KEPT - 1).assert_within(median_max, max);
    let fresh = Latencies::of(FRESH, || assert_eq!(Client::connect_to(address).ask(&hello).content, b"hello, world\n"));
    fresh.assert_within(median_max, max);
    assert_eq!(load::threads(server.pid()), threads, "no thread is lost");

    let since = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::ZERO..Duration::from_secs(2));
    let (lines, said) = (of_stdout.lines(), of_stderr.lines());
    assert!(!said.iter().any(|line| line.contains("panicked")), "{said:?}");
    if stdout == Taken {
        assert_eq!(lines.len(), 1 + KEPT + FRESH, "the address, and every line");
    } else if stderr == Taken {
        let last = said.iter().rfind(|line| line.contains("dropped in all"));
        let count = last.map(|line| numbers(line)).unwrap_or_default();
        assert_eq!(count, [KEPT + FRESH], "all of them, and it is said: {last:?}");
    }
}

/// The test's end of an output.
enum End {
    Reader(JoinHandle<String>),
    /// Of a pipe that nobody reads, but could, for as long as it is held.
    Held(#[allow(dead_code)] PipeReader),
    None,
}

impl End {
    /// Gives the command one of its outputs.
    fn give(command: &mut Command, sink: Sink, output: fn(&mut Command, Stdio) -> &mut Command) -> End {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        match sink {
            Taken => {
                output(command, writer.into());
                End::Reader(thread::spawn(move || {
                    let mut text = String::new();
                    reader.read_to_string(&mut text).expect("the server writes text");
                    text
                }))
            }
            Blocked => {
                rustix::io::ioctl_fionbio(&writer, true).expect("our own pipe");
                // Whole pages first: a page that isn't full takes a few bytes more.
                for piece in [&[b'x'; 4096], &[b'x'; 1][..]] {
                    while (&writer).write(piece).is_ok() {}
                }
                rustix::io::ioctl_fionbio(&writer, false).expect("our own pipe");
                output(command, writer.into());
                End::Held(reader)
            }
            Closed => {
                output(command, writer.into());
                End::None
            }
            Full => {
                let full = File::options().write(true).open("/dev/full").expect("every Linux has /dev/full");
                output(command, full.into());
                End::None
            }
        }
    }

    /// All that was written, once the server has ended.
    fn lines(self) -> Vec<String> {
        match self {
            End::Reader(thread) => thread.join().expect("what came is text").lines().map(str::to_owned).collect(),
            End::Held(_) | End::None => Vec::new(),
        }
    }
}

/// Starts a server that may have nobody to say to where it listens. The command goes, and with it our share of its pipes.
fn start(mut command: Command) -> Process {
    let child = command.stdin(Stdio::null()).spawn().expect("the server's binary starts");
    let mut server = Process { child, address: SocketAddr::from(([0, 0, 0, 0], 0)), stdout: None };
    server.address = listening_address(server.pid());
    server
}

fn listening_address(pid: u32) -> SocketAddr {
    let mut port = None;
    load::wait_until(PATIENCE, "the server listens", || {
        let links = fs::read_dir(format!("/proc/{pid}/fd")).expect("our own child shows its descriptors").flatten();
        let sockets: HashSet<PathBuf> = links.filter_map(|link| fs::read_link(link.path()).ok()).collect();
        let table = fs::read_to_string("/proc/net/tcp").expect("every Linux has this table");
        // The second field is the address, the fourth the state, in which 0A is LISTEN, the tenth the number of the socket.
        port = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find_map(|fields| {
            let number = fields.get(9).filter(|_| fields[3] == "0A")?;
            sockets.get(&PathBuf::from(format!("socket:[{number}]")))?;
            u16::from_str_radix(fields[1].rsplit(':').next()?, 16).ok()
        });
        port.is_some()
    });
    SocketAddr::from(([127, 0, 0, 1], port.expect("the wait ended with a port")))
}

/// The numbers that stand alone in a text.
fn numbers(text: &str) -> Vec<usize> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

// -------------------------------------------------------------------------------------------------------- now and then

rows!(accounts_for_every_line:
    a_log_whose_writes_are_interrupted_loses_nothing("write:error=EINTR:when=1+2", Loses::Nothing),
    a_log_on_a_terminal_that_somebody_made_non_blocking_loses_nothing("write:error=EAGAIN:when=1+2", Loses::Nothing),
    a_log_on_a_disk_that_is_full_for_a_while_goes_on_afterwards("write:error=ENOSPC:when=3..6", Loses::Some),
    a_log_on_a_broken_disk_has_the_lines_that_could_be_written("write:error=EIO:when=2+3", Loses::Some),
    a_log_beyond_its_quota_has_the_lines_that_could_be_written("write:error=EDQUOT:when=2+3", Loses::Some),
);

/// What a fault costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loses {
    Nothing,
    Some,
}

fn accounts_for_every_line(fault: &str, loses: Loses) {
    let logged = Logged::start();
    let before = logged.ask_and_see();
    let path = logged.path.to_str().expect("a temporary directory has a plain name");
    let options = ["-P", path, "-e", "trace=write", &format!("--inject={fault}")];
    let Some(trace) = strace::attach(logged.server.pid(), &options) else { return };
    let during = logged.ask();
    assert!(trace.detach().contains("(INJECTED)"), "nothing was written while it failed");
    let after = logged.ask();
    let dropped = logged.drain_and_account_for(before + during + after);
    assert_eq!(dropped > 0, loses == Loses::Some, "{dropped} dropped");
    assert!(dropped <= during, "{dropped} dropped, of which {during} while it failed");
}

/// The kernel sends SIGXFSZ for it, which would end the process.
#[test]
fn a_log_file_that_may_not_grow_ends_nothing_and_goes_on_when_it_may() {
    let logged = Logged::start();
    let limit = |bytes| {
        let limit = Rlimit { current: bytes, maximum: None };
        let process = Some(Pid::from_child(&logged.server.child));
        rustix::process::prlimit(process, Resource::Fsize, limit).expect("the limits of our own child can be changed");
    };
    let before = logged.ask_and_see();
    // All lines are of one length, of which this is no multiple.
    limit(Some(fs::metadata(&logged.path).expect("our own file").len() + 500));
    let during = logged.ask();
    limit(None);
    let after = logged.ask();
    let dropped = logged.drain_and_account_for(before + during + after);
    assert!((1..=during).contains(&dropped), "{dropped} dropped, of which {during} while it might not grow");
}

/// A server that logs to a file.
struct Logged {
    site: Site,
    path: PathBuf,
    server: Process,
    said: End,
}

impl Logged {
    fn start() -> Logged {
        let site = site();
        let path = site.outside().join("access.log");
        let mut command = Server::command(site.root());
        command.args(["--workers", "1"]).stdout(File::create(&path).expect("our own file"));
        let said = End::give(&mut command, Taken, Command::stderr);
        Logged { server: start(command), site, path, said }
    }

    /// Asks for a while, so that the log is written several times; returns how often.
    fn ask(&self) -> usize {
        const BATCHES: usize = 20;
        const PER_BATCH: usize = 5;
        let mut client = Client::connect_to(self.server.address);
        for _ in 0..BATCHES {
            client.send(plain_get("/hello.txt").repeat(PER_BATCH));
            (0..PER_BATCH).for_each(|_| assert_eq!(client.response("GET").content, b"hello, world\n"));
            // The pace of this client: half the time for which lines gather.
            thread::sleep(REST / 2);
        }
        BATCHES * PER_BATCH
    }

    /// The same, and all of them are in the log by then.
    fn ask_and_see(&self) -> usize {
        let asked = self.ask();
        load::wait_until(PATIENCE, "every line is written", || self.written() == asked);
        asked
    }

    /// The whole lines in the log.
    fn written(&self) -> usize {
        let log = fs::read_to_string(&self.path).expect("the log is text");
        let (before, date, after) =
            ("127.0.0.1 - - [", "06/Nov/1994:08:49:37 +0000", "] \"GET /hello.txt HTTP/1.1\" 200 13");
        let length = before.len() + date.len() + after.len();
        let is_whole = |line: &&str| line.len() == length && line.starts_with(before) && line.ends_with(after);
        log.lines().filter(is_whole).count()
    }

    /// Of so many requests each is a whole line in the file, or counted as dropped, which is returned.
    fn drain_and_account_for(mut self, requests: usize) -> usize {
        self.server.signal(Signal::TERM);
        assert_eq!(self.server.wait_exit(PATIENCE).code(), Some(0));
        let written = self.written();
        let said = self.said.lines();
        let last = said.iter().rfind(|line| line.contains("dropped in all"));
        let dropped = last.map_or(0, |line| numbers(line)[0]);
        assert_eq!(written + dropped, requests, "{written} written, {dropped} dropped: {said:?}");
        drop(self.site);
        dropped
    }
}

// ------------------------------------------------------------------------------------------------------- in the middle

/// Enough lines, of about 1 KiB each, to fill a pipe (64 KiB) and any queue that is bounded with reason.
const FLOOD_REQUESTS: usize = 8_000;

fn flood(address: std::net::SocketAddr, requests: usize) {
    const PER_BATCH: usize = 100;
    let mut client = Client::connect_to(address);
    let batch = plain_get(&format!("/{}", "long".repeat(250))).repeat(PER_BATCH);
    for _ in 0..requests / PER_BATCH {
        client.send(&batch);
        for _ in 0..PER_BATCH {
            assert_eq!(client.response("GET").status, 404);
        }
    }
}

fn dropped_at_exit(stderr: &str) -> usize {
    let mut counted = stderr.lines().filter(|line| line.contains("dropped"));
    let last = counted.next_back().unwrap_or_else(|| panic!("nothing is said about dropped lines: {stderr:?}"));
    let digits = |word: &str| word.replace(',', "").parse::<usize>().ok();
    // The date of a diagnostic line is no word of digits alone.
    last.split_whitespace().find_map(digits).unwrap_or_else(|| panic!("no count in {last:?}"))
}

#[test]
fn a_blocked_stdout_slows_nobody_and_what_was_dropped_is_counted_and_said() {
    let _alone = load::alone();
    let site = site();
    let mut command = Server::command(site.root());
    command.args(["--workers", "1"]).stderr(Stdio::piped());
    let mut server = Process::start(command);
    let (address, since) = (server.address, Instant::now());
    flood(address, FLOOD_REQUESTS);
    let hello = plain_get("/hello.txt");
    let latencies = Latencies::kept(&mut Client::connect_to(address), &hello, 200);
    latencies.assert_within(Duration::from_millis(10), Duration::from_secs(1));
    let flooded_for = since.elapsed();

    let since = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::ZERO..Duration::from_secs(2));
    let (mut log, mut stderr) = (Vec::new(), String::new());
    server.stdout.take().expect("nobody took it").read_to_end(&mut log).expect("what is in the pipe");
    server.child.stderr.take().expect("stderr is piped").read_to_string(&mut stderr).expect("stderr is text");
    let warnings = stderr.lines().filter(|line| line.contains("dropped")).count();
    let warnings_max = usize::try_from(flooded_for.as_secs()).expect("a few seconds") + 4;
    assert!(warnings <= warnings_max, "{warnings} warnings in {flooded_for:?}, at most one a second");
    // The last line may have been cut by the exit. What was being written then is counted as dropped, though the pipe
    // took some of it: nobody is told less than was lost.
    let whole_lines = log.iter().filter(|byte| **byte == b'\n').count();
    let accounted = whole_lines + dropped_at_exit(&stderr);
    let sent = FLOOD_REQUESTS + 200;
    assert!((sent - 1..=sent + whole_lines).contains(&accounted), "{accounted} of {sent} lines: {stderr:?}");
}
