//! Files that are kept in memory are answered as files that aren't, over the wire and to the byte, and never stale.
//!
//! DESIGN.md §3.8; PROMISE.md 10 and 11; threats.md A2, L3, T4. Every way in which a file can change is a row of
//! `tests/site/changes.rs`; these are about the whole way from a disk to a client.

use crate::load;
use crate::support::{Client, PATIENCE, Response, Server, Site, get, patterned, request, show};

/// Everything but the date.
fn undated(response: &Response) -> (u16, Vec<String>, Vec<u8>) {
    let lines = String::from_utf8_lossy(&response.raw_head).into_owned();
    let lines = lines.split("\r\n").filter(|line| !line.starts_with("Date: ")).map(str::to_owned).collect();
    (response.status, lines, response.content.clone())
}

#[test]
fn the_first_answer_and_the_twentieth_are_the_same() {
    let site = Site::new();
    site.file("small.txt", "0123456789").file("a/b/c.txt", "0123456789").file("empty.txt", "");
    site.file("dir/index.html", "0123456789").file("large.bin", patterned(200_000)).link("link.txt", "a/b/c.txt");
    site.settle();
    let requests: Vec<(&str, Vec<u8>)> =
        ["/small.txt", "/a/b/c.txt", "/empty.txt", "/dir/", "/large.bin", "/link.txt", "/missing", "/a"]
            .iter()
            .flat_map(|target| {
                ["", "If-None-Match: *\r\n", "If-Match: \"x\"\r\n", "Range: bytes=1-3\r\n", "Range: bytes=999999-\r\n"]
                    .iter()
                    .flat_map(move |fields| [("GET", *target, *fields), ("HEAD", *target, *fields)])
            })
            .map(|(method, target, fields)| (method, request(method, target, fields)))
            .collect();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let mut client = Client::connect(&server);
    // In one piece: what is pipelined is one batch.
    let mut round = || -> Vec<_> {
        client.send(requests.iter().flat_map(|(_, request)| request.clone()).collect::<Vec<u8>>());
        requests.iter().map(|(method, _)| undated(&client.response(method))).collect()
    };
    let first = round();
    for count in 2..=20 {
        let again = round();
        for ((found, expected), (_, request)) in again.iter().zip(&first).zip(&requests) {
            assert!(found == expected, "answer {count} to {}: {found:?}, not {expected:?}", show(request));
        }
    }
}

/// PROMISE.md 10 for a file that has settled and is kept, when the storm begins.
#[test]
fn a_settled_file_that_is_rewritten_a_thousand_times_is_served_new_each_time() {
    let site = Site::new();
    site.file("counter.txt", "----").file("deep/counter.txt", "----");
    site.settle();
    let server = Server::start(site.root(), &["--access-log", "off", "--workers", "2"]);
    let mut clients = [Client::connect(&server), Client::connect(&server)];
    for name in ["counter.txt", "deep/counter.txt"] {
        for client in &mut clients {
            let warm = (0..3).map(|_| client.ask(get(&format!("/{name}"), ""))).last().expect("three answers");
            assert!(warm.has("etag"), "it has settled");
        }
        for count in 0..1_000 {
            let content = format!("{count:04}");
            site.file(name, &content);
            let client = &mut clients[count % 2];
            assert_eq!(client.ask(get(&format!("/{name}"), "")).content_text(), content);
        }
    }
}

/// A 304 says "what you have is what there is", and that is never said of what was.
#[test]
fn a_kept_file_that_changes_is_no_304_any_more() {
    let site = Site::new();
    site.file("a.txt", "old!").file("deep/a.txt", "old!").file("gone.txt", "old!");
    site.settle();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let mut client = Client::connect(&server);
    let targets = ["/a.txt", "/deep/a.txt", "/gone.txt"];
    let conditional = targets.map(|target| {
        let first = client.ask(get(target, ""));
        get(target, &format!("If-None-Match: {}\r\n", first.field("etag")))
    });
    for request in &conditional {
        assert_eq!(client.ask(request).status, 304);
    }
    site.file("a.txt", "new!").file("deep/a.txt", "new!");
    std::fs::remove_file(site.path("gone.txt")).expect("our own file");
    client.send(conditional.concat());
    let statuses: Vec<u16> = conditional.iter().map(|_| client.response("GET").status).collect();
    assert_eq!(statuses, [200, 200, 404]);
}

#[test]
fn ten_thousand_files_are_all_right_twice() {
    const FILES: usize = 10_000;
    const BATCH: usize = 100;
    let site = Site::new();
    for number in 0..FILES {
        site.file(format!("{}/{number}.txt", number % 10), format!("{number:0512}"));
    }
    site.settle();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let mut client = Client::connect(&server);
    for _ in 0..2 {
        for first in (0..FILES).step_by(BATCH) {
            let numbers = first..first + BATCH;
            client.send(numbers.clone().flat_map(|n| get(&format!("/{}/{n}.txt", n % 10), "")).collect::<Vec<u8>>());
            for number in numbers {
                let response = client.response("GET");
                assert_eq!((response.status, response.content_text()), (200, format!("{number:0512}").as_str()));
            }
        }
    }
}

/// Descriptors that are only kept are given up before a client is told that there are none (threats.md A2).
#[test]
fn what_is_kept_open_is_given_up_when_descriptors_run_out() {
    // More than is kept in memory.
    const LARGE: usize = 140_000;
    const KEPT: usize = 40;
    let _alone = load::alone();
    let site = Site::new();
    for number in 0..=KEPT {
        site.file(format!("{number}.bin"), patterned(LARGE));
    }
    site.settle();
    let server = Server::start(site.root(), &["--access-log", "off", "--workers", "1"]);
    let mut client = Client::connect(&server);
    // So that the connection is among them.
    client.ask(get("/missing", ""));
    let none = load::descriptors(server.pid());
    for number in 0..KEPT {
        assert_eq!(client.ask(get(&format!("/{number}.bin"), "")).content.len(), LARGE);
    }
    let kept = load::descriptors(server.pid()) - none;
    // A hash doesn't fill every part of the cache alike.
    assert!(kept >= KEPT / 2, "{kept} are kept");
    // Not one more can be had.
    load::limit_descriptors(server.pid(), load::next_descriptor(server.pid()));
    let response = client.ask(get(&format!("/{KEPT}.bin"), ""));
    assert_eq!((response.status, response.content.len()), (200, LARGE));
    assert!(load::descriptors(server.pid()) <= none + 1);
}

/// A client that reads slowly has the old bytes to the end, and the next request has the new.
#[test]
fn a_large_file_replaced_while_it_is_sent_ends_as_it_began() {
    let site = Site::new();
    let (old, new) = (patterned(8 * 1024 * 1024), vec![b'n'; 1024]);
    site.file("large.bin", &old);
    site.settle();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let mut slow = Client::connect(&server);
    let mut quick = Client::connect(&server);
    assert!(quick.ask(get("/large.bin", "")).content == old);
    slow.send(get("/large.bin", ""));
    let head = slow.head();
    let mut content = slow.take(1024);
    site.file("next.bin", &new);
    std::fs::rename(site.path("next.bin"), site.path("large.bin")).expect("our own names");
    assert!(quick.ask(get("/large.bin", "")).content == new);
    content.extend(slow.take(old.len() - 1024));
    assert_eq!(head.field("content-length"), old.len().to_string());
    assert!(content == old, "the bytes differ");
    assert!(slow.ask(get("/large.bin", "")).content == new);
}

/// A deleted file's space comes back when its last descriptor is closed: soon, and with nobody there.
#[test]
fn a_deleted_file_is_let_go_when_nobody_asks_for_it() {
    let _alone = load::alone();
    let site = Site::new();
    site.file("large.bin", patterned(200_000)).file("small.txt", "small");
    site.settle();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let mut client = Client::connect(&server);
    client.ask(get("/small.txt", ""));
    let before = load::descriptors(server.pid());
    client.ask(get("/large.bin", ""));
    assert_eq!(load::descriptors(server.pid()), before + 1);
    std::fs::remove_file(site.path("large.bin")).expect("our own file");
    drop(client);
    load::wait_until(PATIENCE, "the descriptor is closed", || load::descriptors(server.pid()) < before);
}
