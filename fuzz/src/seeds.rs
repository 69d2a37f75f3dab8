//! What the fuzzer starts from: inputs that reach the rules one by one, each under the name of what it is.
//!
//! They are tables and not files because most of them have line ends that an editor, or git, would change.

use super::client::{CUT, DRAINING, DRIPS, ENDS, HASTY, IMPATIENT, LATE, LOOKS, SMALL_WRITES};

/// An input, and what it is.
pub struct Seed {
    pub name: String,
    pub bytes: Vec<u8>,
}

fn seed(name: &str, bytes: impl Into<Vec<u8>>) -> Seed {
    Seed { name: name.to_owned(), bytes: bytes.into() }
}

/// For the targets that read a head.
pub fn streams() -> Vec<Seed> {
    let line = |line: &str| format!("{line}\r\nHost: a\r\n\r\n").into_bytes();
    let field = |field: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n").into_bytes();
    let lines = [
        ("plain", "GET / HTTP/1.1"),
        ("a path and a query", "HEAD /a/b.c?d=e HTTP/1.1"),
        ("escapes and dots", "GET /%61/./b/..//c%2Fd/ HTTP/1.1"),
        ("a URI", "GET http://h:80/a?b HTTP/1.1"),
        ("a URI without a path", "GET HTTPS://[::1] HTTP/1.0"),
        ("an asterisk", "OPTIONS * HTTP/1.1"),
        ("a tunnel", "CONNECT a:1 HTTP/1.1"),
        ("an unknown method", "!#$%&'*+-.^_`|~ / HTTP/1.1"),
        ("above the root", "GET /../x HTTP/1.1"),
        ("NUL", "GET /%00 HTTP/1.1"),
        ("a bad escape", "GET /%zz HTTP/1.1"),
        ("a fragment", "GET /a#b HTTP/1.1"),
        ("HTTP 0.9", "GET /"),
        ("HTTP 2", "PRI * HTTP/2.0"),
        ("two spaces", "GET  / HTTP/1.1"),
    ];
    let fields = [
        ("several lines", "X-Empty:\r\nx-tab:\t a\tb \t"),
        ("a length", "Content-Length: 3"),
        ("a length of 0", "content-length: 000"),
        ("two lengths", "Content-Length: 3\r\nContent-Length: 3"),
        ("a signed length", "Content-Length: +3"),
        ("a length beyond 64 bits", "Content-Length: 18446744073709551616"),
        ("chunked", "Transfer-Encoding: , Chunked"),
        ("another coding", "Transfer-Encoding: gzip, chunked"),
        ("chunked not last", "Transfer-Encoding: chunked, identity"),
        ("a length and a coding", "Transfer-Encoding: chunked\r\nContent-Length: 3"),
        ("a last request", "Connection: te,, CLOSE"),
        ("an expectation", "Expect: 100-Continue"),
        ("another expectation", "Expect: 100-continue, b"),
        ("a second host", "Host: a"),
        ("a folded line", "X: a\r\n b"),
        ("white space before the colon", "X : a"),
        ("no colon", "X"),
        ("a control", "X: \x1b"),
        ("delete", "X: \x7f"),
        ("a bare carriage return", "X: a\rb"),
        ("a bare line feed", "X: a\nb: c"),
        ("a referer and an agent", "Referer: http://u:p@h/p?q\r\nUser-Agent: \"a\\\u{e9}"),
    ];
    let others: [(&str, &[u8]); 14] = [
        ("empty", b""),
        ("half a request line", b"GET /a"),
        ("half a head", b"GET / HTTP/1.1\r\nHost: a\r\nX"),
        ("empty lines in front", b"\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("too many empty lines", b"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("line feeds alone", b"GET / HTTP/1.1\nHost: a\n\n"),
        ("a line feed first", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("no host", b"GET / HTTP/1.1\r\n\r\n"),
        ("no host in HTTP 1.0", b"GET / HTTP/1.0\r\n\r\n"),
        ("HTTP 1.0 kept alive", b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        ("a coding in HTTP 1.0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("a host of every kind of byte", b"GET / HTTP/1.1\r\nHost: a-._~!$&'()*+;=%4f:65535\r\n\r\n"),
        ("two requests", b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ];
    let many = |count: usize| field("X: y\r\n".repeat(count - 1).trim_end());
    let long = |count: usize| [&b"GET / HTTP/1.1\r\nHost: a\r\nX: "[..], &vec![b'y'; count], b"\r\n\r\n"].concat();
    let mut seeds = vec![
        seed("a browser's", BROWSER),
        seed("as many lines as may be", many(100)),
        seed("a line too many", many(101)),
        seed("as long as may be", long(16 * 1024 - 32)),
        seed("a byte too long", long(16 * 1024 - 31)),
    ];
    seeds.extend(lines.map(|(name, text)| seed(name, line(text))));
    seeds.extend(fields.map(|(name, text)| seed(name, field(text))));
    seeds.extend(others.map(|(name, bytes)| seed(name, bytes)));
    seeds
}

const BROWSER: &str = "GET /index.html HTTP/1.1\r\nHost: localhost:8080\r\nConnection: keep-alive\r\n\
    Cache-Control: max-age=0\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\n\
    Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9\r\nIf-None-Match: \"e-ae1b981bc490a00\"\r\n\r\n";

pub fn targets() -> Vec<Seed> {
    let table = [
        ("the root", "/"),
        ("a file", "/dir/a.b"),
        ("a query", "/a?b=c?d%zz"),
        ("an escape", "/caf%C3%A9%20"),
        ("an encoded slash", "/a%2Fb"),
        ("empty segments", "//a//"),
        ("dot segments", "/a/./b/../c/."),
        ("encoded dots", "/a/%2e%2E/b"),
        ("dots decoded once", "/%252e%252e/x"),
        ("up and away", "/a/../../b"),
        ("a dot and no host", "/.//evil/..//b"),
        ("backslashes", "/..%5c..%5Cx"),
        ("NUL", "/a%00"),
        ("half an escape", "/a%4"),
        ("a bad escape", "/%g0"),
        ("a fragment", "/a#b"),
        ("not ASCII", "/\u{e9}"),
        ("a URI", "http://h:80/a?b"),
        ("a URI in capitals", "HTTPS://H/A"),
        ("a URI with a query and no path", "http://h?x"),
        ("a URI with a user", "http://u:p@h/"),
        ("a URI without a host", "http:///a"),
        ("another scheme", "ftp://h/a"),
        ("IPv6", "http://[::ffff:1.2.3.4]:1/"),
        ("a later IP", "http://[v1.a:b]/"),
        ("a host with an escape", "http://%4f%4F/"),
        ("a port beyond TCP", "http://h:65536/"),
        ("an asterisk", "*"),
        ("an asterisk for OPTIONS", "OPTIONS *"),
        ("a tunnel", "CONNECT [::1]:443"),
        ("a tunnel without a port", "CONNECT a:"),
        ("no form at all", "foo"),
    ];
    table.map(|(name, target)| seed(name, target)).into()
}

pub fn ranges() -> Vec<Seed> {
    let table = [
        ("one", "100\nRange: bytes=0-9"),
        ("an open end", "100\nRange: bytes=90-"),
        ("a suffix", "100\nRange: bytes=-10"),
        ("a suffix of nothing", "100\nRange: bytes=-0"),
        ("beyond the end", "100\nRange: bytes=100-"),
        ("of nothing", "0\nRange: bytes=0-0"),
        ("several", "100\nRange: bytes=20-29, 0-9,,-1"),
        ("overlapping", "100\nRange: bytes=0-9,9-19"),
        ("overlapping by a suffix", "100\nRange: bytes=99-150,-1"),
        (
            "sixteen",
            "100\nRange: bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,-1",
        ),
        (
            "seventeen",
            "100\nRange: bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30,-1",
        ),
        ("backwards", "100\nRange: bytes=9-0"),
        ("another unit", "100\nRange: lines=0-9"),
        ("capitals and white space", "100\nrange: BYTES= \t0-9 "),
        ("not a number", "100\nRange: bytes=+0-9"),
        ("2 to the 64", "100\nRange: bytes=5-18446744073709551616"),
        ("the largest file", "18446744073709551615\nRange: bytes=0-1,-1"),
        ("two fields", "100\nRange: bytes=0-9\nRange: bytes=0-9"),
        ("if it has the tag", "100\nRange: bytes=0-9\nIf-Range: \"now\""),
        ("if it has another tag", "100\nRange: bytes=0-9\nIf-Range: W/\"now\""),
        ("if it has the date", "100\nRange: bytes=0-9\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT"),
        ("if it has the date of old", "100\nRange: bytes=0-9\nIf-Range: Sunday, 06-Nov-94 08:49:37 GMT"),
        ("if it has another date", "100\nRange: bytes=0-9\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT"),
        ("two conditions", "100\nRange: bytes=0-9\nIf-Range: \"now\"\nIf-Range: \"now\""),
    ];
    table.map(|(name, text)| seed(name, text)).into()
}

pub fn preconditions() -> Vec<Seed> {
    let table = [
        ("none", "GET\nAccept: */*"),
        ("match", "GET\nIf-Match: \"now\""),
        ("match any", "PUT\nIf-Match: *"),
        ("match weakly", "GET\nIf-Match: W/\"now\""),
        ("match one of several", "HEAD\nIf-Match: \"old\", W/\"now\" ,, \"now\""),
        ("match none of several", "GET\nIf-Match: \"old\"\nIf-Match: \"older,\""),
        ("match what is no tag", "GET\nIf-Match: now"),
        ("match what is open", "GET\nIf-Match: \"now\nIf-Match: \""),
        ("none match", "GET\nIf-None-Match: \"now\""),
        ("none match weakly", "GET\nIf-None-Match: \"old\", W/\"now\""),
        ("none match any", "DELETE\nIf-None-Match: *"),
        ("none match, two lines", "GET\nIf-None-Match: *\nIf-None-Match: \"now\""),
        ("none match beyond ASCII", "GET\nIf-None-Match: \"\u{e9}\""),
        ("modified", "GET\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"),
        ("modified before", "GET\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT"),
        ("modified twice", "GET\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\nif-modified-since: a"),
        ("unmodified", "GET\nIf-Unmodified-Since: Sun Nov  6 08:49:37 1994"),
        ("unmodified before", "POST\nIf-Unmodified-Since: Sunday, 06-Nov-94 08:49:36 GMT"),
        ("all four", "GET\nIf-Modified-Since: a\nIf-None-Match: \"a\"\nIf-Unmodified-Since: b\nIf-Match: \"now\""),
        ("another method", "TRACE\nIf-Match: \"old\""),
    ];
    table.map(|(name, text)| seed(name, text)).into()
}

pub fn dates() -> Vec<Seed> {
    let table = [
        ("IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT"),
        ("RFC 850 on the longest day", "Wednesday, 16-Nov-94 08:49:37 GMT"),
        ("asctime", "Sun Nov  6 08:49:37 1994"),
        ("asctime with a zero", "Sun Nov 06 08:49:37 1994"),
        ("the first", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("the last", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ("the last of two digits", "Tuesday, 31-Dec-69 23:59:59 GMT"),
        ("a leap day", "Tue, 29 Feb 2000 00:00:00 GMT"),
        ("no leap day", "Mon, 29 Feb 2100 00:00:00 GMT"),
        ("a leap second", "Sat, 31 Dec 2016 23:59:60 GMT"),
        ("the wrong day", "Mon, 06 Nov 1994 08:49:37 GMT"),
        ("a space before it", " Sun, 06 Nov 1994 08:49:37 GMT"),
        ("another zone", "Sun, 06 Nov 1994 08:49:37 UTC"),
        ("a signed year", "Sun, 06 Nov -994 08:49:37 GMT"),
    ];
    let times =
        [("a time of 0", 0), ("the earliest time", i64::MIN), ("the latest time", i64::MAX), ("a second before", -1)];
    let mut seeds: Vec<Seed> = table.map(|(name, text)| seed(name, text)).into();
    seeds.extend(times.map(|(name, time)| seed(name, time.to_le_bytes())));
    seeds
}

fn get(path: &str) -> String {
    format!("GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// A byte for how it comes, and a stream in pieces.
fn visit(name: &str, plan: u8, pieces: &[&str]) -> Seed {
    let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
    seed(name, [&[plan], pieces.join(&CUT).as_slice()].concat())
}

/// In every way that a stream can come.
fn plans() -> [(&'static str, u8); 9] {
    [
        ("at once", 0),
        ("in small writes", SMALL_WRITES),
        ("byte by byte", DRIPS),
        ("and ends", ENDS),
        ("impatient", IMPATIENT | ENDS),
        ("hasty", HASTY | SMALL_WRITES),
        ("with looks at the clock", LOOKS | SMALL_WRITES | DRIPS),
        ("while it drains", DRAINING | HASTY),
        ("late", LATE),
    ]
}

pub fn connections() -> Vec<Seed> {
    let ways =
        ["none", "same", "file", "large", "little", "memory", "parts", "file-parts", "cold", "a"].map(get).concat();
    let mut seeds: Vec<Seed> =
        plans().map(|(name, plan)| visit(&format!("every way to answer, {name}"), plan, &[&ways])).into();
    seeds.extend([
        visit("a head in pieces", 0, &["GET /a HT", "TP/1.1\r\nHost", ": x\r\n", "\r\n"]),
        visit("two in one piece, and half a third", ENDS, &[&(get("a") + &get("b") + "GET"), " /c"]),
        visit("more than a turn answers", 0, &[&get("a").repeat(18)]),
        visit("bytes that come while two turns' worth waits", IMPATIENT, &[&get("a").repeat(34), &get("b")]),
        visit("more than a turn writes", HASTY, &[&get("large").repeat(17)]),
        visit("HEAD", SMALL_WRITES, &[&get("large").replace("GET", "HEAD"), &get("parts").replace("GET", "HEAD")]),
        visit("HTTP 1.0", 0, &["GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n"]),
        visit("a body", 0, &["POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n", &get("never")]),
        visit("a last request", IMPATIENT, &["GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &get("never")]),
        visit("a bad one behind a good one", 0, &[&(get("a") + "GET / HTTP/1.1\r\nHost : x\r\n\r\n"), &get("never")]),
        visit("a bad HEAD", 0, &["HEAD / HTTP/1.1\r\n\r\n"]),
        visit("empty lines between", DRIPS | ENDS, &["\r\n\r\n", &get("a"), "\r\n", &get("b"), "\r\n"]),
        visit("no request at all", ENDS, &[]),
    ]);
    seeds
}

pub fn visits() -> Vec<Seed> {
    let paths = ["hello.txt", "empty", "dir", "dir/", "dir/sp%20ace%25.txt", "large.bin", ".hidden", ".well-known/x"];
    let beyond = ["../beside", "..%2fbeside", "%2e%2e/beside", "dir/../.hidden", "/hello.txt", "hello.txt/", "nothing"];
    let with = |field: &str| format!("GET /hello.txt HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n");
    let all = paths.map(get).concat();
    let mut seeds: Vec<Seed> = plans().map(|(name, plan)| visit(&format!("every file, {name}"), plan, &[&all])).into();
    seeds.extend(beyond.map(|path| visit(&format!("at {path}"), 0, &[&get(path), &get("hello.txt")])));
    seeds.extend([
        visit("the same file twice", HASTY, &[&get("hello.txt"), &get("hello.txt")]),
        visit("a range", 0, &[&with("Range: bytes=1-3")]),
        visit("ranges", SMALL_WRITES, &[&with("Range: bytes=0-1,4-4,-2"), &with("Range: bytes=99-")]),
        visit("ranges of a large file", 0, &[&with("Range: bytes=0-66000,69000-").replace("hello.txt", "large.bin")]),
        visit("a tag", 0, &[&with("If-None-Match: \"e-ae1b981bc490a00\""), &with("If-Match: \"old\"")]),
        visit("a coding", 0, &[&with("Accept-Encoding: gzip, deflate, br;q=0.5, *;q=0"), &with("Accept-Encoding: br")]),
        visit("a range of a coding", 0, &[&with("Accept-Encoding: x-gzip\r\nRange: bytes=1-2")]),
        visit("a date", 0, &[&with("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT")]),
        visit("other methods", 0, &["OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\nPUT /a HTTP/1.1\r\nHost: x\r\n\r\n"]),
        visit("a method that nobody knows", 0, &["BREW / HTTP/1.1\r\nHost: x\r\n\r\n"]),
    ]);
    seeds
}
