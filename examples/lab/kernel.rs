//! What the kernel counts: connections, from its list of sockets; switches, threads and memory, from `/proc`.
//!
//! *Invariant:* what has ended meanwhile counts for nothing; that is no error.

use std::fs;
use std::net::SocketAddr;

use rustix::process::Pid;

use crate::proc;
use crate::sockets::{State, sockets};

/// Connections that wait for the server to accept them.
pub fn accept_queue(address: SocketAddr) -> Result<u32, String> {
    Ok(sockets(address, State::Listen)?.iter().map(|socket| socket.received).sum())
}

/// Connections that are with the server, accepted or not.
pub fn connections(address: SocketAddr) -> Result<u32, String> {
    u32::try_from(sockets(address, State::Established)?.len()).map_err(|error| error.to_string())
}

/// Bytes that the server has given to the kernel and its clients have not taken.
pub fn untaken_bytes(address: SocketAddr) -> Result<u64, String> {
    Ok(sockets(address, State::Established)?.iter().map(|socket| u64::from(socket.sent)).sum())
}

/// How often threads were taken off a core.
#[derive(Clone, Copy, Debug)]
pub struct Switches {
    /// Because they had to wait.
    pub voluntary: u64,
    /// Because it was somebody else's turn.
    pub involuntary: u64,
}

/// Of all threads that a server has now, since they began.
pub fn switches(pid: Pid) -> Switches {
    let tasks = proc::family(pid).into_iter().flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok());
    let statuses: Vec<String> = tasks
        .flat_map(|tasks| tasks.flatten())
        .filter_map(|task| fs::read_to_string(task.path().join("status")).ok())
        .collect();
    let sum = |name: &str| statuses.iter().map(|status| field(status, name)).sum();
    Switches { voluntary: sum("voluntary_ctxt_switches:"), involuntary: sum("nonvoluntary_ctxt_switches:") }
}

/// Whether all threads of a server sleep: then nothing comes of anything unless something else happens first. One that
/// has been woken and doesn't run yet counts as awake (proc_pid_stat(5): the state is behind the name, in parentheses).
pub fn is_asleep(pid: Pid) -> bool {
    let tasks = proc::family(pid).into_iter().flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).ok());
    tasks.flat_map(|tasks| tasks.flatten()).all(|task| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('S'))
    })
}

/// Threads of a server, in all of its processes.
pub fn threads(pid: Pid) -> u64 {
    let statuses =
        proc::family(pid).into_iter().filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok());
    statuses.map(|status| field(&status, "Threads:")).sum()
}

/// Memory that no other process has a share in, in KiB, over all processes of a server: what they wrote. Pages of files
/// don't count: those of a program that was just built are not on the disk yet, and look as if they had been written to.
pub fn own_memory_kib(pid: Pid) -> u64 {
    let rollups =
        proc::family(pid).into_iter().filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok());
    rollups.map(|rollup| field(&rollup, "Anonymous:")).sum()
}

/// The number behind a name.
fn field(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    value.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
