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
    /// Points along an axis of that name, one of them with a word about it.
    Lines { along: String, drawn: Drawn, lines: Vec<(String, Vec<(f64, f64)>)>, note: Option<Note> },
}

/// A word about a point that is hard to find.
#[derive(Debug)]
pub struct Note {
    pub at: (f64, f64),
    pub text: String,
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
.ring { fill: none; stroke: #444; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) { text { fill: #ccc } .ring { stroke: #ccc } }";

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
        let shape = Shape::Lines { along: along.to_owned(), drawn: Drawn::Joined, lines, note: None };
        Plot { title: title.to_owned(), measure: measure.to_owned(), shape }
    }

    /// The same with points that nothing lies between, and a word about one of them.
    pub fn points(
        title: &str,
        measure: &str,
        along: &str,
        points: Vec<(String, Vec<(f64, f64)>)>,
        note: Option<Note>,
    ) -> Plot {
        let shape = Shape::Lines { along: along.to_owned(), drawn: Drawn::Apart, lines: points, note };
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
                let top = frame(&mut svg, Scale::of(bars.iter().map(|(_, count)| *count)));
                draw_bars(&mut svg, bars, top);
            }
            Shape::Lines { along, drawn, lines, note } => {
                let points = || lines.iter().flat_map(|(_, points)| points);
                let top = frame(&mut svg, Scale::of(points().map(|(_, y)| *y)));
                let end = draw_axis(&mut svg, along, Scale::of(points().map(|(x, _)| *x)));
                draw_lines(&mut svg, *drawn, lines, (end, top));
                if let Some(note) = note {
                    draw_note(&mut svg, note, (end, top));
                }
            }
        }
        svg + "</svg>\n"
    }
}

/// The axes, and the numbers upwards; returns the number at the top.
fn frame(svg: &mut String, scale: Scale) -> f64 {
    let top = scale.end();
    for value in scale.ticks() {
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

/// The axis along the bottom; returns the number at its end.
fn draw_axis(svg: &mut String, along: &str, scale: Scale) -> f64 {
    let end = scale.end();
    for value in scale.ticks() {
        let (x, y) = (distance(value, end), BOTTOM + 18.0);
        put(svg, format!("<text text-anchor=\"middle\" x=\"{x:.1}\" y=\"{y}\">{}</text>", number(value)));
    }
    let (middle, below) = (f64::midpoint(LEFT, RIGHT), BOTTOM + 40.0);
    put(svg, format!("<text text-anchor=\"middle\" x=\"{middle}\" y=\"{below}\">{}</text>", escaped(along)));
    end
}

fn draw_lines(svg: &mut String, drawn: Drawn, lines: &[(String, Vec<(f64, f64)>)], (end, top): (f64, f64)) {
    let mut left = LEFT;
    for ((name, points), (colour, mark)) in lines.iter().zip(LOOKS.iter().cycle()) {
        let places = points.iter().map(|(x, y)| (distance(*x, end), height(*y, top)));
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

/// A ring around the point, and the word to the right of it.
fn draw_note(svg: &mut String, Note { at: (x, y), text }: &Note, (end, top): (f64, f64)) {
    let (x, y) = (distance(*x, end), height(*y, top));
    put(svg, format!("<circle class=\"ring\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\"/>"));
    put(svg, format!("<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>", x + 16.0, escaped(text)));
}

fn put(svg: &mut String, line: String) {
    writeln!(svg, "{line}").expect("a String takes every line");
}

fn height(value: f64, top: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * value / top
}

fn distance(value: f64, end: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * value / end
}

/// Where the numbers of an axis are: from 0 on, so far from each other, and so many.
#[derive(Clone, Copy)]
struct Scale {
    step: f64,
    steps: u32,
}

/// Between the numbers of an axis there are no more spaces than that.
const STEPS_MAX: u32 = 5;

impl Scale {
    /// The closest that holds all of these. Counts are whole, and so are the numbers beside them.
    fn of(values: impl Iterator<Item = f64> + Clone) -> Scale {
        let most = values.clone().fold(0.0, f64::max);
        let least_step = if values.clone().all(|value| value.fract() == 0.0) { 1.0 } else { f64::MIN_POSITIVE };
        let magnitude = 10_f64.powf((most.max(f64::MIN_POSITIVE) / f64::from(STEPS_MAX)).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|part| (part * magnitude).max(least_step));
        let fits = |step: &f64| step * f64::from(STEPS_MAX) >= most * 0.999;
        let step = steps.into_iter().find(fits).filter(|_| most > 0.0).unwrap_or(1.0);
        // The first multiple that is not below the largest.
        let steps = (1..STEPS_MAX).find(|steps| step * f64::from(*steps) >= most * 0.999).unwrap_or(STEPS_MAX);
        Scale { step, steps }
    }

    fn end(self) -> f64 {
        self.step * f64::from(self.steps)
    }

    fn ticks(self) -> impl Iterator<Item = f64> {
        (0..=self.steps).map(move |step| self.step * f64::from(step))
    }
}

fn number(value: f64) -> String {
    let text = if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
