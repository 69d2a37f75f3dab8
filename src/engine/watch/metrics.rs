//! The same counts for Prometheus, in its text format.
//!
//! Names follow its rules: base units, `_total` for what only grows, and a `HELP` and a `TYPE` for each. The histogram has
//! far coarser buckets than the server counts in; `status.json` has those.

use std::fmt::{Display, Write as _};
use std::time::{Duration, Instant};

use super::{Watch, recent};
use crate::engine::CloseReason;
use crate::observe::histogram::Counts;
use crate::observe::lanes::{Lane, load};

/// Upper bounds in microseconds: from what a request in memory takes to what a person gives up over.
const BOUNDS: [u64; 14] =
    [10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000, 50_000, 250_000, 1_000_000, 5_000_000, 30_000_000];

/// The text.
pub fn render(watch: &Watch) -> String {
    let mut text = Text(String::with_capacity(8 * 1024));
    of_connections(watch, &mut text);
    of_responses(watch, &mut text);
    of_workers(watch, &mut text);
    text.0
}

fn of_connections(watch: &Watch, text: &mut Text) {
    text.family("millpond_build_info", "gauge", "Which millpond this is.");
    text.sample("millpond_build_info", &[("version", &env!("CARGO_PKG_VERSION"))], 1);
    if let Some((scene, _)) = watch.look() {
        let census = scene.census;
        text.family("millpond_connections", "gauge", "Connections held, by what they wait for.");
        for (state, count) in [
            ("active", census.active),
            ("idle", census.idle),
            ("half_a_head", census.heads),
            ("waiting_to_write", census.rooms),
            ("turn_due", census.turns),
            ("lingering", census.ends),
        ] {
            text.sample("millpond_connections", &[("state", &state)], count);
        }
        text.family("millpond_connections_limit", "gauge", "Connections that may be held.");
        text.sample("millpond_connections_limit", &[], scene.connections_max);
        text.family("millpond_draining", "gauge", "Whether the end has been asked for.");
        text.sample("millpond_draining", &[], u8::from(scene.finished_leaving.is_some()));
        text.family("millpond_panics_total", "counter", "Turns that ended in a panic.");
        text.sample("millpond_panics_total", &[], scene.panics);
    }
    let queues = watch.accept_queues();
    if !queues.is_empty() {
        text.family("millpond_accept_queue_length", "gauge", "Connections that wait in the kernel to be accepted.");
        for (address, queue) in &queues {
            text.sample("millpond_accept_queue_length", &[("address", address)], queue.length);
        }
        text.family("millpond_accept_queue_limit", "gauge", "Connections that may wait there.");
        for (address, queue) in &queues {
            text.sample("millpond_accept_queue_limit", &[("address", address)], queue.limit);
        }
    }
    text.family("millpond_accepted_connections_total", "counter", "Connections that were let in.");
    text.sample("millpond_accepted_connections_total", &[], watch.sum(|counts| &counts.accepted));
    text.family("millpond_closed_connections_total", "counter", "Connections that were closed, by the reason.");
    for (number, reason) in CloseReason::NAMES.iter().enumerate() {
        let count = watch.sum(|counts| &counts.closed[number]);
        text.sample("millpond_closed_connections_total", &[("reason", reason)], count);
    }
}

fn of_responses(watch: &Watch, text: &mut Text) {
    text.family("millpond_responses_total", "counter", "Responses sent to their end, but for those to who watches.");
    for (class, name) in ["2xx", "3xx", "4xx", "5xx"].iter().enumerate() {
        let count = watch.sum(|counts| &counts.responses[class + 2]);
        text.sample("millpond_responses_total", &[("class", name)], count);
    }
    text.family("millpond_observer_responses_total", "counter", "Responses to who watches.");
    text.sample("millpond_observer_responses_total", &[], watch.sum(|counts| &counts.observed));
    text.family("millpond_received_bytes_total", "counter", "Bytes received.");
    text.sample("millpond_received_bytes_total", &[], watch.sum(|counts| &counts.received));
    text.family("millpond_sent_bytes_total", "counter", "Bytes that the kernel took to send.");
    text.sample("millpond_sent_bytes_total", &[], watch.sum(|counts| &counts.sent));

    let [service, wait] = watch.service_and_wait();
    let help = "From the taking of a request until the kernel has the last byte of its response.";
    text.histogram("millpond_request_duration_seconds", help, &service);
    let help = "From the kernel's receipt of what a turn was had for until it was had; of one turn in so many.";
    text.histogram("millpond_turn_wait_seconds", help, &wait);
}

/// One metric of all workers: its name, its help, and its value for each.
type OfWorkers<'w> = (&'w str, &'w str, &'w dyn Fn(&Lane) -> f64);

fn of_workers(watch: &Watch, text: &mut Text) {
    let elapsed = watch.elapsed(Instant::now());
    let seconds = |nanoseconds: u64| Duration::from_nanos(nanoseconds).as_secs_f64();
    let families: [OfWorkers<'_>; 4] = [
        ("millpond_worker_busy_seconds_total", "Time between two rests.", &|lane| seconds(recent::busy(lane, elapsed))),
        ("millpond_worker_cpu_seconds_total", "Processor time of the thread.", &|lane| {
            seconds(load(&lane.counts.processor))
        }),
        ("millpond_worker_turns_total", "Turns of connections.", &|lane| load(&lane.counts.turns) as f64),
        ("millpond_worker_batches_total", "Batches of ready connections.", &|lane| load(&lane.counts.batches) as f64),
    ];
    for (name, help, value) in families {
        text.family(name, "counter", help);
        for (number, lane) in watch.workers.iter().enumerate() {
            text.sample(name, &[("worker", &number)], value(lane));
        }
    }
    let name = "millpond_worker_context_switches_total";
    text.family(name, "counter", "Times that the thread gave the processor up, or lost it.");
    for (number, lane) in watch.workers.iter().enumerate() {
        let kinds = [("voluntary", &lane.counts.voluntary), ("involuntary", &lane.counts.involuntary)];
        for (kind, count) in kinds {
            text.sample(name, &[("worker", &number), ("kind", &kind)], load(count));
        }
    }
}

/// The text, line by line.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        self.line(format_args!("{name}"));
        for (index, (label, value)) in labels.iter().enumerate() {
            // Addresses may be paths, which may hold anything.
            let value = value.to_string().replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            self.line(format_args!("{}{label}=\"{value}\"", if index == 0 { '{' } else { ',' }));
        }
        self.line(format_args!("{} {value}\n", if labels.is_empty() { "" } else { "}" }));
    }

    fn histogram(&mut self, name: &str, help: &str, counts: &Counts) {
        self.family(name, "histogram", help);
        for bound in BOUNDS.map(Duration::from_micros) {
            self.sample(&format!("{name}_bucket"), &[("le", &bound.as_secs_f64())], counts.at_most(bound));
        }
        self.sample(&format!("{name}_bucket"), &[("le", &"+Inf")], counts.total());
        self.sample(&format!("{name}_sum"), &[], counts.sum().as_secs_f64());
        self.sample(&format!("{name}_count"), &[], counts.total());
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a String takes every text");
    }
}
