//! One file: at its own name and at `/`, whatever is spelt, and nothing beside it.
//!
//! dufs and miniserve serve one file so, and try it at `/` and at its name.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::load::{program, skips};
use crate::support::{Client, PATIENCE, SECRET, Server, Site, ask, bare_command, get, request, rows};

fn site() -> Site {
    let site = Site::new();
    site.file("report.txt", "the report").file("report.txt.gz", "zipped").file("other.txt", SECRET);
    site.file("index.html", SECRET).file("404.html", SECRET).file("dir/report.txt", SECRET).file(".hidden", SECRET);
    site
}

#[test]
fn it_is_at_its_name_and_at_the_root_and_nothing_else_is() {
    let site = site();
    for extra in [&[][..], &["--hidden"], &["--follow-symlinks"], &["--no-sandbox"]] {
        let server = Server::start(&site.path("report.txt"), &[extra, &["--access-log", "off"]].concat());
        let mut client = Client::connect(&server);
        for target in
            ["/", "/report.txt", "/report%2etxt", "/?a=b", "/x/../report.txt", "http://h/report.txt", "http://h"]
        {
            for fields in ["", "Accept-Encoding: gzip, br, zstd\r\n"] {
                let response = client.ask(get(target, fields));
                assert_eq!((response.status, response.content_text()), (200, "the report"), "{target}");
                assert_eq!(response.field("content-type"), "text/plain; charset=utf-8");
                assert_eq!(
                    (response.optional("vary"), response.optional("content-encoding")),
                    (None, None),
                    "{target}"
                );
            }
        }
        for target in [
            "/other.txt",
            "/index.html",
            "/404.html",
            "/report.txt.gz",
            "/report.txt/",
            "/report.txt/.",
            "/REPORT.TXT",
            "/dir",
            "/dir/",
            "/dir/report.txt",
            "/dir/../other.txt",
            "/.hidden",
            "/report.tx",
            "/report.txt0",
            "/a%2Fb",
            "//report.txt",
            "/%2e/other.txt",
            "/report.txt%20",
            "/report.txt%0a",
            "/..%2fserved/other.txt",
            "/*",
        ] {
            let response = client.ask(get(target, "Accept: text/html\r\n"));
            assert_eq!(response.status, 404, "{target}");
            assert_eq!(response.content_text(), "404 Not Found: nothing here has that name\n", "{target}");
        }
        assert_eq!(client.ask(get("/report.txt%00", "")).status, 400);
    }
}

#[test]
fn at_the_root_it_says_what_it_is_to_be_saved_as() {
    let site = Site::new();
    for (name, expected) in [
        (&b"report.txt"[..], "inline; filename=\"report.txt\""),
        (b"a b.txt", "inline; filename=\"a b.txt\""),
        ("gr\u{fc}n.txt".as_bytes(), "inline; filename=\"gr_n.txt\"; filename*=UTF-8''gr%C3%BCn.txt"),
        (b"\"quoted\".txt", "inline; filename=\"_quoted_.txt\"; filename*=UTF-8''%22quoted%22.txt"),
        (b"100%25.txt", "inline; filename=\"100_25.txt\"; filename*=UTF-8''100%2525.txt"),
        (b"nl\nX-Injected: 1", "inline; filename=\"nl_X-Injected: 1\"; filename*=UTF-8''nl%0AX-Injected%3A%201"),
        (b"caf\xe9", "inline; filename=\"caf_\"; filename*=UTF-8''caf%EF%BF%BD"),
        (b".hidden", "inline; filename=\".hidden\""),
    ] {
        let name = OsStr::from_bytes(name);
        site.file(name, "content");
        let server = Server::start(&site.path(name), &["--access-log", "off"]);
        let root = ask(&server, get("/", ""));
        assert_eq!((root.status, root.field("content-disposition").as_str()), (200, expected));
        assert!(!root.has("x-injected"));
        assert_eq!(ask(&server, get("/", "Range: bytes=0-1\r\n")).field("content-disposition"), expected);
        assert!(!ask(&server, get("/", "Range: bytes=99-\r\n")).has("content-disposition"));
        // What was printed leads to it, by its name.
        let line = server.wait_for_stdout_line(PATIENCE, |_| true);
        let path = line.strip_prefix(&format!("http://{}", server.address())).expect("the address");
        let named = ask(&server, get(path, ""));
        assert_eq!((named.status, named.content_text(), named.has("content-disposition")), (200, "content", false));
    }
}

/// Whoever saves a file by renaming a new one over it, as editors do, has the new one served, with the sandbox too.
#[test]
fn a_file_that_is_replaced_is_served_new() {
    let site = site();
    let server = Server::start(&site.path("report.txt"), &["--access-log", "off"]);
    let mut client = Client::connect(&server);
    assert_eq!(client.ask(get("/", "")).content_text(), "the report");
    for round in 0..20 {
        let content = format!("version {round}");
        site.file("next.txt", &content);
        fs::rename(site.path("next.txt"), site.path("report.txt")).expect("our own names");
        for target in ["/", "/report.txt"] {
            assert_eq!(client.ask(get(target, "")).content_text(), content);
        }
    }
    fs::remove_file(site.path("report.txt")).expect("our own file");
    for target in ["/", "/report.txt"] {
        assert_eq!(client.ask(get(target, "")).status, 404);
    }
    site.file("report.txt/index.html", SECRET);
    for target in ["/", "/report.txt", "/report.txt/", "/report.txt/index.html"] {
        assert_eq!(client.ask(get(target, "")).status, 404, "a directory in its place is not served: {target}");
    }
}

#[test]
fn conditions_and_ranges_are_as_of_any_file() {
    let site = site();
    site.settle();
    let server = Server::start(&site.path("report.txt"), &["--cache-control", "no-store", "--access-log", "off"]);
    let first = ask(&server, get("/", ""));
    let etag = first.field("etag");
    assert_eq!(
        (ask(&server, get("/report.txt", "")).field("etag"), first.field("cache-control").as_str()),
        (etag.clone(), "no-store")
    );
    assert_eq!(ask(&server, get("/", &format!("If-None-Match: {etag}\r\n"))).status, 304);
    assert_eq!(ask(&server, get("/", "Range: bytes=4-\r\n")).content_text(), "report");
    assert_eq!(ask(&server, request("HEAD", "/", "")).field("content-length"), "10");
    assert_eq!(ask(&server, request("PUT", "/", "")).status, 405);
}

#[test]
fn it_may_be_named_from_its_own_directory_and_by_a_link_beneath() {
    let site = site();
    site.link("latest.txt", "report.txt").link("dir/up.txt", "../report.txt");
    for name in ["report.txt", "latest.txt", "./report.txt", "dir/../report.txt"] {
        let mut command = bare_command();
        command.args(["-p", "0", "--access-log", "off"]).arg(name).current_dir(site.root());
        let server = Server::spawn(command);
        assert_eq!(ask(&server, get("/", "")).content_text(), "the report", "{name}");
    }
    let mut command = bare_command();
    command.args(["-p", "0", "--follow-symlinks", "--access-log", "off"]).arg(site.path("dir/up.txt"));
    assert_eq!(ask(&Server::spawn(command), get("/up.txt", "")).content_text(), "the report");
}

/// One line, and an exit code that says whose fault it is.
#[track_caller]
fn is_refused(arrange: fn(&Site), args: &[&str], code: i32, message: &str) {
    let site = site();
    arrange(&site);
    let mut command = bare_command();
    let output = command.args(["-p", "0"]).args(args).current_dir(site.root()).output().expect("the binary starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), stderr.lines().next()), (Some(code), Some(message)), "{stderr}");
}

rows!(is_refused:
    a_file_that_is_not_there(|_| {}, &["gone.txt"], 1,
        "millpond: can't serve gone.txt: there is no such directory or file; name one that is there"),
    a_file_with_a_slash_behind_it(|_| {}, &["report.txt/"], 1,
        "millpond: can't serve report.txt/: what it leads through is no directory"),
    a_device(|_| {}, &["/dev/null"], 1,
        "millpond: can't serve /dev/null: it is neither a directory nor a regular file"),
    a_link_that_leads_out(|site| _ = site.link("out.txt", "../outside/secret.txt"), &["out.txt"], 1,
        "millpond: can't serve out.txt: it is a link that leads out of the directory it is in; name what it leads to, or \
         allow that with --follow-symlinks"),
    a_file_as_an_app(|_| {}, &["--spa", "report.txt"], 1,
        "millpond: can't serve report.txt as an app: it is a file; name the directory with its index.html"),
    an_empty_cache_control(|_| {}, &["--cache-control", "", "."], 2,
        "error: invalid value '' for '--cache-control <VALUE>': it is empty: write no-store, no-cache or max-age=3600"),
    a_cache_control_with_its_name(|_| {}, &["--cache-control", "Cache-Control: no-store"], 2,
        "error: invalid value 'Cache-Control: no-store' for '--cache-control <VALUE>': the name is said already: write \
         'no-store'"),
    // clap leaves it out of what it shows.
    a_cache_control_with_a_control_byte(|_| {}, &["--cache-control", "a\u{7f}"], 2,
        "error: invalid value 'a' for '--cache-control <VALUE>': the value has the control byte 0x7f: it would end \
         the line or worse, leave it out"),
);

#[test]
fn curl_saves_it_by_the_address_that_was_printed() {
    if skips(program("curl").is_some(), "curl") {
        return;
    }
    let (site, out) = (site(), Site::new());
    let server = Server::start(&site.path("report.txt"), &["--access-log", "off"]);
    let url = server.wait_for_stdout_line(PATIENCE, |_| true);
    let args = ["-q", "-sS", "--fail", "-O", &url];
    let saved = Command::new("curl").args(args).current_dir(out.root()).env("no_proxy", "*").status();
    assert!(saved.is_ok_and(|status| status.success()), "curl {url}");
    assert_eq!(fs::read_to_string(out.path("report.txt")).expect("curl's file"), "the report");
}
