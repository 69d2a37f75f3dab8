//! Ownership: DESIGN's invariants 1 (put first, swing second) and 2 (generations), what *woken* is for, and what follows.
//!
//! One thread at a time here, or many that may meet anywhere; `tests/loom` tries every order.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use millpond::engine::poller::Token;
use millpond::engine::pond::{Kind, Pond, Wait};

const SECOND: Duration = Duration::from_secs(1);

/// Something that is counted while it lives, as a descriptor would be.
#[derive(Debug)]
struct Tracked(&'static str, Arc<AtomicUsize>);

impl Drop for Tracked {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Fixture {
    pond: Pond<Tracked>,
    open: Arc<AtomicUsize>,
    start: Instant,
}

impl Fixture {
    fn new(room: usize) -> Fixture {
        Fixture { pond: Pond::new(room), open: Arc::default(), start: Instant::now() }
    }

    fn tracked(&self, name: &'static str) -> Tracked {
        self.open.fetch_add(1, Ordering::SeqCst);
        Tracked(name, Arc::clone(&self.open))
    }

    fn wait(&self, kind: Kind, seconds: u32) -> Wait {
        Wait { until: Some(self.start + SECOND * seconds), kind }
    }

    /// Admits and parks one, and gives its token.
    fn park(&self, name: &'static str, wait: Wait) -> Token {
        let owned = self.pond.admit(self.tracked(name)).expect("there is room");
        let token = owned.token();
        owned.park(wait).expect("no event has come");
        token
    }

    fn count(&self) -> (usize, usize) {
        (self.pond.occupied(), self.open.load(Ordering::SeqCst))
    }
}

#[test]
fn a_parked_connection_is_taken_once() {
    let fixture = Fixture::new(1);
    let token = fixture.park("a", fixture.wait(Kind::Idle, 1));
    let owned = fixture.pond.take(token).expect("it is parked");
    assert_eq!(owned.0, "a");
    assert!(fixture.pond.take(token).is_none(), "it has an owner");
}

#[test]
fn of_many_that_take_at_once_one_gets_it() {
    let fixture = Fixture::new(1);
    for _ in 0..200 {
        let token = fixture.park("a", fixture.wait(Kind::Busy, 1));
        let (barrier, takers) = (Barrier::new(4), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    barrier.wait();
                    if let Some(owned) = fixture.pond.take(token) {
                        takers.fetch_add(1, Ordering::SeqCst);
                        barrier.wait();
                        drop(owned);
                    } else {
                        barrier.wait();
                    }
                });
            }
        });
        assert_eq!(takers.into_inner(), 1);
        assert_eq!(fixture.pond.occupied(), 0);
    }
}

#[test]
fn invariant_1_who_takes_a_connection_that_is_parking_finds_it_in_its_slot() {
    let fixture = Fixture::new(1);
    for _ in 0..200 {
        let owned = fixture.pond.admit(fixture.tracked("a")).expect("there is room");
        let (token, barrier) = (owned.token(), Barrier::new(2));
        let served = thread::scope(|scope| {
            let event = scope.spawn(|| {
                barrier.wait();
                fixture.pond.take(token).map(|owned| owned.0)
            });
            barrier.wait();
            let woken = owned.park(fixture.wait(Kind::Idle, 1)).err().map(|owned| owned.0);
            [event.join().expect("it finds a connection or none"), woken]
        });
        assert!(matches!(served, [Some("a"), None] | [None, Some("a")]), "the event is served once: {served:?}");
    }
}

#[test]
fn the_token_is_the_same_for_the_whole_stay() {
    let fixture = Fixture::new(1);
    let token = fixture.park("a", fixture.wait(Kind::Idle, 1));
    for kind in [Kind::Busy, Kind::Idle] {
        let owned = fixture.pond.take(token).expect("it is parked");
        assert_eq!(owned.token(), token);
        owned.park(fixture.wait(kind, 1)).expect("no event has come");
    }
    assert_eq!(fixture.pond.take_idlest().map(|owned| owned.token()), Some(token));
}

#[test]
fn an_event_while_it_is_active_sends_its_owner_round_again_once() {
    let fixture = Fixture::new(1);
    for (events, name) in [(1, "one event"), (3, "several are one")] {
        let mut owned = fixture.pond.admit(fixture.tracked(name)).expect("there is room");
        let token = owned.token();
        for _ in 0..events {
            assert!(fixture.pond.take(token).is_none(), "{name}: it has an owner");
        }
        owned = owned.park(fixture.wait(Kind::Idle, 1)).expect_err(name);
        assert_eq!((owned.0, owned.token()), (name, token));
        assert!(fixture.pond.take_parked().next().is_none(), "{name}: it has an owner");
        owned.park(fixture.wait(Kind::Idle, 1)).expect("that was all");
        assert_eq!(fixture.pond.take(token).map(|owned| owned.0), Some(name), "the next event takes it");
    }
}

#[test]
fn every_round_may_be_woken_again() {
    let fixture = Fixture::new(1);
    let mut owned = fixture.pond.admit(fixture.tracked("a")).expect("there is room");
    for _ in 0..3 {
        assert!(fixture.pond.take(owned.token()).is_none());
        owned = owned.park(fixture.wait(Kind::Busy, 1)).expect_err("it was woken");
    }
    assert!(owned.park(fixture.wait(Kind::Busy, 1)).is_ok());
}

#[test]
fn the_sweep_takes_who_is_parked_and_wakes_nobody() {
    let fixture = Fixture::new(1);
    let owned = fixture.pond.admit(fixture.tracked("a")).expect("there is room");
    let far = fixture.start + SECOND * 9;
    let sweep = || {
        let found = [fixture.pond.take_idlest(), fixture.pond.take_parked().next(), fixture.pond.take_due(far).next()];
        found.into_iter().flatten().count() + fixture.pond.take_due_after(fixture.start).count()
    };
    assert_eq!(sweep(), 0, "active");
    owned.park(fixture.wait(Kind::Idle, 1)).expect("the sweep is no event");
    let owned = fixture.pond.take_due(far).next().expect("it is parked and due");
    assert!(fixture.pond.take(owned.token()).is_none());
    assert_eq!(sweep(), 0, "woken");
    let owned = owned.park(fixture.wait(Kind::Idle, 1)).expect_err("the event came while the sweep had it");
    owned.park(fixture.wait(Kind::Idle, 1)).expect("the sweep is no event");
}

#[test]
fn a_woken_connection_that_is_closed_leaves_nothing_behind() {
    let fixture = Fixture::new(1);
    let owned = fixture.pond.admit(fixture.tracked("a")).expect("there is room");
    let stale = owned.token();
    assert!(fixture.pond.take(stale).is_none());
    drop(owned);
    assert_eq!(fixture.count(), (0, 0));
    let next = fixture.pond.admit(fixture.tracked("b")).expect("the slot is vacant");
    assert_ne!(next.token(), stale);
    assert!(next.park(fixture.wait(Kind::Idle, 1)).is_ok(), "it wasn't the next that was woken");
}

#[test]
fn invariant_2_a_token_of_the_last_resident_neither_takes_nor_marks_the_next() {
    let fixture = Fixture::new(1);
    let stale = fixture.park("a", fixture.wait(Kind::Idle, 1));
    drop(fixture.pond.take(stale));
    assert!(fixture.pond.take(stale).is_none(), "the slot is vacant");
    let fresh = fixture.park("b", fixture.wait(Kind::Idle, 1));
    assert_eq!(stale.index, fresh.index, "the slot is used again");
    assert!(fixture.pond.take(stale).is_none(), "the next is parked");
    let owned = fixture.pond.take(fresh).expect("it is parked");
    assert_eq!(owned.0, "b");
    assert!(fixture.pond.take(stale).is_none(), "the next is active");
    assert!(owned.park(fixture.wait(Kind::Idle, 1)).is_ok(), "it was not woken");
}

#[test]
fn a_token_of_no_slot_takes_nobody() {
    let fixture = Fixture::new(1);
    assert!(fixture.pond.take(Token { index: 0, generation: 0 }).is_none(), "never used");
    assert!(fixture.pond.take(Token { index: 1, generation: 0 }).is_none(), "there is none");
}

#[test]
fn a_panic_in_a_turn_closes_the_connection_and_gives_the_slot_back() {
    let fixture = Fixture::new(1);
    for _ in 0..1000 {
        let token = fixture.park("a", fixture.wait(Kind::Busy, 1));
        let turn = || {
            let _owned = fixture.pond.take(token).expect("it is parked");
            panic::resume_unwind(Box::new("as a bug would"));
        };
        assert!(panic::catch_unwind(AssertUnwindSafe(turn)).is_err());
        assert_eq!(fixture.count(), (0, 0));
    }
}

#[test]
fn there_is_room_for_as_many_as_the_limit_says() {
    let fixture = Fixture::new(2);
    let first = fixture.pond.admit(fixture.tracked("a")).expect("there is room");
    let _second = fixture.pond.admit(fixture.tracked("b")).expect("there is room");
    assert!(!fixture.pond.has_room());
    assert!(fixture.pond.admit(fixture.tracked("c")).is_none());
    drop(first);
    assert!(fixture.pond.has_room());
    assert!(fixture.pond.admit(fixture.tracked("d")).is_some());
}

#[test]
fn who_has_been_idle_longest_makes_room_and_never_one_that_is_busy() {
    let fixture = Fixture::new(4);
    fixture.park("busy for long", fixture.wait(Kind::Busy, 1));
    fixture.park("idle for a while", fixture.wait(Kind::Idle, 3));
    fixture.park("idle longest", fixture.wait(Kind::Idle, 2));
    fixture.park("idle since now", fixture.wait(Kind::Idle, 4));
    for expected in [Some("idle longest"), Some("idle for a while"), Some("idle since now"), None] {
        assert_eq!(fixture.pond.take_idlest().map(|owned| owned.0), expected);
    }
}

#[test]
fn a_sweep_finds_who_is_due_and_nobody_else() {
    let fixture = Fixture::new(4);
    let due = fixture.park("due", fixture.wait(Kind::Idle, 1));
    fixture.park("not due", fixture.wait(Kind::Idle, 9));
    fixture.park("without a deadline", Wait { until: None, kind: Kind::Busy });
    let active = fixture.park("active", fixture.wait(Kind::Busy, 1));
    let _owner = fixture.pond.take(active).expect("it is parked");
    let now = fixture.start + SECOND * 2;
    assert_eq!(fixture.pond.take_due(now).map(|owned| owned.0).collect::<Vec<_>>(), ["due"]);
    assert!(fixture.pond.take(due).is_none(), "it was taken, and closed");
}

#[test]
fn the_drain_finds_who_would_wait_beyond_its_grace() {
    let fixture = Fixture::new(3);
    fixture.park("soon", fixture.wait(Kind::Idle, 1));
    fixture.park("late", fixture.wait(Kind::Idle, 9));
    fixture.park("writing, without a deadline", Wait { until: None, kind: Kind::Busy });
    let found: Vec<_> = fixture.pond.take_due_after(fixture.start + SECOND * 2).map(|owned| owned.0).collect();
    assert_eq!(found, ["late"]);
}

#[test]
fn the_cut_takes_every_parked_connection() {
    let fixture = Fixture::new(3);
    fixture.park("a", fixture.wait(Kind::Idle, 1));
    fixture.park("b", Wait { until: None, kind: Kind::Busy });
    let _active = fixture.pond.admit(fixture.tracked("c"));
    let names: Vec<_> = fixture.pond.take_parked().map(|owned| owned.0).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(fixture.pond.occupied(), 1);
}
