//! Which functions a request's instructions are in.
//!
//! Addresses become names by `addr2line` (binutils). Without line tables in the program it knows only functions that
//! have not been inlined, and in a release build most have. What is in a library (the heap, copies) has the library's
//! name: those on most systems come without the names of what is in them.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::Pid;

/// Instructions per request, by function.
pub struct Profile {
    functions: Vec<(String, f64)>,
}

impl Profile {
    /// Names the addresses of a process that still runs, from what was counted over so many requests.
    pub fn new(hits: &HashMap<u64, u64>, requests: usize, program: &Path, process: Pid) -> Result<Profile, String> {
        let maps = format!("/proc/{}/maps", process.as_raw_pid());
        let maps = fs::read_to_string(&maps).map_err(|error| format!("{maps}: {error}"))?;
        let mappings: Vec<Mapping> = maps.lines().filter_map(Mapping::parse).collect();
        let mut sums: HashMap<String, u64> = HashMap::new();
        let mut own = Vec::new();
        for (address, count) in hits {
            let found = mappings.iter().find(|mapping| (mapping.first..mapping.end).contains(address));
            match found.map(|mapping| mapping.object) {
                Some(object) if Path::new(object) == program => {
                    // The first mapping of a file is that of its begin, which has address 0 in the file's own terms.
                    let begin = mappings.iter().find(|mapping| mapping.object == object).map_or(0, |first| first.first);
                    own.push((address - begin, count));
                }
                Some(object) => *sums.entry(file_name(object)).or_default() += count,
                None => *sums.entry("?".to_owned()).or_default() += count,
            }
        }
        let names = functions(program, own.iter().map(|(address, _)| *address))?;
        for (name, (_, count)) in names.into_iter().zip(own) {
            *sums.entry(name).or_default() += count;
        }
        let requests = requests as f64;
        let mut functions: Vec<(String, f64)> =
            sums.into_iter().map(|(name, count)| (name, count as f64 / requests)).collect();
        functions.sort_by(|one, other| other.1.total_cmp(&one.1));
        Ok(Profile { functions })
    }

    /// The functions with the most, a line each.
    pub fn top(&self, lines: usize) -> String {
        let mut text = String::new();
        for (name, instructions) in self.functions.iter().take(lines) {
            writeln!(text, "{instructions:>15.1}  {name:.100}").expect("a String takes every line");
        }
        let rest: f64 = self.functions.iter().skip(lines).map(|(_, instructions)| instructions).sum();
        writeln!(text, "{rest:>15.1}  in {} others", self.functions.len().saturating_sub(lines))
            .expect("a String takes every line");
        text
    }
}

/// A stretch of addresses, and the file (or `[vdso]` and its like) that is seen there.
struct Mapping<'m> {
    first: u64,
    end: u64,
    object: &'m str,
}

impl Mapping<'_> {
    /// A line like `55d0-55e0 r-xp 00012000 fe:00 1234   /path`.
    fn parse(line: &str) -> Option<Mapping<'_>> {
        let (range, rest) = line.split_once(' ')?;
        let (first, end) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let object = rest.splitn(4, ' ').nth(3)?.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
        Some(Mapping { first: number(first)?, end: number(end)?, object: object.trim_start() })
    }
}

fn file_name(object: &str) -> String {
    object.rsplit('/').next().unwrap_or(object).to_owned()
}

/// The function that each address is in, in their order.
fn functions(program: &Path, addresses: impl Iterator<Item = u64>) -> Result<Vec<String>, String> {
    let mut command = Command::new("addr2line");
    command.args(["--functions", "--demangle", "--exe"]).arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
    let fault = |error| format!("addr2line (of binutils) names the functions: {error}");
    let mut child = command.spawn().map_err(fault)?;
    let list: String = addresses.map(|address| format!("{address:#x}\n")).collect();
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // It answers as it reads, so both pipes have to be served at once.
    let writer = thread::spawn(move || stdin.write_all(list.as_bytes()));
    let output = child.wait_with_output().map_err(fault)?;
    writer.join().expect("the writer doesn't panic").map_err(fault)?;
    // Two lines for each: the function, and where it is in the source.
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().step_by(2).map(str::to_owned).collect())
}
