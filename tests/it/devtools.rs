//! A browser that tests drive: Chromium without a window, asked over its DevTools protocol what a page looks like.
//!
//! *Invariant:* no wait lasts longer than [`PATIENCE`]. The socket is RFC 6455 as far as one client needs it: whole text
//! messages out, masked; messages in, which may come in fragments.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::load::{program, skips};

/// A browser takes seconds to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// One page in a browser of its own, which ends with it.
pub struct Page {
    browser: Child,
    socket: RefCell<TcpStream>,
    calls: Cell<u64>,
    may_complain: Cell<bool>,
    _profile: TempDir,
}

impl Page {
    /// An empty page; none where there is no Chromium, which is said.
    pub fn open() -> Option<Page> {
        if skips(program("chromium").is_some(), "chromium") {
            return None;
        }
        let profile = tempfile::tempdir().expect("there is room for a profile");
        let mut command = Command::new("chromium");
        command
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank");
        // It is ended without a chance to tidy up: what it leaves is to go with its profile.
        command.env("TMPDIR", profile.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut browser = command.spawn().expect("chromium runs");
        let (say, said) = mpsc::channel();
        let stderr = BufReader::new(browser.stderr.take().expect("it is piped"));
        // Read to its end, so that the browser never waits for a full pipe.
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("DevTools listening on ws://") {
                    let _ = say.send(url.split('/').next().unwrap_or_default().to_owned());
                }
            }
        });
        let address = said.recv_timeout(PATIENCE).expect("chromium says where it listens");
        let socket = RefCell::new(connect(&address));
        let page = Page { browser, socket, calls: Cell::new(0), may_complain: Cell::new(false), _profile: profile };
        for domain in ["Page", "Runtime", "Log"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        Some(page)
    }

    /// Shows an address at a width, in a scheme, and returns when it has loaded.
    pub fn show(&self, url: &str, width: u32, scheme: &str) {
        let phone = width < 500;
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": phone}),
        );
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", features);
        self.call("Page.navigate", json!({"url": url}));
        let loaded = "document.readyState === 'complete' && location.href";
        crate::load::wait_until(PATIENCE, "the page loads", || self.ask(loaded) == json!(url));
    }

    /// From now on it is no failure that the browser complains, for one whose server is gone.
    pub fn may_complain(&self) {
        self.may_complain.set(true);
    }

    /// The value of an expression on the page; a promise's when it is kept.
    pub fn ask(&self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", parameters);
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        answer["result"]["value"].clone()
    }

    /// Has something done, and returns what came of it.
    fn call(&self, method: &str, parameters: Value) -> Value {
        let id = self.calls.get() + 1;
        self.calls.set(id);
        let mut socket = self.socket.borrow_mut();
        send(&mut socket, &json!({"id": id, "method": method, "params": parameters}).to_string());
        loop {
            let message: Value = serde_json::from_slice(&receive(&mut socket)).expect("messages are JSON");
            if message["method"] == "Log.entryAdded" && !self.may_complain.get() {
                panic!("the page has made the browser complain: {message}");
            }
            if message["id"] == id {
                assert_eq!(message["error"], Value::Null, "{method}");
                return message["result"].clone();
            }
            assert!(message["method"] != "Runtime.exceptionThrown", "a script of the page has failed: {message}");
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // Both fail only if it has ended before.
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}

/// The socket of the only page, with its handshake done.
fn connect(address: &str) -> TcpStream {
    let open = || {
        let stream = TcpStream::connect(address).expect("the browser listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("sockets have timeouts");
        stream
    };
    let mut stream = open();
    write!(stream, "GET /json HTTP/1.1\r\nHost: {address}\r\n\r\n").expect("the browser listens");
    let mut reader = BufReader::new(stream);
    let length = read_head(&mut reader);
    let mut list = vec![0; length];
    reader.read_exact(&mut list).expect("as much as it said");
    let targets: Value = serde_json::from_slice(&list).expect("a list of targets");
    let is_page = |target: &&Value| target["type"] == "page";
    let page = targets.as_array().and_then(|targets| targets.iter().find(is_page)).expect("a page");
    let url = page["webSocketDebuggerUrl"].as_str().expect("an address");
    let path = url.strip_prefix(&format!("ws://{address}")).expect("the same address");
    let mut stream = open();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .expect("the browser listens");
    // Byte by byte, for what follows are frames already.
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a whole head");
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", head.escape_ascii());
    stream
}

/// Reads up to the content, and says how long that is.
fn read_head(reader: &mut impl BufRead) -> usize {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a whole head");
        match line.trim_end().to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().expect("a number"),
            Some(_) => {}
            None if line.trim_end().is_empty() => return length,
            None => {}
        }
    }
}

/// One text message, in one frame, masked with zeros: the mask hides it from proxies, of which there is none.
fn send(socket: &mut TcpStream, text: &str) {
    let mut frame = vec![0x81];
    match u16::try_from(text.len()) {
        Ok(length @ 0..126) => frame.push(0x80 | u8::try_from(length).expect("below 126")),
        Ok(length) => frame.extend([&[0x80 | 126], length.to_be_bytes().as_slice()].concat()),
        Err(_) => frame.extend([&[0x80 | 127], (text.len() as u64).to_be_bytes().as_slice()].concat()),
    }
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    socket.write_all(&frame).expect("the browser listens");
}

/// One message, of however many frames.
fn receive(socket: &mut TcpStream) -> Vec<u8> {
    let mut message = Vec::new();
    loop {
        let mut begin = [0; 2];
        socket.read_exact(&mut begin).expect("the browser answers");
        let length = match begin[1] & 0x7f {
            126 => {
                let mut length = [0; 2];
                socket.read_exact(&mut length).expect("a whole frame");
                usize::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                socket.read_exact(&mut length).expect("a whole frame");
                usize::try_from(u64::from_be_bytes(length)).expect("it fits memory")
            }
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        socket.read_exact(&mut payload).expect("a whole frame");
        // Data only: the browser sends no pings.
        if begin[0] & 0x0f <= 2 {
            message.extend(payload);
        }
        if begin[0] & 0x80 != 0 {
            return message;
        }
    }
}
