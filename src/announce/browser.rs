//! Opens an address in the user's browser: starts whatever this desktop has for that, and lets it be.
//!
//! *Invariants:* it is started before the sandbox is entered, which lets nothing be started. It is waited for by a thread
//! of its own, so it holds up nobody and leaves no zombie; it is in a process group of its own, so that Ctrl+C here is not
//! meant for it. That it fails is worth a warning and no more: the address is printed in any case.

use std::env;
use std::io::{self, ErrorKind};
use std::process::{Child, Command, Stdio};
use std::thread;

use std::os::unix::process::CommandExt;

use crate::notify;

/// A browser, or what starts one, under way.
#[derive(Debug)]
pub struct Opening {
    child: Child,
    program: String,
}

/// The programs that open whatever they are given with what the user has for it; the second is that of Windows' Linux.
const OPENERS: [&str; 2] = ["xdg-open", "wslview"];

/// Starts the first program there is that opens addresses.
///
/// # Errors
/// When there is none.
pub fn open(url: &str) -> io::Result<Opening> {
    for words in commands(env::var("BROWSER").ok().as_deref(), url) {
        let Some((program, arguments)) = words.split_first() else { continue };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        // It is none of the service manager's.
        command.env_remove(notify::VARIABLE);
        match command.spawn() {
            Ok(child) => return Ok(Opening { child, program: program.clone() }),
            Err(error) => log::debug!("{program}: {error}"),
        }
    }
    Err(io::Error::new(ErrorKind::NotFound, "there is no xdg-open, and BROWSER names no program"))
}

/// The commands to be tried, one after the other. BROWSER is a list separated by colons; where an entry has `%s`, the
/// address is to stand there, else behind it.
pub fn commands(browser: Option<&str>, url: &str) -> Vec<Vec<String>> {
    let listed = browser.unwrap_or_default().split(':').filter(|entry| !entry.trim().is_empty());
    let listed = listed.map(|entry| {
        let words = entry.split_whitespace().map(|word| word.replace("%s", url));
        let behind = (!entry.contains("%s")).then(|| url.to_owned());
        words.chain(behind).collect()
    });
    listed.chain(OPENERS.map(|opener| vec![opener.to_owned(), url.to_owned()])).collect()
}

impl Opening {
    /// Has it waited for, and a warning said if it fails.
    pub fn watch(self) {
        let Opening { mut child, program } = self;
        let waits = thread::Builder::new().name("browser".to_owned()).spawn(move || match child.wait() {
            Ok(status) if status.success() => {}
            Ok(status) => log::warn!("the browser was not opened: {program}: {status}"),
            Err(error) => log::debug!("{program}: {error}"),
        });
        if let Err(error) = waits {
            log::debug!("nobody waits for the browser: {error}");
        }
    }
}
