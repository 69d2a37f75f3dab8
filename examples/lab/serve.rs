//! The servers that the labs compare, each run in a process of its own: this program, started anew with `serve`.
//!
//! *Invariants:* all of them answer with the same [`Answers`], so that what differs is who waits for what. A server ends
//! with the lab that started it, whichever way that ends.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::panic;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use millpond::config::{self, Limits};
use millpond::http::request::RequestHead;
use millpond::http::status::Status;
use millpond::http::target::RequestTarget;
use millpond::observe::access_log::{AccessLog, Format};
use millpond::observe::log_queue::LogQueue;
use millpond::observe::proxies::Proxies;
use millpond::server::{Answer, Context, Handler, Response, Server};
use millpond::site::options::Options;
use millpond::site::respond::Site;
use rustix::fs::FlockOperation;
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use rustix::thread::disable_transparent_huge_pages;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::blocking_pool::conversation;
use crate::{blocking_pool, one_at_a_time, process_per_worker, separate_queues, thread_per_connection};

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    OneAtATime,
    ThreadPerConnection,
    BlockingPool,
    ProcessPerWorker,
    /// A pool in which each worker has a queue of its own; only the lab on queues has a use for it.
    SeparateQueues,
    Millpond,
}

/// What becomes of the line that is written about each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Log {
    None,
    /// Written by the worker, under a lock that all share.
    Mutex,
    /// Put into millpond's queue, from which a thread of its own writes.
    Queue,
}

/// Whether millpond writes down what its threads do. The others have nothing that could.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Watch {
    On,
    Off,
}

/// One server of a lab (internal)
#[derive(Debug, Parser)]
pub struct Arguments {
    pub kind: Kind,
    pub directory: PathBuf,
    #[arg(long)]
    pub workers: usize,
    /// Where requests for a gate wait, and say that they do
    #[arg(long)]
    pub gates: PathBuf,
    /// For one read, where the server reads and waits; for a whole head, where it is millpond
    #[arg(long)]
    pub deadline_ms: u64,
    /// Connections that the kernel lets wait for accept; the default of whoever listens if it is 0
    #[arg(long)]
    pub backlog: i32,
    #[arg(long)]
    pub log: Log,
    #[arg(long)]
    pub watch: Watch,
}

/// Runs it, in place of the lab.
pub fn main(arguments: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // One of the labs has a server abort; nobody wants to keep what it looked like inside.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // Another weighs their memory: 2 MiB for a stack would hide what it is about, where the system has them be so large.
    disable_transparent_huge_pages(true)?;
    let arguments = Arguments::parse_from(arguments);
    // Nor be told of the panic that it asks for.
    panic::set_hook(Box::new(|_| {}));
    let answers = Answers::open(&arguments)?;
    if arguments.kind == Kind::Millpond {
        return run_millpond(&arguments, answers);
    }
    let deadline = Duration::from_millis(arguments.deadline_ms);
    let converse = move |stream: TcpStream| drop(conversation::hold(stream, &answers, deadline));
    let worker_of = process_per_worker::inherited()?;
    if let Some(listener) = worker_of {
        process_per_worker::work(&listener, converse);
        return Ok(());
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    if arguments.backlog > 0 {
        rustix::net::listen(&listener, arguments.backlog)?;
    }
    announce(listener.local_addr()?)?;
    match arguments.kind {
        Kind::OneAtATime => one_at_a_time::serve(&listener, converse),
        Kind::ThreadPerConnection => thread_per_connection::serve(&listener, converse),
        Kind::BlockingPool => blocking_pool::serve(&listener, arguments.workers, converse),
        Kind::ProcessPerWorker => process_per_worker::supervise(listener, arguments.workers)?,
        Kind::SeparateQueues => separate_queues::serve(&listener, arguments.workers, converse),
        Kind::Millpond => unreachable!("it was run above"),
    }
    Ok(())
}

/// The library's server, and the signals as the program has them.
fn run_millpond(arguments: &Arguments, answers: Answers) -> Result<(), Box<dyn Error>> {
    let head_timeout = Duration::from_millis(arguments.deadline_ms);
    let limits = Limits { workers: arguments.workers, head_timeout, ..Limits::recommended() };
    let server = Server::bind(&[(Ipv4Addr::LOCALHOST, 0).into()], limits)?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, server.drain_handle().flag())?;
        signal_hook::low_level::pipe::register(signal, server.drain_handle().descriptor()?)?;
    }
    announce(server.local_addresses()[0])?;
    let server = match arguments.watch {
        Watch::On => server.with_watch(Proxies::new(Vec::new())),
        Watch::Off => server,
    };
    let log = match arguments.log {
        Log::None | Log::Mutex => None,
        Log::Queue => {
            let queue = LogQueue::start("access-log", sink()?, config::LOG_BYTES_MAX)?;
            Some(AccessLog::new(Format::Combined, queue))
        }
    };
    let server = match &log {
        Some(log) => server.with_access_log(log.clone()),
        None => server,
    };
    server.run(answers)?;
    if let Some(log) = log {
        // What it still has is written, as long as somebody reads.
        log.close(config::LOG_CLOSE_TIMEOUT);
    }
    Ok(())
}

/// It fails if the lab has ended meanwhile; then the server does, too.
fn announce(address: SocketAddr) -> io::Result<()> {
    writeln!(io::stdout(), "http://{address}/")
}

/// What every server here answers with: a directory; and for the labs a gate, where a request takes as long as they want,
/// and a panic.
struct Answers {
    site: Site,
    gates: PathBuf,
    /// Nothing is done while it is held but the one thing that shouldn't be: a write that may wait.
    naive_log: Option<Mutex<File>>,
}

impl Answers {
    fn open(arguments: &Arguments) -> io::Result<Answers> {
        let site = Site::open(&arguments.directory, Options::recommended())?;
        let naive_log = match arguments.log {
            Log::Mutex => Some(Mutex::new(sink()?)),
            Log::None | Log::Queue => None,
        };
        Ok(Answers { site, gates: arguments.gates.clone(), naive_log })
    }

    /// Says that it waits, and waits for the lock that the lab holds.
    fn wait_at(&self, gate: &str) -> io::Result<()> {
        let mut entered = OpenOptions::new().append(true).open(self.gates.join(ENTERED))?;
        let closed = File::open(self.gates.join(gate))?;
        entered.write_all(format!("{gate}\n").as_bytes())?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&closed, FlockOperation::LockShared))?;
        Ok(())
    }
}

/// The files of the gates: one has a line for each request that has come to its gate, and those of the gates are locked
/// while they are closed. There is one gate for all, and one for each number.
pub const ENTERED: &str = "entered";
pub const GATE: &str = "gate";

/// The path of a request over which the handler panics, as over a bug.
pub const PANIC: &str = "panic";

impl Handler for Answers {
    fn respond(&self, request: &RequestHead<'_>, context: &Context) -> Answer {
        if let Some(log) = &self.naive_log {
            let agent = String::from_utf8_lossy(request.fields.first("user-agent").unwrap_or_default()).into_owned();
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            // A log that can't be written is no reason not to answer.
            let _ = writeln!(log, "{} {agent}", context.peer);
        }
        assert!(path(request) != PANIC, "as was asked for");
        match gate(request).map(|gate| self.wait_at(gate)) {
            Some(Ok(())) => Response::text(Status::OK, "the gate is open").into(),
            Some(Err(_)) => Response::error(Status::INTERNAL_SERVER_ERROR, "there is no such gate").into(),
            None => self.site.respond(request, context.now, context.received).into(),
        }
    }

    fn respond_from_memory(&self, request: &RequestHead<'_>, context: &Context) -> Option<Response> {
        if gate(request).is_some() || path(request) == PANIC || self.naive_log.is_some() {
            return None;
        }
        self.site.respond_from_memory(request, context.now, context.received)
    }

    fn tidy(&self, now: Instant) -> millpond::server::Kept {
        Handler::tidy(&self.site, now)
    }
}

/// The gate that a request waits at: `/gate`, or `/gate/7`.
fn gate<'r>(request: &'r RequestHead<'_>) -> Option<&'r str> {
    let path = path(request);
    let number = path.strip_prefix("gate/").filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    number.or((path == GATE).then_some(path))
}

/// The decoded path; nothing where it is no text.
fn path<'r>(request: &'r RequestHead<'_>) -> &'r str {
    match &request.target {
        RequestTarget::Resource { path, .. } => std::str::from_utf8(path.relative().unwrap_or_default()).unwrap_or(""),
        RequestTarget::Asterisk | RequestTarget::Authority => "",
    }
}

/// Where lines go: standard error, without std's buffer and lock before it.
fn sink() -> io::Result<File> {
    Ok(File::from(io::stderr().as_fd().try_clone_to_owned()?))
}
