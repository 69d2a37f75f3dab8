//! What threads write down: buckets, the ring, and what is left out when there is too much.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use millpond::config;
use millpond::observe::event::{Event, For, What};
use millpond::observe::histogram::{Counts, Histogram};
use millpond::observe::lanes::{Lane, Pen, Usage};
use millpond::observe::ring::Ring;

fn event(number: u64) -> Event {
    Event { at: number, connection: number, what: What::Sent(u32::try_from(number).expect("it is small")) }
}

#[test]
fn every_event_is_read_as_it_was_written() {
    let all = [
        What::Rests,
        What::Woke(7),
        What::Accepted(65_535),
        What::Took,
        What::Received(u32::MAX),
        What::Answered(304),
        What::Observed(200),
        What::Sent(0),
        What::Finished,
        What::Parked(For::Request),
        What::Parked(For::RestOfHead),
        What::Parked(For::Room),
        What::Parked(For::Turn),
        What::Parked(For::End),
        What::Closed(13),
        What::Samples(8),
        What::Parsed,
        What::Opened,
    ];
    let ring = Ring::new(32);
    for (number, what) in (0..).zip(all) {
        ring.write(Event { at: number, connection: u64::MAX - number, what });
    }
    let page = ring.read(0, 32);
    assert_eq!((page.next, page.missed, page.events.len()), (18, 0, 18));
    for (number, read) in (0..).zip(page.events) {
        let what = all[usize::try_from(number).unwrap()];
        assert_eq!(read, Event { at: number, connection: u64::MAX - number, what });
    }
}

#[test]
fn a_reader_gets_the_latest_and_knows_what_it_missed() {
    let ring = Ring::new(8);
    assert_eq!(ring.read(0, 8), ring.read(5, 8), "there is nothing, wherever one begins");
    (0..20).for_each(|number| ring.write(event(number)));
    for (from, limit, first, missed) in [(0, 8, 13, 13), (0, 3, 17, 17), (15, 8, 15, 0), (15, 2, 18, 3), (99, 8, 20, 0)]
    {
        let page = ring.read(from, limit);
        let expected: Vec<Event> = (first..20).map(event).collect();
        assert_eq!((page.events, page.next, page.missed), (expected, 20, missed), "{from}, {limit}");
    }
}

#[test]
fn what_is_read_while_it_is_written_is_whole_and_in_order() {
    let ring = Arc::new(Ring::new(64));
    let writer = Arc::clone(&ring);
    let writing = thread::spawn(move || (0..200_000).for_each(|number| writer.write(event(number))));
    let (mut from, mut seen) = (0, 0);
    while from < 200_000 {
        let page = ring.read(from, 64);
        for (number, read) in (from + page.missed..).zip(&page.events) {
            assert_eq!(*read, event(number));
        }
        seen += page.events.len();
        from = page.next;
    }
    writing.join().expect("it writes");
    assert!(seen > 0);
}

#[test]
fn every_duration_is_counted_and_told_to_a_sixteenth() {
    let mut nanoseconds = 1_u64;
    while nanoseconds < 1 << 39 {
        for took in [nanoseconds - 1, nanoseconds, nanoseconds + nanoseconds / 3] {
            let histogram = Histogram::new();
            histogram.record(Duration::from_nanos(took));
            let counts = histogram.counts();
            let told = u64::try_from(counts.quantile(500).as_nanos()).unwrap();
            assert!(told >= took && told - took <= took / 16, "{took} is told as {told}");
            assert_eq!((counts.total(), counts.sum()), (1, Duration::from_nanos(took)));
        }
        nanoseconds *= 2;
    }
    let endless = Histogram::new();
    endless.record(Duration::MAX);
    assert_eq!(endless.counts().total(), 1);
}

#[test]
fn percentiles_are_those_of_what_was_counted() {
    let histogram = Histogram::new();
    assert_eq!(histogram.counts().quantile(990), Duration::ZERO);
    (1..=1000).for_each(|milliseconds| histogram.record(Duration::from_millis(milliseconds)));
    let counts = histogram.counts();
    for (per_mille, expected) in [(0, 1.0), (500, 500.0), (990, 990.0), (999, 999.0), (1000, 1000.0)] {
        let told = counts.quantile(per_mille).as_secs_f64() * 1e3;
        assert!((expected..=expected * 1.0625).contains(&told), "{per_mille}: {told}");
    }
    assert_eq!(counts.at_most(Duration::MAX), 1000);
    assert_eq!(counts.buckets().map(|(_, count)| count).sum::<u64>(), 1000);
    let before = counts.clone();
    histogram.record(Duration::from_millis(5));
    let since = histogram.counts().since(&before);
    assert_eq!((since.total(), since.sum()), (1, Duration::from_millis(5)));
    let mut both = Counts::none();
    both.add(&before);
    both.add(&since);
    assert_eq!(both, histogram.counts());
}

#[test]
fn who_is_in_hand_is_counted_at_every_moment_of_the_grid() {
    // On a clock of its own, which the real one, that notes are stamped with, never reaches.
    let epoch = Instant::now() + Duration::from_secs(24 * 60 * 60);
    let lane = Arc::new(Lane::new(config::LANE_EVENTS));
    let mut pen = Pen::new(Arc::clone(&lane), epoch);
    let at = |moments: u32| epoch + moments * config::GLANCE_INTERVAL;
    let glimpsed = || lane.counts.glimpsed.load(Ordering::Relaxed);
    pen.wake(3, at(10));
    assert_eq!(glimpsed(), 0, "nobody was in hand while it rested");
    (0..3).for_each(|_| pen.note(What::Took));
    pen.note(What::Parked(For::Request));
    pen.rest(at(14), || None);
    assert_eq!(glimpsed(), 4 * 2);
    // One more is given back than was taken, as the accept loop does.
    (0..3).for_each(|_| pen.note(What::Closed(0)));
    pen.wake(1, at(100));
    assert_eq!(glimpsed(), 8);
    pen.note(What::Took);
    pen.wake(1, at(100) + config::GLANCE_INTERVAL / 2);
    assert_eq!(glimpsed(), 8, "no moment has passed");
    pen.wake(1, at(101));
    assert_eq!(glimpsed(), 9);
    assert_eq!(lane.glimpsed(1101), 1009, "a turn that lasts is seen while it does");
    pen.wake(1, at(1101));
    assert_eq!((glimpsed(), lane.glimpsed(1101)), (1009, 1009), "and once");
}

#[test]
fn a_request_is_taken_when_its_connection_is_or_when_the_response_before_it_is_finished() {
    let epoch = Instant::now();
    let lane = Arc::new(Lane::new(config::LANE_EVENTS));
    let mut pen = Pen::new(Arc::clone(&lane), epoch);
    let at = |milliseconds: u64| epoch + Duration::from_millis(milliseconds);
    let millisecond = |nanoseconds: u64| nanoseconds / 1_000_000;
    pen.wake(2, at(10));
    pen.note(What::Took);
    pen.go_on_with(1);
    assert_eq!(millisecond(pen.taken(at(12))), 10, "with the others of its batch");
    let before = pen.nanoseconds(Instant::now());
    pen.finish(200, 0);
    assert!(pen.taken(at(12)) >= before, "behind the response before");
    pen.turn_to(2);
    pen.note(What::Took);
    assert_eq!(millisecond(pen.taken(at(15))), 15, "one whose turn was due is taken when it is received");
}

#[test]
fn it_is_asked_when_something_came_for_one_turn_in_as_many_as_batches_are_written() {
    let epoch = Instant::now();
    let mut pen = Pen::new(Arc::new(Lane::new(config::LANE_EVENTS)), epoch);
    let mut asked_of = |turns: u64, from: Instant| {
        let (mut asked, mut now) = (0, from);
        for _ in 0..turns {
            pen.wake(1, now);
            pen.note(What::Took);
            asked += u64::from(pen.asks_when_it_came());
            pen.rest(now, || None);
            now += Duration::from_micros(10);
        }
        asked
    };
    assert_eq!(asked_of(100, epoch), 100);
    let asked = asked_of(100_000, epoch + Duration::from_secs(1));
    assert!((100_000 / 64..30_000).contains(&asked), "{asked}");
}

#[test]
fn beyond_the_budget_one_batch_in_so_many_is_written_and_all_are_counted() {
    let epoch = Instant::now();
    let lane = Arc::new(Lane::new(config::LANE_EVENTS));
    let mut pen = Pen::new(Arc::clone(&lane), epoch);
    // A second at 100,000 batches, each with four events, on a clock of its own.
    let batches = 100_000;
    for number in 0..batches {
        let now = epoch + Duration::from_micros(10 * number);
        pen.wake(1, now);
        pen.turn_to(number);
        pen.note(What::Took);
        pen.note(What::Parked(For::Request));
        pen.rest(now + Duration::from_micros(5), || {
            Some(Usage { processor: Duration::from_secs(2), voluntary: 3, involuntary: 4 })
        });
    }
    let counts = &lane.counts;
    assert_eq!(counts.batches.load(Ordering::Relaxed), batches);
    assert_eq!(counts.turns.load(Ordering::Relaxed), batches);
    assert_eq!(counts.busy.load(Ordering::Relaxed), 5_000 * batches);
    assert_eq!(counts.processor.load(Ordering::Relaxed), 2_000_000_000);
    let page = lane.ring.read(0, config::LANE_EVENTS);
    assert!(page.events.iter().any(|event| event.what == What::Samples(64)), "400,000 events for a budget of 6,553");
    // The first tenth of a second is written whole; from then on it is what there is room for.
    let budget = config::LANE_EVENTS_PER_SECOND + 4 * batches / 10;
    assert!(page.next < budget, "{} events", page.next);
    // With little to do, all is written again.
    let later = epoch + Duration::from_secs(10);
    pen.wake(1, later);
    pen.wake(1, later + Duration::from_millis(200));
    let last: Vec<What> = lane.ring.read(0, 3).events.iter().map(|event| event.what).collect();
    assert!(last.contains(&What::Samples(1)) && last.ends_with(&[What::Woke(1)]), "{last:?}");
}
