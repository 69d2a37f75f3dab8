//! Where heads end. The ids in brackets are those of the catalogue of threats.

use millpond::config::{HEAD_BYTES_MAX, LEADING_EMPTY_LINES_MAX};
use millpond::http::bad_request::BadRequest;
use millpond::http::head::{HeadScan, Scanned};
use millpond::http::request_line;
use proptest::prelude::*;

type Verdict = Result<Scanned, BadRequest>;

/// The first verdict that is not "more": the stream comes up to each of these ends in turn.
fn verdict(stream: &[u8], ends: impl IntoIterator<Item = usize>) -> Verdict {
    let mut scan = HeadScan::new();
    let mut verdicts = ends.into_iter().map(|end| scan.advance(&stream[..end]));
    verdicts.find(|verdict| *verdict != Ok(Scanned::Partial)).unwrap_or(Ok(Scanned::Partial))
}

fn in_one_piece(stream: &[u8]) -> Verdict {
    verdict(stream, [stream.len()])
}

fn complete(head_length: usize) -> Verdict {
    Ok(Scanned::Complete { head_length })
}

/// Streams with what they are, and the answer to each.
fn streams() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let row = |name, stream: &[u8], verdict| (name, stream.to_vec(), verdict);
    vec![
        row("nothing", b"", Ok(Scanned::Partial)),
        row("a head", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", complete(27)),
        row("a head without fields", b"GET / HTTP/1.0\r\n\r\n", complete(18)),
        row("[H20] a head and the next", b"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n", complete(18)),
        row("a head and a body", b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\n\n\n\n", complete(38)),
        row("a head that lacks one byte", b"GET / HTTP/1.1\r\nHost: a\r\n\r", Ok(Scanned::Partial)),
        row("[C8] half a request line", b"GET / HT", Ok(Scanned::Partial)),
        row("half an empty line in front", b"\r", Ok(Scanned::Partial)),
        row("an empty line in front", b"\r\nGET / HTTP/1.0\r\n\r\n", complete(20)),
        row("as many empty lines in front as may be", b"\r\n\r\n\r\n\r\nG / HTTP/1.0\r\n\r\n", complete(24)),
        row("[H14] one empty line more", b"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.0\r\n\r\n", Err(BadRequest::EmptyLines)),
        row("[H14] nothing but empty lines", &b"\r\n".repeat(10_000), Err(BadRequest::EmptyLines)),
        row(
            "[H6] a request line that ends in a bare line feed",
            b"GET / HTTP/1.1\nHost: x\r\n\r\n",
            Err(BadRequest::LineFeed),
        ),
        row(
            "[H6] a field line that ends in a bare line feed",
            b"GET / HTTP/1.1\r\nHost: x\n\r\n",
            Err(BadRequest::LineFeed),
        ),
        row(
            "[H6] an empty line that is a bare line feed",
            b"GET / HTTP/1.1\r\nHost: x\r\n\n",
            Err(BadRequest::LineFeed),
        ),
        row(
            "[H6] an empty line in front that is a bare line feed",
            b"\nGET / HTTP/1.1\r\n\r\n",
            Err(BadRequest::LineFeed),
        ),
        row(
            "[H6] a line feed after an empty line in front",
            b"\r\n\nGET / HTTP/1.1\r\n\r\n",
            Err(BadRequest::LineFeed),
        ),
        row("[H24] TLS", b"\x16\x03\x01\x02\x00\x01\x00", Err(BadRequest::FirstByte)),
        row("[H24] TLS after an empty line", b"\r\n\x16\x03\x01", Err(BadRequest::FirstByte)),
        row("a space in front", b" GET / HTTP/1.1\r\n\r\n", Err(BadRequest::FirstByte)),
        row("a bare carriage return in front", b"\rGET / HTTP/1.1\r\n\r\n", Err(BadRequest::FirstByte)),
        row("NUL in front", b"\0", Err(BadRequest::FirstByte)),
        row("the end of a head and no more", b"\r\n\r\n", Ok(Scanned::Partial)),
        row(
            "a bare carriage return in a field is for the reader of the head",
            b"G / HTTP/1.1\r\n\r\r\n\r\n",
            complete(19),
        ),
        row("a request line of another kind, and no more", b"SSH-2.0-x\r\n", Err(BadRequest::RequestLine)),
        row("[H10] HTTP/0.9, and no more", b"GET /\r\n", Err(BadRequest::RequestLine)),
        row("[H23] another version, and no more", b"PRI * HTTP/2.0\r\n", Err(BadRequest::VersionUnsupported)),
    ]
}

/// Heads around the limit: the name, the stream, the answer.
fn long_streams() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let target_of = |length: usize| format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(length - 18)).into_bytes();
    let value_of = |length: usize| format!("GET / HTTP/1.0\r\nX: {}\r\n\r\n", "a".repeat(length - 23)).into_bytes();
    let max = HEAD_BYTES_MAX;
    vec![
        ("[H13] a target that just fits", target_of(max), complete(max)),
        ("[H12] a line end that does not fit", target_of(max + 1), Err(BadRequest::HeadTooLong)),
        ("[H13] a request line that just does not fit", target_of(max + 3), Err(BadRequest::RequestLineTooLong)),
        ("[H13] a huge target", target_of(70_000), Err(BadRequest::RequestLineTooLong)),
        ("[H13] a target without an end", vec![b'a'; 40_000], Err(BadRequest::RequestLineTooLong)),
        ("[H12] a field that just fits", value_of(max), complete(max)),
        ("[H12] a field that just does not fit", value_of(max + 1), Err(BadRequest::HeadTooLong)),
        ("[H12] a huge field", value_of(100_000), Err(BadRequest::HeadTooLong)),
        (
            "[H11] field lines without an end",
            [b"G / HTTP/1.1\r\n", b"X: y\r\n".repeat(9_000).as_slice()].concat(),
            Err(BadRequest::HeadTooLong),
        ),
        ("a head that fits, and much after it", [value_of(max), vec![b'x'; max]].concat(), complete(max)),
        ("empty lines in front count", [b"\r\n".to_vec(), value_of(max - 1)].concat(), Err(BadRequest::HeadTooLong)),
    ]
}

#[test]
fn the_end_of_a_head_is_its_first_empty_line() {
    for (name, stream, expected) in streams().into_iter().chain(long_streams()) {
        assert_eq!(in_one_piece(&stream), expected, "{name}");
    }
    assert_eq!(LEADING_EMPTY_LINES_MAX, 4, "the rows count on it");
}

#[test]
fn every_cut_into_two_pieces_gives_the_same_answer_as_one_piece() {
    for (name, stream, expected) in streams() {
        let stream = &stream[..stream.len().min(200)];
        for cut in 0..=stream.len() {
            assert_eq!(verdict(stream, [cut, stream.len()]), expected, "{name}, cut at {cut}");
        }
    }
}

#[test]
fn every_cut_into_three_pieces_gives_the_same_answer_as_one_piece() {
    for (name, stream, expected) in streams() {
        let stream = &stream[..stream.len().min(60)];
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                assert_eq!(
                    verdict(stream, [first, second, stream.len()]),
                    expected,
                    "{name}, cut at {first}, {second}"
                );
            }
        }
    }
}

#[test]
fn byte_by_byte_gives_the_same_answer_as_one_piece() {
    for (name, stream, expected) in streams().into_iter().chain(long_streams()) {
        assert_eq!(verdict(&stream, 0..=stream.len()), expected, "{name}");
    }
}

/// A head that comes whole is found in one sweep, any other line by line: whatever is wrong with a head, and wherever in
/// a step of the sweep it stands, both say the same.
#[test]
fn a_sweep_and_the_search_line_by_line_give_the_same_answer() {
    let pieces: [&[u8]; 12] =
        [b"\r", b"\n", b"\r\n", b"\n\n", b"\r\r\n", b"\n\r\n", b"\r\n\r\n", b"\r\n\n", b" ", b"\0", b"\xe9", b"a"];
    let head = [
        b"GET /a?b HTTP/1.1\r\nHost: a\r\nX:\r\nY: ".as_slice(),
        &[b'y'; 70],
        b"\r\nZ: z\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    ]
    .concat();
    let (mut complete, mut tried) = (0, 0);
    for at in 1..=head.len() {
        for piece in pieces {
            for removed in 0..=piece.len().min(head.len() - at) {
                let stream = [&head[..at], piece, &head[at + removed..]].concat();
                let at_once = in_one_piece(&stream);
                assert_eq!(at_once, verdict(&stream, [1, stream.len()]), "{:?}", String::from_utf8_lossy(&stream));
                tried += 1;
                complete += usize::from(matches!(at_once, Ok(Scanned::Complete { .. })));
            }
        }
    }
    // A table must be able to fail: both answers are given often.
    assert!(complete > tried / 10 && complete < tried * 9 / 10, "{complete} of {tried}");
}

#[test]
fn what_cannot_become_a_head_is_refused_at_the_byte_that_shows_it() {
    let rows: [(&str, &[u8], BadRequest); 6] = [
        ("a byte that begins no method", b"\x16", BadRequest::FirstByte),
        ("a carriage return that does not end an empty line", b"\rG", BadRequest::FirstByte),
        ("a bare line feed in front", b"\n", BadRequest::LineFeed),
        ("a bare line feed after the request line", b"GET / HTTP/1.1\n", BadRequest::LineFeed),
        ("a bare line feed after a field line", b"GET / HTTP/1.1\r\nHost: x\n", BadRequest::LineFeed),
        ("an empty line too many", b"\r\n\r\n\r\n\r\n\r\n", BadRequest::EmptyLines),
    ];
    for (name, stream, bad) in rows {
        assert_eq!(in_one_piece(&stream[..stream.len() - 1]), Ok(Scanned::Partial), "{name}");
        assert_eq!(in_one_piece(stream), Err(bad), "{name}");
    }
    let endless = vec![b'a'; HEAD_BYTES_MAX];
    assert_eq!(in_one_piece(&endless[1..]), Ok(Scanned::Partial));
    assert_eq!(in_one_piece(&endless), Err(BadRequest::RequestLineTooLong));
}

#[test]
fn a_head_begins_with_a_token_byte_or_an_empty_line() {
    for byte in 0..=u8::MAX {
        let expected = match byte {
            b'\n' => Err(BadRequest::LineFeed),
            b'\r' => Ok(Scanned::Partial),
            _ if byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte) => Ok(Scanned::Partial),
            _ => Err(BadRequest::FirstByte),
        };
        assert_eq!(in_one_piece(&[byte]), expected, "byte {byte:#04x}");
    }
}

/// [H15] If it looked at a byte twice, it would stumble over what stands there now.
#[test]
fn no_byte_is_looked_at_twice() {
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n";
    let first_line_end = 16;
    for end in first_line_end + 1..head.len() {
        let mut scan = HeadScan::new();
        assert_eq!(scan.advance(&head[..end]), Ok(Scanned::Partial));
        let mut spoiled = head.to_vec();
        // The carriage return before a line feed to come is the one byte that is needed again, and the line begin.
        let line_begin = head[..end].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        let seen = if head[end - 1] == b'\r' { end - 1 } else { end };
        spoiled[..line_begin].fill(b'\n');
        spoiled[line_begin..seen.max(line_begin)].fill(b'\n');
        assert_eq!(scan.advance(&spoiled), complete(head.len()), "after {end} bytes");
    }
}

#[test]
fn the_answer_stays_when_it_is_asked_for_again() {
    for (name, stream, expected) in streams().into_iter().chain(long_streams()) {
        let mut scan = HeadScan::new();
        assert_eq!(scan.advance(&stream), expected, "{name}");
        assert_eq!(scan.advance(&stream), expected, "{name}");
    }
}

#[test]
fn the_request_line_for_the_log_is_the_first_line_that_is_not_empty() {
    let long = vec![b'a'; HEAD_BYTES_MAX + 1];
    let rows: [(&str, &[u8], &[u8]); 9] = [
        ("of a head", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/1.1"),
        ("after empty lines", b"\r\n\r\nGET / HTTP/1.1\r\n", b"GET / HTTP/1.1"),
        ("after line feeds", b"\n\nGET /\n", b"GET /"),
        ("cut short", b"GET / HT", b"GET / HT"),
        ("cut before its line feed", b"GET /\r", b"GET /"),
        ("with a bare carriage return in it", b"GET /\rX\r\n", b"GET /\rX"),
        ("of what is no head", b"\x16\x03\x01\x00", b"\x16\x03\x01\x00"),
        ("of nothing", b"\r\n\r\n", b""),
        ("too long", &long, &long[1..]),
    ];
    for (name, head, line) in rows {
        assert_eq!(request_line::of(head), line, "{name}");
    }
}

/// What [`request_line::whole_length`] says, in terms of [`request_line::fault`].
fn slow_whole_length(text: &[u8]) -> Option<usize> {
    let length = text.iter().position(|byte| *byte == b'\n')? + 1;
    let line = text[..length].strip_suffix(b"\r\n")?;
    request_line::fault(line).is_none().then_some(length)
}

proptest! {
    #[test]
    fn a_request_line_is_whole_if_it_has_an_end_and_no_fault(
        pieces in proptest::collection::vec(
            prop::sample::select(vec![
                "GET", "/", "a?b", "*", " ", " ", " ", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "\r\n", "\r", "\n", "\0", "é", "<", "\t",
            ]), 0..9),
        is_likely in any::<bool>(),
    ) {
        let text = if is_likely { format!("GET /{} HTTP/1.1\r\n", pieces.concat()) } else { pieces.concat() };
        prop_assert_eq!(request_line::whole_length(text.as_bytes()), slow_whole_length(text.as_bytes()), "{:?}", text);
    }

    #[test]
    fn any_bytes_in_any_pieces_give_the_same_answer_as_one_piece(
        fragments in proptest::collection::vec(
            prop_oneof![
                Just(b"\r\n".to_vec()), Just(b"\r".to_vec()), Just(b"\n".to_vec()), Just(b"G".to_vec()),
                Just(b"G / HTTP/1.1\r\n".to_vec()),
                Just(b"X: y\r\n".to_vec()), proptest::collection::vec(any::<u8>(), 0..4),
            ], 0..20),
        mut cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let stream = fragments.concat();
        let mut ends: Vec<usize> = cuts.drain(..).map(|cut| cut.index(stream.len() + 1)).collect();
        ends.push(stream.len());
        ends.sort();
        prop_assert_eq!(verdict(&stream, ends), in_one_piece(&stream));
        let _ = request_line::of(&stream);
    }
}
