//! How the drain is asked for: a flag that all threads read, and a byte that wakes the one that waits.
//!
//! *Invariants:* a request can't fall between looking and waiting, because the byte stays in its socket until the accept
//! loop has seen it. Both halves are all that a signal handler may do, so a signal needs no thread of its own; and from
//! the moment the handler has run, no worker promises to keep a connection.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::net::RecvFlags;

use super::notes::Whose;
use super::watchers::Watchers;

/// The server's side. With a [delay](crate::config::Limits::drain_delay), the drain begins some time after it was asked
/// for: until then clients are let in and answered, each for the last time on its connection.
#[derive(Debug)]
pub struct DrainRequest {
    handle: DrainHandle,
    /// Readable once a byte was sent.
    wake: UnixStream,
    /// Set by the accept loop alone. Who reads it too late parks a connection as if there were time; the drain goes after
    /// those.
    begun: AtomicBool,
    /// Responses finished since.
    finished: AtomicUsize,
    /// Who looks on.
    pub watchers: Watchers,
}

/// Ends the server from anywhere: another thread, a signal handler, the handler of a request.
#[derive(Clone, Debug)]
pub struct DrainHandle {
    requested: Arc<AtomicBool>,
    wake: Arc<UnixStream>,
}

impl DrainRequest {
    /// # Errors
    /// When the system is out of descriptors.
    pub fn new() -> io::Result<DrainRequest> {
        let (wake, sender) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        let handle = DrainHandle { requested: Arc::default(), wake: Arc::new(sender) };
        let (begun, finished) = (AtomicBool::new(false), AtomicUsize::new(0));
        Ok(DrainRequest { handle, wake, begun, finished, watchers: Watchers::default() })
    }

    pub fn handle(&self) -> DrainHandle {
        self.handle.clone()
    }

    /// Whether the drain has been asked for. It is never taken back.
    pub fn is_made(&self) -> bool {
        self.handle.requested.load(Ordering::SeqCst)
    }

    /// Whether quiet connections are no longer worth waiting for.
    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    /// No more delay.
    pub fn begin(&self) {
        self.handle.requested.store(true, Ordering::SeqCst);
        self.begun.store(true, Ordering::SeqCst);
    }

    /// The accept loop has heard it: it won't be woken for it again, and if it was told by the byte alone, all know.
    pub fn hear(&self) {
        self.handle.requested.store(true, Ordering::SeqCst);
        // More bytes than that wake it once more, which does no harm.
        let _ = rustix::net::recv(&self.wake, &mut [0; 64], RecvFlags::DONTWAIT);
    }

    /// Counts a response as finished, if that is of interest by now.
    pub fn response_finished(&self, whose: Whose) {
        if self.is_made() && whose == Whose::Client {
            self.finished.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn responses_finished(&self) -> usize {
        self.finished.load(Ordering::Relaxed)
    }
}

/// Readable once the drain is asked for.
impl AsFd for DrainRequest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

impl DrainHandle {
    /// Asks for the drain and returns at once. Asking again changes nothing.
    pub fn drain(&self) {
        self.requested.store(true, Ordering::SeqCst);
        // It fails only when the socket is full of requests, or the server is gone.
        let _ = rustix::io::write(&self.wake, &[1]);
    }

    /// For a signal handler: a descriptor that asks for the drain when a byte is written to it.
    ///
    /// # Errors
    /// When the system is out of descriptors.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(self.wake.try_clone()?.into())
    }

    /// For a signal handler: set it, and from then on every response says that it is the last. The byte is needed too.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.requested)
    }
}
