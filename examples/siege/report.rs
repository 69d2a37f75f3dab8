//! What was measured of a line of the promise, and how it is shown.
//!
//! *Invariant:* a line holds only if every part of it was measured and is within its limit, and at least one part was. What
//! couldn't be tried is said beside what was.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// What came of one line.
#[derive(Debug, Default)]
pub struct Tally {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    text: String,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    Fail,
    Skip,
}

impl Tally {
    /// A line that can't be tried on this server.
    pub fn skipped(why: impl Into<String>) -> Tally {
        let mut tally = Tally::default();
        tally.skip(why);
        tally
    }

    /// A line that was broken off.
    pub fn broken(why: impl Into<String>) -> Tally {
        let mut tally = Tally::default();
        tally.check(false, why);
        tally
    }

    /// A figure, and whether it is within its limit.
    pub fn check(&mut self, holds: bool, text: impl Into<String>) {
        self.push(if holds { Verdict::Pass } else { Verdict::Fail }, text.into());
    }

    /// A part that can't be tried on this server.
    pub fn skip(&mut self, why: impl Into<String>) {
        self.push(Verdict::Skip, why.into());
    }

    fn push(&mut self, verdict: Verdict, text: String) {
        self.parts.push(Part { text, verdict });
    }

    pub fn verdict(&self) -> Verdict {
        let has = |verdict| self.parts.iter().any(|part| part.verdict == verdict);
        match (has(Verdict::Fail), has(Verdict::Pass)) {
            (true, _) => Verdict::Fail,
            (false, true) => Verdict::Pass,
            (false, false) => Verdict::Skip,
        }
    }
}

/// The figures, with those that broke the promise or were not tried named as such.
impl Display for Tally {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let mark = match part.verdict {
                Verdict::Pass => "",
                Verdict::Fail => "BROKEN: ",
                Verdict::Skip => "not tried: ",
            };
            write!(out, "{separator}{mark}{}", part.text)?;
        }
        Ok(())
    }
}

impl Display for Verdict {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Verdict::Pass => "PASS",
            Verdict::Fail => "FAIL",
            Verdict::Skip => "SKIP",
        })
    }
}

/// One line of the table, for a terminal.
pub fn text(number: u32, promise: &str, figure: &str, tally: &Tally) -> String {
    format!("{number:>2} {}  {promise}\n         promised: {figure}\n         measured: {tally}\n", tally.verdict())
}

/// The same as a row of Markdown.
pub fn markdown(number: u32, promise: &str, figure: &str, tally: &Tally) -> String {
    format!("| {number} | {promise} | {figure} | {tally} | {} |", tally.verdict())
}

/// The head of the table in Markdown.
pub const MARKDOWN_HEAD: &str = "| # | promise | promised | measured | |\n|---|---|---|---|---|";

/// A time as people read it.
pub fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 1e-3 => format!("{:.0} µs", seconds * 1e6),
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.2} s"),
    }
}
