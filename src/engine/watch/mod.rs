//! Watching the pool work: who may, and what there is to be seen, under `/.millpond/`.
//!
//! Reading order: [`access`] says who may; [`recent`] is what has been lately, [`waits`] who
//! has waited longest, [`status`] all of it as JSON, [`metrics`]
//! for Prometheus, [`trace`] as a timeline; the page that draws it lies in `page/`.
//!
//! *Invariants:* watching takes nothing from who is watched but the time it takes to tell: threads write down what they do
//! whether anybody reads it or not, and no lock is shared with a turn. A page is asked for and answered like any other;
//! nothing is streamed, so no worker is held.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use super::Response;
use super::own::Page;
use super::pond::Census;
use super::send_queue::{AcceptQueue, Backlog, SendQueues};
use crate::config;
use crate::http::request::RequestHead;
use crate::http::response::{Content, Response as AnyResponse};
use crate::http::status::Status;
use crate::http::target::RequestTarget;
use crate::observe::histogram::{Counts, nanoseconds};
use crate::observe::lanes::{Counters, Lane, Pen, load};
use crate::observe::peer::Peer;
use crate::observe::proxies::Proxies;
use crate::sync::{AtomicU64, Ordering};

pub mod access;
pub mod metrics;
pub mod recent;
pub mod status;
pub mod trace;
pub mod waits;

use self::recent::{Glances, Recent};
use self::waits::{Wait, Waits};

/// What the machinery looks like at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scene {
    pub census: Census,
    pub connections_max: usize,
    pub turns_due: usize,
    /// Turns that have ended in a panic.
    pub panics: usize,
    /// Connections that watch, wherever they are.
    pub watching: usize,
    /// Once the drain has been asked for, the responses that were finished since.
    pub finished_leaving: Option<usize>,
    /// Whether nobody is let in any more.
    pub drains: bool,
}

/// How to look at the machinery; nothing once it is gone.
type Sight = Box<dyn Fn() -> Option<(Scene, Vec<Wait>)> + Send + Sync>;

/// What is written down, and who may read it.
pub struct Watch {
    /// Whoever else may, see [`access`].
    from: Proxies,
    /// All times are counted from here.
    epoch: Instant,
    /// The accept loop's lane, and those of the workers.
    main: Arc<Lane>,
    workers: Vec<Arc<Lane>>,
    /// Listeners, by their addresses, and how to ask for their queues. Locked by whoever is told of them.
    backlogs: Vec<(String, Backlog)>,
    queues: Mutex<SendQueues>,
    sight: OnceLock<Sight>,
    pub waits: Waits,
    recent: Mutex<Recent>,
    /// How often the accept loop has looked, and how many requests were in nobody's hands then, summed.
    glances: AtomicU64,
    glimpsed: AtomicU64,
}

impl Watch {
    /// Lanes for so many workers, and room for so many connections. `backlogs` are the listeners.
    pub fn new(workers: usize, connections_max: usize, from: Proxies, backlogs: Vec<(String, Backlog)>) -> Watch {
        let lane = || Arc::new(Lane::new(config::LANE_EVENTS));
        let (main, workers): (Arc<Lane>, Vec<Arc<Lane>>) = (lane(), (0..workers).map(|_| lane()).collect());
        let epoch = Instant::now();
        let (queues, recent) = (Mutex::new(SendQueues::open()), Mutex::new(Recent::new(epoch, &workers)));
        Watch {
            from,
            epoch,
            main,
            workers,
            backlogs,
            queues,
            sight: OnceLock::new(),
            waits: Waits::new(connections_max),
            recent,
            glances: AtomicU64::new(0),
            glimpsed: AtomicU64::new(0),
        }
    }

    /// Says how to look at the machinery, once there is one.
    pub fn see(&self, sight: impl Fn() -> Option<(Scene, Vec<Wait>)> + Send + Sync + 'static) {
        // A second one would be the same machinery.
        let _ = self.sight.set(Box::new(sight));
    }

    /// Counts requests that are in service and in nobody's hands. Those in a worker's hands it counts itself: where all
    /// processors are busy, nobody else runs before it has put them down.
    pub fn glance(&self, scene: &Scene) {
        let Census { rooms, turns, .. } = scene.census;
        self.glimpsed.fetch_add(u64::try_from(rooms + turns).unwrap_or(0), Ordering::Relaxed);
        self.glances.fetch_add(1, Ordering::Relaxed);
    }

    fn glances(&self) -> Glances {
        let glimpsed = self.glimpsed.load(Ordering::Relaxed);
        Glances { count: self.glances.load(Ordering::Relaxed), glimpsed }
    }

    /// The pen of a worker. One for each: a lane has one writer.
    pub fn pen(&self, worker: usize) -> Pen {
        Pen::new(Arc::clone(&self.workers[worker]), self.epoch)
    }

    /// The pen of the accept loop.
    pub fn main_pen(&self) -> Pen {
        Pen::new(Arc::clone(&self.main), self.epoch)
    }

    /// Whether that client may watch.
    pub fn admits(&self, request: &RequestHead<'_>, peer: Peer) -> bool {
        access::is_admitted(&self.from, request, peer)
    }

    /// The page, for who may see it.
    pub fn respond(&self, page: Page, target: &RequestTarget<'_>) -> Response {
        match page {
            Page::Slashless => {
                Response::text(Status::PERMANENT_REDIRECT, "it is at /.millpond/").field("Location", "/.millpond/")
            }
            Page::Index => fixed("text/html; charset=utf-8", include_bytes!("page/index.html"))
                .field("Content-Security-Policy", POLICY)
                .field("Referrer-Policy", "no-referrer"),
            Page::Script => fixed("text/javascript; charset=utf-8", include_bytes!("page/watch.js")),
            Page::Style => fixed("text/css; charset=utf-8", include_bytes!("page/watch.css")),
            Page::Status => {
                let since = status::numbers(target, self.workers.len() + 1);
                made("application/json", status::render(self, since.as_deref()).into_bytes())
            }
            Page::Metrics => made("text/plain; version=0.0.4; charset=utf-8", metrics::render(self).into_bytes()),
            Page::Trace => made("application/json", trace::render(self))
                .field("Content-Disposition", "attachment; filename=\"millpond-trace.json\""),
            Page::Health => Response::empty(Status::NOT_FOUND),
        }
    }

    /// Every lane with its name, the accept loop's first.
    fn lanes(&self) -> impl Iterator<Item = (String, &Lane)> {
        let workers = self.workers.iter().enumerate().map(|(number, lane)| (format!("worker {number}"), &**lane));
        std::iter::once(("accept".to_owned(), &*self.main)).chain(workers)
    }

    /// A count of all threads together.
    fn sum<'w>(&'w self, count: impl Fn(&'w Counters) -> &'w AtomicU64) -> u64 {
        std::iter::once(&self.main).chain(&self.workers).map(|lane| load(count(&lane.counts))).sum()
    }

    /// Nanoseconds since the lanes were made.
    fn elapsed(&self, now: Instant) -> u64 {
        nanoseconds(now.saturating_duration_since(self.epoch))
    }

    /// How long requests were in service, and how long turns were waited for, by all workers together.
    fn service_and_wait(&self) -> [Counts; 2] {
        let mut sums = [Counts::none(), Counts::none()];
        for lane in &self.workers {
            sums[0].add(&lane.counts.service.counts());
            sums[1].add(&lane.counts.wait.counts());
        }
        sums
    }

    /// What there is to be seen, and who has waited longest.
    fn look(&self) -> Option<(Scene, Vec<Wait>)> {
        self.sight.get().and_then(|look| look())
    }

    /// The queues of the listeners, as far as the kernel tells.
    fn accept_queues(&self) -> Vec<(&str, AcceptQueue)> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = self.backlogs.iter().map(|(address, backlog)| (address.as_str(), queues.backlog(backlog)));
        asked.filter_map(|(address, queue)| Some((address, queue?))).collect()
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Watch")
            .field("from", &self.from)
            .field("workers", &self.workers.len())
            .finish_non_exhaustive()
    }
}

/// Everything comes from here, and only a page from here may frame it, as the guide in `public/` does.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

fn fixed(media_type: &'static str, bytes: &'static [u8]) -> Response {
    with_type(media_type, Cow::Borrowed(bytes))
}

fn made(media_type: &'static str, bytes: Vec<u8>) -> Response {
    with_type(media_type, Cow::Owned(bytes))
}

fn with_type(media_type: &'static str, bytes: Cow<'static, [u8]>) -> Response {
    AnyResponse::empty(Status::OK)
        .field("Content-Type", media_type)
        .field("X-Content-Type-Options", "nosniff")
        .content(Content::Bytes(bytes))
}
