//! Line 14: requests that nobody has thought of, and a handler that panics.
//!
//! The promise counts a million executions of the fuzz targets, which have a home of their own; here whole requests, made
//! wrong in random places, come over sockets.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::panic;
use std::thread;
use std::time::Duration;

use millpond::config::Limits;
use millpond::http::request::RequestHead;
use millpond::http::status::Status;
use millpond::http::target::RequestTarget;
use millpond::server::{Context, Response, Server};

use crate::client::{self, Client, PATIENCE, find, get, get_with};
use crate::report::Tally;
use crate::server::wait_until;
use crate::{Siege, Stop};

/// Turns that panic.
const INJECTED: usize = 1_000;

/// Connections that may hang until patience is at an end: a server that hangs for good would take hours.
const ENDLESS_MAX: usize = 20;

/// Requests on one connection, at most: the first that is no request ends it.
const BURST_MAX: usize = 3;

pub fn none(siege: &Siege) -> Result<Tally, Stop> {
    let mut tally = Tally::default();
    mutated(siege, &mut tally)?;
    if siege.subject.is_millpond() {
        injected(&mut tally)?;
    } else {
        tally.skip("a panic in a handler, which takes the library");
    }
    Ok(tally)
}

// ------------------------------------------------------------------------------------------------------------- mutated

fn mutated(siege: &Siege, tally: &mut Tally) -> Result<(), Stop> {
    let before = siege.server.weight();
    let seeds = seeds(siege);
    let mut dice = Dice(0x5eed_0f5e_11ce_5eed);
    let (mut sent, mut answers, mut failures, mut endless) = (0, 0, 0, 0);
    while sent < siege.size.mutated {
        let burst: Vec<Vec<u8>> = (0..=dice.below(BURST_MAX)).map(|_| mutate(&seeds, &mut dice)).collect();
        sent += burst.len();
        let (came, ended) = pour(siege.server.address, &burst.concat())?;
        endless += usize::from(!ended);
        if endless > ENDLESS_MAX {
            return Err(Stop::Broken(format!("after {sent} mutated requests it let {endless} connections hang")));
        }
        answers += count(&came, b"HTTP/1.1 ");
        failures += count(&came, b"HTTP/1.1 500 ");
    }
    let whole = client::ask(siege.server.address, get(&siege.site.target("small.txt")))?;
    tally.check(
        failures == 0 && whole.status == 200,
        format!("{sent} mutated requests: {answers} answers, {failures} are 500"),
    );
    wait_until(PATIENCE, || siege.server.weight().descriptors <= before.descriptors);
    let after = siege.server.weight();
    let (threads, lost) = (after.threads, before.threads.abs_diff(after.threads));
    tally.check(lost == 0, format!("{threads} threads as before"));
    if siege.subject.is_millpond() {
        let panics = count(&siege.server.said("stderr")?, b"panicked");
        tally.check(panics == 0, format!("{panics} panics logged"));
    } else {
        tally.skip("its log, which is not known here");
    }
    Ok(())
}

/// What is made wrong.
fn seeds(siege: &Siege) -> Vec<Vec<u8>> {
    let small = siege.site.target("small.txt");
    let requests = [
        get(&small),
        get_with(&small, "Range: bytes=0-1,5-9,-3\r\n"),
        get_with(&small, "If-None-Match: \"a\", W/\"b\", *\r\nIf-Match: *\r\n"),
        get_with(&small, "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\nIf-Range: \"a\"\r\n"),
        get_with("/a/%2e%2e/b;c?d=e", "Accept: */*\r\nConnection: keep-alive, TE\r\n"),
        format!("POST {small} HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"),
        format!("PUT {small} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        format!("HEAD http://[::1]:80{small} HTTP/1.0\r\nHost: [::1]\r\n\r\n"),
        "OPTIONS * HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n".to_owned(),
        "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n".to_owned(),
    ];
    requests.into_iter().map(String::into_bytes).collect()
}

/// One of them with up to three wounds.
fn mutate(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    const SPECIAL: &[u8] = b"\0\r\n \t:/?#%,;=-\"\\\x7f\x80\xff09*";
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..dice.below(4) {
        if bytes.is_empty() {
            break;
        }
        let (at, to) = (dice.below(bytes.len()), dice.below(bytes.len()));
        let (first, last) = (at.min(to), at.max(to));
        match dice.below(7) {
            0 => bytes[at] = SPECIAL[dice.below(SPECIAL.len())],
            1 => bytes[at] = dice.next().to_le_bytes()[0],
            2 => bytes.insert(at, SPECIAL[dice.below(SPECIAL.len())]),
            3 => drop(bytes.drain(first..last)),
            4 => bytes.extend_from_within(first..last),
            5 => bytes.truncate(at),
            _ => {
                let piece = bytes[first..last].repeat(dice.below(20));
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// Sends all of it, and reads all that comes; says whether the server has closed.
fn pour(address: SocketAddr, bytes: &[u8]) -> io::Result<(Vec<u8>, bool)> {
    let mut client = Client::connect(address)?;
    // It may have closed after the first of them.
    let _ = client.send(bytes);
    // Nothing follows, so a server that waits for the rest of a request closes.
    let _ = client.stream().shutdown(std::net::Shutdown::Write);
    client.set_patience(Duration::from_secs(1))?;
    match client.read_to_end() {
        Ok(came) => Ok((came, true)),
        Err(_) => Ok((client.take_unread(), false)),
    }
}

fn count(mut bytes: &[u8], wanted: &[u8]) -> usize {
    let mut count = 0;
    while let Some(at) = find(bytes, wanted) {
        count += 1;
        bytes = &bytes[at + wanted.len()..];
    }
    count
}

/// Numbers that look random, and are the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound).unwrap_or(1)).unwrap_or(0)
    }
}

// ------------------------------------------------------------------------------------------------------------ injected

/// A server of this very process, whose handler panics when it is asked to.
fn injected(tally: &mut Tally) -> Result<(), Stop> {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server =
        Server::bind(&[address], Limits { workers: 2, ..Limits::recommended() }).map_err(|error| error.to_string())?;
    let (address, handle) = (server.local_addresses()[0], server.drain_handle());
    let usual = panic::take_hook();
    // A thousand messages say nothing more than one.
    panic::set_hook(Box::new(|_| {}));
    let result = thread::scope(|scope| -> Result<(), Stop> {
        let running = scope.spawn(|| server.run(panic_if_asked));
        let counted = count_what_panics_cost(address, tally);
        handle.drain();
        let drained = running.join().map_err(|_| "the server panicked".to_owned())??;
        tally.check(drained.cut == 0, "then drained");
        Ok(counted?)
    });
    panic::set_hook(usual);
    result
}

fn panic_if_asked(request: &RequestHead<'_>, _: &Context) -> Response {
    let asked = match &request.target {
        RequestTarget::Resource { path, .. } => path.to_uri_path() == "/panic",
        RequestTarget::Asterisk | RequestTarget::Authority => false,
    };
    assert!(!asked, "injected");
    Response::text(Status::OK, "fine")
}

fn count_what_panics_cost(address: SocketAddr, tally: &mut Tally) -> io::Result<()> {
    let own = |what: &str| fs::read_dir(format!("/proc/self/{what}")).map_or(0, Iterator::count);
    for target in ["/panic", "/fine"] {
        client::ask(address, get(target))?;
    }
    // Until both are gone.
    thread::sleep(Duration::from_millis(200));
    let (threads, descriptors) = (own("task"), own("fd"));
    let mut answered = 0;
    for _ in 0..INJECTED {
        answered += usize::from(client::ask(address, get("/panic"))?.status == 500);
    }
    wait_until(PATIENCE, || own("fd") <= descriptors);
    let fine = client::ask(address, get("/fine"))?.status == 200;
    tally.check(answered == INJECTED && fine, format!("{answered} of {INJECTED} injected panics answered 500"));
    wait_until(PATIENCE, || own("fd") <= descriptors);
    let lost = threads.abs_diff(own("task"));
    tally.check(lost == 0, format!("threads +{lost}"));
    let leaked = own("fd").saturating_sub(descriptors);
    tally.check(leaked == 0, format!("descriptors +{leaked}"));
    Ok(())
}
