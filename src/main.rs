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

use std::env;
#[cfg(feature = "tls")]
use std::fs;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::panic;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use millpond::announce::browser::{self, Opening};
use millpond::announce::qr::{self, Ink};
use millpond::announce::{self, Announcement, Front};
use millpond::cli::manual::Manual;
use millpond::cli::top::Top;
use millpond::cli::watching::Shown;
use millpond::cli::{self, Arguments};
use millpond::config;
use millpond::engine::inherit;
use millpond::listeners::{self, Reach, StartedBy};
use millpond::notify::{self, Manager};
use millpond::observe::access_log::AccessLog;
use millpond::observe::log_queue::{Closed, LogQueue};
use millpond::observe::proxies::Proxies;
use millpond::sandbox::{self, Reading, Sandbox};
use millpond::server::{DrainHandle, Server, Stage};
use millpond::site::options::{Cors, Hidden, Listings, Missing, Options};
use millpond::site::respond::Site;
use millpond::site::root::Links;
use millpond::top;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::{flag, low_level};

fn main() -> ExitCode {
    let ended = match cli::top::arguments(env::args_os()) {
        Some(arguments) => top::run(&Top::parse_from(arguments)).map_err(|error| error.to_string()),
        None => {
            let arguments = Arguments::parse();
            match arguments.manual() {
                Some(manual) => print(manual),
                None => run(&arguments),
            }
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to be told if this can't be written.
            let _ = write_line(io::stderr(), &format!("millpond: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// A whole text on standard output, however long its reader takes.
fn print(manual: Manual) -> Result<(), String> {
    let written = manual.text().and_then(|text| io::stdout().write_all(&text));
    match written {
        // Its reader has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|cause| format!("can't write to standard output: {cause}")),
    }
}

/// From the command line to the end of the drain; an error is the line to print.
fn run(arguments: &Arguments) -> Result<(), String> {
    // Before anything is opened: descriptors are passed by their numbers.
    let inherited = inherit::inherited().map_err(|error| error.to_string())?;
    let path = arguments.path(Path::is_dir);
    let site = Site::open(&path, options(arguments)).map_err(|cause| cannot_serve(&path, &cause))?;
    if site.is_single() && arguments.spa {
        return Err(format!(
            "can't serve {} as an app: it is a file; name the directory with its index.html",
            path.display()
        ));
    }
    let limits = arguments.limits();
    let workers = limits.workers;
    let by = if io::stderr().is_terminal() { StartedBy::Person } else { StartedBy::Script };
    let opened = listeners::open(inherited, &arguments.listening, by).map_err(|error| listeners::advice(&error))?;
    let unasked = || arguments.is_ready_site(&path) && opened.reach == Reach::Loopback;
    let shown = arguments.watching.shown(unasked);
    let server = Server::on(opened.listeners, limits).map_err(|cause| format!("can't listen: {cause}"))?;
    #[cfg(feature = "tls")]
    let server = secure(arguments, &path, server)?;
    // Before the sandbox: it asks the kernel over a socket.
    let server = match shown {
        Shown::AsAsked | Shown::Unasked => server.with_watch(Proxies::new(arguments.watching.watch_from.clone())),
        Shown::Not => server,
    };
    drain_on_signals(&server.drain_handle())
        .and_then(|()| outlive_full_files())
        .map_err(|cause| format!("can't handle signals: {cause}"))?;
    let front = Front { scheme: server.scheme(), path: site.front() };
    let announcement = announce::announce(server.addresses(), &announce::interfaces(), &front);
    let manager = Manager::from_environment();
    let opening = arguments.listening.open.then(|| open_in_browser(&announcement));

    // Before the first thread. From here on nothing is opened but files to be sent, and a renewed certificate; even
    // counting cores reads others.
    let directories = [vec![site.directory()], server.directories()].concat();
    let reading = if arguments.follow_symlinks { Reading::Anywhere } else { Reading::Beneath(&directories) };
    let sandbox = (!arguments.no_sandbox).then(|| sandbox::enter(reading));

    let diagnostics = start_diagnostics(arguments)?;
    announce_first_line(&announcement);
    log::info!("serving {}, workers: {workers}", path.display());
    if let Some(remark) = opened.remark {
        log::warn!("{remark}");
    }
    if arguments.listening.socket_mode.is_some() && arguments.listening.paths().next().is_none() {
        log::warn!("--socket-mode is of no use: no --bind unix:PATH makes a socket");
    }
    say_what_holds(sandbox.as_ref());
    say_what_is_shown(shown, arguments, &announcement);
    announce_to_people(&announcement, arguments, &diagnostics);
    match opening {
        Some(Ok(opening)) => opening.watch(),
        Some(Err(error)) => log::warn!("the browser was not opened: {error}"),
        None => {}
    }
    let manager = manager.unwrap_or_else(|error| {
        log::warn!("the service manager can't be told how it stands: {}: {error}", notify::VARIABLE);
        Manager::none()
    });
    let result = serve(arguments, server, site, |stage| match stage {
        Stage::Serving => manager.ready(&format!("serving {}", path.display())),
        Stage::Leaving => manager.stopping(),
    });
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
        missing: if arguments.spa { Missing::MayBeOfApp } else { Missing::IsNotFound },
        cors: if arguments.cors { Cors::Anyone } else { Cors::SameOrigin },
        cache_control: arguments.cache_control.clone(),
        listing: if arguments.no_listing { Listings::Denied } else { Listings::Made },
    }
}

/// With diagnostics running: from the first connection to the last.
fn serve(arguments: &Arguments, server: Server, site: Site, tell: impl FnMut(Stage)) -> Result<(), String> {
    let access_log = start_access_log(arguments)?;
    let server = server.with_fields(arguments.fields());
    let server = match &access_log {
        Some(log) => server.with_access_log(log.clone()),
        None => server,
    };
    let server = if arguments.proxied.health { server.with_health() } else { server };
    let drained = server.run_and_tell(site, tell).map_err(|cause| format!("can't start serving: {cause}"))?;
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

fn say_what_is_shown(shown: Shown, arguments: &Arguments, announcement: &Announcement) {
    let remark = match shown {
        Shown::AsAsked => "",
        // Who measures wants to know what is measured.
        Shown::Unasked => {
            " (to this machine only, at a few percent of the requests/s at most; --watch=false turns it off)"
        }
        Shown::Not => return,
    };
    let address = announcement.here.iter().find(|address| address.starts_with("http"));
    // Up to the path: that may be a file's, if only that is served.
    let origin: Vec<&str> = address.map_or(Vec::new(), |address| address.split('/').take(3).collect());
    log::info!("the threads at work: {}/.millpond/{remark}", origin.join("/"));
    if arguments.hidden {
        log::warn!("files below /.millpond/ that have a name of the server's own pages there are not served");
    }
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
    let proxies = Proxies::new(arguments.proxied.trusted_proxy.clone());
    Ok(Some(AccessLog::new(format, queue).with_proxies(proxies)))
}

/// The first line: what to open in a browser.
fn announce_first_line(announcement: &Announcement) {
    let addresses = announcement.here.join(" ");
    // Whoever closed standard output doesn't want to know.
    if write_line(io::stdout(), &addresses).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
        log::warn!("listening on {addresses}, which standard output has no room for");
    }
}

/// What goes beyond the first line, on standard error.
fn announce_to_people(announcement: &Announcement, arguments: &Arguments, diagnostics: &LogQueue) {
    for address in &announcement.elsewhere {
        log::info!("for other machines: {address}");
    }
    if !arguments.listening.qr {
        return;
    }
    let colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let ink = if colours { Ink::Colours } else { Ink::Characters };
    match announcement.best.as_deref().and_then(|address| qr::draw(address, ink)) {
        Some(drawing) => diagnostics.push(drawing.as_bytes()),
        None => log::warn!("no QR code: a Unix socket has no address that a browser could open"),
    }
}

fn open_in_browser(announcement: &Announcement) -> io::Result<Opening> {
    let address = announcement.here.iter().find(|address| address.starts_with("http"));
    let none = || io::Error::other("a Unix socket has no address that it could open");
    browser::open(address.ok_or_else(none)?)
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
        if signal == SIGHUP && inherit::is_ignored(signal) {
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

/// Has the server speak TLS, if it is to; SIGUSR1 has it read a renewed certificate.
#[cfg(feature = "tls")]
fn secure(arguments: &Arguments, directory: &Path, server: Server) -> Result<Server, String> {
    let Some((chain, key)) = arguments.tls() else { return Ok(server) };
    let lies_beneath =
        |key: &Path| Ok::<_, io::Error>(fs::canonicalize(key)?.starts_with(fs::canonicalize(directory)?));
    if lies_beneath(key).is_ok_and(|beneath| beneath) {
        let (key, directory) = (key.display(), directory.display());
        return Err(format!("--tls-key {key} lies beneath {directory}, where all can read it: put it somewhere else"));
    }
    let tls = millpond::server::Tls::load(chain, key).map_err(|error| error.to_string())?;
    tls.renewal()
        .and_then(|renewal| low_level::pipe::register(signal_hook::consts::SIGUSR1, renewal))
        .map_err(|cause| format!("can't handle signals: {cause}"))?;
    Ok(server.with_tls(tls))
}

/// A log file that reaches its size limit (`ulimit -f`) would end the process; with any handler for that signal it is a
/// write that fails, as on a full disk.
fn outlive_full_files() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::default()).map(drop)
}

fn cannot_serve(path: &Path, cause: &io::Error) -> String {
    let path = path.display();
    match cause.kind() {
        io::ErrorKind::NotFound => {
            format!("can't serve {path}: there is no such directory or file; name one that is there")
        }
        io::ErrorKind::NotADirectory => {
            format!("can't serve {path}: what it leads through is no directory")
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "can't serve {path}: no permission; make it readable for this user (chmod u+r, of a directory u+rx)"
            )
        }
        _ => format!("can't serve {path}: {cause}"),
    }
}
