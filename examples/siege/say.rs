//! What a program says on standard output, as long as somebody listens: `| head -3` ends it, and is no failure.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Why a program ends early.
#[derive(Debug)]
pub enum End {
    /// Nobody reads any more what it prints.
    Unread,
    Failed(String),
}

pub fn say(text: &str) -> Result<(), End> {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(End::Unread),
        Err(error) => Err(End::Failed(format!("can't write to standard output: {error}"))),
    }
}

/// How a program of that name exits: whether all is well, or why it ended early.
pub fn exit(name: &str, ended: Result<bool, End>) -> ExitCode {
    match ended {
        Ok(true) | Err(End::Unread) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(End::Failed(why)) => {
            // Nobody is left to be told if this can't be written.
            let _ = writeln!(io::stderr(), "{name}: {why}");
            ExitCode::FAILURE
        }
    }
}

impl From<String> for End {
    fn from(why: String) -> End {
        End::Failed(why)
    }
}
