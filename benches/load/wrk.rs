//! wrk, the client: started with a script that reports in lines a program can read.
//!
//! And beside it what the server's processes used of the processor meanwhile, as `/proc` has it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::proc;
use crate::rows::Row;
use crate::servers::Server;

/// What one run, or the median of several, says of a server.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub requests_per_second: f64,
    /// Processor time of the server for each request, in microseconds.
    pub cpu_us: f64,
    /// Latencies, in microseconds.
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    /// Connections and requests that failed. Figures with errors compare with none.
    pub errors: u64,
}

/// What wrk says when it is done, of all its threads: the last line is what failed.
const REPORT: &str = r#"
done = function(summary, latency, requests)
    io.write(string.format("\nfigures %d %d %.1f %.1f %.1f", summary.requests, summary.duration,
        latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
    local errors = summary.errors
    io.write(string.format(" %d %d\n", errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
"#;

/// The client, and where its scripts are.
pub struct Wrk<'w> {
    pub program: PathBuf,
    pub work: &'w Path,
}

/// One server, and what it is to be asked.
pub struct Target<'t> {
    pub server: &'t Server,
    row: &'t Row,
    script: PathBuf,
}

impl Wrk<'_> {
    /// Writes the script that has wrk ask this server for this row, once the server answers it as it should.
    pub fn prepare<'t>(&self, server: &'t Server, row: &'t Row) -> Result<Target<'t>, String> {
        let file = self.work.join(format!("{}-{}.lua", server.name, row.name));
        fs::write(&file, server.script(row)? + REPORT).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Target { server, row, script: file })
    }

    /// Loads a server for so many seconds.
    pub fn run(&self, target: &Target<'_>, connections: u32, seconds: u32) -> Result<Figures, String> {
        let Target { server, row, script } = target;
        let mut command = Command::new(&self.program);
        // As many threads as there usually are cores to spare; one can't have less than a connection.
        command.arg(format!("--threads={}", connections.min(2)));
        command.arg(format!("--connections={connections}")).arg(format!("--duration={seconds}s"));
        command.arg("--script").arg(script).arg(format!("http://{}{}", server.address, row.target()));
        let before = proc::processor_time(server.process.pid());
        let output = command.output().map_err(|error| format!("wrk: {error}"))?;
        let used = proc::processor_time(server.process.pid()).saturating_sub(before);
        let text = String::from_utf8_lossy(&output.stdout);
        read_report(&text, used, row).ok_or_else(|| {
            format!("wrk reported nothing about {}: {text} {}", server.name, String::from_utf8_lossy(&output.stderr))
        })
    }
}

fn read_report(text: &str, used: Duration, row: &Row) -> Option<Figures> {
    let line = text.lines().find_map(|line| line.strip_prefix("figures "))?;
    let numbers: Vec<f64> = line.split(' ').map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let [requests, duration_us, p50_us, p99_us, p999_us, failed, unwanted] = numbers.try_into().ok()?;
    // wrk takes every status from 400 for an error.
    let errors = if row.status < 400 { failed + unwanted } else { failed };
    Some(Figures {
        requests_per_second: requests / duration_us * 1e6,
        cpu_us: used.as_secs_f64() * 1e6 / requests.max(1.0),
        p50_us,
        p99_us,
        p999_us,
        errors: errors as u64,
    })
}

impl Figures {
    /// The median of each figure, and all the errors. At least one run.
    pub fn median(runs: &[Figures]) -> Figures {
        let middle = |figure: fn(&Figures) -> f64| {
            let mut figures: Vec<f64> = runs.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            let (low, high) = (figures[(figures.len() - 1) / 2], figures[figures.len() / 2]);
            (low + high) / 2.0
        };
        Figures {
            requests_per_second: middle(|run| run.requests_per_second),
            cpu_us: middle(|run| run.cpu_us),
            p50_us: middle(|run| run.p50_us),
            p99_us: middle(|run| run.p99_us),
            p999_us: middle(|run| run.p999_us),
            errors: runs.iter().map(|run| run.errors).sum(),
        }
    }
}
