//! The record: what was measured when it was last agreed to, kept beside the bench.
//!
//! A figure above it by more than 2 % fails: as much as another memcpy, chosen for another processor, may add. One below
//! it by as much should become the record, or what was won can be lost again unseen.

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, ExitCode};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");

const TOLERANCE_PERCENT: f64 = 2.0;

const HEADING: &str = "\
# Instructions in user space that one warm request costs: see benches/instructions/main.rs.
# Written by `cargo bench --bench instructions -- --record`, with the compiler and processor of the next line.";

pub struct Record {
    /// What compiled the program: another one may count otherwise.
    pub rustc: String,
    pub rows: Vec<Row>,
}

pub struct Row {
    pub name: String,
    pub instructions: u64,
}

impl Record {
    pub fn read() -> Result<Record, String> {
        let text = fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}; make one with -- --record"))?;
        let rustc = text.lines().find_map(|line| line.strip_prefix("# rustc ")).unwrap_or("of unknown version");
        let rows = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (number, name) = line.trim_start().split_once("  ")?;
            Some(Row { name: name.to_owned(), instructions: number.parse().ok()? })
        });
        let rows = rows.collect::<Option<Vec<Row>>>().ok_or_else(|| format!("{FILE}: a line has no number"))?;
        Ok(Record { rustc: format!("rustc {rustc}"), rows })
    }

    pub fn write(&self) -> Result<(), String> {
        let mut text = format!("{HEADING}\n# {}\n", self.rustc);
        for Row { name, instructions } in &self.rows {
            writeln!(text, "{instructions:>7}  {name}").expect("a String takes every line");
        }
        fs::write(FILE, text).map_err(|error| format!("{FILE}: {error}"))?;
        println!("recorded in {FILE}");
        Ok(())
    }
}

/// The compiler and the processor, in a line.
pub fn rustc() -> Result<String, String> {
    let output = Command::new("rustc").arg("--version").output().map_err(|error| format!("rustc: {error}"))?;
    Ok(format!("{}, {}", String::from_utf8_lossy(&output.stdout).trim_end(), std::env::consts::ARCH))
}

/// Says how each figure compares, and fails when one is above its record.
pub fn judge(record: &Record, measured: &Record) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for row in &measured.rows {
        let Some(old) = record.rows.iter().find(|old| old.name == row.name) else {
            println!("{}: not in the record; write a new one with -- --record", row.name);
            code = ExitCode::FAILURE;
            continue;
        };
        let percent = (row.instructions as f64 / old.instructions as f64 - 1.0) * 100.0;
        let change = format!("{}: {} instructions, the record is {}", row.name, row.instructions, old.instructions);
        if percent > TOLERANCE_PERCENT {
            println!("{change}: {percent:.1} % more. Find them with -- --profile");
            code = ExitCode::FAILURE;
        } else if percent < -TOLERANCE_PERCENT {
            println!("{change}: {:.1} % fewer. Please keep that: write a new record with -- --record", -percent);
        }
    }
    if record.rustc != measured.rustc {
        println!("the record is of {}, this is {}", record.rustc, measured.rustc);
    }
    if code == ExitCode::SUCCESS {
        println!("no figure is more than {TOLERANCE_PERCENT} % above its record");
    }
    code
}
