//! millpond serves a directory over HTTP/1.1 from a fixed pool of threads, and lets you watch the threads do it.
#![forbid(unsafe_code)]

pub mod config;
pub mod http;
pub mod observe;
pub mod engine;
pub mod site;
