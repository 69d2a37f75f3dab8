//! One line per response on stdout, that nobody can forge.
//!
//! *Invariants:* rows G1, G2 and G6 of threats.md, promise 15; that nobody has to wait for it is in [`sinks`](crate::sinks). The formats are Apache's *common* and
//! *combined*.

use std::io::Write;
use std::thread;

use rustix::process::Signal;

use crate::load::{self, DOWNLOAD, Download, plain_get};
use crate::support::{Client, PATIENCE, Server, Site, get, rows, show};

fn site() -> Site {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n").file("download.bin", DOWNLOAD.as_slice()).directory("dir");
    site
}

/// All lines behind the first one, once the server has ended.
fn lines_to_end(mut server: Server) -> Vec<String> {
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    let stdout = server.stdout_to_end();
    let printable = |byte: &u8| *byte == b'\n' || (0x20..0x7f).contains(byte);
    assert!(stdout.iter().all(printable), "a byte on stdout that is not printable ASCII: {}", show(&stdout));
    let text = String::from_utf8(stdout).expect("ASCII is UTF-8");
    assert!(text.ends_with('\n'), "the last line is whole");
    text.lines().skip(1).map(str::to_owned).collect()
}

/// The line with `[date]` for its date, which must have the shape `[23/Nov/2025:03:27:11 +0000]`.
fn without_date(line: &str) -> String {
    let (before, rest) = line.split_once('[').unwrap_or_else(|| panic!("no date in {line:?}"));
    let (date, after) = rest.split_once(']').unwrap_or_else(|| panic!("no end of the date in {line:?}"));
    let shape: String = date.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    assert!(months.iter().any(|month| shape == format!("00/{month}/0000:00:00:00 +0000")), "the date is {date:?}");
    format!("{before}[date]{after}")
}

// ------------------------------------------------------------------------------------------------------------- formats

rows!(common:
    a_get(get("/hello.txt", ""), r#"127.0.0.1 - - [date] "GET /hello.txt HTTP/1.1" 200 13"#),
    head_has_no_bytes(
        "HEAD /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        r#"127.0.0.1 - - [date] "HEAD /hello.txt HTTP/1.1" 200 -"#,
    ),
    a_range_has_its_own_length(
        get("/hello.txt", "Range: bytes=2-5\r\n"),
        r#"127.0.0.1 - - [date] "GET /hello.txt HTTP/1.1" 206 4"#,
    ),
    no_content_is_a_dash("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", r#"127.0.0.1 - - [date] "OPTIONS * HTTP/1.1" 204 -"#),
    http_1_0_says_so("GET /hello.txt HTTP/1.0\r\n\r\n", r#"127.0.0.1 - - [date] "GET /hello.txt HTTP/1.0" 200 13"#),
    credentials_are_not_logged(
        get("/hello.txt", "Authorization: Basic c2VjcmV0\r\nCookie: secret\r\n"),
        r#"127.0.0.1 - - [date] "GET /hello.txt HTTP/1.1" 200 13"#,
    ),
    the_target_stays_as_it_was_written(
        get("/%68ello.txt", ""),
        r#"127.0.0.1 - - [date] "GET /%68ello.txt HTTP/1.1" 200 13"#,
    ),
    an_encoded_line_end_stays_encoded(get("/%0a%1b", ""), r#"127.0.0.1 - - [date] "GET /%0a%1b HTTP/1.1" 404 "#),
    an_error_is_logged(
        "POST /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n",
        r#"127.0.0.1 - - [date] "POST /hello.txt HTTP/1.1" 405 "#,
    ),
);

/// The whole line; an expected line that ends in a space leaves the size of an error's small body to the server.
fn common(request: impl AsRef<[u8]>, expected: &str) {
    let site = site();
    let server = Server::start(site.root(), &["--bind", "127.0.0.1"]);
    let method = String::from_utf8_lossy(request.as_ref()).split(' ').next().unwrap_or_default().to_owned();
    let mut client = Client::connect(&server);
    client.send(request);
    let content = client.response(&method).content.len();
    drop(client);
    let expected = if expected.ends_with(' ') { format!("{expected}{content}") } else { expected.to_owned() };
    let lines: Vec<String> = lines_to_end(server).iter().map(|line| without_date(line)).collect();
    assert_eq!(lines, [expected]);
}

rows!(combined:
    combined_adds_referer_and_user_agent(
        "Referer: http://a.test/\r\nUser-Agent: duck/1.0 (pond)\r\n",
        r#"127.0.0.1 - - [date] "GET /hello.txt HTTP/1.1" 200 13 "http://a.test/" "duck/1.0 (pond)""#,
    ),
    combined_has_dashes_for_what_was_not_sent("", r#"127.0.0.1 - - [date] "GET /hello.txt HTTP/1.1" 200 13 "-" "-""#),
    combined_still_logs_no_credentials(
        "Authorization: Basic c2VjcmV0\r\nCookie: secret\r\nUser-Agent: duck\r\n",
        r#"127.0.0.1 - - [date] "GET /hello.txt HTTP/1.1" 200 13 "-" "duck""#,
    ),
);

fn combined(fields: &str, expected: &str) {
    let site = site();
    let server = Server::start(site.root(), &["--access-log", "combined"]);
    Client::connect(&server).ask(get("/hello.txt", fields));
    let lines: Vec<String> = lines_to_end(server).iter().map(|line| without_date(line)).collect();
    assert_eq!(lines, [expected]);
}

#[test]
fn a_line_of_json_says_what_a_combined_one_does_and_how_long_it_took() {
    let site = site();
    let server = Server::start(site.root(), &["--access-log", "json"]);
    let mut client = Client::connect(&server);
    client.ask(get("/hello.txt?secret", "Referer: http://a.test/\r\nUser-Agent: du\"ck\r\n"));
    client.send(b"nonsense\r\n\r\n");
    client.response("GET");
    drop(client);
    let lines = lines_to_end(server);
    let [hello, nonsense] = lines.as_slice() else { panic!("{lines:?}") };
    let (hello, nonsense): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(hello).expect("JSON"), serde_json::from_str(nonsense).expect("JSON"));
    for (name, value) in [
        ("client", serde_json::json!("127.0.0.1")),
        ("request", "GET /hello.txt HTTP/1.1".into()),
        ("status", 200.into()),
        ("bytes", 13.into()),
        ("referer", "http://a.test/".into()),
        ("user_agent", "du\"ck".into()),
    ] {
        assert_eq!(hello[name], value, "{name}");
    }
    assert!(hello["seconds"].as_f64().is_some_and(|seconds| (0.0..1.0).contains(&seconds)), "{hello}");
    assert!(hello["time"].as_str().is_some_and(|time| time.len() == 24 && time.ends_with('Z')), "{hello}");
    assert_eq!((&nonsense["status"], &nonsense["request"]), (&400.into(), &"nonsense".into()));
    assert_eq!(nonsense["user_agent"], serde_json::Value::Null);
}

// ------------------------------------------------------------------------------------------------------------- proxies

rows!(proxied:
    a_trusted_proxy_names_its_client(&["--trusted-proxy", "127.0.0.0/8"], "X-Forwarded-For: 6.6.6.6, 192.0.2.1", "192.0.2.1"),
    a_trusted_proxy_names_it_by_the_standard(&["--trusted-proxy", "127.0.0.1"], "Forwarded: for=192.0.2.1", "192.0.2.1"),
    behind_several_it_is_the_last_that_is_none(
        &["--trusted-proxy", "127.0.0.1,10.0.0.0/8"], "X-Forwarded-For: 192.0.2.1, 10.0.0.3", "192.0.2.1",
    ),
    what_a_proxy_garbles_is_not_believed(&["--trusted-proxy", "127.0.0.1"], "X-Forwarded-For: 192.0.2.1, -", "127.0.0.1"),
    two_fields_that_disagree_are_not_believed(
        &["--trusted-proxy", "127.0.0.1"], "Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 192.0.2.1", "127.0.0.1",
    ),
    nobody_else_is_believed(&["--trusted-proxy", "10.0.0.0/8"], "X-Forwarded-For: 6.6.6.6", "127.0.0.1"),
    without_the_option_nobody_is(&[], "Forwarded: for=6.6.6.6", "127.0.0.1"),
);

fn proxied(args: &[&str], field: &str, named: &str) {
    let site = site();
    let server = Server::start(site.root(), args);
    Client::connect(&server).ask(get("/hello.txt", &format!("{field}\r\n")));
    let lines: Vec<String> = lines_to_end(server).iter().map(|line| without_date(line)).collect();
    assert_eq!(lines, [format!(r#"{named} - - [date] "GET /hello.txt HTTP/1.1" 200 13"#)]);
}

#[test]
fn a_304_is_logged_without_bytes() {
    let site = site();
    site.settle();
    let server = Server::start(site.root(), &[]);
    let mut client = Client::connect(&server);
    let etag = client.ask(plain_get("/hello.txt")).field("etag");
    assert_eq!(client.ask(get("/hello.txt", &format!("If-None-Match: {etag}\r\n"))).status, 304);
    drop(client);
    let lines: Vec<String> = lines_to_end(server).iter().map(|line| without_date(line)).collect();
    let expected = [
        r#"127.0.0.1 - - [date] "GET /hello.txt HTTP/1.1" 200 13"#,
        r#"127.0.0.1 - - [date] "GET /hello.txt HTTP/1.1" 304 -"#,
    ];
    assert_eq!(lines, expected);
}

#[test]
fn an_aborted_download_is_logged_with_the_bytes_that_moved() {
    let site = site();
    let server = Server::start(site.root(), &[]);
    let mut download = Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    download.read_to(100_000);
    load::will_abort(download.stream());
    drop(download);
    let line = server.wait_for_stdout_line(PATIENCE, |line| line.contains("/download.bin"));
    let line = without_date(&line);
    let moved = line
        .strip_prefix(r#"127.0.0.1 - - [date] "GET /download.bin HTTP/1.1" 200 "#)
        .unwrap_or_else(|| panic!("{line:?}"));
    let moved: usize = moved.parse().expect("a number of bytes");
    assert!(
        (100_000..DOWNLOAD.len()).contains(&moved),
        "{moved} bytes of {}, of which 100,000 were read",
        DOWNLOAD.len()
    );
}

#[test]
fn a_whole_download_is_logged_once_and_with_all_its_bytes() {
    let site = site();
    let server = Server::start(site.root(), &[]);
    drop(Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD).finish());
    let expected = format!(r#"127.0.0.1 - - [date] "GET /download.bin HTTP/1.1" 200 {}"#, DOWNLOAD.len());
    let lines: Vec<String> = lines_to_end(server).iter().map(|line| without_date(line)).collect();
    assert_eq!(lines, [expected]);
}

#[test]
fn a_head_that_timed_out_is_logged_as_408() {
    let site = site();
    let server = Server::start(site.root(), &["--head-timeout", "100ms"]);
    let mut client = Client::connect(&server);
    client.send("GET /hello.txt HTTP/1.1\r\nHo");
    assert_eq!(client.response("GET").status, 408);
    drop(client);
    let lines = lines_to_end(server);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let line = without_date(line);
    assert!(line.starts_with(r#"127.0.0.1 - - [date] ""#) && line.contains(r#"" 408 "#), "{line:?}");
}

rows!(nothing_but_the_first_line:
    off_logs_nothing(&["--access-log", "off"]),
    off_logs_nothing_with_quiet(&["--access-log", "off", "--quiet"]),
);

fn nothing_but_the_first_line(args: &[&str]) {
    let site = site();
    let server = Server::start(site.root(), args);
    Client::connect(&server).ask(plain_get("/hello.txt"));
    Client::connect(&server).ask(plain_get("/none"));
    assert_eq!(lines_to_end(server), Vec::<String>::new());
}

#[test]
fn a_thousand_pipelined_requests_are_a_thousand_lines_in_order() {
    let site = site();
    let server = Server::start(site.root(), &[]);
    let mut client = Client::connect(&server);
    let mut writing = client.stream().try_clone().expect("a socket can be shared");
    let requests: String = (0..1_000).map(|index| plain_get(&format!("/{index}"))).collect();
    let writer = thread::spawn(move || writing.write_all(requests.as_bytes()).expect("the server takes requests"));
    for _ in 0..1_000 {
        assert_eq!(client.response("GET").status, 404);
    }
    writer.join().expect("all requests were sent");
    drop(client);
    let lines = lines_to_end(server);
    assert_eq!(lines.len(), 1_000);
    for (index, line) in lines.iter().enumerate() {
        assert!(line.contains(&format!("\"GET /{index} HTTP/1.1\" 404 ")), "line {index}: {line:?}");
    }
}

// ------------------------------------------------------------------------------------------------------------- forgery

rows!(hostile:
    a_line_feed_in_a_target(b"GET /a\nb HTTP/1.1\r\nHost: a\r\n\r\n"),
    an_escape_sequence_in_a_target(b"GET /\x1b[2J HTTP/1.1\r\nHost: a\r\n\r\n"),
    a_byte_above_ascii_in_a_target(b"GET /\xff\x9b HTTP/1.1\r\nHost: a\r\n\r\n"),
    a_quote_in_a_target(b"GET /\" 200 13 \"x HTTP/1.1\r\nHost: a\r\n\r\n"),
    a_quote_in_a_user_agent(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: a\" \"b\r\n\r\n"),
    a_backslash_before_the_end_of_a_user_agent(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: a\\\r\n\r\n"),
    an_escape_sequence_in_a_user_agent(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: a\x1b]0;pwned\x07\r\n\r\n"),
    bytes_above_ascii_in_a_user_agent(
        b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \x9b2J caf\xe9 \xf0\x9f\xa6\x86\r\n\r\n",
    ),
    a_tab_in_a_referer(b"GET / HTTP/1.1\r\nHost: a\r\nReferer: a\tb\r\n\r\n"),
    a_carriage_return_in_a_referer(b"GET / HTTP/1.1\r\nHost: a\r\nReferer: a\rb\r\n\r\n"),
    a_nul_in_a_referer(b"GET / HTTP/1.1\r\nHost: a\r\nReferer: a\0b\r\n\r\n"),
    a_method_of_noise(b"\x01\x02\"\x03 / HTTP/1.1\r\nHost: a\r\n\r\n"),
    a_tls_client_hello(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    a_quote_in_a_method(b"G\"ET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    a_target_of_16_kib(&[b"GET /\x7f".as_slice(), &[b'"'; 16_000], b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat()),
);

/// One response, one line, of printable ASCII only (see [`lines_to_end`]), in which the quotes still say what is what.
fn hostile(request: &[u8]) {
    let site = site();
    let server = Server::start(site.root(), &["--access-log", "combined"]);
    let mut client = Client::connect(&server);
    client.send(request);
    client.finish_sending();
    let status = client.response("GET").status.to_string();
    drop(client);
    let lines = lines_to_end(server);
    let [line] = lines.as_slice() else { panic!("not one line: {lines:?}") };
    let line = without_date(line);
    let rest = line.strip_prefix("127.0.0.1 - - [date] ").unwrap_or_else(|| panic!("{line:?}"));
    let (_, rest) = quoted(rest);
    let (status_and_bytes, rest) = rest
        .trim_start()
        .split_once(' ')
        .and_then(|(status, rest)| {
            let (bytes, rest) = rest.split_once(' ')?;
            Some(((status, bytes), rest))
        })
        .unwrap_or_else(|| panic!("{line:?}"));
    assert_eq!(status_and_bytes.0, status);
    let (_, rest) = quoted(rest);
    let (_, rest) = quoted(rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line:?}")));
    assert_eq!(rest, "", "something behind the last quote: {line:?}");
}

/// Cuts the text behind the quoted string that it begins with, in which a backslash escapes the next byte.
fn quoted(text: &str) -> (&str, &str) {
    let inner = text.strip_prefix('"').unwrap_or_else(|| panic!("no quote at the start of {text:?}"));
    let mut escaped = false;
    for (index, letter) in inner.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return (&inner[..index], &inner[index + 1..]),
            _ => {}
        }
    }
    panic!("no end of the quoted {text:?}")
}
