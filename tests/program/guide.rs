//! What the guide in `public/` says of the source: that it is there, and in that order.

use std::fs;
use std::path::{Path, PathBuf};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn text(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whatever stands between these two, in order.
fn between<'t>(text: &'t str, begin: &'t str, end: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(begin).skip(1).filter_map(move |rest| rest.split_once(end)).map(|(found, _)| found)
}

fn codes(html: &str) -> impl Iterator<Item = &str> {
    between(html, "<code>", "</code>")
}

#[test]
fn every_step_of_a_request_names_functions_that_its_file_has() {
    let page = text("public/source.html");
    let way = between(&page, "<ol class=\"way\">", "</ol>").next().expect("the way of a request");
    let mut steps = 0;
    for step in between(way, "<li>", "</li>") {
        let title = between(step, "<h3>", "</h3>").next().expect("a step has a title");
        let file = codes(title).next().unwrap_or_else(|| panic!("{title} names no file"));
        let source = text(file);
        let functions: Vec<&str> = codes(step).filter_map(|code| code.strip_suffix("()")).collect();
        assert!(!functions.is_empty(), "{title} names no function");
        for function in functions {
            let is_there = ["(", "<"].iter().any(|next| source.contains(&format!("fn {function}{next}")));
            assert!(is_there, "{file} has no {function}()");
        }
        steps += 1;
    }
    assert!(steps > 10, "{steps} steps");
}

#[test]
fn every_file_that_the_guide_names_is_there() {
    for name in ["index.html", "labs.html", "source.html"] {
        let page = text(&format!("public/{name}"));
        let places = ["src/", "examples/", "tests/", "public/", "benches/"];
        let named = codes(&page).filter(|code| places.iter().any(|place| code.starts_with(place)));
        // Its reader makes it.
        let named: Vec<&str> = named.filter(|path| *path != "public/big.bin").collect();
        assert!(!named.is_empty(), "{name}");
        for path in named {
            assert!(repository().join(path).exists(), "{name} names {path}");
        }
        for example in between(&page, "--example ", "<").filter_map(|rest| rest.split_whitespace().next()) {
            let [file, directory] = [format!("examples/{example}.rs"), format!("examples/{example}/main.rs")];
            assert!([file, directory].iter().any(|path| repository().join(path).exists()), "{name} runs {example}");
        }
    }
}

#[test]
fn the_rooms_are_those_of_the_map_in_its_order() {
    let map = text("src/lib.rs");
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | ")).skip_while(|row| !row.starts_with("room "));
    let room = |row: &str| row.split(" |").next().map(|cell| cell.replace(['[', ']', '`'], ""));
    let rooms: Vec<String> = rows.skip(1).filter_map(room).collect();
    let page = text("public/source.html");
    let shown = between(&page, "<dl class=\"rooms\">", "</dl>").next().expect("the rooms");
    let shown: Vec<&str> = between(shown, "<dt>", "</dt>").flat_map(codes).collect();
    assert_eq!(shown, rooms);
    assert!(rooms.len() > 10, "{rooms:?}");
}

#[test]
fn it_is_made_by_hand_of_nothing_from_elsewhere() {
    for name in ["index.html", "labs.html", "source.html", "style.css", "script.js"] {
        let file = text(&format!("public/{name}"));
        let here = ["http://127.0.0.1:8080", "http://localhost:8080", "url(#"]
            .iter()
            .fold(file, |it, own| it.replace(own, ""));
        for word in ["http://", "https://", "src=\"//", "url(", "@import", "style=\"", "onclick"] {
            assert!(!here.contains(word), "{name} has {word}");
        }
    }
}
