//! The way to a file is short as long as the directories on it are known to be directories, and no links.
//!
//! *Invariants:*
//! - A [`Directory`] is never changed: it stands for one state of a directory, by its stamp, and is of use as long as a
//!   look finds that state. No verdict about a path outlives a look (DESIGN: "no cached verdict that a path is safe").
//! - A look at a directory is contained: what is above it was looked at before, and its own name is not followed.
//!
//! A contained look at `a/b/c.txt` takes three system calls: open with `O_PATH`, look, close. A plain look takes one, but
//! follows links, and so may leave the root: unless it is known that `a` and `b` are no links. `a` shows by itself, since a
//! look at a name right in the root follows nothing. `b` is no link if it was none once, and if `a` has not changed since,
//! because whatever is created, renamed or removed in a directory changes its stamp. So one look at `a` vouches for all
//! directories in it, and for all requests that were received before it: a batch of requests for files in a hundred
//! directories below `a` costs one look more than it has files.
//!
//! # Why the plain look is as good
//!
//! It is used only if it finds the very stamp that the version has, and so the same file; what is to be shown is that the
//! file stood under its name at a moment after the request was received. Let the way be looked at, after that, at T: every
//! directory above `b` has the state in which `b` was seen to be a directory (the file was opened by a way without links
//! while it had that state already, since it had settled by then). So at T the path leads where it led when the file was
//! opened. The file's own stamp, which the plain look finds later, has not changed since it was opened, and giving a file
//! another name or taking one away changes it: so at T the file had that name, and that content. What becomes of the way
//! after T doesn't matter.
//!
//! A name beside the file, of a variant of it, is looked at in the same way only to learn that nothing is there. That is so
//! wherever the path leads by then, since a contained look finds no more than one that follows every link.
//!
//! Mounts are no matter either: they are crossed by the plain look as by the contained one, and what is mounted has
//! another stamp.
//!
//! Rejected: a descriptor for every directory, to look from. It needs no rule about links; but a directory that has been
//! moved away, or mounted over, would still be looked into. An open with `RESOLVE_NO_SYMLINKS` in place of the look at the
//! directories: it is what costs.

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use quick_cache::sync::Cache;

use super::moment::{self, Moment};
use super::root::Root;
use super::stamp::Stamp;
use crate::config;

/// The directories that ways are made of, by their paths.
#[derive(Debug)]
pub struct Ways {
    directories: Cache<Box<[u8]>, Arc<Directory>>,
}

/// How a version is looked at.
#[derive(Debug)]
pub enum Way {
    /// By the long way, or in the root.
    Contained,
    /// By a plain look, as long as this directory and those above it are as they were: the one above the one that the
    /// file lies in.
    Plain(Arc<Directory>),
    /// By the long way, until it is to be opened anew, after this moment: a directory had just changed.
    ContainedUntil(Moment),
}

/// What a way is good for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passable {
    /// A plain look will do.
    Plainly,
    /// It takes a contained one.
    Contained,
    /// It is time to find another.
    NoLonger,
}

/// One state of a directory.
#[derive(Debug)]
pub struct Directory {
    /// Empty for the root.
    path: CString,
    stamp: Stamp,
    /// None right in the root, where looking needs nothing else.
    above: Option<Arc<Directory>>,
    /// A moment: the directory, and all above it, had this state at some time after it. As in a version of the cache.
    looked_at: AtomicU64,
    /// The moment since which it is known to have another; 0 while it isn't.
    changed_at: AtomicU64,
}

impl Ways {
    pub fn new() -> Ways {
        Ways { directories: Cache::new(config::WAY_DIRECTORIES_MAX) }
    }

    /// The way to a file that was opened just now, for a request received at `received`, without following a link.
    /// `now` is no later than that.
    pub fn to(&self, root: &Root, name: &[u8], stamp: &Stamp, now: SystemTime, received: Moment) -> Way {
        let Some(directory) = parent(name) else { return Way::Contained };
        if !root.is_local() || name.split(|byte| *byte == b'/').count() > config::WAY_NAMES_MAX {
            return Way::Contained;
        }
        let above = parent(directory).unwrap_or_default();
        match self.directory(root, above, stamp, now, received) {
            Some(directory) => Way::Plain(directory),
            None => Way::ContainedUntil(after_a_while(received)),
        }
    }

    /// The present state of a directory, on the file system of `file`; none if it has just changed.
    fn directory(
        &self,
        root: &Root,
        path: &[u8],
        file: &Stamp,
        now: SystemTime,
        received: Moment,
    ) -> Option<Arc<Directory>> {
        if let Some(known) = self.directories.get(path)
            && known.stands(root, received)
        {
            return Some(known);
        }
        let above = match parent(path) {
            Some(above) => Some(self.directory(root, above, file, now, received)?),
            None => None,
        };
        let name = CString::new(path).ok()?;
        let stamp = root.look_at_directory(&name)?;
        if !stamp.is_settled(now) || !stamp.is_beside(file) {
            return None;
        }
        let (looked_at, changed_at) = (AtomicU64::new(received), AtomicU64::new(0));
        let directory = Arc::new(Directory { path: name, stamp, above, looked_at, changed_at });
        self.directories.insert(path.into(), Arc::clone(&directory));
        Some(directory)
    }
}

impl Default for Ways {
    fn default() -> Ways {
        Ways::new()
    }
}

impl Way {
    /// Whether it can be gone for a request received at `received`.
    pub fn passable(&self, root: &Root, received: Moment) -> Passable {
        let until = match self {
            Way::Contained => return Passable::Contained,
            Way::Plain(directory) if directory.stands(root, received) => return Passable::Plainly,
            Way::Plain(directory) => after_a_while(directory.known_changed_at()),
            Way::ContainedUntil(moment) => *moment,
        };
        if received > until { Passable::NoLonger } else { Passable::Contained }
    }
}

impl Directory {
    /// Whether it is as it was, at some time after `received`.
    fn stands(&self, root: &Root, received: Moment) -> bool {
        if self.looked_at.load(Ordering::Acquire) >= received {
            return true;
        }
        if self.changed_at.load(Ordering::Relaxed) > 0 {
            return false;
        }
        if self.above.as_ref().is_some_and(|above| !above.stands(root, received)) {
            return false;
        }
        if root.look_at_directory(&self.path) == Some(self.stamp) {
            self.looked_at.fetch_max(received, Ordering::Release);
            true
        } else {
            self.changed_at.store(received.max(1), Ordering::Relaxed);
            false
        }
    }

    /// Since when this or one above is known to have changed.
    fn known_changed_at(&self) -> Moment {
        let above = self.above.as_ref().map_or(0, |above| above.known_changed_at());
        self.changed_at.load(Ordering::Relaxed).max(above)
    }
}

fn after_a_while(moment: Moment) -> Moment {
    moment.saturating_add(moment::nanoseconds(config::WAY_RETRY_INTERVAL))
}

/// The path of the directory that something lies in; none right in the root.
fn parent(path: &[u8]) -> Option<&[u8]> {
    path.iter().rposition(|byte| *byte == b'/').map(|slash| &path[..slash])
}
