//! A client of raw bytes: it sends what it is told, to the byte, and believes nothing of what comes back.
//!
//! *Invariant:* no read, write or connect lasts longer than the patience it was given.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// How long an answer may take before the server counts as hung.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// One connection, with what has come and no answer has used yet.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    /// Whether the end came as RST.
    reset: bool,
}

/// One response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// With its empty line.
    pub head: Vec<u8>,
    pub content: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        Client::over(stream)
    }

    /// One that takes little before somebody reads: what is sent beyond that stays with the server.
    pub fn connect_narrow(address: SocketAddr) -> io::Result<Client> {
        const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // Before connecting, for the window is agreed on there.
        sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER_BYTES)?;
        rustix::net::connect(&socket, &address)?;
        Client::over(TcpStream::from(socket))
    }

    /// One over a connection that is there already.
    pub fn over(stream: TcpStream) -> io::Result<Client> {
        stream.set_nodelay(true)?;
        // However this ends it leaves no port behind in TIME_WAIT: ten thousand would run out of ports.
        sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        let client = Client { stream, unread: Vec::new(), reset: false };
        client.set_patience(PATIENCE)?;
        Ok(client)
    }

    pub fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(patience))?;
        self.stream.set_write_timeout(Some(patience))
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends a request (not HEAD) and reads its whole answer.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> io::Result<Answer> {
        self.send(request)?;
        self.answer()
    }

    /// The next answer, whole. When patience ends before it does, what has come of it is kept, and it can be asked for
    /// again.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head()?;
        let content = match answer.length() {
            Some(length) => self.take(length),
            None => self.read_to_end(),
        };
        match content {
            Ok(content) => answer.content = content,
            Err(error) => {
                self.unread.splice(..0, answer.head);
                return Err(error);
            }
        }
        Ok(answer)
    }

    /// The head of the next answer; its content is still to be read.
    pub fn head(&mut self) -> io::Result<Answer> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let head: Vec<u8> = self.unread.drain(..end + 4).collect();
                return Answer::of_head(head);
            }
            if !self.fill()? {
                return Err(self.ended("before an answer's head was whole"));
            }
        }
    }

    /// Exactly so many bytes.
    pub fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            if !self.fill()? {
                return Err(self.ended("within an answer's content"));
            }
        }
        Ok(self.unread.drain(..length).collect())
    }

    /// All that still comes until the server closes, however it does.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? {}
        Ok(self.take_unread())
    }

    /// What has come and nobody has taken.
    pub fn take_unread(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    /// Reads once; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 64 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(read) => {
                self.unread.extend_from_slice(&chunk[..read]);
                Ok(read > 0)
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                self.reset = true;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn ended(&self, when: &str) -> io::Error {
        if self.reset {
            io::Error::new(ErrorKind::ConnectionReset, format!("reset {when}"))
        } else {
            io::Error::new(ErrorKind::UnexpectedEof, format!("closed {when}"))
        }
    }
}

impl Answer {
    fn of_head(head: Vec<u8>) -> io::Result<Answer> {
        let code = head.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.try_into().ok());
        let status = code.and_then(|code: [u8; 3]| std::str::from_utf8(&code).ok()?.parse().ok());
        match status {
            Some(status) => Ok(Answer { status, head, content: Vec::new() }),
            None => Err(io::Error::new(ErrorKind::InvalidData, "an answer without a status line")),
        }
    }

    /// The value of the first field line of that name, in lower case.
    pub fn field(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(&self.head);
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    }

    pub fn closes(&self) -> bool {
        match self.field("connection") {
            Some(option) => option.eq_ignore_ascii_case("close"),
            None => self.head.starts_with(b"HTTP/1.0"),
        }
    }

    /// Bytes of content; none where only the end of the connection tells.
    fn length(&self) -> Option<usize> {
        match self.status {
            100..200 | 204 | 304 => Some(0),
            _ => self.field("content-length").and_then(|length| length.parse().ok()),
        }
    }
}

/// One request on a connection of its own.
pub fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> io::Result<Answer> {
    Client::connect(address)?.ask(request)
}

/// A GET that keeps the connection.
pub fn get(target: &str) -> String {
    get_with(target, "")
}

/// The same with further field lines, each ended by CRLF.
pub fn get_with(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: siege.test\r\n{fields}\r\n")
}

pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
