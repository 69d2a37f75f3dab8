//! What is kept has a bound, and goes when nobody asks for it: DESIGN.md §3, STYLE.md 11.

use std::fs;
use std::time::Duration;

use millpond::config;
use millpond::site::cache::Kept;

use crate::support::Bench;

const START: Duration = Duration::ZERO;
const LARGE: u64 = config::CACHED_CONTENT_MAX + 1;

#[test]
fn small_files_are_kept_up_to_so_many_bytes() {
    let bench = Bench::new();
    let size = config::CACHED_CONTENT_MAX;
    let count = 2 * config::CACHE_BYTES_MAX / size;
    for number in 0..count {
        bench.sparse(&format!("{number}"), size);
        assert_eq!(bench.ask(&format!("/{number}"), "", START).status, 200);
        let kept = u64::try_from(bench.site.cache().len()).expect("a count fits 64 bits");
        assert!(kept * (size + config::CACHED_VERSION_OVERHEAD) <= config::CACHE_BYTES_MAX, "{kept} after {number}");
    }
    // A hash doesn't fill every part alike, and the last one to come may have no room: three quarters are in use.
    let kept = u64::try_from(bench.site.cache().len()).expect("a count fits 64 bits");
    assert!(kept * size > config::CACHE_BYTES_MAX / 4 * 3, "{kept}");
    assert_eq!(bench.descriptors(), 0, "content in memory needs none");
}

#[test]
fn ten_thousand_small_files_fit() {
    let bench = Bench::new();
    for number in 0..10_000 {
        bench.file(&format!("{number}"), format!("{number:01024}"));
        bench.ask(&format!("/{number}"), "", START);
    }
    let kept = (0..10_000).filter(|number| {
        let answer = bench.ask_memory(&format!("/{number}"), "", START);
        assert!(answer.iter().all(|answer| answer.content == format!("{number:01024}")), "{number}");
        answer.is_some()
    });
    assert_eq!(kept.count(), 10_000);
}

#[test]
fn large_files_are_kept_open_up_to_so_many() {
    let bench = Bench::new();
    let bound = usize::try_from(config::CACHED_DESCRIPTORS_MAX).expect("it fits memory");
    for number in 0..2 * bound {
        bench.sparse(&format!("{number}"), LARGE);
        assert_eq!(bench.ask(&format!("/{number}"), "", START).status, 200);
        assert!(bench.descriptors() <= bound);
    }
    assert!(bench.descriptors() > 0, "none is kept");
    assert_eq!(bench.descriptors(), bench.site.cache().len());
}

#[test]
fn what_nobody_asks_for_goes() {
    let bench = Bench::new();
    bench.file("asked.txt", "asked").file("idle.txt", "idle").sparse("idle.bin", LARGE);
    assert_eq!(bench.site.tidy(bench.start), Kept::Nothing);
    for path in ["/asked.txt", "/idle.txt", "/idle.bin"] {
        bench.warm(path);
    }
    fs::remove_file(bench.path("idle.bin")).expect("our own file");
    assert_eq!((bench.site.cache().len(), bench.descriptors()), (3, 1));
    let rows = [
        (config::CACHE_IDLE_TIME / 2, Kept::Something, 3, 1),
        (config::CACHE_IDLE_TIME - Duration::from_millis(1), Kept::Something, 3, 1),
        // Looked through a moment ago.
        (config::CACHE_IDLE_TIME + Duration::from_millis(1), Kept::Something, 3, 1),
        (config::CACHE_IDLE_TIME + config::CACHE_TIDY_INTERVAL, Kept::Something, 1, 0),
        (config::CACHE_IDLE_TIME * 3, Kept::Nothing, 0, 0),
    ];
    assert!(bench.ask_memory("/asked.txt", "", config::CACHE_IDLE_TIME / 2).is_some());
    for (time, kept, versions, descriptors) in rows {
        assert_eq!(bench.site.tidy(bench.start + time), kept, "{time:?}");
        assert_eq!((bench.site.cache().len(), bench.descriptors()), (versions, descriptors), "{time:?}");
    }
}

#[test]
fn descriptors_can_be_let_go_alone() {
    let bench = Bench::new();
    bench.file("small.txt", "small").sparse("large.bin", LARGE);
    bench.warm("/small.txt");
    bench.warm("/large.bin");
    assert!(bench.site.cache().let_go_of_descriptors());
    assert_eq!((bench.site.cache().len(), bench.descriptors()), (1, 0));
    assert!(!bench.site.cache().let_go_of_descriptors());
}
