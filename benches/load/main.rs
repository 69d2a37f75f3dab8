//! The server under load, beside the floor and its peers: what a client sees of it, and what it costs the processor.
//!
//! `cargo bench --bench load` takes about a minute; `-- --peers` adds nginx, h2o and lighttpd where they are installed,
//! `-- --help` says the rest. All servers run all the time on the same files; wrk loads them in turn, round after round,
//! so that whatever else the machine does meets all alike. What is printed are medians over the rounds.
//!
//! Client and server share this machine. Requests per second and latencies are those of both together; processor time
//! per request is the server's alone, and the steadiest of the figures.

#[allow(dead_code)] // what only the siege (examples/siege) needs
mod child;
mod peers;
mod plot;
mod proc;
mod rows;
mod servers;
mod stop;
mod table;
mod wrk;
// In here too, so that it need not be built beforehand: this program starts itself as the floor.
#[path = "../../examples/floor.rs"]
mod floor;

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;

use rows::Row;
use servers::Server;
use table::Measured;
use wrk::{Figures, Target, Wrk};

/// Load millpond with wrk, beside the floor and its peers
#[derive(Parser)]
struct Arguments {
    /// Times that each server's turn comes; a first one of a second is not counted
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each turn
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    secs: u32,
    /// Work loads: of 64,1,1000,8000,close,10k,100k,10m,tree,304,206,404
    #[arg(long, value_delimiter = ',', default_value = rows::QUICK, value_parser = Row::find)]
    rows: Vec<&'static Row>,
    /// Measure nginx, nginx with open_file_cache, h2o and lighttpd too, where they are installed
    #[arg(long)]
    peers: bool,
    /// Measure millpond with --watch too
    #[arg(long, conflicts_with = "plot")]
    watch: bool,
    /// Print the rows of the README's table in the end
    #[arg(long, requires = "peers")]
    markdown: bool,
    /// Draw requests/s and p99 over the number of connections, in place of the work loads
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Measure another build of millpond
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_millpond"), hide_default_value = true)]
    program: PathBuf,
    /// What Cargo says to a bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    if env::var_os(servers::BE_THE_FLOOR).is_some() {
        return exit_code(floor::main());
    }
    // `cargo test --all-targets` starts the benches too, without this argument.
    if !env::args().any(|argument| argument == "--bench") {
        println!("load: run it with `cargo bench --bench load`");
        return ExitCode::SUCCESS;
    }
    exit_code(run(&Arguments::parse()))
}

fn exit_code(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let Some(program) = peers::find_program("wrk") else {
        println!("skipped: wrk, the client, is not installed");
        let must_not_skip = env::var_os("MILLPOND_TESTS_MUST_NOT_SKIP").is_some_and(|value| value == "1");
        return if must_not_skip { Err("this must not be skipped here".into()) } else { Ok(()) };
    };
    let stop = stop::on_signals()?;
    proc::raise_descriptors()?;
    let tree = arguments.rows.iter().any(|row| row.ask == rows::Ask::Tree);
    let root = rows::document_root(tree && arguments.plot.is_none())?;
    let work = tempfile::tempdir()?;
    let mut field = vec![servers::millpond(&arguments.program, root.path())?];
    if arguments.watch {
        field.push(servers::watched(&arguments.program, root.path())?);
    }
    if arguments.peers {
        field.extend(servers::peers(root.path(), work.path()));
    }
    let bench = Bench { wrk: Wrk { program, work: work.path() }, field, arguments, stop };
    match &arguments.plot {
        Some(file) => bench.plot(file),
        None => bench.rows(),
    }
}

/// All that is to be measured.
struct Bench<'a> {
    wrk: Wrk<'a>,
    /// Millpond, and its peers. The floor joins them row by row, as it has no content but one.
    field: Vec<Server>,
    arguments: &'a Arguments,
    stop: Arc<AtomicBool>,
}

impl Bench<'_> {
    fn rows(&self) -> Result<(), Box<dyn Error>> {
        let Arguments { rounds, secs, rows, .. } = self.arguments;
        println!("medians of {rounds} rounds of {secs} s; lower is better, but for requests/s\n");
        let mut markdown = Vec::new();
        for row in rows {
            let results = self.measure(row, row.connections)?;
            println!("{}\n{}", row.title, table::text(row, &results));
            markdown.extend(table::markdown(row, &results));
        }
        if self.arguments.markdown {
            println!("{}\n{}", table::MARKDOWN_HEAD, markdown.join("\n"));
        }
        Ok(())
    }

    fn plot(&self, file: &Path) -> Result<(), Box<dyn Error>> {
        let row = Row::find("64")?;
        let mut points = Vec::new();
        for connections in rows::PLOTTED {
            println!("{connections} connections");
            let results = self.measure(row, connections)?;
            println!("{}", table::text(row, &results));
            points.push((connections, results));
        }
        fs::write(file, plot::svg(&points))?;
        println!("drawn in {}", file.display());
        Ok(())
    }

    /// One row: every server in turn, round after round. A server that can't do it is left out, and named.
    fn measure(&self, row: &Row, connections: u32) -> Result<Vec<Measured>, Box<dyn Error>> {
        // millpond keeps a quarter of its descriptors for files.
        if u64::from(connections) > proc::descriptors_max() / 4 * 3 - 64 {
            let limit = proc::descriptors_max();
            println!("left out: {connections} connections don't fit under a limit of {limit} descriptors");
            return Ok(Vec::new());
        }
        let floor = servers::floor(row)?;
        let mut runs: Vec<(Target<'_>, Vec<Figures>)> = Vec::new();
        for server in floor.iter().chain(&self.field) {
            match self.wrk.prepare(server, row) {
                Ok(target) => runs.push((target, Vec::new())),
                Err(why) => println!("left out: {why}"),
            }
        }
        for round in 0..=self.arguments.rounds {
            for (target, figures) in &mut runs {
                let seconds = if round == 0 { 1 } else { self.arguments.secs };
                let run = self.wrk.run(target, connections, seconds);
                if self.stop.load(Ordering::Relaxed) {
                    return Err("stopped by a signal".into());
                }
                figures.push(run?);
            }
        }
        let entry = |(target, figures): &(Target<'_>, Vec<Figures>)| Measured {
            name: target.server.name,
            role: target.server.role,
            // Caches were filled in the first round.
            figures: Figures::median(&figures[1..]),
        };
        Ok(runs.iter().map(entry).collect())
    }
}
