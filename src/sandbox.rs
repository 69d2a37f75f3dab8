//! What the process gives up before its first connection, so that whoever takes it over gains little by it.
//!
//! *Invariants:* it is entered before the first thread is started, because Landlock binds the calling thread and those
//! that it starts later; and once everything is open that takes a right to be opened. Entering never fails: what the
//! kernel refuses is said, and the server serves without it.
//!
//! Two things of the kernel do it, and any user may ask for them: Landlock (landlock(7)), which takes rights away for
//! good, and `no_new_privs` (prctl(2)), after which starting a set-user-ID program brings none back.
//!
//! *Out of their reach:* descriptors that are open by then (standard streams, listeners, whatever was inherited); looking
//! at names, sizes and times anywhere, and changing owners, permissions and times where the user may; UDP, and Unix
//! sockets that have a path; memory and processor time. So a server on a network wants a user of its own as well.
//!
//! *What it costs:* nothing that can be measured at the start or for a file that is kept; 1.4 µs of 14 when a file three
//! directories down is opened, since the kernel goes back up from it to the directory. Where glibc's allocator would read
//! the number of cores and a setting of the kernel's memory, it is refused and makes do without.
//!
//! Rejected: a list of the system calls that are allowed (seccomp). Which ones the libraries make changes with their
//! versions, and the one that is missing is found out in production.

use std::fmt::{self, Display, Formatter};
use std::os::fd::BorrowedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, PathBeneath, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope,
};

/// What may be read from now on.
#[derive(Clone, Copy, Debug)]
pub enum Reading<'d> {
    /// What lies beneath these directories, whatever they are called by then.
    Beneath(&'d [BorrowedFd<'d>]),
    /// Whatever the user may.
    Anywhere,
}

/// What came of it. Shown, it is the line for the log.
#[derive(Debug)]
pub struct Sandbox {
    /// The version of Landlock that the kernel enforces, and what may be read; or why there is none.
    landlock: Result<(ABI, &'static str), String>,
    no_new_privs: bool,
}

/// The newest version of Landlock whose rights are asked for. Later ones are not known to do no harm here before they
/// have been tried: 9 and 10 (Linux 7.1, 7.2) could take away Unix sockets with a path, and UDP.
const ASKED_FOR: ABI = ABI::V6;

/// What is given up beside reading elsewhere.
const GIVEN_UP: [Part; 7] = [
    Part { name: "writing", since: ABI::V1, linux: "5.13" },
    Part { name: "executing", since: ABI::V1, linux: "5.13" },
    Part { name: "truncating", since: ABI::V3, linux: "6.2" },
    Part { name: "TCP connections and further ports", since: ABI::V4, linux: "6.7" },
    Part { name: "ioctl on devices", since: ABI::V5, linux: "6.10" },
    Part { name: "signals to others", since: ABI::V6, linux: "6.12" },
    Part { name: "abstract sockets of others", since: ABI::V6, linux: "6.12" },
];

/// A right that the kernel takes away from one version of Landlock on, and the Linux that came with.
#[derive(Clone, Copy)]
struct Part {
    name: &'static str,
    since: ABI,
    linux: &'static str,
}

/// Gives up everything but serving, for this thread and all that it starts from now on.
pub fn enter(reading: Reading<'_>) -> Sandbox {
    match restrict(reading) {
        Ok(status) => Sandbox {
            landlock: enforced(&status.landlock).map(|abi| (abi, reading.in_words())),
            no_new_privs: status.no_new_privs,
        },
        Err(error) => Sandbox { landlock: Err(error.to_string()), no_new_privs: false },
    }
}

/// Asks for as much as the kernel has.
fn restrict(reading: Reading<'_>) -> Result<RestrictionStatus, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let all = AccessFs::from_all(ASKED_FOR);
    // What isn't handled stays as it was; what is, is left to these directories alone.
    let (handled, directories) = match reading {
        Reading::Beneath(directories) => (all, directories),
        Reading::Anywhere => (all & !read, [].as_slice()),
    };
    Ruleset::default()
        .handle_access(handled)?
        .handle_access(AccessNet::from_all(ASKED_FOR))?
        .scope(Scope::from_all(ASKED_FOR))?
        .create()?
        .add_rules(directories.iter().map(|directory| Ok::<_, RulesetError>(PathBeneath::new(directory, read))))?
        .restrict_self()
}

fn enforced(status: &LandlockStatus) -> Result<ABI, String> {
    match status {
        LandlockStatus::Available { effective_abi, .. } => Ok(*effective_abi),
        LandlockStatus::NotEnabled => Err("this kernel was started without Landlock (lsm=)".to_owned()),
        // The crate says that of every other error, too.
        LandlockStatus::NotImplemented => {
            Err("this kernel has no Landlock (Linux 5.13), or a container refuses it".to_owned())
        }
    }
}

impl Reading<'_> {
    fn in_words(self) -> &'static str {
        match self {
            Reading::Beneath([] | [_]) => "reads beneath the directory only",
            Reading::Beneath(_) => "reads beneath the directory, and where the certificate lies, only",
            Reading::Anywhere => "reads everything, for links may lead anywhere",
        }
    }
}

impl Sandbox {
    /// Whether all is given up that was to be.
    pub fn is_whole(&self) -> bool {
        self.no_new_privs && matches!(self.landlock, Ok((abi, _)) if abi >= ASKED_FOR)
    }
}

impl Display for Sandbox {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let abi = match &self.landlock {
            Ok((abi, reads)) => write!(out, "sandbox: {reads}").map(|()| *abi)?,
            Err(why) => write!(out, "no sandbox: {why}").map(|()| ABI::Unsupported)?,
        };
        let (gone, kept): (Vec<Part>, Vec<Part>) = GIVEN_UP.into_iter().partition(|part| part.since <= abi);
        let privileges = self.no_new_privs.then_some("new privileges");
        let gone: Vec<&str> = gone.iter().map(|part| part.name).chain(privileges).collect();
        if !gone.is_empty() {
            write!(out, "; gave up {}", gone.join(", "))?;
        }
        if self.landlock.is_ok() && !kept.is_empty() {
            let kept: Vec<String> = kept.iter().map(|part| format!("{} (Linux {})", part.name, part.linux)).collect();
            write!(out, "; this kernel can't take away {}", kept.join(", "))?;
        }
        Ok(())
    }
}
