//! A listing for programs, as JSON and as lines of text.
//!
//! ```json
//! {"path":"/music/","complete":true,"entries":[
//! {"name":"live","href":"live/","type":"directory","modified":"2024-05-01T08:00:00Z"},
//! {"name":"a b.flac","href":"a%20b.flac","type":"file","size":31415926,"modified":"2024-05-01T08:00:00Z"}
//! ]}
//! ```
//!
//! `href` is relative to the listing, and works for every name. `name` is for people: what isn't UTF-8 in it is replaced by
//! U+FFFD. `complete` is false where there are more names than are listed.

use serde::Serialize;

use super::entries::{Item, Kind};
use super::gather::Extent;
use super::spelling;

#[derive(Serialize)]
struct Entry<'e> {
    name: &'e str,
    href: &'e str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    modified: &'e str,
}

/// What stands before the first entry.
pub fn write_begin(path: &str, extent: Extent, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"path\":");
    write_json(path, out);
    out.extend_from_slice(match extent {
        Extent::Whole => b",\"complete\":true,\"entries\":[".as_slice(),
        Extent::Cut => b",\"complete\":false,\"entries\":[",
    });
}

/// An entry, and between it and the one before it what separates them.
pub fn write_entry(item: &Item<'_>, separator: &str, out: &mut Vec<u8>) {
    let (name, href) = (spelling::lossy(item.name), spelling::href(item));
    let (r#type, size) = match item.kind {
        Kind::Directory => ("directory", None),
        Kind::File => ("file", Some(item.size)),
    };
    let modified = spelling::date(item.modified);
    out.extend_from_slice(separator.as_bytes());
    write_json(&Entry { name: &name, href: &href, r#type, size, modified: &modified }, out);
}

pub const JSON_END: &[u8] = b"\n]}\n";

/// An entry as a line of text.
pub fn write_line(item: &Item<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(spelling::href(item).as_bytes());
    out.push(b'\n');
}

fn write_json(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("texts and numbers can be written to memory");
}
