//! How a lab ends before its end: quietly, and leaving nothing behind.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use millpond::engine::inherit;
use rustix::process::{Pid, Signal, kill_process};

use crate::experiments::text;
use crate::{example, skips};

const PATIENCE: Duration = Duration::from_secs(30);

/// A lab that runs, with a directory of its own for what it makes, and for its plots.
fn start(arguments: &[&str], place: &Path) -> Child {
    let mut command = Command::new(example("lab"));
    command.args(arguments).arg("--plots").arg(place.join("plots")).env("TMPDIR", place.join("files"));
    fs::create_dir(place.join("files")).expect("there is room for files");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the lab runs")
}

#[test]
fn when_nobody_reads_on_it_ends_quietly() {
    let place = tempfile::tempdir().expect("there is room for files");
    let mut lab = start(&["isolation"], place.path());
    let mut line = String::new();
    // Dropped with its buffer after one line, as by `head -1`.
    BufReader::new(lab.stdout.take().expect("it is piped")).read_line(&mut line).expect("it says something");
    assert!(line.starts_with("isolation: "), "{line}");
    let status = lab.wait().expect("it ends");
    let mut said = String::new();
    lab.stderr.take().expect("it is piped").read_to_string(&mut said).expect("it is text");
    assert!(status.success() && said.is_empty(), "{status}: {said}");
}

/// Its first netlink message is answered as by a kernel that has not the module.
#[test]
fn where_the_kernel_lists_no_sockets_a_lab_says_so_and_is_skipped() {
    if skips(Command::new("strace").arg("-V").output().is_ok(), "strace") {
        return;
    }
    for arguments in [["backlog", "--quick"], ["utilisation", "--self-check"]] {
        let place = tempfile::tempdir().expect("there is room for files");
        let mut command = Command::new("strace");
        command.args(["-qq", "-o", "/dev/null", "-e", "inject=sendto:error=ENOENT:when=1"]).arg(example("lab"));
        let output = command.args(arguments).arg("--plots").arg(place.path()).output().expect("strace runs");
        let said = text(&output);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("\n  skipped   the kernel lists no sockets: "), "{said}");
        assert!(said.ends_with("; modprobe tcp_diag\n\n") && !said.contains("verdict"), "{said}");
    }
}

#[test]
fn a_signal_ends_it_and_its_servers_and_nothing_is_left() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        if signal == Signal::HUP && inherit::is_ignored(signal.as_raw()) {
            println!("skipped: whoever runs this has SIGHUP ignored, and so has the lab");
            continue;
        }
        let place = tempfile::tempdir().expect("there is room for files");
        // It waits for ten seconds, and its server has processes of its own.
        let mut lab = start(&["slowloris", "--server", "process-per-worker"], place.path());
        let pid = Pid::from_child(&lab);
        wait_until("a server has workers", || children(pid).into_iter().any(|server| !children(server).is_empty()));
        let servers: Vec<Pid> = children(pid);
        let workers: Vec<Pid> = servers.iter().flat_map(|server| children(*server)).collect();
        assert!(fs::read_dir(place.path().join("files")).expect("it is there").next().is_some());
        kill_process(pid, signal).expect("it is there");
        assert_eq!(lab.wait().expect("it ends").code(), Some(128 + signal.as_raw()), "{signal:?}");
        let left: Vec<PathBuf> = fs::read_dir(place.path().join("files"))
            .expect("it is there")
            .flatten()
            .map(|entry| entry.path())
            .collect();
        assert!(left.is_empty(), "{signal:?} leaves {left:?}");
        for process in servers.into_iter().chain(workers) {
            wait_until("it ends with the lab", || has_ended(process));
        }
    }
}

/// Of all threads of a process.
fn children(pid: Pid) -> Vec<Pid> {
    let tasks = fs::read_dir(format!("/proc/{}/task", pid.as_raw_pid())).into_iter().flatten().flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let numbers: Vec<i32> =
        texts.flat_map(|text| text.split(' ').filter_map(|n| n.parse().ok()).collect::<Vec<_>>()).collect();
    numbers.into_iter().filter_map(Pid::from_raw).collect()
}

/// Whether it is gone, or nobody has asked how it ended.
fn has_ended(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('Z'))
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        // It tells nobody when it changes.
        thread::sleep(Duration::from_millis(1));
    }
}
