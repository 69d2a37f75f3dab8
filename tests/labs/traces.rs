//! The trace that a lab writes: that Perfetto can read it, and that what the lab is about is to be seen in it.
//!
//! *Invariant:* nothing here is about how long something took, but about what came before what.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// A track: the process that it is in, its own name, and what is on it in the order of time.
struct Track {
    process: String,
    name: String,
    events: Vec<Event>,
}

struct Event {
    phase: String,
    name: String,
    /// Nanoseconds.
    begin: i64,
    end: i64,
    value: Value,
}

struct Trace(Vec<Track>);

/// Of a lab that has just run, and held.
pub fn assert_shows_the_lab(lab: &str, directory: &Path) {
    let text = fs::read_to_string(directory.join(format!("{lab}.trace.json"))).expect("there is a trace");
    let json: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(json["otherData"]["lab"], lab);
    let trace = Trace::read(json["traceEvents"].as_array().expect("it has events"));
    trace.assert_nested();
    trace.assert_arrows_lead_on();
    trace.assert_lanes_lie_beside_their_clients();
    match lab {
        "starvation" => starvation(&trace),
        "slowloris" => slowloris(&trace),
        "slow-reader" => slow_reader(&trace),
        "backlog" => backlog(&trace),
        "queues" => queues(&trace),
        "drain" => drain(&trace),
        "isolation" => isolation(&trace),
        "switches" => switches(&trace),
        "log-lock" => log_lock(&trace),
        "utilisation" => utilisation(&trace),
        "omission" => omission(&trace),
        _ => panic!("{lab} is no lab"),
    }
}

fn starvation(trace: &Trace) {
    let newcomer = trace.track("blocking-pool", "newcomers").slices("GET").last().expect("they asked").end;
    let left = trace.track("blocking-pool", "idle 4").end();
    assert!(newcomer > left, "one has to leave before the newcomer is answered");
    let left = trace.tracks("millpond", "idle").map(Track::end).min().expect("some stay");
    assert!(trace.track("millpond", "newcomers").slices("GET").all(|asked| asked.end < left));
}

fn slowloris(trace: &Trace) {
    let came = |process, came: &str| {
        trace
            .tracks(process, "drip")
            .filter(|track| track.slices("GET").all(|asked| asked.name.ends_with(came)))
            .count()
    };
    assert_eq!((came("blocking-pool", ": gave up"), came("millpond", ": 408")), (4, 4));
}

fn slow_reader(trace: &Trace) {
    let answered = |process| trace.track(process, "newcomer").slices("GET").last().expect("it asked").end;
    let reads_on = |process| trace.tracks(process, "reader").filter_map(|track| track.at("reads on")).min();
    assert!(reads_on("blocking-pool") < Some(answered("blocking-pool")));
    assert!(reads_on("millpond") > Some(answered("millpond")));
}

fn backlog(trace: &Trace) {
    let late = |process| {
        let left = trace.track(process, "the one that stays").end();
        trace.tracks(process, "client").filter(|track| track.slices("connects").any(|it| it.end > left)).count()
    };
    assert_eq!((late("one-at-a-time"), late("millpond")), (3, 0));
}

fn queues(trace: &Trace) {
    let meanwhile = |process| {
        let opened = trace.track(process, "the lab").at("opens the gate").expect("it is opened");
        trace.tracks(process, "client").filter(|track| track.slices("GET").all(|asked| asked.end < opened)).count()
    };
    assert_eq!((meanwhile("separate-queues"), meanwhile("blocking-pool"), meanwhile("millpond")), (10, 20, 20));
    let pipeline = trace.track("millpond, one connection", "client");
    let opened = trace.track("millpond, one connection", "the lab").at("opens the gate");
    assert_eq!(pipeline.slices("GET").filter(|asked| Some(asked.end) > opened).count(), 21);
}

fn drain(trace: &Trace) {
    let answered =
        |process| trace.tracks(process, "client").filter(|track| track.slices("GET /gate: 200").count() == 1);
    assert_eq!((answered("blocking-pool").count(), answered("millpond").count()), (0, 6));
    let ended = |how: &str| {
        let what = format!("GET /gate: {how} before");
        trace.tracks("blocking-pool", "client").filter(|track| track.slices(&what).count() == 1).count()
    };
    assert_eq!((ended("closed"), ended("reset")), (4, 2), "whose request a worker had read, and whose nobody had");
    let lab = trace.track("millpond", "the lab");
    let (asked, opened) = (lab.at("sends SIGTERM"), lab.at("opens the gate"));
    assert!(asked.is_some() && asked < opened, "the gate is opened after the signal");
}

fn isolation(trace: &Trace) {
    let survivors = |process, mark| {
        let aborted = trace.track(process, "the lab").at(mark).expect("something aborts");
        let is_served = |track: &&Track| track.slices("GET /small.txt: 200").any(|asked| asked.begin > aborted);
        trace.tracks(process, "client").filter(is_served).count()
    };
    assert_eq!(survivors("process-per-worker", "has a worker abort"), 3);
    assert_eq!(survivors("blocking-pool", "sends SIGABRT"), 0);
}

fn switches(trace: &Trace) {
    let batches = |process| trace.track(process, "worker 0").slices("batch").count();
    assert!(batches("millpond, 16 at a time") < batches("millpond, 1 at a time"));
}

fn log_lock(trace: &Trace) {
    for process in ["millpond, the log under a lock", "millpond, the log through a queue"] {
        let answers = trace.tracks(process, "client").flat_map(|track| track.slices("GET /small.txt: 200")).count();
        assert_eq!(answers, 400, "{process}");
    }
}

fn utilisation(trace: &Trace) {
    let waits = |process| trace.tracks(process, "place").flat_map(|track| track.slices("waits")).count();
    assert!(waits("one-at-a-time, busy 30 %") < waits("one-at-a-time, busy 90 %"));
    assert_eq!(trace.most("one-at-a-time, busy 30 %"), trace.tracks("one-at-a-time, busy 30 %", "place").count());
}

fn omission(trace: &Trace) {
    assert_eq!(trace.most("millpond, closed: asks 5 ms after each answer"), 1);
    assert!(trace.most("millpond, open: asks every 5 ms") >= 160);
}

impl Trace {
    /// By the numbers that processes and threads have in it.
    fn read(events: &[Value]) -> Trace {
        let text = |value: &Value| value.as_str().expect("it is text").to_owned();
        let (mut processes, mut tracks) = (HashMap::new(), HashMap::new());
        for event in events.iter().filter(|event| event["ph"] == "M") {
            let (pid, tid, name) = (&event["pid"], &event["tid"], text(&event["args"]["name"]));
            match event["name"].as_str() {
                Some("process_name") => assert!(processes.insert(pid.clone(), name).is_none(), "{event}"),
                Some("thread_name") => {
                    let track = Track { process: processes[pid].clone(), name, events: Vec::new() };
                    assert!(tid.as_u64() > Some(0) && tracks.insert(tid.clone(), track).is_none(), "{event}");
                }
                _ => panic!("{event}"),
            }
        }
        for event in events.iter().filter(|event| event["ph"] != "M") {
            let nanoseconds = |key: &str| event[key].as_f64().map(|micros| (micros * 1e3).round() as i64);
            let begin = nanoseconds("ts").expect("it has a time");
            let value = if event["ph"] == "C" { &event["args"] } else { &event["id"] }.clone();
            let (phase, name, end) =
                (text(&event["ph"]), text(&event["name"]), begin + nanoseconds("dur").unwrap_or(0));
            assert!("XiCstf".contains(&phase), "{event}");
            let track = tracks.get_mut(&event["tid"]).unwrap_or_else(|| panic!("a track without a name: {event}"));
            track.events.push(Event { phase, name, begin, end, value });
        }
        Trace(tracks.into_values().collect())
    }

    /// Of two slices of a track, one is within the other, or behind it; and in the file, too.
    fn assert_nested(&self) {
        for Track { process, name, events } in &self.0 {
            let mut around: Vec<&Event> = Vec::new();
            for slice in events.iter().filter(|event| event.phase == "X") {
                around.retain(|outer| outer.end > slice.begin);
                for outer in &around {
                    assert!(outer.begin <= slice.begin, "{process}, {name}: {} is out of order", slice.name);
                    assert!(slice.end <= outer.end, "{process}, {name}: {} and {} overlap", outer.name, slice.name);
                }
                around.push(slice);
            }
        }
    }

    /// Each begins once, ends once and later, and touches slices only.
    fn assert_arrows_lead_on(&self) {
        let mut arrows: HashMap<&Value, Vec<(i64, &str)>> = HashMap::new();
        for Track { events, .. } in &self.0 {
            for event in events.iter().filter(|event| "stf".contains(&event.phase)) {
                let holds = |slice: &Event| slice.phase == "X" && (slice.begin..=slice.end).contains(&event.begin);
                assert!(events.iter().any(holds), "an arrow that leads nowhere: {}", event.value);
                arrows.entry(&event.value).or_default().push((event.begin, &event.phase));
            }
        }
        for (arrow, mut points) in arrows {
            points.sort_by_key(|(at, phase)| (*at, *phase == "f"));
            let count = |wanted| points.iter().filter(|(_, phase)| *phase == wanted).count();
            assert!(arrow.is_u64() && count("s") == 1 && count("f") == 1, "{arrow}: {points:?}");
            assert!(points[0].1 == "s" && points[points.len() - 1].1 == "f", "{arrow}: {points:?}");
        }
    }

    /// Millpond accepts nobody before the first client begins to connect, nor after that one is answered: its clock and
    /// the lab's are one. From where a client connects, an arrow leads to where it is accepted.
    fn assert_lanes_lie_beside_their_clients(&self) {
        for accept in self.0.iter().filter(|track| track.name == "accept" && track.slices("accept").count() > 1) {
            let clients = || self.tracks(&accept.process, "").filter(|track| track.slices("connects").count() > 0);
            let came = clients().flat_map(|track| track.slices("connects")).map(|slice| slice.begin).min();
            let accepted = accept.slices("accept").filter(|slice| Some(slice.end) > came).map(|slice| slice.end).min();
            let answered = clients().flat_map(|track| track.slices("GET")).map(|slice| slice.end).min();
            assert!(
                accepted.is_some() && accepted < answered,
                "{}: {came:?} {accepted:?} {answered:?}",
                accept.process
            );
            let ends = |track: &Track, phase: &str| {
                track.events.iter().filter(|event| event.phase == phase && event.name == "client").count()
            };
            let (begun, ended) = (clients().map(|track| ends(track, "s")).sum::<usize>(), ends(accept, "f"));
            assert!(begun == ended && ended >= 1, "{}: {begun} arrows, of which {ended} arrive", accept.process);
        }
    }

    /// Those of a process whose names begin like that.
    fn tracks<'t>(&'t self, process: &'t str, name: &'t str) -> impl Iterator<Item = &'t Track> {
        self.0.iter().filter(move |track| track.process == process && track.name.starts_with(name))
    }

    fn track<'t>(&'t self, process: &'t str, name: &'t str) -> &'t Track {
        self.tracks(process, name).next().unwrap_or_else(|| panic!("no track {name} in {process}"))
    }

    /// The largest count of a process.
    fn most(&self, process: &str) -> usize {
        let counts = self.tracks(process, "").flat_map(|track| &track.events).filter(|event| event.phase == "C");
        let values = counts.flat_map(|event| event.value.as_object().expect("it has values").values());
        let most = values.filter_map(Value::as_u64).max().unwrap_or(0);
        usize::try_from(most).expect("it is small")
    }
}

impl Track {
    /// Whose names begin like that.
    fn slices<'t>(&'t self, name: &'t str) -> impl Iterator<Item = &'t Event> {
        self.events.iter().filter(move |event| event.phase == "X" && event.name.starts_with(name))
    }

    /// When the last of it was over.
    fn end(&self) -> i64 {
        self.events.iter().map(|event| event.end).max().expect("there is something on it")
    }

    fn at(&self, mark: &str) -> Option<i64> {
        self.events.iter().find(|event| event.phase == "i" && event.name == mark).map(|event| event.begin)
    }
}
