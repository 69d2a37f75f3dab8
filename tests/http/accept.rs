//! Accept: RFC 9110 §12.5.1, §12.4.2.

use millpond::http::accept;

use crate::support::with_fields;

const OFFERS: [&str; 3] = ["text/html", "application/json", "text/plain"];

#[test]
fn the_offer_that_is_liked_best_is_chosen_and_of_equals_the_first() {
    let rows: [(&str, &[&[u8]], &str); 29] = [
        ("no field: everything is acceptable", &[], "text/html"),
        ("anything", &[b"*/*"], "text/html"),
        ("one of them", &[b"application/json"], "application/json"),
        ("whatever the case", &[b"Application/JSON"], "application/json"),
        ("a browser", &[b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"], "text/html"),
        ("fetch() for JSON", &[b"application/json, text/plain, */*"], "application/json"),
        ("by weight, not by place", &[b"text/plain;q=0.5, application/json;q=0.7"], "application/json"),
        ("a type with all its subtypes", &[b"text/*"], "text/html"),
        ("the specific range decides", &[b"text/*, text/html;q=0.1"], "text/plain"),
        ("the specific range forbids", &[b"*/*, text/html;q=0"], "application/json"),
        ("the range of a type before that of all", &[b"*/*;q=0.9, text/*;q=0.1"], "application/json"),
        ("0 is not acceptable", &[b"application/json;q=0, text/plain;q=0.001"], "text/plain"),
        ("none of them: the first all the same", &[b"image/png"], "text/html"),
        ("an empty list accepts nothing in particular", &[b""], "text/html"),
        ("empty elements", &[b", ,application/json,"], "application/json"),
        ("several lines are one list", &[b"text/html;q=0.2", b"application/json"], "application/json"),
        ("white space around the weight", &[b"text/html ; q=0.2 , text/plain \t;\tq=0.3"], "text/plain"),
        ("a large Q", &[b"text/html;Q=0.2, text/plain;q=0.3"], "text/plain"),
        ("other parameters are not compared", &[b"application/json;charset=utf-8"], "application/json"),
        ("a weight behind another parameter", &[b"text/html;level=1;q=0.1, text/plain;q=0.2"], "text/plain"),
        (
            "a comma in quotes separates nothing",
            &[b"text/html;a=\",application/json,\";q=0.1, text/plain"],
            "text/plain",
        ),
        ("an escaped quote ends nothing", &[b"text/html;a=\"\\\",application/json\";q=1"], "text/html"),
        ("three digits", &[b"text/html;q=0.998, text/plain;q=0.999"], "text/plain"),
        ("four digits are no weight", &[b"text/plain;q=0.9999, application/json;q=0.1"], "application/json"),
        ("more than one is no weight", &[b"text/plain;q=1.001, application/json;q=0.1"], "application/json"),
        ("a sign is no weight", &[b"text/plain;q=+1, application/json;q=0.1"], "application/json"),
        ("a weight of nothing is none", &[b"text/plain;q=, application/json;q=0.1"], "application/json"),
        ("what is no range is skipped", &[b"json, text, */json, text/plain;q=0.1"], "text/plain"),
        ("bytes that are no text", &[b"\xff\xfe/\x80, text/plain;q=0.1"], "text/plain"),
    ];
    for (name, lines, expected) in rows {
        let lines: Vec<(&str, &[u8])> = lines.iter().map(|value| ("Accept", *value)).collect();
        assert_eq!(with_fields(&lines, |fields| accept::choose(fields, &OFFERS)), expected, "{name}");
    }
}

#[test]
fn a_quality_has_at_most_three_digits_and_is_at_most_one() {
    let rows: [(&[u8], Option<u16>); 16] = [
        (b"0", Some(0)),
        (b"1", Some(1000)),
        (b"0.", Some(0)),
        (b"1.", Some(1000)),
        (b"0.5", Some(500)),
        (b"0.05", Some(50)),
        (b"0.005", Some(5)),
        (b"0.123", Some(123)),
        (b"1.000", Some(1000)),
        (b"1.1", None),
        (b"0.1234", None),
        (b"2", None),
        (b".5", None),
        (b"0.x", None),
        (b"00.5", None),
        (b"", None),
    ];
    for (text, expected) in rows {
        assert_eq!(accept::quality(text), expected, "{}", text.escape_ascii());
    }
}
