//! Line 15: what clients send must not speak to whoever reads the log, and a log that nobody reads must not hold them up.

use std::fs::File;
use std::io::{self, Read};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::client::{Client, find, get};
use crate::report::Tally;
use crate::server::Subject;
use crate::server::{Server, millpond_into, wait_until};
use crate::{Siege, Stop};

pub fn true_to_life(siege: &Siege) -> Result<Tally, Stop> {
    let Subject::Millpond(program) = &siege.subject else {
        return Err(Stop::Skip("where its log is, and in which format, is not known here"));
    };
    let mut tally = Tally::default();
    forge(siege, &mut tally)?;

    // Nobody reads it until the end.
    let (reader, writer) = io::pipe()?;
    let server = millpond_into(program, siege.site.root(), Stdio::from(writer))?;
    let requests = load_it(siege, &server, "a blocked log", &mut tally)?;
    let lines = thread::spawn(move || count_lines(reader));
    judge_dropped(server, requests, Some(lines), "a blocked log", &mut tally)?;

    let full = File::options().write(true).open("/dev/full")?;
    let server = millpond_into(program, siege.site.root(), Stdio::from(full))?;
    let requests = load_it(siege, &server, "a full disk", &mut tally)?;
    judge_dropped(server, requests, None, "a full disk", &mut tally)?;
    Ok(tally)
}

// ------------------------------------------------------------------------------------------------------------- forgery

/// What would forge a line, or speak to a terminal.
const FORGED: [&[u8]; 8] = [
    b"GET /%0a127.0.0.1%20-%20-%20forged HTTP/1.1\r\nHost: h\r\nUser-Agent: \x1b]0;title\x07\r\n\r\n",
    b"GET /a\x1b[31m HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /a\nforged HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /a\" 200 1 \"forged HTTP/1.1\r\nHost: h\r\n\r\n",
    b"\x1b[2J\x07\x7f\x80\xff / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET /%1b%5b31m HTTP/1.1\r\nHost: h\r\nReferer: http://h/\"\\\xc2\x9b31m\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: a\tb\xe2\x80\xae\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
];

/// What all lines of this siege have had the server log: these, and whatever came before them.
fn forge(siege: &Siege, tally: &mut Tally) -> Result<(), Stop> {
    for bytes in FORGED {
        let mut client = Client::connect(siege.server.address)?;
        client.send(bytes)?;
        client.answer()?;
    }
    let last = "/the-last-of-them";
    Client::connect(siege.server.address)?.ask(get(last))?;
    let has_last = || siege.server.said("stdout").is_ok_and(|said| find(&said, last.as_bytes()).is_some());
    if !wait_until(Duration::from_secs(5), has_last) {
        return Err(Stop::Broken("what it logs is not in its log 5 s later".into()));
    }
    let (stdout, stderr) = (siege.server.said("stdout")?, siege.server.said("stderr")?);
    let raw = stdout.iter().chain(&stderr).filter(|byte| byte.is_ascii_control() && **byte != b'\n');
    let raw = raw.count() + stdout.iter().filter(|byte| **byte >= 0x80).count();
    // The first line is the address.
    let lines: Vec<&[u8]> = stdout.split(|byte| *byte == b'\n').skip(1).filter(|line| !line.is_empty()).collect();
    let forged = lines.iter().filter(|line| !line.starts_with(b"127.0.0.1 - - [")).count();
    tally.check(raw == 0, format!("{raw} raw control bytes in {} lines", lines.len()));
    tally.check(forged == 0, format!("{forged} forged"));
    Ok(())
}

// ---------------------------------------------------------------------------------------------------------- a bad sink

/// Requests sent together, and the rest behind them: enough to fill the log in seconds, and not the processors.
const BURST: usize = 16;
const REST: Duration = Duration::from_millis(1);

/// Asks until the queue must have run over, with the good client beside; says how many requests it was in all.
fn load_it(siege: &Siege, server: &Server, what: &str, tally: &mut Tally) -> Result<usize, Stop> {
    let request = get(&siege.site.target("small.txt")).repeat(BURST);
    let (asked, good) = siege.with_good_client(server, || -> io::Result<usize> {
        let mut client = Client::connect(server.address)?;
        let mut asked = 0;
        while asked < siege.size.logged {
            client.send(&request)?;
            for _ in 0..BURST {
                client.answer()?;
            }
            asked += BURST;
            thread::sleep(REST);
        }
        Ok(asked)
    });
    good.judge(tally, &format!(" beside {what}"));
    Ok(asked? + good.asked())
}

/// Ends the server, and holds what it says was dropped against what was not written.
fn judge_dropped(
    mut server: Server,
    requests: usize,
    lines: Option<thread::JoinHandle<usize>>,
    what: &str,
    tally: &mut Tally,
) -> Result<(), Stop> {
    server.signal(Signal::TERM)?;
    server.process().and_then(|process| process.wait(Duration::from_secs(5))).ok_or("it does not end".to_owned())?;
    let said = server.said("stderr")?;
    let said = String::from_utf8_lossy(&said).into_owned();
    // "access log: 123 lines were dropped in all, because ..."
    let dropped = said.lines().find_map(|line| {
        let (_, rest) = line.split_once("access log: ")?;
        rest.split_once(" lines were dropped in all")?.0.parse::<usize>().ok()
    });
    let written = lines.map_or(0, |lines| lines.join().unwrap_or(0));
    let dropped_text = dropped.map_or("nothing".to_owned(), |dropped| dropped.to_string());
    let adds_up = dropped.is_some_and(|dropped| dropped > 0 && dropped + written == requests);
    let text = format!("{what}: of {requests} lines {written} written, {dropped_text} said to be dropped");
    tally.check(adds_up, text);
    Ok(())
}

/// Lines behind the first, which is the address.
fn count_lines(mut reader: impl Read) -> usize {
    let mut text = Vec::new();
    // Until the server, which has the other end, is gone.
    let _ = reader.read_to_end(&mut text);
    text.iter().filter(|byte| **byte == b'\n').count().saturating_sub(1)
}
