//! The model's kernel: sockets in an edge-triggered epoll set, and what workers sleep in. It promises no more than it has
//! to.

use std::sync::Arc;
// What the model only watches with is std's: it adds no order that the program doesn't have.
use std::sync::atomic::AtomicUsize as Count;

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Condvar, Mutex};
use millpond::engine::poller::{Run, Timeout};

/// What a client, the workers and the epoll set know of one connection.
#[derive(Debug, Default)]
pub struct Socket {
    /// Bytes that have come. Relaxed throughout: a real kernel has a lock here, which would hide what the pond's own
    /// words fail to order.
    came: AtomicUsize,
    /// Whether an event waits for a worker; what comes meanwhile is joined to it.
    reported: AtomicBool,
    closed: Count,
}

/// The server's end of a socket.
#[derive(Debug)]
pub struct Connection {
    socket: Arc<Socket>,
    /// Bytes that have been read.
    read: usize,
}

impl Socket {
    /// A byte comes, and whoever asks next is told.
    pub fn receive(&self) {
        self.receive_and_tell_me();
        self.reported.swap(true, Ordering::Release);
    }

    /// A byte comes, and the worker that is told has just asked.
    pub fn receive_and_tell_me(&self) {
        self.came.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks for an event. Each goes to one worker once, and who gets it knows what came before it.
    pub fn event(&self) -> bool {
        self.reported.swap(false, Ordering::Acquire)
    }

    pub fn came(&self) -> usize {
        self.came.load(Ordering::Relaxed)
    }

    /// How many times it was closed.
    pub fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}

impl Connection {
    pub fn new(socket: &Arc<Socket>) -> Connection {
        Connection { socket: Arc::clone(socket), read: 0 }
    }

    /// Reads until it would wait.
    pub fn read(&mut self) {
        assert_eq!(self.socket.closed(), 0, "closed under its reader's hands");
        self.read = self.socket.came();
        assert_eq!(self.socket.closed(), 0, "closed under its reader's hands");
    }

    /// How many bytes were read.
    pub fn has_read(&self) -> usize {
        self.read
    }

    pub fn is_of(&self, socket: &Arc<Socket>) -> bool {
        Arc::ptr_eq(&self.socket, socket)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.socket.closed.fetch_add(1, Ordering::SeqCst);
    }
}

/// An epoll set with nothing in it but the two bells.
#[derive(Debug, Default)]
pub struct Bells {
    rung: Mutex<Rung>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Rung {
    /// Edge-triggered: it ends one wait, and rings that nobody has heard yet are one.
    nudge: bool,
    /// Level-triggered: it ends them all.
    stop: bool,
}

impl Bells {
    pub fn nudge(&self) {
        self.rung.lock().expect("nobody panics").nudge = true;
        self.changed.notify_one();
    }

    pub fn stop(&self) {
        self.rung.lock().expect("nobody panics").stop = true;
        self.changed.notify_all();
    }

    pub fn wait(&self, timeout: Timeout) -> Run {
        let mut rung = self.rung.lock().expect("nobody panics");
        while timeout == Timeout::Never && !rung.nudge && !rung.stop {
            rung = self.changed.wait(rung).expect("nobody panics");
        }
        rung.nudge = false;
        if rung.stop { Run::Stop } else { Run::GoOn }
    }
}

/// How often something has happened, for who waits for it.
#[derive(Debug, Default)]
pub struct Tally {
    count: Mutex<usize>,
    grown: Condvar,
}

impl Tally {
    pub fn add_one(&self) {
        *self.count.lock().expect("nobody panics") += 1;
        self.grown.notify_all();
    }

    pub fn wait_for(&self, wanted: usize) {
        let mut count = self.count.lock().expect("nobody panics");
        while *count < wanted {
            count = self.grown.wait(count).expect("nobody panics");
        }
    }
}
