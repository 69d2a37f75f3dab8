//! Writes the seeds of every target to files: `seeds DIRECTORY` makes `DIRECTORY/TARGET/NAME`.

// Instrumented code calls it.
use libfuzzer_sys as _;
use std::path::PathBuf;
use std::{env, fs, io};

use millpond_fuzz::TARGETS;

fn main() -> io::Result<()> {
    let directory = PathBuf::from(env::args_os().nth(1).expect("usage: seeds DIRECTORY"));
    for target in TARGETS {
        let directory = directory.join(target.name);
        fs::create_dir_all(&directory)?;
        for seed in (target.seeds)() {
            fs::write(directory.join(seed.name.replace([' ', '/'], "-")), seed.bytes)?;
        }
    }
    Ok(())
}
