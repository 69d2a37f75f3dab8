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
//! - *A look that finds no file* says that there was none when the name was resolved, after R; so it vouches for an absence,
//!   of a variant or an error page, as for a file ([`store`](super::store) keeps such looks).
//! - *No look* is needed if one was made for a request received at R or later: it came after that, and so after R.
//!   [`looked_at`](Version) says for which moment of receipt a look was made, not when, so nobody has to read a clock,
//!   and a batch of requests that were received together costs one look per file (see [`moment`](super::moment)).
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
use std::hash::{Hash, Hasher};
use std::iter;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use quick_cache::sync::{Cache as Versions, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter};
use rustix::fs;
use rustix::process::{Resource, getrlimit};

use super::file_system;
use super::moment::{Epoch, LookedAt, Moment, Occasion, nanoseconds};
use super::representation::{Representation, Source};
use super::root::{Passage, Root, Sight};
use super::stamp::Stamp;
use super::way::{Passable, Way, Ways};
use crate::config;
use crate::http::negotiation::Coding;

/// What is kept, by the path that requests have (`docs/` and `docs/index.html` are two) and the coding it is sent in.
#[derive(Debug)]
pub struct Cache {
    versions: Versions<OwnKey, Arc<Version>, Weights>,
    ways: Ways,
    epoch: Epoch,
    /// The moment of the last tidying. Only the thread that tidies uses it.
    tidied_at: AtomicU64,
}

/// What a version is kept under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'p> {
    /// Relative to the root.
    pub path: &'p [u8],
    /// None for the file itself.
    pub coding: Option<Coding>,
}

/// One version of a file.
#[derive(Debug)]
pub struct Version {
    /// What was opened: of a directory, its index.
    pub name: CString,
    pub stamp: Stamp,
    way: Way,
    pub representation: Representation,
    /// The version stood at some time after that moment.
    looked_at: LookedAt,
    /// For each coding: at some time after that moment there was no variant to send instead.
    pub alone_at: [LookedAt; Coding::ALL.len()],
}

/// How a version was found.
#[derive(Debug)]
pub struct Opened<'n> {
    /// What was opened: of a directory, its index.
    pub name: &'n [u8],
    pub stamp: Stamp,
    pub passage: Passage,
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
        let epoch = Epoch::new(epoch);
        Cache { versions, ways: Ways::new(), epoch, tidied_at: AtomicU64::new(0) }
    }

    /// The version that is kept under a key, if it is the current one for a request.
    pub fn current(&self, root: &Root, key: Key<'_>, at: &Occasion) -> Option<Arc<Version>> {
        let version = self.versions.get(&key)?;
        let received = self.moment(at.received);
        if version.looked_at.covers(received) {
            return Some(version);
        }
        let sight = match version.passable(root, received) {
            Passable::Plainly => root.look_plainly(&version.name),
            Passable::Contained => root.look(&version.name, at.patience),
            Passable::NoLonger => Sight::NoFile,
        };
        match sight {
            Sight::File(stamp) if stamp == version.stamp => {
                version.looked_at.note(received);
                Some(version)
            }
            Sight::File(_) | Sight::NoFile => {
                self.versions.remove_if(&key, |kept| Arc::ptr_eq(kept, &version));
                None
            }
            Sight::Unclear => None,
        }
    }

    /// A version that was opened for a request; none if its name is one that nothing can have.
    pub fn version(
        &self,
        root: &Root,
        opened: Opened<'_>,
        representation: Representation,
        at: &Occasion,
    ) -> Option<Version> {
        let Opened { name, stamp, passage } = opened;
        let received = self.moment(at.received);
        let way = match passage {
            Passage::WithoutLinks => self.ways.to(root, name, &stamp, at.now, received.unwrap_or(0)),
            Passage::ByLinks => Way::Contained,
        };
        let (name, looked_at) = (CString::new(name).ok()?, LookedAt::new(received));
        Some(Version { name, stamp, way, representation, looked_at, alone_at: Default::default() })
    }

    /// Keeps a version. Its source is one of [`keepable`].
    pub fn keep(&self, key: Key<'_>, version: &Arc<Version>) {
        self.versions.insert(OwnKey { path: key.path.into(), coding: key.coding }, Arc::clone(version));
    }

    /// Lets go of what nobody has asked for lately. Does nothing if it has just been done.
    pub fn tidy(&self, now: Instant) -> Kept {
        let now = self.moment(now).unwrap_or(0);
        if now.saturating_sub(self.tidied_at.load(Ordering::Relaxed)) >= nanoseconds(config::CACHE_TIDY_INTERVAL) {
            self.tidied_at.store(now, Ordering::Relaxed);
            let idle_since = now.saturating_sub(nanoseconds(config::CACHE_IDLE_TIME));
            self.let_go(|version| version.looked_at.is_before(idle_since));
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

    /// When that was, as looks are noted.
    pub fn moment(&self, instant: Instant) -> Option<Moment> {
        self.epoch.moment(instant)
    }
}

impl Version {
    /// How the directory that it lies in can be looked into.
    pub fn passable(&self, root: &Root, received: Option<Moment>) -> Passable {
        received.map_or(Passable::Contained, |received| self.way.passable(root, received))
    }
}

/// A [`Key`] with a path of its own.
#[derive(Debug, PartialEq, Eq)]
struct OwnKey {
    path: Box<[u8]>,
    coding: Option<Coding>,
}

impl Equivalent<OwnKey> for Key<'_> {
    fn equivalent(&self, own: &OwnKey) -> bool {
        self.path == &*own.path && self.coding == own.coding
    }
}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.path.hash(state);
        // Nothing for the file itself, which is asked for most.
        if let Some(coding) = self.coding {
            coding.hash(state);
        }
    }
}

impl Hash for OwnKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Key { path: &self.path, coding: self.coding }.hash(state);
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

/// What versions cost, in bytes.
#[derive(Clone, Debug)]
struct Weights {
    /// Of one that holds a descriptor.
    descriptor: u64,
}

impl Weighter<OwnKey, Arc<Version>> for Weights {
    fn weight(&self, key: &OwnKey, version: &Arc<Version>) -> u64 {
        let names = key.path.len() + version.name.count_bytes();
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
