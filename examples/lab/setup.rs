//! What every lab is given: how large it is to be, whether its phenomenon is to be there, files to ask for, and where to
//! write down what happens.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::PathBuf;

use crate::serve::Kind;
use crate::subject::{Start, Subject};
use crate::timeline::Timeline;

#[derive(Debug)]
pub struct Setup {
    pub size: Size,
    pub phenomenon: Phenomenon,
    pub timeline: Timeline,
    /// Of `/large.bin`.
    pub large_bytes: usize,
    server: Option<Kind>,
    /// Where files are: those that are served, and the gates.
    place: PathBuf,
    started: Cell<usize>,
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

/// What the servers serve, below the place of a lab.
const ROOT: &str = "site";

/// Of `/large.bin`, at least: four times what the kernel takes for a client that doesn't read, where nobody has changed it.
const LARGE_BYTES_MIN: usize = 16 * 1024 * 1024;

impl Setup {
    /// Makes a directory at that place, and what the servers serve in it.
    pub fn lay(place: PathBuf, size: Size, phenomenon: Phenomenon, server: Option<Kind>) -> Result<Setup, String> {
        let (root, large_bytes) = (place.join(ROOT), large_bytes());
        let lay = || {
            fs::create_dir_all(&root)?;
            fs::write(root.join("small.txt"), "hello, world\n")?;
            File::create(root.join("large.bin"))?.set_len(large_bytes.try_into().map_err(std::io::Error::other)?)
        };
        lay().map_err(|error: std::io::Error| format!("no place for files: {error}"))?;
        let timeline = Timeline::begin();
        Ok(Setup { size, phenomenon, timeline, large_bytes, server, place, started: Cell::new(0) })
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

    /// What the files of a lab are called: those of the lab proper stay when another server takes its place.
    pub fn file_stem(&self, lab: &str) -> String {
        self.server.map_or(lab.to_owned(), |kind| format!("{lab}.{}", kind.name()))
    }

    pub fn start(&self, start: &Start) -> Result<Subject, String> {
        let number = self.started.replace(self.started.get() + 1);
        let gates = self.place.join(format!("gates-{number}"));
        let name = match start.note.as_str() {
            "" => start.kind.name(),
            note => format!("{}, {note}", start.kind.name()),
        };
        Subject::start(start, &self.place.join(ROOT), gates, self.timeline.process(&name))
    }
}

/// Too much for the kernel to take it all for a client that doesn't read (tcp(7): the last number of `tcp_wmem`).
fn large_bytes() -> usize {
    let buffers = fs::read_to_string("/proc/sys/net/ipv4/tcp_wmem").unwrap_or_default();
    let most = buffers.split_whitespace().next_back().and_then(|most| most.parse::<usize>().ok());
    most.unwrap_or(0).saturating_mul(4).max(LARGE_BYTES_MIN)
}
