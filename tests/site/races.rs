//! Several workers at one file, while it changes.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use rustix::fs::{CWD, RenameFlags};

use crate::support::{Bench, settled, write};

/// Every version has another length, so that it has another stamp whatever the clock says. What is answered was there
/// after the request was received: no older than what was written last before that.
#[test]
fn no_answer_is_older_than_its_question() {
    const VERSIONS: u64 = 500;
    const READERS: usize = 3;
    for path in ["/page.txt", "/deep/page.txt"] {
        let bench = Bench::new();
        let name = &path[1..];
        let version = |number: u64| "x".repeat(usize::try_from(number).expect("it fits memory"));
        bench.file(name, version(0));
        let written = AtomicU64::new(0);
        let (bench, written) = (&bench, &written);
        thread::scope(|scope| {
            scope.spawn(move || {
                for number in 1..=VERSIONS {
                    write(&bench.outside("next"), version(number));
                    fs::rename(bench.outside("next"), bench.path(name)).expect("our own names");
                    written.store(number, Ordering::SeqCst);
                }
            });
            for _ in 0..READERS {
                scope.spawn(move || {
                    let mut last = 0;
                    while last < VERSIONS {
                        let before = written.load(Ordering::SeqCst);
                        let received = Instant::now().duration_since(bench.start);
                        let answer =
                            bench.ask_memory(path, "", received).unwrap_or_else(|| bench.ask(path, "", received));
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

/// A directory and a link out of the root change places while what is in it is kept (threats.md L3). The file behind the
/// link is the very same one.
#[test]
fn a_directory_swapped_for_a_link_is_never_followed_out() {
    let bench = Bench::new();
    bench.file("swapped/page.txt", "inside");
    symlink("../outside", bench.path("link")).expect("our own directory");
    fs::hard_link(bench.path("swapped/page.txt"), bench.outside("page.txt")).expect("our own file");
    let (one, other) = (bench.path("swapped"), bench.path("link"));
    let exchange = || {
        rustix::fs::renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).expect("an exchange of our own names");
    };
    // Still: what is kept and unchanged isn't reached any more.
    let request = |received| bench.ask_at("GET", "/swapped/page.txt", "", received, settled());
    bench.warm("/swapped/page.txt");
    exchange();
    let received = Instant::now().duration_since(bench.start);
    assert_eq!(bench.ask_memory("/swapped/page.txt", "", received), None);
    assert_eq!(request(received).status, 404);
    exchange();
    // Moving: whatever comes from memory was looked at.
    let swapping = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while swapping.load(Ordering::Relaxed) {
                exchange();
            }
        });
        let mut found = 0;
        for _ in 0..20_000 {
            let received = Instant::now().duration_since(bench.start);
            match bench.ask_memory("/swapped/page.txt", "", received) {
                Some(answer) => assert_eq!((answer.status, answer.content.as_str()), (200, "inside")),
                None => found += usize::from(request(received).status == 200),
            }
        }
        swapping.store(false, Ordering::Relaxed);
        assert!(found > 0, "never found");
    });
}
