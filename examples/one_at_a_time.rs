//! A file server with one thread: it holds one conversation after the other. Try
//! `cargo run --release --example one_at_a_time -- 127.0.0.1:8080 public`.
//!
//! *The idea:* accept, talk until the client leaves, accept the next. There is nothing to share and nobody to share it
//! with, so there is no lock, no queue and no order but that of arrival. It is the first server of the Rust Book's last
//! chapter, and of every course.
//!
//! *What it costs:* a browser opens a connection and keeps it; nobody else is served until it goes. Who comes meanwhile
//! waits in the kernel's accept queue, and when that is full, in front of it. While one client waits for a disk, the
//! processor does nothing for the others. And a panic over one request is the end of the server.
//!
//! *Which lab shows it:* `starvation` (one idle client is enough), `backlog` (where the others wait), `utilisation` (how
//! a queue grows before one server, however fast it is).

use std::error::Error;
use std::net::{TcpListener, TcpStream};

use clap::Parser;
use conversation::{Arguments, WAIT_MAX};

#[path = "conversation/mod.rs"]
pub mod conversation;

pub fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let site = arguments.site()?;
    // How a conversation ended is its client's concern; the server goes on.
    serve(&arguments.listen()?, |stream| drop(conversation::hold(stream, &site, WAIT_MAX)));
    Ok(())
}

/// All of it.
pub fn serve(listener: &TcpListener, converse: impl Fn(TcpStream)) {
    // An error of accept concerns the client that it would have been (or a shortage of descriptors, of which one thread
    // needs three).
    for stream in listener.incoming().flatten() {
        converse(stream);
    }
}
