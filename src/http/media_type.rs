//! What a file is called decides what a client takes it for.
//!
//! *Invariant:* the answer is always a valid Content-Type value, for a name of any bytes; what isn't known is
//! `application/octet-stream`, which a browser saves and never runs.
//!
//! RFC 9110 §8.3 Content-Type, §8.3.1 Media Type, §8.3.2 Charset.
//!
//! The table is mime_guess's; `CORRECTIONS` holds what is wrong or out of date in it. Content is never sniffed: the
//! same name has the same type, and a text file can't turn itself into a page.

use std::borrow::Cow;

/// For a name that says nothing (RFC 9110 §8.3).
const UNKNOWN: &str = "application/octet-stream";

/// Extensions that mime_guess 2.0.5 has wrong, has by a retired name, or hasn't.
///
/// YAML and TOML keep their `text/x-...`, though both now have an `application/...`: a browser shows the former and
/// saves the latter.
const CORRECTIONS: &[(&str, &str)] = &[
    // RFC 9239 §6: text/javascript again, for modules too. `.cjs` it doesn't list, but that is the same language.
    ("mjs", "text/javascript"),
    ("cjs", "text/javascript"),
    // ECMA-426: a source map is JSON.
    ("map", "application/json"),
    // RFC 8081: fonts have a top-level type.
    ("otf", "font/otf"),
    ("woff", "font/woff"),
    // RFC 3555: MPEG transport streams, which is what a player of HLS fetches, not DLNA's kind of them. TypeScript has
    // no registered type and no browser runs it, so nothing breaks if its sources are saved instead of shown.
    ("ts", "video/mp2t"),
    ("m2ts", "video/mp2t"),
    // RFC 8216 §4: playlists of video aren't audio.
    ("m3u8", "application/vnd.apple.mpegurl"),
    // RFC 4337: MPEG-4 audio.
    ("m4a", "audio/mp4"),
    // RFC 8878 §7.1.
    ("zst", "application/zstd"),
    // RFC 6713: a compressed tar file is a gzip file.
    ("tgz", "application/gzip"),
    // Packages of software, not a plug-in of RealAudio.
    ("rpm", "application/x-rpm"),
    // 3D models, not certificates and drawings: the IANA registry of model types.
    ("stl", "model/stl"),
    ("obj", "model/obj"),
    ("mtl", "model/mtl"),
    // RFC 6350 §10.1.
    ("vcf", "text/vcard"),
];

/// The media type of a file by its name (the last segment of a path): its extension, in any case.
///
/// Text has `; charset=utf-8`, or a browser would guess. A name without an extension, and one like `.gitignore` that is
/// nothing but one, is unknown.
pub fn from_file_name(name: &[u8]) -> Cow<'static, str> {
    let media_type = extension(name).and_then(by_extension).unwrap_or(UNKNOWN);
    if has_charset(media_type) { Cow::Owned(format!("{media_type}; charset=utf-8")) } else { Cow::Borrowed(media_type) }
}

/// What follows the last dot, unless that dot is the first byte.
fn extension(name: &[u8]) -> Option<&str> {
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0)?;
    str::from_utf8(&name[dot + 1..]).ok()
}

fn by_extension(extension: &str) -> Option<&'static str> {
    CORRECTIONS
        .iter()
        .find(|(corrected, _)| corrected.eq_ignore_ascii_case(extension))
        .map(|(_, media_type)| *media_type)
        .or_else(|| mime_guess::from_ext(extension).first_raw())
}

/// Whether a charset belongs behind it. Not for XML, which declares its own and which a charset here would overrule
/// (RFC 7303 §3.2), nor for JSON, which is UTF-8 and has no such parameter (RFC 8259 §11).
fn has_charset(media_type: &str) -> bool {
    let is_xml = matches!(media_type, "text/xml" | "text/mathml" | "text/vnd.wap.wml");
    media_type.starts_with("text/") && !is_xml
}
