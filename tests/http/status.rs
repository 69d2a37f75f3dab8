//! Status codes.

use millpond::http::status::Status;

#[test]
fn the_statuses_that_the_server_uses_have_the_code_and_the_phrase_of_the_rfc() {
    let rows = [
        (Status::OK, 200, "OK"),
        (Status::NO_CONTENT, 204, "No Content"),
        (Status::PARTIAL_CONTENT, 206, "Partial Content"),
        (Status::NOT_MODIFIED, 304, "Not Modified"),
        (Status::PERMANENT_REDIRECT, 308, "Permanent Redirect"),
        (Status::BAD_REQUEST, 400, "Bad Request"),
        (Status::FORBIDDEN, 403, "Forbidden"),
        (Status::NOT_FOUND, 404, "Not Found"),
        (Status::METHOD_NOT_ALLOWED, 405, "Method Not Allowed"),
        (Status::REQUEST_TIMEOUT, 408, "Request Timeout"),
        (Status::PRECONDITION_FAILED, 412, "Precondition Failed"),
        (Status::URI_TOO_LONG, 414, "URI Too Long"),
        (Status::RANGE_NOT_SATISFIABLE, 416, "Range Not Satisfiable"),
        (Status::EXPECTATION_FAILED, 417, "Expectation Failed"),
        (Status::REQUEST_HEADER_FIELDS_TOO_LARGE, 431, "Request Header Fields Too Large"),
        (Status::INTERNAL_SERVER_ERROR, 500, "Internal Server Error"),
        (Status::NOT_IMPLEMENTED, 501, "Not Implemented"),
        (Status::SERVICE_UNAVAILABLE, 503, "Service Unavailable"),
        (Status::HTTP_VERSION_NOT_SUPPORTED, 505, "HTTP Version Not Supported"),
    ];
    for (status, code, reason) in rows {
        assert_eq!((status.code(), status.reason()), (code, reason));
        assert_eq!(Status::new(code), Some(status));
    }
}

#[test]
fn a_status_is_final() {
    for code in 0..=u16::MAX {
        assert_eq!(Status::new(code).map(Status::code), (200..600).contains(&code).then_some(code));
    }
}

#[test]
fn only_204_and_304_forbid_content_and_errors_begin_at_400() {
    for code in 200..600 {
        let status = Status::new(code).unwrap();
        assert_eq!(status.forbids_content(), code == 204 || code == 304, "{code}");
        assert_eq!(status.is_error(), code >= 400, "{code}");
    }
}

#[test]
fn a_code_without_a_phrase_has_an_empty_one() {
    assert_eq!(Status::new(299).unwrap().reason(), "");
    assert_eq!(Status::new(418).unwrap().reason(), "");
}
