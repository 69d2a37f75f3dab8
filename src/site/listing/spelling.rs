//! How names, sizes and times are written.
//!
//! *Invariants:* a reference is percent-encoded so that it is one segment of a path, and relative: joined to the listing's
//! own address it names the entry, whatever its bytes are, and wherever a proxy has put the site. A name that is shown can
//! change nothing around it: controls are shown as what they are, and so are those marks of Unicode that turn the direction
//! of text and can make `exe.gpj` out of a program.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use percent_encoding::{AsciiSet, percent_encode};

use super::entries::{Item, Kind};
use crate::http::date;
use crate::http::target::NOT_IN_SEGMENT;

/// A segment before a colon would be a scheme (RFC 3986 §4.2).
const NOT_IN_HREF: AsciiSet = NOT_IN_SEGMENT.add(b':');

/// The reference from the listing to an entry.
pub fn href(item: &Item<'_>) -> String {
    let mut href = segment(item.name);
    if item.kind == Kind::Directory {
        href.push('/');
    }
    href
}

/// A name as a segment of a relative reference.
pub fn segment(name: &[u8]) -> String {
    percent_encode(name, &NOT_IN_HREF).to_string()
}

/// A name for people to read.
pub fn shown(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for c in lossy(name).chars() {
        match c {
            // The pictures of the controls stand in Unicode in the order of the controls.
            '\0'..='\x1f' => text.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER)),
            '\x7f' => text.push('\u{2421}'),
            c if c.is_control() || is_mark(c) => {
                write!(text, "\u{27e8}U+{:04X}\u{27e9}", u32::from(c)).expect("a String takes every text");
            }
            c => text.push(c),
        }
    }
    text
}

/// A name as text, for programs: what isn't UTF-8 in it becomes U+FFFD.
pub fn lossy(name: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(name)
}

/// Marks without a shape that change how their neighbours are shown: directions (UAX #9), ends of lines.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A size for people: `12 B`, `3.4 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, rounded; of the largest unit at most 160.
    let tenths = |unit: u32| (u128::from(bytes) * 10 + (1 << unit) / 2) >> unit;
    let fits = |(_, unit): &(&str, u32)| tenths(*unit) < 10 * 1024;
    let (name, unit) = UNITS.into_iter().zip((10..).step_by(10)).find(fits).unwrap_or(("EiB", 60));
    let tenths = tenths(unit);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

/// Seconds since 1970 as RFC 3339 has them; what is before shows as 1970.
pub fn date(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let time = UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH);
    String::from_utf8_lossy(&date::render_rfc3339(time)).into_owned()
}
