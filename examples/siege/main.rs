//! The siege: holds a server to every line of the promise, over real sockets, and prints what it measured.
//!
//! `cargo run --release --example siege` takes some minutes and needs a machine with little else to do; `-- --quick`
//! takes less than one. `-- --help` says how to hold another server to the same lines. The exit code is 1 if a line fails.
//!
//! *Invariants:* every figure is measured in this run; every count and every wait has a bound; what a server that isn't
//! ours can't be asked for is said to be skipped, and why; only processes that were started here are ended.
//!
//! Lines run one after the other, since each measures what the others would disturb, and most of them on one server, which
//! in the end is weighed against what it was in the beginning.

mod client;
mod crowd;
mod drain;
mod files;
mod good;
mod idle;
mod input;
mod leaks;
mod limits;
mod logs;
mod outside;
mod panics;
mod report;
mod sandbox;
mod say;
mod server;
mod site;
mod size;
mod slow;
// Servers are found, started, looked at and ended as in the benches.
#[allow(dead_code)] // what only the benches need
#[path = "../../benches/load/child.rs"]
mod child;
#[allow(dead_code)] // what only the benches need
#[path = "../../benches/load/peers.rs"]
mod peers;
#[path = "../../benches/load/proc.rs"]
mod proc;
#[path = "../../benches/load/stop.rs"]
mod stop;

use std::env;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use rustix::process::Pid;

use client::{Client, PATIENCE};
use good::Fared;
use peers::Peer;
use report::{Tally, Verdict};
use say::{End, say};
use server::{Server, Subject, Weight};
use site::Site;
use size::Size;

/// One line of the promise.
struct Line {
    promise: &'static str,
    figure: &'static str,
    hold: fn(&Siege) -> Result<Tally, Stop>,
}

/// The promise. A line's number is its place, from 1.
#[rustfmt::skip]
const LINES: [Line; 16] = [
    Line { promise: "idle connections cost almost nothing", hold: idle::ten_thousand,
        figure: "10,000 held: ≤ 1 KiB of resident memory each, no thread each, < 2 % of a core; every one answers again" },
    Line { promise: "slow heads hurt nobody", hold: slow::heads,
        figure: "500 clients dripping a head: a good client's p99 ≤ 10 ms, no failure; each drip answered 408 and ended 10 s (+1) after its first byte" },
    Line { promise: "slow readers hurt nobody", hold: slow::readers,
        figure: "200 clients reading 64 MiB at 1 KiB/s from 4 workers, and from 1: a good client's p99 ≤ 10 ms; ≤ 4 KiB of memory each" },
    Line { promise: "stalled readers go", hold: slow::stalled,
        figure: "gone 30 s (+1) after the last byte moved; kernel memory freed (reset, not FIN)" },
    Line { promise: "input is bounded", hold: input::bounds,
        figure: "head ≤ 16 KiB and 100 field lines, leading CRLFs counted; no request grows memory by > 64 KiB; 32 MiB of head or target is cut" },
    Line { promise: "no guess about framing", hold: input::framing,
        figure: "every ambiguous length is 400 and close; 0 second answers" },
    Line { promise: "nothing outside the root", hold: outside::nothing,
        figure: "0 bytes over every spelling, every kind of link, and 5,000 requests against a directory being swapped for a link" },
    Line { promise: "special files never hang", hold: files::special,
        figure: "FIFO, socket, device: 404 in < 100 ms, 64 at a time" },
    Line { promise: "length is honest", hold: files::honest,
        figure: "file truncated: closed, never padded; replaced by rename: the old bytes whole; grown: exact" },
    Line { promise: "never stale", hold: files::fresh,
        figure: "a file rewritten with the same size, in the same clock tick, is served new to the next request, 1,000 times out of 1,000" },
    Line { promise: "out of descriptors is survivable", hold: limits::descriptors,
        figure: "< 2 % of a core meanwhile, no 404, all who waited are served ≤ 2 s after" },
    Line { promise: "drain loses nothing", hold: drain::loses_nothing,
        figure: "signal under load: 0 received requests lost, downloads byte-exact, port refused ≤ 100 ms, exit code 0; deadline 10 s (+1) with stuck clients; second signal ≤ 500 ms" },
    Line { promise: "no leaks", hold: leaks::none,
        figure: "after all of the lines: descriptors +0, threads +0, memory ≤ +8 MiB" },
    Line { promise: "no panic", hold: panics::none,
        figure: "0 panics over mutated requests; a panic injected into 1,000 turns: same pool, same descriptors" },
    Line { promise: "logs can't be forged", hold: logs::true_to_life,
        figure: "0 raw control bytes from any input; a blocked or full log sink slows nobody, and what was dropped is counted and said" },
    Line { promise: "the process can't reach beyond its job", hold: sandbox::holds,
        figure: "no_new_privs on every thread, and a line at start that says what of the sandbox holds" },
];

/// The line about what is left in the end comes last, whatever its number.
const LAST: u32 = 13;

/// Hold a server to every line of the promise
///
/// Without a server named, it is this repository's. Options after `--`: cargo run --release --example siege -- --quick
#[derive(Parser)]
struct Arguments {
    /// Reduced sizes and, where the server is millpond, shorter timeouts: under a minute
    #[arg(long)]
    quick: bool,
    /// Lines to run, by their numbers [default: all]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=16))]
    lines: Vec<u32>,
    /// Print a table in Markdown in the end
    #[arg(long)]
    markdown: bool,
    /// Another build of millpond
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// A server that is installed, configured as in the benches: nginx, nginx+cache, h2o or lighttpd
    #[arg(long, value_name = "NAME", value_parser = find_peer, conflicts_with = "program")]
    peer: Option<&'static Peer>,
    /// What to run, with {port} and {root} in it: 'python3 -m http.server -d {root} {port}'
    #[arg(long, value_name = "TEMPLATE", conflicts_with_all = ["program", "peer"])]
    command: Option<String>,
    /// Where a server listens that runs already; what it would not outlive is skipped
    #[arg(long, value_name = "HOST:PORT", requires_all = ["pid", "root"], conflicts_with_all = ["program", "peer", "command"])]
    address: Option<SocketAddr>,
    /// Its process
    #[arg(long, requires = "address", value_parser = parse_pid)]
    pid: Option<Pid>,
    /// What it serves; a directory is made in there, and removed
    #[arg(long, value_name = "DIR", requires = "address")]
    root: Option<PathBuf>,
}

fn find_peer(name: &str) -> Result<&'static Peer, String> {
    peers::PEERS.iter().find(|peer| peer.name == name).ok_or_else(|| "it is none of those".to_owned())
}

fn parse_pid(text: &str) -> Result<Pid, String> {
    text.parse().ok().and_then(Pid::from_raw).ok_or_else(|| "a process has a number above zero".to_owned())
}

/// Why a line was not run to its end.
enum Stop {
    /// It can't be tried on this server.
    Skip(&'static str),
    /// It was broken off by this.
    Broken(String),
}

impl From<String> for Stop {
    fn from(why: String) -> Stop {
        Stop::Broken(why)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Broken(match error.kind() {
            // A socket whose patience was at an end says that.
            ErrorKind::WouldBlock => format!("no answer within {}", report::time(PATIENCE)),
            _ => error.to_string(),
        })
    }
}

/// What the lines are held against.
struct Siege {
    subject: Subject,
    size: Size,
    site: Site,
    /// The one that most lines are held against.
    server: Server,
    /// What it was in the beginning.
    weight: Weight,
}

fn main() -> ExitCode {
    say::exit("siege", run(&Arguments::parse()))
}

/// Whether no line failed.
fn run(arguments: &Arguments) -> Result<bool, End> {
    let stop = stop::on_signals().map_err(|error| format!("can't handle signals: {error}"))?;
    proc::raise_descriptors().map_err(|error| format!("the limit on descriptors can't be raised: {error}"))?;
    let siege = Siege::lay(arguments)?;
    say(&format!("{}\n\n", siege.size.describe()))?;
    let lines = (1_u32..).zip(&LINES);
    let chosen = lines.filter(|(number, _)| arguments.lines.is_empty() || arguments.lines.contains(number));
    let (last, mut chosen): (Vec<_>, Vec<_>) = chosen.partition(|(number, _)| *number == LAST);
    chosen.extend(last);
    let mut rows = Vec::new();
    for (number, line) in chosen {
        let since = Instant::now();
        let tally = siege.hold(line);
        if stop.load(Ordering::Relaxed) {
            return Err(End::Failed("stopped by a signal".into()));
        }
        let text = report::text(number, line.promise, line.figure, &tally);
        say(&format!("{text}         took {}\n\n", report::time(since.elapsed())))?;
        rows.push((number, line, tally));
    }
    rows.sort_by_key(|(number, ..)| *number);
    if arguments.markdown {
        say(&format!("{}\n", report::MARKDOWN_HEAD))?;
        for (number, line, tally) in &rows {
            say(&format!("{}\n", report::markdown(*number, line.promise, line.figure, tally)))?;
        }
    }
    let count = |verdict| rows.iter().filter(|(_, _, tally)| tally.verdict() == verdict).count();
    let [passed, failed, skipped] = [Verdict::Pass, Verdict::Fail, Verdict::Skip].map(count);
    say(&format!("{passed} passed, {failed} failed, {skipped} skipped\n"))?;
    Ok(failed == 0)
}

impl Siege {
    /// Starts what is to be held, and warms it up.
    fn lay(arguments: &Arguments) -> Result<Siege, String> {
        let subject = match (arguments.peer, &arguments.command, arguments.address, arguments.pid) {
            (Some(peer), ..) => Subject::Peer(peer),
            (_, Some(template), ..) => Subject::Template(template.clone()),
            (_, _, Some(address), Some(pid)) => Subject::Foreign { address, pid },
            _ => Subject::Millpond(arguments.program.clone().map_or_else(build_millpond, Ok)?),
        };
        let size = if arguments.quick { Size::quick(&subject) } else { size::FULL };
        let site = Site::new(arguments.root.as_deref()).map_err(|error| format!("no place for files: {error}"))?;
        let server = start(&subject, &size, site.root(), &["--access-log", "combined"])?;
        for _ in 0..20 {
            let mut client = Client::connect(server.address).map_err(|error| format!("it takes nobody: {error}"))?;
            for name in ["small.txt", "down/small.txt", "missing.txt"] {
                client.ask(client::get(&site.target(name))).map_err(|error| format!("it doesn't answer: {error}"))?;
            }
        }
        // Until those clients are gone.
        server::wait_until(PATIENCE, || {
            let descriptors = server.weight().descriptors;
            thread::sleep(Duration::from_millis(200));
            server.weight().descriptors == descriptors
        });
        let weight = server.weight();
        Ok(Siege { subject, size, site, server, weight })
    }

    fn hold(&self, line: &Line) -> Tally {
        match (line.hold)(self) {
            Ok(tally) => tally,
            Err(Stop::Skip(why)) => Tally::skipped(why),
            Err(Stop::Broken(why)) => Tally::broken(why),
        }
    }

    /// Another server of the same kind, for what the one that most lines are held against would not outlive.
    fn fresh(&self, options: &[&str]) -> Result<Server, Stop> {
        match self.subject {
            Subject::Foreign { .. } => Err(Stop::Skip("it would be ended, or its limits changed, and it isn't ours")),
            Subject::Millpond(_) | Subject::Peer(_) | Subject::Template(_) => {
                Ok(start(&self.subject, &self.size, self.site.root(), options)?)
            }
        }
    }

    /// The good client, on a server that may be another than the usual.
    fn with_good_client<T>(&self, server: &Server, work: impl FnOnce() -> T) -> (T, Fared) {
        good::meanwhile(server.address, &self.site.target("small.txt"), site::SMALL, work)
    }
}

fn start(subject: &Subject, size: &Size, root: &Path, options: &[&str]) -> Result<Server, String> {
    let timeouts = size.timeouts();
    let timeouts: Vec<&str> = timeouts.iter().map(String::as_str).collect();
    subject.start(root, &[options, &timeouts].concat())
}

/// The program beside this one. Cargo builds an example without it; so where Cargo started this, it is asked to. It has
/// nothing to do if the program is as new as its source.
fn build_millpond() -> Result<PathBuf, String> {
    let siege = env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let directory = siege.ancestors().nth(2).ok_or("this program is in no target directory")?;
    let program = directory.join("millpond");
    if let (Some(cargo), Some(target)) = (env::var_os("CARGO"), directory.parent()) {
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet", "--bin", "millpond", "--manifest-path"]);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).arg("--target-dir").arg(target);
        if !directory.ends_with("debug") {
            command.arg("--release");
        }
        let built = command.status().map_err(|error| format!("cargo: {error}"))?;
        if !built.success() {
            return Err("millpond can't be built".into());
        }
    }
    if program.is_file() {
        return Ok(program);
    }
    Err(format!("no {}: make it with `cargo build --release`, or name one with --program", program.display()))
}
