//! Preconditions: all five fields, their order, and what is ignored because it says nothing.
//!
//! RFC 9110 §13.1 (the fields), §13.2 (when and in which order), §8.8.3.2 (strong and weak comparison), §5.6.7 (dates).

use std::sync::LazyLock;

use crate::support::{Client, ask, get, request, rows, server};

/// The entity-tag of the file that these tests ask for; its date is 6 November 1994.
static ETAG: LazyLock<String> = LazyLock::new(|| ask(server(), get(FILE, "")).field("etag"));

const FILE: &str = "/dated.txt";

/// The fields as they are sent: `{e}` is the entity-tag of the file.
fn fields(template: &str) -> String {
    template
        .replace("{e}", &ETAG)
        .split('\n')
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\r\n"))
        .collect()
}

/// A GET and a HEAD with these fields, one line each, get this status, and keep the connection.
#[track_caller]
fn gets(template: &str, status: u16) {
    let mut client = Client::connect(server());
    for method in ["GET", "HEAD"] {
        let response = client.ask(request(method, FILE, &fields(template)));
        assert_eq!((response.status, response.closes()), (status, false), "{method}");
        let content = if (method, status) == ("GET", 200) { "0123456789" } else { "" };
        if status != 412 {
            assert_eq!(response.content_text(), content, "{method}");
        }
    }
}

mod if_none_match {
    use super::*;
    rows!(gets:
        any("If-None-Match: *", 304),
        the_same("If-None-Match: {e}", 304),
        the_same_but_weak("If-None-Match: W/{e}", 304),
        the_same_in_a_list("If-None-Match: \"a\", {e}, \"b\"", 304),
        the_same_first_in_a_list("If-None-Match: {e}, \"a\"", 304),
        the_same_but_weak_in_a_list("If-None-Match: \"a\", W/{e}", 304),
        the_same_in_a_list_without_spaces("If-None-Match: \"a\",{e},\"b\"", 304),
        the_same_among_empty_elements("If-None-Match: ,, {e} ,,", 304),
        the_same_on_a_second_line("If-None-Match: \"a\"\nIf-None-Match: {e}", 304),
        the_same_behind_a_comma_in_a_tag("If-None-Match: \"a,b\", {e}", 304),
        the_same_behind_a_tag_of_latin_1("If-None-Match: \"\u{e9}\", {e}", 304),
        the_same_behind_an_empty_tag("If-None-Match: \"\", {e}", 304),
        the_same_behind_a_tag_with_a_backslash("If-None-Match: \"a\\\", {e}", 304),
        the_same_within_white_space("If-None-Match: \t {e} \t", 304),
        another("If-None-Match: \"other\"", 200),
        others("If-None-Match: \"a\", W/\"b\", \"c\"", 200),
        an_empty_tag("If-None-Match: \"\"", 200),
        the_same_within_another_tag("If-None-Match: \"x{e}x\"", 200),
        the_same_without_quotes_is_no_tag("If-None-Match: 0-0", 200),
        a_star_in_quotes_is_a_tag("If-None-Match: \"*\"", 200),
        a_weak_star_is_no_star("If-None-Match: W/*", 200),
        nothing("If-None-Match:", 200),
        commas("If-None-Match: , ,", 200),
        a_small_w_is_no_weak_tag("If-None-Match: w/{e}", 200),
        an_open_quote("If-None-Match: \"other", 200),
        garbage("If-None-Match: garbage", 200),
        a_thousand_others_and_the_same(&format!("If-None-Match: {}{{e}}", "\"a\",".repeat(1_000)), 304),
        a_thousand_others(&format!("If-None-Match: {}\"b\"", "\"a\",".repeat(1_000)), 200),
    );
}

mod if_modified_since {
    use super::*;
    rows!(gets:
        the_same_second("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 304),
        the_same_second_in_the_form_of_rfc_850("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", 304),
        the_same_second_in_the_form_of_asctime("If-Modified-Since: Sun Nov  6 08:49:37 1994", 304),
        a_second_later("If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT", 304),
        a_second_earlier("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", 200),
        a_second_earlier_in_the_form_of_rfc_850("If-Modified-Since: Sunday, 06-Nov-94 08:49:36 GMT", 200),
        a_second_earlier_in_the_form_of_asctime("If-Modified-Since: Sun Nov  6 08:49:36 1994", 200),
        years_later("If-Modified-Since: Sat, 06 Nov 2004 08:49:37 GMT", 304),
        the_beginning_of_time("If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT", 200),
        before_the_beginning_of_time("If-Modified-Since: Mon, 01 Jan 1900 00:00:00 GMT", 200),
        the_last_second_of_the_format("If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT", 304),
        the_same_second_within_white_space("If-Modified-Since:  Sun, 06 Nov 1994 08:49:37 GMT  ", 304),
        nothing("If-Modified-Since:", 200),
        garbage("If-Modified-Since: garbage", 200),
        a_number("If-Modified-Since: 1000000000", 200),
        the_year_10000("If-Modified-Since: Sat, 01 Jan 10000 00:00:00 GMT", 200),
        a_month_that_is_none("If-Modified-Since: Sun, 06 Nuv 2024 08:49:37 GMT", 200),
        a_day_that_is_none("If-Modified-Since: Thu, 32 Jan 2015 08:49:37 GMT", 200),
        an_hour_that_is_none("If-Modified-Since: Fri, 06 Nov 2015 25:49:37 GMT", 200),
        an_offset_for_the_zone("If-Modified-Since: Fri, 06 Nov 2015 08:49:37 +0000", 200),
        another_zone("If-Modified-Since: Fri, 06 Nov 2015 08:49:37 CET", 200),
        a_date_of_iso_8601("If-Modified-Since: 2015-11-06T08:49:37Z", 200),
        nines(&format!("If-Modified-Since: {}", "9".repeat(200)), 200),
        two_lines(
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 200,
        ),
        an_entity_tag("If-Modified-Since: {e}", 200),
        is_ignored_beside_another_tag(
            "If-None-Match: \"other\"\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 200,
        ),
        is_ignored_beside_the_same_tag("If-None-Match: {e}\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT", 304),
        is_ignored_beside_an_empty_list_of_tags(
            "If-None-Match:\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 200,
        ),
        is_ignored_before_another_tag(
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\nIf-None-Match: \"other\"", 200,
        ),
    );
}

mod if_match {
    use super::*;
    rows!(gets:
        any("If-Match: *", 200),
        the_same("If-Match: {e}", 200),
        the_same_in_a_list("If-Match: \"a\", {e}", 200),
        the_same_on_a_second_line("If-Match: \"a\"\nIf-Match: {e}", 200),
        the_same_behind_a_comma_in_a_tag("If-Match: \"a,b\", {e}", 200),
        the_same_among_empty_elements("If-Match: ,, {e} ,,", 200),
        the_same_but_weak_does_not_match_strongly("If-Match: W/{e}", 412),
        the_same_weak_and_strong("If-Match: W/{e}, {e}", 200),
        another("If-Match: \"other\"", 412),
        others("If-Match: \"a\", \"b\"", 412),
        an_empty_tag("If-Match: \"\"", 412),
        a_star_in_quotes_is_a_tag("If-Match: \"*\"", 412),
    );
}

mod if_unmodified_since {
    use super::*;
    rows!(gets:
        the_same_second("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 200),
        the_same_second_in_the_form_of_rfc_850("If-Unmodified-Since: Sunday, 06-Nov-94 08:49:37 GMT", 200),
        the_same_second_in_the_form_of_asctime("If-Unmodified-Since: Sun Nov  6 08:49:37 1994", 200),
        a_second_later("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:38 GMT", 200),
        a_second_earlier("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", 412),
        the_beginning_of_time("If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT", 412),
        nothing("If-Unmodified-Since:", 200),
        garbage("If-Unmodified-Since: garbage", 200),
        a_number("If-Unmodified-Since: 0", 200),
        two_lines(
            "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", 200,
        ),
        is_ignored_beside_the_same_tag("If-Match: {e}\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", 200),
        is_ignored_beside_any_tag("If-Match: *\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT", 200),
        is_ignored_beside_another_tag("If-Match: \"other\"\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 412),
    );
}

/// RFC 9110 §13.2.2, step by step.
mod order {
    use super::*;
    rows!(gets:
        a_failed_match_comes_before_not_modified("If-Match: \"other\"\nIf-None-Match: {e}", 412),
        a_failed_match_comes_before_not_modified_in_any_order_of_lines("If-None-Match: {e}\nIf-Match: \"other\"", 412),
        a_match_goes_on_to_none_match("If-Match: {e}\nIf-None-Match: {e}", 304),
        a_match_goes_on_to_modified_since("If-Match: {e}\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 304),
        modified_since_a_date_comes_before_none_match(
            "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\nIf-None-Match: {e}", 412,
        ),
        unmodified_since_a_date_goes_on_to_none_match(
            "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\nIf-None-Match: {e}", 304,
        ),
        unmodified_and_not_modified_since_the_same_second(
            "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 304),
        all_four_that_hold(
            "If-Match: {e}\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\nIf-None-Match: \"other\"\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 200),
    );
}

/// What a request gets, on any target; the fields are templates as above.
#[track_caller]
fn answers(method: &str, target: &str, template: &str, status: u16) {
    assert_eq!(ask(server(), request(method, target, &fields(template))).status, status);
}

/// RFC 9110 §13.2.1: a precondition only counts where the answer without it would be a 2xx (or 412); §14.2: a range
/// comes after them.
mod elsewhere {
    use super::*;
    rows!(answers:
        what_does_not_exist_matches_nothing("GET", "/missing", "If-None-Match: *", 404),
        what_does_not_exist_fails_no_match("GET", "/missing", "If-Match: \"other\"", 404),
        a_redirect_ignores_a_match("GET", "/dir", "If-Match: \"other\"", 308),
        a_redirect_ignores_not_modified("GET", "/dir", "If-None-Match: *", 308),
        a_refused_method_ignores_a_match("POST", FILE, "If-Match: \"other\"", 405),
        a_refused_method_ignores_not_modified("PUT", FILE, "If-None-Match: *", 405),
        an_index_is_matched("GET", "/dir/", "If-None-Match: *", 304),
        an_index_fails_a_match("GET", "/dir/", "If-Match: \"other\"", 412),
        not_modified_comes_before_a_range("GET", FILE, "If-None-Match: {e}\nRange: bytes=0-1", 304),
        not_modified_comes_before_a_range_beyond_the_end("GET", FILE, "If-None-Match: {e}\nRange: bytes=99-", 304),
        not_modified_since_comes_before_a_range(
            "GET", FILE, "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\nRange: bytes=0-1", 304,
        ),
        a_failed_match_comes_before_a_range("GET", FILE, "If-Match: \"other\"\nRange: bytes=0-1", 412),
        a_failed_match_comes_before_a_range_beyond_the_end("GET", FILE, "If-Match: \"other\"\nRange: bytes=99-", 412),
        a_match_goes_on_to_a_range("GET", FILE, "If-Match: {e}\nRange: bytes=0-1", 206),
        a_match_goes_on_to_a_range_beyond_the_end("GET", FILE, "If-Match: {e}\nRange: bytes=99-", 416),
        none_match_goes_on_to_a_range("GET", FILE, "If-None-Match: \"other\"\nRange: bytes=0-1", 206),
        unmodified_since_goes_on_to_a_range(
            "GET", FILE, "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\nRange: bytes=0-1", 206,
        ),
        a_match_goes_on_to_if_range("GET", FILE, "If-Match: {e}\nRange: bytes=0-1\nIf-Range: \"other\"", 200),
    );
}
