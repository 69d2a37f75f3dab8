//! A listing as a page.
//!
//! *Invariants:* names reach the page through the template, which escapes them, and through [`spelling`], which takes their
//! controls from them; nothing else of a request does. The page asks for nothing beside itself, and its policy sees to that:
//! the one style and the one script are named by their hashes, and everything else is refused, so that a name that was
//! markup after all could still do nothing.
//!
//! It works without the script, which only filters. Sizes and dates are for people; what they mean exactly is in `data`
//! and `time`. Dates are in UTC, because the server knows no more of who looks at them.

use maud::{Markup, PreEscaped, html};

use super::entries::{Item, Kind, Totals};
use super::gather::Extent;
use super::order::{Direction, Key, Order};
use super::spelling;
use crate::config;
use crate::http::media_type;

const STYLE: &str = include_str!("listing.css");
const SCRIPT: &str = include_str!("listing.js");
/// Pictures that rows refer to.
const ICONS: &str = include_str!("icons.svg");

/// The value of Content-Security-Policy: a test computes the two hashes and says them when they are out of date. Of pictures only those in the page's own text are shown: its icon, which is an
/// empty one so that none is asked for.
pub const POLICY: &str = "default-src 'none'; \
    style-src 'sha256-WM6pyZDSEtKoC5uMEVt7pFxzP9wDdE9O/CzOSfYts34=\'; \
    script-src 'sha256-GI48HcnroCrPf6rwcQ862eBdYqlk6zG+iFn7ZPSreQk='; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What stands before the first entry. `relative` is the directory's path, with a slash at the end or empty.
pub fn write_begin(relative: &[u8], totals: &Totals, order: Order, extent: Extent, out: &mut Vec<u8>) {
    let path = format!("/{}", spelling::shown(relative));
    write(out, "<!doctype html>\n<html lang=\"en\">\n");
    write(out, &head(&path).0);
    write(out, "\n<body>\n");
    write(out, ICONS);
    write(out, &title_and_way(relative).0);
    write(out, "\n<main>\n");
    write(out, &above_table(totals, extent).0);
    write(out, "\n<table>\n");
    write(out, &table_head(totals, order, relative).0);
    if !is_empty(totals) {
        write(out, "\n<tbody id=\"entries\">\n");
    }
}

/// An entry.
pub fn write_row(item: &Item<'_>, out: &mut Vec<u8>) {
    let date = spelling::date(item.modified);
    let (day, time) = (&date[..10], &date[11..16]);
    let row = html! {
        tr {
            th scope="row" {
                a href=(spelling::href(item)) {
                    (icon(icon_of(item)))
                    bdi { (spelling::shown(item.name)) @if item.kind == Kind::Directory { "/" } }
                }
            }
            td {
                @match item.kind {
                    Kind::Directory => {},
                    Kind::File => { data value=(item.size) { (spelling::size(item.size)) } },
                }
            }
            td { time datetime=(date) { (day) span { " " (time) } } }
        }
    };
    write(out, &row.0);
    out.push(b'\n');
}

/// What stands behind the last entry.
pub fn write_end(totals: &Totals, out: &mut Vec<u8>) {
    if !is_empty(totals) {
        write(out, "</tbody>");
    }
    write(out, "\n</table>\n</main>\n");
    let footer = html! {
        footer {
            "The same as "
            a href="?format=json" rel="nofollow" type="application/json" { "JSON" }
            " or "
            a href="?format=text" rel="nofollow" type="text/plain" { "text" }
        }
        script { (PreEscaped(SCRIPT)) }
    };
    write(out, &footer.0);
    write(out, "\n</body>\n</html>\n");
}

fn head(path: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            title { (path) }
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            link rel="icon" href="data:,";
            style { (PreEscaped(STYLE)) }
        }
    }
}

/// The directories above, and this one's name.
fn title_and_way(relative: &[u8]) -> Markup {
    let names: Vec<&[u8]> = relative.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    let depth = names.len();
    html! {
        header {
            @if let Some((own, above)) = names.split_last() {
                nav aria-label="Directories above" {
                    ol {
                        li { a href=("../".repeat(depth)) { "Home" } }
                        @for (place, name) in above.iter().enumerate() {
                            li { a href=("../".repeat(depth - 1 - place)) { bdi { (spelling::shown(name)) } } }
                        }
                    }
                }
                h1 { bdi { (spelling::shown(own)) } }
            } @else {
                h1 { "Home" }
            }
        }
    }
}

fn above_table(totals: &Totals, extent: Extent) -> Markup {
    html! {
        // Without the script it would do nothing, and with nothing to filter neither.
        @if !is_empty(totals) {
            div #search role="search" hidden {
                label for="filter" { "Filter" }
                input #filter type="search" autocomplete="off" spellcheck="false" placeholder="part of a name";
                output for="filter" {}
            }
        }
        @if extent == Extent::Cut {
            p.note role="note" {
                "There is more in this directory than is listed: only the first "
                (config::LISTING_NAMES_MAX) " names were looked at."
            }
        }
    }
}

fn table_head(totals: &Totals, order: Order, relative: &[u8]) -> Markup {
    html! {
        caption { (summary(totals)) }
        thead {
            tr {
                (column("Name", Key::Name, order))
                (column("Size", Key::Size, order))
                (column("Modified", Key::Date, order))
            }
        }
        @if !relative.is_empty() {
            tbody {
                tr { th scope="row" { a href="../" { (icon("up")) "Parent directory" } } td {} td {} }
            }
        }
    }
}

/// The head of a column, with a link to its order: the other direction if it is the current one; else for names the
/// first, for sizes and dates the largest and the latest.
fn column(title: &str, key: Key, current: Order) -> Markup {
    let own = (current.key == key).then_some(current.direction);
    let direction = match (own, key) {
        (Some(Direction::Ascending), _) | (None, Key::Size | Key::Date) => Direction::Descending,
        (Some(Direction::Descending), _) | (None, Key::Name) => Direction::Ascending,
    };
    let sorted = own.map(|direction| match direction {
        Direction::Ascending => "ascending",
        Direction::Descending => "descending",
    });
    html! {
        th scope="col" aria-sort=[sorted] {
            a href=(Order { key, direction }.query()) rel="nofollow" {
                (title) @if key == Key::Date { span { " (UTC)" } }
            }
        }
    }
}

/// `2 directories and 3 files, 1.2 MiB`.
fn summary(totals: &Totals) -> String {
    let plural = |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let directories = plural(totals.directories, "directory", "directories");
    let files = format!("{}, {}", plural(totals.files, "file", "files"), spelling::size(totals.bytes));
    match (totals.directories, totals.files) {
        (0, 0) => "Nothing in this directory".to_owned(),
        (_, 0) => directories,
        (0, _) => files,
        (_, _) => format!("{directories} and {files}"),
    }
}

fn is_empty(totals: &Totals) -> bool {
    totals.directories + totals.files == 0
}

fn icon(name: &str) -> Markup {
    html! { svg aria-hidden="true" { use href={ "#" (name) } {} } }
}

/// By the kind of what it is, as far as its name says.
fn icon_of(item: &Item<'_>) -> &'static str {
    if item.kind == Kind::Directory {
        return "directory";
    }
    let media_type = media_type::from_file_name(item.name);
    let (kind, of_kind) = media_type.split_once('/').unwrap_or_default();
    match (kind, of_kind.split(';').next().unwrap_or_default()) {
        ("image", _) => "image",
        ("audio", _) => "audio",
        ("video", _) => "video",
        ("text", _) | ("application", "json" | "xml" | "javascript" | "pdf" | "toml" | "x-sh") => "text",
        ("application", "zip" | "gzip" | "x-gzip" | "x-tar" | "x-7z-compressed" | "x-xz" | "x-bzip2" | "zstd") => {
            "archive"
        }
        _ => "file",
    }
}

fn write(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}
