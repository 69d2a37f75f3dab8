//! A precondition asks the server to act only if the client's picture of the file is still (or no longer) right.
//!
//! *Invariant:* a field that can't be read never saves the server from answering in full: no 304 comes of it, and no
//! 412, except by If-Match: a client that names the one state it wants, however badly, doesn't get another.
//!
//! RFC 9110 §13.2.2 Precedence of Preconditions, in its order, for a representation that exists:
//!
//! 1. If-Match is present: false is 412; true goes on at 3.
//! 2. If-Unmodified-Since is present, and If-Match isn't: false is 412.
//! 3. If-None-Match is present: false is 304 to GET and HEAD, 412 to other methods; true goes on at 5.
//! 4. If-Modified-Since is present, If-None-Match isn't, the method is GET or HEAD: false is 304.
//! 5. If-Range is present, with Range, in a GET: decides between 206 and 200. That is [`range::select`]'s question, for
//!    it chooses what is sent, not whether.
//! 6. Otherwise, the method is performed.
//!
//! Not done here, as the caller knows it first: no precondition counts if the answer without it would be neither 2xx
//! nor 412 (§13.2.1), so a file that isn't there is 404 whatever it was to match.
//!
//! One small function per field says whether its condition is true or false, or [`None`] if there is none that counts;
//! the order is all in one place.
//!
//! [`range::select`]: super::range::select

use std::time::SystemTime;

use crate::http::date;
use crate::http::field::{Fields, Sole};
use crate::http::method::Method;
use crate::http::validator::{EntityTags, Validators};

/// What the preconditions of a request make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Perform the method, as if there had been no condition.
    Proceed,
    /// 304: the client has it already.
    NotModified,
    /// 412: the client expected another state.
    Failed,
}

/// Whether a request has none of the fields of RFC 9110 §13.1 and §14.2: then [`evaluate`] says `Proceed`, and
/// [`range::select`](super::range::select) the whole, whatever the file is.
///
/// Most requests are like that. Asking for each of the six by name was a third of what an answer from memory takes, and
/// more than half where a browser sends its dozen fields (2,900 instructions; 1,250 with this).
pub fn is_plain(fields: &Fields<'_>) -> bool {
    let may_matter = |name: &str| matches!(name.as_bytes(), [b'I' | b'i', b'F' | b'f', b'-', ..] | [b'R' | b'r', ..]);
    !fields.iter().any(|(name, _)| may_matter(name))
}

/// Evaluates the preconditions of a request against the selected representation, which exists.
///
/// With [`Validators::NONE`] no tag and no date matches, but `*` does, since it asks for existence alone.
pub fn evaluate(method: Method, fields: &Fields<'_>, current: &Validators) -> Verdict {
    // Most requests have none of them. Measured: asking one by one takes 210 instructions more.
    if fields.lacks_all(["if-match", "if-unmodified-since", "if-none-match", "if-modified-since"]) {
        return Verdict::Proceed;
    }
    match dealing(method) {
        Dealing::Neither => Verdict::Proceed,
        Dealing::Selects | Dealing::Modifies if as_expected(fields, current) == Some(false) => Verdict::Failed,
        Dealing::Selects => match if_none_match(fields, current).or_else(|| if_modified_since(fields, current)) {
            Some(false) => Verdict::NotModified,
            Some(true) | None => Verdict::Proceed,
        },
        Dealing::Modifies => match if_none_match(fields, current) {
            Some(false) => Verdict::Failed,
            Some(true) | None => Verdict::Proceed,
        },
    }
}

/// Whether the state that the client expects is the current one: steps 1 and 2.
fn as_expected(fields: &Fields<'_>, current: &Validators) -> Option<bool> {
    if_match(fields, current).or_else(|| if_unmodified_since(fields, current))
}

/// What a method has to do with a selected representation (RFC 9110 §13.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dealing {
    Selects,
    Modifies,
    Neither,
}

fn dealing(method: Method) -> Dealing {
    match method {
        Method::Get | Method::Head => Dealing::Selects,
        Method::Post | Method::Put | Method::Patch | Method::Delete => Dealing::Modifies,
        // What an unknown method does to its target is unknown; it is 501, which no condition changes.
        Method::Options | Method::Trace | Method::Connect | Method::Unknown => Dealing::Neither,
    }
}

/// True if one of the tags is the current one, compared strongly (RFC 9110 §13.1.1). Malformed: false, for then nobody
/// knows which state the client insists on.
fn if_match(fields: &Fields<'_>, current: &Validators) -> Option<bool> {
    match EntityTags::of(fields, "if-match") {
        EntityTags::Absent => None,
        EntityTags::Any => Some(true),
        EntityTags::Malformed => Some(false),
        EntityTags::Listed(tags) => {
            Some(current.etag.as_ref().is_some_and(|current| tags.iter().any(|listed| listed.strong_eq(current))))
        }
    }
}

/// True if the last change isn't later than the date (RFC 9110 §13.1.4). Ignored if it isn't one valid date, or if the
/// representation has no modification date.
fn if_unmodified_since(fields: &Fields<'_>, current: &Validators) -> Option<bool> {
    let date = sole_date(fields, "if-unmodified-since")?;
    Some(current.last_modified? <= date)
}

/// False if one of the tags is the current one, compared weakly (RFC 9110 §13.1.2). Malformed: true, so a 200 answers
/// it; it is still present, so If-Modified-Since stays ignored.
fn if_none_match(fields: &Fields<'_>, current: &Validators) -> Option<bool> {
    match EntityTags::of(fields, "if-none-match") {
        EntityTags::Absent => None,
        EntityTags::Any => Some(false),
        EntityTags::Malformed => Some(true),
        EntityTags::Listed(tags) => {
            Some(!current.etag.as_ref().is_some_and(|current| tags.iter().any(|listed| listed.weak_eq(current))))
        }
    }
}

/// True if the last change is later than the date (RFC 9110 §13.1.3). Ignored if it isn't one valid date, or if the
/// representation has no modification date.
fn if_modified_since(fields: &Fields<'_>, current: &Validators) -> Option<bool> {
    let date = sole_date(fields, "if-modified-since")?;
    Some(current.last_modified? > date)
}

/// The date of a field that takes one. Several lines are a list of dates, which both RFC sections call invalid.
fn sole_date(fields: &Fields<'_>, name: &str) -> Option<SystemTime> {
    match fields.sole(name) {
        Sole::One(value) => date::parse(value),
        Sole::Absent | Sole::Repeated => None,
    }
}
