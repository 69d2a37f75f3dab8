//! Request heads. The ids in brackets are those of the catalogue of threats.

use std::collections::HashSet;

use httparse::Header;
use millpond::config::FIELD_LINES_MAX;
use millpond::http::bad_request::BadRequest;
use millpond::http::field::Fields;
use millpond::http::framing::{Body, Persistence};
use millpond::http::head::{HeadScan, Scanned};
use millpond::http::method::{Method, Version};
use millpond::http::request::{self, FieldStorage, RequestHead};
use millpond::http::target::{self, BadTarget, RequestTarget};

/// What there is to say about a stream that begins with a whole head: it is handed to a look at the head, if there is
/// one. None if it needs more bytes.
pub fn read<R>(stream: &[u8], look: impl FnOnce(RequestHead<'_>) -> R) -> Option<Result<R, BadRequest>> {
    match HeadScan::new().advance(stream) {
        Ok(Scanned::Partial) => None,
        Ok(Scanned::Complete { head_length }) => {
            Some(request::parse(&stream[..head_length], &mut FieldStorage::new()).map(look))
        }
        Err(bad) => Some(Err(bad)),
    }
}

fn verdict(stream: &[u8]) -> Result<(), BadRequest> {
    read(stream, |_| ()).expect("the stream has a whole head, or is refused before")
}

/// A head in HTTP/1.1 with a Host and these lines, each ended by CR LF.
fn with_fields(lines: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").into_bytes()
}

#[test]
fn a_head_is_read_into_what_it_means() {
    let stream =
        b"\r\nPOST /a%20b?c HTTP/1.1\r\nHost: h:80\r\nX-Empty:\r\nx-tab:\t a\tb \t\r\nContent-Length: 3\r\n\r\nabc";
    let lines = [
        Header { name: "Host", value: b"h:80" },
        Header { name: "X-Empty", value: b"" },
        Header { name: "x-tab", value: b"a\tb" },
        Header { name: "Content-Length", value: b"3" },
    ];
    let expected = RequestHead {
        method: Method::Post,
        target: target::parse(Method::Post, "/a%20b?c").unwrap(),
        version: Version::Http11,
        fields: Fields::new(&lines),
        body: Body::Length(3),
        persistence: Persistence::Close,
    };
    read(stream, |head| assert_eq!(head, expected)).unwrap().unwrap();
}

#[test]
fn a_small_head_is_read_into_what_it_means() {
    let expected = RequestHead {
        method: Method::Options,
        target: RequestTarget::Asterisk,
        version: Version::Http10,
        fields: Fields::new(&[]),
        body: Body::None,
        persistence: Persistence::Close,
    };
    read(b"OPTIONS * HTTP/1.0\r\n\r\n", |head| assert_eq!(head, expected)).unwrap().unwrap();
}

#[test]
fn methods_are_case_sensitive_tokens() {
    use Method::*;
    let long = "A".repeat(1024);
    let rows = [
        ("GET", Get),
        ("HEAD", Head),
        ("OPTIONS", Options),
        ("POST", Post),
        ("PUT", Put),
        ("PATCH", Patch),
        ("DELETE", Delete),
        ("TRACE", Trace),
        // [H19]
        ("get", Unknown),
        ("Get", Unknown),
        ("GETT", Unknown),
        ("GARBAGE", Unknown),
        ("PROPFIND", Unknown),
        ("!#$%&'*+-.^_`|~", Unknown),
        (&long, Unknown),
    ];
    for (token, method) in rows {
        let head = format!("{token} / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(read(head.as_bytes(), |head| head.method), Some(Ok(method)), "{token}");
    }
    assert_eq!(read(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", |head| head.method), Some(Ok(Connect)));
}

#[test]
fn a_request_line_is_a_method_a_target_and_a_version_with_one_space_between_each() {
    use BadRequest::*;
    let rows: [(&str, &[u8], BadRequest); 35] = [
        ("[H10] HTTP/0.9", b"GET /", RequestLine),
        ("[H10] HTTP/0.9 with a space", b"GET / ", VersionMalformed),
        ("a method alone", b"GET", RequestLine),
        ("two spaces after the method", b"GET  / HTTP/1.1", RequestLine),
        ("two spaces after the target", b"GET /  HTTP/1.1", RequestLine),
        ("a space at the end", b"GET / HTTP/1.1 ", RequestLine),
        ("a word at the end", b"GET / HTTP/1.1 x", RequestLine),
        ("a space in the target", b"GET /a b HTTP/1.1", RequestLine),
        ("no target", b"GET HTTP/1.1", RequestLine),
        ("a tab after the method", b"GET\t/ HTTP/1.1", RequestLine),
        ("a tab in front of the version", b"GET /\tHTTP/1.1", RequestLine),
        ("a method that is no token", b"G(T / HTTP/1.1", Method),
        ("a method with a byte that is not ASCII", b"G\xc4T / HTTP/1.1", Method),
        ("[H10] lower case", b"GET / http/1.1", VersionMalformed),
        ("[H10] one number", b"GET / HTTP/1", VersionMalformed),
        ("[H10] one number, of HTTP/2", b"GET / HTTP/2", VersionMalformed),
        ("[H10] one number and a dot", b"GET / HTTP/1.", VersionMalformed),
        ("[H10] two digits", b"GET / HTTP/1.10", VersionMalformed),
        ("[H10] zeros in front", b"GET / HTTP/01.1", VersionMalformed),
        ("[H10] another name", b"GET / HTCPCP/1.0", VersionMalformed),
        ("[H10] no slash", b"GET / HTTP1.1", VersionMalformed),
        ("[H10] letters", b"GET / HTTP/a.b", VersionMalformed),
        ("a tab at the end", b"GET / HTTP/1.1\t", VersionMalformed),
        ("a bare carriage return at the end", b"GET / HTTP/1.1\r", VersionMalformed),
        ("[H10] HTTP/2.0", b"GET / HTTP/2.0", VersionUnsupported),
        ("[H23] the preface of HTTP/2", b"PRI * HTTP/2.0", VersionUnsupported),
        ("[H10] HTTP/0.9, said so", b"GET / HTTP/0.9", VersionUnsupported),
        ("[H10] HTTP/1.2", b"GET / HTTP/1.2", VersionUnsupported),
        ("[H10] HTTP/3.0", b"GET / HTTP/3.0", VersionUnsupported),
        ("[H10] HTTP/2.0 with a bad target", b"GET /\xff HTTP/2.0", VersionUnsupported),
        ("a target with a control", b"GET /\x01 HTTP/1.1", Target(BadTarget::Byte)),
        ("a target with a bare carriage return", b"GET /\rx HTTP/1.1", Target(BadTarget::Byte)),
        ("a target with bytes that are not UTF-8", b"GET /\xff HTTP/1.1", Target(BadTarget::Byte)),
        ("a target with UTF-8", b"GET /\xc3\xa9 HTTP/1.1", Target(BadTarget::Byte)),
        ("[P15] a target with a fragment", b"GET /a#b HTTP/1.1", Target(BadTarget::Byte)),
    ];
    for (name, line, bad) in rows {
        assert_eq!(verdict(&[line, b"\r\nHost: a\r\n\r\n"].concat()), Err(bad), "{name}");
    }
}

#[test]
fn a_target_is_refused_as_the_target_says() {
    let rows = [
        ("[P14] neither a path nor a URI", "GET foo", BadTarget::Form),
        ("[P14] an asterisk is for OPTIONS", "GET *", BadTarget::Asterisk),
        ("[P14] above the root in a URI", "GET http://h/../x", BadTarget::AboveRoot),
        ("[P14] a path is not for CONNECT", "CONNECT /", BadTarget::Connect),
        ("[P7] NUL", "GET /%00", BadTarget::Nul),
        ("[P13] a bad escape", "GET /%zz", BadTarget::Escape),
    ];
    for (name, line, bad) in rows {
        let stream = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(verdict(stream.as_bytes()), Err(BadRequest::Target(bad)), "{name}");
    }
}

#[test]
fn a_field_line_is_a_name_a_colon_and_a_value() {
    use BadRequest::*;
    let rows = [
        ("an empty value", "X:\r\n", Ok(())),
        ("no white space after the colon", "X:y\r\n", Ok(())),
        ("tabs and spaces around the value", "X: \t y \t \r\n", Ok(())),
        ("a colon in the value", "X: a:b\r\n", Ok(())),
        ("every byte of a token in the name", "!#$%&'*+-.^_`|~09azAZ: y\r\n", Ok(())),
        ("UTF-8 in the value", "X: caf\u{e9}\r\n", Ok(())),
        ("[H16] the same field many times", &"X: y\r\n".repeat(50), Ok(())),
        ("[H7] a space before the colon", "Content-Length : 5\r\n", Err(FieldNameSpace)),
        ("[H7] a tab before the colon", "X\t: y\r\n", Err(FieldNameSpace)),
        ("[H7] a line that continues the one before", " y\r\n", Err(FieldFolded)),
        ("[H7] a line that continues the one before, with a tab", "\ty: z\r\n", Err(FieldFolded)),
        ("[H7] a space in front of a name", " X: y\r\n", Err(FieldFolded)),
        ("[H7] an empty name", ": y\r\n", Err(FieldName)),
        ("no colon", "X\r\n", Err(FieldName)),
        ("a space in the name", "X Y: z\r\n", Err(FieldName)),
        ("a byte in the name that is not ASCII", "caf\u{e9}: y\r\n", Err(FieldName)),
        ("NUL in the name", "X\0: y\r\n", Err(FieldName)),
        ("a carriage return in the name", "X\rY: z\r\n", Err(FieldName)),
        ("a delimiter in the name", "X(Y): z\r\n", Err(FieldName)),
        ("[H8] NUL", "X: a\0b\r\n", Err(FieldValue)),
        ("[H8] a bare carriage return", "X: a\rb\r\n", Err(FieldValue)),
        ("[H8] a bare carriage return at the end", "X: a\r\r\n", Err(FieldValue)),
        ("[H8] escape", "X: a\x1bb\r\n", Err(FieldValue)),
        ("[H8] delete", "X: a\x7fb\r\n", Err(FieldValue)),
        ("a vertical tab around a value", "Transfer-Encoding: \x0bchunked\r\n", Err(FieldValue)),
        ("a carriage return in front of a name", "\rX: y\r\n", Err(CarriageReturn)),
        ("a name at fault after a good line", "A: b\r\nX Y: z\r\n", Err(FieldName)),
    ];
    for (name, lines, expected) in rows {
        assert_eq!(verdict(&with_fields(lines)), expected, "{name}");
    }
    assert_eq!(verdict(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"), Err(FieldFolded), "white space before the first field");
}

/// httparse reads in steps of 8 to 32 bytes where the processor can: each byte is tried in each place of a step.
#[test]
fn every_byte_is_judged_alike_wherever_it_stands() {
    for byte in 0..=u8::MAX {
        let is_token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_value = byte == b'\t' || (byte >= b' ' && byte != 127);
        for place in 0..70 {
            let mut text = [b'a'; 70];
            text[place] = byte;
            if byte == b'\n' {
                continue;
            }
            let name = [b"GET / HTTP/1.1\r\nHost: a\r\n", text.as_slice(), b": y\r\n\r\n"].concat();
            // A colon in front of the end only makes the name shorter.
            assert_eq!(
                verdict(&name).is_ok(),
                is_token || (byte == b':' && place > 0),
                "{byte:#04x} at {place} of a name"
            );
            let value = [b"GET / HTTP/1.1\r\nHost: a\r\nX: ", text.as_slice(), b"\r\n\r\n"].concat();
            assert_eq!(verdict(&value).is_ok(), is_value, "{byte:#04x} at {place} of a value");
            let method = [text.as_slice(), b" / HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
            assert_eq!(verdict(&method).is_ok(), is_token, "{byte:#04x} at {place} of a method");
            let target = [b"GET /?", text.as_slice(), b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
            let is_target = (b'!'..=b'~').contains(&byte) && !b"\"#<>\\".contains(&byte);
            assert_eq!(verdict(&target).is_ok(), is_target, "{byte:#04x} at {place} of a target");
        }
    }
}

#[test]
fn there_may_be_so_many_field_lines_and_no_more() {
    let lines = |count: usize| with_fields(&"X: y\r\n".repeat(count - 1));
    assert_eq!(read(&lines(FIELD_LINES_MAX), |head| head.fields.iter().count()), Some(Ok(FIELD_LINES_MAX)));
    // [H11]
    assert_eq!(verdict(&lines(FIELD_LINES_MAX + 1)), Err(BadRequest::FieldLines));
    assert_eq!(verdict(&lines(2_000)), Err(BadRequest::FieldLines));
    assert_eq!(verdict(&lines(10_000)), Err(BadRequest::HeadTooLong));
}

#[test]
fn http_1_1_has_exactly_one_host_and_http_1_0_at_most_one() {
    use BadRequest::{HostMalformed, HostMissing, HostRepeated};
    let rows = [
        ("one", "Host: example.com:8080\r\n", Ok(()), Ok(())),
        ("an IPv6 address", "Host: [::1]:8080\r\n", Ok(()), Ok(())),
        ("the name in any case", "hOST: a\r\n", Ok(()), Ok(())),
        ("an empty one", "Host:\r\n", Ok(()), Ok(())),
        ("[H9] none", "X: y\r\n", Err(HostMissing), Ok(())),
        ("[H9] two", "Host: a\r\nHost: b\r\n", Err(HostRepeated), Err(HostRepeated)),
        ("[H9] two that are equal", "Host: a\r\nhost: a\r\n", Err(HostRepeated), Err(HostRepeated)),
        ("[H9] a list", "Host: a, b\r\n", Err(HostMalformed), Err(HostMalformed)),
        ("[H9] a path", "Host: a/../b\r\n", Err(HostMalformed), Err(HostMalformed)),
        ("[H9] a URI", "Host: http://a\r\n", Err(HostMalformed), Err(HostMalformed)),
        ("[H9] a user name", "Host: u@a\r\n", Err(HostMalformed), Err(HostMalformed)),
        ("[H9] a bad port", "Host: a:x\r\n", Err(HostMalformed), Err(HostMalformed)),
        ("[H9] a space", "Host: a b\r\n", Err(HostMalformed), Err(HostMalformed)),
    ];
    for (name, lines, in_http_1_1, in_http_1_0) in rows {
        for (version, expected) in [("1.1", in_http_1_1), ("1.0", in_http_1_0)] {
            let stream = format!("GET / HTTP/{version}\r\n{lines}\r\n");
            assert_eq!(verdict(stream.as_bytes()), expected, "{name}, HTTP/{version}");
        }
    }
    assert_eq!(verdict(b"GET http://a/ HTTP/1.1\r\n\r\n"), Err(HostMissing), "a URI does not excuse it");
    assert_eq!(verdict(b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"), Ok(()), "a URI takes its place");
}

#[test]
fn an_expectation_other_than_100_continue_fails() {
    let rows = [
        ("[B4] 100-continue", "Expect: 100-continue\r\n", Ok(())),
        ("in any case", "expect: 100-Continue\r\n", Ok(())),
        ("twice", "Expect: 100-continue, 100-continue\r\n", Ok(())),
        ("empty", "Expect:\r\n", Ok(())),
        ("another", "Expect: 200-ok\r\n", Err(BadRequest::Expectation)),
        ("another beside it", "Expect: 100-continue, x\r\n", Err(BadRequest::Expectation)),
        ("another on a second line", "Expect: 100-continue\r\nExpect: x=\"y\"\r\n", Err(BadRequest::Expectation)),
        ("a longer one", "Expect: 100-continued\r\n", Err(BadRequest::Expectation)),
    ];
    for (name, lines, expected) in rows {
        assert_eq!(verdict(&with_fields(lines)), expected, "{name}");
        let in_http_1_0 = format!("GET / HTTP/1.0\r\n{lines}\r\n");
        assert_eq!(verdict(in_http_1_0.as_bytes()), Ok(()), "{name}, HTTP/1.0");
    }
}

#[test]
fn the_first_fault_in_the_order_of_the_checks_is_the_one_that_is_named() {
    let all = "GET foo HTTP/1.1\r\nContent-Length: x\r\nExpect: y\r\n";
    let rows = [
        (format!("{all}X\r\n\r\n"), BadRequest::FieldName),
        (format!("{all}\r\n"), BadRequest::Target(BadTarget::Form)),
        (format!("{all}\r\n").replace("foo", "/"), BadRequest::HostMissing),
        (format!("{all}Host: a\r\n\r\n").replace("foo", "/"), BadRequest::LengthMalformed),
        (format!("{all}Host: a\r\n\r\n").replace("foo", "/").replace(": x", ": 0"), BadRequest::Expectation),
    ];
    for (stream, bad) in rows {
        assert_eq!(verdict(stream.as_bytes()), Err(bad), "{stream:?}");
    }
}

#[test]
fn what_is_not_one_head_is_refused() {
    let rows: [&[u8]; 6] = [
        b"",
        b"\r\n\r\n",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"GET / HTTP/1.0\r\n\r\nx",
        b"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    ];
    for head in rows {
        let verdict = request::parse(head, &mut FieldStorage::new()).map(|_| ());
        assert_eq!(verdict, Err(BadRequest::NotOneHead), "{:?}", str::from_utf8(head));
    }
}

/// Each variant once, with its status.
pub const EVERY: [(BadRequest, u16); 36] = [
    (BadRequest::FirstByte, 400),
    (BadRequest::EmptyLines, 400),
    (BadRequest::LineFeed, 400),
    (BadRequest::RequestLineTooLong, 414),
    (BadRequest::HeadTooLong, 431),
    (BadRequest::NotOneHead, 400),
    (BadRequest::RequestLine, 400),
    (BadRequest::Method, 400),
    (BadRequest::VersionMalformed, 400),
    (BadRequest::VersionUnsupported, 505),
    (BadRequest::CarriageReturn, 400),
    (BadRequest::FieldFolded, 400),
    (BadRequest::FieldNameSpace, 400),
    (BadRequest::FieldName, 400),
    (BadRequest::FieldValue, 400),
    (BadRequest::FieldLines, 431),
    (BadRequest::Target(BadTarget::Byte), 400),
    (BadRequest::Target(BadTarget::Form), 400),
    (BadRequest::Target(BadTarget::Asterisk), 400),
    (BadRequest::Target(BadTarget::Connect), 400),
    (BadRequest::Target(BadTarget::Authority), 400),
    (BadRequest::Target(BadTarget::Escape), 400),
    (BadRequest::Target(BadTarget::Nul), 400),
    (BadRequest::Target(BadTarget::AboveRoot), 400),
    (BadRequest::HostMissing, 400),
    (BadRequest::HostRepeated, 400),
    (BadRequest::HostMalformed, 400),
    (BadRequest::LengthAndCoding, 400),
    (BadRequest::CodingInHttp10, 400),
    (BadRequest::CodingNotChunked, 400),
    (BadRequest::ChunkedRepeated, 400),
    (BadRequest::CodingUnknown, 501),
    (BadRequest::LengthRepeated, 400),
    (BadRequest::LengthMalformed, 400),
    (BadRequest::LengthTooLarge, 400),
    (BadRequest::Expectation, 417),
];

#[test]
fn every_fault_has_its_status_and_a_text_of_its_own() {
    let mut texts = HashSet::new();
    for (bad, status) in EVERY {
        let text = bad.to_string();
        assert_eq!(bad.status().code(), status, "{bad:?}");
        assert!(!text.ends_with('.') && !text.contains("  ") && text.len() > 20, "{text}");
        assert!(text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()), "{text}");
        assert!(texts.insert(text), "{bad:?}");
    }
}
