//! What is told of where the server listens: what can be opened here, and what can be typed on another machine.
//!
//! *Invariants:* the first line on standard output is for scripts, and stays as it is whatever the machine's network looks
//! like: one address for each that was asked for, separated by spaces. What goes beyond that is for people, and goes to
//! standard error: the other addresses of this machine, and the drawing of one ([`qr`]).
//!
//! Pure, but for [`interfaces`], and the browser that [`browser`] starts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use if_addrs::{IfOperStatus, Interface};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::engine::listen::Address;

pub mod qr;
pub mod browser;

/// Where the server can be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// One for each address that it listens on, in that order: what can be opened on this machine.
    pub here: Vec<String>,
    /// What an address that stands for all of this machine's can be typed as on others.
    pub elsewhere: Vec<String>,
    /// The first that another machine can reach; else the first that a browser can open.
    pub best: Option<String>,
}

/// What stands before and behind an address in its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Front {
    pub scheme: &'static str,
    /// Percent-encoded, with its first slash.
    pub path: String,
}

/// What separates words or lines stands for itself nowhere, so that a line of several can be taken apart.
const IN_A_WORD: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// What is told of these addresses on a machine that has those of `interfaces`.
pub fn announce<'a>(
    addresses: impl IntoIterator<Item = &'a Address>,
    interfaces: &[IpAddr],
    front: &Front,
) -> Announcement {
    let url = |address: SocketAddr| format!("{}://{address}{}", front.scheme, front.path);
    let addresses: Vec<&Address> = addresses.into_iter().collect();
    let ip: Vec<SocketAddr> = addresses
        .iter()
        .filter_map(|address| match address {
            Address::Ip(address) => Some(*address),
            Address::Unix(_) => None,
        })
        .collect();
    let here = addresses.iter().map(|address| match address {
        Address::Ip(address) => url(opened_here(*address)),
        Address::Unix(_) => utf8_percent_encode(&address.to_string(), IN_A_WORD).to_string(),
    });
    // `::` stands for IPv4 as well, unless that has an address of its own.
    let only_v6 = ip.iter().any(SocketAddr::is_ipv4);
    let mut elsewhere: Vec<String> = Vec::new();
    for all in ip.iter().filter(|address| address.ip().is_unspecified()) {
        let stands_for = |interface: &&IpAddr| interface.is_ipv4() == all.is_ipv4() || (all.is_ipv6() && !only_v6);
        for interface in interfaces.iter().filter(stands_for) {
            let typed = url(SocketAddr::new(*interface, all.port()));
            if !elsewhere.contains(&typed) {
                elsewhere.push(typed);
            }
        }
    }
    let reaches_far = |address: &&SocketAddr| !address.ip().is_loopback() && !address.ip().is_unspecified();
    let far = ip.iter().find(reaches_far).map(|address| url(*address));
    let best = far.or_else(|| elsewhere.first().cloned()).or_else(|| ip.first().map(|first| url(opened_here(*first))));
    Announcement { here: here.collect(), elsewhere, best }
}

/// The addresses of this machine that can be typed on another. Loopback leads nowhere from there, and one that is
/// link-local needs the name of an interface of the machine that it is typed on.
pub fn interfaces() -> Vec<IpAddr> {
    let all = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        log::debug!("the addresses of this machine can't be told: {error}");
        Vec::new()
    });
    let is_up = |interface: &Interface| interface.oper_status != IfOperStatus::Down;
    let mut found: Vec<IpAddr> = all.iter().filter(|interface| is_up(interface)).map(Interface::ip).collect();
    found.retain(|ip| !ip.is_loopback() && !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()));
    // The shorter ones first.
    found.sort_by_key(IpAddr::is_ipv6);
    found
}

/// An address that stands for all is opened as the loopback one.
fn opened_here(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, address.port())),
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}
