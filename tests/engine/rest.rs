//! How many workers are up: as many as there are connections, or all, and one at least.
//!
//! Many threads that may meet anywhere; `tests/loom` tries every order. That somebody rests is seen by asking a second
//! time: who is asked how many connections there are, after saying that it rests, answers.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Barrier};
use std::thread;

use millpond::engine::rest::Rest;

/// Some workers, and threads for those of them that want to rest.
struct House {
    rest: Arc<Rest>,
    connections: Arc<AtomicUsize>,
    said: Sender<Said>,
    heard: Receiver<Said>,
}

/// What a worker says of itself.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// It has said that it rests, and is needed or not.
    Rests,
    IsUp,
}

impl House {
    fn new(workers: usize, connections: usize) -> House {
        let (said, heard) = mpsc::channel();
        House { rest: Arc::new(Rest::new(workers)), connections: Arc::new(connections.into()), said, heard }
    }

    /// A worker that has nothing to do, on its own thread.
    fn send_to_rest(&self) {
        let (rest, connections, said) = (Arc::clone(&self.rest), Arc::clone(&self.connections), self.said.clone());
        thread::spawn(move || {
            let looks = Cell::new(0);
            rest.rest(|| {
                looks.set(looks.get() + 1);
                let connections = connections.load(Ordering::SeqCst);
                if looks.get() == 2 {
                    said.send(Said::Rests).expect("the test listens");
                }
                connections
            });
            said.send(Said::IsUp).expect("the test listens");
        });
    }

    fn let_in(&self) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        self.call_if_needed();
    }

    fn call_if_needed(&self) {
        self.rest.call_if_needed(|| self.connections.load(Ordering::SeqCst));
    }

    /// What was said next.
    fn hear(&self) -> Said {
        self.heard.recv().expect("a sender is kept")
    }

    /// That nobody has said anything that wasn't heard.
    fn assert_silent(&self) {
        assert!(self.heard.try_recv().is_err());
    }
}

#[test]
fn who_is_needed_does_not_rest() {
    for (workers, connections) in [(1, 0), (1, 1), (1, 7), (2, 2), (2, 3), (4, 4), (4, 100)] {
        let looks = Cell::new(0);
        Rest::new(workers).rest(|| {
            looks.set(looks.get() + 1);
            connections
        });
        assert_eq!(looks.get(), 1, "{workers} workers, {connections} connections: it doesn't say that it rests");
    }
}

#[test]
fn as_many_rest_as_are_not_needed() {
    for (workers, connections, resting) in [(2, 0, 1), (2, 1, 1), (3, 1, 2), (4, 2, 2), (4, 3, 1), (7, 0, 6)] {
        let house = House::new(workers, connections);
        for _ in 0..resting {
            house.send_to_rest();
            assert_eq!(house.hear(), Said::Rests, "{workers} workers, {connections} connections");
        }
        house.send_to_rest();
        assert_eq!(house.hear(), Said::IsUp, "{workers} workers, {connections} connections: one more is needed");
        house.rest.end();
        assert!((0..resting).all(|_| house.hear() == Said::IsUp), "{workers} workers, {connections} connections");
    }
}

#[test]
fn one_is_called_for_each_connection_that_needs_it_and_no_more() {
    let house = House::new(3, 1);
    (0..2).for_each(|_| house.send_to_rest());
    assert_eq!([house.hear(), house.hear()], [Said::Rests, Said::Rests]);
    for _ in 0..2 {
        house.assert_silent();
        house.let_in();
        assert_eq!(house.hear(), Said::IsUp);
    }
    house.let_in();
    house.assert_silent();
}

#[test]
fn nobody_is_called_whom_the_connections_do_not_need() {
    let house = House::new(3, 1);
    (0..2).for_each(|_| house.send_to_rest());
    assert_eq!([house.hear(), house.hear()], [Said::Rests, Said::Rests]);
    house.call_if_needed();
    house.let_in();
    assert_eq!(house.hear(), Said::IsUp, "the first was for nobody");
    house.assert_silent();
    house.rest.end();
    assert_eq!(house.hear(), Said::IsUp);
}

#[test]
fn a_call_that_nobody_rests_to_hear_is_not_kept() {
    let house = House::new(2, 1);
    (0..3).for_each(|_| house.let_in());
    house.connections.store(1, Ordering::SeqCst);
    house.send_to_rest();
    assert_eq!(house.hear(), Said::Rests);
    // It has the lock until it waits, and so whoever calls now finds it waiting, or gone.
    house.let_in();
    assert_eq!(house.hear(), Said::IsUp);
    house.connections.store(1, Ordering::SeqCst);
    house.send_to_rest();
    assert_eq!(house.hear(), Said::Rests, "it is on the bench again");
    house.rest.end();
    assert_eq!(house.hear(), Said::IsUp);
}

#[test]
fn at_the_end_all_get_up_and_nobody_rests_any_more() {
    let house = House::new(4, 1);
    (0..3).for_each(|_| house.send_to_rest());
    assert!((0..3).all(|_| house.hear() == Said::Rests));
    house.rest.end();
    assert!((0..3).all(|_| house.hear() == Said::IsUp));
    for _ in 0..2 {
        house.send_to_rest();
        assert_eq!([house.hear(), house.hear()], [Said::Rests, Said::IsUp]);
    }
}

#[test]
fn a_connection_that_is_let_in_while_a_worker_goes_to_rest_finds_it_up() {
    for _ in 0..500 {
        let (rest, connections, barrier) = (Rest::new(2), AtomicUsize::new(1), Barrier::new(2));
        // It ends, or the test doesn't.
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                rest.rest(|| connections.load(Ordering::SeqCst));
            });
            barrier.wait();
            connections.fetch_add(1, Ordering::SeqCst);
            rest.call_if_needed(|| connections.load(Ordering::SeqCst));
        });
    }
}
