//! The drain: how a server ends without losing a byte.
//!
//! It may be asked for some time before it begins ([`drain_delay`](config::Limits::drain_delay)); the accept loop goes
//! on meanwhile. Then, in this order: whoever the kernel has connected already is let in, then the port is closed; a
//! response says `Connection: close` unless the next request is here already; a connection on which nothing moves is
//! closed, after a last look whether a request has come; responses under way are sent to their end; and clients take what
//! the kernel still holds for them. When the time is up, what is still open is cut: reset, so that no client takes half a
//! response for a whole one. Whoever [watches](super::watchers) sees it to the end, and doesn't put that off.
//!
//! What the kernel holds of closed connections it would deliver after the end of the process, too, if the network lasts.
//! That of a container ends with its first process: megabytes of a response that was logged as sent would be gone.
//!
//! There is no second machinery for it. Workers go on as ever, and know the request for the drain when they meet it; the
//! sweep does the rest, with a deadline that is near for everyone.

use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::accept::{self, Swept};
use super::connection::Outcome;
use super::desk::Desk;
use super::listen::{Address, Listener};
use super::mill::Mill;
use super::{CloseReason, Handler, sweep};
use crate::config;
use crate::observe::event::What;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// From the begin of the drain to the end.
    pub took: Duration,
    /// Responses that were finished since it was asked for.
    pub finished: usize,
    /// Connections that were cut because the time was up; who only watched isn't counted.
    pub cut: usize,
}

/// From the begin of the drain to the end.
pub fn drain<H: Handler>(mill: &Mill<H>, listeners: Vec<Listener>, desk: &mut Desk) -> Drained {
    let (begun, request) = (Instant::now(), &mill.service.drain);
    request.begin();
    log::info!("draining, open connections: {}; a second signal ends it at once", mill.pond.occupied());
    for listener in &listeners {
        accept_the_queue(mill, listener, desk);
    }
    let addresses: Vec<Address> = listeners.iter().map(|listener| listener.address().clone()).collect();
    drop(listeners);
    let deadline = begun + mill.service.limits.drain_timeout;
    wait_for_all(mill, desk, deadline);
    let cut = mill.pond.occupied().saturating_sub(request.watchers.count());
    for mut connection in mill.pond.take_parked() {
        if connection.watches() && !connection.is_responding() {
            sweep::settle(mill, desk, connection, Outcome::Close(CloseReason::Drained));
            continue;
        }
        log::debug!("{}: closed: {}", connection.peer(), CloseReason::Cut);
        desk.note_about::<H>(connection.token(), What::Closed(CloseReason::Cut.number()));
        connection.abandon(&mill.service);
    }
    wait_for_the_last_bytes(mill, &addresses, deadline);
    Drained { took: begun.elapsed(), finished: request.responses_finished(), cut }
}

/// Until all have left, or the time is up. Who watches is not waited for.
fn wait_for_all<H: Handler>(mill: &Mill<H>, desk: &mut Desk, deadline: Instant) {
    let watchers = &mill.service.drain.watchers;
    let mut dismissed_at = None;
    let mut next_glance = Instant::now();
    loop {
        mill.departures.want();
        let now = Instant::now();
        if let Some(watch) = mill.service.watch.as_ref().filter(|_| now >= next_glance) {
            watch.glance(&mill.scene());
            next_glance = now + config::SWEEP_INTERVAL;
        }
        // In this order: who has left between the two looks makes it seem as if somebody were left.
        let open = mill.pond.occupied();
        let watchers_alone = open <= watchers.count();
        let deadline = if watchers_alone {
            watchers.dismiss();
            deadline.min(*dismissed_at.get_or_insert(now) + config::DRAIN_GRACE)
        } else {
            deadline
        };
        if open == 0 || now >= deadline {
            return;
        }
        sweep::conclude_due(mill, desk, now);
        // Whoever parked before the request did so as if there were time; who watches, before it was dismissed.
        let latest = if watchers_alone { now } else { now + config::DRAIN_GRACE };
        sweep::conclude_later_than(mill, desk, latest);
        let interval = config::DRAIN_SWEEP_INTERVAL.min(deadline - now);
        let mut departures = [PollFd::new(&mill.departures, PollFlags::IN)];
        desk.note_rest::<H>();
        if poll(&mut departures, Some(&accept::timespec(interval))).is_ok() {
            mill.departures.hush();
        }
        desk.note_waking::<H>(|| 0);
    }
}

/// Until clients have taken what is left of closed connections, as long as that moves: one that has gone away without a
/// word takes nothing.
fn wait_for_the_last_bytes<H: Handler>(mill: &Mill<H>, addresses: &[Address], deadline: Instant) {
    let left_behind = |address: &Address| match address {
        Address::Ip(local) => mill.send_queues.left_behind(*local),
        Address::Unix(_) => None,
    };
    let (mut least, mut moved) = (u64::MAX, Instant::now());
    for looks in 0_u64.. {
        let (left, now) = (addresses.iter().filter_map(left_behind).sum::<u64>(), Instant::now());
        if left < least {
            (least, moved) = (left, now);
        }
        if left == 0 || now >= deadline.min(moved + config::LAST_BYTES_PATIENCE) {
            return;
        }
        // The first finds what is on its way to everybody.
        if looks == 1 {
            log::info!("waiting while clients take the last {left} bytes of what was sent to them");
        }
        thread::sleep(config::DRAIN_SWEEP_INTERVAL);
    }
}

/// Lets in those who were promised an answer. No more than the queue holds, or those who keep coming would keep the
/// port open.
fn accept_the_queue<H: Handler>(mill: &Mill<H>, listener: &Listener, desk: &mut Desk) {
    for _ in 0..=config::BACKLOG / config::ACCEPTS_PER_WAKE_MAX {
        match accept::accept_some(mill, listener, desk) {
            Swept::Some => {}
            Swept::Nobody | Swept::All | Swept::Full | Swept::Failed(_) => break,
        }
    }
}

impl std::fmt::Display for Drained {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Drained { took, finished, cut } = self;
        let plural = |count: &usize| if *count == 1 { "" } else { "s" };
        let (responses, connections) = (plural(finished), plural(cut));
        let took = took.as_secs_f64();
        write!(
            out,
            "drained in {took:.1} s: {finished} response{responses} finished, {cut} connection{connections} cut"
        )
    }
}
