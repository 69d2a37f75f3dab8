//! A client of raw bytes: it sends what it is told, to the byte, and takes nothing for granted of what comes back.
//!
//! *Invariant:* no read or write lasts longer than [`PATIENCE`].

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::PATIENCE;
use super::response::{Response, find, show};
use super::server::Server;

/// In how many parts the patience for a read is counted: a machine that stood still for long uses up one of them, and
/// not what the server had to answer in.
const SILENCES: u32 = 10;

/// One connection, with the bytes that have come and that no response has used yet.
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub fn connect(server: &Server) -> Client {
        Client::connect_to(server.address())
    }

    pub fn connect_to(address: SocketAddr) -> Client {
        Client::try_connect(address).expect("the server takes a connection")
    }

    /// The same, for a test that expects a refusal.
    pub fn try_connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE / SILENCES))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // Every send of a test is one segment of its own, at once: that is what the split tests rely on.
        stream.set_nodelay(true)?;
        Ok(Client { stream, unread: Vec::new() })
    }

    /// The socket itself, for options that only one test wants.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// Sends all the bytes.
    ///
    /// # Panics
    /// When the server does not take them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the server takes the bytes");
    }

    /// The same, for a test in which the server may have closed meanwhile.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Says that no byte will follow (FIN), and still reads.
    pub fn finish_sending(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("a connected socket can be shut down");
    }

    /// The next response, framed as one to a request of this method (RFC 9112 §6.3).
    pub fn response(&mut self, method: &str) -> Response {
        let mut response = self.head();
        if response.is_chunked() && method != "HEAD" {
            response.content = self.chunks();
        } else {
            let length = response.framed_length(method);
            response.content = self.take(length);
        }
        response
    }

    /// Content in chunks, up to the empty one (RFC 9112 §7.1): no extension, no trailer.
    fn chunks(&mut self) -> Vec<u8> {
        let mut content = Vec::new();
        loop {
            let mut size = self.take(2);
            while !size.ends_with(b"\r\n") {
                size.extend(self.take(1));
            }
            let digits = str::from_utf8(&size[..size.len() - 2]).expect("a size is text");
            let size = usize::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{digits:?} is no chunk size"));
            let chunk = self.take(size + 2);
            content.extend_from_slice(chunk.strip_suffix(b"\r\n").expect("a chunk ends with its line"));
            if size == 0 {
                return content;
            }
        }
    }

    /// The next response; none if the server closes before it is whole.
    pub fn response_or_close(&mut self, method: &str) -> Option<Response> {
        while find(&self.unread, b"\r\n\r\n").is_none() {
            if !self.grows() {
                return None;
            }
        }
        let mut response = self.head();
        let length = response.framed_length(method);
        while self.unread.len() < length {
            if !self.grows() {
                return None;
            }
        }
        response.content = self.take(length);
        Some(response)
    }

    /// The head of the next response only; its content is still to be read, with [`Client::take`] or
    /// [`Client::read_to_end`].
    pub fn head(&mut self) -> Response {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return Response::parse(head);
            }
            let before = self.unread.len();
            self.fill();
            assert!(self.unread.len() > before, "closed before a response head was whole: {}", show(&self.unread));
        }
    }

    /// Exactly so many bytes.
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length {
            let before = self.unread.len();
            self.fill();
            assert!(self.unread.len() > before, "closed {} of {length} bytes into the content", self.unread.len());
        }
        self.unread.drain(..length).collect()
    }

    /// Everything that still comes until the server closes, however it closes.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        loop {
            let before = self.unread.len();
            self.fill();
            if self.unread.len() == before {
                return std::mem::take(&mut self.unread);
            }
        }
    }

    /// The server closes within [`PATIENCE`] (FIN or RST), and not one byte more has come.
    pub fn expect_closed(mut self) {
        let rest = self.read_to_end();
        assert!(rest.is_empty(), "bytes after the last response: {}", show(&rest));
    }

    /// Nothing has come, and nothing is there to be read at this moment (no wait: an answer under way is not seen).
    pub fn has_nothing_to_read(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("sockets can be non-blocking");
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("sockets can be blocking");
        self.unread.is_empty() && peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Sends a request and returns its answer, over this connection.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send(&request);
        self.response(&method_of(request.as_ref()))
    }

    /// Reads once, and says whether anything came.
    fn grows(&mut self) -> bool {
        let before = self.unread.len();
        self.fill();
        self.unread.len() > before
    }

    /// Reads once; no more bytes than before means that the server has closed.
    fn fill(&mut self) {
        let mut chunk = [0; 64 * 1024];
        let mut silences = 0;
        loop {
            match self.stream.read(&mut chunk) {
                Ok(read) => return self.unread.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
                Err(error) if error.kind() == ErrorKind::WouldBlock && silences + 1 < SILENCES => silences += 1,
                Err(error) => panic!("nothing came for {PATIENCE:?} ({error}) after {}", show(&self.unread)),
            }
        }
    }
}

/// Sends the bytes over a connection of their own and returns every response until the server closes, which it must do
/// by itself.
pub fn exchange(server: &Server, bytes: impl AsRef<[u8]>) -> Vec<Response> {
    let mut client = Client::connect(server);
    // The server may answer and close before it has taken everything; what it answered is there all the same.
    let _ = client.try_send(&bytes);
    let mut methods = methods_of(bytes.as_ref()).into_iter();
    let mut responses = Vec::new();
    loop {
        if client.unread.is_empty() {
            client.fill();
        }
        if client.unread.is_empty() {
            return responses;
        }
        let method = methods.next().unwrap_or_else(|| panic!("more responses than requests: {}", show(&client.unread)));
        responses.push(client.response(&method));
    }
}

/// Sends one request over a connection of its own, and holds the server to what the answer says about the connection:
/// after `Connection: close` it closes and not a byte follows; without it, another request on the connection is
/// answered.
pub fn ask(server: &Server, request: impl AsRef<[u8]>) -> Response {
    let mut client = Client::connect(server);
    let response = client.ask(&request);
    if response.closes() {
        client.expect_closed();
    } else {
        let probe = client.ask("OPTIONS * HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n");
        assert_eq!(probe.status, 204, "a connection that was not announced closed answers again");
        client.expect_closed();
    }
    response
}

/// A GET of HTTP/1.1 with these further field lines, each ended by CRLF.
pub fn get(target: &str, more_fields: &str) -> Vec<u8> {
    request("GET", target, more_fields)
}

/// The same with any method.
pub fn request(method: &str, target: &str, more_fields: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: millpond.test\r\n{more_fields}\r\n").into_bytes()
}

/// The method of the request that the bytes begin with.
fn method_of(bytes: &[u8]) -> String {
    methods_of(bytes).into_iter().next().unwrap_or_default()
}

/// The first word of each head in the bytes.
fn methods_of(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let heads = text.split("\r\n\r\n").map(str::trim_start);
    heads.map(|head| head.split(' ').next().unwrap_or_default().to_owned()).collect()
}
