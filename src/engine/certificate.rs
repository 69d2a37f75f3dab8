//! The certificate and its key: read when the server starts, and read again when a renewed one lies there.
//!
//! *Invariants:* who has a handshake under way keeps what it began with; whoever begins one gets what was read last. What
//! can't be used is not taken: the old one stays, and the error says why. Reading may wait for a disk, so a thread of its
//! own does it; the lock is held to copy a reference, never over a file.
//!
//! *Sessions:* a client that comes back resumes its session by a ticket, which it keeps itself, encrypted by keys that only
//! this process has and that change every six hours. Nothing is remembered here, so there is nothing to bound. A renewed
//! certificate comes with new keys: who has shown that he knew the old one has to look at the new one. Early data (0-RTT)
//! is not taken, for it could be sent again by somebody else.
//!
//! *Where the files are:* they are replaced by renaming, or are links that are made to lead elsewhere (certbot's `live/`
//! to its `archive/`, Kubernetes' `..data`). So what the sandbox has to leave readable is the directory that each is named
//! in, and the one that it really lies in.

use std::fmt::{self, Display, Formatter};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, ServerConfig, ServerConnection};

use crate::config;

/// What a server needs to speak TLS.
#[derive(Debug)]
pub struct Tls {
    certificate: Arc<Certificate>,
    /// A byte in it asks for the files to be read again.
    wake: UnixStream,
    /// Its other end.
    woken: UnixStream,
    /// What has to stay readable for that.
    directories: Vec<OwnedFd>,
}

/// The certificate that new connections are shown.
pub struct Certificate {
    files: Files,
    /// Replaced whole; held to copy the reference.
    config: RwLock<Arc<ServerConfig>>,
}

/// Where the chain and the key are.
#[derive(Clone, Debug)]
struct Files {
    chain: PathBuf,
    key: PathBuf,
}

/// Why a certificate and a key are of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsError {
    Unreadable {
        path: PathBuf,
        option: &'static str,
        kind: io::ErrorKind,
    },
    /// Far more than a chain or a key has.
    TooLarge {
        path: PathBuf,
        option: &'static str,
    },
    NoCertificate {
        path: PathBuf,
    },
    NoKey {
        path: PathBuf,
    },
    /// A mistake in the encoding of one of them.
    Malformed {
        path: PathBuf,
        option: &'static str,
    },
    Encrypted {
        path: PathBuf,
    },
    Mismatch {
        chain: PathBuf,
        key: PathBuf,
    },
    /// The certificate that the key belongs to is not the first of the chain.
    OutOfOrder {
        chain: PathBuf,
    },
    /// Read, and refused by the library.
    Unusable {
        chain: PathBuf,
        key: PathBuf,
        cause: String,
    },
}

impl Tls {
    /// Reads the chain and its key.
    ///
    /// # Errors
    /// When a file is not there, has not what it should have in it, or the two don't belong together.
    pub fn load(chain: &Path, key: &Path) -> Result<Tls, TlsError> {
        let files = Files { chain: chain.to_owned(), key: key.to_owned() };
        let config = files.read()?;
        let failed = |option| {
            move |error: io::Error| TlsError::Unreadable { path: chain.to_owned(), option, kind: error.kind() }
        };
        let (wake, woken) = UnixStream::pair().map_err(failed(CERT))?;
        wake.set_nonblocking(true).map_err(failed(CERT))?;
        let directories = files.directories().map_err(failed(CERT))?;
        let certificate = Arc::new(Certificate { files, config: RwLock::new(Arc::new(config)) });
        Ok(Tls { certificate, wake, woken, directories })
    }

    /// For a signal handler: a descriptor that has the files read again when a byte is written to it.
    ///
    /// # Errors
    /// When the system is out of descriptors.
    pub fn renewal(&self) -> io::Result<OwnedFd> {
        Ok(self.wake.try_clone()?.into())
    }

    /// What must stay readable, so that renewed files can be read.
    pub fn directories(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.directories.iter().map(AsFd::as_fd)
    }

    /// What handshakes take, for as long as the server runs.
    pub fn certificate(&self) -> Arc<Certificate> {
        Arc::clone(&self.certificate)
    }

    /// Starts the thread that reads renewed files. It ends when nobody can ask for that any more.
    ///
    /// # Errors
    /// When the system refuses the thread.
    pub fn start_renewing(&self) -> io::Result<()> {
        let (certificate, mut woken) = (self.certificate(), self.woken.try_clone()?);
        let renew = move || {
            // Those who asked meanwhile are content with the same reading.
            while woken.read(&mut [0; 64]).is_ok_and(|count| count > 0) {
                match certificate.renew() {
                    Ok(()) => log::info!("read the certificate and its key again: new connections get it"),
                    Err(error) => log::error!("the certificate stays as it was: {error}"),
                }
            }
        };
        thread::Builder::new().name("renewal".into()).spawn(renew).map(drop)
    }
}

impl Certificate {
    /// The server's end of a new connection.
    ///
    /// # Errors
    /// When the library refuses its configuration.
    pub fn session(&self) -> Result<ServerConnection, rustls::Error> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        let mut session = ServerConnection::new(config)?;
        session.set_buffer_limit(Some(config::TLS_PIECE_BYTES));
        Ok(session)
    }

    /// Reads the files again.
    fn renew(&self) -> Result<(), TlsError> {
        let renewed = Arc::new(self.files.read()?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = renewed;
        Ok(())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        // Not the key.
        out.debug_tuple("Certificate").field(&self.files).finish()
    }
}

const CERT: &str = "--tls-cert";
const KEY: &str = "--tls-key";

impl Files {
    fn read(&self) -> Result<ServerConfig, TlsError> {
        let Files { chain, key } = self;
        let certificates = certificates(chain)?;
        let private_key = private_key(key)?;
        let provider = Arc::new(ring::default_provider());
        let unusable = |error: rustls::Error| {
            let (chain, key) = (chain.clone(), key.clone());
            let cause = match error {
                // Shown, it begins with "unexpected error".
                rustls::Error::General(cause) => cause,
                error => error.to_string(),
            };
            TlsError::Unusable { chain, key, cause }
        };
        let first = CertifiedKey::from_der(certificates.clone(), private_key.clone_key(), &provider);
        let certified = first.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let belongs = |certificate: CertificateDer<'static>| {
                    CertifiedKey::from_der(vec![certificate], private_key.clone_key(), &provider).is_ok()
                };
                if certificates.into_iter().any(belongs) {
                    TlsError::OutOfOrder { chain: chain.clone() }
                } else {
                    TlsError::Mismatch { chain: chain.clone(), key: key.clone() }
                }
            }
            rustls::Error::InvalidCertificate(_) => TlsError::Malformed { path: chain.clone(), option: CERT },
            error => unusable(error),
        })?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        // Who offers protocols, and not this one, is refused with the alert that RFC 7301 §3.2 has for it; who offers none
        // speaks HTTP/1.1 in any case.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ring::Ticketer::new().map_err(unusable)?;
        Ok(config)
    }

    /// The directories that the files are named in, and those that they lie in.
    fn directories(&self) -> io::Result<Vec<OwnedFd>> {
        let mut paths = Vec::new();
        for file in [&self.chain, &self.key] {
            for path in [file.clone(), fs::canonicalize(file)?] {
                let parent = match path.parent() {
                    Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
                    Some(_) | None => PathBuf::from("."),
                };
                if !paths.contains(&parent) {
                    paths.push(parent);
                }
            }
        }
        paths.iter().map(|path| File::open(path).map(OwnedFd::from)).collect()
    }
}

/// The chain, the server's own certificate first.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = text(path, CERT)?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(TlsError::NoCertificate { path: path.to_owned() }),
        Err(_) => Err(TlsError::Malformed { path: path.to_owned(), option: CERT }),
    }
}

/// The first key of a file: PKCS #8, SEC 1 or PKCS #1.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = text(path, KEY)?;
    let says = |words: &[u8]| text.windows(words.len()).any(|window| window == words);
    if says(b"BEGIN ENCRYPTED PRIVATE KEY") || says(b"Proc-Type: 4,ENCRYPTED") {
        return Err(TlsError::Encrypted { path: path.to_owned() });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey { path: path.to_owned() },
        _ => TlsError::Malformed { path: path.to_owned(), option: KEY },
    })
}

/// A small file, whole.
fn text(path: &Path, option: &'static str) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(config::PEM_BYTES_MAX + 1).read_to_end(&mut bytes));
    let count = read.map_err(|error| TlsError::Unreadable { path: path.to_owned(), option, kind: error.kind() })?;
    match u64::try_from(count) {
        Ok(count) if count <= config::PEM_BYTES_MAX => Ok(bytes),
        Ok(_) | Err(_) => Err(TlsError::TooLarge { path: path.to_owned(), option }),
    }
}

impl Display for TlsError {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::Unreadable { path, option, kind } => {
                let remedy = match kind {
                    io::ErrorKind::NotFound => "there is no such file; name one that is there",
                    io::ErrorKind::PermissionDenied => "no permission; make it readable for this user",
                    io::ErrorKind::IsADirectory => "it is a directory; name a file in it",
                    _ => return write!(out, "can't read {option} {}: {kind}", path.display()),
                };
                write!(out, "can't read {option} {}: {remedy}", path.display())
            }
            TlsError::TooLarge { path, option } => {
                write!(
                    out,
                    "{option} {} is more than 1 MiB: name a PEM file, which has some thousand bytes",
                    path.display()
                )
            }
            TlsError::NoCertificate { path } => write!(
                out,
                "{CERT} {} has no certificate in it: name a PEM file with a BEGIN CERTIFICATE line",
                path.display()
            ),
            TlsError::NoKey { path } => write!(
                out,
                "{KEY} {} has no private key in it: name a PEM file with a BEGIN PRIVATE KEY line",
                path.display()
            ),
            TlsError::Malformed { path, option } => write!(
                out,
                "{option} {} is damaged: it looks like PEM, and what it encodes can't be read; have it made again",
                path.display()
            ),
            TlsError::Encrypted { path } => write!(
                out,
                "{KEY} {} is encrypted, and nobody is there to type the passphrase: decrypt it with `openssl pkey`",
                path.display()
            ),
            TlsError::Mismatch { chain, key } => write!(
                out,
                "{KEY} {} is not the key of the certificate in {CERT} {}: name the one that it was made with",
                key.display(),
                chain.display()
            ),
            TlsError::OutOfOrder { chain } => write!(
                out,
                "{CERT} {} has the certificate of the key behind another: the server's own must be the first",
                chain.display()
            ),
            TlsError::Unusable { chain, key, cause } => write!(
                out,
                "{CERT} {} with {KEY} {} can't be used: {cause}; ECDSA (P-256, P-384), Ed25519 and RSA from 2048 bits can",
                chain.display(),
                key.display()
            ),
        }
    }
}

impl std::error::Error for TlsError {}
