//! strace on a running server: what it asks of the kernel, or what it is told instead of the truth.
//!
//! *Invariant:* whoever asks for a trace may get none: where strace is missing, or may not trace, the test says that it
//! was skipped, or fails if it must not be.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal};

use crate::load::{self, program, skips};
use crate::support::Site;

/// strace attached to every thread of a server: it writes down what they call until it is detached.
pub struct Trace {
    strace: Child,
    out: Site,
}

/// Attaches strace to a server by its process, with these options more. None, and a word about it, where that can't be done.
pub fn attach(pid: u32, options: &[&str]) -> Option<Trace> {
    if skips(program("strace").is_some(), "strace") {
        return None;
    }
    let trace = Trace::attach(pid, options);
    if skips(trace.is_some(), "permission to trace") { None } else { trace }
}

impl Trace {
    /// Nothing if this machine does not let one process trace another.
    fn attach(pid: u32, options: &[&str]) -> Option<Trace> {
        let out = Site::new();
        let mut command = Command::new("strace");
        command.args(["-f", "-s", "16", "-o"]).arg(out.path("trace")).args(options);
        command.args(["-p", &pid.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut strace = command.spawn().expect("a program that was found runs");
        let mut stderr = BufReader::new(strace.stderr.take().expect("stderr is piped"));
        let (mut line, mut attached) = (String::new(), 0);
        // It says "Process 7 attached" once for each thread.
        while attached < load::threads(pid) {
            line.clear();
            let read = stderr.read_line(&mut line).expect("strace writes text");
            assert!(!line.contains("nvalid"), "strace does not understand {options:?}: {line}");
            if read == 0 || line.contains("not permitted") {
                strace.kill().expect("our own child");
                strace.wait().expect("our own child");
                return None;
            }
            attached += usize::from(line.contains("attached"));
            if let Some(threads) = line.split("with ").nth(1).and_then(|rest| rest.split(' ').next()) {
                attached = threads.parse().expect("a number of threads");
            }
        }
        // What it still says goes nowhere, and must not block it.
        thread::spawn(move || drop(std::io::copy(&mut stderr, &mut std::io::sink())));
        Some(Trace { strace, out })
    }

    /// Lets the server go, and returns what was written down.
    pub fn detach(mut self) -> String {
        let strace = Pid::from_child(&self.strace);
        rustix::process::kill_process(strace, Signal::INT).expect("our own child takes a signal");
        self.strace.wait().expect("our own child can be waited for");
        fs::read_to_string(self.out.path("trace")).expect("strace's file")
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // Both fail only if it has ended before, which is as well.
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

/// The calls of those threads that made this one, in order, as they began.
pub fn calls_of_threads_that(trace: &str, call: &str) -> Vec<String> {
    let calls = trace.lines().filter_map(|line| line.split_once(' ')).map(|(thread, call)| (thread, call.trim_start()));
    // Not calls: the second half of one that another thread interrupted, signals, exits.
    let calls: Vec<_> = calls.filter(|(_, call)| !call.starts_with(['<', '+', '-'])).collect();
    let asked_for = |thread: &str| calls.iter().any(|(found, made)| *found == thread && name(made) == call);
    calls.iter().filter(|(thread, _)| asked_for(thread)).map(|(_, call)| (*call).to_owned()).collect()
}

/// The name of a call like `read(3, …`.
pub fn name(call: &str) -> &str {
    call.split('(').next().unwrap_or(call)
}
