//! The real server over real sockets: each module asks one kind of question, by raw bytes, and holds the answer to the
//! RFCs.

mod support;

// What HTTP says.
mod head;
mod methods;
mod target;
mod directories;
mod hidden_and_links;
mod special_files;
mod listing;
mod representation;
mod variants;
mod fallback;
mod app;
mod single;
mod cors;
mod conditions;
mod ranges;
mod framing;
mod head_size;
mod content;
mod persistence;
mod splits;
mod errors;

// How the machinery holds.
mod load;
mod strace;
mod crowd;
mod parking;
mod deadlines;
mod limits;
mod floods;
mod cache;
mod transfer;
mod drain;
mod drain_watched;
mod faults;
mod shortage;
mod stopped;
mod restarts;
mod root;
mod clock;
mod access_log;
mod sinks;
mod sandbox;
mod diagnostics;
mod cli;
mod unix;
mod activation;
mod announcing;
mod leaving;
mod watch;
mod watch_page;
mod waits;
mod top;
mod process;
mod tools;
mod library;
mod hangs;
mod browser;
mod guide;
mod devtools;

// TLS, where it is built in.
#[cfg(feature = "tls")]
mod tls;
