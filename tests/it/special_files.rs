//! What is no regular file is nothing, and nobody waits for it; what may not be read is said to be so.
//!
//! DESIGN.md §3.7; RFC 9110 §15.5.4 (403); threats.md L5, L6, L7, T12; PROMISE.md 8.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::support::{Client, RENAMES, Server, Site, ask, common, get, rows, server};

/// PROMISE.md 8 names the bound.
const AT_ONCE: Duration = Duration::from_millis(100);

/// The target is a 404, at once. A machine may be slow for a moment, but a hang is one every time: the best of a few
/// tries counts.
#[track_caller]
fn nothing_at_once(target: &str) {
    let _calm = RENAMES.read().unwrap_or_else(PoisonError::into_inner);
    let mut client = Client::connect(server());
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        let response = client.ask(get(target, ""));
        best = best.min(begun.elapsed());
        assert_eq!(response.status, 404);
    }
    assert!(best < AT_ONCE, "{best:?}");
}

rows!(nothing_at_once:
    a_fifo("/special/fifo"),
    a_socket("/special/socket"),
    a_link_to_a_fifo("/links/to-fifo"),
    a_fifo_with_a_slash("/special/fifo/"),
);

#[test]
fn a_device() {
    if !common().site.path("special/device").exists() {
        eprintln!("skipped: only root may make a device");
        return;
    }
    nothing_at_once("/special/device");
}

#[test]
fn a_head_of_a_fifo_is_a_404_as_well() {
    assert_eq!(ask(server(), crate::support::request("HEAD", "/special/fifo", "")).status, 404);
}

/// 64 at a time hold no worker, not even the only one (threats.md L5).
#[test]
fn sixty_four_fifos_hold_nobody() {
    let server = Server::start(common().site.root(), &["--workers", "1", "--access-log", "off"]);
    let mut clients: Vec<Client> = (0..64).map(|_| Client::connect(&server)).collect();
    let begun = Instant::now();
    for client in &mut clients {
        client.send(get("/special/fifo", ""));
    }
    assert_eq!(ask(&server, get("/hello.txt", "")).status, 200);
    for client in &mut clients {
        assert_eq!(client.response("GET").status, 404);
    }
    // 64 times at once, with room for a busy machine; one that waited for a writer would wait for ever.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// Root reads everything: as root, the server of these tests runs as user 65534 ("nobody").
pub fn start_unprivileged(site: &Site) -> Server {
    const NOBODY: u32 = 65_534;
    let mut command = Server::command(site.root());
    if rustix::process::geteuid().is_root() {
        command = unprivileged(site, NOBODY);
    }
    command.args(["--access-log", "off"]);
    Server::spawn(command)
}

/// The command line of a server on a site that another user may run, for who is root: from a copy of the binary where
/// that user can reach it.
pub fn unprivileged(site: &Site, user: u32) -> Command {
    let command = Server::command(site.root());
    let copy = site.outside().join("millpond");
    // By another process: a descriptor for writing that is open here could be inherited by a server that another
    // test starts at this moment, and the copy would be "busy" (ETXTBSY).
    let copied = Command::new("cp").arg(command.get_program()).arg(&copy).status().expect("cp is there");
    assert!(copied.success());
    std::fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("our own file");
    let mut as_user = Command::new(copy);
    as_user.args(command.get_args()).current_dir("/").env_clear().uid(user).gid(user);
    as_user
}

#[test]
fn what_may_not_be_read_is_403() {
    let site = Site::new();
    site.file("open.txt", "open")
        .file("locked.txt", "locked")
        .file("locked-dir/file.txt", "beneath")
        .file("locked-index/index.html", "index")
        .file("unlisted/file.txt", "can be entered, not listed")
        .link("link-to-locked", "locked.txt");
    site.mode("locked.txt", 0o000)
        .mode("locked-dir", 0o000)
        .mode("locked-index/index.html", 0o000)
        .mode("unlisted", 0o711);
    let server = start_unprivileged(&site);
    let rows = [
        ("/open.txt", 200),
        ("/locked.txt", 403),
        ("/link-to-locked", 403),
        ("/locked-dir/file.txt", 403),
        ("/locked-dir/missing", 403),
        ("/locked-dir/", 403),
        ("/locked-index/", 403),
        ("/unlisted/file.txt", 200),
        ("/unlisted/missing", 404),
        ("/missing", 404),
    ];
    let found: Vec<(&str, u16)> =
        rows.iter().map(|(target, _)| (*target, ask(&server, get(target, "")).status)).collect();
    // A tester who isn't root could not remove what is in it.
    site.mode("locked-dir", 0o755);
    assert_eq!(found, rows);
}

/// A 403 says no more than that: not what the file is called on disk, and nothing of what is in it.
#[test]
fn a_403_is_a_sentence() {
    let site = Site::new();
    site.file("locked.txt", "locked").mode("locked.txt", 0o000);
    let server = start_unprivileged(&site);
    let response = ask(&server, get("/locked.txt", "Range: bytes=0-1\r\nIf-None-Match: *\r\n"));
    assert_eq!((response.status, response.reason.as_str(), response.closes()), (403, "Forbidden", false));
    assert_eq!(response.field("content-type"), "text/plain; charset=utf-8");
    for absent in ["etag", "last-modified", "content-range", "accept-ranges"] {
        assert!(!response.has(absent), "{absent}");
    }
    let root = site.root().to_str().expect("a temporary directory has a plain name");
    assert!(!response.content_text().contains(root));
}

/// A file that was served and is locked afterwards is not served from memory.
#[test]
fn a_file_that_is_locked_is_403_from_then_on() {
    let site = Site::new();
    site.file("page.txt", "page");
    site.settle();
    let server = start_unprivileged(&site);
    let mut client = Client::connect(&server);
    for _ in 0..3 {
        assert_eq!(client.ask(get("/page.txt", "")).status, 200);
    }
    site.mode("page.txt", 0o000);
    assert_eq!(client.ask(get("/page.txt", "")).status, 403);
    site.mode("page.txt", 0o644);
    assert_eq!(client.ask(get("/page.txt", "")).status, 200);
}

/// The same for a directory on the way, and for the root itself: who may not search it reaches no file in it.
#[test]
fn a_file_whose_directory_is_locked_is_403_from_then_on() {
    let site = Site::new();
    site.file("page.txt", "page").file("a/b/page.txt", "page");
    site.settle();
    let server = start_unprivileged(&site);
    let mut client = Client::connect(&server);
    for (directory, target) in [("a", "/a/b/page.txt"), ("a/b", "/a/b/page.txt"), ("", "/page.txt")] {
        for _ in 0..3 {
            assert_eq!(client.ask(get(target, "")).status, 200);
        }
        site.mode(directory, 0o600);
        let locked = client.ask(get(target, "")).status;
        site.mode(directory, 0o755);
        assert_eq!((locked, client.ask(get(target, "")).status), (403, 200), "{directory:?}");
    }
}

/// A directory that this user may enter and not list: what is in it is found by its name, its index too, and what it has
/// instead of one is forbidden (rows D8 and F1 of tests/threats.md).
#[test]
fn a_directory_that_may_not_be_read_is_403_and_what_is_in_it_is_served() {
    let site = Site::new();
    site.file("unlisted/index.html", "index").file("unlisted/deeper/file.txt", "file").directory("unlisted/empty");
    for directory in ["unlisted/deeper", "unlisted/empty", "unlisted", ""] {
        site.mode(directory, 0o711);
    }
    let server = start_unprivileged(&site);
    let rows = [
        ("/unlisted/", 200),
        ("/unlisted/deeper/file.txt", 200),
        ("/unlisted/deeper/", 403),
        ("/unlisted/empty/", 403),
        ("/", 403),
    ];
    for (target, status) in rows {
        assert_eq!(ask(&server, get(target, "")).status, status, "{target}");
    }
}
