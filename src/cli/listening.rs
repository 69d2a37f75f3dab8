//! The options that say where to listen, and how that is told.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::address::{self, Bind};
use super::socket_mode::SocketMode;
use crate::config;

/// Where to listen, and how that is told.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Listening {
    /// Port to listen on; 0 takes any free one [default: 8080]
    ///
    /// The first line of output says which one it took. On a terminal the default gives way to the next that is free;
    /// one that was asked for has to be free. Ports below 1024 need a privilege on most systems.
    #[arg(short, long, env = "MILLPOND_PORT", hide_env = true)]
    port: Option<u16>,

    /// Address to listen on; 0.0.0.0 or :: for all (repeatable)
    ///
    /// Repeat the option, or separate addresses by commas, to listen on several, of IPv4 and IPv6. The default can be
    /// reached from this machine only; on 0.0.0.0 and :: the whole network can see what is served. unix:PATH makes a Unix
    /// socket, in the place of one that nobody listens on any more.
    #[arg(short, long, value_name = "ADDR", value_delimiter = ',')]
    #[arg(value_parser = address::parse, env = "MILLPOND_BIND", hide_env = true)]
    bind: Vec<Bind>,

    /// Mode of the Unix sockets, as in 0660
    ///
    /// Who may write to a socket may connect. Without this the mask for new files decides (umask).
    #[arg(long, value_name = "MODE", env = "MILLPOND_SOCKET_MODE", hide_env = true)]
    pub socket_mode: Option<SocketMode>,

    /// Open it in the browser
    ///
    /// By $BROWSER if it is set, else by xdg-open or wslview.
    #[arg(long, value_parser = BoolishValueParser::new(), env = "MILLPOND_OPEN", hide_env = true)]
    pub open: bool,

    /// Draw the address as a QR code on stderr
    ///
    /// The first that another machine can reach, if there is one (--bind 0.0.0.0).
    #[arg(long, value_parser = BoolishValueParser::new(), env = "MILLPOND_QR", hide_env = true)]
    pub qr: bool,
}

/// The ports that may be tried, the first one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// It was asked for.
    Only(u16),
    /// Nobody asked for it: the next free one will do.
    From(u16),
}

impl Listening {
    /// The port that was asked for, or the default.
    pub fn ports(&self) -> Ports {
        self.port.map_or(Ports::From(config::PORT), Ports::Only)
    }

    /// The IP addresses to listen on, with that port.
    pub fn addresses(&self, port: u16) -> Vec<SocketAddr> {
        let ip = |bind: &Bind| match bind {
            Bind::Ip(address) => Some(*address),
            Bind::Unix(_) => None,
        };
        let here = self.bind.is_empty().then_some(IpAddr::V4(config::ADDRESS));
        here.into_iter().chain(self.bind.iter().filter_map(ip)).map(|ip| SocketAddr::new(ip, port)).collect()
    }

    /// The paths of the Unix sockets to listen on.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.bind.iter().filter_map(|bind| match bind {
            Bind::Ip(_) => None,
            Bind::Unix(path) => Some(path.as_path()),
        })
    }

    /// Whether anybody said where.
    pub fn is_given(&self) -> bool {
        self.port.is_some() || !self.bind.is_empty()
    }
}
