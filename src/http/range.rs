//! A range asks for some bytes of a file instead of all; whatever is odd about it, all is the answer.
//!
//! *Invariants:*
//! - A [`ByteRange`] only exists inside a representation, with at least one byte, so nothing downstream checks again.
//! - The ranges of one [`Selection`] never overlap, so what is sent of the file is never more than the file.
//! - No number overflows: one too large for 64 bits is larger than any file, and is treated as just that.
//!
//! RFC 9110 §14.1 Range Units, §14.2 Range, §13.1.5 If-Range, §14.4 Content-Range. In their order:
//!
//! 1. Only GET defines range handling; with other methods, HEAD too, Range is ignored (§14.2).
//! 2. A unit that isn't understood: ignored (§14.2), and not 416.
//! 3. A set that is malformed, or has a last-pos before its first-pos: ignored (§14.2 allows that).
//! 4. More than two overlapping ranges, or many small ones: may be ignored (§14.2). Here any two that overlap are, and
//!    more than [`RANGES_MAX`]: both ask for more work than the file is worth (CVE-2011-3192).
//! 5. If-Range that doesn't match: Range is ignored (§13.1.5). So it can never come to 416.
//! 6. A first-pos beyond the end, or a suffix of no bytes: that range is unsatisfiable (§14.1.2). If all are, 416.
//! 7. The ranges that are satisfiable are sent in the order they were asked for, which §15.3.7.2 prefers. None are
//!    coalesced: it would save a hundred bytes and cost the reader a page.
//!
//! An empty file satisfies no range. RFC 9110 would have it satisfy a suffix, but no Content-Range can say that.

use crate::http::date;
use crate::http::decimal;
use crate::http::field::{Fields, Sole};
use crate::http::method::Method;
use crate::http::validator::{EntityTag, Validators};

/// The most ranges that one request gets. A viewer of PDF files asks for a handful; the work per range (a part's head,
/// a seek) is what an attacker would multiply.
pub const RANGES_MAX: usize = 16;

/// What to send of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// 200: all of it. There was no Range, or it is ignored.
    Whole,
    /// 206 with Content-Range.
    Single(ByteRange),
    /// 206 as multipart/byteranges (see [`multipart`](super::multipart)): two ranges at least, and no two overlap.
    Multiple(Vec<ByteRange>),
    /// 416, with [`unsatisfied`] as its Content-Range.
    Unsatisfiable,
}

/// Consecutive bytes of a representation: one at least, and none beyond its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    first: u64,
    last: u64,
    complete_length: u64,
}

impl ByteRange {
    /// The offset of the first byte.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The offset of the last byte, inclusive.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// How many bytes it has.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> u64 {
        self.last - self.first + 1
    }

    /// The value of Content-Range for it: `bytes 0-499/1234` (RFC 9110 §14.4).
    pub fn content_range(&self) -> String {
        let mut value = Vec::new();
        self.write_content_range(&mut value);
        String::from_utf8(value).expect("digits and a few signs")
    }

    /// Appends that value.
    pub fn write_content_range(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"bytes ");
        decimal::write(out, self.first);
        out.push(b'-');
        decimal::write(out, self.last);
        out.push(b'/');
        decimal::write(out, self.complete_length);
    }

    fn overlaps(&self, other: &ByteRange) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// The value of Content-Range in a 416 for a representation of `size` bytes: `bytes */1234` (RFC 9110 §14.4).
pub fn unsatisfied(size: u64) -> String {
    format!("bytes */{size}")
}

/// What Range and If-Range select of a representation of `size` bytes.
///
/// The preconditions come first (RFC 9110 §13.2.2): this is for a request that
/// [`evaluate`](super::precondition::evaluate) let proceed.
pub fn select(method: Method, fields: &Fields<'_>, validators: &Validators, size: u64) -> Selection {
    if method != Method::Get {
        return Selection::Whole;
    }
    let value = match fields.sole("range") {
        Sole::One(value) => value,
        Sole::Absent | Sole::Repeated => return Selection::Whole,
    };
    if if_range(fields, validators) == Some(false) {
        return Selection::Whole;
    }
    let Some(set) = byte_range_set(value) else { return Selection::Whole };
    // Nearly always one, and then nothing is allocated. Measured: 370 instructions less, of 2,630.
    let selection = if set.contains(&b',') { select_several(set, size) } else { select_one(set, size) };
    selection.unwrap_or(Selection::Whole)
}

/// Whether the representation is the one that the client has a part of; [`None`] if it doesn't say (RFC 9110 §13.1.5).
///
/// A date has to be Last-Modified exactly, and that a strong validator. Ours is: it is issued only for a file whose
/// last change was 2 s past, so what changes later changes in a later second (§8.8.2.2).
fn if_range(fields: &Fields<'_>, validators: &Validators) -> Option<bool> {
    let value = match fields.sole("if-range") {
        Sole::One(value) => value,
        Sole::Absent => return None,
        Sole::Repeated => return Some(false),
    };
    Some(match EntityTag::parse(value) {
        Some(tag) => validators.etag.as_ref().is_some_and(|current| current.strong_eq(&tag)),
        None => date::parse(value).is_some_and(|date| validators.last_modified == Some(date)),
    })
}

/// One element of a range set, before a size is known (RFC 9110 §14.1.1).
#[derive(Clone, Copy)]
enum RangeSpec {
    /// `first-pos "-" [ last-pos ]`; without a last-pos it goes on for ever.
    Int { first: u64, last: u64 },
    /// `"-" suffix-length`
    Suffix { length: u64 },
}

/// What stands after `"bytes="`; [`None`] if the unit is another.
fn byte_range_set(value: &[u8]) -> Option<&[u8]> {
    let unit_len = value.iter().position(|byte| *byte == b'=')?;
    let (unit, set) = (&value[..unit_len], &value[unit_len + 1..]);
    unit.eq_ignore_ascii_case(b"bytes").then_some(set)
}

/// Reads `int-range / suffix-range` and what it comes to; [`None`] for whatever else.
///
/// White space around an element is tolerated at the ends of the set too, where the grammar has none.
fn select_one(set: &[u8], size: u64) -> Option<Selection> {
    let range = RangeSpec::parse(set.trim_ascii())?.resolve(size);
    Some(range.map_or(Selection::Unsatisfiable, Selection::Single))
}

/// Reads `1#( int-range / suffix-range )` and what it comes to; [`None`] for whatever else, and for too many.
fn select_several(set: &[u8], size: u64) -> Option<Selection> {
    let specs = set
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
        .take(RANGES_MAX + 1)
        .map(RangeSpec::parse)
        .collect::<Option<Vec<_>>>()?;
    (1..=RANGES_MAX).contains(&specs.len()).then(|| resolve(&specs, size))
}

impl RangeSpec {
    fn parse(text: &[u8]) -> Option<RangeSpec> {
        let dash = text.iter().position(|byte| *byte == b'-')?;
        match (&text[..dash], &text[dash + 1..]) {
            ([], length) => Some(RangeSpec::Suffix { length: saturating_number(length)? }),
            (first, []) => Some(RangeSpec::Int { first: saturating_number(first)?, last: u64::MAX }),
            (first, last) => {
                let (first, last) = (saturating_number(first)?, saturating_number(last)?);
                (first <= last).then_some(RangeSpec::Int { first, last })
            }
        }
    }

    /// The bytes meant of a representation of that size; [`None`] if there are none (RFC 9110 §14.1.2).
    fn resolve(self, size: u64) -> Option<ByteRange> {
        let end = size.checked_sub(1)?;
        let (first, last) = match self {
            RangeSpec::Int { first, last } => (first, last.min(end)),
            RangeSpec::Suffix { length } => (size.saturating_sub(length), end),
        };
        (first <= last).then_some(ByteRange { first, last, complete_length: size })
    }
}

fn resolve(specs: &[RangeSpec], size: u64) -> Selection {
    let ranges: Vec<ByteRange> = specs.iter().filter_map(|spec| spec.resolve(size)).collect();
    match ranges.as_slice() {
        [] => Selection::Unsatisfiable,
        [range] => Selection::Single(*range),
        [..] if any_overlap(&ranges) => Selection::Whole,
        [..] => {
            debug_assert!(ranges.iter().map(ByteRange::len).sum::<u64>() <= size, "ranges apart fit into the file");
            Selection::Multiple(ranges)
        }
    }
}

fn any_overlap(ranges: &[ByteRange]) -> bool {
    let mut by_position = ranges.to_vec();
    by_position.sort_unstable_by_key(ByteRange::first);
    by_position.windows(2).any(|pair| pair[0].overlaps(&pair[1]))
}

/// `1*DIGIT`. RFC 9110 §14.1.2 warns of numbers of any length: one that u64 can't hold becomes the largest it can,
/// which as a last-pos or a suffix means the end of the file, and as a first-pos a place beyond it.
fn saturating_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(number.saturating_mul(10).saturating_add(digit))
    })
}
