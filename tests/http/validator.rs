//! Validators: RFC 9110 §8.8.

use std::time::{Duration, UNIX_EPOCH};

use millpond::http::negotiation::Coding;
use millpond::http::validator::{EntityTag, EntityTags, FileTime, Validators};
use proptest::prelude::*;

use crate::support::{seconds, with_fields};

const NOW: u64 = 1_700_000_000;

fn tag(text: &str) -> EntityTag<'_> {
    EntityTag::parse(text.as_bytes()).unwrap()
}

#[test]
fn strong_and_weak_comparison_are_the_table_of_rfc_9110_8_8_3_2() {
    let table = [
        ("both weak", r#"W/"1""#, r#"W/"1""#, false, true),
        ("both weak, but others", r#"W/"1""#, r#"W/"2""#, false, false),
        ("one weak", r#"W/"1""#, r#""1""#, false, true),
        ("the other weak", r#""1""#, r#"W/"1""#, false, true),
        ("both strong", r#""1""#, r#""1""#, true, true),
        ("both strong, but others", r#""1""#, r#""2""#, false, false),
        ("case matters", r#""a""#, r#""A""#, false, false),
        ("a weak tag is not the strong one that looks like it", r#"W/"1""#, r#""W/1""#, false, false),
        ("the empty tag", r#""""#, r#""""#, true, true),
    ];
    for (rule, one, other, strongly, weakly) in table {
        assert_eq!(tag(one).strong_eq(&tag(other)), strongly, "{rule}, strongly");
        assert_eq!(tag(one).weak_eq(&tag(other)), weakly, "{rule}, weakly");
    }
}

#[test]
fn one_entity_tag_is_read_by_the_grammar_and_written_as_it_was() {
    let table: [(&str, &[u8], bool); 17] = [
        ("strong", b"\"xyzzy\"", true),
        ("weak", b"W/\"xyzzy\"", true),
        ("empty", b"\"\"", true),
        ("with a comma", b"\"a,b\"", true),
        ("with a backslash, which escapes nothing", b"\"a\\\"", true),
        ("with bytes beyond ASCII", b"\"\xE9\xFF\"", true),
        ("no quotes", b"xyzzy", false),
        ("no closing quote", b"\"xyzzy", false),
        ("no opening quote", b"xyzzy\"", false),
        ("a lone quote", b"\"", false),
        ("nothing", b"", false),
        ("a small w", b"w/\"xyzzy\"", false),
        ("a space after W/", b"W/ \"xyzzy\"", false),
        ("a space inside", b"\"a b\"", false),
        ("a tab inside", b"\"a\tb\"", false),
        ("DEL inside", b"\"a\x7Fb\"", false),
        ("two tags", b"\"a\",\"b\"", false),
    ];
    for (rule, value, valid) in table {
        let written = EntityTag::parse(value).map(|tag| tag.field_value().into_owned());
        assert_eq!(written, valid.then(|| value.to_vec()), "{rule}");
    }
}

#[test]
fn a_list_of_entity_tags_is_read_over_all_its_lines() {
    let listed = |texts: &[&'static str]| EntityTags::Listed(texts.iter().map(|text| tag(text)).collect());
    let table: [(&str, &[&str], EntityTags<'static>); 24] = [
        ("no line", &[], EntityTags::Absent),
        ("any", &["*"], EntityTags::Any),
        ("one", &[r#""a""#], listed(&[r#""a""#])),
        ("several", &[r#""a", W/"b" ,"c""#], listed(&[r#""a""#, r#"W/"b""#, r#""c""#])),
        ("a comma inside quotes separates nothing", &[r#""a,b","c""#], listed(&[r#""a,b""#, r#""c""#])),
        ("a star inside quotes is a tag", &[r#""*""#], listed(&[r#""*""#])),
        ("a tab is white space, too", &["\"a\"\t,\t\"b\""], listed(&[r#""a""#, r#""b""#])),
        ("empty elements", &[r#",, "a" , ,"b",,"#], listed(&[r#""a""#, r#""b""#])),
        ("an empty line is an empty list", &[""], listed(&[])),
        ("commas alone are an empty list", &[" , ,"], listed(&[])),
        ("several lines are one list", &[r#""a""#, r#""b", "c""#], listed(&[r#""a""#, r#""b""#, r#""c""#])),
        ("an empty line among others", &[r#""a""#, "", r#""b""#], listed(&[r#""a""#, r#""b""#])),
        ("any twice", &["*", "*"], EntityTags::Malformed),
        ("any in a list", &[r#"*, "a""#], EntityTags::Malformed),
        ("a tag, then any", &[r#""a", *"#], EntityTags::Malformed),
        ("any, and a line with a tag", &["*", r#""a""#], EntityTags::Malformed),
        ("a line with a tag, and any", &[r#""a""#, "*"], EntityTags::Malformed),
        ("no quotes", &["a"], EntityTags::Malformed),
        ("one without quotes among good ones", &[r#""a", b, "c""#], EntityTags::Malformed),
        ("no comma between", &[r#""a" "b""#], EntityTags::Malformed),
        ("nothing at all between", &[r#""a""b""#], EntityTags::Malformed),
        ("a quote left open", &[r#""a", "b"#], EntityTags::Malformed),
        ("a quote doesn't reach over lines", &[r#""a"#, r#"b""#], EntityTags::Malformed),
        ("a small w", &[r#"w/"a""#], EntityTags::Malformed),
    ];
    for (rule, lines, expected) in table {
        let mut head: Vec<(&str, &[u8])> = vec![("Host", b"a"), ("If-None-Matchless", b"\"z\"")];
        head.extend(lines.iter().map(|line| ("If-None-MATCH", line.as_bytes())));
        with_fields(&head, |fields| assert_eq!(EntityTags::of(fields, "if-none-match"), expected, "{rule}"));
    }
}

#[test]
fn the_validators_of_a_file_come_from_its_size_and_time() {
    let year_10000 = 253_402_300_800;
    let table = [
        (
            "a file of 1970, as size and nanoseconds in hex",
            0x1f4,
            at(0x65, 7),
            seconds(NOW),
            "\"1f4-178411b207\"",
            Some(seconds(0x65)),
        ),
        ("a whole second", 0, at(1, 0), seconds(NOW), "\"0-3b9aca00\"", Some(seconds(1))),
        ("another nanosecond is another tag", 0, at(1, 1), seconds(NOW), "\"0-3b9aca01\"", Some(seconds(1))),
        ("the epoch", 1, at(0, 0), seconds(NOW), "\"1-0\"", Some(UNIX_EPOCH)),
        ("the largest size", u64::MAX, at(0, 0), seconds(NOW), "\"ffffffffffffffff-0\"", Some(UNIX_EPOCH)),
        (
            "in the future: now, as a whole second",
            1,
            at(2, 0),
            seconds(1) + Duration::from_millis(999),
            "\"1-77359400\"",
            Some(seconds(1)),
        ),
        ("later in this very second", 1, at(1, 500), seconds(1), "\"1-3b9acbf4\"", Some(seconds(1))),
        (
            "before 1970: no date can be written",
            1,
            at(-1, 999_999_999),
            seconds(NOW),
            "\"1-ffffffffffffffffffffffffffffffff\"",
            None,
        ),
        ("the year 10000: now", 1, at(year_10000, 0), seconds(NOW), "\"1-dbca9d1fea2af0000\"", Some(seconds(NOW))),
        (
            "the end of i64: now",
            1,
            at(i64::MAX, 999_999_999),
            seconds(NOW),
            "\"1-1dcd64ffffffffffffffffff\"",
            Some(seconds(NOW)),
        ),
    ];
    for (rule, size, modified, now, etag, last_modified) in table {
        let expected = Validators { etag: EntityTag::parse(etag.as_bytes()), last_modified };
        assert_eq!(Validators::of_file(size, modified, now), expected, "{rule}");
    }
}

#[test]
fn a_time_that_a_tool_has_cut_is_told_from_another() {
    let whole = at(7, 123_456_789);
    for (rule, time, is_cut) in [
        ("itself to the nanosecond is not cut", whole, false),
        ("to microseconds", at(7, 123_456_000), true),
        ("to milliseconds", at(7, 123_000_000), true),
        ("to seconds", at(7, 0), true),
        ("to tenths, which no tool does", at(7, 100_000_000), false),
        ("another second", at(6, 0), false),
        ("rounded up", at(7, 124_000_000), false),
        ("before", at(7, 123_456_788), false),
    ] {
        assert_eq!(time.is_cut_from(whole), is_cut, "{rule}");
    }
    assert!(at(7, 0).is_cut_from(at(7, 0)));
}

#[test]
fn every_coding_has_a_tag_of_its_own() {
    let plain = Validators::of_file(1, at(2, 3), seconds(NOW));
    let tag = |validators: &Validators| validators.etag.as_ref().map(|tag| tag.field_value().into_owned());
    assert_eq!(tag(&plain), Some(b"\"1-77359403\"".to_vec()));
    for (coding, expected) in [
        (Coding::Brotli, "\"1-77359403-br\""),
        (Coding::Zstandard, "\"1-77359403-zstd\""),
        (Coding::Gzip, "\"1-77359403-gzip\""),
    ] {
        let coded = plain.clone().in_coding(coding);
        assert_eq!(tag(&coded).as_deref(), Some(expected.as_bytes()));
        assert_eq!(EntityTag::parse(expected.as_bytes()), coded.etag, "by the grammar, and strong");
        assert_eq!(coded.last_modified, plain.last_modified);
        assert_eq!(Validators::NONE.in_coding(coding), Validators::NONE);
    }
}

#[test]
fn a_file_that_has_not_settled_has_no_validators() {
    assert_eq!(Validators::NONE, Validators { etag: None, last_modified: None });
    assert_eq!(Validators::NONE, Validators::default());
}

fn at(seconds: i64, nanoseconds: u32) -> FileTime {
    FileTime { seconds, nanoseconds }
}

proptest! {
    #[test]
    fn no_lines_make_the_list_panic(lines: Vec<Vec<u8>>) {
        let head: Vec<(&str, &[u8])> = lines.iter().map(|line| ("If-Match", line.as_slice())).collect();
        with_fields(&head, |fields| { EntityTags::of(fields, "if-match"); });
    }

    /// The reader agrees with a regular reading of the grammar: elements that are tags, joined in any tolerated way.
    #[test]
    fn a_list_that_was_written_is_read_back(
        elements in prop::collection::vec(("(W/)?\"[!#-~é]{0,5}\"", "[ \t]{0,2},[ \t,]{0,3}"), 0..6)
    ) {
        let line: String = elements.iter().flat_map(|(tag, gap)| [tag.as_str(), gap.as_str()]).collect();
        let expected = EntityTags::Listed(elements.iter().map(|(text, _)| tag(text)).collect());
        with_fields(&[("If-Match", line.as_bytes())], |fields| {
            assert_eq!(EntityTags::of(fields, "if-match"), expected);
        });
    }

    #[test]
    fn a_file_always_gets_a_strong_tag_by_the_grammar_and_a_date_not_later_than_now(
        size: u64, seconds: i64, nanoseconds in 0_u32..1_000_000_000,
        now in 0_u64..253_402_300_800, now_nanos in 0_u32..1_000_000_000
    ) {
        let now = UNIX_EPOCH + Duration::new(now, now_nanos);
        let validators = Validators::of_file(size, at(seconds, nanoseconds), now);
        let etag = validators.etag.unwrap();
        let written = etag.field_value();
        prop_assert_eq!(EntityTag::parse(&written), Some(etag.clone()));
        prop_assert!(etag.strong_eq(&etag));
        prop_assert!(validators.last_modified.is_none_or(|last_modified| last_modified <= now));
    }
}
