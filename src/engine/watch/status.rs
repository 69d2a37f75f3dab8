//! Everything that is known, as one JSON object: for the page, for `millpond top`, and for whoever writes a script.
//!
//! Lanes are read from the numbers that a reader gives, `?since=0,120,96`, one for each lane as the last answer's `next`
//! had them. Without numbers no events are told, only where to begin.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::waits::Wait;
use super::{Scene, Watch, recent};
use crate::config;
use crate::engine::CloseReason;
use crate::engine::poller::{join, split};
use crate::http::target::RequestTarget;
use crate::observe::event::{Event, KINDS, PARKED_FOR};
use crate::observe::histogram::{Counts, nanoseconds};
use crate::observe::lanes::{Lane, load};

/// The numbers of the query, if there is one for each lane.
pub fn numbers(target: &RequestTarget<'_>, lanes: usize) -> Option<Vec<u64>> {
    let RequestTarget::Resource { query: Some(query), .. } = target else { return None };
    let since = query.split('&').find_map(|pair| pair.strip_prefix("since="))?;
    let numbers: Vec<u64> = since.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
    (numbers.len() == lanes).then_some(numbers)
}

/// The object.
pub fn render(watch: &Watch, since: Option<&[u64]>) -> String {
    let now = Instant::now();
    let elapsed = watch.elapsed(now);
    let (scene, waits) = watch.look().unzip();
    let queues: Vec<Value> = watch
        .accept_queues()
        .iter()
        .map(|(address, queue)| json!({ "address": address, "length": queue.length, "limit": queue.limit }))
        .collect();
    let [service, waited] = watch.service_and_wait();
    let lately = watch.recent.lock().unwrap_or_else(PoisonError::into_inner).look(
        now,
        watch.epoch,
        &watch.workers,
        watch.glances(),
    );
    let workers: Vec<Value> =
        watch.workers.iter().zip(&lately.busy).map(|(lane, share)| thread(lane, elapsed, Some(*share))).collect();
    let lanes: Vec<Value> = watch
        .lanes()
        .enumerate()
        .map(|(index, (name, lane))| events(&name, lane, since.map(|since| since[index])))
        .collect();
    json!({
        "server": concat!("millpond ", env!("CARGO_PKG_VERSION")),
        "now": elapsed,
        "state": if scene.is_none_or(|scene| scene.finished_leaving.is_some()) { "draining" } else { "serving" },
        "drain": scene.and_then(|scene| scene.finished_leaving).map(|finished| json!({ "finished": finished, "port_closed": scene.is_some_and(|scene| scene.drains) })),
        "pond": scene.map(pond),
        "waits": waits.unwrap_or_default().iter().map(wait).collect::<Vec<_>>(),
        "accept_queues": queues,
        "recent": recently(&lately),
        "service": histogram(&service),
        "wait": histogram(&waited),
        "accepting": thread(&watch.main, elapsed, None),
        "workers": workers,
        "totals": totals(watch, scene),
        "names": { "kinds": KINDS, "parked_for": PARKED_FOR, "closed": CloseReason::NAMES },
        "lanes": lanes,
    })
    .to_string()
}

fn pond(scene: Scene) -> Value {
    let census = scene.census;
    let connections = census.active + census.idle + census.heads + census.rooms + census.turns + census.ends;
    json!({
        "connections": connections,
        "limit": scene.connections_max,
        "active": census.active,
        "idle": census.idle,
        "half_a_head": census.heads,
        "waiting_to_write": census.rooms,
        "turns_due": census.turns,
        "lingering": census.ends,
        "turns_queued": scene.turns_due,
        // Of those above, who watches.
        "watching": scene.watching.min(connections),
    })
}

/// Who waits, for what (a number among the names of `parked_for`), and since when on the same clock as `now`.
fn wait(wait: &Wait) -> Value {
    let Wait { connection, for_what, since } = *wait;
    json!([stay(join(connection.generation, connection.index)), for_what.number(), nanoseconds(since)])
}

fn recently(lately: &recent::Lately) -> Value {
    let seconds = lately.over.as_secs_f64().max(1e-9);
    let rate = lately.responses as f64 / seconds;
    let mean = mean(&lately.service);
    let at = |per_mille| lately.service.quantile(per_mille).as_secs_f64();
    let waited = |per_mille| lately.wait.quantile(per_mille).as_secs_f64();
    json!({
        "over_seconds": lately.over.as_secs_f64(),
        "responses_per_second": rate,
        "bytes_per_second": lately.sent as f64 / seconds,
        "utilisation": lately.busy.iter().sum::<f64>() / lately.busy.len().max(1) as f64,
        "seconds": { "mean": mean, "p50": at(500), "p90": at(900), "p99": at(990), "p99_9": at(999), "max": at(1000) },
        // From the kernel's receipt of what a turn was had for until it was had; of one turn in so many, TCP alone.
        "wait_seconds": { "count": lately.wait.total(), "p50": waited(500), "p99": waited(990), "max": waited(1000) },
        // Little's law: how many are in service on the average. And how many were seen to be.
        "in_service": rate * mean,
        "seen": lately.seen,
    })
}

fn mean(counts: &Counts) -> f64 {
    counts.sum().as_secs_f64() / counts.total().max(1) as f64
}

fn histogram(counts: &Counts) -> Value {
    let buckets: Vec<(u64, u64)> = counts.buckets().map(|(upper, count)| (nanoseconds(upper), count)).collect();
    json!({ "count": counts.total(), "sum": counts.sum().as_secs_f64(), "buckets": buckets })
}

/// One thread's counts. Its share of time is only known of the time lately.
fn thread(lane: &Lane, elapsed: u64, share: Option<f64>) -> Value {
    let counts = &lane.counts;
    let seconds = |nanoseconds: u64| Duration::from_nanos(nanoseconds).as_secs_f64();
    json!({
        "batches": load(&counts.batches),
        "turns": load(&counts.turns),
        "responses": counts.responses.iter().map(load).sum::<u64>(),
        "observed": load(&counts.observed),
        "received_bytes": load(&counts.received),
        "sent_bytes": load(&counts.sent),
        "busy_seconds": seconds(recent::busy(lane, elapsed)),
        "busy_share": share,
        // What it is at, if it doesn't rest, began then.
        "busy_since": Some(load(&counts.since)).filter(|since| *since != 0 && since & 1 == 0),
        "processor_seconds": seconds(load(&counts.processor)),
        "voluntary_switches": load(&counts.voluntary),
        "involuntary_switches": load(&counts.involuntary),
    })
}

/// All threads together.
fn totals(watch: &Watch, scene: Option<Scene>) -> Value {
    let class = |class: usize| watch.sum(|counts| &counts.responses[class]);
    let closed = CloseReason::NAMES.iter().enumerate();
    let closed = closed.map(|(number, name)| (name.to_string(), watch.sum(|counts| &counts.closed[number]).into()));
    let closed: serde_json::Map<String, Value> = closed.collect();
    json!({
        "accepted": watch.sum(|counts| &counts.accepted),
        "responses": (1..6).map(class).sum::<u64>(),
        "by_class": { "2xx": class(2), "3xx": class(3), "4xx": class(4), "5xx": class(5) },
        "observed": watch.sum(|counts| &counts.observed),
        "received_bytes": watch.sum(|counts| &counts.received),
        "sent_bytes": watch.sum(|counts| &counts.sent),
        "closed": closed,
        "panics": scene.map_or(0, |scene| scene.panics),
    })
}

/// What a lane's ring holds from a number on: time, connection, kind and value of each.
fn events(name: &str, lane: &Lane, since: Option<u64>) -> Value {
    let page = match since {
        Some(since) => lane.ring.read(since, config::STATUS_EVENTS_MAX),
        None => lane.ring.read(u64::MAX, 0),
    };
    let events: Vec<(u64, String, u32, u32)> = page.events.iter().map(line).collect();
    let one_in = load(&lane.counts.every).max(1);
    json!({ "name": name, "next": page.next, "missed": page.missed, "one_in": one_in, "events": events })
}

fn line(event: &Event) -> (u64, String, u32, u32) {
    let (kind, value) = event.what.number();
    (event.at, stay(event.connection), kind, value)
}

/// A connection as people read it: its slot, and the how manieth there.
pub fn stay(connection: u64) -> String {
    let (generation, index) = split(connection);
    format!("{index}.{generation}")
}
