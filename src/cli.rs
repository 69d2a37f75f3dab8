//! The command line becomes one checked value, so that nothing that starts later has to doubt what it was told.
//!
//! *Invariants:* an [`Arguments`] only exists with every value inside its bounds. Nothing in here looks at a file, a
//! socket or a clock.
//!
//! Every option can be set in the environment too: `--head-timeout` as `MILLPOND_HEAD_TIMEOUT`. The command line wins.
//! Help says so once instead of at each option (`hide_env`), which keeps `-h` to one line each.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{BoolishValueParser, RangedU64ValueParser};
use clap::{ArgAction, Parser, ValueEnum};
use log::LevelFilter;

use crate::config::{self, Limits};
use crate::http::field_line::{FieldLine, FieldLineError};
use crate::observe::access_log::Format;

/// Serve a directory over HTTP/1.1, and watch the threads do it
///
/// millpond serves a directory over HTTP/1.1 from a fixed pool of threads. It only ever reads: there is no upload, no
/// delete, and nothing outside the directory is served.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "millpond", version, after_help = AFTER_HELP, after_long_help = AFTER_LONG_HELP)]
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
    #[arg(value_parser = parse_address, env = "MILLPOND_BIND", hide_env = true)]
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

const AFTER_HELP: &str = "More about each option, with examples: millpond --help";

const AFTER_LONG_HELP: &str = "\
Examples:
  millpond                             serve ./public, or this directory
  millpond ~/site -p 3000              another directory, another port
  millpond -b 0.0.0.0 -b ::            for the whole network
  millpond -p 0 --access-log off -q    for a script: prints the address, then nothing
  millpond --header 'Cache-Control: no-store' --header 'Cross-Origin-Opener-Policy: same-origin'
  MILLPOND_PORT=80 millpond /srv/www   in a container

Environment:
  Every option can be set there too, the command line wins: --head-timeout as MILLPOND_HEAD_TIMEOUT,
  a switch as MILLPOND_HIDDEN=true. RUST_LOG filters what is on standard error.

Signals:
  Ctrl+C, SIGTERM and SIGHUP finish the responses under way, then exit; a second one exits at once.

Exit codes:
  0  asked to stop, and did
  1  could not start: the address, the port or the directory
  2  a wrong option or value
  128 + n  cut short by a second signal n";

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

/// A length of time as it is written: a whole number and its unit, above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span(Duration);

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Span, SpanError> {
        parse_duration(text).map(Span)
    }
}

/// In the largest unit that fits, so that what is written so reads back the same.
impl Display for Span {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            milliseconds if !milliseconds.is_multiple_of(1000) => write!(out, "{milliseconds}ms"),
            // Up to two minutes people say seconds.
            milliseconds if !milliseconds.is_multiple_of(60_000) || milliseconds < 120_000 => {
                write!(out, "{}s", milliseconds / 1000)
            }
            milliseconds => write!(out, "{}m", milliseconds / 60_000),
        }
    }
}

/// Why a text is no length of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanError {
    /// It does not begin with a digit, or has something between its number and its unit.
    NotANumber {
        text: String,
    },
    NoUnit {
        text: String,
    },
    UnknownUnit {
        unit: String,
    },
    Zero,
    TooLong {
        text: String,
    },
}

/// Reads `500ms`, `10s` or `2m`: above zero, and a day at most.
pub fn parse_duration(text: &str) -> Result<Duration, SpanError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() || unit.starts_with(['.', ',']) {
        return Err(SpanError::NotANumber { text: text.to_owned() });
    }
    let unit_milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "" => return Err(SpanError::NoUnit { text: text.to_owned() }),
        _ => return Err(SpanError::UnknownUnit { unit: unit.to_owned() }),
    };
    // Digits alone fail to be a u64 only when they are too many.
    let milliseconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_milliseconds));
    match milliseconds.map(Duration::from_millis) {
        Some(Duration::ZERO) => Err(SpanError::Zero),
        Some(duration) if duration <= config::TIME_MAX => Ok(duration),
        Some(_) | None => Err(SpanError::TooLong { text: text.to_owned() }),
    }
}

impl Display for SpanError {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        const WRITE: &str = "write 500ms, 10s or 2m";
        match self {
            SpanError::NotANumber { text } => {
                write!(out, "`{text}` is not a whole number and a unit: {WRITE}")
            }
            SpanError::NoUnit { text } => write!(out, "`{text}` has no unit: {WRITE}"),
            SpanError::UnknownUnit { unit } => write!(out, "`{unit}` is not a unit: {WRITE}"),
            SpanError::Zero => write!(out, "a time of zero would end everything at once: write 1ms or more"),
            SpanError::TooLong { text } => write!(out, "`{text}` is more than a day: write 1440m or less"),
        }
    }
}

impl Error for SpanError {}

/// Why a text is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressError {
    NotAnAddress { text: String },
    HasPort { text: String, address: IpAddr, port: u16 },
}

/// Reads an IP address; one of IPv6 also in the brackets that it has in a URL.
pub fn parse_address(text: &str) -> Result<IpAddr, AddressError> {
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bracketed {
        Some(inner) => inner.parse().map(IpAddr::V6),
        None => text.parse(),
    };
    address.map_err(|_| match text.parse::<std::net::SocketAddr>() {
        Ok(socket) => AddressError::HasPort { text: text.to_owned(), address: socket.ip(), port: socket.port() },
        Err(_) => AddressError::NotAnAddress { text: text.to_owned() },
    })
}

impl Display for AddressError {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::NotAnAddress { text } => write!(
                out,
                "`{text}` is not an IP address: write 127.0.0.1 or ::1 for this machine, 0.0.0.0 or :: for all"
            ),
            AddressError::HasPort { text, address, port } => {
                write!(out, "`{text}` has a port: write --bind {address} --port {port}")
            }
        }
    }
}

impl Error for AddressError {}

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
