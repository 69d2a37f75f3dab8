//! Preconditions: RFC 9110 §13, every combination of a small space against an oracle.

use millpond::http::method::Method;
use millpond::http::precondition::{Verdict, evaluate, is_plain};
use millpond::http::validator::{EntityTag, Validators};
use proptest::prelude::*;

use crate::slow_precondition::{self, Date, Tags};
use crate::support::{seconds, with_fields};

/// Last-Modified of the representation in these tests: the example of RFC 9110 §5.6.7.
const CURRENT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn settled() -> Validators {
    Validators { etag: EntityTag::parse(b"\"now\""), last_modified: Some(seconds(784_111_777)) }
}

/// Lines, and what they amount to, said by the author of the row and not by a parser.
const TAGS: [(Tags, &[&str]); 13] = [
    (Tags::Absent, &[]),
    (Tags::Any, &["*"]),
    (Tags::CurrentStrongly, &[r#""now""#]),
    (Tags::CurrentStrongly, &[r#""old", W/"now" , "now""#]),
    (Tags::CurrentStrongly, &[r#""old""#, r#""older", "now""#]),
    (Tags::CurrentWeakly, &[r#"W/"now""#]),
    (Tags::CurrentWeakly, &[r#""old""#, r#"W/"now""#]),
    (Tags::Others, &[r#""old", W/"older""#]),
    (Tags::Others, &[r#""now,""#]),
    (Tags::Others, &[""]),
    (Tags::Unreadable, &["now"]),
    (Tags::Unreadable, &[r#""now", *"#]),
    (Tags::Unreadable, &["*", r#""now""#]),
];

const DATES: [(Date, &[&str]); 8] = [
    (Date::Nothing, &[]),
    (Date::Nothing, &["yesterday"]),
    (Date::Nothing, &[LATER, LATER]),
    (Date::Nothing, &["Sun, 06 Nov 1994 08:49:38 GMT, Sun, 06 Nov 1994 08:49:38 GMT"]),
    (Date::BeforeTheChange, &[EARLIER]),
    (Date::AtTheChange, &[CURRENT]),
    (Date::AtTheChange, &["Sunday, 06-Nov-94 08:49:37 GMT"]),
    (Date::AfterTheChange, &[LATER]),
];

const METHODS: [Method; 10] = [
    Method::Get,
    Method::Head,
    Method::Options,
    Method::Post,
    Method::Put,
    Method::Patch,
    Method::Delete,
    Method::Trace,
    Method::Connect,
    Method::Unknown,
];

#[test]
fn every_combination_of_fields_methods_and_validators_agrees_with_the_oracle() {
    let representations = [
        settled(),
        Validators::NONE,
        Validators { last_modified: None, ..settled() },
        Validators { etag: None, ..settled() },
    ];
    let mut counts = [0_u32; 3];
    for (if_match, if_match_lines) in TAGS {
        for (if_unmodified_since, if_unmodified_since_lines) in DATES {
            for (if_none_match, if_none_match_lines) in TAGS {
                for (if_modified_since, if_modified_since_lines) in DATES {
                    // In an order that is not the RFC's, so that a reader of the first condition found would fail.
                    let head: Vec<(&str, &[u8])> = [
                        ("IF-MODIFIED-SINCE", if_modified_since_lines),
                        ("if-none-match", if_none_match_lines),
                        ("If-Unmodified-Since", if_unmodified_since_lines),
                        ("If-Match", if_match_lines),
                    ]
                    .into_iter()
                    .flat_map(|(name, lines)| lines.iter().map(move |line| (name, line.as_bytes())))
                    .collect();
                    for current in &representations {
                        for method in METHODS {
                            let verdict = with_fields(&head, |fields| evaluate(method, fields, current));
                            let expected = slow_precondition::follow(
                                method,
                                current,
                                (if_match, if_unmodified_since),
                                (if_none_match, if_modified_since),
                            );
                            assert_eq!(verdict, expected, "{method:?} of {current:?} with {head:?}");
                            counts[match verdict {
                                Verdict::Proceed => 0,
                                Verdict::NotModified => 1,
                                Verdict::Failed => 2,
                            }] += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(counts.iter().all(|count| *count > 5_000), "the space reaches every verdict often: {counts:?}");
}

/// The conditional field lines of a head: names and values.
type Lines = &'static [(&'static str, &'static str)];

#[test]
fn the_rules_of_rfc_9110_one_by_one() {
    use Method::{Get, Head, Options, Put};
    use Verdict::{Failed, NotModified, Proceed};
    let table: [(&str, Method, Lines, Verdict); 26] = [
        ("no condition", Get, &[], Proceed),
        ("13.1.1 If-Match with the current tag", Get, &[("If-Match", r#""now""#)], Proceed),
        ("13.1.1 If-Match with another", Get, &[("If-Match", r#""old""#)], Failed),
        ("13.1.1 If-Match compares strongly", Get, &[("If-Match", r#"W/"now""#)], Failed),
        ("13.1.1 If-Match: * needs existence only", Get, &[("If-Match", "*")], Proceed),
        ("13.1.1 If-Match that can't be read", Get, &[("If-Match", "now")], Failed),
        ("13.1.2 If-None-Match with the current tag", Get, &[("If-None-Match", r#""now""#)], NotModified),
        ("13.1.2 the same to HEAD", Head, &[("If-None-Match", r#""now""#)], NotModified),
        ("13.1.2 the same to another method", Put, &[("If-None-Match", r#""now""#)], Failed),
        ("13.1.2 If-None-Match compares weakly", Get, &[("If-None-Match", r#"W/"now""#)], NotModified),
        ("13.1.2 If-None-Match with another", Get, &[("If-None-Match", r#""old""#)], Proceed),
        ("13.1.2 If-None-Match: * asks for absence", Get, &[("If-None-Match", "*")], NotModified),
        ("13.1.2 and so a PUT fails", Put, &[("If-None-Match", "*")], Failed),
        ("13.1.2 If-None-Match that can't be read", Get, &[("If-None-Match", "now")], Proceed),
        ("13.1.3 If-Modified-Since the change", Get, &[("If-Modified-Since", CURRENT)], NotModified),
        ("13.1.3 before the change", Get, &[("If-Modified-Since", EARLIER)], Proceed),
        ("13.1.3 after the change", Head, &[("If-Modified-Since", LATER)], NotModified),
        ("13.1.3 ignored by other methods", Put, &[("If-Modified-Since", LATER)], Proceed),
        (
            "13.1.3 ignored beside If-None-Match",
            Get,
            &[("If-Modified-Since", LATER), ("If-None-Match", "\"old\"")],
            Proceed,
        ),
        (
            "13.1.3 even beside one that can't be read",
            Get,
            &[("If-Modified-Since", LATER), ("If-None-Match", "now")],
            Proceed,
        ),
        ("13.1.4 If-Unmodified-Since the change", Get, &[("If-Unmodified-Since", CURRENT)], Proceed),
        ("13.1.4 before the change", Get, &[("If-Unmodified-Since", EARLIER)], Failed),
        ("13.1.4 ignored beside If-Match", Get, &[("If-Unmodified-Since", EARLIER), ("If-Match", "\"now\"")], Proceed),
        ("13.2.1 no condition counts for OPTIONS", Options, &[("If-Match", r#""old""#)], Proceed),
        (
            "13.2.2 a failed If-Match comes before a 304",
            Get,
            &[("If-None-Match", r#""now""#), ("If-Match", r#""old""#)],
            Failed,
        ),
        (
            "13.2.2 a passed If-Match goes on to the 304",
            Get,
            &[("If-None-Match", r#""now""#), ("If-Match", r#""now""#)],
            NotModified,
        ),
    ];
    for (rule, method, lines, expected) in table {
        let head: Vec<(&str, &[u8])> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        with_fields(&head, |fields| assert_eq!(evaluate(method, fields, &settled()), expected, "{rule}"));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_give_a_304(value: Vec<u8>) {
        prop_assume!(value.trim_ascii() != b"*");
        for name in ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"] {
            let verdict = with_fields(&[(name, &value)], |fields| evaluate(Method::Get, fields, &settled()));
            let expected = if name == "If-Match" { Verdict::Failed } else { Verdict::Proceed };
            prop_assert_eq!(verdict, expected);
        }
    }
}

/// A plain request is one for which the long way comes to the same whatever the file is.
#[test]
fn a_plain_request_has_none_of_the_six_fields() {
    let six = ["If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since", "Range", "If-Range"];
    for name in six {
        for name in [name.to_owned(), name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
            let lines: [(&str, &[u8]); 3] = [("Host", b"x"), (&name, b""), ("Accept", b"*/*")];
            assert!(!with_fields(&lines, is_plain), "{name}");
        }
    }
    let others = ["Host", "Accept", "User-Agent", "I", "IF", "X-If-Match", "Connection", "Accept-Ranges", "Cookie"];
    for name in others {
        assert!(with_fields(&[(name, b"if-match: *")], is_plain), "{name}");
    }
}
