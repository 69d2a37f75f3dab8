//! One running millpond: the real binary as a child process, on a free port, with its output collected.
//!
//! *Invariants:* it learns its port from the first line on stdout, as a user does. Dropped, it kills its own child and
//! nothing else.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::PATIENCE;

/// So much of what a server has said is shown when a test fails: the failure itself is to stay in sight.
const STDERR_LINES_SHOWN: usize = 10;

/// One running millpond: the real binary, on a free port.
pub struct Server {
    child: Child,
    addresses: Vec<SocketAddr>,
    stdout: Arc<Output>,
    stderr: Arc<Output>,
}

impl Server {
    /// Serves `root` on a free port of 127.0.0.1, with more arguments after those.
    pub fn start(root: &Path, extra_args: &[&str]) -> Server {
        let mut command = Server::command(root);
        command.args(extra_args);
        Server::spawn(command)
    }

    /// The command line that [`Server::start`] runs, to be changed further: nothing of the tester's environment reaches
    /// it.
    pub fn command(root: &Path) -> Command {
        let mut command = bare_command();
        command.args(["--port", "0"]).arg(root);
        command
    }

    /// Starts a command that should become a server, and returns once it has said where it listens.
    pub fn spawn(mut command: Command) -> Server {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the server's binary starts");
        let stdout = Output::collect(child.stdout.take().expect("stdout is piped"));
        let stderr = Output::collect(child.stderr.take().expect("stderr is piped"));
        let first = stdout.wait_for_line(PATIENCE, |_| true);
        let mut server = Server { child, addresses: Vec::new(), stdout, stderr };
        match first {
            Some(line) => server.addresses = addresses(&line),
            None => panic!("the server printed no first line; stderr: {:?}", server.stderr.text()),
        }
        server
    }

    /// The first address it printed.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Every address it printed.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What a browser sends as `Host`.
    pub fn host(&self) -> String {
        self.address().to_string()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends one signal to this server.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).expect("our own child takes a signal");
    }

    /// Waits for the process to end.
    ///
    /// # Panics
    /// When it is still there after `timeout`.
    pub fn wait_exit(&mut self, timeout: Duration) -> ExitStatus {
        let handle = rustix::process::pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())
            .expect("a pidfd of our own child");
        let timeout_spec = Timespec { tv_sec: timeout.as_secs().cast_signed(), tv_nsec: timeout.subsec_nanos().into() };
        let ended = rustix::event::poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&timeout_spec))
            .expect("poll on a pidfd");
        assert_eq!(ended, 1, "the server still runs after {timeout:?}; stderr: {:?}", self.stderr.text());
        self.child.wait().expect("our own child can be waited for")
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our own child can be waited for").is_none()
    }

    /// Waits until a line of stdout (the first line, access log) fulfils `wanted`, and returns it without its line end.
    ///
    /// # Panics
    /// When none has after `timeout`, or stdout ended before.
    pub fn wait_for_stdout_line(&self, timeout: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let line = self.stdout.wait_for_line(timeout, wanted);
        line.unwrap_or_else(|| panic!("no such line on stdout after {timeout:?}: {:?}", self.stdout.text()))
    }

    /// The same for stderr (diagnostics).
    pub fn wait_for_stderr_line(&self, timeout: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let line = self.stderr.wait_for_line(timeout, wanted);
        line.unwrap_or_else(|| panic!("no such line on stderr after {timeout:?}: {:?}", self.stderr.text()))
    }

    /// What stdout has had so far, byte for byte.
    pub fn stdout(&self) -> Vec<u8> {
        self.stdout.bytes()
    }

    /// What stderr has had so far, byte for byte.
    pub fn stderr(&self) -> Vec<u8> {
        self.stderr.bytes()
    }

    /// All of stdout, once it has ended (so after [`Server::wait_exit`]).
    pub fn stdout_to_end(&self) -> Vec<u8> {
        self.stdout.to_end()
    }

    /// All of stderr, once it has ended.
    pub fn stderr_to_end(&self) -> Vec<u8> {
        self.stderr.to_end()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended before, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let text = self.stderr.text();
            let lines: Vec<&str> = text.lines().collect();
            let left_out = lines.len().saturating_sub(STDERR_LINES_SHOWN);
            eprintln!("stderr of the server, behind {left_out} lines more: {}", lines[left_out..].join("\n"));
        }
    }
}

/// The binary without any argument, and without what the tester's environment would tell it.
pub fn bare_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millpond"));
    let ours = |name: &OsStr| name.as_encoded_bytes().starts_with(b"MILLPOND_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG").env_remove("RUST_LOG_STYLE");
    command
}

/// The socket addresses of a first line like `http://127.0.0.1:8080/ http://[::1]:8080/`; a file has its path behind them.
fn addresses(line: &str) -> Vec<SocketAddr> {
    let after_scheme = |url: &'_ str| url.strip_prefix("http://").or(url.strip_prefix("https://")).map(str::to_owned);
    let one = |url: &str| after_scheme(url)?.split_once('/')?.0.parse().ok();
    // What came by a Unix socket is tried in a room of its own.
    let ports = line.split(' ').filter(|word| !word.starts_with("unix:"));
    ports.map(|url| one(url).unwrap_or_else(|| panic!("the first line names no address: {line:?}"))).collect()
}

/// One output stream of the server, read to its end by a thread of its own, so that a full pipe never blocks the
/// server.
struct Output {
    state: Mutex<Collected>,
    grown: Condvar,
}

#[derive(Default)]
struct Collected {
    bytes: Vec<u8>,
    ended: bool,
}

impl Output {
    fn collect(source: impl Read + Send + 'static) -> Arc<Output> {
        let output = Arc::new(Output { state: Mutex::default(), grown: Condvar::new() });
        let shared = Arc::clone(&output);
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            loop {
                let read = source.fill_buf().map(<[u8]>::to_vec).unwrap_or_default();
                source.consume(read.len());
                let mut state = shared.state.lock().expect("no panic under this lock");
                state.bytes.extend_from_slice(&read);
                state.ended = read.is_empty();
                shared.grown.notify_all();
                if state.ended {
                    return;
                }
            }
        });
        output
    }

    fn bytes(&self) -> Vec<u8> {
        self.state.lock().expect("no panic under this lock").bytes.clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    fn to_end(&self) -> Vec<u8> {
        let state = self.state.lock().expect("no panic under this lock");
        let (state, _) =
            self.grown.wait_timeout_while(state, PATIENCE, |state| !state.ended).expect("no panic under this lock");
        assert!(state.ended, "the stream is still open");
        state.bytes.clone()
    }

    /// The first complete line that is wanted, as soon as there is one; none at the end of time or of the stream.
    fn wait_for_line(&self, timeout: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let deadline = Instant::now() + timeout;
        let mut state = self.state.lock().expect("no panic under this lock");
        loop {
            let complete =
                state.bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
            let found = complete.map(String::from_utf8_lossy).find(|line| wanted(line));
            if let Some(line) = found {
                return Some(line.into_owned());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            state = self.grown.wait_timeout(state, left).expect("no panic under this lock").0;
        }
    }
}
