//! Whose word is taken for whom they speak.

use std::net::{IpAddr, SocketAddr};

use millpond::http::field::Fields;
use millpond::observe::peer::Peer;
use millpond::observe::proxies::{Network, Proxies, Proxy};

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn a_network_has_the_addresses_that_begin_like_it() {
    for (network, bits, inside, outside) in [
        ("10.0.0.0", 8, "10.255.255.255", "11.0.0.0"),
        ("10.1.2.3", 32, "10.1.2.3", "10.1.2.2"),
        ("10.1.2.2", 31, "10.1.2.3", "10.1.2.4"),
        ("0.0.0.0", 0, "255.255.255.255", "::"),
        ("2001:db8::", 32, "2001:db8:ffff::1", "2001:db9::"),
        ("::", 0, "2001:db8::", "0.0.0.0"),
        ("2001:db8::1", 128, "2001:db8::1", "2001:db8::2"),
        ("10.0.0.0", 8, "::ffff:10.0.0.1", "::10.0.0.1"),
    ] {
        let whole = Network::new(address(network), bits).expect("nothing is set behind its prefix");
        assert!(whole.has(address(inside)) && !whole.has(address(outside)), "{network}/{bits}");
    }
    for (network, bits) in [("10.0.0.1", 8), ("10.0.0.0", 33), ("2001:db8::1", 127), ("::", 129)] {
        assert_eq!(Network::new(address(network), bits), None, "{network}/{bits}");
    }
}

#[test]
fn a_client_is_named_by_a_trusted_peer_and_by_nobody_else() {
    let lines = [httparse::Header { name: "X-Forwarded-For", value: b"192.0.2.1" }];
    let fields = Fields::new(&lines);
    let ten = Proxy::Network(Network::new(address("10.0.0.0"), 8).expect("a network"));
    let peer = |text: &str| Peer::from(text.parse::<SocketAddr>().expect("an address"));
    for (row, proxies, peer, named) in [
        ("no proxies", vec![], peer("10.0.0.1:1"), Some("10.0.0.1")),
        ("a proxy", vec![ten], peer("10.0.0.1:1"), Some("192.0.2.1")),
        ("a proxy, by IPv6", vec![ten], peer("[::ffff:10.0.0.1]:1"), Some("192.0.2.1")),
        ("somebody else", vec![ten], peer("11.0.0.1:1"), Some("11.0.0.1")),
        ("a local one that isn't trusted", vec![ten], Peer::Unix, None),
        ("a local one that is", vec![ten, Proxy::Unix], Peer::Unix, Some("192.0.2.1")),
        ("somebody else than a local one", vec![Proxy::Unix], peer("10.0.0.1:1"), Some("10.0.0.1")),
    ] {
        assert_eq!(Proxies::new(proxies).client(peer, Some(&fields)), named.map(address), "{row}");
    }
    // Of a head that can't be read no field is believed.
    assert_eq!(Proxies::new(vec![ten]).client(peer("10.0.0.1:1"), None), Some(address("10.0.0.1")));
}
