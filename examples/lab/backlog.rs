//! Back-pressure: one client is being served and stays, and others connect. How many can, and where are they?
//!
//! They connect one after the other, so that the kernel's answer to each is settled before the next: it counts who waits
//! for accept, and takes nobody more when there is one more than the backlog.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::client::{Client, PATIENCE};
use crate::kernel;
use crate::patience::{self, GLANCE, SMALL, is_answered, served};
use crate::plot::Plot;
use crate::report::{Report, Table, check};
use crate::serve::Kind;
use crate::setup::Setup;
use crate::subject::{Start, wait_until};

/// Clients that are more than the queue holds.
const TOO_MANY: usize = 3;

/// On loopback a connection that can be had is there at once.
const AT_ONCE: Duration = Duration::from_millis(100);

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
    let holder = served(server.address)?;
    let begun: Vec<OwnedFd> = (0..clients).map(|_| begin_to_connect(server.address)).collect::<Result<_, _>>()?;
    let connected = begun.iter().filter(|socket| is_connected(socket, Duration::ZERO)).count();
    // Whoever accepts has done it by then; whoever doesn't leaves the queue as it is.
    wait_until(PATIENCE, || server.stays_asleep());
    let in_queue = kernel::accept_queue(server.address)?;
    drop(holder);
    let answered = finish(begun)?;
    Ok(Seen { kind, connected, in_queue, waiting: clients - connected, answered })
}

/// Sends the first packet, and waits for the answer as long as it can take on loopback.
fn begin_to_connect(address: SocketAddr) -> Result<OwnedFd, String> {
    let begin = || {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
            Err(errno) => Err(errno),
        }
    };
    let socket = begin().map_err(|errno: Errno| format!("a client can't even begin to connect: {errno}"))?;
    is_connected(&socket, AT_ONCE);
    Ok(socket)
}

fn is_connected(socket: &OwnedFd, timeout: Duration) -> bool {
    let timeout = Timespec::try_from(timeout).expect("it is short");
    let ready = poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&timeout)).is_ok_and(|ready| ready > 0);
    ready && sockopt::socket_error(socket).is_ok_and(|error| error.is_ok())
}

/// How many are answered, each of whom asks once its connection is there (the kernel tries again after 1 s, 3 s, ...), and
/// leaves with the answer. They come in whichever order.
fn finish(begun: Vec<OwnedFd>) -> Result<usize, String> {
    let clients = begun.len();
    let (mut connecting, mut asking) = (begun, Vec::new());
    let since = Instant::now();
    while !(connecting.is_empty() && asking.is_empty()) && since.elapsed() < 2 * PATIENCE {
        let (connected, still): (Vec<_>, Vec<_>) =
            connecting.into_iter().partition(|socket| is_connected(socket, Duration::ZERO));
        connecting = still;
        for socket in connected {
            rustix::io::ioctl_fionbio(&socket, false).map_err(|errno| errno.to_string())?;
            let mut client = Client::over(socket.into()).map_err(|error| error.to_string())?;
            client.send(patience::last_get(SMALL)).map_err(|error| error.to_string())?;
            asking.push(client);
        }
        let mut left = Vec::new();
        for mut client in asking {
            if !is_answered(&mut client, GLANCE)? {
                left.push(client);
            }
        }
        asking = left;
        thread::sleep(GLANCE);
    }
    Ok(clients - connecting.len() - asking.len())
}
