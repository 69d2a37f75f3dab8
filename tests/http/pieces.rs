//! Content that is made while it is sent: RFC 9112 §7.1 (chunked), §6.3 rule 8 (until the end of the connection).

use millpond::http::method::Version;
use millpond::http::pieces::{Framing, Pieces, Produce, Produced};

/// These pieces, one after the other; the last one says that it is.
#[derive(Debug)]
struct Fixed(Vec<&'static [u8]>);

impl Produce for Fixed {
    fn produce(&mut self, out: &mut Vec<u8>) -> Produced {
        out.extend_from_slice(self.0.remove(0));
        if self.0.is_empty() { Produced::All } else { Produced::More }
    }
}

/// A name, pieces, the chunks that they become, and all of it without chunks.
type Row = (&'static str, &'static [&'static [u8]], &'static [&'static str], &'static str);

#[test]
fn pieces_are_framed_so_that_the_end_is_found() {
    let rows: [Row; 4] = [
        ("one piece", &[b"abc"], &["00000003\r\nabc\r\n0\r\n\r\n"], "abc"),
        ("two pieces", &[b"abc", b"de"], &["00000003\r\nabc\r\n", "00000002\r\nde\r\n0\r\n\r\n"], "abcde"),
        // It would be taken for the last.
        ("an empty piece is no chunk", &[b"", b"de"], &["", "00000002\r\nde\r\n0\r\n\r\n"], "de"),
        ("nothing at all", &[b""], &["0\r\n\r\n"], ""),
    ];
    for (name, pieces, chunks, whole) in rows {
        let mut chunked = Pieces::new(Box::new(Fixed(pieces.to_vec())));
        for expected in chunks {
            let mut out = b"before".to_vec();
            assert!(!chunked.is_done(), "{name}");
            chunked.write_next(&mut out);
            assert_eq!(
                out.escape_ascii().to_string(),
                format!("before{}", expected.as_bytes().escape_ascii()),
                "{name}"
            );
        }
        assert!(chunked.is_done(), "{name}");
        let mut out = Vec::new();
        chunked.write_next(&mut out);
        assert_eq!(out, b"", "{name}: nothing follows the end");

        let mut until_close = Pieces::new(Box::new(Fixed(pieces.to_vec())));
        until_close.frame(Framing::UntilClose);
        while !until_close.is_done() {
            until_close.write_next(&mut out);
        }
        assert_eq!(out, whole.as_bytes(), "{name}");
    }
}

#[test]
fn a_chunk_says_its_size_in_hexadecimal() {
    let mut out = Vec::new();
    Pieces::new(Box::new(Fixed(vec![&[b'x'; 0x1_2ab]]))).write_next(&mut out);
    assert!(out.starts_with(b"000012ab\r\nx"));
    assert_eq!(out.len(), 10 + 0x12ab + 2 + 5);
}

#[test]
fn only_a_client_of_http_1_1_gets_chunks() {
    assert_eq!(Framing::for_version(Version::Http11), Framing::Chunked);
    assert_eq!(Framing::for_version(Version::Http10), Framing::UntilClose);
}
