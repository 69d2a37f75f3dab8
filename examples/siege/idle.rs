//! Line 1: connections on which nothing happens.

use std::io;
use std::thread;
use std::time::Duration;

use crate::client::{Client, get};
use crate::report::Tally;
use crate::{Siege, Stop, proc};

/// What each may cost, in bytes.
const EACH_BYTES_MAX: f64 = 1024.0;

/// What all of them may cost, in hundredths of a core.
const CORE_HUNDREDTHS_MAX: f64 = 2.0;

/// For what a server does after it has answered; then it is as it stays.
const REST: Duration = Duration::from_secs(1);

pub fn ten_thousand(siege: &Siege) -> Result<Tally, Stop> {
    let (count, server) = (siege.size.idle, &siege.server);
    // millpond keeps a quarter of its descriptors for files.
    if u64::try_from(count).map_or(true, |count| count > proc::descriptors_max() / 4 * 3 - 64) {
        return Err(Stop::Skip("so many connections don't fit under this machine's limit on descriptors (ulimit -Hn)"));
    }
    let request = get(&siege.site.target("small.txt"));
    let before = server.weight();
    let mut clients = Vec::with_capacity(count);
    for index in 0..count {
        let client = hold(siege, &request).map_err(|error| format!("connection {index}: {error}"))?;
        clients.push(client);
    }
    thread::sleep(REST);
    let held = server.weight();
    let share = server.hundredths_of_a_core(siege.size.idle_window);
    let answers = clients.iter_mut().filter_map(|client| client.ask(&request).ok());
    let again = answers.filter(|answer| answer.status == 200).count();

    let mut tally = Tally::default();
    let each = held.resident_kib.saturating_sub(before.resident_kib) as f64 * 1024.0 / count as f64;
    tally.check(each <= EACH_BYTES_MAX, format!("{count} held, {each:.0} bytes each"));
    let threads = held.threads.saturating_sub(before.threads);
    tally.check(threads == 0, format!("{threads} threads more"));
    tally.check(share < CORE_HUNDREDTHS_MAX, format!("{share:.1} % of a core"));
    tally.check(again == count, format!("{again} of {count} answer again"));
    Ok(tally)
}

/// A connection that has been answered, and is kept.
fn hold(siege: &Siege, request: &str) -> io::Result<Client> {
    let mut client = Client::connect(siege.server.address)?;
    match client.ask(request)? {
        answer if answer.status == 200 && !answer.closes() => Ok(client),
        answer => Err(io::Error::other(format!("answered {} and not kept", answer.status))),
    }
}
