//! A renewed certificate, under load, by every way that tools put it there; and one that is of no use.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;
use rustls::HandshakeKind;
use rustls::pki_types::CertificateDer;

use super::site;
use crate::load::{self, Background, plain_get};
use crate::support::tls::{Keys, TlsClient, certificate, leaf, usual};
use crate::support::{PATIENCE, Server, rows};

/// The certificate that a new client is shown.
fn shown(server: &Server) -> CertificateDer<'static> {
    let mut client = TlsClient::connect(server);
    assert_eq!(client.ask(plain_get("/hello.txt")).content, b"hello, world\n");
    client.tls.peer_certificates().and_then(|chain| chain.first()).expect("a server has one").clone().into_owned()
}

const RENEWED: &str = "millpond: info: read the certificate and its key again: new connections get it";

fn renew(server: &Server) {
    server.signal(Signal::USR1);
    server.wait_for_stderr_line(PATIENCE, |line| line == RENEWED);
}

#[test]
fn a_renewed_certificate_is_shown_and_nothing_is_lost() {
    let _alone = load::alone();
    let (site, keys) = site();
    let server = Arc::new(keys.serve(&site, &["--workers", "2", "--access-log", "off"]));
    let answered = Arc::new(AtomicUsize::new(0));
    let kept = TlsClient::connect(&server);
    let clients: Vec<Background> = (0..3)
        .map(|_| {
            let (server, answered) = (Arc::clone(&server), Arc::clone(&answered));
            Background::run(move || {
                let mut client = TlsClient::connect(&server);
                for _ in 0..3 {
                    assert_eq!(client.ask(plain_get("/hello.txt")).content, b"hello, world\n");
                }
                load::will_abort(&client.stream);
                answered.fetch_add(3, Ordering::Relaxed);
            })
        })
        .collect();
    let mut download = crate::support::tls::narrow(&server);
    download.send(plain_get("/download.bin"));
    assert_eq!(download.head().status, 200);
    assert_eq!(shown(&server), leaf("first.pem"));
    let more = |count: usize| {
        let until = answered.load(Ordering::Relaxed) + count;
        load::wait_until(PATIENCE, "the load goes on", || answered.load(Ordering::Relaxed) >= until);
    };
    more(30);
    keys.replace("second");
    renew(&server);
    assert_eq!(shown(&server), leaf("second.pem"));
    more(30);
    // All that were connected before go on.
    drop(clients);
    assert!(download.take(load::DOWNLOAD_BYTES) == *load::DOWNLOAD);
    let mut kept = kept;
    assert_eq!(kept.ask(plain_get("/hello.txt")).status, 200);
}

#[test]
fn a_session_of_the_old_certificate_is_not_resumed() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let config = usual();
    let kind = || {
        let mut client = TlsClient::with(&server, config.clone());
        client.ask(plain_get("/hello.txt"));
        client.tls.handshake_kind()
    };
    assert_eq!((kind(), kind()), (Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)));
    keys.replace("second");
    renew(&server);
    assert_eq!((kind(), kind()), (Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)));
}

rows!(keeps_the_old_one:
    a_chain_that_is_gone(|keys: &Keys| fs::remove_file(&keys.chain).unwrap(), "there is no such file"),
    a_chain_that_is_cut(|keys: &Keys| fs::write(&keys.chain, "-----BEGIN CERTIFICATE-----\nMII").unwrap(), "is damaged"),
    a_chain_that_is_empty(|keys: &Keys| fs::write(&keys.chain, "").unwrap(), "has no certificate in it"),
    a_key_that_is_another_s(
        |keys: &Keys| fs::copy(certificate("second.key"), &keys.key).map(drop).unwrap(),
        "is not the key of the certificate",
    ),
    a_key_that_is_encrypted(
        |keys: &Keys| fs::copy(certificate("encrypted.key"), &keys.key).map(drop).unwrap(),
        "is encrypted",
    ),
);

fn keeps_the_old_one(damage: fn(&Keys), why: &str) {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    let mut kept = TlsClient::connect(&server);
    assert_eq!(kept.ask(plain_get("/hello.txt")).status, 200);
    damage(&keys);
    server.signal(Signal::USR1);
    let line = server.wait_for_stderr_line(PATIENCE, |line| line.contains("the certificate stays as it was"));
    assert!(line.starts_with("millpond: error: the certificate stays as it was: ") && line.contains(why), "{line:?}");
    assert_eq!(shown(&server), leaf("first.pem"));
    assert_eq!(kept.ask(plain_get("/hello.txt")).status, 200);
    // And the next one that is sound is taken.
    keys.replace("second");
    renew(&server);
    assert_eq!(shown(&server), leaf("second.pem"));
}

// ------------------------------------------------------------------------------------------- where tools put them

/// certbot: `live/` has links that are made to lead to the next file of `archive/`.
#[test]
fn links_that_are_made_to_lead_elsewhere_are_followed() {
    let (site, _) = site();
    let (live, archive) = (site.whole().join("live"), site.whole().join("archive"));
    for directory in [&live, &archive] {
        fs::create_dir(directory).expect("our own directory");
    }
    let point = |name: &str, number: usize| {
        for (kind, extension) in [("fullchain", "pem"), ("privkey", "key")] {
            let file = archive.join(format!("{kind}{number}.pem"));
            fs::copy(certificate(&format!("{name}.{extension}")), file).expect("our own directory");
            let (link, new) = (live.join(format!("{kind}.pem")), live.join("new"));
            symlink(format!("../archive/{kind}{number}.pem"), &new).expect("our own directory");
            fs::rename(new, link).expect("our own directory");
        }
    };
    point("first", 1);
    let keys = Keys { chain: live.join("fullchain.pem"), key: live.join("privkey.pem") };
    let server = keys.serve(&site, &[]);
    assert_eq!(shown(&server), leaf("first.pem"));
    point("second", 2);
    renew(&server);
    assert_eq!(shown(&server), leaf("second.pem"));
}

/// Kubernetes: the files are links into `..data`, which is a link to a directory that is made anew.
#[test]
fn a_directory_that_is_another_one_is_read() {
    let (site, _) = site();
    let volume = site.whole().join("volume");
    fs::create_dir(&volume).expect("our own directory");
    let mount = |name: &str| {
        let directory = volume.join(format!("..{name}"));
        fs::create_dir(&directory).expect("our own directory");
        fs::copy(certificate(&format!("{name}.pem")), directory.join("tls.crt")).expect("our own directory");
        fs::copy(certificate(&format!("{name}.key")), directory.join("tls.key")).expect("our own directory");
        symlink(format!("..{name}"), volume.join("new")).expect("our own directory");
        fs::rename(volume.join("new"), volume.join("..data")).expect("our own directory");
    };
    mount("first");
    for file in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{file}"), volume.join(file)).expect("our own directory");
    }
    let keys = Keys { chain: volume.join("tls.crt"), key: volume.join("tls.key") };
    let server = keys.serve(&site, &[]);
    mount("second");
    renew(&server);
    assert_eq!(shown(&server), leaf("second.pem"));
    fs::remove_dir_all(volume.join("..first")).expect("our own directory");
}

/// What lies anywhere else stays closed to the process.
#[test]
fn a_link_to_another_directory_is_refused_by_the_sandbox() {
    let (site, keys) = site();
    let server = keys.serve(&site, &[]);
    server.wait_for_stderr_line(PATIENCE, |line| line.contains("sandbox"));
    if load::skips(String::from_utf8_lossy(&server.stderr()).contains("where the certificate lies, only"), "Landlock") {
        return;
    }
    fs::remove_file(&keys.chain)
        .and_then(|()| symlink(certificate("first.pem"), &keys.chain))
        .expect("our own directory");
    server.signal(Signal::USR1);
    let line = server.wait_for_stderr_line(PATIENCE, |line| line.contains("the certificate stays as it was"));
    assert!(line.ends_with("no permission; make it readable for this user"), "{line:?}");
    assert_eq!(shown(&server), leaf("first.pem"));
}
