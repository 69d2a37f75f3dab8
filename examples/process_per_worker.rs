//! A file server with a process for each worker, all of which accept from one listener. Try
//! `cargo run --release --example process_per_worker -- 127.0.0.1:8080 public`.
//!
//! *The idea:* a process is a thread with walls. The first one binds the address and starts the others, which inherit
//! the listening socket; each accepts for itself, so the kernel's accept queue is the queue of the pool. Whatever befalls
//! one worker (an abort, a leak, a corrupted heap) ends with it, and the first process starts another. Apache's prefork
//! and PostgreSQL are built like this.
//!
//! *How, without `fork`:* a fork copies one thread and whatever locks the others held, so it is `unsafe` in Rust.
//! Instead the program runs itself anew (`/proc/self/exe`), with the listener as standard input: descriptor 0 is the one
//! that a new program may take from its parent by name.
//!
//! *What it costs:* memory for each worker that threads would share (heap, caches, tables of pages), nothing shared but
//! the listener, and the walls: no worker can take over what another left. And each is still held by its client.
//!
//! *Which lab shows it:* `isolation` (kill one, and count who is still served; and what that costs in memory).

use std::env;
use std::error::Error;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use clap::Parser;
use conversation::{Arguments, WAIT_MAX};
use rustix::process::{self, Pid, Signal, WaitOptions};

#[path = "conversation/mod.rs"]
pub mod conversation;

/// As many as the pool of the Book has threads.
const WORKERS: usize = 4;

/// Tells a process that it is a worker, and of whom: the number of its parent.
const PARENT: &str = "PROCESS_PER_WORKER_PARENT";

/// Before another worker takes the place of one that has ended: if all end at once, it isn't this that keeps a core busy.
const RESTART_PAUSE: Duration = Duration::from_millis(10);

pub fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let inherited = inherited()?;
    let site = arguments.site()?;
    match inherited {
        Some(listener) => work(&listener, |stream| drop(conversation::hold(stream, &site, WAIT_MAX))),
        None => supervise(arguments.listen()?, WORKERS)?,
    }
    Ok(())
}

/// The first process: keeps `workers` others running, for ever.
pub fn supervise(listener: TcpListener, workers: usize) -> io::Result<()> {
    let listener = OwnedFd::from(listener);
    for _ in 0..workers {
        start(&listener)?;
    }
    loop {
        process::wait(WaitOptions::empty())?;
        thread::sleep(RESTART_PAUSE);
        start(&listener)?;
    }
}

/// The same program with the same arguments, and the listener as its standard input. Its end is for `wait` to tell, by
/// its number, so its handle isn't kept.
fn start(listener: &OwnedFd) -> io::Result<()> {
    let mut command = Command::new("/proc/self/exe");
    command.args(env::args_os().skip(1)).env(PARENT, std::process::id().to_string());
    command.stdin(Stdio::from(listener.try_clone()?)).spawn().map(drop)
}

/// What a worker has from its parent; none in the first process.
pub fn inherited() -> io::Result<Option<TcpListener>> {
    let Some(parent) = env::var(PARENT).ok().and_then(|number| Pid::from_raw(number.parse().ok()?)) else {
        return Ok(None);
    };
    // Ctrl+C in a terminal reaches all of them; this is for a signal that only the first process gets. If that has ended
    // before this call, the kernel has told nobody.
    process::set_parent_process_death_signal(Some(Signal::TERM))?;
    if process::getppid() != Some(parent) {
        process::kill_process(process::getpid(), Signal::TERM)?;
    }
    Ok(Some(TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?)))
}

/// A worker: the loop of a server with one thread. Of all that wait in `accept`, the kernel wakes one.
pub fn work(listener: &TcpListener, converse: impl Fn(TcpStream)) {
    for stream in listener.incoming().flatten() {
        converse(stream);
    }
}
