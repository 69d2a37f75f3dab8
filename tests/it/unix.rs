//! Clients that come by a Unix socket: served, logged, waited for and drained as all others; and whose place a server may
//! take, and whose not.
//!
//! *Invariants:* rows C19 and S18 to S20 of threats.md.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::load::{self, DOWNLOAD, plain_get, program, site, skips};
use crate::support::{Client, PATIENCE, Server, Site, rows};

/// A place for a socket, in the test's own directory and not in the one that is served.
fn place(site: &Site) -> PathBuf {
    site.whole().join("s")
}

fn bind(path: &Path) -> String {
    format!("unix:{}", path.display())
}

/// A server on a Unix socket alone.
fn start(site: &Site, more: &[&str]) -> Server {
    let bind = bind(&place(site));
    Server::start(site.root(), &[&["--bind", &bind], more].concat())
}

fn connect(site: &Site) -> UnixStream {
    let stream = UnixStream::connect(place(site)).expect("the server takes a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket has timeouts");
    stream
}

/// Asks for the last thing on this connection.
fn ask_for(stream: &mut UnixStream, target: &str) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the server takes a request");
}

fn read_to_end(stream: &mut UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("the server ends the stream");
    all
}

/// The content of the only response in these bytes.
fn content(bytes: &[u8]) -> &[u8] {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&bytes[..head]));
    &bytes[head + 4..]
}

fn hello(site: &Site) {
    let mut stream = connect(site);
    ask_for(&mut stream, "/hello.txt");
    assert_eq!(content(&read_to_end(&mut stream)), b"hello, world\n");
}

#[test]
fn a_client_of_a_unix_socket_is_served_and_logged() {
    let site = site();
    let server = start(&site, &["--access-log", "combined"]);
    assert_eq!(String::from_utf8_lossy(&server.stdout()), format!("{}\n", bind(&place(&site))));
    hello(&site);
    let line = server.wait_for_stdout_line(PATIENCE, |line| line.contains("GET"));
    assert!(
        line.starts_with("unix: - - [") && line.ends_with(r#"] "GET /hello.txt HTTP/1.1" 200 13 "-" "-""#),
        "{line}"
    );
}

#[test]
fn unix_sockets_and_ports_mix_and_ports_are_named_first() {
    let site = site();
    let other = site.whole().join("other socket");
    let binds = format!("{},127.0.0.1,{}", bind(&place(&site)), bind(&other));
    let server = Server::start(site.root(), &["--bind", &binds, "--access-log", "off"]);
    let spaced = bind(&other).replace(' ', "%20");
    let expected = format!("http://{}/ {} {spaced}\n", server.address(), bind(&place(&site)));
    assert_eq!(String::from_utf8_lossy(&server.stdout()), expected);
    hello(&site);
    assert_eq!(Client::connect(&server).ask(plain_get("/hello.txt")).content, b"hello, world\n");
    assert!(UnixStream::connect(other).is_ok());
}

#[test]
fn a_long_download_over_a_unix_socket_is_byte_exact() {
    let site = site();
    let _server = start(&site, &["--workers", "1"]);
    let mut stream = connect(&site);
    ask_for(&mut stream, "/download.bin");
    assert!(content(&read_to_end(&mut stream)) == *DOWNLOAD);
}

#[test]
fn curl_comes_by_a_unix_socket() {
    if skips(program("curl").is_some(), "curl") {
        return;
    }
    let site = site();
    let _server = start(&site, &[]);
    let mut curl = Command::new("curl");
    curl.args(["-q", "-sS", "--fail", "--unix-socket"]).arg(place(&site)).arg("http://localhost/download.bin");
    let output = curl.output().expect("a program that was found runs");
    assert!(output.status.success() && output.stdout == *DOWNLOAD, "{}", String::from_utf8_lossy(&output.stderr));
}

// ---------------------------------------------------------------------------------------------------------------- time

const STALL_TIMEOUT: Duration = Duration::from_secs(1);

#[test]
fn a_client_of_a_unix_socket_that_reads_nothing_is_given_up() {
    let site = site();
    let server = start(&site, &["--stall-timeout", "1s", "-v"]);
    let mut stream = connect(&site);
    ask_for(&mut stream, "/download.bin");
    server.wait_for_stderr_line(PATIENCE, |line| line.contains("unix:: closed: the peer took nothing for too long"));
    assert!(read_to_end(&mut stream).len() < DOWNLOAD.len());
}

#[test]
fn a_client_of_a_unix_socket_that_reads_slowly_is_not() {
    let site = site();
    let _server = start(&site, &["--stall-timeout", "1s"]);
    let mut stream = connect(&site);
    ask_for(&mut stream, "/download.bin");
    let (mut received, mut piece, since) = (Vec::new(), vec![0; 16 * 1024], std::time::Instant::now());
    while since.elapsed() < 3 * STALL_TIMEOUT {
        let count = stream.read(&mut piece).expect("it is not cut");
        received.extend_from_slice(&piece[..count]);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(received.len() < DOWNLOAD.len() / 2, "this reader was too fast for the question");
    received.extend_from_slice(&read_to_end(&mut stream));
    assert!(content(&received) == *DOWNLOAD);
}

#[test]
fn the_drain_finishes_what_goes_over_a_unix_socket() {
    let site = site();
    let mut server = start(&site, &[]);
    let mut stream = connect(&site);
    ask_for(&mut stream, "/download.bin");
    let mut first = [0; 1];
    stream.read_exact(&mut first).expect("the answer has begun");
    server.signal(Signal::TERM);
    server.wait_for_stderr_line(PATIENCE, |line| line.contains("draining"));
    load::wait_until(PATIENCE, "nobody listens", || UnixStream::connect(place(&site)).is_err());
    let rest = read_to_end(&mut stream);
    assert!(content(&[&first, rest.as_slice()].concat()) == *DOWNLOAD);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
}

// --------------------------------------------------------------------------------------------------- whose place it is

rows!(mode:
    a_socket_has_the_mode_that_was_asked_for(&["--socket-mode", "0660"], 0o660),
    a_mode_may_be_wider_than_the_mask_allows(&["--socket-mode", "0666"], 0o666),
    without_a_mode_the_mask_decides(&[], 0o750),
);

fn mode(args: &[&str], mode: u32) {
    let site = site();
    let program = Server::command(site.root());
    let mut command = Command::new("sh");
    command.args(["-c", r#"umask 027; exec "$0" "$@""#]).arg(program.get_program()).args(program.get_args());
    command.args(["--bind", &bind(&place(&site))]).args(args);
    let _server = Server::spawn(command);
    let metadata = fs::metadata(place(&site)).expect("the socket is there");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.mode() & 0o777, mode);
    // The mask is as it was for whatever else is made.
    hello(&site);
}

#[test]
fn a_socket_that_nobody_listens_on_is_replaced() {
    let site = site();
    drop(UnixListener::bind(place(&site)).expect("a path short enough"));
    let mut server = start(&site, &[]);
    hello(&site);
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    assert!(place(&site).exists(), "by then it may remove nothing");
    let _again = start(&site, &[]);
    hello(&site);
}

#[test]
fn a_socket_that_was_left_by_a_server_that_was_killed_is_replaced() {
    let site = site();
    drop(start(&site, &[]));
    let _again = start(&site, &[]);
    hello(&site);
}

rows!(not_replaced:
    a_socket_that_somebody_listens_on_is_not_replaced(
        |path| Some(UnixListener::bind(path).expect("a short path").into()), "in use; another server listens there",
    ),
    a_socket_for_datagrams_is_not_replaced(
        |path| Some(UnixDatagram::bind(path).expect("a short path").into()), "in use; another server listens there",
    ),
    a_file_is_not_replaced(
        |path| {
            fs::write(path, "precious").expect("our own");
            None
        },
        "something else than a socket is there; choose",
    ),
    a_directory_is_not_replaced(
        |path| {
            fs::create_dir(path).expect("our own");
            None
        },
        "something else than a socket is there; choose",
    ),
    a_link_to_nowhere_is_not_replaced(
        |path| {
            symlink("nowhere", path).expect("our own");
            None
        },
        "something else than a socket is there; choose",
    ),
);

/// One line, exit code 1, and what is there stays.
fn not_replaced(make: fn(&Path) -> Option<OwnedFd>, names: &str) {
    let site = site();
    let there = make(&place(&site));
    let before = fs::symlink_metadata(place(&site)).expect("it is there");
    let mut command = Server::command(site.root());
    command.args(["--bind", &bind(&place(&site))]);
    let output = command.output().expect("the server's binary starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), b"".as_slice()), "{stderr}");
    assert!(stderr.contains(names) && stderr.contains(&bind(&place(&site))), "{stderr}");
    assert_eq!(stderr.matches('\n').count(), 1, "{stderr}");
    let after = fs::symlink_metadata(place(&site)).expect("it is still there");
    assert_eq!((before.ino(), before.ctime_nsec()), (after.ino(), after.ctime_nsec()));
    drop(there);
}

#[test]
fn a_path_in_a_directory_that_is_not_there_is_one_line() {
    let site = site();
    let mut command = Server::command(site.root());
    command.args(["--bind", &bind(&site.whole().join("none/s"))]);
    let output = command.output().expect("the server's binary starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.ends_with("make its directory first, or choose another path\n"), "{stderr}");
}
