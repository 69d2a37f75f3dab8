//! The site that most tests share, and one server on it: waiting for files to settle is done once.
//!
//! *Invariant:* nobody writes to it once it has settled.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, RwLock};
use std::time::{Duration, SystemTime};

use rustix::fs::FileType;

use super::server::Server;
use super::site::Site;

/// A settled site and one server on it, shared by every test of this binary that writes nothing to it.
pub struct Common {
    pub site: Site,
    pub server: Server,
    _watchdog: Watchdog,
}

static COMMON: LazyLock<Common> = LazyLock::new(|| {
    let site = Site::new();
    fill_common(&site);
    site.settle();
    let server = Server::start(site.root(), &["--access-log", "off"]);
    let _watchdog = Watchdog::over(&server, &site);
    Common { site, server, _watchdog }
});

/// Held by all who ask for a link with `..` in it, or by the one who renames without pause. The kernel gives such a link up
/// (`EAGAIN`) when anything on the machine is renamed meanwhile, and "come again" (503) is then the honest answer.
pub static RENAMES: RwLock<()> = RwLock::new(());

/// The shared site and its server; the first call waits until the files have settled.
pub fn common() -> &'static Common {
    &COMMON
}

/// The shared server.
pub fn server() -> &'static Server {
    &COMMON.server
}

/// A static is never dropped, so this removes what the shared one leaves: a shell that waits for the end of its
/// standard input, which comes when this process ends, whichever way it ends.
pub struct Watchdog {
    /// Holds the writing end of its standard input open.
    _shell: Child,
}

impl Watchdog {
    pub fn over(server: &Server, site: &Site) -> Watchdog {
        let mut command = Command::new("sh");
        command.args(["-c", r#"read -r _; kill -9 "$1"; rm -rf -- "$2""#, "watchdog"]);
        command.arg(server.pid().to_string()).arg(site.whole());
        let shell = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a shell");
        Watchdog { _shell: shell }
    }
}

/// The files of the shared site.
fn fill_common(site: &Site) {
    for (name, content) in FILES {
        site.file(name, content);
    }
    for (name, _, content) in hurtful_names() {
        site.file(OsStr::from_bytes(name), content);
    }
    site.file("n".repeat(255), "a name of 255 bytes")
        .directory("empty-dir")
        .directory("index-is-a-directory/index.html");
    for (name, content) in HIDDEN_FILES {
        site.file(name, content);
    }
    fill_with_links(site);
    fill_with_special_files(site);
    site.sparse("sparse-5g.bin", FIVE_GIB);
    let tail = File::options().write(true).open(site.path("sparse-5g.bin")).expect("our own file");
    tail.write_all_at(b"tail", FIVE_GIB - 4).expect("our own file");
    site.file("large.bin", patterned(LARGE_BYTES));
    site.file("middle.bin", patterned(MIDDLE_BYTES));
    // What claims to be of the future is never kept: each request opens and reads it.
    site.file("tomorrow.txt", "read anew\n");
    site.modified("tomorrow.txt", SystemTime::now() + Duration::from_secs(24 * 60 * 60));
    // 1994-11-06 08:49:37 UTC: the date that RFC 9110 §5.6.7 writes in all three formats.
    site.modified("dated.txt", SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
}

/// Links of every kind, each named for where it leads.
fn fill_with_links(site: &Site) {
    site.directory("links/down").file("links/down/here.txt", "beneath the root\n");
    site.link("links/beside", "down/here.txt")
        .link("links/up-and-down", "../links/down/here.txt")
        .link("links/through-a-directory", "directory/here.txt")
        .link("links/directory", "down")
        .link("links/chain", "beside")
        .link("links/out-relative", "../../outside/secret.txt")
        .link("links/out-directory", "../../outside")
        .link("links/out-and-back", "../../served/hello.txt")
        .link("links/out-absolute", site.outside().join("secret.txt"))
        .link("links/in-absolute", site.path("hello.txt"))
        .link("links/out-chain", "out-relative")
        .link("links/environment", "/proc/self/environ")
        .link("links/environment-relative", "../../../../../../../../../proc/self/environ")
        .link("links/process-root", "/proc/self/root/etc/hostname")
        .link("links/descriptor", "/proc/self/fd/0")
        .link("links/zero", "/dev/zero")
        .link("links/version", "/proc/version")
        .link("links/loop", "loop")
        .link("links/loop-a", "loop-b")
        .link("links/loop-b", "loop-a")
        .link("links/dangling", "nowhere")
        .link("links/to-fifo", "../special/fifo");
    fs::hard_link(site.outside().join("secret.txt"), site.path("links/hard")).expect("one file system");
    site.directory("links/index-link").link("links/index-link/index.html", "../../hello.txt");
    site.directory("links/index-out").link("links/index-out/index.html", "../../../outside/secret.txt");
}

/// What is neither a regular file nor a directory.
fn fill_with_special_files(site: &Site) {
    let make = |name: &str, kind| {
        let mode = rustix::fs::Mode::from_raw_mode(0o666);
        rustix::fs::mknodat(rustix::fs::CWD, site.path(name), kind, mode, rustix::fs::makedev(1, 5))
    };
    site.directory("special/index-fifo").directory("special/index-socket");
    make("special/fifo", FileType::Fifo).expect("anyone may make a FIFO");
    make("special/index-fifo/index.html", FileType::Fifo).expect("anyone may make a FIFO");
    // Only root may make a device; the tests of it say so when they skip.
    let _ = make("special/device", FileType::CharacterDevice);
    // The file outlives its listener.
    UnixListener::bind(site.path("special/socket")).expect("a path short enough for a socket");
    UnixListener::bind(site.path("special/index-socket/index.html")).expect("a path short enough for a socket");
}

/// The date of `dated.txt`.
pub const DATED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

pub const FIVE_GIB: u64 = 5 * 1024 * 1024 * 1024;

/// Larger than any socket buffer of loopback would take at once.
pub const LARGE_BYTES: usize = 8 * 1024 * 1024;

/// Too large to be copied behind its head, and small enough to be kept in memory.
pub const MIDDLE_BYTES: usize = 100_000;

/// Bytes that tell where they stand: a wrong offset shows.
pub fn patterned(length: usize) -> Vec<u8> {
    (0..length.div_ceil(8)).flat_map(|index| (index * 8).to_be_bytes()).take(length).collect()
}

/// The plain files of the shared site.
pub const FILES: [(&str, &str); 14] = [
    ("index.html", "<!doctype html><title>root</title>\n"),
    ("hello.txt", "hello, world\n"),
    ("dated.txt", "0123456789"),
    ("digits.txt", "0123456789abcdefghijklmnopqrstuvwxyz"),
    ("empty.txt", ""),
    ("page.html", "<p>page</p>\n"),
    ("style.css", "p { color: teal }\n"),
    ("app.js", "console.log(1);\n"),
    ("data.json", "{}\n"),
    ("picture.png", "\u{89}not really"),
    ("no-extension", "what am I\n"),
    ("dir/index.html", "<!doctype html><title>dir</title>\n"),
    ("dir/file.txt", "a file in a directory\n"),
    ("dir/sub/deep.txt", "deep\n"),
];

/// Files that are served with `--hidden` only, but for the one beneath the first segment `.well-known`.
pub const HIDDEN_FILES: [(&str, &str); 10] = [
    (".hidden", "hidden\n"),
    ("..foo", "two dots\n"),
    ("...", "three dots\n"),
    (".git/config", "git\n"),
    ("dir/.hidden", "hidden deeper\n"),
    ("dir/.hidden-dir/file.txt", "in a hidden directory\n"),
    (".well-known/security.txt", "well known\n"),
    (".well-known/.hidden", "hidden in well-known\n"),
    ("dir/.well-known/file.txt", "not the first segment\n"),
    (".well-known-not/file.txt", "not the whole segment\n"),
];

/// File names that hurt: the name, one target that asks for it, and the content.
pub fn hurtful_names() -> Vec<(&'static [u8], &'static str, &'static str)> {
    vec![
        (b"nl\nname.txt", "/nl%0Aname.txt", "newline"),
        (b"\"quoted\" & 'single'.txt", "/%22quoted%22%20&%20'single'.txt", "quotes"),
        (b"<img src=x onerror=alert(1)>.txt", "/%3Cimg%20src=x%20onerror=alert(1)%3E.txt", "markup"),
        (b"per%20cent.txt", "/per%2520cent.txt", "a literal per cent sign"),
        (b"a b.txt", "/a%20b.txt", "space"),
        ("emoji 🦆.txt".as_bytes(), "/emoji%20%F0%9F%A6%86.txt", "emoji"),
        ("grüße.txt".as_bytes(), "/gr%C3%BC%C3%9Fe.txt", "umlaut"),
        (b"caf\xe9.txt", "/caf%E9.txt", "not UTF-8"),
        (b"javascript:alert(1)", "/javascript:alert(1)", "a scheme in a name"),
        (b"back\\slash.txt", "/back%5Cslash.txt", "backslash"),
        (b"x%2fy", "/x%252fy", "a literal escape"),
        (b"plus+sign.txt", "/plus+sign.txt", "plus"),
        (b"q?mark.txt", "/q%3Fmark.txt", "question mark"),
        (b"hash#.txt", "/hash%23.txt", "hash"),
        (b"semi;colon=1.txt", "/semi;colon=1.txt", "semicolon"),
        (b"esc\x1b[31m.txt", "/esc%1B%5B31m.txt", "escape sequence"),
        (b"crlf\r\nX-Injected: 1.txt", "/crlf%0D%0AX-Injected:%201.txt", "a field line in a name"),
        (b"tilde~.txt", "/tilde%7E.txt", "an escape that was not needed"),
        (b"del\x7f.txt", "/del%7F.txt", "DEL"),
        (b"dot.\r.name.txt", "/dot.%0D.name.txt", "a CR between dots"),
    ]
}
