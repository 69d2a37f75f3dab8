//! A worker: takes the connections that are ready, gives each a turn, and parks or closes it.
//!
//! *Invariants:* a worker never waits for a client, only for the next event and for the disk. Where it may wait for a
//! disk, it holds one connection, and every other is parked: a hung file system holds back one client and one worker. A
//! panic ends the turn it happens in, not the worker: the pool would lose the job, and with it a lane.
//!
//! A batch goes in three steps. Receive from all, and look at the clock once. Answer what is in memory: a look at a file
//! vouches for all requests that had come by then, so many that ask for one file need one look. Last, what may wait.
//!
//! A worker that is never out of work has the processor until the kernel's next tick takes it away: 4 ms on most systems,
//! for which whoever shares the core waits, a client on the same machine for one. So it gives way by itself every
//! [`GIVE_WAY_INTERVAL`](config::GIVE_WAY_INTERVAL). Others gather requests meanwhile, and the next batch is fuller. A
//! program that computes would take more each time than it is due, and so it is given way to seldom.
//!
//! The pool is `threadpool`'s, and used for what it is good at: a fixed set of named threads. Each gets one job, which is
//! this loop. Its queue stays empty, because it has no bound; the kernel's ready list is the queue, continued by
//! [`turns`](super::turns).

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use threadpool::ThreadPool;

use super::channel::Channel;
use super::connection::{Connection, Outcome};
use super::desk::{Arrival, Desk, Patience, Seat};
use super::mill::{Client, Mill};
use super::poller::{Batch, Run};
use super::{CloseReason, Handler, receipt};
use crate::config;

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
        for number in 0..count {
            let (mill, present) = (Arc::clone(mill), present.clone());
            pool.execute(move || {
                work(&*mill, number);
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

/// Where a connection of a batch is while others have their step.
#[derive(Default)]
struct Place<'m> {
    client: Option<Client<'m>>,
    seat: Seat,
}

/// The loop of one worker.
fn work<H: Handler>(mill: &Mill<H>, number: usize) {
    let mut desk = Desk::with_pen(mill.service.watch.as_ref().map(|watch| watch.pen(number)));
    let mut places: [Place<'_>; config::BATCH_MAX] = std::array::from_fn(|_| Place::default());
    let mut batch = Batch::new();
    let mut courtesy = Courtesy::begin(Instant::now());
    while mill.next_batch(&mut batch) == Run::GoOn {
        desk.note_waking::<H>(|| batch.events().count());
        let taken = receive(mill, &batch, &mut desk, &mut places);
        serve_batch(mill, &mut desk, &mut places[..taken]);
        serve_turns(mill, &mut desk);
        // An only client is waited for after every answer, and that gives way, too.
        if mill.pond.occupied() > 1 {
            courtesy.show(desk.now);
        }
        desk.note_rest::<H>();
    }
}

/// When a worker that is never out of work gives way next.
struct Courtesy {
    next: Instant,
}

impl Courtesy {
    fn begin(now: Instant) -> Courtesy {
        Courtesy { next: now + config::GIVE_WAY_INTERVAL }
    }

    /// Lets others have the processor once, if it is time.
    fn show(&mut self, now: Instant) {
        if now < self.next {
            return;
        }
        let before = Instant::now();
        thread::yield_now();
        let after = Instant::now();
        let took = after - before;
        let pause =
            if took > config::GIVEN_WAY_MAX { took * config::GIVE_WAY_PAUSE } else { config::GIVE_WAY_INTERVAL };
        self.next = after + pause;
    }
}

/// The first step of a batch; says how many places are taken.
fn receive<'m, H: Handler>(mill: &'m Mill<H>, batch: &Batch, desk: &mut Desk, places: &mut [Place<'m>]) -> usize {
    let mut taken = 0;
    for event in batch.events() {
        // None for a stale event: the connection has gone, or somebody else has it and now knows of the event.
        let Some(mut client) = mill.pond.take(event.token) else { continue };
        desk.note_taking::<H>(event.token);
        // Not after the end: of a reset whoever asks first is told, and that should be who reads. Nor behind a response,
        // which is what the turn is had for.
        if desk.asks_when_it_came::<H>()
            && !event.ended
            && !client.is_responding()
            && let Some(came) = receipt::time(client.stream())
        {
            desk.note_coming::<H>(came);
        }
        let place = &mut places[taken];
        client.receive(&mut place.seat, if event.ended { Arrival::End } else { Arrival::Bytes });
        place.client = Some(client);
        taken += 1;
    }
    taken
}

/// The second step and the third.
fn serve_batch<'m, H: Handler>(mill: &'m Mill<H>, desk: &mut Desk, places: &mut [Place<'m>]) {
    desk.look_at_the_clock();
    desk.patience = Patience::None;
    for place in &mut *places {
        serve(mill, desk, place);
    }
    desk.patience = Patience::ForDisk;
    let mut left = places.iter_mut().filter(|place| place.client.is_some());
    let Some(mine) = left.next_back() else { return };
    for Place { client, seat } in left {
        let Some(mut client) = client.take() else { continue };
        client.leave(seat);
        desk.turn_to::<H>(client.token());
        desk.note_outcome::<H>(&client, Outcome::MayWait, mill.service.watch.as_deref());
        mill.await_turn(client);
    }
    mill.nudge_if_wanted();
    serve(mill, desk, mine);
}

/// Goes on with the turn of who is in a place, and leaves there who may have to wait.
fn serve<'m, H: Handler>(mill: &'m Mill<H>, desk: &mut Desk, place: &mut Place<'m>) {
    let Some(mut client) = place.client.take() else { return };
    desk.go_on_with::<H>(client.token());
    desk.swap_seat(&mut place.seat);
    match go_on(&mut client, desk, mill) {
        Outcome::MayWait => place.client = Some(client),
        outcome => settle(mill, client, outcome, desk),
    }
    desk.swap_seat(&mut place.seat);
}

/// The turns that are due without an event.
fn serve_turns<H: Handler>(mill: &Mill<H>, desk: &mut Desk) {
    if mill.turns.count() == 0 {
        // The clock isn't looked at for nothing: that would be 3 % of a warm request.
        return;
    }
    let begun = Instant::now();
    // Those that come to be due meanwhile are behind the next batch of events.
    for _ in 0..mill.turns.count().min(config::BATCH_MAX) {
        let Some(token) = mill.turns.pop() else { return };
        mill.nudge_if_wanted();
        let Some(mut client) = mill.pond.take(token) else { continue };
        desk.note_taking::<H>(token);
        desk.worked_on_since = client.asked_since();
        let outcome = turn(&mut client, desk, mill, Arrival::Nothing);
        desk.worked_on_since = None;
        settle(mill, client, outcome, desk);
        if begun.elapsed() > config::TURNS_TIME_MAX {
            return;
        }
    }
}

/// Parks or closes a connection as its turn decided. If something has come for it meanwhile, it has another turn.
fn settle<'m, H: Handler>(mill: &'m Mill<H>, mut client: Client<'m>, mut outcome: Outcome, desk: &mut Desk) {
    // Bounded, so that who sends a little all the time doesn't keep a worker.
    for _ in 0..config::ROUNDS_MAX {
        desk.note_outcome::<H>(&client, outcome, mill.service.watch.as_deref());
        match mill.settle(client, outcome) {
            None => return,
            Some(woken) => client = woken,
        }
        desk.note_taking::<H>(client.token());
        outcome = turn(&mut client, desk, mill, Arrival::Missed);
        if outcome == Outcome::MayWait {
            client.leave(&mut desk.seat);
        }
    }
    desk.note_outcome::<H>(&client, outcome, mill.service.watch.as_deref());
    if let Some(mut woken) = mill.settle(client, outcome) {
        woken.miss();
        desk.note_arrival::<H>(&woken, mill.service.watch.as_deref());
        mill.await_turn(woken);
    }
}

/// A whole turn.
fn turn<H: Handler>(
    connection: &mut Connection<Channel>,
    desk: &mut Desk,
    mill: &Mill<H>,
    arrival: Arrival,
) -> Outcome {
    connection.receive(&mut desk.seat, arrival);
    desk.look_at_the_clock();
    go_on(connection, desk, mill)
}

/// The rest of a turn; a panic in it is caught, counted, and ends the connection.
fn go_on<H: Handler>(connection: &mut Connection<Channel>, desk: &mut Desk, mill: &Mill<H>) -> Outcome {
    // Whatever the panic left half done belongs to the connection, which is closed, or to the desk, which is cleared at
    // the next turn.
    if let Ok(outcome) = panic::catch_unwind(AssertUnwindSafe(|| connection.go_on(desk, &mill.service))) {
        return outcome;
    }
    let count = mill.panics.fetch_add(1, Ordering::Relaxed) + 1;
    log::error!("{}: its turn panicked and it is closed; the worker goes on ({count} so far)", connection.peer());
    panic::catch_unwind(AssertUnwindSafe(|| connection.apologise(desk, &mill.service)))
        .unwrap_or(Outcome::Close(CloseReason::Panicked))
}
