//! The value of Cache-Control, as it is written on the command line.

use std::error::Error;
use std::fmt::{self, Display, Formatter};

use crate::http::field_line::{FieldLine, FieldLineError};

/// Why a text is no value of Cache-Control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheControlError {
    Empty,
    /// The name is in it, too.
    HasName {
        value: String,
    },
    NoValue(FieldLineError),
}

/// Reads a value such as `max-age=3600`. What directives it has is between the operator and the caches.
pub fn parse(text: &str) -> Result<FieldLine, CacheControlError> {
    const NAME: &str = "Cache-Control";
    let line = FieldLine::new(NAME, text).map_err(CacheControlError::NoValue)?;
    match line.value().split_once(':') {
        _ if line.value().is_empty() => Err(CacheControlError::Empty),
        Some((name, value)) if name.trim().eq_ignore_ascii_case(NAME) => {
            Err(CacheControlError::HasName { value: value.trim().to_owned() })
        }
        Some(_) | None => Ok(line),
    }
}

impl Display for CacheControlError {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            CacheControlError::Empty => write!(out, "it is empty: write no-store, no-cache or max-age=3600"),
            CacheControlError::HasName { value } => write!(out, "the name is said already: write '{value}'"),
            CacheControlError::NoValue(error) => write!(out, "{error}"),
        }
    }
}

impl Error for CacheControlError {}
