//! Versions of files that were opened once and may serve again, as long as a look finds them unchanged.
//!
//! *Invariants:*
//! - A version is used for a request only if a look at its name, made after the request was received whole, found the
//!   same file unchanged. So no answer is older than its question.
//! - Only a version that had settled when it was looked at is kept, and only of a file that lies where changes are
//!   stamped in time (see [`stamp`](super::stamp) and [`file_system`]).
//! - What is kept has a bound, in bytes and in descriptors, and goes when nobody has asked for it for
//!   [`CACHE_IDLE_TIME`](config::CACHE_IDLE_TIME): a descriptor holds the space of a file that was deleted.
//! - Nothing is opened, read or closed under a lock of the cache.
//!
//! # Why nothing stale can come out
//!
//! Let a request be received whole at R. A version *stood* at a moment if its name led to its file and the file had its
//! stamp. To show: what answers is a version that stood at a moment after R.
//!
//! - *The open* comes after R. It found the file under the name, and a look at the descriptor then found the stamp, whose
//!   last change is 2 s before `now`, which is before the open: so the file had that stamp at the open, too. Content that
//!   is read to memory is read after that, and kept only if the stamp is still the same. So are the bytes: a later write
//!   stamps before it copies.
//! - *A look* takes the same two steps, and finds the same stamp, whose last change is before the first of them; so the
//!   version stood when the name was resolved, after R.
//! - *No look* is needed if one was made for a request received at R or later: it came after that, and so after R.
//!   [`looked_at`](Version) says for which moment of receipt a look was made, not when, so nobody has to read a clock,
//!   and a batch of requests that were received together costs one look per file.
//!
//! Two workers can't spoil that for each other. What one takes out of the cache is its own share, and stays the version
//! it was; whether it may be used is settled by its own `looked_at` and nothing else. `looked_at` only grows, and only by
//! a look. If two open the same file at once, the later to finish is kept, be it the older version: the next look finds
//! out. A version that a look found changed is dropped only if it is still the one that is kept, so a newer one stays.
//!
//! # Why a crate
//!
//! `quick_cache` decides what goes when there is no room: it tells what is asked for again from what was asked for once
//! (S3-FIFO), so that a crawler doesn't empty the cache; it is split into shards, each with a lock of its own.
//! Every version has a weight; a descriptor weighs as much as its share of the bound on descriptors, so that one
//! capacity bounds both.

use std::cell::RefCell;
use std::ffi::CString;
use std::fs::File;
use std::iter;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use quick_cache::sync::{Cache as Versions, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use rustix::fs;
use rustix::process::{Resource, getrlimit};

use super::file_system;
use super::representation::{Representation, Source};
use super::root::{Passage, Patience, Root, Sight};
use super::stamp::Stamp;
use super::way::{Passable, Way, Ways};
use crate::config;

/// What is kept, by the path that requests have (`docs/` and `docs/index.html` are two).
#[derive(Debug)]
pub struct Cache {
    versions: Versions<Box<[u8]>, Arc<Version>, Weights>,
    ways: Ways,
    /// What moments are counted from.
    epoch: Instant,
    /// The moment of the last tidying. Only the thread that tidies uses it.
    tidied_at: AtomicU64,
}

/// One version of a file.
#[derive(Debug)]
pub struct Version {
    /// What was opened: of a directory, its index.
    name: CString,
    stamp: Stamp,
    way: Way,
    pub representation: Representation,
    /// A moment: the version stood at some time after it. Release where a look is noted, Acquire where it is relied on.
    looked_at: AtomicU64,
}

/// Nanoseconds since the cache's epoch.
pub type Moment = u64;

/// How a version was found.
#[derive(Debug)]
pub struct Opened<'n> {
    /// What was opened: of a directory, its index.
    pub name: &'n [u8],
    pub stamp: Stamp,
    pub passage: Passage,
}

/// When.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// No later than the opening.
    pub now: SystemTime,
    /// When the request had been received whole.
    pub received: Instant,
}

/// Whether anything is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Nothing,
    Something,
}

impl Cache {
    /// An empty cache. `epoch` is any moment before the first request.
    pub fn new(epoch: Instant) -> Cache {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(config::CACHE_VERSIONS_EXPECTED)
            .weight_capacity(config::CACHE_BYTES_MAX)
            .shards(config::CACHE_SHARDS)
            .build()
            .expect("both capacities are set");
        let weights = Weights { descriptor: config::CACHE_BYTES_MAX / descriptors_max().max(1) };
        let versions =
            Versions::with_options(options, weights, DefaultHashBuilder::default(), DefaultLifecycle::default());
        Cache { versions, ways: Ways::new(), epoch, tidied_at: AtomicU64::new(0) }
    }

    /// The version that is kept under a path, if it is the current one for a request received at `received`.
    pub fn current(&self, root: &Root, path: &[u8], received: Instant, patience: Patience) -> Option<Arc<Version>> {
        let version = self.versions.get(path)?;
        let received = self.moment(received);
        if received.is_some_and(|received| version.looked_at.load(Ordering::Acquire) >= received) {
            return Some(version);
        }
        let sight = match received.map_or(Passable::Contained, |received| version.way.passable(root, received)) {
            Passable::Plainly => root.look_plainly(&version.name),
            Passable::Contained => root.look(&version.name, patience),
            Passable::NoLonger => Sight::NoFile,
        };
        match sight {
            Sight::File(stamp) if stamp == version.stamp => {
                if let Some(received) = received {
                    version.looked_at.fetch_max(received, Ordering::Release);
                }
                Some(version)
            }
            Sight::File(_) | Sight::NoFile => {
                self.versions.remove_if(path, |kept| Arc::ptr_eq(kept, &version));
                None
            }
            Sight::Unclear => None,
        }
    }

    /// Keeps a version that was opened at `now`, or later, for a request received at `received`. Its source is one of
    /// [`keepable`].
    pub fn keep(&self, root: &Root, path: &[u8], opened: Opened<'_>, representation: Representation, times: Times) {
        let Opened { name, stamp, passage } = opened;
        let received = self.moment(times.received).unwrap_or(0);
        let way = match passage {
            Passage::WithoutLinks => self.ways.to(root, name, &stamp, times.now, received),
            Passage::ByLinks => Way::Contained,
        };
        // A NUL would have kept it from being found.
        let Ok(name) = CString::new(name) else { return };
        let looked_at = AtomicU64::new(received);
        self.versions.insert(path.into(), Arc::new(Version { name, stamp, way, representation, looked_at }));
    }

    /// Lets go of what nobody has asked for lately. Does nothing if it has just been done.
    pub fn tidy(&self, now: Instant) -> Kept {
        let now = self.moment(now).unwrap_or(0);
        if now.saturating_sub(self.tidied_at.load(Ordering::Relaxed)) >= nanoseconds(config::CACHE_TIDY_INTERVAL) {
            self.tidied_at.store(now, Ordering::Relaxed);
            let idle_since = now.saturating_sub(nanoseconds(config::CACHE_IDLE_TIME));
            self.let_go(|version| version.looked_at.load(Ordering::Relaxed) < idle_since);
        }
        if self.versions.is_empty() { Kept::Nothing } else { Kept::Something }
    }

    /// Closes the descriptors that are kept, as far as no response uses them; says whether there were any.
    pub fn let_go_of_descriptors(&self) -> bool {
        self.let_go(|version| matches!(version.representation.source, Source::Opened(_)))
    }

    /// Versions that are kept.
    pub fn len(&self) -> usize {
        self.versions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    fn let_go(&self, goes: impl Fn(&Version) -> bool) -> bool {
        // Dropped at the end, outside of the locks: the last descriptor of a deleted file may take long to close.
        let gone = RefCell::new(Vec::new());
        self.versions.retain(|_, version| {
            let stays = !goes(version);
            if !stays {
                gone.borrow_mut().push(Arc::clone(version));
            }
            stays
        });
        !gone.take().is_empty()
    }

    /// None before the epoch: then nothing is known, and a look is made.
    fn moment(&self, instant: Instant) -> Option<Moment> {
        instant.checked_duration_since(self.epoch).map(nanoseconds)
    }
}

/// The bytes of an opened file as they may be kept: in memory if they are few, else behind the descriptor. None if the
/// file may not be kept.
pub fn keepable(file: &Arc<File>, stamp: &Stamp, now: SystemTime) -> Option<Source> {
    // One that claims a modification in the future has another Last-Modified in every response.
    if !stamp.is_settled(now) || stamp.is_of_the_future(now) || !file_system::stamps_in_time(file) {
        return None;
    }
    if stamp.size > config::CACHED_CONTENT_MAX {
        return Some(Source::Opened(Arc::clone(file)));
    }
    let mut content: Arc<[u8]> = iter::repeat_n(0, usize::try_from(stamp.size).ok()?).collect();
    file.read_exact_at(Arc::get_mut(&mut content)?, 0).ok()?;
    let after = Stamp::of(&fs::fstat(file).ok()?);
    (after == *stamp).then_some(Source::Memory(content))
}

/// How many of the descriptors that this process may have are kept here: half of what the engine leaves to files.
fn descriptors_max() -> u64 {
    // Whoever serves many raises the soft limit to the hard one; if it isn't raised, what is kept goes when there are no
    // more.
    let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    (limit.saturating_sub(config::DESCRIPTORS_RESERVED) / 8).min(config::CACHED_DESCRIPTORS_MAX)
}

pub(super) fn nanoseconds(duration: Duration) -> Moment {
    // Enough for 584 years.
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What versions cost, in bytes.
#[derive(Clone, Debug)]
struct Weights {
    /// Of one that holds a descriptor.
    descriptor: u64,
}

impl Weighter<Box<[u8]>, Arc<Version>> for Weights {
    fn weight(&self, path: &Box<[u8]>, version: &Arc<Version>) -> u64 {
        let names = path.len() + version.name.count_bytes();
        let bytes = match &version.representation.source {
            Source::Memory(content) => content.len(),
            Source::Opened(_) => 0,
        };
        let weight = u64::try_from(names + bytes).expect("a length fits 64 bits") + config::CACHED_VERSION_OVERHEAD;
        match &version.representation.source {
            Source::Memory(_) => weight,
            Source::Opened(_) => weight.max(self.descriptor),
        }
    }
}
