//! What `/proc` says of a server: of its process and all that descend from it, which some servers work with.
//!
//! *Invariant:* a process that has ended meanwhile counts for nothing; that is no error.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a process here may have; more than anybody needs where there is no limit.
pub fn descriptors_max() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(1 << 20).min(1 << 20)
}

/// Lets this process, and those that it starts, have as many.
pub fn raise_descriptors() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(descriptors_max()), maximum })?)
}

/// A process and its descendants.
pub fn family(root: Pid) -> Vec<i32> {
    let (mut family, mut left) = (Vec::new(), vec![root.as_raw_pid()]);
    while let Some(pid) = left.pop() {
        family.push(pid);
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            left.extend(children.split_whitespace().filter_map(|child| child.parse::<i32>().ok()));
        }
    }
    family
}

/// Time that they have had on a core.
pub fn processor_time(root: Pid) -> Duration {
    let ticks = |pid: i32| -> u64 {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // proc_pid_stat(5): utime and stime are fields 14 and 15; the second, the name, ends in a parenthesis.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
    };
    // USER_HZ is 100 on every architecture that this server has been tried on.
    Duration::from_millis(family(root).into_iter().map(ticks).sum::<u64>() * 10)
}
