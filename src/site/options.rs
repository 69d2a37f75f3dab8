//! How a directory is to be served: what its operator chooses, each choice by its name.

use super::root::Links;

/// What the caller of [`Site::open`](super::respond::Site::open) chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub links: Links,
    pub hidden: Hidden,
    pub listing: Listings,
}

impl Options {
    /// What the command line has where nothing else is asked for.
    pub fn recommended() -> Options {
        Options { links: Links::Beneath, hidden: Hidden::Denied, listing: Listings::Made }
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
