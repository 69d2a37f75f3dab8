//! The laboratory: each lab starts servers, makes a load, counts what comes of it, and says whether that was to be
//! expected; it draws a plot, and writes down what happened as a trace.
//!
//! `cargo run --release --example lab -- list` names the labs, and `-- NAME` runs one; the pages that go with them are in
//! the documentation, under `millpond::labs`. The exit code is 1 if a check doesn't hold. What can't be counted here, because
//! the kernel doesn't tell, is skipped, and said to be.
//!
//! *Invariants:* what is checked is a count that has a cause, never a time. Times are shown where they are what a reader
//! wants to see. Every check fails where its phenomenon isn't there, which `--self-check` shows: it runs the lab without
//! it, and succeeds if the lab noticed. Only processes that were started here are ended.

#![allow(clippy::duplicate_mod)] // The four servers share a file, and each is to be read and run alone.

mod backlog;
mod drain;
mod event;
mod guest;
mod interrupt;
mod isolation;
mod kernel;
mod lanes;
mod log_lock;
mod omission;
mod patience;
mod plot;
mod queues;
mod report;
mod separate_queues;
mod serve;
mod setup;
mod slow_reader;
mod slowloris;
mod sockets;
mod starvation;
mod subject;
mod switches;
mod timeline;
mod utilisation;
// The four servers are those beside this directory; only their `main` is of no use here.
#[allow(dead_code)]
#[path = "../blocking_pool.rs"]
mod blocking_pool;
#[allow(dead_code)]
#[path = "../one_at_a_time.rs"]
mod one_at_a_time;
#[allow(dead_code)]
#[path = "../process_per_worker.rs"]
mod process_per_worker;
#[allow(dead_code)]
#[path = "../thread_per_connection.rs"]
mod thread_per_connection;
// Clients are those of the siege, and processes are looked at as in the benches.
#[allow(dead_code)]
#[path = "../siege/client.rs"]
mod client;
#[path = "../siege/say.rs"]
mod say;
#[allow(dead_code)]
#[path = "../../benches/load/proc.rs"]
mod proc;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use report::Report;
use say::{End, say};
use serve::Kind;
use setup::{Phenomenon, Setup, Size};

/// One experiment.
struct Lab {
    name: &'static str,
    question: &'static str,
    run: fn(&Setup) -> Result<Report, String>,
    /// What `--self-check` puts in the place of what the lab is about.
    without: &'static str,
    /// Whether `--server` means anything to it.
    server: Exchange,
    needs: Needs,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Exchange {
    Possible,
    Senseless,
}

/// What not every machine has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    ListOfSockets,
}

/// In the order in which the pages go.
#[rustfmt::skip]
const LABS: [Lab; 11] = [
    Lab { name: "starvation", run: starvation::run, server: Exchange::Possible, needs: Needs::Nothing,
        question: "who is answered while idle clients stay?",
        without: "millpond in place of the pool whose workers wait" },
    Lab { name: "slowloris", run: slowloris::run, server: Exchange::Possible, needs: Needs::Nothing,
        question: "which deadline ends a client that drips its request?",
        without: "the deadline for a whole head in place of one for each read" },
    Lab { name: "slow-reader", run: slow_reader::run, server: Exchange::Possible, needs: Needs::ListOfSockets,
        question: "who is answered while others don't read their answers?",
        without: "millpond in place of the pool whose workers wait" },
    Lab { name: "backlog", run: backlog::run, server: Exchange::Possible, needs: Needs::ListOfSockets,
        question: "where are clients that nobody has accepted, and how many can be there?",
        without: "a server that accepts while it serves" },
    Lab { name: "queues", run: queues::run, server: Exchange::Possible, needs: Needs::Nothing,
        question: "who stands behind a slow request: one queue for all, a queue for each worker, one connection?",
        without: "one queue for all workers in place of one for each" },
    Lab { name: "drain", run: drain::run, server: Exchange::Possible, needs: Needs::Nothing,
        question: "who loses requests on Ctrl+C?",
        without: "a server that drains" },
    Lab { name: "isolation", run: isolation::run, server: Exchange::Possible, needs: Needs::Nothing,
        question: "threads or processes: who survives a crash, and for how much memory?",
        without: "threads in place of processes" },
    Lab { name: "switches", run: switches::run, server: Exchange::Senseless, needs: Needs::Nothing,
        question: "how often does a request put its thread to sleep?",
        without: "requests in batches in place of one after the other" },
    Lab { name: "log-lock", run: log_lock::run, server: Exchange::Senseless, needs: Needs::Nothing,
        question: "who is answered while the log is stuck?",
        without: "a log with a queue in place of one behind a lock" },
    Lab { name: "utilisation", run: utilisation::run, server: Exchange::Possible, needs: Needs::ListOfSockets,
        question: "how long is the queue, and what has it to do with how long one waits in it?",
        without: "a server without a queue" },
    Lab { name: "omission", run: omission::run, server: Exchange::Senseless, needs: Needs::Nothing,
        question: "how many slow answers does a load see of a server that stalls once?",
        without: "a server that doesn't stall" },
];

/// Run an experiment on servers, and check what it shows
///
/// cargo run --release --example lab -- starvation
#[derive(Parser)]
struct Arguments {
    /// The lab, or `list` to see their names, or `all`
    #[arg(value_name = "LAB", value_parser = find)]
    labs: Found,
    /// Smaller numbers: all of them in half a minute
    #[arg(long)]
    quick: bool,
    /// Put another server in the place of the one that the lab is about, and see which checks no longer hold
    #[arg(long, value_name = "NAME")]
    server: Option<Kind>,
    /// Take the phenomenon away, and succeed if the check notices
    #[arg(long, conflicts_with = "server")]
    self_check: bool,
    /// Where plots and traces go [default: `lab` in Cargo's target directory]
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

#[derive(Clone)]
enum Found {
    List,
    These(&'static [Lab]),
}

fn find(name: &str) -> Result<Found, String> {
    match (name, LABS.iter().position(|lab| lab.name == name)) {
        ("list", _) => Ok(Found::List),
        ("all", _) => Ok(Found::These(&LABS)),
        (_, Some(at)) => Ok(Found::These(&LABS[at..=at])),
        (_, None) => Err(format!("no such lab; there are {}", LABS.map(|lab| lab.name).join(", "))),
    }
}

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some("serve") {
        let served = serve::main(env::args().skip(1));
        return say::exit("lab", served.map(|()| true).map_err(|error| End::Failed(error.to_string())));
    }
    say::exit("lab", run(&Arguments::parse()))
}

/// Whether everything was as it had to be.
fn run(arguments: &Arguments) -> Result<bool, End> {
    let labs = match arguments.labs {
        Found::List => {
            let list = LABS.iter().map(|lab| format!("{:<12} {}\n", lab.name, lab.question));
            return say(&list.collect::<String>()).map(|()| true);
        }
        Found::These(labs) => labs,
    };
    if arguments.server.is_some() && labs.iter().any(|lab| lab.server == Exchange::Senseless) {
        let names: Vec<&str> = LABS.iter().filter(|lab| lab.server == Exchange::Possible).map(|lab| lab.name).collect();
        return Err(End::Failed(format!("--server goes with {}", names.join(", "))));
    }
    let plots = arguments.plots.clone().map_or_else(plots, Ok)?;
    fs::create_dir_all(&plots).map_err(|error| format!("no place for plots in {}: {error}", plots.display()))?;
    let place = tempfile::tempdir().map_err(|error| format!("no place for files: {error}"))?;
    interrupt::end_on_signals(place.path().to_owned()).map_err(|error| format!("can't handle signals: {error}"))?;
    let phenomenon = if arguments.self_check { Phenomenon::Removed } else { Phenomenon::Present };
    let size = if arguments.quick { Size::Quick } else { Size::Full };
    let mut as_it_has_to_be = true;
    for lab in labs {
        let setup = Setup::lay(place.path().join(lab.name), size, phenomenon, arguments.server)?;
        as_it_has_to_be &= conduct(lab, &setup, &plots)?;
    }
    Ok(as_it_has_to_be)
}

/// One lab, from its question to its verdict.
fn conduct(lab: &Lab, setup: &Setup, plots: &Path) -> Result<bool, End> {
    say(&format!("{}: {}\n\n", lab.name, lab.question))?;
    if lab.needs == Needs::ListOfSockets
        && let Err(why) = sockets::are_listed()
    {
        say(&format!("  skipped   {why}; modprobe tcp_diag\n\n"))?;
        return Ok(true);
    }
    let report = (lab.run)(setup).map_err(|why| format!("{}: {why}", lab.name))?;
    let verdict = match (setup.phenomenon, report.holds()) {
        (Phenomenon::Present, true) => "held".to_owned(),
        (Phenomenon::Present, false) => "NOT HELD".to_owned(),
        (Phenomenon::Removed, false) => format!("not held, as it has to be with {}", lab.without),
        (Phenomenon::Removed, true) => format!("HELD, although this was {}: the check checks nothing", lab.without),
    };
    say(&format!("{report}  verdict   {verdict}\n"))?;
    if setup.phenomenon == Phenomenon::Present {
        let stem = setup.file_stem(lab.name);
        keep("plot", plots.join(format!("{stem}.svg")), &report.plot.svg())?;
        keep("trace", plots.join(format!("{stem}.trace.json")), &setup.timeline.render(lab.name))?;
    }
    say("\n")?;
    Ok(report.holds() == (setup.phenomenon == Phenomenon::Present))
}

/// Writes a file, and says where it is.
fn keep(what: &str, path: PathBuf, text: &str) -> Result<(), End> {
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    say(&format!("  {what:<7}   {}\n", path.display()))
}

/// Beside the examples, in the directory that this was built in.
fn plots() -> Result<PathBuf, String> {
    let program = env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let target = program.ancestors().nth(3).ok_or("this program is in no target directory: use --plots")?;
    Ok(target.join("lab"))
}
