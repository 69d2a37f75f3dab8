//! Ctrl+C and its like: whatever a lab waits for just then, what it has begun ends with it, and no file stays behind.
//!
//! *Why a thread of its own:* a lab waits in many places (for answers, for sleep, for the end of a server), and none of
//! them has to know. Its servers need no telling: the kernel ends each of them with the process that started it (see
//! [`serve`](crate::serve)).

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process;
use std::thread;

use millpond::engine::inherit;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Somebody may be making a file at the same time.
const TRIES: usize = 100;

/// From here on a signal removes that place and ends this process with 128 + its number, as a shell would tell it.
pub fn end_on_signals(place: PathBuf) -> io::Result<()> {
    let wanted = [SIGINT, SIGTERM, SIGHUP];
    // nohup: whoever started it wants it to outlive the terminal.
    let mut signals =
        Signals::new(wanted.into_iter().filter(|signal| *signal != SIGHUP || !inherit::is_ignored(SIGHUP)))?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // Held to the end, so that nobody reports that his files are gone, and ends this process before.
            let _silence = io::stderr().lock();
            (0..TRIES).any(|_| fs::remove_dir_all(&place).is_ok());
            process::exit(128 + signal);
        }
    })?;
    Ok(())
}
