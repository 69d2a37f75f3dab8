//! Figures as people read them: a table for each work load, and the rows of the README's.

use std::fmt::Write as _;

use crate::rows::Row;
use crate::servers::Role;
use crate::wrk::Figures;

/// What one server came to in one work load.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub name: &'static str,
    pub role: Role,
    pub figures: Figures,
}

/// The head of the README's table, in Markdown.
pub const MARKDOWN_HEAD: &str = "\
| work | requests/s | processor time per request | p99 latency |
|---|---|---|---|";

/// A table of one work load, with each server in a line, and the ratios to the floor where there is one; else to millpond.
pub fn text(row: &Row, results: &[Measured]) -> String {
    let base = results.iter().find(|result| result.role == Role::Floor);
    let base = base.or_else(|| results.iter().find(|result| result.role == Role::Millpond));
    let mut text = String::new();
    let Some(base) = base else { return text };
    let to_base = format!("to {}", base.name);
    let mut line = |cells: [&str; 9]| {
        let [name, rate, rate_to_base, cpu, cpu_to_base, p50, p99, p999, errors] = cells;
        writeln!(
            text,
            "{name:12}{rate:>12}{rate_to_base:>13}{cpu:>12}{cpu_to_base:>13}{p50:>10}{p99:>10}{p999:>10}{errors:>8}"
        )
        .expect("a String takes every line");
    };
    line([row.name, "requests/s", &to_base, "CPU/request", &to_base, "p50", "p99", "p99.9", "errors"]);
    for Measured { name, figures, .. } in results {
        line([
            name,
            &format!("{:.0}", figures.requests_per_second),
            &format!("{:.2}", figures.requests_per_second / base.figures.requests_per_second),
            &format!("{:.2} µs", figures.cpu_us),
            &format!("{:.2}", figures.cpu_us / base.figures.cpu_us),
            &time(figures.p50_us),
            &time(figures.p99_us),
            &time(figures.p999_us),
            &figures.errors.to_string(),
        ]);
    }
    if let Some([rate, cpu, p99]) = to_best_peers(results) {
        writeln!(text, "millpond to the best peer: requests/s {rate}, CPU/request {cpu}, p99 {p99}")
            .expect("a String takes every line");
    }
    if let Some([rate, cpu]) = watched_to_not(results) {
        writeln!(text, "watched to not watched: requests/s {rate:.3}, CPU/request {cpu:.3}")
            .expect("a String takes every line");
    }
    text
}

/// One row of the README's table; none without millpond or without a peer.
pub fn markdown(row: &Row, results: &[Measured]) -> Option<String> {
    let [rate, cpu, p99] = to_best_peers(results)?;
    Some(format!("| {} | {rate} | {cpu} | {p99} |", row.title))
}

/// How millpond compares in rate, processor time and p99 to whichever peer is best in it: `1.10 × nginx`.
fn to_best_peers(results: &[Measured]) -> Option<[String; 3]> {
    let millpond = results.iter().find(|result| result.role == Role::Millpond)?;
    // Whoever turned somebody away isn't measured by what it then did.
    let peers = || results.iter().filter(|result| result.role == Role::Peer && result.figures.errors == 0);
    let to = |figure: fn(&Figures) -> f64, best: &Measured| {
        format!("{:.2} × {}", figure(&millpond.figures) / figure(&best.figures), best.name)
    };
    let least = |figure: fn(&Figures) -> f64| {
        let best = peers().min_by(|one, other| figure(&one.figures).total_cmp(&figure(&other.figures)))?;
        Some(to(figure, best))
    };
    let rate = |figures: &Figures| figures.requests_per_second;
    let fastest = peers().max_by(|one, other| rate(&one.figures).total_cmp(&rate(&other.figures)))?;
    Some([to(rate, fastest), least(|figures| figures.cpu_us)?, least(|figures| figures.p99_us)?])
}

/// What being watched makes of the rate and of the processor time.
fn watched_to_not(results: &[Measured]) -> Option<[f64; 2]> {
    let figures = |role| results.iter().find(|result| result.role == role).map(|result| result.figures);
    let (watched, not) = (figures(Role::Watched)?, figures(Role::Millpond)?);
    Some([watched.requests_per_second / not.requests_per_second, watched.cpu_us / not.cpu_us])
}

/// Microseconds in the unit that suits them.
pub fn time(microseconds: f64) -> String {
    match microseconds {
        below if below < 1e3 => format!("{below:.0} µs"),
        below if below < 1e6 => format!("{:.1} ms", below / 1e3),
        seconds => format!("{:.1} s", seconds / 1e6),
    }
}
