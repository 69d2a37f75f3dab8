//! The options for who wants to see the threads work.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::proxy;
use crate::observe::proxies::Proxy;

/// What is shown, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(next_help_heading = "Watching")]
pub struct Watching {
    /// Show the threads at work at /.millpond/
    ///
    /// To browsers on this machine alone: a page that draws it, status.json, metrics for Prometheus, trace.json for
    /// Perfetto. It wins over files of these names. It costs a few percent of the requests/s at most.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "MILLPOND_WATCH", hide_env = true)]
    pub watch: bool,

    /// Who may watch too (repeatable)
    ///
    /// An address, a network (10.0.0.0/8), or unix: for who comes by a Unix socket. Name a proxy, and all who come through
    /// it may. Turns --watch on.
    #[arg(long, value_name = "ADDR", value_delimiter = ',', value_parser = proxy::parse)]
    #[arg(env = "MILLPOND_WATCH_FROM", hide_env = true)]
    pub watch_from: Vec<Proxy>,
}

impl Watching {
    /// Whether anybody may watch.
    pub fn is_on(&self) -> bool {
        self.watch || !self.watch_from.is_empty()
    }
}
