//! Listings over the wire: they name what is served and nothing else, whatever the names are, however many there are, and
//! whatever happens meanwhile.
//!
//! RFC 9110 §12.5.1 (Accept), §13 (conditions); RFC 9112 §7.1 (chunks); rows D3, D4, D7, D8 and W7 of threats.md.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::load::{self, Background, Latencies, plain_get};
use crate::special_files;
use crate::support::{Client, PATIENCE, RENAMES, SECRET, Server, Site, ask, common, find, get, hurtful_names, request};

const JSON: &str = "Accept: application/json\r\n";

/// The entries of a listing as JSON, each a reference and its type.
fn entries(content: &[u8]) -> Vec<(String, String)> {
    let listing: Value = serde_json::from_slice(content).expect("JSON");
    assert_eq!(listing["complete"], true);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let entries = listing["entries"].as_array().expect("a row of entries");
    entries.iter().map(|entry| (text(&entry["href"]), text(&entry["type"]))).collect()
}

/// Every path that is listed, from a directory on down.
fn listed(server: &Server, directory: &str, found: &mut BTreeSet<String>) {
    let response = ask(server, get(&format!("{directory}?format=json"), ""));
    assert_eq!(response.status, 200, "{directory}");
    if response.field("content-type") != "application/json" {
        // It has an index; what else is in it nobody is told.
        return;
    }
    for (href, _) in entries(&response.content) {
        let path = format!("{directory}{href}");
        assert!(found.insert(path.clone()), "{path} twice");
        if path.ends_with('/') && path.len() < 200 {
            listed(server, &path, found);
        }
    }
}

/// A name as a client may spell it: every byte escaped.
fn spelt(name: &OsStr) -> String {
    name.as_bytes().iter().map(|byte| format!("%{byte:02X}")).collect()
}

/// A directory's names are listed if and only if a request for them is answered with them; nothing else is said.
fn holds_what_it_promises(server: &Server, directory: &str, place: &Path) {
    let response = ask(server, get(directory, JSON));
    assert_eq!(response.status, 200, "{directory}");
    let named = entries(&response.content);
    let mut answered = BTreeSet::new();
    for entry in fs::read_dir(place).expect("our own directory") {
        let name = entry.expect("our own directory").file_name();
        let direct = ask(server, get(&format!("{directory}{}", spelt(&name)), ""));
        match direct.status {
            200 => answered.insert((spelt(&name), "file".to_owned())),
            308 => answered.insert((spelt(&name), "directory".to_owned())),
            403 | 404 => false,
            status => panic!("{status} for {name:?}"),
        };
    }
    for (href, _) in &named {
        let target = format!("{directory}{href}");
        assert_eq!(ask(server, request("HEAD", &target, "")).status, 200, "{target}");
    }
    let decoded = |(href, kind): &(String, String)| {
        let name: Vec<u8> = percent_encoding::percent_decode_str(href.trim_end_matches('/')).collect();
        (spelt(&std::ffi::OsString::from_vec(name)), kind.clone())
    };
    assert_eq!(named.iter().map(decoded).collect::<BTreeSet<_>>(), answered, "{directory}");
}

#[test]
fn what_is_listed_is_what_a_direct_request_gets_and_nothing_else() {
    let _calm = RENAMES.read().unwrap_or_else(PoisonError::into_inner);
    let site = &common().site;
    for options in [&[][..], &["--hidden"], &["--follow-symlinks"], &["--hidden", "--follow-symlinks"]] {
        let server = Server::start(site.root(), &[options, &["--access-log", "off"]].concat());
        for directory in ["links", "special", "special/index-fifo", "links/down", "empty-dir", ".well-known"] {
            holds_what_it_promises(&server, &format!("/{directory}/"), &site.path(directory));
        }
        let hidden = ask(&server, get("/.git/", JSON));
        assert_eq!(hidden.status, if options.contains(&"--hidden") { 200 } else { 404 });
    }
}

#[test]
fn no_link_is_followed_out_for_a_listing() {
    let _calm = RENAMES.read().unwrap_or_else(PoisonError::into_inner);
    let mut found = BTreeSet::new();
    listed(&common().server, "/links/", &mut found);
    let out = ["out-", "process", "environment", "zero", "descriptor", "loop", "dangling", "to-fifo", "in-absolute"];
    let leaks: Vec<_> = found.iter().filter(|path| out.iter().any(|out| path.contains(out))).collect();
    assert_eq!(leaks, [] as [&String; 0]);
    assert!(found.contains("/links/directory/here.txt"), "{found:?}");
}

#[test]
fn what_may_not_be_read_is_not_listed() {
    let site = Site::new();
    site.file("open.txt", "").file("locked.txt", "").file("locked/x", "").file("no-search/x", "").file("no-read/x", "");
    site.link("to-locked", "locked.txt").link("to-no-search", "no-search").link("to-open", "open.txt");
    for (name, mode) in [("locked.txt", 0o000), ("locked", 0o000), ("no-search", 0o644), ("no-read", 0o711)] {
        site.mode(name, mode);
    }
    let server = special_files::start_unprivileged(&site);
    let response = ask(&server, get("/", JSON));
    let hrefs: Vec<String> = entries(&response.content).into_iter().map(|(href, _)| href).collect();
    assert_eq!(hrefs, ["open.txt", "to-open"]);
    for directory in ["locked", "no-search", "no-read"] {
        assert_eq!(ask(&server, get(&format!("/{directory}/"), "")).status, 403);
        site.mode(directory, 0o755);
    }
}

#[test]
fn every_name_that_hurts_is_listed_in_every_form_and_its_reference_leads_to_its_file() {
    let site = Site::new();
    let mut names: Vec<(Vec<u8>, String)> =
        hurtful_names().into_iter().map(|(name, _, content)| (name.to_vec(), content.to_owned())).collect();
    let others = (1..=255_u8).filter(|byte| *byte != b'/').map(|byte| (vec![b'x', byte, b'y'], format!("byte {byte}")));
    names.extend(others);
    names.push((vec![b'n'; 255], "long".to_owned()));
    names.push((vec![0xff; 255], "long, and escaped".to_owned()));
    for (name, content) in &names {
        site.file(OsStr::from_bytes(name), content);
    }
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let json = entries(&ask(&server, get("/", JSON)).content);
    let hrefs: Vec<String> = json.into_iter().map(|(href, _)| href).collect();
    assert_eq!(hrefs.len(), names.len());
    let mut contents = BTreeSet::new();
    for href in &hrefs {
        let response = ask(&server, get(&format!("/{href}"), ""));
        assert_eq!(response.status, 200, "{href}");
        contents.insert(response.content_text().to_owned());
    }
    assert_eq!(contents, names.into_iter().map(|(_, content)| content).collect());
    let text = ask(&server, get("/?format=text", ""));
    assert_eq!(text.content_text().lines().collect::<Vec<_>>(), hrefs);
    let page = ask(&server, get("/", "Accept: text/html\r\n"));
    for href in &hrefs {
        let reference = format!("<a href=\"{}\">", href.replace('&', "&amp;"));
        assert!(page.content_text().contains(&reference), "{reference}");
    }
}

#[test]
fn head_is_like_get_and_a_tag_saves_the_content() {
    let site = Site::new();
    site.file("dir/a.txt", "a");
    let server = Server::start(site.root(), &["--access-log", "off"]);
    for fields in ["", JSON, "Accept: text/plain\r\n"] {
        let whole = ask(&server, get("/dir/", fields));
        let mut head = ask(&server, request("HEAD", "/dir/", fields));
        let lines = |response: &crate::support::Response| {
            let lines = response.fields.iter().filter(|(name, _)| name != "Date");
            lines.cloned().collect::<Vec<_>>()
        };
        assert_eq!((lines(&whole), head.content.len()), (lines(&head), 0));
        let etag = whole.field("etag");
        head = ask(&server, get("/dir/", &format!("{fields}If-None-Match: \"x\", W/{etag}\r\n")));
        assert_eq!((head.status, head.field("etag"), head.field("vary")), (304, etag.clone(), "Accept".to_owned()));
        assert_eq!(ask(&server, get("/dir/", &format!("{fields}If-Match: \"x\"\r\n"))).status, 412);
        site.file("dir/b.txt", "b");
        assert_eq!(ask(&server, get("/dir/", &format!("{fields}If-None-Match: {etag}\r\n"))).status, 200);
        fs::remove_file(site.path("dir/b.txt")).expect("our own file");
    }
}

#[test]
fn an_index_goes_before_a_listing_and_a_query_survives_the_redirect() {
    let site = Site::new();
    site.file("with/index.html", "index").file("with/a.txt", "").file("without/a.txt", "");
    let server = Server::start(site.root(), &["--access-log", "off"]);
    assert_eq!(ask(&server, get("/with/?format=json", JSON)).content_text(), "index");
    let response = ask(&server, get("/without?format=text", ""));
    assert_eq!((response.status, response.field("location").as_str()), (308, "/without/?format=text"));
    assert_eq!(ask(&server, get("/without/?format=text", "")).content_text(), "a.txt\n");
    for target in ["/a.txt/", "/nothing/", "/without/a.txt/"] {
        assert_eq!(ask(&server, get(target, JSON)).status, 404, "{target}");
    }
}

// ---------------------------------------------------------------------------------------------------------------- many

const MANY: usize = 100_000;

/// A directory of so many names, in memory if there is such a place: a disk takes a minute to make them.
fn many(count: usize) -> Site {
    let site = Site::new_in(Path::new("/dev/shm")).unwrap_or_else(|_| Site::new());
    site.file("hello.txt", "hello, world\n").directory("many");
    for number in 0..count {
        File::create(site.path(format!("many/file-{number:06}.txt"))).expect("our own file");
    }
    site
}

/// What the kernel says that the process had of memory at most.
fn most_resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("our own child");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line about memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Four clients list the directory again and again; whoever asks for a small file meanwhile is answered as ever, by the
/// same only worker, and memory stays within its bound (row D7 of tests/threats.md).
#[test]
fn a_hundred_thousand_names_hold_nobody_up_and_stay_in_bounded_memory() {
    const CLIENTS: u64 = 4;
    let _alone = load::alone();
    let site = many(MANY);
    let server = Server::start(site.root(), &["--workers", "1", "--access-log", "off"]);
    let expected: String = (0..MANY).map(|number| format!("file-{number:06}.txt\n")).collect();
    let mut client = Client::connect(&server);
    client.ask(plain_get("/hello.txt"));
    let before = most_resident_kib(server.pid());
    let listing: Vec<Background> = (0..CLIENTS)
        .map(|_| {
            let (mut client, expected) = (Client::connect(&server), expected.clone());
            Background::run(move || {
                let response = client.ask(plain_get("/many/?format=text"));
                assert!(response.status == 200 && response.content == expected.as_bytes(), "all of them, in order");
            })
        })
        .collect();
    let latencies = Latencies::kept(&mut client, &plain_get("/hello.txt"), 300);
    drop(listing);
    // A turn of the work is a millisecond or two of a release build; this is a debug build, and the machine may be busy.
    latencies.assert_within(Duration::from_millis(60), Duration::from_millis(500));
    let grown = most_resident_kib(server.pid()) - before;
    assert!(grown < CLIENTS * 8 * 1024, "{grown} KiB for {CLIENTS} listings of {MANY} names");
}

#[test]
fn a_long_listing_comes_in_chunks_and_to_http_1_0_until_the_connection_ends() {
    let site = many(5_000);
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let expected: String = (0..5_000).map(|number| format!("file-{number:06}.txt\n")).collect();
    let chunked = ask(&server, get("/many/?format=text", ""));
    assert_eq!((chunked.field("transfer-encoding").as_str(), chunked.has("content-length")), ("chunked", false));
    assert!(chunked.content == expected.as_bytes());
    let head = ask(&server, request("HEAD", "/many/?format=text", ""));
    assert_eq!((head.status, head.field("etag")), (200, chunked.field("etag")));
    let mut old = Client::connect(&server);
    old.send("GET /many/?format=text HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let response = old.head();
    assert_eq!((response.status, response.closes(), response.is_chunked()), (200, true, false));
    assert!(old.read_to_end() == expected.as_bytes());
    // Requests that come together with it are answered behind it.
    let mut client = Client::connect(&server);
    client.send([get("/many/?format=json", ""), get("/hello.txt", ""), get("/many/?format=text", "")].concat());
    assert_eq!(entries(&client.response("GET").content).len(), 5_000);
    assert_eq!(client.response("GET").content_text(), "hello, world\n");
    assert!(client.response("GET").content == expected.as_bytes());
}

/// A listing is of every name that was there all the time, and well-formed, whatever comes and goes meanwhile.
#[test]
fn a_directory_that_changes_while_it_is_listed_has_all_that_stays() {
    let site = many(2_000);
    let server = Server::start(site.root(), &["--workers", "2", "--access-log", "off"]);
    let place = site.path("many");
    let mut number = 0_u32;
    let changing = Background::run(move || {
        number += 1;
        let (name, other) = (place.join(format!("come-{number}")), place.join(format!("gone-{number}")));
        let changed =
            File::create(&name).and_then(|_| fs::rename(&name, &other)).and_then(|()| fs::remove_file(&other));
        changed.expect("our own names");
    });
    let mut client = Client::connect(&server);
    for _ in 0..50 {
        let response = client.ask(get("/many/?sort=date&order=desc", JSON));
        let hrefs: BTreeSet<String> = entries(&response.content).into_iter().map(|(href, _)| href).collect();
        let stayed = hrefs.iter().filter(|href| href.starts_with("file-")).count();
        assert_eq!(stayed, 2_000);
        assert!(hrefs.iter().all(|href| ["file-", "come-", "gone-"].iter().any(|begin| href.starts_with(begin))));
    }
    drop(changing);
}

#[test]
fn a_directory_that_is_removed_is_404_from_then_on() {
    let site = many(1_000);
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let mut client = Client::connect(&server);
    assert_eq!(client.ask(get("/many/", "")).status, 200);
    fs::remove_dir_all(site.path("many")).expect("our own directory");
    assert_eq!(client.ask(get("/many/", "")).status, 404);
}

/// A directory is exchanged for a link out of the root, again and again: nothing of what is there is ever named.
#[test]
fn a_directory_swapped_for_a_link_is_never_listed_from_outside() {
    let _storm = RENAMES.write().unwrap_or_else(PoisonError::into_inner);
    let site = Site::new();
    site.file("swapped/inside.txt", "inside").link("other", "../outside");
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let (one, other) = (site.path("swapped"), site.path("other"));
    let swapping = Background::run(move || {
        rustix::fs::renameat_with(rustix::fs::CWD, &one, rustix::fs::CWD, &other, rustix::fs::RenameFlags::EXCHANGE)
            .expect("an exchange of our own names");
    });
    let mut client = Client::connect(&server);
    for _ in 0..2_000 {
        for target in ["/swapped/", "/other/"] {
            let response = client.ask(get(target, "Accept: text/plain\r\n"));
            match (response.status, response.content_text()) {
                (200, "inside.txt\n") | (404 | 503, _) => {}
                other => panic!("{target}: {other:?}"),
            }
            assert_eq!(find(&response.content, SECRET.as_bytes()), None);
        }
        let root = client.ask(get("/", JSON));
        assert!(
            root.status == 503 || find(&root.content, b"outside").is_none() && find(&root.content, b"secret").is_none()
        );
    }
    drop(swapping);
}

/// The signal comes while the directory is being read, and while nobody takes what is sent: all of it comes, and the
/// server ends well.
#[test]
fn a_drain_in_the_middle_of_a_listing_loses_nothing_of_it() {
    let _alone = load::alone();
    let site = many(50_000);
    let mut server = Server::start(site.root(), &["--workers", "1", "--access-log", "off"]);
    let whole = ask(&server, get("/many/?format=json", ""));
    assert!(whole.content.len() > 4 * 1024 * 1024);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(&server)).collect();
    for client in &mut clients {
        client.send(get("/many/?format=json", ""));
    }
    // The first bytes of one: it is being sent, and the others are being read or sent.
    let first = clients[0].take(1_000);
    server.signal(Signal::TERM);
    server.wait_for_stderr_line(PATIENCE, |line| line.contains("draining"));
    thread::scope(|scope| {
        for (number, mut client) in clients.into_iter().enumerate() {
            let (whole, first) = (&whole, &first);
            scope.spawn(move || {
                if number == 0 {
                    let rest = client.read_to_end();
                    let sent = [first.as_slice(), &rest].concat();
                    assert!(sent.ends_with(b"0\r\n\r\n"), "the last chunk came");
                    return;
                }
                let response = client.response("GET");
                assert!(response.content == whole.content);
                client.expect_closed();
            });
        }
    });
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
}

/// Whoever leaves in the middle costs nothing for long.
#[test]
fn clients_that_leave_in_the_middle_leave_nothing_behind() {
    let _alone = load::alone();
    let site = many(20_000);
    let server = Server::start(site.root(), &["--workers", "1", "--access-log", "off"]);
    ask(&server, get("/many/?format=text", ""));
    let descriptors = load::descriptors(server.pid());
    for _ in 0..20 {
        let mut client = Client::connect(&server);
        client.send(get("/many/", ""));
        match client.try_send(get("/many/", "")) {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        load::will_abort(client.stream());
    }
    load::wait_until(PATIENCE, "the directory is closed", || load::descriptors(server.pid()) == descriptors);
    let begun = Instant::now();
    assert_eq!(ask(&server, get("/hello.txt", "")).status, 200);
    assert!(begun.elapsed() < PATIENCE);
}
