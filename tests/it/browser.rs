//! What people see, in a browser: a listing must be right on a phone and on a desk, in the light and in the dark, and ask
//! for nothing but itself.

use serde_json::json;

use crate::devtools::Page;
use crate::support::{Server, Site, rows};

rows!(a_listing_is_right:
    a_listing_on_a_phone_in_the_light(390, "light"),
    a_listing_on_a_phone_in_the_dark(390, "dark"),
    a_listing_on_a_desk_in_the_light(1280, "light"),
    a_listing_on_a_desk_in_the_dark(1280, "dark"),
);

/// Everything on the page that has a text: the colours it is written in and on, by the nearest background.
const CONTRASTS: &str = r#"(() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\d.]+/g).slice(0, 3).map((value) => value / 255)
      .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
  };
  const texts = [...document.body.querySelectorAll("*:not(script)")]
    .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return Math.min(...texts.map((element) => {
    const [a, b] = [light(getComputedStyle(element).color), light(ground(element))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }));
})()"#;

/// Nothing sticks out of a page, and each of its texts stands out from what is behind it.
pub fn assert_fits_and_can_be_read(page: &Page, name: &str) {
    assert_eq!(
        page.ask("document.documentElement.scrollWidth <= innerWidth"),
        json!(true),
        "{name}: nothing sticks out"
    );
    let contrast = page.ask(CONTRASTS);
    // WCAG 2.2, success criterion 1.4.3.
    assert!(contrast.as_f64().is_some_and(|contrast| contrast >= 4.5), "{name}: {contrast}");
}

fn a_listing_is_right(width: u32, scheme: &str) {
    let Some(page) = Page::open() else { return };
    let site = Site::new();
    let long = "a-name-without-a-place-to-break-it-".repeat(7);
    site.file(format!("deeper/still deeper/{long}"), "x").file("deeper/still deeper/<b>&.png", "y");
    site.file("deeper/still deeper/c.txt", [b'x'; 2000]).directory("deeper/still deeper/d");
    let server = Server::start(site.root(), &[]);
    let url = format!("http://{}/deeper/still%20deeper/", server.host());
    page.show(&url, width, scheme);
    assert_fits_and_can_be_read(&page, &url);
    let names = "[...document.querySelectorAll('#entries tr:not([hidden]) bdi')].map((name) => name.textContent)";
    assert_eq!(page.ask(names), json!(["d/", "<b>&.png", long, "c.txt"]));
    let smallest = page.ask("Math.min(...[...document.querySelectorAll('tbody a')].map((a) => a.offsetHeight))");
    assert!(smallest.as_f64().is_some_and(|height| height >= 40.0), "a finger finds every name: {smallest}");
    let paper = page.ask("getComputedStyle(document.documentElement).backgroundColor");
    assert_eq!(paper, json!(if scheme == "dark" { "rgb(11, 23, 26)" } else { "rgb(245, 249, 248)" }));

    // The script filters, and says how much is left.
    let filter = |text: &str| {
        let field = format!("field.value = '{text}'; field.dispatchEvent(new Event('input'))");
        page.ask(&format!("{{ const field = document.querySelector('input'); {field} }}"));
        (page.ask(names), page.ask("document.querySelector('output').textContent"))
    };
    assert_eq!(page.ask("document.querySelector('#search').checkVisibility()"), json!(true));
    assert_eq!(filter("C tx"), (json!(["c.txt"]), json!("1 of 4")));
    assert_eq!(filter("nothing like it"), (json!([]), json!("0 of 4")));
    assert_eq!(filter("").0.as_array().map(Vec::len), Some(4));

    // Links work, and the same column again turns the order around.
    page.show(&format!("{url}?sort=size&order=desc"), width, scheme);
    assert_eq!(page.ask(names), json!(["d/", "c.txt", "<b>&.png", long]));
    assert_eq!(page.ask("document.querySelector('[aria-sort=descending] a').search"), json!("?sort=size&order=asc"));
    assert_eq!(page.ask("document.querySelector('nav a').pathname"), json!("/"));

    // The browser has asked for the pages alone: no icon, no style, no script.
    let asked = page.ask("performance.getEntriesByType('resource').length");
    assert_eq!(asked, json!(0));
    let log = String::from_utf8(server.stdout()).expect("the log is ASCII");
    assert!(log.lines().skip(1).all(|line| line.contains("GET /deeper/still%20deeper/")), "{log}");
}
