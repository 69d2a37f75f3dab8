//! Lines go into a buffer and a thread of its own writes them, so that whoever logs never waits for who reads the log.
//!
//! *Invariants*
//! - [`push`](LogQueue::push) takes a line whole or drops it whole; lines come out in the order they went in.
//! - It never waits for the sink: the lock is held to copy bytes or swap buffers, never over I/O.
//! - Every line is written or counted as dropped. (One that a failing sink took in part is counted too.)
//! - At most twice `bytes_max` is held: what waits, and what is being written.
//!
//! *Two buffers.* Lines are appended to one while the writer empties the other; then they change places. Both have
//! their full capacity from the start, which costs no memory until it is used, so that no push allocates.
//!
//! *A busy push makes no system call.* Waking a thread is a system call and costs more than the line. So after each
//! write the writer rests for [`REST`], in which lines gather for the next one; it parks, and so has to be woken, only
//! when it found none after a rest. Then the first line that comes wakes it and appears at once.
//!
//! *What was dropped is said* by whoever polls a [`DropWatch`], not by this thread: when it matters, this thread hangs
//! in a blocked write and can say nothing. Nor by `push`, which would log while it logs. A poll can't recurse.
//!
//! Rejected: a channel of lines (an allocation and often a system call per line); dropping the oldest lines (what came
//! first explains what came after, and it would mean moving the buffer).

use std::io::{self, ErrorKind, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long the writer gathers lines before it writes again. At 50 writes a second logging costs no measurable time,
/// and somebody who watches the log sees no delay; at 20 MB of log a second 400 KB gather in it.
pub const REST: Duration = Duration::from_millis(20);

/// A warning about dropped lines may come once in so long, so that it does not become the flood itself.
pub const DROP_REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// The way into the queue: cheap to clone, and any thread may have one. The writer ends when the last one is dropped.
#[derive(Clone, Debug)]
pub struct LogQueue {
    ends: Arc<EndsWithLast>,
}

/// How [`LogQueue::close`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Every line that was taken has been given to the sink, and the writer is gone.
    Drained,
    /// The deadline came first; so many lines had not been written yet.
    CutOff { lines: u64 },
}

impl LogQueue {
    /// Starts the writer. `bytes_max` bounds the lines that wait: one longer than that is always dropped.
    ///
    /// The sink had better have no buffer of its own (a `File`, not `io::stdout()`): the queue is one already, and only
    /// of such a sink is it known which lines a failed write lost.
    pub fn start(thread_name: &str, sink: impl Write + Send + 'static, bytes_max: usize) -> io::Result<LogQueue> {
        let waiting = Vec::with_capacity(bytes_max);
        let state =
            State { waiting, waiting_lines: 0, writer: Writer::Writing, writing_lines: 0, dropped: 0, end: End::Open };
        let shared = Shared { bytes_max, state: Mutex::new(state), wakes: Condvar::new(), ended: Condvar::new() };
        let shared = Arc::new(shared);
        let writers = Arc::clone(&shared);
        thread::Builder::new()
            .name(thread_name.to_owned())
            .spawn(move || write_until_closed(&writers, Outlet { sink, at: At::LineStart }))?;
        Ok(LogQueue { ends: Arc::new(EndsWithLast { shared }) })
    }

    /// Queues a line, its line end included, or drops and counts it when there is no room or the queue is closed.
    pub fn push(&self, line: &[u8]) {
        let shared = &self.ends.shared;
        let lines = count_lines(line).max(1);
        let wake = {
            let mut state = shared.lock();
            state.take_in(line, lines, shared.bytes_max)
        };
        // After the lock is free, so that the writer does not wake only to wait for it.
        match wake {
            Wake::Writer => shared.wakes.notify_one(),
            Wake::Nobody => {}
        }
    }

    /// Lines dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.ends.shared.lock().dropped
    }

    /// Takes no further line, and waits for those that were taken to be written, but at most so long.
    ///
    /// A sink that blocks keeps the thread; it ends with the process.
    pub fn close(&self, timeout: Duration) -> Closed {
        let shared = &self.ends.shared;
        shared.begin_end();
        let (state, _) = shared
            .ended
            .wait_timeout_while(shared.lock(), timeout, |state| state.writer != Writer::Gone)
            .unwrap_or_else(PoisonError::into_inner);
        match state.writer {
            Writer::Gone => Closed::Drained,
            Writer::Writing | Writer::Resting | Writer::Parked => {
                Closed::CutOff { lines: state.waiting_lines + state.writing_lines }
            }
        }
    }

    /// An [`io::Write`] in front of the queue, for those who write a line in pieces: `env_logger` takes it as a pipe.
    pub fn record_writer(&self) -> RecordWriter {
        RecordWriter { queue: self.clone(), record: Vec::new() }
    }
}

/// Gathers what is written and queues it as one at each flush. What is never flushed is queued when this is dropped.
#[derive(Debug)]
pub struct RecordWriter {
    queue: LogQueue,
    record: Vec<u8>,
}

impl Write for RecordWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.record.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Never fails: a logger could do nothing about it, and what is dropped is counted.
    fn flush(&mut self) -> io::Result<()> {
        if !self.record.is_empty() {
            if !self.record.ends_with(b"\n") {
                self.record.push(b'\n');
            }
            self.queue.push(&self.record);
            self.record.clear();
        }
        Ok(())
    }
}

impl Drop for RecordWriter {
    fn drop(&mut self) {
        self.flush().expect("a flush into the queue never fails");
    }
}

/// Says when to say what a queue dropped: ask it now and then, and warn when it answers.
///
/// The warning about the diagnostics' own queue goes into that queue, and may be dropped and counted in turn. That is
/// why a report has the total too: whichever warning comes through tells of all.
#[derive(Debug)]
pub struct DropWatch {
    queue: LogQueue,
    said: u64,
    said_at: Option<Instant>,
}

/// Lines that a queue had to drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropReport {
    /// Since the last report.
    pub lines: u64,
    /// Since the start.
    pub lines_in_all: u64,
}

impl DropWatch {
    pub fn new(queue: LogQueue) -> DropWatch {
        DropWatch { queue, said: 0, said_at: None }
    }

    /// What to warn of now: nothing, or what was dropped since the last time this returned something, at the earliest
    /// [`DROP_REPORT_INTERVAL`] after it.
    pub fn report(&mut self, now: Instant) -> Option<DropReport> {
        if self.said_at.is_some_and(|said_at| now.saturating_duration_since(said_at) < DROP_REPORT_INTERVAL) {
            return None;
        }
        let lines_in_all = self.queue.dropped();
        let lines = lines_in_all - self.said;
        if lines == 0 {
            return None;
        }
        self.said = lines_in_all;
        self.said_at = Some(now);
        Some(DropReport { lines, lines_in_all })
    }
}

/// Lets the writer end once nobody can push any more. The writer itself shares only what is inside.
#[derive(Debug)]
struct EndsWithLast {
    shared: Arc<Shared>,
}

impl Drop for EndsWithLast {
    fn drop(&mut self) {
        self.shared.begin_end();
    }
}

/// What those who push and the writer have in common.
#[derive(Debug)]
struct Shared {
    bytes_max: usize,
    /// Nothing is called while it is held, so it can't be poisoned; if it were, what it guards would still be whole.
    state: Mutex<State>,
    /// The writer waits here, parked or resting.
    wakes: Condvar,
    /// Who closes waits here for the writer to be gone.
    ended: Condvar,
}

#[derive(Debug)]
struct State {
    /// Whole lines, at most `bytes_max` bytes of them.
    waiting: Vec<u8>,
    waiting_lines: u64,
    writer: Writer,
    /// Lines in the writer's hands: no longer waiting, and neither written nor dropped yet.
    writing_lines: u64,
    dropped: u64,
    end: End,
}

/// What the writer is doing, as far as those who push care. Only the last two have it wait for [`Shared::wakes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// It has left.
    Gone,
    /// It is awake, and will look at what waits before it parks.
    Writing,
    /// It will look at the latest after [`REST`].
    Resting,
    /// It looks only when woken.
    Parked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Begun,
}

/// Whom a push has to wake.
enum Wake {
    Nobody,
    Writer,
}

impl State {
    fn take_in(&mut self, line: &[u8], lines: u64, bytes_max: usize) -> Wake {
        if self.end == End::Begun || line.len() > bytes_max - self.waiting.len() {
            self.dropped += lines;
            return Wake::Nobody;
        }
        self.waiting.extend_from_slice(line);
        self.waiting_lines += lines;
        match self.writer {
            Writer::Parked => {}
            // Half full before the rest is over: at this rate the sink has to start early, or lines are lost that it
            // had time for.
            Writer::Resting if self.waiting.len() > bytes_max / 2 => {}
            Writer::Resting | Writer::Writing | Writer::Gone => return Wake::Nobody,
        }
        // So that the pushes that come before it really runs don't wake it again.
        self.writer = Writer::Writing;
        Wake::Writer
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_end(&self) {
        self.lock().end = End::Begun;
        self.wakes.notify_one();
    }

    /// Waits for lines and puts them into `batch`, which is empty; or says that there will be none.
    fn next_batch(&self, batch: &mut Vec<u8>) -> Next {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            match state.end {
                End::Open => state.writer = Writer::Parked,
                End::Begun => {
                    state.writer = Writer::Gone;
                    self.ended.notify_all();
                    return Next::End;
                }
            }
            state = self.wakes.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.writer = Writer::Writing;
        state.writing_lines = mem::take(&mut state.waiting_lines);
        mem::swap(&mut state.waiting, batch);
        Next::Batch
    }

    fn end_write(&self, lost_lines: u64) {
        let mut state = self.lock();
        state.writing_lines = 0;
        state.dropped += lost_lines;
    }

    /// Lets lines gather, unless so many are there already, or the end has begun.
    fn rest(&self) {
        let mut state = self.lock();
        if state.end == End::Begun || state.waiting.len() > self.bytes_max / 2 {
            return;
        }
        state.writer = Writer::Resting;
        let (mut state, _) = self
            .wakes
            .wait_timeout_while(state, REST, |state| state.end == End::Open && state.writer == Writer::Resting)
            .unwrap_or_else(PoisonError::into_inner);
        state.writer = Writer::Writing;
    }
}

enum Next {
    Batch,
    End,
}

/// The writer's whole life.
fn write_until_closed(shared: &Shared, mut outlet: Outlet<impl Write>) {
    let mut batch = Vec::with_capacity(shared.bytes_max);
    while let Next::Batch = shared.next_batch(&mut batch) {
        let sent = outlet.send_batch(&batch);
        shared.end_write(count_lines(&batch[sent..]));
        batch.clear();
        shared.rest();
    }
}

/// The sink, and whether the last thing it took was a whole line.
struct Outlet<W> {
    sink: W,
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    /// A write failed after part of a line: what comes next must not be glued to it.
    MidLine,
}

impl<W: Write> Outlet<W> {
    /// Gives the sink all of it, or what it takes before it fails; returns how many bytes it took.
    fn send_batch(&mut self, batch: &[u8]) -> usize {
        if self.at == At::MidLine {
            self.send(b"\n");
        }
        match self.at {
            At::MidLine => 0,
            At::LineStart => self.send(batch),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.sink.write(&bytes[sent..]) {
                Ok(0) => break,
                Ok(taken) => sent += taken,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Whoever started us may share a terminal or pipe that somebody made non-blocking. It is waited for
                // like one that blocks.
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(REST),
                // A full disk, a closed pipe: the disk may have room again, so there is no giving up for good.
                Err(_) => break,
            }
        }
        match bytes[..sent].last() {
            Some(b'\n') => self.at = At::LineStart,
            Some(_) => self.at = At::MidLine,
            None => {}
        }
        // A sink with a buffer of its own must not sit on lines until the next batch; when it can't pass them on, nobody
        // knows which of them are lost.
        match self.sink.flush() {
            Ok(()) => sent,
            Err(_) => 0,
        }
    }
}

/// Lines as a reader counts them: by their ends.
fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}
