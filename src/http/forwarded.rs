//! What proxies say of the client that they speak for: `Forwarded` (RFC 7239), or the older `X-Forwarded-For`.
//!
//! *Invariants:* both are lists to which each proxy appends whom it has seen, so only the right end is by a proxy that one
//! knows; what is left of the first address that is no proxy of ours may be anybody's invention, and isn't looked at. What
//! can't be read to there says nothing: a guess would be a way to choose one's name in the log.
//!
//! If both fields are there and name different clients, neither is believed: a proxy appends to the one that it knows, and
//! passes on what a client put in the other.
//!
//! RFC 7239 §4 (grammar), §5.2 (`for`), §6 (nodes), §7.4 (proxies that one doesn't know).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

use super::field::{Fields, is_token_byte};

/// The client, by whichever of the two fields is there: the last address in it that is no proxy of ours, or the first one
/// if all are. [`None`] if there is no such field, if it can't be read, and if the two disagree.
pub fn client(fields: &Fields<'_>, is_ours: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let by = |name, split: Split| {
        let lines: Vec<&[u8]> = fields.all(name).collect();
        (!lines.is_empty()).then(|| last_not_ours(&lines, split, &is_ours))
    };
    match (by("forwarded", forwarded_elements), by("x-forwarded-for", x_forwarded_for_elements)) {
        (Some(client), None) | (None, Some(client)) => client,
        (Some(one), Some(other)) => one.filter(|_| one == other),
        (None, None) => None,
    }
}

/// Appends to the elements those of a line, from right to left: an address, or nothing where there is none to be read.
type Split = fn(&[u8], &mut Vec<Option<IpAddr>>);

fn last_not_ours(lines: &[&[u8]], split: Split, is_ours: &impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let mut first = None;
    for line in lines.iter().rev() {
        let mut elements = Vec::new();
        split(line, &mut elements);
        for element in elements {
            let address = element?;
            if !is_ours(address) {
                return Some(address);
            }
            first = Some(address);
        }
    }
    first
}

/// Empty elements count for nothing (RFC 9110 §5.6.1).
fn x_forwarded_for_elements(line: &[u8], elements: &mut Vec<Option<IpAddr>>) {
    let nonempty = line.rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty());
    elements.extend(nonempty.map(node_of_x_forwarded_for));
}

/// There is no standard for it. Most proxies write the address alone, some a port with it, some brackets around IPv6.
fn node_of_x_forwarded_for(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?;
    let address =
        text.parse().ok().or_else(|| text.parse::<SocketAddrV4>().ok().map(|address| IpAddr::V4(*address.ip())));
    address.or_else(|| bracketed(text)).map(|address| address.to_canonical())
}

/// One element that can't be read spoils all that are left of it: where it begins is then unknown.
fn forwarded_elements(line: &[u8], elements: &mut Vec<Option<IpAddr>>) {
    let mut rest = line;
    loop {
        rest = skip_blanks_and(rest, b",");
        if rest.is_empty() {
            break;
        }
        match forwarded_element(rest) {
            Some((address, behind)) => {
                elements.push(address);
                rest = behind;
            }
            None => {
                elements.clear();
                elements.push(None);
                return;
            }
        }
    }
    elements.reverse();
}

/// `forwarded-element = [ forwarded-pair ] *( ";" [ forwarded-pair ] )`, up to the comma behind it: what its `for` says,
/// and what follows.
fn forwarded_element(mut rest: &[u8]) -> Option<(Option<IpAddr>, &[u8])> {
    let mut node: Option<Vec<u8>> = None;
    loop {
        let name_length = rest.iter().take_while(|byte| is_token_byte(**byte)).count();
        let (name, behind) = rest.split_at(name_length);
        if name_length > 0 {
            let (value, behind) = value(behind.strip_prefix(b"=")?)?;
            // Each parameter once at most (§4).
            if name.eq_ignore_ascii_case(b"for") && node.replace(value).is_some() {
                return None;
            }
            rest = behind;
        }
        match rest {
            [b';', behind @ ..] => rest = behind,
            _ => break,
        }
    }
    let behind = skip_blanks_and(rest, b"");
    let is_end = behind.is_empty() || behind.starts_with(b",");
    is_end.then(|| (node.as_deref().and_then(node_of_forwarded), behind))
}

/// `value = token / quoted-string`, unquoted, and what follows.
fn value(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let length = text.iter().take_while(|byte| is_token_byte(**byte)).count();
        return (length > 0).then(|| (text[..length].to_vec(), &text[length..]));
    };
    let mut value = Vec::new();
    let mut bytes = quoted.iter().enumerate();
    loop {
        match bytes.next()? {
            (end, b'"') => return Some((value, &quoted[end + 1..])),
            (_, b'\\') => value.push(*bytes.next()?.1),
            (_, byte) => value.push(*byte),
        }
    }
}

/// `node = nodename [ ":" node-port ]`. A name that hides the address (`unknown`, `_hidden`) is none.
fn node_of_forwarded(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?;
    if text.starts_with('[') {
        return bracketed(text).map(|address| address.to_canonical());
    }
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let address = name.parse::<Ipv4Addr>().ok()?;
    port.is_none_or(is_port).then_some(IpAddr::V4(address))
}

/// `[2001:db8::1]`, with a port or without.
fn bracketed(text: &str) -> Option<IpAddr> {
    let (address, behind) = text.strip_prefix('[')?.split_once(']')?;
    let has_port = behind.is_empty() || behind.strip_prefix(':').is_some_and(is_port);
    address.parse::<Ipv6Addr>().ok().filter(|_| has_port).map(IpAddr::V6)
}

/// `node-port = port / obfport` (RFC 7239 §6).
fn is_port(text: &str) -> bool {
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let hidden = text.strip_prefix('_').unwrap_or_default();
    let is_hidden =
        !hidden.is_empty() && hidden.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    is_number || is_hidden
}

fn skip_blanks_and<'t>(text: &'t [u8], more: &[u8]) -> &'t [u8] {
    let length = text.iter().take_while(|byte| b" \t".contains(byte) || more.contains(byte)).count();
    &text[length..]
}
