//! The files of TLS on the command line; a millpond that was built without TLS takes none, and says how to get one that does.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

/// A file that this build can use.
///
/// # Errors
/// When it can't.
pub fn available(path: PathBuf) -> Result<PathBuf, NotBuilt> {
    if cfg!(feature = "tls") { Ok(path) } else { Err(NotBuilt) }
}

/// This millpond can't speak TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBuilt;

impl Display for NotBuilt {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str("this millpond is built without TLS; build one that has it: cargo build --release --features tls")
    }
}

impl Error for NotBuilt {}
