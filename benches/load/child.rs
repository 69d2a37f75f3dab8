//! A process that was started here ends here, with its guard, whichever way whoever started it ends.
//!
//! *Invariant:* nothing is ever ended by its name: only by the handle of the child that was started.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A child that runs; dropped, it is asked to end, and made to when it doesn't.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

/// Time to end by itself. Servers that wait for their clients have none by then.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A program without what its user's environment would tell a millpond.
pub fn bare(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"MILLPOND_")) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG");
    command
}

/// The address in the line in which millpond says where it listens: `http://127.0.0.1:8080/`.
pub fn announced_address(line: &str) -> Option<SocketAddr> {
    line.trim_end().strip_prefix("http://")?.strip_suffix('/')?.parse().ok()
}

impl Running {
    /// Starts it. What it complains about goes nowhere: that it doesn't answer will show.
    pub fn start(command: &mut Command, stdout: Stdio) -> Result<Running, String> {
        Running::spawn(command.stdout(stdout).stderr(Stdio::null()))
    }

    /// Starts it with the output that the command has.
    pub fn spawn(command: &mut Command) -> Result<Running, String> {
        let child = command.stdin(Stdio::null()).spawn();
        Ok(Running { child: child.map_err(|error| format!("{}: {error}", command.get_program().display()))? })
    }

    /// Starts a server that says in its first line where it listens.
    pub fn announced(command: &mut Command) -> Result<(Running, SocketAddr), String> {
        let mut running = Running::start(command, Stdio::piped())?;
        let stdout = running.child.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        // It says nothing after that, so nobody has to read on.
        let read = BufReader::new(stdout).read_line(&mut line);
        match announced_address(&line) {
            Some(address) => Ok((running, address)),
            None => Err(format!("{} printed no address: {line:?} {read:?}", command.get_program().display())),
        }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Its standard output, where that is a pipe and nobody has it yet.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// How it ended; none when it hasn't after so long.
    pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A program that has workers of its own ends them only if it is asked: so not at once by force. Whatever fails
        // here fails because it has ended already.
        let _ = kill_process(self.pid(), Signal::TERM);
        if self.wait(LEAVE_TIMEOUT).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
