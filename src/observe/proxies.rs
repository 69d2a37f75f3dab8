//! The proxies whose word is taken for whom they speak, so that the access log names clients and not the proxy.
//!
//! *Invariant:* nobody else's word is: who connects from anywhere else is logged by the address that the connection has,
//! whatever it says. Nothing but the log is affected.

use std::net::IpAddr;

use super::peer::Peer;
use crate::http::field::Fields;
use crate::http::forwarded;

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<Proxy>);

/// One of them, or a network of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    Network(Network),
    /// Whoever comes by a Unix socket.
    Unix,
}

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Proxies {
    pub fn new(proxies: Vec<Proxy>) -> Proxies {
        Proxies(proxies)
    }

    /// Whom to name: the client that a trusted peer speaks for, or the peer.
    pub fn client(&self, peer: Peer, fields: Option<&Fields<'_>>) -> Option<IpAddr> {
        if self.0.is_empty() || !self.trust(peer) {
            return peer.ip();
        }
        let named = fields.and_then(|fields| forwarded::client(fields, |address| self.has(address)));
        named.or(peer.ip())
    }

    /// Whether the peer is one of them.
    pub fn trust(&self, peer: Peer) -> bool {
        match peer {
            Peer::Ip(address) => self.has(address.ip()),
            Peer::Unix => self.0.contains(&Proxy::Unix),
        }
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|proxy| match proxy {
            Proxy::Network(network) => network.has(address),
            Proxy::Unix => false,
        })
    }
}

impl Network {
    /// The network of that many leading bits; none if the address has fewer, or has bits set behind them.
    pub fn new(address: IpAddr, bits: u32) -> Option<Network> {
        let network = Network { address, bits };
        (bits <= width(address) && network.leading(address) == number(address)).then_some(network)
    }

    /// The network of one address.
    pub fn of_one(address: IpAddr) -> Network {
        Network { address, bits: width(address) }
    }

    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && self.leading(address) == number(self.address)
    }

    /// The address with nothing but its leading bits.
    fn leading(&self, address: IpAddr) -> u128 {
        let behind = width(address).saturating_sub(self.bits);
        number(address).checked_shr(behind).and_then(|leading| leading.checked_shl(behind)).unwrap_or(0)
    }
}

fn width(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}
