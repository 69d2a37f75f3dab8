//! What a client would rather have: content codings by Accept-Encoding, and whether Accept asks for a media type.
//!
//! *Invariant:* what can't be read is not asked for. An element with a malformed weight counts as if it weren't there, so
//! no content coding is ever sent to a client that didn't name it in a way that can be read.
//!
//! RFC 9110 §12.4.2 (quality values), §12.4.3 (`*`), §12.5.1 (Accept), §12.5.3 (Accept-Encoding), §8.4.1 (codings).
//!
//! A client that names a coding can read it; of those that it likes alike, the server takes the first of
//! [`Coding::ALL`], which is by how small they make text. Identity is what a client gets that names no other, so it is
//! the last choice, unless the client says how much it likes it.
//!
//! `identity;q=0` is not enforced: where there is no coding that the client takes, the plain bytes are sent, and no 406.
//! RFC 9110 §12.1 lets a server disregard the field, and clients write `gzip, *;q=0` who mean "no other coding".

use super::field::Fields;

/// A content coding, of those that files are compressed with beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Coding {
    Brotli,
    Zstandard,
    Gzip,
}

impl Coding {
    /// In the order of the server's liking.
    pub const ALL: [Coding; 3] = [Coding::Brotli, Coding::Zstandard, Coding::Gzip];

    /// As Content-Encoding has it.
    pub fn token(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Zstandard => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// What the name of a file ends in that is so encoded.
    pub fn extension(self) -> &'static str {
        match self {
            Coding::Brotli => ".br",
            Coding::Zstandard => ".zst",
            Coding::Gzip => ".gz",
        }
    }

    /// Its place in [`ALL`](Coding::ALL), for what is kept of each.
    pub fn index(self) -> usize {
        match self {
            Coding::Brotli => 0,
            Coding::Zstandard => 1,
            Coding::Gzip => 2,
        }
    }

    /// Whether a token means it. `x-gzip` is another word for gzip (RFC 9110 §8.4.1.3).
    fn is_meant_by(self, token: &[u8]) -> bool {
        token.eq_ignore_ascii_case(self.token().as_bytes())
            || self == Coding::Gzip && token.eq_ignore_ascii_case(b"x-gzip")
    }
}

/// The codings that a client would rather have than none, the one it likes best first.
pub fn codings(fields: &Fields<'_>) -> impl Iterator<Item = Coding> + use<> {
    let mut wishes = Wishes::default();
    for (token, weight) in fields.elements("accept-encoding").filter_map(weighted) {
        wishes.add(token, weight);
    }
    let mut ranked = Coding::ALL.map(|coding| (wishes.weight(coding), coding));
    // Stable, so that of those that the client likes alike the server's order holds.
    ranked.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let identity = wishes.identity.or(wishes.others).unwrap_or(Weight::NONE);
    ranked
        .into_iter()
        .filter(move |(weight, _)| *weight > Weight::NONE && *weight >= identity)
        .map(|(_, coding)| coding)
}

/// What the elements of an Accept-Encoding say, each if it says anything.
#[derive(Default)]
struct Wishes {
    codings: [Option<Weight>; Coding::ALL.len()],
    identity: Option<Weight>,
    /// `*`: whatever isn't named.
    others: Option<Weight>,
}

impl Wishes {
    fn add(&mut self, token: &[u8], weight: Weight) {
        let coding = Coding::ALL.into_iter().find(|coding| coding.is_meant_by(token));
        let place = match coding {
            Some(coding) => &mut self.codings[coding.index()],
            None if token == b"*" => &mut self.others,
            None if token.eq_ignore_ascii_case(b"identity") => &mut self.identity,
            None => return,
        };
        // Named twice: what is refused once isn't sent.
        *place = Some(place.map_or(weight, |other| other.min(weight)));
    }

    fn weight(&self, coding: Coding) -> Weight {
        self.codings[coding.index()].or(self.others).unwrap_or(Weight::NONE)
    }
}

/// How Accept speaks of a media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// By its name, and wants it.
    ByName,
    /// By a range that it is in (`text/*`, `*/*`), or there is no Accept at all.
    InPassing,
    /// Not at all, or with a weight of zero.
    Not,
}

/// How the Accept of a request speaks of a media type such as `text/html`. The most specific range decides (RFC 9110
/// §12.5.1); parameters of the type don't count.
pub fn asked_for(fields: &Fields<'_>, media_type: &str) -> Asked {
    let group = media_type.split('/').next().unwrap_or_default();
    let (mut by_name, mut by_group, mut by_all, mut any_range) = (None, None, None, false);
    for (range, weight) in fields.elements("accept").filter_map(weighted) {
        any_range = true;
        let place = match range {
            b"*/*" => &mut by_all,
            _ if range.eq_ignore_ascii_case(media_type.as_bytes()) => &mut by_name,
            _ if range.strip_suffix(b"/*").is_some_and(|of| of.eq_ignore_ascii_case(group.as_bytes())) => &mut by_group,
            _ => continue,
        };
        *place = Some(place.map_or(weight, |other: Weight| other.max(weight)));
    }
    match (by_name, by_group.or(by_all)) {
        (Some(weight), _) if weight > Weight::NONE => Asked::ByName,
        (Some(_), _) => Asked::Not,
        (None, Some(weight)) if weight > Weight::NONE => Asked::InPassing,
        (None, Some(_)) => Asked::Not,
        (None, None) => {
            if any_range {
                Asked::Not
            } else {
                Asked::InPassing
            }
        }
    }
}

/// A quality value in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Weight(u16);

impl Weight {
    const NONE: Weight = Weight(0);
    const FULL: Weight = Weight(1000);

    /// ```text
    /// qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
    /// ```
    fn parse(text: &[u8]) -> Option<Weight> {
        let (whole, fraction) = match text {
            [whole @ (b'0' | b'1')] => (whole, [].as_slice()),
            [whole @ (b'0' | b'1'), b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
            _ => return None,
        };
        let mut thousandths = u16::from(whole - b'0') * 1000;
        for (digit, worth) in fraction.iter().zip([100, 10, 1]) {
            thousandths += u16::from(digit.is_ascii_digit().then(|| digit - b'0')?) * worth;
        }
        (thousandths <= Weight::FULL.0).then_some(Weight(thousandths))
    }
}

/// An element of a list with its weight: `gzip;q=0.5`. Parameters beside it are passed over. None if the weight is
/// malformed, or there are two.
fn weighted(element: &[u8]) -> Option<(&[u8], Weight)> {
    let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next()?;
    let mut weight = None;
    for part in parts {
        if let [b'q' | b'Q', b'=', value @ ..] = part {
            let parsed = Weight::parse(value)?;
            if weight.replace(parsed).is_some() {
                return None;
            }
        }
    }
    Some((name, weight.unwrap_or(Weight::FULL)))
}
