//! The bench of those who rest, in every order. Where somebody rests who is needed, a model ends with everybody waiting,
//! which the model checker calls a deadlock.
//!
//! What it can't see: waits here don't end for no reason, as the system's may.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering};

use loom::thread;
use millpond::engine::poller::Timeout;
use millpond::engine::pond::{Kind, Pond, Wait};
use millpond::engine::rest::Rest;

use crate::kernel::{Bells, Tally};
use crate::{PREEMPTIONS_MAX, join, spawn, try_orders};

/// Room for as many as any model has.
const CONNECTIONS_MAX: usize = 3;

struct World {
    rest: Rest,
    bells: Bells,
    /// Counts the connections.
    pond: Pond<()>,
    /// Workers that have gone to rest and are up again, or that didn't rest.
    up: Tally,
    /// How many times a worker that went to rest found that it was needed or was called, over all orders.
    rested: Arc<Count>,
}

impl World {
    fn new(workers: usize, connections: usize, rested: &Arc<Count>) -> World {
        let world = World {
            rest: Rest::new(workers),
            bells: Bells::default(),
            pond: Pond::new(CONNECTIONS_MAX),
            up: Tally::default(),
            rested: Arc::clone(rested),
        };
        // The model checker lets a sequentially consistent load return what an atomic was made with, however late: so
        // each is changed once before anybody else sees it.
        drop(world.pond.admit(()));
        let looks = Count::new(0);
        world.rest.rest(|| if looks.fetch_add(1, Ordering::Relaxed) == 0 { 0 } else { workers });
        (0..connections).for_each(|_| world.let_in());
        world
    }

    /// As the accept loop does.
    fn let_in(&self) {
        let newcomer = self.pond.admit(()).expect("there is room");
        self.rest.call_if_needed(|| self.pond.occupied());
        newcomer.park(Wait { until: None, kind: Kind::Idle }).expect("no event has come");
    }

    fn close_one(&self) {
        drop(self.pond.take_idlest().expect("one is idle"));
    }

    /// A worker that has nothing to do.
    fn rest(&self) {
        let looks = Count::new(0);
        self.rest.rest(|| {
            looks.fetch_add(1, Ordering::Relaxed);
            self.pond.occupied()
        });
        if looks.into_inner() > 1 {
            self.rested.fetch_add(1, Ordering::Relaxed);
        }
        self.up.add_one();
    }

    /// A worker with nothing to do until the end.
    fn work(&self) {
        self.rest();
        self.bells.wait(Timeout::Never);
    }

    /// As the accept loop does.
    fn stop(&self) {
        self.bells.stop();
        self.rest.end();
    }
}

/// Tries a model with so many workers and connections. In some order, one at least must have said that it rests.
fn check(workers: usize, connections: usize, preemptions_max: Option<usize>, model: fn(&Arc<World>)) {
    let rested = try_orders(preemptions_max, move |rested| {
        model(&Arc::new(World::new(workers, connections, rested)));
    });
    assert!(rested > 0);
}

fn resting(world: &Arc<World>) -> thread::JoinHandle<()> {
    spawn(world, World::rest)
}

#[test]
fn a_connection_is_let_in_while_a_worker_goes_to_rest() {
    check(2, 1, None, |world| {
        let worker = resting(world);
        world.let_in();
        join([worker]);
    });
}

#[test]
fn two_connections_are_let_in_while_two_workers_go_to_rest() {
    check(3, 1, Some(PREEMPTIONS_MAX), |world| {
        let workers = [resting(world), resting(world)];
        (0..2).for_each(|_| world.let_in());
        join(workers);
    });
}

#[test]
fn a_connection_leaves_and_another_is_let_in_while_a_worker_goes_to_rest() {
    check(2, 2, Some(PREEMPTIONS_MAX), |world| {
        let worker = resting(world);
        let leaving = spawn(world, World::close_one);
        world.let_in();
        join([worker, leaving]);
    });
}

#[test]
fn of_two_workers_that_go_to_rest_one_stays_up() {
    check(2, 0, Some(PREEMPTIONS_MAX), |world| {
        let workers = [resting(world), resting(world)];
        world.up.wait_for(1);
        world.rest.end();
        join(workers);
    });
}

#[test]
fn it_ends_while_two_workers_go_to_rest() {
    check(3, 0, Some(PREEMPTIONS_MAX), |world| {
        let workers = [spawn(world, World::work), spawn(world, World::work)];
        world.stop();
        join(workers);
    });
}

#[test]
fn it_ends_when_one_worker_sleeps_and_the_other_has_closed_the_last_connections() {
    check(2, 2, Some(PREEMPTIONS_MAX), |world| {
        let asleep = spawn(world, World::work);
        let busy = spawn(world, |world| {
            (0..2).for_each(|_| world.close_one());
            world.work();
        });
        world.stop();
        join([asleep, busy]);
    });
}
