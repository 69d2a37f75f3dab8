//! What the kernel says of a client's progress, against what the client really took.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use millpond::engine::send_queue::SendQueues;
use millpond::observe::peer::Peer;

/// A connection whose one end is full: everything that the kernel took, and the client has not read.
fn full(address: &str) -> (TcpStream, TcpStream, usize) {
    let listener = TcpListener::bind(address).expect("loopback has this address");
    let client = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
    let (mut server, _) = listener.accept().expect("somebody has come");
    server.set_nonblocking(true).expect("a socket can be");
    let mut sent = 0;
    loop {
        match server.write(&[7; 65_536]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return (server, client, sent),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn what_a_client_has_not_taken_shrinks_to_nothing_as_it_reads() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        if TcpListener::bind(address).is_err() {
            println!("skipped: no address {address}");
            continue;
        }
        let queues = SendQueues::open();
        let (server, mut client, sent) = full(address);
        let peer = Peer::from(client.local_addr().expect("it is connected"));
        let untaken = || usize::try_from(queues.untaken(&server, peer).expect("the kernel knows")).expect("it fits");
        let mut before = untaken();
        assert!(0 < before && before <= sent, "{before} of {sent}");
        let mut left = sent;
        while left > 0 {
            left -= client.read(&mut vec![0; 1024 * 1024]).expect("there is more");
            let now = untaken();
            assert!(now <= before && now <= sent, "{now} after {before} of {sent}");
            before = now;
        }
        // The last acknowledgement may be on its way for as long as a client may delay it.
        while untaken() > 0 {
            std::thread::yield_now();
        }
    }
}

#[test]
fn of_a_connection_that_is_not_there_nothing_is_known() {
    let (server, client, _) = full("127.0.0.1:0");
    let queues = SendQueues::open();
    assert_eq!(queues.untaken(&server, Peer::from(SocketAddr::from(([127, 0, 0, 1], 1)))), None);
    drop(client);
}

#[test]
fn what_a_client_of_a_unix_socket_has_not_taken_shrinks_to_nothing_as_it_reads() {
    let queues = SendQueues::open();
    let (mut server, mut client) = UnixStream::pair().expect("the system has sockets");
    server.set_nonblocking(true).expect("a socket can be");
    let mut left = 0;
    while let Ok(count) = server.write(&[7; 65_536]) {
        left += count;
    }
    let Some(mut before) = queues.untaken(&server, Peer::Unix) else {
        println!("skipped: this kernel has no unix_diag");
        return;
    };
    assert!(before > 0);
    while left > 0 {
        left -= client.read(&mut vec![0; 50_000]).expect("there is more");
        let now = queues.untaken(&server, Peer::Unix).expect("it knew before");
        assert!(now <= before, "{now} after {before}");
        before = now;
    }
    assert_eq!(queues.untaken(&server, Peer::Unix), Some(0));
}
