//! The servers of others that may be installed, each configured to do the same as millpond.
//!
//! The same is: two cores' worth of workers or however many there are, keep-alive without end, no access log, no
//! compression, room for as many connections. What a peer does beyond that by default stays as it is.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use millpond::config;

use crate::child::Running;
use crate::proc;

/// How long a server may take to start, and a file to settle.
pub const START_TIMEOUT: Duration = Duration::from_secs(10);

/// A server of somebody else.
#[derive(Debug)]
pub struct Peer {
    pub name: &'static str,
    pub program: &'static str,
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

pub const PEERS: [Peer; 4] = [
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

/// Starts a peer on any free port. Its configuration is written to `work`.
///
/// # Errors
/// When it is not installed, or doesn't listen in time.
pub fn start(peer: &Peer, root: &Path, work: &Path) -> Result<(Running, SocketAddr), String> {
    let Some(program) = find_program(peer.program) else { return Err(format!("{} is not installed", peer.program)) };
    let port = free_port()?;
    let setting = Setting {
        name: peer.name,
        root: &root.display().to_string(),
        work: &work.display().to_string(),
        port,
        workers: config::cores(),
        descriptors: proc::descriptors_max(),
    };
    let file = work.join(format!("{}.conf", peer.name));
    fs::write(&file, (peer.configuration)(&setting)).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut command = Command::new(program);
    command.args(peer.arguments).arg(&file);
    listening(&mut command, port)
}

/// Starts a server that says nothing, and waits until it listens on its port.
///
/// # Errors
/// When it doesn't in time.
pub fn listening(command: &mut Command, port: u16) -> Result<(Running, SocketAddr), String> {
    // In a process group of its own: lighttpd, when it is to end, tells its whole group to.
    let process = Running::start(command.process_group(0), Stdio::null())?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let deadline = Instant::now() + START_TIMEOUT;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            return Err(format!("{} did not start", command.get_program().display()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok((process, address))
}

/// Where a program is: in the places of the environment, or where servers are often, which users' shells don't look.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(usual).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// A port that was free a moment ago; a peer that finds it taken again doesn't start, which shows.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| format!("no free port: {error}"))?;
    listener.local_addr().map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}
