//! Range and If-Range, slowly and obviously: RFC 9110 §14.1.1, §14.1.2, §14.2, §13.1.5.

/// What to send.
#[derive(Debug, PartialEq)]
pub enum Sent {
    Whole,
    /// The first and the last offset of each range.
    Ranges(Vec<(u64, u64)>),
    Unsatisfiable,
}

/// The most ranges that are worth it; and no two may overlap (§14.2 allows to ignore such a set).
const RANGES_MAX: usize = 16;

/// What the value of Range asks for of `size` bytes.
pub fn read(value: &[u8], size: u64) -> Sent {
    let value: String = value.iter().map(|byte| char::from(*byte)).collect();
    let Some(ranges) = ranges(&value, size) else { return Sent::Whole };
    if ranges.is_empty() {
        return Sent::Unsatisfiable;
    }
    for (index, one) in ranges.iter().enumerate() {
        for other in &ranges[..index] {
            if one.0 <= other.1 && other.0 <= one.1 {
                return Sent::Whole;
            }
        }
    }
    Sent::Ranges(ranges)
}

/// Those that can be satisfied; none of the set if it is not by the grammar.
fn ranges(value: &str, size: u64) -> Option<Vec<(u64, u64)>> {
    let (unit, set) = value.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let elements = set.split(',').map(|element| element.trim_matches([' ', '\t']));
    let elements: Vec<&str> = elements.filter(|element| !element.is_empty()).collect();
    if elements.is_empty() || elements.len() > RANGES_MAX {
        return None;
    }
    let mut ranges = Vec::new();
    for element in elements {
        let (first, last) = element.split_once('-')?;
        let range = match (first, last) {
            ("", length) => (size.saturating_sub(number(length)?), u64::MAX),
            (first, "") => (number(first)?, u64::MAX),
            (first, last) => (number(first)?, number(last)?),
        };
        if range.0 > range.1 {
            return None;
        }
        // §14.1.2: what is beyond the end is cut off.
        if range.0 < size {
            ranges.push((range.0, range.1.min(size - 1)));
        }
    }
    Some(ranges)
}

/// `1*DIGIT`; one that is too large for 64 bits is beyond every file.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}
