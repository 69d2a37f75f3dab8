//! Hosts and ports.

use millpond::http::authority::{self, Authority};

#[test]
fn a_host_and_perhaps_a_port() {
    let rows: [(&str, &str, &str, Option<u16>); 22] = [
        ("a name", "localhost", "localhost", None),
        ("a name and a port", "localhost:8080", "localhost", Some(8080)),
        ("any case", "Example.COM", "Example.COM", None),
        ("a dot at the end", "example.com.:80", "example.com.", Some(80)),
        ("an underscore", "my_host", "my_host", None),
        ("sub-delims", "a!$&'()*+;=b", "a!$&'()*+;=b", None),
        ("an escape", "caf%C3%A9", "caf%C3%A9", None),
        ("only an escape", "%41", "%41", None),
        ("an IPv4 address", "127.0.0.1", "127.0.0.1", None),
        ("an IPv4 address and a port", "127.0.0.1:1", "127.0.0.1", Some(1)),
        ("an IPv6 address", "[::1]", "[::1]", None),
        ("an IPv6 address and a port", "[2001:db8::1]:8080", "[2001:db8::1]", Some(8080)),
        ("an IPv4 address in an IPv6 one", "[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]", None),
        ("nothing: the name may be empty", "", "", None),
        ("a port without a name", ":80", "", Some(80)),
        ("a colon without a port", "a:", "a", None),
        ("the largest port", "a:65535", "a", Some(65535)),
        ("port 0", "a:0", "a", Some(0)),
        ("a port with zeros in front", "a:00080", "a", Some(80)),
        ("an IPv6 address and a colon", "[::1]:", "[::1]", None),
        ("a version of IP that does not exist yet", "[v1.a:b]", "[v1.a:b]", None),
        ("the same and a port", "[vF0.~]:80", "[vF0.~]", Some(80)),
    ];
    for (name, value, host, port) in rows {
        assert_eq!(authority::parse(value.as_bytes()), Some(Authority { host, port }), "{name}");
    }
}

#[test]
fn anything_else_is_none() {
    let rows: [(&str, &[u8]); 31] = [
        ("a space", b"a b"),
        ("a list", b"a, b"),
        ("a list without a space", b"a,b"),
        ("a path", b"a/b"),
        ("a URI", b"http://a"),
        ("a query", b"a?b"),
        ("a fragment", b"a#b"),
        ("a user name", b"u@a"),
        ("a user name and a password", b"u:p@a"),
        ("a backslash", b"a\\b"),
        ("a port above 65535", b"a:65536"),
        ("a port of many digits", b"a:99999999999999999999"),
        ("a port with a sign", b"a:+80"),
        ("a negative port", b"a:-1"),
        ("a port that is a name", b"a:http"),
        ("two ports", b"a:80:80"),
        ("an IPv6 address without brackets", b"::1"),
        ("an IPv6 address without an end", b"[::1"),
        ("an IPv6 address without a begin", b"::1]"),
        ("a name in brackets", b"[localhost]"),
        ("an IPv4 address in brackets", b"[127.0.0.1]"),
        ("empty brackets", b"[]"),
        ("a name after the brackets", b"[::1]a"),
        ("an IPv6 address with a zone", b"[fe80::1%25eth0]"),
        ("a version of IP that is no number", b"[vx.a]"),
        ("a version of IP without a number", b"[v.a]"),
        ("a version of IP without an address", b"[v1.]"),
        ("half an escape", b"a%4"),
        ("a bad escape", b"%zz"),
        ("a byte that is not ASCII", b"caf\xe9"),
        ("UTF-8", "caf\u{e9}".as_bytes()),
    ];
    for (name, value) in rows {
        assert_eq!(authority::parse(value), None, "{name}");
    }
}

#[test]
fn every_byte_that_a_name_may_have_and_no_other() {
    for byte in 0..=u8::MAX {
        let is_in_grammar = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&byte) || byte == b':';
        assert_eq!(authority::parse(&[b'a', byte]).is_some(), is_in_grammar, "byte {byte:#04x}");
    }
}
