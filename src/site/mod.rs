//! The files: from a request head to a response, with a directory in between.
//!
//! Reading order: [`options`] is what the operator chooses; [`stamp`] is what tells one version of a file from the next, [`file_system`] where that can be relied
//! on; [`root`] opens a path beneath the directory and nothing outside it; [`representation`] is a file as HTTP sees it;
//! a [`way`] is how a file is looked at again, [`cache`] keeps those that are asked for, by what was seen at which
//! [`moment`], and [`store`] has both, what is kept and what is opened; [`variants`] are files that were compressed
//! beforehand, [`fallback`] is what answers for a file that isn't there, and [`single`] what is different where only one is
//! served; [`listing`] tells what is in a directory that has no index; [`respond`] is the server's whole behaviour in one file.
//!
//! *Architecture invariant:* this wing knows nothing of connections, threads or epoll. It gets the time as an argument
//! and gives a value back; who sends that, and how, is not known here.

pub mod options;
pub mod stamp;
pub mod file_system;
pub mod root;
pub mod representation;
pub mod moment;
pub mod way;
pub mod cache;
pub mod store;
pub mod variants;
pub mod fallback;
pub mod single;
pub mod listing;
pub mod respond;
