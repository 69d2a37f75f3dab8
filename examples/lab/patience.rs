//! Asking, and telling an answer that is late from one that doesn't come.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use crate::client::{self, Client, PATIENCE};

/// How long all threads of a server have to sleep until an answer is taken not to come. One that is under way, between
/// two sockets of one machine, is there in a hundredth of that; however busy the machine is, a thread that could give it
/// is awake until it has.
pub const QUIET: Duration = Duration::from_millis(200);

/// Between two looks at whether they do.
pub const GLANCE: Duration = Duration::from_millis(5);

/// The request that labs make when it doesn't matter which.
pub const SMALL: &str = "/small.txt";

/// A client that has got an answer, and stays.
pub fn served(address: SocketAddr) -> Result<Client, String> {
    let failed = |error: io::Error| format!("a client gets no answer: {error}");
    let mut client = Client::connect(address).map_err(failed)?;
    client.ask(client::get(SMALL)).map_err(failed)?;
    Ok(client)
}

/// A client that has asked, and has no answer yet.
pub fn asking(address: SocketAddr, request: impl AsRef<[u8]>) -> Result<Client, String> {
    let failed = |error: io::Error| format!("a client can't ask: {error}");
    let mut client = Client::connect(address).map_err(failed)?;
    client.send(request).map_err(failed)?;
    Ok(client)
}

/// Whether the answer comes by then; one that has come in part can be waited for again.
pub fn is_answered(client: &mut Client, timeout: Duration) -> Result<bool, String> {
    client.set_patience(timeout).map_err(|error| error.to_string())?;
    let answered = match client.answer() {
        Ok(_) => Ok(true),
        Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => Ok(false),
        Err(error) => Err(format!("instead of an answer: {error}")),
    };
    client.set_patience(PATIENCE).map_err(|error| error.to_string())?;
    answered
}

/// A GET after which the server closes.
pub fn last_get(target: &str) -> String {
    client::get_with(target, "Connection: close\r\n")
}

pub fn yes_or_no(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}
