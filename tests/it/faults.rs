//! System calls that fail under the running server, as strace makes them: every answer that comes whole is right, no
//! worker and no slot is lost, and the drain ends with 0.
//!
//! *Invariants:* 1, 3, 9, 10 and 12 of DESIGN.md §3; rows A1, A2, A4, A5, A13, T1, T7 and T8 of threats.md.
//!
//! A call that strace fails isn't made. So there are only faults here that look to the server as the kernel's own do, and
//! left out is:
//! - `EAGAIN` of `recvfrom`, `sendto` and `sendfile`: the kernel gives it with a promise of an event, which an injected one
//!   breaks. Full and empty sockets are made by slow clients ([`transfer`](crate::transfer), [`splits`](crate::splits)),
//!   and at any place in memory (`tests/engine/faults.rs`);
//! - short counts: strace can return one, but moves no byte. They are tried in the same two places;
//! - errors of `close`: the kernel closes whatever it says, an injected one doesn't;
//! - errors of `write` to an eventfd: there is one, when its counter is full, and then it is readable anyway;
//! - errors of `epoll_pwait` other than `EINTR`, and of `shutdown` other than `ENOTCONN`: neither has any that isn't a
//!   mistake of ours.

use rustix::process::Signal;

use crate::crowd::{self, Base};
use crate::strace;
use crate::support::{PATIENCE, Server, common, rows};

/// What clients notice.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// Nothing: every answer comes, and is right.
    Nothing,
    /// Nothing but a moment in which nobody is accepted, and the operator is told.
    Pause,
    /// Some answers say that it can't be done now, with this status; nobody is cut.
    Refusals(u16),
    /// Some connections end before the answer has come whole.
    Cuts,
}
use Seen::{Cuts, Nothing, Pause, Refusals};

rows!(withstands:
    // Of the connection that would have been accepted: the next one, at once.
    accept_finds_a_client_gone("accept4:error=ECONNABORTED:when=1+2", Nothing),
    accept_finds_a_protocol_error("accept4:error=EPROTO:when=1+2", Nothing),
    accept_is_forbidden_by_a_firewall("accept4:error=EPERM:when=1+2", Nothing),
    accept_finds_the_network_down("accept4:error=ENETDOWN:when=1+2", Nothing),
    accept_finds_nobody_in_time("accept4:error=ETIMEDOUT:when=1+2", Nothing),
    accept_is_interrupted("accept4:error=EINTR:when=1+2", Nothing),
    // Of the process: a pause, and once more.
    accept_has_no_descriptor_for_the_process("accept4:error=EMFILE:when=1+2", Pause),
    accept_has_no_descriptor_five_times("accept4:error=EMFILE:when=1..5", Pause),
    accept_has_no_descriptor_for_the_machine("accept4:error=ENFILE:when=1+2", Pause),
    accept_has_no_buffer("accept4:error=ENOBUFS:when=1+2", Pause),
    accept_has_no_memory("accept4:error=ENOMEM:when=1+2", Pause),
    // Waiting.
    the_accept_loop_is_interrupted("ppoll:error=EINTR:when=1+2", Nothing),
    the_accept_loop_has_no_memory("ppoll:error=ENOMEM:when=1+2", Nothing),
    a_worker_is_interrupted("epoll_pwait:error=EINTR:when=1+2", Nothing),
    a_connection_cannot_be_watched_for_want_of_memory("epoll_ctl:error=ENOMEM:when=2+3", Cuts),
    a_connection_cannot_be_watched_for_too_many_watches("epoll_ctl:error=ENOSPC:when=2+3", Cuts),
    // Reading requests.
    a_read_is_interrupted("recvfrom:error=EINTR:when=1+2", Nothing),
    a_read_is_interrupted_nine_times("recvfrom:error=EINTR:when=1..9", Nothing),
    a_read_finds_the_client_gone("recvfrom:error=ECONNRESET:when=3+4", Cuts),
    a_read_finds_the_client_silent("recvfrom:error=ETIMEDOUT:when=3+4", Cuts),
    a_read_finds_no_way_to_the_client("recvfrom:error=EHOSTUNREACH:when=3+4", Cuts),
    a_read_has_no_memory("recvfrom:error=ENOMEM:when=3+4", Cuts),
    // Writing answers.
    a_write_is_interrupted("sendto,sendmsg:error=EINTR:when=1+2", Nothing),
    a_write_finds_the_client_gone("sendto,sendmsg:error=EPIPE:when=3+4", Cuts),
    a_write_finds_the_connection_reset("sendto,sendmsg:error=ECONNRESET:when=3+4", Cuts),
    a_write_finds_the_client_silent("sendto,sendmsg:error=ETIMEDOUT:when=3+4", Cuts),
    a_write_finds_no_way_to_the_client("sendto,sendmsg:error=EHOSTUNREACH:when=3+4", Cuts),
    a_write_has_no_buffer("sendto,sendmsg:error=ENOBUFS:when=3+4", Cuts),
    a_write_has_no_memory("sendto,sendmsg:error=ENOMEM:when=3+4", Cuts),
    the_end_of_the_stream_finds_the_client_gone("shutdown:error=ENOTCONN:when=1+2", Nothing),
    // Sending files.
    a_file_is_sent_with_interruptions("sendfile:error=EINTR:when=1+2", Nothing),
    a_file_is_sent_to_nobody("sendfile:error=EPIPE:when=1+2", Cuts),
    a_file_is_sent_from_a_broken_disk("sendfile:error=EIO:when=1+2", Cuts),
    a_file_is_sent_without_memory("sendfile:error=ENOMEM:when=1+2", Cuts),
    a_file_is_sent_that_has_become_shorter("sendfile:retval=0:when=1+2", Cuts),
    // Finding files.
    an_open_is_interrupted("openat2:error=EINTR:when=1+2", Nothing),
    an_open_meets_a_renaming("openat2:error=EAGAIN:when=1+2", Nothing),
    an_open_meets_too_many_renamings("openat2:error=EAGAIN:when=4..40", Refusals(503)),
    an_open_has_no_descriptor_for_the_process("openat2:error=EMFILE:when=4..40", Refusals(503)),
    an_open_has_no_descriptor_for_the_machine("openat2:error=ENFILE:when=4..40", Refusals(503)),
    an_open_has_no_memory("openat2:error=ENOMEM:when=4..40", Refusals(503)),
    an_open_finds_a_broken_disk("openat2:error=EIO:when=4..40", Refusals(500)),
    an_open_finds_what_the_file_server_has_forgotten("openat2:error=ESTALE:when=4..40", Refusals(500)),
    an_open_is_not_permitted("openat2:error=EACCES:when=4..40", Refusals(403)),
    a_look_by_name_has_no_memory("newfstatat:error=ENOMEM:when=1+2", Nothing),
    a_look_by_name_finds_a_broken_disk("newfstatat:error=EIO:when=1+2", Nothing),
    a_look_at_a_descriptor_has_no_memory("fstat:error=ENOMEM:when=1+3", Refusals(503)),
    a_look_at_a_descriptor_finds_a_broken_disk("fstat:error=EIO:when=1+3", Refusals(500)),
    // Reading files.
    a_file_is_read_with_interruptions("pread64:error=EINTR:when=1+2", Nothing),
    a_file_is_read_from_a_broken_disk("pread64:error=EIO:when=1+2", Refusals(500)),
    a_file_is_read_that_the_file_server_has_forgotten("pread64:error=ESTALE:when=1+2", Refusals(500)),
    a_file_is_read_that_has_become_shorter("pread64:retval=0:when=1+2", Refusals(500)),
);

/// `call:error=name:when=pattern`, each thread counting for itself; patterns are such that whoever tries again succeeds.
fn withstands(fault: &str, seen: Seen) {
    // On a busy machine the one thread that makes a call may sleep through all that happens.
    assert!((0..3).any(|_| is_felt_and_withstood(fault, seen)), "the fault was never felt");
}

/// Whether there was a fault; without one nothing was tried.
fn is_felt_and_withstood(fault: &str, seen: Seen) -> bool {
    const CLIENTS: usize = 4;
    const ROUNDS: usize = 6;
    const CONNECTIONS_MAX: usize = 32;
    let limit = CONNECTIONS_MAX.to_string();
    let arguments = ["--workers", "2", "--connections-max", &limit, "--access-log", "off"];
    let mut server = Server::start(common().site.root(), &arguments);
    let base = Base::of(&server);
    let calls = fault.split(':').next().expect("a split has a first part");
    let inject = format!("--inject={fault}");
    let Some(trace) = strace::attach(server.pid(), &["-e", &format!("trace={calls}"), &inject]) else { return true };
    let refusals = if let Refusals(status) = seen { vec![status] } else { Vec::new() };
    let tally = crowd::ask(&server, CLIENTS, ROUNDS, &refusals);
    let injected = trace.detach().matches("(INJECTED)").count();

    if injected == 0 {
        return false;
    }
    assert!(tally.right > 0, "{injected} faults: {tally:?}");
    let is_seen = match seen {
        Nothing | Pause => tally.refused == 0 && tally.cut == 0,
        Refusals(_) => tally.refused > 0 && tally.cut == 0,
        Cuts => tally.refused == 0 && tally.cut > 0,
    };
    assert!(is_seen, "{injected} faults, of which clients are to see {seen:?}: {tally:?}");
    let after = crowd::ask(&server, CLIENTS, 1, &[]);
    assert_eq!((after.refused, after.cut), (0, 0), "it is over");
    base.assert_again(&server);
    crowd::assert_holds(&server, CONNECTIONS_MAX);
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    let stderr = String::from_utf8_lossy(&server.stderr_to_end()).into_owned();
    // strace has let go of a thread in the middle of a fault: it had told the kernel to do nothing, and not yet what to say.
    if stderr.contains("Function not implemented") {
        return false;
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert_eq!(stderr.contains("accepting pauses"), matches!(seen, Pause), "{stderr}");
    true
}
