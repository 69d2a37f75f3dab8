//! The files: from a request head to a response, with a directory in between.
//!
//! Reading order: [`options`] is what the operator chooses; [`stamp`] is what tells one version of a file from the next, [`file_system`] where that can be relied
//! on; [`root`] opens a path beneath the directory and nothing outside it; [`representation`] is a file as HTTP sees it;
//! [`cache`] keeps those that are asked for; [`listing`] tells what is in a directory that has no index; [`respond`] is the server's whole behaviour on one page.
//!
//! *Architecture invariant:* this wing knows nothing of connections, threads or epoll. It gets the time as an argument
//! and gives a value back; who sends that, and how, is not known here.

pub mod options;
pub mod stamp;
pub mod file_system;
pub mod root;
pub mod representation;
pub mod cache;
pub mod listing;
pub mod respond;
