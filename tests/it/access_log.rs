//! One line per response on stdout, that nobody can forge and nobody has to wait for.
//!
//! *Invariants:* rows G1, G2, G3, G6 and S9 of THREATS.md, promise 15. The formats are Apache's *common* and
//! *combined*.

use std::io::{Read, Write};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::load::{self, DOWNLOAD, Download, Latencies, Process, assert_took, plain_get};
use crate::support::{Client, PATIENCE, Server, Site, bare_command, get, rows, show};

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

// ---------------------------------------------------------------------------------------------------------- slow sinks

/// Enough lines, of about 1 KiB each, to fill a pipe (64 KiB) and any queue that is bounded with reason.
const FLOOD_REQUESTS: usize = 8_000;

fn flood(address: std::net::SocketAddr, requests: usize) {
    const PER_BATCH: usize = 100;
    let mut client = Client::connect_to(address);
    let batch = plain_get(&format!("/{}", "long".repeat(250))).repeat(PER_BATCH);
    for _ in 0..requests / PER_BATCH {
        client.send(&batch);
        for _ in 0..PER_BATCH {
            assert_eq!(client.response("GET").status, 404);
        }
    }
}

fn dropped_at_exit(stderr: &str) -> usize {
    let mut counted = stderr.lines().filter(|line| line.contains("dropped"));
    let last = counted.next_back().unwrap_or_else(|| panic!("nothing is said about dropped lines: {stderr:?}"));
    let digits = |word: &str| word.replace(',', "").parse::<usize>().ok();
    // The date of a diagnostic line is no word of digits alone.
    last.split_whitespace().find_map(digits).unwrap_or_else(|| panic!("no count in {last:?}"))
}

#[test]
fn a_blocked_stdout_slows_nobody_and_what_was_dropped_is_counted_and_said() {
    let _alone = load::alone();
    let site = site();
    let mut command = Server::command(site.root());
    command.args(["--workers", "1"]).stderr(Stdio::piped());
    let mut server = Process::start(command);
    let (address, since) = (server.address, Instant::now());
    flood(address, FLOOD_REQUESTS);
    let hello = plain_get("/hello.txt");
    let latencies = Latencies::kept(&mut Client::connect_to(address), &hello, 200);
    latencies.assert_within(Duration::from_millis(10), Duration::from_secs(1));
    let flooded_for = since.elapsed();

    let since = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::ZERO..Duration::from_secs(2));
    let (mut log, mut stderr) = (Vec::new(), String::new());
    server.stdout.take().expect("nobody took it").read_to_end(&mut log).expect("what is in the pipe");
    server.child.stderr.take().expect("stderr is piped").read_to_string(&mut stderr).expect("stderr is text");
    let warnings = stderr.lines().filter(|line| line.contains("dropped")).count();
    let warnings_max = usize::try_from(flooded_for.as_secs()).expect("a few seconds") + 4;
    assert!(warnings <= warnings_max, "{warnings} warnings in {flooded_for:?}, at most one a second");
    // The last line may have been cut by the exit. What was being written then is counted as dropped, though the pipe
    // took some of it: nobody is told less than was lost.
    let whole_lines = log.iter().filter(|byte| **byte == b'\n').count();
    let accounted = whole_lines + dropped_at_exit(&stderr);
    let sent = FLOOD_REQUESTS + 200;
    assert!((sent - 1..=sent + whole_lines).contains(&accounted), "{accounted} of {sent} lines: {stderr:?}");
}

#[test]
fn a_blocked_stderr_slows_nobody() {
    let _alone = load::alone();
    let site = site();
    let mut command = Server::command(site.root());
    // Everything that any module has to say, to a pipe that nobody reads.
    command.args(["--workers", "1", "--access-log", "off", "-v"]).env("RUST_LOG", "trace").stderr(Stdio::piped());
    let mut server = Process::start(command);
    let hello = plain_get("/hello.txt");
    for _ in 0..10 {
        let fresh = Latencies::of(200, || drop(Client::connect_to(server.address).ask(&hello)));
        fresh.assert_within(Duration::from_millis(20), Duration::from_secs(2));
    }
    let since = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert_took(since.elapsed(), Duration::ZERO..Duration::from_secs(2));
}

rows!(closed_output:
    a_closed_stdout_ends_nothing(true, false),
    a_closed_stderr_ends_nothing(false, true),
    closed_outputs_end_nothing(true, true),
);

/// `millpond | head -1` and the like.
fn closed_output(stdout: bool, stderr: bool) {
    let site = site();
    let mut command = Server::command(site.root());
    command.args(["--workers", "1", "-v"]).stderr(Stdio::piped());
    let mut server = Process::start(command);
    let mut diagnostics = server.child.stderr.take();
    if stdout {
        drop(server.stdout.take());
    }
    if stderr {
        drop(diagnostics.take());
    }
    let mut client = Client::connect_to(server.address);
    for _ in 0..100 {
        assert_eq!(client.ask(plain_get("/hello.txt")).content, b"hello, world\n");
    }
    // The log thread has met the closed pipe by now, or does so at the end at the latest.
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    let mut text = String::new();
    if let Some(mut diagnostics) = diagnostics {
        diagnostics.read_to_string(&mut text).expect("stderr is text");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn a_full_disk_ends_nothing() {
    let site = site();
    // The first line goes to a file that takes it; what follows would go to /dev/full, as after `exec >/dev/full`.
    let mut command = bare_command();
    command.args(["--port", "0", "--workers", "1"]).arg(site.root()).stdin(Stdio::null()).stderr(Stdio::piped());
    command.stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").expect("every Linux has /dev/full"));
    let mut child = command.spawn().expect("the server's binary starts");
    let mut stderr = child.stderr.take().expect("stderr is piped");
    // Whether it serves on, or says that it could not say where: it does not panic, and it does not hang.
    load::wait_until(PATIENCE, "it has ended, or can be ended", || {
        child.try_wait().expect("our own child").is_some() || handles_sigterm(child.id())
    });
    let pid = rustix::process::Pid::from_child(&child);
    // It fails only if it has ended.
    let _ = rustix::process::kill_process(pid, Signal::TERM);
    let code = child.wait().expect("our own child").code();
    let mut text = String::new();
    stderr.read_to_string(&mut text).expect("stderr is text");
    assert!(matches!(code, Some(0 | 1)) && !text.contains("panicked"), "{code:?}: {text}");
}

/// Whether a SIGTERM would find a handler of its own (proc_pid_status(5): a mask in hexadecimal, the lowest bit for
/// signal 1).
fn handles_sigterm(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
    let mask = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    mask >> (Signal::TERM.as_raw() - 1) & 1 == 1
}
