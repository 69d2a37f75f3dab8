//! A trusted proxy as it is written on the command line: an address, a network, or `unix:`.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use crate::observe::peer;
use crate::observe::proxies::{Network, Proxy};

/// Why a text names no proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyError {
    NotANetwork {
        text: String,
    },
    /// Bits are set behind the prefix: one of the two is a mistake.
    NotAPrefix {
        text: String,
    },
}

/// Reads `10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32` or `unix:`.
pub fn parse(text: &str) -> Result<Proxy, ProxyError> {
    if text == peer::UNIX {
        return Ok(Proxy::Unix);
    }
    let not_a_network = || ProxyError::NotANetwork { text: text.to_owned() };
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address = address.parse::<IpAddr>().map_err(|_| not_a_network())?;
    let Some(bits) = bits else { return Ok(Proxy::Network(Network::of_one(address.to_canonical()))) };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    let bits = bits.parse::<u32>().ok().filter(|bits| digits && *bits <= most).ok_or_else(not_a_network)?;
    Network::new(address, bits).map(Proxy::Network).ok_or_else(|| ProxyError::NotAPrefix { text: text.to_owned() })
}

impl Display for ProxyError {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ProxyError::NotANetwork { text } => {
                write!(out, "`{text}` is no address and no network: write 10.0.0.1, 10.0.0.0/8, 2001:db8::/32 or unix:")
            }
            ProxyError::NotAPrefix { text } => {
                write!(
                    out,
                    "`{text}` has bits set behind its prefix: write 10.0.0.0/8 for a network, or an address alone"
                )
            }
        }
    }
}

impl Error for ProxyError {}
