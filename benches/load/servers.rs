//! Who is measured: millpond, the floor, and the peers that are installed.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::child::{self, Running};
use crate::peers::{self, PEERS, START_TIMEOUT};
use crate::rows::{Ask, Row};

/// A server that runs, ready to be asked; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    pub name: &'static str,
    pub role: Role,
    pub address: SocketAddr,
    pub process: Running,
}

/// What a server is measured for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// To see what is left to win.
    Floor,
    Millpond,
    /// To see what it costs to be watched.
    Watched,
    /// To see what others make of it.
    Peer,
}

/// Where in the environment a copy of this bench finds that it is to be the floor.
pub const BE_THE_FLOOR: &str = "MILLPOND_BENCH_FLOOR";

/// The server of this repository.
pub fn millpond(program: &Path, root: &Path) -> Result<Server, String> {
    own(program, root, "millpond", Role::Millpond, &[])
}

/// The same, with its threads writing down what they do.
pub fn watched(program: &Path, root: &Path) -> Result<Server, String> {
    own(program, root, "watched", Role::Watched, &["--watch"])
}

fn own(program: &Path, root: &Path, name: &'static str, role: Role, more: &[&str]) -> Result<Server, String> {
    let mut command = child::bare(program);
    command.arg(root).args(["--port", "0", "--access-log", "off", "--quiet"]).args(more);
    let (process, address) = Running::announced(&mut command)?;
    Ok(Server { name, role, address, process })
}

/// The floor for a row: examples/floor.rs, which is compiled into this bench, so that it is always there.
pub fn floor(row: &Row) -> Result<Option<Server>, String> {
    let Some(bytes) = row.floor_bytes else { return Ok(None) };
    let mut command = child::bare(env::current_exe().map_err(|error| format!("where is this program? {error}"))?);
    command.env(BE_THE_FLOOR, "1").args(["--port", "0", "--bytes", &bytes.to_string()]);
    if matches!(row.ask, Ask::Close(_)) {
        command.arg("--close");
    }
    let (process, address) = Running::announced(&mut command)?;
    Ok(Some(Server { name: "floor", role: Role::Floor, address, process }))
}

/// Starts the peers that are installed.
pub fn peers(root: &Path, work: &Path) -> Vec<Server> {
    let mut servers = Vec::new();
    for peer in PEERS {
        match peers::start(&peer, root, work) {
            Ok((process, address)) => servers.push(Server { name: peer.name, role: Role::Peer, address, process }),
            Err(why) => println!("left out: {why}"),
        }
    }
    servers
}

impl Server {
    /// Waits until it answers a row's request as it should, and returns the script that has wrk ask so. A server that
    /// doesn't know a kind of request would otherwise look fast.
    pub fn script(&self, row: &Row) -> Result<String, String> {
        if self.role == Role::Floor {
            return Ok(row.script("\"400-123456789abcdef0\""));
        }
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            // A file that has just been written may have no entity-tag yet.
            let etag = match row.ask {
                Ask::Unchanged(_) => self.head(&row.target(), &[])?.etag.unwrap_or_default(),
                Ask::File(_) | Ask::Close(_) | Ask::Tree | Ask::Range(_) | Ask::Missing => String::new(),
            };
            let answer = self.head(&row.target(), &row.fields(&etag))?;
            if answer.status == row.status {
                return Ok(row.script(&etag));
            }
            if Instant::now() > deadline {
                return Err(format!("{} answers {} where {} is right", self.name, answer.status, row.status));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Asks once, and reads no more than the head of the answer.
    fn head(&self, target: &str, fields: &[(&str, String)]) -> Result<Head, String> {
        let fault = |error: std::io::Error| format!("{} does not answer: {error}", self.name);
        let mut stream = TcpStream::connect(self.address).map_err(fault)?;
        stream.set_read_timeout(Some(START_TIMEOUT)).map_err(fault)?;
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", self.address);
        stream.write_all(request.as_bytes()).map_err(fault)?;
        let mut head = Head { status: 0, etag: None };
        for line in BufReader::new(stream).lines() {
            let line = line.map_err(fault)?;
            match line.split_once(": ") {
                None if line.is_empty() => break,
                None => head.status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0),
                Some((name, value)) if name.eq_ignore_ascii_case("etag") => head.etag = Some(value.to_owned()),
                Some(_) => {}
            }
        }
        Ok(head)
    }
}

/// What is looked at of an answer.
struct Head {
    status: u16,
    etag: Option<String>,
}
