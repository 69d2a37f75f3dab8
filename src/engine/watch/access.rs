//! Who may watch: somebody at this machine, or who is named with `--watch-from`.
//!
//! Somebody at this machine has a loopback address, which isn't enough. A proxy on the same machine has one too, whoever
//! it speaks for: most say so in one of a few fields. And a page from elsewhere can have a browser on this machine ask,
//! under a name that has been made to lead to 127.0.0.1 (DNS rebinding): then `Host` has that name; or across sites, and
//! then the browser says so.
//!
//! A client of a Unix socket has no address, and mostly is a proxy: it may not, unless `unix:` is named.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::http::authority;
use crate::http::field::{Fields, Sole};
use crate::http::request::RequestHead;
use crate::observe::peer::Peer;
use crate::observe::proxies::Proxies;

/// Fields by which a proxy says that it is one.
const OF_PROXIES: [&str; 6] =
    ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"];

/// Whether that client may watch. Whoever is named may, whatever the request says.
pub fn is_admitted(named: &Proxies, request: &RequestHead<'_>, peer: Peer) -> bool {
    if named.trust(peer) {
        return true;
    }
    let is_local = peer.ip().is_some_and(|ip| ip.is_loopback());
    let is_direct = OF_PROXIES.iter().all(|name| request.fields.sole(name) == Sole::Absent);
    is_local && is_direct && is_asked_as_local(&request.fields) && !is_asked_by_another_page(&request.fields)
}

/// Whether a browser says that a page of somebody else's asks (Fetch Metadata, and `Origin`, which the server's own pages
/// don't send with a GET). With `--cors` that page could read the answer. Following a link is no such thing.
fn is_asked_by_another_page(fields: &Fields<'_>) -> bool {
    let is = |name: &str, value: &[u8]| fields.sole(name) == Sole::One(value);
    let from_elsewhere = is("Sec-Fetch-Site", b"cross-site") || is("Sec-Fetch-Site", b"same-site");
    fields.sole("Origin") != Sole::Absent || (from_elsewhere && !is("Sec-Fetch-Mode", b"navigate"))
}

/// Whether `Host` is a name or an address of this machine for itself.
fn is_asked_as_local(fields: &Fields<'_>) -> bool {
    let Sole::One(value) = fields.sole("Host") else { return false };
    let Some(authority) = authority::parse(value) else { return false };
    let host = authority.host;
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    }
    // RFC 6761 §6.3: `localhost`, and every name below it.
    let labels = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    labels.eq_ignore_ascii_case("localhost") || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}
