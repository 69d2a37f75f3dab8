//! The program: reads the command line, binds, gives up what serving doesn't need, starts logging, runs, and says how it
//! ended.
//!
//! *Architecture invariant:* this is the only place that decides where output goes, and the only one that exits.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | drained, also when the time for it was up and connections were cut |
//! | 1 | could not start: one line says why |
//! | 2 | the command line is wrong (clap's message) |
//! | 128 + n | a second signal n came while draining |
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::panic;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use millpond::cli::Arguments;
use millpond::config;
use millpond::observe::access_log::AccessLog;
use millpond::observe::log_queue::{Closed, LogQueue};
use millpond::sandbox::{self, Reading, Sandbox};
use millpond::server::{BindError, DrainHandle, Server};
use millpond::site::options::{Hidden, Listings, Options};
use millpond::site::respond::Site;
use millpond::site::root::Links;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::{flag, low_level};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to be told if this can't be written.
            let _ = write_line(io::stderr(), &format!("millpond: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// From the command line to the end of the drain; an error is the line to print.
fn run(arguments: &Arguments) -> Result<(), String> {
    let directory = arguments.directory(Path::is_dir);
    let site = Site::open(&directory, options(arguments)).map_err(|cause| cannot_serve(&directory, &cause))?;
    let limits = arguments.limits();
    let workers = limits.workers;
    let server = Server::bind(&arguments.addresses(), limits).map_err(|error| cannot_bind(&error))?;
    drain_on_signals(&server.drain_handle())
        .and_then(|()| outlive_full_files())
        .map_err(|cause| format!("can't handle signals: {cause}"))?;

    // Before the first thread. From here on nothing is opened but files to be sent; even counting cores reads others.
    let directories = [site.directory()];
    let reading = if arguments.follow_symlinks { Reading::Anywhere } else { Reading::Beneath(&directories) };
    let sandbox = (!arguments.no_sandbox).then(|| sandbox::enter(reading));

    let diagnostics = start_diagnostics(arguments)?;
    announce(&server);
    log::info!("serving {}, workers: {workers}", directory.display());
    say_what_holds(sandbox.as_ref());
    let result = serve(arguments, server, site);
    if diagnostics.dropped() > 0 {
        log::warn!("{} lines were dropped here, because nobody took them in time", diagnostics.dropped());
    }
    diagnostics.close(config::LOG_CLOSE_TIMEOUT);
    result
}

/// How the directory is to be served.
fn options(arguments: &Arguments) -> Options {
    Options {
        links: if arguments.follow_symlinks { Links::Anywhere } else { Links::Beneath },
        hidden: if arguments.hidden { Hidden::Served } else { Hidden::Denied },
        listing: if arguments.no_listing { Listings::Denied } else { Listings::Made },
    }
}

/// With diagnostics running: from the first connection to the last.
fn serve(arguments: &Arguments, server: Server, site: Site) -> Result<(), String> {
    let access_log = start_access_log(arguments)?;
    let server = server.with_fields(arguments.headers().to_vec());
    let server = match &access_log {
        Some(log) => server.with_access_log(log.clone()),
        None => server,
    };
    let drained = server.run(site).map_err(|cause| format!("can't start serving: {cause}"))?;
    if let Some(log) = access_log {
        let unwritten = match log.close(config::LOG_CLOSE_TIMEOUT) {
            Closed::Drained => 0,
            Closed::CutOff { lines } => lines,
        };
        let lost = log.dropped() + unwritten;
        if lost > 0 {
            log::warn!("access log: {lost} lines were dropped in all, because nobody took them in time");
        }
    }
    log::info!("{drained}");
    Ok(())
}

fn say_what_holds(sandbox: Option<&Sandbox>) {
    match sandbox {
        Some(whole) if whole.is_whole() => log::info!("{whole}"),
        Some(in_part) => log::warn!("{in_part}"),
        None => log::info!("no sandbox, as asked"),
    }
}

/// Diagnostics go through a queue: standard error may be a pipe that nobody reads, and no worker is to wait for it.
fn start_diagnostics(arguments: &Arguments) -> Result<LogQueue, String> {
    let queue = unbuffered(io::stderr())
        .and_then(|stderr| LogQueue::start("log", stderr, config::LOG_BYTES_MAX))
        .map_err(|cause| format!("can't start the log: {cause}"))?;
    env_logger::Builder::new()
        .filter_level(arguments.log_filter())
        .parse_default_env()
        .target(env_logger::Target::Pipe(Box::new(queue.record_writer())))
        .format(|out, record| {
            // One line per record, whatever is in it.
            let text = record.args().to_string().replace(char::is_control, " ");
            writeln!(out, "millpond: {}: {text}", record.level().as_str().to_lowercase())
        })
        .init();
    panic::set_hook(Box::new(|panic| log::error!("{panic}")));
    Ok(queue)
}

/// The stream's descriptor, without the buffer and the lock that std puts before it: the queue has its own.
fn unbuffered(stream: impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

/// Standard output carries the address, and then the access log.
fn start_access_log(arguments: &Arguments) -> Result<Option<AccessLog>, String> {
    let Some(format) = arguments.access_log.format() else { return Ok(None) };
    let queue = unbuffered(io::stdout())
        .and_then(|stdout| LogQueue::start("access-log", stdout, config::LOG_BYTES_MAX))
        .map_err(|cause| format!("can't start the access log: {cause}"))?;
    Ok(Some(AccessLog::new(format, queue)))
}

/// The first line: what to open in a browser. An address that stands for all is opened as the loopback one.
fn announce(server: &Server) {
    let addresses: Vec<String> = server
        .local_addresses()
        .iter()
        .map(|address| match address {
            SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, v4.port())),
            SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, v6.port())),
            address => *address,
        })
        .map(|address| format!("http://{address}/"))
        .collect();
    let addresses = addresses.join(" ");
    // Whoever closed standard output doesn't want to know.
    if write_line(io::stdout(), &addresses).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
        log::warn!("listening on {addresses}, which standard output has no room for");
    }
}

/// Writes a line if there is room for one: a full pipe that nobody reads would hold up the start, or the end.
///
/// # Errors
/// `WouldBlock` when there is none; as the stream.
fn write_line(mut stream: impl Write + AsFd, line: &str) -> io::Result<()> {
    if poll(&mut [PollFd::new(&stream, PollFlags::OUT)], Some(&Timespec::default())) == Ok(0) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    writeln!(stream, "{line}").and_then(|()| stream.flush())
}

/// The first signal asks for the drain; the second one exits from the signal handler itself, because nothing else can be
/// relied on by then.
fn drain_on_signals(handle: &DrainHandle) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if signal == SIGHUP && is_ignored(signal) {
            // nohup: whoever started it wants it to outlive the terminal.
            continue;
        }
        // In this order: each runs the ones registered before it, so the first signal finds the flag not yet set.
        flag::register_conditional_shutdown(signal, 128 + signal, handle.flag())?;
        flag::register(signal, handle.flag())?;
        low_level::pipe::register(signal, handle.descriptor()?)?;
    }
    Ok(())
}

/// A log file that reaches its size limit (`ulimit -f`) would end the process; with any handler for that signal it is a
/// write that fails, as on a full disk.
fn outlive_full_files() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::default()).map(drop)
}

/// Whether this process was started with the signal ignored (proc_pid_status(5), a mask in hexadecimal).
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

fn cannot_serve(directory: &Path, cause: &io::Error) -> String {
    let directory = directory.display();
    match cause.kind() {
        io::ErrorKind::NotFound => {
            format!("can't serve {directory}: there is no such directory; name one that is there")
        }
        io::ErrorKind::NotADirectory => {
            format!("can't serve {directory}: it is no directory; name the one that it is in")
        }
        io::ErrorKind::PermissionDenied => {
            format!("can't serve {directory}: no permission; make it searchable for this user (chmod u+rx)")
        }
        _ => format!("can't serve {directory}: {cause}"),
    }
}

fn cannot_bind(error: &BindError) -> String {
    let remedy = match error.cause.kind() {
        io::ErrorKind::AddrInUse => "choose another port with --port, or any free one with --port 0",
        io::ErrorKind::PermissionDenied => "ports below 1024 are for privileged users; choose one above with --port",
        io::ErrorKind::AddrNotAvailable => "give --bind an address of this machine",
        _ => return error.to_string(),
    };
    format!("{error}; {remedy}")
}
