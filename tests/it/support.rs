//! The bench of these tests: a directory to serve, the real server on it, and a client that believes nothing.
//!
//! *Invariant:* no read, write or wait here lasts for ever: each gives up after [`PATIENCE`].

// Two sets of tests share this room; what only one of them needs is no mistake.
#![allow(dead_code)]

mod server;
mod client;
mod response;
mod site;
mod common;
#[cfg(feature = "tls")]
pub mod tls;

use std::time::Duration;

// One line of imports for a test, whichever of the rooms its tools lie in.
pub use client::{Client, ask, exchange, get, request};
pub use common::{
    DATED, FILES, FIVE_GIB, HIDDEN_FILES, LARGE_BYTES, MIDDLE_BYTES, RENAMES, Watchdog, common, hurtful_names,
    patterned, server,
};
pub use response::{Response, find, show};
pub use server::{Server, bare_command};
pub use site::{SECRET, Site};

/// How long a test waits for anything before it fails: far beyond what a busy machine needs, so that only a hang runs
/// into it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A test table: one named test per row. `rows!(check: first_rule(1, 2), second_rule(3, 4))` makes two tests that call
/// `check(1, 2)` and `check(3, 4)`; the row name is the sentence.
macro_rules! rows {
    ($check:ident: $($(#[$meta:meta])* $name:ident($($argument:expr),* $(,)?)),+ $(,)?) => {
        $($(#[$meta])* #[test] fn $name() { $check($($argument),*); })+
    };
}
pub(crate) use rows;
