//! A date of HTTP is a whole second, and one way of writing it: `Sun, 06 Nov 1994 08:49:37 GMT`.
//!
//! *Invariants:* nothing here panics, whatever a clock or a file system says: a time that has no date of four digits
//! after 1969 is moved to the nearest that has one. Two times that render alike are equal after [`floor_to_second`].
//!
//! RFC 9110 §5.6.7: senders write IMF-fixdate only; recipients read that and the two obsolete forms.
//!
//! The calendar is httpdate's. It panics outside 1970..=9999 and tolerates white space around a date, so both ends are
//! checked here.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

/// 9999-12-31 23:59:59, the last second whose year has four digits, in seconds since 1970.
const LAST_SECOND: u64 = 253_402_300_799;

/// Writes a time as an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// A time before 1970 is written as the first second of 1970, one after 9999 as the last of 9999.
pub fn render(time: SystemTime) -> [u8; 29] {
    let mut text = [0; 29];
    write!(text.as_mut_slice(), "{}", HttpDate::from(floor_to_second(time)))
        .expect("an IMF-fixdate has 29 bytes, as many as there is room for");
    text
}

/// Reads a date in any of the three forms of RFC 9110 §5.6.7; [`None`] for anything else, so that the field that has it
/// is ignored.
///
/// | form | example |
/// |---|---|
/// | IMF-fixdate | `Sun, 06 Nov 1994 08:49:37 GMT` |
/// | RFC 850 | `Sunday, 06-Nov-94 08:49:37 GMT` |
/// | asctime | `Sun Nov  6 08:49:37 1994` |
///
/// Two digits of a year mean 1970 to 2069. The RFC would move that window along with the clock, which this wing doesn't
/// have; the dates in question lie decades off either way. A day of the week that doesn't fit its date, a leap second
/// (`:60`) and a year before 1970 are refused: none of them comes from a Last-Modified that this server sent.
pub fn parse(value: &[u8]) -> Option<SystemTime> {
    let text = str::from_utf8(value).ok()?;
    if text.trim() != text {
        return None;
    }
    // httpdate takes any byte between the date and the time of RFC 850; in both forms that end so, a space stands there.
    if text.ends_with(" GMT") && text.bytes().nth_back("08:49:37 GMT".len()) != Some(b' ') {
        return None;
    }
    httpdate::parse_http_date(text).ok()
}

/// The whole second that a time lies in, within the years 1970 to 9999: the time a recipient of [`render`] will read.
pub fn floor_to_second(time: SystemTime) -> SystemTime {
    // An error means a time before 1970.
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since_1970.as_secs().min(LAST_SECOND))
}

/// Writes a time as RFC 3339 has it: `1994-11-06T08:49:37Z`. Clamps as [`render`] does.
pub fn render_rfc3339(time: SystemTime) -> [u8; 20] {
    let mut text = *b"yyyy-mm-ddThh:mm:ssZ";
    text[..19].copy_from_slice(&render_rfc3339_milliseconds(time)[..19]);
    text
}

/// Writes a time as the common log format has it, without the brackets: `06/Nov/1994:08:49:37 +0000`.
///
/// Always UTC: what the local time is can't be asked soundly in a process with threads. Clamps as [`render`] does.
pub fn render_common_log(time: SystemTime) -> [u8; 26] {
    let date = render(time);
    let mut text = *b"dd/mmm/yyyy:hh:mm:ss +0000";
    text[0..2].copy_from_slice(&date[5..7]);
    text[3..6].copy_from_slice(&date[8..11]);
    text[7..11].copy_from_slice(&date[12..16]);
    text[12..20].copy_from_slice(&date[17..25]);
    text
}

/// Writes a time as RFC 3339 has it, in milliseconds: `1994-11-06T08:49:37.000Z`. Clamps as [`render`] does.
pub fn render_rfc3339_milliseconds(time: SystemTime) -> [u8; 24] {
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let date = render(time);
    let month = MONTHS.iter().position(|month| **month == date[8..11]).unwrap_or(0) + 1;
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let [tens, ones] = two_digits(month);
    let milliseconds = usize::try_from(since.subsec_millis()).unwrap_or(0);
    let mut text = *b"yyyy-mm-ddThh:mm:ss.mmmZ";
    text[0..4].copy_from_slice(&date[12..16]);
    text[5..7].copy_from_slice(&[tens, ones]);
    text[8..10].copy_from_slice(&date[5..7]);
    text[11..19].copy_from_slice(&date[17..25]);
    text[20] = two_digits(milliseconds / 100)[1];
    text[21..23].copy_from_slice(&two_digits(milliseconds));
    text
}

/// The last two digits of a number.
fn two_digits(number: usize) -> [u8; 2] {
    const DIGITS: &[u8; 10] = b"0123456789";
    [DIGITS[number / 10 % 10], DIGITS[number % 10]]
}
