//! What a lab has found: a table, a plot, and checks, each of which says what was expected and what was seen.

use std::fmt::{self, Display, Formatter};

use crate::plot::Plot;

#[derive(Debug)]
pub struct Report {
    pub table: Table,
    pub plot: Plot,
    pub checks: Vec<Check>,
}

/// A count with a cause: what it had to be, and what it was.
#[derive(Debug)]
pub struct Check {
    pub expected: String,
    pub seen: String,
    pub holds: bool,
}

#[derive(Debug)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// A check that expects one value.
pub fn check<T: PartialEq + Display>(what: impl Display, expected: T, seen: T) -> Check {
    Check { expected: format!("{what}: {expected}"), seen: seen.to_string(), holds: expected == seen }
}

impl Report {
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.holds)
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.table)?;
        for Check { expected, seen, holds } in &self.checks {
            let verdict = if *holds { "holds" } else { "DOES NOT HOLD" };
            writeln!(out, "  expected  {expected}\n  seen      {seen}: {verdict}")?;
        }
        Ok(())
    }
}

impl Table {
    pub fn new<const COLUMNS: usize>(head: [&str; COLUMNS]) -> Table {
        Table { head: head.map(str::to_owned).to_vec(), rows: Vec::new() }
    }

    /// Adds a row, which has a cell for each column.
    pub fn row<const COLUMNS: usize>(&mut self, cells: [&dyn Display; COLUMNS]) {
        assert_eq!(COLUMNS, self.head.len(), "a cell for each column");
        self.rows.push(cells.map(ToString::to_string).to_vec());
    }
}

/// The first column is aligned to the left, the others to the right.
impl Display for Table {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let lines = || std::iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| lines().map(|line| line[column].chars().count()).max().unwrap_or(0);
        for line in lines() {
            write!(out, "  {:<1$}", line[0], width(0))?;
            for (column, cell) in line.iter().enumerate().skip(1) {
                write!(out, "   {:>1$}", cell, width(column))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
