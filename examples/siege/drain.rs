//! Line 12: a server that is told to end, in the middle of everything.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::{Answer, Client, PATIENCE, get};
use crate::report::{self, Tally};
use crate::server::{Server, wait_until};
use crate::site::SMALL;
use crate::{Siege, Stop};

const CLIENTS: usize = 8;
const REQUESTS_PER_CONNECTION: usize = 25;

/// The signal comes after so many, or after so long.
const ANSWERS_BEFORE: usize = 3_000;
const LOADED_WITHIN: Duration = Duration::from_secs(3);

const DOWNLOADS: usize = 4;
const DOWNLOAD_BYTES: usize = 24 * 1024 * 1024;

/// A download's pace: all of it takes about half a second.
const PIECE_BYTES: usize = 256 * 1024;
const PIECE_INTERVAL: Duration = Duration::from_millis(5);

/// Clients that never read.
const STUCK: usize = 8;

const REFUSED_WITHIN: Duration = Duration::from_millis(100);
const LATE_MAX: Duration = Duration::from_secs(1);
const SECOND_SIGNAL_WITHIN: Duration = Duration::from_millis(500);

pub fn loses_nothing(siege: &Siege) -> Result<Tally, Stop> {
    let content: Vec<u8> = (0..DOWNLOAD_BYTES / 8).flat_map(|index| (index * 8).to_be_bytes()).collect();
    siege.site.file("download.bin", &content)?;
    let mut tally = Tally::default();
    let drained = (0..siege.size.drains).map(|_| under_load(siege, &content)).collect::<Result<Vec<_>, _>>()?;
    judge_under_load(&drained, &mut tally);
    deadline(siege, &mut tally)?;
    second_signal(siege, &mut tally)?;
    Ok(tally)
}

/// What came of one drain under load.
struct Drained {
    answered: usize,
    lost: usize,
    never_accepted: usize,
    /// Downloads that came whole and right.
    exact: usize,
    /// From the signal until nobody listened; none if somebody still did after [`PATIENCE`].
    refused_after: Option<Duration>,
    /// None when it was ended by a signal, or didn't end.
    exit_code: Option<i32>,
}

/// What all clients together have seen.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    /// Requests on a connection that the server had accepted, and did not answer; and answers that broke off.
    lost: AtomicUsize,
    /// First requests on a connection that was reset: it waited in the kernel's queue.
    never_accepted: AtomicUsize,
}

fn under_load(siege: &Siege, content: &[u8]) -> Result<Drained, Stop> {
    let mut server = siege.fresh(&["--access-log", "off"])?;
    let (address, seen) = (server.address, Seen::default());
    let (small, download) = (get(&siege.site.target("small.txt")), get(&siege.site.target("download.bin")));
    let (exact, refused_after) = thread::scope(|scope| -> Result<_, String> {
        for _ in 0..CLIENTS {
            scope.spawn(|| ask_until_refused(address, &small, &seen));
        }
        wait_until(LOADED_WITHIN, || seen.answered.load(Ordering::Relaxed) > ANSWERS_BEFORE);
        let start = |_| Client::connect_narrow(address).and_then(|mut client| client.send(&download).map(|()| client));
        let clients: io::Result<Vec<Client>> = (0..DOWNLOADS).map(start).collect();
        let begun = clients.and_then(|mut clients| {
            let heads = clients.iter_mut().map(Client::head).collect::<io::Result<Vec<Answer>>>()?;
            Ok((clients, heads))
        });
        // In any case, so that the clients end.
        server.signal(siege.subject.drain_signal())?;
        let since = Instant::now();
        let (clients, _) = begun.map_err(|error| format!("a download did not begin: {error}"))?;
        let downloads: Vec<_> =
            clients.into_iter().map(|client| scope.spawn(move || is_exact(client, content))).collect();
        let refused = wait_until(PATIENCE, || is_refused(address));
        let refused_after = Some(since.elapsed()).filter(|_| refused);
        if !refused {
            // Else its clients would go on for ever.
            server.signal(Signal::KILL)?;
        }
        let exact = downloads.into_iter().filter_map(|download| download.join().ok()).filter(|exact| *exact).count();
        Ok((exact, refused_after))
    })?;
    let status = server.process().and_then(|process| process.wait(siege.size.drain_timeout + LATE_MAX));
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    Ok(Drained {
        answered: count(&seen.answered),
        lost: count(&seen.lost),
        never_accepted: count(&seen.never_accepted),
        exact,
        refused_after,
        exit_code: status.and_then(|status| status.code()),
    })
}

fn judge_under_load(drained: &[Drained], tally: &mut Tally) {
    let sum = |figure: fn(&Drained) -> usize| drained.iter().map(figure).sum::<usize>();
    let (drains, lost, answered) = (drained.len(), sum(|one| one.lost), sum(|one| one.answered));
    let queued = sum(|one| one.never_accepted);
    let text =
        format!("{drains} drains: {lost} of {answered} requests lost ({queued} reset before they were accepted)");
    tally.check(lost == 0, text);
    let (exact, downloads) = (sum(|one| one.exact), drains * DOWNLOADS);
    tally.check(exact == downloads, format!("{exact} of {downloads} downloads byte-exact"));
    let slowest = drained.iter().map(|one| one.refused_after.unwrap_or(Duration::MAX)).max().unwrap_or_default();
    let text = if slowest == Duration::MAX { "never".to_owned() } else { format!("after {}", report::time(slowest)) };
    tally.check(slowest <= REFUSED_WITHIN, format!("port refused {text}"));
    let clean = drained.iter().filter(|one| one.exit_code == Some(0)).count();
    tally.check(clean == drains, format!("exit code 0 in {clean} of {drains}"));
}

/// One client: a few requests on each connection, until nobody listens.
fn ask_until_refused(address: SocketAddr, request: &str, seen: &Seen) {
    let count = |counter: &AtomicUsize| counter.fetch_add(1, Ordering::Relaxed);
    while let Ok(mut client) = Client::connect(address) {
        for index in 0..REQUESTS_PER_CONNECTION {
            match client.ask(request) {
                Ok(answer) if answer.status == 200 && answer.content == SMALL => {
                    count(&seen.answered);
                    if answer.closes() {
                        break;
                    }
                }
                Ok(_) => {
                    count(&seen.lost);
                    break;
                }
                Err(error) => {
                    let reset = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error.kind());
                    count(if index == 0 && reset { &seen.never_accepted } else { &seen.lost });
                    break;
                }
            }
        }
    }
}

/// Reads a download at its pace, and says whether it is right to the last byte.
fn is_exact(mut client: Client, content: &[u8]) -> bool {
    content.chunks(PIECE_BYTES).all(|piece| {
        thread::sleep(PIECE_INTERVAL);
        client.take(piece.len()).is_ok_and(|came| came == piece)
    })
}

fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, PATIENCE).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Clients that ask for much and never read.
fn stuck(siege: &Siege, server: &Server) -> io::Result<Vec<Client>> {
    let start = |_| {
        let mut client = Client::connect_narrow(server.address)?;
        client.send(get(&siege.site.target("big.bin")))?;
        client.head()?;
        Ok(client)
    };
    (0..STUCK).map(start).collect()
}

fn deadline(siege: &Siege, tally: &mut Tally) -> Result<(), Stop> {
    let timeout = siege.size.drain_timeout;
    let mut server = siege.fresh(&["--access-log", "off"])?;
    let stuck = stuck(siege, &server)?;
    let since = Instant::now();
    server.signal(siege.subject.drain_signal())?;
    let status = server.process().and_then(|process| process.wait(timeout + 2 * LATE_MAX));
    let took = since.elapsed();
    drop(stuck);
    let text = match status {
        Some(status) => format!("with {STUCK} stuck clients ended after {}, {status}", report::time(took)),
        None => format!("with {STUCK} stuck clients not ended after {}", report::time(took)),
    };
    let clean = status.is_some_and(|status| status.success());
    tally.check(clean && took <= timeout + LATE_MAX, text);
    Ok(())
}

fn second_signal(siege: &Siege, tally: &mut Tally) -> Result<(), Stop> {
    let mut server = siege.fresh(&["--access-log", "off"])?;
    let stuck = stuck(siege, &server)?;
    server.signal(siege.subject.drain_signal())?;
    wait_until(PATIENCE, || is_refused(server.address));
    let since = Instant::now();
    // The first one may have been enough.
    let sent = server.signal(Signal::TERM);
    let status = server.process().and_then(|process| process.wait(2 * SECOND_SIGNAL_WITHIN));
    let took = since.elapsed();
    drop(stuck);
    let text = match (sent, status) {
        (Ok(()), Some(status)) => format!("by a second signal after {}, {status}", report::time(took)),
        (Err(_), _) => "ended by the first signal already".to_owned(),
        (_, None) => format!("not ended {} after a second signal", report::time(took)),
    };
    tally.check(status.is_some() && took <= SECOND_SIGNAL_WITHIN, text);
    Ok(())
}
