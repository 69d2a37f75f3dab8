//! Which names are not served although they are there: those that begin with a dot, and links that lead out.
//!
//! DESIGN.md §3.7 (openat2 beneath the root); RFC 8615 (.well-known); threats.md P9, P11, P12, L1 to L4, L7 to L9.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, RenameFlags};

use crate::support::{Client, HIDDEN_FILES, RENAMES, SECRET, Server, Site, ask, common, find, get, rows, server, show};

/// What a target gets: its status, and with a 200 its content.
#[track_caller]
fn gets(server: &Server, target: &str, status: u16, content: &str) {
    let _calm = RENAMES.read().unwrap_or_else(PoisonError::into_inner);
    let response = ask(server, get(target, ""));
    assert_eq!(response.status, status, "{target}: {}", response.content_text());
    if status == 200 {
        assert_eq!(response.content_text(), content, "{target}");
    }
}

mod hidden {
    use super::*;

    #[track_caller]
    fn without_the_option(target: &str, status: u16, content: &str) {
        gets(server(), target, status, content);
    }
    rows!(without_the_option:
        a_hidden_file_is_nothing("/.hidden", 404, ""),
        a_hidden_file_in_a_directory_is_nothing("/dir/.hidden", 404, ""),
        a_file_in_a_hidden_directory_is_nothing("/.git/config", 404, ""),
        a_hidden_directory_is_nothing("/.git/", 404, ""),
        a_hidden_directory_is_not_redirected("/.git", 404, ""),
        a_file_in_a_hidden_directory_deeper_is_nothing("/dir/.hidden-dir/file.txt", 404, ""),
        a_hidden_file_with_its_dot_encoded_is_nothing("/%2Ehidden", 404, ""),
        a_hidden_directory_with_its_dot_encoded_is_nothing("/%2egit/config", 404, ""),
        a_hidden_directory_behind_dots_is_nothing("/dir/../.git/config", 404, ""),
        a_hidden_directory_behind_a_dot_is_nothing("/./.git/config", 404, ""),
        a_name_of_two_dots_and_more_is_hidden("/..foo", 404, ""),
        a_name_of_three_dots_is_hidden("/...", 404, ""),
        a_hidden_name_in_another_case_is_nothing("/.GIT/config", 404, ""),
        what_does_not_exist_and_is_hidden_is_nothing("/.missing", 404, ""),
        well_known_is_served("/.well-known/security.txt", 200, "well known\n"),
        well_known_with_its_dot_encoded_is_served("/%2ewell-known/security.txt", 200, "well known\n"),
        well_known_behind_dots_is_served("/dir/../.well-known/security.txt", 200, "well known\n"),
        a_hidden_file_in_well_known_is_nothing("/.well-known/.hidden", 404, ""),
        well_known_that_is_not_first_is_nothing("/dir/.well-known/file.txt", 404, ""),
        well_known_with_more_behind_is_nothing("/.well-known-not/file.txt", 404, ""),
        well_known_in_another_case_is_nothing("/.Well-Known/security.txt", 404, ""),
        well_known_alone_is_redirected("/.well-known", 308, ""),
    );

    #[test]
    fn with_the_option_every_name_is_served() {
        let server = Server::start(common().site.root(), &["--hidden", "--access-log", "off"]);
        for (name, content) in HIDDEN_FILES {
            gets(&server, &format!("/{name}"), 200, content);
        }
        gets(&server, "/.git", 308, "");
        gets(&server, "/.missing", 404, "");
    }
}

mod links {
    use super::*;

    #[track_caller]
    fn without_the_option(target: &str, status: u16, content: &str) {
        gets(server(), target, status, content);
    }
    rows!(without_the_option:
        a_link_to_a_file_beside_it("/links/beside", 200, "beneath the root\n"),
        a_link_up_and_down_beneath_the_root("/links/up-and-down", 200, "beneath the root\n"),
        a_link_to_a_directory("/links/directory/here.txt", 200, "beneath the root\n"),
        a_link_through_a_link("/links/through-a-directory", 200, "beneath the root\n"),
        a_link_to_a_link("/links/chain", 200, "beneath the root\n"),
        a_link_to_a_directory_without_its_slash("/links/directory", 308, ""),
        a_hard_link_can_not_be_told_from_a_file("/links/hard", 200, SECRET),
        a_relative_link_out_of_the_root("/links/out-relative", 404, ""),
        a_link_to_a_link_out_of_the_root("/links/out-chain", 404, ""),
        a_link_to_a_directory_out_of_the_root("/links/out-directory/secret.txt", 404, ""),
        a_link_to_a_directory_out_of_the_root_without_its_slash("/links/out-directory", 404, ""),
        a_link_to_a_directory_out_of_the_root_with_its_slash("/links/out-directory/", 404, ""),
        a_link_out_of_the_root_and_back("/links/out-and-back", 404, ""),
        an_absolute_link_out_of_the_root("/links/out-absolute", 404, ""),
        an_absolute_link_into_the_root("/links/in-absolute", 404, ""),
        a_link_to_the_environment("/links/environment", 404, ""),
        a_relative_link_to_the_environment("/links/environment-relative", 404, ""),
        a_link_through_the_root_of_the_process("/links/process-root", 404, ""),
        a_link_to_a_descriptor("/links/descriptor", 404, ""),
        a_link_to_a_device("/links/zero", 404, ""),
        a_link_to_itself("/links/loop", 404, ""),
        a_link_to_itself_by_another("/links/loop-a", 404, ""),
        a_link_to_nothing("/links/dangling", 404, ""),
        a_name_beneath_a_link_to_a_file("/links/beside/x", 404, ""),
        a_name_beneath_a_link_to_itself("/links/loop/x", 404, ""),
        a_link_to_a_fifo("/links/to-fifo", 404, ""),
        dots_behind_a_link_are_of_the_path("/links/out-directory/../beside", 200, "beneath the root\n"),
    );

    #[test]
    fn with_the_option_links_lead_out_but_never_through_magic_ones() {
        let server = Server::start(common().site.root(), &["--follow-symlinks", "--access-log", "off"]);
        let rows = [
            ("/links/beside", 200, "beneath the root\n"),
            ("/links/out-relative", 200, SECRET),
            ("/links/out-chain", 200, SECRET),
            ("/links/out-directory/secret.txt", 200, SECRET),
            ("/links/out-directory", 308, ""),
            ("/links/out-absolute", 200, SECRET),
            ("/links/in-absolute", 200, "hello, world\n"),
            ("/links/out-and-back", 200, "hello, world\n"),
            ("/links/index-out/", 200, SECRET),
            ("/links/process-root", 404, ""),
            ("/links/descriptor", 404, ""),
            ("/links/zero", 404, ""),
            ("/links/to-fifo", 404, ""),
            ("/links/loop", 404, ""),
            ("/links/loop-a", 404, ""),
            ("/links/dangling", 404, ""),
            ("/../outside/secret.txt", 400, ""),
            ("/%2e%2e/outside/secret.txt", 400, ""),
            ("//outside/secret.txt", 404, ""),
            ("/.hidden", 404, ""),
        ];
        for (target, status, content) in rows {
            gets(&server, target, status, content);
        }
    }

    /// A file of /proc has no size, whatever comes out of it: what counts is the length that was announced (threats.md
    /// L7).
    #[test]
    fn with_the_option_a_file_without_a_size_is_an_empty_one() {
        let server = Server::start(common().site.root(), &["--follow-symlinks", "--access-log", "off"]);
        let response = ask(&server, get("/links/version", ""));
        assert_eq!((response.status, response.content_text()), (200, ""));
    }
}

/// The name of the root is also the beginning of another name (threats.md P9): nobody compares strings.
#[test]
fn a_root_given_with_dots_and_links_is_the_same_root() {
    let site = Site::new();
    site.file("a.txt", "a").directory("sub");
    let link = site.outside().join("root-link");
    std::os::unix::fs::symlink(site.root(), &link).expect("our own directory");
    for root in [site.root().join("sub/.."), site.root().join("."), link] {
        let server = Server::start(&root, &["--access-log", "off"]);
        gets(&server, "/a.txt", 200, "a");
        gets(&server, "/../served-restricted/secret.txt", 400, "");
        gets(&server, "/missing", 404, "");
    }
}

/// A directory is exchanged for a link out of the root, again and again, while it is asked for (threats.md L3).
#[test]
fn a_directory_swapped_for_a_link_leaks_nothing_in_5_000_requests() {
    const REQUESTS: usize = 5_000;
    const CONNECTIONS: usize = 4;
    let _storm = RENAMES.write().unwrap_or_else(PoisonError::into_inner);
    let site = Site::new();
    site.file("swapped/secret.txt", "inside").link("other", "../outside");
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let swapping = AtomicBool::new(true);
    let (one, other) = (site.path("swapped"), site.path("other"));
    thread::scope(|scope| {
        scope.spawn(|| {
            while swapping.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE)
                    .expect("an exchange of our own names");
            }
        });
        let clients: Vec<_> =
            (0..CONNECTIONS).map(|_| scope.spawn(|| ask_for_swapped(&server, REQUESTS / CONNECTIONS))).collect();
        let answers: Vec<_> = clients.into_iter().map(thread::ScopedJoinHandle::join).collect();
        swapping.store(false, Ordering::Relaxed);
        let found: usize = answers.into_iter().map(|found| found.expect("no leak")).sum();
        // Both sides of the race were seen, or it was none.
        assert!(0 < found && found < REQUESTS, "{found} of {REQUESTS} found the directory");
    });
}

/// How many of so many requests found the file that is inside; any other answer may only be that there is none.
fn ask_for_swapped(server: &Server, requests: usize) -> usize {
    let mut client = Client::connect(server);
    let mut found = 0;
    for _ in 0..requests {
        let response = client.ask(get("/swapped/secret.txt", ""));
        assert_eq!(find(&response.content, SECRET.as_bytes()), None, "a leak");
        match (response.status, response.content_text()) {
            (200, "inside") => found += 1,
            // The kernel gives up resolving when names move too fast: "come again" is an honest answer to that.
            (404 | 503, _) => {}
            other => panic!("{other:?} {}", show(&response.raw_head)),
        }
        if response.closes() {
            client = Client::connect(server);
        }
    }
    found
}
