//! Who is measured: millpond, the floor, and the peers that are installed, each configured to do the same.
//!
//! The same is: two cores' worth of workers or however many there are, keep-alive without end, no access log, no
//! compression, room for as many connections. What a peer does beyond that by default stays as it is.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use millpond::config;

use crate::child::{self, Running};
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
    /// To see what others make of it.
    Peer,
}

/// Where in the environment a copy of this bench finds that it is to be the floor.
pub const BE_THE_FLOOR: &str = "MILLPOND_BENCH_FLOOR";

/// How long a server may take to start, and a file to settle.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// The server of this repository.
pub fn millpond(program: &Path, root: &Path) -> Result<Server, String> {
    let mut command = child::bare(program);
    command.arg(root).args(["--port", "0", "--access-log", "off", "--quiet"]);
    let (process, address) = Running::announced(&mut command)?;
    Ok(Server { name: "millpond", role: Role::Millpond, address, process })
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

/// Starts the peers that are installed. Their configuration is written to `work`.
pub fn peers(root: &Path, work: &Path) -> Vec<Server> {
    let mut servers = Vec::new();
    for peer in PEERS {
        match start_peer(&peer, root, work) {
            Ok(server) => servers.push(server),
            Err(why) => println!("left out: {why}"),
        }
    }
    servers
}

/// A server of somebody else.
struct Peer {
    name: &'static str,
    program: &'static str,
    /// What stands before the path of the configuration.
    arguments: &'static [&'static str],
    configuration: fn(&Setting<'_>) -> String,
}

/// What a configuration has to say.
struct Setting<'s> {
    name: &'s str,
    root: &'s str,
    work: &'s str,
    port: u16,
    workers: usize,
    /// Descriptors that a process may have.
    descriptors: u64,
}

const PEERS: [Peer; 4] = [
    Peer { name: "nginx", program: "nginx", arguments: &["-c"], configuration: |setting| nginx(setting, "") },
    Peer {
        name: "nginx+cache",
        program: "nginx",
        arguments: &["-c"],
        // It keeps files open, and looks whether they have changed once a minute; millpond looks every time.
        configuration: |setting| {
            nginx(
                setting,
                "open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s; open_file_cache_errors on;",
            )
        },
    },
    Peer { name: "h2o", program: "h2o", arguments: &["-c"], configuration: h2o },
    Peer { name: "lighttpd", program: "lighttpd", arguments: &["-D", "-f"], configuration: lighttpd },
];

fn nginx(setting: &Setting<'_>, extra: &str) -> String {
    let Setting { name, root, work, port, workers, descriptors } = setting;
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|part| format!("  {part}_temp_path {work}/{name}-{part};\n"))
        .concat();
    format!(
        "daemon off; worker_processes {workers}; worker_rlimit_nofile {descriptors};
pid {work}/{name}.pid; error_log /dev/null crit;
events {{ worker_connections 16384; }}
http {{
{temporary}  types {{ text/html html; text/plain txt; }}
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
  {extra}
  server {{ listen 127.0.0.1:{port} backlog=4096; root {root}; }}
}}
"
    )
}

fn h2o(setting: &Setting<'_>) -> String {
    let Setting { root, port, workers, .. } = setting;
    format!(
        "num-threads: {workers}
max-connections: 16384
listen: {{ host: 127.0.0.1, port: {port} }}
hosts: {{ default: {{ paths: {{ \"/\": {{ file.dir: \"{root}\" }} }} }} }}
"
    )
}

fn lighttpd(setting: &Setting<'_>) -> String {
    let Setting { root, port, workers, descriptors, .. } = setting;
    format!(
        "server.document-root = \"{root}\"
server.bind = \"127.0.0.1\"
server.port = {port}
server.max-worker = {workers}
server.max-fds = {descriptors}
server.max-connections = {}
server.listen-backlog = 4096
server.max-keep-alive-requests = 1000000000
mimetype.assign = ( \".html\" => \"text/html\", \".txt\" => \"text/plain\" )
",
        descriptors / 2
    )
}

fn start_peer(peer: &Peer, root: &Path, work: &Path) -> Result<Server, String> {
    let Some(program) = find_program(peer.program) else { return Err(format!("{} is not installed", peer.program)) };
    let port = free_port()?;
    let setting = Setting {
        name: peer.name,
        root: &root.display().to_string(),
        work: &work.display().to_string(),
        port,
        workers: config::cores(),
        descriptors: crate::descriptors(),
    };
    let file = work.join(format!("{}.conf", peer.name));
    fs::write(&file, (peer.configuration)(&setting)).map_err(|error| format!("{}: {error}", file.display()))?;
    // In a process group of its own: lighttpd, when it is to end, tells its whole group to.
    let mut command = Command::new(program);
    let process = Running::start(command.args(peer.arguments).arg(&file).process_group(0), Stdio::null())?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let deadline = Instant::now() + START_TIMEOUT;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            return Err(format!("{} did not start", peer.name));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(Server { name: peer.name, role: Role::Peer, address, process })
}

/// Where a program is: in the places of the environment, or where servers are often, which users' shells don't look.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(usual).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// A port that was free a moment ago; a peer that finds it taken again doesn't start, which shows.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| format!("no free port: {error}"))?;
    listener.local_addr().map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
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
