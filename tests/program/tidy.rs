//! The walls of the house: who may use whom, and what a file may look like.

use std::fs;
use std::path::{Path, PathBuf};

/// A room, and the wings it may name. `config`, `sync` and its own wing are always allowed.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("config.rs", &["server"]),          // only in the documentation of `Limits`
    ("sync.rs", &["engine", "observe"]), // only in its documentation
    ("http/", &[]),
    ("site/", &["http", "observe"]),
    ("observe/", &["http"]),
    ("engine/", &["http", "observe"]),
    ("server.rs", &["http", "observe", "engine", "site"]),
    ("sandbox.rs", &[]),
    ("cli/", &["http", "observe"]),
    ("listeners.rs", &["cli", "engine"]),
    ("announce/", &["engine"]),
    ("notify.rs", &[]),
    ("top/", &["cli"]),
];

/// What the pure wing has no business with. `std::sync::Arc` is no more than a count of owners: bytes that never change
/// may have several, and nothing is said between threads by that.
const IMPURE: [&str; 8] =
    ["std::fs", "std::net::Tcp", "std::os", "std::thread", "::sync", "SystemTime::now", "Instant", "log::"];

const LINES_MAX: usize = 400;

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("the source is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Every source file: its path below `src`, and its text.
fn rooms() -> Vec<(String, String)> {
    texts("src")
}

/// What is read along with the source, or starts from it.
fn rooms_and_outhouses() -> Vec<(String, String)> {
    ["src", "examples", "benches", "fuzz/src", "fuzz/targets"].into_iter().flat_map(texts).collect()
}

/// Every file of Rust below a directory of this repository: its path below that, and its text.
fn texts(directory: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let name = |path: &Path| path.strip_prefix(&root).expect("it was found there").display().to_string();
    sources(&root).iter().map(|path| (name(path), fs::read_to_string(path).expect("it is text"))).collect()
}

#[test]
fn arrows_point_down() {
    let wings = ["http", "site", "observe", "engine", "server", "sandbox", "cli"];
    for (name, text) in rooms() {
        let Some((own, allowed)) = MAY_USE.iter().find(|(room, _)| name.starts_with(room)) else { continue };
        for wing in wings.iter().filter(|wing| !allowed.contains(wing) && !own.starts_with(**wing)) {
            assert!(!text.contains(&format!("crate::{wing}")), "{name} uses {wing}");
        }
    }
}

#[test]
fn the_language_is_pure() {
    for (name, text) in rooms().iter().filter(|(name, _)| name.starts_with("http/")) {
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = code.replace("use std::sync::Arc;", "");
        for word in IMPURE {
            assert!(!code.contains(word), "{name} uses {word}");
        }
    }
}

#[test]
fn every_room_says_first_what_it_is_and_is_small() {
    for (name, text) in rooms_and_outhouses() {
        assert!(text.starts_with("//! "), "{name} begins without a sentence");
        assert!(text.lines().count() <= LINES_MAX, "{name} has {} lines: two ideas?", text.lines().count());
    }
}

#[test]
fn nothing_is_unsafe_and_nothing_is_left_undone() {
    for (name, text) in rooms_and_outhouses() {
        for word in ["unsafe {", "unsafe fn", "unsafe impl", "todo!(", "unimplemented!("] {
            assert!(!text.contains(word), "{name} has {word}");
        }
    }
    let library = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("it is text");
    assert!(library.contains("#![forbid(unsafe_code)]"));
}

/// A panic ends one turn and not the process: with `panic = "abort"` it would, and no test could tell, because Cargo
/// builds tests to unwind whatever a profile says (row W2 of tests/threats.md).
#[test]
fn a_panic_unwinds_in_every_profile() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("it is text");
    let said: Vec<&str> = manifest.lines().map(str::trim).filter(|line| line.starts_with("panic")).collect();
    assert_eq!(said, [r#"panic = "unwind""#]);
}

/// A filter of system calls can't look into the arguments of `openat2`, so systemd refuses it whole to whoever must not make
/// files with set-user-ID; and DynamicUser= always brings that along.
#[test]
fn the_service_may_open_files() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/millpond.service");
    let unit = fs::read_to_string(unit).expect("it is text");
    assert!(unit.contains("SystemCallFilter=@system-service"));
    for setting in unit.lines().filter(|line| !line.starts_with('#')) {
        assert!(!setting.starts_with("DynamicUser") && !setting.starts_with("RestrictSUIDSGID"), "{setting}");
    }
}
