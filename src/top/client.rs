//! Asks a server for its status, over one connection.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use super::host;
use crate::cli::top::Watched;
use crate::config;

/// A connection to a server that is watched.
pub struct Client {
    watched: Watched,
    stream: Box<dyn Stream>,
}

/// What is asked through.
trait Stream: Read + Write {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

/// Why there is nothing to be seen.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody answers.
    Unreachable { address: String, cause: io::Error },
    /// The server doesn't show itself, or not to us.
    NotShown { address: String, status: u16 },
    /// What came is no status of a millpond.
    Unreadable { address: String },
}

impl Client {
    /// # Errors
    /// When nobody listens there.
    pub fn connect(watched: &Watched) -> Result<Client, ClientError> {
        let unreachable = |cause| ClientError::Unreachable { address: watched.to_string(), cause };
        let patience = Some(config::TOP_PATIENCE);
        let stream: Box<dyn Stream> = match watched {
            Watched::Tcp(address) => {
                let stream = TcpStream::connect(address).map_err(unreachable)?;
                stream.set_read_timeout(patience).map_err(unreachable)?;
                Box::new(stream)
            }
            Watched::Unix(path) => {
                let stream = UnixStream::connect(path).map_err(unreachable)?;
                stream.set_read_timeout(patience).map_err(unreachable)?;
                Box::new(stream)
            }
        };
        Ok(Client { watched: watched.clone(), stream })
    }

    /// How it is now.
    ///
    /// # Errors
    /// When the server doesn't answer, doesn't tell, or isn't a millpond.
    pub fn status(&mut self) -> Result<Value, ClientError> {
        let host = host(&self.watched);
        let request = format!("GET /.millpond/status.json HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let address = self.watched.to_string();
        let unreadable = || ClientError::Unreadable { address: address.clone() };
        let unreachable = |cause| ClientError::Unreachable { address: address.clone(), cause };
        self.stream.write_all(request.as_bytes()).map_err(unreachable)?;
        let mut received = Vec::new();
        loop {
            match content(&received) {
                Framed::Whole(200, content) => return serde_json::from_slice(content).map_err(|_| unreadable()),
                Framed::Whole(status, _) => return Err(ClientError::NotShown { address, status }),
                Framed::Not => return Err(unreadable()),
                Framed::Partial if received.len() > config::TOP_BYTES_MAX => return Err(unreadable()),
                Framed::Partial => {}
            }
            let mut buffer = [0; 64 * 1024];
            match self.stream.read(&mut buffer).map_err(unreachable)? {
                0 => return Err(unreachable(io::ErrorKind::UnexpectedEof.into())),
                count => received.extend_from_slice(&buffer[..count]),
            }
        }
    }
}

/// How much of a response has come.
enum Framed<'r> {
    Partial,
    Whole(u16, &'r [u8]),
    /// It is none, or not framed by its length as a millpond does.
    Not,
}

fn content(received: &[u8]) -> Framed<'_> {
    let mut lines = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut lines);
    let head_length = match response.parse(received) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Framed::Partial,
        Err(_) => return Framed::Not,
    };
    let length = response.headers.iter().find(|line| line.name.eq_ignore_ascii_case("Content-Length"));
    let length = length.and_then(|line| str::from_utf8(line.value).ok()?.parse::<usize>().ok());
    let (Some(status), Some(length)) = (response.code, length) else { return Framed::Not };
    let content = &received[head_length..];
    if content.len() < length { Framed::Partial } else { Framed::Whole(status, &content[..length]) }
}

impl Display for ClientError {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Unreachable { address, cause } => write!(out, "can't ask {address}: {cause}"),
            ClientError::NotShown { address, status } => write!(
                out,
                "{address} shows nothing ({status}): start that server with --watch, and ask from its machine, or have \
                 it name this one with --watch-from"
            ),
            ClientError::Unreadable { address } => write!(out, "{address} is no millpond: what it says can't be read"),
        }
    }
}

impl Error for ClientError {}
