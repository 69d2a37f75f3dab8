//! A crowd of clients that asks for every kind of file, whatever happens to the server, and judges each answer that
//! comes whole by its status, its length and its bytes.
//!
//! *Invariant:* an answer is the right one, or one of the refusals that the test allows, or it doesn't come whole and the
//! connection ends with it. Anything else is a panic here.

use std::net::SocketAddr;
use std::ops::AddAssign;
use std::sync::LazyLock;
use std::thread;

use crate::load;
use crate::support::{Client, MIDDLE_BYTES, PATIENCE, Server, get, patterned};

/// A request to the shared site, and its answer.
struct Question {
    request: Vec<u8>,
    status: u16,
    content: Vec<u8>,
}

/// Each goes another way through the server.
static QUESTIONS: LazyLock<Vec<Question>> = LazyLock::new(|| {
    let range = 1_000_000..1_300_000;
    let large = patterned(range.end)[range.clone()].to_vec();
    let of_large = format!("Range: bytes={}-{}\r\n", range.start, range.end - 1);
    let refused = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
    let question = |request: Vec<u8>, status, content: &[u8]| Question { request, status, content: content.to_vec() };
    vec![
        // In memory, looked at by its name, and copied behind its head.
        question(get("/hello.txt", ""), 200, b"hello, world\n"),
        // The same, looked at by a path.
        question(get("/dir/file.txt", ""), 200, b"a file in a directory\n"),
        // In memory, and sent from there.
        question(get("/middle.bin", ""), 200, &patterned(MIDDLE_BYTES)),
        // Kept open, and sent by the kernel.
        question(get("/large.bin", &of_large), 206, &large),
        // Opened, read and closed each time.
        question(get("/tomorrow.txt", ""), 200, b"read anew\n"),
        // Answered, and its body thrown away: the last on its connection.
        question(refused.into(), 405, b"405 Method Not Allowed: this server only reads\n"),
    ]
});

/// What became of the questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The right answer came.
    pub right: usize,
    /// One of the allowed refusals came.
    pub refused: usize,
    /// The connection ended before an answer was whole.
    pub cut: usize,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.right += other.right;
        self.refused += other.refused;
        self.cut += other.cut;
    }
}

/// So many clients go so many rounds each, all at once: a round is a connection on which every question is asked, one
/// after the other, or all before the first answer.
pub fn ask(server: &Server, clients: usize, rounds: usize, refusals: &[u16]) -> Tally {
    thread::scope(|scope| {
        let one = || {
            (0..rounds).fold(Tally::default(), |mut tally, round| {
                tally += ask_a_round(server.address(), refusals, round % 2 == 0);
                tally
            })
        };
        let all: Vec<_> = (0..clients).map(|_| scope.spawn(one)).collect();
        all.into_iter().fold(Tally::default(), |mut tally, client| {
            tally += client.join().expect("every whole answer is a right one");
            tally
        })
    })
}

/// One connection. What is still to be asked when it ends, as an answer said or without a word, isn't counted.
pub fn ask_a_round(address: SocketAddr, refusals: &[u16], at_once: bool) -> Tally {
    let mut client = Client::connect_to(address);
    let mut tally = Tally::default();
    if at_once {
        let requests: Vec<&[u8]> = QUESTIONS.iter().map(|question| question.request.as_slice()).collect();
        // The server may have closed by now, with the last answers still to be read.
        let _ = client.try_send(requests.concat());
    }
    for question in QUESTIONS.iter() {
        if !at_once {
            let _ = client.try_send(&question.request);
        }
        let Some(answer) = client.response_or_close("GET") else {
            tally.cut += 1;
            return tally;
        };
        let shown = String::from_utf8_lossy(&question.request[..30.min(question.request.len())]).into_owned();
        if answer.status == question.status {
            assert!(answer.content == question.content, "wrong bytes for {shown:?}");
            tally.right += 1;
        } else {
            assert!(refusals.contains(&answer.status), "{} for {shown:?}", answer.status);
            tally.refused += 1;
        }
        if answer.closes() {
            client.expect_closed();
            return tally;
        }
    }
    tally
}

/// Connections that are all busy at a time, as many as the server is to hold, are all served: no slot is lost.
pub fn assert_holds(server: &Server, connections: usize) {
    let head = get("/hello.txt", "");
    let (half, rest) = head.split_at(head.len() / 2);
    // With half a head none is idle, and none has to go should one of before still be there when the last one comes.
    let begun = |_| {
        let mut client = Client::connect(server);
        client.send(half);
        client
    };
    let mut clients: Vec<Client> = (0..connections).map(begun).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        client.send(rest);
        let answer = client.response_or_close("GET");
        assert!(answer.is_some_and(|answer| answer.status == 200), "no place for connection {index} of {connections}");
    }
}

/// What a server has when nobody is there: threads and descriptors.
#[derive(Clone, Copy, Debug)]
pub struct Base {
    threads: usize,
    descriptors: usize,
}

impl Base {
    /// Of a server that has seen every question, and so holds what it keeps.
    pub fn of(server: &Server) -> Base {
        let descriptors = load::descriptors_after(server.pid(), || {
            let tally = ask(server, 2, 4, &[]);
            assert_eq!((tally.refused, tally.cut), (0, 0), "nothing has happened yet");
        });
        Base { threads: load::threads(server.pid()), descriptors }
    }

    /// It has as many threads as before, and soon no more descriptors.
    pub fn assert_again(self, server: &Server) {
        assert_eq!(load::threads(server.pid()), self.threads, "threads");
        load::wait_until(PATIENCE, "every descriptor is free again", || {
            load::descriptors(server.pid()) <= self.descriptors
        });
    }
}
