//! Error pages and apps, while the files that they are come, change and go.

use std::fs;
use std::time::Duration;

use millpond::site::options::{Missing, Options};

use crate::support::{Bench, settled};

const START: Duration = Duration::ZERO;
const LATER: Duration = Duration::from_nanos(1);
const PAGE: &str = "Accept: text/html,*/*;q=0.8\r\n";
const LINE: &str = "404 Not Found: nothing here has that name\n";

fn of_app() -> Bench {
    Bench::choosing(Options { missing: Missing::MayBeOfApp, ..Options::recommended() })
}

#[test]
fn an_error_page_that_comes_changes_and_goes_is_seen_by_the_next_request() {
    for path in ["/missing", "/a%2Fb", "/deep/er/missing", "/.hidden"] {
        let bench = Bench::new();
        let ask = |received, content: &str| {
            let answer = bench.ask(path, PAGE, received);
            assert_eq!((answer.status, answer.content.as_str()), (404, content), "{path}");
            if let Some(warm) = bench.ask_memory(path, PAGE, received) {
                assert_eq!(warm, answer, "{path}");
            }
        };
        ask(START, LINE);
        bench.file("404.html", "old!");
        // The look that found none was made for requests up to then.
        ask(START, LINE);
        ask(LATER, "old!");
        bench.tick();
        bench.file("404.html", "new!");
        ask(LATER * 2, "new!");
        fs::remove_file(bench.path("404.html")).expect("our own file");
        ask(LATER * 3, LINE);
        fs::create_dir(bench.path("404.html")).expect("our own directory");
        ask(LATER * 4, LINE);
    }
}

#[test]
fn where_there_is_no_error_page_a_batch_costs_one_look() {
    let bench = Bench::new();
    let (batch, path) = (Duration::from_millis(10), "/a%2Fb");
    assert_eq!(bench.ask(path, "", START).status, 404);
    assert_eq!(bench.surely_ask_memory(path, "", batch).content, LINE);
    bench.file("404.html", "page");
    for received in [batch, batch - LATER, START] {
        assert_eq!(bench.ask_memory(path, "", received).expect("no look").content, LINE);
    }
    assert_eq!(bench.ask_memory(path, "", batch + LATER), None);
    assert_eq!(bench.ask(path, "", batch + LATER).content, "page");
}

#[test]
fn an_error_page_is_kept_like_a_file() {
    let bench = Bench::new();
    bench.file("404.html", "page");
    let cold = bench.ask("/a%2Fb", "", START);
    assert_eq!(bench.surely_ask_memory("/a%2Fb", "", LATER), cold);
    assert_eq!(
        cold.fields,
        "Content-Type: text/html; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
                             Vary: Accept\r\nContent-Length: 4\r\n\r\n"
    );
    let page = bench.surely_ask_memory("/404.html", "", LATER);
    assert_eq!((page.status, page.content.as_str()), (200, "page"), "by its own name it is a page");
}

#[test]
fn an_app_that_comes_changes_and_goes_is_seen_by_the_next_request() {
    let bench = of_app();
    let ask = |path: &str, received, expected: (u16, &str)| {
        let answer = bench.ask(path, PAGE, received);
        assert_eq!((answer.status, answer.content.as_str()), expected, "{path}");
        assert!(answer.fields.contains("Vary: Accept\r\n"), "{answer:?}");
        if let Some(warm) = bench.ask_memory(path, PAGE, received) {
            assert_eq!(warm, answer, "{path}");
        }
    };
    for (path, base) in [("/route", 0_u32), ("/a%2Fb", 10)] {
        let at = |step| LATER * (base + step);
        ask(path, at(0), (404, LINE));
        bench.file("index.html", "old!");
        ask(path, at(1), (200, "old!"));
        bench.tick();
        bench.file("index.html", "new!");
        ask(path, at(2), (200, "new!"));
        fs::remove_file(bench.path("index.html")).expect("our own file");
        ask(path, at(3), (404, LINE));
    }
    bench.file("index.html", "app");
    bench.file("route", "a file now");
    assert_eq!(bench.ask("/route", PAGE, LATER * 30).content, "a file now");
}

#[test]
fn a_page_of_the_app_is_the_index_in_every_way() {
    let bench = of_app();
    bench.file("index.html", "0123456789").file("index.html.gz", "zipped");
    let index = bench.ask("/", "", LATER);
    let etag = index.fields.split("ETag: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("it settled");
    for fields in [
        PAGE.to_owned(),
        format!("{PAGE}Accept-Encoding: gzip\r\n"),
        format!("{PAGE}Range: bytes=2-4\r\n"),
        format!("{PAGE}Range: bytes=0-1,4-5\r\n"),
        format!("{PAGE}Range: bytes=99-\r\n"),
        format!("{PAGE}If-None-Match: {etag}\r\n"),
        format!("{PAGE}If-Match: \"other\"\r\n"),
    ] {
        let now = settled();
        let ask = |path| bench.ask_at("GET", path, &fields, LATER, now);
        let (page, own) = (ask("/route"), ask("/"));
        assert_eq!((page.status, &page.content), (own.status, &own.content), "{fields}");
        let without = page.fields.replacen("Vary: Accept\r\n", "", 1);
        assert_eq!(without, own.fields, "{fields}");
    }
}
