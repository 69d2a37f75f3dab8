//! A file server with a fixed pool of threads, each of which holds one conversation at a time: the last chapter of the
//! Rust Book. Try `cargo run --release --example blocking_pool -- 127.0.0.1:8080 public`.
//!
//! *The idea:* threads are started once and used again, and there are never more of them than N. What comes beyond that
//! waits in the pool's queue: a channel behind a mutex, from which whoever is free takes the next connection.
//!
//! *What it costs:* N bounds the conversations, not the work. A worker belongs to its client from the first byte to the
//! end of the connection, so N clients that say nothing, send slowly or read slowly take the whole pool, and the
//! processor has nothing to do. The queue has no bound: it takes connections, and their descriptors, as they come.
//!
//! *How millpond differs:* its worker gives a connection back the moment it would have to wait. Same pool, same crate.
//!
//! *Which lab shows it:* `starvation`, `slowloris` and `slow-reader` (three ways to take N workers with N clients),
//! `drain` (what Ctrl+C loses), `isolation` (all workers live in one process).

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use clap::Parser;
use conversation::{Arguments, WAIT_MAX};
use threadpool::ThreadPool;

#[path = "conversation/mod.rs"]
pub mod conversation;

/// As in the Book.
const WORKERS: usize = 4;

pub fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let site = arguments.site()?;
    serve(&arguments.listen()?, WORKERS, move |stream| drop(conversation::hold(stream, &site, WAIT_MAX)));
    Ok(())
}

/// Accepts, and queues each connection for the pool.
pub fn serve(listener: &TcpListener, workers: usize, converse: impl Fn(TcpStream) + Send + Sync + 'static) {
    let pool = ThreadPool::with_name("worker".to_owned(), workers);
    let converse = Arc::new(converse);
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of descriptors, most likely: without a pause this loop would spin until one comes free.
            std::thread::sleep(millpond::config::ACCEPT_PAUSE_MIN);
            continue;
        };
        let converse = Arc::clone(&converse);
        // This never waits and never refuses: the queue is as long as there are descriptors.
        pool.execute(move || converse(stream));
    }
}
