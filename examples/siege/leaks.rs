//! Line 13: what is left when everybody has gone.

use crate::client::PATIENCE;
use crate::report::Tally;
use crate::server::wait_until;
use crate::{Siege, Stop};

const GROWTH_KIB_MAX: u64 = 8 * 1024;

/// The server of most of the lines, against what it was before the first.
pub fn none(siege: &Siege) -> Result<Tally, Stop> {
    let before = siege.weight;
    // What is kept for who asks again is let go of after a while.
    wait_until(PATIENCE, || {
        let now = siege.server.weight();
        now.descriptors <= before.descriptors
            && now.threads <= before.threads
            && now.resident_kib <= before.resident_kib + GROWTH_KIB_MAX
    });
    let now = siege.server.weight();
    let mut tally = Tally::default();
    let descriptors = now.descriptors.saturating_sub(before.descriptors);
    tally.check(descriptors == 0, format!("descriptors +{descriptors}"));
    let threads = now.threads.saturating_sub(before.threads);
    tally.check(threads == 0 && now.threads > 0, format!("threads +{threads}"));
    let grown = now.resident_kib.saturating_sub(before.resident_kib);
    let text = format!("memory +{:.1} MiB, to {:.1}", grown as f64 / 1024.0, now.resident_kib as f64 / 1024.0);
    tally.check(grown <= GROWTH_KIB_MAX, text);
    Ok(tally)
}
