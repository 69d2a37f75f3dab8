//! Millpond's own lanes beside its clients: the trace that it shows who watches it, laid on the lab's timeline.
//!
//! Both are read from the monotonic clock of this machine and begin at different moments, which both tell; so the one is
//! moved by the difference.

use std::io;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::client::Client;
use crate::event::{Event, Phase};
use crate::timeline::Process;

/// As `millpond --watch` wants to be asked: by a name of this machine.
const QUESTION: &str = "GET /.millpond/trace.json HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Arrows of millpond's own have the numbers of connections, which are smaller.
const FIRST_ARROW: u64 = 1 << 50;

/// Somebody who watches a server, and what was seen last.
#[derive(Debug, Default)]
pub struct Watcher {
    client: Option<Client>,
    seen: Value,
}

impl Watcher {
    /// Looks at what its threads did lately.
    ///
    /// # Errors
    /// When it has ended, or isn't to be watched. What was seen before still counts.
    pub fn look(&mut self, address: SocketAddr) -> io::Result<()> {
        let mut client = self.client.take().map_or_else(|| Client::connect(address), Ok)?;
        self.seen = serde_json::from_slice(&client.ask(QUESTION)?.content)?;
        self.client = Some(client);
        Ok(())
    }

    /// Lays it beside the clients of that server.
    pub fn lay(&self, process: &Process) {
        lay(&self.seen, process);
    }
}

fn lay(trace: &Value, process: &Process) {
    let begun = nanoseconds(&trace["otherData"]["clock_monotonic_us_at_0"]);
    let later = begun.saturating_sub(process.timeline().monotonic_epoch());
    // Those that lead from a client to where it is accepted.
    let (clients, mut arrows) = (process.clients(), 0..);
    let client_arrow = |phase, at| Event { phase, name: "client".to_owned(), at, args: json!({}) };
    let events = || trace["traceEvents"].as_array().into_iter().flatten();
    for lane in events().filter(|event| event["name"] == "thread_name") {
        let track = process.track(lane["args"]["name"].as_str().unwrap_or("lane"));
        for event in events().filter(|event| event["tid"] == lane["tid"]) {
            let arrow = process.number(event["id"].as_u64().unwrap_or(0));
            let phase = match event["ph"].as_str() {
                Some("X") => Phase::Slice(nanoseconds(&event["dur"])),
                Some("s") => Phase::Begin(arrow),
                Some("t") => Phase::Through(arrow),
                Some("f") => Phase::End(arrow),
                _ => continue,
            };
            let name = event["name"].as_str().unwrap_or_default().to_owned();
            let event = Event { phase, name, at: nanoseconds(&event["ts"]) + later, args: event["args"].clone() };
            if let Some(port) = event.args["port"].as_u64() {
                let came = clients.get(&port).into_iter().flatten().filter(|(came, _)| *came < event.end());
                if let Some((came, client)) = came.max_by_key(|(came, _)| *came) {
                    let arrow = process.number(FIRST_ARROW + arrows.next().unwrap_or(0));
                    client.put(client_arrow(Phase::Begin(arrow), *came));
                    track.put(client_arrow(Phase::End(arrow), event.end()));
                }
            }
            track.put(event);
        }
    }
}

/// From microseconds, as a trace has them.
fn nanoseconds(micros: &Value) -> u64 {
    // Not negative, and right to a few nanoseconds for years.
    (micros.as_f64().unwrap_or(0.0) * 1e3).round() as u64
}
