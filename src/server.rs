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
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Instant;

use crate::config::Limits;
use crate::engine::channel::Channels;
use crate::engine::drain_request::DrainRequest;
use crate::engine::health::Health;
use crate::engine::mill::Mill;
use crate::engine::send_queue::SendQueues;
use crate::engine::watch::Watch;
use crate::engine::{self, Service, accept, listen, receipt};
use crate::http::field_line::FieldLine;
use crate::http::request::RequestHead;
use crate::observe::access_log::AccessLog;
use crate::observe::proxies::Proxies;
use crate::site::cache;
use crate::site::listing::Listing;
use crate::site::respond::{Reply, Site};

#[cfg(feature = "tls")]
pub use crate::engine::certificate::{Tls, TlsError};
pub use crate::engine::drain::Drained;
pub use crate::engine::drain_request::DrainHandle;
pub use crate::engine::listen::{Address, BindError, Listener};
pub use crate::engine::{Answer, Context, Handler, Kept, Response, Stage, Work};

/// A server that is bound to its addresses and not yet running: clients can connect, and wait.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Listener>,
    limits: Limits,
    drain: DrainRequest,
    send_queues: SendQueues,
    channels: Channels,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    fields: Vec<FieldLine>,
    access_log: Option<AccessLog>,
    health: Health,
    watch: Option<Arc<Watch>>,
}

impl Server {
    /// Binds the addresses; port 0 is any free one, and the same for all that have 0.
    ///
    /// # Errors
    /// When one of them is in use, not of this machine, or not for this user.
    pub fn bind(addresses: &[SocketAddr], limits: Limits) -> Result<Server, BindError> {
        let unbound = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let first = addresses.first().copied().unwrap_or(unbound);
        let listeners = listen::listen_all(addresses)?;
        Server::on(listeners, limits).map_err(|cause| BindError { address: Address::Ip(first), cause })
    }

    /// The same on sockets that listen already.
    ///
    /// # Errors
    /// When the system is out of descriptors.
    pub fn on(listeners: Vec<Listener>, limits: Limits) -> io::Result<Server> {
        let (limits, drain, send_queues) = (limits.clamped(), DrainRequest::new()?, SendQueues::open());
        let (fields, access_log, health) = (Vec::new(), None, Health::Untold);
        Ok(Server {
            listeners,
            limits,
            drain,
            send_queues,
            channels: Channels::default(),
            #[cfg(feature = "tls")]
            tls: None,
            fields,
            access_log,
            health,
            watch: None,
        })
    }

    /// The bound IP addresses, ports filled in.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        let ip = |listener: &Listener| match listener.address() {
            Address::Ip(address) => Some(*address),
            Address::Unix(_) => None,
        };
        self.listeners.iter().filter_map(ip).collect()
    }

    /// Where it listens, in the order of the listeners.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.listeners.iter().map(Listener::address)
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

    /// Answers `/.millpond/health` before the handler is asked: 200, and 503 from the request for the drain on.
    #[must_use]
    pub fn with_health(mut self) -> Server {
        self.health = Health::Told;
        self
    }

    /// Writes down what its threads do, and shows it under `/.millpond/`: to this machine, and to those who are named.
    #[must_use]
    pub fn with_watch(mut self, from: Proxies) -> Server {
        let backlogs =
            self.listeners.iter().filter_map(|listener| Some((listener.address().to_string(), listener.backlog()?)));
        self.listeners.iter().for_each(receipt::stamp);
        self.watch =
            Some(Arc::new(Watch::new(self.limits.workers, self.limits.connections_max, from, backlogs.collect())));
        self
    }

    /// Speaks TLS on all addresses.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Server {
        self.channels.tls = Some(tls.certificate());
        self.tls = Some(tls);
        self
    }

    /// What stands before an address in a browser.
    pub fn scheme(&self) -> &'static str {
        if self.channels.is_secure() { "https" } else { "http" }
    }

    /// Directories beneath which the server itself has to read while it runs, whatever the handler does.
    pub fn directories(&self) -> Vec<BorrowedFd<'_>> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return tls.directories().collect();
        }
        Vec::new()
    }

    /// Serves on this thread and the workers' until it is drained, and says how that went.
    ///
    /// # Errors
    /// When the system refuses the threads or descriptors that it needs from the start.
    pub fn run(self, handler: impl Handler) -> io::Result<Drained> {
        self.run_and_tell(handler, |_| {})
    }

    /// The same, and tells this thread's part in it, on this thread.
    ///
    /// # Errors
    /// As [`run`](Server::run).
    pub fn run_and_tell(self, handler: impl Handler, mut tell: impl FnMut(Stage)) -> io::Result<Drained> {
        let Server { listeners, mut limits, drain, send_queues, channels, fields, access_log, health, watch, .. } =
            self;
        let fit = listen::connections_that_fit();
        if fit < limits.connections_max {
            log::warn!(
                "{} connections don't fit under the limit on descriptors (ulimit -n): {fit} it is",
                limits.connections_max
            );
            limits.connections_max = fit;
        }
        #[cfg(feature = "tls")]
        self.tls.as_ref().map_or(Ok(()), Tls::start_renewing)?;
        let service = Service { handler, limits, drain, fields, access_log, health, watch: None };
        let Some(watch) = watch else {
            let mill = Arc::new(Mill::new(service, send_queues, channels)?);
            return accept::run(&mill, listeners, &mut tell);
        };
        let service = service.watched(Arc::clone(&watch));
        let mill = Arc::new(Mill::new(service, send_queues, channels)?);
        let seen = Arc::downgrade(&mill);
        watch.see(move || seen.upgrade().map(|mill| mill.look()));
        accept::run(&mill, listeners, &mut tell)
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
