//! What every lab is given: how large it is to be, whether its phenomenon is to be there, and files to ask for.

use std::fs::{self, File};

use tempfile::TempDir;

use crate::serve::Kind;
use crate::subject::{Start, Subject};

#[derive(Debug)]
pub struct Setup {
    pub size: Size,
    pub phenomenon: Phenomenon,
    server: Option<Kind>,
    root: TempDir,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    Full,
    Quick,
}

/// Whether what a lab is about is there. A lab without it has to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phenomenon {
    Present,
    Removed,
}

/// Of `/large.bin`: more than the kernel takes for a client that doesn't read (net.ipv4.tcp_wmem: 4 MiB).
pub const LARGE_BYTES: usize = 16 * 1024 * 1024;

impl Setup {
    /// Makes the directory that the servers serve.
    pub fn lay(size: Size, phenomenon: Phenomenon, server: Option<Kind>) -> Result<Setup, String> {
        let lay = || {
            let root = tempfile::tempdir()?;
            fs::write(root.path().join("small.txt"), "hello, world\n")?;
            File::create(root.path().join("large.bin"))?.set_len(LARGE_BYTES.try_into().expect("it is 16 MiB"))?;
            Ok(root)
        };
        let root = lay().map_err(|error: std::io::Error| format!("no place for files: {error}"))?;
        Ok(Setup { size, phenomenon, server, root })
    }

    /// The larger number, or the one for who is in a hurry.
    pub fn choose<T>(&self, full: T, quick: T) -> T {
        match self.size {
            Size::Full => full,
            Size::Quick => quick,
        }
    }

    /// The server that a lab is about: the usual one, or the one that has no such trouble, or whichever was asked for.
    pub fn subject(&self, usual: Kind, without: Kind) -> Kind {
        match (self.server, self.phenomenon) {
            (Some(kind), _) => kind,
            (None, Phenomenon::Present) => usual,
            (None, Phenomenon::Removed) => without,
        }
    }

    pub fn start(&self, start: &Start) -> Result<Subject, String> {
        Subject::start(start, self.root.path())
    }
}
