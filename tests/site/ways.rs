//! The short way to a file further down: whatever is done to a directory on it, what is answered is what is there.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use millpond::config;

use crate::support::{Bench, write};

const PATH: &str = "/a/b/c/d/page.txt";

/// What is done to a directory on the way; its path, from the root.
type Change = fn(&Bench, &str);

fn moved(bench: &Bench, directory: &str) {
    fs::rename(bench.path(directory), bench.path("moved")).expect("our own names");
}

/// The end of `PATH` below a directory on it.
fn below(directory: &str) -> &'static str {
    &PATH[1 + directory.len()..]
}

#[test]
fn a_directory_on_the_way_is_another() {
    let rows: [(&str, Change, Option<&str>); 9] = [
        ("removed", |bench, directory| fs::remove_dir_all(bench.path(directory)).expect("our own"), None),
        ("moved", moved, None),
        (
            "moved out and linked",
            |bench, directory| {
                fs::rename(bench.path(directory), bench.outside("moved")).expect("our own names");
                symlink(bench.outside("moved"), bench.path(directory)).expect("our own name");
            },
            None,
        ),
        (
            "moved and linked absolutely",
            |bench, directory| {
                moved(bench, directory);
                symlink(bench.path("moved"), bench.path(directory)).expect("our own name");
            },
            None,
        ),
        (
            "moved and linked by way of the outside",
            |bench, directory| {
                moved(bench, directory);
                let up = "../".repeat(1 + directory.matches('/').count());
                symlink(format!("{up}served/moved"), bench.path(directory)).expect("our own name");
            },
            None,
        ),
        (
            "moved and linked inside",
            |bench, directory| {
                moved(bench, directory);
                let up = "../".repeat(directory.matches('/').count());
                symlink(format!("{up}moved"), bench.path(directory)).expect("our own name");
            },
            Some("old!"),
        ),
        (
            "moved, with another in its place",
            |bench, directory| {
                moved(bench, directory);
                write(&bench.path(&format!("{directory}{}", below(directory))), "new!");
            },
            Some("new!"),
        ),
        (
            "moved, with the same file in another in its place",
            |bench, directory| {
                let (new, end) = (bench.path("new"), below(directory).trim_start_matches('/'));
                fs::create_dir_all(new.join(end).parent().expect("it has one")).expect("our own");
                fs::hard_link(bench.path(&PATH[1..]), new.join(end)).expect("our own file");
                moved(bench, directory);
                fs::rename(new, bench.path(directory)).expect("our own names");
            },
            Some("old!"),
        ),
        (
            "moved there and back",
            |bench, directory| {
                moved(bench, directory);
                fs::rename(bench.path("moved"), bench.path(directory)).expect("our own names");
            },
            Some("old!"),
        ),
    ];
    for (name, change, content) in rows {
        for directory in ["a", "a/b", "a/b/c", "a/b/c/d"] {
            let bench = Bench::new();
            bench.file(&PATH[1..], "old!");
            bench.tick();
            bench.warm(PATH);
            bench.tick();
            change(&bench, directory);
            let received = Duration::from_nanos(1);
            if let Some(answer) = bench.ask_memory(PATH, "", received) {
                assert_eq!(Some(answer.content.as_str()), content, "{directory} {name}, from memory");
            }
            let answer = bench.ask(PATH, "", received);
            let found = (answer.status == 200).then_some(answer.content.as_str());
            assert_eq!(found, content, "{directory} {name}");
        }
    }
}

/// A directory that changes vouches for nothing. What is below it is looked at by the long way until it has settled, and
/// opened anew then, once.
#[test]
fn a_directory_that_has_changed_is_passed_again_when_it_has_settled() {
    // The root need not vouch for `a`, nor `d` for a directory: changes there don't matter.
    let unconcerned = ["new.txt", "a/b/c/d/new.txt"];
    for new in ["a/new.txt", "a/b/new.txt", "a/b/c/new.txt"].into_iter().chain(unconcerned) {
        let bench = Bench::new();
        bench.file(&PATH[1..], "page");
        bench.warm(PATH);
        bench.tick();
        bench.file(new, "");
        let moment = Duration::from_millis(1);
        assert_eq!(bench.surely_ask_memory(PATH, "", moment).content, "page", "{new}, at once");
        assert_eq!(bench.surely_ask_memory(PATH, "", config::WAY_RETRY_INTERVAL / 2).content, "page", "{new}, soon");
        let later = config::WAY_RETRY_INTERVAL + 2 * moment;
        let is_passed = unconcerned.contains(&new);
        assert_eq!(bench.ask_memory(PATH, "", later).is_some(), is_passed, "{new}, settled");
        assert_eq!(bench.ask(PATH, "", later).content, "page", "{new}, anew");
        assert_eq!(bench.surely_ask_memory(PATH, "", later + moment).content, "page", "{new}, and again");
    }
}

/// The other ways there are: by a link, and by more names than are counted.
#[test]
fn a_file_without_a_short_way_is_kept_as_well() {
    let bench = Bench::new();
    let deep = format!("{}page.txt", "d/".repeat(config::WAY_NAMES_MAX + 4));
    bench.file("a/b/c/page.txt", "linked").file(&deep, "deep");
    symlink("b", bench.path("a/link")).expect("our own name");
    bench.tick();
    for (path, content) in [("/a/link/c/page.txt", "linked"), (&format!("/{deep}"), "deep")] {
        bench.warm(path);
        for nanoseconds in 1..10 {
            assert_eq!(bench.surely_ask_memory(path, "", Duration::from_nanos(nanoseconds)).content, content);
        }
        bench.tick();
        bench.file(&path[1..], "changed");
        assert_eq!(bench.ask_memory(path, "", Duration::from_millis(1)), None);
        assert_eq!(bench.ask(path, "", Duration::from_millis(1)).content, "changed");
    }
}

/// What a link leads to may change without a change beside the link.
#[test]
fn a_link_has_no_short_way_though_its_directory_is_unchanged() {
    let bench = Bench::new();
    bench.file("x/d/page.txt", "page");
    fs::create_dir(bench.path("a")).expect("our own");
    symlink("../x/d", bench.path("a/link")).expect("our own name");
    bench.tick();
    bench.warm("/a/link/page.txt");
    moved(&bench, "x");
    symlink("../served/moved", bench.path("x")).expect("our own name");
    let received = Duration::from_nanos(1);
    assert_eq!(bench.ask_memory("/a/link/page.txt", "", received), None);
    assert_eq!(bench.ask("/a/link/page.txt", "", received).status, 404);
}

/// A directory that changed just now could change again and look the same.
#[test]
fn a_directory_that_has_not_settled_is_no_way() {
    let bench = Bench::new();
    bench.file(&PATH[1..], "page");
    bench.tick();
    bench.file("a/b/c/new.txt", "");
    let changed = fs::metadata(bench.path("a/b/c")).and_then(|directory| directory.modified()).expect("it has a time");
    let later = config::WAY_RETRY_INTERVAL + Duration::from_millis(1);
    for (age, is_way) in [(config::SETTLE_TIME - Duration::from_nanos(1), false), (config::SETTLE_TIME, true)] {
        let start = if is_way { later } else { Duration::ZERO };
        assert_eq!(bench.ask_at("GET", PATH, "", start, changed + age).content, "page");
        assert_eq!(bench.surely_ask_memory(PATH, "", start).content, "page");
        assert_eq!(bench.ask_memory(PATH, "", start + later).is_some(), is_way, "{age:?}");
    }
}
