//! Ranges: RFC 9110 §14, every small range set of every small size against sets of offsets.

use std::collections::BTreeSet;

use millpond::http::method::Method;
use millpond::http::range::{ByteRange, Selection, select, unsatisfied};
use millpond::http::validator::{EntityTag, Validators};
use proptest::prelude::*;

use crate::support::{seconds, with_fields};

/// A selection, as the Content-Range of each of its ranges.
#[derive(Debug, PartialEq)]
enum Sent {
    Whole,
    Single(String),
    Multiple(Vec<String>),
    Unsatisfiable,
}

fn sent(selection: Selection) -> Sent {
    match selection {
        Selection::Whole => Sent::Whole,
        Selection::Single(range) => Sent::Single(range.content_range()),
        Selection::Multiple(ranges) => Sent::Multiple(ranges.iter().map(ByteRange::content_range).collect()),
        Selection::Unsatisfiable => Sent::Unsatisfiable,
    }
}

fn selected(range: &[u8], size: u64) -> Selection {
    with_fields(&[("Range", range)], |fields| select(Method::Get, fields, &Validators::NONE, size))
}

fn single(content_range: &str) -> Sent {
    Sent::Single(content_range.to_owned())
}

fn multiple<const N: usize>(content_ranges: [&str; N]) -> Sent {
    Sent::Multiple(content_ranges.map(str::to_owned).to_vec())
}

#[test]
fn a_range_is_read_by_the_grammar_and_ignored_if_it_is_not_by_it() {
    let sixteen = (0..16).map(|n| format!("{0}-{0}", n * 2)).collect::<Vec<_>>().join(",");
    let sixteen_sent = (0..16).map(|n| format!("bytes {0}-{0}/100", n * 2)).collect();
    let table: [(&str, &str, Sent); 65] = [
        ("a range from the start", "bytes=0-9", single("bytes 0-9/100")),
        ("one byte", "bytes=7-7", single("bytes 7-7/100")),
        ("all bytes are a range, too", "bytes=0-99", single("bytes 0-99/100")),
        ("an open end", "bytes=90-", single("bytes 90-99/100")),
        ("a suffix", "bytes=-10", single("bytes 90-99/100")),
        ("a suffix of the whole size", "bytes=-100", single("bytes 0-99/100")),
        ("a suffix longer than the file", "bytes=-101", single("bytes 0-99/100")),
        ("a suffix of no bytes", "bytes=-0", Sent::Unsatisfiable),
        ("a last-pos beyond the end", "bytes=90-100", single("bytes 90-99/100")),
        ("the last byte", "bytes=99-", single("bytes 99-99/100")),
        ("a first-pos beyond the end", "bytes=100-", Sent::Unsatisfiable),
        ("a first-pos far beyond the end", "bytes=200-300", Sent::Unsatisfiable),
        ("leading zeros", "bytes=0000-0009", single("bytes 0-9/100")),
        ("the unit in capitals", "BYTES=0-9", single("bytes 0-9/100")),
        ("white space around an element", "bytes= 0-9 , \t20-29 ", multiple(["bytes 0-9/100", "bytes 20-29/100"])),
        ("empty elements", "bytes=,,0-9,,20-29,", multiple(["bytes 0-9/100", "bytes 20-29/100"])),
        ("one range and empty elements", "bytes=,0-9,", single("bytes 0-9/100")),
        ("ranges out of order", "bytes=20-29,0-9", multiple(["bytes 20-29/100", "bytes 0-9/100"])),
        ("ranges side by side", "bytes=0-9,10-19", multiple(["bytes 0-9/100", "bytes 10-19/100"])),
        ("a suffix among ranges", "bytes=0-9,-1", multiple(["bytes 0-9/100", "bytes 99-99/100"])),
        ("one of two is unsatisfiable", "bytes=100-200,0-9", single("bytes 0-9/100")),
        ("one of three is", "bytes=0-9,-0,20-29", multiple(["bytes 0-9/100", "bytes 20-29/100"])),
        ("all are unsatisfiable", "bytes=100-200,300-,-0", Sent::Unsatisfiable),
        ("overlapping ranges", "bytes=0-9,9-19", Sent::Whole),
        ("the same range twice", "bytes=0-9,0-9", Sent::Whole),
        ("one range inside another", "bytes=0-99,5-6", Sent::Whole),
        ("an overlap that comes of clamping", "bytes=99-150,-1", Sent::Whole),
        ("an overlap of ranges far apart in the list", "bytes=0-9,20-29,40-49,5-5", Sent::Whole),
        ("sixteen ranges", &format!("bytes={sixteen}"), Sent::Multiple(sixteen_sent)),
        ("sixteen ranges and empty elements", &format!("bytes=,{sixteen},,"), {
            Sent::Multiple((0..16).map(|n| format!("bytes {0}-{0}/100", n * 2)).collect())
        }),
        ("seventeen ranges", &format!("bytes={sixteen},50-50"), Sent::Whole),
        ("seventeen ranges, one unsatisfiable", &format!("bytes={sixteen},100-"), Sent::Whole),
        ("500 overlapping ones", &format!("bytes={}", ["0-"; 500].join(",")), Sent::Whole),
        ("a last-pos of 2^64 - 1", "bytes=0-18446744073709551615", single("bytes 0-99/100")),
        ("a last-pos of 2^64", "bytes=0-18446744073709551616", single("bytes 0-99/100")),
        ("a last-pos that would wrap to 4", "bytes=5-18446744073709551620", single("bytes 5-99/100")),
        ("a first-pos that would wrap to 4", "bytes=18446744073709551620-", Sent::Unsatisfiable),
        ("a suffix that would wrap to 4", "bytes=-18446744073709551620", single("bytes 0-99/100")),
        ("a last-pos of 200 digits", &format!("bytes=0-{}", "9".repeat(200)), single("bytes 0-99/100")),
        ("a first-pos of 200 digits", &format!("bytes={}-", "9".repeat(200)), Sent::Unsatisfiable),
        ("both of 200 digits", &format!("bytes={0}-{0}", "9".repeat(200)), Sent::Unsatisfiable),
        ("a suffix of 2^64 - 1", "bytes=-18446744073709551615", single("bytes 0-99/100")),
        ("a suffix of 200 digits", &format!("bytes=-{}", "9".repeat(200)), single("bytes 0-99/100")),
        ("a huge first-pos and a small last-pos", &format!("bytes={}-5", "9".repeat(200)), Sent::Whole),
        ("a last-pos before the first-pos", "bytes=9-0", Sent::Whole),
        ("the same beyond the end", "bytes=300-200", Sent::Whole),
        ("the same beside a good range", "bytes=0-9,29-20", Sent::Whole),
        ("another unit", "lines=0-9", Sent::Whole),
        ("another unit that begins alike", "bytesx=0-9", Sent::Whole),
        ("no unit", "0-9", Sent::Whole),
        ("no unit, but its sign", "=0-9", Sent::Whole),
        ("the unit alone", "bytes", Sent::Whole),
        ("an empty value", "", Sent::Whole),
        ("an empty set", "bytes=", Sent::Whole),
        ("a set of empty elements", "bytes= , ,", Sent::Whole),
        ("a space before the equals sign", "bytes =0-9", Sent::Whole),
        ("a dash alone", "bytes=-", Sent::Whole),
        ("two dashes", "bytes=--1", Sent::Whole),
        ("three positions", "bytes=0-9-19", Sent::Whole),
        ("no dash", "bytes=5", Sent::Whole),
        ("letters", "bytes=a-b", Sent::Whole),
        ("a plus sign", "bytes=+0-9", Sent::Whole),
        ("a space inside", "bytes=0 -9", Sent::Whole),
        ("a good range before a malformed one", "bytes=0-9,x", Sent::Whole),
        ("the unit repeated", "bytes=0-9,bytes=20-29", Sent::Whole),
    ];
    for (rule, value, expected) in table {
        assert_eq!(sent(selected(value.as_bytes(), 100)), expected, "{rule}");
    }
}

#[test]
fn sizes_at_the_edges() {
    let table = [
        ("an empty file has no first byte", 0, "bytes=0-0", Sent::Unsatisfiable),
        ("an empty file has no suffix", 0, "bytes=-5", Sent::Unsatisfiable),
        ("an empty file and a malformed range", 0, "bytes=5-2", Sent::Whole),
        ("one byte", 1, "bytes=0-", single("bytes 0-0/1")),
        ("the last four bytes of 5 GiB", 5_368_709_120, "bytes=-4", single("bytes 5368709116-5368709119/5368709120")),
        (
            "the largest size and the largest suffix",
            u64::MAX,
            "bytes=-18446744073709551615",
            single("bytes 0-18446744073709551614/18446744073709551615"),
        ),
        (
            "the largest size, both its ends",
            u64::MAX,
            "bytes=0-0,18446744073709551614-",
            multiple([
                "bytes 0-0/18446744073709551615",
                "bytes 18446744073709551614-18446744073709551614/18446744073709551615",
            ]),
        ),
        ("no size has a byte at 2^64 - 1", u64::MAX, "bytes=18446744073709551615-", Sent::Unsatisfiable),
    ];
    for (rule, size, value, expected) in table {
        assert_eq!(sent(selected(value.as_bytes(), size)), expected, "{rule}");
    }
}

#[test]
fn content_range_without_a_range_tells_the_size() {
    assert_eq!(unsatisfied(0), "bytes */0");
    assert_eq!(unsatisfied(u64::MAX), "bytes */18446744073709551615");
}

#[test]
fn a_byte_range_knows_its_ends_and_its_length() {
    let Selection::Single(range) = selected(b"bytes=2-5", 10) else { panic!("one range was asked for") };
    assert_eq!((range.first(), range.last(), range.len()), (2, 5, 4));
}

#[test]
fn only_get_has_ranges_and_only_one_line_of_them() {
    use Method::{Connect, Delete, Get, Head, Options, Patch, Post, Put, Trace, Unknown};
    let range: (&str, &[u8]) = ("range", b"bytes=0-9");
    for method in [Head, Options, Post, Put, Patch, Delete, Trace, Connect, Unknown] {
        for value in [b"bytes=0-9".as_slice(), b"bytes=100-"] {
            let selection = with_fields(&[("Range", value)], |fields| select(method, fields, &Validators::NONE, 100));
            assert_eq!(selection, Selection::Whole, "{method:?}");
        }
    }
    let table = [
        ("no Range", vec![], Sent::Whole),
        ("one Range", vec![range], single("bytes 0-9/100")),
        ("the same Range twice", vec![range, range], Sent::Whole),
        ("two of them, one unsatisfiable", vec![("Range", b"bytes=100-"), range], Sent::Whole),
    ];
    for (rule, lines, expected) in table {
        let selection = with_fields(&lines, |fields| select(Get, fields, &Validators::NONE, 100));
        assert_eq!(sent(selection), expected, "{rule}");
    }
}

#[test]
fn if_range_lets_a_range_pass_only_if_it_names_the_current_state() {
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    let settled = Validators { etag: EntityTag::parse(b"\"now\""), last_modified: Some(seconds(784_111_777)) };
    let weak = Validators { etag: EntityTag::parse(b"W/\"now\""), last_modified: None };
    let passed = || single("bytes 0-9/100");
    let table: [(&str, &Validators, &[&str], Sent); 18] = [
        ("none", &settled, &[], passed()),
        ("the current tag", &settled, &[r#""now""#], passed()),
        ("another tag", &settled, &[r#""old""#], Sent::Whole),
        ("the current tag, called weak", &settled, &[r#"W/"now""#], Sent::Whole),
        ("a weak tag is never enough", &weak, &[r#"W/"now""#], Sent::Whole),
        ("nor if it is called strong", &weak, &[r#""now""#], Sent::Whole),
        ("the date of the last change", &settled, &[DATE], passed()),
        ("that date in RFC 850's form", &settled, &["Sunday, 06-Nov-94 08:49:37 GMT"], passed()),
        ("a later date isn't exact", &settled, &["Sun, 06 Nov 1994 08:49:38 GMT"], Sent::Whole),
        ("an earlier date", &settled, &["Sun, 06 Nov 1994 08:49:36 GMT"], Sent::Whole),
        ("a tag without quotes", &settled, &["now"], Sent::Whole),
        ("a list of tags", &settled, &[r#""now", "now""#], Sent::Whole),
        ("a star", &settled, &["*"], Sent::Whole),
        ("empty", &settled, &[""], Sent::Whole),
        ("two lines", &settled, &[r#""now""#, r#""now""#], Sent::Whole),
        ("a tag, but the file has not settled", &Validators::NONE, &[r#""now""#], Sent::Whole),
        ("a date, but the file has not settled", &Validators::NONE, &[DATE], Sent::Whole),
        ("garbage, and the file has not settled", &Validators::NONE, &["now"], Sent::Whole),
    ];
    for (rule, validators, lines, expected) in table {
        let mut head: Vec<(&str, &[u8])> = lines.iter().map(|line| ("If-Range", line.as_bytes())).collect();
        head.push(("Range", b"bytes=0-9"));
        let selection = with_fields(&head, |fields| select(Method::Get, fields, validators, 100));
        assert_eq!(sent(selection), expected, "{rule}");
    }
}

#[test]
fn if_range_is_asked_before_the_range_can_be_unsatisfiable_and_not_without_a_range() {
    let old: (&str, &[u8]) = ("If-Range", b"\"old\"");
    let select_from =
        |head: &[(&str, &[u8])]| with_fields(head, |fields| select(Method::Get, fields, &Validators::NONE, 100));
    assert_eq!(select_from(&[("Range", b"bytes=100-")]), Selection::Unsatisfiable);
    assert_eq!(select_from(&[("Range", b"bytes=100-"), old]), Selection::Whole);
    assert_eq!(select_from(&[old]), Selection::Whole);
}

/// A range-spec as its author meant it.
#[derive(Clone, Copy, Debug)]
enum Spec {
    FromTo(u64, u64),
    From(u64),
    Suffix(u64),
}

impl Spec {
    fn text(self) -> String {
        match self {
            Spec::FromTo(first, last) => format!("{first}-{last}"),
            Spec::From(first) => format!("{first}-"),
            Spec::Suffix(length) => format!("-{length}"),
        }
    }

    fn is_invalid(self) -> bool {
        matches!(self, Spec::FromTo(first, last) if last < first)
    }

    /// Every offset of the file is asked whether it is meant.
    fn offsets(self, size: u64) -> BTreeSet<u64> {
        (0..size)
            .filter(|offset| match self {
                Spec::FromTo(first, last) => (first..=last).contains(offset),
                Spec::From(first) => *offset >= first,
                Spec::Suffix(length) => size - offset <= length,
            })
            .collect()
    }
}

fn every_spec() -> Vec<Spec> {
    let from_to = (0..=8).flat_map(|first| (0..=8).map(move |last| Spec::FromTo(first, last)));
    from_to.chain((0..=8).map(Spec::From)).chain((0..=8).map(Spec::Suffix)).collect()
}

/// What a selection sends: nothing at all is 416, everything in no range is 200.
#[derive(Debug, PartialEq)]
enum Answer {
    Ok,
    Partial(Vec<BTreeSet<u64>>),
    NotSatisfiable,
}

fn oracle(specs: &[Spec], size: u64) -> Answer {
    if specs.iter().any(|spec| spec.is_invalid()) {
        return Answer::Ok;
    }
    let sets: Vec<BTreeSet<u64>> =
        specs.iter().map(|spec| spec.offsets(size)).filter(|offsets| !offsets.is_empty()).collect();
    let union: BTreeSet<u64> = sets.iter().flatten().copied().collect();
    if sets.is_empty() {
        Answer::NotSatisfiable
    } else if union.len() < sets.iter().map(BTreeSet::len).sum() {
        Answer::Ok
    } else {
        Answer::Partial(sets)
    }
}

fn answer(selection: Selection) -> Answer {
    let offsets = |range: &ByteRange| (range.first()..=range.last()).collect::<BTreeSet<u64>>();
    match selection {
        Selection::Whole => Answer::Ok,
        Selection::Single(range) => Answer::Partial(vec![offsets(&range)]),
        Selection::Multiple(ranges) => {
            assert!(ranges.len() > 1, "one range is not several");
            Answer::Partial(ranges.iter().map(offsets).collect())
        }
        Selection::Unsatisfiable => Answer::NotSatisfiable,
    }
}

#[test]
fn every_set_of_one_or_two_small_ranges_agrees_with_sets_of_offsets() {
    let specs = every_spec();
    for size in 0..=6 {
        for one in &specs {
            let value = format!("bytes={}", one.text());
            assert_eq!(answer(selected(value.as_bytes(), size)), oracle(&[*one], size), "{value} of {size}");
            for other in &specs {
                let value = format!("bytes={},{}", one.text(), other.text());
                let expected = oracle(&[*one, *other], size);
                assert_eq!(answer(selected(value.as_bytes(), size)), expected, "{value} of {size}");
            }
        }
    }
}

fn any_spec() -> impl Strategy<Value = Spec> {
    prop_oneof![
        4 => (0_u64..40, 0_u64..4).prop_map(|(first, more)| Spec::FromTo(first, first + more)),
        1 => (30_u64..50).prop_map(Spec::From),
        1 => (0_u64..5).prop_map(Spec::Suffix),
    ]
}

proptest! {
    #[test]
    fn sets_of_up_to_sixteen_ranges_agree_with_sets_of_offsets(
        specs in prop::collection::vec(any_spec(), 1..=16), size in 0_u64..45
    ) {
        let value = format!("bytes={}", specs.iter().map(|spec| spec.text()).collect::<Vec<_>>().join(", "));
        prop_assert_eq!(answer(selected(value.as_bytes(), size)), oracle(&specs, size), "{} of {}", value, size);
    }

    #[test]
    fn what_is_selected_lies_inside_the_file_and_is_never_more_than_it(
        value in "bytes=([0-9]{0,20}-[0-9]{0,20},? ?){1,5}", size: u64
    ) {
        let ranges = match selected(value.as_bytes(), size) {
            Selection::Whole | Selection::Unsatisfiable => vec![],
            Selection::Single(range) => vec![range],
            Selection::Multiple(ranges) => ranges,
        };
        let total: u128 = ranges.iter().map(|range| u128::from(range.len())).sum();
        prop_assert!(total <= u128::from(size));
        prop_assert!(ranges.iter().all(|range| range.first() <= range.last() && range.last() < size));
    }

    #[test]
    fn no_bytes_make_it_panic(range: Vec<u8>, if_range: Vec<u8>, size: u64) {
        let set = [b"bytes=", range.as_slice()].concat();
        for value in [&range, &set] {
            with_fields(&[("Range", value), ("If-Range", &if_range)], |fields| {
                select(Method::Get, fields, &Validators::NONE, size)
            });
            selected(value, size);
        }
    }
}
