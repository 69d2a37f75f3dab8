//! Whatever becomes of a file that is kept, the next request gets what is there: PROMISE.md 10.

use std::fs::{self, FileTimes, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use crate::support::{Bench, write};

const START: Duration = Duration::ZERO;
const LATER: Duration = Duration::from_nanos(1);

/// Keeps what is asked for, changes something, and asks again: nothing comes from memory, and what comes in the
/// end has this status and content.
#[track_caller]
fn then(path: &str, change: impl Fn(&Bench), status: u16, content: &str) {
    for first in ["from memory", "from the disk", "with a condition"] {
        let bench = Bench::new();
        prepare(&bench);
        let old = bench.warm(path);
        let etag = old.fields.split("ETag: ").nth(1).and_then(|rest| rest.split("\r\n").next()).expect("it settled");
        let condition = format!("If-None-Match: {etag}\r\n");
        assert_eq!(bench.ask_memory(path, &condition, START).map(|answer| answer.status), Some(304));
        bench.tick();
        change(&bench);
        let fields = if first == "with a condition" { condition.as_str() } else { "" };
        if first != "from the disk" {
            assert_eq!(bench.ask_memory(path, fields, LATER), None, "{first}");
        }
        let new = bench.ask(path, fields, LATER);
        let found = (new.status, if new.status == 200 { new.content.as_str() } else { "" });
        assert_eq!(found, (status, content), "{first}");
        // What was found changed is not held on to.
        assert_eq!(bench.site.cache().len(), usize::from(status == 200), "{first}");
    }
}

/// `page.txt` and `deep/er/page.txt` say `old!`; `other` is another directory with a page, which says `new!`.
fn prepare(bench: &Bench) {
    bench.file("page.txt", "old!").file("deep/er/page.txt", "old!").file("deep/index.html", "old!");
    // Or the others would have the same size and the same time, and so the same entity-tag.
    bench.tick();
    bench.file("other/er/page.txt", "new!").file("other/index.html", "new!").file("new.txt", "new!");
    write(&bench.outside("er/page.txt"), "secret");
    symlink("page.txt", bench.path("link.txt")).expect("our own directory");
    symlink("deep", bench.path("link")).expect("our own directory");
}

macro_rules! rows {
    ($($name:ident: $path:literal, $change:expr => $status:literal, $content:literal;)+) => {
        $(#[test] fn $name() { then($path, $change, $status, $content); })+
    };
}

fn rename(bench: &Bench, from: &str, to: &str) {
    fs::rename(bench.path(from), bench.path(to)).expect("our own names");
}

fn remove(bench: &Bench, name: &str) {
    fs::remove_file(bench.path(name)).expect("our own file");
}

fn link(bench: &Bench, text: &str, name: &str) {
    symlink(text, bench.path(name)).expect("our own directory");
}

/// A request for a file right in the root, which is looked at by the short way.
mod in_the_root {
    use super::*;
    rows! {
        rewritten_with_the_same_size: "/page.txt", |bench| _ = bench.file("page.txt", "new!") => 200, "new!";
        grown: "/page.txt", |bench| _ = bench.file("page.txt", "old!new!") => 200, "old!new!";
        shortened: "/page.txt", |bench| _ = bench.sparse("page.txt", 0) => 200, "";
        replaced_by_another: "/page.txt", |bench| rename(bench, "new.txt", "page.txt") => 200, "new!";
        removed: "/page.txt", |bench| remove(bench, "page.txt") => 404, "";
        removed_and_written_again: "/page.txt", |bench| {
            remove(bench, "page.txt");
            bench.file("page.txt", "new!");
        } => 200, "new!";
        replaced_by_a_directory: "/page.txt", |bench| {
            remove(bench, "page.txt");
            rename(bench, "other", "page.txt");
        } => 308, "";
        replaced_by_a_link_to_another: "/page.txt", |bench| {
            remove(bench, "page.txt");
            link(bench, "new.txt", "page.txt");
        } => 200, "new!";
        replaced_by_a_link_out: "/page.txt", |bench| {
            remove(bench, "page.txt");
            link(bench, "../outside/er/page.txt", "page.txt");
        } => 404, "";
        // The very same file, but by a way that leads outside.
        replaced_by_a_link_out_and_back: "/page.txt", |bench| {
            rename(bench, "page.txt", "kept.txt");
            link(bench, "../served/kept.txt", "page.txt");
        } => 404, "";
        a_link_turned_to_another: "/link.txt", |bench| {
            remove(bench, "link.txt");
            link(bench, "new.txt", "link.txt");
        } => 200, "new!";
        a_link_turned_out: "/link.txt", |bench| {
            remove(bench, "link.txt");
            link(bench, "../outside/er/page.txt", "link.txt");
        } => 404, "";
        // The very same file, untouched: a short look that followed links would not see it.
        a_link_turned_out_and_back: "/link.txt", |bench| {
            remove(bench, "link.txt");
            link(bench, "../served/page.txt", "link.txt");
        } => 404, "";
        what_a_link_leads_to_rewritten: "/link.txt", |bench| _ = bench.file("page.txt", "new!") => 200, "new!";
    }
}

/// A request for a file further down, where every name on the way may change.
mod deeper {
    use super::*;
    rows! {
        rewritten_with_the_same_size: "/deep/er/page.txt",
            |bench| _ = bench.file("deep/er/page.txt", "new!") => 200, "new!";
        removed: "/deep/er/page.txt", |bench| remove(bench, "deep/er/page.txt") => 404, "";
        its_directory_removed: "/deep/er/page.txt",
            |bench| fs::remove_dir_all(bench.path("deep")).expect("our own") => 404, "";
        its_directory_renamed: "/deep/er/page.txt", |bench| rename(bench, "deep", "elsewhere") => 404, "";
        its_directory_exchanged: "/deep/er/page.txt", |bench| {
            rename(bench, "deep", "elsewhere");
            rename(bench, "other", "deep");
        } => 200, "new!";
        its_directory_exchanged_for_a_link_to_another: "/deep/er/page.txt", |bench| {
            rename(bench, "deep", "elsewhere");
            link(bench, "other", "deep");
        } => 200, "new!";
        its_directory_exchanged_for_a_link_out: "/deep/er/page.txt", |bench| {
            rename(bench, "deep", "elsewhere");
            link(bench, "../outside", "deep");
        } => 404, "";
        // The very same file, with the very same stamp: a look that follows links out of the root would not see it.
        its_directory_exchanged_for_a_link_out_and_back: "/deep/er/page.txt", |bench| {
            rename(bench, "deep", "elsewhere");
            link(bench, "../served/elsewhere", "deep");
        } => 404, "";
        its_directory_moved_out_and_linked: "/deep/er/page.txt", |bench| {
            fs::rename(bench.path("deep"), bench.outside("deep")).expect("our own names");
            link(bench, "../outside/deep", "deep");
        } => 404, "";
        a_directory_by_a_link_that_is_turned: "/link/er/page.txt", |bench| {
            remove(bench, "link");
            link(bench, "other", "link");
        } => 200, "new!";
        an_index_rewritten: "/deep/", |bench| _ = bench.file("deep/index.html", "new!") => 200, "new!";
        an_index_removed: "/deep/", |bench| remove(bench, "deep/index.html") => 404, "";
    }
}

/// What is still there is answered from memory again and again, by whatever way it is reached.
#[test]
fn unchanged() {
    let bench = Bench::new();
    prepare(&bench);
    link(&bench, "deep/../other/er/page.txt", "around.txt");
    // The first to follow a link in a later tick than it was made in notes the time of access, and that isn't done from
    // memory.
    bench.tick();
    for path in ["/page.txt", "/deep/er/page.txt", "/deep/", "/link.txt", "/link/er/page.txt", "/link/", "/around.txt"]
    {
        let cold = bench.warm(path);
        for nanoseconds in 1..100 {
            assert_eq!(bench.surely_ask_memory(path, "", Duration::from_nanos(nanoseconds)), cold, "{path}");
        }
    }
}

#[test]
fn an_index_that_comes_is_served_at_once() {
    let bench = Bench::new();
    for path in ["/", "/dir/"] {
        fs::create_dir_all(bench.path("dir")).expect("our own directory");
        let name = format!("{}index.html", path.trim_start_matches('/'));
        assert_eq!(bench.ask(path, "", START).status, 404);
        bench.file(&name, "index");
        assert_eq!(bench.ask(path, "", START).content, "index");
        bench.warm(path);
        remove(&bench, &name);
        assert_eq!(bench.ask_memory(path, "", LATER), None);
        assert_eq!(bench.ask(path, "", LATER).status, 404);
    }
}

/// The content is the same after these, and yet nothing is answered before the file was opened anew.
#[test]
fn a_change_that_leaves_the_bytes_alone_shows_as_well() {
    type Change = fn(&Bench);
    let rows: [(&str, Change); 4] = [
        ("touched", |bench| {
            let file = fs::File::options().write(true).open(bench.path("page.txt")).expect("our own file");
            let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
            file.set_times(times).expect("a time this file system has");
        }),
        ("locked", |bench| {
            fs::set_permissions(bench.path("page.txt"), Permissions::from_mode(0o000)).expect("our own file");
        }),
        ("linked", |bench| {
            fs::hard_link(bench.path("page.txt"), bench.path("hard.txt")).expect("our own file");
        }),
        ("renamed there and back", |bench| {
            rename(bench, "page.txt", "away.txt");
            rename(bench, "away.txt", "page.txt");
        }),
    ];
    for (name, change) in rows {
        let bench = Bench::new();
        prepare(&bench);
        let old = bench.warm("/page.txt");
        bench.tick();
        change(&bench);
        assert_eq!(bench.ask_memory("/page.txt", "", LATER), None, "{name}");
        let new = bench.ask("/page.txt", "", LATER);
        // A file that is locked is still open to root.
        if new.status == 200 {
            assert_eq!((new.content.as_str(), new.fields == old.fields), ("old!", name != "touched"), "{name}");
        } else {
            assert_eq!((new.status, name), (403, "locked"));
        }
    }
}

/// One look vouches for every request that was received before it, and for none that was received after.
#[test]
fn a_batch_costs_one_look() {
    let bench = Bench::new();
    bench.file("page.txt", "old!").file("deep/page.txt", "old!");
    for (path, name) in [("/page.txt", "page.txt"), ("/deep/page.txt", "deep/page.txt")] {
        bench.warm(path);
        let batch = Duration::from_millis(10);
        // The first of the batch looks.
        assert_eq!(bench.surely_ask_memory(path, "", batch).content, "old!");
        bench.tick();
        bench.file(name, "new!");
        for received in [batch, batch - Duration::from_nanos(1), START] {
            assert_eq!(bench.ask_memory(path, "", received).expect("no look").content, "old!", "{received:?}");
            assert_eq!(bench.ask(path, "", received).content, "old!", "{received:?}");
        }
        assert_eq!(bench.ask_memory(path, "", batch + Duration::from_nanos(1)), None);
        // What was found changed is gone for the earlier ones, too: they get what is there now.
        assert_eq!(bench.ask(path, "", START).content, "new!");
    }
}

/// Before the site was opened nothing was looked at.
#[test]
fn a_request_from_before_the_first_moment_is_looked_at_always() {
    let mut bench = Bench::new();
    bench.file("page.txt", "old!");
    bench.start -= Duration::from_secs(1);
    bench.warm("/page.txt");
    bench.tick();
    bench.file("page.txt", "new!");
    assert_eq!(bench.ask_memory("/page.txt", "", START), None);
    assert_eq!(bench.ask("/page.txt", "", START).content, "new!");
}
