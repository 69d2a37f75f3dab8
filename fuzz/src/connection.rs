//! A whole connection over a stream in memory: `client` says what an input means, and checks the frames.
//!
//! What must hold: there is one whole, well-framed response for each request, in order, with the content that the handler
//! gave for it, whatever came in and however it was split, received, answered and written; and after the last no more.

use std::fs::File;
use std::io::Write;
use std::sync::{Arc, OnceLock};

use millpond::config::{COPIED_BYTES_MAX, INLINE_BYTES_MAX};
use millpond::engine::{Answer, Context, Handler, Response};
use millpond::http::field::Fields;
use millpond::http::method::Method;
use millpond::http::multipart::Multipart;
use millpond::http::range::{self, Selection};
use millpond::http::request::RequestHead;
use millpond::http::response::{Content, Source};
use millpond::http::status::Status;
use millpond::http::target::RequestTarget;
use millpond::http::validator::Validators;

use super::client::{self, Services};
use super::slow_target::Target;

pub fn check(input: &[u8]) {
    static SERVICES: OnceLock<Services<Tale>> = OnceLock::new();
    let visit = client::visit(input, SERVICES.get_or_init(|| client::services(|| Tale)));
    client::check_answers(&visit, |head, answer| {
        let (status, content) = match &head.target {
            Target::Path(path) => expected(path.as_ref().map_or(b"", |path| &path[1..])),
            Target::Other => expected(b""),
        };
        assert_eq!(answer.status, status.code());
        assert!(answer.content == content || head.method == "HEAD", "{:?}", String::from_utf8_lossy(answer.content));
        if let (Some(length), true) = (answer.field("Content-Length"), status == Status::OK) {
            assert_eq!(length, content.len().to_string());
        }
    });
}

/// A handler that answers in each way there is to send content; which, the path says.
struct Tale;

/// One way to send content.
enum Way {
    /// By a status that has none.
    Nothing(Status),
    /// A stretch of the bytes that lie there: the first offset, and how many.
    Stretch(fn() -> Source<Arc<File>>, u64, u64),
    /// Several.
    Parts(fn() -> Source<Arc<File>>),
    /// The path itself.
    Echo,
}

/// All ways, with stretches on either side of the sizes at which something else is done.
fn way(path: &[u8]) -> Way {
    match path {
        b"none" => Way::Nothing(Status::NO_CONTENT),
        b"same" => Way::Nothing(Status::NOT_MODIFIED),
        b"file" => Way::Stretch(opened, 10, 500),
        b"large" => Way::Stretch(opened, 1, INLINE_BYTES_MAX + 1),
        b"little" => Way::Stretch(in_memory, 7, COPIED_BYTES_MAX),
        b"memory" => Way::Stretch(in_memory, 2, COPIED_BYTES_MAX + 1),
        b"parts" => Way::Parts(in_memory),
        b"file-parts" => Way::Parts(opened),
        _ => Way::Echo,
    }
}

impl Handler for Tale {
    fn respond(&self, request: &RequestHead<'_>, _: &Context) -> Answer {
        Answer::Response(tell(request))
    }

    fn respond_from_memory(&self, request: &RequestHead<'_>, _: &Context) -> Option<Response> {
        // "cold" is what the handler itself would have to wait for; of the files, only their content.
        (path_of(request) != b"cold").then(|| tell(request))
    }
}

fn tell(request: &RequestHead<'_>) -> Response {
    let path = path_of(request);
    let content = match way(path) {
        Way::Nothing(status) => return Response::empty(status),
        Way::Stretch(source, first, length) => Content::Slice { source: source(), first, length },
        Way::Parts(source) => Content::Multipart { source: source(), parts: Box::new(parts()) },
        Way::Echo => Content::Bytes(path.to_vec().into()),
    };
    Response::empty(Status::OK).content(content)
}

fn path_of<'r>(request: &'r RequestHead<'r>) -> &'r [u8] {
    match &request.target {
        RequestTarget::Resource { path, .. } => path.relative().unwrap_or_default(),
        RequestTarget::Asterisk | RequestTarget::Authority => b"",
    }
}

/// What a client of [`Tale`] is to get.
fn expected(path: &[u8]) -> (Status, Vec<u8>) {
    let stretch = |first: u64, length: u64| &bytes()[index(first)..index(first + length)];
    let content = match way(path) {
        Way::Nothing(status) => return (status, Vec::new()),
        Way::Stretch(_, first, length) => stretch(first, length).to_vec(),
        Way::Parts(_) => {
            let parts = parts();
            let part = |part: millpond::http::multipart::Part| {
                [&part.preamble[..], stretch(part.range.first(), part.range.len())].concat()
            };
            [parts.parts().flat_map(part).collect(), parts.closing()].concat()
        }
        Way::Echo => path.to_vec(),
    };
    (Status::OK, content)
}

fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("it lies in memory")
}

/// Bytes in which every offset looks different from its neighbours.
fn bytes() -> &'static Arc<[u8]> {
    static BYTES: OnceLock<Arc<[u8]>> = OnceLock::new();
    let byte = |offset: u64| u8::try_from(offset % 251).expect("below 251");
    BYTES.get_or_init(|| (0..INLINE_BYTES_MAX + 5000).map(byte).collect())
}

fn in_memory() -> Source<Arc<File>> {
    Source::Memory(Arc::clone(bytes()))
}

fn opened() -> Source<Arc<File>> {
    static FILE: OnceLock<Arc<File>> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        let mut file = tempfile::tempfile().expect("there is room for a file");
        file.write_all(bytes()).expect("it can be written");
        Arc::new(file)
    });
    Source::Opened(Arc::clone(file))
}

/// A short part, a long one, and the end.
fn parts() -> Multipart {
    let lines = [httparse::Header { name: "Range", value: b"bytes=1-2,10-65600,-3" }];
    let size = u64::try_from(bytes().len()).expect("a length fits 64 bits");
    match range::select(Method::Get, &Fields::new(&lines), &Validators::NONE, size) {
        Selection::Multiple(ranges) => Multipart::new(ranges, "a/b", 0).expect("three short ranges"),
        other => panic!("{other:?}"),
    }
}
