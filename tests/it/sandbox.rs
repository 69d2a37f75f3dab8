//! What the process can't do any more once it serves, tried from within; and what it says where a kernel can't take a
//! part of it away.
//!
//! *Invariants:* promise 16. Landlock binds for good whoever asks for it, so that this binary starts itself once more:
//! [`serve_and_try`] is that process. All that is to be refused is tried without the sandbox, too, and works there, so
//! that no refusal has another reason.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;

use landlock::{ABI, LandlockStatus, RestrictSelf};
use millpond::config::Limits;
use millpond::http::request::RequestHead;
use millpond::http::status::Status;
use millpond::http::target::RequestTarget;
use millpond::observe::log_queue::LogQueue;
use millpond::sandbox::{self, Reading};
use millpond::server::{Answer, Context, Handler, Response, Server as Library};
use millpond::site::options::Options;
use millpond::site::respond::Site as Files;
use nix::sys::termios::tcgetattr;
use rustix::process::{Pid, getppid, test_kill_process};

use crate::load::{self, plain_get};
use crate::support::{Client, PATIENCE, Server, Site, rows};

/// What this kernel can enforce, asked without giving anything up.
fn kernel() -> ABI {
    match RestrictSelf::default().no_new_privs(false).apply().expect("nothing is asked for").landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi,
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => ABI::Unsupported,
    }
}

// --------------------------------------------------------------------------------------------------------- from within

/// What is tried with files that are the thread's own; the first version of Landlock that can refuse it (`Unsupported`:
/// it has to work everywhere); and what comes of it where links may lead anywhere.
type Try = (&'static str, fn(&Place, &Path) -> io::Result<()>, ABI, Outcome);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Refused,
}

use Outcome::{Done, Refused};

const TRIES: [Try; 21] = [
    ("read beneath the directory", |_, own| fs::read(own.join("file")).map(drop), ABI::Unsupported, Done),
    ("list beneath the directory", |_, own| fs::read_dir(own).map(drop), ABI::Unsupported, Done),
    ("read /etc/passwd", |_, _| fs::read("/etc/passwd").map(drop), ABI::V1, Done),
    ("read beside it", |place, _| fs::read(place.outside.join("secret.txt")).map(drop), ABI::V1, Done),
    ("list /", |_, _| fs::read_dir("/").map(drop), ABI::V1, Done),
    ("overwrite", |_, own| File::options().write(true).open(own.join("file")).map(drop), ABI::V1, Refused),
    ("create", |_, own| File::create_new(own.join("new")).map(drop), ABI::V1, Refused),
    ("create beside it", |place, _| File::create_new(place.outside.join("new")).map(drop), ABI::V1, Refused),
    ("make a directory", |_, own| fs::create_dir(own.join("directory")), ABI::V1, Refused),
    ("make a link", |_, own| symlink("file", own.join("link")), ABI::V1, Refused),
    ("make a hard link", |_, own| fs::hard_link(own.join("file"), own.join("hard")), ABI::V1, Refused),
    ("rename", |_, own| fs::rename(own.join("to-rename"), own.join("renamed")), ABI::V1, Refused),
    ("remove", |_, own| fs::remove_file(own.join("to-remove")), ABI::V1, Refused),
    ("execute", |_, own| execute(&own.join("file")), ABI::V1, Refused),
    ("execute /bin/true", |_, _| execute(Path::new("/bin/true")), ABI::V1, Refused),
    ("truncate", |_, own| Ok(nix::unistd::truncate(&own.join("file"), 1)?), ABI::V3, Refused),
    ("connect", |place, _| TcpStream::connect_timeout(&place.somebody, PATIENCE).map(drop), ABI::V4, Refused),
    ("bind", |_, _| TcpListener::bind("127.0.0.1:0").map(drop), ABI::V4, Refused),
    ("ask a terminal", |_, _| Ok(tcgetattr(File::open("/dev/ptmx")?).map(drop)?), ABI::V5, Refused),
    ("signal the parent", |_, _| Ok(test_kill_process(getppid().unwrap_or(Pid::INIT))?), ABI::V6, Refused),
    ("connect by an abstract name", |place, _| place.connect_by_name(), ABI::V6, Refused),
];

/// Whether the kernel lets a file be executed. That it is no program, it finds out later.
fn execute(path: &Path) -> io::Result<()> {
    match Command::new(path).status() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Where all that is tried.
#[derive(Clone, Debug)]
struct Place {
    served: PathBuf,
    outside: PathBuf,
    /// Who listens outside of the process.
    somebody: SocketAddr,
    abstract_name: String,
}

impl Place {
    /// Tries it all, and says what came of it: a line for each of [`TRIES`].
    fn try_all(&self, own: &str) -> String {
        let said = TRIES.iter().map(|(what, run, ..)| match run(self, &self.served.join(own)) {
            Ok(()) => format!("{what}: {Done:?}\n"),
            // EACCES or EPERM.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => format!("{what}: {Refused:?}\n"),
            Err(error) => format!("{what}: {error}\n"),
        });
        said.collect()
    }

    fn connect_by_name(&self) -> io::Result<()> {
        let address = UnixAddress::from_abstract_name(&self.abstract_name)?;
        UnixStream::connect_addr(&address).map(drop)
    }
}

/// A sink that tries it all on the thread that writes to it, at the first line.
struct TryingSink {
    place: Place,
    said: mpsc::Sender<String>,
}

impl Write for TryingSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert_eq!(thread::current().name(), Some("log"));
        // Whoever asked waits for it.
        let _ = self.said.send(self.place.try_all("log"));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Serves its files as the program does, and tries it all when it is asked to.
struct TryingHandler {
    files: Files,
    place: Place,
    log: LogQueue,
    said_by_log: Mutex<mpsc::Receiver<String>>,
}

impl Handler for TryingHandler {
    fn respond(&self, request: &RequestHead<'_>, context: &Context) -> Answer {
        let RequestTarget::Resource { path, .. } = &request.target else { unreachable!("only paths are asked for") };
        match path.to_uri_path().as_str() {
            "/try/worker" => {
                assert_eq!(thread::current().name(), Some("worker"));
                Response::text(Status::OK, self.place.try_all("worker")).into()
            }
            "/try/log" => {
                self.log.push(b"a line\n");
                let said = self.said_by_log.lock().expect("asked for once").recv_timeout(PATIENCE);
                Response::text(Status::OK, said.expect("the log thread writes")).into()
            }
            "/panic" => panic!("injected"),
            _ => Handler::respond(&self.files, request, context),
        }
    }
}

/// What the process gives up before it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GivenUp {
    AllButServing,
    AllButReading,
    Nothing,
}

/// Each on a line: what is to be given up, and a [`Place`].
const CHILD_VARIABLE: &str = "MILLPOND_TESTS_SERVE_AND_TRY";

/// Not a test: the process that [`from_within`] asks.
#[test]
fn serve_and_try() {
    let Ok(told) = std::env::var(CHILD_VARIABLE) else { return };
    let [given_up, served, outside, somebody, abstract_name] = told.lines().collect::<Vec<_>>()[..] else {
        unreachable!("{told}")
    };
    let place = Place {
        served: served.into(),
        outside: outside.into(),
        somebody: somebody.parse().expect("an address"),
        abstract_name: abstract_name.to_owned(),
    };
    let files = Files::open(&place.served, Options::recommended()).expect("the test's directory");
    let limits = Limits { workers: 1, ..Limits::recommended() };
    let server = Library::bind(&["127.0.0.1:0".parse().expect("an address")], limits).expect("a free port");
    match given_up {
        "AllButServing" => drop(sandbox::enter(Reading::Beneath(&[files.directory()]))),
        "AllButReading" => drop(sandbox::enter(Reading::Anywhere)),
        "Nothing" => {}
        given_up => unreachable!("{given_up}"),
    }
    let (said, said_by_log) = mpsc::channel();
    let log = LogQueue::start("log", TryingSink { place: place.clone(), said }, 1_000).expect("a thread");
    println!("\nhttp://{}/", server.local_addresses()[0]);
    server.run(TryingHandler { files, place, log, said_by_log: Mutex::new(said_by_log) }).expect("threads");
}

/// The process of [`serve_and_try`], killed when dropped.
struct Tried {
    child: Child,
    address: SocketAddr,
}

impl Tried {
    fn start(given_up: GivenUp, place: &Place) -> Tried {
        let Place { served, outside, somebody, abstract_name } = place;
        let (served, outside) = (served.display(), outside.display());
        let told = format!("{given_up:?}\n{served}\n{outside}\n{somebody}\n{abstract_name}");
        let mut command = Command::new(std::env::current_exe().expect("this process has a program"));
        command.args(["--exact", "sandbox::serve_and_try", "--nocapture"]).env(CHILD_VARIABLE, told);
        // The panic is to look for its symbols where it may not.
        command.env("RUST_BACKTRACE", "full");
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
        let mut lines = BufReader::new(child.stdout.as_mut().expect("stdout is piped")).lines();
        let address = lines
            .find_map(|line| line.expect("text on a pipe").strip_prefix("http://")?.strip_suffix('/')?.parse().ok());
        Tried { address: address.expect("a line with the address"), child }
    }
}

impl Drop for Tried {
    fn drop(&mut self) {
        // Both fail only if it has ended before, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

rows!(from_within:
    a_worker_can_only_read_beneath_the_directory(GivenUp::AllButServing, "worker"),
    the_log_thread_can_only_read_beneath_the_directory(GivenUp::AllButServing, "log"),
    a_worker_that_follows_links_can_only_read(GivenUp::AllButReading, "worker"),
    the_log_thread_of_one_that_follows_links_can_only_read(GivenUp::AllButReading, "log"),
    without_a_sandbox_a_worker_can_do_it_all(GivenUp::Nothing, "worker"),
    without_a_sandbox_the_log_thread_can_do_it_all(GivenUp::Nothing, "log"),
);

fn from_within(given_up: GivenUp, thread: &str) {
    let kernel = kernel();
    if load::skips(kernel >= ABI::V4, "Landlock ABI 4 (Linux 6.7)") {
        return;
    }
    let site = Site::new();
    for name in ["file", "to-rename", "to-remove"] {
        site.file(format!("{thread}/{name}"), "content\n");
    }
    site.mode(format!("{thread}/file"), 0o755);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let abstract_name = site.whole().display().to_string();
    let address = UnixAddress::from_abstract_name(&abstract_name).expect("a short name");
    let _somebody_near = UnixListener::bind_addr(&address).expect("a name of our own");
    let place = Place {
        served: site.root().to_owned(),
        outside: site.outside(),
        somebody: listener.local_addr().expect("a bound socket has an address"),
        abstract_name,
    };
    let tried = Tried::start(given_up, &place);
    let mut client = Client::connect_to(tried.address);
    assert_eq!(client.ask(plain_get(&format!("/{thread}/file"))).content, b"content\n");
    let expected = TRIES.iter().map(|&(what, _, since, if_links_lead_anywhere)| {
        let outcome = match given_up {
            GivenUp::AllButServing if since == ABI::Unsupported => Done,
            GivenUp::AllButServing if since <= kernel => Refused,
            GivenUp::AllButReading if since <= kernel => if_links_lead_anywhere,
            GivenUp::AllButServing | GivenUp::AllButReading | GivenUp::Nothing => Done,
        };
        format!("{what}: {outcome:?}\n")
    });
    let said = client.ask(plain_get(&format!("/try/{thread}")));
    assert_eq!(said.content_text().trim_end(), expected.collect::<String>().trim_end());
    assert_eq!(client.ask(plain_get("/panic")).status, 500);
    assert_eq!(Client::connect_to(tried.address).ask(plain_get(&format!("/{thread}/file"))).status, 200);
}

// -------------------------------------------------------------------------------------------------------- the program

/// How the line ends where the kernel has it all.
const ALL_OF_IT: &str = "gave up writing, executing, truncating, TCP connections and further ports, ioctl on devices, \
                         signals to others, abstract sockets of others, new privileges";

fn line_about_the_sandbox(server: &Server) -> String {
    server.wait_for_stderr_line(PATIENCE, |line| line.contains("sandbox"))
}

rows!(holds:
    the_program_says_that_it_reads_beneath_its_directory_only(
        &[], 404, "millpond: info: sandbox: reads beneath the directory only; ",
    ),
    where_links_may_lead_anywhere_it_says_that_it_reads_everything(
        &["--follow-symlinks"], 200, "millpond: info: sandbox: reads everything, for links may lead anywhere; ",
    ),
);

/// The line, and that not one thread is without it: a thread has `no_new_privs` from the one that started it, as it has
/// Landlock, and both were asked for at once.
fn holds(args: &[&str], status_of_a_link_out: u16, line: &str) {
    if load::skips(kernel() >= ABI::V6, "Landlock ABI 6 (Linux 6.12)") {
        return;
    }
    let site = Site::new();
    site.file("hello.txt", "hello, world\n").link("out.txt", site.outside().join("secret.txt"));
    let server = Server::start(site.root(), args);
    assert_eq!(line_about_the_sandbox(&server), format!("{line}{ALL_OF_IT}"));
    let mut client = Client::connect(&server);
    assert_eq!(client.ask(plain_get("/hello.txt")).content, b"hello, world\n");
    assert_eq!(client.ask(plain_get("/out.txt")).status, status_of_a_link_out);
    let privileges = threads_no_new_privs(server.pid());
    // The main thread, the two logs' and a worker's at the least.
    assert!(privileges.len() >= 4 && privileges.iter().all(|no_new| no_new == "1"), "{privileges:?}");
}

/// `NoNewPrivs` of every thread of the process.
fn threads_no_new_privs(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("our own child shows its threads");
    let of_task = |task: io::Result<fs::DirEntry>| {
        let status = fs::read_to_string(task.expect("it can be listed").path().join("status")).expect("it still runs");
        let value = status.lines().find_map(|line| line.strip_prefix("NoNewPrivs:")).expect("Linux 4.10 has it");
        value.trim().to_owned()
    };
    tasks.map(of_task).collect()
}

#[test]
fn without_a_sandbox_it_says_so_and_gives_nothing_up() {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n");
    let server = Server::start(site.root(), &["--no-sandbox"]);
    assert_eq!(line_about_the_sandbox(&server), "millpond: info: no sandbox, as asked");
    assert_eq!(Client::connect(&server).ask(plain_get("/hello.txt")).content, b"hello, world\n");
    // Whoever started the tests may have given something up before.
    let ours = threads_no_new_privs(std::process::id());
    assert!(threads_no_new_privs(server.pid()).iter().all(|theirs| *theirs == ours[0]));
}

#[test]
fn a_directory_that_is_renamed_is_still_the_one_that_may_be_read() {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n").file("sub/deep.txt", "deep\n");
    let server = Server::start(site.root(), &[]);
    fs::rename(site.root(), site.whole().join("renamed")).expect("our own directory");
    site.file("hello.txt", "another one\n");
    let mut client = Client::connect(&server);
    assert_eq!(client.ask(plain_get("/hello.txt")).content, b"hello, world\n");
    assert_eq!(client.ask(plain_get("/sub/deep.txt")).content, b"deep\n");
}

// -------------------------------------------------------------------------------------------------------- older kernels

rows!(a_kernel_that_lacks_it:
    a_kernel_without_landlock(
        "landlock_create_ruleset:error=ENOSYS",
        "no sandbox: this kernel has no Landlock (Linux 5.13), or a container refuses it; gave up new privileges",
    ),
    a_container_that_refuses_landlock(
        "landlock_create_ruleset:error=EPERM",
        "no sandbox: this kernel has no Landlock (Linux 5.13), or a container refuses it; gave up new privileges",
    ),
    a_kernel_that_was_started_without_landlock(
        "landlock_create_ruleset:error=EOPNOTSUPP",
        "no sandbox: this kernel was started without Landlock (lsm=); gave up new privileges",
    ),
    a_container_that_refuses_a_ruleset(
        "landlock_create_ruleset:error=EPERM:when=2",
        "no sandbox: failed to create a ruleset: Operation not permitted (os error 1)",
    ),
    a_process_in_too_many_sandboxes_already(
        "landlock_restrict_self:error=E2BIG",
        "no sandbox: failed to restrict the calling thread: Argument list too long (os error 7)",
    ),
    a_container_that_refuses_to_give_up_privileges(
        "prctl:error=EPERM",
        "no sandbox: failed to set no_new_privs: Operation not permitted (os error 1)",
    ),
    landlock_of_linux_5_13(
        "landlock_create_ruleset:retval=1:when=1",
        "sandbox: reads beneath the directory only; gave up writing, executing, new privileges; this kernel can't take \
         away truncating (Linux 6.2), TCP connections and further ports (Linux 6.7), ioctl on devices (Linux 6.10), \
         signals to others (Linux 6.12), abstract sockets of others (Linux 6.12)",
    ),
    landlock_of_linux_6_7(
        "landlock_create_ruleset:retval=4:when=1",
        "sandbox: reads beneath the directory only; gave up writing, executing, truncating, TCP connections and further \
         ports, new privileges; this kernel can't take away ioctl on devices (Linux 6.10), signals to others (Linux 6.12), \
         abstract sockets of others (Linux 6.12)",
    ),
);

/// strace stands between the program and the kernel, and gives the answer of another kernel. It warns, and serves.
fn a_kernel_that_lacks_it(answer: &str, line: &str) {
    let present = kernel() >= ABI::V6 && load::program("strace").is_some();
    if load::skips(present, "strace, or Landlock ABI 6 (Linux 6.12)") {
        return;
    }
    let site = Site::new();
    site.file("hello.txt", "hello, world\n");
    let program = Server::command(site.root());
    let mut command = Command::new("strace");
    // -D: the program is our child, and strace its grandchild that ends with it.
    command.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e"]).arg(format!("inject={answer}"));
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let server = Server::spawn(command);
    assert_eq!(line_about_the_sandbox(&server), format!("millpond: warn: {line}"));
    assert_eq!(Client::connect(&server).ask(plain_get("/hello.txt")).content, b"hello, world\n");
}
