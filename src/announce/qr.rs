//! An address as a QR code made of characters, to be read off a terminal by a telephone.
//!
//! Two rows of modules share a line of text: a half block is one dark above one light, or the other way round. The margin
//! of four modules belongs to the code (ISO/IEC 18004): without it a reader doesn't find its edges.
//!
//! A reader wants dark on light, and a terminal may be either. So the colours are set, to two that no theme changes: 16 and
//! 231 of the 256, black and white. Where no colour may be used, the light modules are drawn, as they look right on a dark
//! terminal.

use std::iter;

use fast_qr::QRBuilder;

/// What the drawing may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Black and white, whatever the terminal's own colours are.
    Colours,
    /// Nothing but characters.
    Characters,
}

/// Light modules around the code, on each side.
pub const MARGIN: usize = 4;

const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";
const OWN_COLOURS: &str = "\x1b[0m";

/// Draws a text as lines of characters, each with its end; nothing of a text that is too long for any code.
pub fn draw(text: &str, ink: Ink) -> Option<String> {
    let code = QRBuilder::new(text).build().ok()?;
    let side = code.size + 2 * MARGIN;
    let is_dark = |row: usize, column: usize| {
        let within = MARGIN..MARGIN + code.size;
        within.contains(&row) && within.contains(&column) && code[row - MARGIN][column - MARGIN].value()
    };
    let line = |row: usize| -> String {
        let blocks = (0..side).map(|column| block([is_dark(row, column), is_dark(row + 1, column)], ink));
        match ink {
            Ink::Colours => iter::once(BLACK_ON_WHITE.to_owned())
                .chain(blocks.map(String::from))
                .chain([OWN_COLOURS.to_owned(), "\n".to_owned()])
                .collect(),
            Ink::Characters => blocks.chain(['\n']).collect(),
        }
    };
    Some((0..side).step_by(2).map(line).collect())
}

/// Two modules, one above the other: whether each is dark.
fn block(dark: [bool; 2], ink: Ink) -> char {
    let drawn = match ink {
        Ink::Colours => dark,
        Ink::Characters => dark.map(|dark| !dark),
    };
    match drawn {
        [true, true] => '█',
        [true, false] => '▀',
        [false, true] => '▄',
        [false, false] => ' ',
    }
}
