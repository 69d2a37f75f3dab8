//! A worker: takes the next connection that is ready, gives it one turn, and parks or closes it.
//!
//! *Invariants:* a worker never waits for a client, only for the next event and for the disk. A panic ends the turn it
//! happens in, not the worker: the pool would lose the job, and with it a lane.
//!
//! The pool is `threadpool`'s, and used for what it is good at: a fixed set of named threads. Each gets one job, which is
//! this loop. Its queue stays empty, because it has no bound; the kernel's ready list is the queue.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use threadpool::ThreadPool;

use super::connection::{Connection, Outcome};
use super::desk::Desk;
use super::poller::{Bell, Event, Poller};
use super::pond::{Owned, Pond};
use super::send_queue::SendQueues;
use super::transfer::Socket;
use super::{CloseReason, Handler, Service};

/// What the workers and the accept loop share.
#[derive(Debug)]
pub struct Mill<H> {
    pub service: Service<H>,
    pub pond: Pond<Connection<Socket>>,
    pub poller: Poller,
    /// Wakes the accept loop when a connection has left, if it wants to know.
    pub departures: Bell,
    pub send_queues: SendQueues,
    /// Turns that ended in a panic.
    pub panics: AtomicUsize,
}

/// The pool, running.
#[derive(Debug)]
pub struct Workers {
    /// Kept for its threads; nothing is queued on it after the start.
    _pool: ThreadPool,
    /// Disconnected once every worker has dropped its end.
    gone: Receiver<()>,
}

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start<H: Handler>(mill: &Arc<Mill<H>>) -> io::Result<Workers> {
        let count = mill.service.limits.workers;
        let build = || threadpool::Builder::new().num_threads(count).thread_name("worker".into()).build();
        // threadpool has no error for this: it panics.
        let pool = panic::catch_unwind(build)
            .map_err(|_| io::Error::other(format!("the system refuses to start {count} worker threads")))?;
        let (present, gone) = mpsc::channel::<()>();
        for _ in 0..count {
            let (mill, present) = (Arc::clone(mill), present.clone());
            pool.execute(move || {
                work(&mill);
                drop(present);
            });
        }
        Ok(Workers { _pool: pool, gone })
    }

    /// Waits until all workers have left, at most so long; says whether they have.
    pub fn wait(&self, timeout: Duration) -> bool {
        matches!(self.gone.recv_timeout(timeout), Err(RecvTimeoutError::Disconnected))
    }
}

/// The loop of one worker.
fn work<H: Handler>(mill: &Mill<H>) {
    let mut desk = Desk::new();
    while let Event::Ready(token) = mill.poller.wait() {
        // A stale event: the connection has gone, or somebody else has it and will see what the event was about.
        let Some(mut connection) = mill.pond.take(token) else { continue };
        let outcome = turn(&mut connection, &mut desk, mill);
        settle(mill, connection, outcome);
    }
}

/// Parks or closes a connection, as its turn decided.
pub fn settle<H: Handler>(mill: &Mill<H>, connection: Owned<'_, Connection<Socket>>, outcome: Outcome) {
    match outcome {
        Outcome::Park(interest, wait) => {
            let socket = connection.stream().clone();
            if let Err(error) = connection.park(wait, |token| mill.poller.arm(&socket, token, interest)) {
                log::error!("a connection was closed because it can't be watched: {error}");
            }
        }
        Outcome::Close(reason) => {
            log::debug!("{}: closed: {reason}", connection.peer());
            drop(connection);
            mill.departures.ring_if_wanted();
        }
    }
}

/// One turn; a panic in it is caught, counted, and ends the connection.
fn turn<H: Handler>(connection: &mut Connection<Socket>, desk: &mut Desk, mill: &Mill<H>) -> Outcome {
    // Whatever the panic left half done belongs to the connection, which is closed, or to the desk, which is cleared at
    // the next turn.
    if let Ok(outcome) = panic::catch_unwind(AssertUnwindSafe(|| connection.turn(desk, &mill.service))) {
        return outcome;
    }
    let count = mill.panics.fetch_add(1, Ordering::Relaxed) + 1;
    log::error!("{}: its turn panicked and it is closed; the worker goes on ({count} so far)", connection.peer());
    panic::catch_unwind(AssertUnwindSafe(|| connection.apologise(desk, &mill.service)))
        .unwrap_or(Outcome::Close(CloseReason::Panicked))
}
