//! The server's whole behaviour: a request head in, a response out.
//!
//! [`Site::respond`] goes through these steps, in this order, and each is a line of it:
//!
//! 1. the method: GET and HEAD are served, OPTIONS is described, what else is known is 405, the rest 501
//!    (RFC 9110 §9.1, §15.5.6, §15.6.2);
//! 2. the path: does it name anything, and may its names be served at all (hidden ones are not);
//! 3. the file: kept and current, or opened beneath the root; a directory is its `index.html`, or without one a listing of
//!    it ([`listing`](super::listing)), or a redirect to where that is; what isn't there may be a page of the app, has the
//!    site's error page, or a line of text, and is 404;
//! 4. the form: the file itself, or a variant of it in a content coding that the client likes better (RFC 9110 §12.5.3);
//! 5. the preconditions: 304 or 412 if one of them says so (RFC 9110 §13.2.2);
//! 6. the ranges: 206, 416, or the whole (RFC 9110 §14.2).
//!
//! [`Site::respond_from_memory`] takes the same steps without waiting for a disk, or gives up.
//!
//! *Invariant:* the steps decide, nothing here sends. The same response answers GET and HEAD; the engine leaves the
//! content out (RFC 9110 §9.3.2).

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::cache::{Cache, Kept, Key, Version};
use super::fallback::{self, ErrorPage};
use super::listing::Listing;
use super::listing::gather::{Gathering, Room};
use super::listing::wish::Wish;
use super::moment::Occasion;
use super::options::{Cors, Listings, Missing, Options};
use super::representation::Representation;
use super::root::{Absent, Patience};
use super::single::{self, Single};
use super::store::{Name, Sought, Store};
use super::variants;
use crate::http::cors;
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

/// A directory, or one file of it, and how it is to be served.
#[derive(Debug)]
pub struct Site {
    store: Store,
    options: Options,
    error_page: ErrorPage,
    single: Option<Single>,
    /// For the listings that are being made.
    room: Arc<Room>,
}

impl Site {
    /// Opens the directory to serve, or the one that the file to serve is in. The clock is read this once: it is what the
    /// cache counts from.
    ///
    /// # Errors
    /// As [`single::place`] and [`Root::open`](super::root::Root::open), and when a file can't be opened.
    pub fn open(path: &Path, options: Options) -> io::Result<Site> {
        let (directory, single) = single::place(path)?;
        // Of a file that is served alone nothing beside it is a form.
        let vary = single.is_none().then_some(variants::VARY);
        let store = Store::open(&directory, &options, vary)?;
        if let Some(single) = &single {
            single.check(&store)?;
        }
        Ok(Site { store, options, error_page: ErrorPage::default(), single, room: Arc::default() })
    }

    /// Answers a request, which had been received whole by `received`. May open a file, and so wait for a disk.
    pub fn respond(&self, request: &RequestHead<'_>, now: SystemTime, received: Instant) -> Reply {
        let at = Occasion { now, received, patience: Patience::Anything };
        // With patience, what can't be told is for want of something.
        self.answer(request, &at).unwrap_or_else(|| Reply::Response(refuse(Absent::Unavailable)))
    }

    /// The same, if it can be done without waiting. [`None`]: ask [`respond`](Site::respond).
    pub fn respond_from_memory(
        &self,
        request: &RequestHead<'_>,
        now: SystemTime,
        received: Instant,
    ) -> Option<Response> {
        match self.answer(request, &Occasion { now, received, patience: Patience::Nothing })? {
            Reply::Response(response) => Some(response),
            // Nothing is listed without patience.
            Reply::Listing(_) => None,
        }
    }

    /// Lets go of files that nobody has asked for lately; to be called a few times a second while anything is kept.
    pub fn tidy(&self, now: Instant) -> Kept {
        self.store.cache.tidy(now)
    }

    /// The memory that long listings have, for who watches.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// What is kept, for who watches.
    pub fn cache(&self) -> &Cache {
        &self.store.cache
    }

    /// The directory, to be allowed to whoever is allowed nothing else.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.store.root.directory()
    }

    /// The path to open in a browser: `/`, or that of the one file.
    pub fn front(&self) -> String {
        self.single.as_ref().map_or_else(|| "/".to_owned(), Single::uri_path)
    }

    /// Whether it is one file that is served.
    pub fn is_single(&self) -> bool {
        self.single.is_some()
    }

    /// The steps. Inlined, as are those that every request takes: measured, 27 instructions of 4,741.
    #[inline(always)]
    fn answer(&self, request: &RequestHead<'_>, at: &Occasion) -> Option<Reply> {
        let wanted = match self.ask(request) {
            Asked::Answered(response) => return Some(Reply::Response(response)),
            Asked::Nameless(path) => return self.miss(request, path, at).map(Reply::Response),
            Asked::Wanted(wanted) => wanted,
        };
        if let Some(version) = self.store.kept(wanted.key(), at) {
            return self.present(request, wanted.relative, version, at).map(Reply::Response);
        }
        let response = match self.seek(&wanted, at) {
            Sought::Found(version) => self.present(request, wanted.relative, version, at)?,
            Sought::Directory if self.is_redirected(&wanted) => redirect_into(wanted.path, wanted.query),
            Sought::Directory | Sought::Absent(Absent::NotFound) => match self.list(request, &wanted) {
                Some(reply) => return Some(reply),
                None => self.miss(request, wanted.path, at)?,
            },
            Sought::Absent(absent) => refuse(absent),
            Sought::Unclear => return None,
        };
        Some(Reply::Response(response))
    }

    /// Step 1, and of step 2 what needs no file: the method, and whether the path can name anything.
    #[inline(always)]
    fn ask<'r>(&self, request: &'r RequestHead<'r>) -> Asked<'r> {
        match request.method {
            Method::Get | Method::Head => {}
            Method::Options => return Asked::Answered(self.describe(request)),
            Method::Post | Method::Put | Method::Patch | Method::Delete | Method::Trace | Method::Connect => {
                let response = Response::error(Status::METHOD_NOT_ALLOWED, "this server only reads");
                return Asked::Answered(response.field("Allow", ALLOW));
            }
            Method::Unknown => {
                let what = "no method of that name is known here";
                return Asked::Answered(Response::error(Status::NOT_IMPLEMENTED, what));
            }
        }
        match &request.target {
            RequestTarget::Resource { path, query } => match path.relative() {
                Some(relative) => Asked::Wanted(Wanted { path, query: *query, relative }),
                None => Asked::Nameless(path),
            },
            // Only OPTIONS and CONNECT can have these, and they are answered above.
            RequestTarget::Asterisk | RequestTarget::Authority => Asked::Answered(not_found()),
        }
    }

    /// What can be asked for here, and by whose scripts.
    fn describe(&self, request: &RequestHead<'_>) -> Response {
        let response = Response::empty(Status::NO_CONTENT).field("Allow", ALLOW);
        let preflight = match self.options.cors {
            Cors::SameOrigin => None,
            Cors::Anyone => cors::preflight(request),
        };
        let lines = preflight.into_iter().flatten();
        lines.fold(response, |response, (name, value)| response.field(name, &value))
    }

    /// Steps 2 and 3 for what isn't kept.
    fn seek(&self, wanted: &Wanted<'_>, at: &Occasion) -> Sought {
        if at.patience == Patience::Nothing {
            return Sought::Unclear;
        }
        let name: Cow<'_, [u8]> = match &self.single {
            Some(single) if single.is_at(wanted.relative) => Cow::Borrowed(single.name.as_slice()),
            None if !self.may_serve(wanted.path) => return Sought::Absent(Absent::NotFound),
            None if wanted.path.is_directory() => Cow::Owned([wanted.relative, INDEX].concat()),
            None => Cow::Borrowed(wanted.relative),
            Some(_) => return Sought::Absent(Absent::NotFound),
        };
        self.store.open_anew(wanted.key(), Name::plain(&name), at)
    }

    /// What a directory without an index is, if there is one of that name, and those who run this server want it told. An
    /// app has pages of its own.
    fn list(&self, request: &RequestHead<'_>, wanted: &Wanted<'_>) -> Option<Reply> {
        let is_told = self.options.listing == Listings::Made && self.options.missing == Missing::IsNotFound;
        if !is_told || self.single.is_some() || !wanted.path.is_directory() || !self.may_serve(wanted.path) {
            return None;
        }
        // The root's own path is empty.
        let name = if wanted.relative.is_empty() { b".".as_slice() } else { wanted.relative };
        match self.store.root.open_directory(name) {
            Ok(directory) => {
                let wish = Wish::read(wanted.query, &request.fields);
                let (root, hidden) = (&self.store.root, self.options.hidden);
                let gathering = Gathering::begin(root, directory, wanted.relative, hidden, wish.order, &self.room);
                Some(Reply::Listing(Listing::begin(gathering, wish, wanted.relative, request)))
            }
            Err(Absent::NotFound) => None,
            Err(absent) => Some(Reply::Response(refuse(absent))),
        }
    }

    /// Whether the names of a path may be served.
    fn may_serve(&self, path: &RequestPath<'_>) -> bool {
        path.segments().enumerate().all(|(depth, name)| self.options.hidden.allows(depth, name))
    }

    /// Whether a directory under that name is reached by a path with a slash behind it.
    fn is_redirected(&self, wanted: &Wanted<'_>) -> bool {
        !wanted.path.is_directory() && self.single.is_none()
    }

    /// Step 3 for what isn't there.
    fn miss(&self, request: &RequestHead<'_>, path: &RequestPath<'_>, at: &Occasion) -> Option<Response> {
        if self.single.is_some() {
            return Some(not_found());
        }
        let may_be_of_app = fallback::may_be_of_app(self.options.missing, path);
        if may_be_of_app && fallback::is_navigation(request) {
            match fallback::app(&self.store, at) {
                Sought::Found(page) => {
                    return Some(self.present(request, b"", page, at)?.field("Vary", fallback::VARY));
                }
                Sought::Unclear => return None,
                Sought::Absent(_) | Sought::Directory => {}
            }
        }
        let page = match self.error_page.seek(&self.store, at) {
            Sought::Found(page) => Some(page),
            Sought::Unclear => return None,
            Sought::Absent(_) | Sought::Directory => None,
        };
        let depends = may_be_of_app || page.is_some();
        let response = match page.filter(|_| fallback::takes_page(request)) {
            Some(page) => fallback::error(Status::NOT_FOUND, &page.representation),
            None => not_found(),
        };
        Some(if depends { response.field("Vary", fallback::VARY) } else { response })
    }

    /// Steps 4 to 6 for a file that stands under a path.
    #[inline(always)]
    fn present(&self, request: &RequestHead<'_>, path: &[u8], plain: Arc<Version>, at: &Occasion) -> Option<Response> {
        if let Some(single) = &self.single {
            let response = represent(request, &plain.representation, at.now);
            return Some(if path.is_empty() { single.name_in(response) } else { response });
        }
        let chosen = if variants::may_be_asked_for(&request.fields) {
            variants::choose(&self.store, path, plain, &request.fields, at)?
        } else {
            plain
        };
        Some(represent(request, &chosen.representation, at.now))
    }
}

/// What the first steps make of a request.
enum Asked<'r> {
    Answered(Response),
    /// A path that no file can have.
    Nameless(&'r RequestPath<'r>),
    Wanted(Wanted<'r>),
}

/// A file, or what may be one.
struct Wanted<'r> {
    path: &'r RequestPath<'r>,
    query: Option<&'r str>,
    /// The path relative to the root.
    relative: &'r [u8],
}

impl<'r> Wanted<'r> {
    fn key(&self) -> Key<'r> {
        Key { path: self.relative, coding: None }
    }
}

/// Steps 5 and 6: what the client already has, and what it wants of the rest.
#[inline]
fn represent(request: &RequestHead<'_>, representation: &Representation, now: SystemTime) -> Response {
    if precondition::is_plain(&request.fields) { whole(representation) } else { judge(request, representation, now) }
}

/// The same where a condition or a range may count.
fn judge(request: &RequestHead<'_>, representation: &Representation, now: SystemTime) -> Response {
    let Representation { size, media_type, validators, lines, .. } = representation;
    match precondition::evaluate(request.method, &request.fields, validators) {
        Verdict::Proceed => {}
        Verdict::NotModified => return Response::with(Status::NOT_MODIFIED, lines.not_modified.clone()),
        Verdict::Failed => {
            let response = Response::error(Status::PRECONDITION_FAILED, "the file is not as the request wants it");
            return varying(response, representation);
        }
    }
    let source = || representation.source.clone();
    match range::select(request.method, &request.fields, validators, *size) {
        Selection::Whole => whole(representation),
        // Clients decode what they get in parts as one, boundaries and all.
        Selection::Multiple(_) if representation.coding.is_some() => whole(representation),
        Selection::Single(range) => Response::with(Status::PARTIAL_CONTENT, lines.whole.clone())
            .content_range(&range)
            .content(Content::range(source(), range)),
        Selection::Multiple(ranges) => {
            let parts = Multipart::new(ranges, media_type, boundary(now))
                .expect("a file ends before 2^63, which leaves room for the heads of the parts");
            Response::with(Status::PARTIAL_CONTENT, lines.untyped.clone())
                .field("Content-Type", &parts.media_type())
                .content(Content::Multipart { source: source(), parts: Box::new(parts) })
        }
        Selection::Unsatisfiable => {
            let response = Response::error(Status::RANGE_NOT_SATISFIABLE, "no such bytes in this file");
            varying(response.field("Content-Range", &range::unsatisfied(*size)), representation)
        }
    }
}

/// An error that another form of the file may not have given.
fn varying(response: Response, representation: &Representation) -> Response {
    match representation.vary {
        Some(vary) => response.field("Vary", vary),
        None => response,
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
