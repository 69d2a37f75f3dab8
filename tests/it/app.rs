//! An app in a browser: a route that no file has draws itself, by a script that came compressed.

use std::process::{Command, Stdio};

use crate::load::{program, skips};
use crate::support::{PATIENCE, Server, Site};

#[test]
fn a_route_of_an_app_draws_itself_by_a_script_that_came_compressed() {
    let chromium = Command::new("chromium").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if skips(chromium.is_ok_and(|status| status.success()) && program("gzip").is_some(), "chromium and gzip") {
        return;
    }
    let site = Site::new();
    let script = "document.querySelector('main').textContent = 'drawn at ' + location.pathname;\n";
    site.file("index.html", "<!doctype html><link rel=icon href=data:,><main></main><script src=/app.js></script>");
    site.file("app.js", format!("{}{script}", "// padding\n".repeat(1_000)));
    let compressed = Command::new("gzip").args(["-9", "--keep"]).arg(site.path("app.js")).status();
    assert!(compressed.is_ok_and(|status| status.success()), "gzip");
    let server = Server::start(site.root(), &["--spa"]);
    let profile = tempfile::tempdir().expect("there is room for a profile");
    let page = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("http://{}/users/7", server.host()))
        .stderr(Stdio::null())
        .output()
        .expect("chromium runs");
    let dom = String::from_utf8_lossy(&page.stdout);
    assert!(dom.contains("<main>drawn at /users/7</main>"), "{dom}");
    let line = server.wait_for_stdout_line(PATIENCE, |line| line.contains("GET /app.js"));
    let size: usize = line.rsplit(' ').next().and_then(|size| size.parse().ok()).expect("a size ends the line");
    assert!(line.contains("\" 200 ") && size < 1_000, "{line}");
}
