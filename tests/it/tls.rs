//! The same server through TLS: the state machine is the same, and so is what it promises of slow and broken clients, of
//! the drain, and of every byte of a response.
//!
//! RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2), RFC 7301 (ALPN), RFC 9112 §9.8 (the end of a connection).

mod handshake;
mod exchange;
mod renewal;
mod start;
mod tools;

use crate::load::DOWNLOAD;
use crate::support::Site;
use crate::support::tls::Keys;

fn site() -> (Site, Keys) {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n").file("download.bin", DOWNLOAD.as_slice());
    let keys = Keys::beside(&site, "first");
    (site, keys)
}
