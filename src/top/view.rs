//! What two looks at a server come to, in lines that fit eighty columns.

use std::fmt::Write as _;

use serde_json::Value;

use super::waits::{self, Why};
use super::{number, seconds_between};

/// All of it.
pub fn render(address: &str, before: &Value, now: &Value) -> String {
    let mut text = String::new();
    write_all(&mut text, address, before, now).expect("a String takes every text");
    text
}

fn write_all(text: &mut String, address: &str, before: &Value, now: &Value) -> std::fmt::Result {
    let seconds = seconds_between(before, now);
    let rate = |pointer: &str| (number(now, pointer) - number(before, pointer)) / seconds;
    let word =
        |pointer: &str| now.pointer(pointer).and_then(Value::as_str).unwrap_or("?").replace(char::is_control, "?");
    let pond = |key: &str| number(now, &format!("/pond/{key}"));
    writeln!(
        text,
        "{} at {address}: {}, {} of {} connections",
        word("/server"),
        word("/state"),
        pond("connections"),
        pond("limit")
    )?;
    if let Some(finished) = now.pointer("/drain/finished") {
        let others = pond("connections") - pond("watching");
        writeln!(text, "connections waited for {others}, responses finished since the signal {finished}")?;
    }
    writeln!(
        text,
        "requests/s {:<10} sent {:<14} utilisation {:.0} %",
        digits(rate("/totals/responses")),
        format!("{}B/s", scaled(rate("/totals/sent_bytes"))),
        busy(before, now, seconds) * 100.0
    )?;
    lately(text, now)?;
    let queues = now["accept_queues"].as_array().map_or(&[][..], Vec::as_slice);
    let queued = |key: &str| queues.iter().map(|queue| queue[key].as_u64().unwrap_or(0)).sum::<u64>();
    let queue = match now.pointer("/drain/port_closed") {
        Some(Value::Bool(true)) => "the port is closed".to_owned(),
        _ if queues.is_empty() => "accept queue not known".to_owned(),
        _ => format!("accept queue {} of {}", queued("length"), queued("limit")),
    };
    writeln!(text, "{queue}; watching {}, this one among them", pond("watching"))?;
    writeln!(
        text,
        "idle {}, half a head {}, waiting to write {}, turns due {}, lingering {}, with workers {}",
        pond("idle"),
        pond("half_a_head"),
        pond("waiting_to_write"),
        pond("turns_due"),
        pond("lingering"),
        pond("active")
    )?;
    threads(text, before, now, seconds)?;
    writeln!(text, "\n{:<14} {:>14}  WHY", "LONGEST", "UNDER WAY FOR")?;
    for wait in waits::longest(now) {
        let waited = time((number(now, "/now") - wait.since) / 1e9);
        writeln!(text, "{:<14} {waited:>14}  {}", wait.who, why(wait.why))?;
    }
    Ok(())
}

/// What is known of the last seconds; nothing where nothing was finished.
fn lately(text: &mut String, now: &Value) -> std::fmt::Result {
    let known = |is_known: bool, said: String| if is_known { said } else { "–".to_owned() };
    let finished = number(now, "/recent/responses_per_second") > 0.0;
    let took = |key: &str| known(finished, time(number(now, &format!("/recent/seconds/{key}"))));
    writeln!(
        text,
        "over {:.0} s: p50 {}, p99 {}, p99.9 {}, longest {}",
        number(now, "/recent/over_seconds"),
        took("p50"),
        took("p99"),
        took("p99_9"),
        took("max")
    )?;
    let has_waited = number(now, "/recent/wait_seconds/count") > 0.0;
    let waited = |key: &str| known(has_waited, time(number(now, &format!("/recent/wait_seconds/{key}"))));
    writeln!(text, "  waited until a worker took it: p50 {}, p99 {}", waited("p50"), waited("p99"))?;
    let by_law = known(finished, digits(number(now, "/recent/in_service")));
    let seen = digits(number(now, "/recent/seen"));
    writeln!(text, "  in service: {by_law} by Little's law (of those finished), {seen} seen")
}

fn threads(text: &mut String, before: &Value, now: &Value, seconds: f64) -> std::fmt::Result {
    writeln!(
        text,
        "\n{:<10} {:>6} {:>10} {:>10} {:>6} {:>18}",
        "THREAD", "BUSY", "TURNS/S", "PER BATCH", "CPU", "SWITCHES/S OWN/LOST"
    )?;
    let count = now["workers"].as_array().map_or(0, Vec::len);
    let threads = std::iter::once(("accept".to_owned(), "/accepting".to_owned()))
        .chain((0..count).map(|index| (format!("worker {index}"), format!("/workers/{index}"))));
    for (name, at) in threads {
        let more = |key: &str| number(now, &format!("{at}/{key}")) - number(before, &format!("{at}/{key}"));
        let (turns, batches) = (more("turns"), more("batches"));
        writeln!(
            text,
            "{name:<10} {:>4.0} % {:>10} {:>10} {:>4.0} % {:>18}",
            (more("busy_seconds") / seconds * 100.0).min(100.0),
            digits(turns / seconds),
            digits(turns / batches.max(1.0)),
            more("processor_seconds") / seconds * 100.0,
            format!(
                "{} / {}",
                digits(more("voluntary_switches") / seconds),
                digits(more("involuntary_switches") / seconds)
            ),
        )?;
    }
    Ok(())
}

/// The share of the workers' time, from 0 to 1.
fn busy(before: &Value, now: &Value, seconds: f64) -> f64 {
    let workers = now["workers"].as_array().map_or(&[][..], Vec::as_slice);
    let sum = |status: &Value| {
        (0..workers.len()).map(|index| number(status, &format!("/workers/{index}/busy_seconds"))).sum::<f64>()
    };
    let count = workers.len().max(1) as f64;
    ((sum(now) - sum(before)) / seconds / count).clamp(0.0, 1.0)
}

fn why(why: Why) -> &'static str {
    match why {
        Why::Worker => "it is at one batch: it waits for a disk, or computes",
        Why::RestOfHead => "half a head: the rest has not come",
        Why::Room => "waits for room: it is read more slowly than sent",
        Why::Turn => "its turn is due",
    }
}

/// A number with about three digits.
fn digits(number: f64) -> String {
    match number.abs() {
        100.0.. => format!("{number:.0}"),
        10.0..100.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

fn scaled(bytes: f64) -> String {
    match bytes {
        1e9.. => format!("{} G", digits(bytes / 1e9)),
        1e6..1e9 => format!("{} M", digits(bytes / 1e6)),
        1e3..1e6 => format!("{} k", digits(bytes / 1e3)),
        _ => format!("{bytes:.0} "),
    }
}

/// Seconds, in the unit in which they read best.
fn time(seconds: f64) -> String {
    match seconds {
        1.0.. => format!("{} s", digits(seconds)),
        1e-3..1.0 => format!("{} ms", digits(seconds * 1e3)),
        _ => format!("{} µs", digits(seconds * 1e6)),
    }
}
