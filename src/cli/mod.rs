//! The command line becomes one checked value, so that nothing that starts later has to doubt what it was told.
//!
//! *Invariants:* an [`Arguments`] only exists with every value inside its bounds. Nothing in here looks at a file, a
//! socket or a clock.
//!
//! Every option can be set in the environment too: `--head-timeout` as `MILLPOND_HEAD_TIMEOUT`. The command line wins.
//! Help says so once instead of at each option (`hide_env`), which keeps `-h` to one line each.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::{BoolishValueParser, RangedU64ValueParser};
use clap::{ArgAction, Parser, ValueEnum};
use log::LevelFilter;

use self::span::Span;
use crate::config::{self, Limits};
use crate::http::field_line::{FieldLine, FieldLineError};
use crate::observe::access_log::Format;

pub mod span;
pub mod address;
mod texts;

/// Serve a directory over HTTP/1.1, and watch the threads do it
///
/// millpond serves a directory over HTTP/1.1 from a fixed pool of threads. It only ever reads: there is no upload, no
/// delete, and nothing outside the directory is served.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "millpond", version, after_help = texts::AFTER_HELP, after_long_help = texts::AFTER_LONG_HELP)]
pub struct Arguments {
    /// Directory to serve [default: ./public if there is one, else .]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Port to listen on; 0 takes any free one
    ///
    /// The first line of output says which one it took. Ports below 1024 need a privilege on most systems.
    #[arg(short, long, default_value_t = 8080, env = "MILLPOND_PORT", hide_env = true)]
    pub port: u16,

    /// Address to listen on; 0.0.0.0 or :: for all (repeatable)
    ///
    /// Repeat the option, or separate addresses by commas, to listen on several, of IPv4 and IPv6. The default can be
    /// reached from this machine only; on 0.0.0.0 and :: the whole network can see what is served.
    #[arg(short, long, value_name = "ADDR", default_value = "127.0.0.1", value_delimiter = ',')]
    #[arg(value_parser = address::parse, env = "MILLPOND_BIND", hide_env = true)]
    pub bind: Vec<IpAddr>,

    /// Serve names that begin with a dot
    ///
    /// Without this such files and directories are answered with 404, but for a first segment .well-known.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "MILLPOND_HIDDEN", hide_env = true)]
    #[arg(help_heading = WHAT_IS_SERVED)]
    pub hidden: bool,

    /// Allow symbolic links that lead out of DIR
    ///
    /// Without this only relative links that stay beneath DIR are followed. With it, whoever can make links in DIR can
    /// have any file served that you may read.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "MILLPOND_FOLLOW_SYMLINKS", hide_env = true)]
    #[arg(help_heading = WHAT_IS_SERVED)]
    pub follow_symlinks: bool,

    /// Do not list directories that have no index.html
    ///
    /// They are 404 then. Without this the names in them are shown, as far as they are served: as a page, or as JSON or
    /// text by Accept or ?format=json, ?format=text.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "MILLPOND_NO_LISTING", hide_env = true)]
    #[arg(help_heading = WHAT_IS_SERVED)]
    pub no_listing: bool,

    /// Field line to add to every response (repeatable)
    ///
    /// It takes the place of the server's own of that name. Fields that frame the message, or are worked out for every
    /// response (Content-Length, ETag, ...), are refused. In the environment, MILLPOND_HEADER takes one on each line.
    #[arg(long, value_name = "NAME: VALUE", help_heading = WHAT_IS_SERVED)]
    header: Vec<FieldLine>,

    // A variable can be set only once, so it has a line for each; on the command line a line end is always a mistake or
    // an attack. clap can't tell the two apart in one option, so this second one stands behind the variable, and has its
    // name, for the message about a wrong value.
    #[arg(long = "MILLPOND_HEADER", value_name = "NAME: VALUE", hide = true, env = "MILLPOND_HEADER")]
    header_lines: Option<FieldLines>,

    /// Threads that serve [default: one per core]
    ///
    /// Up to 1024. A connection that waits holds none, so more than one per core help only with slow disks.
    #[arg(short, long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=WORKERS_MAX))]
    #[arg(help_heading = LIMITS, env = "MILLPOND_WORKERS", hide_env = true)]
    pub workers: Option<usize>,

    /// Connections held at a time
    ///
    /// Up to 1000000. Beyond it the one idle longest makes room. It is lowered, with a warning, to what the limit of
    /// file descriptors allows.
    #[arg(long, value_name = "N", default_value_t = config::CONNECTIONS_MAX)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=CONNECTIONS_MAX_MAX))]
    #[arg(help_heading = LIMITS, env = "MILLPOND_CONNECTIONS_MAX", hide_env = true)]
    pub connections_max: usize,

    /// Time for a request head to arrive whole
    ///
    /// From its first byte to its last, however slowly they drip. Then the answer is 408.
    #[arg(long, value_name = "TIME", default_value_t = Span(config::HEAD_TIMEOUT))]
    #[arg(help_heading = LIMITS, env = "MILLPOND_HEAD_TIMEOUT", hide_env = true)]
    head_timeout: Span,

    /// Time a connection may be idle
    ///
    /// Then it is closed. An idle connection costs no thread.
    #[arg(long, value_name = "TIME", default_value_t = Span(config::IDLE_TIMEOUT))]
    #[arg(help_heading = LIMITS, env = "MILLPOND_IDLE_TIMEOUT", hide_env = true)]
    idle_timeout: Span,

    /// Time a response may stand still
    ///
    /// When no byte of it has moved for so long, its connection is reset.
    #[arg(long, value_name = "TIME", default_value_t = Span(config::STALL_TIMEOUT))]
    #[arg(help_heading = LIMITS, env = "MILLPOND_STALL_TIMEOUT", hide_env = true)]
    stall_timeout: Span,

    /// Time responses under way get after Ctrl+C
    ///
    /// The same after SIGTERM and SIGHUP. What is not finished then is cut, or at once by a second signal.
    #[arg(long, value_name = "TIME", default_value_t = Span(config::DRAIN_TIMEOUT))]
    #[arg(help_heading = LIMITS, env = "MILLPOND_DRAIN_TIMEOUT", hide_env = true)]
    drain_timeout: Span,

    /// Keep rights that serving does not need
    ///
    /// Without this the process gives them up before its first connection: it reads beneath DIR (with
    /// --follow-symlinks: everything), and can neither write, nor execute, nor open a TCP connection. Linux 6.12 enforces
    /// all of it, older ones as much as they can; a line on stderr says what holds.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "MILLPOND_NO_SANDBOX", hide_env = true)]
    #[arg(help_heading = LIMITS)]
    pub no_sandbox: bool,

    /// Line per response, on stdout: off, common or combined
    ///
    /// common has address, time, request line, status and bytes; combined has referer and user agent too. Queries are
    /// left out, for secrets live there.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = AccessLog::Common, hide_possible_values = true)]
    #[arg(help_heading = OUTPUT, env = "MILLPOND_ACCESS_LOG", hide_env = true)]
    pub access_log: AccessLog,

    /// Say more on stderr; twice for even more
    ///
    /// Once, what happens to each connection; twice, every detail. RUST_LOG, where it is set, decides instead. Not
    /// together with --quiet.
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "quiet")]
    #[arg(help_heading = OUTPUT, env = "MILLPOND_VERBOSE", hide_env = true)]
    verbose: u8,

    /// Say nothing but errors on stderr
    ///
    /// The line with the address and the access log are on standard output and stay. RUST_LOG, where it is set,
    /// decides instead. Not together with --verbose.
    #[arg(short, long, value_parser = BoolishValueParser::new())]
    #[arg(help_heading = OUTPUT, env = "MILLPOND_QUIET", hide_env = true)]
    quiet: bool,
}

const WHAT_IS_SERVED: &str = "What is served";
const LIMITS: &str = "Limits (times are written 500ms, 10s or 2m)";
const OUTPUT: &str = "Output";

/// Each thread has a stack of 2 MiB of addresses; beyond this a number is a slip of the finger.
const WORKERS_MAX: u64 = 1024;

/// Linux allows a process about a million descriptors at most (`fs.nr_open`).
const CONNECTIONS_MAX_MAX: u64 = 1_000_000;

/// Which access log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccessLog {
    Off,
    Common,
    Combined,
}

impl AccessLog {
    /// The format of its lines, if there are any.
    pub fn format(self) -> Option<Format> {
        match self {
            AccessLog::Off => None,
            AccessLog::Common => Some(Format::Common),
            AccessLog::Combined => Some(Format::Combined),
        }
    }
}

impl Arguments {
    /// The directory to serve: the one that was named, or a site that lies ready, or where we stand.
    pub fn directory(&self, is_directory: impl FnOnce(&Path) -> bool) -> PathBuf {
        let site = Path::new("./public");
        match &self.dir {
            Some(dir) => dir.clone(),
            None if is_directory(site) => site.to_owned(),
            None => PathBuf::from("."),
        }
    }

    /// Where to listen.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.bind.iter().map(|address| SocketAddr::new(*address, self.port)).collect()
    }

    /// What the server may use up.
    pub fn limits(&self) -> Limits {
        Limits {
            workers: self.workers.unwrap_or_else(config::cores),
            connections_max: self.connections_max,
            head_timeout: self.head_timeout.0,
            idle_timeout: self.idle_timeout.0,
            stall_timeout: self.stall_timeout.0,
            drain_timeout: self.drain_timeout.0,
        }
    }

    /// Field lines for every response: those of the command line, else those of the environment.
    pub fn headers(&self) -> &[FieldLine] {
        match &self.header_lines {
            Some(FieldLines(lines)) if self.header.is_empty() => lines,
            Some(_) | None => &self.header,
        }
    }

    /// What is said on standard error where `RUST_LOG` does not decide.
    pub fn log_filter(&self) -> LevelFilter {
        match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::Error,
            (false, 0) => LevelFilter::Info,
            (false, 1) => LevelFilter::Debug,
            (false, 2..) => LevelFilter::Trace,
        }
    }
}

/// Field lines, one on each line; empty lines count for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldLines(Vec<FieldLine>);

impl FromStr for FieldLines {
    type Err = FieldLineError;

    fn from_str(text: &str) -> Result<FieldLines, FieldLineError> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(FieldLine::from_str).collect::<Result<Vec<FieldLine>, FieldLineError>>().map(FieldLines)
    }
}
