//! What people are told at a terminal: another port where theirs is taken, the addresses for other machines, a drawing,
//! and the browser.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::pty::openpty;

use crate::load::{self, Process, plain_get};
use crate::support::{Client, PATIENCE, Server, Site, bare_command};

fn site() -> Site {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n");
    site
}

// ---------------------------------------------------------------------------------------------------- a port in use

/// The default port, taken by this test or by whoever has it already.
fn take_the_default_port() -> Option<TcpListener> {
    match TcpListener::bind("127.0.0.1:8080") {
        Ok(taken) => Some(taken),
        Err(error) if error.kind() == ErrorKind::AddrInUse => None,
        Err(error) => panic!("{error}"),
    }
}

/// Standard error as a terminal, and what comes out of its other end.
fn terminal() -> (OwnedFd, File) {
    let pair = openpty(None, None).expect("this machine has terminals");
    (pair.slave, File::from(pair.master))
}

/// Reads until it has been said; what a terminal has said so far else.
fn wait_for(terminal: &mut File, what: &str) -> String {
    let mut said = Vec::new();
    while !String::from_utf8_lossy(&said).contains(what) {
        let mut piece = [0; 4096];
        let count = terminal.read(&mut piece).unwrap_or_else(|error| panic!("{error} after {said:?}"));
        said.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn at_a_terminal_a_port_that_nobody_asked_for_gives_way_to_the_next() {
    let (site, _taken) = (site(), take_the_default_port());
    let (stderr, mut terminal) = terminal();
    let mut command = bare_command();
    command.arg(site.root()).stderr(Stdio::from(stderr));
    let server = Process::start(command);
    assert!((8081..8100).contains(&server.address.port()), "{}", server.address);
    let line = format!("port 8080 is in use, so this is port {}; --port insists on one", server.address.port());
    wait_for(&mut terminal, &line);
    assert_eq!(Client::connect_to(server.address).ask(plain_get("/hello.txt")).content, b"hello, world\n");
}

#[test]
fn without_a_terminal_the_port_is_the_one_that_is_known_or_none() {
    let (site, _taken) = (site(), take_the_default_port());
    let mut command = bare_command();
    assert_port_in_use(command.arg(site.root()).stderr(Stdio::piped()));
}

/// One line, and exit code 1.
fn assert_port_in_use(command: &mut Command) {
    let output = command.stdout(Stdio::piped()).output().expect("the server's binary starts");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), b"".as_slice()));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.ends_with("choose another port with --port, or any free one with --port 0\n"), "{stderr}");
}

#[test]
fn at_a_terminal_a_port_that_was_asked_for_is_insisted_on() {
    let site = site();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let (stderr, mut terminal) = terminal();
    let mut command = bare_command();
    command.args(["--port", &port]).arg(site.root()).stdout(Stdio::null()).stderr(Stdio::from(stderr));
    let status = command.status().expect("the server's binary starts");
    // Its own end of the terminal goes with it.
    drop(command);
    assert_eq!(status.code(), Some(1));
    wait_for(&mut terminal, "choose another port with --port");
}

// --------------------------------------------------------------------------------------------------- other machines

#[test]
fn an_address_for_all_is_opened_as_the_loopback_one_and_the_rest_is_told_to_people() {
    let site = site();
    let server = Server::start(site.root(), &["--bind", "0.0.0.0", "--access-log", "off"]);
    let first = format!("http://127.0.0.1:{}/\n", server.address().port());
    assert_eq!(String::from_utf8_lossy(&server.stdout()), first);
    let others = millpond::announce::interfaces();
    for other in others.iter().filter(|other| other.is_ipv4()) {
        let address = format!("http://{other}:{}/", server.address().port());
        server.wait_for_stderr_line(PATIENCE, |line| line == format!("millpond: info: for other machines: {address}"));
        assert_eq!(
            Client::connect_to((*other, server.address().port()).into()).ask(plain_get("/hello.txt")).status,
            200
        );
    }
}

#[test]
fn the_drawing_is_of_the_address_and_goes_to_standard_error() {
    use millpond::announce::qr::{self, Ink};
    let site = site();
    let server = Server::start(site.root(), &["--qr", "--access-log", "off"]);
    let address = format!("http://{}/", server.address());
    assert_eq!(String::from_utf8_lossy(&server.stdout()), format!("{address}\n"));
    let drawing = qr::draw(&address, Ink::Characters).expect("an address is short");
    load::wait_until(PATIENCE, "it is drawn", || String::from_utf8_lossy(&server.stderr()).contains(&drawing));
}

#[test]
fn at_a_terminal_the_drawing_has_its_own_colours() {
    let site = site();
    let (stderr, mut terminal) = terminal();
    let mut command = bare_command();
    command.env_remove("NO_COLOR").args(["--port", "0", "--qr"]).arg(site.root()).stderr(Stdio::from(stderr));
    let _server = Process::start(command);
    wait_for(&mut terminal, "\u{1b}[38;5;16;48;5;231m    ");
}

#[test]
fn there_is_nothing_to_draw_of_a_unix_socket() {
    let site = site();
    let bind = format!("unix:{}", site.whole().join("s").display());
    let server = Server::start(site.root(), &["--bind", &bind, "--qr", "--open"]);
    server.wait_for_stderr_line(PATIENCE, |line| line.contains("warn: no QR code"));
    server.wait_for_stderr_line(PATIENCE, |line| line.contains("warn: the browser was not opened: a Unix socket"));
}

// ------------------------------------------------------------------------------------------------------- the browser

fn script(site: &Site, text: &str) -> String {
    let path = site.whole().join("browser");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("our own directory");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("our own file");
    path.display().to_string()
}

#[test]
fn the_browser_is_opened_at_the_address_and_waited_for() {
    let site = site();
    let out = site.whole().join("opened");
    let text = format!(r#"echo "$@" > {0}.new; mv {0}.new {0}"#, out.display());
    let mut command = Server::command(site.root());
    command.arg("--open").env("BROWSER", format!("/nowhere/at/all:{} --new %s", script(&site, &text)));
    let server = Server::spawn(command);
    load::wait_until(PATIENCE, "the browser has run", || out.exists());
    let opened = fs::read_to_string(&out).expect("it was written");
    assert_eq!(opened, format!("--new http://{}/\n", server.address()));
    load::wait_until(PATIENCE, "it is no zombie", || children(server.pid()).is_empty());
    assert!(!String::from_utf8_lossy(&server.stderr()).contains("warn: the browser"));
}

#[test]
fn a_browser_that_fails_is_a_warning_and_a_slow_one_is_not_waited_for() {
    let site = site();
    let mut command = Server::command(site.root());
    command.arg("--open").env("BROWSER", script(&site, "read -r _ < \"$0.go\"; exit 3"));
    let go = site.whole().join("browser.go");
    rustix::fs::mknodat(rustix::fs::CWD, &go, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .expect("anyone may make a FIFO");
    let server = Server::spawn(command);
    assert_eq!(Client::connect(&server).ask(plain_get("/hello.txt")).status, 200);
    fs::write(&go, "go\n").expect("the browser reads it");
    server.wait_for_stderr_line(PATIENCE, |line| {
        line.contains("warn: the browser was not opened: ") && line.ends_with("exit status: 3")
    });
    load::wait_until(PATIENCE, "it is no zombie", || children(server.pid()).is_empty());
}

#[test]
fn where_there_is_no_browser_it_serves() {
    let site = site();
    let mut command = Server::command(site.root());
    command.arg("--open").env_remove("BROWSER").env("PATH", "/nowhere/at/all");
    let server = Server::spawn(command);
    server
        .wait_for_stderr_line(PATIENCE, |line| line.contains("warn: the browser was not opened: there is no xdg-open"));
    assert_eq!(Client::connect(&server).ask(plain_get("/hello.txt")).status, 200);
}

/// The processes that have been started from it and not been waited for.
fn children(pid: u32) -> String {
    let tasks = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task")).expect("our own child");
    tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).collect()
}
