//! What the program says of itself for others to keep: a completion script for a shell, and the manual page.
//!
//! *Invariant:* both are made from the options as they are, when they are asked for, so they can't be out of date.

use std::io;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Arguments;
use super::top::Top;

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
            Manual::Page => page(&mut text)?,
        }
        Ok(text)
    }
}

const NAME: &str = "millpond";

/// The page, with that of `top` in it, which is another program in all but its file.
fn page(text: &mut Vec<u8>) -> io::Result<()> {
    let (served, watched) = (Man::new(Arguments::command()), Man::new(Top::command()));
    served.render_title(text)?;
    served.render_name_section(text)?;
    served.render_synopsis_section(text)?;
    served.render_description_section(text)?;
    served.render_options_section(text)?;
    let mut sections = Vec::new();
    watched.render_synopsis_section(&mut sections)?;
    watched.render_description_section(&mut sections)?;
    watched.render_options_section(&mut sections)?;
    text.extend_from_slice(b".SH \"WATCHING ANOTHER: MILLPOND TOP\"\n");
    // Each would begin like a section of the whole page.
    let lines = sections
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !line.starts_with(b".ie ") && !line.starts_with(b".el "));
    for line in lines {
        text.extend_from_slice(if line.starts_with(b".SH ") { b".PP\n" } else { line });
    }
    served.render_extra_section(text)?;
    served.render_version_section(text)
}

/// The options without what only stands behind a variable of the environment, and what may follow `top`.
fn completed() -> Command {
    let command = Arguments::command();
    Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments().filter(|argument| !argument.is_hide_set()))
        .subcommand(Top::command().name("top"))
        .disable_help_subcommand(true)
}
