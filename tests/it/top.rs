//! `millpond top`: what it prints of another server, and what it says where there is nothing to print.

use std::process::{Command, Output, Stdio};

use crate::support::{Client, Server, Site, bare_command};

fn top(arguments: &[&str]) -> Output {
    let mut command: Command = bare_command();
    command.arg("top").args(arguments).stdin(Stdio::null()).output().expect("millpond runs")
}

fn said(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("it is text")
}

#[test]
fn once_it_prints_how_it_is_in_plain_lines() {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n");
    let server = Server::start(site.root(), &["--watch", "--workers", "2"]);
    let mut half = Client::connect(&server);
    half.send("GET /hello.txt HTT");
    for address in [server.host(), format!("http://{}/", server.host())] {
        let shown = top(&[&address, "--once", "--interval", "50ms"]);
        let text = said(&shown.stdout);
        assert!(shown.status.success(), "{}", said(&shown.stderr));
        let version = env!("CARGO_PKG_VERSION");
        assert!(text.starts_with(&format!("millpond {version} at {}: serving, ", server.host())), "{text}");
        assert!(text.contains(", half a head 1, waiting to write 0, ") && text.contains("\nworker 1 "), "{text}");
        assert!(text.contains(" half a head: the rest has not come"), "the longest is told of: {text}");
        assert!(text.contains(" s: p50 –, p99 –, p99.9 –, longest –\n"), "of what did not happen nothing: {text}");
        assert!(text.contains(" in service: – by Little's law (of those finished), "), "{text}");
        assert!(!text.contains('\x1b') && text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}

#[test]
fn by_a_unix_socket_it_must_be_named() {
    let site = Site::new();
    let bind = format!("unix:{}", site.whole().join("s").display());
    let server = Server::start(site.root(), &["--bind", &bind, "--watch-from", "unix:"]);
    let shown = top(&[&bind, "--once", "--interval", "50ms"]);
    assert!(said(&shown.stdout).contains(": serving, "), "{}", said(&shown.stderr));
    drop(server);
}

#[test]
fn where_there_is_nothing_to_see_it_says_what_would_help() {
    let site = Site::new();
    let server = Server::start(site.root(), &[]);
    let host = server.host();
    let refused = top(&[&host, "--once"]);
    assert_eq!((refused.status.code(), said(&refused.stdout)), (Some(1), ""));
    let line = said(&refused.stderr);
    assert!(
        line.starts_with(&format!("millpond: {host} shows nothing (404): start that server with --watch")),
        "{line}"
    );
    drop(server);
    let gone = top(&[&host, "--once"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(said(&gone.stderr).starts_with(&format!("millpond: can't ask {host}: ")), "{}", said(&gone.stderr));
}

#[test]
fn what_is_no_address_is_refused_with_what_would_be_one() {
    for wrong in ["", "localhost", "https://localhost:8080", "unix:", "a b:1", "http://"] {
        let refused = top(&[wrong, "--once"]);
        assert_eq!(refused.status.code(), Some(2), "{wrong}");
        let text = said(&refused.stderr);
        assert!(text.contains("write http://127.0.0.1:8080, localhost:8080 or unix:/run/millpond.sock"), "{text}");
    }
    assert_eq!(top(&[]).status.code(), Some(2));
}

#[test]
fn a_directory_of_that_name_is_served_by_its_path() {
    let site = Site::new();
    site.file("top/hello.txt", "hello, world\n");
    let mut command = bare_command();
    command.current_dir(site.root()).args(["--port", "0", "./top"]);
    let server = Server::spawn(command);
    let hello = Client::connect(&server).ask("GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(hello.content, b"hello, world\n");
}
