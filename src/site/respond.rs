//! The server's whole behaviour on one page: a request head in, a response out.
//!
//! [`Site::respond`] goes through these steps, in this order, and each is a line of it:
//!
//! 1. the method: GET and HEAD are served, OPTIONS is described, what else is known is 405, the rest 501
//!    (RFC 9110 §9.1, §15.5.6, §15.6.2);
//! 2. the path: does it name anything, and may its names be served at all (hidden ones are not);
//! 3. the file: opened beneath the root; a directory is its `index.html`, or a redirect to where that is;
//! 4. the preconditions: 304 or 412 if one of them says so (RFC 9110 §13.2.2);
//! 5. the ranges: 206, 416, or the whole (RFC 9110 §14.2).
//!
//! *Invariant:* the steps decide, nothing here sends. The same response answers GET and HEAD; the engine leaves the
//! content out (RFC 9110 §9.3.2).

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::representation::Representation;
use super::root::{Absent, Found, Links, Root};
use crate::http::method::Method;
use crate::http::multipart::Multipart;
use crate::http::precondition::{self, Verdict};
use crate::http::range::{self, Selection};
use crate::http::request::RequestHead;
use crate::http::response::{Content, Source};
use crate::http::status::Status;
use crate::http::target::{RequestPath, RequestTarget};
use crate::http::{date, response};

type Response = response::Response<Arc<File>>;

/// The methods that a file has (RFC 9110 §10.2.1).
const ALLOW: &str = "GET, HEAD, OPTIONS";

/// What a path that ends in a slash stands for.
const INDEX: &[u8] = b"index.html";

/// A directory, and how it is to be served.
#[derive(Debug)]
pub struct Site {
    root: Root,
    hidden: Hidden,
}

/// Whether names that begin with a dot are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// As if they weren't there, a first segment `.well-known` excepted (RFC 8615).
    Denied,
    Served,
}

impl Site {
    /// Opens the directory to serve.
    ///
    /// # Errors
    /// As [`Root::open`].
    pub fn open(directory: &Path, links: Links, hidden: Hidden) -> io::Result<Site> {
        Ok(Site { root: Root::open(directory, links)?, hidden })
    }

    /// Answers a request. Opens a file, and so may wait for a disk.
    pub fn respond(&self, request: &RequestHead<'_>, now: SystemTime) -> Response {
        match request.method {
            Method::Get | Method::Head => {}
            Method::Options => return Response::empty(Status::NO_CONTENT).field("Allow", ALLOW),
            Method::Post | Method::Put | Method::Patch | Method::Delete | Method::Trace | Method::Connect => {
                return Response::error(Status::METHOD_NOT_ALLOWED, "this server only reads").field("Allow", ALLOW);
            }
            Method::Unknown => return Response::error(Status::NOT_IMPLEMENTED, "no method of that name is known here"),
        }
        let (path, query) = match &request.target {
            RequestTarget::Resource { path, query } => (path, *query),
            // Only OPTIONS and CONNECT can have these, and they are answered above.
            RequestTarget::Asterisk | RequestTarget::Authority => return not_found(),
        };
        let Some(relative) = self.servable(path) else { return not_found() };
        let name = if path.is_directory() { [relative, INDEX].concat() } else { relative.to_vec() };
        match self.root.find(&name) {
            Ok(Found::File(file, stat)) => represent(request, Representation::new(file, &stat, &name, now), now),
            Ok(Found::Directory) if path.is_directory() => not_found(),
            Ok(Found::Directory) => redirect_into(path, query),
            Err(absent) => refuse(absent),
        }
    }

    /// The path relative to the root, if it names something that may be served.
    fn servable<'p>(&self, path: &'p RequestPath<'_>) -> Option<&'p [u8]> {
        let denied = match self.hidden {
            Hidden::Served => false,
            Hidden::Denied => path
                .segments()
                .enumerate()
                .any(|(depth, name)| name.starts_with(b".") && !(depth == 0 && name == b".well-known")),
        };
        path.relative().filter(|_| !denied)
    }
}

/// Steps 4 and 5: what the client already has, and what it wants of the rest.
fn represent(request: &RequestHead<'_>, representation: Representation, now: SystemTime) -> Response {
    let Representation { file, size, media_type, validators } = representation;
    let described = |status| {
        let mut response = Response::empty(status).field("Cache-Control", "no-cache");
        if let Some(etag) = &validators.etag {
            response = response.field("ETag", &String::from_utf8_lossy(&etag.field_value()));
        }
        response.field("X-Content-Type-Options", "nosniff")
    };
    match precondition::evaluate(request.method, &request.fields, &validators) {
        Verdict::Proceed => {}
        Verdict::NotModified => return described(Status::NOT_MODIFIED),
        Verdict::Failed => {
            return Response::error(Status::PRECONDITION_FAILED, "the file is not as the request wants it");
        }
    }
    let described = |status| {
        let response = described(status).field("Accept-Ranges", "bytes");
        match validators.last_modified {
            Some(time) => response.field("Last-Modified", &String::from_utf8_lossy(&date::render(time))),
            None => response,
        }
    };
    match range::select(request.method, &request.fields, &validators, size) {
        Selection::Whole => described(Status::OK).field("Content-Type", &media_type).content(Content::Slice {
            source: Source::Opened(file),
            first: 0,
            length: size,
        }),
        Selection::Single(range) => described(Status::PARTIAL_CONTENT)
            .field("Content-Type", &media_type)
            .field("Content-Range", &range.content_range())
            .content(Content::range(Source::Opened(file), range)),
        Selection::Multiple(ranges) => {
            let parts = Multipart::new(ranges, &media_type, boundary(now))
                .expect("a file ends before 2^63, which leaves room for the heads of the parts");
            described(Status::PARTIAL_CONTENT)
                .field("Content-Type", &parts.media_type())
                .content(Content::Multipart { source: Source::Opened(file), parts })
        }
        Selection::Unsatisfiable => Response::error(Status::RANGE_NOT_SATISFIABLE, "no such bytes in this file")
            .field("Content-Range", &range::unsatisfied(size)),
    }
}

/// To the same path with a slash behind it, on this host whatever the path looks like, the query kept. A permanent
/// redirect would be cached for ever, and a directory can become a file again: hence `no-cache`.
fn redirect_into(path: &RequestPath<'_>, query: Option<&str>) -> Response {
    let location = path.to_uri_path() + "/" + &query.map_or(String::new(), |query| format!("?{query}"));
    Response::text(Status::PERMANENT_REDIRECT, "this is a directory, and its path ends in a slash")
        .field("Location", &location)
        .field("Cache-Control", "no-cache")
}

fn refuse(absent: Absent) -> Response {
    match absent {
        Absent::NotFound => not_found(),
        Absent::Forbidden => Response::error(Status::FORBIDDEN, "this server may not read it"),
        Absent::Unavailable => {
            Response::error(Status::SERVICE_UNAVAILABLE, "too much is open at the moment, try again")
        }
        Absent::Failed => Response::error(Status::INTERNAL_SERVER_ERROR, "the file can't be read"),
    }
}

/// The one error that clients ask for by the thousand.
fn not_found() -> Response {
    Response::fixed_error(Status::NOT_FOUND, "404 Not Found: nothing here has that name\n")
}

/// A number for the boundary of a multipart response: another in every nanosecond, so that no file can be written to
/// hold the boundary that it will be sent with.
fn boundary(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
