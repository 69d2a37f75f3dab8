//! Line 11: a server that may open no further descriptor, and then may again.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::client::{Client, PATIENCE, get};
use crate::report::{self, Tally};
use crate::server::{Server, wait_until};
use crate::{Siege, Stop, proc};

/// Connections that are open before.
const OPEN: usize = 20;

/// Clients that come meanwhile.
const WAITING: usize = 100;

/// How long it lasts.
const MEANWHILE: Duration = Duration::from_secs(3);

const CORE_HUNDREDTHS_MAX: f64 = 2.0;
const SERVED_WITHIN: Duration = Duration::from_secs(2);

pub fn descriptors(siege: &Siege) -> Result<Tally, Stop> {
    let server = siege.fresh(&["--access-log", "off"])?;
    let small = get(&siege.site.target("small.txt"));
    let open_one = || -> io::Result<Client> {
        let mut client = Client::connect(server.address)?;
        client.ask(&small)?;
        Ok(client)
    };
    // A server that has answered has opened all that it works with.
    let mut open = vec![open_one()?];
    let before = server.weight().descriptors.saturating_sub(open.len());
    while open.len() < OPEN {
        open.push(open_one()?);
    }
    // Whoever was there at the start is gone by then: nothing comes free while there is to be nothing.
    wait_until(PATIENCE, || server.weight().descriptors <= before + OPEN);
    let limits = Lowered::to_what_is_open(&server)?;
    let mut waiting = Vec::new();
    for _ in 0..WAITING {
        // Into the kernel's queue, for nobody can be accepted; where that is too short, all the others stay outside.
        let Ok(mut client) = Client::connect(server.address) else { break };
        client.send(&small)?;
        waiting.push(client);
    }
    // Names that nobody has asked for yet, so that no server has them open.
    let mut statuses = Vec::new();
    for (number, client) in open.iter_mut().enumerate() {
        let name = format!("cold-{number}.txt");
        siege.site.file(&name, b"cold\n")?;
        statuses.push(client.ask(get(&siege.site.target(&name)))?.status);
    }
    thread::sleep(Duration::from_millis(200));
    let share = server.hundredths_of_a_core(MEANWHILE);
    drop(limits);
    let since = Instant::now();
    let served = waiting.iter_mut().filter_map(|client| client.answer().ok()).filter(|answer| answer.status == 200);
    let (served, took) = (served.count(), since.elapsed());

    let mut tally = Tally::default();
    tally.check(share < CORE_HUNDREDTHS_MAX, format!("{share:.1} % of a core"));
    // 503 says that it will pass; 200, that there was one left. Anything else is a lie that may be kept.
    let honest = statuses.iter().all(|status| [200, 503].contains(status));
    statuses.sort_unstable();
    let counts = statuses.chunk_by(|one, other| one == other).map(|same| format!("{} are {}", same.len(), same[0]));
    tally.check(honest, format!("of {OPEN} cold files {}", counts.collect::<Vec<_>>().join(", ")));
    tally.check(served == WAITING, format!("{served} of {WAITING} who waited are served"));
    tally.check(took <= SERVED_WITHIN, format!("within {}", report::time(took)));
    drop((open, waiting));
    let left = || server.weight().descriptors.saturating_sub(before);
    let none_left = wait_until(PATIENCE, || left() == 0);
    tally.check(none_left, format!("descriptors +{} in the end", left()));
    Ok(tally)
}

/// The limits of a server's processes, lowered; dropped, they are as before.
struct Lowered {
    before: Vec<(Pid, Rlimit)>,
}

impl Lowered {
    fn to_what_is_open(server: &Server) -> Result<Lowered, Stop> {
        let mut lowered = Lowered { before: Vec::new() };
        for pid in proc::family(server.pid) {
            let open = |number: &u64| fs::symlink_metadata(format!("/proc/{pid}/fd/{number}")).is_ok();
            let next = (0..).find(|number| !open(number)).expect("numbers do not end");
            let Some(process) = Pid::from_raw(pid) else { continue };
            let maximum = hard_limit(pid);
            let lower = Rlimit { current: Some(next), maximum };
            let before = prlimit(Some(process), Resource::Nofile, lower).map_err(|errno| match errno {
                Errno::PERM => Stop::Skip("it has processes of another user, whose limits can't be changed here"),
                errno => Stop::Broken(format!("its limit can't be changed: {errno}")),
            })?;
            lowered.before.push((process, before));
        }
        Ok(lowered)
    }
}

impl Drop for Lowered {
    fn drop(&mut self) {
        for (process, before) in self.before.drain(..) {
            // It fails if the process has ended, which shows.
            let _ = prlimit(Some(process), Resource::Nofile, before);
        }
    }
}

/// Nobody but root may raise that again, so it stays as it is.
fn hard_limit(pid: i32) -> Option<u64> {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
