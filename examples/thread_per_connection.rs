//! A file server with a thread for each connection. Try
//! `cargo run --release --example thread_per_connection -- 127.0.0.1:8080 public`.
//!
//! *The idea:* a conversation that waits needs a thread to wait in, so each gets one. The kernel's scheduler becomes the
//! event loop: it knows who has something to do, and the code stays as simple as for one client.
//!
//! *What it costs:* a thread and its stack for each client, idle or not: some 10 to 30 KiB of memory and one of the
//! threads that the system allows. Clients decide how many there are, for there is no limit here, and one can't be had
//! for free: with a limit it is a pool, and starves like one. Each request wakes a thread of its own, which is a switch.
//!
//! *Which lab shows it:* `starvation` (it doesn't starve, and the column of threads says why), `switches` (what a request
//! costs that its thread has to be woken for), `slow-reader`.

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use clap::Parser;
use conversation::{Arguments, WAIT_MAX};

#[path = "conversation/mod.rs"]
pub mod conversation;

pub fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let site = arguments.site()?;
    serve(&arguments.listen()?, move |stream| drop(conversation::hold(stream, &site, WAIT_MAX)));
    Ok(())
}

/// Accepts, and hands each connection to a thread that ends with it.
pub fn serve(listener: &TcpListener, converse: impl Fn(TcpStream) + Send + Sync + 'static) {
    let converse = Arc::new(converse);
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of descriptors, most likely: without a pause this loop would spin until one comes free.
            thread::sleep(millpond::config::ACCEPT_PAUSE_MIN);
            continue;
        };
        let converse = Arc::clone(&converse);
        let thread = thread::Builder::new().name("conversation".to_owned());
        // `thread::spawn` would panic when the system has no more threads. Here the stream is dropped, and that client
        // alone is turned away.
        drop(thread.spawn(move || converse(stream)));
    }
}
