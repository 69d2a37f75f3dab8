//! Where a message ends: every head or length that could be read in two ways is refused, and nothing behind it is
//! answered.
//!
//! RFC 9112 §2.2 (line ends), §3 (request line), §5 (field lines), §6 (length); RFC 9110 §5.5; threats.md H1 to H10,
//! H22 to H24.

use crate::support::{Client, Response, ask, exchange, get, request, rows, server};

/// A request that must never be answered: were it, there would be a second response.
pub const BEHIND: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: behind\r\n\r\n";

/// What a refusal looks like, whatever its reason: it closes, and a small text says what was wrong.
#[track_caller]
pub fn is_refusal(response: &Response, status: u16) {
    const TEXT_BYTES_MAX: usize = 512;
    let text = response.content_text();
    assert_eq!(response.status, status, "{text}");
    assert!(response.closes(), "{:?}", response.fields);
    assert_eq!(response.field("content-type"), "text/plain; charset=utf-8");
    assert!(!text.trim().is_empty() && text.len() <= TEXT_BYTES_MAX, "{text:?}");
    assert_eq!(response.optional("etag").or(response.optional("last-modified")), None);
}

/// The bytes get one refusal, then the connection closes, and the request behind them is not answered.
#[track_caller]
pub fn refused(bytes: impl AsRef<[u8]>, status: u16) {
    let responses = exchange(server(), [bytes.as_ref(), BEHIND].concat());
    assert_eq!(responses.len(), 1, "{responses:?}");
    is_refusal(&responses[0], status);
}

/// The same bytes, with nothing behind them: the refusal must not wait for more.
#[track_caller]
pub fn refused_at_once(bytes: impl AsRef<[u8]>, status: u16) {
    let responses = exchange(server(), bytes);
    assert_eq!(responses.len(), 1, "{responses:?}");
    is_refusal(&responses[0], status);
}

/// The fields (after a good Host) are no reason to refuse a GET: it is answered, and the connection kept.
#[track_caller]
fn accepted(fields: impl AsRef<[u8]>) {
    let head = [b"GET /hello.txt HTTP/1.1\r\nHost: h\r\n", fields.as_ref(), b"\r\n"].concat();
    let response = ask(server(), head);
    assert_eq!((response.status, response.content_text(), response.closes()), (200, "hello, world\n", false));
}

/// Field lines after the request line of a POST, whose length they leave in doubt.
#[track_caller]
fn ambiguous(fields: impl AsRef<[u8]>) {
    for method in ["POST", "GET"] {
        refused([method.as_bytes(), b" / HTTP/1.1\r\nHost: h\r\n", fields.as_ref(), b"\r\n"].concat(), 400);
    }
}

/// The same for a coding: 400 or 501 both say that it wasn't understood, where the RFC leaves the choice.
#[track_caller]
fn ambiguous_or_unknown(fields: &str) {
    for method in ["POST", "GET"] {
        let responses = exchange(server(), [request(method, "/", fields).as_slice(), BEHIND].concat());
        assert_eq!(responses.len(), 1, "{responses:?}");
        let status = responses[0].status;
        assert!([400, 501].contains(&status), "{status}");
        is_refusal(&responses[0], status);
    }
}

mod content_length {
    use super::*;
    rows!(ambiguous:
        two_that_differ("Content-Length: 0\r\nContent-Length: 42\r\n"),
        two_that_agree("Content-Length: 5\r\nContent-Length: 5\r\n"),
        two_that_agree_on_zero("Content-Length: 0\r\nContent-Length: 0\r\n"),
        two_in_different_case("content-length: 5\r\nCONTENT-LENGTH: 5\r\n"),
        a_list_that_differs("Content-Length: 0, 42\r\n"),
        a_list_that_agrees("Content-Length: 5, 5\r\n"),
        a_list_with_an_empty_element("Content-Length: 5,\r\n"),
        a_sign("Content-Length: +5\r\n"),
        a_negative_number("Content-Length: -1\r\n"),
        minus_zero("Content-Length: -0\r\n"),
        hexadecimal("Content-Length: 0x10\r\n"),
        hexadecimal_digits("Content-Length: 1f\r\n"),
        a_fraction("Content-Length: 5.0\r\n"),
        an_exponent("Content-Length: 1e3\r\n"),
        nothing("Content-Length:\r\n"),
        white_space("Content-Length:  \t \r\n"),
        two_numbers("Content-Length: 5 5\r\n"),
        a_parameter("Content-Length: 5;a\r\n"),
        quoted("Content-Length: \"5\"\r\n"),
        a_word("Content-Length: five\r\n"),
        grouped_digits("Content-Length: 1_000\r\n"),
        two_to_the_power_of_64("Content-Length: 18446744073709551616\r\n"),
        thirty_digits("Content-Length: 100000000000000000000000000000\r\n"),
        digits_of_another_script("Content-Length: \u{0665}\r\n"),
        a_byte_behind_the_digits(b"Content-Length: 5\xa0\r\n"),
    );
}

mod transfer_encoding {
    use super::*;
    rows!(ambiguous:
        with_a_length_behind("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        with_a_length_before("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        with_a_length_of_zero("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
        with_a_length_in_other_case("content-length: 5\r\ntransfer-encoding: chunked\r\n"),
        chunked_twice("Transfer-Encoding: chunked, chunked\r\n"),
        chunked_twice_on_two_lines("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        a_space_before_the_colon("Transfer-Encoding : chunked\r\n"),
        a_tab_before_the_colon("Transfer-Encoding\t: chunked\r\n"),
        a_vertical_tab_before_the_value("Transfer-Encoding: \x0bchunked\r\n"),
        a_form_feed_behind_the_value("Transfer-Encoding: chunked\x0c\r\n"),
        a_folded_value("Transfer-Encoding:\r\n chunked\r\n"),
        a_carriage_return_in_the_value("Transfer-Encoding: chunked\r, x\r\n"),
    );
    rows!(ambiguous_or_unknown:
        xchunked("Transfer-Encoding: xchunked\r\n"),
        chunkedx("Transfer-Encoding: chunkedx\r\n"),
        identity("Transfer-Encoding: identity\r\n"),
        gzip_alone("Transfer-Encoding: gzip\r\n"),
        chunked_before_gzip("Transfer-Encoding: chunked, gzip\r\n"),
        chunked_before_identity("Transfer-Encoding: chunked, identity\r\n"),
        identity_then_chunked_on_two_lines("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
        chunked_then_identity_on_two_lines("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        no_value("Transfer-Encoding:\r\n"),
        a_comma_alone("Transfer-Encoding: ,\r\n"),
        a_parameter("Transfer-Encoding: chunked;q=1\r\n"),
        quoted("Transfer-Encoding: \"chunked\"\r\n"),
        two_words("Transfer-Encoding: chunked chunked\r\n"),
        a_word_and_chunked("Transfer-Encoding: x chunked\r\n"),
    );

    #[test]
    fn another_coding_before_chunked_is_501() {
        refused(request("POST", "/", "Transfer-Encoding: gzip, chunked\r\n"), 501);
    }

    #[test]
    fn another_coding_before_chunked_on_another_line_is_501() {
        refused(request("POST", "/", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), 501);
    }

    #[test]
    fn any_coding_in_http_1_0_is_400() {
        refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n", 400);
    }
}

mod field_lines {
    use super::*;
    rows!(ambiguous:
        a_space_before_the_colon("Content-Length : 5\r\n"),
        a_space_before_the_colon_of_any_field("X : y\r\n"),
        a_tab_before_the_colon("X\t: y\r\n"),
        a_folded_line("X: a\r\n b\r\n"),
        a_line_folded_by_a_tab("X: a\r\n\tb\r\n"),
        a_folded_line_of_white_space_alone("X: a\r\n \r\n"),
        no_name(": y\r\n"),
        no_colon("X\r\n"),
        a_colon_alone(":\r\n"),
        a_space_in_the_name("X Y: z\r\n"),
        a_parenthesis_in_the_name("X(Y): z\r\n"),
        a_quote_in_the_name("\"X\": z\r\n"),
        a_slash_in_the_name("X/Y: z\r\n"),
        an_at_sign_in_the_name("X@Y: z\r\n"),
        a_bracket_in_the_name("X[Y]: z\r\n"),
        a_brace_in_the_name("X{Y}: z\r\n"),
        an_equals_sign_in_the_name("X=Y: z\r\n"),
        a_comma_in_the_name("X,Y: z\r\n"),
        a_semicolon_in_the_name("X;Y: z\r\n"),
        a_backslash_in_the_name("X\\Y: z\r\n"),
        a_control_byte_in_the_name("X\x01Y: z\r\n"),
        nul_in_the_name("X\0Y: z\r\n"),
        delete_in_the_name("X\x7fY: z\r\n"),
        a_byte_of_latin_1_in_the_name(b"X\xe9Y: z\r\n"),
        a_carriage_return_in_the_name("X\rY: z\r\n"),
        nul_in_the_value("X: a\0b\r\n"),
        nul_at_the_end_of_the_value("X: a\0\r\n"),
        a_carriage_return_in_the_value("X: a\rb\r\n"),
        two_carriage_returns_at_the_end("X: a\r\r\n"),
        escape_in_the_value("X: \x1b[31m\r\n"),
        delete_in_the_value("X: a\x7fb\r\n"),
        backspace_in_the_value("X: a\x08b\r\n"),
        a_vertical_tab_in_the_value("X: a\x0bb\r\n"),
        a_form_feed_in_the_value("X: a\x0cb\r\n"),
        a_control_byte_in_a_value_that_is_read("Range: bytes=0-\x01\r\n"),
    );
    rows!(accepted:
        no_space_behind_the_colon("X:y\r\n"),
        much_white_space_around_the_value("X: \t  y \t \r\n"),
        an_empty_value("X:\r\n"),
        a_value_of_white_space("X: \t \r\n"),
        a_tab_within_the_value("X: a\tb\r\n"),
        a_colon_in_the_value("X: a:b:c\r\n"),
        a_byte_of_latin_1_in_the_value(b"X: caf\xe9\r\n"),
        utf_8_in_the_value("X: \u{1f986}\r\n"),
        a_name_of_every_token_character("!#$%&'*+-.^_`|~09azAZ: y\r\n"),
        the_same_name_50_times("X: y\r\n".repeat(50)),
        an_upgrade(
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
        ),
        an_upgrade_to_websocket(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        ),
        fields_that_mean_nothing_here(
            "Accept: text/*;q=0.1\r\nAuthorization: Basic Og==\r\nCookie: a=b\r\nTE: trailers\r\nMax-Forwards: 0\r\n",
        ),
        a_length_of_zero("Content-Length: 0\r\n"),
        a_length_of_zero_in_many_digits("Content-Length: 0000000000000000000000000000000\r\n"),
    );

    #[test]
    fn white_space_before_the_first_field_line_is_refused() {
        refused("GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400);
    }

    #[test]
    fn white_space_before_the_first_field_line_is_refused_with_a_host_behind() {
        refused("GET / HTTP/1.1\r\n X: y\r\nHost: h\r\n\r\n", 400);
    }

    #[test]
    fn a_folded_host_is_refused() {
        refused("GET / HTTP/1.1\r\nHost: a\r\n .b\r\n\r\n", 400);
    }
}

mod line_ends {
    use super::*;
    rows!(refused_at_once:
        nothing_but_line_feeds("GET / HTTP/1.1\nHost: h\n\n", 400),
        nothing_but_line_feeds_in_http_1_0("GET / HTTP/1.0\n\n", 400),
        a_line_feed_behind_the_request_line("GET / HTTP/1.1\nHost: h\r\n\r\n", 400),
        a_line_feed_behind_a_field_line("GET / HTTP/1.1\r\nHost: h\n\r\n", 400),
        a_line_feed_for_the_empty_line("GET / HTTP/1.1\r\nHost: h\r\n\n", 400),
        a_line_feed_before_a_field_line("GET / HTTP/1.1\r\n\nHost: h\r\n\r\n", 400),
        a_line_feed_before_the_request_line("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        a_line_feed_between_two_field_lines("GET / HTTP/1.1\r\nHost: h\r\nX: a\nY: b\r\n\r\n", 400),
        a_carriage_return_in_the_request_line("GET /\r HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        a_carriage_return_before_the_request_line("\rGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        two_carriage_returns_behind_the_request_line("GET / HTTP/1.1\r\r\nHost: h\r\n\r\n", 400),
    );

    #[track_caller]
    fn with_empty_lines_before(count: usize, status: u16) {
        let bytes = ["\r\n".repeat(count).as_bytes(), &get("/hello.txt", "")].concat();
        let mut client = Client::connect(server());
        client.send(bytes);
        assert_eq!(client.response("GET").status, status);
    }
    rows!(with_empty_lines_before:
        one_empty_line_is_ignored(1, 200),
        four_empty_lines_are_ignored(4, 200),
        five_empty_lines_are_refused(5, 400),
        fifty_empty_lines_are_refused(50, 400),
    );

    #[test]
    fn an_empty_line_behind_a_request_is_ignored() {
        // Old clients send one behind a POST (RFC 9112 §2.2); and the next request is answered as ever.
        let mut client = Client::connect(server());
        client.send([&get("/hello.txt", ""), b"\r\n".as_slice(), &get("/hello.txt", "Connection: close\r\n")].concat());
        assert_eq!([client.response("GET").status, client.response("GET").status], [200, 200]);
        client.expect_closed();
    }

    #[test]
    fn five_empty_lines_are_refused_without_a_request_behind() {
        refused_at_once("\r\n".repeat(5), 400);
    }
}

mod request_line {
    use super::*;
    rows!(refused:
        two_spaces_behind_the_method("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        two_spaces_behind_the_target("GET /  HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        a_space_before_the_method(" GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        a_space_behind_the_version("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400),
        tabs_for_spaces("GET\t/\tHTTP/1.1\r\nHost: h\r\n\r\n", 400),
        a_tab_behind_the_target("GET / \tHTTP/1.1\r\nHost: h\r\n\r\n", 400),
        a_fourth_word("GET / HTTP/1.1 x\r\nHost: h\r\n\r\n", 400),
        no_target("GET HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        an_empty_target("GET  HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        no_method("/ HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        a_method_that_is_no_token("G@T / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        a_method_with_a_colon("GET: / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        a_method_of_latin_1(b"G\xc9T / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        a_method_with_a_control_byte("GE\x01T / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        one_word("hello\r\n\r\n", 400),
        carriage_returns_for_line_ends("GET / HTTP/1.1\rHost: h\r\r", 400),
        the_greeting_of_ssh("SSH-2.0-OpenSSH_9.9\r\n", 400),
        a_field_line_for_a_request_line("Host: h\r\n\r\n", 400),
        a_status_line("HTTP/1.1 200 OK\r\n\r\n", 400),
        no_version("GET /\r\n\r\n", 400),
        no_version_but_a_space("GET / \r\n\r\n", 400),
        no_version_but_fields("GET /\r\nHost: h\r\n\r\n", 400),
        a_version_of_one_number("GET / HTTP/1\r\nHost: h\r\n\r\n", 400),
        a_version_without_its_point("GET / HTTP/11\r\nHost: h\r\n\r\n", 400),
        a_version_with_a_comma("GET / HTTP/1,1\r\nHost: h\r\n\r\n", 400),
        a_version_with_two_digits_behind("GET / HTTP/1.10\r\nHost: h\r\n\r\n", 400),
        a_version_with_two_digits_before("GET / HTTP/01.1\r\nHost: h\r\n\r\n", 400),
        a_version_with_a_third_number("GET / HTTP/1.1.1\r\nHost: h\r\n\r\n", 400),
        a_version_with_a_letter("GET / HTTP/1.x\r\nHost: h\r\n\r\n", 400),
        a_version_with_a_letter_behind("GET / HTTP/1.1x\r\nHost: h\r\n\r\n", 400),
        a_version_with_a_space("GET / HTTP/ 1.1\r\nHost: h\r\n\r\n", 400),
        a_version_with_a_sign("GET / HTTP/+1.1\r\nHost: h\r\n\r\n", 400),
        a_version_in_lower_case("GET / http/1.1\r\nHost: h\r\n\r\n", 400),
        a_version_in_mixed_case("GET / Http/1.1\r\nHost: h\r\n\r\n", 400),
        a_version_of_another_protocol("GET / HTTPS/1.1\r\nHost: h\r\n\r\n", 400),
        a_version_without_a_protocol("GET / 1.1\r\nHost: h\r\n\r\n", 400),
        http_0_9("GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505),
        http_1_2("GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505),
        http_1_9("GET / HTTP/1.9\r\nHost: h\r\n\r\n", 505),
        http_2_0("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        http_3_0("GET / HTTP/3.0\r\nHost: h\r\n\r\n", 505),
        http_9_9("GET / HTTP/9.9\r\nHost: h\r\n\r\n", 505),
        http_2_0_without_a_host("GET / HTTP/2.0\r\n\r\n", 505),
        the_preface_of_http_2("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    );
    rows!(refused_at_once:
        the_hello_of_tls(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        the_hello_of_tls_whole(
            [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &[0xab; 500]].concat(), 400,
        ),
        the_hello_of_old_ssl(b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", 400),
        nul_bytes([0; 16], 400),
        a_byte_order_mark(b"\xef\xbb\xbfGET / HTTP/1.1\r\n", 400),
        the_preface_of_http_2_alone("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    );

    #[test]
    fn http_0_9_never_gets_a_headless_answer() {
        let response = exchange(server(), "GET /hello.txt\r\n\r\n");
        assert_eq!(response.iter().map(|response| response.status).collect::<Vec<_>>(), [400]);
    }
}
