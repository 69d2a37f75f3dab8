//! How it starts, and what it says of a certificate and a key that are of no use.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use super::site;
use crate::load::plain_get;
use crate::support::tls::{TlsClient, certificate};
use crate::support::{PATIENCE, Server, rows};

#[test]
fn it_says_https() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let line = server.wait_for_stdout_line(PATIENCE, |_| true);
    assert_eq!(line, format!("https://{}/", server.address()));
}

rows!(takes:
    a_key_of_pkcs_8("first.pem", "first.key"),
    a_key_of_sec_1("first.pem", "first-sec1.key"),
    a_key_of_pkcs_1("rsa.pem", "rsa.key"),
);

fn takes(chain: &str, key: &str) {
    let (site, mut keys) = site();
    fs::copy(certificate(chain), &keys.chain).and(fs::copy(certificate(key), &keys.key)).expect("our own directory");
    // One file may hold both.
    let both = [fs::read(&keys.key), fs::read(&keys.chain)].map(|file| file.expect("our own file")).concat();
    for _ in 0..2 {
        let server = keys.serve(&site, &[]);
        assert_eq!(TlsClient::connect(&server).ask(plain_get("/hello.txt")).content, b"hello, world\n");
        fs::write(&keys.chain, &both).expect("our own directory");
        keys.key.clone_from(&keys.chain);
    }
}

/// Where the text for a file comes from.
enum File {
    Of(&'static str),
    Text(&'static str),
    Directory,
    Missing,
}

use File::{Directory, Missing, Of, Text};

rows!(refuses:
    no_chain(Missing, Of("first.key"), "can't read --tls-cert CERT: there is no such file; name one that is there"),
    no_key(Of("first.pem"), Missing, "can't read --tls-key KEY: there is no such file; name one that is there"),
    a_directory(Directory, Of("first.key"), "can't read --tls-cert CERT: it is a directory; name a file in it"),
    a_chain_without_a_certificate(
        Text("hello\n"),
        Of("first.key"),
        "--tls-cert CERT has no certificate in it: name a PEM file with a BEGIN CERTIFICATE line",
    ),
    a_key_where_the_chain_should_be(
        Of("first.key"),
        Of("first.key"),
        "--tls-cert CERT has no certificate in it: name a PEM file with a BEGIN CERTIFICATE line",
    ),
    a_chain_where_the_key_should_be(
        Of("first.pem"),
        Of("first.pem"),
        "--tls-key KEY has no private key in it: name a PEM file with a BEGIN PRIVATE KEY line",
    ),
    a_chain_that_is_no_base64(
        Text("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n"),
        Of("first.key"),
        "--tls-cert CERT is damaged: it looks like PEM, and what it encodes can't be read; have it made again",
    ),
    a_chain_that_is_no_certificate(
        Text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        Of("first.key"),
        "--tls-cert CERT is damaged: it looks like PEM, and what it encodes can't be read; have it made again",
    ),
    the_key_of_another(
        Of("first.pem"),
        Of("second.key"),
        "--tls-key KEY is not the key of the certificate in --tls-cert CERT: name the one that it was made with",
    ),
    an_encrypted_key(
        Of("first.pem"),
        Of("encrypted.key"),
        "--tls-key KEY is encrypted, and nobody is there to type the passphrase: decrypt it with `openssl pkey`",
    ),
    an_encrypted_key_of_the_old_kind(
        Of("rsa.pem"),
        Of("encrypted-traditional.key"),
        "--tls-key KEY is encrypted, and nobody is there to type the passphrase: decrypt it with `openssl pkey`",
    ),
    a_key_that_is_none(
        Of("first.pem"),
        Text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        "--tls-cert CERT with --tls-key KEY can't be used: failed to parse private key as RSA, ECDSA, or EdDSA; ECDSA \
         (P-256, P-384), Ed25519 and RSA from 2048 bits can",
    ),
);

fn refuses(chain: File, key: File, message: &str) {
    let (site, keys) = site();
    for (path, file) in [(&keys.chain, chain), (&keys.key, key)] {
        fs::remove_file(path).expect("our own file");
        match file {
            Of(name) => fs::copy(certificate(name), path).map(drop),
            Text(text) => fs::write(path, text),
            Directory => fs::create_dir(path),
            Missing => Ok(()),
        }
        .expect("our own directory");
    }
    let shown = |path: &PathBuf| path.display().to_string();
    let said = said(&site, &keys.args()).replace(&shown(&keys.chain), "CERT").replace(&shown(&keys.key), "KEY");
    assert_eq!(said, format!("1 millpond: {message}\n"));
}

/// The exit code, and what is on standard error.
fn said(site: &crate::support::Site, args: &[&str]) -> String {
    let mut command = Server::command(site.root());
    let output = command.args(args).stdin(Stdio::null()).output().expect("the server's binary starts");
    format!("{} {}", output.status.code().expect("it exits"), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_chain_that_begins_with_another_is_out_of_order() {
    let (site, keys) = site();
    let chain = [fs::read(certificate("ca.pem")), fs::read(certificate("first.pem"))].map(|file| file.expect("ours"));
    fs::write(&keys.chain, chain.concat()).expect("our own directory");
    let chain = keys.chain.display();
    let message =
        format!("--tls-cert {chain} has the certificate of the key behind another: the server's own must be the first");
    assert_eq!(said(&site, &keys.args()), format!("1 millpond: {message}\n"));
}

#[test]
fn a_key_that_all_could_read_is_refused() {
    let (site, keys) = site();
    let key = site.path("key.pem");
    fs::copy(&keys.key, &key).expect("our own directory");
    let key = key.to_str().expect("a plain name");
    let message =
        format!("--tls-key {key} lies beneath {}, where all can read it: put it somewhere else", site.root().display());
    assert_eq!(said(&site, &[keys.args()[0], keys.args()[1], "--tls-key", key]), format!("1 millpond: {message}\n"));
}

#[test]
fn one_without_the_other_is_a_mistake() {
    let (site, keys) = site();
    for (args, missing) in [(&keys.args()[..2], "--tls-key <FILE>"), (&keys.args()[2..], "--tls-cert <FILE>")] {
        let said = said(&site, args);
        assert!(said.starts_with("2 error: the following required arguments were not provided:\n"), "{said}");
        assert!(said.contains(missing), "{said}");
    }
}

#[test]
fn the_environment_has_them_too() {
    let (site, keys) = site();
    let mut command = Server::command(site.root());
    command.env("MILLPOND_TLS_CERT", &keys.chain).env("MILLPOND_TLS_KEY", &keys.key);
    let server = Server::spawn(command);
    assert_eq!(TlsClient::connect(&server).ask(plain_get("/hello.txt")).status, 200);
}
