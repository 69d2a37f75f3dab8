//! A field line that the operator adds to every response is checked once, at the start, and can't be wrong later.
//!
//! *Invariants:* the name of a [`FieldLine`] is a token and its value has no control byte but the tab, so that neither
//! can end the line and begin another; and it is none of the fields that the server works out itself.
//!
//! RFC 9110 §5.1 (names), §5.5 (values), §6.4 and §8 (what describes one message or one representation); RFC 9112 §6
//! (framing) and §9 (the connection).
//!
//! The fields that are refused are a list of what *this* server writes. A list of what is harmless would be longer, and
//! old within a year.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use super::field;

/// A name and a value that may stand in any response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldLine {
    name: String,
    value: String,
}

/// Why a name and a value are no field line, or not one to add to every response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldLineError {
    NoColon,
    EmptyName,
    /// The name has a byte that no token has.
    NameByte(u8),
    /// The value has a control byte.
    ValueByte(u8),
    /// The field frames the message or is about the connection: only who writes the message may set it.
    OfMessage(&'static str),
    /// The field describes one representation or one answer: it can't be the same for all.
    OfRepresentation(&'static str),
}

impl FieldLine {
    /// A line for every response.
    pub fn new(name: &str, value: &str) -> Result<FieldLine, FieldLineError> {
        let value = trim_blanks(value);
        check(name, value)?;
        match listed(&OF_REPRESENTATION, name) {
            Some(field) => Err(FieldLineError::OfRepresentation(field)),
            None => Ok(FieldLine { name: name.to_owned(), value: value.to_owned() }),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn value(&self) -> &str {
        &self.value
    }
}

/// `Name: value`, as on the wire but without the line end.
impl FromStr for FieldLine {
    type Err = FieldLineError;

    fn from_str(line: &str) -> Result<FieldLine, FieldLineError> {
        let (name, value) = line.split_once(':').ok_or(FieldLineError::NoColon)?;
        FieldLine::new(name, value)
    }
}

/// Whether a line may stand in a response at all: well-formed, and none that frames the message.
pub fn check(name: &str, value: &str) -> Result<(), FieldLineError> {
    if name.is_empty() {
        return Err(FieldLineError::EmptyName);
    }
    if let Some(byte) = name.bytes().find(|byte| !field::is_token_byte(*byte)) {
        return Err(FieldLineError::NameByte(byte));
    }
    if let Some(byte) = value.bytes().find(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(FieldLineError::ValueByte(byte));
    }
    match listed(&OF_MESSAGE, name) {
        Some(field) => Err(FieldLineError::OfMessage(field)),
        None => Ok(()),
    }
}

/// What frames the message, belongs to the connection (RFC 9110 §7.6.1), or dates it.
const OF_MESSAGE: [&str; 10] = [
    "Connection",
    "Content-Length",
    "Date",
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Trailers",
    "Transfer-Encoding",
    "Upgrade",
];

/// What is worked out for every response from the request and the file. `Vary` is here because a line of the operator
/// takes the place of the server's own, and a cache would then mix up representations.
const OF_REPRESENTATION: [&str; 10] = [
    "Accept-Ranges",
    "Allow",
    "Content-Encoding",
    "Content-Location",
    "Content-Range",
    "Content-Type",
    "ETag",
    "Last-Modified",
    "Location",
    "Vary",
];

/// The list's own spelling of the name, if it has it.
fn listed(list: &[&'static str], name: &str) -> Option<&'static str> {
    list.iter().copied().find(|field| field.eq_ignore_ascii_case(name))
}

/// Without the white space of RFC 9110 §5.6.3 around it: blanks and tabs. `str::trim` would take line ends too, which
/// are to be refused.
fn trim_blanks(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

impl Display for FieldLineError {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            FieldLineError::NoColon => write!(out, "there is no colon in it: write 'Name: value'"),
            FieldLineError::EmptyName => write!(out, "there is no name before the colon: write 'Name: value'"),
            FieldLineError::NameByte(byte) => write!(
                out,
                "the name has the byte {}: a name is made of letters, digits and !#$%&'*+-.^_`|~, with no blank \
                 before the colon",
                Shown(*byte)
            ),
            FieldLineError::ValueByte(byte) => write!(
                out,
                "the value has the control byte {}: it would end the line or worse, leave it out",
                Shown(*byte)
            ),
            FieldLineError::OfMessage(name) => {
                write!(
                    out,
                    "{name} frames or dates the message, or is about the connection: the server alone can set it"
                )
            }
            FieldLineError::OfRepresentation(name) => {
                write!(out, "{name} is worked out for every response: one value can't be right for all")
            }
        }
    }
}

impl Error for FieldLineError {}

/// A byte for a person: as a character where it has a shape, else as a number.
struct Shown(u8);

impl Display for Shown {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            byte if byte.is_ascii_graphic() => write!(out, "`{}`", char::from(byte)),
            b' ' => write!(out, "` `"),
            byte => write!(out, "0x{byte:02x}"),
        }
    }
}
