//! A client of TLS, and a server that has a certificate; the library is the same at both ends, so what another says to it is
//! tried with curl and openssl beside these.
//!
//! *Invariant:* a client here believes the certificate authority of the tests and nobody else.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::response::{Response, find, show};
use super::server::Server;
use super::site::Site;
use crate::load;

/// The files of the tests.
pub fn certificate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/certificates").join(name)
}

/// The server's own certificate in a chain.
pub fn leaf(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(certificate(name)).expect("a certificate of the tests")
}

/// A directory beside the root with a chain and its key in it.
pub struct Keys {
    pub chain: PathBuf,
    pub key: PathBuf,
}

impl Keys {
    pub fn beside(site: &Site, name: &str) -> Keys {
        let directory = site.whole().join("tls");
        fs::create_dir_all(&directory).expect("our own directory");
        let keys = Keys { chain: directory.join("cert.pem"), key: directory.join("key.pem") };
        keys.replace(name);
        keys
    }

    /// Has others take their place, as a tool that renews certificates does: by renaming.
    pub fn replace(&self, name: &str) {
        for (file, from) in [(&self.chain, format!("{name}.pem")), (&self.key, format!("{name}.key"))] {
            let new = file.with_extension("new");
            fs::copy(certificate(&from), &new).and_then(|_| fs::rename(&new, file)).expect("our own directory");
        }
    }

    pub fn args(&self) -> [&str; 4] {
        let [chain, key] = [&self.chain, &self.key].map(|path| path.to_str().expect("a plain name"));
        ["--tls-cert", chain, "--tls-key", key]
    }

    /// A server that shows this certificate.
    pub fn serve(&self, site: &Site, args: &[&str]) -> Server {
        Server::start(site.root(), &[&self.args(), args].concat())
    }
}

/// How a client is set up: what it offers, and which versions it speaks.
pub fn client_config(alpn: &[&str], versions: &[&'static rustls::SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(leaf("ca.pem")).expect("the certificate authority of the tests");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).expect("they are known");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A client of both versions that offers HTTP/1.1.
pub fn usual() -> Arc<ClientConfig> {
    client_config(&["http/1.1"], rustls::ALL_VERSIONS)
}

/// The client's end of a connection that has not begun.
pub fn session(config: Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config, ServerName::try_from("localhost").expect("a name")).expect("a sound configuration")
}

/// The bytes that a client begins with.
pub fn hello(session: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes).expect("memory takes anything");
    bytes
}

/// How the server ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    CloseNotify,
    /// A FIN, and nothing that says that it was meant.
    Cut,
    Reset,
}

/// One connection, with what has come and no response has used.
pub struct TlsClient {
    pub tls: ClientConnection,
    pub stream: TcpStream,
    unread: Vec<u8>,
}

impl TlsClient {
    pub fn connect(server: &Server) -> TlsClient {
        TlsClient::with(server, usual())
    }

    pub fn with(server: &Server, config: Arc<ClientConfig>) -> TlsClient {
        TlsClient::over(load::wide(server.address()), session(config))
    }

    pub fn over(stream: TcpStream, tls: ClientConnection) -> TlsClient {
        TlsClient { tls, stream, unread: Vec::new() }
    }

    /// Goes through the handshake, and one more exchange, so that what follows it has come too.
    pub fn shake_hands(&mut self) {
        while self.tls.is_handshaking() {
            self.tls.complete_io(&mut self.stream).expect("a handshake");
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the server takes the bytes");
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        let mut stream = rustls::Stream::new(&mut self.tls, &mut self.stream);
        stream.write_all(bytes.as_ref())?;
        stream.flush()
    }

    /// Says that no byte will follow, and still reads.
    pub fn finish_sending(&mut self) {
        self.tls.send_close_notify();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.stream).expect("the server takes the end");
        }
    }

    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        let method = String::from_utf8_lossy(request.as_ref()).split(' ').next().unwrap_or_default().to_owned();
        self.send(request);
        self.response(&method)
    }

    pub fn response(&mut self, method: &str) -> Response {
        let mut response = self.head();
        let length = response.framed_length(method);
        response.content = self.take(length);
        response
    }

    pub fn head(&mut self) -> Response {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                return Response::parse(self.unread.drain(..end + 4).collect());
            }
            let end = self.fill();
            assert_eq!(end, None, "closed before a head was whole: {}", show(&self.unread));
        }
    }

    pub fn take(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length {
            assert_eq!(self.fill(), None, "closed {} of {length} bytes into the content", self.unread.len());
        }
        self.unread.drain(..length).collect()
    }

    /// Everything that still comes, and how it ends.
    pub fn read_to_end(&mut self) -> (Vec<u8>, End) {
        loop {
            if let Some(end) = self.fill() {
                return (std::mem::take(&mut self.unread), end);
            }
        }
    }

    /// The server closes, and not one byte more has come.
    pub fn expect_end(mut self, expected: End) {
        let (rest, end) = self.read_to_end();
        assert!(rest.is_empty(), "bytes after the last response: {}", show(&rest));
        assert_eq!(end, expected);
    }

    /// Reads once; says how it ended, if it has.
    fn fill(&mut self) -> Option<End> {
        let mut chunk = [0; 64 * 1024];
        match rustls::Stream::new(&mut self.tls, &mut self.stream).read(&mut chunk) {
            Ok(0) => Some(End::CloseNotify),
            Ok(read) => {
                self.unread.extend_from_slice(&chunk[..read]);
                None
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Some(End::Cut),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Some(End::Reset),
            Err(error) => panic!("nothing came ({error}) after {}", show(&self.unread)),
        }
    }
}

/// A connection with a small receive buffer, over which nobody reads ahead.
pub fn narrow(server: &Server) -> TlsClient {
    TlsClient::over(load::narrow(server.address()), session(usual()))
}

/// What the wire says until it ends, at most so long; records are not looked into.
pub fn wire_to_end(stream: &mut TcpStream, patience: Duration) -> Vec<u8> {
    stream.set_read_timeout(Some(patience)).expect("a time that is not zero");
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => bytes,
        Err(error) => panic!("{error} after {}", show(&bytes)),
    }
}
