//! The good client: it asks for a small file again and again while others do harm, and says how long it waited.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, PATIENCE, get};
use crate::report::{self, Tally};

/// Between two requests. A client that never rests would measure the processors, of which it wants one itself.
const PAUSE: Duration = Duration::from_millis(1);

/// Each of so many requests comes on a new connection: those that are new must not wait either.
const KEPT_REQUESTS: usize = 10;

/// The p99 that is promised to it.
const P99_MAX: Duration = Duration::from_millis(10);

/// How it fared.
#[derive(Debug, Default)]
pub struct Fared {
    sorted: Vec<Duration>,
    failures: Vec<String>,
}

/// Works while the good client asks; says how that went and how it fared.
pub fn meanwhile<T>(address: SocketAddr, target: &str, content: &[u8], work: impl FnOnce() -> T) -> (T, Fared) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let client = scope.spawn(|| ask_until(&stop, address, &get(target), content));
        let result = work();
        stop.store(true, Ordering::Relaxed);
        (result, client.join().expect("the good client does not panic"))
    })
}

fn ask_until(stop: &AtomicBool, address: SocketAddr, request: &str, content: &[u8]) -> Fared {
    let mut fared = Fared::default();
    let mut client = None;
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if number % KEPT_REQUESTS == 0 {
            client = None;
        }
        let since = Instant::now();
        match ask_once(&mut client, address, request, content) {
            Ok(()) => fared.sorted.push(since.elapsed()),
            Err(error) => {
                // One that got no answer waited in vain, and that is its time.
                fared.sorted.push(since.elapsed().max(PATIENCE));
                fared.failures.push(error.to_string());
                client = None;
            }
        }
        thread::sleep(PAUSE);
    }
    fared.sorted.sort_unstable();
    fared
}

fn ask_once(kept: &mut Option<Client>, address: SocketAddr, request: &str, content: &[u8]) -> io::Result<()> {
    let mut client = match kept.take() {
        Some(client) => client,
        None => Client::connect(address)?,
    };
    let answer = client.ask(request)?;
    if answer.status != 200 || answer.content != content {
        return Err(io::Error::other(format!("the answer was {}, or wrong", answer.status)));
    }
    *kept = Some(client).filter(|_| !answer.closes());
    Ok(())
}

impl Fared {
    /// The time within which so many of a hundred answers came.
    fn percentile(&self, hundredths: usize) -> Duration {
        let last = self.sorted.len().saturating_sub(1);
        self.sorted.get(last * hundredths / 100).copied().unwrap_or(PATIENCE)
    }

    /// How many requests it has sent.
    pub fn asked(&self) -> usize {
        self.sorted.len()
    }

    /// Whether it was hurt, as a part of the line in which it was there.
    pub fn judge(&self, tally: &mut Tally, when: &str) {
        let (p99, count) = (self.percentile(99), self.sorted.len());
        let text = format!("good client's p99{when} {} of {count}", report::time(p99));
        tally.check(p99 <= P99_MAX, text);
        let first = self.failures.first().map(|first| format!(" ({first})")).unwrap_or_default();
        tally.check(self.failures.is_empty(), format!("{} failures{first}", self.failures.len()));
    }
}
