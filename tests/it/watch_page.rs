//! The page of `/.millpond/` in a browser: what it says is so, it is right on a phone and on a desk, and in a frame as high
//! as a laptop's what is to be watched is seen whole.

use serde_json::json;

use crate::browser::assert_fits_and_can_be_read;
use crate::devtools::Page;
use crate::load::{site, wait_until};
use crate::support::{Client, PATIENCE, Server, Site, rows};

/// How many connections there are, and of those that ask, are idle, have sent half a head, wait to write, are due, and
/// are with workers.
const COUNTS: &str = r"/connections: (\d+) of [\d,]+ \((\d+) asks.*; idle\D*(?:\d+ watching )?(\d+); half a head (\d+); waiting to write (\d+); turns due\D*(\d+); with workers (\d+)/";

fn start(site: &Site) -> Server {
    Server::start(site.root(), &["--watch", "--workers", "2"])
}

fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

rows!(is_right:
    on_a_phone_in_the_light(390, "light"),
    on_a_phone_in_the_dark(390, "dark"),
    on_a_desk_in_the_light(1280, "light"),
    on_a_desk_in_the_dark(1280, "dark"),
);

fn is_right(width: u32, scheme: &str) {
    let Some(page) = Page::open() else { return };
    let site = site();
    let server = start(&site);
    page.show(&format!("http://{}/.millpond/", server.host()), width, scheme);
    let is_drawn = "document.querySelectorAll('#threads tr').length === 3";
    wait_until(PATIENCE, "its threads are told of", || page.ask(is_drawn) == json!(true));
    page.ask("document.querySelector('details').open = true");
    assert_fits_and_can_be_read(&page, "the page");
}

#[test]
fn its_numbers_say_over_what_they_are_and_nothing_of_what_did_not_happen() {
    let Some(page) = Page::open() else { return };
    let site = site();
    let server = start(&site);
    let mut half = Client::connect(&server);
    half.send("GET /hello.txt HTT");
    page.show(&format!("http://{}/.millpond/", server.host()), 1280, "light");
    let numbers =
        "[...document.querySelectorAll('#numbers > div')].map((each) => each.innerText.split(/\\s+/).join(' '))";
    let said = || page.ask(&format!("{numbers}.filter((each) => /^(requests|p50|L = )/.test(each)).join('; ')"));
    wait_until(PATIENCE, "each has its seconds", || {
        let said = said();
        let said = said.as_str().unwrap_or_default();
        said.starts_with("requests/s 1 s 0; p50 ")
            && said.ends_with(" s, finished –")
            && said.contains(" s –; L = λ·W ")
    });
    let counts = format!("document.getElementById('place').ariaLabel.match({COUNTS})?.slice(1).map(Number)");
    wait_until(PATIENCE, "the parts come to the sum", || {
        let counts: Vec<u64> = serde_json::from_value(page.ask(&counts)).unwrap_or_default();
        counts.len() == 7 && counts[0] == counts[1..].iter().sum::<u64>() && counts[3] == 1
    });
    page.ask("document.getElementById('pause').click()");
    let told = page.ask("document.getElementById('told').textContent.replace(/[0-9.]+ s/, 'N s')");
    assert_eq!(told, json!("Paused; shown is N s before the last news. Step with the buttons or the arrow keys."));
}

#[test]
fn in_a_frame_the_lanes_and_the_place_are_seen_at_once() {
    let Some(page) = Page::open() else { return };
    let site = Site::new();
    site.file(
        "frame.html",
        "<!doctype html><link rel=icon href=data:,><iframe src='/.millpond/' width='800' height='580'></iframe>",
    );
    let server = Server::start(site.root(), &["--watch", "--workers", "4"]);
    page.show(&format!("http://{}/frame.html", server.host()), 1280, "light");
    let bottom = |id: &str| {
        let bottom = format!("frames[0].document.getElementById('{id}')?.getBoundingClientRect().bottom");
        page.ask(&bottom).as_f64().unwrap_or_default()
    };
    // Canvases have their heights from the first drawing on.
    wait_until(PATIENCE, "all of it is in sight, the lanes first", || {
        let [lanes, legend, place] = ["lanes", "legend", "place"].map(bottom);
        180.0 < lanes && lanes < legend && legend < place && place <= 580.0
    });
}

rows!(shows_where_connections_are:
    the_page_shows_where_connections_are_on_a_phone(390),
    the_page_shows_where_connections_are_on_a_desk(1280),
);

fn shows_where_connections_are(width: u32) {
    let Some(page) = Page::open() else { return };
    let site = site();
    let server = start(&site);
    let (idle, mut half, mut slow) = (Client::connect(&server), Client::connect(&server), Client::connect(&server));
    half.send("GET /hello.txt HTT");
    slow.send(request("/download.bin"));
    page.show(&format!("http://{}/.millpond/", server.host()), width, "dark");
    let shows = |text: &str, of: &str| {
        wait_until(PATIENCE, text, || page.ask(&format!("{of}.includes({text:?})")) == json!(true));
    };
    shows(
        "half a head 1; waiting to write 1; turns due 0; with workers 0",
        "document.getElementById('place').ariaLabel",
    );
    shows("has sent half a head", "document.getElementById('slowest').innerText");
    shows("is read more slowly than sent", "document.getElementById('slowest').innerText");
    assert_eq!(page.ask("document.documentElement.scrollWidth <= innerWidth"), json!(true));
    drop((idle, half, slow));
    shows(
        "half a head 0; waiting to write 0; turns due 0; with workers 0",
        "document.getElementById('place').ariaLabel",
    );
    shows("none waits", "document.getElementById('slowest').innerText");
}

#[test]
fn the_page_draws_itself_and_tells_what_was_done() {
    let Some(page) = Page::open() else { return };
    let site = site();
    let server = start(&site);
    let mut client = Client::connect(&server);
    client.ask(request("/hello.txt"));
    page.show(&format!("http://{}/.millpond/", server.host()), 1280, "light");
    for text in ["serving", "worker 1", "Everything that happens is drawn."] {
        let shown = format!("document.body.innerText.includes({text:?})");
        wait_until(PATIENCE, text, || page.ask(&shown) == json!(true));
    }
    wait_until(PATIENCE, "it asks again and again", || page.ask("last()?.totals.observed > 5") == json!(true));
}

#[test]
fn what_a_browser_that_watches_asks_for_beside_that_is_drawn_as_anybody_s() {
    let Some(page) = Page::open() else { return };
    let site = site();
    let server = start(&site);
    page.show(&format!("http://{}/.millpond/", server.host()), 1280, "light");
    wait_until(PATIENCE, "it has heard", || page.ask("state.polls.length > 2") == json!(true));
    // By the connections that it polls by.
    page.ask("(async () => { for (let i = 0; i < 50; i += 1) await (await fetch('/hello.txt')).text(); })()");
    let drawn = |sort: &str| {
        let count =
            format!("state.lanes.flatMap((lane) => lane.stretches).filter((it) => it.sort === '{sort}').length");
        page.ask(&count).as_u64().expect("a number")
    };
    // Two that come within one batch are one stretch.
    wait_until(PATIENCE, "they are drawn as answers", || drawn("answer") >= 25);
    let grey = drawn("observer");
    wait_until(PATIENCE, "and its own are not", || drawn("observer") > grey);
    assert!(drawn("answer") <= 60, "{}", drawn("answer"));
}
