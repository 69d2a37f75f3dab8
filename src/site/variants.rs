//! A variant is a file that was compressed beforehand and lies beside the plain one: `page.html.br` for `page.html`.
//!
//! *Invariants:*
//! - A variant is sent only for a plain file that is there, and only if it was modified no earlier: whoever writes the
//!   plain file and forgets the variant is served what was written.
//! - The choice is as current as what is sent. The plain file stood at some time after the request was received; for every
//!   coding that the client likes better than what it gets, a look after that time found no variant, or one that was older.
//!   So a variant that came, went or was overtaken counts from the next request on.
//! - A name that leads to a directory, a FIFO, out of the root, or to what may not be read is no variant. The plain file is
//!   sent.
//!
//! Which codings, and in which order, is [`negotiation`]'s. Here, each is looked for until one is
//! found. A client that asks for no coding costs nothing.
//!
//! Equal times count as fresh, for `gzip --keep` and its like give the plain file's time to what they write; so do those that
//! such tools have cut ([`Stamp::is_no_older_than`](super::stamp::Stamp::is_no_older_than)).
//!
//! *Looked at one after the other:* a plain file is exchanged between the two looks, with all its variants, for newer ones:
//! then a new variant is sent, which is as well. For a variant to be sent that is older than the plain file beside it, the
//! directory they are in must be exchanged between the looks, and even that variant is newer than the plain file that stood
//! after the request came.

use std::sync::Arc;

use super::cache::{Key, Version};
use super::moment::Occasion;
use super::root::Absent;
use super::store::{Name, Sought, Store};
use crate::http::field::Fields;
use crate::http::negotiation::{self, Coding};

/// What a choice among variants depends on, as Vary says it. It is said of every file, for what a cache has stored of one
/// without variants would hide those that come later.
pub const VARY: &str = "Accept-Encoding";

/// Whether a request asks for a coding, as far as that shows at once.
#[inline(always)]
pub fn may_be_asked_for(fields: &Fields<'_>) -> bool {
    !fields.lacks_all(["accept-encoding"])
}

/// What to send of a plain file that is kept under a path: the variant that the client likes best, or the file itself. None if it
/// takes more patience to tell.
pub fn choose(
    store: &Store,
    path: &[u8],
    plain: Arc<Version>,
    fields: &Fields<'_>,
    at: &Occasion,
) -> Option<Arc<Version>> {
    for coding in negotiation::codings(fields) {
        match seek(store, path, &plain, coding, at) {
            Sought::Found(variant) => return Some(variant),
            Sought::Unclear => return None,
            Sought::Absent(_) | Sought::Directory => {}
        }
    }
    Some(plain)
}

fn seek(store: &Store, path: &[u8], plain: &Version, coding: Coding, at: &Occasion) -> Sought {
    let (key, alone_at) = (Key { path, coding: Some(coding) }, &plain.alone_at[coding.index()]);
    let name = Name { base: plain.name.to_bytes(), extension: coding.extension(), beside: Some(plain) };
    let sought = store.seek(key, name, alone_at, at);
    match &sought {
        Sought::Found(variant) if !variant.stamp.is_no_older_than(&plain.stamp) => {
            alone_at.note(store.cache.moment(at.received));
            Sought::Absent(Absent::NotFound)
        }
        Sought::Found(_) | Sought::Absent(_) | Sought::Directory | Sought::Unclear => sought,
    }
}
