//! The work loads: what each asks for, over how many connections, and what is served for it.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

/// One work load.
#[derive(Debug)]
pub struct Row {
    /// What the command line calls it.
    pub name: &'static str,
    pub title: &'static str,
    pub connections: u32,
    pub ask: Ask,
    /// The status that a server has to answer with to be measured at all.
    pub status: u16,
    /// Bytes of content that the floor sends in its place; none where a constant in memory is no floor for a file.
    pub floor_bytes: Option<usize>,
}

/// What each request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// One file, again and again.
    File(&'static str),
    /// The same, with a new connection for each request.
    Close(&'static str),
    /// One of [`TREE_FILES`], at random.
    Tree,
    /// A file that the client has already.
    Unchanged(&'static str),
    /// 1 KiB in the middle of a file.
    Range(&'static str),
    /// A name that nothing has, another one each time.
    Missing,
}

pub const ROWS: [Row; 12] = [
    row("64", "1 KiB, 64 connections", 64, Ask::File("1k.txt"), 200, Some(1024)),
    row("1", "1 KiB, 1 connection", 1, Ask::File("1k.txt"), 200, Some(1024)),
    row("1000", "1 KiB, 1,000 connections", 1000, Ask::File("1k.txt"), 200, Some(1024)),
    row("8000", "1 KiB, 8,000 connections", 8000, Ask::File("1k.txt"), 200, Some(1024)),
    row("close", "1 KiB, a new connection each", 64, Ask::Close("1k.txt"), 200, Some(1024)),
    row("10k", "10 KiB", 64, Ask::File("10k.txt"), 200, Some(10 * 1024)),
    row("100k", "100 KiB", 64, Ask::File("100k.txt"), 200, Some(100 * 1024)),
    row("10m", "10 MiB", 64, Ask::File("10m.txt"), 200, None),
    row("tree", "1 KiB of 10,000 files", 64, Ask::Tree, 200, Some(1024)),
    row("304", "304 Not Modified", 64, Ask::Unchanged("1k.txt"), 304, Some(0)),
    row("206", "1 KiB of 10 MiB, as a range", 64, Ask::Range("10m.txt"), 206, Some(1024)),
    // About what servers say when there is nothing.
    row("404", "404 Not Found", 64, Ask::Missing, 404, Some(64)),
];

/// Those that a first run takes: about a minute, without what needs many descriptors or much memory bandwidth.
pub const QUICK: &str = "64,1,1000,close,10k,100k,tree,304,206,404";

/// Connections of the points in the plot; each is the work load `64` with another number.
pub const PLOTTED: [u32; 7] = [1, 8, 64, 256, 1000, 4000, 8000];

/// Files in the tree, in 100 directories: more than a small cache of open files has room for.
const TREE_FILES: usize = 10_000;

const fn row(
    name: &'static str,
    title: &'static str,
    connections: u32,
    ask: Ask,
    status: u16,
    floor_bytes: Option<usize>,
) -> Row {
    Row { name, title, connections, ask, status, floor_bytes }
}

impl Row {
    /// The row of that name.
    pub fn find(name: &str) -> Result<&'static Row, String> {
        let names = || ROWS.map(|row| row.name).join(", ");
        ROWS.iter().find(|row| row.name == name).ok_or_else(|| format!("the rows are {}", names()))
    }

    /// The request-target of a typical request.
    pub fn target(&self) -> String {
        match self.ask {
            Ask::File(name) | Ask::Close(name) | Ask::Unchanged(name) | Ask::Range(name) => format!("/{name}"),
            Ask::Tree => "/tree/00/0000.txt".to_owned(),
            Ask::Missing => "/missing".to_owned(),
        }
    }

    /// Field lines beyond what every request has. `etag` is what the server itself has called the file.
    pub fn fields(&self, etag: &str) -> Vec<(&'static str, String)> {
        match self.ask {
            Ask::File(_) | Ask::Tree | Ask::Missing => Vec::new(),
            Ask::Close(_) => vec![("Connection", "close".to_owned())],
            Ask::Unchanged(_) => vec![("If-None-Match", etag.to_owned())],
            Ask::Range(_) => vec![("Range", "bytes=5000000-5001023".to_owned())],
        }
    }

    /// The same as a script for wrk, in Lua.
    pub fn script(&self, etag: &str) -> String {
        let mut script = String::new();
        for (name, value) in self.fields(etag) {
            writeln!(script, "wrk.headers[\"{name}\"] = [[{value}]]").expect("a String takes every line");
        }
        script += match self.ask {
            Ask::File(_) | Ask::Close(_) | Ask::Unchanged(_) | Ask::Range(_) => "",
            Ask::Tree => TREE_SCRIPT,
            Ask::Missing => MISSING_SCRIPT,
        };
        script
    }
}

const TREE_SCRIPT: &str = r#"
request = function()
    local i = math.random(0, 9999)
    return wrk.format("GET", string.format("/tree/%02d/%04d.txt", i % 100, i))
end
"#;

const MISSING_SCRIPT: &str = r#"
local n = 0
request = function() n = n + 1 return wrk.format("GET", "/missing-" .. n) end
"#;

/// Writes what the rows ask for. Everyone may read it: servers that were started as root become somebody else.
pub fn document_root(with_tree: bool) -> io::Result<TempDir> {
    let root = tempfile::tempdir()?;
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755))?;
    for (name, kib) in [("1k.txt", 1), ("10k.txt", 10), ("100k.txt", 100), ("10m.txt", 10 * 1024)] {
        fs::write(root.path().join(name), b"0123456789abcde\n".repeat(64 * kib))?;
    }
    if with_tree {
        write_tree(&root.path().join("tree"))?;
    }
    Ok(root)
}

fn write_tree(tree: &Path) -> io::Result<()> {
    for directory in 0..100 {
        fs::create_dir_all(tree.join(format!("{directory:02}")))?;
    }
    for file in 0..TREE_FILES {
        let name = format!("{:02}/{file:04}.txt", file % 100);
        fs::write(tree.join(name), &format!("{file:04} is the name\n").repeat(64).as_bytes()[..1024])?;
    }
    Ok(())
}
