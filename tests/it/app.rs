//! An app in a browser: a route that no file has draws itself, by a script that came compressed.

use std::process::Command;

use serde_json::json;

use crate::devtools::Page;
use crate::load::{program, skips, wait_until};
use crate::support::{PATIENCE, Server, Site};

#[test]
fn a_route_of_an_app_draws_itself_by_a_script_that_came_compressed() {
    if skips(program("gzip").is_some(), "gzip") {
        return;
    }
    let Some(page) = Page::open() else { return };
    let site = Site::new();
    let script = "document.querySelector('main').textContent = 'drawn at ' + location.pathname;\n";
    site.file("index.html", "<!doctype html><link rel=icon href=data:,><main></main><script src=/app.js></script>");
    site.file("app.js", format!("{}{script}", "// padding\n".repeat(1_000)));
    let compressed = Command::new("gzip").args(["-9", "--keep"]).arg(site.path("app.js")).status();
    assert!(compressed.is_ok_and(|status| status.success()), "gzip");
    let server = Server::start(site.root(), &["--spa"]);
    page.show(&format!("http://{}/users/7", server.host()), 1280, "light");
    wait_until(PATIENCE, "it draws itself", || {
        page.ask("document.body.innerText.trim()") == json!("drawn at /users/7")
    });
    let line = server.wait_for_stdout_line(PATIENCE, |line| line.contains("GET /app.js"));
    let size: usize = line.rsplit(' ').next().and_then(|size| size.parse().ok()).expect("a size ends the line");
    assert!(line.contains("\" 200 ") && size < 1_000, "{line}");
}
