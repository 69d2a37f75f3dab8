//! The options for a server that others stand before: proxies, and what looks after it.

use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::proxy;
use super::span::SpanOrZero;
use crate::observe::proxies::Proxy;

/// What a proxy in front is told, and believed.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(next_help_heading = "Behind a proxy")]
pub struct Proxied {
    /// Proxy whose word is taken for the client's address (repeatable)
    ///
    /// An address, a network (10.0.0.0/8), or unix: for who comes by a Unix socket. The access log then has the address
    /// that such a proxy gives in Forwarded or X-Forwarded-For. Nothing else is affected.
    #[arg(long, value_name = "ADDR", value_delimiter = ',', value_parser = proxy::parse)]
    #[arg(env = "MILLPOND_TRUSTED_PROXY", hide_env = true)]
    pub trusted_proxy: Vec<Proxy>,

    /// Answer /.millpond/health
    ///
    /// With 200 as long as it serves, and 503 from the first signal on. It wins over a file of that name.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "MILLPOND_HEALTH", hide_env = true)]
    pub health: bool,

    /// Time to go on accepting after Ctrl+C
    ///
    /// So that a load balancer, which sees 503 from /.millpond/health, can stop sending clients first. Every answer says
    /// that it is the last on its connection. The time for responses under way begins after it.
    #[arg(long, value_name = "TIME", default_value_t = SpanOrZero(Duration::ZERO))]
    #[arg(env = "MILLPOND_DRAIN_DELAY", hide_env = true)]
    pub drain_delay: SpanOrZero,
}
