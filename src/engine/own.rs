//! The server's own pages, all below `/.millpond/`: a name that begins with a dot, and so is no file's that is served.
//!
//! *Invariant:* they are asked before the handler, and win over it; but whoever may not see one is answered by the handler,
//! as if there were none. Where none is on, a request pays a look at that.

use super::desk::Patience;
use super::health::{self, Health, Standing};
use super::notes::Whose;
use super::{Response, Service};
use crate::http::method::Method;
use crate::http::request::RequestHead;
use crate::http::status::Status;
use crate::http::target::RequestTarget;
use crate::observe::peer::Peer;

/// Below which path, relative to the root.
const PREFIX: &[u8] = b".millpond";

/// One of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Whether clients should be sent here.
    Health,
    /// `/.millpond`, which lacks its slash.
    Slashless,
    Index,
    Script,
    Style,
    Status,
    Metrics,
    Trace,
}

impl Page {
    /// The page with that path, relative to the root.
    fn with_path(path: &[u8]) -> Option<Page> {
        match path.strip_prefix(PREFIX)? {
            b"" => Some(Page::Slashless),
            b"/" => Some(Page::Index),
            b"/health" => Some(Page::Health),
            b"/watch.js" => Some(Page::Script),
            b"/watch.css" => Some(Page::Style),
            b"/status.json" => Some(Page::Status),
            b"/metrics" => Some(Page::Metrics),
            b"/trace.json" => Some(Page::Trace),
            _ => None,
        }
    }

    /// Who sends clients here is part of the work, who watches isn't.
    pub fn whose(self) -> Whose {
        if self == Page::Health { Whose::Client } else { Whose::Observer }
    }

    /// Whether making it takes so long that others are to be answered first.
    fn is_laborious(self) -> bool {
        match self {
            Page::Status | Page::Metrics | Page::Trace => true,
            Page::Health | Page::Slashless | Page::Index | Page::Script | Page::Style => false,
        }
    }
}

impl<H> Service<H> {
    /// Whether there is any page of the server's own.
    #[inline]
    pub fn has_own(&self) -> bool {
        self.health == Health::Told || self.watch.is_some()
    }

    /// The page of the server's own that is asked for, if this client may see it.
    #[cold]
    pub fn own(&self, request: &RequestHead<'_>, peer: Peer) -> Option<Page> {
        let RequestTarget::Resource { path, .. } = &request.target else { return None };
        let page = Page::with_path(path.relative()?)?;
        let told = page == Page::Health && self.health == Health::Told;
        (told || self.watch.as_ref().is_some_and(|watch| watch.admits(request, peer))).then_some(page)
    }

    /// That page, and whose it is; `None` where others are to be answered first.
    #[cold]
    pub fn own_page(
        &self,
        page: Page,
        request: &RequestHead<'_>,
        patience: Patience,
        whose: &mut Whose,
    ) -> Option<Response> {
        if page.is_laborious() && patience == Patience::None {
            return None;
        }
        *whose = page.whose();
        let response = match (request.method, page, &self.watch) {
            (Method::Get | Method::Head, Page::Health, _) => health::respond(self.standing()),
            (Method::Get | Method::Head, page, Some(watch)) => watch.respond(page, &request.target),
            _ => Response::error(Status::METHOD_NOT_ALLOWED, "it can only be asked for").field("Allow", "GET, HEAD"),
        };
        Some(response.field("Cache-Control", "no-store"))
    }

    fn standing(&self) -> Standing {
        if self.drain.is_made() { Standing::Leaving } else { Standing::Serving }
    }
}
