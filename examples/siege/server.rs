//! The server that is held to the promise: one that is started here, or any that runs already; and what it weighs.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::child::{self, Running};
use crate::peers::{self, Peer, START_TIMEOUT};
use crate::proc;

/// Who is held to it.
#[derive(Debug)]
pub enum Subject {
    /// This repository's program, which has the options and the output that some lines are about.
    Millpond(PathBuf),
    Peer(&'static Peer),
    /// What to run, with `{port}` and `{root}` in it.
    Template(String),
    /// A server that somebody else started: nothing is done to it that it wouldn't outlive.
    Foreign {
        address: SocketAddr,
        pid: Pid,
    },
}

/// A server that runs; if it was started here it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    pub pid: Pid,
    process: Option<Running>,
    /// Its configuration and its output.
    work: TempDir,
}

/// What a server holds at one time, all its processes together.
#[derive(Clone, Copy, Debug)]
pub struct Weight {
    pub descriptors: usize,
    pub threads: usize,
    pub resident_kib: u64,
}

impl Subject {
    /// Starts one; options are for millpond only.
    pub fn start(&self, root: &Path, options: &[&str]) -> Result<Server, String> {
        let work = readable_directory().map_err(|error| format!("no temporary directory: {error}"))?;
        let (process, address) = match self {
            Subject::Millpond(program) => millpond(program, root, options, work.path())?,
            Subject::Peer(peer) => peers::start(peer, root, work.path())?,
            Subject::Template(template) => from_template(template, root)?,
            Subject::Foreign { address, pid } => {
                return Ok(Server { address: *address, pid: *pid, process: None, work });
            }
        };
        Ok(Server { address, pid: process.pid(), process: Some(process), work })
    }

    pub fn is_millpond(&self) -> bool {
        matches!(self, Subject::Millpond(_))
    }

    /// The signal that has it finish what is under way.
    pub fn drain_signal(&self) -> Signal {
        match self {
            Subject::Peer(peer) if peer.program == "nginx" => Signal::QUIT,
            Subject::Peer(peer) if peer.program == "lighttpd" => Signal::INT,
            Subject::Millpond(_) | Subject::Peer(_) | Subject::Template(_) | Subject::Foreign { .. } => Signal::TERM,
        }
    }
}

/// Some servers give up root and must still come in.
fn readable_directory() -> io::Result<TempDir> {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::Builder::new().prefix("siege-").tempdir()?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    Ok(directory)
}

/// With its output in files, which never make it wait.
fn millpond(program: &Path, root: &Path, options: &[&str], work: &Path) -> Result<(Running, SocketAddr), String> {
    let fault = |error: io::Error| format!("{}: {error}", work.display());
    let output = |name| File::create(work.join(name)).map_err(fault);
    let mut command = child::bare(program);
    command.arg(root).args(["--port", "0"]).args(options).stdout(output("stdout")?).stderr(output("stderr")?);
    let mut process = Running::spawn(&mut command)?;
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let said = fs::read_to_string(work.join("stdout")).map_err(fault)?;
        if let Some(address) = said.split_inclusive('\n').next().and_then(child::announced_address) {
            return Ok((process, address));
        }
        if process.wait(Duration::from_millis(5)).is_some() || Instant::now() > deadline {
            let why = fs::read_to_string(work.join("stderr")).map_err(fault)?;
            return Err(format!("{} printed no address: {}", program.display(), why.trim_end()));
        }
    }
}

fn from_template(template: &str, root: &Path) -> Result<(Running, SocketAddr), String> {
    let port = peers::free_port()?;
    // Divided first: a directory may have a space in its name.
    let words = template.split_whitespace().map(|word| word.replace("{port}", &port.to_string()));
    let words: Vec<String> = words.map(|word| word.replace("{root}", &root.display().to_string())).collect();
    let (program, arguments) = words.split_first().ok_or("an empty command")?;
    peers::listening(child::bare(program).args(arguments), port)
}

/// A millpond whose standard output is wherever the caller wants it, on a port that is known beforehand.
pub fn millpond_into(program: &Path, root: &Path, stdout: Stdio) -> Result<Server, String> {
    let work = readable_directory().map_err(|error| format!("no temporary directory: {error}"))?;
    let stderr = File::create(work.path().join("stderr")).map_err(|error| format!("no file for its log: {error}"))?;
    let port = peers::free_port()?;
    let mut command: Command = child::bare(program);
    command.arg(root).args(["--port", &port.to_string()]).stdout(stdout).stderr(stderr);
    let process = Running::spawn(&mut command)?;
    let server =
        Server { address: SocketAddr::from(([127, 0, 0, 1], port)), pid: process.pid(), process: Some(process), work };
    wait_until(START_TIMEOUT, || std::net::TcpStream::connect(server.address).is_ok());
    Ok(server)
}

impl Server {
    /// What it has said so far, on `stdout` or `stderr`; only millpond's is known.
    pub fn said(&self, stream: &str) -> Result<Vec<u8>, String> {
        fs::read(self.work.path().join(stream)).map_err(|error| format!("its {stream}: {error}"))
    }

    /// Its process, if it was started here.
    pub fn process(&mut self) -> Option<&mut Running> {
        self.process.as_mut()
    }

    pub fn signal(&self, signal: Signal) -> Result<(), String> {
        kill_process(self.pid, signal).map_err(|errno| format!("no signal reaches it: {errno}"))
    }

    pub fn weight(&self) -> Weight {
        let family = proc::family(self.pid);
        let count = |pid: &i32, what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, Iterator::count);
        Weight {
            descriptors: family.iter().map(|pid| count(pid, "fd")).sum(),
            threads: family.iter().map(|pid| count(pid, "task")).sum(),
            resident_kib: family.iter().map(|pid| resident_kib(*pid)).sum(),
        }
    }

    /// The share of one core that it uses, in hundredths, from now on for so long.
    pub fn hundredths_of_a_core(&self, window: Duration) -> f64 {
        let (before, since) = (proc::processor_time(self.pid), Instant::now());
        thread::sleep(window);
        let used = proc::processor_time(self.pid).saturating_sub(before);
        used.as_secs_f64() / since.elapsed().as_secs_f64() * 100.0
    }
}

/// Resident memory of one process; none of one that has ended.
fn resident_kib(pid: i32) -> u64 {
    // The kernel counts pages per processor and adds them up now and then: `status` is off by up to 256 KiB on two
    // processors. The rollup walks the pages.
    let exact = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let rough = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = |text: &str, name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    };
    value(&exact, "Rss:").or_else(|| value(&rough, "VmRSS:")).unwrap_or(0)
}

/// Looks again and again whether it holds; says whether it did in time.
pub fn wait_until(timeout: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    while !holds() {
        if Instant::now() > deadline {
            return false;
        }
        // The other process tells nobody when it changes; looking 200 times a second costs nothing.
        thread::sleep(Duration::from_millis(5));
    }
    true
}
