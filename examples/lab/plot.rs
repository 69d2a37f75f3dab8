//! A chart, written as SVG by hand: bars for counts beside each other, lines for what changes along an axis.
//!
//! No background and colours of middling lightness, so it reads in light and dark mode; every bar has its number, and
//! every line its name and marks of its own shape, so nobody has to tell them by colour.

use std::fmt::Write as _;

#[derive(Debug)]
pub struct Plot {
    pub title: String,
    /// What is counted, upwards.
    pub measure: String,
    pub shape: Shape,
}

#[derive(Debug)]
pub enum Shape {
    /// Names and their counts.
    Bars(Vec<(String, f64)>),
    /// Points along an axis of that name.
    Lines { along: String, drawn: Drawn, lines: Vec<(String, Vec<(f64, f64)>)> },
}

/// Whether there is anything between two points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    Joined,
    Apart,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 740.0;
const TOP: f64 = 78.0;
const BOTTOM: f64 = 318.0;

const STYLE: &str = "\
text { font: 12px system-ui, sans-serif; fill: #444 } .title { font-weight: 600; font-size: 14px }
.grid { stroke: #8884 } .axis { stroke: #888 } .line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #ccc } }";

/// Colours that the colour-blind can tell apart (after Okabe and Ito), and marks around 0,0.
const LOOKS: [(&str, &str); 6] = [
    ("#0072b2", "M-3.5 -3.5h7v7h-7z"),
    ("#d55e00", "M0 -4.5L4.5 3.5L-4.5 3.5z"),
    ("#009e73", "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z"),
    ("#cc79a7", "M0 -5L5 0L0 5L-5 0z"),
    ("#b58900", "M0 4.5L4.5 -3.5L-4.5 -3.5z"),
    ("#56b4e9", "M-4 -1h8v2h-8z"),
];

/// A line with more points than that is drawn without marks.
const MARKED_POINTS_MAX: usize = 40;

impl Plot {
    pub fn bars(title: &str, measure: &str, bars: Vec<(String, f64)>) -> Plot {
        Plot { title: title.to_owned(), measure: measure.to_owned(), shape: Shape::Bars(bars) }
    }

    pub fn lines(title: &str, measure: &str, along: &str, lines: Vec<(String, Vec<(f64, f64)>)>) -> Plot {
        let shape = Shape::Lines { along: along.to_owned(), drawn: Drawn::Joined, lines };
        Plot { title: title.to_owned(), measure: measure.to_owned(), shape }
    }

    /// The same with points that nothing lies between.
    pub fn points(title: &str, measure: &str, along: &str, points: Vec<(String, Vec<(f64, f64)>)>) -> Plot {
        let shape = Shape::Lines { along: along.to_owned(), drawn: Drawn::Apart, lines: points };
        Plot { title: title.to_owned(), measure: measure.to_owned(), shape }
    }

    /// The whole picture.
    pub fn svg(&self) -> String {
        let (title, measure) = (escaped(&self.title), escaped(&self.measure));
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n\
             <text class=\"title\" x=\"{LEFT}\" y=\"22\">{title}</text>\n\
             <text x=\"{LEFT}\" y=\"42\">{measure}</text>\n"
        );
        match &self.shape {
            Shape::Bars(bars) => {
                let top = frame(&mut svg, bars.iter().map(|(_, count)| *count).fold(0.0, f64::max));
                draw_bars(&mut svg, bars, top);
            }
            Shape::Lines { along, drawn, lines } => {
                let points = || lines.iter().flat_map(|(_, points)| points);
                let top = frame(&mut svg, points().map(|(_, y)| *y).fold(0.0, f64::max));
                let end = round_up(points().map(|(x, _)| *x).fold(0.0, f64::max));
                draw_axis(&mut svg, along, end);
                draw_lines(&mut svg, *drawn, lines, (end, top));
            }
        }
        svg + "</svg>\n"
    }
}

/// The axes, and the numbers upwards; returns the number at the top.
fn frame(svg: &mut String, most: f64) -> f64 {
    let top = round_up(most);
    for step in 0..=4 {
        let value = top * f64::from(step) / 4.0;
        let y = height(value, top);
        put(svg, format!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>"));
        put(
            svg,
            format!("<text text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>", LEFT - 8.0, y + 4.0, number(value)),
        );
    }
    put(svg, format!("<path class=\"axis\" d=\"M{LEFT} {BOTTOM}H{RIGHT}\"/>"));
    top
}

fn draw_bars(svg: &mut String, bars: &[(String, f64)], top: f64) {
    let mut left = LEFT;
    let pitch = (RIGHT - LEFT) / f64::from(u32::try_from(bars.len().max(1)).unwrap_or(u32::MAX));
    for ((name, count), (colour, _)) in bars.iter().zip(LOOKS.iter().cycle()) {
        let (middle, y) = (left + pitch / 2.0, height(*count, top));
        let (x, width) = (left + pitch * 0.2, pitch * 0.6);
        put(svg, format!("<path fill=\"{colour}\" d=\"M{x:.1} {BOTTOM}V{y:.1}h{width:.1}V{BOTTOM}z\"/>"));
        put(
            svg,
            format!("<text text-anchor=\"middle\" x=\"{middle:.1}\" y=\"{:.1}\">{}</text>", y - 5.0, number(*count)),
        );
        // What is behind a comma or a colon goes into a line of its own.
        for (line, below) in name.split_inclusive([',', ':']).zip([BOTTOM + 18.0, BOTTOM + 34.0]) {
            let line = escaped(line.trim());
            put(svg, format!("<text text-anchor=\"middle\" x=\"{middle:.1}\" y=\"{below}\">{line}</text>"));
        }
        left += pitch;
    }
}

/// The axis along the bottom.
fn draw_axis(svg: &mut String, along: &str, end: f64) {
    for step in 0..=4 {
        let value = end * f64::from(step) / 4.0;
        let (x, y) = (LEFT + (RIGHT - LEFT) * value / end, BOTTOM + 18.0);
        put(svg, format!("<text text-anchor=\"middle\" x=\"{x:.1}\" y=\"{y}\">{}</text>", number(value)));
    }
    let (middle, below) = (f64::midpoint(LEFT, RIGHT), BOTTOM + 40.0);
    put(svg, format!("<text text-anchor=\"middle\" x=\"{middle}\" y=\"{below}\">{}</text>", escaped(along)));
}

fn draw_lines(svg: &mut String, drawn: Drawn, lines: &[(String, Vec<(f64, f64)>)], (end, top): (f64, f64)) {
    let mut left = LEFT;
    for ((name, points), (colour, mark)) in lines.iter().zip(LOOKS.iter().cycle()) {
        let places = points.iter().map(|(x, y)| (LEFT + (RIGHT - LEFT) * x / end, height(*y, top)));
        let path: Vec<String> = places.clone().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        if drawn == Drawn::Joined {
            // Where two lines are the same, the first shows between the dashes of the second.
            let dashes = if left > LEFT { " stroke-dasharray=\"9 6\"" } else { "" };
            put(svg, format!("<path class=\"line\" stroke=\"{colour}\"{dashes} d=\"M{}\"/>", path.join("L")));
        }
        let marked = drawn == Drawn::Apart || points.len() <= MARKED_POINTS_MAX;
        for (x, y) in places.take_while(|_| marked) {
            put(svg, format!("<path fill=\"{colour}\" transform=\"translate({x:.1} {y:.1})\" d=\"{mark}\"/>"));
        }
        put(svg, format!("<path fill=\"{colour}\" transform=\"translate({} 58)\" d=\"{mark}\"/>", left + 6.0));
        put(svg, format!("<text x=\"{}\" y=\"62\">{}</text>", left + 16.0, escaped(name)));
        left += 220.0;
    }
}

fn put(svg: &mut String, line: String) {
    writeln!(svg, "{line}").expect("a String takes every line");
}

fn height(value: f64, top: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * value / top
}

/// The next number from there on that four steps lead to without fractions worth speaking of.
fn round_up(most: f64) -> f64 {
    let most = most.max(f64::MIN_POSITIVE);
    let magnitude = 10_f64.powf(most.log10().floor());
    let rounds = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0].map(|part| part * magnitude);
    let found = rounds.into_iter().find(|round| *round >= most * 0.999).unwrap_or(most);
    if found > 1e-9 { found } else { 1.0 }
}

fn number(value: f64) -> String {
    let text = if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
