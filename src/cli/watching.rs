//! The options for who wants to see the threads work.

use clap::Args;
use clap::builder::BoolishValueParser;

use super::proxy;
use crate::observe::proxies::Proxy;

/// What is shown, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(next_help_heading = "Watching")]
pub struct Watching {
    /// Show the threads at work at /.millpond/ [default: only if ./public is]
    ///
    /// To browsers on this machine alone: a page that draws it, status.json, metrics for Prometheus, trace.json for
    /// Perfetto. It wins over files of these names. It costs a few percent of the requests/s at most. It is on by itself
    /// if ./public is served because no PATH says otherwise, on loopback addresses alone: --watch=false has it off.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(value_parser = BoolishValueParser::new(), env = "MILLPOND_WATCH", hide_env = true, hide_possible_values = true)]
    watch: Option<bool>,

    /// Who may watch too (repeatable)
    ///
    /// An address, a network (10.0.0.0/8), or unix: for who comes by a Unix socket. Name a proxy, and all who come through
    /// it may. Turns --watch on, unless that is false.
    #[arg(long, value_name = "ADDR", value_delimiter = ',', value_parser = proxy::parse)]
    #[arg(env = "MILLPOND_WATCH_FROM", hide_env = true)]
    pub watch_from: Vec<Proxy>,
}

/// Whether the threads are shown at work, and who wants it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// An option says so.
    AsAsked,
    /// No option says anything of it.
    Unasked,
    Not,
}

impl Watching {
    /// What is shown of a site that is shown unasked, or isn't.
    ///
    /// Unasked, it is what tells about itself by what is seen: the site that lies ready, `./public`, as in the repository
    /// of this program. A directory where somebody happens to stand says nothing of it; a PATH in a service file may have
    /// a proxy before it that doesn't say so, and then all the world would be on this machine.
    pub fn shown(&self, unasked: impl FnOnce() -> bool) -> Shown {
        match self.watch {
            Some(true) => Shown::AsAsked,
            Some(false) => Shown::Not,
            None if !self.watch_from.is_empty() => Shown::AsAsked,
            None if unasked() => Shown::Unasked,
            None => Shown::Not,
        }
    }
}
