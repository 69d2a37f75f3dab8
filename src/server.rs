//! The hall: listeners, engine and handler joined. This is the library's face.
//!
//! ```no_run
//! use millpond::config::Limits;
//! use millpond::http::{request::RequestHead, status::Status};
//! use millpond::server::{Context, Response, Server};
//!
//! let server = Server::bind(&["127.0.0.1:8080".parse()?], Limits::recommended())?;
//! server.run(|_: &RequestHead<'_>, context: &Context| Response::text(Status::OK, format!("hello, {}", context.peer)))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! *Architecture invariant:* this is the only room, beside `main`, that knows both the files and the machinery.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Instant;

use crate::config::Limits;
use crate::engine::drain_request::DrainRequest;
use crate::engine::mill::Mill;
use crate::engine::send_queue::SendQueues;
use crate::engine::{self, Service, accept, listen};
use crate::http::field_line::FieldLine;
use crate::http::request::RequestHead;
use crate::observe::access_log::AccessLog;
use crate::site::cache;
use crate::site::listing::Listing;
use crate::site::respond::{Reply, Site};

pub use crate::engine::drain::Drained;
pub use crate::engine::drain_request::DrainHandle;
pub use crate::engine::{Answer, Context, Handler, Kept, Response, Work};

/// A server that is bound to its addresses and not yet running: clients can connect, and wait.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    limits: Limits,
    drain: DrainRequest,
    send_queues: SendQueues,
    fields: Vec<FieldLine>,
    access_log: Option<AccessLog>,
}

/// An address that can't be had.
#[derive(Debug)]
pub struct BindError {
    pub address: SocketAddr,
    pub cause: io::Error,
}

impl Server {
    /// Binds the addresses; port 0 is any free one, and the same for all that have 0.
    ///
    /// # Errors
    /// When one of them is in use, not of this machine, or not for this user.
    pub fn bind(addresses: &[SocketAddr], limits: Limits) -> Result<Server, BindError> {
        let limits = limits.clamped();
        let mut listeners = Vec::with_capacity(addresses.len());
        let mut bound: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
        for &(mut address) in addresses {
            if let (0, Some(first)) = (address.port(), bound.first().map(SocketAddr::port)) {
                address.set_port(first);
            }
            let failed = |cause| BindError { address, cause };
            let listener = listen::listen(address, addresses).map_err(failed)?;
            bound.push(listener.local_addr().map_err(failed)?);
            listeners.push(listener);
        }
        let unbound = SocketAddr::from(([0, 0, 0, 0], 0));
        let drain = DrainRequest::new()
            .map_err(|cause| BindError { address: addresses.first().copied().unwrap_or(unbound), cause })?;
        let send_queues = SendQueues::open();
        Ok(Server { listeners, addresses: bound, limits, drain, send_queues, fields: Vec::new(), access_log: None })
    }

    /// The bound addresses, ports filled in.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What ends the server, to be kept before [`run`](Server::run).
    pub fn drain_handle(&self) -> DrainHandle {
        self.drain.handle()
    }

    /// Adds field lines to every response.
    #[must_use]
    pub fn with_fields(mut self, fields: Vec<FieldLine>) -> Server {
        self.fields = fields;
        self
    }

    /// Writes a line for every response.
    #[must_use]
    pub fn with_access_log(mut self, access_log: AccessLog) -> Server {
        self.access_log = Some(access_log);
        self
    }

    /// Serves on this thread and the workers' until it is drained, and says how that went.
    ///
    /// # Errors
    /// When the system refuses the threads or descriptors that it needs from the start.
    pub fn run(self, handler: impl Handler) -> io::Result<Drained> {
        let Server { listeners, mut limits, drain, send_queues, fields, access_log, .. } = self;
        let fit = listen::connections_that_fit();
        if fit < limits.connections_max {
            log::warn!(
                "{} connections don't fit under the limit on descriptors (ulimit -n): {fit} it is",
                limits.connections_max
            );
            limits.connections_max = fit;
        }
        let service = Service { handler, limits, drain, fields, access_log };
        let mill = Mill::new(service, send_queues)?;
        accept::run(&Arc::new(mill), listeners)
    }
}

/// A listing is a piece of work: the engine has it go on until there is a response.
impl engine::Work for Listing {
    fn go_on(self: Box<Self>) -> Answer {
        Listing::go_on(self).into()
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Answer {
        match reply {
            Reply::Response(response) => Answer::Response(response),
            Reply::Listing(listing) => Answer::Work(listing),
        }
    }
}

/// A directory is a handler like any other.
impl engine::Handler for Site {
    fn respond(&self, request: &RequestHead<'_>, context: &Context) -> Answer {
        Site::respond(self, request, context.now, context.received).into()
    }

    fn respond_from_memory(&self, request: &RequestHead<'_>, context: &Context) -> Option<Response> {
        Site::respond_from_memory(self, request, context.now, context.received)
    }

    fn tidy(&self, now: Instant) -> Kept {
        match Site::tidy(self, now) {
            cache::Kept::Nothing => Kept::Nothing,
            cache::Kept::Something => Kept::Something,
        }
    }
}

impl std::fmt::Display for BindError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "can't listen on {}: {}", self.address, self.cause)
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
