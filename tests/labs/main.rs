//! The labs and what they are made of: the four servers beside millpond serve as they should; every lab holds, and fails
//! when what it is about is taken away; and its page says what it prints.

mod experiments;
mod guide;
mod leaving;
mod pages;
mod servers;
mod traces;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Whether a test that needs something this machine may not have is to be skipped, which is said; or fails, where skipping
/// is forbidden.
pub fn skips(present: bool, missing: &str) -> bool {
    let must_not_skip = env::var_os("MILLPOND_TESTS_MUST_NOT_SKIP").is_some_and(|value| value == "1");
    assert!(present || !must_not_skip, "no {missing}, and MILLPOND_TESTS_MUST_NOT_SKIP=1");
    if !present {
        println!("skipped: no {missing}");
    }
    !present
}

/// The examples as built beside this test. `cargo test` builds them, `cargo test --test labs` doesn't; so Cargo is asked
/// to, once, and has nothing to do if they are as new as their source.
pub fn example(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY
        .get_or_init(|| {
            let test = env::current_exe().expect("this program has a path");
            let profile = test.ancestors().nth(2).expect("it is two below the profile's directory");
            let target = profile.parent().expect("and that is below the target directory");
            let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
            command.args(["build", "--quiet", "--examples", "--manifest-path"]);
            command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).arg("--target-dir").arg(target);
            if !profile.ends_with("debug") {
                command.arg("--release");
            }
            assert!(command.status().expect("cargo runs").success(), "the examples can't be built");
            profile.join("examples")
        })
        .join(name)
}
