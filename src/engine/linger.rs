//! Reading to throw away: what a client still sends after an error, or after a response that it did not know for the last.
//!
//! *Invariant:* it is bounded in time and in bytes, whatever the client does.
//!
//! Closing at once would reset the connection, and the reset could overtake the response and take it from the client
//! (RFC 9112 §9.6). So the end of the stream is sent, and reading goes on until the client's own end.

use std::io;
use std::time::Instant;

use super::CloseReason;
use super::desk::Input;
use super::transfer::Stream;
use crate::config;

/// What is left of the bounds.
#[derive(Clone, Copy, Debug)]
pub struct Linger {
    until: Instant,
    bytes_left: usize,
}

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lingering {
    Ended(CloseReason),
    /// More may come before this time.
    Until(Instant),
}

impl Linger {
    pub fn begin(now: Instant) -> Linger {
        Linger { until: now + config::LINGER_TIMEOUT, bytes_left: config::LINGER_BYTES_MAX }
    }

    /// Throws away what has come.
    pub fn discard(&mut self, input: &mut Input, stream: &mut impl Stream, now: Instant) -> Lingering {
        loop {
            match input.discard(stream) {
                Ok(0) => return Lingering::Ended(CloseReason::Answered),
                Ok(count) if count >= self.bytes_left => return Lingering::Ended(CloseReason::LingerSpent),
                Ok(count) => self.bytes_left -= count,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Lingering::Ended(CloseReason::of(&error));
                }
                Err(_) if now < self.until => return Lingering::Until(self.until),
                Err(_) => return Lingering::Ended(CloseReason::LingerSpent),
            }
        }
    }
}
