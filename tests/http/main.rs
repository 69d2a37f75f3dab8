//! The language, rule by rule: a file per room of `src/http`, a table per rule, a row per sentence.

mod support;
#[path = "../../fuzz/src/slow_target.rs"]
mod slow_target;
#[path = "../../fuzz/src/slow_head.rs"]
mod slow_head;
#[path = "../../fuzz/src/slow_precondition.rs"]
mod slow_precondition;
#[path = "../../fuzz/src/differential.rs"]
mod differential;
mod status;
mod field;
mod authority;
mod target;
mod framing;
mod head;
mod request;
mod request_grammar;
mod date;
mod validator;
mod media_type;
mod negotiation;
mod forwarded;
mod accept;
mod precondition;
mod range;
mod multipart;
mod pieces;
mod field_line;
mod response;
