//! RFC 9110 §13.2.2 as a recipe: one numbered step after another, with jumps, as it is printed there.

use millpond::http::method::Method;
use millpond::http::precondition::Verdict;
use millpond::http::validator::Validators;

/// What the lines of an If-Match or If-None-Match amount to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tags {
    Absent,
    Any,
    /// The current tag is listed as a strong one.
    CurrentStrongly,
    /// It is listed, but as a weak one.
    CurrentWeakly,
    Others,
    Unreadable,
}

/// What the lines of an If-Modified-Since or If-Unmodified-Since amount to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Date {
    /// No line, or lines that the RFC has us ignore.
    Nothing,
    BeforeTheChange,
    AtTheChange,
    AfterTheChange,
}

/// The verdict of the recipe.
pub fn follow(
    method: Method,
    current: &Validators,
    (if_match, if_unmodified_since): (Tags, Date),
    (if_none_match, if_modified_since): (Tags, Date),
) -> Verdict {
    let has_tag = current.etag.is_some();
    let has_date = current.last_modified.is_some();
    let get_or_head = [Method::Get, Method::Head].contains(&method);
    if [Method::Options, Method::Trace, Method::Connect, Method::Unknown].contains(&method) {
        return Verdict::Proceed;
    }
    // 1.
    if if_match != Tags::Absent && if_match != Tags::Any && !(has_tag && if_match == Tags::CurrentStrongly) {
        return Verdict::Failed;
    }
    // 2.
    if if_match == Tags::Absent && has_date && if_unmodified_since == Date::BeforeTheChange {
        return Verdict::Failed;
    }
    // 3.
    if if_none_match != Tags::Absent {
        let listed = has_tag && (if_none_match == Tags::CurrentStrongly || if_none_match == Tags::CurrentWeakly);
        if !listed && if_none_match != Tags::Any {
            return Verdict::Proceed;
        }
        return if get_or_head { Verdict::NotModified } else { Verdict::Failed };
    }
    // 4.
    if get_or_head && has_date && [Date::AtTheChange, Date::AfterTheChange].contains(&if_modified_since) {
        return Verdict::NotModified;
    }
    // 5 is the business of ranges; 6.
    Verdict::Proceed
}
