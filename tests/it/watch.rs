//! The threads at work, as `--watch` shows them: to whom, and whether it is what has been done.
//!
//! *Invariant:* row S23 of threats.md: who may not watch is answered as if there were nothing to see.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::load::{self, site, wait_until};
use crate::support::{Client, PATIENCE, Response, Server, Site, bare_command, rows};

pub const STATUS: &str = "/.millpond/status.json";

fn start(site: &Site, more: &[&str]) -> Server {
    Server::start(site.root(), &[&["--watch", "--workers", "2"], more].concat())
}

fn request(method: &str, target: &str, host: &str, more: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n").into_bytes()
}

pub fn watch(server: &Server, target: &str) -> Response {
    // Without the second request by which `support::ask` tells that the first was answered whole: it would be counted.
    Client::connect(server).ask(request("GET", target, "localhost", ""))
}

pub fn json(server: &Server, target: &str) -> Value {
    let response = watch(server, target);
    assert_eq!((response.status, response.field("content-type").as_str()), (200, "application/json"));
    assert_eq!(response.field("cache-control"), "no-store");
    serde_json::from_slice(&response.content).expect("it is JSON")
}

/// Asks until it is so.
fn json_once(server: &Server, target: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let since = std::time::Instant::now();
    loop {
        let status = json(server, target);
        if is_so(&status) {
            return status;
        }
        assert!(since.elapsed() < PATIENCE, "{status:#}");
        thread::sleep(Duration::from_millis(5));
    }
}

rows!(may_watch:
    by_the_name_of_this_machine("localhost", "", true),
    with_a_port("LocalHost:8080", "", true),
    by_a_name_below_it("a.localhost", "", true),
    by_an_address("127.0.0.1", "", true),
    by_another_loopback_address("127.9.9.9:80", "", true),
    by_an_ipv6_address("[::1]:80", "", true),
    by_a_mapped_address("[::ffff:127.0.0.1]", "", true),
    not_by_a_name_that_leads_here("rebound.example", "", false),
    not_by_a_name_that_looks_like_it("localhost.example", "", false),
    not_by_a_name_that_ends_like_it("notlocalhost", "", false),
    not_by_a_name_that_begins_like_an_address("127.0.0.1.example", "", false),
    not_by_another_address("192.0.2.1", "", false),
    not_by_another_ipv6_address("[2001:db8::1]", "", false),
    not_without_a_host("", "", false),
    not_through_a_proxy_that_says_so("localhost", "Via: 1.1 proxy\r\n", false),
    not_through_a_proxy_that_speaks_for_somebody("localhost", "X-Forwarded-For: 127.0.0.1\r\n", false),
    not_through_a_proxy_as_the_standard_has_it("localhost", "Forwarded: for=127.0.0.1\r\n", false),
    not_through_two_of_them("localhost", "via: 1.1 a\r\nvia: 1.1 b\r\n", false),
    not_through_one_that_names_the_client_alone("localhost", "X-Real-IP: 127.0.0.1\r\n", false),
    not_by_a_page_from_elsewhere("localhost", "Origin: http://www.example\r\n", false),
    not_by_a_page_without_an_origin("localhost", "Origin: null\r\n", false),
    not_by_a_page_that_shows_it_as_its_own("localhost", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n", false),
    not_by_a_page_of_another_port("localhost", "Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\n", false),
    by_a_page_of_the_server("localhost", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\n", true),
    by_a_link_from_elsewhere("localhost", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", true),
    by_who_typed_it("localhost", "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n", true),
    not_through_one_that_says_nothing("localhost", "Forwarded:\r\n", false),
);

fn may_watch(host: &str, more: &str, may: bool) {
    let site = site();
    let server = start(&site, &[]);
    for page in ["", "status.json", "metrics", "trace.json", "health", "watch.js", "watch.css"] {
        let ask = |name: &str| crate::support::ask(&server, request("GET", &format!("/.millpond/{name}"), host, more));
        let (response, missing) = (ask(page), ask("missing"));
        assert_eq!(missing.status, 404);
        assert_eq!(response.status, if may { 200 } else { 404 }, "{page}");
        if !may {
            assert_eq!(response.content, missing.content);
            let names = |response: &Response| {
                ["content-type", "cache-control", "x-content-type-options"].map(|name| response.optional(name))
            };
            assert_eq!(names(&response), names(&missing), "as a file that is missing");
        }
    }
}

#[test]
fn without_the_option_there_is_nothing_to_see() {
    let site = site();
    let server = Server::start(site.root(), &[]);
    assert_eq!(watch(&server, STATUS).status, 404);
}

rows!(unasked:
    the_site_that_lies_ready_is_shown_unasked("", &[], &[], true),
    on_several_loopback_addresses("", &["-b", "127.0.0.1", "-b", "127.9.9.9"], &[], true),
    on_the_loopback_address_of_ipv6("", &["-b", "::1"], &[], true),
    on_a_mapped_loopback_address("", &["-b", "::ffff:127.0.0.1"], &[], true),
    on_whatever_port("", &["--access-log", "off"], &[("MILLPOND_PORT", "0")], true),
    not_where_it_was_switched_off("", &["--watch=false"], &[], false),
    not_where_the_environment_switched_it_off("", &[], &[("MILLPOND_WATCH", "no")], false),
    where_the_command_line_switched_it_on_again("", &["--watch"], &[("MILLPOND_WATCH", "no")], true),
    where_it_was_asked_for_with_a_value("public", &["--watch=true"], &[], true),
    not_a_path_that_was_named("public", &[], &[], false),
    not_the_same_path_that_was_named("./public", &[], &[], false),
    not_on_an_address_for_others("", &["-b", "0.0.0.0"], &[], false),
    not_on_one_among_others("", &["-b", "::1", "-b", "0.0.0.0"], &[], false),
    nor_where_the_environment_says_so("", &[], &[("MILLPOND_BIND", "0.0.0.0")], false),
    on_an_address_for_others_where_it_was_asked_for("", &["-b", "0.0.0.0", "--watch"], &[], true),
    not_with_a_unix_socket_beside_it("", &["-b", "127.0.0.1", "-b", "unix:s"], &[], false),
    where_somebody_is_named_who_may("public", &["--watch-from", "192.0.2.1"], &[], true),
    not_where_that_was_switched_off("public", &["--watch-from", "192.0.2.1", "--watch=false"], &[], false),
);

/// Started beside a directory `public`; whether a page of that server is answered.
fn unasked(path: &str, args: &[&str], variables: &[(&str, &str)], is_shown: bool) {
    let needs_ipv6 = args.iter().any(|arg| arg.starts_with("::"));
    if needs_ipv6 && load::skips(TcpListener::bind("[::1]:0").is_ok(), "IPv6 on this machine") {
        return;
    }
    let site = Site::new();
    site.file("public/hello.txt", "hello, world\n");
    let mut command = bare_command();
    command.current_dir(site.root()).envs(variables.iter().copied()).args(args);
    command.args((!path.is_empty()).then_some(path));
    if !variables.iter().any(|(name, _)| *name == "MILLPOND_PORT") {
        command.args(["--port", "0"]);
    }
    let server = Server::spawn(command);
    assert_eq!(watch(&server, "/hello.txt").status, 200);
    assert_eq!(watch(&server, "/.millpond/").status, if is_shown { 200 } else { 404 });
}

#[test]
fn what_is_shown_unasked_is_said_with_its_price_and_how_to_be_rid_of_it() {
    let site = Site::new();
    site.file("public/hello.txt", "hello, world\n");
    let mut command = bare_command();
    command.current_dir(site.root()).args(["--port", "0"]);
    let server = Server::spawn(command);
    let line = server.wait_for_stderr_line(PATIENCE, |line| line.contains("/.millpond/"));
    let expected = format!(
        "millpond: info: the threads at work: http://{}/.millpond/ (to this machine only, at a few percent of the \
         requests/s at most; --watch=false turns it off)",
        server.host()
    );
    assert_eq!(line, expected);
}

#[test]
fn where_no_site_lies_ready_nothing_is_shown_unasked() {
    let site = site();
    let mut command = bare_command();
    command.current_dir(site.root()).args(["--port", "0"]);
    let server = Server::spawn(command);
    assert_eq!((watch(&server, "/hello.txt").status, watch(&server, "/.millpond/").status), (200, 404));
}

#[test]
fn who_is_named_may_watch_under_any_host_and_through_a_proxy() {
    let site = site();
    let server = Server::start(site.root(), &["--watch-from", "192.0.2.1,127.0.0.0/8"]);
    let through = request("GET", STATUS, "www.example", "Via: 1.1 proxy\r\n");
    assert_eq!(crate::support::ask(&server, through.clone()).status, 200);
    let server = Server::start(site.root(), &["--watch-from", "192.0.2.1"]);
    assert_eq!(crate::support::ask(&server, through).status, 404);
    assert_eq!(watch(&server, STATUS).status, 200, "who sits here may in any case");
}

#[test]
fn who_comes_by_a_unix_socket_may_watch_only_if_named() {
    for (more, status) in [(&[][..], "404"), (&["--watch-from", "unix:"][..], "200")] {
        let site = site();
        let bind = format!("unix:{}", site.whole().join("s").display());
        let _server = Server::start(site.root(), &[&["--watch", "--bind", &bind], more].concat());
        let mut stream = UnixStream::connect(site.whole().join("s")).expect("the server takes a connection");
        stream.write_all(&request("GET", STATUS, "localhost", "Connection: close\r\n")).expect("it takes a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it ends the stream");
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
        if status == "200" {
            let status: Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
            assert_eq!(status["accept_queues"][0]["address"], bind.as_str());
        }
    }
}

#[test]
fn it_can_only_be_asked_for() {
    let site = site();
    let server = start(&site, &[]);
    for page in ["", "status.json", "metrics", "trace.json", "health"] {
        let target = format!("/.millpond/{page}");
        let head = crate::support::ask(&server, request("HEAD", &target, "localhost", ""));
        assert_eq!((head.status, head.content.len()), (200, 0), "{page}");
        let post = crate::support::ask(&server, request("POST", &target, "localhost", "Content-Length: 0\r\n"));
        assert_eq!((post.status, post.field("allow").as_str()), (405, "GET, HEAD"), "{page}");
    }
    let slashless = watch(&server, "/.millpond");
    assert_eq!((slashless.status, slashless.field("location").as_str()), (308, "/.millpond/"));
    let page = watch(&server, "/.millpond/");
    assert!(page.field("content-security-policy").starts_with("default-src 'none'; script-src 'self'"));
}

#[test]
fn it_wins_over_files_and_says_so() {
    let site = site();
    site.file(".millpond/status.json", "a file\n").file(".millpond/notes.txt", "notes\n");
    let server = start(&site, &["--hidden"]);
    server.wait_for_stderr_line(PATIENCE, |line| line.contains("are not served"));
    assert!(json(&server, STATUS)["pond"].is_object());
    assert_eq!(watch(&server, "/.millpond/notes.txt").content, b"notes\n");
    let from_elsewhere = request("GET", STATUS, "www.example", "");
    assert_eq!(crate::support::ask(&server, from_elsewhere).content, b"a file\n");
}

#[test]
fn what_is_counted_is_what_was_done_and_who_watches_does_not_count() {
    let site = site();
    let server = start(&site, &[]);
    let mut client = Client::connect(&server);
    for (target, status) in [("/hello.txt", 200), ("/missing", 404), ("/hello.txt", 200)] {
        assert_eq!(client.ask(request("GET", target, "a", "")).status, status);
    }
    let status = json_once(&server, STATUS, |status| status["pond"]["idle"] == 1 && status["pond"]["connections"] == 2);
    let totals = &status["totals"];
    assert_eq!(
        (&totals["responses"], &totals["by_class"]["2xx"], &totals["by_class"]["4xx"]),
        (&3.into(), &2.into(), &1.into())
    );
    assert_eq!(status["service"]["count"], 3);
    let buckets = status["service"]["buckets"].as_array().unwrap();
    assert_eq!(buckets.iter().map(|bucket| bucket[1].as_u64().unwrap()).sum::<u64>(), 3);
    assert!(totals["received_bytes"].as_u64() > Some(3 * 20) && totals["sent_bytes"].as_u64() > Some(2 * 13));
    assert!(status["recent"]["responses_per_second"].as_f64() > Some(0.0));
    assert_eq!(
        (&status["pond"]["active"], &status["pond"]["connections"]),
        (&1.into(), &2.into()),
        "who asks is active"
    );
    assert_eq!((&status["state"], status["workers"].as_array().unwrap().len()), (&"serving".into(), 2));
    // A response is counted when the kernel has it, and so a moment after its client may have it.
    let later = json_once(&server, STATUS, |status| status["totals"]["observed"].as_u64() >= Some(1));
    assert_eq!(later["totals"]["responses"], 3);
    let log = server.wait_for_stdout_line(PATIENCE, |line| line.contains("GET /missing"));
    assert!(log.contains(" 404 "), "{log}");
    assert!(!String::from_utf8_lossy(&server.stdout()).contains("status.json"), "nor is it in the access log");
    let queue = &status["accept_queues"][0];
    assert_eq!((&queue["length"], queue["address"].as_str()), (&0.into(), Some(server.host().as_str())));
    assert!(queue["limit"].as_u64() > Some(0));
}

#[test]
fn the_pond_tells_what_connections_wait_for() {
    let site = site();
    let server = start(&site, &[]);
    let (idle, mut half, mut slow) = (Client::connect(&server), Client::connect(&server), Client::connect(&server));
    half.send("GET /hello.txt HTT");
    slow.send(request("GET", "/download.bin", "a", ""));
    let status = json_once(&server, STATUS, |status| {
        let pond = &status["pond"];
        pond["idle"] == 1 && pond["half_a_head"] == 1 && pond["waiting_to_write"] == 1
    });
    assert_eq!(status["pond"]["connections"], 4);
    drop((idle, half, slow));
    let status = json_once(&server, STATUS, |status| status["pond"]["connections"] == 1);
    assert_eq!(status["totals"]["closed"]["peer_closed_in_head"], 1);
}

#[test]
fn the_longest_waits_are_told_with_what_they_are_for_and_since_when() {
    let site = site();
    let server = start(&site, &[]);
    let (idle, mut half, mut slow) = (Client::connect(&server), Client::connect(&server), Client::connect(&server));
    let since = std::time::Instant::now();
    half.send("GET /hello");
    json_once(&server, STATUS, |status| status["pond"]["half_a_head"] == 1);
    slow.send(request("GET", "/download.bin", "a", ""));
    json_once(&server, STATUS, |status| status["pond"]["waiting_to_write"] == 1);
    // It has waited since its first byte, however its bytes drip.
    half.send(".txt HTT");
    let received = |status: &Value| status["totals"]["received_bytes"].as_u64();
    let status =
        json_once(&server, STATUS, |status| received(status) >= Some(60) && status["pond"]["half_a_head"] == 1);
    let elapsed = since.elapsed();
    let waits = status["waits"].as_array().expect("a list");
    let waited: Vec<(u64, u128)> = waits
        .iter()
        .map(|wait| {
            let number = |value: &Value| value.as_u64().expect("a number");
            (number(&wait[1]), u128::from(number(&status["now"]) - number(&wait[2])))
        })
        .collect();
    let [(1, half_waited), (2, slow_waited)] = waited[..] else { panic!("not half a head, and room: {waits:?}") };
    assert!(half_waited > slow_waited && half_waited <= elapsed.as_nanos(), "{half_waited} {slow_waited} {elapsed:?}");
    drop((idle, half, slow));
    json_once(&server, STATUS, |status| status["waits"] == serde_json::json!([]));
}

#[test]
fn a_lane_tells_the_steps_of_a_request_in_their_order_from_where_it_was_left_off() {
    let site = site();
    let server = start(&site, &[]);
    let numbers = |status: &Value| {
        let next: Vec<String> =
            status["lanes"].as_array().unwrap().iter().map(|lane| lane["next"].to_string()).collect();
        format!("{STATUS}?since={}", next.join(","))
    };
    let before = json(&server, STATUS);
    assert!(before["lanes"].as_array().unwrap().iter().all(|lane| lane["events"].as_array().unwrap().is_empty()));
    let mut client = Client::connect(&server);
    client.ask(request("GET", "/hello.txt", "a", "Connection: close\r\n"));
    client.expect_closed();
    let status = json_once(&server, &numbers(&before), |status| status["totals"]["closed"]["answered"] == 1);
    let kinds = status["names"]["kinds"].as_array().unwrap();
    let mut of: HashMap<&str, Vec<(u64, &str)>> = HashMap::new();
    for event in status["lanes"].as_array().unwrap().iter().flat_map(|lane| lane["events"].as_array().unwrap()) {
        let kind = kinds[usize::try_from(event[2].as_u64().unwrap()).unwrap()].as_str().unwrap();
        of.entry(event[1].as_str().unwrap()).or_default().push((event[0].as_u64().unwrap(), kind));
    }
    let story = ["accepted", "took", "received", "parsed", "opened", "answered", "sent", "finished", "closed"];
    let told = of.values_mut().any(|events| {
        events.sort_unstable_by_key(|(at, _)| *at);
        // A head whose response isn't at hand is read again when others have been answered.
        events.dedup_by_key(|(_, kind)| *kind);
        events
            .iter()
            .map(|(_, kind)| *kind)
            .filter(|kind| *kind != "took" && !matches!(*kind, "woke" | "rests"))
            .eq(story.into_iter().filter(|kind| *kind != "took"))
    });
    assert!(told, "{of:?}");
    for nonsense in ["?since=", "?since=1", "?since=a,b,c", "?since=1,2,3,4", "?x"] {
        assert!(json(&server, &format!("{STATUS}{nonsense}"))["lanes"][1]["events"].as_array().unwrap().is_empty());
    }
}

#[test]
fn during_the_drain_it_says_so() {
    let site = site();
    let server = start(&site, &["--drain-delay", "60s"]);
    let mut client = Client::connect(&server);
    client.ask(request("GET", STATUS, "localhost", ""));
    server.signal(Signal::TERM);
    server.wait_for_stderr_line(PATIENCE, |line| line.contains("clients are let in"));
    let response = client.ask(request("GET", STATUS, "localhost", ""));
    let status: Value = serde_json::from_slice(&response.content).expect("it is JSON");
    assert_eq!(status["state"], "draining");
    assert_eq!(watch(&server, "/.millpond/health").status, 503);
    assert!(watch(&server, "/.millpond/metrics").content_text().contains("\nmillpond_draining 1\n"));
}

/// One line of the text format that is not a comment: the name, the labels, the value.
fn sample(line: &str) -> (&str, Vec<(&str, &str)>, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let (name, labels) = match series.split_once('{') {
        None => (series, Vec::new()),
        Some((name, rest)) => {
            let inner = rest.strip_suffix('}').unwrap_or_else(|| panic!("no end of the labels: {line}"));
            let label = |label: &'_ str| -> (usize, usize) {
                let (key, value) = label.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
                assert!(value.ends_with('"') && !key.is_empty(), "{line}");
                (key.len(), value.len() - 1)
            };
            let labels = inner.split(',').map(|text| {
                let (key, value) = label(text);
                (&text[..key], &text[key + 2..key + 2 + value])
            });
            (name, labels.collect())
        }
    };
    assert!(
        name.starts_with("millpond_") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
        "{name}"
    );
    (name, labels, value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
}

#[test]
fn metrics_are_as_prometheus_wants_them() {
    let site = site();
    let server = start(&site, &[]);
    assert_eq!(watch(&server, "/hello.txt").status, 200);
    json_once(&server, STATUS, |status| status["totals"]["responses"] == 1);
    let response = watch(&server, "/.millpond/metrics");
    assert_eq!(response.field("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = response.content_text();
    assert!(text.ends_with('\n'));
    let (mut kinds, mut helped, mut seen) = (HashMap::new(), Vec::new(), HashMap::new());
    let mut buckets: HashMap<&str, Vec<(f64, f64)>> = HashMap::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help has words");
            assert!(!help.is_empty() && !helped.contains(&name), "{line}");
            helped.push(name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type has a kind");
            assert_eq!(helped.last(), Some(&name), "the help comes first");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            kinds.insert(name, kind);
        } else {
            let (name, labels, value) = sample(line);
            let family = helped.last().copied().expect("a sample has a family");
            let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{name} is not among its own"));
            assert_eq!(kinds[family] == "histogram", ["_bucket", "_sum", "_count"].contains(&suffix), "{line}");
            assert!(value >= 0.0);
            if suffix == "_bucket" {
                buckets.entry(family).or_default().push((labels[0].1.parse::<f64>().expect("a bound, or +Inf"), value));
            }
            assert_eq!(seen.insert((name.to_owned(), format!("{labels:?}")), value), None, "{line} comes twice");
        }
    }
    for (family, buckets) in &buckets {
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{buckets:?}");
        let all = seen[&(format!("{family}_count"), "[]".to_owned())];
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, all)));
    }
    let one = |name: &str, labels: &[(&str, &str)]| seen[&(name.to_owned(), format!("{labels:?}"))];
    assert_eq!(one("millpond_request_duration_seconds_count", &[]), 1.0);
    assert_eq!(one("millpond_responses_total", &[("class", "2xx")]), 1.0);
    // This one; the one before may not have been closed yet.
    assert!((1.0..=2.0).contains(&one("millpond_connections", &[("state", "active")])));
    // An answer is counted when it is with the kernel, which is when its client may ask for the next.
    wait_until(PATIENCE, "the observer's are counted", || {
        let metrics = watch(&server, "/.millpond/metrics");
        let text = metrics.content_text();
        text.lines().any(|line| line.starts_with("millpond_observer_responses_total ") && !line.ends_with(" 0"))
    });
    for worker in ["0", "1"] {
        assert!(one("millpond_worker_cpu_seconds_total", &[("worker", worker)]) < 60.0);
    }
}

#[test]
fn the_trace_has_a_track_for_each_thread_whose_slices_never_overlap() {
    let site = site();
    let server = start(&site, &[]);
    let mut client = Client::connect(&server);
    (0..50).for_each(|_| assert_eq!(client.ask(request("GET", "/hello.txt", "a", "")).status, 200));
    let trace = json(&server, "/.millpond/trace.json");
    assert_eq!(trace["otherData"]["one_batch_in"], 1);
    let events = trace["traceEvents"].as_array().unwrap();
    let phase = |wanted: &'static str| events.iter().filter(move |event| event["ph"] == wanted);
    let tracks: Vec<&str> = phase("M")
        .filter(|event| event["name"] == "thread_name")
        .map(|event| event["args"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(tracks, ["accept", "worker 0", "worker 1"]);
    let mut slices: Vec<(u64, &str, f64, f64)> = phase("X")
        .map(|event| {
            let number = |key: &str| event[key].as_f64().unwrap();
            (event["tid"].as_u64().unwrap(), event["cat"].as_str().unwrap(), number("ts"), number("ts") + number("dur"))
        })
        .collect();
    slices.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
    for pair in slices.windows(2).filter(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1)) {
        // Half a nanosecond, for what a float leaves of one.
        assert!(pair[0].3 <= pair[1].2 + 5e-4, "{pair:?}");
    }
    assert_eq!(phase("X").filter(|event| event["name"] == "answer 200").count(), 50);
    let (begins, steps, ends) = (phase("s").count(), phase("t").count(), phase("f").count());
    assert!(begins >= 1 && begins == ends && steps >= 48, "{begins} {steps} {ends}");
    // Perfetto would take a thread 0 for one of another process, and leave out an arrow without a number.
    assert!(events.iter().all(|event| event["tid"].as_u64() > Some(0)), "{events:?}");
    let arrows = || ["s", "t", "f"].into_iter().flat_map(phase);
    assert!(arrows().all(|event| event["id"].is_u64()), "{:?}", arrows().collect::<Vec<_>>());
    // So that others can be laid beside it; later than the boot, and before now.
    let begun = trace["otherData"]["clock_monotonic_us_at_0"].as_f64().unwrap();
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    assert!(0.0 < begun && begun < (uptime + 1.0) * 1e6, "{begun} of {uptime} s");
}
