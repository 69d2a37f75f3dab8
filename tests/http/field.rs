//! Field lines by name: RFC 9110 §5.1.

use httparse::Header;
use millpond::http::field::{Fields, Sole};
use proptest::prelude::*;

/// Every name that the server asks for, and some that look like them.
const NAMES: [&str; 20] = [
    "host",
    "content-length",
    "transfer-encoding",
    "expect",
    "connection",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "if-range",
    "range",
    "referer",
    "user-agent",
    "hose",
    "accept",
    "te",
    "x",
    "^",
    "~",
    "",
];

fn in_any_case(name: &str, upper: &[bool]) -> String {
    let letters = name.chars().zip(upper.iter().cycle());
    letters.map(|(letter, upper)| if *upper { letter.to_ascii_uppercase() } else { letter }).collect()
}

proptest! {
    #[test]
    fn a_field_is_found_by_its_name_in_any_case_and_by_no_other(
        names in proptest::collection::vec(
            (prop::sample::select(&NAMES[..]), proptest::collection::vec(any::<bool>(), 1..20)), 0..12),
        asked in prop::sample::select(&NAMES[..]),
    ) {
        let names: Vec<String> = names.iter().map(|(name, upper)| in_any_case(name, upper)).collect();
        let values: Vec<String> = (0..names.len()).map(|number| number.to_string()).collect();
        let lines: Vec<Header<'_>> =
            names.iter().zip(&values).map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        let fields = Fields::new(&lines);
        let expected: Vec<&[u8]> =
            lines.iter().filter(|line| line.name.to_lowercase() == asked).map(|line| line.value).collect();

        prop_assert_eq!(fields.all(asked).collect::<Vec<_>>(), expected.clone());
        prop_assert_eq!(fields.first(asked), expected.first().copied());
        prop_assert_eq!(fields.elements(asked).collect::<Vec<_>>(), expected.clone());
        let sole = match expected[..] {
            [] => Sole::Absent,
            [value] => Sole::One(value),
            [..] => Sole::Repeated,
        };
        prop_assert_eq!(fields.sole(asked), sole);
        prop_assert!(expected.is_empty() || !fields.lacks_all([asked]));
        let lacks_both = fields.lacks_all(["host"]) && fields.lacks_all([asked]);
        prop_assert_eq!(fields.lacks_all(["host", asked]), lacks_both);
    }
}
