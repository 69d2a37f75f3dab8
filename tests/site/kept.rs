//! What is kept, and that it answers as the file itself would: DESIGN.md §3.8.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::time::{Duration, SystemTime};

use millpond::site::file_system::stamps_in_time;
use millpond::site::root::Links;

use crate::support::{Bench, settled};

const START: Duration = Duration::ZERO;
const LATER: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn what_is_kept_answers_as_the_file_does() {
    let bench = Bench::new();
    let large = "0123456789".repeat(10_000);
    bench.file("small.txt", "0123456789").file("dir/index.html", "0123456789").file("a/b/c.txt", "0123456789");
    bench.file("empty.txt", "").file("large.bin", &large).file("index.html", "0123456789");
    let conditions = [
        ("", 200),
        ("If-None-Match: {e}\r\n", 304),
        ("If-None-Match: \"other\"\r\n", 200),
        ("If-Match: \"other\"\r\n", 412),
        ("If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT\r\n", 304),
        ("Range: bytes=2-4\r\n", 206),
        ("Range: bytes=-3\r\nIf-Range: {e}\r\n", 206),
        ("Range: bytes=-3\r\nIf-Range: \"other\"\r\n", 200),
        ("Range: bytes=0-1,4-5\r\n", 206),
        ("Range: bytes=1000000-\r\n", 416),
    ];
    let now = settled();
    for path in
        ["/small.txt", "/dir/", "/dir/index.html", "/a/b/c.txt", "/empty.txt", "/large.bin", "/", "/%73mall.txt"]
    {
        let cold = |method, fields: &str| bench.ask_anew(method, path, fields, now);
        let whole = cold("GET", "");
        let etag = whole.fields.split("ETag: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("it settled");
        bench.ask_at("GET", path, "", START, now);
        for (fields, status) in conditions {
            let fields = fields.replace("{e}", etag);
            for method in ["GET", "HEAD"] {
                let warm = bench.ask_at(method, path, &fields, START, now);
                assert_eq!(warm, cold(method, &fields), "{method} {path} {fields}");
                let expected = match (path, status, method) {
                    ("/empty.txt", 206, "GET") => 416,
                    (_, 206 | 416, "HEAD") => 200,
                    _ => status,
                };
                assert_eq!(warm.status, expected, "{method} {path} {fields}");
            }
            let from_memory = bench.surely_ask_memory(path, &fields, LATER);
            assert_eq!(from_memory.status, bench.ask_at("GET", path, &fields, LATER, now).status, "{path} {fields}");
        }
    }
}

#[test]
fn what_needs_no_file_is_answered_from_memory() {
    let bench = Bench::new();
    // Whether there is an error page takes one look, and then no disk.
    assert_eq!(bench.ask("/a%2Fb", "", START).status, 404);
    assert_eq!(bench.ask_memory("/a%2Fb", "", LATER).map(|answer| answer.status), Some(404));
    for path in ["/missing", "/.hidden", "/", "/dir", "/dir/"] {
        assert_eq!(bench.ask_memory(path, "", START), None, "{path}");
    }
}

#[test]
fn a_file_is_kept_from_its_first_request_on() {
    let bench = Bench::new();
    bench.file("a.txt", "a");
    assert_eq!(bench.ask_memory("/a.txt", "", START), None);
    bench.warm("/a.txt");
    assert_eq!(bench.site.cache().len(), 1);
}

/// What a file is, in a directory that nothing else is in, and whether it is kept.
#[test]
fn a_file_that_has_not_settled_or_is_none_is_not_kept() {
    type Prepare = fn(&Bench);
    type Now = fn() -> SystemTime;
    let rows: [(&str, Prepare, Now, usize); 9] = [
        ("settled", |bench| _ = bench.file("x", "x"), settled, 1),
        ("changed just now", |bench| _ = bench.file("x", "x"), SystemTime::now, 0),
        ("a clock that was set back", |bench| _ = bench.file("x", "x"), || SystemTime::UNIX_EPOCH, 0),
        ("modified in the future", modified_in_an_hour, settled, 0),
        ("modified in the future that has come", modified_in_an_hour, || settled() + HOUR, 1),
        ("nothing", |_| {}, settled, 0),
        ("a directory", |bench| fs::create_dir(bench.path("x")).expect("our own"), settled, 0),
        ("a link to a file beneath", |bench| link(bench, "y"), settled, 1),
        ("a link out", |bench| link(bench, "../outside/secret"), settled, 0),
    ];
    for (name, prepare, now, kept) in rows {
        let bench = Bench::new();
        fs::write(bench.outside("secret"), "secret").expect("our own directory");
        prepare(&bench);
        let now = now();
        let first = bench.ask_at("GET", "/x", "", START, now);
        assert_eq!(bench.site.cache().len(), kept, "{name}: {first:?}");
        assert_eq!(bench.ask_at("GET", "/x", "", LATER, now), first, "{name}");
    }
}

fn modified_in_an_hour(bench: &Bench) {
    bench.file("x", "x");
    let file = File::options().write(true).open(bench.path("x")).expect("our own file");
    file.set_times(FileTimes::new().set_modified(SystemTime::now() + HOUR)).expect("a time this file system has");
}

fn link(bench: &Bench, text: &str) {
    bench.file("y", "y");
    symlink(text, bench.path("x")).expect("our own directory");
}

/// Files of `proc` change without a stamp.
#[test]
fn a_file_system_that_does_not_stamp_is_not_trusted() {
    assert!(!stamps_in_time(File::open("/proc/self/status").expect("proc is there")));
    let bench = Bench::with(Links::Anywhere);
    symlink("/proc/sys/kernel/version", bench.path("x")).expect("our own directory");
    let now = settled() + HOUR;
    assert_eq!(bench.ask_at("GET", "/x", "", START, now).status, 200);
    assert!(bench.site.cache().is_empty());
}

#[test]
fn several_paths_of_one_file_are_kept_each() {
    let bench = Bench::new();
    bench.file("dir/index.html", "index");
    assert_eq!(bench.warm("/dir/"), bench.warm("/dir/index.html"));
    assert_eq!(bench.site.cache().len(), 2);
    bench.warm("/dir/%69ndex.html");
    assert_eq!(bench.site.cache().len(), 2, "an escape makes no other path");
}
