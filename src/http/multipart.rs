//! Several ranges travel in one response as parts, each with a small head of its own and a line between them.
//!
//! ```text
//! HTTP/1.1 206 Partial Content
//! Content-Type: multipart/byteranges; boundary=00c0ffee00c0ffee    <- Multipart::media_type
//! Content-Length: ...                                              <- Multipart::content_length
//!
//! --00c0ffee00c0ffee                                            \
//! Content-Type: text/plain; charset=utf-8                        } <- Part::preamble
//! Content-Range: bytes 0-4/1000                                 /
//!                                                              /
//! first                                                        <- the bytes of Part::range
//! --00c0ffee00c0ffee                                            \  the next preamble begins with the line end
//! ...                                                            } that belongs to the boundary, not to the content
//! --00c0ffee00c0ffee--                                         <- Multipart::closing
//! ```
//!
//! *Invariants:* `content_length` is exactly what the preambles, ranges and closing add up to. No part's content is
//! here, and one part is made at a time, so a response of 16 parts may park between any two.
//!
//! RFC 9110 §14.6 Media Type multipart/byteranges, §15.3.7.2; RFC 2046 §5.1.1 for the boundary.
//!
//! The boundary mustn't occur in the content, which nobody has looked through. It is a number that the caller draws at
//! random for each response: no file can be made to contain it, and the odds that one does by chance are 2^-64 a line.

use crate::http::range::ByteRange;

/// The framing of a multipart/byteranges response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multipart {
    /// 16 hexadecimal digits: a token, so it stands in Content-Type without quotes.
    boundary: String,
    part_media_type: String,
    ranges: Vec<ByteRange>,
    content_length: u64,
}

/// One range, and what goes before its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The boundary and the head of the part, up to and with its empty line.
    pub preamble: Vec<u8>,
    /// The bytes of the representation that follow.
    pub range: ByteRange,
}

impl Multipart {
    /// Frames those ranges of a representation of that media type, which has to be a valid field value. `boundary` is
    /// to be random.
    ///
    /// [`None`] if the length in bytes is beyond 64 bits: the caller sends the whole instead. A file whose size leaves
    /// no room for the framing doesn't exist (2^63 - 1 is the limit of Linux), but that is not this room's to know.
    pub fn new(ranges: Vec<ByteRange>, media_type: &str, boundary: u64) -> Option<Multipart> {
        let mut multipart = Multipart {
            boundary: format!("{boundary:016x}"),
            part_media_type: media_type.to_owned(),
            ranges,
            content_length: 0,
        };
        multipart.content_length = multipart.measure()?;
        Some(multipart)
    }

    /// The Content-Type of the response.
    pub fn media_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// The Content-Length of the response, in bytes.
    pub fn content_length(&self) -> u64 {
        self.content_length
    }

    /// The part at `index`, counted from 0; [`None`] after the last, when [`closing`](Multipart::closing) is due.
    pub fn part(&self, index: usize) -> Option<Part> {
        let range = *self.ranges.get(index)?;
        // The line end before a boundary belongs to the boundary. The first has the one that ends the response's head.
        let line_end = if index == 0 { "" } else { "\r\n" };
        let preamble = format!(
            "{line_end}--{}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
            self.boundary,
            self.part_media_type,
            range.content_range()
        );
        Some(Part { preamble: preamble.into_bytes(), range })
    }

    /// Every part in turn, each made when it is asked for.
    pub fn parts(&self) -> impl Iterator<Item = Part> + use<'_> {
        (0..self.ranges.len()).filter_map(|index| self.part(index))
    }

    /// The delimiter after the last part, which ends the content.
    pub fn closing(&self) -> Vec<u8> {
        format!("\r\n--{}--\r\n", self.boundary).into_bytes()
    }

    fn measure(&self) -> Option<u64> {
        let closing_len = u64::try_from(self.closing().len()).ok()?;
        self.parts().try_fold(closing_len, |sum, part| {
            let preamble_len = u64::try_from(part.preamble.len()).ok()?;
            sum.checked_add(preamble_len)?.checked_add(part.range.len())
        })
    }
}
