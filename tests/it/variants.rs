//! Files compressed beforehand: RFC 9110 §12.5.3, §8.4, §8.8.3.3, §12.5.5 (Vary); rows L11, R11 and W7 of threats.md.
//!
//! Beside the rules there are the cases that nginx (`gzip_static`), Caddy (`precompressed`), static-web-server
//! (`compression_static`) and miniserve try of themselves.

use std::fs::{self, File, FileTimes};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use crate::load::{program, skips};
use crate::special_files;
use crate::support::{Client, Response, Server, Site, Watchdog, ask, get, request, rows};

const ALL: &str = "gzip, deflate, br, zstd";

struct Place {
    _site: Site,
    server: Server,
    _watchdog: Watchdog,
}

static PLACE: LazyLock<Place> = LazyLock::new(|| {
    let site = Site::new();
    fill(&site);
    site.settle();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let _watchdog = Watchdog::over(&server, &site);
    Place { _site: site, server, _watchdog }
});

/// Every form says what it is, in as many bytes: `plain form`, `brotli one`, `zstandards`, `gzip of it`.
fn fill(site: &Site) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for name in ["page.html", "dir/index.html", "a b\u{e4}.css"] {
        let forms = [("", "plain form"), (".br", "brotli one"), (".zst", "zstandards"), (".gz", "gzip of it")];
        for (extension, content) in forms {
            site.file(format!("{name}{extension}"), content);
            // As `gzip --keep` does: all of one time.
            site.modified(format!("{name}{extension}"), time);
        }
    }
    site.file("main.css", "plain").file("main.css.zst", "zst");
    site.file("old.txt", "new").file("old.txt.gz", "old");
    site.modified("old.txt.gz", time);
    site.file("only.txt.gz", "gz").file("only.txt.br", "br");
    site.file("odd.txt", "plain").directory("odd.txt.br").link("odd.txt.zst", "../outside/secret.txt");
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, site.path("odd.txt.gz"), kind, rustix::fs::Mode::from_raw_mode(0o666), 0)
        .expect("anyone may make a FIFO");
    site.file(".secret", "hidden").file(".secret.gz", "hidden").file("dir/.secret.gz", "hidden");
    site.file("archive.tar", "tar").file("archive.tar.gz", "tar.gz").file("archive.tar.gz.br", "tar.gz.br");
    site.file("empty.txt", "empty").file("empty.txt.gz", "");
}

fn encoded(target: &str, codings: &str, more: &str) -> Response {
    ask(&PLACE.server, get(target, &format!("Accept-Encoding: {codings}\r\n{more}")))
}

/// Which form comes, and how it is described.
#[track_caller]
fn comes(target: &str, accept_encoding: &str, content: &str, coding: Option<&str>, media_type: &str) {
    let plain = ask(&PLACE.server, get(target, ""));
    for method in ["GET", "HEAD"] {
        let fields =
            if accept_encoding == "-" { String::new() } else { format!("Accept-Encoding: {accept_encoding}\r\n") };
        let response = ask(&PLACE.server, request(method, target, &fields));
        let found = (response.status, response.optional("content-encoding"), response.field("content-type"));
        assert_eq!(found, (200, coding.map(str::to_owned), media_type.to_owned()), "{method}");
        assert_eq!(response.field("content-length"), content.len().to_string(), "{method}");
        assert_eq!(response.content_text(), if method == "GET" { content } else { "" });
        assert_eq!(
            (response.field("vary").as_str(), response.field("accept-ranges").as_str()),
            ("Accept-Encoding", "bytes")
        );
        assert!(response.has("last-modified"));
        assert_eq!(response.field("etag") == plain.field("etag"), coding.is_none(), "{method}");
    }
}

const HTML: &str = "text/html; charset=utf-8";

mod a_client_gets_what_it_likes_best {
    use super::*;
    rows!(comes:
        no_field("/page.html", "-", "plain form", None, HTML),
        an_empty_field("/page.html", "", "plain form", None, HTML),
        all_of_a_browser("/page.html", ALL, "brotli one", Some("br"), HTML),
        two("/page.html", "gzip, zstd", "zstandards", Some("zstd"), HTML),
        one("/page.html", "gzip", "gzip of it", Some("gzip"), HTML),
        its_other_name("/page.html", "x-gzip", "gzip of it", Some("gzip"), HTML),
        none_that_there_is("/page.html", "deflate, compress", "plain form", None, HTML),
        by_weight("/page.html", "br;q=0.5, gzip;q=0.8", "gzip of it", Some("gzip"), HTML),
        a_refused_one("/page.html", "br;q=0, *", "zstandards", Some("zstd"), HTML),
        all_refused("/page.html", "*;q=0", "plain form", None, HTML),
        // RFC 9110 §12.1: the field may be disregarded, and is where nothing else is there.
        nothing_acceptable("/page.html", "identity;q=0", "plain form", None, HTML),
        identity_refused("/page.html", "identity;q=0, gzip", "gzip of it", Some("gzip"), HTML),
        identity_liked_better("/page.html", "identity, gzip;q=0.5", "plain form", None, HTML),
        a_video_player("/page.html", "identity;q=1, *;q=0", "plain form", None, HTML),
        an_index("/dir/", ALL, "brotli one", Some("br"), HTML),
        an_index_by_its_name("/dir/index.html", "gzip", "gzip of it", Some("gzip"), HTML),
        a_name_in_escapes("/a%20b%C3%A4.css", "zstd", "zstandards", Some("zstd"), "text/css; charset=utf-8"),
        the_only_one("/main.css", ALL, "zst", Some("zstd"), "text/css; charset=utf-8"),
        not_the_only_one("/main.css", "br, gzip", "plain", None, "text/css; charset=utf-8"),
        an_empty_one("/empty.txt", "gzip", "", Some("gzip"), "text/plain; charset=utf-8"),
        // A compressed file is a file like any other, and may have a variant itself.
        a_file_that_is_compressed("/archive.tar.gz", "gzip", "tar.gz", None, "application/gzip"),
        a_variant_of_a_variant("/archive.tar.gz", "br", "tar.gz.br", Some("br"), "application/gzip"),
        its_own_name("/page.html.br", ALL, "brotli one", None, "application/octet-stream"),
    );
}

mod what_is_no_variant_is_passed_over {
    use super::*;
    const TEXT: &str = "text/plain; charset=utf-8";
    rows!(comes:
        one_that_is_older("/old.txt", ALL, "new", None, TEXT),
        a_directory_a_link_out_and_a_fifo("/odd.txt", ALL, "plain", None, TEXT),
        a_directory("/odd.txt", "br", "plain", None, TEXT),
        a_link_out("/odd.txt", "zstd", "plain", None, TEXT),
        a_fifo("/odd.txt", "gzip", "plain", None, TEXT),
    );
}

#[test]
fn a_variant_needs_its_file() {
    for (target, status) in
        [("/only.txt", 404), ("/only.txt.gz", 200), ("/missing", 404), ("/.secret", 404), ("/.secret.gz", 404)]
    {
        let response = encoded(target, ALL, "");
        assert_eq!((response.status, response.optional("content-encoding")), (status, None), "{target}");
    }
    // A path with a slash behind a file is no path of the file.
    assert_eq!(encoded("/page.html/", ALL, "").status, 404);
    assert_eq!(encoded("/dir", ALL, "").status, 308);
}

#[test]
fn a_variant_that_may_not_be_read_is_passed_over() {
    let site = Site::new();
    site.file("page.html", "plain").file("page.html.br", "br").file("page.html.gz", "gz").mode("page.html.br", 0o000);
    if skips(rustix::process::geteuid().is_root(), "root, who can be any user") {
        return;
    }
    let server = Server::spawn(special_files::unprivileged(&site, 61_500));
    for _ in 0..3 {
        let response = ask(&server, get("/page.html", "Accept-Encoding: br, gzip\r\n"));
        assert_eq!((response.status, response.content_text()), (200, "gz"));
    }
}

#[test]
fn every_form_has_a_tag_of_its_own() {
    let tags: Vec<String> =
        ["identity", "br", "zstd", "gzip"].map(|coding| encoded("/page.html", coding, "").field("etag")).into();
    for (place, tag) in tags.iter().enumerate() {
        assert!(tag.starts_with('"'), "{tag} is strong");
        assert!(!tags[..place].contains(tag), "{tags:?}: all have one size and one time");
    }
}

/// The same question to each form, with its own tag, and with those of the others.
#[test]
fn preconditions_are_about_the_form_that_would_be_sent() {
    let forms = ["identity", "br", "zstd", "gzip"];
    let tags = forms.map(|coding| encoded("/page.html", coding, "").field("etag"));
    for coding in forms {
        for (other, tag) in forms.iter().zip(&tags) {
            let same = *other == coding;
            for (field, status) in [
                (format!("If-None-Match: {tag}\r\n"), if same { 304 } else { 200 }),
                (format!("If-Match: {tag}\r\n"), if same { 200 } else { 412 }),
                (format!("Range: bytes=0-1\r\nIf-Range: {tag}\r\n"), if same { 206 } else { 200 }),
            ] {
                let response = encoded("/page.html", coding, &field);
                assert_eq!(response.status, status, "{coding}: {field}");
                assert_eq!(response.field("vary"), "Accept-Encoding", "{coding}: {field}");
                let described = [200, 206].contains(&status) && coding != "identity";
                assert_eq!(response.has("content-encoding"), described, "{coding}: {field}");
            }
        }
    }
}

#[test]
fn ranges_are_of_the_encoded_bytes() {
    for (range, status, content, content_range) in [
        ("bytes=0-5", 206, "brotli", "bytes 0-5/10"),
        ("bytes=-3", 206, "one", "bytes 7-9/10"),
        ("bytes=4-", 206, "li one", "bytes 4-9/10"),
        ("bytes=10-", 416, "", "bytes */10"),
    ] {
        let response = encoded("/page.html", "br", &format!("Range: {range}\r\n"));
        assert_eq!((response.status, response.field("content-range").as_str()), (status, content_range));
        assert_eq!(response.field("vary"), "Accept-Encoding");
        if status == 206 {
            assert_eq!((response.content_text(), response.field("content-encoding").as_str()), (content, "br"));
        }
    }
    // In parts it would be decoded by its head, boundaries and all: the whole is the answer that can't be misread.
    let several = encoded("/page.html", "br", "Range: bytes=0-1,4-5\r\n");
    assert_eq!((several.status, several.content_text()), (200, "brotli one"));
    let plain = encoded("/page.html", "identity", "Range: bytes=0-1,4-5\r\n");
    assert_eq!(plain.status, 206);
}

/// The whole head, in the order of the wire.
#[test]
fn the_head_of_a_variant() {
    let response = encoded("/page.html", "br", "");
    let head = String::from_utf8(response.raw_head.clone()).expect("a head is text");
    let (before, after) = head.split_once("Date: ").expect("it has a date");
    let after_date = after.split_once("\r\n").expect("a line ends").1;
    assert_eq!(
        (before, after_date),
        (
            "HTTP/1.1 200 OK\r\n",
            "Cache-Control: no-cache\r\nETag: \"a-17979cfe362a0000-br\"\r\nVary: Accept-Encoding\r\n\
             X-Content-Type-Options: nosniff\r\nAccept-Ranges: bytes\r\nLast-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n\
             Content-Encoding: br\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 10\r\n\r\n"
        )
    );
}

#[test]
fn a_large_variant_is_sent_whole_and_in_ranges() {
    let site = Site::new();
    let content = crate::support::patterned(3_000_000);
    site.file("large.bin", "plain").file("large.bin.gz", &content);
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let mut client = Client::connect(&server);
    for _ in 0..2 {
        assert!(client.ask(get("/large.bin", "Accept-Encoding: gzip\r\n")).content == content);
        let range = client.ask(get("/large.bin", "Accept-Encoding: gzip\r\nRange: bytes=2000000-2000999\r\n"));
        assert!(range.content == content[2_000_000..2_001_000]);
    }
}

/// What a build does while clients ask: each next answer is right.
#[test]
fn a_site_that_is_built_anew_is_never_served_old() {
    let site = Site::new();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let mut client = Client::connect(&server);
    let mut text = |expected: &str| {
        let response = client.ask(get("/app.js", "Accept-Encoding: br\r\n"));
        assert_eq!((response.status, response.content_text()), (200, expected));
    };
    for round in 0..50 {
        site.file("app.js", format!("plain {round}"));
        // Written later, and so not older, whatever the clock of the file system can tell apart.
        let time = SystemTime::now() + Duration::from_secs(round);
        site.modified("app.js", time);
        text(&format!("plain {round}"));
        site.file("app.js.br", format!("br {round}"));
        site.modified("app.js.br", time);
        text(&format!("br {round}"));
        if round % 10 == 0 {
            fs::remove_file(site.path("app.js.br")).expect("our own file");
            text(&format!("plain {round}"));
        }
    }
}

// --------------------------------------------------------------------------------------------------------------- tools

rows!(decodes:
    curl_decodes_gzip("gzip", &["-9", "--keep"], "gzip"),
    curl_decodes_zstandard("zstd", &["-q", "-19"], "zstd"),
    curl_decodes_brotli("brotli", &["--keep"], "br"),
);

/// As the README has it: a tree is compressed, and `curl --compressed` gets every file to the byte.
fn decodes(tool: &str, args: &[&str], coding: &str) {
    let version = Command::new("curl").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let has_decoder = String::from_utf8_lossy(&version).contains(if coding == "gzip" { "libz" } else { tool });
    if skips(has_decoder && program(tool).is_some(), &format!("curl that decodes {tool}, and {tool}")) {
        return;
    }
    let (site, out) = (Site::new(), Site::new());
    let content = "the same line again and again\n".repeat(1_000);
    site.file("deep/page.html", &content);
    let compressed = Command::new(tool).args(args).arg(site.path("deep/page.html")).stdin(Stdio::null()).status();
    assert!(compressed.is_ok_and(|status| status.success()), "{tool}");
    let server = Server::start(site.root(), &[]);
    let url = format!("http://{}/deep/page.html", server.address());
    let args = ["-q", "-sS", "--fail", "--compressed", "-o", "got", "-w", "%{size_download}", &url];
    let got = Command::new("curl").args(args).current_dir(out.root()).env("no_proxy", "*").output().expect("curl runs");
    assert_eq!(fs::read_to_string(out.path("got")).expect("curl's file"), content);
    let size: usize = String::from_utf8_lossy(&got.stdout).parse().expect("a number");
    assert!(size < content.len() / 10, "{size} bytes came");
    let asked = ask(&server, get("/deep/page.html", &format!("Accept-Encoding: {coding}\r\n")));
    assert_eq!(asked.field("content-encoding"), coding);
    assert_eq!(asked.content.len(), size);
}

/// `touch` on the plain file alone has its variants passed over, and on both has them back.
#[test]
fn a_touched_file_is_newer_than_its_variants() {
    let site = Site::new();
    site.file("page.txt", "plain").file("page.txt.gz", "gz");
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let touch = |name: &str, seconds| {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let file = File::open(site.path(name)).expect("our own file");
        file.set_times(FileTimes::new().set_modified(time)).expect("a time this file system has");
    };
    for (plain, variant, expected) in
        [(100, 100, "gz"), (101, 100, "plain"), (101, 101, "gz"), (101, 102, "gz"), (103, 102, "plain")]
    {
        touch("page.txt", plain);
        touch("page.txt.gz", variant);
        let response = ask(&server, get("/page.txt", "Accept-Encoding: gzip\r\n"));
        assert_eq!(response.content_text(), expected, "{plain} {variant}");
    }
}
