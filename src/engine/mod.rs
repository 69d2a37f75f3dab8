//! The machinery: sockets, threads and time, for whatever handler is plugged in.
//!
//! Reading order: [`poller`] says who is ready, and [`pond`] keeps them meanwhile, in [`slots`]; [`transfer`] is bytes on their way
//! out by a [`socket`], [`channel`] what they go through, with TLS or without (`tls` and `certificate`, if they are
//! built), [`desk`] what a turn works with, and [`drain_request`] how the end is asked for, which [`health`] tells and
//! the [`watchers`] see; [`own`] are the pages of the server itself, [`notes`] what is written down for who watches,
//! [`receipt`] when something came, and [`watch`] shows it; [`exchange`] is a request and its response under way,
//! [`linger`] what follows the last one, and [`connection`] the state machine that a turn moves on. [`turns`] are those
//! that need no event, [`rest`] is how many workers are up, and the [`mill`] what all threads share; a [`worker`] gives
//! turns; [`listen`], [`unix_socket`], [`inherit`] and [`accept`] let new ones in; the [`sweep`] looks at the clock, and by
//! [`send_queue`], which speaks [`sock_diag`], at what clients take; the [`drain`] ends it all.
//!
//! ```text
//!              accept                          ready
//! TcpListener ────────► pond (epoll + slots) ───────────────► worker: one turn of a Connection
//! main thread             ▲   │ deadline passed / drain           │ would block │ done
//!                         │   └──────────────► closed(reason)     │             └──► closed(reason)
//!                         ├───────────────────────────────────────┤ park(read | write)
//!                         └── turns (a queue) ◄───────────────────┘ has had its share, or may wait for a disk
//! ```
//!
//! *Architecture invariant:* nothing here knows of directories. The site comes in as a [`Handler`], and a closure will do.
//! No lock is held over I/O on a connection, logging, or a call to the handler. What the kernel is asked about its sockets
//! is put in the words of [`sock_diag`].
//!
//! # What 64 cores would wait for
//!
//! It has been measured on two. What follows is arithmetic: what a worker holds while others wait for it, times how often.
//! A warm request of 1 KiB takes some 7 µs of a core, so 64 of them could ask for 9 million a second. In this order:
//!
//! 1. *One request per connection: the accept loop.* One thread accepts, and one connection takes it some 4 µs (`accept4`,
//!    `epoll_ctl`, a slot): about 250,000 a second, which a dozen cores of workers would use up. socket(7) names the
//!    remedy under `SO_REUSEPORT`: "a distinct listener socket for each thread", which it prefers to "a single accept(2)ing
//!    thread that distributes connections". With keep-alive this doesn't matter.
//! 2. *The shared set.* The kernel hands out events under one mutex of the set, because "when we do event transfer loop from
//!    kernel space to user space we could end up sleeping" (LOCKING, fs/eventpoll.c). Measured alone, `epoll_wait` takes
//!    0.12 µs and 0.09 µs per event: about 11 million events a second, were nothing else in the way; so it would be felt
//!    from some 30 cores on, as longer waits in `epoll_wait`. The remedy is a set per group of cores, at the price that
//!    load can't move between groups.
//! 3. *One popular file.* Its entry in the cache is in one shard; a lookup takes that shard's lock for reading and counts
//!    the share up and down: three changes of lines that all cores want, some 0.1 µs each when they come from another core.
//!    The like of `accept`'s remedy: a cache per group of cores, which costs as many times the memory.
//! 4. *Everything else.* Slots of the pond are found without a lock and share a line by two; the counters of [`turns`] and
//!    [`rest`] change once a batch, not once a request; the lock on vacant slots is taken once per accept and once per
//!    close; the access log copies a line under one lock (0.1 µs), which would be the third in this list where it is on.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::config::Limits;
use crate::http::field_line::FieldLine;
use crate::http::request::RequestHead;
use crate::http::response;
use crate::observe::access_log::AccessLog;
use crate::observe::peer::Peer;

pub mod poller;
pub mod slots;
pub mod pond;
pub mod transfer;
pub mod socket;
pub mod channel;
#[cfg(feature = "tls")]
pub mod certificate;
#[cfg(feature = "tls")]
pub mod tls;
pub mod desk;
pub mod drain_request;
pub mod watchers;
pub mod health;
pub mod own;
pub mod notes;
pub mod receipt;
pub mod watch;
pub mod exchange;
pub mod linger;
pub mod connection;
pub mod turns;
pub mod rest;
pub mod mill;
pub mod worker;
pub mod listen;
pub mod unix_socket;
pub mod inherit;
pub mod accept;
pub mod sock_diag;
pub mod send_queue;
pub mod sweep;
pub mod drain;

/// A response as this engine sends it: content from memory, or from a file.
pub type Response = response::Response<Arc<File>>;

/// What answers requests.
///
/// It is called by all workers at the same time, and while it runs one of them does nothing else. A panic in it costs
/// the client a 500 and the connection, and nobody else anything.
pub trait Handler: Send + Sync + 'static {
    /// Whether what is done for it is written down: only of one that is [`Noted`](notes::Noted).
    const NOTES: notes::Notes = notes::Notes::None;

    /// Answers a request, and may wait for a disk over it.
    fn respond(&self, request: &RequestHead<'_>, context: &Context) -> Answer;

    /// The same, if nothing has to be waited for: others are to be answered after it. `None` has
    /// [`respond`](Handler::respond) asked, when that is done.
    fn respond_from_memory(&self, _request: &RequestHead<'_>, _context: &Context) -> Option<Response> {
        None
    }

    /// Lets go of what was kept for requests that have not come for a while. The main thread asks for it a few times a
    /// second: as long as anybody is connected, and after that until there is nothing left.
    fn tidy(&self, _now: Instant) -> Kept {
        Kept::Nothing
    }
}

/// What a handler has for a request.
#[derive(Debug)]
pub enum Answer {
    Response(Response),
    /// The response takes longer than others should wait for.
    Work(Box<dyn Work>),
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer::Response(response)
    }
}

/// What leads to a response in slices: between two of them others have their turns, and any worker has the next.
pub trait Work: Debug + Send {
    /// Goes on for a millisecond or two. A panic is answered with 500.
    fn go_on(self: Box<Self>) -> Answer;
}

/// What a handler still keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Nothing,
    Something,
}

impl<F> Handler for F
where
    F: Fn(&RequestHead<'_>, &Context) -> Response + Send + Sync + 'static,
{
    fn respond(&self, request: &RequestHead<'_>, context: &Context) -> Answer {
        self(request, context).into()
    }
}

/// What a handler is told beside the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Who asks: the other end of the connection.
    pub peer: Peer,
    /// The time of the request.
    pub now: SystemTime,
    /// By then the request had been received whole: what is seen after it is not too old to answer it.
    pub received: Instant,
}

/// What every turn needs to know, the same for all connections.
#[derive(Debug)]
pub struct Service<H> {
    pub handler: H,
    pub limits: Limits,
    pub drain: drain_request::DrainRequest,
    /// Field lines for every response.
    pub fields: Vec<FieldLine>,
    pub access_log: Option<AccessLog>,
    pub health: health::Health,
    pub watch: Option<Arc<watch::Watch>>,
}

/// What the main thread does, for who wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Whoever connects is answered.
    Serving,
    /// The drain has been asked for.
    Leaving,
}

/// Why a connection was closed: so that a line of the log leads to the few lines of the source that it may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The last response said so, and it was sent.
    Answered,
    /// The peer sent the end of the stream between two requests.
    PeerClosed,
    /// The peer sent the end of the stream in the middle of a head.
    PeerClosedInHead,
    /// The peer reset the connection.
    PeerReset,
    /// The peer took no byte of a response for too long.
    Stalled,
    /// Nothing was asked for too long.
    IdleTimeout,
    /// A TLS handshake did not come to its end in time.
    HandshakeTimeout,
    /// After an error, the peer went on sending for too long or too much.
    LingerSpent,
    /// Nothing was asked when the drain began.
    Drained,
    /// It was idle longest, and another needed its place.
    MadeRoom,
    /// The time for the drain was up.
    Cut,
    /// A file became shorter while it was sent.
    FileTruncated,
    /// The turn panicked.
    Panicked,
    /// The system failed.
    Failed(io::ErrorKind),
}

impl CloseReason {
    /// The reason behind an error of reading or writing.
    pub fn of(error: &io::Error) -> CloseReason {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => CloseReason::PeerReset,
            // The kernel has given up on the peer.
            io::ErrorKind::TimedOut => CloseReason::Stalled,
            kind => CloseReason::Failed(kind),
        }
    }

    /// Its place among [`NAMES`](CloseReason::NAMES).
    pub fn number(self) -> u32 {
        match self {
            CloseReason::Answered => 0,
            CloseReason::PeerClosed => 1,
            CloseReason::PeerClosedInHead => 2,
            CloseReason::PeerReset => 3,
            CloseReason::Stalled => 4,
            CloseReason::IdleTimeout => 5,
            CloseReason::HandshakeTimeout => 6,
            CloseReason::LingerSpent => 7,
            CloseReason::Drained => 8,
            CloseReason::MadeRoom => 9,
            CloseReason::Cut => 10,
            CloseReason::FileTruncated => 11,
            CloseReason::Panicked => 12,
            CloseReason::Failed(_) => 13,
        }
    }

    /// A name for each, for programs.
    pub const NAMES: [&str; 14] = [
        "answered",
        "peer_closed",
        "peer_closed_in_head",
        "peer_reset",
        "stalled",
        "idle_timeout",
        "handshake_timeout",
        "linger_spent",
        "drained",
        "made_room",
        "cut",
        "file_truncated",
        "panicked",
        "failed",
    ];

    /// Whether all that was promised has been sent: then the end may be announced.
    pub fn is_orderly(self) -> bool {
        match self {
            CloseReason::Answered
            | CloseReason::PeerClosed
            | CloseReason::PeerClosedInHead
            | CloseReason::IdleTimeout
            | CloseReason::Drained
            | CloseReason::MadeRoom => true,
            CloseReason::PeerReset
            | CloseReason::Stalled
            | CloseReason::HandshakeTimeout
            | CloseReason::LingerSpent
            | CloseReason::Cut
            | CloseReason::FileTruncated
            | CloseReason::Panicked
            | CloseReason::Failed(_) => false,
        }
    }
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CloseReason::Answered => out.write_str("answered"),
            CloseReason::PeerClosed => out.write_str("the peer closed it"),
            CloseReason::PeerClosedInHead => out.write_str("the peer closed it in the middle of a request head"),
            CloseReason::PeerReset => out.write_str("the peer reset it"),
            CloseReason::Stalled => out.write_str("the peer took nothing for too long"),
            CloseReason::IdleTimeout => out.write_str("idle for too long"),
            CloseReason::HandshakeTimeout => out.write_str("the handshake took too long"),
            CloseReason::LingerSpent => out.write_str("the peer went on sending after an error"),
            CloseReason::Drained => out.write_str("quiet when the server drained"),
            CloseReason::MadeRoom => out.write_str("idle longest, and another needed the place"),
            CloseReason::Cut => out.write_str("cut, because the time for the drain was up"),
            CloseReason::FileTruncated => out.write_str("the file became shorter while it was sent"),
            CloseReason::Panicked => out.write_str("the turn panicked"),
            CloseReason::Failed(kind) => write!(out, "the system failed: {kind}"),
        }
    }
}
