//! The directory itself is moved, replaced or removed while it is served: the server holds it, and not its name.
//!
//! *Invariants:* 7 of DESIGN.md §3; row T11 of threats.md. A root that may not be searched any more is in
//! [`special_files`](crate::special_files), directories beneath it in [`hidden_and_links`](crate::hidden_and_links).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use rustix::fs::{CWD, RenameFlags};

use crate::load::{self, Background, DOWNLOAD, Download};
use crate::support::{Client, Server, Site, get, rows};

/// What a served site had at the start.
const OLD: &str = "of the old root\n";

fn site() -> Site {
    let site = Site::new();
    for name in ["kept.txt", "new.txt", "sub/kept.txt", "sub/new.txt"] {
        site.file(name, OLD);
    }
    site.file("download.bin", DOWNLOAD.as_slice());
    site
}

/// A name beside the root.
fn beside(site: &Site, name: &str) -> PathBuf {
    site.whole().join(name)
}

fn move_away(site: &Site) {
    fs::rename(site.root(), beside(site, "moved")).expect("our own names");
}

rows!(becomes:
    a_root_that_is_renamed_is_served_on(move_away, 200),
    a_root_in_whose_place_another_is_put_is_served_on(|site| {
        move_away(site);
        for name in ["kept.txt", "new.txt", "sub/kept.txt", "sub/new.txt"] {
            site.file(name, "of another root\n");
        }
    }, 200),
    a_root_in_whose_place_a_file_is_put_is_served_on(|site| {
        move_away(site);
        fs::write(site.root(), "a file\n").expect("our own name");
    }, 200),
    a_root_in_whose_place_a_link_is_put_is_served_on(|site| {
        move_away(site);
        symlink(site.outside(), site.root()).expect("our own name");
    }, 200),
    a_root_that_is_removed_is_404(|site| fs::remove_dir_all(site.root()).expect("our own names"), 404),
    a_root_that_is_removed_and_made_again_is_404(|site| {
        fs::remove_dir_all(site.root()).expect("our own names");
        for name in ["kept.txt", "new.txt", "sub/kept.txt", "sub/new.txt"] {
            site.file(name, "of another root\n");
        }
    }, 404),
);

/// It happens in the middle of a download. Some files are kept by then, others were never asked for.
fn becomes(happens: fn(&Site), status: u16) {
    let site = site();
    site.settle();
    let server = Server::start(site.root(), &["--workers", "1", "--access-log", "off"]);
    let mut client = Client::connect(&server);
    for target in ["/kept.txt", "/sub/kept.txt"] {
        assert_eq!(client.ask(get(target, "")).content_text(), OLD);
    }
    let download = Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    happens(&site);
    for target in ["/kept.txt", "/sub/kept.txt", "/new.txt", "/sub/new.txt", "/kept.txt"] {
        let answer = client.ask(get(target, ""));
        assert_eq!((answer.status, answer.closes()), (status, false), "{target}");
        assert!(status != 200 || answer.content_text() == OLD, "{target}: {:?}", answer.content_text());
    }
    assert_eq!(client.ask(get("/", "")).status, status);
    assert_eq!(client.ask(get("/secret.txt", "")).status, 404, "what lies outside stays there");
    download.finish();
}

/// Who deploys by exchanging directories has to restart: nothing of the other is served by then, and nothing is refused.
#[test]
fn a_root_exchanged_with_another_all_the_time_is_served_and_the_other_after_a_restart() {
    let site = site();
    let other = beside(&site, "other");
    fs::create_dir(&other)
        .and_then(|()| fs::write(other.join("kept.txt"), "of another root\n"))
        .expect("our own names");
    let server = Server::start(site.root(), &["--workers", "2", "--access-log", "off"]);
    let (here, there) = (site.root().to_owned(), other.clone());
    let exchange = move || {
        rustix::fs::renameat_with(CWD, &here, CWD, &there, RenameFlags::EXCHANGE).expect("our own names");
    };
    let exchanging = Background::run(exchange.clone());
    let mut client = Client::connect(&server);
    for _ in 0..1_000 {
        for target in ["/kept.txt", "/sub/kept.txt"] {
            let answer = client.ask(get(target, ""));
            assert_eq!((answer.status, answer.content_text()), (200, OLD), "{target}");
        }
    }
    drop(exchanging);
    if !other.join("sub").exists() {
        exchange();
    }
    let restarted = Server::start(site.root(), &["--access-log", "off"]);
    assert_eq!(Client::connect(&restarted).ask(get("/kept.txt", "")).content_text(), "of another root\n");
}
