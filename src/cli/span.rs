//! A length of time as it is written on the command line: `500ms`, `10s` or `2m`.
//!
//! *Invariant:* above zero, where zero would mean nothing, and a day at most.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

use crate::config;

/// A length of time as it is written: a whole number and its unit, above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

/// The same where zero has a meaning: not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanOrZero(pub Duration);

impl FromStr for SpanOrZero {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<SpanOrZero, SpanError> {
        parse_or_zero(text).map(SpanOrZero)
    }
}

impl Display for SpanOrZero {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        Span(self.0).fmt(out)
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Span, SpanError> {
        parse(text).map(Span)
    }
}

/// In the largest unit that fits, so that what is written so reads back the same.
impl Display for Span {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            milliseconds if !milliseconds.is_multiple_of(1000) => write!(out, "{milliseconds}ms"),
            // Up to two minutes people say seconds.
            milliseconds if !milliseconds.is_multiple_of(60_000) || milliseconds < 120_000 => {
                write!(out, "{}s", milliseconds / 1000)
            }
            milliseconds => write!(out, "{}m", milliseconds / 60_000),
        }
    }
}

/// Why a text is no length of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanError {
    /// It does not begin with a digit, or has something between its number and its unit.
    NotANumber {
        text: String,
    },
    NoUnit {
        text: String,
    },
    UnknownUnit {
        unit: String,
    },
    Zero,
    TooLong {
        text: String,
    },
}

/// Reads `500ms`, `10s` or `2m`: above zero, and a day at most.
pub fn parse(text: &str) -> Result<Duration, SpanError> {
    match parse_or_zero(text) {
        Ok(Duration::ZERO) => Err(SpanError::Zero),
        result => result,
    }
}

/// The same, or `0s`.
pub fn parse_or_zero(text: &str) -> Result<Duration, SpanError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() || unit.starts_with(['.', ',']) {
        return Err(SpanError::NotANumber { text: text.to_owned() });
    }
    let unit_milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "" => return Err(SpanError::NoUnit { text: text.to_owned() }),
        _ => return Err(SpanError::UnknownUnit { unit: unit.to_owned() }),
    };
    // Digits alone fail to be a u64 only when they are too many.
    let milliseconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_milliseconds));
    match milliseconds.map(Duration::from_millis) {
        Some(duration) if duration <= config::TIME_MAX => Ok(duration),
        Some(_) | None => Err(SpanError::TooLong { text: text.to_owned() }),
    }
}

impl Display for SpanError {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        const WRITE: &str = "write 500ms, 10s or 2m";
        match self {
            SpanError::NotANumber { text } => {
                write!(out, "`{text}` is not a whole number and a unit: {WRITE}")
            }
            SpanError::NoUnit { text } => write!(out, "`{text}` has no unit: {WRITE}"),
            SpanError::UnknownUnit { unit } => write!(out, "`{unit}` is not a unit: {WRITE}"),
            SpanError::Zero => write!(out, "a time of zero would end everything at once: write 1ms or more"),
            SpanError::TooLong { text } => write!(out, "`{text}` is more than a day: write 1440m or less"),
        }
    }
}

impl Error for SpanError {}
