//! A file as HTTP sees it: its size, its media type, and what tells one version from the next.
//!
//! *Invariant:* everything here comes from the one descriptor that will be sent (RFC 9110 §8.8, "validators"), so size,
//! validators and bytes are of one and the same file. Until that file has settled it has no validators: a version that
//! can't be told from the next one must not be named.

use std::borrow::Cow;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;

use crate::config;
use crate::http::media_type;
use crate::http::validator::{FileTime, Validators};

/// What is selected for a request-target (RFC 9110 §3.2).
#[derive(Debug)]
pub struct Representation {
    pub file: Arc<File>,
    /// Bytes, when it was opened. What is appended later isn't sent.
    pub size: u64,
    pub media_type: Cow<'static, str>,
    pub validators: Validators,
}

impl Representation {
    /// Describes an open file. `name` is only looked at for its extension.
    pub fn new(file: File, stat: &Stat, name: &[u8], now: SystemTime) -> Representation {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let modified = FileTime { seconds: stat.st_mtime, nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0) };
        let changed = instant(stat.st_ctime, stat.st_ctime_nsec);
        let settled = now.duration_since(changed).is_ok_and(|age| age >= config::SETTLE_TIME);
        let validators = if settled { Validators::of_file(size, modified, now) } else { Validators::NONE };
        Representation { file: Arc::new(file), size, media_type: media_type::from_file_name(name), validators }
    }
}

/// A time stamp of the kernel. One that a clock can't hold is taken for the epoch.
fn instant(seconds: i64, nanoseconds: u64) -> SystemTime {
    let fraction = Duration::from_nanos(nanoseconds);
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let base = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    base.and_then(|base| base.checked_add(fraction)).unwrap_or(UNIX_EPOCH)
}
