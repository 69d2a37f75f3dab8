//! What is said of where the server listens, on machines with one network and with several.

use std::net::IpAddr;
use std::path::PathBuf;

use fast_qr::QRBuilder;
use millpond::announce::qr::{self, Ink, MARGIN};
use millpond::announce::{self, Announcement, Front, browser};
use millpond::engine::listen::Address;

/// What it listens on; what is said of that here, and what elsewhere; and the best of it.
type Row = (&'static [&'static str], &'static [&'static str], &'static [&'static str], Option<&'static str>);

/// A machine with these.
const INTERFACES: [&str; 3] = ["192.0.2.7", "10.0.0.7", "2001:db8::7"];

#[test]
fn the_first_line_has_one_address_for_each_and_the_best_is_one_that_others_reach() {
    let rows: [Row; 9] = [
        (&["127.0.0.1:80"], &["http://127.0.0.1:80/"], &[], Some("http://127.0.0.1:80/")),
        (
            &["0.0.0.0:80"],
            &["http://127.0.0.1:80/"],
            &["http://192.0.2.7:80/", "http://10.0.0.7:80/"],
            Some("http://192.0.2.7:80/"),
        ),
        (
            &["[::]:80"],
            &["http://[::1]:80/"],
            &["http://192.0.2.7:80/", "http://10.0.0.7:80/", "http://[2001:db8::7]:80/"],
            Some("http://192.0.2.7:80/"),
        ),
        (
            &["[::]:80", "127.0.0.1:80"],
            &["http://[::1]:80/", "http://127.0.0.1:80/"],
            &["http://[2001:db8::7]:80/"],
            Some("http://[2001:db8::7]:80/"),
        ),
        (
            &["0.0.0.0:80", "[::]:80"],
            &["http://127.0.0.1:80/", "http://[::1]:80/"],
            &["http://192.0.2.7:80/", "http://10.0.0.7:80/", "http://[2001:db8::7]:80/"],
            Some("http://192.0.2.7:80/"),
        ),
        (
            &["127.0.0.1:80", "10.0.0.7:80"],
            &["http://127.0.0.1:80/", "http://10.0.0.7:80/"],
            &[],
            Some("http://10.0.0.7:80/"),
        ),
        (
            &["127.0.0.1:80", "/run/a b%.sock"],
            &["http://127.0.0.1:80/", "unix:/run/a%20b%25.sock"],
            &[],
            Some("http://127.0.0.1:80/"),
        ),
        (&["/run/a.sock"], &["unix:/run/a.sock"], &[], None),
        (&["/a\nb"], &["unix:/a%0Ab"], &[], None),
    ];
    let interfaces = INTERFACES.map(|ip| ip.parse::<IpAddr>().expect("an address"));
    for (bound, here, elsewhere, best) in rows {
        let address = |text: &&str| text.parse().map_or_else(|_| Address::Unix(PathBuf::from(text)), Address::Ip);
        let bound: Vec<Address> = bound.iter().map(address).collect();
        let announcement = announce::announce(&bound, &interfaces, &front("/"));
        assert_eq!(announcement.here, here, "{bound:?}");
        assert_eq!(announcement.elsewhere, elsewhere, "{bound:?}");
        assert_eq!(announcement.best.as_deref(), best, "{bound:?}");
    }
}

#[test]
fn without_a_network_the_best_is_the_one_of_this_machine() {
    let all = [Address::Ip("0.0.0.0:80".parse().expect("an address"))];
    let announcement = announce::announce(&all, &[], &front("/"));
    assert_eq!((announcement.elsewhere.len(), announcement.best.as_deref()), (0, Some("http://127.0.0.1:80/")));
}

/// Reads the drawing back, character by character, and finds the code that was to be drawn, with its margin.
#[test]
fn a_drawing_is_the_code_with_a_margin_of_light_modules() {
    let text = "http://192.0.2.7:8080/";
    let code = QRBuilder::new(text).build().expect("it is short");
    let side = code.size + 2 * MARGIN;
    for ink in [Ink::Colours, Ink::Characters] {
        let drawing = qr::draw(text, ink).expect("it is short");
        let mut rows: Vec<Vec<bool>> = Vec::new();
        for line in drawing.lines() {
            let line = line.trim_start_matches("\x1b[38;5;16;48;5;231m").trim_end_matches("\x1b[0m");
            let halves = line.chars().map(|character| match character {
                '█' => [true, true],
                '▀' => [true, false],
                '▄' => [false, true],
                ' ' => [false, false],
                other => panic!("{other:?}"),
            });
            let halves: Vec<[bool; 2]> = halves.collect();
            rows.extend([0, 1].map(|half| halves.iter().map(|halves| halves[half] == (ink == Ink::Colours)).collect()));
        }
        assert!((side..=side + 1).contains(&rows.len()));
        for (row, modules) in rows.iter().enumerate() {
            assert_eq!(modules.len(), side);
            for (column, dark) in modules.iter().enumerate() {
                let within = |at: &usize| (MARGIN..MARGIN + code.size).contains(at);
                let expected = within(&row) && within(&column) && code[row - MARGIN][column - MARGIN].value();
                assert_eq!(*dark, expected, "row {row}, column {column}, {ink:?}");
            }
        }
    }
    assert_eq!(qr::draw(&"x".repeat(10_000), Ink::Characters), None);
}

#[test]
fn a_browser_is_named_by_the_environment_or_by_the_desktop() {
    const URL: &str = "http://127.0.0.1:8080/";
    for (browser, first) in [
        (None, &["xdg-open", URL][..]),
        (Some(""), &["xdg-open", URL]),
        (Some(" : "), &["xdg-open", URL]),
        (Some("firefox"), &["firefox", URL]),
        (Some("w3m -B:lynx"), &["w3m", "-B", URL]),
        (Some("chromium --app=%s --new"), &["chromium", "--app=http://127.0.0.1:8080/", "--new"]),
    ] {
        let commands = browser::commands(browser, URL);
        assert_eq!(commands[0], first, "{browser:?}");
        assert_eq!(commands[commands.len() - 1], ["wslview", URL], "{browser:?}");
    }
    let several = browser::commands(Some("a:b"), URL);
    assert_eq!(several.iter().map(|words| words[0].as_str()).collect::<Vec<_>>(), ["a", "b", "xdg-open", "wslview"]);
}

fn front(path: &str) -> Front {
    Front { scheme: "http", path: path.to_owned() }
}

#[test]
fn the_path_of_one_file_and_the_scheme_are_in_every_url() {
    let all = [Address::Ip("0.0.0.0:8080".parse().expect("an address"))];
    let front = Front { scheme: "https", path: "/a%20b.txt".to_owned() };
    let announcement = announce::announce(&all, &["192.0.2.1".parse().expect("an address")], &front);
    let far = "https://192.0.2.1:8080/a%20b.txt".to_owned();
    let expected = Announcement {
        here: vec!["https://127.0.0.1:8080/a%20b.txt".to_owned()],
        elsewhere: vec![far.clone()],
        best: Some(far),
    };
    assert_eq!(announcement, expected);
}
