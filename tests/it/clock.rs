//! The clock on the wall says anything: before 1970, after 9999, or another century from one moment to the next. Answers
//! stay right, every date is a legal one, and no deadline moves.
//!
//! *Invariants:* 13 of DESIGN.md §3; rows R8, R9, C18 and G7 of threats.md. RFC 9110 §5.6.7: a date has four digits of a
//! year.
//!
//! libfaketime tells the server the time; the kernel, and with it the stamps of files, know nothing of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::crowd;
use crate::load::{self, assert_took, skips};
use crate::support::{Client, PATIENCE, Server, Site, common, get, rows};

/// Where Debian and its like have it.
fn libfaketime() -> Option<PathBuf> {
    let directories = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let libraries = directories.map(|directory| directory.join("faketime/libfaketimeMT.so.1"));
    libraries.chain(["/usr/lib/faketime/libfaketimeMT.so.1".into()]).find(|library| library.is_file())
}

/// A server and the file that its clock is read from, each time.
fn serve(root: &Path, clock: &Clock, arguments: &[&str]) -> Option<Server> {
    let library = libfaketime();
    if skips(library.is_some(), "libfaketime") {
        return None;
    }
    let mut command = Server::command(root);
    // The clock's file is none that the sandbox would let the process read.
    command.args(["--workers", "2", "--no-sandbox"]).args(arguments);
    command.env("LD_PRELOAD", library?).env("FAKETIME_TIMESTAMP_FILE", &clock.file).env("FAKETIME_NO_CACHE", "1");
    command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1").env("TZ", "UTC");
    Some(Server::spawn(command))
}

/// What the clock on the wall says.
struct Clock {
    site: Site,
    file: PathBuf,
}

impl Clock {
    /// A time as faketime(1) writes it: `@` and when it begins to count, or `+` and `-` and how far it is off.
    fn new(time: &str) -> Clock {
        let site = Site::new();
        let clock = Clock { file: site.outside().join("clock"), site };
        clock.set(time);
        clock
    }

    fn set(&self, time: &str) {
        let next = self.site.outside().join("next");
        fs::write(&next, format!("{time}\n")).and_then(|()| fs::rename(&next, &self.file)).expect("our own file");
    }
}

/// Whether files can have been there for a while, by that clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Files {
    /// They have validators.
    Settled,
    /// They are of the future, and have none.
    ToCome,
}

rows!(serves:
    in_the_year_1969("@1969-07-20 20:17:40", "Thu, 01 Jan 1970 00:00:00 GMT", Files::ToCome),
    five_centuries_before_christ("-2500y", "Thu, 01 Jan 1970 00:00:00 GMT", Files::ToCome),
    when_1970_begins("@1970-01-01 00:00:00", "Thu, 01 Jan 1970 00:00:", Files::ToCome),
    when_32_bits_end("@2038-01-19 03:14:05", "Tue, 19 Jan 2038 03:14:", Files::Settled),
    after_the_year_10000("+8000y", "Fri, 31 Dec 9999 23:59:59 GMT", Files::Settled),
);

fn serves(time: &str, date: &str, files: Files) {
    let clock = Clock::new(time);
    let Some(mut server) = serve(common().site.root(), &clock, &[]) else { return };
    let tally = crowd::ask(&server, 2, 4, &[]);
    assert_eq!((tally.refused, tally.cut), (0, 0));
    let mut client = Client::connect(&server);
    for target in ["/hello.txt", "/dir/file.txt", "/middle.bin", "/dated.txt"] {
        assert_eq!(conditions(&mut client, target, date), files, "{target}");
    }
    let day = format!(" [{}/{}/{}:", &date[5..7], &date[8..11], &date[12..16]);
    server.wait_for_stdout_line(PATIENCE, |line| line.contains("/dated.txt") && line.contains(&day));
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    let stderr = String::from_utf8_lossy(&server.stderr_to_end()).into_owned();
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// Asks with every condition: with what the server says of the file, or with what can't be true where it says nothing.
fn conditions(client: &mut Client, target: &str, date: &str) -> Files {
    let whole = client.ask(get(target, ""));
    assert_eq!(whole.status, 200);
    assert!(whole.field("date").starts_with(date), "{}", whole.field("date"));
    let mut ask = |fields: String| {
        let answer = client.ask(get(target, &fields));
        assert!(answer.field("date").starts_with(date), "{}", answer.field("date"));
        (answer.status, fields)
    };
    let mut expect = |status: u16, fields: String| assert_eq!(ask(fields.clone()), (status, fields));
    let (etag, modified) = (whole.optional("etag"), whole.optional("last-modified"));
    assert_eq!(etag.is_some(), modified.is_some(), "both or none");
    let (Some(etag), Some(modified)) = (etag, modified) else {
        expect(200, "If-None-Match: \"a\"\r\n".into());
        expect(412, "If-Match: \"a\"\r\n".into());
        expect(200, "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT\r\n".into());
        expect(200, "Range: bytes=0-1\r\nIf-Range: \"a\"\r\n".into());
        expect(206, "Range: bytes=0-1\r\n".into());
        return Files::ToCome;
    };
    let time = |date: &str| httpdate::parse_http_date(date).expect("a date of HTTP");
    assert!(time(&modified) <= time(&whole.field("date")), "RFC 9110 §8.8.2.1: not modified in the future");
    expect(304, format!("If-None-Match: {etag}\r\n"));
    expect(200, format!("If-Match: {etag}\r\n"));
    expect(412, "If-Match: \"a\"\r\n".into());
    expect(304, format!("If-Modified-Since: {modified}\r\n"));
    expect(200, format!("If-Unmodified-Since: {modified}\r\n"));
    expect(206, format!("Range: bytes=0-1\r\nIf-Range: {etag}\r\n"));
    Files::Settled
}

// --------------------------------------------------------------------------------------------------------------- steps

const NOW: &str = "+0";
const STEPS: [&str; 8] = ["+1h", "-1h", "@1969-07-20 20:17:40", NOW, "+8000y", "-2500y", "+8000y", NOW];

#[test]
fn whatever_the_clock_steps_to_a_change_is_seen_at_once_and_an_old_entity_tag_is_no_304() {
    let site = Site::new();
    site.file("page.txt", "0");
    site.settle();
    let clock = Clock::new(NOW);
    let Some(server) = serve(site.root(), &clock, &["--access-log", "off"]) else { return };
    let mut client = Client::connect(&server);
    let mut etag = client.ask(get("/page.txt", "")).field("etag");
    for (index, step) in STEPS.iter().enumerate() {
        clock.set(step);
        for _ in 0..2 {
            assert_eq!(client.ask(get("/page.txt", "")).content.len(), index + 1, "{step}");
        }
        site.file("page.txt", "0".repeat(index + 2));
        for _ in 0..2 {
            let new = client.ask(get("/page.txt", &format!("If-None-Match: {etag}\r\n")));
            assert_eq!((new.status, new.content.len()), (200, index + 2), "{step}");
        }
        etag = client.ask(get("/page.txt", "")).optional("etag").unwrap_or(etag);
    }
}

#[test]
fn no_step_of_the_clock_moves_a_deadline() {
    const HEAD_TIMEOUT: Duration = Duration::from_millis(1_500);
    let clock = Clock::new(NOW);
    let arguments = ["--head-timeout", "1500ms", "--idle-timeout", "30s", "--access-log", "off"];
    let Some(server) = serve(common().site.root(), &clock, &arguments) else { return };
    let sockets = load::sockets(server.pid());
    let mut idle = Client::connect(&server);
    let mut half_head = Client::connect(&server);
    for step in STEPS {
        assert_eq!(idle.ask(get("/hello.txt", "")).status, 200, "it is not closed by a step");
        half_head.send("GET /hello.txt HTTP/1.1\r\n");
        clock.set(step);
        // Each answer is one more look at the clock.
        assert_eq!(Client::connect(&server).ask(get("/hello.txt", "")).status, 200);
        half_head.send("Host: a\r\n\r\n");
        assert_eq!(half_head.response("GET").status, 200, "{step}: a head has its time");
    }
    let since = Instant::now();
    half_head.send("GET /hello.txt HTTP/1.1\r\n");
    clock.set("-2500y");
    assert_eq!(half_head.response("GET").status, 408, "and no more than that");
    assert_took(since.elapsed(), HEAD_TIMEOUT - Duration::from_millis(20)..HEAD_TIMEOUT + Duration::from_secs(1));
    load::wait_until(PATIENCE, "only the idle one is left", || load::sockets(server.pid()) == sockets + 1);
}
