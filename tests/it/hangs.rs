//! A worker that a file system holds is not waited for at the end.
//!
//! Row W5 of tests/threats.md. A hung file system can't be had without a kernel module, so a handler hangs in its place.

use std::net::SocketAddr;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use millpond::config::Limits;
use millpond::http::request::RequestHead;
use millpond::http::status::Status;
use millpond::server::{Context, Response, Server};

use crate::library::Running;
use crate::load::{assert_took, plain_get};
use crate::support::{Client, PATIENCE};

#[test]
fn a_worker_that_hangs_is_left_behind_at_the_end() {
    let limits = Limits { workers: 2, drain_timeout: Duration::from_millis(300), ..Limits::recommended() };
    let server = Server::bind(&[SocketAddr::from(([127, 0, 0, 1], 0))], limits).expect("a free port");
    let address = server.local_addresses()[0];
    let (hung, hangs) = mpsc::channel();
    let (let_go, until) = mpsc::channel::<()>();
    let until = Mutex::new(until);
    let running = Running::over(server, address, move |_: &RequestHead<'_>, _: &Context| {
        hung.send(()).expect("the test waits for it");
        let _ = until.lock().expect("one at a time").recv();
        Response::text(Status::OK, "late")
    });
    let mut client = Client::connect_to(running.address);
    client.send(plain_get("/"));
    hangs.recv_timeout(PATIENCE).expect("a worker takes it");
    running.handle.drain();
    let drained = running.join();
    assert_eq!(drained.cut, 1);
    assert_took(drained.took, Duration::from_millis(300)..Duration::from_secs(2));
    drop(let_go);
}
