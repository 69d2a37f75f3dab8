//! `millpond top`: the page of `--watch` for a terminal, and over a pipe as plain lines.
//!
//! Reading order: [`client`] asks, [`waits`] finds who waits longest, and [`view`] says it in lines.
//!
//! *Invariants:* nothing that the other end says is written to a terminal as it came: numbers are read as numbers, and
//! words are those of this program, or have their controls taken out.

use std::io::{self, IsTerminal as _, Write as _};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::cli::top::{Top, Watched};

pub mod client;
pub mod view;
pub mod waits;

use client::{Client, ClientError};

/// Takes the cursor home, and wipes what is below it.
const WIPE: &str = "\x1b[H\x1b[J";

/// Looks again and again until it is interrupted or the server has drained, or once.
///
/// # Errors
/// When the server can't be asked, or tells nothing.
pub fn run(top: &Top) -> Result<(), ClientError> {
    let mut client = Client::connect(&top.address)?;
    let mut before = client.status()?;
    let mut out = io::stdout();
    let is_screen = out.is_terminal() && !top.once;
    loop {
        thread::sleep(top.interval.0);
        let now = match client.status() {
            Err(ClientError::Unreachable { address, .. }) if before["state"] == "draining" => {
                // Whoever read it has seen enough.
                let _ = writeln!(out, "{address} was draining, and has ended");
                return Ok(());
            }
            answered => answered?,
        };
        let text = view::render(&top.address.to_string(), &before, &now);
        let written = if is_screen { write!(out, "{WIPE}{text}") } else { writeln!(out, "{text}") };
        match written.and_then(|()| out.flush()) {
            Ok(()) if !top.once => before = now,
            // Whoever read it has seen enough.
            Ok(()) | Err(_) => return Ok(()),
        }
    }
}

/// A number somewhere in what the server said; zero where there is none.
fn number(status: &Value, pointer: &str) -> f64 {
    status.pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0)
}

/// The seconds between two looks, on the server's clock.
fn seconds_between(before: &Value, now: &Value) -> f64 {
    ((number(now, "/now") - number(before, "/now")) / 1e9).max(Duration::from_millis(1).as_secs_f64())
}

/// Where a client connects to, and what it says as `Host`.
fn host(watched: &Watched) -> &str {
    match watched {
        Watched::Tcp(address) => address,
        Watched::Unix(_) => "localhost",
    }
}
