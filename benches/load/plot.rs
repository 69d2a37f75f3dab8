//! Two charts beside each other, written as SVG by hand: requests/s and p99 over the number of connections.
//!
//! No background and colours of middling lightness: it reads in light and dark mode. Each line has a mark of its own
//! shape as well, so nobody has to tell it by its colour.

use std::fmt::Write as _;

use crate::servers::Role;
use crate::table::{self, Measured};
use crate::wrk::Figures;

/// The points of one number of connections.
pub type Point = (u32, Vec<Measured>);

const STYLE: &str = "\
text { font: 12px system-ui, sans-serif; fill: #444 } .title { font-weight: 600; font-size: 13px }
.grid { stroke: #8884; stroke-width: 1 } .axis { stroke: #888; stroke-width: 1 }
.line { fill: none; stroke-width: 1.75 } .millpond { stroke-width: 3.5 } .floor { stroke-dasharray: 5 4 }
@media (prefers-color-scheme: dark) { text { fill: #ccc } }";

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 400.0;

/// Where the area of a chart is, in pixels.
struct Area {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

const LEFT: Area = Area { left: 56.0, right: 420.0, top: 84.0, bottom: 348.0 };
const RIGHT: Area = Area { left: 502.0, right: 866.0, top: 84.0, bottom: 348.0 };

/// How a figure becomes a height.
enum Scale {
    /// From zero.
    Linear {
        most: f64,
    },
    Logarithmic {
        least: f64,
        most: f64,
    },
}

/// One chart: what it shows, and how.
struct Chart {
    area: Area,
    title: &'static str,
    figure: fn(&Figures) -> f64,
    label: fn(f64) -> String,
    scale: Scale,
    ticks: Vec<f64>,
}

/// The whole picture.
pub fn svg(points: &[Point]) -> String {
    let mut svg = String::new();
    let mut put = |text: String| writeln!(svg, "{text}").expect("a String takes every line");
    put(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" role=\"img\">"
    ));
    put("<title>Requests per second, and p99 latency, over the number of connections</title>".to_owned());
    put(format!("<style>{STYLE}</style>"));
    put(legend(points));
    for chart in [rate(points), latency(points)] {
        put(frame(&chart, points));
        for name in names(points) {
            put(line(&chart, points, name));
        }
    }
    put("</svg>".to_owned());
    svg
}

fn rate(points: &[Point]) -> Chart {
    let most = all(points, |figures| figures.requests_per_second).fold(1.0, f64::max);
    // The roundest step that makes no more than six of them.
    let magnitude = 10_f64.powf(most.log10().floor());
    let steps = [0.1, 0.2, 0.25, 0.5, 1.0, 2.0].map(|part| part * magnitude);
    let step = steps.into_iter().find(|step| most / step <= 6.0).unwrap_or(magnitude);
    let count = (most / step).ceil();
    let ticks = std::iter::successors(Some(0.0), |tick| Some(tick + 1.0)).take_while(|tick| *tick <= count);
    Chart {
        area: LEFT,
        title: "requests per second (more is better)",
        figure: |figures| figures.requests_per_second,
        label: |rate| if rate < 1000.0 { format!("{rate:.0}") } else { format!("{}k", rate / 1000.0) },
        scale: Scale::Linear { most: count * step },
        ticks: ticks.map(|tick| tick * step).collect(),
    }
}

fn latency(points: &[Point]) -> Chart {
    let least = all(points, |figures| figures.p99_us).fold(f64::INFINITY, f64::min).max(1.0).log10().floor();
    let most = all(points, |figures| figures.p99_us).fold(10.0, f64::max).log10().ceil().max(least + 1.0);
    let decades = std::iter::successors(Some(least), |decade| Some(decade + 1.0)).take_while(|decade| *decade <= most);
    Chart {
        area: RIGHT,
        title: "p99 latency (less is better)",
        figure: |figures| figures.p99_us,
        label: |microseconds| table::time(microseconds).replace(".0 ", " "),
        scale: Scale::Logarithmic { least: 10_f64.powf(least), most: 10_f64.powf(most) },
        ticks: decades.map(|decade| 10_f64.powf(decade)).collect(),
    }
}

fn all(points: &[Point], figure: impl Fn(&Figures) -> f64) -> impl Iterator<Item = f64> {
    points.iter().flat_map(|(_, entries)| entries).map(move |entry| figure(&entry.figures))
}

/// Every server, in the order of the first point that has it; millpond last, so that it lies on top.
fn names(points: &[Point]) -> Vec<&'static str> {
    let mut names: Vec<(bool, &'static str)> = Vec::new();
    for entry in points.iter().flat_map(|(_, entries)| entries) {
        let found = (entry.role == Role::Millpond, entry.name);
        if !names.contains(&found) {
            names.push(found);
        }
    }
    names.sort_by_key(|(is_millpond, _)| *is_millpond);
    names.into_iter().map(|(_, name)| name).collect()
}

/// Of a server: its colour, and its mark, a path around 0,0.
fn look(name: &str) -> (&'static str, &'static str) {
    match name {
        "millpond" => ("#1f7fd6", "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z"),
        "floor" => ("#888888", "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z"),
        "nginx" => ("#2a9d57", "M-3.5 -3.5h7v7h-7z"),
        "nginx+cache" => ("#9067d8", "M0 -5L5 0L0 5L-5 0z"),
        "h2o" => ("#e07b18", "M0 -4.5L4.5 3.5L-4.5 3.5z"),
        "lighttpd" => ("#d1477a", "M0 4.5L4.5 -3.5L-4.5 -3.5z"),
        _ => ("#888888", "M-3 0h6"),
    }
}

fn legend(points: &[Point]) -> String {
    let mut text = String::new();
    let mut left = LEFT.left;
    for name in names(points).iter().rev() {
        let (colour, mark) = look(name);
        writeln!(
            text,
            "<path class=\"line {name}\" stroke=\"{colour}\" d=\"M{left} 24h28\"/>\
             <path fill=\"{colour}\" transform=\"translate({} 24)\" d=\"{mark}\"/>\
             <text x=\"{}\" y=\"28\">{name}</text>",
            left + 14.0,
            left + 36.0
        )
        .expect("a String takes every line");
        left += 130.0;
    }
    text
}

/// Axes, their numbers, and the title.
fn frame(chart: &Chart, points: &[Point]) -> String {
    let Area { left, right, top, bottom } = chart.area;
    let mut text = format!("<text class=\"title\" x=\"{left}\" y=\"{}\">{}</text>\n", top - 18.0, chart.title);
    for tick in &chart.ticks {
        let y = chart.y(*tick);
        writeln!(
            text,
            "<path class=\"grid\" d=\"M{left} {y:.1}H{right}\"/>\
             <text text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>",
            left - 8.0,
            y + 4.0,
            (chart.label)(*tick)
        )
        .expect("a String takes every line");
    }
    for (connections, _) in points {
        let x = chart.x(*connections, points);
        let label = if *connections < 1000 { connections.to_string() } else { format!("{}k", connections / 1000) };
        writeln!(
            text,
            "<path class=\"axis\" d=\"M{x:.1} {bottom}v5\"/>\
             <text text-anchor=\"middle\" x=\"{x:.1}\" y=\"{}\">{label}</text>",
            bottom + 19.0
        )
        .expect("a String takes every line");
    }
    let middle = f64::midpoint(left, right);
    let below = bottom + 40.0;
    text + &format!(
        "<path class=\"axis\" d=\"M{left} {bottom}H{right}\"/>\
         <text text-anchor=\"middle\" x=\"{middle}\" y=\"{below}\">connections (each step of the scale doubles them)</text>"
    )
}

/// One server's line. A mark is hollow where something failed.
fn line(chart: &Chart, points: &[Point], name: &str) -> String {
    let (colour, mark) = look(name);
    let mut path = String::new();
    let mut marks = String::new();
    for (connections, entries) in points {
        let Some(entry) = entries.iter().find(|entry| entry.name == name) else { continue };
        let (x, y) = (chart.x(*connections, points), chart.y((chart.figure)(&entry.figures)));
        write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { "M" } else { "L" }).expect("a String takes it");
        let fill = if entry.figures.errors == 0 { colour } else { "none" };
        write!(
            marks,
            "<path fill=\"{fill}\" stroke=\"{colour}\" transform=\"translate({x:.1} {y:.1})\" d=\"{mark}\"/>"
        )
        .expect("a String takes it");
    }
    format!("<path class=\"line {name}\" stroke=\"{colour}\" d=\"{path}\"/>{marks}")
}

impl Chart {
    fn x(&self, connections: u32, points: &[Point]) -> f64 {
        let most = points.iter().map(|(connections, _)| *connections).fold(2, u32::max);
        let share = f64::from(connections).log2() / f64::from(most).log2();
        // The first and the last point keep clear of the ends of the axis.
        self.area.left + 10.0 + share * (self.area.right - self.area.left - 20.0)
    }

    fn y(&self, figure: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear { most } => figure / most,
            Scale::Logarithmic { least, most } => (figure.max(least) / least).log10() / (most / least).log10(),
        };
        self.area.bottom - share * (self.area.bottom - self.area.top)
    }
}
