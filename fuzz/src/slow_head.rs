//! A request head read slowly and obviously: RFC 9112 line by line, in its order, with no table and no shortcut.
//!
//! It is written from the RFC and not from the source of the server, which it is held beside. Where the RFC leaves a
//! choice, a comment says which one is taken.

use millpond::config::{FIELD_LINES_MAX, HEAD_BYTES_MAX, LEADING_EMPTY_LINES_MAX};
use millpond::http::framing::{Body, Persistence};
use millpond::http::method::Version;

use super::slow_target::{self, Target};

/// What a stream begins with.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// No end of a head is there yet.
    Unfinished,
    Refused,
    Accepted(Head),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// Bytes, from the first of the stream to the end of the empty line.
    pub length: usize,
    pub method: String,
    pub target: Target,
    pub version: Version,
    /// Names as they came, and values without the white space around them.
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Body,
    pub persistence: Persistence,
}

/// Reads the head that a stream begins with.
pub fn read(stream: &[u8]) -> Reading {
    // §2.2: at least one empty line in front is to be ignored. Here: four.
    let mut begin = 0;
    while stream[begin..].starts_with(b"\r\n") {
        begin += 2;
    }
    if begin > 2 * LEADING_EMPTY_LINES_MAX {
        return Reading::Refused;
    }
    // §2.1: a request line, field lines, and an empty line.
    let length = match stream[begin..].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
        Some(end) => begin + end + 4,
        None => stream.len() + 1,
    };
    // §3, §5: a limit of one's own.
    if length > HEAD_BYTES_MAX {
        return Reading::Refused;
    }
    if length > stream.len() {
        return Reading::Unfinished;
    }
    // Each byte becomes one char, so that lines can be split as text.
    let text: String = stream[begin..length - 4].iter().map(|byte| char::from(*byte)).collect();
    match head(&text) {
        Some(head) => Reading::Accepted(Head { length, ..head }),
        None => Reading::Refused,
    }
}

/// The lines of a head, its end left off. A line feed that ends no line is a byte that no part may have, so that a bare
/// one is refused: §2.2 allows to take it for a line end, and two readers could disagree.
fn head(text: &str) -> Option<Head> {
    let mut lines = text.split("\r\n");
    let request_line: Vec<&str> = lines.next()?.split(' ').collect();
    // §3: request-line = method SP request-target SP HTTP-version
    let [method, target, version] = request_line[..] else { return None };
    if !is_token(method) {
        return None;
    }
    // §2.3
    let version = match version {
        "HTTP/1.0" => Version::Http10,
        "HTTP/1.1" => Version::Http11,
        _ => return None,
    };
    let mut fields = Vec::new();
    for line in lines {
        // §5: field-line = field-name ":" OWS field-value OWS. No white space before the colon (§5.1), nor at the begin of
        // a line (§5.2): a name is a token.
        let (name, value) = line.split_once(':')?;
        let is_control = |c: char| (c < ' ' && c != '\t') || c == '\x7f';
        if !is_token(name) || value.contains(is_control) {
            return None;
        }
        let value = value.trim_matches([' ', '\t']).chars().map(|c| c as u8).collect();
        fields.push((String::from(name), value));
    }
    if fields.len() > FIELD_LINES_MAX {
        return None;
    }
    let target = slow_target::read(method, target)?;
    host(version, &fields)?;
    let body = body(version, &fields)?;
    expect(version, &fields)?;
    let persistence = persistence(method, version, &fields, body);
    Some(Head { length: 0, method: method.to_owned(), target, version, fields, body, persistence })
}

/// RFC 9110 §5.6.2
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
}

type Lines = [(String, Vec<u8>)];

/// The values of all lines of that name, as text.
fn values(fields: &Lines, name: &str) -> Vec<String> {
    let text = |value: &[u8]| value.iter().map(|byte| char::from(*byte)).collect();
    fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| text(value)).collect()
}

/// The elements of the list that all lines of that name are together, in lower case (RFC 9110 §5.6.1.2).
fn elements(fields: &Lines, name: &str) -> Vec<String> {
    let list = values(fields, name).join(",").to_ascii_lowercase();
    let elements = list.split(',').map(|element| element.trim_matches([' ', '\t']));
    elements.filter(|element| !element.is_empty()).map(String::from).collect()
}

/// §3.2: one Host in HTTP/1.1, at most one in HTTP/1.0, and a good one.
fn host(version: Version, fields: &Lines) -> Option<()> {
    match &values(fields, "host")[..] {
        [] => (version == Version::Http10).then_some(()),
        [host] => slow_target::authority(host).map(|_| ()),
        _ => None,
    }
}

/// §6.1, §6.3. Where the RFC lets a server choose between refusing and believing, it is refused.
fn body(version: Version, fields: &Lines) -> Option<Body> {
    let lengths = values(fields, "content-length");
    if !values(fields, "transfer-encoding").is_empty() {
        let codings = elements(fields, "transfer-encoding");
        // What it knows is chunked, alone.
        return (version == Version::Http11 && lengths.is_empty() && codings == ["chunked"]).then_some(Body::Chunked);
    }
    match &lengths[..] {
        [] => Some(Body::None),
        [digits] if !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit()) => match digits.parse::<u64>() {
            Ok(0) => Some(Body::None),
            length => length.ok().map(Body::Length),
        },
        _ => None,
    }
}

/// RFC 9110 §10.1.1: in HTTP/1.1 there is nothing to expect but `100-continue`.
fn expect(version: Version, fields: &Lines) -> Option<()> {
    let is_good = version == Version::Http10 || elements(fields, "expect").iter().all(|one| one == "100-continue");
    is_good.then_some(())
}

/// §9.3. No body is read here and no tunnel made, so the connection can't go on behind either.
fn persistence(method: &str, version: Version, fields: &Lines, body: Body) -> Persistence {
    let options = elements(fields, "connection");
    let has = |option: &str| options.iter().any(|other| other == option);
    if body != Body::None || method == "CONNECT" || has("close") {
        return Persistence::Close;
    }
    if version == Version::Http11 || has("keep-alive") { Persistence::KeepAlive } else { Persistence::Close }
}
