//! Whatever becomes of a file and its variants, the next request gets what is right then.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::{Answer, Bench, write};

const START: Duration = Duration::ZERO;
const LATER: Duration = Duration::from_nanos(1);
const ALL: &str = "Accept-Encoding: gzip, deflate, br, zstd\r\n";

/// Below this directory there are all files twice, to be reached by a short look and by a long one.
const DEEP: &str = "deep/er/";

/// `page.txt` says `old`, its `.gz` says `gz`, and is as old; there is nothing else of it.
fn prepare(bench: &Bench) {
    for directory in ["", DEEP] {
        bench.file(&format!("{directory}page.txt"), "old").file(&format!("{directory}page.txt.gz"), "gz");
        let time = modified(bench, &format!("{directory}page.txt"));
        set_modified(bench, &format!("{directory}page.txt.gz"), time);
    }
    write(&bench.outside("secret"), "secret");
}

fn set_modified(bench: &Bench, name: &str, time: SystemTime) {
    let file = File::options().write(true).open(bench.path(name)).expect("our own file");
    file.set_times(FileTimes::new().set_modified(time)).expect("a time this file system has");
}

fn modified(bench: &Bench, name: &str) -> SystemTime {
    fs::metadata(bench.path(name)).and_then(|found| found.modified()).expect("our own file")
}

fn cut(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

fn remove(bench: &Bench, name: &str) {
    fs::remove_file(bench.path(name)).expect("our own file");
}

fn etag(answer: &Answer) -> &str {
    answer.fields.split("ETag: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("it settled")
}

fn coding(answer: &Answer) -> Option<&str> {
    answer.fields.split("Content-Encoding: ").nth(1).and_then(|rest| rest.split("\r\n").next())
}

/// Has both kept, changes something, and asks again.
#[track_caller]
fn then(change: impl Fn(&Bench, &str), status: u16, content: &str, expected_coding: Option<&str>) {
    for directory in ["", DEEP] {
        for condition in [false, true] {
            let bench = Bench::new();
            prepare(&bench);
            let target = format!("/{directory}page.txt");
            let old = bench.ask(&target, ALL, START);
            assert_eq!((old.content.as_str(), coding(&old)), ("gz", Some("gzip")));
            // Known by now: what is kept, and what isn't there.
            let asked_again = bench.surely_ask_memory(&target, ALL, Duration::ZERO);
            assert_eq!(asked_again, old);
            bench.tick();
            change(&bench, directory);
            let fields = if condition { format!("{ALL}If-None-Match: {}\r\n", etag(&old)) } else { ALL.to_owned() };
            let check = |answer: &Answer| {
                // What it has already is still right if the choice is as it was.
                if condition && content == "gz" {
                    return assert_eq!((answer.status, etag(answer)), (304, etag(&old)), "{target}");
                }
                let found = if answer.status == 200 { answer.content.as_str() } else { "" };
                assert_eq!((answer.status, found), (status, content), "{target}, condition: {condition}");
                assert_eq!(coding(answer), expected_coding, "{target}, condition: {condition}");
            };
            // From memory it is right, or not at all.
            if let Some(answer) = bench.ask_memory(&target, &fields, LATER) {
                check(&answer);
            }
            check(&bench.ask(&target, &fields, LATER));
            // And stays so.
            check(&bench.ask(&target, &fields, LATER * 2));
        }
    }
}

macro_rules! rows {
    ($($name:ident: $change:expr => $status:literal, $content:literal, $coding:expr;)+) => {
        $(#[test] fn $name() { then($change, $status, $content, $coding); })+
    };
}

rows! {
    the_variant_removed: |bench, at| remove(bench, &format!("{at}page.txt.gz")) => 200, "old", None;
    the_variant_rewritten: |bench, at| _ = bench.file(&format!("{at}page.txt.gz"), "g2") => 200, "g2", Some("gzip");
    the_variant_become_older: |bench, at| {
        set_modified(bench, &format!("{at}page.txt.gz"), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    } => 200, "old", None;
    the_file_rewritten: |bench, at| _ = bench.file(&format!("{at}page.txt"), "new") => 200, "new", None;
    the_file_touched: |bench, at| {
        set_modified(bench, &format!("{at}page.txt"), SystemTime::now());
    } => 200, "old", None;
    the_file_rewritten_and_compressed_again: |bench, at| {
        bench.file(&format!("{at}page.txt"), "new").file(&format!("{at}page.txt.gz"), "g2");
    } => 200, "g2", Some("gzip");
    // As brotli does, which gives the time of the file, cut to the second, to what it writes.
    a_better_variant_come_whose_time_is_cut: |bench, at| {
        let time = modified(bench, &format!("{at}page.txt"));
        bench.file(&format!("{at}page.txt.br"), "br");
        set_modified(bench, &format!("{at}page.txt.br"), cut(time));
    } => 200, "br", Some("br");
    // ... and the file rewritten within that second.
    a_better_variant_come_whose_time_is_cut_and_the_file_rewritten: |bench, at| {
        let time = modified(bench, &format!("{at}page.txt"));
        bench.file(&format!("{at}page.txt.br"), "br");
        set_modified(bench, &format!("{at}page.txt.br"), cut(time));
        bench.tick();
        bench.file(&format!("{at}page.txt"), "new");
        set_modified(bench, &format!("{at}page.txt"), time);
        remove(bench, &format!("{at}page.txt.gz"));
    } => 200, "new", None;
    the_file_removed: |bench, at| remove(bench, &format!("{at}page.txt")) => 404, "", None;
    a_better_variant_come: |bench, at| _ = bench.file(&format!("{at}page.txt.br"), "br") => 200, "br", Some("br");
    one_of_the_middle_come: |bench, at| _ = bench.file(&format!("{at}page.txt.zst"), "zs") => 200, "zs", Some("zstd");
    a_better_variant_come_that_is_older: |bench, at| {
        bench.file(&format!("{at}page.txt.br"), "br");
        set_modified(bench, &format!("{at}page.txt.br"), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    } => 200, "gz", Some("gzip");
    a_better_variant_that_is_a_directory: |bench, at| {
        fs::create_dir(bench.path(&format!("{at}page.txt.br"))).expect("our own");
    } => 200, "gz", Some("gzip");
    a_better_variant_that_is_a_fifo: |bench, at| {
        let path = bench.path(&format!("{at}page.txt.br"));
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).expect("anyone may make a FIFO");
    } => 200, "gz", Some("gzip");
    a_better_variant_that_is_a_link_out: |bench, at| {
        let up = "../".repeat(at.matches('/').count());
        symlink(format!("{up}../outside/secret"), bench.path(&format!("{at}page.txt.br"))).expect("our own");
    } => 200, "gz", Some("gzip");
    a_better_variant_that_is_a_link_to_nothing: |bench, at| {
        symlink("nothing", bench.path(&format!("{at}page.txt.br"))).expect("our own");
    } => 200, "gz", Some("gzip");
    a_better_variant_that_is_a_link_beneath: |bench, at| {
        bench.file(&format!("{at}elsewhere"), "br");
        symlink("elsewhere", bench.path(&format!("{at}page.txt.br"))).expect("our own");
    } => 200, "br", Some("br");
    the_variant_turned_into_a_link_out: |bench, at| {
        remove(bench, &format!("{at}page.txt.gz"));
        let up = "../".repeat(at.matches('/').count());
        symlink(format!("{up}../outside/secret"), bench.path(&format!("{at}page.txt.gz"))).expect("our own");
    } => 200, "old", None;
    // It is the same name in the same directory throughout.
    a_link_to_nothing_that_leads_somewhere: |bench, at| {
        symlink("later", bench.path(&format!("{at}page.txt.br"))).expect("our own");
        assert_eq!(bench.ask(&format!("/{at}page.txt"), ALL, LATER).content, "gz");
        bench.file(&format!("{at}later"), "br");
        // Received later than the request that found it missing.
        assert_eq!(bench.ask(&format!("/{at}page.txt"), ALL, LATER * 2).content, "br");
        remove(bench, &format!("{at}page.txt.br"));
    } => 200, "gz", Some("gzip");
}

#[test]
fn its_directory_exchanged() {
    let bench = Bench::new();
    prepare(&bench);
    bench.tick();
    bench.file("other/er/page.txt", "other");
    assert_eq!(bench.ask("/deep/er/page.txt", ALL, START).content, "gz");
    fs::rename(bench.path("deep"), bench.path("elsewhere")).expect("our own names");
    fs::rename(bench.path("other"), bench.path("deep")).expect("our own names");
    assert_eq!(bench.ask("/deep/er/page.txt", ALL, LATER).content, "other");
}

#[test]
fn what_is_kept_of_each_form_answers_from_memory() {
    let bench = Bench::new();
    prepare(&bench);
    bench.file("page.txt.br", "br").file("alone.txt", "alone").file("deep/alone.txt", "alone");
    for (path, fields, content, expected_coding) in [
        ("/page.txt", "", "old", None),
        ("/page.txt", ALL, "br", Some("br")),
        ("/page.txt", "Accept-Encoding: gzip\r\n", "gz", Some("gzip")),
        ("/page.txt", "Accept-Encoding: br;q=0.1, gzip\r\n", "gz", Some("gzip")),
        ("/page.txt", "Accept-Encoding: zstd\r\n", "old", None),
        ("/alone.txt", ALL, "alone", None),
        ("/deep/alone.txt", ALL, "alone", None),
    ] {
        let cold = bench.ask(path, fields, START);
        assert_eq!((cold.content.as_str(), coding(&cold)), (content, expected_coding), "{path} {fields}");
        for nanoseconds in 1..20 {
            let warm = bench.surely_ask_memory(path, fields, Duration::from_nanos(nanoseconds));
            assert_eq!(warm, cold, "{path} {fields}");
        }
    }
}

/// One look vouches for every request that was received before it: also that there is no variant.
#[test]
fn a_batch_costs_one_look_for_each_form() {
    for directory in ["", DEEP] {
        let bench = Bench::new();
        prepare(&bench);
        let target = format!("/{directory}page.txt");
        let batch = Duration::from_millis(10);
        bench.ask(&target, ALL, START);
        assert_eq!(bench.surely_ask_memory(&target, ALL, batch).content, "gz");
        bench.tick();
        bench.file(&format!("{directory}page.txt.br"), "br");
        for received in [batch, batch - Duration::from_nanos(1), START] {
            assert_eq!(bench.ask_memory(&target, ALL, received).expect("no look").content, "gz", "{received:?}");
        }
        assert_eq!(bench.ask_memory(&target, ALL, batch + LATER), None);
        assert_eq!(bench.ask(&target, ALL, batch + LATER).content, "br");
    }
}

#[test]
fn a_variant_that_has_not_settled_is_sent_without_validators() {
    let bench = Bench::new();
    prepare(&bench);
    let answer = bench.ask_at("GET", "/page.txt", ALL, START, SystemTime::now());
    assert_eq!((answer.content.as_str(), coding(&answer)), ("gz", Some("gzip")));
    assert!(!answer.fields.contains("ETag") && !answer.fields.contains("Last-Modified"), "{answer:?}");
    assert!(bench.site.cache().is_empty());
}

#[test]
fn a_name_that_leaves_no_room_for_an_extension_has_no_variant() {
    let bench = Bench::new();
    for length in [251, 252, 253, 255] {
        let name = "n".repeat(length);
        bench.file(&name, "plain");
        for received in [START, LATER] {
            assert_eq!(bench.ask(&format!("/{name}"), ALL, received).content, "plain", "{length}");
        }
    }
}

/// Whatever the form, what is answered is no older than what had been written to both when the request came.
#[test]
fn no_form_is_older_than_its_question() {
    const VERSIONS: u64 = 200;
    const READERS: usize = 3;
    for directory in ["", "deep/"] {
        let bench = Bench::new();
        let (plain, variant) = (format!("{directory}page.txt"), format!("{directory}page.txt.br"));
        let version = |number: u64| "x".repeat(usize::try_from(number).expect("it fits memory"));
        bench.file(&plain, version(0)).file(&variant, version(0));
        let written = AtomicU64::new(0);
        let (bench, written, plain, variant) = (&bench, &written, &plain, &variant);
        thread::scope(|scope| {
            scope.spawn(move || {
                for number in 1..=VERSIONS {
                    for (name, next) in [(plain, "next"), (variant, "next.br")] {
                        write(&bench.outside(next), version(number));
                        fs::rename(bench.outside(next), bench.path(name)).expect("our own names");
                    }
                    written.store(number, Ordering::SeqCst);
                }
            });
            for _ in 0..READERS {
                scope.spawn(move || {
                    let target = format!("/{plain}");
                    let mut last = 0;
                    while last < VERSIONS {
                        let before = written.load(Ordering::SeqCst);
                        let received = Instant::now().duration_since(bench.start);
                        let answer = bench
                            .ask_memory(&target, ALL, received)
                            .unwrap_or_else(|| bench.ask(&target, ALL, received));
                        // The kernel gives up resolving when names move too fast.
                        if answer.status == 503 {
                            continue;
                        }
                        assert_eq!(answer.status, 200);
                        last = u64::try_from(answer.content.len()).expect("a length fits 64 bits");
                        assert!(last >= before, "{last} was served when {before} had been written");
                    }
                });
            }
        });
    }
}
