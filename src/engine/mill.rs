//! What the workers and the accept loop share, and how a connection is given back after its turn.
//!
//! *Invariant:* whoever takes a connection from the pond gives it back here or keeps it. If something came for it
//! meanwhile it is not given back: the event won't come again, so it must have another turn, here and now or queued.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::channel::{Channel, Channels};
use super::connection::{Connection, Outcome};
use super::poller::{Batch, Bell, Interest, Poller, Run, Timeout};
use super::pond::{Kind, Owned, Pond, Wait};
use super::rest::Rest;
use super::send_queue::SendQueues;
use super::transfer::Stream;
use super::turns::Turns;
use super::watch::Scene;
use super::watch::waits::Wait as Waiting;
use super::{CloseReason, Service};

/// A connection of a client, in the hands of a worker or of the accept loop.
pub type Client<'m> = Owned<'m, Connection<Channel>>;

/// The machinery of one server.
#[derive(Debug)]
pub struct Mill<H> {
    pub service: Service<H>,
    pub pond: Pond<Connection<Channel>>,
    pub poller: Poller,
    pub turns: Turns,
    pub rest: Rest,
    /// Wakes the accept loop when a connection has left, if it wants to know.
    pub departures: Bell,
    pub send_queues: SendQueues,
    pub channels: Channels,
    /// Turns that ended in a panic.
    pub panics: AtomicUsize,
}

impl<H> Mill<H> {
    /// # Errors
    /// When the system is out of descriptors.
    pub fn new(service: Service<H>, send_queues: SendQueues, channels: Channels) -> io::Result<Mill<H>> {
        Ok(Mill {
            pond: Pond::new(service.limits.connections_max),
            poller: Poller::new()?,
            turns: Turns::new(),
            rest: Rest::new(service.limits.workers),
            departures: Bell::new()?,
            send_queues,
            channels,
            panics: AtomicUsize::new(0),
            service,
        })
    }

    /// Waits for events, unless turns are due without any.
    pub fn next_batch(&self, batch: &mut Batch) -> Run {
        if self.turns.count() > 0 {
            return self.poller.wait(batch, Timeout::AtOnce);
        }
        self.rest.rest(|| self.pond.occupied());
        let timeout = if self.turns.may_sleep() { Timeout::Never } else { Timeout::AtOnce };
        let run = self.poller.wait(batch, timeout);
        self.turns.wake();
        run
    }

    /// Parks or closes a connection, as its turn decided; gives it back if something has come for it meanwhile.
    pub fn settle<'m>(&'m self, mut connection: Client<'m>, outcome: Outcome) -> Option<Client<'m>> {
        match outcome {
            Outcome::Park(Interest::Read, wait) => connection.park(wait).err(),
            Outcome::Park(Interest::Write, wait) => {
                // Before it is parked: afterwards it may be anybody's.
                if !connection.watches_room {
                    if let Err(error) = self.poller.watch_room(connection.stream(), connection.token()) {
                        log::error!("{}: closed, because it can't be watched: {error}", connection.peer());
                        self.close(connection, CloseReason::Failed(error.kind()));
                        return None;
                    }
                    connection.watches_room = true;
                }
                connection.park(wait).err()
            }
            Outcome::Yield | Outcome::MayWait => {
                self.await_turn(connection);
                None
            }
            Outcome::Close(reason) => {
                self.close(connection, reason);
                None
            }
        }
    }

    /// Parks a connection and queues its next turn.
    pub fn await_turn<'m>(&'m self, mut connection: Client<'m>) {
        let token = connection.token();
        // Without a deadline: what it waits for is a worker, not the client.
        while let Err(woken) = connection.park(Wait { until: None, kind: Kind::Turn }) {
            connection = woken;
            connection.miss();
        }
        self.turns.push(token);
    }

    /// Wakes a worker if a turn is due that nobody who is awake can be counted on for.
    pub fn nudge_if_wanted(&self) {
        if self.turns.wants_a_worker() {
            self.poller.nudge();
        }
    }

    /// What there is to be seen at this moment.
    pub fn scene(&self) -> Scene {
        let drain = &self.service.drain;
        Scene {
            census: self.pond.census(),
            connections_max: self.pond.capacity(),
            turns_due: self.turns.count(),
            panics: self.panics.load(Ordering::Relaxed),
            watching: drain.watchers.count(),
            drains: drain.has_begun(),
            finished_leaving: drain.is_made().then(|| drain.responses_finished()),
        }
    }

    /// The same, and who has waited longest.
    pub fn look(&self) -> (Scene, Vec<Waiting>) {
        let watch = self.service.watch.as_ref();
        let waits = watch.map(|watch| watch.waits.longest(self.pond.parked()));
        (self.scene(), waits.unwrap_or_default())
    }

    /// Has every worker leave as soon as it looks for events again.
    pub fn stop(&self) {
        // In this order: who is got up finds the end.
        self.poller.stop();
        self.rest.end();
    }

    fn close(&self, mut connection: Client<'_>, reason: CloseReason) {
        log::debug!("{}: closed: {reason}", connection.peer());
        if reason.is_orderly() {
            connection.stream_mut().farewell();
        }
        drop(connection);
        self.departures.ring_if_wanted();
    }
}
