//! What must hold for every input, on those that are kept: the seeds, and whatever the fuzzer ever found.
//!
//! `.ci/fuzz` makes up inputs by the million; here the same checks run on the same few in the blink of an eye. An input
//! that was found is put into `fuzz/regressions/TARGET` under a name that says what it is.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
mod checks;

use checks::{TARGETS, Target, differential::is_accepted};

/// One test for each target: every seed, every seed cut short or with one byte changed, and everything that was ever found.
macro_rules! what_must_hold_does_for {
    ($($target:ident),*) => {
        $(
            #[test]
            fn $target() {
                try_all(stringify!($target));
            }
        )*

        const TRIED: &[&str] = &[$(stringify!($target)),*];
    };
}

what_must_hold_does_for!(head, differential, target, range, precondition, date, connection, site);

fn try_all(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target has that name");
    for seed in (target.seeds)() {
        // A long one is about a limit, and takes long to be tried again and again. Under Miri everything takes long.
        let is_short = seed.bytes.len() < 200;
        if is_short || !cfg!(miri) {
            check(target, &seed.name, &seed.bytes);
        }
        for at in (0..seed.bytes.len()).filter(|_| is_short && !cfg!(miri)) {
            check(target, &seed.name, &seed.bytes[..at]);
            let mut changed = seed.bytes.clone();
            changed[at] ^= 1;
            check(target, &seed.name, &changed);
        }
    }
    for (name, input) in regressions(target) {
        check(target, &name, &input);
    }
}

/// So that a failure says of which input it is.
fn check(target: &Target, name: &str, input: &[u8]) {
    let checked = std::panic::catch_unwind(|| (target.check)(input));
    assert!(checked.is_ok(), "{}: {name}: {}", target.name, input.escape_ascii());
}

/// The files below `fuzz/regressions`, for one target: names and contents.
fn regressions(target: &Target) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions").join(target.name);
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    paths.map(|path| (path.display().to_string(), fs::read(&path).expect("it can be read"))).collect()
}

#[test]
fn the_seeds_are_what_they_are_called_apart_and_of_both_kinds() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        let mut names: Vec<&str> = seeds.iter().map(|seed| &seed.name[..]).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), seeds.len(), "{}: each has a name of its own", target.name);
    }
    let seeds = checks::seeds::streams();
    let accepted = seeds.iter().filter(|seed| is_accepted(&seed.bytes)).count();
    // A comparison of two that always refuse would prove nothing.
    assert!(accepted > seeds.len() / 4 && accepted < seeds.len() * 3 / 4, "{accepted} of {}", seeds.len());
}

#[test]
fn every_target_has_its_check_and_every_check_its_target() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("it is text");
    for Target { name, .. } in TARGETS {
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name} is built");
        let target = fs::read_to_string(root.join(format!("targets/{name}.rs"))).expect("it is text");
        assert!(target.contains(&format!("millpond_fuzz::{name}::check(input)")), "{name} runs its own check");
    }
    // Those, and the one that writes seeds.
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len() + 1);
    assert_eq!(TRIED, TARGETS.map(|target| target.name));
}
