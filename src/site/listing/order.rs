//! In which order entries are listed: by what, in which direction, and what comes first of two names.
//!
//! *Invariants:* it is a total order of the entries of a directory, so a listing is the same whoever makes it, in however
//! many pieces. Directories come first in every one.
//!
//! Names are in the order that people expect of numbers and letters: `a2` before `a10`, and `README` beside `readme`. That
//! is what the peers settled on that people like for their listings (miniserve, dufs, Caddy); nginx and Apache compare
//! bytes. Only letters of ASCII are compared without their case: every other rule depends on a language, and a name may be
//! in none. Names that are alike so far are in the order of their bytes, so that no two are equal.

use std::cmp::Ordering;

use super::entries::{Item, Kind};

/// What the query asks for: `?sort=size&order=desc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    pub key: Key,
    pub direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Name,
    Size,
    Date,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    Ascending,
    Descending,
}

impl Order {
    /// Where nothing else is asked for.
    pub const DEFAULT: Order = Order { key: Key::Name, direction: Direction::Ascending };

    /// What a link to this order has for a query.
    pub fn query(self) -> &'static str {
        match (self.key, self.direction) {
            (Key::Name, Direction::Ascending) => "?sort=name&order=asc",
            (Key::Name, Direction::Descending) => "?sort=name&order=desc",
            (Key::Size, Direction::Ascending) => "?sort=size&order=asc",
            (Key::Size, Direction::Descending) => "?sort=size&order=desc",
            (Key::Date, Direction::Ascending) => "?sort=date&order=asc",
            (Key::Date, Direction::Descending) => "?sort=date&order=desc",
        }
    }

    /// What comes first. Where the key is the same, names decide, and always forwards.
    pub fn compare(self, one: &Item<'_>, other: &Item<'_>) -> Ordering {
        let kinds = is_file(one).cmp(&is_file(other));
        kinds.then_with(|| self.directed(self.compare_keys(one, other))).then_with(|| names(one.name, other.name))
    }

    fn compare_keys(self, one: &Item<'_>, other: &Item<'_>) -> Ordering {
        match self.key {
            Key::Name => names(one.name, other.name),
            // A directory has none.
            Key::Size if one.kind == Kind::Directory => Ordering::Equal,
            Key::Size => one.size.cmp(&other.size),
            Key::Date => one.modified.cmp(&other.modified),
        }
    }

    fn directed(self, ordering: Ordering) -> Ordering {
        match self.direction {
            Direction::Ascending => ordering,
            Direction::Descending => ordering.reverse(),
        }
    }
}

fn is_file(item: &Item<'_>) -> bool {
    item.kind == Kind::File
}

/// Which of two names comes first: never equal, unless they are the same.
pub fn names(one: &[u8], other: &[u8]) -> Ordering {
    natural(one, other).then_with(|| one.cmp(other))
}

/// Names as rows of letters and numbers. A number stands among other bytes where its digits would.
fn natural(mut one: &[u8], mut other: &[u8]) -> Ordering {
    loop {
        let (Some(a), Some(b)) = (one.first(), other.first()) else { return one.len().cmp(&other.len()) };
        if a.is_ascii_digit() && b.is_ascii_digit() {
            let (number, behind) = split_number(one);
            let (other_number, other_behind) = split_number(other);
            // Without zeros in front the longer one is the larger, whatever its size.
            let ordering = number.len().cmp(&other_number.len()).then_with(|| number.cmp(other_number));
            if ordering.is_ne() {
                return ordering;
            }
            (one, other) = (behind, other_behind);
        } else {
            let ordering = a.to_ascii_lowercase().cmp(&b.to_ascii_lowercase());
            if ordering.is_ne() {
                return ordering;
            }
            (one, other) = (&one[1..], &other[1..]);
        }
    }
}

/// The digits that a name begins with, but for zeros in front, and what is behind them.
fn split_number(name: &[u8]) -> (&[u8], &[u8]) {
    let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let zeros = name[..digits].iter().take_while(|byte| **byte == b'0').count();
    (&name[zeros..digits], &name[digits..])
}
