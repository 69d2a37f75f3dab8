//! Eleven experiments on servers that wait: predict, run, look, and see why. These pages are the handbook; the laboratory
//! is `examples/lab`.
//!
//! A lab starts real servers on this machine, makes the load itself, counts what comes of it, and says what was expected,
//! what was seen, and whether the check held. It draws a plot, too, and writes down what happened as a
//! [trace](#the-trace). What is checked is a count that has a cause; times are shown, and never checked, so it makes no
//! difference how fast or how busy the machine is.
//!
//! ```sh
//! cargo run --release --example lab -- list
//! cargo run --release --example lab -- starvation
//! cargo run --release --example lab -- starvation --server thread-per-connection  # in its place: what breaks?
//! cargo run --release --example lab -- all --quick                                # half a minute
//! ```
//!
//! In this order, from one connection to many: [`starvation`], [`slowloris`], [`slow_reader`], [`backlog`], [`queues`],
//! [`drain`], [`isolation`], [`switches`], [`log_lock`], [`utilisation`], [`omission`].
//!
//! # One server, five ways
//!
//! All five serve the same directory with the same answers, to the byte, because all have their heads read and written by
//! [`http`](crate::http) and their files found by [`site`](crate::site). They differ in one thing: who waits.
//!
//! | server | a connection is held by | source |
//! |---|---|---|
//! | one at a time | the only thread there is | `examples/one_at_a_time.rs` |
//! | thread per connection | a thread of its own | `examples/thread_per_connection.rs` |
//! | blocking pool | one of N threads, from its first byte to its last | `examples/blocking_pool.rs` |
//! | process per worker | one of N processes | `examples/process_per_worker.rs` |
//! | millpond | nobody, unless there is something to do | [`engine`](crate::engine) |
//!
//! The first four share `examples/conversation`: what a client and a server say over one connection, by reads and writes
//! that wait. Read that first, then the four in this order; each says in its head what it costs.
//!
//! # If you come from the Rust Book
//!
//! Its last chapter ends with a pool of four threads that answers browsers, and says that more could be done. Here is what
//! each of its shortcuts costs, where that shows, and what is done about it here.
//!
//! | the Book | what it costs | shown by | done about it in |
//! |---|---|---|---|
//! | reads once into a buffer of 1 KiB (older editions), or one line (newer ones) | a head in two pieces is half a request; what was not read can have the connection reset, and the answer lost with it | [`slowloris`]: heads come in as many pieces as a client likes | [`http::head`](crate::http::head) |
//! | compares the request line with one text, and takes all else for a missing page | no other file, no HEAD, no telling a bad request from a good one | | [`http::request`](crate::http::request), [`site::respond`](crate::site::respond) |
//! | `unwrap` on what a client sent | a client that leaves early panics a worker, and that pool doesn't replace it: four clients, and there is no server | [`isolation`]: what a panic ends, and what an abort does | [`engine::worker`](crate::engine::worker) |
//! | one request for each connection | a handshake, and a thread to be woken, for every one | [`switches`] | [`http::framing`](crate::http::framing), `persistence` |
//! | ... and with keep-alive added to it | N idle clients are the whole pool | [`starvation`] | [`engine::connection`](crate::engine::connection): it is parked |
//! | no deadline | one client that says nothing has its worker for ever; a deadline for each read helps only against silence | [`slowloris`] | [`engine::sweep`](crate::engine::sweep) |
//! | `write_all` of the whole answer | a client that doesn't read has its worker, too; a file is in memory once for each client | [`slow_reader`] | [`engine::transfer`](crate::engine::transfer) |
//! | a queue without a bound | it takes connections as long as there are descriptors, and lets clients wait that it can't serve | [`backlog`], [`utilisation`] | [`engine::accept`](crate::engine::accept) |
//! | `/sleep` shows that one slow request stops a server with one thread, and that a pool helps | until as many are slow as there are workers; and it depends on how many queues there are | [`queues`] | [`engine::worker`](crate::engine::worker): what may wait comes last |
//! | `println!` for each request | a lock that all threads share, held while somebody else's terminal scrolls | [`log_lock`] | [`observe::log_queue`](crate::observe::log_queue) |
//! | a graceful end after two requests | Ctrl+C loses what is under way and what waits | [`drain`] | [`engine::drain`](crate::engine::drain) |
//! | measured by reloading in a browser | a client that waits for each answer sees a stall once, whoever else it would have hit | [`omission`] | `benches/load` |
//!
//! # The trace
//!
//! Beside its plot, `target/lab/NAME.svg`, a lab writes `target/lab/NAME.trace.json`: who did what, when, and waited how
//! long for it. With `--server` both have the server's name in theirs, as `starvation.millpond.svg`, so those of the lab
//! proper stay to be compared with. Open it at
//! [ui.perfetto.dev](https://ui.perfetto.dev) ("Open trace file"; it stays in your browser), or at `chrome://tracing` in
//! Chromium; unfold the processes; W and S zoom, A and D move, a click says more.
//!
//! - Each server is a process, and each of its clients a track in it: the connection from the first packet to the end, and
//!   in it every request, from when it was made, or was the next on its connection to be answered, until it was answered
//!   or given up. Its name says what was asked and what came.
//! - `the lab` has a mark for what the lab did: it opened the gate, it sent a signal.
//! - Millpond's own lanes lie below its clients, as in its `/.millpond/trace.json` (see
//!   [`watch::trace`](crate::engine::watch::trace)): `accept`, and for each worker its batches and turns. An arrow leads
//!   through all that was done for one connection, from thread to thread. Both clocks are the machine's.
//!
//! The other servers have nothing that could be shown: while they wait, they are in the kernel. So look at their clients.
//!
//! | lab | what to look for |
//! |---|---|
//! | [`starvation`] | the pool's newcomer waits as long as four clients do nothing; millpond's workers have nothing to do either, and its newcomers are served |
//! | [`slowloris`] | a mark for each byte: without end in the pool, until 408 in millpond, whose workers take a few µs for each |
//! | [`slow_reader`] | `stops reading`, `reads on`, and in whose lanes something happens between them |
//! | [`backlog`] | who `connects` in no time, and who for a second, when the first packet has been sent again |
//! | [`queues`] | who is answered before the mark at which the gate opens, and who after it |
//! | [`drain`] | what comes of a request after `sends SIGTERM`: `closed` where a worker had read it, `reset` where nobody had, and 200 in millpond |
//! | [`isolation`] | the connection of one client ends with its worker, or those of all do. Not watched: lanes are memory, and here it is weighed |
//! | [`switches`] | batches: one for each request, or one for sixteen. A track keeps the last 4,000 requests, a lane of millpond its last 65,536 events |
//! | [`log_lock`] | four workers stand still in the middle of an answer |
//! | [`utilisation`] | who `waits` for how long, and how many are there. It has the virtual clock of the lab: a unit is a second |
//! | [`omission`] | how many requests are `without an answer`: at most one, or hundreds |
//!
//! # How to read a page
//!
//! Choose a prediction, run the experiment, and only then open what is below it. A prediction that was wrong is
//! the best thing that can happen here. Every lab can be asked to take away what it is about (`--self-check`): then its
//! check must fail, or it would check nothing.

#[doc = include_str!("starvation.md")]
pub mod starvation {}
#[doc = include_str!("slowloris.md")]
pub mod slowloris {}
#[doc = include_str!("slow_reader.md")]
pub mod slow_reader {}
#[doc = include_str!("backlog.md")]
pub mod backlog {}
#[doc = include_str!("queues.md")]
pub mod queues {}
#[doc = include_str!("drain.md")]
pub mod drain {}
#[doc = include_str!("isolation.md")]
pub mod isolation {}
#[doc = include_str!("switches.md")]
pub mod switches {}
#[doc = include_str!("log_lock.md")]
pub mod log_lock {}
#[doc = include_str!("utilisation.md")]
pub mod utilisation {}
#[doc = include_str!("omission.md")]
pub mod omission {}
