//! One file that is served alone: at its own name and at `/`, and nothing else of the directory that it is in.
//!
//! *Invariant:* there is one name that leads to a file, compared byte for byte with the decoded path; no other is looked at.
//!
//! The root is the file's directory and not the file: whoever saves a file by renaming another over it means the new one to
//! be served, and neither a descriptor nor a sandbox that is tied to the old file would lead there. At `/` the file itself
//! answers, not a redirect, for who types the address or gives it to a script; what it is to be saved as, the answer says.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::root::{Absent, Found};
use super::store::Store;
use crate::http::response::Response;
use crate::http::{disposition, target};

/// The one file.
#[derive(Debug)]
pub struct Single {
    pub name: Vec<u8>,
    /// The value of Content-Disposition, for where the path doesn't say the name.
    disposition: String,
}

/// What a path leads to: a directory to serve; or a file, and the directory it is in.
///
/// # Errors
/// When there is nothing, or neither of the two.
pub fn place(path: &Path) -> io::Result<(PathBuf, Option<Single>)> {
    let found = fs::metadata(path)?;
    if found.is_dir() {
        return Ok((path.to_owned(), None));
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if found.is_file() => {
            let directory = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            Ok((directory.to_owned(), Some(Single::new(name.as_bytes()))))
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither a directory nor a regular file")),
    }
}

impl Single {
    fn new(name: &[u8]) -> Single {
        Single { name: name.to_owned(), disposition: disposition::inline(name) }
    }

    /// Whether it can be served, so that a start that can come to nothing doesn't succeed.
    ///
    /// # Errors
    /// When it can't be opened beneath its directory.
    pub fn check(&self, store: &Store) -> io::Result<()> {
        match store.root.find(&self.name) {
            Ok(Found::File(..)) => Ok(()),
            Ok(Found::Directory) | Err(Absent::NotFound) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is a link that leads out of the directory it is in; name what it leads to, or allow that with \
                 --follow-symlinks",
            )),
            Err(Absent::Forbidden) => Err(io::ErrorKind::PermissionDenied.into()),
            Err(Absent::NoDescriptor | Absent::Unavailable | Absent::Failed) => {
                Err(io::Error::other("it can't be opened at the moment"))
            }
        }
    }

    /// Adds to the answer at `/` what it is to be saved as.
    pub fn name_in<F>(&self, response: Response<F>) -> Response<F> {
        if response.status().code() < 300 { response.field("Content-Disposition", &self.disposition) } else { response }
    }

    /// Whether a path relative to the root leads to it.
    pub fn is_at(&self, relative: &[u8]) -> bool {
        relative.is_empty() || relative == self.name
    }

    /// The path by its name, as a URI writes it.
    pub fn uri_path(&self) -> String {
        target::uri_path(&self.name)
    }
}
