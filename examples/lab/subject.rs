//! A server under observation: a child process that is this same program, its gates, what the kernel says of it, and what
//! it says itself where it is millpond.
//!
//! *Invariant:* nothing is ended but the child that was started here; its own workers end with it.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustix::fs::FlockOperation;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::low_level::signal_name;

use crate::client::PATIENCE;
use crate::guest::Guest;
use crate::kernel;
use crate::lanes::Watcher;
use crate::patience::{GLANCE, QUIET};
use crate::serve::{ENTERED, GATE, Kind, Log, Watch};
use crate::timeline::{Process, Track};

/// How a server is to be started. The rest of it is the same for all.
#[derive(Clone, Debug)]
pub struct Start {
    pub kind: Kind,
    /// What tells it from others of its kind in the lab's trace.
    pub note: String,
    pub workers: usize,
    /// For one read, or for a whole head: see [`serve`](crate::serve).
    pub deadline: Duration,
    /// Connections that may wait for accept; 0 is whatever the server has.
    pub backlog: i32,
    pub log: Log,
    pub watch: Watch,
}

/// A server that runs.
#[derive(Debug)]
pub struct Subject {
    pub kind: Kind,
    pub address: SocketAddr,
    child: Child,
    gates: PathBuf,
    /// Locked while the gate is closed.
    lock: File,
    process: Process,
    watch: Watch,
    watcher: Mutex<Watcher>,
}

impl Start {
    pub fn new(kind: Kind, workers: usize) -> Start {
        // Longer than any lab takes, so that it is in nobody's way who doesn't ask for less.
        let (note, deadline) = (String::new(), Duration::from_secs(300));
        let watch = if kind == Kind::Millpond { Watch::On } else { Watch::Off };
        Start { kind, note, workers, deadline, backlog: 0, log: Log::None, watch }
    }
}

impl Kind {
    pub fn name(self) -> String {
        self.to_possible_value().expect("each has a name").get_name().to_owned()
    }
}

impl Subject {
    /// Starts it with its gate closed, and returns once it has said where it listens. Its gates are made in that directory.
    pub fn start(start: &Start, root: &Path, gates: PathBuf, process: Process) -> Result<Subject, String> {
        let failed = |error: io::Error| format!("{} can't be started: {error}", start.kind.name());
        fs::create_dir(&gates).and_then(|()| fs::write(gates.join(ENTERED), b"")).map_err(failed)?;
        let lock = File::create(gates.join(GATE)).map_err(failed)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).map_err(|errno| failed(errno.into()))?;
        let mut child = command(start, root, &gates).spawn().map_err(failed)?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        let read = BufReader::new(stdout).read_line(&mut line).map_err(failed);
        let address = line.trim_end().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
        let address = address.and_then(|address| address.parse().ok());
        let Start { kind, watch, .. } = *start;
        let unknown = SocketAddr::from(([0; 4], 0));
        // Made first, so that the child ends with it whatever it said.
        let mut subject =
            Subject { kind, address: unknown, child, gates, lock, process, watch, watcher: Mutex::default() };
        read?;
        subject.address = address.ok_or_else(|| format!("{} printed no address: {line:?}", start.kind.name()))?;
        Ok(subject)
    }

    /// The track of a client, or of the lab itself.
    pub fn track(&self, name: &str) -> Track {
        self.process.track(name)
    }

    /// Notes what the lab does to it.
    pub fn mark(&self, what: &str) {
        self.track("the lab").mark(what);
    }

    /// Looks at what its threads did lately, if it is one that lets itself be watched. It may be looked at again: what was
    /// seen last counts.
    pub fn look(&self) {
        if self.watch == Watch::On {
            // It fails if the server has ended; then there is no more to be seen of it.
            let _ = self.watcher().look(self.address);
        }
    }

    fn watcher(&self) -> MutexGuard<'_, Watcher> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Where its log goes, if it has one that nobody reads yet.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Waits until so many requests have come to the gate, since the start.
    pub fn await_entered(&self, requests: usize) -> Result<(), String> {
        let entered = || fs::read_to_string(self.gates.join(ENTERED)).map_or(0, |text| text.lines().count());
        match wait_until(PATIENCE, || entered() >= requests) {
            true => Ok(()),
            false => Err(format!("{} of {requests} requests came to the gate of {}", entered(), self.kind.name())),
        }
    }

    /// Closes a gate of its own for the request `/gate/NUMBER`; it opens when the file is dropped.
    pub fn close_gate(&self, number: usize) -> Result<File, String> {
        let close = || {
            let lock = File::create(self.gates.join(number.to_string()))?;
            rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
            Ok(lock)
        };
        close().map_err(|error: io::Error| format!("there is no gate {number}: {error}"))
    }

    /// The numbers of those that have come to their gates, in this order, from the `skipped`th on.
    pub fn entered(&self, skipped: usize) -> Result<Vec<usize>, String> {
        let text = fs::read_to_string(self.gates.join(ENTERED)).map_err(|error| error.to_string())?;
        Ok(text.lines().skip(skipped).filter_map(|line| line.parse().ok()).collect())
    }

    pub fn open_gate(&self) -> Result<(), String> {
        self.mark("opens the gate");
        rustix::fs::flock(&self.lock, FlockOperation::Unlock).map_err(|errno| format!("the gate stays shut: {errno}"))
    }

    /// Whether the answer comes, or can't come any more.
    pub fn answers(&self, guest: &mut Guest) -> Result<bool, String> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if guest.is_answered(GLANCE)? {
                return Ok(true);
            }
            if self.stays_asleep() {
                // It may have come just before.
                return guest.is_answered(GLANCE);
            }
        }
        Ok(false)
    }

    /// Whether all of its threads sleep, and go on sleeping: what it hasn't done by then it won't do.
    pub fn stays_asleep(&self) -> bool {
        let since = Instant::now();
        while kernel::is_asleep(self.pid()) {
            if since.elapsed() >= QUIET {
                return true;
            }
            thread::sleep(GLANCE);
        }
        false
    }

    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        self.mark(&format!("sends {}", signal_name(signal.as_raw()).unwrap_or("a signal")));
        kill_process(self.pid(), signal).map_err(|errno| format!("{} takes no signal: {errno}", self.kind.name()))
    }

    /// How it ended; none if it hasn't after so long.
    pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let mut status = None;
        wait_until(timeout, || {
            status = self.child.try_wait().ok().flatten();
            status.is_some()
        });
        status
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.look();
        self.watcher().lay(&self.process);
        // Both fail only if it has ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This same program, as a server.
fn command(start: &Start, root: &Path, gates: &Path) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("serve").arg(start.kind.name()).arg(root);
    command.args(["--workers", &start.workers.to_string(), "--gates"]).arg(gates);
    command.args(["--deadline-ms", &start.deadline.as_millis().to_string()]);
    command.args(["--backlog", &start.backlog.to_string()]);
    command.args(["--log", start.log.to_possible_value().expect("each has a name").get_name()]);
    command.args(["--watch", start.watch.to_possible_value().expect("each has a name").get_name()]);
    let stderr = if start.log == Log::None { Stdio::inherit() } else { Stdio::piped() };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
    command
}

/// Looks again and again until it is so, but not for ever.
pub fn wait_until(timeout: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
}
