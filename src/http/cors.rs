//! What scripts of other sites may do here, where the operator lets them.
//!
//! *Invariant:* only what may be read without credentials is opened: the origin is `*`, so a browser neither sends cookies
//! nor shows an answer to a request that had some. Nothing from a request stands in an answer unless it is a token.
//!
//! The Fetch standard, §3.2 (CORS protocol): two lines are on every response, errors too, or a script can't tell an error
//! from a broken network. A request that a form could not have sent is asked for first, by OPTIONS (§3.2.2, preflight).

use super::field::{Fields, TOKEN};
use super::field_line::FieldLine;
use super::method::Method;
use super::request::RequestHead;

/// What a script may read of a response beside what it always may (Cache-Control, Content-Length, Content-Type,
/// Last-Modified and few more). A list, because `*` is a name like any other to older browsers.
const EXPOSED: &str = "Accept-Ranges, Allow, Content-Disposition, Content-Encoding, Content-Length, Content-Range, Date, \
                       ETag, Location, Vary";

/// What a request may have that acts here.
const ALLOWED: [&str; 8] = [
    "Accept",
    "Cache-Control",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Range",
];

/// A day. Browsers cut it to two hours, or to a day.
const MAX_AGE_SECONDS: &str = "86400";

/// Further fields that a preflight can ask for; no script has so many.
const ASKED_MAX: usize = 32;

/// The lines for every response.
pub fn lines() -> [FieldLine; 2] {
    let line = |name, value| FieldLine::new(name, value).expect("a token, and text");
    [line("Access-Control-Allow-Origin", "*"), line("Access-Control-Expose-Headers", EXPOSED)]
}

/// What the answer to a preflight says beside those; none if the request is none.
pub fn preflight(request: &RequestHead<'_>) -> Option<[(&'static str, String); 3]> {
    let fields = &request.fields;
    fields.first("origin")?;
    fields.first("access-control-request-method")?;
    (request.method == Method::Options).then(|| {
        [
            ("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS".to_owned()),
            ("Access-Control-Allow-Headers", allowed(fields)),
            ("Access-Control-Max-Age", MAX_AGE_SECONDS.to_owned()),
        ]
    })
}

/// What acts here, and what was asked for: a field that does nothing does no harm.
fn allowed(fields: &Fields<'_>) -> String {
    let is_new = |name: &&str| !ALLOWED.iter().any(|known| known.eq_ignore_ascii_case(name));
    let asked = fields
        .elements("access-control-request-headers")
        .filter(|name| TOKEN.has_all(name))
        .filter_map(|name| str::from_utf8(name).ok())
        .filter(is_new)
        .take(ASKED_MAX);
    ALLOWED.into_iter().chain(asked).collect::<Vec<_>>().join(", ")
}
