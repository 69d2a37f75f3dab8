//! The command line of `millpond top`, which is another program in all but its file.
//!
//! It is told apart by the first word, so that PATH stays where it is; a directory of that name is `./top`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;

use super::span::Span;
use crate::config;
use crate::http::authority;

/// Watch the threads of a millpond that runs with --watch
///
/// Like top: numbers, threads, and the connections that wait longest. Where standard output is no terminal it prints plain
/// lines. To serve a directory named top: millpond ./top
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(name = "millpond top", version)]
pub struct Top {
    /// Where it listens: http://127.0.0.1:8080, localhost:8080 or unix:/run/millpond.sock
    #[arg(value_name = "ADDRESS")]
    pub address: Watched,

    /// Print how it is, once, and exit
    #[arg(long)]
    pub once: bool,

    /// Time between two looks
    #[arg(long, value_name = "TIME", default_value_t = Span(config::TOP_INTERVAL))]
    pub interval: Span,
}

/// A server to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// A host and a port.
    Tcp(String),
    Unix(PathBuf),
}

/// Why a text names no server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedError;

/// The command line of `top`, if that is what it is: without the name of the program.
pub fn arguments(all: impl IntoIterator<Item = OsString>) -> Option<Vec<OsString>> {
    let behind: Vec<OsString> = all.into_iter().skip(1).collect();
    behind.first().is_some_and(|first| first == "top").then_some(behind)
}

impl FromStr for Watched {
    type Err = WatchedError;

    fn from_str(text: &str) -> Result<Watched, WatchedError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(WatchedError) } else { Ok(Watched::Unix(path.into())) };
        }
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let host = rest.split('/').next().unwrap_or_default();
        let authority = authority::parse(host.as_bytes()).filter(|authority| !authority.host.is_empty());
        let authority = authority.ok_or(WatchedError)?;
        // A scheme that isn't spoken reads as a host without a port.
        match authority.port {
            Some(port) => Ok(Watched::Tcp(format!("{}:{port}", authority.host))),
            None if text.starts_with("http://") => Ok(Watched::Tcp(format!("{}:80", authority.host))),
            None => Err(WatchedError),
        }
    }
}

impl std::fmt::Display for Watched {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Watched::Tcp(address) => out.write_str(address),
            Watched::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

impl std::fmt::Display for WatchedError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("write http://127.0.0.1:8080, localhost:8080 or unix:/run/millpond.sock")
    }
}

impl std::error::Error for WatchedError {}
