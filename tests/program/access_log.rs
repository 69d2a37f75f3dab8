//! What a line of the access log says, and that no client can forge one.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millpond::http::status::Status;
use millpond::observe::access_log::{COPIED_BYTES_MAX, Entry, Format, Outcome, render_outcome};
use millpond::observe::json_line;
use proptest::prelude::*;

/// 1994-11-06 08:49:37 UTC, the date of the RFCs.
fn received() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

fn entry<'e>(request_line: &'e [u8]) -> Entry<'e> {
    let client = Some(IpAddr::from([127, 0, 0, 1]));
    Entry { client, received: received(), request_line, referer: None, user_agent: None }
}

fn before(entry: &Entry<'_>) -> String {
    let mut out = Vec::new();
    entry.render_before(&mut out);
    String::from_utf8(out).expect("ASCII")
}

fn after(entry: &Entry<'_>, format: Format) -> String {
    let mut out = Vec::new();
    entry.render_after(format, &mut out);
    String::from_utf8(out).expect("ASCII")
}

fn request_line(line: &[u8]) -> String {
    let before = before(&entry(line));
    before
        .strip_prefix("127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] ")
        .and_then(|line| line.strip_suffix(' '))
        .expect("the rest of the line is always the same")
        .to_owned()
}

#[test]
fn a_line_is_its_three_pieces_in_order() {
    let referer = Some(b"http://a/".as_slice());
    let whole = Entry { referer, user_agent: Some(b"curl/8"), ..entry(b"GET /a HTTP/1.1") };
    for (format, line) in [
        (Format::Common, "127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a HTTP/1.1\" 200 1234\n"),
        (
            Format::Combined,
            "127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a HTTP/1.1\" 200 1234 \"http://a/\" \"curl/8\"\n",
        ),
    ] {
        let mut out = Vec::new();
        whole.render_before(&mut out);
        render_outcome(200, 1234, &mut out);
        whole.render_after(format, &mut out);
        assert_eq!(String::from_utf8(out).expect("ASCII"), line);
    }
}

/// A whole line of JSON, as it is and as whoever reads it has it.
fn json(entry: &Entry<'_>) -> (String, serde_json::Value) {
    let mut out = Vec::new();
    json_line::render_before(entry, &mut out);
    let took = Duration::from_micros(1_002_003);
    json_line::render_outcome(&Outcome { status: Status::OK, content_bytes: 1234, took }, &mut out);
    entry.render_after(Format::Json, &mut out);
    let line = String::from_utf8(out).expect("ASCII");
    let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    (line, value)
}

#[test]
fn a_line_of_json_is_one_object() {
    let referer = Some(b"http://a/?secret".as_slice());
    let whole = Entry { referer, user_agent: Some(b"curl \"8\""), ..entry(b"GET /a?secret HTTP/1.1") };
    let line = r#"{"time":"1994-11-06T08:49:37.000Z","client":"127.0.0.1","request":"GET /a HTTP/1.1","referer":"http://a/","user_agent":"curl \"8\"","status":200,"bytes":1234,"seconds":1.002003}"#;
    assert_eq!(json(&whole).0, format!("{line}\n"));
    let bare = Entry { client: None, received: received() + Duration::from_millis(7), ..entry(b"") };
    let line = r#"{"time":"1994-11-06T08:49:37.007Z","client":"unix:","request":"","referer":null,"user_agent":null,"status":200,"bytes":1234,"seconds":1.002003}"#;
    assert_eq!(json(&bare).0, format!("{line}\n"));
}

#[test]
fn every_byte_from_outside_is_the_character_of_its_number_in_json() {
    for byte in 0..=255_u8 {
        let agent = [b'a', byte, b'b'];
        let (line, value) = json(&Entry { user_agent: Some(&agent), ..entry(b"") });
        assert_eq!(value["user_agent"].as_str(), Some(format!("a{}b", char::from(byte)).as_str()), "{byte:#04x}");
        let (end, text) = line.as_bytes().split_last().expect("a line");
        assert!(*end == b'\n' && text.iter().all(|byte| (b' '..=b'~').contains(byte)), "{line:?}");
    }
}

#[test]
fn what_is_copied_into_json_is_bounded() {
    let long = vec![b'a'; COPIED_BYTES_MAX + 1];
    let (_, value) = json(&Entry { referer: Some(&long), user_agent: Some(&long), ..entry(&long) });
    for name in ["request", "referer", "user_agent"] {
        assert_eq!(value[name].as_str().map(str::len), Some(COPIED_BYTES_MAX), "{name}");
    }
}

#[test]
fn a_password_in_a_target_is_not_logged() {
    let rows = [
        ("in a URI", "GET http://user:secret@h/a HTTP/1.1", "GET http://@h/a HTTP/1.1"),
        ("with an @ in it", "GET http://user:se@cret@h HTTP/1.1", "GET http://@h HTTP/1.1"),
        ("before a query", "GET http://user:secret@h?a HTTP/1.1", "GET http://@h HTTP/1.1"),
        ("none", "GET http://h/a@b HTTP/1.1", "GET http://h/a@b HTTP/1.1"),
        ("a path that looks like it", "GET /http://a@b HTTP/1.1", "GET /http://a@b HTTP/1.1"),
    ];
    for (name, line, logged) in rows {
        assert_eq!(request_line(line.as_bytes()), format!("\"{logged}\""), "{name}");
    }
}

#[test]
fn an_outcome_is_the_status_and_the_bytes_of_content() {
    for (status, content_bytes, text) in
        [(200, 1, "200 1"), (304, 0, "304 -"), (206, u64::MAX, "206 18446744073709551615")]
    {
        let mut out = Vec::new();
        render_outcome(status, content_bytes, &mut out);
        assert_eq!(String::from_utf8(out).expect("ASCII"), text);
    }
}

#[test]
fn a_peer_is_shown_in_its_own_family() {
    for (peer, shown) in
        [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("::1", "::1"), ("2001:db8::1", "2001:db8::1")]
    {
        let client = Some(peer.parse().expect("an address"));
        assert_eq!(
            before(&Entry { client, ..entry(b"GET / HTTP/1.1") }),
            format!("{shown} - - [06/Nov/1994:08:49:37 +0000] \"GET / HTTP/1.1\" ")
        );
    }
}

#[test]
fn any_clock_has_a_date() {
    let second = Duration::from_secs(1);
    let year_10000 = UNIX_EPOCH + Duration::from_secs(253_402_300_800);
    for (time, date) in [
        (received(), "06/Nov/1994:08:49:37 +0000"),
        (received() + Duration::from_nanos(999_999_999), "06/Nov/1994:08:49:37 +0000"),
        (UNIX_EPOCH, "01/Jan/1970:00:00:00 +0000"),
        (UNIX_EPOCH + Duration::from_secs(951_782_400), "29/Feb/2000:00:00:00 +0000"),
        (UNIX_EPOCH - second, "01/Jan/1970:00:00:00 +0000"),
        (UNIX_EPOCH - second * u32::MAX, "01/Jan/1970:00:00:00 +0000"),
        (year_10000 - Duration::from_nanos(1), "31/Dec/9999:23:59:59 +0000"),
        (year_10000, "31/Dec/9999:23:59:59 +0000"),
        (year_10000 + second * u32::MAX, "31/Dec/9999:23:59:59 +0000"),
    ] {
        let line = before(&Entry { received: time, ..entry(b"GET / HTTP/1.1") });
        assert_eq!(line, format!("127.0.0.1 - - [{date}] \"GET / HTTP/1.1\" "));
    }
}

#[test]
fn every_byte_from_outside_is_shown_as_itself_or_escaped() {
    for byte in 0..=255_u8 {
        let shown = match byte {
            b'"' => "\\\"".to_owned(),
            b'\\' => "\\\\".to_owned(),
            0..0x20 | 0x7f.. => format!("\\x{byte:02x}"),
            _ => char::from(byte).to_string(),
        };
        let text = [b'a', byte, b'b'];
        let agent = Entry { user_agent: Some(&text), ..entry(b"") };
        assert_eq!(after(&agent, Format::Combined), format!(" \"-\" \"a{shown}b\"\n"), "{byte:#04x} in an agent");
        if byte == b'?' {
            continue; // Where a query begins, and not part of a path or of what is shown of a referer.
        }
        assert_eq!(request_line(&text), format!("\"a{shown}b\""), "{byte:#04x} in a request line");
        if byte == b'#' {
            continue; // Where a fragment begins.
        }
        let referer = Entry { referer: Some(&text), ..entry(b"") };
        assert_eq!(after(&referer, Format::Combined), format!(" \"a{shown}b\" \"-\"\n"), "{byte:#04x} in a referer");
    }
}

#[test]
fn a_query_is_not_logged_wherever_it_ends() {
    for (line, shown) in [
        ("GET /a?token=secret HTTP/1.1", "\"GET /a HTTP/1.1\""),
        ("GET /a? HTTP/1.0", "\"GET /a HTTP/1.0\""),
        ("GET /? HTTP/1.1", "\"GET / HTTP/1.1\""),
        ("GET /a?b?c HTTP/1.1", "\"GET /a HTTP/1.1\""),
        ("GET /a?token=sec ret HTTP/1.1", "\"GET /a HTTP/1.1\""),
        ("GET /a?token=sec HTTP/1.1 ret HTTP/1.1", "\"GET /a HTTP/1.1\""),
        ("GET /a?token=sec ret", "\"GET /a\""),
        ("GET /a?token=secret", "\"GET /a\""),
        ("GET http://h/a?token=secret HTTP/1.1", "\"GET http://h/a HTTP/1.1\""),
        ("?", "\"-\""),
        ("", "\"-\""),
        ("-", "\"-\""),
        ("GET /a HTTP/1.1", "\"GET /a HTTP/1.1\""),
        ("GET /a%3Fb HTTP/1.1", "\"GET /a%3Fb HTTP/1.1\""),
    ] {
        assert_eq!(request_line(line.as_bytes()), shown, "{line:?}");
    }
}

#[test]
fn a_referer_loses_its_query_and_its_fragment() {
    for (referer, shown) in [
        ("http://a/b?token=secret", "http://a/b"),
        ("http://a/b#secret", "http://a/b"),
        ("http://a/b#x?secret", "http://a/b"),
        ("?secret", "-"),
        ("", "-"),
        ("http://a/b", "http://a/b"),
    ] {
        let entry = Entry { referer: Some(referer.as_bytes()), ..entry(b"") };
        assert_eq!(after(&entry, Format::Combined), format!(" \"{shown}\" \"-\"\n"), "{referer:?}");
    }
}

#[test]
fn what_is_copied_from_outside_is_bounded() {
    let long = vec![b'a'; COPIED_BYTES_MAX + 1];
    let most = "a".repeat(COPIED_BYTES_MAX);
    assert_eq!(request_line(&long), format!("\"{most}\""));
    let entry = Entry { referer: Some(&long), user_agent: Some(&long), ..entry(b"") };
    assert_eq!(after(&entry, Format::Combined), format!(" \"{most}\" \"{most}\"\n"));

    let version = [b"/? HTTP/".as_slice(), &long].concat();
    assert_eq!(request_line(&version), format!("\"/ HTTP/{}\"", "a".repeat(COPIED_BYTES_MAX - " HTTP/".len())));
}

/// Takes the escapes of a quoted string back.
fn unescape(shown: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = shown.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after.first()) {
            (b'\\', Some(b'x')) => {
                let digits = std::str::from_utf8(&after[1..3]).expect("two digits");
                bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal"));
                rest = &after[3..];
            }
            (b'\\', Some(byte)) => {
                bytes.push(*byte);
                rest = &after[1..];
            }
            (byte, _) => bytes.push(*byte),
        }
    }
    bytes
}

proptest! {
    #[test]
    fn no_input_breaks_a_line_of_json(
        line in proptest::collection::vec(any::<u8>(), 0..200),
        referer in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
        agent in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
    ) {
        let (line, value) = json(&Entry { referer: referer.as_deref(), user_agent: agent.as_deref(), ..entry(&line) });
        prop_assert_eq!(line.matches('\n').count(), 1);
        let shown = value["user_agent"].as_str().map(|text| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect());
        prop_assert_eq!(shown, agent);
    }

    #[test]
    fn no_input_puts_a_control_byte_or_a_second_line_into_the_log(
        line in proptest::collection::vec(any::<u8>(), 0..200),
        referer in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
        agent in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
        seconds in any::<u32>(),
    ) {
        let received = UNIX_EPOCH + Duration::from_secs(u64::from(seconds)) * 60;
        let entry = Entry { received, referer: referer.as_deref(), user_agent: agent.as_deref(), ..entry(&line) };
        let mut out = Vec::new();
        entry.render_before(&mut out);
        render_outcome(200, 1, &mut out);
        entry.render_after(Format::Combined, &mut out);
        let (end, text) = out.split_last().expect("a line");
        prop_assert_eq!(*end, b'\n');
        prop_assert!(text.iter().all(|byte| (b' '..=b'~').contains(byte)));
        // Quotation marks that quote: an even backslash count before them. Always six, whatever the client sent.
        let mut escaped = false;
        let quotes = text.iter().filter(|byte| {
            let quotes = **byte == b'"' && !escaped;
            escaped = **byte == b'\\' && !escaped;
            quotes
        });
        prop_assert_eq!(quotes.count(), 6);
    }

    #[test]
    fn what_is_shown_of_an_agent_says_exactly_what_it_was(agent in proptest::collection::vec(any::<u8>(), 1..300)) {
        let entry = Entry { user_agent: Some(&agent), ..entry(b"") };
        let shown = after(&entry, Format::Combined);
        let shown = shown.strip_prefix(" \"-\" \"").and_then(|shown| shown.strip_suffix("\"\n")).expect("quoted");
        prop_assert_eq!(unescape(shown), agent);
    }
}
