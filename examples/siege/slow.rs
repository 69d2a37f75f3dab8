//! Lines 2 to 4: clients that are slow to ask, slow to read, or don't read at all.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Client, get};
use crate::crowd::{Attention, Crowd, End, Member};
use crate::report::{self, Tally};
use crate::server::Server;
use crate::{Siege, Stop};

/// What is promised beyond each timeout.
const LATE_MAX: Duration = Duration::from_secs(1);

/// Clocks that tick in milliseconds on both sides.
const EARLY_MAX: Duration = Duration::from_millis(50);

/// How long those are waited for that are too late, to say so and by how much.
const GRACE: Duration = Duration::from_secs(3);

/// A client that reads so much of an answer ...
const SIP_BYTES: usize = 1024;

/// ... in each of these.
const SIP_INTERVAL: Duration = Duration::from_secs(1);

/// What each slow reader may cost in memory, in KiB.
const READER_KIB_MAX: f64 = 4.0;

// ---------------------------------------------------------------------------------------------------------- slow heads

pub fn heads(siege: &Siege) -> Result<Tally, Stop> {
    let timeout = siege.size.head_timeout;
    let (crowd, good) = siege.with_good_client(&siege.server, || drip_to_the_end(siege, timeout));
    let crowd = crowd?;
    let mut tally = Tally::default();
    good.judge(&mut tally, "");
    let count = crowd.members.len();
    let told = crowd.members.iter().filter(|member| member.answer.starts_with(b"HTTP/1.1 408 ")).count();
    tally.check(told == count, format!("{told} of {count} drips answered 408"));
    judge_ends(&mut tally, &crowd, timeout);
    Ok(tally)
}

/// Each begins a head and goes on with it byte by byte, until all have been left or it is far too late.
fn drip_to_the_end(siege: &Siege, timeout: Duration) -> io::Result<Crowd> {
    let target = siege.site.target("small.txt");
    let begun = Instant::now();
    let mut crowd = Crowd::gather(siege.size.drips, Attention::Answers, |_| {
        let mut client = Client::connect(siege.server.address)?;
        client.send(b"G")?;
        Ok(client)
    })?;
    let head = format!("ET {target} HTTP/1.1\r\nHost: siege.test\r\nX-Drip: ");
    // Each gets twenty bytes in its time, a tenth of them at once so that the load has no bursts.
    let interval = timeout / 200;
    let drops = head.bytes().chain(std::iter::repeat(b'x')).flat_map(|byte| [byte; 10]);
    for (step, byte) in drops.enumerate() {
        if crowd.is_over() || begun.elapsed() > timeout + LATE_MAX + GRACE {
            break;
        }
        crowd.members.iter_mut().skip(step % 10).step_by(10).for_each(|member| member.drip(byte));
        crowd.attend(interval)?;
    }
    Ok(crowd)
}

/// Whether each was left when it was to be.
fn judge_ends(tally: &mut Tally, crowd: &Crowd, timeout: Duration) {
    let times: Vec<Duration> = crowd.members.iter().filter_map(Member::took).collect();
    let (first, last) = (times.iter().min(), times.iter().max());
    if let (Some(first), Some(last)) = (first, last) {
        let in_time = *first + EARLY_MAX >= timeout && *last <= timeout + LATE_MAX;
        tally.check(in_time, format!("ended after {} to {}", report::time(*first), report::time(*last)));
    }
    let left = crowd.members.len() - times.len();
    tally.check(left == 0, format!("{left} not ended {} after", report::time(timeout + LATE_MAX + GRACE)));
}

// -------------------------------------------------------------------------------------------------------- slow readers

pub fn readers(siege: &Siege) -> Result<Tally, Stop> {
    let mut tally = Tally::default();
    if siege.subject.is_millpond() {
        for workers in ["4", "1"] {
            // With the default timeouts also in a hurry: who reads so slowly opens its window about once a minute, and
            // would be taken for one that stalls.
            let server = siege.subject.start(siege.site.root(), &["--workers", workers, "--access-log", "off"])?;
            read_slowly(siege, &server, &format!(" ({workers} workers)"), &mut tally)?;
        }
    } else {
        read_slowly(siege, &siege.server, "", &mut tally)?;
        tally.skip("with 1 worker, which takes an option");
    }
    Ok(tally)
}

fn read_slowly(siege: &Siege, server: &Server, which: &str, tally: &mut Tally) -> Result<(), Stop> {
    let request = get(&siege.site.target("big.bin"));
    warm_up(siege, server, &request)?;
    let before = server.weight();
    let (result, good) = siege.with_good_client(server, || -> io::Result<_> {
        let mut crowd = Crowd::gather(siege.size.readers, Attention::End, |_| {
            let mut client = Client::connect(server.address)?;
            client.send(&request)?;
            Ok(client)
        })?;
        let since = Instant::now();
        while since.elapsed() < siege.size.reading {
            crowd.attend(SIP_INTERVAL)?;
            crowd.members.iter_mut().for_each(|member| member.sip(SIP_BYTES));
        }
        Ok((crowd, server.weight()))
    });
    let (crowd, held) = result?;
    good.judge(tally, which);
    let count = crowd.members.len();
    let each = held.resident_kib.saturating_sub(before.resident_kib) as f64 / count as f64;
    tally.check(each <= READER_KIB_MAX, format!("{each:.1} KiB for each of {count} readers"));
    let cut = crowd.members.iter().filter(|member| member.ended.is_some()).count();
    tally.check(cut == 0, format!("{cut} of them cut within {}", report::time(siege.size.reading)));
    Ok(())
}

/// So that what a worker needs once, for any number of clients, is not counted as what each of these needs.
fn warm_up(siege: &Siege, server: &Server, request: &str) -> io::Result<()> {
    const AT_A_TIME: usize = 16;
    let small = get(&siege.site.target("small.txt"));
    let ask = || -> io::Result<()> {
        let mut download = Client::connect_narrow(server.address)?;
        download.send(request)?;
        download.head()?;
        for _ in 0..50 {
            download.take(64 * 1024)?;
            Client::connect(server.address)?.ask(&small)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a client does not panic"))
    })
}

// ----------------------------------------------------------------------------------------------------- stalled readers

pub fn stalled(siege: &Siege) -> Result<Tally, Stop> {
    let (timeout, address) = (siege.size.stall_timeout, siege.server.address);
    let request = get(&siege.site.target("big.bin"));
    let mut crowd = Crowd::gather(siege.size.stalled, Attention::End, |index| {
        let mut client = Client::connect_narrow(address)?;
        client.send(&request)?;
        // Every second one reads for a while, and then no more.
        if index % 2 == 1 {
            client.head()?;
            client.take(8 * 1024 * 1024)?;
        }
        Ok(client)
    })?;
    let begun = Instant::now();
    while !crowd.is_over() && begun.elapsed() < timeout + LATE_MAX + GRACE {
        crowd.attend(Duration::from_millis(50))?;
    }
    let mut tally = Tally::default();
    judge_ends(&mut tally, &crowd, timeout);
    let count = crowd.members.len();
    let reset = crowd.members.iter().filter(|member| matches!(member.ended, Some((_, End::Reset)))).count();
    tally.check(reset == count, format!("{reset} of {count} reset"));
    if address.is_ipv6() {
        tally.skip("what the kernel keeps: its table is read for IPv4 alone");
        return Ok(tally);
    }
    let kept = kept_by_the_kernel(address, &crowd)?;
    tally.check(kept == 0, format!("{kept} still in the kernel's memory"));
    Ok(tally)
}

/// How many of them the kernel still has on the server's side: after a FIN it keeps what nobody reads.
fn kept_by_the_kernel(server: SocketAddr, crowd: &Crowd) -> io::Result<usize> {
    let hex = |address: SocketAddr| match address {
        SocketAddr::V4(four) => format!("{:08X}:{:04X}", u32::from_ne_bytes(four.ip().octets()), four.port()),
        SocketAddr::V6(_) => String::new(), // in another table
    };
    let table = fs::read_to_string("/proc/net/tcp")?;
    let pairs: HashSet<(&str, &str)> = table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .collect();
    let mut kept = 0;
    for member in &crowd.members {
        let (from, to) = (hex(server), hex(member.local_address()?));
        kept += usize::from(pairs.contains(&(from.as_str(), to.as_str())));
    }
    Ok(kept)
}
