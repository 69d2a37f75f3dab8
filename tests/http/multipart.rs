//! multipart/byteranges: RFC 9110 §14.6 and §15.3.7.2.

use millpond::http::method::Method;
use millpond::http::multipart::Multipart;
use millpond::http::range::{ByteRange, Selection, select};
use millpond::http::validator::Validators;

use crate::support::with_fields;

fn ranges(value: &str, size: u64) -> Vec<ByteRange> {
    let lines: [(&str, &[u8]); 1] = [("Range", value.as_bytes())];
    match with_fields(&lines, |fields| select(Method::Get, fields, &Validators::NONE, size)) {
        Selection::Multiple(ranges) => ranges,
        other => panic!("{value} of {size} selects {other:?}"),
    }
}

/// The content of the response, put together as a sender would.
fn assemble(multipart: &Multipart, representation: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    for part in multipart.parts() {
        content.extend_from_slice(&part.preamble);
        let [first, last] = [part.range.first(), part.range.last()].map(|offset| usize::try_from(offset).unwrap());
        content.extend_from_slice(&representation[first..=last]);
    }
    content.extend_from_slice(&multipart.closing());
    content
}

#[test]
fn the_whole_content_byte_for_byte() {
    let multipart = Multipart::new(ranges("bytes=6-9,0-4,-1", 16), "text/plain; charset=utf-8", 0xC0FFEE).unwrap();
    let expected = "--0000000000c0ffee\r\n\
                    Content-Type: text/plain; charset=utf-8\r\n\
                    Content-Range: bytes 6-9/16\r\n\
                    \r\n\
                    6789\r\n\
                    --0000000000c0ffee\r\n\
                    Content-Type: text/plain; charset=utf-8\r\n\
                    Content-Range: bytes 0-4/16\r\n\
                    \r\n\
                    01234\r\n\
                    --0000000000c0ffee\r\n\
                    Content-Type: text/plain; charset=utf-8\r\n\
                    Content-Range: bytes 15-15/16\r\n\
                    \r\n\
                    f\r\n\
                    --0000000000c0ffee--\r\n";
    assert_eq!(String::from_utf8(assemble(&multipart, b"0123456789abcdef")).unwrap(), expected);
    assert_eq!(multipart.media_type(), "multipart/byteranges; boundary=0000000000c0ffee");
    assert_eq!(multipart.content_length(), u64::try_from(expected.len()).unwrap());
}

#[test]
fn content_length_is_what_is_sent() {
    let representation = [b'x'; 1200];
    let sixteen = (0..16).map(|n| format!("{}-{}", n * 70, n * 71)).collect::<Vec<_>>().join(",");
    let table = [
        ("two bytes", "bytes=0-0,2-2".to_owned()),
        ("numbers of one to four digits", "bytes=0-9,10-99,100-999,1000-".to_owned()),
        ("in reverse", "bytes=1000-,100-999,10-99,0-9".to_owned()),
        ("sixteen ranges", format!("bytes={sixteen}")),
    ];
    for (rule, value) in table {
        for boundary in [0, u64::MAX] {
            let multipart = Multipart::new(ranges(&value, 1200), "image/png", boundary).unwrap();
            let sent = assemble(&multipart, &representation).len();
            assert_eq!(multipart.content_length(), u64::try_from(sent).unwrap(), "{rule}");
        }
    }
}

#[test]
fn a_part_can_be_asked_for_at_any_time_and_after_the_last_there_is_none() {
    let asked = ranges("bytes=0-0,2-3", 10);
    let multipart = Multipart::new(asked.clone(), "image/png", 1).unwrap();
    let in_turn: Vec<_> = multipart.parts().collect();
    assert_eq!(in_turn.iter().map(|part| part.range).collect::<Vec<_>>(), asked);
    assert_eq!(multipart.part(1), in_turn.get(1).cloned());
    assert_eq!(multipart.part(0), in_turn.first().cloned());
    assert_eq!(multipart.part(2), None);
    assert_eq!(multipart.part(usize::MAX), None);
}

#[test]
fn a_length_beyond_64_bits_is_none() {
    let framing = Multipart::new(ranges("bytes=0-0,18446744073709551614-", u64::MAX), "a/b", 0).unwrap();
    let overhead = framing.content_length() - 2;
    // The first range grows until the sum is 2^64 - 1. Its last-pos is then a number of 20 digits instead of one.
    let fits = u64::MAX - (overhead + 19) - 1;
    let table = [("the largest length", fits, Some(u64::MAX)), ("one byte more", fits + 1, None)];
    for (rule, first_len, expected) in table {
        let value = format!("bytes=0-{},18446744073709551614-", first_len - 1);
        let multipart = Multipart::new(ranges(&value, u64::MAX), "a/b", 0);
        assert_eq!(multipart.map(|multipart| multipart.content_length()), expected, "{rule}");
    }
}
