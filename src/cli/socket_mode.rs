//! The mode of a Unix socket, as chmod(1) takes it: octal digits.
//!
//! *Invariant:* nothing but permissions to read, write and execute, so 0777 at most.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// Who may connect: whoever may write to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(pub u32);

/// A text that is no such mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketModeError {
    text: String,
}

impl FromStr for SocketMode {
    type Err = SocketModeError;

    fn from_str(text: &str) -> Result<SocketMode, SocketModeError> {
        let is_octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
        mode.map(SocketMode).ok_or_else(|| SocketModeError { text: text.to_owned() })
    }
}

impl Display for SocketModeError {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` is not a mode: write 0600, 0660 or 0666", self.text)
    }
}

impl Error for SocketModeError {}
