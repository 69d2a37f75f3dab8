//! What others say to it: curl and openssl, which share no code with it.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use super::site;
use crate::load::{DOWNLOAD, plain_get, program, skips};
use crate::support::tls::certificate;
use crate::support::{Server, Site, rows};

fn run(tool: &str, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(tool);
    command.args(args).env("no_proxy", "*").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a program that was found runs");
    // It may have ended without reading.
    let _ = child.stdin.take().expect("stdin is piped").write_all(input.as_bytes());
    child.wait_with_output().expect("our own child")
}

fn ca() -> String {
    certificate("ca.pem").to_str().expect("a plain name").to_owned()
}

fn url(server: &Server, path: &str) -> String {
    format!("https://localhost:{}{path}", server.address().port())
}

rows!(curl_gets:
    curl_speaks_tls_1_3("--tlsv1.3"),
    curl_speaks_tls_1_2("--tls-max 1.2"),
    curl_speaks_http_1_1_where_it_would_rather_have_http_2("--http2"),
    curl_speaks_without_alpn("--no-alpn"),
);

fn curl_gets(option: &str) {
    if skips(program("curl").is_some(), "curl") {
        return;
    }
    let ((site, keys), out) = (site(), Site::new());
    let server = keys.serve(&site, &[]);
    let (ca, path) = (ca(), out.path("out").display().to_string());
    let (first, second) = (url(&server, "/download.bin"), url(&server, "/hello.txt"));
    let format = "%{http_code} %{http_version} %{num_connects}\n";
    let mut args: Vec<&str> = vec!["-q", "-sS", "--fail", "-4", "--cacert", &ca, "-w", format];
    args.extend(option.split(' '));
    args.extend(["-o", &path, &first, "-o", "/dev/null", &second]);
    let output = run("curl", &args, "");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "200 1.1 1\n200 1.1 0\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::read(out.path("out")).expect("curl's file") == *DOWNLOAD);
}

#[test]
fn curl_with_plain_http_reads_what_is_wrong() {
    if skips(program("curl").is_some(), "curl") {
        return;
    }
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let plain = format!("http://{}/", server.address());
    let output = run("curl", &["-q", "-sS", "-w", "%{http_code}", &plain], "");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "400 Bad Request: this port speaks TLS: use https://\n400");
}

rows!(openssl_gets:
    openssl_speaks_tls_1_3("-tls1_3"),
    openssl_speaks_tls_1_2("-tls1_2"),
);

fn openssl_gets(version: &str) {
    if skips(program("openssl").is_some(), "openssl") {
        return;
    }
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let (ca, address) = (ca(), server.address().to_string());
    let args = ["s_client", "-connect", &address, "-servername", "localhost", "-CAfile", &ca, "-verify_return_error"];
    let request = plain_get("/hello.txt").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let output = run("openssl", &[&args, [version, "-ign_eof", "-alpn", "http/1.1"].as_slice()].concat(), &request);
    let said = String::from_utf8_lossy(&output.stdout);
    for part in ["Verify return code: 0 (ok)", "ALPN protocol: http/1.1", "\r\n\r\nhello, world\n"] {
        assert!(said.contains(part), "no {part:?} in {said}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}
