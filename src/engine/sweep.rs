//! The sweep: looks at the clock for all who are parked, a few times a second, on the main thread.
//!
//! *Invariants:* who is due is taken out of the pond first, so no worker can have it. If something has come from the
//! client in the last moment, it is parked for its turn: a worker reads it, and a request is answered, not lost. If
//! nothing has, the connection is concluded here and now: it sees the time, and parks again, is answered 408, or ends.
//! A response that waits for room is asked after in the kernel, and ends when the client has taken nothing for too long.
//! That calls no handler, so the main thread never waits for a disk; and no worker is needed for it, so deadlines hold
//! when all of them do wait for one.

use std::time::Instant;

use super::connection::Outcome;
use super::desk::Desk;
use super::mill::{Client, Mill};
use super::{CloseReason, Handler};
use crate::config;

/// Concludes every parked connection whose deadline has passed.
pub fn conclude_due<H: Handler>(mill: &Mill<H>, desk: &mut Desk, now: Instant) {
    mill.pond.take_due(now).for_each(|due| conclude(mill, desk, due));
}

/// Concludes every parked connection that would wait for longer than until `limit`.
pub fn conclude_later_than<H: Handler>(mill: &Mill<H>, desk: &mut Desk, limit: Instant) {
    mill.pond.take_due_after(limit).for_each(|late| conclude(mill, desk, late));
}

/// Takes the connection that has been idle longest and closes it; `false` if none is idle.
///
/// One to whom a request has come is not idle, though it was when it parked: it is parked for its turn.
pub fn make_room<H: Handler>(mill: &Mill<H>, desk: &mut Desk) -> bool {
    for _ in 0..config::MAKE_ROOM_TRIES_MAX {
        let Some(idlest) = mill.pond.take_idlest() else { return false };
        if idlest.stream().has_input() {
            await_turn(mill, desk, idlest);
        } else {
            settle(mill, desk, idlest, Outcome::Close(CloseReason::MadeRoom));
            return true;
        }
    }
    false
}

fn conclude<'m, H: Handler>(mill: &'m Mill<H>, desk: &mut Desk, mut connection: Client<'m>) {
    desk.turn_to::<H>(connection.token());
    let mut untaken = None;
    if connection.is_responding() {
        untaken = mill.send_queues.untaken(connection.stream(), connection.peer());
    } else if connection.stream().has_input() {
        return await_turn(mill, desk, connection);
    }
    let outcome = connection.conclude(desk, &mill.service, untaken);
    settle(mill, desk, connection, outcome);
}

/// Parks or closes; if something has come meanwhile, or there is more to do, that is for a worker.
pub fn settle<'m, H: Handler>(mill: &'m Mill<H>, desk: &mut Desk, connection: Client<'m>, outcome: Outcome) {
    desk.turn_to::<H>(connection.token());
    desk.note_outcome::<H>(&connection, outcome, mill.service.watch.as_deref());
    match mill.settle(connection, outcome) {
        Some(woken) => await_turn(mill, desk, woken),
        // It may have been queued: one whose turn was due already, and that was taken by the deadline it had before.
        None => mill.nudge_if_wanted(),
    }
}

fn await_turn<'m, H: Handler>(mill: &'m Mill<H>, desk: &mut Desk, mut connection: Client<'m>) {
    connection.miss();
    desk.note_arrival::<H>(&connection, mill.service.watch.as_deref());
    mill.await_turn(connection);
    mill.nudge_if_wanted();
}
