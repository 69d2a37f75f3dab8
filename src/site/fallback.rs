//! What answers where nothing has the name that was asked for: an app's page, or the site's error page.
//!
//! *Invariant:* both are files of the site like any other, found by the same rules and never stale; the error page is sent
//! as the answer to the request, not as itself: with 404, without validators and in whole, so no 304 and no 206 comes of it
//! (RFC 9110 §13.2.1: conditions count only where the answer would be 2xx).
//!
//! An app draws its pages by script and gives them paths that no file has. A *navigation* to one, and nothing else, gets
//! the app: a missing image or script stays 404, or the page would try to run a page.

use std::fs::File;
use std::sync::Arc;

use super::cache::Key;
use super::moment::{LookedAt, Occasion};
use super::options::Missing;
use super::representation::Representation;
use super::store::{Name, Sought, Store};
use crate::http::negotiation::{self, Asked};
use crate::http::request::RequestHead;
use crate::http::response::{Content, Response};
use crate::http::status::Status;
use crate::http::target::RequestPath;

/// What an answer depends on that is the app or an error, by what the client can show.
pub const VARY: &str = "Accept";

const PAGE: &str = "text/html";

/// The site's error page, or that there is none.
#[derive(Debug, Default)]
pub struct ErrorPage {
    absent: LookedAt,
}

impl ErrorPage {
    pub fn seek(&self, store: &Store, at: &Occasion) -> Sought {
        store.seek(Key { path: b"404.html", coding: None }, Name::plain(b"404.html"), &self.absent, at)
    }
}

/// The page that an app is.
pub fn app(store: &Store, at: &Occasion) -> Sought {
    store.find(Key { path: b"", coding: None }, Name::plain(b"index.html"), at)
}

/// Whether a page of the app could have that path: its last segment has no dot.
pub fn may_be_of_app(missing: Missing, path: &RequestPath<'_>) -> bool {
    match missing {
        Missing::IsNotFound => false,
        Missing::MayBeOfApp => {
            let path = path.to_uri_path();
            !path.rsplit('/').next().unwrap_or_default().contains('.')
        }
    }
}

/// Whether a browser asks for a page to show: it names that type, as it does for nothing else.
pub fn is_navigation(request: &RequestHead<'_>) -> bool {
    negotiation::asked_for(&request.fields, PAGE) == Asked::ByName
}

/// Whether a client could do something with a page.
pub fn takes_page(request: &RequestHead<'_>) -> bool {
    negotiation::asked_for(&request.fields, PAGE) != Asked::Not
}

/// A page as the content of an error.
pub fn error(status: Status, page: &Representation) -> Response<Arc<File>> {
    let content = Content::Slice { source: page.source.clone(), first: 0, length: page.size };
    Response::empty(status)
        .field("Content-Type", &page.media_type)
        .field("X-Content-Type-Options", "nosniff")
        .content(content)
}
