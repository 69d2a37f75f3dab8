//! Scripts of other sites: the Fetch standard, §3.2, and the cases of dufs (`--enable-cors`), static-web-server and serve.

use crate::support::{Client, Server, Site, ask, get, request, rows};

const EXPOSED: &str = "Accept-Ranges, Allow, Content-Disposition, Content-Encoding, Content-Length, Content-Range, Date, \
                       ETag, Location, Vary";

fn served(args: &[&str]) -> (Site, Server) {
    let site = Site::new();
    site.file("data.json", "{}").directory("dir");
    let server = Server::start(site.root(), &[args, &["--access-log", "off"]].concat());
    (site, server)
}

#[test]
fn every_answer_is_open_to_scripts_errors_too() {
    let (_site, server) = served(&["--cors"]);
    let host = "Host: h\r\n";
    for (request, status) in [
        (get("/data.json", "Origin: https://elsewhere.test\r\n"), 200),
        (get("/data.json", ""), 200),
        (request("HEAD", "/data.json", ""), 200),
        (get("/data.json", "Range: bytes=0-0\r\n"), 206),
        (get("/data.json", "If-None-Match: *\r\n"), 304),
        (get("/data.json", "If-Match: \"other\"\r\n"), 412),
        (get("/data.json", "Range: bytes=9-\r\n"), 416),
        (get("/dir", ""), 308),
        (get("/missing", "Origin: null\r\n"), 404),
        (request("POST", "/data.json", ""), 405),
        (request("OPTIONS", "/data.json", ""), 204),
        (request("BREW", "/data.json", ""), 501),
        (b"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(), 400),
        (format!("GET / HTTP/1.1\r\n{host}{host}\r\n").into_bytes(), 400),
    ] {
        let response = ask(&server, request);
        assert_eq!((response.status, response.field("access-control-allow-origin").as_str()), (status, "*"));
        assert_eq!(response.field("access-control-expose-headers"), EXPOSED, "{status}");
        assert!(!response.has("access-control-allow-credentials"), "{status}");
    }
}

const PREFLIGHT: &str = "Origin: https://elsewhere.test\r\nAccess-Control-Request-Method: GET\r\n";
const KNOWN: &str =
    "Accept, Cache-Control, If-Match, If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, Range";

#[track_caller]
fn allows(asked: &str, further: &str) {
    let (_site, server) = served(&["--cors"]);
    for target in ["/data.json", "/missing", "*"] {
        let response = ask(&server, request("OPTIONS", target, &format!("{PREFLIGHT}{asked}")));
        assert_eq!(response.status, 204);
        assert_eq!(response.field("access-control-allow-headers"), format!("{KNOWN}{further}"));
        assert_eq!(response.field("access-control-allow-methods"), "GET, HEAD, OPTIONS");
        assert_eq!(response.field("access-control-max-age"), "86400");
        assert_eq!(
            (response.field("access-control-allow-origin").as_str(), response.has("content-length")),
            ("*", false)
        );
    }
}

rows!(allows:
    no_field("", ""),
    one_that_acts_here("Access-Control-Request-Headers: range\r\n", ""),
    one_that_does_not("Access-Control-Request-Headers: authorization\r\n", ", authorization"),
    several("Access-Control-Request-Headers: x-a,range , x-b\r\n", ", x-a, x-b"),
    over_several_lines("Access-Control-Request-Headers: x-a\r\nAccess-Control-Request-Headers: x-b\r\n", ", x-a, x-b"),
    what_is_no_token("Access-Control-Request-Headers: x a, \"q\", <b>, x:y, caf\u{e9}, ok\r\n", ", ok"),
    nothing_at_all("Access-Control-Request-Headers: ,, ,\r\n", ""),
);

#[test]
fn a_preflight_names_no_more_fields_than_a_script_could_have() {
    let (_site, server) = served(&["--cors"]);
    let asked: Vec<String> = (0..1_000).map(|number| format!("x-{number}")).collect();
    let fields = format!("{PREFLIGHT}Access-Control-Request-Headers: {}\r\n", asked.join(","));
    let response = ask(&server, request("OPTIONS", "/", &fields));
    let allowed = response.field("access-control-allow-headers");
    assert!(allowed.ends_with(", x-31") && allowed.split(", ").count() == 8 + 32, "{allowed}");
}

#[test]
fn what_is_no_preflight_is_described_as_ever() {
    let (_site, server) = served(&["--cors"]);
    for fields in ["", "Origin: https://elsewhere.test\r\n", "Access-Control-Request-Method: GET\r\n"] {
        let response = ask(&server, request("OPTIONS", "/data.json", fields));
        assert_eq!((response.status, response.field("allow").as_str()), (204, "GET, HEAD, OPTIONS"), "{fields}");
        assert!(!response.has("access-control-allow-methods"), "{fields}");
    }
    let get = ask(&server, get("/data.json", PREFLIGHT));
    assert_eq!((get.status, get.has("access-control-allow-methods")), (200, false));
}

#[test]
fn a_header_of_the_same_name_wins() {
    let (_site, server) = served(&[
        "--cors",
        "--header",
        "access-control-allow-origin: https://one.test",
        "--header",
        "Access-Control-Max-Age: 5",
    ]);
    let mut client = Client::connect(&server);
    for fields in ["", PREFLIGHT] {
        let response = client.ask(request("OPTIONS", "/", fields));
        assert_eq!(response.field("access-control-allow-origin"), "https://one.test");
        assert_eq!(response.field("access-control-max-age"), "5");
        assert_eq!(response.field("access-control-expose-headers"), EXPOSED);
    }
}

#[test]
fn without_the_option_there_is_nothing_of_it() {
    let (_site, server) = served(&[]);
    for request in [get("/data.json", "Origin: https://elsewhere.test\r\n"), request("OPTIONS", "/", PREFLIGHT)] {
        let response = ask(&server, request);
        assert!(response.fields.iter().all(|(name, _)| !name.to_ascii_lowercase().starts_with("access-control")));
    }
}
