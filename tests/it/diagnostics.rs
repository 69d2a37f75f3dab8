//! What is said on standard error has nothing in it that a client wrote, however much is asked for.
//!
//! Rows G1, G2 and G6 of tests/threats.md: no control byte for a terminal, no line of a client's making, no secret.

use rustix::process::Signal;

use crate::support::{Client, PATIENCE, Server, Site, find, get, show};

/// Stands in every request, wherever a client may write something.
const MARK: &str = "quack";

#[test]
fn with_everything_said_nothing_of_a_request_is_in_it() {
    let requests: [Vec<u8>; 10] = [
        get("/quack", "Authorization: Basic quack\r\nCookie: quack\r\nUser-Agent: quack\x1b[2J\r\n"),
        get("/hello.txt?quack", "Referer: http://quack/\r\nRange: quack\r\nIf-None-Match: \"quack\"\r\n"),
        get("/quack%0amillpond:%20error:%20forged", ""),
        get("/quack%zz", ""),
        b"GET /quack\x1b]0;quack\x07 HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        b"GET /quack\nmillpond: error: forged\n\n".to_vec(),
        b"quack\x9b2J \xff HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        b"POST / HTTP/1.1\r\nHost: quack\r\nContent-Length: quack\r\n\r\n".to_vec(),
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: quack\r\n\r\nquack".to_vec(),
        b"GET / HTTP/1.1\r\nquack\x7f: quack\r\n\r\n".to_vec(),
    ];
    let site = Site::new();
    site.file("hello.txt", "hello, world\n");
    let mut command = Server::command(site.root());
    command.args(["-vv", "--access-log", "off"]).env("RUST_LOG", "trace");
    let mut server = Server::spawn(command);
    for request in &requests {
        let mut client = Client::connect(&server);
        client.send(request);
        client.finish_sending();
        client.read_to_end();
    }
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    let said = server.stderr_to_end();
    let closings = said.split(|byte| *byte == b'\n').filter(|line| find(line, b": closed: ").is_some());
    assert_eq!(closings.count(), requests.len(), "one line for each connection: {}", show(&said));
    assert_eq!(find(&said, MARK.as_bytes()), None, "{}", show(&said));
    let printable = |byte: &u8| *byte == b'\n' || (0x20..0x7f).contains(byte);
    assert!(said.iter().all(printable), "{}", show(&said));
}
