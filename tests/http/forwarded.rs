//! Whom a proxy speaks for, by `Forwarded` (RFC 7239) and `X-Forwarded-For`; and that nothing is guessed.

use std::net::IpAddr;

use millpond::http::field::Fields;
use millpond::http::forwarded;
use proptest::prelude::*;

/// The proxies of these tests: 10.0.0.0/8 and 2001:db8:ffff::1.
fn is_ours(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[0] == 10,
        IpAddr::V6(address) => address.to_string() == "2001:db8:ffff::1",
    }
}

/// The client by these fields, shown; `-` for none.
fn client(fields: &[(&str, &[u8])]) -> String {
    let lines: Vec<httparse::Header<'_>> =
        fields.iter().map(|&(name, value)| httparse::Header { name, value }).collect();
    forwarded::client(&Fields::new(&lines), is_ours).map_or("-".to_owned(), |client| client.to_string())
}

#[test]
fn x_forwarded_for_is_read_from_its_right_end() {
    for (row, value, expected) in [
        ("one address", "192.0.2.1", "192.0.2.1"),
        ("of IPv6", "2001:db8::1", "2001:db8::1"),
        ("in brackets", "[2001:db8::1]", "2001:db8::1"),
        ("with a port", "192.0.2.1:4711", "192.0.2.1"),
        ("of IPv6 with a port", "[2001:db8::1]:4711", "2001:db8::1"),
        ("of IPv4 in IPv6", "::ffff:192.0.2.1", "192.0.2.1"),
        ("behind what a client made up", "6.6.6.6, 192.0.2.1", "192.0.2.1"),
        ("behind what is no address", "<script>, 192.0.2.1", "192.0.2.1"),
        ("before a proxy of ours", "6.6.6.6, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("before two", "192.0.2.1,10.0.0.2,2001:db8:ffff::1", "192.0.2.1"),
        ("nobody but proxies of ours: the first", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("empty elements count for nothing", " , 192.0.2.1 ,, ", "192.0.2.1"),
        ("empty", "", "-"),
        ("commas", ",,", "-"),
        ("no address", "unknown", "-"),
        ("no address behind a client", "192.0.2.1, unknown", "-"),
        ("no address before a proxy of ours", "unknown, 10.0.0.2", "-"),
        ("a name", "localhost", "-"),
        ("a zone", "fe80::1%eth0", "-"),
        ("half an address", "192.0.2", "-"),
        ("octal", "192.0.2.010", "-"),
        ("a number", "3221225985", "-"),
        ("a port too large", "192.0.2.1:99999", "-"),
        ("brackets around IPv4", "[192.0.2.1]", "-"),
        ("an open bracket", "[2001:db8::1", "-"),
        ("something behind a bracket", "[2001:db8::1]x", "-"),
        ("quotes", "\"192.0.2.1\"", "-"),
        ("two without a comma", "192.0.2.1 192.0.2.2", "-"),
    ] {
        assert_eq!(client(&[("X-Forwarded-For", value.as_bytes())]), expected, "{row}");
    }
    assert_eq!(client(&[("X-Forwarded-For", b"192.0.2.1\xff")]), "-");
}

#[test]
fn forwarded_is_read_by_its_grammar() {
    for (row, value, expected) in [
        ("one address", "for=192.0.2.1", "192.0.2.1"),
        ("the name in any case", "For=192.0.2.1", "192.0.2.1"),
        ("the RFC's first example", "for=\"_gazonk\"", "-"),
        ("its second", "For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
        ("its third", "for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
        ("its fourth", "for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
        ("in quotes", "for=\"192.0.2.1\"", "192.0.2.1"),
        ("with a port", "for=\"192.0.2.1:4711\"", "192.0.2.1"),
        ("with a port that hides", "for=\"192.0.2.1:_x.y-z\"", "192.0.2.1"),
        ("with escapes", r#"for="19\2.0.2.1""#, "192.0.2.1"),
        ("behind other parameters", "proto=https;host=\"a, b; for=6.6.6.6\";for=192.0.2.1", "192.0.2.1"),
        ("semicolons with nothing between", ";;for=192.0.2.1;", "192.0.2.1"),
        ("before a proxy of ours", "for=192.0.2.1, for=10.0.0.2", "192.0.2.1"),
        ("nobody but proxies of ours: the first", "for=10.0.0.3,for=10.0.0.2", "10.0.0.3"),
        ("a proxy that doesn't say for whom", "for=192.0.2.1, by=10.0.0.2", "-"),
        ("unknown", "for=unknown", "-"),
        ("hidden behind a client", "for=192.0.2.1, for=_hidden", "-"),
        ("IPv6 without brackets", "for=2001:db8::1", "-"),
        ("IPv6 without quotes", "for=[2001:db8::1]", "-"),
        ("a port without quotes", "for=192.0.2.1:80", "-"),
        ("a port too long", "for=\"192.0.2.1:123456\"", "-"),
        ("no port behind the colon", "for=\"192.0.2.1:\"", "-"),
        ("blanks around the sign", "for = 192.0.2.1", "-"),
        ("twice", "for=192.0.2.1;for=192.0.2.2", "-"),
        ("no value", "for=", "-"),
        ("no sign", "for", "-"),
        ("an open quote", "for=\"192.0.2.1", "-"),
        ("an open quote that a client put before", "for=\"6.6.6.6, for=192.0.2.1", "-"),
        ("an escape at the end", "for=\"192.0.2.1\\", "-"),
        ("something behind a quote", "for=\"192.0.2.1\"x", "-"),
        ("empty", "", "-"),
        ("commas", " ,\t, ", "-"),
    ] {
        assert_eq!(client(&[("Forwarded", value.as_bytes())]), expected, "{row}");
    }
}

type Row = (&'static str, &'static [(&'static str, &'static [u8])], &'static str);

#[test]
fn several_lines_are_one_list_and_two_fields_have_to_agree() {
    let rows: [Row; 9] = [
        ("neither", &[("Host", b"a")], "-"),
        ("the last line first", &[("X-Forwarded-For", b"6.6.6.6"), ("X-Forwarded-For", b"192.0.2.1")], "192.0.2.1"),
        (
            "and then the one before",
            &[("X-Forwarded-For", b"192.0.2.1"), ("x-forwarded-for", b"10.0.0.2")],
            "192.0.2.1",
        ),
        (
            "what a client broke in its own line",
            &[("Forwarded", b"for=\"6"), ("Forwarded", b"for=192.0.2.1")],
            "192.0.2.1",
        ),
        ("a broken line that is needed", &[("Forwarded", b"for=\"6"), ("Forwarded", b"for=10.0.0.2")], "-"),
        ("both agree", &[("Forwarded", b"for=192.0.2.1"), ("X-Forwarded-For", b"192.0.2.1")], "192.0.2.1"),
        ("both disagree", &[("Forwarded", b"for=6.6.6.6"), ("X-Forwarded-For", b"192.0.2.1")], "-"),
        ("one can't be read", &[("Forwarded", b"for=unknown"), ("X-Forwarded-For", b"192.0.2.1")], "-"),
        ("neither can be read", &[("Forwarded", b"x"), ("X-Forwarded-For", b"x")], "-"),
    ];
    for (row, fields, expected) in rows {
        assert_eq!(client(fields), expected, "{row}");
    }
}

proptest! {
    #[test]
    fn whatever_a_client_puts_before_it_the_proxys_word_is_believed_or_nothing(
        before in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let x_forwarded_for = [before.as_slice(), b", 192.0.2.1"].concat();
        prop_assert_eq!(client(&[("X-Forwarded-For", &x_forwarded_for)]), "192.0.2.1");
        let forwarded = [before.as_slice(), b", for=192.0.2.1"].concat();
        let named = client(&[("Forwarded", &forwarded)]);
        prop_assert!(named == "192.0.2.1" || named == "-", "{named}");
        prop_assert_eq!(client(&[("Forwarded", &before), ("Forwarded", b"for=192.0.2.1")]), "192.0.2.1");
    }
}
