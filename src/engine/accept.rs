//! The accept loop: lets connections in, looks at the clock, and hears the call to drain. It is the main thread.
//!
//! *Invariants:* no error of `accept` ends the loop, and none makes it spin: what concerns one connection is passed over,
//! what concerns the process (out of descriptors, out of memory) makes it pause, longer each time up to
//! [`ACCEPT_PAUSE_MAX`](config::ACCEPT_PAUSE_MAX). At the limit of connections the one that has been idle longest makes
//! room; if none is idle, accepting pauses until one leaves. Meanwhile clients wait in the kernel's queue.
//!
//! It waits in one `poll` for the listeners, for the drain, for a departure if it needs one, and for the next sweep.
//! A blocking `accept` would hear nothing else: handlers are installed with `SA_RESTART`.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::connection::Connection;
use super::desk::Desk;
use super::drain::{self, Drained};
use super::listen::Listener;
use super::mill::Mill;
use super::pond::{Kind, Wait};
use super::socket::Socket;
use super::worker::Workers;
use super::{Handler, Kept, Stage, sweep};
use crate::config;
use crate::observe::event::What;
use crate::observe::log_queue::DropWatch;
use crate::observe::peer::Peer;

/// Serves until the drain is asked for, drains, and says how that went.
///
/// # Errors
/// When the system refuses the threads.
pub fn run<H: Handler>(
    mill: &Arc<Mill<H>>,
    listeners: Vec<Listener>,
    tell: &mut dyn FnMut(Stage),
) -> io::Result<Drained> {
    let workers = Workers::start(mill)?;
    let mut desk = Desk::with_pen(mill.service.watch.as_ref().map(|watch| watch.main_pen()));
    tell(Stage::Serving);
    serve(mill, &listeners, &mut desk, tell);
    let drained = drain::drain(mill, listeners, &mut desk);
    mill.stop();
    if !workers.wait(config::WORKERS_LEAVE_TIMEOUT) {
        log::warn!("a worker is held up by a file and is left behind");
    }
    Ok(drained)
}

/// The loop, until the drain is to begin.
fn serve<H: Handler>(mill: &Mill<H>, listeners: &[Listener], desk: &mut Desk, tell: &mut dyn FnMut(Stage)) {
    let limits = &mill.service.limits;
    let shortest = limits.head_timeout.min(limits.idle_timeout).min(limits.stall_timeout);
    let interval = config::SWEEP_INTERVAL.min(shortest / 4);
    let mut pause = Pause::new();
    let mut drops = mill.service.access_log.as_ref().map(|log| DropWatch::new(log.queue().clone()));
    let mut next_sweep = Instant::now() + interval;
    let mut kept = Kept::Nothing;
    let mut ends = None;
    loop {
        let now = Instant::now();
        if ends.is_some_and(|ends| now >= ends) {
            return;
        }
        if now >= next_sweep {
            if let Some(watch) = &mill.service.watch {
                watch.glance(&mill.scene());
            }
            sweep::conclude_due(mill, desk, now);
            kept = mill.service.handler.tidy(now);
            if let Some(report) = drops.as_mut().and_then(|drops| drops.report(now)) {
                log::warn!("access log: {} lines were dropped, because nobody took them in time", report.lines);
            }
            next_sweep = now + interval;
        }
        // With nobody there, there is no deadline, and the next accept ends the wait.
        let sweeps = mill.pond.occupied() > 0 || kept == Kept::Something;
        let sweep_in = sweeps.then(|| next_sweep.saturating_duration_since(now));
        let ends_in = ends.map(|ends| ends.saturating_duration_since(now));
        let timeout = [pause.left(now), sweep_in, ends_in].into_iter().flatten().min();
        let paused = pause.left(now).is_some();
        desk.note_rest::<H>();
        let woken = wait(mill, if paused { &[] } else { listeners }, timeout);
        desk.note_waking::<H>(|| woken.listeners());
        match woken {
            Woken::Drain if ends.is_none() => {
                tell(Stage::Leaving);
                ends = Some(hear(mill));
            }
            Woken::Drain => mill.service.drain.hear(),
            Woken::Departure => pause.end(),
            Woken::Timeout => {}
            Woken::Listeners(ready) => {
                // Whoever comes may be gone again before the next sweep, and the handler keep something for it.
                kept = Kept::Something;
                let ready = listeners.iter().zip(ready).filter_map(|(listener, ready)| ready.then_some(listener));
                for listener in ready {
                    match accept_patiently(mill, listener, desk) {
                        Swept::Nobody | Swept::All | Swept::Some => pause.reset(),
                        Swept::Full => pause.for_room(),
                        Swept::Failed(errno) => {
                            pause.begin();
                            pause.say(&errno);
                        }
                    }
                }
            }
        }
    }
}

/// Hears the call to drain, and says when to begin with it.
fn hear<H: Handler>(mill: &Mill<H>) -> Instant {
    let delay = mill.service.limits.drain_delay;
    mill.service.drain.hear();
    if !delay.is_zero() {
        let seconds = delay.as_secs_f64();
        log::info!(
            "leaving: clients are let in for {seconds:.1} s more, then it drains; a second signal ends it at once"
        );
    }
    Instant::now() + delay
}

/// Why the loop goes on.
enum Woken {
    Drain,
    Departure,
    Listeners(Vec<bool>),
    Timeout,
}

impl Woken {
    /// How many listeners have somebody to accept.
    fn listeners(&self) -> usize {
        match self {
            Woken::Listeners(ready) => ready.iter().filter(|ready| **ready).count(),
            Woken::Drain | Woken::Departure | Woken::Timeout => 0,
        }
    }
}

fn wait<H: Handler>(mill: &Mill<H>, listeners: &[Listener], timeout: Option<Duration>) -> Woken {
    // A listener may be bound to any number of addresses, each a descriptor beside these two.
    let mut descriptors =
        vec![PollFd::new(&mill.service.drain, PollFlags::IN), PollFd::new(&mill.departures, PollFlags::IN)];
    descriptors.extend(listeners.iter().map(|listener| PollFd::new(listener, PollFlags::IN)));
    if let Err(errno) = poll(&mut descriptors, timeout.map(timespec).as_ref()) {
        // EINTR, or ENOMEM: look again at what there is to do.
        log::debug!("poll: {errno}");
        return Woken::Timeout;
    }
    let mut ready = descriptors.iter().map(|descriptor| !descriptor.revents().is_empty());
    match (ready.next(), ready.next()) {
        (Some(true), _) => Woken::Drain,
        (_, Some(true)) => {
            mill.departures.hush();
            Woken::Departure
        }
        _ if ready.clone().any(|ready| ready) => Woken::Listeners(ready.collect()),
        _ => Woken::Timeout,
    }
}

pub fn timespec(timeout: Duration) -> Timespec {
    Timespec::try_from(timeout).expect("no timeout here is longer than the range of the clock")
}

/// Accepts, lets others have the processor, and looks once more, until nobody has come meanwhile.
///
/// Where all processors are busy, the next clients come while others work. To sleep and be woken for each of them costs
/// more than to let them gather: measured with one request per connection, 0.74 of the processor time. Where one is free,
/// giving way returns at once.
fn accept_patiently<H: Handler>(mill: &Mill<H>, listener: &Listener, desk: &mut Desk) -> Swept {
    let mut swept = accept_some(mill, listener, desk);
    for _ in 0..config::ACCEPT_ROUNDS_MAX {
        match swept {
            Swept::All => {}
            Swept::Nobody | Swept::Some | Swept::Full | Swept::Failed(_) => break,
        }
        thread::yield_now();
        swept = accept_some(mill, listener, desk);
    }
    swept
}

/// How a bounded sweep over a listener ended.
pub enum Swept {
    /// Nobody waited.
    Nobody,
    /// Nobody waits any more.
    All,
    /// The sweep's allowance is used up.
    Some,
    /// Somebody waits, and there is no room.
    Full,
    Failed(Errno),
}

pub fn accept_some<H: Handler>(mill: &Mill<H>, listener: &Listener, desk: &mut Desk) -> Swept {
    let mut swept = Swept::Nobody;
    for _ in 0..config::ACCEPTS_PER_WAKE_MAX {
        if !mill.pond.has_room() {
            if !is_awaited(listener) {
                return swept;
            }
            if !sweep::make_room(mill, desk) {
                mill.departures.want();
                return if mill.pond.has_room() { Swept::Some } else { Swept::Full };
            }
        }
        match listener.accept() {
            Ok((socket, peer)) => {
                admit(mill, desk, socket, peer);
                swept = Swept::All;
            }
            Err(Errno::AGAIN) => return swept,
            Err(errno) if concerns_one_connection(errno) => log::debug!("a client was gone before accept: {errno}"),
            Err(errno) => return Swept::Failed(errno),
        }
    }
    Swept::Some
}

fn admit<H: Handler>(mill: &Mill<H>, desk: &mut Desk, socket: OwnedFd, peer: Peer) {
    let now = Instant::now();
    let Some(newcomer) = mill.pond.admit(Connection::new(mill.channels.open(Socket::new(socket)), peer, now)) else {
        return;
    };
    desk.note_about::<H>(newcomer.token(), What::Accepted(peer.port().into()));
    mill.rest.call_if_needed(|| mill.pond.occupied());
    let wait = Wait { until: Some(now + mill.service.limits.idle_timeout), kind: Kind::Idle };
    // Parked first: what has come by now is an event at once, and must find somebody. By then a worker may have closed
    // it, so a share of the descriptor is kept meanwhile.
    let (socket, token) = (newcomer.stream().socket().clone(), newcomer.token());
    if newcomer.park(wait).is_err() {
        // Nobody could know of it.
        return;
    }
    if let Err(error) = mill.poller.watch(&socket, token) {
        log::error!("{peer}: closed, because it can't be watched: {error}");
        drop(mill.pond.take(token));
    }
}

/// Whether somebody waits to be accepted.
fn is_awaited(listener: &Listener) -> bool {
    let mut waiting = [PollFd::new(listener, PollFlags::IN)];
    poll(&mut waiting, Some(&timespec(Duration::ZERO))).is_ok_and(|ready| ready > 0)
}

/// Errors that `accept` passes on from the network about the connection it would have returned (accept(2)).
fn concerns_one_connection(errno: Errno) -> bool {
    [
        Errno::CONNABORTED,
        Errno::INTR,
        Errno::PROTO,
        Errno::PERM,
        Errno::NETDOWN,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::NONET,
        Errno::HOSTUNREACH,
        Errno::OPNOTSUPP,
        Errno::NETUNREACH,
        Errno::TIMEDOUT,
    ]
    .contains(&errno)
}

/// A pause in accepting.
struct Pause {
    until: Option<Instant>,
    next: Duration,
    last_said: Option<Instant>,
}

impl Pause {
    fn new() -> Pause {
        Pause { until: None, next: config::ACCEPT_PAUSE_MIN, last_said: None }
    }

    /// How long it still lasts.
    fn left(&self, now: Instant) -> Option<Duration> {
        self.until.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// A short one: a connection that becomes idle, and so could make room, rings no bell.
    fn for_room(&mut self) {
        self.until = Some(Instant::now() + config::ROOM_PAUSE);
    }

    fn begin(&mut self) {
        self.until = Some(Instant::now() + self.next);
        self.next = (self.next * 2).min(config::ACCEPT_PAUSE_MAX);
    }

    /// Accepting may be tried again.
    fn end(&mut self) {
        self.until = None;
    }

    /// Accepting works.
    fn reset(&mut self) {
        *self = Pause { last_said: self.last_said, ..Pause::new() };
    }

    /// Says why, at most once in a while.
    fn say(&mut self, errno: &Errno) {
        let now = Instant::now();
        if self.last_said.is_none_or(|last| now.duration_since(last) >= Duration::from_secs(1)) {
            log::warn!("accepting pauses: {errno}");
            self.last_said = Some(now);
        }
    }
}
