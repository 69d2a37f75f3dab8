//! Whether clients should be sent here, for whoever sends them: a load balancer, or an orchestrator's probe.
//!
//! It is the engine that knows: as soon as the drain is asked for the answer is no, while everything else is still
//! answered, so that nobody is sent to a port that is about to close. It is one of the server's [own](super::own) pages.

use super::Response;
use crate::http::status::Status;

/// Whether everybody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Told,
    Untold,
}

/// Whether the end has been asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Serving,
    Leaving,
}

/// The answer.
pub fn respond(standing: Standing) -> Response {
    match standing {
        Standing::Serving => Response::text(Status::OK, "ok"),
        Standing::Leaving => Response::text(Status::SERVICE_UNAVAILABLE, "draining"),
    }
}
