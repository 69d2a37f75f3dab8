//! The listing of a directory that has no index: a page, an object of JSON, or lines of text.
//!
//! Reading order: [`wish`] is what the request wants, [`order`] and [`entries`] how entries are kept and sorted, [`gather`]
//! which of them there are; [`spelling`] is how names are written, [`page`] and [`data`] the three forms, and [`pieces`] one
//! of them on its way.
//!
//! *Invariants:*
//! - A listing takes as many slices as the directory has names for, and others have their turns in between; nothing here
//!   takes much longer for a large one than a turn may.
//! - What it holds is bounded, by itself and together with all others ([`gather::Room`]).
//! - Everything was looked at after the request was received: no answer is older than its question.
//! - Its entity-tag is of all that is shown, so the same tag is the same bytes. It has no date: what an entry's size or date
//!   was before shows in no date of the directory.
//!
//! RFC 9110 §8.8.3 (ETag), §12.5.1 (Accept), §12.5.5 (Vary), §13.2.2 (preconditions).

use std::hash::{DefaultHasher, Hash, Hasher};

use self::gather::{Extent, Failed, Gathered, Gathering};
use self::pieces::Forms;
use self::wish::{Form, Wish};
use crate::http::field::KeptFields;
use crate::http::field_block::FieldLines;
use crate::http::method::Method;
use crate::http::pieces::{Pieces, Produce, Produced};
use crate::http::precondition::{self, Verdict};
use crate::http::request::RequestHead;
use crate::http::response::Content;
use crate::http::status::Status;
use crate::http::validator::{EntityTag, Validators};
use crate::site::respond::{self, Reply, Response};

pub mod wish;
pub mod order;
pub mod entries;
pub mod gather;
pub mod spelling;
pub mod page;
pub mod data;
pub mod pieces;

/// A listing that is being made.
#[derive(Debug)]
pub struct Listing {
    gathering: Gathering,
    wish: Wish,
    /// The directory's path from the root, decoded.
    relative: Box<[u8]>,
    method: Method,
    conditions: KeptFields,
}

/// The fields that a representation with nothing but an entity-tag can be asked about.
const CONDITIONS: [&str; 2] = ["if-match", "if-none-match"];

impl Listing {
    /// Of a directory under that path, which is to be gathered in the order of the wish.
    pub fn begin(gathering: Gathering, wish: Wish, relative: &[u8], request: &RequestHead<'_>) -> Box<Listing> {
        let conditions = KeptFields::of(&request.fields, CONDITIONS);
        Box::new(Listing { gathering, wish, relative: relative.into(), method: request.method, conditions })
    }

    /// A slice of it: looks at some names, or makes the response.
    pub fn go_on(mut self: Box<Self>) -> Reply {
        match self.gathering.go_on() {
            Ok(Gathered::More) => Reply::Listing(self),
            Ok(Gathered::Done(extent)) => Reply::Response(self.respond(extent)),
            Err(Failed::Absent(absent)) => Reply::Response(respond::refuse(absent)),
            Err(Failed::NoRoom) => Reply::Response(
                Response::error(Status::SERVICE_UNAVAILABLE, "too many long listings at the moment, try again")
                    .field("Retry-After", "1"),
            ),
        }
    }

    fn respond(self, extent: Extent) -> Response {
        let Listing { gathering, wish, relative, method, conditions } = self;
        let (entries, share) = gathering.finish();
        let etag = etag(&(wish, &relative, entries.totals, extent));
        let mut lines = FieldLines::new();
        lines.add("Cache-Control", "no-cache");
        lines.add("ETag", &String::from_utf8_lossy(&etag.field_value()));
        lines.add("Vary", "Accept");
        lines.add("X-Content-Type-Options", "nosniff");
        let not_modified = lines.mark();
        lines.add("Content-Type", wish.form.media_type());
        if wish.form == Form::Html {
            lines.add("Content-Security-Policy", page::POLICY);
        }
        let whole = lines.share();
        let validators = Validators { etag: Some(etag), last_modified: None };
        match conditions.with(|fields| precondition::evaluate(method, fields, &validators)) {
            Verdict::Proceed => {}
            Verdict::NotModified => return Response::with(Status::NOT_MODIFIED, whole.until(not_modified)),
            Verdict::Failed => {
                return Response::error(Status::PRECONDITION_FAILED, "the directory is not as the request wants it");
            }
        }
        let mut forms = Forms::begin(entries, wish, relative, extent, share);
        let mut first = Vec::new();
        let content = match forms.produce(&mut first) {
            Produced::All => Content::Bytes(first.into()),
            Produced::More => Content::Pieces(Pieces::new(Box::new(forms.behind(first)))),
        };
        Response::with(Status::OK, whole).content(content)
    }
}

/// Other pages have other tags, also those that another version of this program would make of the same.
fn etag(shown: &impl Hash) -> EntityTag<'static> {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    page::POLICY.hash(&mut hasher);
    shown.hash(&mut hasher);
    EntityTag::of_hash(hasher.finish())
}
