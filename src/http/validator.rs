//! A validator is a short answer to "is it still the same?": an entity-tag, or the date of the last change.
//!
//! *Invariants:*
//! - An [`EntityTag`] only exists if its text is one by the grammar, so it can be written into a head as it is.
//! - An entity-tag made here is strong: other content, other tag. That holds for a file that had *settled* (its last
//!   change was 2 s past when it was looked at), and whoever calls [`Validators::of_file`] vouches for that; for a file
//!   that hasn't, [`Validators::NONE`].
//! - Last-Modified is never later than `now` (RFC 9110 §8.8.2.1), so never later than Date.
//!
//! RFC 9110 §8.8 Validator Fields, §8.8.2 Last-Modified, §8.8.3 ETag.
//!
//! The tag is made of what a look at the file tells anyway, its size and its modification time in nanoseconds: no
//! content is read for it, and several servers that serve copies with the same times agree. Inode numbers or the time
//! of the last status change would tell more changes apart, but also the copies. The price: whoever sets a modification
//! time by hand (`touch -d`, a deployment that stamps all files alike) and keeps the size keeps the tag.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::http::date;
use crate::http::field::Fields;
use crate::http::negotiation::Coding;

/// The validators of one representation, each if it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// For the ETag field, and what If-Match, If-None-Match and If-Range are compared with.
    pub etag: Option<EntityTag<'static>>,
    /// A whole second, for the Last-Modified field, and what the conditions with dates are compared with.
    pub last_modified: Option<SystemTime>,
}

/// When the content of a file was last modified, as `statx` tells it.
///
/// One that is greater is later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileTime {
    /// Seconds since 1970; negative before.
    pub seconds: i64,
    /// Nanoseconds that passed after them: below 1,000,000,000.
    pub nanoseconds: u32,
}

impl FileTime {
    /// Whether it is the other one, cut to whole seconds, milliseconds or microseconds.
    pub fn is_cut_from(self, other: FileTime) -> bool {
        let is_cut_to = |unit: u32| self.nanoseconds == other.nanoseconds - other.nanoseconds % unit;
        self.seconds == other.seconds && [1_000_000_000, 1_000_000, 1_000].into_iter().any(is_cut_to)
    }
}

impl Validators {
    /// Nothing to compare with: for a file that hasn't settled, or a page made up on the spot.
    pub const NONE: Validators = Validators { etag: None, last_modified: None };

    /// The validators of a file of `size` bytes that had settled when it was looked at.
    ///
    /// A modification time in the future becomes `now` in Last-Modified, as RFC 9110 §8.8.2.1 demands; one before 1970
    /// has no Last-Modified. The entity-tag takes any time.
    pub fn of_file(size: u64, modified: FileTime, now: SystemTime) -> Validators {
        let etag = EntityTag::of_file(size, modified);
        Validators { etag: Some(etag), last_modified: last_modified(modified, now) }
    }

    /// The same for a file that has the content of another in a coding: two forms of one resource never share a tag,
    /// whatever their sizes and times (RFC 9110 §8.8.3.3).
    pub fn in_coding(self, coding: Coding) -> Validators {
        Validators { etag: self.etag.map(|etag| etag.with_suffix(coding.token())), ..self }
    }
}

/// An opaque name for one state of a representation: `"xyzzy"`, or `W/"xyzzy"` if states that are much alike share it
/// (RFC 9110 §8.8.3).
///
/// `==` asks whether two were written alike. A protocol asks [`strong_eq`](EntityTag::strong_eq) or
/// [`weak_eq`](EntityTag::weak_eq).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag<'t> {
    strength: Strength,
    /// The `opaque-tag` of the grammar: with its quotes, and so the whole text of a strong one.
    opaque_tag: Cow<'t, [u8]>,
}

/// How much an entity-tag promises (RFC 9110 §8.8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strength {
    Strong,
    Weak,
}

impl<'t> EntityTag<'t> {
    /// Reads a value that is one entity-tag and nothing else.
    pub fn parse(value: &'t [u8]) -> Option<EntityTag<'t>> {
        match EntityTag::split_from(value) {
            Some((tag, [])) => Some(tag),
            Some(_) | None => None,
        }
    }

    /// Whether both are strong, and the same character by character (RFC 9110 §8.8.3.2).
    pub fn strong_eq(&self, other: &EntityTag<'_>) -> bool {
        self.strength == Strength::Strong && other.strength == Strength::Strong && self.weak_eq(other)
    }

    /// Whether both are the same character by character, be they weak or strong (RFC 9110 §8.8.3.2).
    pub fn weak_eq(&self, other: &EntityTag<'_>) -> bool {
        self.opaque_tag == other.opaque_tag
    }

    /// The value of an ETag field.
    pub fn field_value(&self) -> Cow<'_, [u8]> {
        match self.strength {
            Strength::Strong => Cow::Borrowed(&self.opaque_tag),
            Strength::Weak => Cow::Owned([b"W/", self.opaque_tag.as_ref()].concat()),
        }
    }

    /// Reads the entity-tag that `text` begins with, and gives back what follows it.
    ///
    /// ```text
    /// entity-tag = [ weak ] opaque-tag
    /// weak       = %s"W/"
    /// opaque-tag = DQUOTE *etagc DQUOTE
    /// ```
    fn split_from(text: &'t [u8]) -> Option<(EntityTag<'t>, &'t [u8])> {
        let (strength, opaque) = match text.strip_prefix(b"W/") {
            Some(opaque) => (Strength::Weak, opaque),
            None => (Strength::Strong, text),
        };
        let inner = opaque.strip_prefix(b"\"")?;
        let inner_len = inner.iter().position(|byte| !is_etagc(*byte))?;
        let rest = inner[inner_len..].strip_prefix(b"\"")?;
        let opaque_tag = &opaque[..opaque.len() - rest.len()];
        Some((EntityTag { strength, opaque_tag: Cow::Borrowed(opaque_tag) }, rest))
    }
}

impl EntityTag<'static> {
    fn of_file(size: u64, modified: FileTime) -> EntityTag<'static> {
        // No i64 of seconds overflows an i128 of nanoseconds. One before 1970 is written as its two's complement: long,
        // but a tag as good as any.
        let nanoseconds = i128::from(modified.seconds) * 1_000_000_000 + i128::from(modified.nanoseconds);
        let opaque_tag = format!("\"{size:x}-{nanoseconds:x}\"").into_bytes();
        EntityTag { strength: Strength::Strong, opaque_tag: Cow::Owned(opaque_tag) }
    }

    /// The same with a word behind a hyphen, which [`of_file`](EntityTag::of_file) writes only once.
    fn with_suffix(self, word: &str) -> EntityTag<'static> {
        let mut opaque_tag = self.opaque_tag.into_owned();
        opaque_tag.pop();
        opaque_tag.extend([b"-", word.as_bytes(), b"\""].concat());
        EntityTag { opaque_tag: Cow::Owned(opaque_tag), ..self }
    }

    /// A strong tag of what was made of something with that hash, and nothing else.
    pub fn of_hash(hash: u64) -> EntityTag<'static> {
        EntityTag { strength: Strength::Strong, opaque_tag: Cow::Owned(format!("\"{hash:016x}\"").into_bytes()) }
    }
}

/// What a field that lists entity-tags says: If-Match or If-None-Match, over all its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntityTags<'h> {
    /// No line has the name.
    Absent,
    /// `*`: whatever the current representation is, as long as there is one.
    Any,
    /// The tags of all lines, in their order. None at all if the lines are empty, which the grammar allows.
    Listed(TagList<'h>),
    /// Not a list by the grammar. No element of it is believed: a quote left open may have swallowed any of them.
    Malformed,
}

/// The entity-tags of a list. The first has its place here: a list of one, as a client sends it that has one copy of a
/// file, takes no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagList<'h> {
    first: Option<EntityTag<'h>>,
    others: Vec<EntityTag<'h>>,
}

impl<'h> TagList<'h> {
    /// The tags, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &EntityTag<'h>> {
        self.first.iter().chain(&self.others)
    }

    fn push(&mut self, tag: EntityTag<'h>) {
        match self.first {
            None => self.first = Some(tag),
            Some(_) => self.others.push(tag),
        }
    }
}

impl<'h> FromIterator<EntityTag<'h>> for TagList<'h> {
    fn from_iter<I: IntoIterator<Item = EntityTag<'h>>>(tags: I) -> TagList<'h> {
        let mut tags = tags.into_iter();
        TagList { first: tags.next(), others: tags.collect() }
    }
}

impl<'h> EntityTags<'h> {
    /// Reads all lines of that name as one list: `"*" / #entity-tag` (RFC 9110 §13.1.1, §13.1.2, §5.6.1).
    pub fn of(fields: &Fields<'h>, name: &str) -> EntityTags<'h> {
        let mut lines = fields.all(name).peekable();
        let Some(&first) = lines.peek() else { return EntityTags::Absent };
        if first == b"*" {
            return match lines.nth(1) {
                None => EntityTags::Any,
                Some(_) => EntityTags::Malformed,
            };
        }
        let mut tags = TagList::default();
        for line in lines {
            match append_list(&mut tags, line) {
                Some(()) => {}
                None => return EntityTags::Malformed,
            }
        }
        EntityTags::Listed(tags)
    }
}

/// Reads one line of a list. A comma within quotes is part of a tag; empty elements are skipped (RFC 9110 §5.6.1.2).
fn append_list<'h>(tags: &mut TagList<'h>, line: &'h [u8]) -> Option<()> {
    let mut rest = line;
    loop {
        rest = skip_separators(rest);
        if rest.is_empty() {
            return Some(());
        }
        let (tag, after) = EntityTag::split_from(rest)?;
        rest = after.trim_ascii_start();
        if !rest.is_empty() && !rest.starts_with(b",") {
            return None;
        }
        tags.push(tag);
    }
}

fn skip_separators(text: &[u8]) -> &[u8] {
    let len = text.iter().take_while(|byte| matches!(byte, b',' | b' ' | b'\t')).count();
    &text[len..]
}

/// `etagc = %x21 / %x23-7E / obs-text`: what is visible, but for the quote, and any byte beyond ASCII.
fn is_etagc(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7E | 0x80..=0xFF)
}

fn last_modified(modified: FileTime, now: SystemTime) -> Option<SystemTime> {
    let since_1970 = Duration::from_secs(u64::try_from(modified.seconds).ok()?);
    // A second that SystemTime has no room for is later than now, too.
    let claimed = UNIX_EPOCH.checked_add(since_1970).unwrap_or(now);
    Some(date::floor_to_second(claimed.min(now)))
}
