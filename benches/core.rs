//! The language alone, in nanoseconds: find where a head ends, read it, decide, write the head of the answer.
//!
//! Nothing here touches a socket, a file or a clock, so what is timed is only ours. The requests are what people send:
//! wrk's, curl's, a browser's, one that asks whether its copy is still good, and one for a range.

use std::hint::black_box;
use std::time::{Duration, UNIX_EPOCH};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use millpond::http::head::{HeadScan, Scanned};
use millpond::http::precondition::{self, Verdict};
use millpond::http::range::{self, Selection};
use millpond::http::request::{self, FieldStorage, RequestHead};
use millpond::http::response::{ConnectionOption, Response, Stamp};
use millpond::http::status::Status;
use millpond::http::validator::{FileTime, Validators};
use millpond::http::{date, media_type};

const WRK: &str = "GET /1k.txt HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

const CURL: &str = "\
GET /docs/guide.html HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n";

const BROWSER: &str = "\
GET /docs/guide.html?from=search HTTP/1.1\r\n\
Host: www.example.org\r\n\
Connection: keep-alive\r\n\
Cache-Control: max-age=0\r\n\
sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\", \"Google Chrome\";v=\"140\"\r\n\
sec-ch-ua-mobile: ?0\r\n\
sec-ch-ua-platform: \"Linux\"\r\n\
Upgrade-Insecure-Requests: 1\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
application/signed-exchange;v=b3;q=0.7\r\n\
Sec-Fetch-Site: same-origin\r\n\
Sec-Fetch-Mode: navigate\r\n\
Sec-Fetch-User: ?1\r\n\
Sec-Fetch-Dest: document\r\n\
Referer: https://www.example.org/search?q=millpond\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\r\n";

/// The tag is that of [`file`], so the answer is 304.
const CONDITIONAL: &str = "\
GET /docs/guide.html HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\
If-None-Match: \"400-17979cfe362a0000\"\r\nIf-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT\r\n\r\n";

const RANGE: &str = "\
GET /film.mp4 HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\
Range: bytes=256-511\r\nIf-Range: \"400-17979cfe362a0000\"\r\n\r\n";

const REQUESTS: [(&str, &str); 5] =
    [("wrk", WRK), ("curl", CURL), ("browser", BROWSER), ("conditional", CONDITIONAL), ("range", RANGE)];

const FILE_BYTES: u64 = 1024;

criterion_group!(benches, each_step, whole);
criterion_main!(benches);

/// Each step by itself, for each request.
fn each_step(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("find the end of the head");
    for (name, text) in REQUESTS {
        group.bench_with_input(BenchmarkId::from_parameter(name), text, |bencher, text| {
            bencher.iter(|| end_of_head(black_box(text.as_bytes())));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("read the head");
    for (name, text) in REQUESTS {
        group.bench_with_input(BenchmarkId::from_parameter(name), text, |bencher, text| {
            bencher.iter(|| {
                let mut storage = FieldStorage::new();
                request::parse(black_box(text.as_bytes()), &mut storage).map(|head| head.persistence)
            });
        });
    }
    group.finish();

    let validators = file();
    let mut group = criterion.benchmark_group("decide");
    for (name, text) in REQUESTS {
        let mut storage = FieldStorage::new();
        let head = request::parse(text.as_bytes(), &mut storage).expect("these requests are well formed");
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| decide(black_box(&head), black_box(&validators)));
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("describe the file");
    group.bench_function("validators", |bencher| bencher.iter(file));
    group.bench_function("media type", |bencher| bencher.iter(|| media_type::from_file_name(black_box(b"guide.html"))));
    group.bench_function("date", |bencher| bencher.iter(|| date::render(black_box(UNIX_EPOCH))));
    group.finish();

    let mut out = Vec::new();
    let mut group = criterion.benchmark_group("write the head");
    group.bench_function("made and written", |bencher| {
        bencher.iter(|| write_head(&answer(Decision::Whole, black_box(&validators)), &mut out));
    });
    let made = answer(Decision::Whole, &validators);
    group.bench_function("written", |bencher| bencher.iter(|| write_head(black_box(&made), &mut out)));
    group.finish();
}

/// All steps in a row, as they come in a turn, but for the file between them.
fn whole(criterion: &mut Criterion) {
    let mut out = Vec::new();
    let mut group = criterion.benchmark_group("whole");
    for (name, text) in REQUESTS {
        group.bench_with_input(BenchmarkId::from_parameter(name), text, |bencher, text| {
            bencher.iter(|| {
                let text = black_box(text.as_bytes());
                let mut storage = FieldStorage::new();
                let head = request::parse(&text[..end_of_head(text)], &mut storage);
                let validators = file();
                let decision = decide(&head.expect("these requests are well formed"), &validators);
                write_head(&answer(decision, &validators), &mut out);
            });
        });
    }
    group.finish();
}

/// What a request comes to, for a file that is there.
#[derive(Clone, Copy, Debug)]
enum Decision {
    NotModified,
    Whole,
    Part(range::ByteRange),
}

fn end_of_head(bytes: &[u8]) -> usize {
    match HeadScan::new().advance(bytes) {
        Ok(Scanned::Complete { head_length }) => head_length,
        Ok(Scanned::Partial) | Err(_) => panic!("these requests are whole"),
    }
}

/// The validators of a file of 1 KiB that was last changed on 2023-11-14 at 22:13:20 UTC.
fn file() -> Validators {
    let modified = FileTime { seconds: black_box(1_700_000_000), nanoseconds: 0 };
    Validators::of_file(FILE_BYTES, modified, UNIX_EPOCH + Duration::from_secs(1_800_000_000))
}

fn decide(head: &RequestHead<'_>, validators: &Validators) -> Decision {
    match precondition::evaluate(head.method, &head.fields, validators) {
        Verdict::NotModified => return Decision::NotModified,
        Verdict::Failed => panic!("none of these requests insists on another state"),
        Verdict::Proceed => {}
    }
    match range::select(head.method, &head.fields, validators, FILE_BYTES) {
        Selection::Whole => Decision::Whole,
        Selection::Single(range) => Decision::Part(range),
        Selection::Multiple(_) | Selection::Unsatisfiable => panic!("none of these requests asks for that"),
    }
}

/// A head with the fields that a file has. Its content is not of this wing.
fn answer(decision: Decision, validators: &Validators) -> Response<()> {
    let status = match decision {
        Decision::NotModified => Status::NOT_MODIFIED,
        Decision::Whole => Status::OK,
        Decision::Part(_) => Status::PARTIAL_CONTENT,
    };
    let mut response = Response::empty(status).field("Cache-Control", "no-cache");
    if let Some(etag) = &validators.etag {
        response = response.field("ETag", &String::from_utf8_lossy(&etag.field_value()));
    }
    response = response.field("X-Content-Type-Options", "nosniff");
    match decision {
        Decision::NotModified => return response,
        Decision::Whole => {}
        Decision::Part(range) => response = response.field("Content-Range", &range.content_range()),
    }
    response = response.field("Accept-Ranges", "bytes").field("Content-Type", "text/html; charset=utf-8");
    match validators.last_modified {
        Some(time) => response.field("Last-Modified", &String::from_utf8_lossy(&date::render(time))),
        None => response,
    }
}

fn write_head(response: &Response<()>, out: &mut Vec<u8>) {
    out.clear();
    let stamp = Stamp { date: b"Sun, 06 Nov 1994 08:49:37 GMT", extra: &[], connection: ConnectionOption::Unsaid };
    response.encode_head(black_box(stamp), out);
}
