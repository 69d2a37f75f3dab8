//! A worker's thread, stepped from instruction to instruction while it answers (`ptrace`, `PTRACE_SINGLESTEP`).
//!
//! *Invariant:* a turn is counted whole: from the event that woke the worker until it sleeps in the kernel again, not
//! until its answer is there, for it has to park the connection after that.
//!
//! Two threads have to do with it. The tracer has the worker take a step and waits until it has, on and on: only the
//! thread that took hold of another may do that. Whoever asks looks every millisecond whether steps are still taken. The
//! worker and its tracer share a core, as only one of them ever runs: between two cores each step costs ten times as much.
//!
//! A system call is one step, however long the kernel takes; a string instruction (`rep movsb`) is one for each round.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::user_regs_struct;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// What is kept of each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// That it was.
    Count,
    /// Where it was.
    Addresses,
}

/// Whether a process may be traced is the system's decision.
pub enum Attach {
    Attached(Worker),
    Forbidden,
}

/// The only worker of a server, under the eyes of a tracer until the server ends.
pub struct Worker {
    /// Where the kernel tells whether it sleeps.
    stat: PathBuf,
    steps: Arc<Steps>,
}

/// What the tracer writes down.
#[derive(Default)]
struct Steps {
    /// Those begun. It goes with nothing else, so its order among other writes doesn't matter.
    count: AtomicU64,
    /// How often each address was stepped from, if that is asked for.
    hits: Mutex<HashMap<u64, u64>>,
}

/// Between two looks. A thread that took no step in that time and sleeps isn't waiting for a lock, but for a request.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// Longer than any turn, even stepped, on a machine with other things to do.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);

impl Worker {
    /// Takes hold of the thread of that process whose name begins with `worker`, while it waits for an event.
    pub fn attach(process: rustix::process::Pid, detail: Detail) -> Result<Attach, String> {
        let task = find_worker(Path::new(&format!("/proc/{}/task", process.as_raw_pid())))?;
        let number = task.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let thread = Pid::from_raw(number.expect("tasks have numbers for names"));
        let worker = Worker { stat: task.join("stat"), steps: Arc::default() };
        let steps = Arc::clone(&worker.steps);
        let (sender, seized) = mpsc::channel();
        thread::spawn(move || {
            let begun = seize(thread);
            let goes_on = begun.is_ok();
            // Nobody listens any more if the bench has ended.
            let _ = sender.send(begun);
            if goes_on {
                // It ends with the server, and the counting is over by then.
                let _ = trace(thread, detail, &steps);
            }
        });
        match seized.recv().expect("the tracer says how it began") {
            Ok(()) => {}
            Err(Errno::EPERM | Errno::ENOSYS) => return Ok(Attach::Forbidden),
            Err(errno) => return Err(format!("can't trace the worker: {errno}")),
        }
        // It was woken by being seized, and goes back to waiting.
        worker.turn(0)?;
        worker.steps.hits.lock().expect("no panic under this lock").clear();
        Ok(Attach::Attached(worker))
    }

    /// How many steps have been taken in all.
    pub fn steps(&self) -> u64 {
        self.steps.count.load(Ordering::Relaxed)
    }

    /// Waits for the end of a turn that begins after `before` steps; returns how many it has taken.
    pub fn turn(&self, before: u64) -> Result<u64, String> {
        let deadline = Instant::now() + TURN_TIMEOUT;
        let mut last = before;
        loop {
            thread::sleep(LOOK_INTERVAL);
            let count = self.steps();
            if count == last && count > before && self.sleeps() {
                return Ok(count - before);
            }
            last = count;
            if Instant::now() > deadline {
                return Err(format!("the worker took no step or is still busy after {TURN_TIMEOUT:?}"));
            }
        }
    }

    /// How often each address was stepped from.
    pub fn hits(&self) -> HashMap<u64, u64> {
        self.steps.hits.lock().expect("no panic under this lock").clone()
    }

    /// Whether the kernel has it asleep until something happens, and not stopped for its tracer. The state stands after
    /// the name, which is in parentheses (proc_pid_stat(5)).
    fn sleeps(&self) -> bool {
        let stat = fs::read_to_string(&self.stat).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    }
}

/// The one task that is called worker.
fn find_worker(tasks: &Path) -> Result<PathBuf, String> {
    let listed = fs::read_dir(tasks).map_err(|error| format!("{}: {error}", tasks.display()))?.flatten();
    let is_worker = |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("worker"));
    let mut workers = listed.map(|task| task.path()).filter(is_worker);
    match (workers.next(), workers.next()) {
        (Some(task), None) => Ok(task),
        (Some(_) | None, _) => Err("the server has not exactly one thread called worker".to_owned()),
    }
}

/// Takes hold of a thread, and brings it to the core that this one is to stay on as well.
fn seize(thread: Pid) -> Result<(), Errno> {
    let own = Pid::from_raw(0);
    let allowed = sched_getaffinity(own)?;
    let core = (0..CpuSet::count()).rev().find(|core| allowed.is_set(*core) == Ok(true));
    let mut only = CpuSet::new();
    only.set(core.expect("a thread that runs has a core"))?;
    ptrace::seize(thread, Options::empty())?;
    sched_setaffinity(own, &only)?;
    sched_setaffinity(thread, &only)?;
    ptrace::interrupt(thread)
}

/// Steps the thread until its end.
fn trace(thread: Pid, detail: Detail, steps: &Steps) -> Result<(), Errno> {
    loop {
        let signal = match waitpid(thread, Some(WaitPidFlag::__WALL))? {
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => return Ok(()),
            WaitStatus::Stopped(_, Signal::SIGTRAP) => None,
            // It is the thread's, and not the tracer's to keep.
            WaitStatus::Stopped(_, signal) => Some(signal),
            WaitStatus::PtraceEvent(..) | WaitStatus::PtraceSyscall(_) => None,
            WaitStatus::Continued(_) | WaitStatus::StillAlive => continue,
        };
        if detail == Detail::Addresses {
            let address = program_counter(&ptrace::getregs(thread)?);
            *steps.hits.lock().expect("no panic under this lock").entry(address).or_default() += 1;
        }
        steps.count.fetch_add(1, Ordering::Relaxed);
        ptrace::step(thread, signal)?;
    }
}

#[cfg(target_arch = "x86_64")]
fn program_counter(registers: &user_regs_struct) -> u64 {
    registers.rip
}

#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
fn program_counter(registers: &user_regs_struct) -> u64 {
    registers.pc
}
