//! Whoever logs never waits, every line is written whole or counted, and the end comes by its deadline.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use millpond::observe::log_queue::{Closed, DROP_REPORT_INTERVAL, DropReport, DropWatch, LogQueue};

/// Far more than anything here takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A sink that lets nothing through while it is shut, and what came through it.
#[derive(Clone)]
struct Gate {
    inside: Arc<(Mutex<Inside>, Condvar)>,
}

struct Inside {
    shut: bool,
    waiting: bool,
    bytes: Vec<u8>,
}

impl Gate {
    fn shut() -> Gate {
        let inside = Inside { shut: true, waiting: false, bytes: Vec::new() };
        Gate { inside: Arc::new((Mutex::new(inside), Condvar::new())) }
    }

    fn open() -> Gate {
        let gate = Gate::shut();
        gate.lift();
        gate
    }

    fn lift(&self) {
        self.inside.0.lock().unwrap().shut = false;
        self.inside.1.notify_all();
    }

    /// Waits until the writer hangs in this sink.
    fn until_blocked(&self) {
        self.until(|inside| inside.waiting);
    }

    fn until_has(&self, bytes: &[u8]) {
        self.until(|inside| inside.bytes == bytes);
    }

    fn until(&self, condition: impl Fn(&Inside) -> bool) {
        let (inside, changed) = &*self.inside;
        let (_inside, waited) =
            changed.wait_timeout_while(inside.lock().unwrap(), PATIENCE, |inside| !condition(inside)).unwrap();
        assert!(!waited.timed_out(), "the sink did not come to that");
    }

    fn bytes(&self) -> Vec<u8> {
        self.inside.0.lock().unwrap().bytes.clone()
    }
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (inside, changed) = &*self.inside;
        let mut inside = inside.lock().unwrap();
        inside.waiting = true;
        changed.notify_all();
        let mut inside = changed.wait_while(inside, |inside| inside.shut).unwrap();
        inside.waiting = false;
        inside.bytes.extend_from_slice(bytes);
        changed.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink that does what the next of its steps says, and takes everything when there are none left.
struct Steps {
    steps: VecDeque<Step>,
    gate: Gate,
}

enum Step {
    Take(usize),
    Fail(ErrorKind),
}

impl Write for Steps {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.steps.pop_front() {
            None => self.gate.write(bytes),
            Some(Step::Take(count)) => self.gate.write(&bytes[..count.min(bytes.len())]),
            Some(Step::Fail(kind)) => Err(kind.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink that says when it is let go of.
struct Farewell(Gate, #[expect(dead_code, reason = "only its end is heard")] Sender<()>);

impl Write for Farewell {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn start(sink: impl Write + Send + 'static, bytes_max: usize) -> LogQueue {
    LogQueue::start("log", sink, bytes_max).unwrap()
}

/// A queue whose writer hangs in the sink with the line `first` in its hands, so that nothing leaves the buffer.
fn blocked(bytes_max: usize) -> (LogQueue, Gate) {
    let gate = Gate::shut();
    let queue = start(gate.clone(), bytes_max);
    queue.push(b"first\n");
    gate.until_blocked();
    (queue, gate)
}

#[test]
fn lines_come_out_in_the_order_they_went_in() {
    let gate = Gate::open();
    let queue = start(gate.clone(), 1000);
    queue.push(b"a\n");
    queue.push(b"b\n");
    queue.push(b"c\n");
    assert_eq!(queue.close(PATIENCE), Closed::Drained);
    assert_eq!(gate.bytes(), b"a\nb\nc\n");
    assert_eq!(queue.dropped(), 0);
}

#[test]
fn a_line_needs_no_other_to_push_it_out() {
    let gate = Gate::open();
    let queue = start(gate.clone(), 1000);
    let mut expected = Vec::new();
    for line in [b"a\n", b"b\n", b"c\n"] {
        queue.push(line);
        expected.extend_from_slice(line);
        gate.until_has(&expected);
    }
}

#[test]
fn behind_a_blocked_sink_lines_gather_and_what_has_no_room_is_dropped_whole_and_counted() {
    let (queue, gate) = blocked(10);
    for line in [b"1234\n", b"5678\n"] {
        queue.push(line);
    }
    assert_eq!(queue.dropped(), 0, "they fit exactly");
    for dropped in 1..=10_000 {
        queue.push(b"x\n");
        assert_eq!(queue.dropped(), dropped);
    }
    gate.lift();
    assert_eq!(queue.close(PATIENCE), Closed::Drained);
    assert_eq!(gate.bytes(), b"first\n1234\n5678\n");
    assert_eq!(queue.dropped(), 10_000);
}

#[test]
fn a_line_that_is_too_long_makes_way_for_one_that_fits() {
    let (queue, gate) = blocked(10);
    queue.push(b"12345678\n");
    queue.push(b"12\n");
    queue.push(b"\n");
    queue.push(b"");
    assert_eq!(queue.dropped(), 1);
    gate.lift();
    queue.close(PATIENCE);
    assert_eq!(gate.bytes(), b"first\n12345678\n\n");
}

#[test]
fn a_line_longer_than_the_buffer_is_always_dropped() {
    let gate = Gate::open();
    let queue = start(gate.clone(), 10);
    queue.push(b"1234567890\n");
    queue.push(b"123456789\n");
    assert_eq!(queue.close(PATIENCE), Closed::Drained);
    assert_eq!((gate.bytes(), queue.dropped()), (b"123456789\n".to_vec(), 1));
}

#[test]
fn a_record_of_several_lines_is_dropped_whole_and_counts_as_many() {
    let (queue, gate) = blocked(10);
    queue.push(b"12345678\n");
    queue.push(b"a\n  b\n  c\n");
    assert_eq!(queue.dropped(), 3);
    gate.lift();
    queue.close(PATIENCE);
    assert_eq!(gate.bytes(), b"first\n12345678\n");
}

/// Waits for the writer to count: nobody is told of it, so this asks again and again.
fn until_dropped(queue: &LogQueue, lines: u64) {
    let begun = Instant::now();
    while queue.dropped() < lines {
        assert!(begun.elapsed() < PATIENCE, "only {} lines were dropped", queue.dropped());
        thread::yield_now();
    }
}

#[test]
fn what_a_sink_refuses_is_counted_and_the_next_line_tried_again() {
    for kind in [ErrorKind::BrokenPipe, ErrorKind::StorageFull] {
        let gate = Gate::open();
        let queue = start(Steps { steps: VecDeque::from([Step::Fail(kind)]), gate: gate.clone() }, 1000);
        queue.push(b"a\n");
        until_dropped(&queue, 1);
        queue.push(b"b\n");
        assert_eq!(queue.close(PATIENCE), Closed::Drained);
        assert_eq!((gate.bytes(), queue.dropped()), (b"b\n".to_vec(), 1), "{kind}");
    }
}

#[test]
fn no_line_is_glued_to_one_that_a_failing_sink_took_in_part() {
    let (gate, full) = (Gate::shut(), ErrorKind::StorageFull);
    // Two lines in one batch: the first and half of the second go through, then the disk is full for a while.
    let steps = VecDeque::from([Step::Take(6), Step::Take(5), Step::Fail(full), Step::Fail(full)]);
    let queue = start(Steps { steps, gate: gate.clone() }, 1000);
    queue.push(b"first\n");
    gate.until_blocked();
    queue.push(b"ab\n");
    queue.push(b"cdef\n");
    gate.lift();
    until_dropped(&queue, 1);
    queue.push(b"gh\n");
    until_dropped(&queue, 2);
    queue.push(b"ij\n");
    assert_eq!(queue.close(PATIENCE), Closed::Drained);
    assert_eq!((gate.bytes(), queue.dropped()), (b"first\nab\ncd\nij\n".to_vec(), 2));
}

#[test]
fn a_sink_that_takes_little_at_a_time_or_says_not_now_gets_everything() {
    let gate = Gate::open();
    let steps = VecDeque::from([
        Step::Fail(ErrorKind::Interrupted),
        Step::Take(1),
        Step::Fail(ErrorKind::WouldBlock),
        Step::Take(2),
        Step::Fail(ErrorKind::Interrupted),
    ]);
    let queue = start(Steps { steps, gate: gate.clone() }, 1000);
    queue.push(b"abcdef\n");
    queue.push(b"ghi\n");
    assert_eq!(queue.close(PATIENCE), Closed::Drained);
    assert_eq!((gate.bytes(), queue.dropped()), (b"abcdef\nghi\n".to_vec(), 0));
}

/// Has `threads` push `lines` numbered lines each, and returns when they have.
fn push_from_many(queue: &LogQueue, threads: usize, lines: usize) {
    thread::scope(|scope| {
        for pusher in 0..threads {
            let queue = queue.clone();
            scope.spawn(move || {
                for line in 0..lines {
                    queue.push(format!("{pusher} {line} {}\n", "x".repeat(line % 50)).as_bytes());
                }
            });
        }
    });
}

/// Checks that every line is one that a pusher pushed, and each pusher's are in order; returns how many there are.
fn count_whole_lines(bytes: &[u8], threads: usize) -> usize {
    let text = str::from_utf8(bytes).unwrap();
    let mut next = vec![0; threads];
    for line in text.split_terminator('\n') {
        let pieces = line.split(' ').collect::<Vec<_>>();
        let [pusher, number, filling] = pieces[..] else { panic!("torn: {line:?}") };
        let (pusher, number): (usize, usize) = (pusher.parse().unwrap(), number.parse().unwrap());
        assert_eq!(filling, "x".repeat(number % 50), "torn: {line:?}");
        assert!(number >= next[pusher], "out of order: {line:?}");
        next[pusher] = number + 1;
    }
    text.lines().count()
}

#[test]
fn of_many_threads_no_line_is_lost_while_there_is_room() {
    let gate = Gate::open();
    let queue = start(gate.clone(), 8 * 2000 * 64);
    push_from_many(&queue, 8, 2000);
    assert_eq!(queue.close(PATIENCE), Closed::Drained);
    assert_eq!(count_whole_lines(&gate.bytes(), 8), 8 * 2000);
    assert_eq!(queue.dropped(), 0);
}

#[test]
fn of_many_threads_every_line_is_written_whole_or_counted_when_there_is_none() {
    for bytes_max in [64, 100, 1000, 10_000] {
        let gate = Gate::open();
        let queue = start(gate.clone(), bytes_max);
        push_from_many(&queue, 8, 1000);
        assert_eq!(queue.close(PATIENCE), Closed::Drained);
        let written = u64::try_from(count_whole_lines(&gate.bytes(), 8)).unwrap();
        assert_eq!(written + queue.dropped(), 8 * 1000, "with room for {bytes_max} bytes");
    }
}

#[test]
fn the_end_does_not_wait_for_a_blocked_sink_longer_than_its_deadline() {
    let (queue, gate) = blocked(100);
    queue.push(b"a\n");
    queue.push(b"b\n");
    let begun = Instant::now();
    assert_eq!(queue.close(Duration::from_millis(50)), Closed::CutOff { lines: 3 });
    assert!(begun.elapsed() < PATIENCE / 2);

    queue.push(b"too late\n");
    assert_eq!(queue.dropped(), 1);

    // And if it moves again after all, nothing of what had been taken is lost.
    gate.lift();
    assert_eq!(queue.close(PATIENCE), Closed::Drained);
    assert_eq!((gate.bytes(), queue.dropped()), (b"first\na\nb\n".to_vec(), 1));
}

#[test]
fn a_closed_queue_takes_nothing_and_may_be_closed_again() {
    let gate = Gate::open();
    let queue = start(gate.clone(), 100);
    assert_eq!(queue.close(PATIENCE), Closed::Drained);
    queue.push(b"a\n");
    assert_eq!(queue.close(Duration::ZERO), Closed::Drained);
    assert_eq!((gate.bytes(), queue.dropped()), (Vec::new(), 1));
}

#[test]
fn when_the_last_handle_goes_what_waits_is_written_and_the_writer_ends() {
    let (said, heard): (Sender<()>, Receiver<()>) = mpsc::channel();
    let gate = Gate::shut();
    let queue = start(Farewell(gate.clone(), said), 100);
    let other = queue.clone();
    queue.push(b"a\n");
    drop(queue);
    other.push(b"b\n");
    drop(other);
    gate.lift();
    assert_eq!(heard.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Disconnected));
    assert_eq!(gate.bytes(), b"a\nb\n");
}

#[test]
fn what_is_written_in_pieces_becomes_one_line_at_its_flush() {
    let (queue, gate) = blocked(20);
    let mut writer = queue.record_writer();
    writer.write_all(b"one ").unwrap();
    queue.push(b"between\n");
    writer.write_all(b"line\n").unwrap();
    writer.flush().unwrap();
    writer.flush().unwrap();
    writer.write_all(b"has no room\n").unwrap();
    writer.flush().unwrap();
    assert_eq!(queue.dropped(), 1);
    write!(writer, "{}", 1).unwrap();
    drop(writer);
    gate.lift();
    assert_eq!(queue.close(PATIENCE), Closed::Drained);
    assert_eq!(gate.bytes(), b"first\nbetween\none line\n1\n");
}

#[test]
fn drops_are_reported_at_most_once_in_an_interval_and_none_is_forgotten() {
    let (queue, _gate) = blocked(0x10);
    queue.push(b"0123456789abcde\n");
    let mut watch = DropWatch::new(queue.clone());
    let start = Instant::now();
    let almost = DROP_REPORT_INTERVAL - Duration::from_nanos(1);
    for (dropped_before, at, report) in [
        (0, Duration::ZERO, None),
        (2, Duration::ZERO, Some(DropReport { lines: 2, lines_in_all: 2 })),
        (3, almost, None),
        (4, DROP_REPORT_INTERVAL, Some(DropReport { lines: 7, lines_in_all: 9 })),
        (0, DROP_REPORT_INTERVAL * 2, None),
        (1, DROP_REPORT_INTERVAL * 2, Some(DropReport { lines: 1, lines_in_all: 10 })),
        (1, DROP_REPORT_INTERVAL * 9, Some(DropReport { lines: 1, lines_in_all: 11 })),
    ] {
        for _ in 0..dropped_before {
            queue.push(b"x\n");
        }
        assert_eq!(watch.report(start + at), report, "{dropped_before} more by {at:?}");
    }
}

#[test]
fn the_line_that_starts_a_batch_while_the_writer_rests_is_not_forgotten() {
    // Pushes at every phase of write, rest and park; each must come out though no other follows it.
    let gate = Gate::open();
    let queue = start(gate.clone(), 1000);
    let mut expected = Vec::new();
    for line in 0..200_u32 {
        let text = format!("{line}\n");
        queue.push(text.as_bytes());
        expected.extend_from_slice(text.as_bytes());
        if line.is_multiple_of(10) {
            gate.until_has(&expected);
        }
    }
    gate.until_has(&expected);
    assert_eq!(queue.dropped(), 0);
}
