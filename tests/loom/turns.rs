//! The turns that are due, in every order. Where one is due and nobody wakes for it, a model ends with everybody waiting,
//! which the model checker calls a deadlock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Count, Ordering};

use loom::sync::atomic::AtomicUsize;
use loom::thread;
use millpond::engine::poller::{Run, Timeout, Token};
use millpond::engine::turns::Turns;

use crate::kernel::{Bells, Tally};
use crate::{join, spawn, try_orders};

/// Locks and waits make many orders: with four, which takes a minute, no more was found than with two.
const PREEMPTIONS_MAX: usize = 2;

struct World {
    turns: Turns,
    bells: Bells,
    served: Tally,
    /// How many times a worker was free to sleep, over all orders.
    slept: Arc<Count>,
}

/// A turn that may be had at once, and one that waits for a disk until the other has been had.
const QUICK: Token = Token { index: 1, generation: 0 };
const SLOW: Token = Token { index: 2, generation: 0 };

impl World {
    fn new(slept: &Arc<Count>) -> World {
        let turns = Turns::new();
        // The model checker lets a sequentially consistent load return what an atomic was made with, however late: so
        // each is changed once before anybody else sees it.
        turns.push(QUICK);
        turns.pop().expect("it is due");
        turns.may_sleep();
        turns.wake();
        World { turns, bells: Bells::default(), served: Tally::default(), slept: Arc::clone(slept) }
    }

    /// As workers do, without connections: `Mill::next_batch`, and what is due.
    fn work(&self) {
        while self.next_batch() == Run::GoOn {
            self.serve_turns();
        }
    }

    fn next_batch(&self) -> Run {
        if self.turns.count() > 0 {
            return self.bells.wait(Timeout::AtOnce);
        }
        let sleeps = self.turns.may_sleep();
        if sleeps {
            self.slept.fetch_add(1, Ordering::Relaxed);
        }
        let run = self.bells.wait(if sleeps { Timeout::Never } else { Timeout::AtOnce });
        self.turns.wake();
        run
    }

    fn serve_turns(&self) {
        for _ in 0..self.turns.count() {
            let Some(token) = self.turns.pop() else { return };
            self.nudge_if_wanted();
            if token == SLOW {
                self.served.wait_for(1);
            }
            self.served.add_one();
        }
    }

    fn nudge_if_wanted(&self) {
        if self.turns.wants_a_worker() {
            self.bells.nudge();
        }
    }
}

/// Tries a model in every order. In some, a worker must have slept.
fn check(preemptions_max: Option<usize>, model: fn(&Arc<World>)) {
    let slept = try_orders(preemptions_max, move |slept| model(&Arc::new(World::new(slept))));
    assert!(slept > 0);
}

fn working(world: &Arc<World>) -> thread::JoinHandle<()> {
    spawn(world, World::work)
}

#[test]
fn a_turn_is_queued_while_a_worker_goes_to_sleep() {
    check(None, |world| {
        let worker = working(world);
        // By a worker that then waits for a disk, or by the sweep.
        world.turns.push(QUICK);
        world.nudge_if_wanted();
        world.served.wait_for(1);
        world.bells.stop();
        join([worker]);
    });
}

#[test]
fn two_turns_are_queued_and_the_first_waits_for_a_disk() {
    check(Some(PREEMPTIONS_MAX), |world| {
        let workers = [working(world), working(world)];
        // One look for both.
        world.turns.push(SLOW);
        world.turns.push(QUICK);
        world.nudge_if_wanted();
        world.served.wait_for(2);
        world.bells.stop();
        join(workers);
    });
}

#[test]
fn two_queue_and_one_takes_each_once_and_in_the_order_in_which_it_was_queued() {
    try_orders(Some(PREEMPTIONS_MAX), |slept| {
        let world = Arc::new(World::new(slept));
        let token = |index, generation| Token { index, generation };
        let queueing = |index| {
            spawn(&world, move |world: &World| (0..2).for_each(|generation| world.turns.push(token(index, generation))))
        };
        let threads = [queueing(1), queueing(2)];
        let mut had: Vec<Token> = (0..2).filter_map(|_| world.turns.pop()).collect();
        join(threads);
        assert_eq!(world.turns.count(), 4 - had.len());
        had.extend(std::iter::from_fn(|| world.turns.pop()));
        assert_eq!(world.turns.count(), 0);
        for index in [1, 2] {
            let its: Vec<Token> = had.iter().copied().filter(|token| token.index == index).collect();
            assert_eq!(its, [token(index, 0), token(index, 1)]);
        }
    });
}

#[test]
fn a_turn_that_is_due_again_while_it_is_taken_is_had_again() {
    try_orders(None, |slept| {
        let world = Arc::new(World::new(slept));
        // As the pond's word: who queues has parked before, and who takes the token takes what was parked.
        let parked = Arc::new(AtomicUsize::new(1));
        world.turns.push(QUICK);
        let taking = {
            let parked = Arc::clone(&parked);
            spawn(&world, move |world: &World| {
                if world.turns.pop().is_some() {
                    parked.swap(0, Ordering::SeqCst);
                }
            })
        };
        parked.fetch_add(1, Ordering::SeqCst);
        world.turns.push(QUICK);
        join([taking]);
        while world.turns.pop().is_some() {
            parked.swap(0, Ordering::SeqCst);
        }
        assert_eq!(parked.load(Ordering::SeqCst), 0, "what was parked before it was queued has had its turn");
    });
}
