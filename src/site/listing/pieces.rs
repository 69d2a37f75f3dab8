//! A listing on its way: its entries, written one by one as they are due.
//!
//! *Invariant:* a piece ends with the first entry that fills it, so its size is bounded by that of a piece and an entry.

use super::entries::{Entries, Merge, Totals};
use super::gather::{Extent, Share};
use super::wish::{Form, Wish};
use super::{data, page, spelling};
use crate::config;
use crate::http::pieces::{Produce, Produced};

/// What is left of a listing.
#[derive(Debug)]
pub struct Forms {
    merge: Merge,
    totals: Totals,
    wish: Wish,
    relative: Box<[u8]>,
    extent: Extent,
    at: At,
    /// Made already, and to be sent before the rest.
    first: Vec<u8>,
    /// Held as long as the entries are.
    _share: Share,
}

/// What is to be written next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Begin,
    FirstEntry,
    Entries,
}

impl Forms {
    pub fn begin(entries: Entries, wish: Wish, relative: Box<[u8]>, extent: Extent, share: Share) -> Forms {
        let totals = entries.totals;
        let merge = entries.merge(wish.order);
        Forms { merge, totals, wish, relative, extent, at: At::Begin, first: Vec::new(), _share: share }
    }

    /// The same with a piece in front that it has made.
    pub fn behind(self, first: Vec<u8>) -> Forms {
        Forms { first, ..self }
    }

    fn write_begin(&self, out: &mut Vec<u8>) {
        match self.wish.form {
            Form::Html => page::write_begin(&self.relative, &self.totals, self.wish.order, self.extent, out),
            Form::Json => {
                let path = format!("/{}", spelling::lossy(&self.relative));
                data::write_begin(&path, self.extent, out);
            }
            Form::Text => {}
        }
    }

    fn write_end(&self, out: &mut Vec<u8>) {
        match self.wish.form {
            Form::Html => page::write_end(&self.totals, out),
            Form::Json => out.extend_from_slice(data::JSON_END),
            Form::Text => {}
        }
    }
}

impl Produce for Forms {
    fn produce(&mut self, out: &mut Vec<u8>) -> Produced {
        if !self.first.is_empty() {
            out.append(&mut std::mem::take(&mut self.first));
            return Produced::More;
        }
        let full = out.len() + config::LISTING_PIECE_BYTES;
        if self.at == At::Begin {
            self.write_begin(out);
            self.at = At::FirstEntry;
        }
        while let Some(item) = self.merge.first() {
            if out.len() >= full {
                return Produced::More;
            }
            match self.wish.form {
                Form::Html => page::write_row(&item, out),
                Form::Json => data::write_entry(&item, if self.at == At::FirstEntry { "\n" } else { ",\n" }, out),
                Form::Text => data::write_line(&item, out),
            }
            self.at = At::Entries;
            self.merge.advance();
        }
        self.write_end(out);
        Produced::All
    }
}
