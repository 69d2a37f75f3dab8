//! A process that was started here ends here, with its guard, whichever way the bench ends.
//!
//! *Invariant:* nothing is ever ended by its name: only by the handle of the child that was started.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
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

impl Running {
    /// Starts it. What it complains about goes nowhere: that it doesn't answer will show.
    pub fn start(command: &mut Command, stdout: Stdio) -> Result<Running, String> {
        command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
        Ok(Running { child })
    }

    /// Starts a server that says in its first line where it listens: `http://127.0.0.1:8080/`.
    pub fn announced(command: &mut Command) -> Result<(Running, SocketAddr), String> {
        let mut running = Running::start(command, Stdio::piped())?;
        let stdout = running.child.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        // It says nothing after that, so nobody has to read on.
        let read = BufReader::new(stdout).read_line(&mut line);
        let authority = line.trim_end().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
        match authority.and_then(|text| text.parse().ok()) {
            Some(address) => Ok((running, address)),
            None => Err(format!("{} printed no address: {line:?} {read:?}", command.get_program().display())),
        }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A program that has workers of its own ends them only if it is asked: so not at once by force. Whatever fails
        // here fails because it has ended already.
        let _ = kill_process(self.pid(), Signal::TERM);
        let deadline = Instant::now() + LEAVE_TIMEOUT;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
