//! Back-pressure: one client is being served and stays, and others connect. How many can, and where are they?
//!
//! They connect one after the other, so that the kernel's answer to each is settled before the next: it counts who waits
//! for accept, and takes nobody more when there is one more than the backlog.

use std::io;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::client::PATIENCE;
use crate::guest::Guest;
use crate::kernel;
use crate::patience::{self, GLANCE, SMALL};
use crate::plot::Plot;
use crate::report::{Report, Table, check};
use crate::serve::Kind;
use crate::setup::Setup;
use crate::subject::{Start, Subject, wait_until};
use crate::timeline::Track;

/// Clients that are more than the queue holds.
const TOO_MANY: usize = 3;

/// On loopback a connection that can be had is there at once.
const AT_ONCE: Duration = Duration::from_millis(100);

/// A client whose connection has been begun.
struct Arrival {
    socket: OwnedFd,
    began: Instant,
    /// When it was seen to be there.
    connected: Option<Instant>,
    track: Track,
}

struct Seen {
    kind: Kind,
    connected: usize,
    /// As the kernel counts.
    in_queue: u32,
    waiting: usize,
    answered: usize,
}

pub fn run(setup: &Setup) -> Result<Report, String> {
    let backlog: usize = setup.choose(16, 4);
    // The kernel asks whether there are *more* waiting than the backlog, so it holds one more.
    let clients = backlog + 1 + TOO_MANY;
    let subject = setup.subject(Kind::OneAtATime, Kind::Millpond);
    let seen = [observe(setup, subject, backlog, clients)?, observe(setup, Kind::Millpond, backlog, clients)?];

    let mut table = Table::new([
        "server",
        "backlog",
        "clients",
        "connected",
        "in the accept queue",
        "kept waiting",
        "answered in the end",
    ]);
    for Seen { kind, connected, in_queue, waiting, answered } in &seen {
        let backlog = if *kind == Kind::Millpond { "its own".to_owned() } else { backlog.to_string() };
        table.row([&kind.name(), &backlog, &clients, connected, in_queue, waiting, answered]);
    }
    let bars = |seen: &Seen| {
        let name = seen.kind.name();
        let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        [(format!("{name}: connected"), count(seen.connected)), (format!("{name}: kept waiting"), count(seen.waiting))]
    };
    let bars = seen.iter().flat_map(bars).collect();
    let plot = Plot::bars("Clients that connect while one is being served and stays", "clients", bars);
    let [first, millpond] = &seen;
    let name = subject.name();
    let checks = vec![
        check(
            format!("clients that can connect to {name}, which accepts nobody: the backlog and one"),
            backlog + 1,
            first.connected,
        ),
        check(
            "of them in the accept queue, by the kernel's count",
            u32::try_from(backlog + 1).unwrap_or(u32::MAX),
            first.in_queue,
        ),
        check("clients that are neither connected nor refused", TOO_MANY, first.waiting),
        check("clients that are answered after the one has left", clients, first.answered),
        check("clients that can connect to millpond, which accepts while it serves", clients, millpond.connected),
        check("of them in its accept queue", 0, millpond.in_queue),
    ];
    Ok(Report { table, plot, checks })
}

fn observe(setup: &Setup, kind: Kind, backlog: usize, clients: usize) -> Result<Seen, String> {
    let backlog = i32::try_from(backlog).map_err(|error| error.to_string())?;
    let server = setup.start(&Start { backlog, ..Start::new(kind, 1) })?;
    let holder = Guest::served(&server, "the one that stays")?;
    let begin = |number: usize| begin_to_connect(&server, number);
    let mut begun: Vec<Arrival> = (1..=clients).map(begin).collect::<Result<_, _>>()?;
    // Whoever accepts has done it by then; whoever doesn't leaves the queue as it is.
    wait_until(PATIENCE, || server.stays_asleep());
    let connected = begun.iter_mut().filter_map(|arrival| arrival.is_connected(Duration::ZERO).then_some(())).count();
    let in_queue = kernel::accept_queue(server.address)?;
    drop(holder);
    let answered = finish(begun)?;
    Ok(Seen { kind, connected, in_queue, waiting: clients - connected, answered })
}

/// Sends the first packet, and waits for the answer as long as it can take on loopback.
fn begin_to_connect(server: &Subject, number: usize) -> Result<Arrival, String> {
    let (began, track) = (Instant::now(), server.track(&format!("client {number}")));
    let begin = || {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &server.address) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
            Err(errno) => Err(errno),
        }
    };
    let socket = begin().map_err(|errno: Errno| format!("a client can't even begin to connect: {errno}"))?;
    let mut arrival = Arrival { socket, began, connected: None, track };
    arrival.is_connected(AT_ONCE);
    Ok(arrival)
}

impl Arrival {
    fn is_connected(&mut self, timeout: Duration) -> bool {
        let timeout = Timespec::try_from(timeout).expect("it is short");
        let ready = poll(&mut [PollFd::new(&self.socket, PollFlags::OUT)], Some(&timeout)).is_ok_and(|ready| ready > 0);
        let connected = ready && sockopt::socket_error(&self.socket).is_ok_and(|error| error.is_ok());
        if connected {
            self.connected.get_or_insert_with(Instant::now);
        }
        connected
    }

    /// Asks, over the connection that is there.
    fn ask(self) -> Result<Guest, String> {
        let ask = || {
            rustix::io::ioctl_fionbio(&self.socket, false)?;
            let connected = self.connected.unwrap_or_else(Instant::now);
            let mut guest = Guest::over(self.socket.into(), self.track, (self.began, connected))?;
            guest.send(patience::last_get(SMALL))?;
            Ok(guest)
        };
        ask().map_err(|error: io::Error| format!("a client that is connected can't ask: {error}"))
    }
}

/// How many are answered, each of whom asks once its connection is there (the kernel tries again after 1 s, 3 s, ...), and
/// leaves with the answer. They come in whichever order.
fn finish(begun: Vec<Arrival>) -> Result<usize, String> {
    let clients = begun.len();
    let (mut connecting, mut asking) = (begun, Vec::new());
    let since = Instant::now();
    while !(connecting.is_empty() && asking.is_empty()) && since.elapsed() < 2 * PATIENCE {
        for arrival in &mut connecting {
            arrival.is_connected(Duration::ZERO);
        }
        let (connected, still): (Vec<_>, Vec<_>) =
            connecting.into_iter().partition(|arrival| arrival.connected.is_some());
        connecting = still;
        for arrival in connected {
            asking.push(arrival.ask()?);
        }
        let mut left = Vec::new();
        for mut guest in asking {
            if !guest.is_answered(GLANCE)? {
                left.push(guest);
            }
        }
        asking = left;
        thread::sleep(GLANCE);
    }
    Ok(clients - connecting.len() - asking.len())
}
