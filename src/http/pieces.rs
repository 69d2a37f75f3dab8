//! Content that is made piece by piece while it is sent, because all of it would be too much to hold or to make at once.
//!
//! *Invariants:* where the length isn't known before the end, the end is marked all the same: by the last chunk (RFC 9112
//! §7.1), or, to a client of HTTP/1.0, by the end of the connection (§6.3 rule 8). What is made stops being asked for
//! where it says that it is done.

use std::fmt::{Debug, Write as _};

use super::method::Version;

/// Who makes the pieces.
pub trait Produce: Debug + Send {
    /// Appends the next piece, which has a bounded size.
    fn produce(&mut self, out: &mut Vec<u8>) -> Produced;
}

/// Whether that was all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Produced {
    More,
    All,
}

/// The pieces that are still to be made, and how they are framed.
#[derive(Debug)]
pub struct Pieces {
    producer: Option<Box<dyn Produce>>,
    framing: Framing,
}

/// How the client knows where the content ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Each piece says its size, and an empty one is the last.
    Chunked,
    /// It is the last response of the connection.
    UntilClose,
}

impl Framing {
    /// What a client of that version understands (RFC 9112 §6.1: no coding for HTTP/1.0).
    pub fn for_version(version: Version) -> Framing {
        match version {
            Version::Http10 => Framing::UntilClose,
            Version::Http11 => Framing::Chunked,
        }
    }
}

/// Digits of a chunk's size, which is written behind the chunk's making: as many as any piece in memory needs.
const SIZE_DIGITS: usize = 8;

impl Pieces {
    pub fn new(producer: Box<dyn Produce>) -> Pieces {
        Pieces { producer: Some(producer), framing: Framing::Chunked }
    }

    /// Frames them otherwise, before the first is made.
    pub fn frame(&mut self, framing: Framing) {
        self.framing = framing;
    }

    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether all has been made.
    pub fn is_done(&self) -> bool {
        self.producer.is_none()
    }

    /// Appends the next piece as it goes out: a chunk, and behind the last one the end of them (RFC 9112 §7.1).
    pub fn write_next(&mut self, out: &mut Vec<u8>) {
        let Some(producer) = &mut self.producer else { return };
        let size_at = out.len();
        if self.framing == Framing::Chunked {
            out.extend_from_slice(b"00000000\r\n");
        }
        let data_at = out.len();
        let produced = producer.produce(out);
        if self.framing == Framing::Chunked {
            match out.len() - data_at {
                // An empty chunk would be taken for the last.
                0 => out.truncate(size_at),
                size => {
                    let mut digits = String::with_capacity(SIZE_DIGITS);
                    write!(digits, "{size:08x}").expect("a String takes every text");
                    out[size_at..size_at + SIZE_DIGITS].copy_from_slice(digits.as_bytes());
                    out.extend_from_slice(b"\r\n");
                }
            }
        }
        if produced == Produced::All {
            self.producer = None;
            if self.framing == Framing::Chunked {
                out.extend_from_slice(b"0\r\n\r\n");
            }
        }
    }
}
