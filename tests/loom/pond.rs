//! The pond, in every order.
//!
//! A worker is a thread that gets one event and serves it: what it is told of, it takes, reads until it would wait, and
//! parks. One that gets two events behaves like two. So in most models "a byte comes, and a worker is told" is one thread;
//! the first has the epoll set in between.
//!
//! What it can't see: the mutex around a resident orders more than is asked of it, so a swing of the word that doesn't
//! release, or a taking that doesn't acquire, goes unnoticed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering};
use std::time::{Duration, Instant};

use loom::thread;
use millpond::engine::poller::Token;
use millpond::engine::pond::{Kind, Owned, Pond, Wait};

use crate::kernel::{Connection, Socket};
use crate::{PREEMPTIONS_MAX, join, spawn, try_orders};

/// Times that are far apart beside what a model takes.
const NEAR: Duration = Duration::from_secs(60);
const FAR: Duration = Duration::from_secs(3600);

struct World {
    pond: Pond<Connection>,
    start: Instant,
    /// How many times an owner could not park, over all orders that were tried.
    woken: Arc<Count>,
}

impl World {
    /// The connection is accepted: it is admitted, and the caller has it.
    fn accept(&self, socket: &Arc<Socket>) -> Owned<'_, Connection> {
        self.pond.admit(Connection::new(socket)).expect("there is room")
    }

    fn until(&self, time: Duration) -> Wait {
        Wait { until: Some(self.start + time), kind: Kind::Idle }
    }

    /// A worker that was told of a connection.
    fn serve(&self, token: Token) {
        if let Some(owned) = self.pond.take(token) {
            self.turn(owned);
        }
    }

    /// Reads and parks, as often as it takes.
    fn turn(&self, mut owned: Owned<'_, Connection>) {
        loop {
            owned.read();
            match self.park(owned, FAR) {
                Ok(()) => break,
                Err(woken) => owned = woken,
            }
        }
    }

    fn park<'p>(&self, owned: Owned<'p, Connection>, time: Duration) -> Result<(), Owned<'p, Connection>> {
        owned.park(self.until(time)).inspect_err(|_| {
            self.woken.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// What must hold when nobody does anything any more.
    fn assert_parked_and_read(&self, socket: &Arc<Socket>) {
        let parked: Vec<_> = self.pond.take_parked().map(|owned| owned.has_read()).collect();
        assert_eq!(parked, [socket.came()], "it is parked, and every byte that came was read");
    }
}

/// Tries a model in every order. `reach` says whether somebody must have been woken in one of them: if not, the model
/// shows less than it says.
fn check(preemptions_max: Option<usize>, reach: Woken, model: fn(&Arc<World>)) {
    let woken = try_orders(preemptions_max, move |woken| {
        model(&Arc::new(World { pond: Pond::new(1), start: Instant::now(), woken: Arc::clone(woken) }));
    });
    assert_eq!(woken > 0, reach == Woken::InSome);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Woken {
    InSome,
    InNone,
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
fn a_client_sends_twice_and_two_workers_ask_the_epoll_set() {
    check(Some(PREEMPTIONS_MAX), Woken::InSome, |world| {
        let socket = Arc::new(Socket::default());
        let owned = world.accept(&socket);
        let token = owned.token();
        world.park(owned, FAR).expect("it is not in the epoll set yet");
        let client = {
            let socket = Arc::clone(&socket);
            thread::spawn(move || (0..2).for_each(|_| socket.receive()))
        };
        let worker = || {
            let socket = Arc::clone(&socket);
            spawn(world, move |world| {
                if socket.event() {
                    world.serve(token);
                }
            })
        };
        join([client, worker(), worker()]);
        // They would have asked again.
        while socket.event() {
            world.serve(token);
        }
        world.assert_parked_and_read(&socket);
    });
}

#[test]
fn a_byte_comes_while_the_owner_reads_and_parks() {
    check(None, Woken::InSome, |world| {
        let socket = Arc::new(Socket::default());
        let owned = world.accept(&socket);
        let byte = byte(world, &socket, owned.token());
        world.turn(owned);
        join([byte]);
        world.assert_parked_and_read(&socket);
    });
}

#[test]
fn two_bytes_come_while_the_owner_reads_and_parks() {
    check(Some(PREEMPTIONS_MAX), Woken::InSome, |world| {
        let socket = Arc::new(Socket::default());
        let owned = world.accept(&socket);
        let bytes = [byte(world, &socket, owned.token()), byte(world, &socket, owned.token())];
        world.turn(owned);
        join(bytes);
        world.assert_parked_and_read(&socket);
    });
}

#[test]
fn a_byte_comes_while_the_sweep_has_it_and_parks_it_again() {
    check(None, Woken::InSome, |world| {
        let socket = Arc::new(Socket::default());
        let owned = world.accept(&socket);
        let token = owned.token();
        world.park(owned, Duration::ZERO).expect("it is not in the epoll set yet");
        let byte = byte(world, &socket, token);
        // It doesn't read: it looks at the time alone. Only if an event came meanwhile it has to.
        for due in world.pond.take_due(world.start + NEAR) {
            if let Err(woken) = world.park(due, FAR) {
                world.turn(woken);
            }
        }
        join([byte]);
        world.assert_parked_and_read(&socket);
    });
}

#[test]
fn a_byte_comes_while_the_sweep_closes_it() {
    check(None, Woken::InNone, |world| {
        let socket = Arc::new(Socket::default());
        let owned = world.accept(&socket);
        let token = owned.token();
        world.park(owned, Duration::ZERO).expect("it is not in the epoll set yet");
        let byte = byte(world, &socket, token);
        let swept = world.pond.take_due(world.start + NEAR).map(drop).count();
        join([byte]);
        assert_eq!((socket.closed(), world.pond.occupied()), (swept, 1 - swept));
        if swept == 0 {
            world.assert_parked_and_read(&socket);
        }
    });
}

#[test]
fn its_owner_closes_it_and_the_event_comes_to_the_next_in_its_slot() {
    check(None, Woken::InNone, |world| {
        let (first, second) = (Arc::new(Socket::default()), Arc::new(Socket::default()));
        let owned = world.accept(&first);
        let stale = owned.token();
        let event = spawn(world, move |world| assert!(world.pond.take(stale).is_none(), "it is never parked"));
        drop(owned);
        let next = world.accept(&second);
        assert_ne!(next.token(), stale);
        world.park(next, FAR).expect("nothing has come for this one");
        join([event]);
        assert_eq!((first.closed(), second.closed(), world.pond.occupied()), (1, 0, 1));
        world.assert_parked_and_read(&second);
    });
}

#[test]
fn it_is_evicted_for_another_while_a_worker_is_told_of_it() {
    check(None, Woken::InNone, |world| {
        let (first, second) = (Arc::new(Socket::default()), Arc::new(Socket::default()));
        let owned = world.accept(&first);
        let stale = owned.token();
        world.park(owned, FAR).expect("it is not in the epoll set yet");
        let told = Arc::clone(&first);
        let worker = spawn(world, move |world| {
            told.receive_and_tell_me();
            let Some(owned) = world.pond.take(stale) else { return };
            assert!(owned.is_of(&told), "it took the next");
            world.turn(owned);
        });
        let evicted = world.pond.take_idlest().map(drop).is_some();
        if evicted {
            let next = world.accept(&second);
            world.park(next, FAR).expect("nothing has come for this one");
        }
        join([worker]);
        assert_eq!((first.closed(), second.closed()), (usize::from(evicted), 0));
        world.assert_parked_and_read(if evicted { &second } else { &first });
    });
}

#[test]
fn a_worker_the_sweep_and_an_eviction_come_for_the_same_one() {
    check(Some(PREEMPTIONS_MAX), Woken::InSome, |world| {
        let socket = Arc::new(Socket::default());
        let owned = world.accept(&socket);
        let token = owned.token();
        world.park(owned, Duration::ZERO).expect("it is not in the epoll set yet");
        let byte = byte(world, &socket, token);
        let sweep = spawn(world, |world| {
            for due in world.pond.take_due(world.start + NEAR) {
                if let Err(woken) = world.park(due, FAR) {
                    world.turn(woken);
                }
            }
        });
        let evicted = world.pond.take_idlest().map(drop).is_some();
        join([byte, sweep]);
        assert_eq!((socket.closed(), world.pond.occupied()), (usize::from(evicted), usize::from(!evicted)));
        if !evicted {
            world.assert_parked_and_read(&socket);
        }
    });
}
