//! What must hold for every input, whatever a client sends: one check per target, and inputs to start from.
//!
//! A check is a function of bytes that panics where something doesn't hold. The fuzzer calls it millions of times with
//! bytes that it makes up (`.ci/fuzz`, or `cargo fuzz run --sanitizer none TARGET`); `cargo test` calls the same functions
//! with the [`seeds`] and with all that was ever found (`tests/fuzz`). So they lie here, where both can include them, and
//! not in the library.
//!
//! | target | what the bytes are | what must hold |
//! |---|---|---|
//! | [`head`] | a stream | the verdict is the same however it is cut; what was read and written again reads the same |
//! | [`differential`] | a stream | verdict, length and framing are those of a slow, obvious reading of RFC 9112 |
//! | [`target`] | a request-target | the path is that of RFC 3986 as printed, below the root, and survives the way through a URI |
//! | [`range`] | a size, field lines | what is selected is what RFC 9110 §14 asks for, inside the file, no byte twice |
//! | [`precondition`] | a method, field lines | the verdict is that of RFC 9110 §13.2.2 as printed |
//! | [`date`] | a date | what is read is what was written, in one of three forms |
//! | [`connection`] | how it comes, and a stream | one whole, well-framed response per request, in order, and then no more |
//! | [`site`] | the same | and its content is of the file that was asked for, and of no other |

#[path = "../../tests/engine/memory.rs"]
#[expect(dead_code, reason = "tests of single turns use more of it")]
mod memory;

mod slow_head;
mod slow_precondition;
mod slow_range;
mod slow_target;
mod client;

pub mod head;
pub mod differential;
pub mod target;
pub mod range;
pub mod precondition;
pub mod date;
pub mod connection;
pub mod site;
pub mod seeds;

/// One check, under the name of its target.
pub struct Target {
    pub name: &'static str,
    /// Panics if something does not hold for the input.
    pub check: fn(&[u8]),
    /// Inputs to start from, each with its name.
    pub seeds: fn() -> Vec<seeds::Seed>,
}

/// All of them.
pub const TARGETS: [Target; 8] = [
    Target { name: "head", check: head::check, seeds: seeds::streams },
    Target { name: "differential", check: differential::check, seeds: seeds::streams },
    Target { name: "target", check: target::check, seeds: seeds::targets },
    Target { name: "range", check: range::check, seeds: seeds::ranges },
    Target { name: "precondition", check: precondition::check, seeds: seeds::preconditions },
    Target { name: "date", check: date::check, seeds: seeds::dates },
    Target { name: "connection", check: connection::check, seeds: seeds::connections },
    Target { name: "site", check: site::check, seeds: seeds::visits },
];
