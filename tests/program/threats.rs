//! The catalogue of threats keeps its word: every row names a test that is there, or a sentence of the README.
//!
//! *Invariant:* it finds the names in the sources, as text, so that a test which is renamed or removed shows here and not
//! years later.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// The rows that the catalogue began with. More may come, behind the last of each letter.
const BEGAN_WITH: [(&str, usize); 15] = [
    ("P", 19),
    ("L", 11),
    ("H", 24),
    ("B", 6),
    ("R", 11),
    ("D", 10),
    ("C", 18),
    ("A", 15),
    ("T", 13),
    ("S", 15),
    ("W", 9),
    ("G", 9),
    ("F", 3),
    ("K", 3),
    ("E", 11),
];

/// What can't be helped, only said.
const MAY_BE_SAID: [&str; 5] = ["L9", "L10", "C12", "T6", "T13"];

struct Row<'t> {
    id: &'t str,
    elsewhere: &'t str,
    here: &'t str,
    tried_in: &'t str,
}

/// The rows of all tables, without their heads.
fn rows(catalogue: &str) -> Vec<Row<'_>> {
    let rows = catalogue.lines().filter(|line| !line.starts_with("| id |")).filter_map(cells);
    rows.map(|cells| {
        let [id, elsewhere, here, tried_in, _known_from] = cells[..] else { panic!("not five cells: {cells:?}") };
        Row { id, elsewhere, here, tried_in }
    })
    .collect()
}

fn cells(line: &str) -> Option<Vec<&str>> {
    Some(line.strip_prefix("| ")?.strip_suffix('|')?.split('|').map(str::trim).collect())
}

/// Everything that is wrong with a catalogue. `tests` are the names in a file, if it is there.
fn mistakes(catalogue: &str, security: &str, tests: impl Fn(&str) -> Option<HashSet<String>>) -> Vec<String> {
    let rows = rows(catalogue);
    let ids: Vec<&str> = rows.iter().map(|row| row.id).collect();
    let mut mistakes = mistaken_ids(&ids);
    for Row { id, elsewhere, here, tried_in } in rows {
        if elsewhere.is_empty() || here.is_empty() {
            mistakes.push(format!("{id} says too little"));
        }
        match tried_in.strip_prefix("README: ") {
            Some(_) if !MAY_BE_SAID.contains(&id) => mistakes.push(format!("{id} needs a test")),
            Some(said) if !security.contains(said.trim_matches('"')) => {
                mistakes.push(format!("{id}: not said: {said}"))
            }
            Some(_) => {}
            None => mistakes.extend(mistaken_names(tried_in, &tests).iter().map(|mistake| format!("{id} {mistake}"))),
        }
    }
    mistakes
}

/// In each letter the numbers go up from 1, at least as far as they began.
fn mistaken_ids(ids: &[&str]) -> Vec<String> {
    let expected = |letter: &str, began_with: usize| -> Vec<String> {
        let count = ids.iter().filter(|id| id.starts_with(letter)).count().max(began_with);
        (1..=count).map(|number| format!("{letter}{number}")).collect()
    };
    let expected: Vec<String> = BEGAN_WITH.iter().flat_map(|(letter, count)| expected(letter, *count)).collect();
    let first_wrong =
        (0..expected.len().max(ids.len())).find(|at| ids.get(*at).copied() != expected.get(*at).map(|id| &**id));
    first_wrong.map(|at| format!("{:?} in place of {:?}", ids.get(at), expected.get(at))).into_iter().collect()
}

/// What is wrong with a cell like `` `file.rs: name`, `other.rs: module::name` ``.
fn mistaken_names(tried_in: &str, tests: impl Fn(&str) -> Option<HashSet<String>>) -> Vec<String> {
    let mistaken = |name: &str| {
        let Some((file, test)) = name.strip_prefix('`').and_then(|name| name.strip_suffix('`')?.split_once(": "))
        else {
            return Some(format!("names no test: {name:?}"));
        };
        match tests(file) {
            None => Some(format!("names a file that isn't there: {file}")),
            Some(names) if !names.contains(test) => Some(format!("names a test that isn't there: {name}")),
            Some(_) => None,
        }
    };
    tried_in.split(", ").filter_map(mistaken).collect()
}

/// The paths of all tests in a source, as Cargo shows them behind the name of the file: functions with `#[test]`, and
/// rows of tables.
fn tests_in(source: &str) -> HashSet<String> {
    let (mut tests, mut modules, mut table, mut is_test) = (HashSet::new(), Vec::new(), None, false);
    for line in source.lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        let word = |text: &str| {
            text.split(|byte: char| !byte.is_ascii_alphanumeric() && byte != '_').next().map(str::to_owned)
        };
        let path = |name: String, modules: &[(usize, String)]| {
            let modules = modules.iter().map(|(_, module)| module.clone());
            modules.chain([name]).collect::<Vec<_>>().join("::")
        };
        if let Some(table_indent) = table {
            if indent == table_indent {
                table = None;
            } else if indent == table_indent + 4 && text.starts_with(|letter: char| letter.is_ascii_lowercase()) {
                tests.extend(word(text).map(|name| path(name, &modules)));
            }
            continue;
        }
        if modules.last().is_some_and(|(module_indent, _)| *module_indent == indent) && text == "}" {
            modules.pop();
        }
        if let Some(name) = text.strip_prefix("mod ").filter(|_| text.ends_with('{')).and_then(word) {
            modules.push((indent, name));
        }
        if text.starts_with("rows!") && text.ends_with([':', '{']) {
            table = Some(indent);
        }
        if let Some(name) = text.strip_prefix("fn ").filter(|_| is_test).and_then(word) {
            tests.insert(path(name, &modules));
        }
        is_test = text == "#[test]" || (is_test && text.starts_with("#["));
    }
    tests
}

fn read(name: &str) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).ok()
}

/// What the README says about security.
fn security() -> String {
    let readme = read("README.md").expect("it is text");
    let section = readme.split("\n## ").find(|section| section.starts_with("Security\n"));
    section.expect("the README has a section about security").to_owned()
}

#[test]
fn every_threat_names_its_test() {
    let catalogue = read("tests/threats.md").expect("it is text");
    let tests = |file: &str| read(&format!("tests/{file}")).map(|source| tests_in(&source));
    let mistakes = mistakes(&catalogue, &security(), tests);
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

/// It must be able to fail.
#[test]
fn a_catalogue_that_does_not_keep_its_word_is_found_out() {
    let catalogue = read("tests/threats.md").expect("it is text");
    let security = security();
    let tests = |file: &str| (file == "it/target.rs").then(|| HashSet::from(["slashes::an_absolute_path".to_owned()]));
    // Every row names the same test: a catalogue that is right.
    let right: String = rows(&catalogue)
        .iter()
        .map(|row| format!("| {} | a | b | `it/target.rs: slashes::an_absolute_path` | |\n", row.id))
        .collect();
    assert_eq!(mistakes(&right, &security, tests), Vec::<String>::new());
    let row = |id: &str, tried_in: &str| format!("| {id} | a | b | {tried_in} | |\n");
    let p8 = row("P8", "`it/target.rs: slashes::an_absolute_path`");
    let l9 = row("L9", "`it/target.rs: slashes::an_absolute_path`");
    let table = [
        ("a row is missing", &p8, String::new(), "Some(\"P9\") in place of Some(\"P8\")"),
        ("a row is there twice", &p8, p8.repeat(2), "Some(\"P8\") in place of Some(\"P9\")"),
        ("a row names nothing", &p8, row("P8", ""), "P8 names no test: \"\""),
        ("a row names no file", &p8, row("P8", "`an_absolute_path`"), "P8 names no test: \"`an_absolute_path`\""),
        ("no such file", &p8, row("P8", "`it/none.rs: a`"), "P8 names a file that isn't there: it/none.rs"),
        (
            "no such test, and one that is there",
            &p8,
            row("P8", "`it/target.rs: slashes::an_absolute_path`, `it/target.rs: an_absolute_path`"),
            "P8 names a test that isn't there: `it/target.rs: an_absolute_path`",
        ),
        ("a sentence where a test can be", &p8, row("P8", "README: \"hard links\""), "P8 needs a test"),
        ("a sentence that isn't there", &l9, row("L9", "README: \"quack\""), "L9: not said: \"quack\""),
        ("an empty cell", &p8, p8.replace("| b |", "|  |"), "P8 says too little"),
    ];
    for (name, from, to, mistake) in table {
        assert_eq!(mistakes(&right.replace(from.as_str(), &to), &security, tests), [mistake], "{name}");
    }
    let said = right.replace(&l9, &row("L9", "README: \"hard links to files elsewhere\""));
    assert_eq!(mistakes(&said, &security, tests), Vec::<String>::new());
}

#[test]
fn the_tests_of_a_source_are_its_functions_and_its_rows() {
    let source = r#"
mod inner {
    use super::*;
    rows!(check:
        a_row("a", 1),
        #[cfg(any())]
        a_row_of_several_lines(
            not_a_row("b"),
            2,
        ),
    );

    #[test]
    fn within() {}
}
rows! {
    a_row_of_another_kind: "/", |bench| _ = bench => 200, "";
}
fn check(text: &str) {
    called(text);
}
#[test]
#[cfg(unix)]
fn without() {}
fn helper() {}
"#;
    let expected =
        ["inner::a_row", "inner::a_row_of_several_lines", "inner::within", "a_row_of_another_kind", "without"];
    assert_eq!(tests_in(source), HashSet::from(expected.map(str::to_owned)));
}
