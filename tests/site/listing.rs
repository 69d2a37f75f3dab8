//! Listings, without a socket: the order, what is said of an entry, what a query and a condition do, and the bounds.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millpond::config;
use millpond::http::method::Method;
use millpond::http::response::Content;
use millpond::site::listing::entries::{Entries, Item, Kind, Run};
use millpond::site::listing::order::{self, Direction, Key, Order};
use millpond::site::listing::spelling;
use millpond::site::options::Options;
use millpond::site::respond::Site;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::support::{self, Answer, Bench, respond_whole, with_request};

const EVERY_ORDER: [Order; 6] = [
    Order { key: Key::Name, direction: Direction::Ascending },
    Order { key: Key::Name, direction: Direction::Descending },
    Order { key: Key::Size, direction: Direction::Ascending },
    Order { key: Key::Size, direction: Direction::Descending },
    Order { key: Key::Date, direction: Direction::Ascending },
    Order { key: Key::Date, direction: Direction::Descending },
];

/// The same directory, with listings.
fn listed(bench: &Bench) -> Site {
    Site::open(&bench.path(""), Options::recommended()).expect("it is there")
}

fn ask(bench: &Bench, path: &str, fields: &str) -> Answer {
    support::ask(&listed(bench), "GET", path, fields, Instant::now(), SystemTime::now())
}

/// Every modification at the same second, but for those that a test sets apart.
fn touch(bench: &Bench, name: &str, seconds: u64) {
    File::open(bench.path(name))
        .and_then(|file| file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)))
        .expect("our own name");
}

fn sample() -> Bench {
    let bench = Bench::new();
    bench.file("b.txt", "22").file("a10", "1").file("a2", "4444").file("z/x", "").file("Y/x", "").file("empty", "");
    for (name, seconds) in [("b.txt", 5), ("a10", 9), ("a2", 1), ("z", 7), ("Y", 8), ("empty", 3)] {
        touch(&bench, name, seconds);
    }
    bench
}

// --------------------------------------------------------------------------------------------------------------- order

#[test]
fn names_are_in_the_order_that_people_expect() {
    let in_order: [&[u8]; 24] = [
        b"",
        b" ",
        b"!",
        b"0",
        b"00",
        b"01",
        b"1",
        b"2",
        b"10",
        b"10a",
        b"99999999999999999999999999999999999998",
        b"99999999999999999999999999999999999999",
        b"A",
        b"a",
        b"a1b2",
        b"a1b10",
        b"a2",
        b"a2.txt",
        b"A10",
        b"a10",
        b"ab",
        b"B",
        b"caf\xc3\xa9",
        b"\xff",
    ];
    for (place, one) in in_order.iter().enumerate() {
        for (other_place, other) in in_order.iter().enumerate() {
            let (shown, other_shown) = (one.escape_ascii(), other.escape_ascii());
            assert_eq!(order::names(one, other), place.cmp(&other_place), "{shown} and {other_shown}");
        }
    }
}

fn any_name() -> impl Strategy<Value = Vec<u8>> {
    // Few letters, so that names are often alike.
    prop::collection::vec(prop::sample::select(b"aAb019.-\xff".to_vec()), 0..6)
}

type Owned = (Vec<u8>, bool, u64, i64);

fn item((name, is_file, size, modified): &Owned) -> Item<'_> {
    let kind = if *is_file { Kind::File } else { Kind::Directory };
    Item { name, kind, size: *size, modified: *modified }
}

proptest! {
    #[test]
    fn names_have_a_total_order(a in any_name(), b in any_name(), c in any_name()) {
        prop_assert_eq!(order::names(&a, &b), order::names(&b, &a).reverse());
        prop_assert_eq!(order::names(&a, &b) == Ordering::Equal, a == b);
        if order::names(&a, &b).is_le() && order::names(&b, &c).is_le() {
            prop_assert!(order::names(&a, &c).is_le());
        }
    }

    /// However the directory was read: the merge of sorted runs is the whole, sorted.
    #[test]
    fn runs_are_merged_as_if_all_had_been_sorted(
        entries in prop::collection::vec((any_name(), any::<bool>(), 0..3_u64, 0..3_i64), 0..40),
        cuts in prop::collection::vec(1..8_usize, 40),
        order in prop::sample::select(EVERY_ORDER.to_vec()),
    ) {
        // A directory has no name twice.
        let mut seen = HashSet::new();
        let mut entries: Vec<Owned> = entries;
        entries.retain(|(name, ..)| seen.insert(name.clone()));
        let (mut all, mut rest) = (Entries::default(), &entries[..]);
        for cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            let mut run = Run::default();
            now.iter().for_each(|entry| run.push(&item(entry)));
            all.add(run, order);
            rest = later;
        }
        let mut sorted = entries;
        sorted.sort_by(|one, other| order.compare(&item(one), &item(other)));
        let mut merge = all.merge(order);
        for entry in &sorted {
            prop_assert_eq!(merge.first(), Some(item(entry)));
            merge.advance();
        }
        prop_assert_eq!(merge.first(), None);
    }
}

#[test]
fn a_query_sorts_and_what_it_says_wrong_is_the_default() {
    let bench = sample();
    let by_name = "Y/\nz/\na2\na10\nb.txt\nempty\n";
    let rows = [
        ("", by_name),
        ("?sort=name", by_name),
        ("?sort=name&order=desc", "z/\nY/\nempty\nb.txt\na10\na2\n"),
        ("?order=desc", "z/\nY/\nempty\nb.txt\na10\na2\n"),
        ("?sort=size", "Y/\nz/\nempty\na10\nb.txt\na2\n"),
        ("?sort=size&order=desc", "Y/\nz/\na2\nb.txt\na10\nempty\n"),
        ("?sort=date", "z/\nY/\na2\nempty\nb.txt\na10\n"),
        ("?order=desc&sort=date&x=y", "Y/\nz/\na10\nb.txt\nempty\na2\n"),
        ("?sort=SIZE&order=down", by_name),
        ("?sort=size&sort=date", "Y/\nz/\nempty\na10\nb.txt\na2\n"),
        ("?sort", by_name),
        ("?sort=%73ize", by_name),
        ("?C=M;O=D", by_name),
        ("?", by_name),
        ("?&&=&order==desc", by_name),
    ];
    for (query, expected) in rows {
        let answer = ask(&bench, &format!("/{query}"), "Accept: text/plain\r\n");
        assert_eq!((answer.status, answer.content.as_str()), (200, expected), "{query}");
    }
}

// ----------------------------------------------------------------------------------------------------------- the forms

#[test]
fn as_json_each_entry_has_a_line_that_says_it_all() {
    let bench = sample();
    bench.file("dir/\"q\" & <b>\n\u{202e}.txt", "12345").file("dir/sub/x", "");
    let odd = bench.path("dir").join(OsStr::from_bytes(b"caf\xe9"));
    support::write(&odd, "1");
    touch(&bench, "dir/\"q\" & <b>\n\u{202e}.txt", 784_111_777);
    touch(&bench, "dir/sub", 0);
    File::open(odd).and_then(|file| file.set_modified(UNIX_EPOCH - Duration::from_secs(9))).expect("our own file");
    let answer = ask(&bench, "/dir/?format=json", "");
    let expected = "{\"path\":\"/dir/\",\"complete\":true,\"entries\":[\n\
        {\"name\":\"sub\",\"href\":\"sub/\",\"type\":\"directory\",\"modified\":\"1970-01-01T00:00:00Z\"},\n\
        {\"name\":\"\\\"q\\\" & <b>\\n\u{202e}.txt\",\"href\":\"%22q%22%20&%20%3Cb%3E%0A%E2%80%AE.txt\",\"type\":\"file\",\
        \"size\":5,\"modified\":\"1994-11-06T08:49:37Z\"},\n\
        {\"name\":\"caf\u{fffd}\",\"href\":\"caf%E9\",\"type\":\"file\",\"size\":1,\"modified\":\"1970-01-01T00:00:00Z\"}\n\
        ]}\n";
    assert_eq!(answer.content, expected);
    let empty = Bench::new();
    let answer = ask(&empty, "/?format=json", "");
    assert_eq!(answer.content, "{\"path\":\"/\",\"complete\":true,\"entries\":[\n]}\n");
    assert_eq!(ask(&empty, "/?format=text", "").content, "");
}

#[test]
fn the_form_is_chosen_by_the_query_and_else_by_accept() {
    let bench = sample();
    let (html, json, text) = ("text/html; charset=utf-8", "application/json", "text/plain; charset=utf-8");
    let rows = [
        ("/", "", html),
        ("/", "Accept: */*\r\n", html),
        ("/", "Accept: application/json\r\n", json),
        ("/", "Accept: text/plain;q=0.9, text/html;q=0.8\r\n", text),
        ("/", "Accept: image/png\r\n", html),
        ("/?format=json", "Accept: text/html\r\n", json),
        ("/?format=text", "Accept: text/html\r\n", text),
        ("/?format=html", "Accept: application/json\r\n", html),
        ("/?format=xml", "Accept: application/json\r\n", json),
    ];
    for (path, fields, media_type) in rows {
        let answer = ask(&bench, path, fields);
        let lines: Vec<&str> = answer.fields.split("\r\n").collect();
        for line in [&format!("Content-Type: {media_type}"), "Vary: Accept", "Cache-Control: no-cache"] {
            assert!(lines.contains(&line), "{path} {fields}: {line} in {lines:?}");
        }
        assert!(!answer.fields.contains("Last-Modified") && !answer.fields.contains("Accept-Ranges"), "{lines:?}");
        assert_eq!(answer.fields.contains("Content-Security-Policy: default-src 'none';"), media_type == html);
    }
}

/// Nothing of a name is markup, nothing of a query is repeated, and a page refers to nothing but its neighbours (rows D3
/// and D4 of tests/threats.md).
#[test]
fn on_a_page_names_are_text_and_references_are_relative() {
    let bench = Bench::new();
    let names = [
        "<script>alert(1)</script>",
        "javascript:alert(1)",
        "\"onmouseover=\"alert(1)",
        "a&amp;b",
        "'x'",
        "evil\u{202e}gpj.exe",
    ];
    for name in names {
        bench.file(&format!("<img src=x>/{name}"), "");
        fs::create_dir_all(bench.path(&format!("<img src=x>/{name}.d"))).expect("our own directory");
    }
    let page = ask(&bench, "/%3Cimg%20src=x%3E/?sort=%3Cscript%3E&x='onclick='", "").content;
    for bad in ["<script>alert", "<img", "onmouseover=\"", "\u{202e}", "%3Cscript%3E&amp;x", "\"javascript:", "onclick"]
    {
        assert!(!page.contains(bad), "{bad} in {page}");
    }
    for text in ["&lt;script&gt;alert(1)", "a&amp;amp;b", "evil\u{27e8}U+202E\u{27e9}gpj.exe"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    let references = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default());
    let mut count = 0;
    for reference in references {
        count += 1;
        let is_own = reference.starts_with(['#', '?']) || reference == "data:," || reference.starts_with("../");
        let is_neighbour =
            !reference.contains([':', '?', '#', '<', '"']) && !reference.trim_end_matches('/').contains('/');
        assert!(is_own || is_neighbour, "{reference}");
    }
    assert!(count > names.len() * 4, "{count} references");
}

#[test]
fn a_page_says_how_it_is_sorted_and_links_to_every_other_order() {
    let bench = sample();
    let rows = [
        ("/", "ascending", "?sort=name&amp;order=desc", "Name"),
        ("/?order=desc", "descending", "?sort=name&amp;order=asc", "Name"),
        ("/?sort=size", "ascending", "?sort=size&amp;order=desc", "Size"),
        ("/?sort=date&order=desc", "descending", "?sort=date&amp;order=asc", "Modified"),
    ];
    for (path, sorted, link, title) in rows {
        let page = ask(&bench, path, "").content;
        let head = format!("<th scope=\"col\" aria-sort=\"{sorted}\"><a href=\"{link}\" rel=\"nofollow\">{title}");
        assert!(page.contains(&head), "{path}: {page}");
        assert_eq!(page.matches("aria-sort=").count(), 1 + page.matches("[aria-sort=\"").count(), "{path}");
    }
}

#[test]
fn the_way_up_is_in_relative_steps() {
    let bench = Bench::new();
    bench.file("a b/ü/c/x", "");
    let page = ask(&bench, "/a%20b/%C3%BC/c/", "").content;
    let way = "<ol><li><a href=\"../../../\">Home</a></li><li><a href=\"../../\"><bdi>a b</bdi></a></li>\
               <li><a href=\"../\"><bdi>ü</bdi></a></li></ol></nav><h1><bdi>c</bdi></h1>";
    assert!(page.contains(way), "{page}");
    assert!(page.contains("<title>/a b/ü/c/</title>"));
    assert!(!ask(&bench, "/", "").content.contains("../"));
}

#[test]
fn names_and_sizes_are_shown_as_people_read_them() {
    let names: [(&[u8], &str); 7] = [
        (b"plain.txt", "plain.txt"),
        (b"nl\nesc\x1b[31m\x7f", "nl\u{240a}esc\u{241b}[31m\u{2421}"),
        (b"caf\xe9", "caf\u{fffd}"),
        ("a\u{202e}b\u{2066}c".as_bytes(), "a\u{27e8}U+202E\u{27e9}b\u{27e8}U+2066\u{27e9}c"),
        ("c1\u{85}".as_bytes(), "c1\u{27e8}U+0085\u{27e9}"),
        ("שלום.txt".as_bytes(), "שלום.txt"),
        ("🦆".as_bytes(), "🦆"),
    ];
    for (name, shown) in names {
        assert_eq!(spelling::shown(name), shown);
    }
    let sizes = [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (1024 * 1024 - 52, "1023.9 KiB"),
        (5 << 30, "5.0 GiB"),
        (u64::MAX, "16.0 EiB"),
    ];
    for (bytes, shown) in sizes {
        assert_eq!(spelling::size(bytes), shown);
    }
}

// ---------------------------------------------------------------------------------------------------------- validators

fn etag(answer: &Answer) -> String {
    let line = answer.fields.split("\r\n").find_map(|line| line.strip_prefix("ETag: "));
    line.unwrap_or_else(|| panic!("no tag in {}", answer.fields)).to_owned()
}

/// Changes a directory.
type Change = fn(&Bench);

#[test]
fn the_tag_is_the_same_until_something_that_is_shown_changes() {
    let changes: [(&str, Change, bool); 9] = [
        ("nothing", |_| {}, true),
        ("a new file", |bench| _ = bench.file("new", ""), false),
        ("a file less", |bench| fs::remove_file(bench.path("a2")).expect("our own"), false),
        ("another name", |bench| fs::rename(bench.path("a2"), bench.path("a3")).expect("our own"), false),
        ("another size", |bench| _ = bench.file("a2", "55555"), false),
        ("another date", |bench| touch(bench, "a2", 2), false),
        ("another date of a directory", |bench| touch(bench, "z", 2), false),
        (
            "other bytes, and the same date and size",
            |bench| {
                bench.file("a2", "5555");
                touch(bench, "a2", 1);
            },
            true,
        ),
        ("a hidden file", |bench| _ = bench.file(".hidden", ""), true),
    ];
    for (name, change, stays) in changes {
        let bench = sample();
        let before = ask(&bench, "/", "");
        change(&bench);
        let after = ask(&bench, "/", "");
        assert_eq!(etag(&before) == etag(&after), stays, "{name}");
        assert_eq!(before.content == after.content, stays, "{name}");
        let again = ask(&bench, "/", &format!("If-None-Match: {}\r\n", etag(&before)));
        assert_eq!((again.status, again.content.is_empty()), (if stays { 304 } else { 200 }, stays), "{name}");
        let only = ask(&bench, "/", &format!("If-Match: {}\r\n", etag(&before)));
        assert_eq!(only.status, if stays { 200 } else { 412 }, "{name}");
    }
}

#[test]
fn every_form_and_order_has_a_tag_of_its_own() {
    let bench = sample();
    let mut tags = Vec::new();
    for format in ["html", "json", "text"] {
        for order in EVERY_ORDER {
            tags.push(etag(&ask(&bench, &format!("/{}&format={format}", order.query()), "")));
        }
    }
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 18);
}

#[test]
fn a_304_has_the_fields_that_a_200_would_have() {
    let bench = sample();
    let whole = ask(&bench, "/?format=json", "");
    let known = ask(&bench, "/?format=json", "If-None-Match: *\r\n");
    assert_eq!(known.status, 304);
    for line in ["Cache-Control: no-cache\r\n", "Vary: Accept\r\n", &format!("ETag: {}\r\n", etag(&whole))] {
        assert!(known.fields.contains(line) && whole.fields.contains(line), "{line:?}");
    }
    let dated = ask(&bench, "/", "If-Modified-Since: Sat, 01 Jan 2400 00:00:00 GMT\r\nRange: bytes=0-3\r\n");
    assert_eq!(dated.status, 200, "it has no date and no ranges");
}

// -------------------------------------------------------------------------------------------------------------- bounds

#[test]
fn long_listings_share_a_bounded_memory_and_give_it_back() {
    let bench = Bench::for_many();
    for number in 0..20_000 {
        File::create(bench.path(&format!("{number}{:x>240}", ""))).expect("our own file");
    }
    let site = listed(&bench);
    let list = || {
        with_request("GET", "/?format=text", "", |request| {
            assert_eq!(request.method, Method::Get);
            respond_whole(&site, request, SystemTime::now(), Instant::now())
        })
    };
    let mut held = Vec::new();
    let refused = loop {
        let response = list();
        match response.status().code() {
            200 => held.push(response),
            _ => break response,
        }
        assert!(site.room().taken() <= config::LISTINGS_BYTES_MAX, "{} bytes", site.room().taken());
        assert!(held.len() < 20, "5 MiB each");
    };
    assert!(held.len() >= 10, "only {}", held.len());
    assert_eq!(refused.status().code(), 503);
    // A short one has its place all the same.
    bench.file("sub/short.txt", "");
    assert_eq!(support::ask(&site, "GET", "/sub/", "", Instant::now(), SystemTime::now()).status, 200);
    // What is sent gives its memory back while it goes out.
    let taken = site.room().taken();
    drop(held.pop());
    assert!(site.room().taken() < taken);
    let Content::Pieces(mut pieces) = list().into_content() else { panic!("a long listing is made in pieces") };
    let (mut out, mut longest) = (Vec::new(), 0);
    let mut all = 0;
    while !pieces.is_done() {
        out.clear();
        pieces.write_next(&mut out);
        longest = longest.max(out.len());
        all += out.len();
    }
    assert!(all > 20_000 * 241 && longest < config::LISTING_PIECE_BYTES + 1024, "{longest} of {all}");
    held.clear();
    drop(pieces);
    assert_eq!(site.room().taken(), 0);
}

#[test]
fn beyond_so_many_names_it_says_that_there_are_more() {
    let bench = Bench::for_many();
    let create = |name: String| File::create(bench.path(&name)).map(drop).expect("our own file");
    (1..config::LISTING_NAMES_MAX).for_each(|number| create(number.to_string()));
    create(".hidden".to_owned());
    let said = "There is more in this directory than is listed: only the first 200000 names were looked at.";
    let begins = |form| {
        let text = ask(&bench, &format!("/?format={form}"), "").content;
        (text[..text.len().min(20_000)].to_owned(), text.lines().count())
    };
    assert!(begins("json").0.starts_with("{\"path\":\"/\",\"complete\":true,"));
    assert_eq!(begins("text").1, config::LISTING_NAMES_MAX - 1);
    create("one more".to_owned());
    assert!(begins("json").0.starts_with("{\"path\":\"/\",\"complete\":false,"));
    assert!(begins("html").0.contains(said));
}

/// The policy refuses a script whose hash it doesn't name, and the page would go without. On a failure, what is said to be
/// right goes into `page::POLICY`.
#[test]
fn the_policy_names_the_style_and_the_script_as_they_are() {
    let bench = Bench::new();
    let answer = ask(&bench, "/?format=html", "");
    let policy = answer.fields.split("Content-Security-Policy: ").nth(1).expect("a page has one");
    for element in ["style", "script"] {
        let (begin, end) = (format!("<{element}>"), format!("</{element}>"));
        let text = answer.content.split(&begin).nth(1).and_then(|rest| rest.split(&end).next()).expect("there is one");
        let hash = data_encoding::BASE64.encode(&Sha256::digest(text.as_bytes()));
        assert!(policy.contains(&format!("{element}-src 'sha256-{hash}'")), "{element}: {hash} is not in {policy}");
    }
}
