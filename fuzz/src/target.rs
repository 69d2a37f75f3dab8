//! A request-target, or a method, a space and a request-target.
//!
//! What must hold: it is refused, or read, as the slow reading does; a path that names something has no segment that is
//! empty, dots, or has a slash or NUL in it; and as a URI it can stand in Location, leads to no other host, and reads the
//! same.

use millpond::http::field_line;
use millpond::http::method::Method;
use millpond::http::target::{self, RequestPath, RequestTarget};

use super::slow_target::{self, Target};

pub fn check(input: &[u8]) {
    // A request line of other bytes has been refused before.
    let Ok(text) = str::from_utf8(input) else { return };
    let (method, text) = match text.split_once(' ') {
        Some((method @ ("CONNECT" | "OPTIONS"), target)) => (method, target),
        _ => ("GET", text),
    };
    if text.is_empty() {
        return;
    }
    let fast = target::parse(Method::from_token(method), text);
    let slow = slow_target::read(method, text);
    match (&fast, slow) {
        (Err(_), None) => {}
        (Ok(RequestTarget::Asterisk | RequestTarget::Authority), Some(Target::Other)) => {}
        (Ok(RequestTarget::Resource { path, query }), Some(Target::Path(named))) => {
            assert_eq!(path.relative(), named.as_ref().map(|path| &path[1..]), "{text}");
            assert_eq!(*query, text.split_once('?').map(|(_, query)| query), "{text}");
            check_path(path, *query);
        }
        (fast, slow) => panic!("{text}: {fast:?}, but slowly {slow:?}"),
    }
}

fn check_path(path: &RequestPath<'_>, query: Option<&str>) {
    for segment in path.segments() {
        assert!(!segment.is_empty() && segment != b"." && segment != b"..");
        assert!(!segment.contains(&b'/') && !segment.contains(&0));
    }
    assert_eq!(path.is_nameable(), path.relative().is_some());
    if let Some(relative) = path.relative() {
        let slash: &[u8] = if path.is_directory() && !relative.is_empty() { b"/" } else { b"" };
        assert_eq!([path.segments().collect::<Vec<_>>().join(&b'/').as_slice(), slash].concat(), relative);
    }
    let uri = path.to_uri_path();
    assert!(uri.starts_with('/') && !uri.starts_with("//") && !uri.starts_with("/\\"), "{uri}");
    assert_eq!(path.is_directory(), uri.ends_with('/'));
    let again = target::parse(Method::Get, &uri);
    assert_eq!(again, Ok(RequestTarget::Resource { path: path.clone(), query: None }), "{uri}");
    let location = format!("{uri}/?{}", query.unwrap_or_default());
    assert!(field_line::check("Location", &location).is_ok() && location.is_ascii(), "{location}");
}
