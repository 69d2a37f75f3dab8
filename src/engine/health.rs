//! Whether clients should be sent here, for whoever sends them: a load balancer, or an orchestrator's probe.
//!
//! It is the engine that knows: as soon as the drain is asked for the answer is no, while everything else is still
//! answered, so that nobody is sent to a port that is about to close. It is asked before the handler, and so wins over it.

use super::Response;
use crate::http::method::Method;
use crate::http::request::RequestHead;
use crate::http::status::Status;
use crate::http::target::RequestTarget;

/// Whether the question is answered here, or the handler's as any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Told,
    Untold,
}

/// What is asked for, relative to the root.
const PATH: &[u8] = b".millpond/health";

/// Whether the end has been asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Serving,
    Leaving,
}

impl Health {
    /// Whether that is what is asked for, and told.
    #[inline]
    pub fn is_asked_for(self, request: &RequestHead<'_>) -> bool {
        match self {
            Health::Untold => false,
            Health::Told => is_path(&request.target),
        }
    }
}

fn is_path(target: &RequestTarget<'_>) -> bool {
    match target {
        RequestTarget::Resource { path, .. } => path.relative() == Some(PATH),
        RequestTarget::Asterisk | RequestTarget::Authority => false,
    }
}

/// The answer.
pub fn respond(method: Method, standing: Standing) -> Response {
    let response = match (method, standing) {
        (Method::Get | Method::Head, Standing::Serving) => Response::text(Status::OK, "ok"),
        (Method::Get | Method::Head, Standing::Leaving) => Response::text(Status::SERVICE_UNAVAILABLE, "draining"),
        _ => Response::error(Status::METHOD_NOT_ALLOWED, "it can only be asked for").field("Allow", "GET, HEAD"),
    };
    response.field("Cache-Control", "no-store")
}
