//! What the program says of itself for others to keep: a completion script for a shell, and the manual page.
//!
//! *Invariant:* both are made from the options as they are, when they are asked for, so they can't be out of date.

use std::io;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Arguments;

/// What is printed in place of serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manual {
    Completions(Shell),
    Page,
}

impl Manual {
    /// The whole text.
    ///
    /// # Errors
    /// None that memory could have.
    pub fn text(self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        match self {
            Manual::Completions(shell) => clap_complete::generate(shell, &mut completed(), NAME, &mut text),
            Manual::Page => Man::new(Arguments::command()).render(&mut text)?,
        }
        Ok(text)
    }
}

const NAME: &str = "millpond";

/// The options without what only stands behind a variable of the environment.
fn completed() -> Command {
    let command = Arguments::command();
    Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments().filter(|argument| !argument.is_hide_set()))
}
