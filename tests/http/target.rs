//! Request-targets and paths. The ids in brackets are those of the catalogue of threats.

use millpond::http::method::Method;
use millpond::http::target::{self, BadTarget, RequestPath, RequestTarget};
use proptest::prelude::*;

use crate::slow_target::{self, Target};

/// The path of a target, which must be one of a resource.
fn path(target: &str) -> Result<RequestPath<'_>, BadTarget> {
    match target::parse(Method::Get, target)? {
        RequestTarget::Resource { path, query: _ } => Ok(path),
        other => panic!("{target} is {other:?}"),
    }
}

fn uri_path(target: &str) -> Result<String, BadTarget> {
    path(target).map(|path| path.to_uri_path())
}

#[test]
fn a_path_names_what_is_below_the_root() {
    let rows: [(&str, &str, &[u8], &str); 33] = [
        ("the root has an empty path", "/", b"", "/"),
        ("a file", "/hello.txt", b"hello.txt", "/hello.txt"),
        ("a directory keeps its slash", "/dir/", b"dir/", "/dir/"),
        ("a file in a directory", "/dir/a.b", b"dir/a.b", "/dir/a.b"),
        ("an escape is decoded", "/caf%C3%A9", "caf\u{e9}".as_bytes(), "/caf%C3%A9"),
        ("an escape in lower case too", "/caf%c3%a9", "caf\u{e9}".as_bytes(), "/caf%C3%A9"),
        ("a space", "/a%20b", b"a b", "/a%20b"),
        ("an escape that was not needed", "/%61", b"a", "/a"),
        ("a name that is not UTF-8", "/caf%e9", b"caf\xe9", "/caf%E9"),
        ("[P3] decoded once: what comes out is not decoded again", "/%252e%252e/x", b"%2e%2e/x", "/%252e%252e/x"),
        ("[P4] a backslash is a byte of a name", "/..%5cx", b"..\\x", "/..%5Cx"),
        ("[P5] a carriage return between dots makes a name", "/.%0d./.%0d./x", b".\r./.\r./x", "/.%0D./.%0D./x"),
        ("[P6] overlong UTF-8 is bytes", "/%c0%ae%c0%ae/x", b"\xc0\xae\xc0\xae/x", "/%C0%AE%C0%AE/x"),
        ("[P11] a hidden name is hidden however it is written", "/%2Ehidden", b".hidden", "/.hidden"),
        ("[P16] a dot segment goes", "/./", b"", "/"),
        ("[P16] a dot segment at the end leaves a directory", "/.", b"", "/"),
        ("a dot segment after a name leaves a directory", "/a/.", b"a/", "/a/"),
        ("two dots take a segment away", "/a/../b", b"b", "/b"),
        ("two dots at the end leave a directory", "/a/b/..", b"a/", "/a/"),
        ("two dots and a slash leave a directory", "/a/b/../", b"a/", "/a/"),
        ("two dots back to the root", "/a/..", b"", "/"),
        ("[P2] encoded dots are dots", "/a/%2e%2E/b", b"b", "/b"),
        ("[P2] half encoded dots are dots", "/a/.%2e/%2e/b", b"b", "/b"),
        ("three dots are a name", "/.../a", b".../a", "/.../a"),
        ("a name may begin with dots", "/..a/.b", b"..a/.b", "/..a/.b"),
        ("two dots take an empty segment away like any other", "/a//../b", b"a/b", "/a/b"),
        ("two dots take an encoded slash away like any other", "/a%2fb/../c", b"c", "/c"),
        ("[P15] a query is no path", "/a?../..", b"a", "/a"),
        ("an encoded question mark is a name", "/a%3Fb", b"a?b", "/a%3Fb"),
        ("an encoded number sign is a name", "/a%23b", b"a#b", "/a%23b"),
        ("[D5] a line feed is a byte of a name", "/nl%0Aname", b"nl\nname", "/nl%0Aname"),
        ("what a path may have is left as it is", "/!$&'()*+,-.;=:@_~", b"!$&'()*+,-.;=:@_~", "/!$&'()*+,-.;=:@_~"),
        ("what browsers send is taken, and encoded", "/^`{|}[]", b"^`{|}[]", "/%5E%60%7B%7C%7D%5B%5D"),
    ];
    for (name, target, relative, uri) in rows {
        let path = path(target).expect(name);
        assert_eq!(path.relative(), Some(relative), "{name}");
        assert!(path.is_nameable(), "{name}");
        assert_eq!(path.to_uri_path(), uri, "{name}");
        assert_eq!(path.is_directory(), uri.ends_with('/'), "{name}");
    }
}

#[test]
fn a_path_that_names_nothing_is_still_a_path() {
    let rows = [
        ("[P2] an encoded slash after dots", "/..%2f", "/..%2F", false),
        ("[P2] an encoded slash", "/a%2Fb", "/a%2Fb", false),
        ("[P8] an encoded slash in front", "/%2fetc/passwd", "/%2Fetc/passwd", false),
        ("[P8] an empty segment in front: no client may read a host", "//etc/passwd", "/.//etc/passwd", false),
        ("[P16] nothing but slashes", "//", "/.//", true),
        ("an empty segment in the middle", "/a//b", "/a//b", false),
        ("an empty segment at the end", "/a//", "/a//", true),
        ("[D1] an empty segment before dots", "//evil/%2e%2e/dir", "/.//dir", false),
        ("an encoded slash and dots inside one segment", "/a/..%2f..%2fb", "/a/..%2F..%2Fb", false),
    ];
    for (name, target, uri, is_directory) in rows {
        let path = path(target).expect(name);
        assert_eq!(path.relative(), None, "{name}");
        assert!(!path.is_nameable(), "{name}");
        assert_eq!(path.segments().count(), 0, "{name}");
        assert_eq!(path.to_uri_path(), uri, "{name}");
        assert_eq!(path.is_directory(), is_directory, "{name}");
    }
}

#[test]
fn segments_are_the_decoded_names() {
    let rows: [(&str, &[&[u8]]); 5] = [
        ("/", &[]),
        ("/a", &[b"a"]),
        ("/a/", &[b"a"]),
        ("/.git/x%20y/", &[b".git", b"x y"]),
        ("/%2egit/../.well-known/z", &[b".well-known", b"z"]),
    ];
    for (target, segments) in rows {
        assert_eq!(path(target).unwrap().segments().collect::<Vec<_>>(), segments, "{target}");
    }
}

#[test]
fn a_path_that_is_no_path_is_refused() {
    let rows = [
        ("[P1] above the root", "/../secret", BadTarget::AboveRoot),
        ("[P1] above the root at the end", "/..", BadTarget::AboveRoot),
        ("[P1] above the root after a while", "/a/../../a", BadTarget::AboveRoot),
        ("[P2] above the root, encoded", "/%2e%2e/", BadTarget::AboveRoot),
        ("[P2] above the root, half encoded", "/.%2e/", BadTarget::AboveRoot),
        ("[P7] NUL", "/hello.txt%00.html", BadTarget::Nul),
        ("[P13] a % at the end", "/%", BadTarget::Escape),
        ("[P13] a % and one digit", "/%4", BadTarget::Escape),
        ("[P13] a % and no digits", "/%zz", BadTarget::Escape),
        ("[P13] a % and half digits", "/%4g", BadTarget::Escape),
        ("[P13] a % and a slash", "/%4/1", BadTarget::Escape),
        ("[P13] a % after a %", "/%%41", BadTarget::Escape),
        ("[P13] a % and a sign", "/%+4", BadTarget::Escape),
        ("a bad escape in a segment that dots would take away", "/%zz/../a", BadTarget::Escape),
    ];
    for (name, target, bad) in rows {
        assert_eq!(path(target), Err(bad), "{name}");
    }
}

#[test]
fn the_form_depends_on_the_method() {
    use Method::*;
    let every = [Get, Head, Options, Post, Put, Patch, Delete, Trace, Connect, Unknown];
    for method in every {
        let parse = |target| target::parse(method, target);
        let is_connect = method == Connect;
        let asterisk = match method {
            Options => Ok(RequestTarget::Asterisk),
            Connect => Err(BadTarget::Connect),
            _ => Err(BadTarget::Asterisk),
        };
        assert_eq!(parse("*"), asterisk, "{method:?}");
        let authority = if is_connect { Ok(RequestTarget::Authority) } else { Err(BadTarget::Form) };
        assert_eq!(parse("a:1"), authority, "{method:?}");
        let refused = if is_connect { BadTarget::Connect } else { BadTarget::Form };
        for target in ["foo", "", "**", "*/", "hello.txt", "../a", "?a", "a/b", "ftp://h/", "http:/h/", "://h/"] {
            assert_eq!(parse(target), Err(refused), "{method:?} {target}");
        }
        for target in ["/", "/a?b", "http://h/", "https://h"] {
            assert_eq!(parse(target).is_ok(), !is_connect, "{method:?} {target}");
        }
    }
}

#[test]
fn connect_needs_a_host_and_a_port() {
    for target in ["a:1", "example.com:443", "[::1]:443"] {
        assert_eq!(target::parse(Method::Connect, target), Ok(RequestTarget::Authority), "{target}");
    }
    for target in ["a", "a:", ":1", "a:x", "a:65536", "u@a:1", "http://a:1", "a:1/", "/a:1"] {
        assert_eq!(target::parse(Method::Connect, target), Err(BadTarget::Connect), "{target}");
    }
}

#[test]
fn an_absolute_form_means_the_path_in_it() {
    let rows = [
        ("[P14] the same rules", "http://h/a/./b%20c", Ok("/a/b%20c")),
        ("any scheme of ours, in any case", "HTTPS://h/a", Ok("/a")),
        ("no path is the root", "http://h", Ok("/")),
        ("no path but a query is the root", "http://h?a=/b", Ok("/")),
        ("a host with a port", "http://h:80/a", Ok("/a")),
        ("a host with a colon only", "http://h:/a", Ok("/a")),
        ("an IPv6 host", "http://[::1]:80/a", Ok("/a")),
        ("[P14] above the root", "http://h/../x", Err(BadTarget::AboveRoot)),
        ("an empty host", "http:///a", Err(BadTarget::Authority)),
        ("an empty host with a port", "http://:80/a", Err(BadTarget::Authority)),
        ("nothing after the scheme", "http://", Err(BadTarget::Authority)),
        ("a user name", "http://u@h/a", Err(BadTarget::Authority)),
        ("a user name and a password", "http://u:p@h/a", Err(BadTarget::Authority)),
        ("a bad port", "http://h:x/a", Err(BadTarget::Authority)),
        ("a port that is too large", "http://h:65536/a", Err(BadTarget::Authority)),
        ("a bad host", "http://[::1/a", Err(BadTarget::Authority)),
        ("another scheme", "ftp://h/a", Err(BadTarget::Form)),
        ("no slashes", "http:a", Err(BadTarget::Form)),
        ("a path that looks like a URI is a path", "/http://h/a", Ok("/http://h/a")),
    ];
    for (name, target, uri) in rows {
        assert_eq!(uri_path(target).as_deref().map_err(|bad| *bad), uri, "{name}");
    }
}

#[test]
fn the_query_is_what_stands_after_the_first_question_mark_as_it_came() {
    let rows = [
        ("/a", None),
        ("/a?", Some("")),
        ("/a?b=c", Some("b=c")),
        ("/a?b?c", Some("b?c")),
        ("/a?%zz%00", Some("%zz%00")),
        ("/a?../../x", Some("../../x")),
        ("http://h?x", Some("x")),
    ];
    for (target, expected) in rows {
        let RequestTarget::Resource { query, .. } = target::parse(Method::Get, target).unwrap() else {
            panic!("{target}")
        };
        assert_eq!(query, expected, "{target}");
    }
}

#[test]
fn every_byte_that_a_target_may_have_and_no_other() {
    let refused = b"\"#<>\\";
    for byte in 0..=127u8 {
        for text in [format!("/a{}", byte as char), format!("/?{}", byte as char), format!("http://h/{}", byte as char)]
        {
            let verdict = target::parse(Method::Get, &text).map(|_| ());
            let expected = match byte {
                0..=b' ' | 127 => Err(BadTarget::Byte),
                _ if refused.contains(&byte) => Err(BadTarget::Byte),
                b'%' if !text.starts_with("/?") => Err(BadTarget::Escape),
                _ => Ok(()),
            };
            assert_eq!(verdict, expected, "{text:?}");
        }
    }
    assert_eq!(target::parse(Method::Get, "/caf\u{e9}"), Err(BadTarget::Byte));
    assert_eq!(target::parse(Method::Connect, "caf\u{e9}:1"), Err(BadTarget::Byte));
}

#[test]
fn every_byte_of_a_name_survives_the_way_through_a_uri() {
    for byte in 1..=u8::MAX {
        let target = format!("/a%{byte:02x}");
        let path = path(&target).unwrap();
        match byte {
            b'/' => assert_eq!(path.relative(), None),
            _ => assert_eq!(path.relative(), Some([b'a', byte].as_slice())),
        }
        assert_same_after_round_trip(&path);
    }
}

#[test]
fn a_very_deep_path_is_read() {
    let deep = "/a".repeat(8_000);
    assert_eq!(path(&deep).unwrap().segments().count(), 8_000);
    let up_again = deep.clone() + &"/..".repeat(8_000);
    assert_eq!(path(&up_again).unwrap().relative(), Some(b"".as_slice()));
    assert_eq!(path(&(up_again + "/..")), Err(BadTarget::AboveRoot));
}

#[test]
fn every_short_path_reads_as_the_slow_obvious_reading_does() {
    let alphabet = ["/", ".", "%", "2", "e", "f", "a"];
    let mut paths = vec![String::from("/")];
    let mut begin = 0;
    for _ in 0..6 {
        let end = paths.len();
        for at in begin..end {
            paths.extend(alphabet.map(|symbol| paths[at].clone() + symbol));
        }
        begin = end;
    }
    assert_eq!(paths.len(), 137_257);
    let mut named = 0;
    for path in &paths {
        named += usize::from(assert_reads_as_slow(path));
    }
    // A table must be able to fail: if all were refused, the comparison would prove nothing.
    assert!(named > 20_000, "{named}");
}

/// Whether the path could name something.
fn assert_reads_as_slow(target: &str) -> bool {
    let fast = path(target);
    match (&fast, slow_target::read("GET", target)) {
        (Err(_), None) => false,
        (Ok(path), Some(Target::Path(named))) => {
            assert_eq!(path.relative(), named.as_ref().map(|path| &path[1..]), "{target}");
            assert_eq!(path.is_directory(), path.to_uri_path().ends_with('/'), "{target}");
            assert!(path.segments().all(|segment| segment != b".." && segment != b"."), "{target}");
            assert_same_after_round_trip(path);
            named.is_some()
        }
        (fast, slow) => panic!("{target}: {fast:?}, but slowly {slow:?}"),
    }
}

fn assert_same_after_round_trip(path: &RequestPath<'_>) {
    let uri = path.to_uri_path();
    assert!(uri.starts_with('/') && !uri.starts_with("//"), "{uri}");
    assert_eq!(target::parse(Method::Get, &uri), Ok(RequestTarget::Resource { path: path.clone(), query: None }));
}

proptest! {
    #[test]
    fn no_text_makes_the_reading_panic(text in any::<String>(), connect in any::<bool>()) {
        let method = if connect { Method::Connect } else { Method::Get };
        let _ = target::parse(method, &text);
    }

    #[test]
    fn long_paths_read_as_the_slow_obvious_reading_does(
        path in "/(/|\\.|\\.\\.|%2e|%2F|%2f|%41|%e9|%25|[ab~:{;]){0,40}",
    ) {
        assert_reads_as_slow(&path);
    }
}
