//! A request-target read slowly and obviously: the forms of RFC 9112 §3.2, the path by RFC 3986 as it is printed.

use std::net::Ipv6Addr;

/// What a good target is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The decoded path with its first slash; `None` if it can name nothing, as `//a` and `/a%2Fb`.
    Path(Option<Vec<u8>>),
    /// `*`, or the other end of a tunnel.
    Other,
}

/// RFC 9112 §3.2, for a method. None is a 400.
pub fn read(method: &str, target: &str) -> Option<Target> {
    // RFC 3986 §2 has fewer bytes than these: browsers send ^ ` { | } as they are.
    if target.is_empty() || !target.chars().all(|c| c.is_ascii_graphic() && !"\"#<>\\".contains(c)) {
        return None;
    }
    let before_query = target.split('?').next()?;
    if method == "CONNECT" {
        // §3.2.3, authority-form: both the host and the port.
        let (host, port) = authority(target)?;
        return (!host.is_empty() && port.is_some()).then_some(Target::Other);
    }
    if target == "*" {
        // §3.2.4, asterisk-form
        return (method == "OPTIONS").then_some(Target::Other);
    }
    if before_query.starts_with('/') {
        // §3.2.1, origin-form
        return named(before_query);
    }
    // §3.2.2, absolute-form
    let (scheme, rest) = before_query.split_once("://")?;
    if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
        return None;
    }
    let (host_and_port, path) = rest.split_once('/').map_or((rest, String::new()), |(at, path)| (at, path.to_owned()));
    let (host, _) = authority(host_and_port)?;
    if host.is_empty() { None } else { named(&format!("/{path}")) }
}

/// `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2.2): the host, and what stands after the colon if anything does.
pub fn authority(text: &str) -> Option<(&str, Option<&str>)> {
    let host_end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, rest) = text.split_at(host_end);
    let port = match rest {
        "" => None,
        _ => Some(rest.strip_prefix(':')?).filter(|port| !port.is_empty()),
    };
    let is_port = |port: &str| {
        let number = port.trim_start_matches('0');
        // TCP has no port above 65535.
        port.chars().all(|c| c.is_ascii_digit()) && number.len() <= 5 && number.parse().unwrap_or(0) <= 65535
    };
    if port.is_some_and(|port| !is_port(port)) {
        return None;
    }
    let is_host = match host.strip_prefix('[') {
        Some(literal) => is_ip_literal(literal.strip_suffix(']')?),
        None => is_reg_name(host),
    };
    is_host.then_some((host, port))
}

/// `unreserved / sub-delims`, but for the comma: two Hosts that a proxy has joined have one.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+;=".contains(c)
}

/// `*( unreserved / pct-encoded / sub-delims )`
fn is_reg_name(host: &str) -> bool {
    let mut pieces = host.split('%');
    let is_escape = |piece: &str| {
        let mut chars = piece.chars();
        let digits = [chars.next(), chars.next()];
        digits.iter().all(|c| c.is_some_and(|c| c.is_ascii_hexdigit())) && chars.all(is_plain)
    };
    pieces.next().unwrap_or_default().chars().all(is_plain) && pieces.all(is_escape)
}

/// `IPv6address / IPvFuture`, where IPvFuture is `"v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )`.
fn is_ip_literal(literal: &str) -> bool {
    let is_future = |literal: &str| {
        let (version, address) = literal.split_once('.')?;
        let version = version.strip_prefix(['v', 'V'])?;
        let is_version = !version.is_empty() && version.chars().all(|c| c.is_ascii_hexdigit());
        let is_address = !address.is_empty() && address.chars().all(|c| is_plain(c) || c == ':');
        Some(is_version && is_address)
    };
    literal.parse::<Ipv6Addr>().is_ok() || is_future(literal) == Some(true)
}

/// Whether the path is one, and what it names.
fn named(path: &str) -> Option<Target> {
    let path = path_of(path.as_bytes())?;
    let is_nameable = !path.contains(&HIDDEN_SLASH) && !path.windows(2).any(|pair| pair == b"//");
    Some(Target::Path(is_nameable.then_some(path)))
}

/// Stands for a slash that came out of an escape. `%00` is refused, so it can't come out of one.
const HIDDEN_SLASH: u8 = 0;

/// Decodes byte by byte, then runs the loop of RFC 3986 §5.2.4 as it is printed there. None is a 400.
fn path_of(target: &[u8]) -> Option<Vec<u8>> {
    let mut input = Vec::new();
    let mut at = 0;
    while at < target.len() {
        if target[at] == b'%' {
            let high = (*target.get(at + 1)? as char).to_digit(16)?;
            let low = (*target.get(at + 2)? as char).to_digit(16)?;
            match u8::try_from(high * 16 + low).ok()? {
                0 => return None,
                b'/' => input.push(HIDDEN_SLASH),
                byte => input.push(byte),
            }
            at += 3;
        } else {
            input.push(target[at]);
            at += 1;
        }
    }
    let mut output = Vec::new();
    while !input.is_empty() {
        if input.starts_with(b"/./") {
            input.drain(..2);
        } else if input == b"/." {
            input.pop();
        } else if input.starts_with(b"/../") || input == b"/.." {
            let last_slash = output.iter().rposition(|byte| *byte == b'/')?;
            output.truncate(last_slash);
            input.drain(..3);
            if input.is_empty() {
                input.push(b'/');
            }
        } else {
            let end = input.iter().skip(1).position(|byte| *byte == b'/').map_or(input.len(), |at| at + 1);
            output.extend(input.drain(..end));
        }
    }
    Some(output)
}
