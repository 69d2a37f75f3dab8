//! The queue of turns that are due: in order, each connection once, and no sleep while one is due.
//!
//! One thread at a time here, or many that may meet anywhere; `tests/loom` tries every order.

use std::collections::BTreeSet;
use std::iter;
use std::sync::Barrier;
use std::thread;

use millpond::engine::poller::Token;
use millpond::engine::turns::Turns;

fn token(index: u32) -> Token {
    Token { index, generation: 0 }
}

fn queued(tokens: impl IntoIterator<Item = Token>) -> Turns {
    let turns = Turns::new();
    tokens.into_iter().for_each(|token| turns.push(token));
    turns
}

fn take_all(turns: &Turns) -> Vec<Token> {
    iter::from_fn(|| turns.pop()).collect()
}

#[test]
fn turns_are_had_in_the_order_in_which_they_were_queued() {
    let turns = queued([3, 1, 2].map(token));
    turns.push(token(4));
    assert_eq!(take_all(&turns), [3, 1, 2, 4].map(token));
}

#[test]
fn the_count_is_that_of_the_turns_that_are_due() {
    let turns = queued([]);
    assert_eq!(turns.count(), 0);
    for count in 1..=3 {
        turns.push(token(count));
        assert_eq!(turns.count(), usize::try_from(count).expect("it is small"));
    }
    for left in (0..3).rev() {
        assert!(turns.pop().is_some());
        assert_eq!(turns.count(), left);
    }
    assert_eq!((turns.pop(), turns.count()), (None, 0));
}

#[test]
fn a_connection_is_queued_once_and_keeps_its_place() {
    let next = Token { index: 1, generation: 1 };
    let rows: [(&str, &[Token], &[Token]); 4] = [
        ("queued again at once", &[token(1), token(1)], &[token(1)]),
        ("queued again behind another", &[token(1), token(2), token(1)], &[token(1), token(2)]),
        ("again and again", &[token(1); 100], &[token(1)]),
        ("the next in its slot is another", &[token(1), next, next, token(1)], &[token(1), next]),
    ];
    for (name, pushed, due) in rows {
        let turns = queued(pushed.iter().copied());
        assert_eq!(turns.count(), due.len(), "{name}");
        assert_eq!(take_all(&turns), due, "{name}");
    }
}

#[test]
fn whose_turn_was_taken_may_be_queued_again() {
    let turns = queued([token(1), token(2)]);
    assert_eq!(turns.pop(), Some(token(1)));
    turns.push(token(1));
    assert_eq!(take_all(&turns), [2, 1].map(token));
}

#[test]
fn a_worker_may_sleep_only_if_no_turn_is_due() {
    let turns = queued([]);
    assert!(turns.may_sleep());
    turns.wake();
    turns.push(token(1));
    assert!(!turns.may_sleep());
    turns.wake();
    turns.pop();
    assert!(turns.may_sleep());
}

#[test]
fn a_worker_is_wanted_if_a_turn_is_due_and_somebody_sleeps() {
    for (due, sleepers, wanted) in [(0, 0, false), (0, 1, false), (1, 0, false), (1, 1, true), (2, 3, true)] {
        let turns = queued((0..due).map(token));
        for _ in 0..sleepers {
            turns.may_sleep();
        }
        assert_eq!(turns.wants_a_worker(), wanted, "{due} due, {sleepers} asleep");
        (0..sleepers).for_each(|_| turns.wake());
        assert!(!turns.wants_a_worker(), "{due} due, nobody asleep");
    }
}

#[test]
fn of_many_that_queue_and_take_at_once_each_turn_is_had_by_one() {
    const EACH: u32 = 500;
    let (turns, barrier) = (Turns::new(), Barrier::new(4));
    let taken: Vec<Vec<Token>> = thread::scope(|scope| {
        let queue = |first: u32| {
            let (turns, barrier) = (&turns, &barrier);
            move || {
                barrier.wait();
                (first..first + EACH).for_each(|index| turns.push(token(index)));
                Vec::new()
            }
        };
        let take = || {
            barrier.wait();
            (0..2 * EACH).filter_map(|_| turns.pop()).collect()
        };
        let threads = [scope.spawn(queue(0)), scope.spawn(queue(EACH)), scope.spawn(take), scope.spawn(take)];
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    let left = turns.count();
    let rest = take_all(&turns);
    assert_eq!(rest.len(), left);
    for (index, one) in taken.iter().chain([&rest]).enumerate() {
        for range in [0..EACH, EACH..2 * EACH] {
            let its = one.iter().map(|token| token.index).filter(|index| range.contains(index));
            assert!(its.is_sorted(), "who queued first comes first, for taker {index}");
        }
    }
    let all: Vec<u32> = taken.iter().flatten().chain(&rest).map(|token| token.index).collect();
    assert_eq!(all.len(), BTreeSet::from_iter(&all).len(), "none is had twice");
    assert!(all.iter().copied().collect::<BTreeSet<_>>().into_iter().eq(0..2 * EACH), "none is lost");
}
