//! Directories: with their slash an index or a listing, without it a redirect that leads nowhere else.
//!
//! RFC 9110 §15.4.9 (308), §10.2.2 (Location), RFC 3986 §3.3 (what a path may have in it raw); threats.md D1, D2, D5.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::PoisonError;

use crate::support::{RENAMES, Server, Site, ask, get, request, rows, server};

/// A request for a target gets a redirect to this location.
#[track_caller]
fn redirects(target: &str, location: &str) {
    for method in ["GET", "HEAD"] {
        let response = ask(server(), request(method, target, ""));
        assert_eq!(
            (response.status, response.field("location").as_str(), response.closes()),
            (308, location, false),
            "{method}"
        );
    }
}

rows!(redirects:
    a_directory("/dir", "/dir/"),
    a_directory_in_a_directory("/dir/sub", "/dir/sub/"),
    a_directory_without_an_index("/empty-dir", "/empty-dir/"),
    a_directory_behind_a_link("/links/directory", "/links/directory/"),
    a_query_is_kept("/dir?a=b&c=d", "/dir/?a=b&c=d"),
    an_empty_query_is_kept("/dir?", "/dir/?"),
    a_query_is_kept_to_the_letter("/dir?%41=/../x&&=;:@!$'()*+,?%2F%0d%0a", "/dir/?%41=/../x&&=;:@!$'()*+,?%2F%0d%0a"),
    a_query_that_looks_like_a_host("/dir?//evil.test/", "/dir/?//evil.test/"),
    dots_are_resolved("/missing/.././dir", "/dir/"),
    escapes_that_are_not_needed_are_gone("/%64%69r", "/dir/"),
    an_absolute_form_leads_to_a_path("http://evil.test/dir", "/dir/"),
    an_absolute_form_with_a_port_leads_to_a_path("http://evil.test:99/dir?q", "/dir/?q"),
);

#[test]
fn the_host_of_a_request_is_not_in_its_redirect() {
    let response = ask(server(), "GET /dir HTTP/1.1\r\nHost: evil.test\r\nX-Forwarded-Host: evil.test\r\n\r\n");
    assert_eq!((response.status, response.field("location").as_str()), (308, "/dir/"));
    assert!(!response.raw_head.windows(4).any(|window| window == b"evil"));
}

/// What is no redirect to another host, however a browser may read it.
#[track_caller]
fn no_redirect(target: &str, status: u16) {
    let _calm = RENAMES.read().unwrap_or_else(PoisonError::into_inner);
    let response = ask(server(), get(target, ""));
    assert_eq!((response.status, response.optional("location")), (status, None));
}

rows!(no_redirect:
    a_directory_with_its_slash("/dir/", 200),
    the_root("/", 200),
    two_slashes_and_a_directory("//dir", 404),
    two_slashes_and_a_host("//evil.test/%2e%2e/dir", 404),
    two_slashes_and_a_host_with_plain_dots("//evil.test/../dir", 404),
    two_slashes_an_empty_host_and_dots("//evil.test/%2e%2e//dir", 404),
    a_backslash_and_a_host("/\\evil.test/..", 400),
    an_encoded_slash_and_a_host("/%2fevil.test/dir", 404),
    an_encoded_slash_and_a_host_removed_by_dots("/%2fevil.test/%2e%2e", 200),
    an_encoded_slash_and_a_host_behind_dots("/dir/..%2f/evil.test", 404),
    a_directory_behind_an_encoded_slash("/%2fdir", 404),
    an_empty_directory_with_its_slash("/empty-dir/", 200),
    an_index_that_is_a_directory("/index-is-a-directory/", 200),
    an_index_that_is_a_link_within("/links/index-link/", 200),
    an_index_that_is_a_link_out_of_the_root("/links/index-out/", 200),
    an_index_that_is_a_fifo("/special/index-fifo/", 200),
    an_index_that_is_a_socket("/special/index-socket/", 200),
    a_name_that_begins_like_a_directory("/di", 404),
    a_name_that_goes_on_behind_a_directory("/dirt", 404),
    a_name_in_another_case("/DIR", 404),
);

#[test]
fn a_directory_with_its_slash_is_its_index() {
    let response = ask(server(), get("/dir/?query", ""));
    assert_eq!((response.status, response.content_text()), (200, "<!doctype html><title>dir</title>\n"));
    assert_eq!(response.field("content-type"), "text/html; charset=utf-8");
}

#[test]
fn the_content_of_a_redirect_does_not_depend_on_its_target() {
    // Nothing of the request in it, so nothing to run (threats.md D2).
    let plain = ask(server(), get("/dir", ""));
    let marked = ask(server(), get("/links/../dir?%3Cscript%3Ealert(1)%3C/script%3E", ""));
    assert_eq!(plain.content, marked.content);
    assert_eq!(plain.field("content-type"), "text/plain; charset=utf-8");
}

/// Directories whose names hurt: the location is one path of this host, written in nothing but what a URI allows, and
/// leads there.
#[test]
fn a_location_spells_any_name_and_leads_to_it() {
    let names: [&[u8]; 20] = [
        b"a b",
        b"nl\nname",
        b"cr\r\nX-Injected: 1",
        b"per%20cent",
        b"quote\"",
        b"<script>",
        b"back\\slash",
        b"\\evil.test",
        b"q?mark",
        b"hash#",
        b"caf\xe9",
        "🦆".as_bytes(),
        b"javascript:alert(1)",
        b"http:",
        b"esc\x1b[31m",
        b"del\x7f",
        b"brackets[]{}|^`",
        b"a&b=c;d",
        b"@evil.test",
        b"\ttab",
    ];
    let site = Site::new();
    for name in names {
        site.directory(OsStr::from_bytes(name));
        std::fs::write(site.path(OsStr::from_bytes(name)).join("index.html"), name).expect("our own file");
    }
    let server = Server::start(site.root(), &["--access-log", "off"]);
    for name in names {
        let shown = name.escape_ascii();
        let target: String = name.iter().map(|byte| format!("%{byte:02x}")).collect();
        let response = ask(&server, get(&format!("/{target}"), ""));
        assert_eq!((response.status, response.has("x-injected")), (308, false), "{shown}");
        let location = response.field("location");
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@/".contains(&byte);
        assert!(location.starts_with('/') && !location.starts_with("//"), "{shown}: {location}");
        assert!(location.bytes().all(allowed), "{shown}: {location}");
        let there = ask(&server, get(&location, ""));
        assert_eq!((there.status, there.content.as_slice()), (200, name), "{shown}: {location}");
    }
}

/// Without listings a directory without an index is answered like what isn't there, so no name in it can be read.
#[test]
fn what_is_in_a_directory_is_not_said_without_listings() {
    let site = Site::new();
    for name in ["<img src=x onerror=alert(1)>", "javascript:alert(1)", "quack.txt"] {
        site.file(format!("dir/{name}"), "quack");
    }
    let server = Server::start(site.root(), &["--no-listing", "--hidden", "--follow-symlinks", "--access-log", "off"]);
    let nothing = ask(&server, get("/missing", ""));
    for target in ["/", "/dir/", "/dir/?C=M;O=D", "/dir/.", "/dir/index.html"] {
        let response = ask(&server, get(target, "Accept: text/html\r\n"));
        assert_eq!((response.status, &response.content), (404, &nothing.content), "{target}");
        assert_eq!(response.field("content-type"), "text/plain; charset=utf-8", "{target}");
    }
}
