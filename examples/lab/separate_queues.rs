//! A pool in which each worker has a queue of its own, as where each has its own epoll set or its own listener on a shared
//! port: connections are dealt out in turn, and stay where they were dealt.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

/// Accepts, and deals.
pub fn serve(listener: &TcpListener, workers: usize, converse: impl Fn(TcpStream) + Send + Sync + 'static) {
    let converse = Arc::new(converse);
    let queues: Vec<mpsc::Sender<TcpStream>> = (0..workers)
        .map(|_| {
            let (queue, connections) = mpsc::channel();
            let converse = Arc::clone(&converse);
            thread::spawn(move || connections.into_iter().for_each(|stream| converse(stream)));
            queue
        })
        .collect();
    for (stream, queue) in listener.incoming().flatten().zip(queues.iter().cycle()) {
        // It fails only if that worker has panicked, and then this client has to be without an answer.
        drop(queue.send(stream));
    }
}
