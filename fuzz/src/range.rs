//! A size in the first line, and field lines after it, of a GET for a file of that size.
//!
//! What must hold: what is selected is what the slow reading of Range and If-Range selects; it lies inside the file and
//! is never more than it; a multipart answer is as long as it says; and no other method has ranges.

use millpond::http::method::Method;
use millpond::http::multipart::Multipart;
use millpond::http::precondition;
use millpond::http::range::{self, ByteRange, Selection};

use super::precondition::{CHANGED, split_line, validators, with_fields_of};
use super::slow_range::{self, Sent};

/// The ways to write the date of the last change: the three forms of RFC 9110 §5.6.7, the last of which has two.
const SPELLINGS: [&[u8]; 4] =
    [CHANGED.as_bytes(), b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994", b"Sun Nov 06 08:49:37 1994"];

pub fn check(input: &[u8]) {
    let (first, lines) = split_line(input);
    let size = str::from_utf8(first).ok().and_then(|digits| digits.parse().ok()).unwrap_or(1000);
    with_fields_of(lines, |fields| {
        let validators = validators();
        let selection = range::select(Method::Get, fields, &validators, size);
        let values =
            |name: &str| fields.iter().filter(|line| line.0.eq_ignore_ascii_case(name)).map(|line| line.1).collect();
        let (ranges, conditions): (Vec<&[u8]>, Vec<&[u8]>) = (values("Range"), values("If-Range"));
        let is_same = match conditions[..] {
            [] => true,
            [value] => value == b"\"now\"" || SPELLINGS.contains(&value),
            _ => false,
        };
        let expected = match ranges[..] {
            [value] if is_same => slow_range::read(value, size),
            _ => Sent::Whole,
        };
        assert_eq!(sent(&selection), expected, "{ranges:?} of {size}, if {conditions:?}");
        assert_eq!(range::select(Method::Head, fields, &validators, size), Selection::Whole);
        if precondition::is_plain(fields) {
            assert_eq!(selection, Selection::Whole);
        }
        check_lengths(selection, size);
    });
}

fn sent(selection: &Selection) -> Sent {
    let ends = |range: &ByteRange| (range.first(), range.last());
    match selection {
        Selection::Whole => Sent::Whole,
        Selection::Single(range) => Sent::Ranges(vec![ends(range)]),
        Selection::Multiple(ranges) => {
            assert!(ranges.len() > 1, "one range is not several");
            Sent::Ranges(ranges.iter().map(ends).collect())
        }
        Selection::Unsatisfiable => Sent::Unsatisfiable,
    }
}

fn check_lengths(selection: Selection, size: u64) {
    let ranges = match &selection {
        Selection::Whole | Selection::Unsatisfiable => &[],
        Selection::Single(range) => std::slice::from_ref(range),
        Selection::Multiple(ranges) => &ranges[..],
    };
    for range in ranges {
        assert!(range.first() <= range.last() && range.last() < size);
        assert_eq!(range.content_range(), format!("bytes {}-{}/{size}", range.first(), range.last()));
    }
    assert!(ranges.iter().map(|range| u128::from(range.len())).sum::<u128>() <= u128::from(size));
    let Selection::Multiple(ranges) = selection else { return };
    let Some(multipart) = Multipart::new(ranges.clone(), "text/plain", 7) else {
        assert!(size > i64::MAX.unsigned_abs(), "a file of {size} bytes leaves room for the heads of its parts");
        return;
    };
    let parts: Vec<_> = multipart.parts().collect();
    assert_eq!(parts.iter().map(|part| part.range).collect::<Vec<_>>(), ranges);
    let length = parts.iter().map(|part| part.preamble.len() as u128 + u128::from(part.range.len())).sum::<u128>();
    assert_eq!(u128::from(multipart.content_length()), length + multipart.closing().len() as u128);
}
