//! A whole connection to a directory of files: what an input means is as for [`connection`](super::connection).
//!
//! What must hold, beside the frames: a 200 has the file that the path names, by a slow reading of it, and a 206 has the
//! stretches of it that it says; a name that nothing has is 404; what asks for nothing special gets the file; and no byte
//! of a hidden file, or of one beside the directory, is ever sent.

use std::fs::{self, File};

use millpond::http::method::Method;
use millpond::site::options::Options;
use millpond::site::respond::Site;
use tempfile::TempDir;

use super::client::{self, Answer, Services};
use super::precondition::changed;
use super::slow_head::Head;
use super::slow_target::Target;

pub fn check(input: &[u8]) {
    PLACE.with(|place| {
        let visit = client::visit(input, &place.services);
        client::check_answers(&visit, |head, answer| check_answer(head, answer, &place.files));
        let is_secret = |bytes: &[u8]| bytes == SECRET;
        assert!(!visit.sent.windows(SECRET.len()).any(is_secret), "{:?}", String::from_utf8_lossy(&visit.sent));
    });
}

/// In files that no client may see, and nowhere else.
const SECRET: &[u8] = b"\0secret";

/// A directory, and who serves it.
struct Place {
    services: Services<Site>,
    files: Vec<(&'static str, Vec<u8>)>,
    /// Removes it at the end.
    _directory: TempDir,
}

thread_local! {
    static PLACE: Place = Place::new();
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().expect("there is room for a directory");
        let root = directory.path().join("root");
        // The last is too long to be read at once, and to be written in one turn with others.
        let large = (0..70_000_u32).map(|offset| offset.to_le_bytes()[0] ^ offset.to_le_bytes()[1]).collect();
        let files = vec![
            ("hello.txt", b"Hello, world!\n".to_vec()),
            // Variants: their bytes need not be what they claim for a server that only sends them.
            ("hello.txt.br", b"brotli\n".to_vec()),
            ("hello.txt.gz", b"gzip\n".to_vec()),
            ("empty", Vec::new()),
            ("dir/index.html", b"<p>index</p>\n".to_vec()),
            ("dir/sp ace%.txt", b"odd\n".to_vec()),
            (".well-known/x", b"known\n".to_vec()),
            ("large.bin", large),
        ];
        let secrets = ["root/.hidden", "root/dir/.hidden", "beside"].map(|name| (name, SECRET));
        let public = files.iter().map(|(name, bytes)| (format!("root/{name}"), &bytes[..]));
        for (name, bytes) in public.chain(secrets.map(|(name, bytes)| (name.to_owned(), bytes))) {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().expect("it is in a directory")).expect("it can be made");
            fs::write(&path, bytes).expect("it can be written");
            // So that a condition can name it.
            File::open(&path).and_then(|file| file.set_modified(changed())).expect("it is ours");
        }
        let open = || Site::open(&root, Options::recommended()).expect("it is a directory");
        Place { services: client::services(open), files, _directory: directory }
    }
}

fn check_answer(head: &Head, answer: &Answer<'_>, files: &[(&'static str, Vec<u8>)]) {
    match Method::from_token(&head.method) {
        Method::Get | Method::Head => {}
        Method::Options => return assert_eq!((answer.status, answer.content), (204, b"".as_slice())),
        Method::Unknown => return assert_eq!(answer.status, 501),
        _ => return assert_eq!((answer.status, answer.field("Allow")), (405, Some("GET, HEAD, OPTIONS"))),
    }
    let Target::Path(path) = &head.target else { panic!("{head:?} is refused") };
    let Some(path) = path else { return assert_eq!(answer.status, 404) };
    let path = str::from_utf8(&path[1..]).unwrap_or("/");
    let name = if path.ends_with('/') { format!("{path}index.html") } else { path.to_owned() };
    let file = files.iter().find(|(other, _)| *other == name);
    let file = match answer.field("Content-Encoding") {
        Some(coding) => variant(head, coding, &name, files),
        None => file,
    };
    let Some((_, bytes)) = file else {
        if ["", ".well-known/"].contains(&path) {
            // What may not be seen isn't in a listing either, as in everything else that is sent.
            // As a reference or a name in quotes, or on a line of text; the page's script has a property of that name.
            let is_named = |line: &[u8]| line == b".hidden" || line.windows(8).any(|bytes| bytes == b"\".hidden");
            let says_hidden = answer.content.split(|byte| *byte == b'\n').any(is_named);
            return assert!([200, 304, 412].contains(&answer.status) && !says_hidden, "{} for {path}", answer.status);
        }
        // What is a directory has another name, with a slash behind it.
        let is_directory = ["dir", ".well-known"].contains(&path);
        return assert_eq!(answer.status, if is_directory { 308 } else { 404 }, "{path}");
    };
    let is_whole = head.method == "GET";
    match answer.status {
        200 if is_whole => assert!(answer.content == bytes, "{name}"),
        200 => assert_eq!(answer.field("Content-Length"), Some(bytes.len().to_string().as_str())),
        206 if is_whole => check_ranges(answer, bytes),
        304 | 412 | 416 => {}
        status => panic!("{status} for {name}"),
    }
    let is_special = |name: &str| ["if-", "range"].iter().any(|begin| name.to_ascii_lowercase().starts_with(begin));
    if !head.fields.iter().any(|(name, _)| is_special(name)) {
        assert_eq!(answer.status, 200, "{name}");
    }
}

/// The file of that name in a coding that the request names, or takes with any.
fn variant<'f>(
    head: &Head,
    coding: &str,
    name: &str,
    files: &'f [(&'static str, Vec<u8>)],
) -> Option<&'f (&'static str, Vec<u8>)> {
    let mut asked = head.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("accept-encoding"));
    let is_asked = asked.any(|(_, value)| {
        let value = String::from_utf8_lossy(value).to_ascii_lowercase();
        value.contains(coding) || value.contains('*')
    });
    assert!(is_asked, "{coding} for {head:?}");
    let extension = if coding == "gzip" { "gz" } else { coding };
    files.iter().find(|(other, _)| *other == format!("{name}.{extension}"))
}

/// One range in the head, or several in parts, each with a head of its own.
fn check_ranges(answer: &Answer<'_>, bytes: &[u8]) {
    if let Some(range) = answer.field("Content-Range") {
        return assert!(answer.content == stretch(range, bytes), "{range}");
    }
    let media_type =
        answer.field("Content-Type").and_then(|value| value.strip_prefix("multipart/byteranges; boundary="));
    let boundary = media_type.expect("it has ranges in one way or the other");
    let (mut rest, mut parts) = (answer.content, 0);
    let (first, next, last) =
        (format!("--{boundary}\r\n"), format!("\r\n--{boundary}\r\n"), format!("\r\n--{boundary}--\r\n"));
    while rest != last.as_bytes() {
        let delimiter = if parts == 0 { &first } else { &next };
        rest = rest.strip_prefix(delimiter.as_bytes()).expect("a part begins with the boundary");
        let end = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a part has a head");
        let head = str::from_utf8(&rest[..end]).expect("a head is text");
        let range = head.split("\r\n").find_map(|line| line.strip_prefix("Content-Range: ")).expect("a range");
        rest = rest[end + 4..].strip_prefix(stretch(range, bytes)).expect("the bytes of the range");
        parts += 1;
    }
    assert!(parts > 1);
}

/// The bytes that a Content-Range means.
fn stretch<'b>(content_range: &str, bytes: &'b [u8]) -> &'b [u8] {
    let (range, size) = content_range.strip_prefix("bytes ").and_then(|text| text.split_once('/')).expect("a range");
    let (first, last) = range.split_once('-').expect("two offsets");
    assert_eq!(size, bytes.len().to_string());
    let offset = |digits: &str| digits.parse::<usize>().expect("a number");
    &bytes[offset(first)..=offset(last)]
}
