//! The files: from a request head to a response, with a directory in between.
//!
//! Reading order: [`root`] opens a path beneath the directory and nothing outside it; [`representation`] is an open
//! file as HTTP sees it; [`respond`] is the server's whole behaviour on one page.
//!
//! *Architecture invariant:* this wing knows nothing of connections, threads or epoll. It gets the time as an argument
//! and gives a value back; who sends that, and how, is not known here.

pub mod root;
pub mod representation;
pub mod respond;
