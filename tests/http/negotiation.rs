//! Proactive negotiation: RFC 9110 §12.4.2, §12.5.1 and §12.5.3.

use millpond::http::negotiation::{Asked, Coding, asked_for, codings};
use proptest::prelude::*;

use crate::support::with_fields;

/// The tokens of what is liked, best first.
fn liked(lines: &[&str]) -> Vec<&'static str> {
    let lines: Vec<(&str, &[u8])> = lines.iter().map(|line| ("Accept-Encoding", line.as_bytes())).collect();
    with_fields(&lines, |fields| codings(fields).map(Coding::token).collect())
}

#[test]
fn a_client_gets_the_codings_that_it_names_and_likes_best() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("no field: whatever, but nobody compresses for a client that doesn't ask", &[], &[]),
        ("an empty field: none", &[""], &[]),
        ("one", &["gzip"], &["gzip"]),
        ("all alike: the server's order", &["gzip, deflate, br, zstd"], &["br", "zstd", "gzip"]),
        ("in any order of the field", &["zstd, gzip"], &["zstd", "gzip"]),
        ("over several lines", &["gzip", "br"], &["br", "gzip"]),
        ("names in any case", &["GZip, BR"], &["br", "gzip"]),
        ("another word for gzip", &["x-gzip"], &["gzip"]),
        ("a coding that no file has", &["deflate, compress, exi"], &[]),
        ("white space and empty elements", &[" ,\tgzip\t;\tq=1 ,, br ;q=0.5,"], &["gzip", "br"]),
        (
            "the client's liking goes before the server's",
            &["br;q=0.1, zstd;q=0.2, gzip;q=0.3"],
            &["gzip", "zstd", "br"],
        ),
        ("in thousandths", &["br;q=0.998, gzip;q=0.999"], &["gzip", "br"]),
        ("a capital Q", &["br;Q=0.5, gzip"], &["gzip", "br"]),
        ("refused", &["br;q=0, gzip"], &["gzip"]),
        ("refused in every way to write zero", &["br;q=0.0, zstd;q=0.00, gzip;q=0.000"], &[]),
        ("* is every other", &["*"], &["br", "zstd", "gzip"]),
        ("* after what is named", &["gzip, *;q=0.5"], &["gzip", "br", "zstd"]),
        ("* but for what is refused", &["br;q=0, *"], &["zstd", "gzip"]),
        ("* refused", &["gzip, *;q=0"], &["gzip"]),
        ("* refused and no more", &["*;q=0"], &[]),
        ("identity named first means nothing", &["identity, gzip"], &["gzip"]),
        ("identity liked better", &["identity, gzip;q=0.9"], &[]),
        ("identity liked better than some", &["identity;q=0.5, br;q=0.4, gzip;q=0.6"], &["gzip"]),
        ("identity liked less", &["identity;q=0.3, gzip;q=0.6, deflate"], &["gzip"]),
        ("identity refused", &["identity;q=0, gzip"], &["gzip"]),
        ("what a browser sends for a video", &["identity;q=1, *;q=0"], &[]),
        ("what Ruby sends", &["gzip;q=1.0,deflate;q=0.6,identity;q=0.3"], &["gzip"]),
        ("identity by *", &["br;q=0.2, *;q=0.5"], &["zstd", "gzip"]),
        ("named twice: the lesser", &["gzip, gzip;q=0"], &[]),
        ("named twice by two words", &["x-gzip;q=0, gzip"], &[]),
        ("a parameter that nobody knows", &["gzip;level=9"], &["gzip"]),
        ("a weight above one", &["gzip;q=1.001, br"], &["br"]),
        ("a weight of four digits", &["gzip;q=0.1234, br"], &["br"]),
        ("a weight of two", &["gzip;q=2"], &[]),
        ("a negative weight", &["gzip;q=-1"], &[]),
        ("a weight without digits before the point", &["gzip;q=.5"], &[]),
        ("a weight with nothing after the point", &["gzip;q=1."], &["gzip"]),
        ("no weight after the sign", &["gzip;q="], &[]),
        ("a weight that is a word", &["gzip;q=high"], &[]),
        ("two weights", &["gzip;q=0;q=1"], &[]),
        ("a blank within the weight", &["gzip;q= 0.5"], &[]),
        ("a quoted weight", &["gzip;q=\"1\""], &[]),
        ("a coding within another's name", &["gzipped, brotli, zstandard, xbr"], &[]),
        ("a separator that is none", &["gzip br"], &[]),
    ];
    for (rule, lines, expected) in rows {
        assert_eq!(liked(lines), *expected, "{rule}");
    }
}

/// What RFC 9110 §12.5.3 says of each coding for itself, written down slowly.
fn weight_by_hand(elements: &[(&'static str, u16)], coding: &str) -> u16 {
    let of = |name: &str| elements.iter().filter(|(token, _)| *token == name).map(|(_, weight)| *weight).min();
    of(coding).or_else(|| of("*")).unwrap_or(0)
}

proptest! {
    #[test]
    fn the_order_is_that_of_the_weights(
        elements in prop::collection::vec(
            (prop::sample::select(vec!["br", "zstd", "gzip", "identity", "*", "deflate"]), 0_u16..=1000),
            0..8,
        )
    ) {
        let field: Vec<String> = elements
            .iter()
            .map(|(token, weight)| format!("{token};q={}.{:03}", weight / 1000, weight % 1000))
            .collect();
        let found = liked(&[&field.join(", ")]);
        let identity = weight_by_hand(&elements, "identity");
        let weight = |coding: &str| weight_by_hand(&elements, coding);
        for coding in ["br", "zstd", "gzip"] {
            let is_liked = weight(coding) > 0 && weight(coding) >= identity;
            prop_assert_eq!(found.contains(&coding), is_liked, "{} in {:?}", coding, field);
        }
        let place = |coding: &str| ["br", "zstd", "gzip"].iter().position(|other| *other == coding);
        for pair in found.windows(2) {
            let (first, second) = (weight(pair[0]), weight(pair[1]));
            prop_assert!(first > second || first == second && place(pair[0]) < place(pair[1]), "{:?}", field);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(line in prop::collection::vec(any::<u8>(), 0..64)) {
        with_fields(&[("Accept-Encoding", &line), ("Accept", &line)], |fields| {
            assert!(codings(fields).count() <= 3);
            asked_for(fields, "text/html");
        });
    }
}

#[test]
fn a_page_is_asked_for_by_its_name_or_in_passing_or_not() {
    let navigation = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
    let rows: &[(&str, &[&str], Asked)] = &[
        ("no field", &[], Asked::InPassing),
        ("an empty field", &[""], Asked::InPassing),
        ("what a browser sends for a page", &[navigation], Asked::ByName),
        ("what a browser sends for an image", &["image/avif,image/webp,image/*,*/*;q=0.8"], Asked::InPassing),
        ("what a script sends", &["*/*"], Asked::InPassing),
        ("by its name", &["text/html"], Asked::ByName),
        ("in any case", &["Text/HTML"], Asked::ByName),
        ("with a parameter", &["text/html;level=1"], Asked::ByName),
        ("with little weight", &["text/html;q=0.001"], Asked::ByName),
        ("on another line", &["application/json", "text/html"], Asked::ByName),
        ("by its group", &["text/*"], Asked::InPassing),
        ("another type", &["application/json"], Asked::Not),
        ("another type of the group", &["text/plain"], Asked::Not),
        ("refused by its name", &["text/html;q=0, */*"], Asked::Not),
        ("refused by its group", &["text/*;q=0, */*"], Asked::Not),
        ("refused by all", &["*/*;q=0"], Asked::Not),
        ("its group refused, itself not", &["text/*;q=0, text/html"], Asked::ByName),
        ("a weight that can't be read", &["text/html;q=high"], Asked::InPassing),
        ("a type that begins alike", &["text/html5"], Asked::Not),
        ("a group that begins alike", &["text2/*"], Asked::Not),
    ];
    for (rule, lines, expected) in rows {
        let lines: Vec<(&str, &[u8])> = lines.iter().map(|line| ("Accept", line.as_bytes())).collect();
        assert_eq!(with_fields(&lines, |fields| asked_for(fields, "text/html")), *expected, "{rule}");
    }
}
