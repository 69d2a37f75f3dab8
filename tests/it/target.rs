//! Request targets: which bytes name which file, and which name nothing.
//!
//! RFC 9112 §3.2 (the four forms), §3.2.2 (absolute-form and Host), RFC 3986 §2.1 (percent-encoding), §5.2.4 (dot
//! segments); threats.md P1 to P17.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::{FILES, SECRET, Server, Site, ask, common, exchange, get, hurtful_names, rows, server, show};

/// What a target leads to.
enum To {
    /// 200 with this content.
    File(&'static str),
    /// 308 to there.
    Redirect(&'static str),
    /// 404: it may be a name, but nothing has it.
    Nothing,
    /// 400: it is no name, and the connection closes.
    NoName,
}
use To::{File, NoName, Nothing, Redirect};

/// The content of `/`.
const ROOT: To = File("<!doctype html><title>root</title>\n");
const HELLO: To = File("hello, world\n");
const DIR: To = File("<!doctype html><title>dir</title>\n");
const DIR_FILE: To = File("a file in a directory\n");

#[track_caller]
fn leads(target: impl AsRef<[u8]>, to: To) {
    let target = target.as_ref();
    let request = [b"GET ", target, b" HTTP/1.1\r\nHost: millpond.test\r\n\r\n"].concat();
    let response = ask(server(), request);
    assert_eq!(super::support::find(&response.content, SECRET.as_bytes()), None, "a leak");
    let found = (response.status, response.closes(), response.optional("location"));
    match to {
        File(content) => assert_eq!((found, response.content_text()), ((200, false, None), content)),
        Redirect(location) => assert_eq!(found, (308, false, Some(location.to_owned()))),
        Nothing => assert_eq!(found, (404, false, None)),
        NoName => assert_eq!(found, (400, true, None)),
    }
}

mod dot_segments {
    use super::*;
    rows!(leads:
        a_dot_is_no_segment("/./hello.txt", HELLO),
        two_dots_remove_a_segment("/dir/../hello.txt", HELLO),
        two_dots_remove_a_segment_that_does_not_exist("/missing/../hello.txt", HELLO),
        two_dots_remove_a_file_as_well("/dir/file.txt/../file.txt", DIR_FILE),
        encoded_dots_are_dots("/dir/%2e%2e/hello.txt", HELLO),
        dots_encoded_in_upper_case_are_dots("/dir/%2E%2E/hello.txt", HELLO),
        half_encoded_dots_are_dots("/dir/.%2e/hello.txt", HELLO),
        a_dot_at_the_end_is_the_directory("/dir/.", DIR),
        two_dots_at_the_end_are_the_directory_above("/dir/sub/..", DIR),
        two_dots_and_a_slash_at_the_end("/dir/sub/../", DIR),
        a_lone_dot_is_the_root("/.", ROOT),
        a_lone_dot_and_a_slash_is_the_root("/./", ROOT),
        down_and_up_again_is_the_root("/dir/..", ROOT),
        a_redirect_is_normalised("/dir/../dir", Redirect("/dir/")),
        two_dots_above_the_root("/../hello.txt", NoName),
        two_dots_above_the_root_and_nothing_else("/..", NoName),
        two_dots_above_the_root_with_a_slash("/../", NoName),
        two_dots_above_the_root_after_one_down("/dir/../../outside/secret.txt", NoName),
        two_dots_above_the_root_and_back("/../served/hello.txt", NoName),
        encoded_dots_above_the_root("/%2e%2e/outside/secret.txt", NoName),
        half_encoded_dots_above_the_root("/.%2e/outside/secret.txt", NoName),
        other_half_encoded_dots_above_the_root("/%2e./outside/secret.txt", NoName),
        a_sibling_with_the_name_of_the_root_and_more("/../served-restricted/secret.txt", NoName),
        three_dots_are_a_name("/.../outside/secret.txt", Nothing),
        dots_encoded_twice_are_a_name("/%252e%252e/outside/secret.txt", Nothing),
        dots_encoded_three_times_are_a_name("/%25252e%25252e/outside/secret.txt", Nothing),
        dots_with_a_carriage_return_are_a_name("/.%0d./outside/secret.txt", Nothing),
        dots_with_a_carriage_return_twice_are_names("/.%0d./.%0d./outside/secret.txt", Nothing),
        overlong_dots_are_a_name("/%c0%ae%c0%ae/outside/secret.txt", Nothing),
        overlong_slashes_are_a_name("/..%c0%afoutside%c0%afsecret.txt", Nothing),
        full_width_dots_are_a_name("/%ef%bc%8e%ef%bc%8e/outside/secret.txt", Nothing),
        dots_with_an_encoded_backslash_are_a_name("/..%5c..%5coutside%5csecret.txt", Nothing),
        dots_with_a_backslash("/..\\outside\\secret.txt", NoName),
        dots_with_a_parameter_are_a_name("/..;/outside/secret.txt", Nothing),
        dots_behind_a_hidden_name_are_removed_with_it("/.hidden/../hello.txt", HELLO),
    );
}

mod slashes {
    use super::*;
    rows!(leads:
        an_empty_first_segment("//hello.txt", Nothing),
        nothing_but_two_slashes("//", Nothing),
        an_empty_segment_in_the_middle("/dir//file.txt", Nothing),
        an_empty_segment_at_the_end("/dir//", Nothing),
        many_slashes("//////////", Nothing),
        an_absolute_path("//etc/passwd", Nothing),
        an_encoded_slash("/dir%2ffile.txt", Nothing),
        an_encoded_slash_in_upper_case("/dir%2Ffile.txt", Nothing),
        an_encoded_slash_first("/%2fetc/passwd", Nothing),
        dots_with_an_encoded_slash("/..%2foutside%2fsecret.txt", Nothing),
        dots_with_an_encoded_slash_below("/dir/..%2f..%2foutside%2fsecret.txt", Nothing),
        a_slash_after_a_file("/hello.txt/", Nothing),
        a_slash_and_a_dot_after_a_file("/hello.txt/.", Nothing),
        a_name_beneath_a_file("/hello.txt/x", Nothing),
        an_encoded_slash_after_a_file("/hello.txt%2f", Nothing),
        a_slash_encoded_twice_is_a_name("/x%252fy", File("a literal escape")),
    );
}

mod escapes {
    use super::*;
    rows!(leads:
        an_escape_of_a_letter_is_the_letter("/%68ello.txt", HELLO),
        an_escape_of_a_dot_is_the_dot("/hello%2etxt", HELLO),
        every_byte_escaped("/%68%65%6C%6C%6F%2E%74%78%74", HELLO),
        an_escape_is_decoded_once("/%2568ello.txt", Nothing),
        nothing_after_the_per_cent_sign("/%", NoName),
        one_digit_after_the_per_cent_sign("/%4", NoName),
        one_digit_and_a_slash("/%4/x", NoName),
        no_hexadecimal_digit("/%zz", NoName),
        no_second_hexadecimal_digit("/%4g", NoName),
        a_sign_among_the_digits("/%+1", NoName),
        a_per_cent_sign_twice("/%%41", NoName),
        a_broken_escape_at_the_end("/hello.txt%", NoName),
        a_broken_escape_of_an_old_script("/%u0041", NoName),
        nul("/%00", NoName),
        nul_after_a_name("/hello.txt%00", NoName),
        nul_before_another_extension("/hello.txt%00.html", NoName),
        nul_in_a_directory("/dir%00/../hello.txt", NoName),
        every_other_byte_may_be_in_a_name("/%01%1f%7f%80%ff", Nothing),
    );
}

mod query {
    use super::*;
    rows!(leads:
        a_query_is_not_part_of_the_name("/hello.txt?a=b&c", HELLO),
        an_empty_query("/hello.txt?", HELLO),
        a_query_of_the_root("/?q", ROOT),
        a_query_with_another("/hello.txt??", HELLO),
        dots_in_the_query("/hello.txt?/../../outside/secret.txt", HELLO),
        slashes_in_the_query("/hello.txt?//", HELLO),
        an_encoded_question_mark_begins_no_query("/hello.txt%3Fa", Nothing),
        a_fragment("/hello.txt#part", NoName),
        a_fragment_of_the_root("/#", NoName),
        a_fragment_in_the_query("/hello.txt?a#b", NoName),
        an_encoded_hash_begins_no_fragment("/hello.txt%23part", Nothing),
    );
}

mod bytes {
    use super::*;
    rows!(leads:
        a_raw_quote("/\"", NoName),
        a_raw_less_than("/<", NoName),
        a_raw_greater_than("/>", NoName),
        a_raw_backslash("/\\", NoName),
        a_backslash_and_a_host("/\\evil.test/..", NoName),
        a_raw_quote_in_the_query("/?\"", NoName),
        a_raw_control_byte("/\x01", NoName),
        a_raw_nul("/\0", NoName),
        a_raw_tab("/\t", NoName),
        a_raw_escape("/\x1b[31m", NoName),
        a_raw_delete("/\x7f", NoName),
        a_raw_byte_of_latin_1(b"/caf\xe9.txt", NoName),
        raw_utf_8("/gr\u{fc}\u{df}e.txt", NoName),
        a_raw_byte_of_latin_1_in_the_query(b"/?caf\xe9", NoName),
        a_space_in_the_target("/a b.txt", NoName),
    );
}

mod forms {
    use super::*;
    rows!(leads:
        an_absolute_form("http://millpond.test/hello.txt", HELLO),
        an_absolute_form_with_a_port("http://millpond.test:8080/hello.txt", HELLO),
        an_absolute_form_of_another_host_than_the_field("http://other.test/hello.txt", HELLO),
        an_absolute_form_of_an_ipv6_host("http://[::1]:8080/hello.txt", HELLO),
        an_absolute_form_in_upper_case("HTTP://MILLPOND.TEST/hello.txt", HELLO),
        an_absolute_form_without_a_path("http://millpond.test", ROOT),
        an_absolute_form_of_the_root("http://millpond.test/", ROOT),
        an_absolute_form_with_a_query_only("http://millpond.test?q", ROOT),
        an_absolute_form_with_a_query("http://millpond.test/hello.txt?q", HELLO),
        an_absolute_form_is_redirected_by_path("http://evil.test/dir?q", Redirect("/dir/?q")),
        an_absolute_form_of_nothing("http://millpond.test/missing", Nothing),
        an_absolute_form_with_an_empty_segment("http://millpond.test//hello.txt", Nothing),
        an_absolute_form_above_the_root("http://millpond.test/../outside/secret.txt", NoName),
        an_absolute_form_with_a_broken_escape("http://millpond.test/%zz", NoName),
        an_absolute_form_with_nul("http://millpond.test/%00", NoName),
        an_absolute_form_with_a_fragment("http://millpond.test/hello.txt#part", NoName),
        an_absolute_form_without_a_host("http:///hello.txt", NoName),
        an_absolute_form_with_a_port_but_no_host("http://:8080/hello.txt", NoName),
        an_absolute_form_with_a_user("http://user:password@millpond.test/hello.txt", NoName),
        an_absolute_form_with_a_bad_port("http://millpond.test:port/hello.txt", NoName),
        a_name_without_its_slash("hello.txt", NoName),
        a_path_without_its_slash("dir/file.txt", NoName),
        an_authority_for_a_get("millpond.test:8080", NoName),
        a_star_for_a_get("*", NoName),
        a_star_after_the_slash_is_a_name("/*", Nothing),
        a_query_alone("?q", NoName),
    );
}

mod sizes {
    use super::*;
    rows!(leads:
        a_name_as_long_as_linux_allows(format!("/{}", "n".repeat(255)), File("a name of 255 bytes")),
        a_name_longer_than_linux_allows(format!("/{}", "n".repeat(256)), Nothing),
        a_name_of_300_bytes(format!("/{}", "x".repeat(300)), Nothing),
        a_path_of_1_500_segments("/a".repeat(1_500), Nothing),
        a_path_longer_than_linux_allows("/abcdefg".repeat(1_000), Nothing),
        a_path_longer_than_linux_allows_that_leads_back(format!("{}/hello.txt", "/a/..".repeat(1_500)), HELLO),
        a_path_of_1_500_dots(format!("{}/hello.txt", "/.".repeat(1_500)), HELLO),
        as_many_dots_as_fit(format!("/{}", ".".repeat(3_000)), Nothing),
    );
}

/// RFC 9112 §3.2: a request without a valid Host is refused, and Host is used for nothing else (threats.md H9).
#[track_caller]
fn answers(request: impl AsRef<[u8]>, status: u16) {
    let response = ask(server(), request);
    assert_eq!((response.status, response.closes()), (status, status == 400));
}

mod host {
    use super::*;
    rows!(answers:
        a_host_name("GET / HTTP/1.1\r\nHost: millpond.test\r\n\r\n", 200),
        a_host_name_with_a_port("GET / HTTP/1.1\r\nHost: millpond.test:8080\r\n\r\n", 200),
        a_host_name_with_an_empty_port("GET / HTTP/1.1\r\nHost: millpond.test:\r\n\r\n", 200),
        an_address("GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n", 200),
        an_ipv6_address("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200),
        a_host_name_with_an_underscore("GET / HTTP/1.1\r\nHost: my_host\r\n\r\n", 200),
        a_host_name_with_an_escape("GET / HTTP/1.1\r\nHost: mill%2dpond\r\n\r\n", 200),
        an_empty_host_is_valid("GET / HTTP/1.1\r\nHost:\r\n\r\n", 200),
        a_host_in_any_case("GET / HTTP/1.1\r\nhOsT: h\r\n\r\n", 200),
        no_host("GET / HTTP/1.1\r\n\r\n", 400),
        no_host_with_other_fields("GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", 400),
        no_host_with_an_absolute_form("GET http://millpond.test/ HTTP/1.1\r\n\r\n", 400),
        no_host_with_options("OPTIONS * HTTP/1.1\r\n\r\n", 400),
        no_host_with_an_unknown_file("GET /missing HTTP/1.1\r\n\r\n", 400),
        two_hosts("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        the_same_host_twice("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        two_hosts_with_an_absolute_form("GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        two_hosts_in_one_line("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        a_space_in_the_host("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        a_slash_in_the_host("GET / HTTP/1.1\r\nHost: a/../b\r\n\r\n", 400),
        a_user_in_the_host("GET / HTTP/1.1\r\nHost: me@a\r\n\r\n", 400),
        a_query_in_the_host("GET / HTTP/1.1\r\nHost: a?b\r\n\r\n", 400),
        a_fragment_in_the_host("GET / HTTP/1.1\r\nHost: a#b\r\n\r\n", 400),
        a_backslash_in_the_host("GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n", 400),
        a_quote_in_the_host("GET / HTTP/1.1\r\nHost: \"a\"\r\n\r\n", 400),
        markup_in_the_host("GET / HTTP/1.1\r\nHost: <a>\r\n\r\n", 400),
        a_byte_of_latin_1_in_the_host(b"GET / HTTP/1.1\r\nHost: caf\xe9\r\n\r\n", 400),
        a_scheme_in_the_host("GET / HTTP/1.1\r\nHost: http://a\r\n\r\n", 400),
        letters_for_a_port("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
        two_ports("GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400),
        an_open_bracket("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400),
        two_hosts_in_http_1_0("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\nConnection: keep-alive\r\n\r\n", 400),
        a_bad_host_in_http_1_0("GET / HTTP/1.0\r\nHost: a b\r\nConnection: keep-alive\r\n\r\n", 400),
        a_broken_escape_in_the_host("GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n", 400),
    );
}

#[test]
fn every_name_that_hurts_leads_to_its_file() {
    for (name, target, content) in hurtful_names() {
        let response = ask(server(), get(target, ""));
        let found = (response.status, response.content_text());
        assert_eq!(found, (200, content), "{}", name.escape_ascii());
    }
}

#[test]
fn every_plain_file_leads_to_its_content() {
    for (name, content) in FILES {
        let response = ask(server(), get(&format!("/{name}"), ""));
        assert_eq!((response.status, response.content.as_slice()), (200, content.as_bytes()), "{name}");
    }
}

/// Every byte that a name may have, one file each: asked for by its escape, served, and never another one's content.
#[test]
fn every_byte_that_linux_allows_is_a_name() {
    let site = Site::new();
    let bytes = (1..=u8::MAX).filter(|byte| *byte != b'/');
    for byte in bytes.clone() {
        site.file(OsStr::from_bytes(&[b'x', byte, b'y']), [byte]);
    }
    let server = Server::start(site.root(), &["--access-log", "off"]);
    for byte in bytes {
        let response = ask(&server, get(&format!("/x%{byte:02X}y"), ""));
        assert_eq!((response.status, response.content), (200, vec![byte]), "{byte:#04x}");
    }
}

/// Dots only a normaliser that panics would mind (threats.md P16), with names that begin with a dot served.
#[test]
fn dots_lead_nowhere_with_hidden_names_served_either() {
    let server = Server::start(common().site.root(), &["--hidden", "--access-log", "off"]);
    let rows = [
        ("/.", 200),
        ("/./", 200),
        ("//", 404),
        ("/..", 400),
        ("/../", 400),
        ("/.%0d./", 404),
        ("/..%5c", 404),
        ("/..%2f", 404),
        ("/%2e%2e/", 400),
        ("/%252e%252e/", 404),
        ("/.git/../hello.txt", 200),
        ("/.git/../../hello.txt", 400),
        ("/....", 404),
    ];
    for (target, status) in rows {
        assert_eq!(ask(&server, get(target, "")).status, status, "{target}");
    }
}

/// No way of writing `..`, deeper and deeper, gets a byte from beside the root (PROMISE.md 7).
#[test]
fn no_spelling_of_two_dots_leaves_the_root() {
    let dots = [
        "..",
        "%2e%2e",
        ".%2e",
        "%2E.",
        "%252e%252e",
        "%c0%ae%c0%ae",
        "..%00",
        ".%00.",
        "..;",
        "..%5c",
        "..%20",
        ".%09.",
        "%u002e%u002e",
    ];
    let slashes = ["/", "//", "%2f", "%252f", "%5c", "%c0%af", "/./", "/%2e/", "/dir/../"];
    let before = ["/", "/dir/", "/dir/sub/", "//", "/links/directory/", "/hello.txt/", "http://h/"];
    let mut client = crate::support::Client::connect(server());
    for (dot, slash, before) in
        dots.iter().flat_map(|dot| slashes.iter().flat_map(move |slash| before.map(|before| (dot, slash, before))))
    {
        for depth in 1..=4 {
            let climb = format!("{dot}{slash}").repeat(depth);
            for secret in ["outside/secret.txt", "served-restricted/secret.txt"] {
                let request = get(&format!("{before}{climb}{secret}"), "");
                let response = client.ask(&request);
                assert!([400, 404].contains(&response.status), "{} for {}", response.status, show(&request));
                assert_eq!(crate::support::find(&response.content, SECRET.as_bytes()), None, "{}", show(&request));
                if response.closes() {
                    client = crate::support::Client::connect(server());
                }
            }
        }
    }
}

/// A refused target ends the connection: what stands behind it is never answered.
#[test]
fn nothing_is_answered_behind_a_refused_target() {
    let pipelined = [get("/hello.txt", ""), get("/%zz", ""), get("/hello.txt", "")].concat();
    let statuses: Vec<u16> = exchange(server(), pipelined).iter().map(|response| response.status).collect();
    assert_eq!(statuses, [200, 400]);
}
