//! A file as HTTP sees it: its type, its validators, its length, and its bytes whole.
//!
//! RFC 9110 §8.3 (Content-Type), §8.6 (Content-Length), §8.8.2 (Last-Modified), §8.8.3 (ETag); DESIGN.md §3.8;
//! threats.md R8 to R10, D5, D6, L9.

use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::support::{Client, DATED, LARGE_BYTES, Server, Site, ask, common, get, patterned, request, server};

/// Names to types. Text says its charset, and nothing else does.
#[test]
fn the_type_goes_by_the_name() {
    let rows = [
        ("a.html", "text/html; charset=utf-8"),
        ("a.htm", "text/html; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.csv", "text/csv; charset=utf-8"),
        ("a.md", "text/markdown; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.HTML", "text/html; charset=utf-8"),
        ("a.b.txt", "text/plain; charset=utf-8"),
        ("a.png", "image/png"),
        ("a.PNG", "image/png"),
        ("a.jpg", "image/jpeg"),
        ("a.jpeg", "image/jpeg"),
        ("a.gif", "image/gif"),
        ("a.webp", "image/webp"),
        ("a.avif", "image/avif"),
        ("a.ico", "image/x-icon"),
        ("a.mp3", "audio/mpeg"),
        ("a.mp4", "video/mp4"),
        ("a.webm", "video/webm"),
        ("a.woff2", "font/woff2"),
        ("a.pdf", "application/pdf"),
        ("a.wasm", "application/wasm"),
        ("a.zip", "application/zip"),
        ("a.gz", "application/gzip"),
        ("a.tar.gz", "application/gzip"),
        ("a.bin", "application/octet-stream"),
        ("a.no-such-extension", "application/octet-stream"),
        ("no-extension", "application/octet-stream"),
        ("ends-with-a-dot.", "application/octet-stream"),
        ("html", "application/octet-stream"),
    ];
    let site = Site::new();
    for (name, _) in rows {
        site.file(name, "x");
    }
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let mut client = Client::connect(&server);
    for (name, media_type) in rows {
        let response = client.ask(get(&format!("/{name}"), ""));
        let found = (response.status, response.field("content-type"), response.field("x-content-type-options"));
        assert_eq!(found, (200, media_type.to_owned(), "nosniff".to_owned()), "{name}");
    }
}

/// These are text to some and data to others: what matters is the type, and that it never says a wrong charset.
#[test]
fn structured_text_has_its_type() {
    let rows = [("a.json", "application/json"), ("a.svg", "image/svg+xml")];
    let site = Site::new();
    for (name, _) in rows {
        site.file(name, "x");
    }
    let server = Server::start(site.root(), &["--access-log", "off"]);
    for (name, media_type) in rows {
        let found = ask(&server, get(&format!("/{name}"), "")).field("content-type");
        assert!(found == media_type || found == format!("{media_type}; charset=utf-8"), "{name}: {found}");
    }
}

/// A type that does not go by any name, whatever the name has in it.
#[test]
fn a_hidden_extension_is_no_extension() {
    let site = Site::new();
    site.file(".html", "x").file(".txt", "x");
    let server = Server::start(site.root(), &["--hidden", "--access-log", "off"]);
    for target in ["/.html", "/.txt"] {
        assert_eq!(ask(&server, get(target, "")).field("content-type"), "application/octet-stream", "{target}");
    }
}

fn etag_of(server: &Server, target: &str) -> String {
    ask(server, get(target, "")).field("etag")
}

/// `"<hex>-<hex>"`, strong.
#[track_caller]
fn is_an_etag(etag: &str) {
    let inner =
        etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_else(|| panic!("not strong: {etag}"));
    let parts: Vec<&str> = inner.split('-').collect();
    let hexadecimal = |part: &&str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    assert!(parts.len() == 2 && parts.iter().all(hexadecimal), "{etag}");
}

#[test]
fn an_etag_is_strong_and_of_two_hexadecimal_numbers() {
    for target in ["/hello.txt", "/empty.txt", "/", "/dir/", "/large.bin", "/dated.txt"] {
        is_an_etag(&etag_of(server(), target));
    }
}

/// The size and the time of the modification in nanoseconds, in either order: nothing that another machine would not
/// know.
#[test]
fn an_etag_is_made_of_size_and_modification() {
    let etag = etag_of(server(), "/dated.txt");
    let mut numbers: Vec<u128> =
        etag.trim_matches('"').split('-').map(|part| u128::from_str_radix(part, 16).expect("hexadecimal")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [10, 784_111_777_000_000_000]);
}

#[test]
fn several_servers_agree_on_an_etag() {
    let other = Server::start(common().site.root(), &["--access-log", "off", "--workers", "1"]);
    for target in ["/hello.txt", "/", "/dir/", "/large.bin"] {
        assert_eq!(etag_of(&other, target), etag_of(server(), target), "{target}");
    }
}

#[test]
fn files_of_another_size_or_time_have_other_etags() {
    let site = Site::new();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let rows = [
        ("one", "aaaa", 0),
        ("same", "bbbb", 0),
        ("longer", "aaaaa", 0),
        ("a-nanosecond-later", "aaaa", 1),
        ("a-second-later", "aaaa", 1_000_000_000),
    ];
    for (name, content, later) in rows {
        site.file(name, content).modified(name, time + Duration::from_nanos(later));
    }
    site.settle();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let etags = rows.map(|(name, ..)| etag_of(&server, &format!("/{name}")));
    assert_eq!(etags[0], etags[1], "same size, same time: several servers agree");
    for (index, etag) in etags.iter().enumerate().skip(2) {
        assert_ne!(*etag, etags[0], "{}", rows[index].0);
    }
}

#[test]
fn the_index_has_the_validators_of_its_file() {
    let by_directory = ask(server(), get("/dir/", ""));
    let by_name = ask(server(), get("/dir/index.html", ""));
    for name in ["etag", "last-modified", "content-type", "content-length"] {
        assert_eq!(by_directory.field(name), by_name.field(name), "{name}");
    }
    assert_eq!(by_directory.content, by_name.content);
}

#[test]
fn the_modification_is_the_time_of_the_file() {
    assert_eq!(ask(server(), get("/dated.txt", "")).field("last-modified"), DATED);
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A site in this directory with a file for each of the times that its file system holds: all wait together to settle.
fn site_of_times(parent: &Path, times: &[(&'static str, SystemTime)]) -> (Site, Vec<(&'static str, SystemTime)>) {
    let site = Site::new_in(parent).expect("a directory for anyone's files");
    let held = times.iter().copied().filter(|(name, time)| {
        let held = site.file(name, "odd").modified(name, *time);
        if held != *time {
            eprintln!("skipped {name}: the file system made {held:?} of it");
        }
        held == *time
    });
    let held = held.collect();
    (site, held)
}

/// A time that HTTP can't write, or that has not come yet, is not said, and hurts nobody (threats.md R8, R9; RFC 9110
/// §8.8.2.1).
#[test]
fn an_odd_time_hurts_nobody() {
    let epoch = SystemTime::UNIX_EPOCH;
    let usual = [
        ("12345 s before 1970", epoch - Duration::from_secs(12_345)),
        ("half a second before 1970", epoch - Duration::from_millis(500)),
        ("the beginning of 1970", epoch),
        ("a nanosecond later", epoch + Duration::from_nanos(1)),
        ("1902", epoch - DAY * 365 * 68),
        ("400 days from now", SystemTime::now() + DAY * 400),
        ("2400", epoch + DAY * 365 * 430),
    ];
    let unusual = [
        ("1600", epoch - DAY * 365 * 370),
        ("-9000", epoch - DAY * 365 * 11_000),
        ("9998", epoch + DAY * 365 * 8_033),
        ("11000", epoch + DAY * 365 * 9_030),
        ("200000", epoch + DAY * 365 * 198_000),
    ];
    let sites = [site_of_times(&std::env::temp_dir(), &usual), site_of_times(Path::new("/dev/shm"), &unusual)];
    sites[0].0.settle();
    for (site, times) in &sites {
        let server = Server::start(site.root(), &["--access-log", "off"]);
        for (name, time) in times {
            serves_a_file_of(&server, name, *time);
        }
    }
}

/// Every kind of request gets the file, and no date that is later than now.
fn serves_a_file_of(server: &Server, name: &str, time: SystemTime) {
    const IN_1994: &str = "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let target = format!("/{}", name.replace(' ', "%20"));
    let mut client = Client::connect(server);
    for fields in ["", IN_1994, "If-None-Match: \"other\"\r\n", "If-Range: \"other\"\r\nRange: bytes=0-0\r\n"] {
        let response = client.ask(get(&target, fields));
        // What is older than 1994 may be said to be so; a server that leaves the date out can't.
        let unchanged = fields == IN_1994 && time <= SystemTime::UNIX_EPOCH + DAY && response.status == 304;
        assert!(
            unchanged || (response.status, response.content.as_slice()) == (200, b"odd"),
            "{name}: {fields:?}: {response:?}"
        );
        let date = httpdate::parse_http_date(&response.field("date")).expect("a date");
        if let Some(modified) = response.optional("last-modified") {
            assert!(httpdate::parse_http_date(&modified).expect("a date") <= date, "{name}: {modified}");
        }
    }
    assert_eq!(client.ask(request("HEAD", &target, "")).status, 200, "{name}");
}

/// A file whose last change is younger than 2 s may change again in the same tick of the clock: it has no validators
/// (DESIGN.md §3.8).
#[test]
fn a_file_that_has_not_settled_has_no_validators() {
    let site = Site::new();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    // Written between two requests of one connection: far less than 2 s, or the try says nothing and another one
    // follows.
    let mut client = Client::connect(&server);
    for round in 0.. {
        let begun = std::time::Instant::now();
        site.file("new.txt", "new").modified("new.txt", SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
        let plain = client.ask(get("/new.txt", ""));
        let since = client.ask(get("/new.txt", &format!("If-Modified-Since: {DATED}\r\n")));
        let unmodified = client.ask(get("/new.txt", "If-Unmodified-Since: Sat, 05 Nov 1994 08:49:37 GMT\r\n"));
        let range = client.ask(get("/new.txt", "Range: bytes=1-1\r\n"));
        let if_range = client.ask(get("/new.txt", &format!("Range: bytes=1-1\r\nIf-Range: {DATED}\r\n")));
        if begun.elapsed() < Duration::from_millis(1_900) {
            assert_eq!((plain.optional("etag"), plain.optional("last-modified")), (None, None));
            let statuses = [&plain, &since, &unmodified, &range, &if_range].map(|response| response.status);
            assert_eq!(statuses, [200, 200, 200, 206, 200]);
            return;
        }
        assert!(round < 5, "this machine needs 2 s for six requests");
    }
}

/// Never stale (PROMISE.md 10): rewritten with the same size in the same tick of the clock, the next request gets what
/// was written last.
#[test]
fn a_file_rewritten_with_the_same_size_is_served_new() {
    let site = Site::new();
    site.file("counter.txt", "0000");
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let mut client = Client::connect(&server);
    let mut etag = String::from("\"none\"");
    for count in 0..1_000 {
        let content = format!("{count:04}");
        site.file("counter.txt", &content);
        let response = client.ask(get("/counter.txt", &format!("If-None-Match: {etag}\r\n")));
        assert_eq!((response.status, response.content_text()), (200, content.as_str()));
        etag = response.optional("etag").unwrap_or(etag);
    }
}

/// The same for a settled file that is in every cache there may be.
#[test]
fn a_settled_file_that_is_rewritten_is_served_new_and_has_another_etag() {
    let site = Site::new();
    site.file("page.txt", "old!");
    site.settle();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let mut client = Client::connect(&server);
    let old = (0..5).map(|_| client.ask(get("/page.txt", ""))).last().expect("five answers");
    let conditional = get("/page.txt", &format!("If-None-Match: {}\r\n", old.field("etag")));
    assert_eq!((old.content_text(), client.ask(&conditional).status), ("old!", 304));
    site.file("page.txt", "new!");
    let new = client.ask(&conditional);
    assert_eq!((new.status, new.content_text()), (200, "new!"));
    site.settle();
    let settled = client.ask(&conditional);
    assert_eq!((settled.status, settled.content_text()), (200, "new!"));
    assert_ne!(settled.field("etag"), old.field("etag"));
}

#[test]
fn a_file_replaced_by_another_is_served_new_and_one_removed_is_gone() {
    let site = Site::new();
    site.file("page.txt", "old!");
    site.settle();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let mut client = Client::connect(&server);
    for _ in 0..5 {
        assert_eq!(client.ask(get("/page.txt", "")).content_text(), "old!");
    }
    site.file("next.txt", "next");
    std::fs::rename(site.path("next.txt"), site.path("page.txt")).expect("our own files");
    assert_eq!(client.ask(get("/page.txt", "")).content_text(), "next");
    std::fs::remove_file(site.path("page.txt")).expect("our own file");
    assert_eq!(client.ask(get("/page.txt", "")).status, 404);
    site.file("page.txt", "back");
    assert_eq!(client.ask(get("/page.txt", "")).content_text(), "back");
}

#[test]
fn a_large_file_comes_whole() {
    let response = ask(server(), get("/large.bin", ""));
    assert_eq!(response.field("content-type"), "application/octet-stream");
    assert!(response.content == patterned(LARGE_BYTES), "the bytes differ");
}

/// Sizes around the numbers where an implementation changes its mind: buffers, pages, turns.
#[test]
fn files_of_every_awkward_size_come_whole() {
    let around = [1, 512, 1_024, 4_096, 8_192, 16_384, 32_768, 65_536, 131_072, 262_144, 524_288, 1_048_576];
    let sizes = around.iter().flat_map(|size| [size - 1, *size, size + 1]);
    let site = Site::new();
    for size in sizes.clone() {
        site.file(format!("{size}"), patterned(size));
    }
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let mut client = Client::connect(&server);
    for size in sizes {
        let response = client.ask(get(&format!("/{size}"), ""));
        assert_eq!(response.field("content-length"), size.to_string());
        assert!(response.content == patterned(size), "{size} bytes differ");
    }
}
