//! The ring that a thread writes its events to, in every order: a reader never gets the words of two.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use millpond::observe::event::{Event, What};
use millpond::observe::ring::Ring;

use crate::{join, spawn, try_orders};

/// All words of an event tell its number.
fn event(number: u32) -> Event {
    Event { at: number.into(), connection: number.into(), what: What::Sent(number) }
}

#[test]
fn what_is_read_while_it_is_overwritten_is_whole() {
    const EVENTS: u32 = 4;
    let found = try_orders(Some(3), |found| {
        let ring = Arc::new(Ring::new(2));
        ring.write(event(0));
        let writing = spawn(&ring, |ring: &Ring| (1..EVENTS).for_each(|number| ring.write(event(number))));
        let page = ring.read(0, 2);
        let first = page.missed;
        for (number, read) in (first..).zip(&page.events) {
            assert_eq!(*read, event(u32::try_from(number).expect("there are few")));
        }
        found.fetch_add(page.events.len(), Ordering::Relaxed);
        join([writing]);
        // Of two places, one may be about to be overwritten.
        assert_eq!(ring.read(0, 2).events, [event(EVENTS - 1)]);
    });
    assert!(found > 0, "there are orders in which something is read");
}
