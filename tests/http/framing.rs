//! Bodies and persistence. The ids in brackets are those of the catalogue of threats.

use httparse::Header;
use millpond::http::bad_request::BadRequest;
use millpond::http::field::Fields;
use millpond::http::framing::{self, Body, Persistence};
use millpond::http::method::{Method, Version};

/// One field line per line of the text, as `name: value`.
fn lines(text: &'static str) -> Vec<Header<'static>> {
    let line = |line: &'static str| {
        let (name, value) = line.split_once(':').unwrap();
        Header { name, value: value.trim_matches(' ').as_bytes() }
    };
    text.lines().map(line).collect()
}

fn body(version: Version, text: &'static str) -> Result<Body, BadRequest> {
    framing::body(version, &Fields::new(&lines(text)))
}

#[test]
fn the_length_of_the_body_in_http_1_1() {
    use BadRequest::*;
    let rows = [
        ("neither field: no body", "Host: a", Ok(Body::None)),
        ("a length", "Content-Length: 5", Ok(Body::Length(5))),
        ("the name in any case", "cOnTeNt-LeNgTh: 5", Ok(Body::Length(5))),
        ("a length of 0 is no body", "Content-Length: 0", Ok(Body::None)),
        ("zeros in front", "Content-Length: 007", Ok(Body::Length(7))),
        ("many zeros are no body", "Content-Length: 0000000000000000000000000", Ok(Body::None)),
        ("the largest length", "Content-Length: 18446744073709551615", Ok(Body::Length(u64::MAX))),
        ("[H3] 2^64", "Content-Length: 18446744073709551616", Err(LengthTooLarge)),
        ("[H3] a plus sign", "Content-Length: +5", Err(LengthMalformed)),
        ("[H3] a minus sign", "Content-Length: -1", Err(LengthMalformed)),
        ("[H3] a hexadecimal number", "Content-Length: 0x10", Err(LengthMalformed)),
        ("an empty length", "Content-Length:", Err(LengthMalformed)),
        ("a space inside", "Content-Length: 1 0", Err(LengthMalformed)),
        ("a tab inside", "Content-Length: 1\t0", Err(LengthMalformed)),
        ("a fraction", "Content-Length: 5.0", Err(LengthMalformed)),
        ("an underscore", "Content-Length: 1_0", Err(LengthMalformed)),
        ("digits that are not ASCII", "Content-Length: \u{665}", Err(LengthMalformed)),
        ("[H2] a list", "Content-Length: 0, 42", Err(LengthMalformed)),
        ("[H2] a list of equals", "Content-Length: 5, 5", Err(LengthMalformed)),
        ("[H2] a comma at the end", "Content-Length: 5,", Err(LengthMalformed)),
        ("[H2] two lines", "Content-Length: 0\nContent-Length: 42", Err(LengthRepeated)),
        ("[H2] two equal lines", "Content-Length: 5\ncontent-length: 5", Err(LengthRepeated)),
        ("[B3] chunked", "Transfer-Encoding: chunked", Ok(Body::Chunked)),
        ("chunked in any case", "transfer-encoding: CHUNKED", Ok(Body::Chunked)),
        ("chunked among empty elements", "Transfer-Encoding: , chunked ,", Ok(Body::Chunked)),
        ("chunked after an empty line", "Transfer-Encoding:\nTransfer-Encoding: chunked", Ok(Body::Chunked)),
        ("[H1] both fields", "Content-Length: 5\nTransfer-Encoding: chunked", Err(LengthAndCoding)),
        (
            "[H1] both fields, the other way round",
            "Transfer-Encoding: chunked\nContent-Length: 5",
            Err(LengthAndCoding),
        ),
        ("[H1] both fields, with a length of 0", "Content-Length: 0\nTransfer-Encoding: chunked", Err(LengthAndCoding)),
        ("[H1] both fields, both bad", "Content-Length: x\nTransfer-Encoding: y", Err(LengthAndCoding)),
        (
            "[H1] two lengths and a coding",
            "Content-Length: 5\nContent-Length: 5\nTransfer-Encoding: chunked",
            Err(LengthAndCoding),
        ),
        ("[H4] an empty list", "Transfer-Encoding:", Err(CodingNotChunked)),
        ("[H4] identity", "Transfer-Encoding: identity", Err(CodingNotChunked)),
        ("[H4] an unknown coding", "Transfer-Encoding: xchunked", Err(CodingNotChunked)),
        ("[H4] a known one that is not chunked", "Transfer-Encoding: gzip", Err(CodingNotChunked)),
        ("[H4] chunked is not the last", "Transfer-Encoding: chunked, gzip", Err(CodingNotChunked)),
        (
            "[H4] chunked is not the last, over two lines",
            "Transfer-Encoding: chunked\nTransfer-Encoding: identity",
            Err(CodingNotChunked),
        ),
        ("[H4] chunked with a parameter", "Transfer-Encoding: chunked;a=b", Err(CodingNotChunked)),
        ("[H4] chunked in quotes", "Transfer-Encoding: \"chunked\"", Err(CodingNotChunked)),
        ("[H4] two words", "Transfer-Encoding: x chunked", Err(CodingNotChunked)),
        ("[H4] chunked twice", "Transfer-Encoding: chunked, chunked", Err(ChunkedRepeated)),
        (
            "[H4] chunked twice, over two lines",
            "Transfer-Encoding: chunked\nTransfer-Encoding: Chunked",
            Err(ChunkedRepeated),
        ),
        ("[H4] chunked twice, with another between", "Transfer-Encoding: chunked, gzip, chunked", Err(ChunkedRepeated)),
        ("a coding before chunked", "Transfer-Encoding: gzip, chunked", Err(CodingUnknown)),
        (
            "a coding before chunked, over two lines",
            "Transfer-Encoding: x\nTransfer-Encoding: chunked",
            Err(CodingUnknown),
        ),
        ("identity before chunked", "Transfer-Encoding: identity, chunked", Err(CodingUnknown)),
        ("a field whose name only begins so", "Transfer-Encoding-X: x\nContent-Length2: y", Ok(Body::None)),
    ];
    for (name, text, expected) in rows {
        assert_eq!(body(Version::Http11, text), expected, "{name}");
    }
}

#[test]
fn the_length_of_the_body_in_http_1_0() {
    let rows = [
        ("neither field", "Host: a", Ok(Body::None)),
        ("a length", "Content-Length: 5", Ok(Body::Length(5))),
        ("a coding", "Transfer-Encoding: chunked", Err(BadRequest::CodingInHttp10)),
        ("both fields", "Transfer-Encoding: chunked\nContent-Length: 5", Err(BadRequest::LengthAndCoding)),
    ];
    for (name, text, expected) in rows {
        assert_eq!(body(Version::Http10, text), expected, "{name}");
    }
}

#[test]
fn the_connection_goes_on_as_the_version_and_the_connection_field_say() {
    use Persistence::{Close, KeepAlive};
    let rows = [
        ("no field", "Host: a", KeepAlive, Close),
        ("close", "Connection: close", Close, Close),
        ("keep-alive", "Connection: keep-alive", KeepAlive, KeepAlive),
        ("[H17] close in any case", "connection: CLOSE", Close, Close),
        ("[H17] keep-alive in any case", "Connection: Keep-Alive", KeepAlive, KeepAlive),
        ("[H17] white space around", "Connection:  close  ", Close, Close),
        ("[H17] empty elements are skipped", "Connection: TE,,Keep-Alive", KeepAlive, KeepAlive),
        ("[H17] an empty list", "Connection: ,,", KeepAlive, Close),
        ("close wins over keep-alive", "Connection: keep-alive, close", Close, Close),
        ("close wins over keep-alive on another line", "Connection: close\nConnection: keep-alive", Close, Close),
        ("a member of another name", "Connection: closed", KeepAlive, Close),
        ("another member that holds the word", "Connection: not close", KeepAlive, Close),
        ("[H23] an upgrade is not made", "Connection: upgrade\nUpgrade: h2c", KeepAlive, Close),
        ("another field", "Keep-Alive: timeout=5\nProxy-Connection: close", KeepAlive, Close),
    ];
    for (name, text, in_http_1_1, in_http_1_0) in rows {
        let (lines, method) = (lines(text), Method::Get);
        let persistence = |version| framing::persistence(method, version, &Fields::new(&lines), Body::None);
        assert_eq!(persistence(Version::Http11), in_http_1_1, "{name}");
        assert_eq!(persistence(Version::Http10), in_http_1_0, "{name}");
    }
}

#[test]
fn nothing_follows_a_body_or_a_connect() {
    let lines = lines("Connection: keep-alive");
    let fields = Fields::new(&lines);
    for version in [Version::Http10, Version::Http11] {
        for body in [Body::Length(1), Body::Chunked] {
            // [B1], for any method.
            for method in [Method::Get, Method::Head, Method::Post, Method::Unknown] {
                assert_eq!(framing::persistence(method, version, &fields, body), Persistence::Close);
            }
        }
        assert_eq!(framing::persistence(Method::Connect, version, &fields, Body::None), Persistence::Close);
        assert_eq!(framing::persistence(Method::Post, version, &fields, Body::None), Persistence::KeepAlive);
    }
}
