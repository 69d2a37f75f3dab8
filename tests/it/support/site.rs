//! A directory to serve, with an outside that nothing must come from; it removes itself.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

/// How long after its last change a file gets validators (DESIGN.md §3.8: 2 s), and a little more.
const SETTLED_AFTER: Duration = Duration::from_millis(2_100);

/// A directory to serve; it removes itself.
pub struct Site {
    directory: TempDir,
    /// The directory that is served: `served` in the temporary one, so that there is an outside to leak from.
    root: PathBuf,
}

impl Site {
    /// An empty directory, beside which lies `outside/secret.txt` with the content [`SECRET`].
    pub fn new() -> Site {
        let directory = tempfile::Builder::new().prefix("millpond-it-").tempdir().expect("a temporary directory");
        Site::within(directory)
    }

    /// The same on another file system, for times that the usual one can't hold.
    pub fn new_in(parent: &Path) -> io::Result<Site> {
        Ok(Site::within(tempfile::Builder::new().prefix("millpond-it-").tempdir_in(parent)?))
    }

    fn within(directory: TempDir) -> Site {
        // Some tests run the server as another user, who must be able to come in here.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("our own directory");
        let root = directory.path().join("served");
        fs::create_dir(&root).expect("our own directory");
        let site = Site { directory, root };
        fs::create_dir(site.outside()).expect("our own directory");
        fs::write(site.outside().join("secret.txt"), SECRET).expect("our own directory");
        // A sibling whose name begins like the root's, for whoever compares prefixes (threats.md P9).
        let sibling = site.directory.path().join("served-restricted");
        fs::create_dir(&sibling)
            .and_then(|()| fs::write(sibling.join("secret.txt"), SECRET))
            .expect("our own directory");
        site
    }

    /// The temporary directory with all of it: what is served, and the outside.
    pub fn whole(&self) -> &Path {
        self.directory.path()
    }

    /// The directory that is served.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A directory beside it that nothing must come from.
    pub fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    /// Where a name of the site lies in the file system.
    pub fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.root.join(Path::new(name.as_ref()))
    }

    /// Writes a file, with the directories it needs.
    pub fn file(&self, name: impl AsRef<OsStr>, content: impl AsRef<[u8]>) -> &Site {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file lies in a directory")).expect("our own directory");
        fs::write(path, content).expect("our own file");
        self
    }

    pub fn directory(&self, name: impl AsRef<OsStr>) -> &Site {
        fs::create_dir_all(self.path(name)).expect("our own directory");
        self
    }

    /// A symbolic link with exactly this text.
    pub fn link(&self, name: impl AsRef<OsStr>, text: impl AsRef<Path>) -> &Site {
        symlink(text, self.path(name)).expect("our own directory");
        self
    }

    /// A file of this size without a single block.
    pub fn sparse(&self, name: impl AsRef<OsStr>, size: u64) -> &Site {
        File::create(self.path(name)).and_then(|file| file.set_len(size)).expect("a sparse file");
        self
    }

    pub fn mode(&self, name: impl AsRef<OsStr>, mode: u32) -> &Site {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).expect("our own file");
        self
    }

    /// Sets the time of the last modification, and returns what the file system made of it.
    pub fn modified(&self, name: impl AsRef<OsStr>, time: SystemTime) -> SystemTime {
        let file = File::open(self.path(name)).expect("our own file");
        file.set_times(FileTimes::new().set_modified(time)).expect("a time this file system has");
        file.metadata().and_then(|metadata| metadata.modified()).expect("a time that was just set")
    }

    /// Waits until everything written so far has validators.
    pub fn settle(&self) {
        // The one sleep of these tests. A file has no validators until it has settled for 2 s (DESIGN.md §3.8), and the
        // time of its last change (ctime) can be set by nothing but the clock, so there is nothing else to wait for.
        thread::sleep(SETTLED_AFTER);
    }
}

/// What no answer may ever contain.
pub const SECRET: &str = "the secret beside the root\n";
