//! Lines 8 to 10: files that are none, files that change while they are sent, and files that change between two requests.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::client::{Client, get, get_with};
use crate::report::{self, Tally};
use crate::{Siege, Stop};

// ------------------------------------------------------------------------------------------------------- special files

const AT_A_TIME: usize = 64;
const HANG_MAX: Duration = Duration::from_millis(100);

pub fn special(siege: &Siege) -> Result<Tally, Stop> {
    let mut tally = Tally::default();
    let made = make_special(siege)?;
    for name in &made {
        ask_for_special(siege, name, &mut tally)?;
    }
    if made.len() < 3 {
        tally.skip("a device, which only root can make");
    }
    Ok(tally)
}

fn make_special(siege: &Siege) -> io::Result<Vec<&'static str>> {
    let make = |name, kind, device| mknodat(CWD, siege.site.path(name), kind, Mode::from_raw_mode(0o666), device);
    make("fifo", FileType::Fifo, 0)?;
    // The file outlives its listener.
    UnixListener::bind(siege.site.path("socket"))?;
    let mut made = vec!["fifo", "socket"];
    // /dev/zero, which has no end.
    if make("device", FileType::CharacterDevice, makedev(1, 5)).is_ok() {
        made.push("device");
    }
    Ok(made)
}

/// All ask, and then all are waited for: the time of the last is that of the slowest.
fn ask_for_special(siege: &Siege, name: &str, tally: &mut Tally) -> io::Result<()> {
    let request = get(&siege.site.target(name));
    let mut clients = Vec::new();
    for _ in 0..AT_A_TIME {
        clients.push(Client::connect(siege.server.address)?);
    }
    let since = Instant::now();
    for client in &mut clients {
        client.send(&request)?;
    }
    let mut statuses = Vec::new();
    for client in &mut clients {
        // Who gets no answer in ten times the time gets none.
        let left = (10 * HANG_MAX).saturating_sub(since.elapsed());
        client.set_patience(left.max(Duration::from_millis(1)))?;
        statuses.push(client.head().map_or(0, |head| head.status));
    }
    let took = since.elapsed();
    statuses.sort_unstable();
    statuses.dedup();
    let what = match statuses.as_slice() {
        [0] => "no answer".to_owned(),
        statuses => format!("{statuses:?}"),
    };
    tally.check(statuses == [404] && took < HANG_MAX, format!("{name}: {what} in {}", report::time(took)));
    Ok(())
}

// -------------------------------------------------------------------------------------------------------------- length

/// More than the socket buffers of both sides take, so that it is under way until it is read.
const DOWNLOAD_BYTES: usize = 24 * 1024 * 1024;

/// How far a download is when its file changes.
const READ_BEFORE_BYTES: usize = 1024 * 1024;

/// To what a file is cut: ahead of what has been sent by then. What the kernel has of it is not the server's any more, and
/// where it keeps files in large pieces, it wipes what is on its way of the piece that it cuts.
const CUT_BYTES: usize = DOWNLOAD_BYTES / 2;

pub fn honest(siege: &Siege) -> Result<Tally, Stop> {
    let content = patterned(DOWNLOAD_BYTES);
    let mut tally = Tally::default();

    let path = siege.site.path("truncated.bin");
    let came = change_under_way(siege, "truncated.bin", &content, || {
        let length = u64::try_from(CUT_BYTES).map_err(io::Error::other)?;
        File::options().write(true).open(&path)?.set_len(length)
    })?;
    let right = content.starts_with(&came.bytes);
    tally.check(came.closed && came.bytes.len() <= CUT_BYTES && right, came.describe("truncated", right));

    let path = siege.site.path("renamed.bin");
    let other = vec![b'n'; DOWNLOAD_BYTES];
    siege.site.file("new.bin", &other)?;
    let came = change_under_way(siege, "renamed.bin", &content, || fs::rename(siege.site.path("new.bin"), &path))?;
    let right = came.bytes == content;
    tally.check(right, came.describe("replaced", right));
    let next = Client::connect(siege.server.address)?.ask(get(&siege.site.target("renamed.bin")))?;
    tally.check(next.content == other, "then the new ones");

    let path = siege.site.path("grown.bin");
    let came = change_under_way(siege, "grown.bin", &content, || {
        File::options().append(true).open(&path)?.write_all(&[b'g'; 1024 * 1024])
    })?;
    let right = came.bytes == content;
    tally.check(right && !came.more, came.describe("grown", right));
    Ok(tally)
}

/// What came of a download whose file changed.
struct Came {
    bytes: Vec<u8>,
    /// Before all had come that was promised.
    closed: bool,
    /// Behind what was promised.
    more: bool,
}

impl Came {
    fn describe(&self, what: &str, right: bool) -> String {
        let Came { bytes, closed, more } = self;
        let wrong = if right { "" } else { ", not those of the file" };
        let closed = if *closed { ", then closed" } else { "" };
        let more = if *more { ", and more" } else { "" };
        format!("{what}: {} of {DOWNLOAD_BYTES} bytes{wrong}{closed}{more}", bytes.len())
    }
}

fn change_under_way(
    siege: &Siege,
    name: &str,
    content: &[u8],
    change: impl FnOnce() -> io::Result<()>,
) -> io::Result<Came> {
    siege.site.file(name, content)?;
    let mut client = Client::connect_narrow(siege.server.address)?;
    client.send(get(&siege.site.target(name)))?;
    let head = client.head()?;
    if head.field("content-length") != Some(content.len().to_string()) {
        return Err(io::Error::other(format!("{name} is answered {}", head.status)));
    }
    let mut bytes = client.take(READ_BEFORE_BYTES)?;
    change()?;
    let (rest, closed) = match client.take(content.len() - READ_BEFORE_BYTES) {
        Ok(rest) => (rest, false),
        Err(error) if has_ended(&error) => (client.take_unread(), true),
        // It owes the rest, and leaves its client to wait for it.
        Err(error) if error.kind() == ErrorKind::WouldBlock => (client.take_unread(), false),
        Err(error) => return Err(error),
    };
    bytes.extend_from_slice(&rest);
    // What came behind it would be taken for the beginning of the next answer.
    let more = bytes.len() == content.len() && client.ask(get(&siege.site.target("small.txt"))).is_err();
    Ok(Came { bytes, closed, more })
}

/// By FIN or by RST.
fn has_ended(error: &io::Error) -> bool {
    [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&error.kind())
}

/// Bytes that tell where they stand: a wrong offset shows.
fn patterned(length: usize) -> Vec<u8> {
    (0..length.div_ceil(8)).flat_map(|index| (index * 8).to_be_bytes()).take(length).collect()
}

// ----------------------------------------------------------------------------------------------------------- freshness

/// Files that have settled, so that a server may have kept them, are asked for, rewritten, and asked for again; and once
/// more in the same tick of the clock.
pub fn fresh(siege: &Siege) -> Result<Tally, Stop> {
    let (site, count) = (&siege.site, siege.size.rewritten);
    let name = |number: usize| format!("fresh/{number}.txt");
    let content = |version: &str, number: usize| format!("{version} {number:08}\n").into_bytes();
    for number in 0..count {
        site.file(&name(number), &content("old", number))?;
    }
    site.settle();
    let mut client = Client::connect(siege.server.address)?;
    let mut ask = |number: usize, fields: &str| {
        let answer = client.ask(get_with(&site.target(&name(number)), fields))?;
        if answer.closes() {
            client = Client::connect(siege.server.address)?;
        }
        io::Result::Ok(answer)
    };
    let (mut stale, mut stale_304, mut wrong) = (0, 0, 0);
    for number in 0..count {
        let kept = [ask(number, "")?, ask(number, "")?];
        wrong += usize::from(kept.iter().any(|answer| answer.content != content("old", number)));
        let [_, old] = kept;
        for version in ["new", "2nd"] {
            site.file(&name(number), &content(version, number))?;
            stale += usize::from(ask(number, "")?.content != content(version, number));
        }
        if let Some(etag) = old.field("etag") {
            stale_304 += usize::from(ask(number, &format!("If-None-Match: {etag}\r\n"))?.status == 304);
        }
    }
    let mut tally = Tally::default();
    tally.check(wrong == 0, format!("{count} files asked for until kept, {wrong} wrong"));
    tally.check(stale == 0, format!("rewritten twice each: {stale} of {} stale", 2 * count));
    tally.check(stale_304 == 0, format!("{stale_304} stale 304"));
    Ok(tally)
}
