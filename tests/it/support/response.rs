//! One response, read by the letter.
//!
//! *Invariant:* a [`Response`] only exists if its framing is beyond doubt: whatever is odd about it panics, and the
//! panic shows the bytes.
//!
//! RFC 9112 §4 to §6 is the grammar, read strictly: no code is shared with the server, so the two can't agree on a
//! mistake.

/// One response whose framing is beyond doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub version: String,
    pub status: u16,
    pub reason: String,
    /// Names as they came, values without the white space around them.
    pub fields: Vec<(String, Vec<u8>)>,
    pub content: Vec<u8>,
    /// The head as it came, its empty line included.
    pub raw_head: Vec<u8>,
}

impl Response {
    /// Reads a head by RFC 9112 §4 and §5: one space where it says one, CRLF only, token names, no control byte in a
    /// value.
    pub(super) fn parse(raw_head: Vec<u8>) -> Response {
        let odd = |what: &str| -> ! { panic!("{what} in the response head {}", show(&raw_head)) };
        let text = raw_head.strip_suffix(b"\r\n\r\n").expect("the head was cut at its empty line");
        let mut lines = split_lines(text).into_iter();
        let status_line = lines.next().expect("a split has a first part");
        let status_line = std::str::from_utf8(status_line).unwrap_or_else(|_| odd("a status line that is no text"));
        let mut parts = status_line.splitn(3, ' ');
        let (Some(version), Some(status), Some(reason)) = (parts.next(), parts.next(), parts.next()) else {
            odd("no status line")
        };
        if version != "HTTP/1.1" || status.len() != 3 || !status.bytes().all(|digit| digit.is_ascii_digit()) {
            odd("a bad status line");
        }
        let mut fields = Vec::new();
        for line in lines {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { odd("a line without a colon") };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
            if name.is_empty() || !name.iter().all(token) {
                odd("a name that is no token");
            }
            if value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
                odd("a control byte in a value");
            }
            fields.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
        }
        let status = status.parse().expect("three digits are a number");
        Response {
            version: version.to_owned(),
            status,
            reason: reason.to_owned(),
            fields,
            content: Vec::new(),
            raw_head,
        }
    }

    /// How many bytes of content follow this head (RFC 9112 §6.3).
    pub(super) fn framed_length(&self, method: &str) -> usize {
        let odd = |what: &str| -> ! { panic!("{what} in the response head {}", show(&self.raw_head)) };
        if self.status < 200 {
            odd("an interim response that nobody asked for");
        }
        if self.is_chunked() && method != "HEAD" {
            odd("a transfer coding where nobody reckons with one");
        }
        let length = match self.all("content-length").as_slice() {
            [] => None,
            [digits] if !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                Some(digits.parse().expect("a content length that memory can hold"))
            }
            _ => odd("a bad content length"),
        };
        match (method, self.status, length) {
            // RFC 9110 §8.6: never a length with 204.
            (_, 204, Some(_)) => odd("a content length with 204"),
            _ if self.is_chunked() && length.is_some() => odd("a length and a transfer coding"),
            ("HEAD", _, _) | (_, 204 | 304, _) => 0,
            (_, _, Some(length)) => length,
            (_, _, None) => odd("no content length"),
        }
    }

    /// Whether the content comes in chunks. No other coding is known here.
    pub fn is_chunked(&self) -> bool {
        match self.all("transfer-encoding").as_slice() {
            [] => false,
            [coding] if coding == "chunked" => true,
            found => panic!("{found:?} in the response head {}", show(&self.raw_head)),
        }
    }

    /// The values of all lines of that name.
    pub fn all(&self, name: &str) -> Vec<String> {
        let lines = self.fields.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    pub fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The value of the only line of that name.
    ///
    /// # Panics
    /// When there is none, or more than one.
    pub fn field(&self, name: &str) -> String {
        match self.all(name).as_slice() {
            [value] => value.clone(),
            found => panic!("{} lines of {name} in {}", found.len(), show(&self.raw_head)),
        }
    }

    /// The value of the only line of that name, or none; more than one panics.
    pub fn optional(&self, name: &str) -> Option<String> {
        self.has(name).then(|| self.field(name))
    }

    /// Whether the server says that it will close (RFC 9112 §9.6).
    pub fn closes(&self) -> bool {
        self.all("connection")
            .iter()
            .flat_map(|list| list.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case("close"))
    }

    pub fn content_text(&self) -> &str {
        std::str::from_utf8(&self.content)
            .unwrap_or_else(|_| panic!("content that is no text: {}", show(&self.content)))
    }
}

/// The lines between CRLFs; a CR or LF that is not part of one stays in its line, where the grammar refuses it.
fn split_lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(end) = find(rest, b"\r\n") {
        lines.push(&rest[..end]);
        rest = &rest[end + 2..];
    }
    lines.push(rest);
    lines
}

/// Where the needle first stands in the hay.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}

/// Bytes for a panic message: escaped, and not more than a screen of them.
pub fn show(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 2_000;
    let cut = if bytes.len() > SHOWN_MAX { "…" } else { "" };
    format!("({} bytes) \"{}\"{cut}", bytes.len(), bytes[..bytes.len().min(SHOWN_MAX)].escape_ascii())
}
