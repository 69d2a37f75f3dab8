//! A conversation: all that a client and a server say over one connection, by reads and writes that wait.
//!
//! The four servers beside this directory share it, so that they differ in one thing only: which thread, or process,
//! holds the conversation. What is said is millpond's own: heads are read and written by its `http` wing, and a
//! [`Handler`] answers, which its directory is like any other.
//!
//! *Invariant:* as long as it lasts it has its thread to itself. While the client says nothing, or takes nothing, the
//! thread waits. That is what makes it short, and what it costs.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use clap::Parser;
use millpond::http::bad_request::BadRequest;
use millpond::http::date;
use millpond::http::framing::Persistence;
use millpond::http::head::{HeadScan, Scanned};
use millpond::http::method::{Method, Version};
use millpond::http::request::{self, FieldStorage};
use millpond::http::response::{ConnectionOption, Content, Source, Stamp};
use millpond::observe::peer::Peer;
use millpond::server::{Answer, Context, Handler, Response};
use millpond::site::options::Options;
use millpond::site::respond::Site;

/// Serve a directory, with conversations that wait
#[derive(Parser)]
pub struct Arguments {
    /// Address to listen on; port 0 is any free one
    pub address: SocketAddr,
    /// Directory to serve
    pub directory: PathBuf,
}

/// For one read or one write. The client that lets it pass is gone, or as good as.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

impl Arguments {
    pub fn site(&self) -> io::Result<Site> {
        Site::open(&self.directory, Options::recommended())
    }

    /// Listens, and prints the address as millpond does.
    pub fn listen(&self) -> io::Result<TcpListener> {
        let listener = TcpListener::bind(self.address)?;
        // Whoever closed standard output doesn't want to know.
        let _ = writeln!(io::stdout(), "http://{}/", listener.local_addr()?);
        Ok(listener)
    }
}

/// Answers one request after the other until the client leaves, or is to leave. An error is the end of it as well.
pub fn hold(mut stream: TcpStream, handler: &impl Handler, wait_max: Duration) -> io::Result<()> {
    let peer = Peer::from(stream.peer_addr()?);
    stream.set_read_timeout(Some(wait_max))?;
    stream.set_write_timeout(Some(wait_max))?;
    // A head and its content are two writes; Nagle's algorithm would hold the second back for 40 ms.
    stream.set_nodelay(true)?;
    let mut received = Vec::new();
    while let Some(head) = read_head(&mut stream, &mut received)? {
        let answer = match head {
            Ok(length) => {
                let head: Vec<u8> = received.drain(..length).collect();
                answer(&head, peer, handler)
            }
            Err(bad) => Reply::refusal(bad),
        };
        let persistence = answer.persistence;
        answer.send(&mut stream)?;
        if persistence == Persistence::Close {
            return take_leave(stream);
        }
    }
    Ok(())
}

/// Reads until a whole head has been received, and says how long it is; none at the end of the stream.
fn read_head(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<Option<Result<usize, BadRequest>>> {
    let mut scan = HeadScan::new();
    let mut chunk = [0; 4096];
    loop {
        match scan.advance(received) {
            Ok(Scanned::Complete { head_length }) => return Ok(Some(Ok(head_length))),
            Ok(Scanned::Partial) => {}
            Err(bad) => return Ok(Some(Err(bad))),
        }
        match stream.read(&mut chunk)? {
            0 => return Ok(None),
            length => received.extend_from_slice(&chunk[..length]),
        }
    }
}

fn answer(head: &[u8], peer: Peer, handler: &impl Handler) -> Reply {
    let mut storage = FieldStorage::new();
    match request::parse(head, &mut storage) {
        Ok(request) => {
            let context = Context { peer, now: SystemTime::now(), received: Instant::now() };
            let mut answer = handler.respond(&request, &context);
            // Work comes in slices, for others to have their turns between two. Nobody else is here.
            let mut response = loop {
                match answer {
                    Answer::Response(response) => break response,
                    Answer::Work(work) => answer = work.go_on(),
                }
            };
            response.frame_for(request.version);
            let persistence = match request.version {
                // Where there is neither a length nor a chunk, the end of the connection is the end of the content.
                Version::Http10 if response.has_unknown_length() => Persistence::Close,
                Version::Http10 | Version::Http11 => request.persistence,
            };
            Reply { response, method: request.method, version: request.version, persistence }
        }
        Err(bad) => Reply::refusal(bad),
    }
}

/// A response, and what of the request decides how it is sent.
struct Reply {
    response: Response,
    method: Method,
    version: Version,
    persistence: Persistence,
}

impl Reply {
    /// After what is no request nothing can be told from what follows: the connection ends.
    fn refusal(bad: BadRequest) -> Reply {
        let response = Response::error(bad.status(), bad);
        Reply { response, method: Method::Get, version: Version::Http11, persistence: Persistence::Close }
    }

    fn send(self, stream: &mut TcpStream) -> io::Result<()> {
        let connection = match (self.persistence, self.version) {
            (Persistence::Close, _) => ConnectionOption::Close,
            (Persistence::KeepAlive, Version::Http10) => ConnectionOption::KeepAlive,
            (Persistence::KeepAlive, Version::Http11) => ConnectionOption::Unsaid,
        };
        let mut head = Vec::new();
        self.response.encode_head(Stamp { date: &date::render(SystemTime::now()), extra: &[], connection }, &mut head);
        stream.write_all(&head)?;
        match self.response.into_content() {
            // The same head as for GET, and nothing behind it (RFC 9110 §9.3.2).
            _ if self.method == Method::Head => Ok(()),
            Content::None => Ok(()),
            Content::Bytes(bytes) => stream.write_all(&bytes),
            Content::Slice { source, first, length } => send_slice(stream, &source, first, length),
            Content::Multipart { source, parts } => {
                for part in parts.parts() {
                    stream.write_all(&part.preamble)?;
                    send_slice(stream, &source, part.range.first(), part.range.len())?;
                }
                stream.write_all(&parts.closing())
            }
            Content::Pieces(mut pieces) => {
                let mut piece = Vec::new();
                while !pieces.is_done() {
                    piece.clear();
                    pieces.write_next(&mut piece);
                    stream.write_all(&piece)?;
                }
                Ok(())
            }
        }
    }
}

/// `length` bytes from `first` on, or an error: never fewer, so that the next head is where the client expects it.
fn send_slice(stream: &mut TcpStream, source: &Source<Arc<File>>, first: u64, length: u64) -> io::Result<()> {
    match source {
        Source::Memory(bytes) => {
            let bytes = usize::try_from(first).ok().and_then(|first| bytes.get(first..)).unwrap_or_default();
            let bytes = usize::try_from(length).ok().and_then(|length| bytes.get(..length));
            stream.write_all(bytes.ok_or(io::ErrorKind::UnexpectedEof)?)
        }
        Source::Opened(file) => {
            let (mut offset, end) = (first, first + length);
            while offset < end {
                let left = usize::try_from(end - offset).unwrap_or(usize::MAX);
                if rustix::fs::sendfile(&mut *stream, file, Some(&mut offset), left)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Ok(())
        }
    }
}

/// Closing at once what the client still sends on would reset the connection, and could take the answer with it.
fn take_leave(stream: TcpStream) -> io::Result<()> {
    const DISCARDED_MAX: u64 = 64 * 1024;
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    io::copy(&mut stream.take(DISCARDED_MAX), &mut io::sink()).map(drop)
}
