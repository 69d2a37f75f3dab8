//! What a warm request costs in instructions: a figure that, unlike a time, is the same on a busy machine as on a quiet
//! one.
//!
//! The release server runs with one worker, and a client asks for one thing again and again. The worker is stepped
//! through its turns one instruction at a time ([`steps`]), and the steps are counted from one wait for an event to the
//! next: receive, parse, look, answer, send, wait. What the kernel does meanwhile isn't counted, nor what other threads
//! do. Requests differ a little, as a new second brings a new date, and a clock is read again when it was being set: all of
//! that only adds, so the figure is the least that came up several times.
//!
//! `cargo bench --bench instructions` compares with the record, `benches/instructions.txt`, and fails when a figure is
//! more than 2 % above it. `-- --record` writes a new one, `-- --profile` says which functions the instructions are in;
//! with `CARGO_PROFILE_BENCH_DEBUG=line-tables-only` in the environment it tells inlined functions apart.
//!
//! Rejected: valgrind's callgrind, which doesn't know `openat2` (3.19), without which millpond serves nothing; the
//! processor's own counters (`perf stat`), which most virtual machines don't have.

mod profile;
mod record;
mod steps;
#[allow(dead_code)] // what only the load and the siege need
#[path = "../load/child.rs"]
mod child;

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, SystemTime};

use clap::Parser;
use millpond::config;
use tempfile::TempDir;

use child::Running;
use profile::Profile;
use record::{Record, Row};
use steps::{Attach, Detail, Worker};

/// Count the instructions of a warm request, and compare with the record
#[derive(Parser)]
struct Arguments {
    /// Write a new record instead of comparing
    #[arg(long)]
    record: bool,
    /// Say which functions the instructions are in, and compare nothing
    #[arg(long, conflicts_with = "record")]
    profile: bool,
    /// Step another build of the server
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_millpond"), hide_default_value = true)]
    program: PathBuf,
    /// What Cargo says to a bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// Requests before the counting: the first opens and fills caches; the branches of the others are all alike.
const WARM_UP: usize = 50;

/// A figure is one when so many requests have had it, and none fewer ...
const AGREED: usize = 5;

/// ... or when so many have been counted. About one in three sees a new second, as each takes some tenths of one, stepped.
const COUNTED_MAX: usize = 60;

/// How long anything that takes milliseconds may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked for again and again, and what the answer begins with.
struct Asked {
    name: &'static str,
    /// The first line, and field lines beyond Host. `{etag}` is that of the file.
    request: &'static str,
    answer: &'static str,
}

const ASKED: [Asked; 4] = [
    Asked { name: "200 of 1 KiB", request: "GET /1k.txt HTTP/1.1\r\n", answer: "HTTP/1.1 200 " },
    Asked { name: "304", request: "GET /1k.txt HTTP/1.1\r\nIf-None-Match: {etag}\r\n", answer: "HTTP/1.1 304 " },
    Asked {
        name: "206 of 1 KiB in 10 MiB",
        request: "GET /10m.bin HTTP/1.1\r\nRange: bytes=5000000-5001023\r\n",
        answer: "HTTP/1.1 206 ",
    },
    Asked { name: "404", request: "GET /missing.txt HTTP/1.1\r\n", answer: "HTTP/1.1 404 " },
];

fn main() -> ExitCode {
    // `cargo test --all-targets` starts the benches too, without this argument.
    if !env::args().any(|argument| argument == "--bench") {
        println!("instructions: run it with `cargo bench --bench instructions`");
        return ExitCode::SUCCESS;
    }
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("instructions: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let root = document_root().map_err(|error| format!("can't write files to serve: {error}"))?;
    let detail = if arguments.profile { Detail::Addresses } else { Detail::Count };
    let mut rows = Vec::new();
    for asked in ASKED {
        let measured = match measure(&arguments.program, root.path(), &asked, detail)? {
            Some(measured) => measured,
            None => return Ok(skip("this system doesn't let a process trace its child")),
        };
        println!("{:>7} instructions  {}  (at most {})", measured.least, asked.name, measured.most);
        if let Some(profile) = measured.profile {
            print!("{}", profile.top(10));
        }
        rows.push(Row { name: asked.name.to_owned(), instructions: measured.least });
    }
    let measured = Record { rustc: record::rustc()?, rows };
    match (arguments.profile, arguments.record) {
        (true, _) => Ok(ExitCode::SUCCESS),
        (false, true) => measured.write().map(|()| ExitCode::SUCCESS),
        (false, false) => Ok(record::judge(&Record::read()?, &measured)),
    }
}

/// Said and done without, unless that is forbidden.
fn skip(why: &str) -> ExitCode {
    println!("skipped: {why}");
    let must_not_skip = env::var_os("MILLPOND_TESTS_MUST_NOT_SKIP").is_some_and(|value| value == "1");
    if must_not_skip { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Two files, of a time that is long past: the same in every run, for it is in the entity-tag.
///
/// Waits until they have settled. (Asking until they have would have each server begin with another number of requests,
/// and how full its heap is then shows in the figures: 1.5 %, measured.)
fn document_root() -> io::Result<TempDir> {
    let root = tempfile::tempdir()?;
    for (name, bytes) in [("1k.txt", 1024), ("10m.bin", 10 * 1024 * 1024)] {
        fs::write(root.path().join(name), vec![b'x'; bytes])?;
        let file = File::options().write(true).open(root.path().join(name))?;
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))?;
    }
    thread::sleep(config::SETTLE_TIME + Duration::from_millis(200));
    Ok(root)
}

/// The counts of one row.
struct Measured {
    least: u64,
    most: u64,
    profile: Option<Profile>,
}

/// A server of its own for each row, so that none depends on what was asked before it. None where tracing is forbidden.
fn measure(program: &Path, root: &Path, asked: &Asked, detail: Detail) -> Result<Option<Measured>, String> {
    let mut command = child::bare(program);
    command.arg(root).args(["--port", "0", "--workers", "1", "--access-log", "off", "--quiet"]);
    let (server, address) = Running::announced(&mut command)?;
    let request = asked.request.replace("{etag}", &entity_tag(address)?);
    let mut client = Client::connect(address, asked.answer)?;
    for _ in 0..WARM_UP {
        client.send(&request)?;
        client.receive()?;
    }
    let worker = match Worker::attach(server.pid(), detail)? {
        Attach::Attached(worker) => worker,
        Attach::Forbidden => return Ok(None),
    };
    let mut counts = Vec::new();
    let (least, most) = loop {
        let before = worker.steps();
        client.send(&request)?;
        counts.push(worker.turn(before)?);
        client.receive()?;
        counts.sort_unstable();
        let agreed = counts.iter().filter(|count| **count == counts[0]).count();
        if agreed == AGREED || counts.len() == COUNTED_MAX {
            break (counts[0], counts[counts.len() - 1]);
        }
    };
    let profile = match detail {
        Detail::Count => None,
        Detail::Addresses => Some(Profile::new(&worker.hits(), counts.len(), program, server.pid())?),
    };
    Ok(Some(Measured { least, most, profile }))
}

/// The entity-tag of the file.
fn entity_tag(address: SocketAddr) -> Result<String, String> {
    let mut client = Client::connect(address, "HTTP/1.1 200 ")?;
    client.send("GET /1k.txt HTTP/1.1\r\n")?;
    let head = client.receive()?;
    let tag = head.lines().find_map(|line| line.strip_prefix("ETag: "));
    tag.map(str::to_owned).ok_or_else(|| format!("the file has settled and has no ETag: {head:?}"))
}

/// One connection that asks, and reads answers whole.
struct Client {
    stream: TcpStream,
    /// What an answer has to begin with.
    expected: &'static str,
}

impl Client {
    fn connect(address: SocketAddr, expected: &'static str) -> Result<Client, String> {
        let stream = TcpStream::connect(address).map_err(|error| format!("can't connect: {error}"))?;
        stream.set_read_timeout(Some(PATIENCE)).expect("a time that is not zero");
        Ok(Client { stream, expected })
    }

    /// Sends a head, but for Host and its end, which are added. In one piece: a worker that gets two has two turns.
    fn send(&mut self, request: &str) -> Result<(), String> {
        let head = format!("{request}Host: localhost\r\n\r\n");
        self.stream.write_all(head.as_bytes()).map_err(|error| format!("can't send: {error}"))
    }

    /// Reads one answer, head and content, and returns the head.
    fn receive(&mut self) -> Result<String, String> {
        let mut reader = BufReader::new(&mut self.stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match reader.read_line(&mut head) {
                Ok(0) => return Err(format!("the server closed within {head:?}")),
                Ok(_) => {}
                Err(error) => return Err(format!("can't receive: {error}")),
            }
        }
        if !head.starts_with(self.expected) {
            return Err(format!("{:?} was expected, {head:?} came", self.expected));
        }
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.map_or(Ok(0), str::parse).map_err(|_| format!("no length in {head:?}"))?;
        let mut content = vec![0; length];
        reader.read_exact(&mut content).map_err(|error| format!("can't receive: {error}"))?;
        Ok(head)
    }
}
