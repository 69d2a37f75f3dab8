//! Every limit and every timeout, each with its unit and the reason for its value.
//!
//! A limit that a user may want to change is a field of [`Limits`]; one that only a developer would is a constant.
//! `config` stands on the ground: any room may take its limits from here.

use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

/// What the caller of [`Server`](crate::server::Server) chooses. What is beyond a bound is taken for the bound: one
/// worker and one connection at least, and times from [`TIME_MIN`] to [`TIME_MAX`] (a delay may be none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads that serve connections.
    pub workers: usize,
    /// Connections held at a time, parked ones included.
    pub connections_max: usize,
    /// From the first byte of a request head to its last, however they drip.
    pub head_timeout: Duration,
    /// For a connection on which nothing is asked.
    pub idle_timeout: Duration,
    /// For a response no byte of which moves.
    pub stall_timeout: Duration,
    /// From the begin of the drain to its end, for the responses that are under way.
    pub drain_timeout: Duration,
    /// From the signal to the begin of the drain, for whoever sends clients here: until then they are let in.
    pub drain_delay: Duration,
}

impl Limits {
    /// What the command line has where nothing else is asked for: a worker per core, and the constants of this module.
    pub fn recommended() -> Limits {
        Limits {
            workers: cores(),
            connections_max: CONNECTIONS_MAX,
            head_timeout: HEAD_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            stall_timeout: STALL_TIMEOUT,
            drain_timeout: DRAIN_TIMEOUT,
            drain_delay: Duration::ZERO,
        }
    }

    /// The same within the bounds.
    pub fn clamped(self) -> Limits {
        let time = |time: Duration| time.clamp(TIME_MIN, TIME_MAX);
        Limits {
            workers: self.workers.max(1),
            connections_max: self.connections_max.max(1),
            head_timeout: time(self.head_timeout),
            idle_timeout: time(self.idle_timeout),
            stall_timeout: time(self.stall_timeout),
            drain_timeout: time(self.drain_timeout),
            drain_delay: self.drain_delay.min(TIME_MAX),
        }
    }
}

/// Below that, every connection would be late before its turn.
pub const TIME_MIN: Duration = Duration::from_millis(1);

/// Longer than a day is a slip of the finger, and sums of times stay far from any overflow.
pub const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The cores this process may run on; one where that can't be told.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Each costs a slot of 32 bytes at start and less than 1 KiB when idle, with TLS about 8; ten thousand clients fit with room to spare.
pub const CONNECTIONS_MAX: usize = 16_384;

/// A phone on a bad line sends its head in well under that; a client that drips one gets no longer.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Browsers keep a connection for about a minute or two; parked, it costs no thread.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Time for a laptop lid or a tunnel, and not for a client that is gone.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What container runtimes wait between SIGTERM and SIGKILL.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// While draining, a quiet connection is kept until it has been quiet for so long: longer than a round trip on most
/// networks, so that the request that was on its way when the signal came is answered; too short to be noticed.
pub const DRAIN_GRACE: Duration = Duration::from_millis(250);

/// At the end of a drain, clients that take nothing of what was sent to them for so long are not waited for. One that
/// reads slowly takes it in steps.
pub const LAST_BYTES_PATIENCE: Duration = Duration::from_secs(1);

/// Bytes of one request head, leading empty lines included. RFC 9112 §3 asks for at least 8,000 for its first line.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Field lines of one request head. Browsers send about 20, proxies add about 10.
pub const FIELD_LINES_MAX: usize = 100;

/// Empty lines before a request line. RFC 9112 §2.2 asks for at least one.
pub const LEADING_EMPTY_LINES_MAX: usize = 4;

/// Connections that a worker takes together: enough that waiting for events, the clocks and a look at a file are shared
/// by many; few enough that the last of them doesn't wait noticeably longer than the first.
pub const BATCH_MAX: usize = 32;

/// How long a worker has the processor, as long as there is work, before it lets others have it once. Measured with 64
/// clients on the same two cores: the slowest of a hundred answers took 1.8 ms instead of 3.4, for 1 % fewer requests/s;
/// at 250 µs it would be less, for 6 %.
pub const GIVE_WAY_INTERVAL: Duration = Duration::from_millis(1);

/// A tick of most kernels. Who waits for answers gives the processor back sooner; who doesn't, computes.
pub const GIVEN_WAY_MAX: Duration = Duration::from_millis(4);

/// So many times as long as it took passes then before a worker gives way again. Measured beside two programs that always
/// compute: 0.98 of the requests/s that there are without giving way at all; with the interval alone, 0.65.
pub const GIVE_WAY_PAUSE: u32 = 20;

/// Turns that a connection may have one after the other because something came for it when it was to be parked; then it
/// waits for its turn like others.
pub const ROUNDS_MAX: usize = 4;

/// Requests that one turn of a connection may answer before the others that are ready have theirs.
pub const TURN_REQUESTS_MAX: usize = 16;

/// Bytes that one turn of a connection may write before the others that are ready have theirs: about a millisecond's
/// worth on loopback.
pub const TURN_BYTES_MAX: usize = 1024 * 1024;

/// Turns that need no event are given for so long before events are looked for again: about one such turn of the longest
/// kind, so that many downloads, or directories being read, don't add up for who has just asked for something small.
pub const TURNS_TIME_MAX: Duration = Duration::from_millis(1);

/// Bytes that a turn may send count so often again if they are made in it. Measured with the rows of a listing: 3 ms for
/// 1 MiB, where sending takes less than one.
pub const MADE_BYTES_WEIGHT: usize = 3;

/// How often the kernel is asked what a client has taken of a response that waits for room; for the first time at the
/// next sweep, and for the last when the response is due to be given up.
pub const STALL_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// A worker keeps its output buffer from response to response, up to this size: small content and its head.
pub const OUTPUT_BYTES_KEPT: usize = 80 * 1024;

/// Content up to this many bytes is read and sent with its head in one write; beyond it, `sendfile` spares the copy.
pub const INLINE_BYTES_MAX: u64 = 64 * 1024;

/// Content in memory up to this many bytes is copied behind its head: two pieces in one write cost the kernel more.
pub const COPIED_BYTES_MAX: u64 = 4 * 1024;

/// Content that is encrypted in one go and, if the client is slow, kept until it has been taken: four records of the
/// largest size. The file it comes from is read in pieces of that size.
pub const TLS_PIECE_BYTES: usize = 64 * 1024;

/// Reads of a turn that yield no content, be it for the handshake or because records are empty, before the others that
/// are ready have theirs. The first flight of a client takes one or two.
pub const TLS_READS_MAX: usize = 16;

/// Bytes of a file with certificates or a key: a chain has some thousand.
pub const PEM_BYTES_MAX: u64 = 1024 * 1024;

/// After an error, what the client still sends is read and thrown away for so long, so that it can read the answer.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(2);

/// ... and up to so many bytes.
pub const LINGER_BYTES_MAX: usize = 64 * 1024;

/// Where to listen when nobody says: this machine alone can reach it.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The port when nobody says; any user may have it, and people know it from other such servers.
pub const PORT: u16 = 8080;

/// Ports tried, one after the other, when the default is taken: as many servers as anybody runs at once.
pub const PORTS_TRIED_MAX: u16 = 20;

/// Bytes of the path of a Unix socket: what a socket address has room for, the NUL behind it not counted (unix(7)).
pub const UNIX_PATH_BYTES_MAX: usize = 107;

/// How long a service manager may take to read how it stands; longer, and it is not told.
pub const NOTIFY_TIMEOUT: Duration = Duration::from_millis(500);

/// Connections waiting in the kernel to be accepted; the kernel lowers it to `net.core.somaxconn`.
pub const BACKLOG: usize = 4096;

/// Connections accepted in one go before the deadlines and the signals are looked at again.
pub const ACCEPTS_PER_WAKE_MAX: usize = 64;

/// Times that the accept loop looks again whether somebody has come before it waits, and so looks at the deadlines.
pub const ACCEPT_ROUNDS_MAX: usize = 16;

/// How often deadlines are looked at: a passed deadline is acted on at most so much later.
pub const SWEEP_INTERVAL: Duration = Duration::from_millis(250);

/// How often they are looked at while draining, when somebody waits at a terminal.
pub const DRAIN_SWEEP_INTERVAL: Duration = Duration::from_millis(20);

/// After the first failed `accept`, how long to leave it; it doubles with every further failure ...
pub const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);

/// ... up to this, so that those who wait are served within 2 s of the cause going away.
pub const ACCEPT_PAUSE_MAX: Duration = Duration::from_millis(500);

/// When there is no room and nobody idle, how long until it is looked again whether somebody has become idle.
pub const ROOM_PAUSE: Duration = Duration::from_millis(50);

/// Connections looked at to make room for one; each of these looks is one over all slots.
pub const MAKE_ROOM_TRIES_MAX: usize = 8;

/// Descriptors kept for what is not a connection: standard streams, listeners, the poller, logs.
pub const DESCRIPTORS_RESERVED: u64 = 64;

/// How long workers may take to leave once they are told to; one that a disk holds is left behind.
pub const WORKERS_LEAVE_TIMEOUT: Duration = Duration::from_millis(500);

/// Log bytes that may wait for a slow sink, per sink: about ten thousand lines.
pub const LOG_BYTES_MAX: usize = 1024 * 1024;

/// How long the end may wait for a slow log sink.
pub const LOG_CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// A file whose status changed less than this long ago has no validators: clocks of file systems tick in
/// milliseconds, so that it could change again and look the same.
pub const SETTLE_TIME: Duration = Duration::from_secs(2);

/// Content up to this many bytes is kept in memory; of a larger file, a descriptor. Measured in processor time against
/// `sendfile` of the same: 0.87 at 100 KiB, 1.95 at 1 MiB, where the copy falls out of the processor's caches.
pub const CACHED_CONTENT_MAX: u64 = 128 * 1024;

/// Bytes that the cache may hold: ten thousand small pages; a fraction of what the least machine for rent has.
pub const CACHE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// What a version costs beside its content and its names: its field lines, its place in the table, what the allocator
/// adds. Measured with ten thousand empty files: about 800 bytes each.
pub const CACHED_VERSION_OVERHEAD: u64 = 1024;

/// What is reckoned with, to remember how much of what has gone lately: the cache's bytes in files of 6 KiB.
pub const CACHE_VERSIONS_EXPECTED: usize = 5_000;

/// Locks that the cache is divided among, so that workers seldom meet; each has its part of the bytes.
pub const CACHE_SHARDS: usize = 8;

/// Large files that are kept open; fewer where the limit on descriptors is small.
pub const CACHED_DESCRIPTORS_MAX: u64 = 256;

/// What nobody has asked for in so long is let go. A deleted file's space comes back then; a page that is asked for less
/// often gains nothing from being kept.
pub const CACHE_IDLE_TIME: Duration = Duration::from_secs(5);

/// How often the cache is looked through for that.
pub const CACHE_TIDY_INTERVAL: Duration = Duration::from_secs(1);

/// Names of a path up to which a short way to it is looked for; web trees are rarely half as deep, and each takes a step.
pub const WAY_NAMES_MAX: usize = 16;

/// Directories whose state is remembered, to be shared by all that is kept below them. One that doesn't fit is looked at
/// once more.
pub const WAY_DIRECTORIES_MAX: usize = 1024;

/// How long after a directory has changed a short way through it is looked for again: it has to settle first.
pub const WAY_RETRY_INTERVAL: Duration = SETTLE_TIME;

/// Names of a directory that are looked at for its listing, from the first on; a longer one says that there are more.
/// Twice as many as are promised to work; a browser takes seconds to lay out such a page.
pub const LISTING_NAMES_MAX: usize = 200_000;

/// Names that a turn looks at, at least, before the next in the queue has its own; it goes on with what has been read.
pub const LISTING_SLICE_NAMES: usize = 256;

/// What the kernel is asked for at a time of a directory: some 500 names. Measured in a directory that is in memory, two
/// looks at each take 2.3 µs, so a slice takes about a millisecond.
pub const LISTING_READ_BYTES: usize = 16 * 1024;

/// Memory for all listings that take more than one slice, while they are made and sent: some fifteen of 100,000 names.
/// Further ones are told to come again.
pub const LISTINGS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A listing longer than this is made and sent in pieces of about this size: as much as is sent at once of a file.
pub const LISTING_PIECE_BYTES: usize = 64 * 1024;

/// Tries of an `openat2` that the kernel could not finish because of renames (`EAGAIN`).
pub const OPEN_TRIES_MAX: usize = 3;

/// What the ring of a lane holds: long enough to look back at what has just gone wrong, and to be fetched as a trace.
pub const LANE_SECONDS: u64 = 10;

/// Events that a lane holds, a power of two: 500 requests a second, each with about ten events, for so long; 1.5 MiB.
pub const LANE_EVENTS: usize = 1 << 16;

/// More events in a second than this, and some are left out, so that the others last.
pub const LANE_EVENTS_PER_SECOND: u64 = LANE_EVENTS as u64 / LANE_SECONDS;

/// Over how long rates and percentiles are told: long enough to be read, short enough to follow.
pub const RECENT: Duration = Duration::from_secs(5);

/// Events of one lane that one answer tells: a quarter of a second at the most that is written down, several times over.
pub const STATUS_EVENTS_MAX: usize = 8192;

/// Of those who wait, so many that have waited longest are told of: as many as a page or a terminal has room for.
pub const STATUS_WAITS_MAX: usize = 8;

/// How often `millpond top` looks: as often as people can read.
pub const TOP_INTERVAL: Duration = Duration::from_secs(1);

/// How long it waits for an answer: a server that is that busy is worth knowing of.
pub const TOP_PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of an answer that it reads at most: a thousand workers, with all that is told of each, several times over.
pub const TOP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Between two moments at which it is counted how many connections are in hand: thousands of them in [`RECENT`], and out of
/// step with the kernel's ticks, at which threads are put aside.
pub const GLANCE_INTERVAL: Duration = Duration::from_micros(617);

/// How often a thread asks the system what it has used: a system call, which nobody should notice.
pub const USAGE_INTERVAL: Duration = Duration::from_millis(250);
