//! What a request asks to be done, and in which version of the language it asks.
//!
//! RFC 9110 §9 (methods), RFC 9112 §2.3 (version).

/// The method of a request (RFC 9110 §9), or that it is none this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    Options,
    Post,
    Put,
    Patch,
    Delete,
    Trace,
    Connect,
    /// A token, but no method that this server has heard of: 501 (RFC 9110 §9.1).
    Unknown,
}

impl Method {
    /// The method with that name. Methods are case-sensitive (RFC 9110 §9.1): `get` is unknown.
    pub fn from_token(token: &str) -> Method {
        match token {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "OPTIONS" => Method::Options,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "PATCH" => Method::Patch,
            "DELETE" => Method::Delete,
            "TRACE" => Method::Trace,
            "CONNECT" => Method::Connect,
            _ => Method::Unknown,
        }
    }
}

/// The version that a request line names. All others are refused before they become a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Http10,
    Http11,
}
