//! The command line as its users meet it: the first line, the options, the environment, and one line for whatever is
//! wrong.
//!
//! *Invariants:* rows P19, D10, S10, S12, S13 and S15 of threats.md. Exit code 1 is the world's fault, 2 is the
//! command's; nothing ever ends in a backtrace.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::load::{self, plain_get};
use crate::support::{Client, PATIENCE, Server, Site, bare_command, rows};

fn site() -> Site {
    let site = Site::new();
    site.file("hello.txt", "hello, world\n").file(".hidden", "hidden\n").link("out.txt", "../outside/secret.txt");
    site
}

/// What a command that ends by itself leaves.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs a command that must end by itself, and would show a backtrace if it could.
fn run(mut command: Command) -> Ended {
    command.env("RUST_BACKTRACE", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the server's binary starts");
    let mut code = None;
    let deadline = std::time::Instant::now() + PATIENCE;
    while code.is_none() && std::time::Instant::now() < deadline {
        code = child.try_wait().expect("our own child can be waited for");
        std::thread::sleep(Duration::from_millis(2));
    }
    // It fails only if it has ended, as it should.
    let _ = child.kill();
    child.wait().expect("our own child can be waited for");
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().expect("piped").read_to_string(&mut stdout).expect("stdout is text");
    child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("stderr is text");
    let status = code.unwrap_or_else(|| panic!("it serves, and should not: {stdout:?}"));
    for crash in ["panicked", "backtrace", "RUST_BACKTRACE", "Error {", "Err("] {
        assert!(!stderr.contains(crash), "{stderr}");
    }
    Ended { code: status.code(), stdout, stderr }
}

fn with(args: &[&str]) -> Command {
    let mut command = bare_command();
    command.args(args);
    command
}

// ---------------------------------------------------------------------------------------------------------- first line

rows!(first_line:
    the_first_line_is_the_address_to_open(&[]),
    the_first_line_is_printed_even_with_quiet(&["-q"]),
    the_first_line_is_printed_without_an_access_log(&["--access-log", "off"]),
    the_first_line_is_the_first_with_verbose(&["-v"]),
);

fn first_line(args: &[&str]) {
    let site = site();
    let server = Server::start(site.root(), args);
    let expected = format!("http://127.0.0.1:{}/\n", server.address().port());
    assert!(server.stdout().starts_with(expected.as_bytes()));
    assert_ne!(server.address().port(), 0, "the port is filled in");
    // It was printed once connections are accepted, not before.
    assert_eq!(Client::connect(&server).ask(plain_get("/hello.txt")).content, b"hello, world\n");
}

#[test]
fn several_addresses_stand_in_the_first_line_in_the_order_of_the_options() {
    let site = site();
    let server = Server::start(site.root(), &["--bind", "127.0.0.2", "-b", "127.0.0.1", "--access-log", "off"]);
    let [second, first] = server.addresses() else { panic!("{:?}", server.addresses()) };
    assert_eq!((second.ip().to_string().as_str(), first.ip().to_string().as_str()), ("127.0.0.2", "127.0.0.1"));
    let expected = format!("http://{second}/ http://{first}/\n");
    assert_eq!(String::from_utf8_lossy(&server.stdout()), expected);
    for address in server.addresses() {
        assert_eq!(Client::connect_to(*address).ask(plain_get("/hello.txt")).content, b"hello, world\n");
    }
}

#[test]
fn ipv6_is_served_beside_ipv4_and_has_its_brackets() {
    if load::skips(TcpListener::bind("[::1]:0").is_ok(), "IPv6 on this machine") {
        return;
    }
    let site = site();
    let server = Server::start(site.root(), &["--bind", "127.0.0.1", "--bind", "::1"]);
    let [four, six] = server.addresses() else { panic!("{:?}", server.addresses()) };
    assert_eq!(six.to_string(), format!("[::1]:{}", six.port()));
    for address in [four, six] {
        assert_eq!(Client::connect_to(*address).ask(plain_get("/hello.txt")).content, b"hello, world\n");
    }
    server.wait_for_stdout_line(PATIENCE, |line| line.starts_with("127.0.0.1 - - ["));
    server.wait_for_stdout_line(PATIENCE, |line| line.starts_with("::1 - - ["));
}

// ------------------------------------------------------------------------------------------------------ what is served

#[test]
fn without_a_directory_public_is_served_if_there_is_one() {
    let site = Site::new();
    site.file("public/hello.txt", "public\n").file("hello.txt", "here\n");
    assert_eq!(served_from(site.root()), "public\n");
}

#[test]
fn without_a_directory_and_without_public_the_current_one_is_served() {
    let site = Site::new();
    site.file("hello.txt", "here\n");
    assert_eq!(served_from(site.root()), "here\n");
}

#[test]
fn a_file_called_public_is_no_directory_to_serve() {
    let site = Site::new();
    site.file("hello.txt", "here\n").file("public", "a file");
    assert_eq!(served_from(site.root()), "here\n");
}

/// The content of `/hello.txt` of a server that was started there without a directory.
fn served_from(current_directory: &Path) -> String {
    let mut command = with(&["--port", "0"]);
    command.current_dir(current_directory);
    let server = Server::spawn(command);
    Client::connect(&server).ask(plain_get("/hello.txt")).content_text().to_owned()
}

// --------------------------------------------------------------------------------------------------- the world's fault

/// One line that names the cause, and nothing on stdout.
fn assert_refuses(command: Command, names: &[&str]) {
    let ended = run(command);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    assert!(
        ended.stderr.ends_with('\n') && ended.stderr.matches('\n').count() == 1,
        "not one line: {:?}",
        ended.stderr
    );
    for name in names {
        assert!(ended.stderr.contains(name), "no {name:?} in {:?}", ended.stderr);
    }
}

#[test]
fn a_port_in_use_is_one_line() {
    let site = site();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("a bound socket has an address").port().to_string();
    let mut command = with(&["--port", &port]);
    command.arg(site.root());
    assert_refuses(command, &[&port, "127.0.0.1", "in use"]);
}

#[test]
fn an_address_that_is_not_ours_is_one_line() {
    let site = site();
    // TEST-NET-1 (RFC 5737) is nobody's.
    let mut command = with(&["--port", "0", "--bind", "192.0.2.1"]);
    command.arg(site.root());
    assert_refuses(command, &["192.0.2.1"]);
}

#[test]
fn no_such_directory_is_one_line() {
    let site = site();
    let nope = site.path("nope");
    let mut command = with(&["--port", "0"]);
    command.arg(&nope);
    assert_refuses(command, &[nope.to_str().expect("a path of this test is text")]);
}

#[test]
fn what_is_neither_a_directory_nor_a_file_is_one_line() {
    for path in ["/dev/null", "/proc/self/exe/", "/dev/null/x"] {
        let mut command = with(&["--port", "0"]);
        command.arg(path);
        assert_refuses(command, &[path, "directory"]);
    }
}

#[test]
fn a_directory_without_permission_is_one_line() {
    let site = site();
    site.directory("closed").mode("closed", 0o000);
    let mut command = with(&["--port", "0"]);
    command.arg(site.path("closed"));
    assert_refuses(as_nobody(command), &["closed", "ermission"]);
}

#[test]
fn a_port_without_permission_is_one_line() {
    let unprivileged = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    if load::skips(unprivileged.trim().parse().is_ok_and(|start: u16| start > 1), "port that needs a privilege") {
        return;
    }
    let site = site();
    let mut command = with(&["--port", "1"]);
    command.arg(site.root());
    assert_refuses(as_nobody(command), &["ermission", "1"]);
}

/// Root may do everything, so that it is not root who tries.
fn as_nobody(mut command: Command) -> Command {
    const NOBODY: u32 = 65_534;
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

// ------------------------------------------------------------------------------------------------- the command's fault

rows!(wrong:
    an_unknown_option(&["--frobnicate"], "--frobnicate"),
    two_directories(&[".", "."], "'.'"),
    a_port_beyond_16_bits(&["--port=70000"], "--port"),
    a_negative_port(&["--port=-1"], "--port"),
    a_port_by_name(&["--port", "http"], "--port"),
    no_workers(&["--workers", "0"], "--workers"),
    a_negative_number_of_workers(&["--workers=-1"], "--workers"),
    workers_in_words(&["--workers", "many"], "--workers"),
    half_a_worker(&["--workers", "1.5"], "--workers"),
    no_connections(&["--connections-max", "0"], "--connections-max"),
    connections_in_words(&["--connections-max", "all"], "--connections-max"),
    a_head_timeout_of_zero(&["--head-timeout", "0s"], "--head-timeout"),
    a_head_timeout_without_a_unit(&["--head-timeout", "10"], "--head-timeout"),
    a_negative_head_timeout(&["--head-timeout=-1s"], "--head-timeout"),
    an_empty_head_timeout(&["--head-timeout="], "--head-timeout"),
    a_head_timeout_in_weeks(&["--head-timeout", "1w"], "--head-timeout"),
    a_head_timeout_beyond_64_bits(&["--head-timeout", "99999999999999999999s"], "--head-timeout"),
    a_head_timeout_that_overflows_when_multiplied(&["--head-timeout", "18446744073709551615m"], "--head-timeout"),
    a_unit_without_a_number(&["--idle-timeout", "s"], "--idle-timeout"),
    an_idle_timeout_of_zero(&["--idle-timeout", "0ms"], "--idle-timeout"),
    a_stall_timeout_of_zero(&["--stall-timeout", "0m"], "--stall-timeout"),
    a_stall_timeout_without_a_unit(&["--stall-timeout", "30"], "--stall-timeout"),
    a_drain_timeout_of_zero(&["--drain-timeout", "0s"], "--drain-timeout"),
    a_socket_mode_in_letters(&["--socket-mode", "rw"], "--socket-mode"),
    a_socket_mode_with_more_than_permissions(&["--socket-mode", "1777"], "--socket-mode"),
    a_bind_without_a_path(&["--bind", "unix:"], "--bind"),
    a_drain_delay_without_a_unit(&["--drain-delay", "5"], "--drain-delay"),
    a_trusted_proxy_by_name(&["--trusted-proxy", "localhost"], "--trusted-proxy"),
    a_trusted_proxy_with_a_prefix_too_long(&["--trusted-proxy", "10.0.0.0/33"], "--trusted-proxy"),
    a_drain_timeout_in_words(&["--drain-timeout", "soon"], "--drain-timeout"),
    a_bind_that_is_no_address(&["--bind", "nonsense"], "--bind"),
    a_bind_of_half_an_address(&["--bind", "127.0.0"], "--bind"),
    an_empty_bind(&["--bind", ""], "--bind"),
    a_bind_with_a_zone(&["--bind", "fe80::1%lo"], "--bind"),
    an_access_log_of_no_kind(&["--access-log", "nope"], "--access-log"),
    a_header_without_a_colon(&["--header", "nonsense"], "--header"),
    a_header_without_a_name(&["--header", ": value"], "--header"),
    a_header_with_a_space_in_its_name(&["--header", "X Y: value"], "--header"),
    a_header_with_a_space_before_its_colon(&["--header", "X : value"], "--header"),
    a_header_with_a_line_end(&["--header", "X: a\r\nY: b"], "--header"),
    a_header_with_a_line_feed(&["--header", "X: a\nY: b"], "--header"),
    a_header_with_a_control_byte(&["--header", "X: a\x1bb"], "--header"),
    a_header_that_frames_content_length(&["--header", "Content-Length: 1"], "--header"),
    a_header_that_frames_content_length_in_lower_case(&["--header", "content-length: 1"], "--header"),
    a_header_that_frames_transfer_encoding(&["--header", "Transfer-Encoding: chunked"], "--header"),
    a_header_that_frames_connection(&["--header", "Connection: close"], "--header"),
    an_option_without_its_value(&["--port"], "--port"),
);

/// Exit code 2, and clap's message names the option.
fn wrong(args: &[&str], named: &str) {
    let site = site();
    let mut command = with(args);
    command.current_dir(site.root());
    let ended = run(command);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains(named), "no {named:?} in {:?}", ended.stderr);
}

rows!(right:
    a_duration_in_milliseconds(&["--head-timeout", "500ms"]),
    a_duration_in_seconds(&["--idle-timeout", "90s"]),
    a_duration_in_minutes(&["--stall-timeout", "2m"]),
    all_the_long_options(&[
        "--bind", "127.0.0.1", "--workers", "3", "--connections-max", "100", "--head-timeout", "1s",
        "--idle-timeout", "1m",
        "--stall-timeout", "1m", "--drain-timeout", "1s", "--access-log", "combined", "--hidden", "--follow-symlinks",
        "--no-sandbox", "--header", "X-Duck: quack",
    ]),
    what_stands_before_it(&["--drain-delay", "0s", "--health", "--trusted-proxy", "10.0.0.0/8,unix:,::1"]),
    all_the_short_options(&["-p", "0", "-b", "127.0.0.1", "-w", "3", "-v"]),
);

fn right(args: &[&str]) {
    let site = site();
    let mut command = bare_command();
    if !args.contains(&"-p") {
        command.args(["--port", "0"]);
    }
    command.args(args).arg(site.root());
    let server = Server::spawn(command);
    assert_eq!(Client::connect(&server).ask(plain_get("/hello.txt")).content, b"hello, world\n");
}

// ----------------------------------------------------------------------------------------------------- the environment

/// Every option that takes a value: its variable, a value that it refuses, and one that it takes.
const VARIABLES: [(&str, &str, &str, &str); 13] = [
    ("--port", "MILLPOND_PORT", "70000", "0"),
    ("--bind", "MILLPOND_BIND", "nonsense", "127.0.0.1"),
    ("--workers", "MILLPOND_WORKERS", "0", "1"),
    ("--connections-max", "MILLPOND_CONNECTIONS_MAX", "0", "10"),
    ("--head-timeout", "MILLPOND_HEAD_TIMEOUT", "0s", "1s"),
    ("--idle-timeout", "MILLPOND_IDLE_TIMEOUT", "10", "1s"),
    ("--stall-timeout", "MILLPOND_STALL_TIMEOUT", "-1s", "1s"),
    ("--drain-timeout", "MILLPOND_DRAIN_TIMEOUT", "soon", "1s"),
    ("--access-log", "MILLPOND_ACCESS_LOG", "nope", "off"),
    ("--socket-mode", "MILLPOND_SOCKET_MODE", "999", "0660"),
    ("--drain-delay", "MILLPOND_DRAIN_DELAY", "later", "0s"),
    ("--trusted-proxy", "MILLPOND_TRUSTED_PROXY", "somebody", "10.0.0.0/8"),
    ("--header", "MILLPOND_HEADER", "Content-Length: 1", "X-Duck: quack"),
];

#[test]
fn a_wrong_value_in_the_environment_is_refused_like_one_on_the_command_line() {
    let site = site();
    for (_, variable, wrong, _) in VARIABLES {
        let mut command = bare_command();
        command.current_dir(site.root()).env(variable, wrong);
        if variable != "MILLPOND_PORT" {
            command.args(["--port", "0"]);
        }
        let ended = run(command);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{variable}={wrong}: {}", ended.stderr);
        assert!(ended.stderr.contains(wrong), "{variable}={wrong}: {:?}", ended.stderr);
    }
}

#[test]
fn every_option_can_be_given_in_the_environment() {
    let site = site();
    let mut command = bare_command();
    command.arg(site.root()).envs(VARIABLES.map(|(_, variable, _, right)| (variable, right)));
    command.env("MILLPOND_HIDDEN", "true").env("MILLPOND_FOLLOW_SYMLINKS", "true").env("MILLPOND_NO_SANDBOX", "true");
    let server = Server::spawn(command);
    let mut client = Client::connect(&server);
    let hello = client.ask(plain_get("/hello.txt"));
    assert_eq!((hello.field("x-duck").as_str(), hello.content.as_slice()), ("quack", b"hello, world\n".as_slice()));
    assert_eq!(client.ask(plain_get("/.hidden")).content, b"hidden\n");
    assert_eq!(client.ask(plain_get("/out.txt")).content, crate::support::SECRET.as_bytes());
    assert_eq!(server.stdout().iter().filter(|byte| **byte == b'\n').count(), 1, "the access log is off");
    server.wait_for_stderr_line(PATIENCE, |line| line.contains("no sandbox"));
}

#[test]
fn the_command_line_wins_over_the_environment() {
    let site = site();
    for (option, variable, wrong, right) in VARIABLES {
        // Field lines of the environment are read in any case, and then not used.
        let overridden = if option == "--header" { "X-Duck: silent" } else { wrong };
        let mut command = bare_command();
        command.arg(site.root()).env(variable, overridden).args([option, right]);
        if option != "--port" {
            command.args(["--port", "0"]);
        }
        let server = Server::spawn(command);
        let hello = Client::connect(&server).ask(plain_get("/hello.txt"));
        assert_eq!(hello.status, 200, "{option} {right} with {variable}={overridden}");
        assert_eq!(hello.optional("x-duck").as_deref(), (option == "--header").then_some("quack"));
    }
}

// ---------------------------------------------------------------------------------------------------------------- help

rows!(help:
    the_long_help_names_every_option_and_the_rule_for_variables(&["--help"]),
    the_short_help_names_every_option(&["-h"]),
);

fn help(args: &[&str]) {
    let ended = run(with(args));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let flags = ["--hidden", "--follow-symlinks", "--no-sandbox", "--verbose", "--quiet", "--help", "--version"];
    let flags = flags.into_iter().chain(["--open", "--qr", "--health"]);
    for name in VARIABLES.iter().map(|(option, ..)| *option).chain(flags) {
        assert!(ended.stdout.contains(name), "no {name} in {}", ended.stdout);
    }
    assert!(args == ["-h"] || ended.stdout.contains("MILLPOND_HEAD_TIMEOUT"), "the rule for variables has an example");
}

rows!(version:
    the_version_is_one_line(&["--version"]),
    the_short_version_is_the_same_line(&["-V"]),
);

fn version(args: &[&str]) {
    let ended = run(with(args));
    let expected = concat!("millpond ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), expected, ""));
}

// -------------------------------------------------------------------------------------------------- what stderr is for

rows!(stderr_lines:
    a_usual_run_says_when_it_starts_and_how_it_ended(&[], 1..=5),
    a_quiet_run_says_nothing(&["--quiet"], 0..=0),
);

/// What goes wrong with a request is no business of the operator's.
fn stderr_lines(args: &[&str], count: std::ops::RangeInclusive<usize>) {
    let site = site();
    let mut server = Server::start(site.root(), args);
    Client::connect(&server).ask(plain_get("/hello.txt"));
    Client::connect(&server).ask(plain_get("/none"));
    crate::support::exchange(&server, "nonsense\r\n\r\n");
    server.signal(Signal::INT);
    assert_eq!(server.wait_exit(PATIENCE).code(), Some(0));
    let stderr = server.stderr_to_end();
    let text = String::from_utf8_lossy(&stderr);
    assert!(count.contains(&text.lines().count()), "{text}");
}

// -------------------------------------------------------------------------------------------------------------- manual

/// Whatever the environment sets, no site is served then.
#[test]
fn completions_and_the_manual_page_are_printed_in_place_of_serving() {
    for (args, begin) in [(&["--completions", "bash"][..], "_millpond() {"), (&["--man"], ".ie ")] {
        let mut command = with(args);
        command.env("MILLPOND_PORT", "1");
        let Ended { code, stdout, stderr } = run(command);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!(stdout.starts_with(begin), "{args:?}: {stdout}");
    }
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has it");
    let command = || {
        let mut command = with(&["--man"]);
        command.stderr(Stdio::piped());
        command
    };
    let ended = command().stdout(full).output().expect("it runs");
    let said = "millpond: can't write to standard output: No space left on device (os error 28)\n";
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(1), said));
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ended = command().stdout(writer).output().expect("it runs");
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), &b""[..]), "a reader that has left");
}

rows!(suggests:
    an_unknown_option_gets_the_right_one("--prot", "'--port'"),
    an_unknown_format_gets_the_right_one("--access-log=comon", "'common'"),
);

fn suggests(arg: &str, suggestion: &str) {
    let Ended { code, stdout, stderr } = run(with(&[arg]));
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("a similar") && stderr.contains(suggestion), "{stderr}");
    assert!(!stderr.contains('\u{1b}'), "colours only where somebody looks: {stderr:?}");
}
