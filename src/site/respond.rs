//! The server's whole behaviour on one page: a request head in, a response out.
//!
//! [`Site::respond`] goes through these steps, in this order, and each is a line of it:
//!
//! 1. the method: GET and HEAD are served, OPTIONS is described, what else is known is 405, the rest 501
//!    (RFC 9110 §9.1, §15.5.6, §15.6.2);
//! 2. the path: does it name anything, and may its names be served at all (hidden ones are not);
//! 3. the file: kept and current, or opened beneath the root; a directory is its `index.html`, or without one a listing of
//!    it ([`listing`](super::listing)), or a redirect to where that is;
//! 4. the preconditions: 304 or 412 if one of them says so (RFC 9110 §13.2.2);
//! 5. the ranges: 206, 416, or the whole (RFC 9110 §14.2).
//!
//! [`Site::respond_from_memory`] takes the same steps without waiting for a disk, or gives up.
//!
//! *Invariant:* the steps decide, nothing here sends. The same response answers GET and HEAD; the engine leaves the
//! content out (RFC 9110 §9.3.2).

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::cache::{self, Cache, Kept};
use super::listing::Listing;
use super::listing::gather::{Gathering, Room};
use super::listing::wish::Wish;
use super::options::{Listings, Options};
use super::representation::{Representation, Source};
use super::root::{Absent, Found, Patience, Root};
use crate::http::method::Method;
use crate::http::multipart::Multipart;
use crate::http::precondition::{self, Verdict};
use crate::http::range::{self, Selection};
use crate::http::request::RequestHead;
use crate::http::response::{self, Content};
use crate::http::status::Status;
use crate::http::target::{RequestPath, RequestTarget};

pub type Response = response::Response<Arc<File>>;

/// What there is for a request.
#[derive(Debug)]
pub enum Reply {
    Response(Response),
    /// A response that takes longer than others should wait for: [`Listing::go_on`] leads to it.
    Listing(Box<Listing>),
}

/// The methods that a file has (RFC 9110 §10.2.1).
const ALLOW: &str = "GET, HEAD, OPTIONS";

/// What a path that ends in a slash stands for.
const INDEX: &[u8] = b"index.html";

/// A directory, and how it is to be served.
#[derive(Debug)]
pub struct Site {
    root: Arc<Root>,
    options: Options,
    cache: Cache,
    /// For the listings that are being made.
    room: Arc<Room>,
}

impl Site {
    /// Opens the directory to serve. The clock is read this once: it is what the cache counts from.
    ///
    /// # Errors
    /// As [`Root::open`].
    pub fn open(directory: &Path, options: Options) -> io::Result<Site> {
        let root = Arc::new(Root::open(directory, options.links)?);
        Ok(Site { root, options, cache: Cache::new(Instant::now()), room: Arc::default() })
    }

    /// Answers a request, which had been received whole by `received`. May open a file, and so wait for a disk.
    pub fn respond(&self, request: &RequestHead<'_>, now: SystemTime, received: Instant) -> Reply {
        let wanted = match ask(request) {
            Asked::Answered(response) => return Reply::Response(response),
            Asked::Wanted(wanted) => wanted,
        };
        match self.cache.current(&self.root, wanted.relative, received, Patience::Anything) {
            Some(version) => Reply::Response(represent(request, &version.representation, now)),
            None => self.open_and_represent(request, &wanted, now, received),
        }
    }

    /// The same, if it can be done without waiting. [`None`]: ask [`respond`](Site::respond).
    pub fn respond_from_memory(
        &self,
        request: &RequestHead<'_>,
        now: SystemTime,
        received: Instant,
    ) -> Option<Response> {
        let wanted = match ask(request) {
            Asked::Answered(response) => return Some(response),
            Asked::Wanted(wanted) => wanted,
        };
        let version = self.cache.current(&self.root, wanted.relative, received, Patience::Nothing)?;
        Some(represent(request, &version.representation, now))
    }

    /// Lets go of files that nobody has asked for lately; to be called a few times a second while anything is kept.
    pub fn tidy(&self, now: Instant) -> Kept {
        self.cache.tidy(now)
    }

    /// The memory that long listings have, for who watches.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// What is kept, for who watches.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The directory, to be allowed to whoever is allowed nothing else.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.root.directory()
    }

    /// Steps 2 and 3 for what isn't kept.
    fn open_and_represent(
        &self,
        request: &RequestHead<'_>,
        wanted: &Wanted<'_>,
        now: SystemTime,
        received: Instant,
    ) -> Reply {
        let path = wanted.path;
        if !self.may_serve(path) {
            return Reply::Response(not_found());
        }
        let index = if path.is_directory() { INDEX } else { b"" };
        // A NUL, which no name has, was refused with the request.
        let Ok(name) = CString::new([wanted.relative, index].concat()) else { return Reply::Response(not_found()) };
        let mut found = self.root.find(&name);
        if matches!(found, Err(Absent::NoDescriptor)) && self.cache.let_go_of_descriptors() {
            found = self.root.find(&name);
        }
        let (file, stamp) = match found {
            Ok(Found::File(file, stamp)) => (Arc::new(file), stamp),
            Ok(Found::Directory) | Err(Absent::NotFound) if path.is_directory() => return self.list(request, wanted),
            Ok(Found::Directory) => return Reply::Response(redirect_into(path, wanted.query)),
            Err(absent) => return Reply::Response(refuse(absent)),
        };
        let kept = cache::keepable(&file, &stamp, now);
        let keeps = kept.is_some();
        let source = kept.unwrap_or(Source::Opened(file));
        let representation = Representation::new(source, &stamp, name.as_bytes(), now);
        let response = represent(request, &representation, now);
        if keeps {
            self.cache.keep(wanted.relative, name, stamp, representation, received);
        }
        Reply::Response(response)
    }

    /// What a directory without an index is, if there is one of that name.
    fn list(&self, request: &RequestHead<'_>, wanted: &Wanted<'_>) -> Reply {
        // The root's own path is empty.
        let name = if wanted.relative.is_empty() { b".".as_slice() } else { wanted.relative };
        let Some(name) = CString::new(name).ok().filter(|_| self.options.listing == Listings::Made) else {
            return Reply::Response(not_found());
        };
        match self.root.open_directory(&name) {
            Ok(directory) => {
                let wish = Wish::read(wanted.query, &request.fields);
                let hidden = self.options.hidden;
                let gathering =
                    Gathering::begin(&self.root, directory, wanted.relative, hidden, wish.order, &self.room);
                Reply::Listing(Listing::begin(gathering, wish, wanted.relative, request))
            }
            Err(absent) => Reply::Response(refuse(absent)),
        }
    }

    /// Whether the names of a path may be served.
    fn may_serve(&self, path: &RequestPath<'_>) -> bool {
        path.segments().enumerate().all(|(depth, name)| self.options.hidden.allows(depth, name))
    }
}

/// What the first steps make of a request.
enum Asked<'r> {
    Answered(Response),
    Wanted(Wanted<'r>),
}

/// A file, or what may be one.
struct Wanted<'r> {
    path: &'r RequestPath<'r>,
    query: Option<&'r str>,
    /// The path relative to the root.
    relative: &'r [u8],
}

/// Step 1, and of step 2 what needs no file: the method, and whether the path can name anything.
fn ask<'r>(request: &'r RequestHead<'r>) -> Asked<'r> {
    match request.method {
        Method::Get | Method::Head => {}
        Method::Options => {
            return Asked::Answered(Response::empty(Status::NO_CONTENT).field("Allow", ALLOW));
        }
        Method::Post | Method::Put | Method::Patch | Method::Delete | Method::Trace | Method::Connect => {
            let response = Response::error(Status::METHOD_NOT_ALLOWED, "this server only reads");
            return Asked::Answered(response.field("Allow", ALLOW));
        }
        Method::Unknown => {
            return Asked::Answered(Response::error(Status::NOT_IMPLEMENTED, "no method of that name is known here"));
        }
    }
    match &request.target {
        RequestTarget::Resource { path, query } => match path.relative() {
            Some(relative) => Asked::Wanted(Wanted { path, query: *query, relative }),
            None => Asked::Answered(not_found()),
        },
        // Only OPTIONS and CONNECT can have these, and they are answered above.
        RequestTarget::Asterisk | RequestTarget::Authority => Asked::Answered(not_found()),
    }
}

/// Steps 4 and 5: what the client already has, and what it wants of the rest.
fn represent(request: &RequestHead<'_>, representation: &Representation, now: SystemTime) -> Response {
    let Representation { size, media_type, validators, lines, .. } = representation;
    if precondition::is_plain(&request.fields) {
        return whole(representation);
    }
    match precondition::evaluate(request.method, &request.fields, validators) {
        Verdict::Proceed => {}
        Verdict::NotModified => return Response::with(Status::NOT_MODIFIED, lines.not_modified.clone()),
        Verdict::Failed => {
            return Response::error(Status::PRECONDITION_FAILED, "the file is not as the request wants it");
        }
    }
    let source = || representation.source.clone();
    match range::select(request.method, &request.fields, validators, *size) {
        Selection::Whole => whole(representation),
        Selection::Single(range) => Response::with(Status::PARTIAL_CONTENT, lines.whole.clone())
            .field("Content-Range", &range.content_range())
            .content(Content::range(source(), range)),
        Selection::Multiple(ranges) => {
            let parts = Multipart::new(ranges, media_type, boundary(now))
                .expect("a file ends before 2^63, which leaves room for the heads of the parts");
            Response::with(Status::PARTIAL_CONTENT, lines.untyped.clone())
                .field("Content-Type", &parts.media_type())
                .content(Content::Multipart { source: source(), parts })
        }
        Selection::Unsatisfiable => Response::error(Status::RANGE_NOT_SATISFIABLE, "no such bytes in this file")
            .field("Content-Range", &range::unsatisfied(*size)),
    }
}

fn whole(representation: &Representation) -> Response {
    let Representation { source, size, lines, .. } = representation;
    let content = Content::Slice { source: source.clone(), first: 0, length: *size };
    Response::with(Status::OK, lines.whole.clone()).content(content)
}

/// To the same path with a slash behind it, on this host whatever the path looks like, the query kept. A permanent
/// redirect would be cached for ever, and a directory can become a file again: hence `no-cache`.
fn redirect_into(path: &RequestPath<'_>, query: Option<&str>) -> Response {
    let location = path.to_uri_path() + "/" + &query.map_or(String::new(), |query| format!("?{query}"));
    Response::text(Status::PERMANENT_REDIRECT, "this is a directory, and its path ends in a slash")
        .field("Location", &location)
        .field("Cache-Control", "no-cache")
}

pub fn refuse(absent: Absent) -> Response {
    match absent {
        Absent::NotFound => not_found(),
        Absent::Forbidden => Response::error(Status::FORBIDDEN, "this server may not read it"),
        Absent::NoDescriptor | Absent::Unavailable => {
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
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_else(|before| before.duration());
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
