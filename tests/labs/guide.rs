//! The page of the guide about the labs, and that it says what the program does and what the pages of the labs show.

use std::fs;
use std::path::Path;

use crate::experiments::{LABS, lab, text};

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn between<'t>(text: &'t str, begin: &'t str, end: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(begin).skip(1).filter_map(move |rest| rest.split_once(end)).map(|(found, _)| found)
}

/// What a reader sees of a piece of HTML, on one line, with plain apostrophes.
fn seen(html: &str) -> String {
    let untagged: String = html
        .split('<')
        .enumerate()
        .map(|(at, piece)| match (at, piece.split_once('>')) {
            (0, _) | (_, None) => piece,
            (_, Some((_, behind))) => behind,
        })
        .collect();
    let plain = untagged.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").replace('’', "'");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The same of Markdown.
fn read(markdown: &str) -> String {
    markdown.replace(['*', '`'], "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_guide_has_the_labs_in_their_order_each_with_its_question_and_command() {
    let page = file("public/labs.html");
    let shown: Vec<(String, String)> = between(&page, "<article class=\"lab\"", "</article>")
        .map(|article| {
            let name = between(article, "id=\"", "\"").next().expect("an id").to_owned();
            let command = format!("<code>cargo run --release --example lab -- {name}</code>");
            assert!(article.contains(&command), "{name}: no command");
            let question = between(article, "<p class=\"question\">", "</p>").next().expect("a question");
            (name, seen(question).to_lowercase())
        })
        .collect();
    let listed = text(&lab(&["list"]));
    let listed = listed.lines().filter_map(|line| line.split_once(' '));
    let listed: Vec<(String, String)> =
        listed.map(|(name, question)| (name.to_owned(), question.trim().to_lowercase())).collect();
    assert_eq!(shown, listed);
    let contents = between(&page, "<ol class=\"contents\">", "</ol>").next().expect("a table of contents");
    assert_eq!(between(contents, "<a href=\"#", "\"").collect::<Vec<_>>(), LABS);
    assert!(page.contains("Eleven experiments"), "there are {}", LABS.len());
}

#[test]
fn the_guide_shows_the_predictions_and_the_table_of_each_page() {
    let guide = file("public/labs.html");
    for (name, article) in LABS.iter().zip(between(&guide, "<article class=\"lab\"", "</article>")) {
        let page = file(&format!("src/labs/{}.md", name.replace('-', "_")));
        let table = between(&page, "```text\n", "\n```").next().expect("the page has a table");
        let shown = between(article, "<pre class=\"seen\"", "</pre>").next().and_then(|pre| pre.split_once('>'));
        let shown = shown.map(|(_, text)| text.replace("&lt;", "<").replace("&amp;", "&"));
        assert_eq!(shown.as_deref(), Some(table), "{name}: not the table of its page");
        let predictions = page.lines().filter(|line| line.starts_with('('));
        // A line of its own for each, so all but the last break it.
        let predictions = predictions.map(|line| read(line["(a) ".len()..].trim_end_matches('\\')));
        let predictions: Vec<String> = predictions.collect();
        let offered = between(article, "<ol class=\"guesses\">", "</ol>").next().expect("predictions");
        let offered: Vec<String> = between(offered, "<li>", "</li>").map(seen).collect();
        if predictions.is_empty() {
            assert!(offered.len() > 1, "{name}: nothing to choose from");
        } else {
            assert_eq!(offered, predictions, "{name}: other predictions than on its page");
        }
    }
}

#[test]
fn the_guide_names_what_the_book_costs_as_the_readme_does() {
    let (guide, readme) = (file("public/labs.html"), file("README.md"));
    let rows = readme.lines().skip_while(|line| !line.starts_with("| the Book's shortcut")).skip(2);
    let rows: Vec<String> =
        rows.take_while(|line| line.starts_with('|')).map(|row| read(&row.replace('|', " "))).collect();
    let table = between(&guide, "aria-labelledby=\"book\">", "</section>").next().expect("the section");
    let table = between(table, "<tbody>", "</tbody>").next().expect("its table");
    let shown: Vec<String> =
        between(table, "<tr>", "</tr>").map(|row| seen(&row.replace("</td>", " ").replace("</th>", " "))).collect();
    assert!(rows.len() > 5, "{rows:?}");
    assert_eq!(shown, rows);
}
