//! The guide in `public/`, in a browser: three pages that are right on a phone and on a desk, in the light and in the dark;
//! that show the server at work where it lets them; and whose buttons do what they say.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::browser::assert_fits_and_can_be_read;
use crate::devtools::Page;
use crate::load::{self, program, skips, wait_until};
use crate::support::{PATIENCE, Server, Site, bare_command, rows};

const PAGES: [&str; 3] = ["index.html", "labs.html", "source.html"];

/// What a page asks of the server while it is shown: nothing is asked of anybody else.
const ASKED: &str = "performance.getEntriesByType('resource').map(({ name }) => new URL(name).origin)";

/// Where the links of a page lead.
const LINKS: &str = "[...new Set([...document.querySelectorAll('a')].map((a) => a.href))]";

/// How many tables of what programs print have a cell for each head in every row, and are to be seen without scrolling.
const PRINTED: &str = "[...document.querySelectorAll('.printed')].filter((frame) => {
    const [head, ...rows] = [...frame.querySelectorAll('tr')].map((row) => row.cells.length);
    return head > 3 && rows.length > 1 && rows.every((cells) => cells === head) && frame.scrollWidth <= frame.clientWidth;
}).length";

/// Served as it is by who types `millpond` beside it, from a copy that tests may add to.
fn guide(args: &[&str]) -> (Site, Server) {
    let site = Site::new();
    let public = Path::new(env!("CARGO_MANIFEST_DIR")).join("public");
    for file in fs::read_dir(public).expect("the guide is there") {
        let path = file.expect("it can be listed").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("our own names are text");
        // What a reader may have made to be downloaded is no part of it.
        if name != "big.bin" {
            site.file(format!("public/{name}"), fs::read(&path).expect("it can be read"));
        }
    }
    let mut command = bare_command();
    command.current_dir(site.root()).args(["--port", "0"]).args(args);
    let server = Server::spawn(command);
    (site, server)
}

fn url(server: &Server, page: &str) -> String {
    format!("http://{}/{page}", server.host())
}

rows!(is_right:
    on_a_phone_in_the_light(390, "light"),
    on_a_phone_in_the_dark(390, "dark"),
    on_a_desk_in_the_light(1280, "light"),
    on_a_desk_in_the_dark(1280, "dark"),
);

fn is_right(width: u32, scheme: &str) {
    let Some(page) = Page::open() else { return };
    let (_site, server) = guide(&[]);
    for name in PAGES {
        page.show(&url(&server, name), width, scheme);
        if name == "index.html" {
            wait_until(PATIENCE, "the live page is there", || page.ask("frames.length") == json!(1));
        }
        // As a reader leaves them who wants to know it all.
        page.ask("document.querySelectorAll('details').forEach((each) => { each.open = true; })");
        assert_fits_and_can_be_read(&page, name);
        let printed = page.ask(PRINTED);
        assert_eq!(printed, json!(if name == "labs.html" { 11 } else { 0 }), "{name}: the tables that are whole");
        let paper = page.ask("getComputedStyle(document.body).backgroundColor");
        assert_eq!(paper, json!(if scheme == "dark" { "rgb(11, 23, 26)" } else { "rgb(245, 249, 248)" }));
        assert_eq!(page.ask("document.querySelector('nav [aria-current=page]').pathname"), json!(format!("/{name}")));
        let copies = page.ask(
            "document.querySelectorAll('.commands').length - document.querySelectorAll('.commands button').length",
        );
        assert_eq!(copies, json!(0), "{name}: every command can be copied");
        let origins = page.ask(ASKED);
        let ours = json!(format!("http://{}", server.host()));
        assert!(
            origins.as_array().is_some_and(|all| all.len() > 2 && all.iter().all(|each| *each == ours)),
            "{origins}"
        );
    }
    page.ask("1");
}

#[test]
fn every_link_leads_somewhere() {
    let Some(page) = Page::open() else { return };
    let (_site, server) = guide(&[]);
    let own = format!("http://{}/", server.host());
    for name in PAGES {
        page.show(&url(&server, name), 1280, "light");
        if name == "index.html" {
            wait_until(PATIENCE, "the live page is there", || page.ask("frames.length") == json!(1));
        }
        let links = page.ask(LINKS);
        let links = links.as_array().expect("a list");
        assert!(links.len() >= PAGES.len(), "{name}: {links:?}");
        for link in links.iter().map(|link| link.as_str().expect("an address")) {
            assert!(link.starts_with(&own), "{name} leads away: {link}");
            let found = page.ask(&format!(
                "(async () => {{
                    const answer = await fetch('{link}');
                    const text = await answer.text();
                    const id = new URL('{link}').hash.slice(1);
                    const there = new DOMParser().parseFromString(text, 'text/html');
                    return answer.status === 200 && (id === '' || there.getElementById(id) !== null);
                }})()"
            ));
            assert_eq!(found, json!(true), "{name} leads nowhere: {link}");
        }
    }
    let log = String::from_utf8(server.stdout()).expect("the log is ASCII");
    let failed: Vec<&str> =
        log.lines().skip(1).filter(|line| !line.contains("\" 200 ") && !line.contains("\" 304 ")).collect();
    assert_eq!(failed, [] as [&str; 0]);
}

#[test]
fn the_first_page_says_how_it_came_and_by_which_address_to_ask() {
    let Some(page) = Page::open() else { return };
    let (_site, server) = guide(&[]);
    page.show(&url(&server, ""), 1280, "light");
    let proof = format!("From {} by HTTP/1.1 in ", server.host());
    let said = || page.ask("document.querySelector('#proof').textContent").as_str().map(str::to_owned);
    wait_until(PATIENCE, "it says so", || said().is_some_and(|said| said.starts_with(&proof)));
    let commands =
        page.ask("[...document.querySelectorAll('.commands code')].map((each) => each.textContent).join('\\n')");
    let commands = commands.as_str().expect("a text");
    assert!(!commands.contains("8080"), "{commands}");
    assert!(commands.contains(&format!("curl -i http://{}/hello.txt\n", server.host())), "{commands}");
    assert!(commands.contains(&format!("| curl -s telnet://{}\n", server.host())), "{commands}");
}

rows!(live:
    the_live_page_is_in_it_where_it_is_served(&[], true),
    a_sentence_says_how_to_see_it_where_it_is_not(&["--watch=false"], false),
);

fn live(args: &[&str], is_shown: bool) {
    let Some(page) = Page::open() else { return };
    let (_site, server) = guide(args);
    if !is_shown {
        // It asks whether it is, and the browser tells of every 404.
        page.may_complain();
    }
    page.show(&url(&server, ""), 1280, "light");
    let text = "document.querySelector('#live').textContent";
    if is_shown {
        let state = "document.querySelector('#live iframe')?.contentDocument.querySelector('#state')?.textContent";
        wait_until(PATIENCE, "it draws", || page.ask(state) == json!("serving"));
        assert!(!page.ask(text).as_str().expect("a text").contains("--watch"));
        let hidden = "document.querySelector('#live iframe').contentDocument.documentElement.className";
        assert_eq!(page.ask(hidden), json!("framed"), "it knows that it is in a frame");
    } else {
        server.wait_for_stdout_line(PATIENCE, |line| line.contains("HEAD /.millpond/status.json"));
        assert_eq!(page.ask("watched"), json!(false));
        assert_eq!(page.ask("frames.length"), json!(0));
        assert!(page.ask(text).as_str().expect("a text").contains("millpond\u{a0}--watch"));
        let press = "document.querySelector('[data-requests=\"200\"] .action button').click()";
        page.ask(press);
        wait_until(PATIENCE, "its buttons work all the same", || told(&page, "200").starts_with("200 answers in "));
        assert!(!told(&page, "200").contains("worker"), "it doesn't know by whom");
    }
}

rows!(stays_in_sight:
    beside_the_first_on_a_desk(1280, "200"),
    beside_the_last_on_a_desk(1280, "50"),
    beside_the_last_on_a_tablet(1024, "50"),
    above_the_first_where_the_reader_enlarges(853, "200"),
    above_the_last_where_the_reader_enlarges(853, "50"),
    above_the_first_on_a_phone(390, "200"),
    above_the_last_on_a_phone(390, "50"),
);

/// Whoever presses a button sees what comes of it: the lanes, which are at the top of the frame; and it lies over no part of the button and its words.
fn stays_in_sight(width: u32, requests: &str) {
    let Some(page) = Page::open() else { return };
    let (_site, server) = guide(&[]);
    page.show(&url(&server, ""), width, "light");
    wait_until(PATIENCE, "the live page is there", || page.ask("frames.length") == json!(1));
    let seen = || {
        page.ask(&format!(
            "(() => {{
                const action = document.querySelector('[data-requests=\"{requests}\"] .action');
                action.scrollIntoView({{ block: 'end', behavior: 'instant' }});
                const frame = document.querySelector('#live iframe').getBoundingClientRect();
                const words = action.getBoundingClientRect();
                const apart = words.top >= frame.bottom || words.right <= frame.left;
                return apart && frame.top >= 0 && frame.top + 200 <= innerHeight && frame.height > 200;
            }})()"
        ))
    };
    wait_until(PATIENCE, "it is in sight, and beside the button", || seen() == json!(true));
}

/// What an experiment has come to.
fn told(page: &Page, requests: &str) -> String {
    let told = page.ask(&format!("document.querySelector('[data-requests=\"{requests}\"] .action p').textContent"));
    told.as_str().expect("a text").to_owned()
}

fn responses(page: &Page) -> u64 {
    let count = page.ask("fetch('/.millpond/status.json').then((it) => it.json()).then((it) => it.totals.responses)");
    count.as_u64().expect("a number")
}

rows!(button:
    two_hundred_requests_one_after_the_other("200"),
    six_hundred_requests_six_at_once("600"),
    sixty_requests_at_once("60"),
);

fn button(requests: &str) {
    let Some(page) = Page::open() else { return };
    let (_site, server) = guide(&["--workers", "2"]);
    page.show(&url(&server, ""), 1280, "light");
    let before = responses(&page);
    page.ask(&format!("document.querySelector('[data-requests=\"{requests}\"] .action button').click()"));
    let done = format!("{requests} answers in ");
    wait_until(PATIENCE, "they are answered", || told(&page, requests).starts_with(&done));
    let told = told(&page, requests);
    let count: u64 = requests.parse().expect("a number");
    assert!(responses(&page) >= before + count, "the server has counted them");
    let gave = told.split(" gave ").skip(1);
    let gave = gave.filter_map(|rest| rest.split([',', '.']).next()?.parse::<u64>().ok()).sum::<u64>();
    // The browser may have asked for an icon meanwhile.
    assert!((count..count + 3).contains(&gave), "{told}");
    let asked = || String::from_utf8_lossy(&server.stdout()).matches("\"GET /hello.txt HTTP/1.1\" 200 ").count();
    wait_until(PATIENCE, "each is in the log", || asked() as u64 == count);
}

#[test]
fn a_slow_reader_waits_in_the_pond_and_others_do_not() {
    let Some(page) = Page::open() else { return };
    let (site, server) = guide(&["--workers", "1"]);
    page.show(&url(&server, ""), 1280, "light");
    let press = || page.ask("document.querySelector('[data-slow] .action button').click()");
    page.may_complain();
    press();
    wait_until(PATIENCE, "it says what is missing", || told(&page, "50") == "There is no big.bin yet: make it first.");
    File::create(site.path("public/big.bin")).and_then(|file| file.set_len(100 << 20)).expect("a sparse file");
    press();
    let pond = || page.ask("fetch('/.millpond/status.json').then((it) => it.json()).then((it) => it.pond)");
    wait_until(PATIENCE, "it waits to write", || pond()["waiting_to_write"] == json!(1));
    wait_until(Duration::from_secs(60), "others are answered", || told(&page, "50").starts_with("50 answers in "));
    let told = told(&page, "50");
    // How much of it a browser takes that reads with pauses is its own affair, and may be all.
    let counts = ["gave 50.", "gave 51 (one is the download)."];
    assert!(counts.iter().any(|count| told.contains(&format!("Of 1 worker, worker 0 {count}"))), "{told}");
    let gone = |pond: Value| pond["waiting_to_write"] == json!(0);
    wait_until(PATIENCE, "it is broken off", || gone(pond()));
}

/// What a command of the first page begins with, in the order of the page, and what it then prints. Those of Cargo are
/// tried elsewhere, or change the machine.
const COMMANDS: [(&str, &str); 14] = [
    ("curl -s -o /dev/null \"", ""),
    ("curl -sZ --parallel-max 6 ", ""),
    ("curl -sZ --parallel-max 60 ", ""),
    ("truncate ", ""),
    ("curl --limit-rate 1M ", ""),
    ("curl -i ", "HTTP/1.1 200 OK\r\n"),
    ("curl -r 0-99 ", "line 04, bytes 075 - 099\n"),
    ("curl -so /dev/null --etag-save ", ""),
    ("curl -i --etag-compare ", "HTTP/1.1 304 Not Modified\r\n"),
    ("(printf ", "HTTP/1.1 408 Request Timeout\r\n"),
    ("seq ", ""),
    ("wrk ", "requests in "),
    ("curl --limit-rate 10M ", ""),
    ("rm ", ""),
];

#[test]
fn the_commands_of_the_first_page_work_as_printed() {
    if skips(program("curl").is_some(), "curl") || skips(program("wrk").is_some(), "wrk") {
        return;
    }
    let _alone = load::alone();
    let (site, server) = guide(&["--head-timeout", "1s"]);
    site.settle();
    let page = fs::read_to_string(site.path("public/index.html")).expect("the first page");
    let printed = page.split("<pre><code>").skip(1).filter_map(|rest| rest.split_once("</code></pre>"));
    let printed: Vec<String> = printed.map(|(command, _)| plain(command)).collect();
    for (begin, prints) in COMMANDS {
        let command = printed.iter().find(|command| command.starts_with(begin));
        let command = command.unwrap_or_else(|| panic!("no {begin:?} among {printed:#?}"));
        let ours = command.replace("127.0.0.1:8080", &server.host()).replace("/tmp/etag", "etag");
        // The same in a hurry: a smaller file, a deadline that comes soon, and loads that don't last for seconds.
        let ours =
            ours.replace("100M", "2M").replace("-m 20", "-m 1").replace("-d5s", "-d1s").replace("sleep 11", "sleep 2");
        let output = Command::new("sh").args(["-c", &ours]).current_dir(site.root()).stdin(Stdio::null()).output();
        let output = output.expect("there is a shell");
        // Of the hundred that are cut off after their time, xargs says that they failed.
        let expected = if begin == "seq " { 123 } else { 0 };
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(expected), "{ours}: {said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(prints), "{ours}: {said}");
    }
    let tried = |command: &&String| COMMANDS.iter().any(|(begin, _)| command.starts_with(begin));
    for other in printed.iter().filter(|command| !tried(command)) {
        assert!(["cargo ", "millpond ", "echo "].iter().any(|begin| other.starts_with(begin)), "not tried: {other}");
    }
}

/// The text of a piece of HTML.
fn plain(html: &str) -> String {
    let behind = |piece: &str| piece.split_once('>').map_or(piece.to_owned(), |(_, behind)| behind.to_owned());
    let text: String =
        html.split('<').enumerate().map(|(at, it)| if at == 0 { it.to_owned() } else { behind(it) }).collect();
    text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
}
