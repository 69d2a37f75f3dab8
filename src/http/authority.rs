//! A host and perhaps a port, as `Host`, an absolute-form target and `CONNECT` write them.
//!
//! *Invariant:* an [`Authority`] exists only for a value that matches the grammar below. No path is ever built from
//! one; this server has one site and looks at the host only to refuse what could mean two things.
//!
//! ```text
//! authority = uri-host [ ":" port ]                                   RFC 9110 §7.2
//! uri-host  = "[" ( IPv6address / IPvFuture ) "]" / IPv4address / reg-name      RFC 3986 §3.2.2
//! reg-name  = *( unreserved / "%" HEXDIG HEXDIG / sub-delims )        an IPv4 address is one too; it may be empty
//! port      = *DIGIT                                                  RFC 3986 §3.2.3; here at most 65535
//! ```
//!
//! Stricter than the grammar in two ways. A comma is refused, since two `Host` lines joined by a proxy have one. A port
//! above 65535 is no port of TCP.

use std::net::Ipv6Addr;

use super::byte_set::ByteSet;

/// A host with the port after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'h> {
    /// The uri-host as it came, brackets included; it may be empty.
    pub host: &'h str,
    /// The number after the colon, if there is one.
    pub port: Option<u16>,
}

/// Reads a whole value as `uri-host [ ":" port ]`; none if it is anything else. Userinfo (`user@`) is something else.
pub fn parse(value: &[u8]) -> Option<Authority<'_>> {
    let (host, port) = split(value)?;
    // What matches the grammar is ASCII.
    Some(Authority { host: str::from_utf8(host).ok()?, port })
}

/// Whether [`parse`] would read it, for whom that is enough to know.
pub fn is_valid(value: &[u8]) -> bool {
    split(value).is_some()
}

fn split(value: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let host_length = if value.starts_with(b"[") { ip_literal_length(value)? } else { reg_name_length(value) };
    let (host, rest) = value.split_at(host_length);
    match rest {
        [] | [b':'] => Some((host, None)),
        [b':', digits @ ..] => Some((host, Some(port(digits)?))),
        [_, ..] => None,
    }
}

/// How long the address in brackets is that the value begins with, brackets included.
fn ip_literal_length(value: &[u8]) -> Option<usize> {
    let end = value.iter().position(|byte| *byte == b']')?;
    let address = str::from_utf8(&value[1..end]).ok()?;
    (address.parse::<Ipv6Addr>().is_ok() || is_ip_future(address)).then_some(end + 1)
}

/// `"v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )`: room for versions of IP that don't exist yet.
fn is_ip_future(literal: &str) -> bool {
    let Some((version, address)) = literal.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_version && !address.is_empty() && address.bytes().all(|byte| PLAIN.has(byte) || byte == b':')
}

/// How long the reg-name is that the value begins with: up to the first byte that can't be part of one.
fn reg_name_length(value: &[u8]) -> usize {
    let mut length = PLAIN.run(value);
    while let [b'%', high, low, rest @ ..] = &value[length..] {
        if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
            break;
        }
        length = value.len() - rest.len() + PLAIN.run(rest);
    }
    length
}

/// Digits only: `str::parse` would take a plus sign too.
fn port(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0_u16, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Unreserved, or a sub-delim other than the comma.
static PLAIN: ByteSet = ByteSet::ALPHANUMERIC.with(b"-._~!$&'()*+;=");
