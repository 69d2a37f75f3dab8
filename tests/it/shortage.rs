//! What the system grants too little of: at the start one line says so, and at run time it is waited for.
//!
//! *Invariants:* 10 of DESIGN.md §3; rows A1 to A3, A12, K1 and S10 of threats.md. That a running server starts no thread
//! is in [`parking`](crate::parking), what it does while it has no descriptor in [`limits`](crate::limits).

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::crowd::{self, Base};
use crate::load::{self, program, skips};
use crate::special_files;
use crate::support::{Server, Site, ask, common, get, rows};

// ------------------------------------------------------------------------------------------------------------ at start

rows!(cannot_start:
    without_a_descriptor_for_the_directory("open:error=EMFILE", "can't serve"),
    without_openat2("openat2:error=ENOSYS", "refuses openat2"),
    in_a_sandbox_without_openat2("openat2:error=EPERM", "refuses openat2"),
    without_a_descriptor_to_listen("socket:error=EMFILE:when=1", "can't listen on 127.0.0.1:0: Too many open files"),
    on_a_port_that_is_taken_before_it_listens("listen:error=EADDRINUSE", "choose another port with --port"),
    without_descriptors_for_the_drain("socketpair:error=EMFILE", "can't listen: Too many open files"),
    without_a_descriptor_to_wait_with("epoll_create1:error=EMFILE", "can't start serving: Too many open files"),
    without_a_descriptor_to_wake_with("eventfd2:error=ENFILE", "can't start serving: Too many open files in system"),
    without_memory_to_watch("epoll_ctl:error=ENOMEM", "can't start serving: Cannot allocate memory"),
);

/// strace makes the call fail from the first one on: the exit code is 1, and the last line says why.
fn cannot_start(fault: &str, reason: &str) {
    if skips(program("strace").is_some(), "strace") {
        return;
    }
    let (site, out) = (Site::new(), Site::new());
    let server = Server::command(site.root());
    let calls = fault.split(':').next().expect("a split has a first part");
    let mut command = Command::new("strace");
    command.args(["-qq", "-f", "-e", &format!("trace={calls}"), &format!("--inject={fault}"), "-o"]);
    command.arg(out.path("trace")).arg(server.get_program()).args(server.get_args());
    assert_refuses(command, reason);
}

fn assert_refuses(mut command: Command, reason: &str) {
    let output = command.output().expect("a program that was found runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.lines().next_back().unwrap_or_default();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(last.starts_with("millpond: ") && last.contains(reason), "{stderr}");
}

rows!(cannot_start_its_threads:
    with_one_thread_there_is_no_log("1", "can't start the log: "),
    with_two_threads_there_is_no_access_log("2", "can't start the access log: "),
    with_three_threads_there_is_no_worker("3", "the system refuses to start 2 worker threads"),
    with_four_threads_there_is_one_worker_too_few("4", "the system refuses to start 2 worker threads"),
);

/// The limit is one on all threads of a user, and not one for root: so each row has a user of its own.
fn limited_to(threads: &str, site: &Site) -> Option<Command> {
    if skips(rustix::process::geteuid().is_root(), "root, who can be any user") {
        return None;
    }
    if skips(program("prlimit").is_some(), "prlimit") {
        return None;
    }
    let user = 61_000 + threads.parse::<u32>().expect("a number");
    let server = special_files::unprivileged(site, user);
    let mut command = Command::new("prlimit");
    command.arg(format!("--nproc={threads}")).arg(server.get_program()).args(server.get_args());
    command.args(["--workers", "2"]).current_dir("/").env_clear().uid(user).gid(user);
    Some(command)
}

fn cannot_start_its_threads(threads: &str, reason: &str) {
    let site = Site::new();
    let Some(command) = limited_to(threads, &site) else { return };
    assert_refuses(command, reason);
}

#[test]
fn with_five_threads_two_workers_serve() {
    let site = Site::new();
    let Some(command) = limited_to("5", &site) else { return };
    let server = Server::spawn(command);
    // Once it has answered, it has started them all.
    assert_eq!(ask(&server, get("/", "")).status, 200);
    assert_eq!(load::threads(server.pid()), 5);
}

// --------------------------------------------------------------------------------------------------------- at run time

#[test]
fn while_the_limit_on_descriptors_goes_up_and_down_every_answer_is_right_or_503_and_nobody_is_cut() {
    const TIMES: usize = 20;
    let _alone = load::alone();
    let server = Server::start(common().site.root(), &["--workers", "2", "--access-log", "off"]);
    let base = Base::of(&server);
    let (right, refused) = thread::scope(|scope| {
        let asking = scope.spawn(|| crowd::ask(&server, 4, 100, &[503]));
        for _ in 0..TIMES {
            let old = load::limit_descriptors(server.pid(), load::next_descriptor(server.pid()));
            thread::sleep(Duration::from_millis(20));
            load::limit_descriptors(server.pid(), old);
            thread::sleep(Duration::from_millis(20));
        }
        let tally = asking.join().expect("every whole answer is a right one");
        assert_eq!(tally.cut, 0, "{tally:?}");
        (tally.right, tally.refused)
    });
    assert!(right > refused && refused > 0, "{right} right, {refused} refused: the limit was felt, and not only it");
    let after = crowd::ask(&server, 4, 2, &[]);
    assert_eq!((after.refused, after.cut), (0, 0), "it is over");
    base.assert_again(&server);
}
