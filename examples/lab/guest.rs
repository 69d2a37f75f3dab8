//! A client of a lab that leaves a track: when it connected, what it asked, what came of that, and when it left.
//!
//! *Invariant:* on one connection a request is waited for from when it was made, or, if others are before it, from when
//! the last of those was answered: so its slices follow each other, and show who is first in line.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{self, Answer, Client, PATIENCE};
use crate::patience::SMALL;
use crate::subject::Subject;
use crate::timeline::{CONNECTS, Track};

#[derive(Debug)]
pub struct Guest {
    client: Client,
    track: Track,
    /// When it began to connect.
    came: Instant,
    /// What it has asked and got no answer to, and when.
    asked: VecDeque<(String, Instant)>,
    /// When the last answer came, or, if none did, its connection was there.
    answered: Instant,
    /// When its connection ended, if it did before it left.
    ended: Option<Instant>,
}

impl Guest {
    pub fn connect(server: &Subject, name: &str) -> io::Result<Guest> {
        let came = Instant::now();
        Ok(Guest::of(Client::connect(server.address)?, server.track(name), (came, Instant::now())))
    }

    /// One that takes little before it reads.
    pub fn connect_narrow(server: &Subject, name: &str) -> io::Result<Guest> {
        let came = Instant::now();
        Ok(Guest::of(Client::connect_narrow(server.address)?, server.track(name), (came, Instant::now())))
    }

    /// One over a connection that was begun at one moment, and there at another.
    pub fn over(stream: TcpStream, track: Track, connects: (Instant, Instant)) -> io::Result<Guest> {
        Ok(Guest::of(Client::over(stream)?, track, connects))
    }

    fn of(client: Client, track: Track, connects: (Instant, Instant)) -> Guest {
        let port = client.stream().local_addr().map_or(0, |address| address.port());
        track.slice(CONNECTS, connects, json!({ "port": port }));
        let (came, answered) = connects;
        Guest { client, track, came, asked: VecDeque::new(), answered, ended: None }
    }

    /// One that has got an answer, and stays.
    pub fn served(server: &Subject, name: &str) -> Result<Guest, String> {
        let ask = || {
            let mut guest = Guest::connect(server, name)?;
            guest.ask(client::get(SMALL))?;
            Ok(guest)
        };
        ask().map_err(|error: io::Error| format!("a client gets no answer: {error}"))
    }

    /// One that has asked, and has no answer yet.
    pub fn asking(server: &Subject, name: &str, request: impl AsRef<[u8]>) -> Result<Guest, String> {
        let ask = || {
            let mut guest = Guest::connect(server, name)?;
            guest.send(request)?;
            Ok(guest)
        };
        ask().map_err(|error: io::Error| format!("a client can't ask: {error}"))
    }

    pub fn stream(&self) -> &TcpStream {
        self.client.stream()
    }

    /// Sends requests, one or several, or the begin of one.
    pub fn send(&mut self, requests: impl AsRef<[u8]>) -> io::Result<()> {
        let (text, now) = (String::from_utf8_lossy(requests.as_ref()), Instant::now());
        for head in text.split_terminator("\r\n\r\n") {
            let line = head.lines().next().unwrap_or_default();
            self.expect(line.strip_suffix(" HTTP/1.1").unwrap_or(line), now);
        }
        self.client.send(&requests)
    }

    /// Notes a request that is made at that moment, however it is sent.
    pub fn expect(&mut self, request: &str, at: Instant) {
        self.asked.push_back((request.to_owned(), at));
    }

    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> io::Result<Answer> {
        self.send(request)?;
        self.answer()
    }

    /// The next answer. If it is late it can be asked for again.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let answer = self.client.answer();
        match &answer {
            Ok(answer) => self.hear(&answer.status.to_string()),
            Err(error) if is_late(error) => {}
            Err(error) => self.hear(&error.to_string()),
        }
        answer
    }

    /// Whether the answer comes by then; one that has come in part can be waited for again.
    pub fn is_answered(&mut self, timeout: Duration) -> Result<bool, String> {
        self.client.set_patience(timeout).map_err(|error| error.to_string())?;
        let answered = match self.answer() {
            Ok(_) => Ok(true),
            Err(error) if is_late(&error) => Ok(false),
            Err(error) => Err(format!("instead of an answer: {error}")),
        };
        self.client.set_patience(PATIENCE).map_err(|error| error.to_string())?;
        answered
    }

    /// The head of the next answer, and then nothing.
    pub fn read_head(&mut self) -> io::Result<()> {
        self.client.head()?;
        self.track.mark("stops reading");
        Ok(())
    }

    /// The content behind it.
    pub fn read_on(&mut self, length: usize) -> io::Result<()> {
        self.track.mark("reads on");
        self.client.take(length)?;
        self.hear("all of it");
        Ok(())
    }

    /// Notes what the first of its requests has come to.
    pub fn hear(&mut self, what: &str) {
        let Some((request, at)) = self.asked.pop_front() else { return };
        let (begin, now) = (at.max(self.answered), Instant::now());
        let waited = now.saturating_duration_since(at).as_secs_f64() * 1e3;
        let args =
            json!({ "asked": request, "came": what, "waited_ms": waited, "requests behind it": self.asked.len() });
        self.track.slice(format!("{request}: {what}"), (begin.min(now), now), args);
        self.answered = now;
    }

    /// The same, and notes that the server has ended the connection with that.
    pub fn hear_last(&mut self, what: &str) {
        self.hear(what);
        self.ended = Some(Instant::now());
    }

    pub fn mark(&self, what: &str) {
        self.track.mark(what);
    }
}

/// It leaves, with or without what it asked for.
impl Drop for Guest {
    fn drop(&mut self) {
        self.hear("gave up");
        self.track.slice("connection", (self.came, self.ended.unwrap_or_else(Instant::now)), json!({}));
    }
}

fn is_late(error: &io::Error) -> bool {
    [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind())
}
