//! The floor: a server that answers whatever comes with the same bytes. No server that has to read its requests can cost
//! less, so what one costs beyond this is its own doing, and the rest is the kernel's. Try
//! `cargo run --release --example floor`, point wrk at the address that it prints, and do the same with millpond.
//!
//! What is left when nothing is parsed, looked up or decided:
//!
//! - one `recv` and one `send` for each request. There is no way to answer over a socket with fewer calls;
//! - one epoll set for each worker, and for all that is ready together one `epoll_wait`. Nothing is shared, so no worker
//!   ever waits for another. It is edge-triggered: a connection is added once and never armed again;
//! - the same port for each worker (`SO_REUSEPORT`): the kernel spreads the connections, and no thread hands them over.
//!
//! Why it is no web server: it takes each piece that it receives for one request. A head in two pieces gets two answers,
//! two heads in one piece get one. A client that waits for each answer, as wrk does, can't tell.

use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;

use clap::Parser;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// Answer every request with the same bytes, unread
#[derive(Parser)]
struct Arguments {
    /// Port to listen on; 0 takes any free one
    #[arg(short, long, default_value_t = 8080)]
    port: u16,
    /// Bytes of content in each response
    #[arg(long, value_name = "N", default_value_t = 1024)]
    bytes: usize,
    /// End each connection after one response, for clients that ask for that: this server would not notice
    #[arg(long)]
    close: bool,
}

/// The event of the listener; no connection's descriptor has this number.
const LISTENER: u64 = u64::MAX;

pub fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { port, bytes, close } = Arguments::parse();
    let option = if close { "Connection: close\r\n" } else { "" };
    let head = format!("HTTP/1.1 200 OK\r\n{option}Content-Length: {bytes}\r\n\r\n");
    let answer = [head.into_bytes(), vec![b'.'; bytes]].concat();

    let first = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    while listeners.len() < millpond::config::cores() {
        listeners.push(listen(address)?);
    }
    // Whoever closed standard output doesn't want to know.
    let _ = writeln!(io::stdout(), "http://{address}/");
    thread::scope(|scope| {
        for listener in &listeners {
            scope.spawn(|| work(listener, &answer, close).expect("there are descriptors and memory"));
        }
    });
    Ok(())
}

/// One of the listeners that share a port.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    net::bind(&socket, &address)?;
    net::listen(&socket, 4096)?;
    Ok(TcpListener::from(socket))
}

/// One worker: its own listener, its own set, its own connections.
fn work(listener: &TcpListener, answer: &[u8], close: bool) -> io::Result<()> {
    let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&set, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    // By the number of the descriptor: numbers are small, and used again.
    let mut connections: Vec<Option<TcpStream>> = Vec::new();
    let mut events = Vec::with_capacity(64);
    loop {
        rustix::io::retry_on_intr(|| epoll::wait(&set, rustix::buffer::spare_capacity(&mut events), None))?;
        for epoll::Event { data, flags } in events.drain(..) {
            if data.u64() == LISTENER {
                // It fails if the client has left already.
                let Ok((stream, _)) = listener.accept() else { continue };
                let number = stream.as_raw_fd().cast_unsigned();
                let interest = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
                epoll::add(&set, &stream, EventData::new_u64(number.into()), interest)?;
                let index = usize::try_from(number).expect("descriptors are few");
                connections.resize_with(connections.len().max(index + 1), || None);
                connections[index] = Some(stream);
                continue;
            }
            let connection = &mut connections[usize::try_from(data.u64()).expect("descriptors are few")];
            // The end is told only once, and may be told together with the last request.
            let ends = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
            if !connection.as_ref().is_some_and(|stream| serve(stream, answer)) || ends || close {
                *connection = None;
            }
        }
    }
}

/// One request, unread, and its answer; says whether the connection can go on. Only the receiving must not wait: what is
/// sent here has room, or soon will.
fn serve(stream: &TcpStream, answer: &[u8]) -> bool {
    match net::recv(stream, &mut [0; 4096], RecvFlags::DONTWAIT) {
        Ok((0, _)) => return false,
        Ok(_) => {}
        Err(errno) => return errno == rustix::io::Errno::AGAIN,
    }
    let mut rest = answer;
    while !rest.is_empty() {
        let Ok(sent) = net::send(stream, rest, SendFlags::NOSIGNAL) else { return false };
        rest = &rest[sent..];
    }
    true
}
