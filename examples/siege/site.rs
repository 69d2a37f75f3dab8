//! What is served: a directory of its own beneath the root, with an outside that nothing must come from. Both remove
//! themselves.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// What no answer may contain.
pub const SECRET: &[u8] = b"the secret outside of the root\n";

/// What the good client asks for.
pub const SMALL: &[u8] = &[b'.'; 1024];

/// Of the file that nobody reads to its end: far more than the socket buffers of both sides take.
pub const BIG_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Debug)]
pub struct Site {
    /// The root, if it was made here, and the outside.
    ours: TempDir,
    root: PathBuf,
    /// All that is served in here lies in it.
    directory: TempDir,
}

impl Site {
    /// In a root of its own, or beneath one that is served already.
    pub fn new(root: Option<&Path>) -> io::Result<Site> {
        let ours = open_to_all(tempfile::Builder::new().prefix("siege-").tempdir()?)?;
        let root = match root {
            Some(root) => root.to_owned(),
            None => {
                let root = ours.path().join("served");
                fs::create_dir(&root)?;
                root
            }
        };
        let directory = open_to_all(tempfile::Builder::new().prefix("siege-").tempdir_in(&root)?)?;
        let site = Site { ours, root, directory };
        fs::create_dir(site.outside())?;
        fs::write(site.secret(), SECRET)?;
        site.file("small.txt", SMALL)?;
        site.file("down/small.txt", SMALL)?;
        File::create(site.path("big.bin"))?.set_len(BIG_BYTES)?;
        Ok(site)
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn outside(&self) -> PathBuf {
        self.ours.path().join("outside")
    }

    /// Holds [`SECRET`].
    pub fn secret(&self) -> PathBuf {
        self.outside().join("secret.txt")
    }

    /// Where a name lies in the file system.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What to ask for to get it.
    pub fn target(&self, name: &str) -> String {
        let directory = self.directory.path().file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        format!("/{directory}/{name}")
    }

    /// Writes a file, and the directory it is in.
    pub fn file(&self, name: &str, content: &[u8]) -> io::Result<()> {
        if let Some(directory) = self.path(name).parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(self.path(name), content)
    }

    pub fn link(&self, name: &str, text: impl AsRef<Path>) -> io::Result<()> {
        symlink(text, self.path(name))
    }

    /// Waits until what was written has settled, so that a server may keep it.
    pub fn settle(&self) {
        thread::sleep(millpond::config::SETTLE_TIME + Duration::from_millis(100));
    }
}

/// Some servers give up root and must still come in.
fn open_to_all(directory: TempDir) -> io::Result<TempDir> {
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
    Ok(directory)
}
