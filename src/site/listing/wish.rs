//! What a request wants of a listing: the form and the order.
//!
//! *Invariant:* whatever the query says, there is an answer: what can't be read is taken for the default. The query is
//! compared with words, and never repeated.

use super::order::{Direction, Key, Order};
use crate::http::accept;
use crate::http::field::Fields;

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wish {
    pub form: Form,
    pub order: Order,
}

/// What a listing is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// For people.
    Html,
    /// For programs: an object, with an entry on each line.
    Json,
    /// For shells: a reference on each line, percent-encoded, so that no name can have a line end in it.
    Text,
}

impl Wish {
    /// The query decides, as far as it says anything, and of the form `Accept` where it doesn't.
    pub fn read(query: Option<&str>, fields: &Fields<'_>) -> Wish {
        let query = query.unwrap_or_default();
        let form = match value(query, "format") {
            Some("html") => Form::Html,
            Some("json") => Form::Json,
            Some("text") => Form::Text,
            _ => Form::liked_by(fields),
        };
        let key = match value(query, "sort") {
            Some("size") => Key::Size,
            Some("date") => Key::Date,
            _ => Key::Name,
        };
        let direction = match value(query, "order") {
            Some("desc") => Direction::Descending,
            _ => Direction::Ascending,
        };
        Wish { form, order: Order { key, direction } }
    }
}

impl Form {
    /// The best of the three, of those that are liked alike the first.
    fn liked_by(fields: &Fields<'_>) -> Form {
        match accept::choose(fields, &["text/html", "application/json", "text/plain"]) {
            "application/json" => Form::Json,
            "text/plain" => Form::Text,
            _ => Form::Html,
        }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Form::Html => "text/html; charset=utf-8",
            Form::Json => "application/json",
            Form::Text => "text/plain; charset=utf-8",
        }
    }
}

/// The value of the first parameter of that name.
fn value<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
