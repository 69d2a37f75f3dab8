//! Field lines that are written once, and then stand in any number of responses.
//!
//! *Invariant:* a [`FieldBlock`] only exists from lines that were checked one by one ([`field_line::check`]), so it goes
//! into a head as it is. It never changes, and ends where a line ends.
//!
//! RFC 9110 §5.1 (names), §5.5 (values); RFC 9112 §5 (field syntax).
//!
//! Most lines of a response say something about the file, and are the same for every response about it until it changes.
//! The lines that a 304 has are the first of those that a 200 has, so one piece of memory serves both: a block can be
//! the beginning of another.

use std::sync::Arc;

use super::field_line;
use super::range::ByteRange;

/// Checked field lines, each ended by CRLF. A clone is a share of the same bytes.
#[derive(Clone, Debug)]
pub struct FieldBlock {
    lines: Lines,
    /// How many of the bytes are this block's.
    length: usize,
}

#[derive(Clone, Debug)]
enum Lines {
    Fixed(&'static str),
    Shared(Arc<[u8]>),
}

/// Field lines that are being written.
#[derive(Clone, Debug, Default)]
pub struct FieldLines(Vec<u8>);

/// How far a block goes that is the beginning of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(usize);

impl FieldBlock {
    /// No lines at all.
    pub const EMPTY: FieldBlock = FieldBlock::fixed("");

    /// Lines that stand in the source of this wing, where a test holds them to the rules.
    pub(super) const fn fixed(lines: &'static str) -> FieldBlock {
        FieldBlock { lines: Lines::Fixed(lines), length: lines.len() }
    }

    /// The lines before the mark, which was made when this block was written.
    ///
    /// # Panics
    /// When the mark is of another block and not the end of a line here: a mistake of the program.
    pub fn until(&self, mark: Mark) -> FieldBlock {
        let shorter = FieldBlock { lines: self.lines.clone(), length: mark.0.min(self.length) };
        assert!(shorter.as_bytes().is_empty() || shorter.as_bytes().ends_with(b"\r\n"), "a mark of another block");
        shorter
    }

    /// The lines as on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        let lines = match &self.lines {
            Lines::Fixed(lines) => lines.as_bytes(),
            Lines::Shared(lines) => lines,
        };
        &lines[..self.length]
    }
}

impl FieldLines {
    pub const fn new() -> FieldLines {
        FieldLines(Vec::new())
    }

    /// Adds a line.
    ///
    /// # Panics
    /// When the name is no token, the value has a control byte, or the field is one that frames the message
    /// (`Content-Length`, `Transfer-Encoding`, `Connection`, `Date` and their like): a mistake of the program. The
    /// engine answers 500 for it. Check what comes from outside with [`FieldLine::new`](field_line::FieldLine::new)
    /// first.
    pub fn add(&mut self, name: &str, value: &str) {
        if let Err(fault) = field_line::check(name, value) {
            panic!("a response can't have the field {name:?}: {fault}");
        }
        write_line(&mut self.0, name, value);
    }

    /// Adds Content-Range: a value that needs no check.
    pub fn add_content_range(&mut self, range: &ByteRange) {
        // Room for numbers of ten digits; three allocations less than by way of a text of its own.
        self.0.reserve(64);
        self.0.extend_from_slice(b"Content-Range: ");
        range.write_content_range(&mut self.0);
        self.0.extend_from_slice(b"\r\n");
    }

    /// The place behind the lines so far.
    pub fn mark(&self) -> Mark {
        Mark(self.0.len())
    }

    /// The lines as on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Makes them a block that can be shared.
    pub fn share(self) -> FieldBlock {
        FieldBlock { length: self.0.len(), lines: Lines::Shared(self.0.into()) }
    }
}

/// One line. Name and value have been checked.
pub(super) fn write_line(out: &mut Vec<u8>, name: &str, value: &str) {
    for piece in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(piece.as_bytes());
    }
}
