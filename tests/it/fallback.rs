//! What answers where nothing has the name: 404.html, and with `--spa` the app; and how files may be cached.
//!
//! Beside the rules there are the cases that npm's serve, dufs (`--render-spa`), miniserve (`--spa`) and
//! static-web-server (`page-fallback`, `page404`) try of themselves.

use std::fs;

use crate::support::{Client, Response, SECRET, Server, Site, ask, get, request, rows};

const NAVIGATION: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n";
const LINE: &str = "404 Not Found: nothing here has that name\n";

fn site() -> Site {
    let site = Site::new();
    site.file("index.html", "<p>the app</p>").file("404.html", "<p>not here</p>").file("main.js", "run();");
    site.file("docs/index.html", "<p>docs</p>").directory("empty").file(".hidden", "hidden");
    site
}

// ------------------------------------------------------------------------------------------------------------- 404.html

#[track_caller]
fn is_the_error_page(response: &Response, content: &str) {
    assert_eq!((response.status, response.content_text()), (404, content));
    assert_eq!(response.field("content-type"), "text/html; charset=utf-8");
    assert_eq!(response.field("x-content-type-options"), "nosniff");
    for absent in ["etag", "last-modified", "accept-ranges", "content-range", "cache-control", "content-encoding"] {
        assert!(!response.has(absent), "{absent}");
    }
}

#[test]
fn whatever_is_missing_has_the_error_page() {
    let site = site();
    site.link("out", "../outside/secret.txt");
    let server = Server::start(site.root(), &["--access-log", "off", "--no-listing"]);
    for target in ["/missing", "/deep/er/missing.png", "/.hidden", "/empty/", "/a%2Fb", "//x", "/main.js/", "/out"] {
        for fields in ["", NAVIGATION, "Accept: */*\r\n", "Accept: text/*\r\n"] {
            is_the_error_page(&ask(&server, get(target, fields)), "<p>not here</p>");
        }
        let head = ask(&server, request("HEAD", target, ""));
        assert_eq!((head.status, head.field("content-length").as_str()), (404, "15"), "{target}");
    }
}

#[test]
fn an_error_page_never_becomes_a_304_or_a_206() {
    let site = site();
    site.file("404.html.gz", "zipped");
    site.settle();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let etag = ask(&server, get("/404.html", "")).field("etag");
    for fields in [
        "Range: bytes=0-1\r\n",
        "Range: bytes=99-\r\n",
        "If-None-Match: *\r\n",
        "If-Match: \"other\"\r\n",
        "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
        "Accept-Encoding: gzip\r\n",
        &format!("If-None-Match: {etag}\r\n"),
        &format!("Range: bytes=0-1\r\nIf-Range: {etag}\r\n"),
    ] {
        is_the_error_page(&ask(&server, get("/missing", fields)), "<p>not here</p>");
    }
}

#[test]
fn who_asks_for_something_else_gets_a_line_of_text() {
    let site = site();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    for fields in ["Accept: application/json\r\n", "Accept: text/html;q=0, */*\r\n", "Accept: image/*\r\n"] {
        let response = ask(&server, get("/missing", fields));
        assert_eq!((response.status, response.content_text()), (404, LINE), "{fields}");
        assert_eq!(
            (response.field("content-type").as_str(), response.field("vary").as_str()),
            ("text/plain; charset=utf-8", "Accept")
        );
    }
}

#[test]
fn other_errors_and_redirects_have_no_error_page() {
    let site = site();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    for (request, status) in [
        (request("POST", "/missing", ""), 405),
        (request("BREW", "/missing", ""), 501),
        (get("/docs", ""), 308),
        (get("/%zz", ""), 400),
        (get("/main.js", "If-Match: \"other\"\r\n"), 412),
    ] {
        let response = ask(&server, request);
        assert_eq!((response.status, response.field("content-type").as_str()), (status, "text/plain; charset=utf-8"));
    }
}

#[test]
fn what_is_no_file_is_no_error_page() {
    type Make = fn(&Site);
    let makes: [Make; 3] = [
        |site| _ = site.directory("404.html"),
        |site| _ = site.link("404.html", "../outside/secret.txt"),
        |site| _ = site.link("404.html", "nowhere"),
    ];
    for make in makes {
        let site = Site::new();
        make(&site);
        let server = Server::start(site.root(), &["--access-log", "off"]);
        let response = ask(&server, get("/missing", ""));
        assert_eq!((response.status, response.content_text()), (404, LINE));
        assert!(!response.content_text().contains(SECRET));
    }
}

#[test]
fn an_error_page_of_any_size_is_sent_whole_and_changes_at_once() {
    let site = Site::new();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let mut client = Client::connect(&server);
    for size in [0, 1, 10_000, 1_000_000, 5] {
        let page = "x".repeat(size);
        site.file("404.html", &page);
        is_the_error_page(&client.ask(get("/missing", "")), &page);
    }
    fs::remove_file(site.path("404.html")).expect("our own file");
    assert_eq!(client.ask(get("/missing", "")).content_text(), LINE);
}

// ------------------------------------------------------------------------------------------------------------------ spa

#[track_caller]
fn with_spa(target: &str, fields: &str, status: u16, content: &str) {
    let site = site();
    let server = Server::start(site.root(), &["--spa", "--access-log", "off"]);
    let mut client = Client::connect(&server);
    for method in ["GET", "HEAD", "GET"] {
        let response = client.ask(request(method, target, fields));
        let expected = if method == "GET" { content } else { "" };
        assert_eq!((response.status, response.content_text()), (status, expected), "{method} {target} {fields}");
    }
}

rows!(with_spa:
    a_route("/about", NAVIGATION, 200, "<p>the app</p>"),
    a_deep_route("/users/7/edit", NAVIGATION, 200, "<p>the app</p>"),
    a_route_with_a_query("/about?tab=1", NAVIGATION, 200, "<p>the app</p>"),
    a_route_that_ends_in_a_slash("/users/", NAVIGATION, 200, "<p>the app</p>"),
    a_route_with_a_dot_further_up("/v1.2/users", NAVIGATION, 200, "<p>the app</p>"),
    a_route_with_an_encoded_slash("/search/a%2Fb", NAVIGATION, 200, "<p>the app</p>"),
    a_route_in_a_directory_that_is_there("/docs/more", NAVIGATION, 200, "<p>the app</p>"),
    a_directory_without_an_index("/empty/", NAVIGATION, 200, "<p>the app</p>"),
    the_app_by_its_path("/", NAVIGATION, 200, "<p>the app</p>"),
    another_page("/docs/", NAVIGATION, 200, "<p>docs</p>"),
    an_asset_that_is_there("/main.js", "", 200, "run();"),
    a_missing_asset("/gone.js", "Accept: */*\r\n", 404, "<p>not here</p>"),
    a_missing_page_with_a_dot("/gone.html", NAVIGATION, 404, "<p>not here</p>"),
    a_dot_in_an_escape("/gone%2Ehtml", NAVIGATION, 404, "<p>not here</p>"),
    a_hidden_name("/.hidden", NAVIGATION, 404, "<p>not here</p>"),
    a_script("/about", "Accept: */*\r\n", 404, "<p>not here</p>"),
    an_api("/about", "Accept: application/json\r\n", 404, LINE),
    nothing_said("/about", "", 404, "<p>not here</p>"),
    a_page_refused("/about", "Accept: text/html;q=0, */*\r\n", 404, LINE),
    a_group("/about", "Accept: text/*\r\n", 404, "<p>not here</p>"),
);

#[test]
fn a_route_of_the_app_is_described_as_the_app_is() {
    let site = site();
    site.file("index.html.br", "brotli");
    site.settle();
    let server = Server::start(site.root(), &["--spa", "--cache-control", "max-age=60", "--access-log", "off"]);
    let route = ask(&server, get("/about", NAVIGATION));
    assert_eq!(route.all("vary"), ["Accept-Encoding", "Accept"]);
    assert_eq!((route.field("cache-control").as_str(), route.field("accept-ranges").as_str()), ("max-age=60", "bytes"));
    let etag = ask(&server, get("/", "")).field("etag");
    assert_eq!(route.field("etag"), etag);
    for (fields, status, content) in [
        (format!("If-None-Match: {etag}\r\n"), 304, ""),
        ("Range: bytes=3-5\r\n".to_owned(), 206, "the"),
        ("Accept-Encoding: br\r\n".to_owned(), 200, "brotli"),
    ] {
        let response = ask(&server, get("/about", &format!("{NAVIGATION}{fields}")));
        assert_eq!((response.status, response.content_text()), (status, content), "{fields}");
        assert_eq!(response.all("vary"), ["Accept-Encoding", "Accept"], "{fields}");
    }
    let missing = ask(&server, get("/about", "Accept: application/json\r\n"));
    assert_eq!((missing.status, missing.field("vary").as_str()), (404, "Accept"), "another Accept gets another answer");
    assert_eq!(ask(&server, request("POST", "/about", NAVIGATION)).status, 405);
    assert_eq!(ask(&server, get("/docs", NAVIGATION)).status, 308);
    assert_eq!(ask(&server, get("/%2e%2e/x", NAVIGATION)).status, 400);
}

#[test]
fn without_spa_or_without_an_index_a_route_is_404() {
    for (args, index) in [(&[][..], true), (&["--spa"][..], false)] {
        let site = Site::new();
        if index {
            site.file("index.html", "<p>the app</p>");
        }
        let server = Server::start(site.root(), &[args, &["--access-log", "off"]].concat());
        let response = ask(&server, get("/about", NAVIGATION));
        assert_eq!((response.status, response.content_text()), (404, LINE), "{args:?}");
    }
}

// -------------------------------------------------------------------------------------------------------- cache-control

#[test]
fn how_files_may_be_cached_is_said_with_files_alone() {
    let site = site();
    site.settle();
    let server = Server::start(site.root(), &["--cache-control", "public, max-age=3600", "--access-log", "off"]);
    let etag = ask(&server, get("/main.js", "")).field("etag");
    for (request, status, expected) in [
        (get("/main.js", ""), 200, Some("public, max-age=3600")),
        (request("HEAD", "/main.js", ""), 200, Some("public, max-age=3600")),
        (get("/docs/", ""), 200, Some("public, max-age=3600")),
        (get("/main.js", "Range: bytes=0-1\r\n"), 206, Some("public, max-age=3600")),
        (get("/main.js", "Range: bytes=0-1,3-4\r\n"), 206, Some("public, max-age=3600")),
        (get("/main.js", &format!("If-None-Match: {etag}\r\n")), 304, Some("public, max-age=3600")),
        (get("/main.js", "Range: bytes=99-\r\n"), 416, None),
        (get("/main.js", "If-Match: \"other\"\r\n"), 412, None),
        (get("/docs", ""), 308, Some("no-cache")),
        (get("/missing", ""), 404, None),
        (request("POST", "/main.js", ""), 405, None),
        (request("OPTIONS", "/main.js", ""), 204, None),
    ] {
        let response = ask(&server, request);
        assert_eq!((response.status, response.optional("cache-control").as_deref()), (status, expected));
    }
}

#[test]
fn a_header_of_that_name_wins_over_cache_control() {
    let site = site();
    let args = ["--cache-control", "max-age=1", "--header", "Cache-Control: no-store", "--access-log", "off"];
    let server = Server::start(site.root(), &args);
    assert_eq!(ask(&server, get("/main.js", "")).field("cache-control"), "no-store");
    assert_eq!(ask(&server, get("/missing", "")).field("cache-control"), "no-store");
}
