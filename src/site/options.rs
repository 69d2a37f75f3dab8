//! How a directory is to be served: what its operator chooses, each choice by its name.

use super::root::Links;
use crate::http::field_line::FieldLine;

/// What the caller of [`Site::open`](super::respond::Site::open) chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub links: Links,
    pub hidden: Hidden,
    pub listing: Listings,
    pub missing: Missing,
    pub cors: Cors,
    /// The line that says how files may be cached.
    pub cache_control: FieldLine,
}

impl Options {
    /// What the command line has where nothing else is asked for.
    pub fn recommended() -> Options {
        Options {
            links: Links::Beneath,
            hidden: Hidden::Denied,
            listing: Listings::Made,
            missing: Missing::IsNotFound,
            cors: Cors::SameOrigin,
            cache_control: FieldLine::new("Cache-Control", "no-cache").expect("a token, and text"),
        }
    }
}

/// Whether names that begin with a dot are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// As if they weren't there, a first segment `.well-known` excepted (RFC 8615).
    Denied,
    Served,
}

impl Hidden {
    /// Whether a name may be served that lies so deep: 0 is right in the root.
    pub fn allows(self, depth: usize, name: &[u8]) -> bool {
        match self {
            Hidden::Served => true,
            Hidden::Denied => !name.starts_with(b".") || (depth == 0 && name == b".well-known"),
        }
    }
}

/// What is said of a directory without an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listings {
    /// What is in it.
    Made,
    /// Nothing, as if it weren't there.
    Denied,
}

/// What a path that no file has may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    IsNotFound,
    /// A page of the app that `/index.html` is.
    MayBeOfApp,
}

/// Whose scripts may read what is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cors {
    /// Those that were served here.
    SameOrigin,
    Anyone,
}
