//! What is in a directory, as far as a request for each of it would be answered.
//!
//! *Invariants:* an entry is listed if a direct request for it would find a file or a directory, by the same rules and from
//! the same root: hidden names are left out, and so are FIFOs, sockets and devices, what may not be read, and links that
//! lead out, in a circle or nowhere. What a link leads to is opened as such a request would open it; everything else is only
//! looked at, beneath the descriptor of the directory, without following anything.
//!
//! *No more than it may:* so many names at a time, so many in all, and so much memory for all listings together.

use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{self, Access, AtFlags, FileType, RawDir, Stat};
use rustix::io::Errno;

use super::entries::{Entries, Item, Kind, Run};
use super::order::Order;
use crate::config;
use crate::site::options::Hidden;
use crate::site::root::{Absent, Root};

/// A directory that is being read.
#[derive(Debug)]
pub struct Gathering {
    root: Arc<Root>,
    directory: OwnedFd,
    /// Its path, with a slash at the end; empty for the root.
    relative: Box<[u8]>,
    depth: usize,
    hidden: Hidden,
    order: Order,
    names_left: usize,
    share: Share,
    pub entries: Entries,
}

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gathered {
    /// There may be more.
    More,
    Done(Extent),
}

/// Whether all names have been looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extent {
    Whole,
    /// There are more than are looked at.
    Cut,
}

/// Why there is no listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Something in it can't be told.
    Absent(Absent),
    /// So many long ones are being made that there is no memory for another.
    NoRoom,
}

impl Gathering {
    /// Of a directory that was opened beneath the root, under that path.
    pub fn begin(
        root: &Arc<Root>,
        directory: OwnedFd,
        relative: &[u8],
        hidden: Hidden,
        order: Order,
        room: &Arc<Room>,
    ) -> Gathering {
        Gathering {
            root: Arc::clone(root),
            directory,
            relative: relative.into(),
            depth: relative.iter().filter(|byte| **byte == b'/').count(),
            hidden,
            order,
            names_left: config::LISTING_NAMES_MAX,
            share: Share { room: Arc::clone(room), bytes: 0 },
            entries: Entries::default(),
        }
    }

    /// The entries, and the right to the memory they take.
    pub fn finish(self) -> (Entries, Share) {
        (self.entries, self.share)
    }

    /// Looks at the next names.
    ///
    /// # Errors
    /// See [`Failed`].
    pub fn go_on(&mut self) -> Result<Gathered, Failed> {
        let mut buffer = Vec::with_capacity(config::LISTING_READ_BYTES);
        // The descriptor remembers how far it was read.
        let mut names = RawDir::new(&self.directory, buffer.spare_capacity_mut());
        let mut run = Run::default();
        let mut looked_at = 0;
        let gathered = loop {
            if names.is_buffer_empty() && looked_at >= config::LISTING_SLICE_NAMES {
                break Gathered::More;
            }
            let found = match names.next() {
                None => break Gathered::Done(Extent::Whole),
                Some(Err(Errno::INTR)) => continue,
                // It has been removed meanwhile.
                Some(Err(Errno::NOENT)) => return Err(Failed::Absent(Absent::NotFound)),
                Some(Err(errno)) => {
                    log::error!("a directory can't be read: {errno}");
                    return Err(Failed::Absent(Absent::Failed));
                }
                Some(Ok(found)) => found,
            };
            let name = found.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if self.names_left == looked_at {
                break Gathered::Done(Extent::Cut);
            }
            looked_at += 1;
            if !self.hidden.allows(self.depth, name.to_bytes()) {
                continue;
            }
            if let Some((kind, stat)) = self.look(name, found.file_type()).map_err(Failed::Absent)? {
                let size = if kind == Kind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
                run.push(&Item { name: name.to_bytes(), kind, size, modified: stat.st_mtime });
            }
        };
        self.names_left -= looked_at;
        self.entries.add(run, self.order);
        if gathered == Gathered::More {
            self.share.grow_to(self.entries.bytes())?;
        }
        Ok(gathered)
    }

    /// What a direct request for a name would find.
    fn look(&self, name: &CStr, likely: FileType) -> Result<Option<(Kind, Stat)>, Absent> {
        let is_special =
            matches!(likely, FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice);
        if is_special {
            return Ok(None);
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let Ok(stat) = fs::statat(&self.directory, name, flags) else { return Ok(None) };
        let (kind, access) = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => (Kind::File, Access::READ_OK),
            FileType::Directory => (Kind::Directory, Access::READ_OK | Access::EXEC_OK),
            FileType::Symlink => return self.follow(name),
            _ => return Ok(None),
        };
        // Permissions are more than mode bits: the kernel decides.
        let flags = AtFlags::EACCESS | AtFlags::SYMLINK_NOFOLLOW;
        Ok(fs::accessat(&self.directory, name, access, flags).is_ok().then_some((kind, stat)))
    }

    /// What a link leads to, by the way that a request for it would take.
    fn follow(&self, name: &CStr) -> Result<Option<(Kind, Stat)>, Absent> {
        match self.root.survey(&[&self.relative, name.to_bytes()].concat()) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                Ok(Some((Kind::Directory, stat)))
            }
            Ok(stat) => Ok(Some((Kind::File, stat))),
            Err(Absent::NotFound | Absent::Forbidden | Absent::Failed) => Ok(None),
            // Left out it would seem not to be there.
            Err(moment @ (Absent::NoDescriptor | Absent::Unavailable)) => Err(moment),
        }
    }
}

/// The memory for all listings that take long.
#[derive(Debug, Default)]
pub struct Room {
    taken: AtomicUsize,
}

/// What one listing has of it, until it is dropped.
#[derive(Debug)]
pub struct Share {
    room: Arc<Room>,
    bytes: usize,
}

impl Room {
    /// Bytes that are taken at the moment.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Share {
    /// Relaxed: it is a count, and nothing else is said by it.
    fn grow_to(&mut self, bytes: usize) -> Result<(), Failed> {
        let more = bytes.saturating_sub(self.bytes);
        let before = self.room.taken.fetch_add(more, Ordering::Relaxed);
        self.bytes += more;
        if before + more > config::LISTINGS_BYTES_MAX { Err(Failed::NoRoom) } else { Ok(()) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
