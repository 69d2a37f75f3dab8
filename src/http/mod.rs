//! The language: what HTTP/1.1 says, as pure functions from bytes and values to values.
//!
//! No sockets, no files, no threads, no clock, no log in here. Time is an argument, an open file is a type parameter
//! that nobody in this wing looks into. That is what lets every rule be tried by a table.
//!
//! Reading order: a message comes in ([`field`], [`target`], [`framing`] and their helpers; [`head`] finds where it
//! ends, [`request`] reads it), a representation is described ([`date`], [`validator`], [`media_type`], [`disposition`]),
//! who asks by way of proxies is told ([`forwarded`]), what the client already has or wants of it is decided ([`accept`],
//! [`negotiation`], [`precondition`], [`range`]), and a message goes out ([`field_line`], [`field_block`], [`multipart`],
//! [`pieces`], [`response`]; [`cors`] is what scripts of other sites may do with it).
//!
//! *Architecture invariant:* nothing here reads a body. This server takes none: [`framing`] only says whether there is one.

pub mod decimal;
pub mod status;
pub mod method;
pub mod byte_set;
pub mod field;
pub mod authority;
pub mod target;
pub mod bad_request;
pub mod framing;
pub mod request_line;
pub mod head;
pub mod request;
pub mod negotiation;
pub mod date;
pub mod validator;
pub mod media_type;
pub mod disposition;
pub mod forwarded;
pub mod accept;
pub mod precondition;
pub mod range;
pub mod field_line;
pub mod field_block;
pub mod multipart;
pub mod pieces;
pub mod response;
pub mod cors;
