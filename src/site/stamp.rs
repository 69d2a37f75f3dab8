//! A stamp tells one version of a file from every other: which file it is, and when it last changed.
//!
//! *Invariant:* two equal stamps of a file that had settled at the first are of the same bytes. Every write, truncation,
//! change of permissions and renaming of a file sets its status-change time (ctime) by the kernel's clock, and nothing
//! sets it back; so what changes once the clock has ticked on shows.
//!
//! The kernel stamps before it copies, and the clocks of file systems tick in milliseconds, the oldest formats in
//! seconds: a file that changed just now could change again and look the same. Hence *settled*: the last change is
//! [`SETTLE_TIME`](config::SETTLE_TIME) past. The inode number is part of a stamp because a name can be given to
//! another file (`rename`), and the modification time because a version's entity-tag is made of it.
//!
//! What can't be told: writes through a shared memory mapping, which are stamped when they are written back, and file
//! systems that don't stamp by this kernel's clock (see [`file_system`](super::file_system)).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::Stat;

use crate::config;
use crate::http::validator::FileTime;

/// Which file, and which version of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    /// Bytes.
    pub size: u64,
    /// When the content was last changed, as far as its owner says.
    pub modified: FileTime,
    /// When anything about it was last changed, as the kernel says.
    changed: FileTime,
}

impl Stamp {
    pub fn of(stat: &Stat) -> Stamp {
        Stamp {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: file_time(stat.st_mtime, stat.st_mtime_nsec),
            changed: file_time(stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// Whether the last change was so long ago at `now` that the next will show. `now` is to be no later than when the
    /// file was looked at.
    pub fn is_settled(&self, now: SystemTime) -> bool {
        now.duration_since(instant(self.changed)).is_ok_and(|age| age >= config::SETTLE_TIME)
    }

    /// Whether the content is no older than that of another file.
    ///
    /// Tools that give what they write the time of what they read may cut it (brotli: to whole seconds), and what they
    /// wrote would look older. It isn't, if the other file has not changed since, which the kernel knows to the tick.
    pub fn is_no_older_than(&self, other: &Stamp) -> bool {
        self.modified >= other.modified || (self.modified.is_cut_from(other.modified) && self.changed > other.changed)
    }

    /// Whether both are on the same file system.
    pub fn is_beside(&self, other: &Stamp) -> bool {
        self.device == other.device
    }

    /// Whether the file claims to have been modified after `now`.
    pub fn is_of_the_future(&self, now: SystemTime) -> bool {
        instant(self.modified) > now
    }
}

/// The kernel counts nanoseconds without a sign, C libraries with one; rustix speaks by way of a library where it must, as
/// under Miri.
fn file_time(seconds: i64, nanoseconds: impl TryInto<u32>) -> FileTime {
    FileTime { seconds, nanoseconds: nanoseconds.try_into().unwrap_or(0) }
}

/// A time stamp of the kernel. One that a clock can't hold is taken for the epoch.
fn instant(time: FileTime) -> SystemTime {
    let fraction = Duration::from_nanos(u64::from(time.nanoseconds));
    let whole = Duration::from_secs(time.seconds.unsigned_abs());
    let base = if time.seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    base.and_then(|base| base.checked_add(fraction)).unwrap_or(UNIX_EPOCH)
}
