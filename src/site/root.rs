//! The two functions that go from a name to a file: one opens, one only looks; both beneath the root, or not at all.
//!
//! *Invariants:* the kernel resolves the path, from a descriptor of the root, with `RESOLVE_BENEATH`, so nothing that is
//! swapped, linked or spelt can lead outside; no verdict about a path is kept but what the next look upholds
//! ([`way`](super::way)). What is described is the descriptor that was opened, never the path a second time. Only regular
//! files and directories come out.
//!
//! Rejected: canonicalise the path, compare it with the root, open it. Between the second and the third the path may
//! have become another (a dozen servers have had that CVE), and a comparison of strings takes `public-restricted` for
//! something inside `public`.
//!
//! `O_NONBLOCK`, because opening a FIFO waits for its writer otherwise; `O_NOCTTY`, because opening a terminal may make
//! it ours.
//!
//! # The look
//!
//! [`Root::look`] goes the same way as the open, with `O_PATH`, which touches nothing of what it finds. That takes three
//! system calls: open, look, close. For a name right in the root, without a slash, one will do: a plain look that
//! doesn't follow a link. There is no directory on the way that could be a link, the name itself is not followed, and a
//! name that is neither `.` nor `..` can't leave the directory it is looked up in; the right to search the root is asked
//! as for any path. A link shows as a link, and then the long way is gone. The short way finds no more than the long one
//! would, so it is as contained; a mount on the name, which both cross, shows as another device. Further down, one will
//! do as long as it is known that there is no link on the way: that is what a [`way`](super::way) is.
//!
//! A look that must not wait has `RESOLVE_CACHED` (Linux 5.12): the kernel answers from memory or says that it can't; so
//! it says of a link that nobody has followed lately, too, since it would have to note the time of that.
//! The short way has no such flag. It is gone only if the root lies on a file system of this machine, and is asked only
//! about names that were looked up seconds ago, so that it would wait for a disk only when the kernel was so short of
//! memory that it forgot the name meanwhile.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{self, Access, AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use rustix::path::Arg;

use super::file_system;
use super::stamp::Stamp;
use crate::config;

/// The directory that is served.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
    resolve: ResolveFlags,
    /// Whether the kernel can resolve from memory alone.
    resolves_cached: bool,
    /// Whether looking up a name in the root can't mean asking another machine or process.
    is_local: bool,
}

/// Which symbolic links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Relative ones that stay beneath the root at every step. An absolute one is refused even if it points inside.
    Beneath,
    /// All, wherever they lead. Not the kernel's magic ones (`/proc/self/fd/3`), which are no paths.
    Anywhere,
}

/// What is there under a path.
#[derive(Debug)]
pub enum Found {
    /// A regular file, opened, how it was after the opening, and what the way to it was like.
    File(File, Stamp, Passage),
    Directory,
}

/// Whether a link was followed on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    WithoutLinks,
    ByLinks,
}

/// Why nothing can be served under a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// No such name, or a link that leads outside, or no regular file: from the outside all the same.
    NotFound,
    /// The process may not read it.
    Forbidden,
    /// Out of descriptors.
    NoDescriptor,
    /// Out of memory, or the tree is being renamed too fast: another time it may work.
    Unavailable,
    /// The file system failed.
    Failed,
}

/// What a look at a name saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// A regular file.
    File(Stamp),
    /// No regular file, or nothing at all, or nothing that this process may know of.
    NoFile,
    /// That can't be told without waiting, or for want of something.
    Unclear,
}

/// What a look may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    Nothing,
    /// A disk, a network, whatever it takes.
    Anything,
}

impl Root {
    /// Opens the directory and tries whether the kernel can resolve beneath it.
    ///
    /// # Errors
    /// When it isn't there, is no directory, may not be searched, or the kernel (before 5.6, or a container's filter)
    /// refuses `openat2`.
    pub fn open(path: &Path, links: Links) -> io::Result<Root> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = fs::open(path, flags, Mode::empty())?;
        fs::accessat(&directory, ".", Access::EXEC_OK, AtFlags::empty())?;
        let resolve = match links {
            Links::Beneath => ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
            Links::Anywhere => ResolveFlags::NO_MAGICLINKS,
        };
        let resolving = |resolve| fs::openat2(&directory, ".", flags, Mode::empty(), resolve).map(drop);
        match resolving(resolve) {
            Ok(()) => {}
            Err(Errno::NOSYS | Errno::PERM) => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "the kernel or its sandbox refuses openat2 (Linux 5.6), without which files can't be opened safely",
                ));
            }
            Err(errno) => return Err(errno.into()),
        }
        // EINVAL is what a kernel says to a flag that it doesn't know.
        let resolves_cached = matches!(resolving(resolve | ResolveFlags::CACHED), Ok(()) | Err(Errno::AGAIN));
        let is_local = file_system::stamps_in_time(&directory);
        Ok(Root { directory, resolve, resolves_cached, is_local })
    }

    /// The descriptor that every path is resolved from.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Opens what is under a path relative to the root.
    ///
    /// # Errors
    /// See [`Absent`].
    pub fn find(&self, relative: &[u8]) -> Result<Found, Absent> {
        // Right in the root, a look shows that nothing has the name for half of what an attempt to open it costs.
        let is_short = self.is_local && !relative.contains(&b'/');
        if is_short && self.stat(relative).is_err_and(|errno| errno == Errno::NOENT) {
            return Err(Absent::NotFound);
        }
        let (file, passage) =
            match self.open_beneath(relative, OFlags::empty(), self.resolve | ResolveFlags::NO_SYMLINKS) {
                Err(Errno::LOOP) => {
                    (self.open_beneath(relative, OFlags::empty(), self.resolve).map_err(absent)?, Passage::ByLinks)
                }
                opened => (opened.map_err(absent)?, Passage::WithoutLinks),
            };
        let stat = fs::fstat(&file).map_err(absent)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Found::File(File::from(file), Stamp::of(&stat), passage)),
            FileType::Directory => Ok(Found::Directory),
            _ => Err(Absent::NotFound),
        }
    }

    /// Looks at what is under a path relative to the root, and opens nothing. A [`Sight::File`] is what
    /// [`find`](Root::find) would have found, if it may still be read: a stamp changes with the permissions.
    pub fn look(&self, relative: &CStr, patience: Patience) -> Sight {
        if self.is_local && !relative.to_bytes().contains(&b'/') {
            self.look_plainly_or_along_links(relative, patience)
        } else {
            self.look_beneath(relative, patience)
        }
    }

    /// Looks at what is under a path on which, for all but its last name, no link is known to be (see
    /// [`way`](super::way)). If the last one is a link now, that is no file.
    pub fn look_plainly(&self, relative: &CStr) -> Sight {
        match self.stat(relative) {
            Ok(stat) => sight(&stat),
            Err(errno) => blind(errno),
        }
    }

    /// The same for a name that may well be a link: that is looked at the long way.
    pub fn look_plainly_or_along_links(&self, relative: &CStr, patience: Patience) -> Sight {
        match self.stat(relative) {
            Ok(stat) if is_link(&stat) => self.look_beneath(relative, patience),
            Ok(stat) => sight(&stat),
            Err(errno) => blind(errno),
        }
    }

    /// The stamp of a directory, under the same condition; none if it isn't one. The empty path is the root.
    pub fn look_at_directory(&self, relative: &CStr) -> Option<Stamp> {
        let stat = self.stat(relative).ok()?;
        (FileType::from_raw_mode(stat.st_mode) == FileType::Directory).then(|| Stamp::of(&stat))
    }

    /// Whether looking up a name in the root can't mean asking another machine or process.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// One look, which doesn't follow the last name.
    fn stat(&self, relative: impl Arg) -> Result<Stat, Errno> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC | AtFlags::EMPTY_PATH;
        fs::statat(&self.directory, relative, flags)
    }

    fn look_beneath(&self, relative: &CStr, patience: Patience) -> Sight {
        let resolve = match patience {
            Patience::Anything => self.resolve,
            Patience::Nothing if self.resolves_cached => self.resolve | ResolveFlags::CACHED,
            Patience::Nothing => return Sight::Unclear,
        };
        let opened =
            match fs::openat2(&self.directory, relative, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve) {
                Ok(opened) => opened,
                Err(errno) => return blind(errno),
            };
        // If it is on another machine by now, what is remembered of it will do: it isn't the file that was kept.
        match fs::statat(&opened, c"", AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC) {
            Ok(stat) => sight(&stat),
            Err(errno) => blind(errno),
        }
    }

    /// Opens a directory to be read.
    ///
    /// # Errors
    /// See [`Absent`].
    pub fn open_directory(&self, relative: &[u8]) -> Result<OwnedFd, Absent> {
        self.open_beneath(relative, OFlags::DIRECTORY, self.resolve).map_err(absent)
    }

    /// What is under a path relative to the root, for who wants to tell others of it: opened as [`find`](Root::find)
    /// would, but described and closed again.
    ///
    /// # Errors
    /// See [`Absent`].
    pub fn survey(&self, relative: &[u8]) -> Result<Stat, Absent> {
        let opened = self.open_beneath(relative, OFlags::empty(), self.resolve).map_err(absent)?;
        let stat = fs::fstat(&opened).map_err(absent)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(stat),
            // What is in it is asked for by a path that goes through it.
            FileType::Directory => {
                fs::accessat(&opened, c".", Access::EXEC_OK, AtFlags::EACCESS).map(|()| stat).map_err(absent)
            }
            _ => Err(Absent::NotFound),
        }
    }

    fn open_beneath(&self, relative: &[u8], more: OFlags, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY | more;
        let mut further_tries = 1..config::OPEN_TRIES_MAX;
        loop {
            match fs::openat2(&self.directory, relative, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) if further_tries.next().is_some() => {}
                opened => return opened,
            }
        }
    }
}

fn sight(stat: &Stat) -> Sight {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Sight::File(Stamp::of(stat)),
        _ => Sight::NoFile,
    }
}

fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}

/// What an error says about what is there. One that is about this process, or the moment, says nothing.
fn blind(errno: Errno) -> Sight {
    match errno {
        Errno::AGAIN | Errno::INTR | Errno::MFILE | Errno::NFILE | Errno::NOMEM => Sight::Unclear,
        _ => Sight::NoFile,
    }
}

/// The one place where an error of the system becomes a reason of ours (its text never reaches a client).
fn absent(errno: Errno) -> Absent {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::NAMETOOLONG | Errno::INVAL => {
            Absent::NotFound
        }
        // What opening a socket, or a device without a driver, gives.
        Errno::NXIO | Errno::NODEV => Absent::NotFound,
        Errno::ACCESS | Errno::PERM => Absent::Forbidden,
        Errno::MFILE | Errno::NFILE => Absent::NoDescriptor,
        Errno::NOMEM | Errno::AGAIN | Errno::INTR => Absent::Unavailable,
        other => {
            log::error!("the document root can't be read: {other}");
            Absent::Failed
        }
    }
}
