//! A service manager's side: sockets that it passes on, and what it is told.
//!
//! sd_listen_fds(3), sd_notify(3). A shell plays the manager: it puts a socket where the third descriptor is, says so in
//! the environment, and becomes the server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram, UnixListener, UnixStream};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::load::{self, plain_get};
use crate::support::{Client, PATIENCE, Server, Site, bare_command, rows};

fn site() -> Site {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n");
    site
}

/// A server that is passed this descriptor. It has the variables of nobody, but for those that the script sets.
fn passed(site: &Site, descriptor: OwnedFd, args: &[&str]) -> Command {
    let mut command = passed_without_a_path(descriptor, args);
    command.arg(site.root());
    command
}

fn passed_without_a_path(descriptor: OwnedFd, args: &[&str]) -> Command {
    let program = bare_command();
    let mut command = Command::new("sh");
    command.args(["-c", r#"exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@""#]);
    command.arg(program.get_program()).args(args).env_clear().stdin(Stdio::from(descriptor));
    command
}

/// A server under way, killed when dropped.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Running {
        Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a shell"))
    }

    /// Has it end, and says what it said.
    fn end(mut self) -> (Option<i32>, String, String) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("our own child takes a signal");
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.0.stdout.take().expect("piped").read_to_string(&mut stdout).expect("text");
        self.0.stderr.take().expect("piped").read_to_string(&mut stderr).expect("text");
        (self.0.wait().expect("our own child").code(), stdout, stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended before, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_port_that_is_passed_is_listened_on_and_who_came_before_the_server_is_answered() {
    let site = site();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let mut early = TcpStream::connect(address).expect("the kernel takes it");
    early.write_all(plain_get("/hello.txt").as_bytes()).expect("the kernel takes it");
    let server = Running::start(passed(&site, listener.into(), &[]));
    assert!(load::read_head(&mut early).starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(Client::connect_to(address).ask(plain_get("/hello.txt")).content, b"hello, world\n");
    drop(early);
    let (code, stdout, stderr) = server.end();
    assert_eq!((code, stdout.lines().next()), (Some(0), Some(format!("http://{address}/").as_str())), "{stderr}");
    assert!(!stderr.contains("not used"), "{stderr}");
}

#[test]
fn a_unix_socket_that_is_passed_is_listened_on() {
    let site = site();
    let path = site.whole().join("s");
    let listener = UnixListener::bind(&path).expect("a short path");
    let server = Running::start(passed(&site, listener.into(), &[]));
    let mut stream = UnixStream::connect(&path).expect("the kernel takes it");
    stream.write_all(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("it takes a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.ends_with("\r\n\r\nhello, world\n"), "{answer}");
    let (code, stdout, _) = server.end();
    assert_eq!((code, stdout.lines().next()), (Some(0), Some(format!("unix:{}", path.display()).as_str())));
}

#[test]
fn a_site_that_lies_ready_is_not_shown_at_work_unasked_on_a_socket_that_is_passed() {
    let site = Site::new();
    site.file("public/hello.txt", "hello, world\n");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let mut command = passed_without_a_path(listener.into(), &[]);
    command.current_dir(site.root());
    let _server = Running::start(command);
    assert_eq!(Client::connect_to(address).ask(plain_get("/hello.txt")).content, b"hello, world\n");
    let page = Client::connect_to(address).ask("GET /.millpond/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(page.status, 404, "whom the manager lets in, it knows alone");
}

#[test]
fn options_that_say_where_to_listen_give_way_and_that_is_said() {
    let site = site();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = Running::start(passed(&site, listener.into(), &["--port", "1", "--bind", "192.0.2.1"]));
    assert_eq!(Client::connect_to(address).ask(plain_get("/hello.txt")).status, 200);
    let (_, _, stderr) = server.end();
    assert!(stderr.contains("warn: --bind and --port are not used, because sockets were passed"), "{stderr}");
}

rows!(refused:
    a_file_is_nothing_to_listen_on(|site| OwnedFd::from(std::fs::File::open(site.path("hello.txt")).expect("ours"))),
    a_socket_for_datagrams_is_nothing_to_listen_on(|_| std::net::UdpSocket::bind("127.0.0.1:0").expect("free").into()),
    a_connected_socket_does_not_listen(|_| UnixStream::pair().expect("sockets").0.into()),
);

/// One line, exit code 1.
fn refused(descriptor: fn(&Site) -> OwnedFd) {
    let site = site();
    let output: Output = passed(&site, descriptor(&site), &[]).output().expect("a shell");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), b"".as_slice()), "{stderr}");
    assert!(stderr.starts_with("millpond: can't listen on descriptor 0 of LISTEN_FDS: "), "{stderr}");
    assert!(stderr.ends_with("(in systemd: ListenStream=, and Accept=no)\n"), "{stderr}");
}

#[test]
fn what_is_passed_to_another_process_is_not_taken() {
    let site = site();
    let mut command = Server::command(site.root());
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let server = Server::spawn(command);
    assert_eq!(Client::connect(&server).ask(plain_get("/hello.txt")).status, 200);
}

// ------------------------------------------------------------------------------------------------------- what is told

rows!(told:
    a_manager_with_a_path_is_told(|site| {
        let path = site.whole().join("n");
        (UnixDatagram::bind(&path).expect("a short path"), path.display().to_string())
    }),
    a_manager_with_an_abstract_name_is_told(|site| {
        let name = site.whole().display().to_string();
        let address = UnixAddress::from_abstract_name(&name).expect("a short name");
        (UnixDatagram::bind_addr(&address).expect("a name of our own"), format!("@{name}"))
    }),
);

fn told(manager: fn(&Site) -> (UnixDatagram, String)) {
    let site = site();
    let (socket, name) = manager(&site);
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket has timeouts");
    let receive = || {
        let mut message = [0; 1024];
        let count = socket.recv(&mut message).expect("it is told");
        String::from_utf8_lossy(&message[..count]).into_owned()
    };
    let mut command = Server::command(site.root());
    command.env("NOTIFY_SOCKET", name);
    let mut server = Server::spawn(command);
    assert_eq!(receive(), format!("READY=1\nSTATUS=serving {}", site.root().display()));
    assert_eq!(Client::connect(&server).ask(plain_get("/hello.txt")).status, 200);
    server.signal(Signal::TERM);
    assert_eq!(receive(), "STOPPING=1\nSTATUS=draining");
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
}

rows!(no_manager:
    a_manager_that_is_not_there_is_a_warning("/nowhere/at/all"),
    a_manager_of_an_unknown_kind_is_a_warning("vsock:2:1234"),
);

fn no_manager(name: &str) {
    let site = site();
    let mut command = Server::command(site.root());
    command.env("NOTIFY_SOCKET", name);
    let server = Server::spawn(command);
    server.wait_for_stderr_line(PATIENCE, |line| line.contains("can't be told how it stands: NOTIFY_SOCKET: "));
    assert_eq!(Client::connect(&server).ask(plain_get("/hello.txt")).status, 200);
}
