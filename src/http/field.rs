//! Field lines as they came: a name, a value, and the ways HTTP reads several of them as one list.
//!
//! *Invariant:* a [`Fields`] only exists for a head that [`request::parse`](super::request::parse) accepted, so every
//! name is a token and no value has a control byte other than a tab (RFC 9110 §5.1, §5.5).
//!
//! Names compare without regard to ASCII case (RFC 9110 §5.1). A value stays bytes: it may be any encoding, or none.

use super::byte_set::ByteSet;

/// The field lines of one request head, in the order of the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields<'h> {
    lines: &'h [httparse::Header<'h>],
}

/// What a field that may stand at most once turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sole<'h> {
    /// No line has the name.
    Absent,
    /// Exactly one has.
    One(&'h [u8]),
    /// Two or more have.
    Repeated,
}

impl<'h> Fields<'h> {
    /// Wraps lines that have been read from a head. Trailing white space of values is not part of them (RFC 9112 §5.1).
    pub fn new(lines: &'h [httparse::Header<'h>]) -> Fields<'h> {
        Fields { lines }
    }

    /// Every line: name and value, in the order of the wire.
    pub fn iter(&self) -> impl Iterator<Item = (&'h str, &'h [u8])> + use<'h> {
        self.lines.iter().map(|line| (line.name, line.value.trim_ascii()))
    }

    /// The values of all lines of that name.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        self.iter().filter(move |(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of the first line of that name.
    pub fn first(&self, name: &str) -> Option<&'h [u8]> {
        self.all(name).next()
    }

    /// The value of a field that may stand once only.
    pub fn sole(&self, name: &str) -> Sole<'h> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (None, _) => Sole::Absent,
            (Some(value), None) => Sole::One(value),
            (Some(_), Some(_)) => Sole::Repeated,
        }
    }

    /// The elements of a comma-separated list, over all lines of that name; empty ones are skipped (RFC 9110 §5.6.1).
    ///
    /// A comma inside a quoted string separates too: use it for lists of tokens, not for entity-tags.
    pub fn elements<'n>(&self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
    }

    /// Whether the list of that name has this token, in any case.
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.elements(name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }
}

/// Whether a byte may stand in a token: a method, a field name (RFC 9110 §5.6.2).
pub fn is_token_byte(byte: u8) -> bool {
    TOKEN.has(byte)
}

/// The bytes that may stand in a token.
pub(crate) static TOKEN: ByteSet = ByteSet::ALPHANUMERIC.with(b"!#$%&'*+-.^_`|~");
