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
    let value = str::from_utf8(value).ok()?;
    let (host, rest) = match value.strip_prefix('[') {
        Some(literal) => {
            let (address, _) = literal.split_once(']')?;
            (address.parse::<Ipv6Addr>().is_ok() || is_ip_future(address)).then_some(())?;
            value.split_at(address.len() + "[]".len())
        }
        None => {
            let name = value.split_at(value.find(':').unwrap_or(value.len()));
            is_reg_name(name.0.as_bytes()).then_some(name)?
        }
    };
    let port = match rest.strip_prefix(':') {
        Some("") => None,
        Some(digits) => Some(port(digits)?),
        None if rest.is_empty() => None,
        None => return None,
    };
    Some(Authority { host, port })
}

/// `"v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )`: room for versions of IP that don't exist yet.
fn is_ip_future(literal: &str) -> bool {
    let Some((version, address)) = literal.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_version && !address.is_empty() && address.bytes().all(|byte| is_plain(byte) || byte == b':')
}

/// Digits only: `parse` alone would take a plus sign too.
fn port(digits: &str) -> Option<u16> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn is_reg_name(name: &[u8]) -> bool {
    let plain = |byte: &u8| is_plain(*byte);
    let mut parts = name.split(|byte| *byte == b'%');
    let before_escapes = parts.next().is_none_or(|part| part.iter().all(plain));
    before_escapes
        && parts.all(|part| match part {
            [high, low, rest @ ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit() && rest.iter().all(plain),
            _ => false,
        })
}

/// Unreserved, or a sub-delim other than the comma.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&byte)
}
