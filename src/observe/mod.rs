//! What the server tells about itself: one line per response, and diagnostics, neither of which may slow it down.
//!
//! Reading order: who is written about ([`peer`], and whom [`proxies`] speak for), what a line of the access log says
//! ([`access_log`] and [`json_line`], pure), and how lines of any kind get out ([`log_queue`]: bytes in a bounded
//! buffer, and one thread that writes them). For who watches: what happens ([`event`]), the last of it ([`ring`]), how long
//! things took ([`histogram`]), and both for each thread ([`lanes`]).
//!
//! *Architecture invariant:* nothing here is ever waited for by a worker. What does not fit is dropped whole, counted,
//! and said; the server goes on.

pub mod peer;
pub mod proxies;
pub mod access_log;
pub mod json_line;
pub mod log_queue;
pub mod event;
pub mod ring;
pub mod histogram;
pub mod lanes;
