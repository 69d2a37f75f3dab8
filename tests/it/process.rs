//! The process from outside: what it has open, what wakes whom, and what it does not care about.
//!
//! Rows A10, A14, G5, G8 and S12 of tests/threats.md.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use crate::load::{self, DOWNLOAD, Download, plain_get, site, skips};
use crate::support::{Client, PATIENCE, Server, get};

/// fcntl(2) says `O_CLOEXEC`.
const CLOSE_ON_EXEC: u32 = 0o2_000_000;

/// No child could inherit one (`O_CLOEXEC`), and none is a file that could be written to.
#[test]
fn every_descriptor_is_closed_on_exec_and_none_is_a_file_to_write() {
    const ACCESS_MODE: u32 = 0o3;
    let site = site();
    site.settle();
    let server = Server::start(site.root(), &["--workers", "2"]);
    // A connection, a download under way, and a file that is kept open.
    let mut client = Client::connect(&server);
    client.ask(plain_get("/download.bin"));
    let _download = Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    let mut files = 0;
    for entry in fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("our own child shows its descriptors") {
        let link = entry.expect("a descriptor").path();
        let number = link.file_name().and_then(|name| name.to_str()).expect("a number");
        let target = fs::read_link(&link).expect("it is still open");
        // The standard streams, and whatever else was left to it by who started it.
        if ["0", "1", "2"].contains(&number) || is_left_to_children(number, &target) {
            continue;
        }
        let flags = flags_of(server.pid(), number);
        assert!(flags & CLOSE_ON_EXEC != 0, "{} would be inherited", target.display());
        if target.starts_with("/") {
            files += 1;
            assert_eq!(flags & ACCESS_MODE, 0, "{} is open for writing", target.display());
        }
    }
    assert!(files >= 2, "the root and the file: {files}");
}

/// Whether this process has the same open under that number, and lets its children have it.
fn is_left_to_children(number: &str, target: &Path) -> bool {
    let own = fs::read_link(format!("/proc/self/fd/{number}"));
    own.is_ok_and(|own| own == target) && flags_of(std::process::id(), number) & CLOSE_ON_EXEC == 0
}

/// The flags of an open descriptor (proc_pid_fdinfo(5), in octal).
fn flags_of(pid: u32, descriptor: &str) -> u32 {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{descriptor}")).expect("it is still open");
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).expect("every descriptor has flags");
    u32::from_str_radix(flags.trim(), 8).expect("an octal number")
}

/// However many workers wait: the listener is in no set that they wait in, so a new client wakes the accept loop alone.
#[test]
fn a_new_client_wakes_no_worker() {
    let site = site();
    let server = Server::start(site.root(), &["--workers", "8"]);
    // Once it has been served, the workers wait.
    Client::connect(&server).ask(plain_get("/hello.txt"));
    let listener = format!("socket:[{}]", inode_of_listener(server.address()));
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("our own child").flatten();
    let number = |link: &fs::DirEntry| link.file_name().into_string().expect("a number");
    let is = |link: &fs::DirEntry, what: &str| fs::read_link(link.path()).is_ok_and(|found| found == Path::new(what));
    let listener = descriptors().find(|link| is(link, &listener)).map(|link| number(&link)).expect("it listens");
    let mut sets = 0;
    for set in descriptors().filter(|link| is(link, "anon_inode:[eventpoll]")) {
        sets += 1;
        let info =
            fs::read_to_string(format!("/proc/{}/fdinfo/{}", server.pid(), number(&set))).expect("our own child");
        let watched: Vec<&str> = info
            .lines()
            .filter_map(|line| line.strip_prefix("tfd:")?.split(' ').find(|word| !word.is_empty()))
            .collect();
        assert!(!watched.is_empty() && !watched.contains(&listener.as_str()), "{watched:?} and {listener}");
    }
    assert_eq!(sets, 1, "all workers share one set");
}

/// The number of the socket that listens there (the table is described in proc(5)).
fn inode_of_listener(address: SocketAddr) -> String {
    let table = fs::read_to_string("/proc/net/tcp").expect("every Linux has this table");
    let port = format!(":{:04X}", address.port());
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut listening = lines.filter(|fields| fields[3] == "0A" && fields[1].ends_with(&port));
    listening.next().expect("it listens")[9].to_owned()
}

#[test]
fn the_time_zone_is_nothing_to_it() {
    let site = site();
    let mut command = Server::command(site.root());
    command.env("TZ", "Pacific/Auckland");
    let server = Server::spawn(command);
    let date = Client::connect(&server).ask(plain_get("/hello.txt")).field("date");
    // `Sun, 06 Nov 1994 08:49:37 GMT` is `06/Nov/1994:08:49:37 +0000` in the log.
    let [_, day, month, year, time, "GMT"] = date.split(' ').collect::<Vec<_>>()[..] else { panic!("{date:?}") };
    let logged = format!("[{day}/{month}/{year}:{time} +0000]");
    server.wait_for_stdout_line(PATIENCE, |line| line.contains(&logged));
    let now = httpdate::fmt_http_date(std::time::SystemTime::now());
    assert_eq!(date[..date.len() - 9], now[..now.len() - 9], "the same hour in UTC");
}

#[test]
fn an_ipv4_client_of_an_ipv6_address_is_itself_in_the_log() {
    if skips(TcpListener::bind("[::]:0").is_ok(), "IPv6 on this machine") {
        return;
    }
    let site = site();
    let server = Server::start(site.root(), &["--bind", "::"]);
    let four = SocketAddr::from((Ipv4Addr::LOCALHOST, server.address().port()));
    assert_eq!(Client::connect_to(four).ask(get("/hello.txt", "")).status, 200);
    server.wait_for_stdout_line(PATIENCE, |line| line.starts_with("127.0.0.1 - - ["));
}
