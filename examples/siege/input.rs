//! Lines 5 and 6: heads that are too large, and heads whose message ends in two places.

use std::io::{self, ErrorKind, Write};
use std::thread;
use std::time::Duration;

use crate::client::{self, Client, find, get_with};
use crate::report::Tally;
use crate::{Siege, Stop};

// -------------------------------------------------------------------------------------------------------------- bounds

const HEAD_BYTES_MAX: usize = 16 * 1024;
const FIELD_LINES_MAX: usize = 100;

/// What is poured into one request.
const FLOOD_BYTES: usize = 32 * 1024 * 1024;

/// What one request may add to the server's memory.
const GROWTH_KIB_MAX: f64 = 64.0;

/// Requests held at a time.
const AT_A_TIME: usize = 64;

pub fn bounds(siege: &Siege) -> Result<Tally, Stop> {
    let mut tally = Tally::default();
    refuse(siege, &mut tally)?;
    hold_many(siege, &mut tally)?;
    flood(siege, &mut tally);
    Ok(tally)
}

/// What is just beyond the bounds is refused.
fn refuse(siege: &Siege, tally: &mut Tally) -> io::Result<()> {
    let target = siege.site.target("small.txt");
    let least = get_with(&target, "").len();
    let head_too_large = get_with(&target, &format!("X: {}\r\n", "x".repeat(HEAD_BYTES_MAX + 1 - least - 5)));
    // Host is one of them.
    let too_many_lines = get_with(&target, &"X: x\r\n".repeat(FIELD_LINES_MAX));
    let empty_lines_first = "\r\n".repeat(HEAD_BYTES_MAX / 2) + &get_with(&target, "");
    let mut served = Vec::new();
    for (what, request) in [
        ("a head of 16 KiB and a byte", head_too_large),
        ("101 field lines", too_many_lines),
        ("16 KiB of empty lines before a head", empty_lines_first),
    ] {
        let mut client = Client::connect(siege.server.address)?;
        // A server may have answered, and left, before it has taken everything.
        let _ = client.send(&request);
        match client.answer() {
            Ok(answer) if (400..500).contains(&answer.status) => {}
            Ok(answer) => served.push(format!("{what} is answered {}", answer.status)),
            // Cut without a word: bounded, too.
            Err(error) if [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&error.kind()) => {}
            Err(error) => served.push(format!("{what}: {error}")),
        }
    }
    let text = if served.is_empty() { "what is beyond is refused".to_owned() } else { served.join(", ") };
    tally.check(served.is_empty(), text);
    Ok(())
}

/// The requests that a server has to keep most of, many at a time: what one takes shows in so many.
fn hold_many(siege: &Siege, tally: &mut Tally) -> io::Result<()> {
    let head = get_with(&siege.site.target("small.txt"), &format!("X: {}\r\n", "x".repeat(HEAD_BYTES_MAX - 200)));
    let ranges: Vec<String> = (0..16).map(|index| format!("{0}000000-{0}999999", index + 1)).collect();
    let ranges = get_with(&siege.site.target("big.bin"), &format!("Range: bytes={}\r\n", ranges.join(",")));
    for (what, request) in
        [("heads of 16 KiB without their end", &head[..head.len() - 2]), ("unread answers of 16 ranges", &ranges)]
    {
        let before = siege.server.weight();
        let mut clients = Vec::new();
        for _ in 0..AT_A_TIME {
            let mut client = Client::connect_narrow(siege.server.address)?;
            client.send(request)?;
            clients.push(client);
        }
        // Until it has read them.
        thread::sleep(Duration::from_millis(300));
        let grown = siege.server.weight().resident_kib.saturating_sub(before.resident_kib);
        let each = grown as f64 / AT_A_TIME as f64;
        tally.check(each <= GROWTH_KIB_MAX, format!("{each:.1} KiB for each of {AT_A_TIME} {what}"));
    }
    Ok(())
}

/// Pours far more than anybody needs into one request, in each place that has no end of its own.
fn flood(siege: &Siege, tally: &mut Tally) {
    let target = siege.site.target("small.txt");
    let places = [
        ("field value", format!("GET {target} HTTP/1.1\r\nHost: siege.test\r\nX: "), "x"),
        ("target", "GET /".to_owned(), "x"),
        ("empty lines", String::new(), "\r\n"),
        ("field lines", format!("GET {target} HTTP/1.1\r\nHost: siege.test\r\n"), "X: x\r\n"),
    ];
    let (mut most_grown, mut most_taken, mut uncut) = (0, 0, Vec::new());
    for (name, beginning, filler) in &places {
        let (taken, grown) = pour(siege, beginning, filler);
        (most_taken, most_grown) = (most_taken.max(taken), most_grown.max(grown));
        if taken >= FLOOD_BYTES {
            uncut.push(*name);
        }
    }
    let uncut_text = if uncut.is_empty() { String::new() } else { format!(", never: {}", uncut.join(", ")) };
    let names = places.map(|(name, ..)| name).join(", ");
    let text = format!("32 MiB of {names}: cut after {} KiB at most{uncut_text}", most_taken / 1024);
    tally.check(uncut.is_empty(), text);
    tally.check(most_grown as f64 <= GROWTH_KIB_MAX, format!("memory +{most_grown} KiB meanwhile"));
}

/// Sends until the server has had enough; says how much the kernels took, and by how much the server had grown, in KiB.
fn pour(siege: &Siege, beginning: &str, filler: &str) -> (usize, u64) {
    let before = siege.server.weight().resident_kib;
    let chunk = filler.repeat(64 * 1024 / filler.len());
    let (mut taken, mut most) = (0, before);
    let Ok(client) = Client::connect(siege.server.address) else { return (0, 0) };
    // One that takes no more and doesn't leave either has it cut as well.
    let _ = client.set_patience(Duration::from_secs(1));
    let mut stream = client.stream();
    let mut next = beginning.as_bytes();
    while taken < FLOOD_BYTES {
        match stream.write(next) {
            Ok(0) | Err(_) => break,
            Ok(sent) => taken += sent,
        }
        next = chunk.as_bytes();
        most = most.max(siege.server.weight().resident_kib);
    }
    (taken, most - before)
}

// ------------------------------------------------------------------------------------------------------------- framing

/// Field lines that leave the length of a message in doubt (RFC 9112 §6).
const AMBIGUOUS: [&str; 26] = [
    "Content-Length: 5\r\nContent-Length: 42\r\n",
    "Content-Length: 0\r\nContent-Length: 42\r\n",
    "content-length: 5\r\nCONTENT-LENGTH: 6\r\n",
    "Content-Length: 0, 42\r\n",
    "Content-Length: 5,\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: -0\r\n",
    "Content-Length: 0x10\r\n",
    "Content-Length: 1f\r\n",
    "Content-Length: 5.0\r\n",
    "Content-Length: 1e3\r\n",
    "Content-Length: 5 5\r\n",
    "Content-Length: five\r\n",
    "Content-Length: 1_000\r\n",
    "Content-Length:\r\n",
    "Content-Length: 18446744073709551616\r\n",
    "Content-Length : 5\r\n",
    "Content-Length:\r\n 5\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked, chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding: \x0bchunked\r\n",
];

/// A length is asked for by both.
const METHODS: [&str; 2] = ["GET", "POST"];

pub fn framing(siege: &Siege) -> Result<Tally, Stop> {
    let target = siege.site.target("small.txt");
    let behind = client::get(&target);
    let (mut tried, mut refused, mut closed, mut seconds) = (0, 0, 0, 0);
    let mut first_wrong = String::new();
    for method in METHODS {
        for fields in AMBIGUOUS {
            let verdict =
                try_framing(siege, &format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n{behind}"))?;
            tried += 1;
            refused += usize::from(verdict.refused);
            closed += usize::from(verdict.closed);
            seconds += verdict.seconds;
            if first_wrong.is_empty() && !(verdict.refused && verdict.closed && verdict.seconds == 0) {
                first_wrong = format!(", the first not: {method} with {}", fields.trim_end().escape_debug());
            }
        }
    }
    let mut tally = Tally::default();
    tally.check(refused == tried, format!("{refused} of {tried} are 400{first_wrong}"));
    tally.check(closed == tried, format!("{closed} closed"));
    tally.check(seconds == 0, format!("{seconds} second answers"));
    Ok(tally)
}

struct Framed {
    refused: bool,
    closed: bool,
    /// Answers to what is behind the request, and may have been its content.
    seconds: usize,
}

fn try_framing(siege: &Siege, bytes: &str) -> io::Result<Framed> {
    let mut client = Client::connect(siege.server.address)?;
    // Who waits for more, or lingers without having said that it closes, has not closed.
    client.set_patience(Duration::from_secs(1))?;
    let _ = client.send(bytes);
    let Ok(first) = client.answer() else { return Ok(Framed { refused: false, closed: true, seconds: 0 }) };
    let (rest, closed) = match client.read_to_end() {
        Ok(rest) => (rest, true),
        Err(_) => (client.take_unread(), false),
    };
    let mut seconds = 0;
    let mut left = rest.as_slice();
    while let Some(at) = find(left, b"HTTP/1.") {
        seconds += 1;
        left = &left[at + 1..];
    }
    Ok(Framed { refused: first.status == 400, closed, seconds })
}
