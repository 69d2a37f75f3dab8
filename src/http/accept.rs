//! Which of several media types a client likes best, by its `Accept`.
//!
//! *Invariants:* something is always chosen: a client that accepts none of the offers gets the first, for RFC 9110 §12.5.1
//! lets a server "disregard the header field by treating the response as if it is not subject to content negotiation".
//! What can't be read counts for nothing, and spoils nothing beside it.
//!
//! RFC 9110 §12.5.1 (Accept), §12.4.2 (quality values). Of the ranges that match an offer the most specific one decides:
//! `text/html` before `text/*` before `*/*`. Parameters of a media range other than its weight are not compared: the
//! offers here have none that a client could choose by.

use super::field::Fields;

/// A weight in thousandths: 0 is "not acceptable", 1000 the most.
pub type Quality = u16;

/// The offer that is liked best. Of those that are liked alike the one that is named most narrowly, for a script that says
/// `application/json, */*` means the first; then the first offer. Offers are media types in small letters.
pub fn choose<'o, const N: usize>(fields: &Fields<'_>, offers: &[&'o str; N]) -> &'o str {
    let mut best = (offers[0], Liking { quality: 0, precision: Precision::Anything });
    for offer in offers {
        let liking = liking_of(fields, offer);
        if liking.quality > 0 && liking > best.1 {
            best = (offer, liking);
        }
    }
    best.0
}

/// How much an offer is liked, and how narrowly that is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Liking {
    quality: Quality,
    precision: Precision,
}

/// Without the field everything is liked alike.
fn liking_of(fields: &Fields<'_>, offer: &str) -> Liking {
    let mut found: Option<(Precision, Quality)> = None;
    for line in fields.all("accept") {
        let ranges = split_unquoted(line, b',').filter_map(|element| read_range(element, offer));
        for (precision, quality) in ranges {
            // Of two that are as specific the better counts: a client that says both can take it.
            found = found.max(Some((precision, quality)));
        }
    }
    match found {
        Some((precision, quality)) => Liking { quality, precision },
        None if fields.first("accept").is_none() => Liking { quality: 1000, precision: Precision::Anything },
        None => Liking { quality: 0, precision: Precision::Anything },
    }
}

/// How narrowly a media range says what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Anything,
    Type,
    Exactly,
}

/// One element of the list, if it is about the offer.
fn read_range(element: &[u8], offer: &str) -> Option<(Precision, Quality)> {
    let mut parts = split_unquoted(element, b';').map(<[u8]>::trim_ascii);
    let range = parts.next()?;
    let (offered_type, _) = offer.split_once('/')?;
    let precision = match range.strip_suffix(b"/*") {
        Some(b"*") => Precision::Anything,
        Some(of_type) if of_type.eq_ignore_ascii_case(offered_type.as_bytes()) => Precision::Type,
        None if range.eq_ignore_ascii_case(offer.as_bytes()) => Precision::Exactly,
        Some(_) | None => return None,
    };
    let weight = parts.find_map(|part| match part {
        [b'q' | b'Q', b'=', value @ ..] => Some(value),
        _ => None,
    });
    Some((precision, weight.map_or(Some(1000), quality)?))
}

/// Reads a quality value: `qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )`.
pub fn quality(text: &[u8]) -> Option<Quality> {
    let (whole, fraction) = match text {
        [whole @ (b'0' | b'1')] => (whole, [].as_slice()),
        [whole @ (b'0' | b'1'), b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    let mut thousandths = Quality::from(whole - b'0') * 1000;
    for (digit, worth) in fraction.iter().zip([100, 10, 1]) {
        if !digit.is_ascii_digit() {
            return None;
        }
        thousandths += Quality::from(digit - b'0') * worth;
    }
    (thousandths <= 1000).then_some(thousandths)
}

/// The pieces between separators that don't stand in a quoted string (RFC 9110 §5.6.4).
fn split_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    text.split(move |byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => escaped = true,
            _ => {}
        }
        *byte == separator && !quoted
    })
}
