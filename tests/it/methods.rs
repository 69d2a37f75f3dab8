//! Methods: what each one gets, and that a method is what it says to the letter.
//!
//! RFC 9110 §9 (methods), §9.1 (501 for unknown, 405 for not allowed), §9.3.7 (OPTIONS), §10.2.1 (Allow); RFC 9112
//! §3.2.3, §3.2.4.

use crate::support::{ask, request, rows, server};

const ALLOWED: &str = "GET, HEAD, OPTIONS";

#[track_caller]
fn answers(request: Vec<u8>, status: u16, allow: Option<&str>) {
    let response = ask(server(), request);
    assert_eq!((response.status, response.optional("allow").as_deref()), (status, allow));
}

rows!(answers:
    get_is_answered(request("GET", "/hello.txt", ""), 200, None),
    head_is_answered(request("HEAD", "/hello.txt", ""), 200, None),
    options_of_the_root_names_the_methods(request("OPTIONS", "/", ""), 204, Some(ALLOWED)),
    options_of_a_file_names_the_methods(request("OPTIONS", "/hello.txt", ""), 204, Some(ALLOWED)),
    options_of_the_whole_server_names_the_methods(request("OPTIONS", "*", ""), 204, Some(ALLOWED)),
    options_of_an_authority_is_of_the_whole_server(request("OPTIONS", "http://millpond.test", ""), 204, Some(ALLOWED)),
    options_ignores_preconditions(
        request("OPTIONS", "/hello.txt", "If-Match: \"x\"\r\nIf-None-Match: *\r\n"), 204, Some(ALLOWED),
    ),
    options_ignores_ranges(request("OPTIONS", "/hello.txt", "Range: bytes=0-1\r\n"), 204, Some(ALLOWED)),
    post_is_not_allowed(request("POST", "/hello.txt", "Content-Length: 0\r\n"), 405, Some(ALLOWED)),
    post_without_a_length_is_not_allowed(request("POST", "/hello.txt", ""), 405, Some(ALLOWED)),
    post_with_content_is_not_allowed(request("POST", "/hello.txt", "Content-Length: 3\r\n"), 405, Some(ALLOWED)),
    post_to_a_directory_is_not_allowed(request("POST", "/dir/", ""), 405, Some(ALLOWED)),
    post_with_a_range_is_not_allowed(request("POST", "/hello.txt", "Range: bytes=99-\r\n"), 405, Some(ALLOWED)),
    put_is_not_allowed(request("PUT", "/hello.txt", ""), 405, Some(ALLOWED)),
    patch_is_not_allowed(request("PATCH", "/hello.txt", ""), 405, Some(ALLOWED)),
    delete_is_not_allowed(request("DELETE", "/hello.txt", ""), 405, Some(ALLOWED)),
    trace_is_not_allowed(request("TRACE", "/hello.txt", ""), 405, Some(ALLOWED)),
    connect_is_not_allowed(request("CONNECT", "a:1", ""), 405, Some(ALLOWED)),
    an_unknown_method_is_not_implemented(request("BREW", "/hello.txt", ""), 501, None),
    an_unknown_method_on_nothing_is_not_implemented(request("BREW", "/missing", ""), 501, None),
    a_method_in_lower_case_is_another_method(request("get", "/hello.txt", ""), 501, None),
    a_method_in_mixed_case_is_another_method(request("Head", "/hello.txt", ""), 501, None),
    a_longer_method_is_another_method(request("GETT", "/hello.txt", ""), 501, None),
    a_shorter_method_is_another_method(request("GE", "/hello.txt", ""), 501, None),
    a_method_of_1_kib_is_unknown(request(&"M".repeat(1024), "/hello.txt", ""), 501, None),
    a_method_of_every_token_character_is_unknown(request("!#$%&'*+-.^_`|~09azAZ", "/hello.txt", ""), 501, None),
    a_method_of_webdav_is_not_implemented(request("PROPFIND", "/", "Depth: 1\r\n"), 501, None),
);

#[test]
fn connect_is_answered_and_then_closed() {
    assert!(ask(server(), request("CONNECT", "a:1", "")).closes());
}

#[test]
fn a_405_without_content_keeps_the_connection() {
    // A refused method is no framing error: what follows is as clear as before.
    assert!(!ask(server(), request("DELETE", "/hello.txt", "")).closes());
}

#[test]
fn the_length_of_a_204_is_not_said() {
    // RFC 9110 §8.6.
    let response = ask(server(), request("OPTIONS", "/", ""));
    assert_eq!((response.optional("content-length"), response.optional("content-type")), (None, None));
}
