//! Ownership: DESIGN's invariants 1 (put first, arm second) and 2 (generations), and what follows from them.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use millpond::engine::poller::Token;
use millpond::engine::pond::{Kind, Pond, Wait};

const SECOND: Duration = Duration::from_secs(1);

/// Something that is counted while it lives, as a descriptor would be.
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
        let mut token = None;
        let owned = self.pond.admit(self.tracked(name)).expect("there is room");
        owned
            .park(wait, |armed| {
                token = Some(armed);
                Ok(())
            })
            .expect("arming succeeds");
        token.expect("it was armed")
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
fn invariant_1_the_connection_is_in_its_slot_when_it_is_armed() {
    let fixture = Fixture::new(1);
    let owned = fixture.pond.admit(fixture.tracked("a")).expect("there is room");
    let mut taken = None;
    // An event may come as soon as the poller knows of it; its taker must not find the slot empty.
    let parked = owned.park(fixture.wait(Kind::Idle, 1), |token| {
        taken = fixture.pond.take(token).map(|owned| owned.0);
        Ok(())
    });
    assert_eq!((taken, parked.is_ok()), (Some("a"), true));
}

#[test]
fn until_it_is_armed_only_its_event_takes_it() {
    let fixture = Fixture::new(1);
    let far = fixture.start + SECOND * 9;
    let owned = fixture.pond.admit(fixture.tracked("a")).expect("there is room");
    let arm = |_| {
        // The sweep would park it again, and this arming, late, would undo that one.
        assert!(fixture.pond.take_due(far).next().is_none());
        assert!(fixture.pond.take_due_after(fixture.start).next().is_none());
        assert!(fixture.pond.take_idlest().is_none());
        assert!(fixture.pond.take_parked().next().is_none());
        Ok(())
    };
    owned.park(fixture.wait(Kind::Idle, 1), arm).expect("arming succeeds");
    assert_eq!(fixture.pond.take_due(far).map(|owned| owned.0).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn an_event_of_an_earlier_parking_takes_nobody() {
    let fixture = Fixture::new(1);
    let first = fixture.park("a", fixture.wait(Kind::Idle, 1));
    let owned = fixture.pond.take(first).expect("it is parked");
    let mut second = None;
    let arm = |token| {
        second = Some(token);
        Ok(())
    };
    owned.park(fixture.wait(Kind::Busy, 1), arm).expect("arming succeeds");
    assert!(fixture.pond.take(first).is_none());
    assert_eq!(fixture.pond.take(second.expect("it was armed")).map(|owned| owned.0), Some("a"));
}

#[test]
fn invariant_2_a_token_of_the_last_resident_takes_nobody() {
    let fixture = Fixture::new(1);
    let stale = fixture.park("a", fixture.wait(Kind::Idle, 1));
    drop(fixture.pond.take(stale));
    let fresh = fixture.park("b", fixture.wait(Kind::Idle, 1));
    assert_eq!(stale.index, fresh.index, "the slot is used again");
    assert!(fixture.pond.take(stale).is_none());
    assert_eq!(fixture.pond.take(fresh).map(|owned| owned.0), Some("b"));
}

#[test]
fn a_connection_that_cannot_be_armed_is_closed_and_its_slot_given_back() {
    let fixture = Fixture::new(1);
    let owned = fixture.pond.admit(fixture.tracked("a")).expect("there is room");
    let parked = owned.park(fixture.wait(Kind::Idle, 1), |_| Err(io::ErrorKind::OutOfMemory.into()));
    assert_eq!(parked.expect_err("arming failed").kind(), io::ErrorKind::OutOfMemory);
    assert_eq!((fixture.pond.occupied(), fixture.open.load(Ordering::SeqCst)), (0, 0));
    assert!(fixture.pond.admit(fixture.tracked("b")).is_some());
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
        assert_eq!((fixture.pond.occupied(), fixture.open.load(Ordering::SeqCst)), (0, 0));
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
