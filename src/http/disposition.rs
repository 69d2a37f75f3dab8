//! What a file is to be saved as, where its URL doesn't say.
//!
//! *Invariant:* whatever bytes a name has, the value is one that a field line may have, and no part of the name can end it.
//!
//! RFC 6266 (Content-Disposition), RFC 8187 (`filename*`). A name of other than plain characters is said twice: as it is,
//! in UTF-8 and escapes, and with `_` for whatever some client may read wrongly, for those that know no `filename*` (curl
//! is one).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// `attr-char` of RFC 8187 §3.2.1 stands for itself.
const NOT_ATTR_CHAR: AsciiSet = NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The value of a Content-Disposition that has content shown, and saved by that name.
pub fn inline(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let plain: String = text.chars().map(|letter| if is_safe(letter) { letter } else { '_' }).collect();
    if plain == text {
        return format!("inline; filename=\"{plain}\"");
    }
    format!("inline; filename=\"{plain}\"; filename*=UTF-8''{}", utf8_percent_encode(&text, &NOT_ATTR_CHAR))
}

/// Whether every client reads it alike within quotes: some decode escapes there (RFC 6266 appendix D), some take a
/// backslash for a separator.
fn is_safe(letter: char) -> bool {
    (letter.is_ascii_graphic() || letter == ' ') && !matches!(letter, '"' | '\\' | '%' | '/')
}
