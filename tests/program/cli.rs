//! What the command line and the environment mean, and what they say when they mean nothing.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _, ValueEnum as _};
use clap_complete::Shell;
use log::LevelFilter;
use millpond::cli::address::Bind;
use millpond::cli::listening::Ports;
use millpond::cli::manual::Manual;
use millpond::cli::socket_mode::SocketMode;
use millpond::cli::span::{SpanError, SpanOrZero};
use millpond::cli::watching::Shown;
use millpond::cli::{AccessLog, Arguments, address, cache_control, proxy, span};
use millpond::config::Limits;
use millpond::observe::proxies::{Network, Proxy};

fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from([&["millpond"], arguments].concat())
}

fn parsed(arguments: &[&str]) -> Arguments {
    parse(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

/// The first line of the message for a value that is refused.
fn refused(arguments: &[&str]) -> String {
    let error = parse(arguments).expect_err(&arguments.join(" "));
    assert_eq!((error.kind(), error.exit_code()), (ErrorKind::ValueValidation, 2), "{arguments:?}");
    error.to_string().lines().next().unwrap().to_owned()
}

#[test]
fn without_options_everything_has_its_default() {
    let arguments = parsed(&[]);
    assert_eq!(arguments.listening.ports(), Ports::From(8080));
    assert_eq!(arguments.listening.addresses(8080), [SocketAddr::from(([127, 0, 0, 1], 8080))]);
    assert_eq!(arguments.listening.paths().count(), 0);
    assert!(!arguments.listening.is_given());
    assert_eq!(arguments.limits(), Limits::recommended());
    assert_eq!(arguments.access_log, AccessLog::Common);
    assert_eq!((arguments.hidden, arguments.follow_symlinks, arguments.no_sandbox), (false, false, false));
    assert_eq!((arguments.spa, arguments.cors, arguments.cache_control.value()), (false, false, "no-cache"));
    assert_eq!(arguments.headers(), []);
    assert_eq!(arguments.fields(), []);
    assert_eq!(arguments.log_filter(), LevelFilter::Info);
}

#[test]
fn every_option_reaches_its_field() {
    let line = "site -p 0 -b :: -b [::1],192.0.2.1,unix:/run/a.sock -w 3 --connections-max 7 --head-timeout 1ms --idle-timeout 2s \
                --stall-timeout 3m --drain-timeout 24000ms --access-log combined --hidden --follow-symlinks \
                --no-sandbox -v --socket-mode 0660 --open --qr --health --drain-delay 5s \
                --trusted-proxy 10.0.0.0/8,unix: --trusted-proxy ::1 --spa --cors --cache-control no-store";
    let arguments = parsed(&line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(arguments.listening.ports(), Ports::Only(0));
    let addresses = ["[::]:7", "[::1]:7", "192.0.2.1:7"].map(|address| address.parse::<SocketAddr>().unwrap());
    assert_eq!(arguments.listening.addresses(7), addresses);
    assert_eq!(arguments.listening.paths().collect::<Vec<_>>(), [Path::new("/run/a.sock")]);
    assert_eq!(arguments.listening.socket_mode, Some(SocketMode(0o660)));
    assert_eq!((arguments.listening.open, arguments.listening.qr, arguments.proxied.health), (true, true, true));
    let limits = Limits {
        workers: 3,
        connections_max: 7,
        head_timeout: Duration::from_millis(1),
        idle_timeout: Duration::from_secs(2),
        stall_timeout: Duration::from_secs(180),
        drain_timeout: Duration::from_secs(24),
        drain_delay: Duration::from_secs(5),
    };
    assert_eq!(arguments.limits(), limits);
    let network = |address: &str, bits| Network::new(address.parse().unwrap(), bits).map(Proxy::Network).unwrap();
    assert_eq!(arguments.proxied.trusted_proxy, [network("10.0.0.0", 8), Proxy::Unix, network("::1", 128)]);
    assert_eq!(arguments.access_log, AccessLog::Combined);
    assert_eq!((arguments.hidden, arguments.follow_symlinks, arguments.no_sandbox), (true, true, true));
    assert_eq!((arguments.spa, arguments.cors, arguments.cache_control.value()), (true, true, "no-store"));
    assert_eq!(arguments.path(|_| panic!("PATH decides")), Path::new("site"));
}

#[test]
fn the_directory_is_the_one_named_or_public_or_here() {
    for (arguments, public_exists, directory) in
        [(&["/srv/www"][..], true, "/srv/www"), (&["."], true, "."), (&[], true, "./public"), (&[], false, ".")]
    {
        let asked = |path: &Path| {
            assert_eq!(path, Path::new("./public"));
            public_exists
        };
        assert_eq!(parsed(arguments).path(asked), PathBuf::from(directory), "{arguments:?} {public_exists}");
    }
}

#[test]
fn the_threads_are_shown_as_asked_and_unasked_where_nothing_is_said() {
    for (arguments, otherwise, unasked) in [
        (&[][..], Shown::Not, Shown::Unasked),
        (&["--watch"], Shown::AsAsked, Shown::AsAsked),
        (&["--watch=true"], Shown::AsAsked, Shown::AsAsked),
        (&["--watch=false"], Shown::Not, Shown::Not),
        (&["--watch=off", "--watch-from", "::1"], Shown::Not, Shown::Not),
        (&["--watch-from", "::1"], Shown::AsAsked, Shown::AsAsked),
    ] {
        let watching = parsed(arguments).watching;
        assert_eq!((watching.shown(|| false), watching.shown(|| true)), (otherwise, unasked), "{arguments:?}");
    }
    assert_eq!(parsed(&["--watch", "site"]).path(|_| true), Path::new("site"), "a word behind it is no value of it");
    for (arguments, path, is_ready) in
        [(&[][..], "./public", true), (&[], ".", false), (&["./public"], "./public", false), (&["."], ".", false)]
    {
        assert_eq!(parsed(arguments).is_ready_site(Path::new(path)), is_ready, "{arguments:?} {path}");
    }
}

#[test]
fn how_much_is_said_follows_from_v_and_q() {
    for (arguments, level) in [
        (&[][..], LevelFilter::Info),
        (&["-v"], LevelFilter::Debug),
        (&["--verbose"], LevelFilter::Debug),
        (&["-vv"], LevelFilter::Trace),
        (&["-vvvv"], LevelFilter::Trace),
        (&["-q"], LevelFilter::Error),
        (&["--quiet"], LevelFilter::Error),
    ] {
        assert_eq!(parsed(arguments).log_filter(), level, "{arguments:?}");
    }
    assert_eq!(parse(&["-v", "-q"]).expect_err("not both").kind(), ErrorKind::ArgumentConflict);
}

#[test]
fn a_time_is_a_whole_number_and_its_unit() {
    for (text, milliseconds) in [
        ("1ms", 1),
        ("500ms", 500),
        ("10s", 10_000),
        ("010s", 10_000),
        ("2m", 120_000),
        ("1440m", 86_400_000),
        ("86400s", 86_400_000),
        ("86400000ms", 86_400_000),
    ] {
        assert_eq!(span::parse(text), Ok(Duration::from_millis(milliseconds)), "{text:?}");
    }
}

#[test]
fn what_is_no_time_is_refused_with_what_would_be_one() {
    const NUMBER: &str = "is not a whole number and a unit: write 500ms, 10s or 2m";
    const UNIT: &str = "is not a unit: write 500ms, 10s or 2m";
    const DAY: &str = "is more than a day: write 1440m or less";
    for (text, message) in [
        ("", format!("`` {NUMBER}")),
        ("s", format!("`s` {NUMBER}")),
        ("-1s", format!("`-1s` {NUMBER}")),
        ("+1s", format!("`+1s` {NUMBER}")),
        (" 1s", format!("` 1s` {NUMBER}")),
        ("1.5s", format!("`1.5s` {NUMBER}")),
        ("1,5s", format!("`1,5s` {NUMBER}")),
        ("10", "`10` has no unit: write 500ms, 10s or 2m".to_owned()),
        ("10 s", format!("` s` {UNIT}")),
        ("10S", format!("`S` {UNIT}")),
        ("10sec", format!("`sec` {UNIT}")),
        ("1h", format!("`h` {UNIT}")),
        ("1m30s", format!("`m30s` {UNIT}")),
        ("10µs", format!("`µs` {UNIT}")),
        ("٣s", format!("`٣s` {NUMBER}")),
        ("0s", "a time of zero would end everything at once: write 1ms or more".to_owned()),
        ("000ms", "a time of zero would end everything at once: write 1ms or more".to_owned()),
        ("86400001ms", format!("`86400001ms` {DAY}")),
        ("1441m", format!("`1441m` {DAY}")),
        ("18446744073709551616ms", format!("`18446744073709551616ms` {DAY}")),
        ("18446744073709551615m", format!("`18446744073709551615m` {DAY}")),
    ] {
        assert_eq!(span::parse(text).map_err(|error| error.to_string()), Err(message), "{text:?}");
    }
    assert_eq!(span::parse("0m"), Err(SpanError::Zero));
}

#[test]
fn an_address_may_be_a_path_that_fits_a_socket() {
    let longest = format!("/{}", "p".repeat(106));
    for path in ["/run/a.sock", "a.sock", "a b", &longest] {
        assert_eq!(address::parse(&format!("unix:{path}")), Ok(Bind::Unix(PathBuf::from(path))), "{path:?}");
    }
    let long =
        "the path of a Unix socket has 107 bytes at most, and this one 108: write a shorter one, from / or from here";
    for (text, message) in
        [("unix:", "`unix:` has no path: write unix:/run/millpond.sock"), (&format!("unix:{longest}p"), long)]
    {
        assert_eq!(address::parse(text).map_err(|error| error.to_string()), Err(message.to_owned()), "{text:?}");
    }
}

#[test]
fn a_trusted_proxy_is_an_address_a_network_or_unix() {
    let network = |address: &str, bits| Network::new(address.parse().unwrap(), bits).map(Proxy::Network).unwrap();
    for (text, expected) in [
        ("10.1.2.3", network("10.1.2.3", 32)),
        ("10.1.2.3/32", network("10.1.2.3", 32)),
        ("10.0.0.0/8", network("10.0.0.0", 8)),
        ("0.0.0.0/0", network("0.0.0.0", 0)),
        ("2001:db8::/32", network("2001:db8::", 32)),
        ("::ffff:10.1.2.3", network("10.1.2.3", 32)),
        ("unix:", Proxy::Unix),
    ] {
        assert_eq!(proxy::parse(text), Ok(expected), "{text:?}");
    }
    let no_network =
        |text| format!("`{text}` is no address and no network: write 10.0.0.1, 10.0.0.0/8, 2001:db8::/32 or unix:");
    for text in
        ["", "proxy", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/+8", "10.0.0/8", "10.0.0.0:80", "unix:/a", "*"]
    {
        assert_eq!(proxy::parse(text).map_err(|error| error.to_string()), Err(no_network(text)), "{text:?}");
    }
    let error = proxy::parse("10.0.0.1/8").expect_err("bits behind").to_string();
    assert_eq!(
        error,
        "`10.0.0.1/8` has bits set behind its prefix: write 10.0.0.0/8 for a network, or an address alone"
    );
}

#[test]
fn a_socket_mode_is_octal_permissions() {
    for (text, mode) in [("0660", 0o660), ("660", 0o660), ("0", 0), ("0777", 0o777), ("00000600", 0o600)] {
        assert_eq!(text.parse(), Ok(SocketMode(mode)), "{text:?}");
    }
    for text in ["", "0o660", "668", "+660", "-1", "1777", "rw", "77777777777777777777"] {
        let error = text.parse::<SocketMode>().expect_err(text).to_string();
        assert_eq!(error, format!("`{text}` is not a mode: write 0600, 0660 or 0666"));
    }
}

#[test]
fn a_delay_may_be_none_where_a_time_may_not() {
    assert_eq!("0s".parse(), Ok(SpanOrZero(Duration::ZERO)));
    assert_eq!("5s".parse(), Ok(SpanOrZero(Duration::from_secs(5))));
    assert_eq!("0".parse::<SpanOrZero>(), Err(SpanError::NoUnit { text: "0".to_owned() }));
    assert_eq!(SpanOrZero(Duration::ZERO).to_string(), "0s");
}

#[test]
fn an_address_is_an_ip_address_with_or_without_brackets() {
    for (text, address) in
        [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("::", "::"), ("::1", "::1"), ("[::1]", "::1")]
    {
        assert_eq!(address::parse(text), Ok(Bind::Ip(address.parse().unwrap())), "{text:?}");
    }
    const WRITE: &str = "write 127.0.0.1 or ::1 for this machine, 0.0.0.0 or :: for all, unix:PATH for a Unix socket";
    for (text, message) in [
        ("", format!("`` is not an IP address: {WRITE}")),
        ("localhost", format!("`localhost` is not an IP address: {WRITE}")),
        ("[127.0.0.1]", format!("`[127.0.0.1]` is not an IP address: {WRITE}")),
        ("[::1", format!("`[::1` is not an IP address: {WRITE}")),
        ("127.1", format!("`127.1` is not an IP address: {WRITE}")),
        ("127.0.0.1:80", "`127.0.0.1:80` has a port: write --bind 127.0.0.1 --port 80".to_owned()),
        ("[::1]:80", "`[::1]:80` has a port: write --bind ::1 --port 80".to_owned()),
    ] {
        assert_eq!(address::parse(text).map_err(|error| error.to_string()), Err(message), "{text:?}");
    }
}

#[test]
fn a_value_out_of_its_bounds_is_refused_when_the_program_starts() {
    for (arguments, message) in [
        (["-w", "0"], "error: invalid value '0' for '--workers <N>': 0 is not in 1..=1024"),
        (["-w", "1025"], "error: invalid value '1025' for '--workers <N>': 1025 is not in 1..=1024"),
        (["-p", "65536"], "error: invalid value '65536' for '--port <PORT>': 65536 is not in 0..=65535"),
        (
            ["--socket-mode", "999"],
            "error: invalid value '999' for '--socket-mode <MODE>': `999` is not a mode: write 0600, 0660 or 0666",
        ),
        (["--connections-max", "0"], "error: invalid value '0' for '--connections-max <N>': 0 is not in 1..=1000000"),
        (
            ["--connections-max", "1000001"],
            "error: invalid value '1000001' for '--connections-max <N>': 1000001 is not in 1..=1000000",
        ),
        (
            ["--idle-timeout", "10"],
            "error: invalid value '10' for '--idle-timeout <TIME>': `10` has no unit: write 500ms, 10s or 2m",
        ),
        (
            ["--header", "ETag: 1"],
            "error: invalid value 'ETag: 1' for '--header <NAME: VALUE>': ETag is worked out for every response: one \
             value can't be right for all",
        ),
    ] {
        assert_eq!(refused(&arguments), message);
    }
    for (bounds, workers) in [("1", 1), ("1024", 1024)] {
        assert_eq!(parsed(&["-w", bounds]).limits().workers, workers);
    }
    let unknown = parse(&["--access-log", "xml"]).expect_err("no such format");
    assert_eq!((unknown.kind(), unknown.exit_code()), (ErrorKind::InvalidValue, 2));
}

#[test]
fn a_header_on_the_command_line_is_one_line_and_there_may_be_several() {
    let arguments = parsed(&["--header", "X-A: 1, 2", "--header", "X-B:  3 "]);
    let lines = arguments.headers().iter().map(|line| (line.name(), line.value())).collect::<Vec<_>>();
    assert_eq!(lines, [("X-A", "1, 2"), ("X-B", "3")]);
    for text in ["X-A: 1\nX-B: 2", "X-A: 1\r\nX-B: 2", "X-A: 1\n"] {
        assert_eq!(parse(&["--header", text]).expect_err(text).kind(), ErrorKind::ValueValidation);
    }
}

#[test]
fn cors_adds_what_no_header_says() {
    let names = |arguments: &[&str]| {
        let lines = parsed(arguments).fields();
        lines.iter().map(|line| format!("{}: {}", line.name(), line.value())).collect::<Vec<_>>()
    };
    let exposed = names(&["--cors"]).pop().unwrap();
    assert!(exposed.starts_with("Access-Control-Expose-Headers: Accept-Ranges, "), "{exposed}");
    assert_eq!(names(&["--cors"]), ["Access-Control-Allow-Origin: *", &exposed]);
    let own = "access-control-allow-origin: https://one.test";
    assert_eq!(names(&["--cors", "--header", own, "--header", "X-A: 1"]), [own, "X-A: 1", &exposed]);
    assert_eq!(names(&["--header", own]), [own]);
}

#[test]
fn a_cache_control_is_a_field_value() {
    for (text, value) in [
        ("no-store", "no-store"),
        (" max-age=3600,\tpublic ", "max-age=3600,\tpublic"),
        ("private=\"set-cookie\"", "private=\"set-cookie\""),
        ("extension=\"a:b\"", "extension=\"a:b\""),
    ] {
        assert_eq!(cache_control::parse(text).unwrap().value(), value);
    }
    for (text, message) in [
        ("", "it is empty: write no-store, no-cache or max-age=3600"),
        (" \t ", "it is empty: write no-store, no-cache or max-age=3600"),
        ("cache-control : no-store", "the name is said already: write 'no-store'"),
        ("a\r\nX: 1", "the value has the control byte 0x0d: it would end the line or worse, leave it out"),
        ("a\n", "the value has the control byte 0x0a: it would end the line or worse, leave it out"),
    ] {
        assert_eq!(cache_control::parse(text).map_err(|error| error.to_string()), Err(message.to_owned()), "{text:?}");
    }
}

#[test]
fn help_of_every_option_fits_on_its_own_line() {
    let help = Arguments::command().term_width(100).render_help().to_string();
    let options = Arguments::command().get_arguments().filter(|argument| !argument.is_hide_set()).count();
    let titles = help.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')).count();
    let blanks = help.lines().filter(|line| line.is_empty()).count();
    // `-h` and `-V` come from clap, when it builds the command.
    assert_eq!(help.lines().count(), options + 2 + titles + blanks, "an option's help is wrapped:\n{help}");
}

#[test]
fn the_variable_of_every_option_is_named_after_it() {
    let mut command = Arguments::command();
    command.build();
    for argument in command.get_arguments() {
        let Some(long) = argument.get_long() else { continue };
        let expected = match long {
            "help" | "version" | "completions" | "man" => None,
            // Behind it stands an option of its own, which takes several lines.
            "header" => None,
            "MILLPOND_HEADER" => Some("MILLPOND_HEADER".to_owned()),
            _ => Some(format!("MILLPOND_{}", long.replace('-', "_").to_ascii_uppercase())),
        };
        assert_eq!(argument.get_env().map(|name| name.to_str().unwrap().to_owned()), expected, "--{long}");
    }
    command.debug_assert();
}

#[test]
fn completions_know_every_option_those_of_top_too_and_nothing_that_is_hidden() {
    for shell in Shell::value_variants() {
        let script = Manual::Completions(*shell).text().expect("memory takes it");
        let script = String::from_utf8(script).expect("it is text");
        for argument in Arguments::command().get_arguments() {
            let Some(long) = argument.get_long() else { continue };
            assert_eq!(script.contains(long), !argument.is_hide_set(), "{long} for {shell}");
        }
        for word in ["version", "top", "once", "interval"] {
            assert!(script.contains(word), "{word} for {shell}");
        }
    }
}

#[test]
fn the_manual_page_has_every_option_and_what_follows_them_in_help() {
    let page = String::from_utf8(Manual::Page.text().expect("memory takes it")).expect("it is text");
    let page = page.replace("\\-", "-");
    for argument in Arguments::command().get_arguments() {
        let Some(long) = argument.get_long() else { continue };
        assert_eq!(page.contains(&format!("--{long}\\fR")), !argument.is_hide_set(), "{long}");
    }
    for option in ["once", "interval"] {
        assert!(page.contains(&format!("--{option}\\fR")), "of top: {option}");
    }
    for title in ["MILLPOND TOP", "Examples:", "Environment:", "Signals:", "Exit codes:"] {
        assert!(page.contains(title), "{title}");
    }
}

/// Set in the child below, so that this test binary, started by nobody else, says what it parsed.
const CHILD: &str = "MILLPOND_TEST_ARGUMENTS";

#[test]
fn child_that_says_what_it_parsed() {
    let Ok(arguments) = std::env::var(CHILD) else { return };
    let arguments = arguments.split_whitespace().collect::<Vec<_>>();
    let meaning = parse(&arguments).map_err(|error| error.kind()).map(|arguments| {
        let headers = arguments.headers().iter().map(|line| format!("{}={}", line.name(), line.value()));
        let headers = headers.collect::<Vec<_>>().join(";");
        let port = match arguments.listening.ports() {
            Ports::Only(port) | Ports::From(port) => port,
        };
        let (level, bind) = (arguments.log_filter(), arguments.listening.addresses(port).len());
        format!("{port} {bind} {} {level} {headers}", arguments.hidden)
    });
    println!("\nmeaning: {meaning:?}");
}

#[test]
fn the_environment_sets_what_the_command_line_does_not() {
    // The port, the number of addresses, --hidden, the level, and the headers.
    for (variables, arguments, meaning) in [
        (&[("MILLPOND_PORT", "81")][..], "", r#"Ok("81 1 false INFO ")"#),
        (&[("MILLPOND_PORT", "81")], "-p 82", r#"Ok("82 1 false INFO ")"#),
        (&[("MILLPOND_BIND", "::,0.0.0.0")], "", r#"Ok("8080 2 false INFO ")"#),
        (&[("MILLPOND_BIND", "::,0.0.0.0")], "-b ::1", r#"Ok("8080 1 false INFO ")"#),
        (&[("MILLPOND_HIDDEN", "1")], "", r#"Ok("8080 1 true INFO ")"#),
        (&[("MILLPOND_HIDDEN", "true")], "", r#"Ok("8080 1 true INFO ")"#),
        (&[("MILLPOND_HIDDEN", "no")], "", r#"Ok("8080 1 false INFO ")"#),
        (&[("MILLPOND_HIDDEN", "no")], "--hidden", r#"Ok("8080 1 true INFO ")"#),
        (&[("MILLPOND_HIDDEN", "perhaps")], "", "Err(ValueValidation)"),
        (&[("MILLPOND_VERBOSE", "2")], "", r#"Ok("8080 1 false TRACE ")"#),
        (&[("MILLPOND_VERBOSE", "2")], "-v", r#"Ok("8080 1 false DEBUG ")"#),
        (&[("MILLPOND_QUIET", "yes")], "", r#"Ok("8080 1 false ERROR ")"#),
        (&[("MILLPOND_QUIET", "yes")], "-v", "Err(ArgumentConflict)"),
        (&[("MILLPOND_HEADER", "A: 1\n\nB: 2\r\n")], "", r#"Ok("8080 1 false INFO A=1;B=2")"#),
        (&[("MILLPOND_HEADER", "A: 1\nB: 2")], "--header C:3", r#"Ok("8080 1 false INFO C=3")"#),
        (&[("MILLPOND_HEADER", "A: 1\nDate: 2")], "", "Err(ValueValidation)"),
        (&[("MILLPOND_WORKERS", "0")], "", "Err(ValueValidation)"),
    ] {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cli::child_that_says_what_it_parsed", "--nocapture"])
            .env(CHILD, arguments)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let output = String::from_utf8(child.stdout).unwrap();
        let said = output.lines().find_map(|line| line.strip_prefix("meaning: "));
        assert_eq!(said, Some(meaning), "{variables:?} {arguments:?}");
    }
}
