//! The library as its users have it: a closure for a handler, a handle to drain, and a panic that costs one turn.
//!
//! *Invariants:* 11 of DESIGN.md §3; rows W1, W3, W4 and S6 of threats.md, promise 14. Threads and descriptors can only
//! be counted in a process of their own, so that this binary starts itself once more: [`serve_and_panic`] is that
//! process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use millpond::config::Limits;
use millpond::http::field_line::FieldLine;
use millpond::http::request::RequestHead;
use millpond::http::status::Status;
use millpond::http::target::RequestTarget;
use millpond::server::{Answer, Context, DrainHandle, Drained, Handler, Kept, Response, Server};

use crate::load::{self, plain_get};
use crate::support::{Client, PATIENCE};

fn limits(workers: usize) -> Limits {
    Limits { workers, ..Limits::recommended() }
}

fn bind(workers: usize) -> (Server, SocketAddr) {
    let server = Server::bind(&[SocketAddr::from(([127, 0, 0, 1], 0))], limits(workers)).expect("a free port");
    let address = server.local_addresses()[0];
    (server, address)
}

/// The path that was asked for, to be shown.
fn path(request: &RequestHead<'_>) -> String {
    match &request.target {
        RequestTarget::Resource { path, .. } => path.to_uri_path(),
        RequestTarget::Asterisk => "*".to_owned(),
        RequestTarget::Authority => "an authority".to_owned(),
    }
}

// -------------------------------------------------------------------------------------------------------------- panics

/// The address, on a line of its own, is what the other process waits for.
const CHILD_VARIABLE: &str = "MILLPOND_TESTS_SERVE_AND_PANIC";

/// Not a test: the server of [`a_handler_that_panics_in_a_thousand_turns_costs_a_thousand_answers_and_nothing_else`].
#[test]
fn serve_and_panic() {
    if std::env::var_os(CHILD_VARIABLE).is_none() {
        return;
    }
    // A thousand backtraces say nothing more than one.
    std::panic::set_hook(Box::new(|_| {}));
    let (server, address) = bind(2);
    let handle = server.drain_handle();
    thread::spawn(move || {
        // Until the other process closes it, or ends.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        handle.drain();
    });
    let handler = |request: &RequestHead<'_>, _: &Context| -> Response {
        assert!(path(request) != "/panic", "injected");
        Response::text(Status::OK, "fine")
    };
    println!("\nhttp://{address}/");
    let drained = server.run(handler).expect("threads and descriptors for a server");
    println!("\n{drained}");
}

/// The process of [`serve_and_panic`], killed when dropped.
struct OtherProcess {
    child: Child,
    address: SocketAddr,
}

impl OtherProcess {
    fn start() -> OtherProcess {
        let mut command = Command::new(std::env::current_exe().expect("this process has a program"));
        command.args(["--exact", "library::serve_and_panic", "--nocapture"]).env(CHILD_VARIABLE, "1");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
        let mut lines = BufReader::new(child.stdout.as_mut().expect("stdout is piped")).lines();
        let address = lines.find_map(|line| {
            let line = line.expect("text on a pipe");
            line.strip_prefix("http://")?.strip_suffix('/')?.parse().ok()
        });
        OtherProcess { address: address.expect("a line with the address"), child }
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        // Both fail only if it has ended before, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_handler_that_panics_in_a_thousand_turns_costs_a_thousand_answers_and_nothing_else() {
    let _alone = load::alone();
    let server = OtherProcess::start();
    let (pid, panic) = (server.child.id(), plain_get("/panic"));
    let descriptors = load::descriptors_after(pid, || {
        Client::connect_to(server.address).ask(&panic);
        Client::connect_to(server.address).ask(plain_get("/fine"));
    });
    let threads = load::threads(pid);
    let mut bystander = Client::connect_to(server.address);
    assert_eq!(bystander.ask(plain_get("/fine")).content, b"fine\n");
    for turn in 0..1_000 {
        let mut client = Client::connect_to(server.address);
        let response = client.ask(&panic);
        assert_eq!((response.status, response.closes()), (500, true), "turn {turn}");
        client.expect_closed();
    }
    assert_eq!(load::threads(pid), threads);
    load::wait_until(PATIENCE, "all but the bystander's are free again", || load::descriptors(pid) <= descriptors + 1);
    for _ in 0..100 {
        assert_eq!(bystander.ask(plain_get("/fine")).content, b"fine\n");
    }
    let mut mixed = Client::connect_to(server.address);
    mixed.send(plain_get("/fine") + &panic + &plain_get("/fine"));
    assert_eq!(mixed.response("GET").content, b"fine\n", "what came before the panic is answered");
    assert_eq!(mixed.response("GET").status, 500);
    mixed.expect_closed();
}

// ------------------------------------------------------------------------------------------------------------ patience

/// A handler whose `/slow` hangs like a dead file system until the test lets go of it. Nothing is in its memory, except
/// `/remembered`.
struct Hangs {
    /// Says that a worker hangs.
    hung: mpsc::Sender<()>,
    /// Disconnected when it is let go of.
    until: Mutex<mpsc::Receiver<()>>,
}

impl Handler for Hangs {
    fn respond(&self, request: &RequestHead<'_>, _: &Context) -> Answer {
        if path(request) == "/slow" {
            self.hung.send(()).expect("the test waits for it");
            let _ = self.until.lock().expect("nobody panics with it").recv();
        }
        Response::text(Status::OK, path(request)).into()
    }

    fn respond_from_memory(&self, request: &RequestHead<'_>, _: &Context) -> Option<Response> {
        (path(request) == "/remembered").then(|| Response::text(Status::OK, "at once"))
    }
}

/// Whatever came together with it, in whatever order: a request that hangs on a disk holds up itself and one worker.
#[test]
fn a_file_system_that_hangs_holds_up_one_connection_and_one_worker() {
    let (hung, hangs) = mpsc::channel();
    let (let_go, until) = mpsc::channel();
    let running = Running::start(Hangs { hung, until: Mutex::new(until) });
    let mut clients: Vec<Client> = (0..64).map(|_| Client::connect_to(running.address)).collect();
    // All are known to the server, and then all ask at the same moment.
    for client in &mut clients {
        assert_eq!(client.ask(plain_get("/remembered")).content, b"at once\n");
    }
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(plain_get(if number == 5 { "/slow" } else { "/cold" }));
    }
    hangs.recv_timeout(PATIENCE).expect("a worker takes it");
    for (number, client) in clients.iter_mut().enumerate().filter(|(number, _)| *number != 5) {
        assert_eq!(client.response("GET").content, b"/cold\n", "client {number}");
    }
    drop(let_go);
    assert_eq!(clients[5].response("GET").content, b"/slow\n");
    drop(clients);
    running.handle.drain();
    assert_eq!(running.join().cut, 0);
}

// --------------------------------------------------------------------------------------------------------------- tidy

/// A handler that keeps something until it has been asked three times to let go of it.
struct Keeps {
    asked: mpsc::Sender<usize>,
    times: AtomicUsize,
}

impl Handler for Keeps {
    fn respond(&self, _: &RequestHead<'_>, _: &Context) -> Answer {
        self.times.store(0, Ordering::SeqCst);
        Response::text(Status::OK, "kept").into()
    }

    fn tidy(&self, _: Instant) -> Kept {
        let times = self.times.fetch_add(1, Ordering::SeqCst) + 1;
        // The test may have seen enough.
        let _ = self.asked.send(times);
        if times < 3 { Kept::Something } else { Kept::Nothing }
    }
}

#[test]
fn a_handler_is_asked_to_tidy_until_it_keeps_nothing_though_nobody_is_there() {
    let (asked, asks) = mpsc::channel();
    let running = Running::start(Keeps { asked, times: AtomicUsize::new(0) });
    let mut client = Client::connect_to(running.address);
    assert_eq!(client.ask(plain_get("/")).content, b"kept\n");
    drop(client);
    while asks.recv_timeout(PATIENCE).expect("it is asked again") < 3 {}
    running.handle.drain();
    assert_eq!(running.join().cut, 0);
}

// --------------------------------------------------------------------------------------------------------------- drain

/// A server of this process, on a thread of its own.
pub struct Running {
    pub address: SocketAddr,
    pub handle: DrainHandle,
    thread: JoinHandle<Drained>,
}

impl Running {
    fn start(handler: impl millpond::server::Handler) -> Running {
        let (server, address) = bind(2);
        Running::over(server, address, handler)
    }

    pub fn over(server: Server, address: SocketAddr, handler: impl millpond::server::Handler) -> Running {
        let handle = server.drain_handle();
        let thread = thread::spawn(move || server.run(handler).expect("threads and descriptors for a server"));
        Running { address, handle, thread }
    }

    /// How it ended, once it has.
    pub fn join(self) -> Drained {
        load::wait_until(PATIENCE, "the server has drained", || self.thread.is_finished());
        self.thread.join().expect("no panic in the server")
    }
}

fn fine(_: &RequestHead<'_>, _: &Context) -> Response {
    Response::text(Status::OK, "fine")
}

fn assert_refused(address: SocketAddr) {
    let error = std::net::TcpStream::connect_timeout(&address, PATIENCE).expect_err("nobody listens");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_drain_handle_drains_from_another_thread() {
    let server = Running::start(fine);
    let mut client = Client::connect_to(server.address);
    assert_eq!(client.ask(plain_get("/")).content, b"fine\n");
    server.handle.drain();
    // Asking again changes nothing.
    server.handle.clone().drain();
    let address = server.address;
    client.expect_closed();
    assert_eq!(server.join().cut, 0);
    assert_refused(address);
}

#[test]
fn a_drain_that_was_asked_for_before_the_start_is_not_lost() {
    let (server, address) = bind(1);
    server.drain_handle().drain();
    let since = Instant::now();
    let drained = server.run(fine).expect("threads and descriptors for a server");
    assert_eq!(drained.cut, 0);
    assert!(since.elapsed() < Duration::from_secs(2), "it took {:?}", since.elapsed());
    assert_refused(address);
}

#[test]
fn requests_that_wait_for_a_busy_worker_when_the_drain_begins_are_answered() {
    let (server, address) = bind(1);
    let (begun, begins) = std::sync::mpsc::channel::<()>();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let server = Running::over(server, address, move |request: &RequestHead<'_>, _: &Context| {
        if path(request) == "/slow" {
            begun.send(()).expect("the test waits");
            held.lock().expect("one at a time").recv().expect("the test lets go");
        }
        Response::text(Status::OK, "fine")
    });
    let mut idle: Vec<Client> = (0..20).map(|_| Client::connect_to(address)).collect();
    for client in &mut idle {
        assert_eq!(client.ask(plain_get("/")).content, b"fine\n");
    }
    let mut slow = Client::connect_to(address);
    slow.send(plain_get("/slow"));
    begins.recv().expect("the worker is busy");
    for client in &mut idle {
        client.send(plain_get("/"));
    }
    server.handle.drain();
    let since = Instant::now();
    load::wait_until(PATIENCE, "nobody listens", || std::net::TcpStream::connect(address).is_err());
    // Longer than any grace that a quiet connection has: these are not quiet.
    thread::sleep(Duration::from_secs(1).saturating_sub(since.elapsed()));
    release.send(()).expect("the handler waits");
    for mut client in idle.into_iter().chain([slow]) {
        let response = client.response("GET");
        assert_eq!((response.content.as_slice(), response.closes()), (b"fine\n".as_slice(), true));
        client.expect_closed();
    }
    assert_eq!(server.join().cut, 0);
}

#[test]
fn a_handler_may_drain_the_server_it_answers_for() {
    let own: Arc<OnceLock<DrainHandle>> = Arc::default();
    let from_within = Arc::clone(&own);
    let server = Running::start(move |_: &RequestHead<'_>, _: &Context| {
        from_within.get().expect("set before the first request").drain();
        Response::text(Status::OK, "the last one")
    });
    own.set(server.handle.clone()).expect("set once");
    let mut client = Client::connect_to(server.address);
    assert_eq!(client.ask(plain_get("/")).content, b"the last one\n");
    client.expect_closed();
    assert_eq!(server.join().cut, 0);
}

#[test]
fn clients_may_connect_and_wait_before_the_server_runs() {
    let (server, address) = bind(1);
    let mut client = Client::connect_to(address);
    client.send(plain_get("/"));
    let handle = server.drain_handle();
    let thread = thread::spawn(move || server.run(fine).expect("threads and descriptors for a server"));
    assert_eq!(client.response("GET").content, b"fine\n");
    handle.drain();
    load::wait_until(PATIENCE, "the server has drained", || thread.is_finished());
    thread.join().expect("no panic in the server");
}

// ------------------------------------------------------------------------------------------------------------ handlers

#[test]
fn a_handler_is_told_who_asks() {
    let server =
        Running::start(|_: &RequestHead<'_>, context: &Context| Response::text(Status::OK, context.peer.to_string()));
    let mut client = Client::connect_to(server.address);
    let told = client.ask(plain_get("/"));
    assert_eq!(told.content_text(), format!("{}\n", client.local_address()));
    server.handle.drain();
    server.join();
}

#[test]
fn field_lines_of_the_server_are_on_every_response() {
    let (server, address) = bind(1);
    let line: FieldLine = "X-Duck: quack".parse().expect("a field line");
    let server = server.with_fields(vec![line]);
    let handle = server.drain_handle();
    let thread = thread::spawn(move || server.run(fine).expect("threads and descriptors for a server"));
    let mut client = Client::connect_to(address);
    assert_eq!(client.ask(plain_get("/")).field("x-duck"), "quack");
    client.send("nonsense\r\n\r\n");
    assert_eq!(client.response("GET").field("x-duck"), "quack");
    handle.drain();
    load::wait_until(PATIENCE, "the server has drained", || thread.is_finished());
    thread.join().expect("no panic in the server");
}

#[test]
fn a_handler_that_takes_its_time_holds_one_worker_and_nobody_else() {
    let turns = Arc::new(AtomicUsize::new(0));
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let counted = Arc::clone(&turns);
    let server = Running::start(move |request: &RequestHead<'_>, _: &Context| {
        if path(request) == "/slow" {
            counted.fetch_add(1, Ordering::SeqCst);
            held.lock().expect("one at a time").recv().expect("the test lets go");
        }
        Response::text(Status::OK, "fine")
    });
    let mut slow = Client::connect_to(server.address);
    slow.send(plain_get("/slow"));
    load::wait_until(PATIENCE, "a worker is held", || turns.load(Ordering::SeqCst) == 1);
    // More connections than one batch of the poller takes, so that some would be stuck behind the slow one if anything
    // was.
    let mut others: Vec<Client> = (0..64).map(|_| Client::connect_to(server.address)).collect();
    for other in &mut others {
        other.stream().write_all(plain_get("/").as_bytes()).expect("the server takes a request");
    }
    for other in &mut others {
        assert_eq!(other.response("GET").content, b"fine\n");
    }
    release.send(()).expect("the handler waits");
    assert_eq!(slow.response("GET").content, b"fine\n");
    server.handle.drain();
    server.join();
}
