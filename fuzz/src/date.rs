//! A date as a client writes it; and, of its first eight bytes, a time as a clock or a file system may have it.
//!
//! What must hold: no time and no text does harm; a text that is read is one of the three forms of the time that it was
//! read as, byte for byte; and each of the three is read as that time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millpond::http::date;

pub fn check(input: &[u8]) {
    if let Some(time) = date::parse(input) {
        let forms = forms(time);
        assert!(forms.iter().any(|form| form.as_bytes() == input), "{:?} was read as {forms:?}", input.escape_ascii());
        assert_eq!(date::floor_to_second(time), time, "whole seconds, of a year with four digits");
    }
    if let Some(eight) = input.first_chunk::<8>() {
        let seconds = i64::from_le_bytes(*eight);
        // The whole range of a clock, and the part of it that has dates.
        for seconds in [seconds, seconds.rem_euclid(253_402_300_800)] {
            check_time(seconds);
        }
    }
}

fn check_time(seconds: i64) {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    let Some(time) = time else { return };
    let floor = date::floor_to_second(time);
    assert_eq!(date::render(time), date::render(floor));
    for (form, until) in forms(floor).iter().zip([u64::MAX, 3_155_760_000, u64::MAX, u64::MAX]) {
        // A year of two digits is one from 1970 to 2069.
        if floor < UNIX_EPOCH + Duration::from_secs(until.min(253_402_300_800)) {
            assert_eq!(date::parse(form.as_bytes()), Some(floor), "{form}");
        }
    }
    let log = date::render_common_log(time);
    assert!(log.is_ascii() && log.ends_with(b" +0000"));
}

/// IMF-fixdate, RFC 850, and asctime with a space or a zero before a day of one digit.
fn forms(time: SystemTime) -> [String; 4] {
    let imf = String::from_utf8(date::render(time).to_vec()).expect("a date is ASCII");
    let parts: Vec<&str> = imf.split([' ', ',']).filter(|part| !part.is_empty()).collect();
    let [weekday, day, month, year, clock, "GMT"] = parts[..] else { panic!("{imf}") };
    let names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let long = names.into_iter().find(|name| name.starts_with(weekday)).expect("a day of the week");
    let padded = day.strip_prefix('0').map_or(day.to_owned(), |digit| format!(" {digit}"));
    let short_year = &year[2..];
    [
        format!("{weekday}, {day} {month} {year} {clock} GMT"),
        format!("{long}, {day}-{month}-{short_year} {clock} GMT"),
        format!("{weekday} {month} {padded} {clock} {year}"),
        format!("{weekday} {month} {day} {clock} {year}"),
    ]
}
