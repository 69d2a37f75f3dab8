//! A method in the first line, and field lines after it, of a request for a file that has the tag `"now"` and a date.
//!
//! What must hold: the verdict is that of the recipe in RFC 9110 §13.2.2, whatever the lines amount to by a slow reading
//! of them, and whichever validators the file has; and a request that passes for plain is one.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millpond::http::date;
use millpond::http::field::Fields;
use millpond::http::method::Method;
use millpond::http::precondition;
use millpond::http::request::{self, FieldStorage};
use millpond::http::validator::{EntityTag, Validators};

use super::slow_precondition::{self, Date, Tags};

/// Last-Modified of the file: the example of RFC 9110 §5.6.7.
pub const CHANGED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// The same as a time.
pub fn changed() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

pub fn validators() -> Validators {
    Validators { etag: EntityTag::parse(b"\"now\""), last_modified: Some(changed()) }
}

pub fn check(input: &[u8]) {
    let (first, lines) = split_line(input);
    let method = str::from_utf8(first).map_or(Method::Get, Method::from_token);
    let representations = [
        validators(),
        Validators::NONE,
        Validators { last_modified: None, ..validators() },
        Validators { etag: None, ..validators() },
    ];
    with_fields_of(lines, |fields| {
        let first = (tags(fields, "If-Match"), since(fields, "If-Unmodified-Since"));
        let second = (tags(fields, "If-None-Match"), since(fields, "If-Modified-Since"));
        for current in &representations {
            let verdict = precondition::evaluate(method, fields, current);
            let expected = slow_precondition::follow(method, current, first, second);
            assert_eq!(verdict, expected, "{method:?} with {first:?} and {second:?} of {current:?}");
            if precondition::is_plain(fields) {
                assert_eq!(verdict, precondition::Verdict::Proceed);
            }
        }
    });
}

/// The first line, and what follows it.
pub fn split_line(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    (&input[..end], input.get(end + 1..).unwrap_or_default())
}

/// Hands `look` the fields of a request with those lines, each ended by a line feed, if they can stand in one.
pub fn with_fields_of(lines: &[u8], look: impl FnOnce(&Fields<'_>)) {
    let mut head = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        head.extend_from_slice(line);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    if let Ok(request) = request::parse(&head, &mut FieldStorage::new()) {
        look(&request.fields);
    }
}

/// The values of all lines of that name.
fn values<'h>(fields: &Fields<'h>, name: &str) -> Vec<&'h [u8]> {
    fields.iter().filter(|line| line.0.eq_ignore_ascii_case(name)).map(|line| line.1).collect()
}

fn tags(fields: &Fields<'_>, name: &str) -> Tags {
    let lines = values(fields, name);
    if lines.is_empty() {
        return Tags::Absent;
    }
    if lines == [b"*"] {
        return Tags::Any;
    }
    let mut amount = Tags::Others;
    for element in lines.iter().flat_map(|line| elements(line)) {
        let (tag, is_weak) = match element.strip_prefix("W/") {
            Some(tag) => (tag, true),
            None => (element.as_str(), false),
        };
        // entity-tag = [ %s"W/" ] DQUOTE *etagc DQUOTE, etagc = %x21 / %x23-7E / obs-text
        let inner = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let is_etagc = |c: char| c > ' ' && c != '"' && c != '\x7f';
        amount = match inner {
            Some(inner) if inner.chars().all(is_etagc) => match (inner, is_weak) {
                ("now", false) => Tags::CurrentStrongly,
                ("now", true) if amount == Tags::Others => Tags::CurrentWeakly,
                _ => amount,
            },
            _ => return Tags::Unreadable,
        };
    }
    amount
}

/// What stands between the commas that are not between quotation marks, but for white space.
fn elements(line: &[u8]) -> Vec<String> {
    let mut elements = vec![String::new()];
    let mut is_quoted = false;
    for c in line.iter().map(|byte| char::from(*byte)) {
        is_quoted ^= c == '"';
        match elements.last_mut() {
            Some(element) if c != ',' || is_quoted => element.push(c),
            _ => elements.push(String::new()),
        }
    }
    let trimmed = elements.iter().map(|element| element.trim_matches([' ', '\t']));
    trimmed.filter(|element| !element.is_empty()).map(String::from).collect()
}

fn since(fields: &Fields<'_>, name: &str) -> Date {
    // What is a date, the target of that name tries.
    let [value] = values(fields, name)[..] else { return Date::Nothing };
    match date::parse(value).map(|date| date.cmp(&changed())) {
        None => Date::Nothing,
        Some(std::cmp::Ordering::Less) => Date::BeforeTheChange,
        Some(std::cmp::Ordering::Equal) => Date::AtTheChange,
        Some(std::cmp::Ordering::Greater) => Date::AfterTheChange,
    }
}
