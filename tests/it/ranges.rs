//! Ranges: one, several, from the end, beyond the end, and those that are ignored because they say nothing or too much.
//!
//! RFC 9110 §14 (ranges), §14.1.2 (bytes), §13.1.5 (If-Range), §14.6 (multipart), §15.3.7 (206), §15.5.17 (416);
//! threats.md R1 to R7.

use crate::support::{Client, DATED, FIVE_GIB, Response, ask, find, get, request, rows, server, show};

const DIGITS: &str = "0123456789abcdefghijklmnopqrstuvwxyz";

/// What a range of the 36 digits gets.
enum Gets {
    /// 206 with the bytes of this range, both ends included.
    Part(usize, usize),
    /// 206 with these ranges, each in its part.
    Parts(&'static [(usize, usize)]),
    /// 200: the field is ignored.
    Whole,
    /// 416.
    Unsatisfiable,
}
use Gets::{Part, Parts, Unsatisfiable, Whole};

/// A GET of the digits with these field lines, of which `Range` is one.
#[track_caller]
fn digits(fields: &str, gets: Gets) {
    let response = ask(server(), get("/digits.txt", fields));
    assert!(!response.closes());
    match gets {
        Part(first, last) => is_part(&response, first, last),
        Parts(ranges) => is_parts(&response, ranges),
        Whole => {
            assert_eq!((response.status, response.optional("content-range")), (200, None));
            assert_eq!(response.content_text(), DIGITS);
        }
        Unsatisfiable => {
            assert_eq!((response.status, response.field("content-range").as_str()), (416, "bytes */36"));
        }
    }
}

#[track_caller]
fn is_part(response: &Response, first: usize, last: usize) {
    assert_eq!((response.status, response.content_text()), (206, &DIGITS[first..=last]));
    assert_eq!(response.field("content-range"), format!("bytes {first}-{last}/36"));
    assert_eq!(response.field("content-length"), (last - first + 1).to_string());
}

#[track_caller]
fn is_parts(response: &Response, ranges: &[(usize, usize)]) {
    assert_eq!((response.status, response.optional("content-range")), (206, None));
    let expected: Vec<PartOf> = ranges
        .iter()
        .map(|(first, last)| PartOf {
            content_type: "text/plain; charset=utf-8".to_owned(),
            content_range: format!("bytes {first}-{last}/36"),
            content: DIGITS.as_bytes()[*first..=*last].to_vec(),
        })
        .collect();
    assert_eq!(parts(response), expected);
}

/// One part of a multipart/byteranges.
#[derive(Debug, PartialEq)]
struct PartOf {
    content_type: String,
    content_range: String,
    content: Vec<u8>,
}

/// Takes the content apart by RFC 2046 §5.1.1, byte by byte: nothing before, between or behind the parts.
#[track_caller]
fn parts(response: &Response) -> Vec<PartOf> {
    let content_type = response.field("content-type");
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap_or_else(|| panic!("no boundary: {content_type}"));
    let boundary_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    assert!((1..=70).contains(&boundary.len()) && boundary.bytes().all(boundary_byte), "{boundary}");
    let (delimiter, close) = (format!("\r\n--{boundary}\r\n"), format!("\r\n--{boundary}--\r\n"));
    // The CRLF before the first delimiter belongs to it, but nothing has to be before it.
    let content = response.content.strip_prefix(b"\r\n").unwrap_or(&response.content);
    let mut rest =
        content.strip_prefix(&delimiter.as_bytes()[2..]).unwrap_or_else(|| panic!("no first part: {}", show(content)));
    let mut parts = Vec::new();
    loop {
        let head_end = find(rest, b"\r\n\r\n").unwrap_or_else(|| panic!("a part without a head: {}", show(rest)));
        let head = std::str::from_utf8(&rest[..head_end]).expect("a part's head is text");
        let mut part = PartOf { content_type: String::new(), content_range: String::new(), content: Vec::new() };
        for line in head.split("\r\n") {
            match line.split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-type") => {
                    value.clone_into(&mut part.content_type)
                }
                Some((name, value)) if name.eq_ignore_ascii_case("content-range") => {
                    value.clone_into(&mut part.content_range)
                }
                _ => panic!("an odd line in a part: {line:?}"),
            }
        }
        // By its own range, not by the next delimiter: so a wrong length shows.
        let (first, last) = part
            .content_range
            .strip_prefix("bytes ")
            .and_then(|range| range.split_once('/'))
            .and_then(|(range, _)| range.split_once('-'))
            .expect("a range");
        let length = last.parse::<usize>().expect("a number") - first.parse::<usize>().expect("a number") + 1;
        let (content, behind) = rest[head_end + 4..].split_at(length);
        part.content = content.to_vec();
        parts.push(part);
        if behind == close.as_bytes() {
            return parts;
        }
        rest = behind
            .strip_prefix(delimiter.as_bytes())
            .unwrap_or_else(|| panic!("no delimiter behind a part: {}", show(behind)));
    }
}

mod one {
    use super::*;
    rows!(digits:
        the_first_byte("Range: bytes=0-0\r\n", Part(0, 0)),
        the_last_byte("Range: bytes=35-35\r\n", Part(35, 35)),
        some_bytes("Range: bytes=10-15\r\n", Part(10, 15)),
        all_bytes("Range: bytes=0-35\r\n", Part(0, 35)),
        from_the_beginning("Range: bytes=0-\r\n", Part(0, 35)),
        from_the_middle("Range: bytes=30-\r\n", Part(30, 35)),
        from_the_last_byte("Range: bytes=35-\r\n", Part(35, 35)),
        to_beyond_the_end("Range: bytes=30-99\r\n", Part(30, 35)),
        to_one_beyond_the_end("Range: bytes=0-36\r\n", Part(0, 35)),
        to_the_end_of_63_bits("Range: bytes=30-9223372036854775807\r\n", Part(30, 35)),
        to_the_end_of_64_bits("Range: bytes=0-18446744073709551615\r\n", Part(0, 35)),
        to_beyond_64_bits("Range: bytes=30-18446744073709551616\r\n", Part(30, 35)),
        to_far_beyond_64_bits("Range: bytes=0-99999999999999999999999999999999\r\n", Part(0, 35)),
        with_leading_zeros("Range: bytes=0000000000000000000000000000001-002\r\n", Part(1, 2)),
        the_unit_in_any_case("Range: Bytes=1-2\r\n", Part(1, 2)),
        the_name_of_the_field_in_any_case("rANGE: bytes=1-2\r\n", Part(1, 2)),
        among_empty_elements("Range: bytes=,,1-2, ,\r\n", Part(1, 2)),
        white_space_behind_it("Range: bytes=1-2 \t \r\n", Part(1, 2)),
    );
}

mod suffix {
    use super::*;
    rows!(digits:
        the_last_byte("Range: bytes=-1\r\n", Part(35, 35)),
        the_last_bytes("Range: bytes=-5\r\n", Part(31, 35)),
        as_many_as_there_are("Range: bytes=-36\r\n", Part(0, 35)),
        more_than_there_are("Range: bytes=-37\r\n", Part(0, 35)),
        the_largest_of_64_bits("Range: bytes=-18446744073709551615\r\n", Part(0, 35)),
        more_than_64_bits("Range: bytes=-18446744073709551616\r\n", Part(0, 35)),
        none_at_all("Range: bytes=-0\r\n", Unsatisfiable),
    );
}

mod unsatisfiable {
    use super::*;
    rows!(digits:
        from_the_end("Range: bytes=36-\r\n", Unsatisfiable),
        one_byte_at_the_end("Range: bytes=36-36\r\n", Unsatisfiable),
        from_beyond_the_end("Range: bytes=1000-2000\r\n", Unsatisfiable),
        from_the_end_of_63_bits("Range: bytes=9223372036854775807-\r\n", Unsatisfiable),
        from_the_end_of_64_bits("Range: bytes=18446744073709551615-\r\n", Unsatisfiable),
        from_beyond_64_bits("Range: bytes=18446744073709551616-\r\n", Unsatisfiable),
        several_beyond_the_end("Range: bytes=36-,50-60, 70-\r\n", Unsatisfiable),
    );
}

mod ignored {
    use super::*;
    rows!(digits:
        nothing("Range:\r\n", Whole),
        a_unit_alone("Range: bytes\r\n", Whole),
        a_unit_and_nothing("Range: bytes=\r\n", Whole),
        a_unit_and_a_comma("Range: bytes=,\r\n", Whole),
        a_unit_and_commas("Range: bytes=, ,,\r\n", Whole),
        a_dash_alone("Range: bytes=-\r\n", Whole),
        letters("Range: bytes=a-b\r\n", Whole),
        a_letter_behind("Range: bytes=0-5x\r\n", Whole),
        two_dashes("Range: bytes=--1\r\n", Whole),
        three_numbers("Range: bytes=0-1-2\r\n", Whole),
        a_number_alone("Range: bytes=5\r\n", Whole),
        the_end_before_the_beginning("Range: bytes=5-2\r\n", Whole),
        the_end_before_the_beginning_beyond_the_end("Range: bytes=50-40\r\n", Whole),
        a_sign("Range: bytes=+0-1\r\n", Whole),
        a_sign_behind_the_dash("Range: bytes=0-+1\r\n", Whole),
        hexadecimal("Range: bytes=0x0-0x1\r\n", Whole),
        a_fraction("Range: bytes=0.0-1.0\r\n", Whole),
        a_space_around_the_dash("Range: bytes=0 - 1\r\n", Whole),
        a_space_before_the_equals_sign("Range: bytes =0-1\r\n", Whole),
        no_unit("Range: 0-1\r\n", Whole),
        an_empty_unit("Range: =0-1\r\n", Whole),
        an_unknown_unit("Range: lines=0-1\r\n", Whole),
        an_unknown_unit_beyond_the_end("Range: lines=99-\r\n", Whole),
        a_longer_unit("Range: bytess=0-1\r\n", Whole),
        the_unit_none("Range: none=0-1\r\n", Whole),
        a_semicolon("Range: bytes=0-1;2-3\r\n", Whole),
        one_of_several_is_garbage("Range: bytes=0-1,x\r\n", Whole),
        one_of_several_ends_before_it_begins("Range: bytes=0-1,9-5\r\n", Whole),
        two_lines("Range: bytes=0-1\r\nRange: bytes=2-3\r\n", Whole),
        the_same_line_twice("Range: bytes=0-1\r\nRange: bytes=0-1\r\n", Whole),
        two_lines_beyond_the_end("Range: bytes=99-\r\nRange: bytes=99-\r\n", Whole),
        overlapping_ones("Range: bytes=0-5,3-8\r\n", Whole),
        ones_that_share_a_byte("Range: bytes=0-5,5-8\r\n", Whole),
        one_within_another("Range: bytes=0-20,3-4\r\n", Whole),
        overlapping_ones_out_of_order("Range: bytes=3-8,0-5\r\n", Whole),
        the_same_twice("Range: bytes=0-5,0-5\r\n", Whole),
        all_twice("Range: bytes=0-,0-\r\n", Whole),
        one_that_overlaps_the_suffix("Range: bytes=0-,-1\r\n", Whole),
        two_suffixes("Range: bytes=-5,-10\r\n", Whole),
        seventeen(SEVENTEEN, Whole),
        all_five_hundred_times(&format!("Range: bytes=0-{}\r\n", ",0-".repeat(499)), Whole),
        one_thousand_three_hundred(&format!("Range: bytes=0-0{}\r\n", ",2-2".repeat(1_299)), Whole),
    );
    const SEVENTEEN: &str =
        "Range: bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30,32-32\r\n";
}

mod several {
    use super::*;
    rows!(digits:
        two("Range: bytes=0-1,4-5\r\n", Parts(&[(0, 1), (4, 5)])),
        two_with_a_space("Range: bytes=0-1, 4-5\r\n", Parts(&[(0, 1), (4, 5)])),
        two_with_much_white_space("Range: bytes=0-1 \t , \t 4-5\r\n", Parts(&[(0, 1), (4, 5)])),
        two_among_empty_elements("Range: bytes=,0-1,,4-5,\r\n", Parts(&[(0, 1), (4, 5)])),
        two_in_the_order_that_was_asked_for("Range: bytes=30-31,0-1\r\n", Parts(&[(30, 31), (0, 1)])),
        the_first_and_the_last_byte("Range: bytes=0-0,-1\r\n", Parts(&[(0, 0), (35, 35)])),
        a_suffix_before_another("Range: bytes=-1,0-0\r\n", Parts(&[(35, 35), (0, 0)])),
        one_to_the_end("Range: bytes=0-3,30-\r\n", Parts(&[(0, 3), (30, 35)])),
        one_to_beyond_the_end("Range: bytes=0-3,30-99\r\n", Parts(&[(0, 3), (30, 35)])),
        two_and_one_beyond_the_end("Range: bytes=0-1,99-,4-5\r\n", Parts(&[(0, 1), (4, 5)])),
        two_and_an_empty_suffix("Range: bytes=0-1,-0,4-5\r\n", Parts(&[(0, 1), (4, 5)])),
        three("Range: bytes=1-1,3-3,5-5\r\n", Parts(&[(1, 1), (3, 3), (5, 5)])),
        neighbours("Range: bytes=0-1,2-3\r\n", Parts(&[(0, 1), (2, 3)])),
        sixteen("Range: bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,26-26,28-28,30-30\r\n",
            Parts(
                &[(0, 0), (2, 2), (4, 4), (6, 6), (8, 8), (10, 10), (12, 12), (14, 14), (16, 16), (18, 18), (20, 20), (22, 22,
            ),
                (24, 24), (26, 26), (28, 28), (30, 30)])),
    );

    /// RFC 9110 §15.3.7.2 leaves open whether the one that is left comes in a part or alone.
    #[test]
    fn one_that_is_left_comes_alone_or_as_the_only_part() {
        let response = ask(server(), get("/digits.txt", "Range: bytes=0-1,99-\r\n"));
        match response.optional("content-range") {
            Some(_) => is_part(&response, 0, 1),
            None => is_parts(&response, &[(0, 1)]),
        }
    }

    /// A boundary of one's own: what a file has in it can't end its part.
    #[test]
    fn parts_of_a_large_file_are_its_bytes() {
        let response = ask(server(), get("/large.bin", "Range: bytes=0-99999,1000000-1999999,-7\r\n"));
        let whole = crate::support::patterned(crate::support::LARGE_BYTES);
        let found = parts(&response);
        let expected = [&whole[..100_000], &whole[1_000_000..2_000_000], &whole[whole.len() - 7..]];
        assert_eq!(found.len(), expected.len());
        for (part, bytes) in found.iter().zip(expected) {
            assert_eq!(part.content_type, "application/octet-stream");
            assert!(part.content == bytes, "{}", part.content_range);
        }
    }

    #[test]
    fn several_have_the_fields_of_a_206() {
        let whole = ask(server(), get("/digits.txt", ""));
        let response = ask(server(), get("/digits.txt", "Range: bytes=0-1,4-5\r\n"));
        for name in ["etag", "last-modified", "cache-control", "accept-ranges", "x-content-type-options"] {
            assert_eq!(response.field(name), whole.field(name), "{name}");
        }
    }
}

mod if_range {
    use super::*;

    /// `{e}` is the entity-tag of the file, which is ten digits long and of 6 November 1994.
    #[track_caller]
    fn dated(template: &str, status: u16) {
        let etag = ask(server(), get("/dated.txt", "")).field("etag");
        let response = ask(server(), get("/dated.txt", &template.replace("{e}", &etag)));
        let content = if status == 206 { "234" } else { "0123456789" };
        assert_eq!((response.status, response.content_text()), (status, content));
    }
    rows!(dated:
        the_same_tag("Range: bytes=2-4\r\nIf-Range: {e}\r\n", 206),
        the_same_tag_before_the_range("If-Range: {e}\r\nRange: bytes=2-4\r\n", 206),
        the_same_tag_but_weak("Range: bytes=2-4\r\nIf-Range: W/{e}\r\n", 200),
        another_tag("Range: bytes=2-4\r\nIf-Range: \"other\"\r\n", 200),
        a_list_of_tags("Range: bytes=2-4\r\nIf-Range: {e}, \"other\"\r\n", 200),
        a_star("Range: bytes=2-4\r\nIf-Range: *\r\n", 200),
        the_same_date(&format!("Range: bytes=2-4\r\nIf-Range: {DATED}\r\n"), 206),
        a_date_a_second_earlier("Range: bytes=2-4\r\nIf-Range: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200),
        a_date_a_second_later("Range: bytes=2-4\r\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n", 200),
        a_date_years_later("Range: bytes=2-4\r\nIf-Range: Sat, 06 Nov 2004 08:49:37 GMT\r\n", 200),
        garbage("Range: bytes=2-4\r\nIf-Range: garbage\r\n", 200),
        nothing("Range: bytes=2-4\r\nIf-Range:\r\n", 200),
        two_lines("Range: bytes=2-4\r\nIf-Range: {e}\r\nIf-Range: {e}\r\n", 200),
        no_range("If-Range: {e}\r\n", 200),
        no_range_and_another_tag("If-Range: \"other\"\r\n", 200),
        another_tag_and_a_range_beyond_the_end("Range: bytes=99-\r\nIf-Range: \"other\"\r\n", 200),
        another_tag_and_several_ranges("Range: bytes=1-2,4-5\r\nIf-Range: \"other\"\r\n", 200),
    );

    #[test]
    fn the_same_tag_and_a_range_beyond_the_end_are_416() {
        let etag = ask(server(), get("/dated.txt", "")).field("etag");
        assert_eq!(ask(server(), get("/dated.txt", &format!("Range: bytes=99-\r\nIf-Range: {etag}\r\n"))).status, 416);
    }
}

/// RFC 9110 §14.2: a range only counts for GET, and only where the answer without it would be a 200.
#[track_caller]
fn elsewhere(method: &str, target: &str, range: &str, status: u16, content_range: Option<&str>) {
    let response = ask(server(), request(method, target, &format!("Range: {range}\r\n")));
    assert_eq!((response.status, response.optional("content-range").as_deref()), (status, content_range));
}

rows!(elsewhere:
    head_ignores_it("HEAD", "/digits.txt", "bytes=0-1", 200, None),
    head_ignores_one_beyond_the_end("HEAD", "/digits.txt", "bytes=99-", 200, None),
    an_index_has_parts("GET", "/dir/", "bytes=0-1", 206, Some("bytes 0-1/34")),
    a_redirect_has_none("GET", "/dir", "bytes=0-1", 308, None),
    what_does_not_exist_has_none("GET", "/missing", "bytes=0-1", 404, None),
    what_does_not_exist_has_none_beyond_its_end("GET", "/missing", "bytes=99-", 404, None),
    an_empty_file_has_no_first_byte("GET", "/empty.txt", "bytes=0-0", 416, Some("bytes */0")),
    an_empty_file_has_no_bytes_from_its_beginning("GET", "/empty.txt", "bytes=0-", 416, Some("bytes */0")),
    an_empty_file_has_no_empty_suffix("GET", "/empty.txt", "bytes=-0", 416, Some("bytes */0")),
);

#[test]
fn a_suffix_of_an_empty_file_has_no_content() {
    // RFC 9110 §14.1.2 calls it satisfiable, yet no Content-Range can say it: 200 and 416 are both in use.
    let response = ask(server(), get("/empty.txt", "Range: bytes=-1\r\n"));
    match response.status {
        200 => assert_eq!((response.content_text(), response.optional("content-range")), ("", None)),
        416 => assert_eq!(response.field("content-range"), "bytes */0"),
        other => panic!("{other}"),
    }
}

#[test]
fn head_with_a_range_has_the_length_of_the_whole() {
    assert_eq!(ask(server(), request("HEAD", "/digits.txt", "Range: bytes=0-1\r\n")).field("content-length"), "36");
}

/// Offsets beyond what 32 bits hold (threats.md R6), in a file without a block but its last.
#[track_caller]
fn sparse(range: &str, first: u64, content: &[u8]) {
    let response = ask(server(), get("/sparse-5g.bin", &format!("Range: bytes={range}\r\n")));
    let last = first + content.len() as u64 - 1;
    assert_eq!((response.status, response.content.as_slice()), (206, content));
    assert_eq!(response.field("content-range"), format!("bytes {first}-{last}/{FIVE_GIB}"));
}

rows!(sparse:
    the_last_4_bytes_of_5_gib("-4", FIVE_GIB - 4, b"tail"),
    the_last_4_bytes_of_5_gib_by_their_offset("5368709116-", FIVE_GIB - 4, b"tail"),
    the_last_4_bytes_of_5_gib_by_both_ends("5368709116-5368709119", FIVE_GIB - 4, b"tail"),
    the_last_4_bytes_of_5_gib_and_beyond("5368709116-99999999999", FIVE_GIB - 4, b"tail"),
    the_first_byte_of_5_gib("0-0", 0, b"\0"),
    the_bytes_at_the_end_of_31_bits("2147483647-2147483648", 2_147_483_647, b"\0\0"),
    the_bytes_at_the_end_of_32_bits("4294967295-4294967296", 4_294_967_295, b"\0\0"),
    a_mebibyte_behind_4_gib("4294967296-4296015871", 4_294_967_296, &[0; 1024 * 1024]),
);

#[test]
fn both_ends_of_5_gib_come_in_two_parts() {
    let response = ask(server(), get("/sparse-5g.bin", "Range: bytes=0-0,-4\r\n"));
    let found: Vec<(String, Vec<u8>)> =
        parts(&response).into_iter().map(|part| (part.content_range, part.content)).collect();
    let expected = [
        ("bytes 0-0/5368709120".to_owned(), vec![0]),
        ("bytes 5368709116-5368709119/5368709120".to_owned(), b"tail".to_vec()),
    ];
    assert_eq!(found, expected);
}

/// A download taken up again where it stopped, in pieces of any size, is the file.
#[test]
fn a_file_can_be_put_together_from_its_ranges() {
    let expected = crate::support::patterned(crate::support::LARGE_BYTES);
    let mut client = Client::connect(server());
    let etag = client.ask(get("/large.bin", "")).field("etag");
    let mut whole = Vec::new();
    for step in (1..).map(|step: usize| step * step * step * 97) {
        let (first, last) = (whole.len(), whole.len() + step);
        let response = client.ask(get("/large.bin", &format!("Range: bytes={first}-{last}\r\nIf-Range: {etag}\r\n")));
        assert_eq!(response.status, 206);
        whole.extend_from_slice(&response.content);
        if whole.len() >= expected.len() {
            break;
        }
    }
    assert!(whole == expected, "the pieces are not the file");
}
