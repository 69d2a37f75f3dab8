//! The clients that people really use, and what the kernel sees of a request.
//!
//! *Invariants:* a tool that is missing is said to be (`skipped: no curl`), and fails the test where
//! `MILLPOND_TESTS_MUST_NOT_SKIP=1`. The system calls are counted by strace: at most eight for a warm 1 KiB GET, and
//! nothing but `sendfile` and waiting between the head and the end of a large response.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::load::{self, DOWNLOAD, plain_get, program, skips};
use crate::strace::{self, name};
use crate::support::{Client, PATIENCE, Server, Site, patterned, rows};

fn site() -> Site {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n").file("1k.bin", patterned(1_024)).file("download.bin", DOWNLOAD.as_slice());
    site
}

/// Runs a tool to its end.
fn run(tool: &str, args: &[&str], directory: &Path) -> Output {
    let mut command = Command::new(tool);
    // What the tester has set up (a proxy, say) is none of the server's business.
    command.args(args).current_dir(directory).stdin(Stdio::null()).env("no_proxy", "*").env("HOME", directory);
    command.output().expect("a program that was found runs")
}

fn run_well(tool: &str, args: &[&str], directory: &Path) -> String {
    let output = run(tool, args, directory);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{tool} {args:?}: {}\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}

fn url(server: &Server, path: &str) -> String {
    format!("http://{}{path}", server.address())
}

// ------------------------------------------------------------------------------------------------------------- clients

#[test]
fn curl_gets_a_range() {
    if skips(program("curl").is_some(), "curl") {
        return;
    }
    let (site, out) = (site(), Site::new());
    let server = Server::start(site.root(), &[]);
    let text = run_well("curl", &["-sS", "--fail", "-q", "-r", "7-11", &url(&server, "/hello.txt")], out.root());
    assert_eq!(text, "world");
}

rows!(resumes:
    curl_resumes_a_download("curl", &["-q", "-sS", "--fail", "-C", "-", "-O"]),
    wget_resumes_a_download("wget", &["-q", "-c"]),
);

fn resumes(tool: &str, args: &[&str]) {
    if skips(program(tool).is_some(), tool) {
        return;
    }
    let (site, out) = (site(), Site::new());
    // Some tools only resume what has a validator.
    site.settle();
    let server = Server::start(site.root(), &[]);
    out.file("download.bin", &DOWNLOAD[..DOWNLOAD.len() / 3]);
    run_well(tool, &[args, &[url(&server, "/download.bin").as_str()]].concat(), out.root());
    assert!(fs::read(out.path("download.bin")).expect("the tool's file") == *DOWNLOAD, "{tool} has other bytes");
    let line = server.wait_for_stdout_line(PATIENCE, |line| line.contains("GET /download.bin"));
    let rest = DOWNLOAD.len() - DOWNLOAD.len() / 3;
    assert!(line.ends_with(&format!("\" 206 {rest}")), "only the rest was sent: {line:?}");
}

#[test]
fn curl_gets_several_files_over_one_connection() {
    if skips(program("curl").is_some(), "curl") {
        return;
    }
    let (site, out) = (site(), Site::new());
    let server = Server::start(site.root(), &[]);
    let format = "%{http_code} %{num_connects}\n";
    let (first, second) = (url(&server, "/download.bin"), url(&server, "/hello.txt"));
    let args = ["-q", "-sS", "-w", format, "-o", "a", &first, "-o", "b", &second, "-o", "c", &first];
    assert_eq!(run_well("curl", &args, out.root()), "200 1\n200 0\n200 0\n");
    assert!(fs::read(out.path("a")).expect("curl's file") == *DOWNLOAD);
    assert_eq!(fs::read(out.path("b")).expect("curl's file"), b"hello, world\n");
    assert!(fs::read(out.path("c")).expect("curl's file") == *DOWNLOAD);
}

#[test]
fn curl_gets_files_in_parallel() {
    if skips(program("curl").is_some(), "curl") {
        return;
    }
    let (site, out) = (site(), Site::new());
    let server = Server::start(site.root(), &["--workers", "1"]);
    let many = url(&server, "/download.bin?[1-16]");
    run_well("curl", &["-q", "-sS", "--fail", "-Z", "--parallel-max", "16", "-o", "#1", &many], out.root());
    for name in 1..=16 {
        assert!(fs::read(out.path(name.to_string())).expect("curl's file") == *DOWNLOAD, "download {name}");
    }
}

#[test]
fn curl_reads_the_answer_to_an_upload_that_is_refused() {
    if skips(program("curl").is_some(), "curl") {
        return;
    }
    let (site, out) = (site(), Site::new());
    out.file("upload.bin", DOWNLOAD.as_slice());
    let server = Server::start(site.root(), &[]);
    let args = ["-q", "-sS", "-o", "answer", "-w", "%{http_code}", "-T", "upload.bin", &url(&server, "/upload.bin")];
    assert_eq!(run_well("curl", &args, out.root()), "405");
}

#[test]
fn aria2_gets_a_file_through_eight_connections() {
    if skips(program("aria2c").is_some(), "aria2c") {
        return;
    }
    let (site, out) = (site(), Site::new());
    let content = patterned(4 * DOWNLOAD.len());
    site.file("large.bin", &content);
    site.settle();
    let server = Server::start(site.root(), &["--workers", "2"]);
    let args = ["--no-conf", "-q", "-x8", "-s8", "-k1M", "--file-allocation=none", &url(&server, "/large.bin")];
    run_well("aria2c", &args, out.root());
    assert!(fs::read(out.path("large.bin")).expect("aria2's file") == content, "aria2 has other bytes");
    let partial = String::from_utf8_lossy(&server.stdout()).matches("\" 206 ").count();
    // How many of the eight it needs depends on how fast the first one is.
    assert!(partial >= 2, "{partial} ranges");
}

rows!(wrk:
    wrk_with_one_connection_has_no_error("1", "1"),
    wrk_with_64_connections_has_no_error("2", "64"),
    wrk_with_1000_connections_has_no_error("2", "1000"),
);

fn wrk(threads: &str, connections: &str) {
    if skips(program("wrk").is_some(), "wrk") {
        return;
    }
    let _alone = load::alone();
    load::raise_descriptor_limit();
    let (site, out) = (site(), Site::new());
    let server = Server::start(site.root(), &["--workers", "2"]);
    let text = run_well("wrk", &["-t", threads, "-c", connections, "-d", "1s", &url(&server, "/1k.bin")], out.root());
    assert!(requests_in(&text) > 100, "{text}");
    assert_eq!(Client::connect(&server).ask(plain_get("/hello.txt")).content, b"hello, world\n");
}

/// How many requests wrk has made, none of which had an error.
fn requests_in(text: &str) -> u64 {
    // It names errors only if there are some.
    assert!(!text.contains("errors") && !text.contains("Non-2xx"), "{text}");
    let requests = text.lines().find_map(|line| line.trim().split_once(" requests in ")).map(|(count, _)| count.trim());
    requests.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count in {text}"))
}

#[test]
fn what_the_server_tells_of_its_work_agrees_with_wrk_within_five_in_a_hundred() {
    if skips(program("wrk").is_some(), "wrk") {
        return;
    }
    let _alone = load::alone();
    let (site, out) = (site(), Site::new());
    let server = Server::start(site.root(), &["--watch", "--workers", "2", "--access-log", "off"]);
    let mut watcher = Client::connect(&server);
    let mut responses = || {
        let status = watcher.ask("GET /.millpond/status.json HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let status: serde_json::Value = serde_json::from_slice(&status.content).expect("it is JSON");
        status["totals"]["responses"].as_u64().expect("a count")
    };
    let before = responses();
    let text = run_well("wrk", &["-t", "1", "-c", "64", "-d", "2s", &url(&server, "/1k.bin")], out.root());
    let (counted, made) = (responses() - before, requests_in(&text));
    assert!(counted.abs_diff(made) * 20 <= made, "the server counts {counted}, wrk {made}");
}

// -------------------------------------------------------------------------------------------------------- system calls

#[test]
fn a_warm_1_kib_get_costs_at_most_eight_system_calls() {
    const REQUESTS: usize = 100;
    const CALLS_MAX: usize = 8;
    // What each worker was waiting in when the tracing began.
    const FIRST_MAX: usize = 4;
    let _alone = load::alone();
    let site = site();
    site.settle();
    // Default options, the access log included.
    let server = Server::start(site.root(), &[]);
    let mut client = Client::connect(&server);
    for _ in 0..REQUESTS {
        client.ask(plain_get("/1k.bin"));
    }
    let Some(trace) = strace::attach(server.pid(), &[]) else { return };
    for _ in 0..REQUESTS {
        client.ask(plain_get("/1k.bin"));
    }
    let mut calls = strace::calls_of_threads_that(&trace.detach(), "recvfrom");
    // In a debug build, std looks at each descriptor before it closes it.
    calls.retain(|call| !(cfg!(debug_assertions) && name(call) == "fcntl" && call.contains("F_GETFD")));
    let counted = count(&calls);
    assert!(
        calls.len() <= CALLS_MAX * REQUESTS + FIRST_MAX,
        "{} calls for {REQUESTS} requests: {counted:?}",
        calls.len()
    );
}

/// How often each call was made, most often first.
fn count(calls: &[String]) -> Vec<(String, usize)> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for call in calls {
        match counted.iter_mut().find(|(found, _)| found == name(call)) {
            Some((_, count)) => *count += 1,
            None => counted.push((name(call).to_owned(), 1)),
        }
    }
    counted.sort_unstable_by_key(|(_, count)| std::cmp::Reverse(*count));
    counted
}

#[test]
fn between_head_and_end_of_a_gigabyte_there_is_nothing_but_sendfile_and_waiting() {
    const GIB: u64 = 1 << 30;
    const TURN_BYTES_MAX: u64 = 1 << 20;
    const SENDS: [&str; 5] = ["write", "writev", "sendto", "sendmsg", "send"];
    const ALLOWED: [&str; 6] =
        ["sendfile", "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "restart_syscall"];
    let _alone = load::alone();
    let site = site();
    site.sparse("gib.bin", GIB);
    let server = Server::start(site.root(), &["--access-log", "off"]);
    Client::connect(&server).ask(plain_get("/hello.txt"));
    let mut stream = load::wide(server.address());
    let Some(trace) = strace::attach(server.pid(), &[]) else { return };
    stream.write_all(plain_get("/gib.bin").as_bytes()).expect("the server takes a request");
    load::read_head(&mut stream);
    let (mut left, mut chunk, since) = (GIB, vec![0; 1024 * 1024], Instant::now());
    while left > 0 {
        let read = stream.read(&mut chunk).expect("the download goes on");
        assert!(read > 0 && since.elapsed() < Duration::from_secs(60), "{left} bytes are left");
        left -= u64::try_from(read).expect("a usize is a u64 here");
    }
    let calls = strace::calls_of_threads_that(&trace.detach(), "sendfile");
    let is_head = |call: &String| SENDS.contains(&name(call)) && call.contains("HTTP/1.1 200");
    let head = calls.iter().position(is_head).unwrap_or_else(|| panic!("no head was sent: {:?}", count(&calls)));
    let end = calls
        .iter()
        .rposition(|call| name(call) == "sendfile")
        .unwrap_or_else(|| panic!("no sendfile: {:?}", count(&calls)));
    let between: Vec<&String> = calls[head + 1..end].iter().filter(|call| !ALLOWED.contains(&name(call))).collect();
    assert!(between.is_empty(), "{between:?}");
    // The last argument is how much one call may send: no more than one turn may write.
    let count =
        |call: &String| call.split([',', ')', '<']).filter_map(|text| text.trim().parse::<u64>().ok()).next_back();
    let sendfiles = calls.iter().filter(|call| name(call) == "sendfile");
    let largest = sendfiles.filter_map(count).max();
    assert!(largest.is_some_and(|largest| largest <= TURN_BYTES_MAX), "{largest:?} bytes in one call");
}
