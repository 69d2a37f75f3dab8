//! Every byte that was promised comes, in order and at once, however the client reads and whatever happens to the file.
//!
//! *Invariants:* 3, 8 and 9 of DESIGN.md §3; rows C7, C9, C10, C17, H20, T1, T3, T4, T8 and T10 of threats.md, promises
//! 9 and 10.
//!
//! RFC 9112 §9.3.2: the answers to pipelined requests come in the order of the requests.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use crate::load::{self, ASK_FOR_OPTIONS, DOWNLOAD, Download, Latencies, Silence, plain_get, site};
use crate::support::{Client, PATIENCE, Server, Site, find, get, patterned, rows};

fn serve(site: &Site) -> Server {
    Server::start(site.root(), &["--workers", "1"])
}

// ------------------------------------------------------------------------------------------------------ how it is read

#[test]
fn four_downloads_at_once_through_narrow_sockets_are_byte_exact() {
    let site = site();
    let server = serve(&site);
    thread::scope(|scope| {
        for piece_bytes in [1_000, 4_096, 10_007, 65_536] {
            let address = server.address();
            scope.spawn(move || {
                let mut download = Download::start(load::narrow(address), "/download.bin", &DOWNLOAD);
                while download.read(piece_bytes) > 0 {}
                assert_eq!(download.received(), DOWNLOAD.len());
            });
        }
    });
}

#[test]
fn a_narrow_client_may_ask_again_on_the_same_connection() {
    let site = site();
    let server = serve(&site);
    let mut stream = load::narrow(server.address());
    for _ in 0..3 {
        stream = Download::start(stream, "/download.bin", &DOWNLOAD).finish();
    }
}

#[test]
fn several_large_ranges_come_whole_through_a_narrow_socket() {
    const MIB: usize = 1024 * 1024;
    let site = site();
    let server = serve(&site);
    let mut stream = load::narrow(server.address());
    // The three are apart, and the first of them is more than one turn may write.
    let ranges = [(0, 3 * MIB + 7), (4 * MIB, 5 * MIB), (6 * MIB + 1, 8 * MIB)];
    let set = ranges.map(|(start, end)| format!("{start}-{}", end - 1)).join(",");
    stream.write_all(&get("/download.bin", &format!("Range: bytes={set}\r\n"))).expect("the server takes a request");
    let head = load::read_head(&mut stream);
    assert!(head.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{head:?}");
    let length = load::field(&head, "content-length").and_then(|value| value.parse().ok()).expect("a length");
    let content_type = load::field(&head, "content-type").expect("a media type");
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").expect("a boundary").trim_matches('"');
    let mut content = vec![0; length];
    stream.read_exact(&mut content).expect("as many bytes as promised");
    let mut rest = content.as_slice();
    for (start, end) in ranges {
        let part_head_end = find(rest, b"\r\n\r\n").expect("each part has a head") + 4;
        let part_head = String::from_utf8_lossy(&rest[..part_head_end]).into_owned();
        assert!(part_head.contains(&format!("--{boundary}\r\n")), "{part_head:?}");
        assert_eq!(
            load::field(&part_head, "content-range"),
            Some(format!("bytes {start}-{}/{}", end - 1, DOWNLOAD.len()).as_str())
        );
        rest = &rest[part_head_end..];
        assert!(rest[..end - start] == DOWNLOAD[start..end], "wrong bytes in the part that starts at {start}");
        rest = &rest[end - start..];
    }
    assert_eq!(rest.trim_ascii(), format!("--{boundary}--").as_bytes());
}

rows!(half_close:
    a_small_answer_comes_whole_after_a_half_close("/hello.txt", b"hello, world\n"),
    a_large_answer_comes_whole_after_a_half_close("/download.bin", &DOWNLOAD),
);

fn half_close(target: &str, expected: &[u8]) {
    let site = site();
    let server = serve(&site);
    let mut stream = load::narrow(server.address());
    stream.write_all(plain_get(target).as_bytes()).expect("the server takes a request");
    stream.shutdown(Shutdown::Write).expect("an open socket");
    let mut stream = Download::answered(stream, expected).finish_at_pace(1024 * 1024, Duration::from_millis(10));
    assert_eq!(load::silence(&mut stream, PATIENCE), Silence::Closed);
}

#[test]
fn pipelined_requests_before_a_half_close_are_all_answered() {
    let site = site();
    let server = serve(&site);
    let mut client = Client::connect(&server);
    client.send(plain_get("/hello.txt").repeat(40));
    client.finish_sending();
    for _ in 0..40 {
        assert_eq!(client.response("GET").content, b"hello, world\n");
    }
    client.expect_closed();
}

#[test]
fn pipelined_requests_to_large_and_small_files_keep_their_order() {
    let site = site();
    let server = serve(&site);
    let mut stream = load::narrow(server.address());
    let round = plain_get("/download.bin") + &plain_get("/hello.txt");
    stream.write_all(round.repeat(2).as_bytes()).expect("the server takes requests");
    for _ in 0..2 {
        stream = Download::answered(stream, &DOWNLOAD).finish();
        stream = Download::answered(stream, b"hello, world\n").finish();
    }
    stream.write_all(ASK_FOR_OPTIONS.as_bytes()).expect("the connection is kept");
    assert!(load::read_head(&mut stream).starts_with("HTTP/1.1 204 "));
}

#[test]
fn a_thousand_requests_sent_before_the_first_answer_is_read_are_answered_in_order() {
    let site = site();
    for index in 0..10 {
        site.file(format!("{index}.bin"), patterned(1_000 + index));
    }
    let server = serve(&site);
    let mut client = Client::connect(&server);
    let mut writing = client.stream().try_clone().expect("a socket can be shared");
    let requests: String = (0..1_000).map(|index| plain_get(&format!("/{}.bin", index % 10))).collect();
    let writer = thread::spawn(move || writing.write_all(requests.as_bytes()).expect("the server takes requests"));
    for index in 0..1_000 {
        assert!(client.response("GET").content == patterned(1_000 + index % 10), "answer {index}");
    }
    writer.join().expect("all requests were sent");
}

// ------------------------------------------------------------------------------------------------------------ how fast

rows!(promptly:
    a_small_file_comes_without_a_delayed_acknowledgement("GET", "/1k.bin"),
    the_largest_file_that_is_sent_with_its_head_comes_without_one("GET", "/64k.bin"),
    the_smallest_file_that_is_sent_behind_its_head_comes_without_one("GET", "/65k.bin"),
    a_file_sent_in_several_pieces_comes_without_one("GET", "/300k.bin"),
    an_empty_file_comes_without_one("GET", "/empty.bin"),
    the_answer_to_head_comes_without_one("HEAD", "/300k.bin"),
    an_error_comes_without_one("GET", "/none"),
);

/// 200 requests in sequence. A delayed acknowledgement costs 40 ms each time, so that it would show in the median: what
/// a busy machine delays now and then does not.
fn promptly(method: &str, target: &str) {
    let _alone = load::alone();
    let site = Site::new();
    site.file("empty.bin", "").file("1k.bin", patterned(1_024));
    site.file("64k.bin", patterned(64 * 1_024))
        .file("65k.bin", patterned(64 * 1_024 + 1))
        .file("300k.bin", patterned(300 * 1_024));
    let server = serve(&site);
    let mut client = Client::connect(&server);
    let request = plain_get(target).replacen("GET", method, 1);
    let latencies = Latencies::of(200, || {
        // Loopback is quick to acknowledge by itself; a client across a network waits like this one.
        sockopt::set_tcp_quickack(client.stream(), false).expect("TCP can delay acknowledgements");
        client.send(&request);
        client.response(method);
    });
    latencies.assert_within(Duration::from_millis(20), PATIENCE);
}

#[test]
fn head_and_small_content_are_one_write() {
    let site = Site::new();
    site.file("1k.bin", patterned(1_024));
    let server = serve(&site);
    let mut stream = load::wide(server.address());
    for _ in 0..100 {
        stream.write_all(plain_get("/1k.bin").as_bytes()).expect("the server takes a request");
        // One read returns what one write sent: this client waits in it before the server answers.
        let mut answer = vec![0; 64 * 1024];
        let read = stream.read(&mut answer).expect("an answer");
        assert!(answer[..read].ends_with(&patterned(1_024)), "the content is not in the same segment as the head");
    }
}

// -------------------------------------------------------------------------------------------------------------- aborts

rows!(frees_the_slot:
    a_reset_before_the_first_byte_frees_the_slot("", Stage::Sent),
    a_reset_within_a_head_frees_the_slot("GET /hel", Stage::Sent),
    a_reset_before_the_answer_is_read_frees_the_slot("GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n", Stage::Sent),
    a_reset_after_an_answer_frees_the_slot("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Stage::HeadRead),
    a_reset_within_a_parked_download_frees_the_slot("GET /download.bin HTTP/1.1\r\nHost: a\r\n\r\n", Stage::HeadRead),
    a_reset_within_a_flowing_download_frees_the_slot(
        "GET /download.bin HTTP/1.1\r\nHost: a\r\n\r\n",
        Stage::ContentRead,
    ),
    a_reset_after_a_half_close_frees_the_slot("GET /download.bin HTTP/1.1\r\nHost: a\r\n\r\n", Stage::HalfClosed),
    a_reset_while_the_server_lingers_frees_the_slot("nonsense\r\n\r\n", Stage::HeadRead),
);

/// How far a client comes before it is gone.
#[derive(PartialEq)]
enum Stage {
    Sent,
    HeadRead,
    ContentRead,
    HalfClosed,
}

/// Twelve such clients where four have room; then four downloads at once have it.
fn frees_the_slot(request: &str, stage: Stage) {
    let site = site();
    let server = Server::start(site.root(), &["--connections-max", "4", "--workers", "1"]);
    for _ in 0..12 {
        let mut stream = load::narrow(server.address());
        stream.write_all(request.as_bytes()).expect("the server takes the bytes");
        if stage != Stage::Sent {
            load::read_head(&mut stream);
        }
        if stage == Stage::ContentRead {
            stream.read_exact(&mut vec![0; DOWNLOAD.len() / 2]).expect("half of the content");
        }
        if stage == Stage::HalfClosed {
            stream.shutdown(Shutdown::Write).expect("an open socket");
        }
        load::abort(stream);
    }
    let download = |_| Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    let downloads: Vec<Download> = (0..4).map(download).collect();
    for download in downloads {
        download.finish();
    }
}

// ----------------------------------------------------------------------------------------- files that change meanwhile

rows!(truncated:
    a_file_cut_in_half_while_it_is_sent_ends_in_a_close_and_is_never_padded(DOWNLOAD.len() / 2),
    a_file_emptied_while_it_is_sent_ends_in_a_close_and_is_never_padded(0),
);

fn truncated(length: usize) {
    let site = Site::new();
    // Twice what socket buffers take, so that the cut is ahead of what has been sent.
    let content = patterned(2 * DOWNLOAD.len());
    site.file("shrinks.bin", &content);
    let server = serve(&site);
    let mut stream = load::narrow(server.address());
    // The second request must not be answered behind half an answer.
    stream.write_all(plain_get("/shrinks.bin").repeat(2).as_bytes()).expect("the server takes requests");
    let download = Download::answered(stream, &content);
    let file = OpenOptions::new().write(true).open(site.path("shrinks.bin")).expect("our own file");
    file.set_len(u64::try_from(length).expect("a small number")).expect("our own file");
    let received = download.read_to_close();
    assert!(received < content.len(), "bytes that the file does not have");
    assert!(length == 0 || received <= length, "{received} bytes of a file of {length}");
    assert_eq!(
        Client::connect(&server).ask(plain_get("/shrinks.bin")).content.len(),
        length,
        "the next answer is right again"
    );
}

#[test]
fn a_file_replaced_by_rename_is_sent_whole_as_it_was_and_then_as_it_is() {
    let site = site();
    let server = serve(&site);
    let download = Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    let new = b"new content";
    site.file("download.new", new);
    fs::rename(site.path("download.new"), site.path("download.bin")).expect("our own files");
    assert_eq!(Client::connect(&server).ask(plain_get("/download.bin")).content, new);
    let stream = download.finish();
    Download::start(stream, "/download.bin", new).finish();
}

#[test]
fn a_file_removed_while_it_is_sent_is_sent_whole_and_then_not_found() {
    let site = site();
    let server = serve(&site);
    let download = Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    fs::remove_file(site.path("download.bin")).expect("our own file");
    download.finish();
    assert_eq!(Client::connect(&server).ask(plain_get("/download.bin")).status, 404);
}

#[test]
fn a_file_that_grows_while_it_is_sent_is_sent_at_the_length_that_was_promised() {
    let site = site();
    let server = serve(&site);
    let download = Download::start(load::narrow(server.address()), "/download.bin", &DOWNLOAD);
    let mut file = OpenOptions::new().append(true).open(site.path("download.bin")).expect("our own file");
    file.write_all(b"and more").expect("our own file");
    // Were there a byte too many, the next answer would not begin where it must.
    let stream = download.finish();
    let longer = [DOWNLOAD.as_slice(), b"and more"].concat();
    Download::start(stream, "/download.bin", &longer).finish();
}

rows!(never_stale:
    a_file_written_anew_1000_times_is_new_each_time(|site, content| {
        site.file("changes.txt", content);
    }),
    a_file_overwritten_in_place_1000_times_is_new_each_time(overwrite),
    a_file_replaced_by_rename_1000_times_is_new_each_time(|site, content| {
        site.file("changes.new", content);
        fs::rename(site.path("changes.new"), site.path("changes.txt")).expect("our own files");
    }),
);

fn overwrite(site: &Site, content: &str) {
    let file = OpenOptions::new().write(true).open(site.path("changes.txt")).expect("our own file");
    file.write_all_at(content.as_bytes(), 0).expect("our own file");
}

/// The same size each time, and several changes in one tick of the file system's clock.
fn never_stale(change: fn(&Site, &str)) {
    let site = Site::new();
    site.file("changes.txt", "content 0000\n");
    let server = serve(&site);
    let mut client = Client::connect(&server);
    for round in 0..1_000 {
        let content = format!("content {round:04}\n");
        change(&site, &content);
        assert_eq!(client.ask(plain_get("/changes.txt")).content_text(), content);
        assert_eq!(client.ask(plain_get("/changes.txt")).content_text(), content);
    }
}

#[test]
fn a_settled_file_that_was_asked_for_is_new_after_every_change_and_its_old_etag_is_no_304() {
    let site = Site::new();
    let name = |index: usize| format!("{index}.txt");
    for index in 0..50 {
        site.file(name(index), "content of old\n");
    }
    site.settle();
    let server = serve(&site);
    let mut client = Client::connect(&server);
    for index in 0..50 {
        let target = format!("/{}", name(index));
        client.ask(plain_get(&target));
        let old = client.ask(plain_get(&target));
        assert_eq!(old.content_text(), "content of old\n");
        let condition = format!("If-None-Match: {}\r\n", old.field("etag"));
        assert_eq!(client.ask(get(&target, &condition)).status, 304, "a settled file has a validator");
        let file = OpenOptions::new().write(true).open(site.path(name(index))).expect("our own file");
        file.write_all_at(b"content of new\n", 0).expect("our own file");
        let new = client.ask(get(&target, &condition));
        assert_eq!((new.status, new.content_text()), (200, "content of new\n"));
    }
}

#[test]
fn a_sparse_file_larger_than_a_sendfile_call_may_send_comes_whole_and_costs_no_memory() {
    // sendfile(2) sends at most 0x7ffff000 bytes in one call.
    const SIZE: u64 = 0x7fff_f000 + 1024 * 1024;
    const GROWN_MAX_KIB: u64 = 4 * 1024;
    let _alone = load::alone();
    let site = Site::new();
    site.sparse("large.bin", SIZE);
    let file: File = OpenOptions::new().write(true).open(site.path("large.bin")).expect("our own file");
    file.write_all_at(b"tail", SIZE - 4).expect("our own file");
    let server = serve(&site);
    Client::connect(&server).ask(plain_get("/none"));
    let resident = load::resident_kib(server.pid());
    let mut stream = load::wide(server.address());
    stream.write_all(plain_get("/large.bin").as_bytes()).expect("the server takes a request");
    let head = load::read_head(&mut stream);
    assert_eq!(load::field(&head, "content-length"), Some(SIZE.to_string().as_str()));
    let (mut left, mut chunk, since) = (SIZE - 4, vec![0; 1024 * 1024], Instant::now());
    while left > 0 {
        let piece = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        stream.read_exact(&mut chunk[..piece]).expect("the download goes on");
        left -= u64::try_from(piece).expect("a usize is a u64 here");
        assert!(since.elapsed() < 6 * PATIENCE, "{left} bytes are left");
    }
    let grown = load::resident_kib(server.pid()).saturating_sub(resident);
    assert!(grown <= GROWN_MAX_KIB, "{grown} KiB more");
    let mut tail = [0; 4];
    stream.read_exact(&mut tail).expect("the last bytes");
    assert_eq!(&tail, b"tail");
}
