//! A file as HTTP sees it: its bytes, its media type, what tells one version from the next, and how that is written.
//!
//! *Invariants:* everything here is of one file as it was at one look, and the bytes come from the descriptor that was
//! looked at (RFC 9110 §8.8, "validators"). Until a file has settled it has no validators: a version that can't be told
//! from the next one must not be named.
//!
//! The field lines are written here, once, and not where a response is made: a version that is kept is described by the
//! same lines again and again.

use std::borrow::Cow;
use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use super::stamp::Stamp;
use crate::http::field_block::{FieldBlock, FieldLines};
use crate::http::field_line::FieldLine;
use crate::http::negotiation::Coding;
use crate::http::response;
use crate::http::validator::Validators;
use crate::http::{date, media_type};

/// Where the bytes are: in memory, or behind a descriptor.
pub type Source = response::Source<Arc<File>>;

/// What is selected for a request-target (RFC 9110 §3.2).
#[derive(Debug)]
pub struct Representation {
    pub source: Source,
    /// Bytes, when it was looked at. What is appended later isn't sent.
    pub size: u64,
    pub media_type: Cow<'static, str>,
    /// What the bytes are encoded with, if they are.
    pub coding: Option<Coding>,
    /// What the choice of this representation depends on, beside the target.
    pub vary: Option<&'static str>,
    pub validators: Validators,
    pub lines: Lines,
}

/// What the file itself doesn't tell.
#[derive(Clone, Copy, Debug)]
pub struct Description<'d> {
    /// What the content is called, whose extension is its media type: of an encoded file, the name of the plain one.
    pub name: &'d [u8],
    pub coding: Option<Coding>,
    pub cache_control: &'d FieldLine,
    pub vary: Option<&'static str>,
}

/// The field lines that describe it. Each block begins with the one before.
#[derive(Debug)]
pub struct Lines {
    /// For who has the bytes already: 304 (RFC 9110 §15.4.5).
    pub not_modified: FieldBlock,
    /// All but the media type, which is another one where several ranges are sent.
    pub untyped: FieldBlock,
    /// All.
    pub whole: FieldBlock,
}

impl Representation {
    /// Describes a file as it was looked at.
    pub fn new(source: Source, stamp: &Stamp, description: &Description<'_>, now: SystemTime) -> Representation {
        let validators =
            if stamp.is_settled(now) { Validators::of_file(stamp.size, stamp.modified, now) } else { Validators::NONE };
        let Description { coding, vary, .. } = *description;
        let validators = match coding {
            Some(coding) => validators.in_coding(coding),
            None => validators,
        };
        let media_type = media_type::from_file_name(description.name);
        let lines = Lines::new(&validators, &media_type, description);
        Representation { source, size: stamp.size, media_type, coding, vary, validators, lines }
    }
}

impl Lines {
    fn new(validators: &Validators, media_type: &str, description: &Description<'_>) -> Lines {
        let mut lines = FieldLines::new();
        lines.add(description.cache_control.name(), description.cache_control.value());
        if let Some(etag) = &validators.etag {
            lines.add("ETag", &String::from_utf8_lossy(&etag.field_value()));
        }
        if let Some(vary) = description.vary {
            lines.add("Vary", vary);
        }
        lines.add("X-Content-Type-Options", "nosniff");
        let not_modified = lines.mark();
        lines.add("Accept-Ranges", "bytes");
        if let Some(time) = validators.last_modified {
            lines.add("Last-Modified", &String::from_utf8_lossy(&date::render(time)));
        }
        if let Some(coding) = description.coding {
            lines.add("Content-Encoding", coding.token());
        }
        let untyped = lines.mark();
        lines.add("Content-Type", media_type);
        let whole = lines.share();
        Lines { not_modified: whole.until(not_modified), untyped: whole.until(untyped), whole }
    }
}
