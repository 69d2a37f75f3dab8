//! millpond serves a directory over HTTP/1.1 from a fixed pool of threads, and lets you watch the threads do it.
//!
//! The name is the model: connections gather in a still pond (parked, costing no thread), the pond drives a fixed row of
//! wheels (the workers), and Ctrl+C opens the sluice (the drain).
//!
//! # The one idea
//!
//! **A connection has exactly one owner, and its owner is its state.**
//!
//! | owner | state | costs |
//! |---|---|---|
//! | the pond | parked: waits for bytes to read, or for room to write | a slot and a descriptor; no thread, and if idle no buffer |
//! | one worker | active: read, parse, respond, write, until it would wait or its turn is used up | one thread |
//! | nobody | dropped, and so closed | nothing |
//!
//! ```text
//!              accept                          ready
//! TcpListener ────────► pond (epoll + slots) ───────────────► worker: one turn of a Connection
//! main thread             ▲   │ deadline passed / drain           │ would block │ done
//!                         │   └──────────────► closed(reason)     │             └──► closed(reason)
//!                         └───────────────────────────────────────┘ park(read | write | turn)
//! ```
//!
//! No thread ever waits for another to be done with a connection, and two can't touch one. From that follow, with no
//! further code: idle and slow clients hold no worker; keep-alive can't starve the pool; the queue is bounded by the
//! limit on connections; and the drain is "accept no more, close what is quiet, let the rest finish".
//!
//! # The source, in reading order
//!
//! | room | what it is |
//! |---|---|
//! | [`config`] | every limit and timeout, with its unit and its reason |
//! | `sync` | atomics and locks, for what threads hand each other: the standard library's, or the model checker's |
//! | [`http`] | the language: heads, paths, conditions, ranges, as pure functions |
//! | [`site`] | the files: a path opened beneath the root, kept while it is asked for, never stale ([`site::cache`]), and the server's whole behaviour in one file, [`site::respond`] |
//! | [`observe`] | what is written down about it: the access log, behind a queue that never holds a worker up; and a lane per thread, what it does as events and counts |
//! | [`engine`] | the machinery: who is ready, who keeps them, what a turn does, how it ends; [`engine::connection`] is its heart |
//! | [`server`] | the hall, where the three are joined |
//! | [`sandbox`] | what the process gives up before it serves |
//! | [`cli`] | the command line |
//! | [`listeners`] | what the program listens on: sockets it was passed, or those that the command line names |
//! | [`announce`] | where it can be found, as a line, as a drawing, in the browser |
//! | [`top`] | `millpond top`: another that is watched, in a terminal |
//! | [`notify`] | what the service manager is told; `main.rs` is left with starting it all and the exit code |
//! | [`labs`] | no code but pages: experiments that show what goes wrong elsewhere, for who learns this |
//!
//! Arrows point down only: `http` uses nothing of the others, `site` and `engine` use `http` and don't know each other.
//!
//! # Security rules
//!
//! 1. A path is opened by the kernel beneath a descriptor of the root, or not at all ([`site::root`]).
//! 2. A request whose length could be read in two ways is refused, and its connection closed ([`http::framing`]).
//! 3. Every buffer, wait and turn has a limit with a name ([`config`]).
//! 4. Nothing from a client is written to a response head, a log or a terminal as it came ([`http::response`],
//!    [`observe::access_log`]).
//! 5. Nothing is written: there is no code here that creates, changes or removes a file, but for the Unix socket that
//!    clients may come by, before the first of them ([`engine::unix_socket`]).
//! 6. The program takes the right to do otherwise from itself before its first connection, as far as the kernel goes
//!    along: it reads beneath the directory, with TLS where the certificate lies, and that is all ([`sandbox`]).
#![forbid(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!("millpond runs on Linux only: engine::poller (epoll) and site::root (openat2) are the places to port");

pub mod config;
mod sync;
pub mod http;
pub mod site;
pub mod observe;
pub mod engine;
pub mod server;
pub mod sandbox;
pub mod cli;
pub mod listeners;
pub mod announce;
pub mod top;
pub mod notify;
#[cfg(doc)]
pub mod labs;
