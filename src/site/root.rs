//! The one function that opens anything: beneath the root, or not at all.
//!
//! *Invariants:* the kernel resolves the path, from a descriptor of the root, with `RESOLVE_BENEATH`, so nothing that is
//! swapped, linked or spelt can lead outside; no verdict about a path is ever kept. What is looked at is the descriptor
//! that was opened, never the path a second time. Only regular files and directories come out.
//!
//! Rejected: canonicalise the path, compare it with the root, open it. Between the second and the third the path may
//! have become another (a dozen servers have had that CVE), and a comparison of strings takes `public-restricted` for
//! something inside `public`.
//!
//! `O_NONBLOCK`, because opening a FIFO waits for its writer otherwise; `O_NOCTTY`, because opening a terminal may make
//! it ours.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self, Access, AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::config;

/// The directory that is served.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
    resolve: ResolveFlags,
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
    /// A regular file, opened, and its metadata as of after the opening.
    File(File, Stat),
    Directory,
}

/// Why nothing can be served under a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// No such name, or a link that leads outside, or no regular file: from the outside all the same.
    NotFound,
    /// The process may not read it.
    Forbidden,
    /// Out of descriptors or memory, or the tree is being renamed too fast: another time it may work.
    Unavailable,
    /// The file system failed.
    Failed,
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
        match fs::openat2(&directory, ".", flags, Mode::empty(), resolve) {
            Ok(_) => Ok(Root { directory, resolve }),
            Err(Errno::NOSYS | Errno::PERM) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the kernel or its sandbox refuses openat2 (Linux 5.6), without which files can't be opened safely",
            )),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens what is under a path relative to the root.
    ///
    /// # Errors
    /// See [`Absent`].
    pub fn find(&self, relative: &[u8]) -> Result<Found, Absent> {
        let file = self.open_beneath(relative).map_err(absent)?;
        let stat = fs::fstat(&file).map_err(absent)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Found::File(File::from(file), stat)),
            FileType::Directory => Ok(Found::Directory),
            _ => Err(Absent::NotFound),
        }
    }

    fn open_beneath(&self, relative: &[u8]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let mut further_tries = 1..config::OPEN_TRIES_MAX;
        loop {
            match fs::openat2(&self.directory, relative, flags, Mode::empty(), self.resolve) {
                Err(Errno::AGAIN | Errno::INTR) if further_tries.next().is_some() => {}
                opened => return opened,
            }
        }
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
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::INTR => Absent::Unavailable,
        other => {
            log::error!("the document root can't be read: {other}");
            Absent::Failed
        }
    }
}
