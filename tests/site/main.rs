//! The files, without a socket: what is kept, when it is used, and when it goes. Time is an argument, so no test waits
//! for a file to settle.

mod support;
mod kept;
mod changes;
mod ways;
mod bounds;
mod races;
mod variants;
mod fallback;
mod listing;
