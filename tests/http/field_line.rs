//! Which lines may stand in every response.

use millpond::http::field_line::{self, FieldLine, FieldLineError};

#[test]
fn a_line_is_a_name_a_colon_and_a_value_without_the_blanks_around_it() {
    for (line, name, value) in [
        ("X-A: b", "X-A", "b"),
        ("X-A:b", "X-A", "b"),
        ("X-A: \t b c\t ", "X-A", "b c"),
        ("X-A: b\tc", "X-A", "b\tc"),
        ("X-A: b: c", "X-A", "b: c"),
        ("X-A:", "X-A", ""),
        ("X-A: grüße", "X-A", "grüße"),
        ("!#$%&'*+-.^_`|~: b", "!#$%&'*+-.^_`|~", "b"),
        ("Cache-Control: no-store", "Cache-Control", "no-store"),
    ] {
        let parsed = line.parse::<FieldLine>().expect(line);
        assert_eq!((parsed.name(), parsed.value()), (name, value), "{line:?}");
    }
}

#[test]
fn a_line_that_could_end_itself_or_has_no_proper_name_is_refused() {
    for (line, error) in [
        ("", FieldLineError::NoColon),
        ("X-A", FieldLineError::NoColon),
        (": b", FieldLineError::EmptyName),
        (" X-A: b", FieldLineError::NameByte(b' ')),
        ("X-A : b", FieldLineError::NameByte(b' ')),
        ("X\r\nY: b", FieldLineError::NameByte(b'\r')),
        ("Grüße: b", FieldLineError::NameByte(0xc3)),
        ("X: a\r\nb", FieldLineError::ValueByte(b'\r')),
        ("X: a\nSet-Cookie: b", FieldLineError::ValueByte(b'\n')),
        ("X: a\r\n", FieldLineError::ValueByte(b'\r')),
        ("X: a\0", FieldLineError::ValueByte(0)),
        ("X: \x1b[31m", FieldLineError::ValueByte(0x1b)),
        ("X: \x7f", FieldLineError::ValueByte(0x7f)),
    ] {
        assert_eq!(line.parse::<FieldLine>(), Err(error), "{line:?}");
    }
}

#[test]
fn a_field_that_the_server_works_out_itself_is_refused_in_any_case() {
    for name in [
        "Connection",
        "Content-Length",
        "Date",
        "Keep-Alive",
        "Proxy-Connection",
        "TE",
        "Trailer",
        "Transfer-Encoding",
        "Upgrade",
    ] {
        for spelling in [name.to_owned(), name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
            assert_eq!(FieldLine::new(&spelling, "1"), Err(FieldLineError::OfMessage(name)));
            assert_eq!(field_line::check(&spelling, "1"), Err(FieldLineError::OfMessage(name)));
        }
    }
    for name in [
        "Accept-Ranges",
        "Allow",
        "Content-Encoding",
        "Content-Location",
        "Content-Range",
        "Content-Type",
        "ETag",
        "Last-Modified",
        "Location",
        "Vary",
    ] {
        for spelling in [name.to_owned(), name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
            assert_eq!(FieldLine::new(&spelling, "1"), Err(FieldLineError::OfRepresentation(name)));
            assert_eq!(field_line::check(&spelling, "1"), Ok(()), "one response may have it");
        }
    }
}

#[test]
fn of_all_bytes_only_control_bytes_are_refused_in_a_value() {
    for byte in 0..=0x7f_u8 {
        let value = format!("a{}b", char::from(byte));
        let refused = (byte < 0x20 && byte != b'\t') || byte == 0x7f;
        let expected = if refused { Err(FieldLineError::ValueByte(byte)) } else { Ok(()) };
        assert_eq!(field_line::check("X", &value), expected, "{byte:#04x}");
    }
}

#[test]
fn an_error_says_what_is_wrong_and_what_would_be_right() {
    for (error, text) in [
        (FieldLineError::NoColon, "there is no colon in it: write 'Name: value'"),
        (FieldLineError::EmptyName, "there is no name before the colon: write 'Name: value'"),
        (
            FieldLineError::NameByte(b' '),
            "the name has the byte ` `: a name is made of letters, digits and !#$%&'*+-.^_`|~, with no blank before the \
             colon",
        ),
        (
            FieldLineError::NameByte(b'('),
            "the name has the byte `(`: a name is made of letters, digits and !#$%&'*+-.^_`|~, with no blank before the \
             colon",
        ),
        (
            FieldLineError::ValueByte(b'\n'),
            "the value has the control byte 0x0a: it would end the line or worse, leave it out",
        ),
        (
            FieldLineError::OfMessage("Date"),
            "Date frames or dates the message, or is about the connection: the server alone can set it",
        ),
        (
            FieldLineError::OfRepresentation("ETag"),
            "ETag is worked out for every response: one value can't be right for all",
        ),
    ] {
        assert_eq!(error.to_string(), text);
    }
}
