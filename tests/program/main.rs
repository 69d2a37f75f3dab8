//! What the program is told and what it tells: the command line, and the logs behind their queue. No sockets.

mod cli;
mod announce;
mod access_log;
mod proxies;
mod lanes;
mod log_queue;
mod tidy;
mod threats;
mod guide;
mod tls;
