//! How a connection that is not done is carried on, and how all end, in every order: the pond, the turns and the rest
//! together, as `Mill` and `drain` use them. What those two do with them is a few lines, and these are copies of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering};
use std::time::{Duration, Instant};

use loom::sync::atomic::AtomicBool;
use loom::thread;
use millpond::engine::poller::{Run, Timeout, Token};
use millpond::engine::pond::{Kind, Owned, Pond, Wait};
use millpond::engine::turns::Turns;

use crate::kernel::{Bells, Connection, Socket, Tally};
use crate::{join, spawn, try_orders};

/// Locks, waits and two rooms make many orders: with four, 164,037 of them, no more was found than with two.
const PREEMPTIONS_MAX: usize = 2;

const NEAR: Duration = Duration::from_secs(60);
const FAR: Duration = Duration::from_secs(3600);

/// A connection that tells when it has been closed.
struct Told {
    connection: Connection,
    /// The model checker's, so that others may come between this and whatever is done before or after.
    closed: Arc<AtomicBool>,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

struct World {
    pond: Pond<Told>,
    turns: Turns,
    bells: Bells,
    /// Turns that were taken from the queue, and had unless an event was quicker.
    taken: Tally,
    /// Whether the connection has more to do, and waits for nothing but its turn.
    has_more: AtomicBool,
    draining: AtomicBool,
    closed: Arc<AtomicBool>,
    start: Instant,
    /// How many times an owner could not park, over all orders.
    woken: Arc<Count>,
}

impl World {
    fn new(woken: &Arc<Count>) -> World {
        let turns = Turns::new();
        // The model checker lets a sequentially consistent load return what an atomic was made with, however late: so
        // each is changed once before anybody else sees it.
        turns.push(Token { index: 9, generation: 0 });
        turns.pop().expect("it is due");
        turns.may_sleep();
        turns.wake();
        World {
            pond: Pond::new(1),
            turns,
            bells: Bells::default(),
            taken: Tally::default(),
            has_more: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            closed: Arc::new(AtomicBool::new(false)),
            start: Instant::now(),
            woken: Arc::clone(woken),
        }
    }

    fn accept(&self, socket: &Arc<Socket>) -> Owned<'_, Told> {
        let told = Told { connection: Connection::new(socket), closed: Arc::clone(&self.closed) };
        self.pond.admit(told).expect("there is room")
    }

    fn park<'p>(&self, owned: Owned<'p, Told>, until: Option<Duration>) -> Result<(), Owned<'p, Told>> {
        let wait = Wait { until: until.map(|time| self.start + time), kind: Kind::Busy };
        owned.park(wait).inspect_err(|_| {
            self.woken.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// As `Mill::await_turn`.
    fn await_turn(&self, mut owned: Owned<'_, Told>) {
        let token = owned.token();
        while let Err(woken) = self.park(owned, None) {
            owned = woken;
        }
        self.turns.push(token);
        if self.turns.wants_a_worker() {
            self.bells.nudge();
        }
    }

    /// A worker's turn: it does what there is to do, and parks or, once that is asked for, closes.
    fn turn(&self, mut owned: Owned<'_, Told>) {
        loop {
            owned.connection.read();
            self.has_more.store(false, Ordering::Relaxed);
            if self.draining.load(Ordering::SeqCst) {
                return;
            }
            match self.park(owned, Some(FAR)) {
                Ok(()) => return,
                Err(woken) => owned = woken,
            }
        }
    }

    fn serve(&self, token: Token) {
        if let Some(owned) = self.pond.take(token) {
            self.turn(owned);
        }
    }

    /// As workers do: `Mill::next_batch`, without rest, and what is due.
    fn work(&self) {
        loop {
            let timeout = if self.turns.may_sleep() { Timeout::Never } else { Timeout::AtOnce };
            let run = self.bells.wait(timeout);
            self.turns.wake();
            if run == Run::Stop {
                return;
            }
            while let Some(token) = self.turns.pop() {
                self.serve(token);
                self.taken.add_one();
            }
        }
    }
}

/// Tries a model in every order; in some, an owner must have been woken.
fn check(preemptions_max: Option<usize>, model: fn(&Arc<World>)) {
    assert!(try_orders(preemptions_max, move |woken| model(&Arc::new(World::new(woken)))) > 0);
}

/// A byte comes, and a worker is told.
fn byte(world: &Arc<World>, socket: &Arc<Socket>, token: Token) -> thread::JoinHandle<()> {
    let socket = Arc::clone(socket);
    spawn(world, move |world| {
        socket.receive_and_tell_me();
        world.serve(token);
    })
}

#[test]
fn a_byte_comes_while_its_owner_yields_and_a_worker_goes_to_sleep() {
    check(Some(PREEMPTIONS_MAX), |world| {
        let socket = Arc::new(Socket::default());
        let owned = world.accept(&socket);
        let token = owned.token();
        world.has_more.store(true, Ordering::Relaxed);
        let threads = [spawn(world, World::work), byte(world, &socket, token)];
        world.await_turn(owned);
        world.taken.wait_for(1);
        world.bells.stop();
        join(threads);
        assert!(!world.has_more.load(Ordering::Relaxed), "it has had its turn");
        let parked: Vec<_> = world.pond.take_parked().map(|owned| owned.connection.has_read()).collect();
        assert_eq!(parked, [1], "it is parked, and has read the byte");
    });
}

#[test]
fn the_drain_comes_while_a_byte_does_and_its_owner_parks_as_if_there_were_time() {
    check(None, |world| {
        let socket = Arc::new(Socket::default());
        let owned = world.accept(&socket);
        let token = owned.token();
        let byte = byte(world, &socket, token);
        if let Err(woken) = world.park(owned, Some(FAR)) {
            world.turn(woken);
        }
        // As `drain`, without the clock: whoever parked before it was asked for is found at the latest by the next look.
        world.draining.store(true, Ordering::SeqCst);
        while world.pond.occupied() > 0 {
            world.pond.take_due_after(world.start + NEAR).for_each(drop);
            thread::yield_now();
        }
        assert!(world.closed.load(Ordering::Relaxed), "whoever is not counted any more is closed");
        join([byte]);
        assert_eq!((socket.closed(), world.pond.occupied()), (1, 0));
    });
}

#[test]
fn the_cut_comes_while_a_worker_has_it() {
    check(None, |world| {
        let socket = Arc::new(Socket::default());
        let owned = world.accept(&socket);
        let token = owned.token();
        let byte = byte(world, &socket, token);
        if let Err(woken) = world.park(owned, Some(FAR)) {
            world.turn(woken);
        }
        let cut = world.pond.take_parked().map(drop).count();
        join([byte]);
        // Who had it then is the only one who still may.
        assert_eq!((socket.closed(), world.pond.occupied()), (cut, 1 - cut));
        assert_eq!(world.pond.take_parked().map(drop).count(), 1 - cut);
    });
}
