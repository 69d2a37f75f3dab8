//! What labs ask, and how an answer that is late is told from one that doesn't come.

use std::time::Duration;

use crate::client;

/// How long all threads of a server have to sleep until an answer is taken not to come. One that is under way, between
/// two sockets of one machine, is there in a hundredth of that; however busy the machine is, a thread that could give it
/// is awake until it has.
pub const QUIET: Duration = Duration::from_millis(200);

/// Between two looks at whether they do.
pub const GLANCE: Duration = Duration::from_millis(5);

/// The request that labs make when it doesn't matter which.
pub const SMALL: &str = "/small.txt";

/// A GET after which the server closes.
pub fn last_get(target: &str) -> String {
    client::get_with(target, "Connection: close\r\n")
}

pub fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}
