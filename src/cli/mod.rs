//! The command line becomes one checked value, so that nothing that starts later has to doubt what it was told.
//!
//! *Invariants:* an [`Arguments`] only exists with every value inside its bounds. Nothing in here looks at a file, a
//! socket or a clock.
//!
//! Every option can be set in the environment too: `--head-timeout` as `MILLPOND_HEAD_TIMEOUT`. The command line wins.
//! Help says so once instead of at each option (`hide_env`), which keeps `-h` to one line each.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::{BoolishValueParser, PathBufValueParser, RangedU64ValueParser, TypedValueParser as _};
use clap::{ArgAction, Parser, ValueEnum};
use clap_complete::Shell;
use log::LevelFilter;

use self::listening::Listening;
use self::manual::Manual;
use self::proxied::Proxied;
use self::span::Span;
use self::watching::Watching;
use crate::config::{self, Limits};
use crate::http::cors;
use crate::http::field_line::{FieldLine, FieldLineError};
use crate::observe::access_log::Format;

pub mod span;
pub mod address;
pub mod cache_control;
pub mod manual;
pub mod socket_mode;
pub mod listening;
pub mod proxy;
pub mod proxied;
pub mod tls;
pub mod top;
pub mod watching;
mod texts;

/// Serve a directory or a file over HTTP/1.1, and watch the threads do it
///
/// millpond serves a directory over HTTP/1.1 from a fixed pool of threads. It only ever reads: there is no upload, no
/// delete, and nothing outside the directory is served.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "millpond", version, after_help = texts::AFTER_HELP, after_long_help = texts::AFTER_LONG_HELP)]
pub struct Arguments {
    /// Directory or file to serve [default: ./public if there is one, else .]
    ///
    /// A file is served alone, at its name and at /, and nothing else of its directory.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,

    #[command(flatten)]
    pub listening: Listening,

    /// Serve names that begin with a dot
    ///
    /// Without this such files and directories are answered with 404, but for a first segment .well-known.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "MILLPOND_HIDDEN", hide_env = true)]
    #[arg(help_heading = WHAT_IS_SERVED)]
    pub hidden: bool,

    /// Allow symbolic links that lead out of PATH
    ///
    /// Without this only relative links that stay beneath PATH are followed. With it, whoever can make links there can
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

    /// Give pages that are not there the app in /index.html
    ///
    /// What a browser opens as a page (its Accept names text/html, and the last segment of the path has no dot) and no file
    /// has is answered with /index.html and 200. Other missing files stay 404, and no directory is listed.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "MILLPOND_SPA", hide_env = true)]
    #[arg(help_heading = WHAT_IS_SERVED)]
    pub spa: bool,

    /// Let scripts of all other sites read what is served
    ///
    /// Every response has Access-Control-Allow-Origin: *, and preflights are answered. A --header of such a name wins.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "MILLPOND_CORS", hide_env = true)]
    #[arg(help_heading = WHAT_IS_SERVED)]
    pub cors: bool,

    /// How browsers and caches may keep files
    ///
    /// The value of Cache-Control with every file (200, 206 and 304), not with errors and redirects: no-store, say, or
    /// max-age=3600.
    #[arg(long, value_name = "VALUE", default_value = "no-cache", value_parser = cache_control::parse)]
    #[arg(help_heading = WHAT_IS_SERVED, env = "MILLPOND_CACHE_CONTROL", hide_env = true)]
    pub cache_control: FieldLine,

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

    /// Certificate chain in PEM: speak https on every address
    ///
    /// The server's own certificate first. Needs --tls-key, and a millpond built with the feature tls. SIGUSR1 has both
    /// files read again, for connections that come later. Keep them in a directory of their own: what lies in it stays
    /// readable to the process.
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(tls::available))]
    #[arg(help_heading = TLS, requires = "tls_key", env = "MILLPOND_TLS_CERT", hide_env = true)]
    tls_cert: Option<PathBuf>,

    /// Private key of the certificate in PEM, not encrypted
    ///
    /// PKCS #8, SEC 1 or PKCS #1, of ECDSA, Ed25519 or RSA. Needs --tls-cert.
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().try_map(tls::available))]
    #[arg(help_heading = TLS, requires = "tls_cert", env = "MILLPOND_TLS_KEY", hide_env = true)]
    tls_key: Option<PathBuf>,

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
    /// Without this the process gives them up before its first connection: it reads beneath PATH (with
    /// --follow-symlinks: everything), and can neither write, nor execute, nor open a TCP connection. Linux 6.12 enforces
    /// all of it, older ones as much as they can; a line on stderr says what holds.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "MILLPOND_NO_SANDBOX", hide_env = true)]
    #[arg(help_heading = LIMITS)]
    pub no_sandbox: bool,

    #[command(flatten)]
    pub proxied: Proxied,

    #[command(flatten)]
    pub watching: Watching,

    /// Line per response: off, common, combined or json
    ///
    /// On standard output. common has address, time, request line, status and bytes; combined has referer and user agent
    /// too; json is an object of all that, and the time it took. Queries are left out, for secrets live there.
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

    /// Print completions for bash, elvish, fish, powershell or zsh
    ///
    /// And exit. For bash: millpond --completions bash > ~/.local/share/bash-completion/completions/millpond
    #[arg(long, value_name = "SHELL", value_enum, hide_possible_values = true, help_heading = ABOUT)]
    completions: Option<Shell>,

    /// Print the manual page
    ///
    /// And exit. To read it: millpond --man | man -l -
    #[arg(long, help_heading = ABOUT)]
    man: bool,
}

const WHAT_IS_SERVED: &str = "What is served";
const TLS: &str = "TLS";
const LIMITS: &str = "Limits (times are written 500ms, 10s or 2m)";
const OUTPUT: &str = "Output";
const ABOUT: &str = "About millpond";

/// The site that is served if there is one, and no PATH.
const READY: &str = "./public";

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
    Json,
}

impl AccessLog {
    /// The format of its lines, if there are any.
    pub fn format(self) -> Option<Format> {
        match self {
            AccessLog::Off => None,
            AccessLog::Common => Some(Format::Common),
            AccessLog::Combined => Some(Format::Combined),
            AccessLog::Json => Some(Format::Json),
        }
    }
}

impl Arguments {
    /// What to serve: what was named, or a site that lies ready, or where we stand.
    pub fn path(&self, is_directory: impl FnOnce(&Path) -> bool) -> PathBuf {
        let site = Path::new(READY);
        match &self.path {
            Some(path) => path.clone(),
            None if is_directory(site) => site.to_owned(),
            None => PathBuf::from("."),
        }
    }

    /// Whether that path is the site that lies ready, and nobody named it.
    pub fn is_ready_site(&self, path: &Path) -> bool {
        self.path.is_none() && path == Path::new(READY)
    }

    /// What is printed in place of serving, if anything is.
    pub fn manual(&self) -> Option<Manual> {
        self.completions.map(Manual::Completions).or_else(|| self.man.then_some(Manual::Page))
    }

    /// The certificate chain and its key, if it is to be TLS.
    pub fn tls(&self) -> Option<(&Path, &Path)> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref())
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
            drain_delay: self.proxied.drain_delay.0,
        }
    }

    /// Field lines for every response: those of the command line, else those of the environment.
    pub fn headers(&self) -> &[FieldLine] {
        match &self.header_lines {
            Some(FieldLines(lines)) if self.header.is_empty() => lines,
            Some(_) | None => &self.header,
        }
    }

    /// The same, and what --cors adds where they don't have it.
    pub fn fields(&self) -> Vec<FieldLine> {
        let mut lines = self.headers().to_vec();
        if self.cors {
            let is_new =
                |line: &FieldLine| !self.headers().iter().any(|own| own.name().eq_ignore_ascii_case(line.name()));
            lines.extend(cors::lines().into_iter().filter(is_new));
        }
        lines
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
