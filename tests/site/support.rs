//! A directory with a site over it, and requests at any time.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use millpond::config;
use millpond::engine::Response;
use millpond::http::date;
use millpond::http::pieces::Framing;
use millpond::http::request::{self, FieldStorage, RequestHead};
use millpond::http::response::{ConnectionOption, Content, Source, Stamp};
use millpond::site::options::{Listings, Options};
use millpond::site::respond::{Reply, Site};
use millpond::site::root::Links;
use tempfile::TempDir;

/// A directory that is served, in one that isn't.
pub struct Bench {
    pub site: Site,
    directory: TempDir,
    pub start: Instant,
}

/// A response as it would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The head without its first two lines, of which the second is the date.
    pub fields: String,
    pub content: String,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(Links::Beneath)
    }

    pub fn with(links: Links) -> Bench {
        // Without listings, so that what goes is seen to be gone.
        Bench::choosing(Options { links, listing: Listings::Denied, ..Options::recommended() })
    }

    pub fn choosing(options: Options) -> Bench {
        Bench::within(options, &env::temp_dir())
    }

    /// In memory if there is such a place, for many files: a disk takes a minute for what memory does in a second.
    pub fn for_many() -> Bench {
        let memory = Path::new("/dev/shm");
        let options = Options { listing: Listings::Denied, ..Options::recommended() };
        if memory.is_dir() { Bench::within(options, memory) } else { Bench::new() }
    }

    fn within(options: Options, parent: &Path) -> Bench {
        let directory =
            tempfile::Builder::new().prefix("millpond-site-").tempdir_in(parent).expect("a temporary directory");
        fs::create_dir(directory.path().join("served")).expect("our own directory");
        fs::create_dir(directory.path().join("outside")).expect("our own directory");
        let site = Site::open(&directory.path().join("served"), options).expect("it is there");
        Bench { site, directory, start: Instant::now() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("served").join(name)
    }

    /// Beside what is served.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.directory.path().join("outside").join(name)
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Bench {
        write(&self.path(name), content);
        self
    }

    /// A file of that size without a block.
    pub fn sparse(&self, name: &str, size: u64) -> &Bench {
        File::create(self.path(name)).and_then(|file| file.set_len(size)).expect("a sparse file");
        self
    }

    /// The answer to a GET that was received so long after the start, if no disk is waited for.
    pub fn ask_memory(&self, path: &str, fields: &str, received: Duration) -> Option<Answer> {
        let head = head("GET", path, fields);
        let mut storage = FieldStorage::new();
        let request = request::parse(head.as_bytes(), &mut storage).expect("a good request");
        self.site.respond_from_memory(&request, settled(), self.start + received).map(answer)
    }

    /// The same where nothing has changed. The kernel may be unable to tell while names move elsewhere, as other tests
    /// have them do: then it is asked again.
    #[track_caller]
    pub fn surely_ask_memory(&self, path: &str, fields: &str, received: Duration) -> Answer {
        let tries = (0..1_000).find_map(|_| self.ask_memory(path, fields, received));
        tries.unwrap_or_else(|| panic!("{path} is never answered from memory"))
    }

    /// The answer to a GET that was received so long after the start.
    pub fn ask(&self, path: &str, fields: &str, received: Duration) -> Answer {
        self.ask_at("GET", path, fields, received, settled())
    }

    pub fn ask_at(&self, method: &str, path: &str, fields: &str, received: Duration, now: SystemTime) -> Answer {
        ask(&self.site, method, path, fields, self.start + received, now)
    }

    /// The answer of another site over the same directory, which has kept nothing.
    pub fn ask_anew(&self, method: &str, path: &str, fields: &str, now: SystemTime) -> Answer {
        let options = Options { listing: Listings::Denied, ..Options::recommended() };
        let site = Site::open(&self.path(""), options).expect("it is there");
        ask(&site, method, path, fields, Instant::now(), now)
    }

    /// Has a file kept, as of a request received at the start.
    #[track_caller]
    pub fn warm(&self, path: &str) -> Answer {
        let cold = self.ask(path, "", Duration::ZERO);
        assert_eq!(self.ask_memory(path, "", Duration::ZERO).as_ref(), Some(&cold), "{path} is not kept");
        cold
    }

    /// Returns once the clock of the file system has moved on, so that what changes from now on shows. Kernels before
    /// 6.13 tick in milliseconds.
    pub fn tick(&self) {
        let changed = |path: &Path| {
            write(path, "");
            rustix::fs::stat(path).map(|stat| (stat.st_ctime, stat.st_ctime_nsec)).expect("our own file")
        };
        let path = self.outside("clock");
        let first = changed(&path);
        let deadline = Instant::now() + Duration::from_secs(10);
        while changed(&path) == first {
            assert!(Instant::now() < deadline, "the clock of the file system stands still");
        }
    }

    /// Descriptors of this process that lead into the directory.
    pub fn descriptors(&self) -> usize {
        let descriptors = fs::read_dir("/proc/self/fd").expect("proc is there").flatten();
        let ours = |path: PathBuf| path.starts_with(self.directory.path().join("served"));
        // The root itself is one.
        descriptors.filter(|entry| fs::read_link(entry.path()).is_ok_and(ours)).count() - 1
    }
}

/// A time at which everything that was written up to now has settled.
pub fn settled() -> SystemTime {
    SystemTime::now() + config::SETTLE_TIME
}

pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("a file lies in a directory")).expect("our own directory");
    File::create(path).and_then(|mut file| file.write_all(content.as_ref())).expect("our own file");
}

pub fn ask(site: &Site, method: &str, path: &str, fields: &str, received: Instant, now: SystemTime) -> Answer {
    answer(with_request(method, path, fields, |request| respond_whole(site, request, now, received)))
}

/// Does something with a request.
pub fn with_request<T>(method: &str, path: &str, fields: &str, action: impl FnOnce(&RequestHead<'_>) -> T) -> T {
    let head = head(method, path, fields);
    let mut storage = FieldStorage::new();
    action(&request::parse(head.as_bytes(), &mut storage).expect("a good request"))
}

/// Has a listing go on until it is done.
pub fn respond_whole(site: &Site, request: &RequestHead<'_>, now: SystemTime, received: Instant) -> Response {
    let mut reply = site.respond(request, now, received);
    loop {
        match reply {
            Reply::Response(response) => return response,
            Reply::Listing(listing) => reply = listing.go_on(),
        }
    }
}

fn head(method: &str, path: &str, fields: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n")
}

fn answer(response: Response) -> Answer {
    let status = response.status().code();
    let date = date::render(SystemTime::UNIX_EPOCH);
    let mut out = Vec::new();
    response.encode_head(Stamp { date: &date, extra: &[], connection: ConnectionOption::Unsaid }, &mut out);
    let head = String::from_utf8(out).expect("a head is text");
    let fields = head.splitn(3, "\r\n").nth(2).expect("a status line and a date").to_owned();
    let content = match response.into_content() {
        Content::None => Vec::new(),
        Content::Bytes(bytes) => bytes.into_owned(),
        Content::Slice { source, first, length } => stretch(&source, first, length),
        Content::Multipart { source, parts } => {
            let part = |part: millpond::http::multipart::Part| {
                [part.preamble, stretch(&source, part.range.first(), part.range.len())].concat()
            };
            parts.parts().flat_map(part).chain(parts.closing()).collect()
        }
        Content::Pieces(pieces) => {
            let (mut pieces, mut bytes) = (pieces, Vec::new());
            pieces.frame(Framing::UntilClose);
            while !pieces.is_done() {
                pieces.write_next(&mut bytes);
            }
            bytes
        }
    };
    Answer { status, fields, content: String::from_utf8_lossy(&content).into_owned() }
}

fn stretch(source: &Source<std::sync::Arc<File>>, first: u64, length: u64) -> Vec<u8> {
    let length = usize::try_from(length).expect("it fits memory");
    match source {
        Source::Memory(memory) => memory[usize::try_from(first).expect("it fits memory")..][..length].to_vec(),
        Source::Opened(file) => {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, first).expect("as long as it said");
            bytes
        }
    }
}
