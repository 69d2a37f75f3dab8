//! A request that is being answered, and the response under way, with what is to be done at its end.
//!
//! *Invariant:* an [`Exchange`] only exists with its head encoded and its small content read, so that from here on only
//! the client can hold it up; and its line in the access log is written once, when it ends, however it ends.

use std::io;
use std::time::{Duration, Instant};

use super::desk::{Desk, Input};
use super::notes::{Remembered, Whose};
use super::transfer::Transfer;
use super::{Answer, Handler, Response, Service, Work};
use crate::config;
use crate::http::field::Fields;
use crate::http::framing::{Body, Persistence};
use crate::http::head;
use crate::http::method::{Method, Version};
use crate::http::pieces::Framing;
use crate::http::request::RequestHead;
use crate::http::request_line;
use crate::http::response::{ConnectionOption, Content, Stamp};
use crate::http::status::Status;
use crate::observe::access_log::{Entry, Record};
use crate::observe::peer::Peer;

/// What has to be known of a request until its response begins.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub method: Method,
    pub version: Version,
    persistence: Persistence,
    body: Body,
}

/// A request that is worked on, and has used up its bytes; no byte of its response exists.
#[derive(Debug)]
pub struct Errand {
    asked: Asked,
    record: Option<Box<Record>>,
    /// When its turn came for the first time.
    pub since: Instant,
    /// None while a slice of it is being done, and so after one that panicked.
    work: Option<Box<dyn Work>>,
}

impl Errand {
    pub fn begin(asked: Asked, record: Option<Box<Record>>, work: Box<dyn Work>, now: Instant) -> Errand {
        Errand { asked, record, since: now, work: Some(work) }
    }

    /// Does a slice; gives the response when that was the last.
    pub fn go_on(&mut self) -> Option<Response> {
        match self.work.take()?.go_on() {
            Answer::Work(work) => {
                self.work = Some(work);
                None
            }
            Answer::Response(response) => Some(response),
        }
    }

    /// What the response is to, and its line: once.
    pub fn finish(&mut self) -> (Asked, Option<Box<Record>>) {
        (self.asked, self.record.take())
    }
}

impl Asked {
    #[inline(always)]
    pub fn of(request: &RequestHead<'_>) -> Asked {
        let RequestHead { method, version, persistence, body, .. } = *request;
        Asked { method, version, persistence, body }
    }

    /// Whether nothing but the end of the connection can say where the response ends.
    fn is_ended_by_closing(&self, response: &Response) -> bool {
        response.has_unknown_length() && Framing::for_version(self.version) == Framing::UntilClose
    }

    /// What comes after the response, with `behind` received behind its request.
    #[inline(always)]
    pub fn then<H>(
        &self,
        response: &Response,
        whose: Whose,
        behind: &[u8],
        input: &Input,
        service: &Service<H>,
    ) -> Then {
        let drain = &service.drain;
        let leaving = drain.is_made() && !head::is_complete(behind) && !drain.watchers.may_stay(whose);
        let last = leaving || self.is_ended_by_closing(response);
        let quiet = behind.is_empty() && input.is_drained() && self.body == Body::None;
        match self.persistence {
            Persistence::KeepAlive if !last => Then::NextRequest,
            Persistence::Close if quiet => Then::Close,
            // Nobody is to wait for what it may still send.
            Persistence::KeepAlive if quiet && whose == Whose::Observer => Then::Close,
            // One that expected the connection to go on may send more before it reads that it doesn't.
            Persistence::KeepAlive | Persistence::Close => Then::Linger,
        }
    }
}

/// A response under way.
#[derive(Debug)]
pub struct Exchange {
    pub transfer: Transfer,
    head_length: u64,
    pub status: Status,
    pub remembered: Remembered,
    record: Option<Box<Record>>,
    pub then: Then,
    /// What the client had not taken when the kernel was last asked, if it was since the last write.
    pub untaken: Option<u32>,
}

/// What comes after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    NextRequest,
    /// Nothing can be on its way from the client.
    Close,
    /// The client may be sending, or has sent what won't be read.
    Linger,
}

impl Then {
    /// What the response says of it to a client of that version.
    pub fn said_to(self, version: Version) -> ConnectionOption {
        match (self, version) {
            (Then::NextRequest, Version::Http10) => ConnectionOption::KeepAlive,
            (Then::NextRequest, Version::Http11) => ConnectionOption::Unsaid,
            (Then::Close | Then::Linger, Version::Http10 | Version::Http11) => ConnectionOption::Close,
        }
    }
}

/// What is said about the end of a response, and done.
#[derive(Debug)]
pub struct Ending {
    pub option: ConnectionOption,
    pub then: Then,
    /// Whose client is to find the end of content of unknown length.
    pub version: Version,
    pub record: Option<Box<Record>>,
}

impl Exchange {
    /// Encodes the head, and gets the content ready. A file that can't be read becomes a 500; `None` if it would have to
    /// be waited for, and there is no patience for that.
    pub fn prepare<H: Handler>(
        mut response: Response,
        method: Method,
        ending: Ending,
        desk: &mut Desk,
        service: &Service<H>,
    ) -> Option<Exchange> {
        let status = response.status();
        if response.has_unknown_length() {
            response.frame_for(ending.version);
        }
        let mut head = desk.take_output();
        let stamp = Stamp { date: &desk.date, extra: &service.fields, connection: ending.option };
        response.encode_head(stamp, &mut head);
        let head_length = u64::try_from(head.len()).expect("a length fits 64 bits");
        let content = if method == Method::Head { Content::None } else { response.into_content() };
        let Ending { then, record, .. } = ending;
        match Transfer::new(head, content, desk.patience) {
            Ok(transfer) => {
                let mut record = record;
                let remembered = desk.note_answered::<H>(status, &mut record);
                Some(Exchange { transfer, head_length, status, remembered, record, then, untaken: None })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => {
                log::error!("a file can't be read: {error}");
                let sorry = Response::error(Status::INTERNAL_SERVER_ERROR, "the file can't be read");
                Some(Exchange::apology(sorry, method, record, desk, service))
            }
        }
    }

    /// An answer to what is no request; nothing that follows is taken for one. A client that meant to send HEAD reads no
    /// content whatever the status (RFC 9110 §9.3.2).
    pub fn refuse<H: Handler>(response: Response, peer: Peer, desk: &mut Desk, service: &Service<H>) -> Exchange {
        let unread = desk.seat.input.unread();
        let record = service.record(peer, desk, unread, None);
        let method = if request_line::of(unread).starts_with(b"HEAD ") { Method::Head } else { Method::Get };
        Exchange::apology(response, method, record, desk, service)
    }

    /// An answer that says what went wrong, and after which nothing is taken for a request.
    pub fn apology<H: Handler>(
        response: Response,
        method: Method,
        record: Option<Box<Record>>,
        desk: &mut Desk,
        service: &Service<H>,
    ) -> Exchange {
        let version = Version::Http11;
        let ending = Ending { option: ConnectionOption::Close, then: Then::Linger, version, record };
        Exchange::prepare(response, method, ending, desk, service).expect("an error is answered from memory")
    }
}

impl<H> Service<H> {
    /// The line of the access log for a response to `head`, as far as it is known before its end; without fields where
    /// no head could be read.
    pub fn record(&self, peer: Peer, desk: &Desk, head: &[u8], fields: Option<Fields<'_>>) -> Option<Box<Record>> {
        let log = self.access_log.as_ref()?;
        let client = log.client(peer, fields.as_ref());
        let entry = Entry::new(client, desk.wall, request_line::of(head), fields);
        Some(Box::new(log.begin(&entry, desk.now)))
    }

    /// Writes the line, now that it is known how much of the response went out.
    pub fn log(&self, exchange: &mut Exchange) {
        if let (Some(log), Some(record)) = (&self.access_log, exchange.record.take()) {
            log.finish(*record, exchange.status, exchange.transfer.sent().saturating_sub(exchange.head_length));
        }
    }

    /// How long a quiet connection is kept while draining: not as long as the drain itself.
    pub fn drain_grace(&self) -> Duration {
        config::DRAIN_GRACE.min(self.limits.drain_timeout / 2)
    }

    /// How long until a response that waits for room is looked at. While draining no longer than a quiet connection is
    /// kept, so that it isn't hurried again at every sweep.
    pub fn stall_check_interval(&self) -> Duration {
        let interval = if self.drain.has_begun() { config::DRAIN_GRACE } else { config::STALL_CHECK_INTERVAL };
        interval.min(self.limits.stall_timeout / 4)
    }
}
