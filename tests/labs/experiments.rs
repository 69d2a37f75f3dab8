//! Every lab, in its quick form.

use std::path::Path;
use std::process::{Command, Output};

use crate::{example, pages, skips, traces};

/// In the order of the pages.
pub const LABS: [&str; 11] = [
    "starvation",
    "slowloris",
    "slow-reader",
    "backlog",
    "queues",
    "drain",
    "isolation",
    "switches",
    "log-lock",
    "utilisation",
    "omission",
];

/// What a lab prints, with these arguments.
pub fn lab(arguments: &[&str]) -> Output {
    let plots = tempfile::tempdir().expect("there is room for plots");
    lab_with_plots(arguments, plots.path())
}

fn lab_with_plots(arguments: &[&str], plots: &Path) -> Output {
    let mut command = Command::new(example("lab"));
    command.args(arguments).arg("--plots").arg(plots);
    command.output().expect("the lab runs")
}

/// A lab says so itself where something is missing.
fn is_skipped(output: &Output) -> bool {
    text(output).contains("\n  skipped   ")
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn every_lab_holds_prints_the_table_that_its_page_shows_and_is_to_be_seen_in_its_trace() {
    for name in LABS {
        let plots = tempfile::tempdir().expect("there is room for plots");
        let output = lab_with_plots(&[name, "--quick"], plots.path());
        assert!(output.status.success(), "{}", text(&output));
        if skips(!is_skipped(&output), "list of sockets from this kernel") {
            continue;
        }
        pages::assert_shows_the_table(name, &text(&output));
        traces::assert_shows_the_lab(name, plots.path());
    }
}

#[test]
fn every_lab_fails_when_its_phenomenon_is_removed() {
    for name in LABS {
        let output = lab(&[name, "--quick", "--self-check"]);
        assert!(output.status.success(), "{}", text(&output));
        if skips(!is_skipped(&output), "list of sockets from this kernel") {
            continue;
        }
        assert!(text(&output).contains("DOES NOT HOLD"), "{name} was broken off: {}", text(&output));
    }
}

#[test]
fn another_server_in_its_place_is_noticed() {
    let output = lab(&["drain", "--quick", "--server", "millpond"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("verdict   NOT HELD"), "{}", text(&output));
}

#[test]
fn what_another_server_in_its_place_leaves_has_its_name_and_overwrites_nothing() {
    let plots = tempfile::tempdir().expect("there is room for plots");
    let proper = ["drain.svg", "drain.trace.json"].map(|name| plots.path().join(name));
    for file in &proper {
        std::fs::write(file, "of the lab proper").expect("there is room");
    }
    lab_with_plots(&["drain", "--quick", "--server", "one-at-a-time"], plots.path());
    for file in &proper {
        assert_eq!(std::fs::read_to_string(file).expect("it is there"), "of the lab proper");
    }
    for name in ["drain.one-at-a-time.svg", "drain.one-at-a-time.trace.json"] {
        assert!(plots.path().join(name).exists(), "no {name}");
    }
}

#[test]
fn the_list_has_them_all() {
    let listed = text(&lab(&["list"]));
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, LABS);
}

#[test]
fn a_lab_that_is_not_there_is_a_mistake_of_the_command_line() {
    let output = lab(&["starving"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("no such lab; there are starvation, slowloris"), "{}", text(&output));
}

#[test]
fn every_lab_draws_a_plot() {
    let plots = tempfile::tempdir().expect("there is room for plots");
    assert!(lab_with_plots(&["drain", "--quick"], plots.path()).status.success());
    let svg = std::fs::read_to_string(plots.path().join("drain.svg")).expect("there is a plot");
    assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{svg}");
    assert!(svg.contains(">blocking-pool<") && svg.contains(">millpond<"), "{svg}");
    let beside_the_axis = svg.lines().filter(|line| line.contains("text-anchor=\"end\""));
    let ticks = beside_the_axis.filter_map(|line| line.strip_suffix("</text>")?.rsplit('>').next());
    assert_eq!(ticks.collect::<Vec<_>>(), ["0", "2", "4", "6"], "requests are whole");
}
