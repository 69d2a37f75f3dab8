//! The entries of a directory, small and in order.
//!
//! *Invariants:* an entry takes 24 bytes and its name, so what a listing holds is known and bounded. What was read of a
//! directory at a time is a [`Run`], which is sorted at once; the whole is never sorted, but merged from its runs, entry by
//! entry as they are sent. So neither takes longer than a turn may.
//!
//! The digest doesn't depend on the order in which the entries were found, which a file system may change when it likes.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::order::Order;

/// What is said of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item<'n> {
    pub name: &'n [u8],
    pub kind: Kind,
    /// Bytes; of a directory, 0.
    pub size: u64,
    /// Seconds since 1970.
    pub modified: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Directory,
    File,
}

/// What was read at a time.
#[derive(Debug, Default)]
pub struct Run {
    /// One behind the other.
    names: Vec<u8>,
    entries: Vec<Entry>,
    /// Those before have been taken.
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    size: u64,
    modified: i64,
    name_at: u32,
    // Linux has no name of more than 255 bytes.
    name_length: u8,
    kind: Kind,
}

/// All runs, and what they come to.
#[derive(Debug, Default)]
pub struct Entries {
    runs: Vec<Run>,
    pub totals: Totals,
}

/// What can be said of all entries together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Totals {
    pub directories: u64,
    pub files: u64,
    /// Of the files.
    pub bytes: u64,
    digest: u64,
}

/// Entries one by one, in order: the run whose next one comes first is at the top of a heap.
#[derive(Debug)]
pub struct Merge {
    runs: Vec<Run>,
    order: Order,
}

impl Run {
    /// Adds an entry. Names too long for Linux are none.
    pub fn push(&mut self, item: &Item<'_>) {
        let (Ok(name_at), Ok(name_length)) = (u32::try_from(self.names.len()), u8::try_from(item.name.len())) else {
            return;
        };
        self.names.extend_from_slice(item.name);
        let Item { kind, size, modified, .. } = *item;
        self.entries.push(Entry { size, modified, name_at, name_length, kind });
    }

    fn item(&self, entry: &Entry) -> Item<'_> {
        let at = usize::try_from(entry.name_at).expect("Linux has at least 32 bits");
        let name = &self.names[at..at + usize::from(entry.name_length)];
        Item { name, kind: entry.kind, size: entry.size, modified: entry.modified }
    }

    fn first(&self) -> Option<Item<'_>> {
        self.entries.get(self.next).map(|entry| self.item(entry))
    }

    fn sort(&mut self, order: Order) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.sort_unstable_by(|one, other| order.compare(&self.item(one), &self.item(other)));
        self.entries = entries;
        self.entries.shrink_to_fit();
        self.names.shrink_to_fit();
    }

    /// The memory that it has.
    fn bytes(&self) -> usize {
        size_of::<Run>() + self.names.capacity() + self.entries.capacity() * size_of::<Entry>()
    }
}

impl Entries {
    /// Adds what was read next.
    pub fn add(&mut self, mut run: Run, order: Order) {
        for entry in &run.entries {
            let item = run.item(entry);
            let mut hasher = DefaultHasher::new();
            item.hash(&mut hasher);
            self.totals.digest = self.totals.digest.wrapping_add(hasher.finish());
            match item.kind {
                Kind::Directory => self.totals.directories += 1,
                Kind::File => self.totals.files += 1,
            }
            self.totals.bytes = self.totals.bytes.saturating_add(item.size);
        }
        if !run.entries.is_empty() {
            run.sort(order);
            self.runs.push(run);
        }
    }

    /// The memory that they have.
    pub fn bytes(&self) -> usize {
        self.runs.iter().map(Run::bytes).sum()
    }

    /// From the first to the last; the runs were added with this order.
    pub fn merge(self, order: Order) -> Merge {
        let mut merge = Merge { runs: self.runs, order };
        for at in (0..merge.runs.len() / 2).rev() {
            merge.sift_down(at);
        }
        merge
    }
}

impl Merge {
    pub fn first(&self) -> Option<Item<'_>> {
        self.runs.first().and_then(Run::first)
    }

    /// Goes on to the next. What has been taken whole gives its memory back.
    pub fn advance(&mut self) {
        let Some(top) = self.runs.first_mut() else { return };
        top.next += 1;
        if top.next == top.entries.len() {
            self.runs.swap_remove(0);
        }
        self.sift_down(0);
    }

    /// Makes a heap of what is one but for the place `at`.
    fn sift_down(&mut self, mut at: usize) {
        loop {
            let mut least = at;
            for child in [2 * at + 1, 2 * at + 2] {
                if child < self.runs.len() && self.comes_before(child, least) {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.runs.swap(at, least);
            at = least;
        }
    }

    fn comes_before(&self, one: usize, other: usize) -> bool {
        match (self.runs[one].first(), self.runs[other].first()) {
            (Some(one), Some(other)) => self.order.compare(&one, &other).is_lt(),
            (one, _) => one.is_some(),
        }
    }
}
