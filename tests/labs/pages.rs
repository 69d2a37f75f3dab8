//! The pages of the labs, and that they say what is so.

use std::fs;
use std::path::Path;

use crate::experiments::LABS;

/// The page of a lab.
fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/labs").join(format!("{}.md", name.replace('-', "_")));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The parts of a page, in their order.
const PARTS: [&str; 10] = [
    "## Your prediction",
    "## The experiment",
    "Choose before you open what is below.",
    "<details>",
    "## What is seen",
    "## Why",
    "## The check",
    "</details>",
    "## What to change next",
    "## In the source",
];

#[test]
fn every_page_has_all_its_parts() {
    for name in LABS {
        let page = page(name);
        let mut rest = page.as_str();
        for part in PARTS {
            let at = rest.find(part).unwrap_or_else(|| panic!("{name}: no {part:?}, or not in its place"));
            rest = &rest[at..];
        }
        assert!(page.contains(&format!("cargo run --release --example lab -- {name}\n")), "{name}: no command");
    }
}

/// A page shows the table as it is printed: the same columns, and the same rows in the same order. Numbers may differ, for
/// the page has those of a long run; where the rows are numbers themselves, there are more of them.
pub fn assert_shows_the_table(name: &str, printed: &str) {
    let cells = |line: &str| -> Vec<String> {
        line.split("   ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect()
    };
    let printed: Vec<Vec<String>> = printed.lines().skip(2).take_while(|line| !line.is_empty()).map(cells).collect();
    let page = page(name);
    let block = page.split("```text\n").nth(1).unwrap_or_else(|| panic!("{name}: no table"));
    let shown: Vec<Vec<String>> = block.lines().take_while(|line| !line.starts_with("```")).map(cells).collect();
    assert_eq!(shown[0], printed[0], "{name}: the columns");
    if name != "utilisation" {
        let firsts = |table: &[Vec<String>]| table.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
        assert_eq!(firsts(&shown), firsts(&printed), "{name}: the rows");
    }
}
