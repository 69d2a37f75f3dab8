//! The site in `public/`, in a browser: what a newcomer sees first must load whole, and its script must run.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::load::skips;
use crate::support::Server;

#[test]
fn the_first_page_loads_whole_and_its_script_runs() {
    let chromium = Command::new("chromium").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if skips(chromium.is_ok_and(|status| status.success()), "chromium") {
        return;
    }
    let server = Server::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("public"), &[]);
    let profile = tempfile::tempdir().expect("there is room for a profile");
    let page = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("http://{}/", server.host()))
        .stderr(Stdio::null())
        .output()
        .expect("chromium runs");
    let dom = String::from_utf8_lossy(&page.stdout);
    let proof = format!("From {} by HTTP/1.1 in ", server.host());
    assert!(dom.contains(&proof), "the script has not said how the page came: {dom}");

    for file in ["/ ", "/style.css", "/script.js", "/favicon."] {
        let line = server.wait_for_stdout_line(Duration::from_secs(10), |line| line.contains(&format!("GET {file}")));
        assert!(line.contains("\" 200 "), "{line}");
    }
    let log = String::from_utf8(server.stdout()).expect("the log is ASCII");
    let failed: Vec<&str> =
        log.lines().skip(1).filter(|line| !line.contains("\" 200 ") && !line.contains("\" 304 ")).collect();
    assert_eq!(failed, [] as [&str; 0], "every link of the page leads somewhere");
}
