//! Dates: RFC 9110 §5.6.7.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millpond::http::date;
use proptest::prelude::*;

use crate::support::seconds;

/// The example of RFC 9110 §5.6.7.
const EXAMPLE: u64 = 784_111_777;
const LAST: u64 = 253_402_300_799;

fn before_1970(seconds: u64) -> SystemTime {
    UNIX_EPOCH - Duration::from_secs(seconds)
}

#[test]
fn a_time_is_rendered_in_both_forms_and_clamped_to_years_of_four_digits() {
    let nanosecond = Duration::from_nanos(1);
    let table = [
        ("the RFC's example", seconds(EXAMPLE), "Sun, 06 Nov 1994 08:49:37 GMT", "06/Nov/1994:08:49:37 +0000"),
        ("the epoch", UNIX_EPOCH, "Thu, 01 Jan 1970 00:00:00 GMT", "01/Jan/1970:00:00:00 +0000"),
        ("a leap day", seconds(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT", "29/Feb/2000:00:00:00 +0000"),
        (
            "a fraction is cut off, not rounded",
            seconds(EXAMPLE + 1) - nanosecond,
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "06/Nov/1994:08:49:37 +0000",
        ),
        ("just before 1970", UNIX_EPOCH - nanosecond, "Thu, 01 Jan 1970 00:00:00 GMT", "01/Jan/1970:00:00:00 +0000"),
        ("long before 1970", before_1970(1 << 40), "Thu, 01 Jan 1970 00:00:00 GMT", "01/Jan/1970:00:00:00 +0000"),
        ("the last second", seconds(LAST), "Fri, 31 Dec 9999 23:59:59 GMT", "31/Dec/9999:23:59:59 +0000"),
        ("the year 10000", seconds(LAST + 1), "Fri, 31 Dec 9999 23:59:59 GMT", "31/Dec/9999:23:59:59 +0000"),
        (
            "the end of i64",
            seconds(i64::MAX.unsigned_abs()),
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "31/Dec/9999:23:59:59 +0000",
        ),
    ];
    for (rule, time, imf_fixdate, common_log) in table {
        assert_eq!(str::from_utf8(&date::render(time)), Ok(imf_fixdate), "{rule}");
        assert_eq!(str::from_utf8(&date::render_common_log(time)), Ok(common_log), "{rule}");
    }
}

#[test]
fn the_three_forms_are_read() {
    let table: [(&str, &str, u64); 10] = [
        ("IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE),
        ("RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE),
        ("asctime with a space before the day", "Sun Nov  6 08:49:37 1994", EXAMPLE),
        ("asctime with a zero before the day", "Sun Nov 06 08:49:37 1994", EXAMPLE),
        ("asctime with a day of two digits", "Wed Nov 16 08:49:37 1994", EXAMPLE + 10 * 86_400),
        ("RFC 850 with the longest name of a day", "Wednesday, 16-Nov-94 08:49:37 GMT", EXAMPLE + 10 * 86_400),
        ("RFC 850, the first year of the window", "Thursday, 01-Jan-70 00:00:00 GMT", 0),
        ("RFC 850, the last year of the window", "Tuesday, 31-Dec-69 23:59:59 GMT", 3_155_759_999),
        ("the epoch", "Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("the last second", "Fri, 31 Dec 9999 23:59:59 GMT", LAST),
    ];
    for (rule, text, since_1970) in table {
        assert_eq!(date::parse(text.as_bytes()), Some(seconds(since_1970)), "{rule}");
    }
}

#[test]
fn whatever_is_not_a_date_is_refused() {
    let table: [(&str, &[u8]); 31] = [
        ("empty", b""),
        ("a word", b"garbage"),
        ("a number", b"0"),
        ("200 nines", &[b'9'; 200]),
        ("a space before it", b" Sun, 06 Nov 1994 08:49:37 GMT"),
        ("a space after it", b"Sun, 06 Nov 1994 08:49:37 GMT "),
        ("a line end after it", b"Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        ("one byte short", b"Sun, 06 Nov 1994 08:49:37 GM"),
        ("one byte long", b"Sun, 06 Nov 1994 08:49:37 GMT;"),
        ("two dates", b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT"),
        ("another zone", b"Sun, 06 Nov 1994 08:49:37 UTC"),
        ("an offset", b"Sun, 06 Nov 1994 08:49:37 +0000"),
        ("lower case, which the grammar refuses", b"sun, 06 nov 1994 08:49:37 gmt"),
        ("a day of one digit", b"Sun, 6 Nov 1994 08:49:37 GMT"),
        ("the wrong day of the week", b"Mon, 06 Nov 1994 08:49:37 GMT"),
        ("a day 0", b"Sun, 00 Nov 1994 08:49:37 GMT"),
        ("asctime with a day 0", b"Sun Nov  0 08:49:37 1994"),
        ("a day 31 in November", b"Thu, 31 Nov 1994 08:49:37 GMT"),
        ("29 February of 2100, no leap year", b"Mon, 29 Feb 2100 00:00:00 GMT"),
        ("hour 24", b"Sun, 06 Nov 1994 24:00:00 GMT"),
        ("minute 60", b"Sun, 06 Nov 1994 08:60:37 GMT"),
        ("a leap second", b"Sat, 31 Dec 2016 23:59:60 GMT"),
        ("the year 1969", b"Wed, 31 Dec 1969 23:59:59 GMT"),
        ("the year 0", b"Sun, 06 Nov 0000 08:49:37 GMT"),
        ("the year 10000", b"Sat, 01 Jan 10000 00:00:00 GMT"),
        ("a sign before the year", b"Sun, 06 Nov -994 08:49:37 GMT"),
        ("RFC 850 with a year of four digits", b"Sunday, 06-Nov-1994 08:49:37 GMT"),
        ("RFC 850 with a short day of the week", b"Sun, 06-Nov-94 08:49:37 GMT"),
        ("RFC 850 with something else than a space before the time", b"Sunday, 06-Nov-94!08:49:37 GMT"),
        ("asctime with a zone", b"Sun Nov  6 08:49:37 1994 GMT"),
        ("bytes that are no text", b"Sun, 06 Nov 1994 08:49:37 G\xFFT"),
    ];
    for (rule, value) in table {
        assert_eq!(date::parse(value), None, "{rule}");
    }
}

#[test]
fn every_day_of_the_calendar_survives_the_round_trip() {
    // The calendar repeats every 400 years, which are 146,097 days.
    for day in (0..146_097).chain(LAST / 86_400 - 365..=LAST / 86_400) {
        let time = seconds(day * 86_400 + 43_199);
        assert_eq!(date::parse(&date::render(time)), Some(time), "day {day}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_parse_panic(value: Vec<u8>) {
        date::parse(&value);
    }

    #[test]
    fn no_damaged_date_makes_parse_panic(at in 0_usize..29, byte: u8) {
        let mut value = *b"Sun, 06 Nov 1994 08:49:37 GMT";
        value[at] = byte;
        date::parse(&value);
    }

    #[test]
    fn what_is_read_back_is_the_time_floored(secs: i64, nanos in 0_u32..1_000_000_000) {
        let magnitude = Duration::new(secs.unsigned_abs(), nanos);
        let time = if secs < 0 { UNIX_EPOCH.checked_sub(magnitude) } else { UNIX_EPOCH.checked_add(magnitude) };
        if let Some(time) = time {
            prop_assert_eq!(date::parse(&date::render(time)), Some(date::floor_to_second(time)));
        }
    }
}

#[test]
fn a_time_is_rendered_as_rfc_3339_has_it_in_every_month() {
    let rows = [
        (EXAMPLE, "1994-11-06T08:49:37Z"),
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (LAST, "9999-12-31T23:59:59Z"),
        (LAST + 1, "9999-12-31T23:59:59Z"),
    ];
    for (time, expected) in rows {
        assert_eq!(date::render_rfc3339(seconds(time)).escape_ascii().to_string(), expected);
    }
    for month in 1..=12 {
        // The fifteenths of 1970 lie some 30 days apart.
        let time = 14 * 86_400 + (month - 1) * 2_629_746;
        assert_eq!(date::render_rfc3339(seconds(time))[..8].escape_ascii().to_string(), format!("1970-{month:02}-"));
    }
}
