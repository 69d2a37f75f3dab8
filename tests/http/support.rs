//! What several tables need: field lines as a head would have given them, and dates from seconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millpond::http::field::Fields;

/// Hands `read` the fields of a head with those lines.
pub fn with_fields<T>(lines: &[(&str, &[u8])], read: impl FnOnce(&Fields<'_>) -> T) -> T {
    let lines: Vec<_> = lines.iter().map(|(name, value)| httparse::Header { name, value }).collect();
    read(&Fields::new(&lines))
}

/// A time that many seconds after 1970.
pub fn seconds(since_1970: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(since_1970)
}
