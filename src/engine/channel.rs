//! What a client is spoken to through: its socket, or TLS over it.
//!
//! *Invariant:* without the Cargo feature `tls` a [`Channel`] is a [`Socket`] and nothing else, so that a plain server pays
//! nothing for what it can't do. With it, a plain connection pays one look at which of the two it is.

use super::socket::Socket;

#[cfg(feature = "tls")]
pub use self::either::Channel;

/// What a connection reads from and writes to.
#[cfg(not(feature = "tls"))]
pub type Channel = Socket;

/// How far both ends are with agreeing on how to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A handshake is to come, and nothing of it has.
    Fresh,
    /// The handshake is under way.
    Opening,
    /// What comes and goes is HTTP.
    Open,
    /// What comes is HTTP, and was to come through TLS.
    Unprotected,
}

impl Stage {
    /// Whether the next read may cost as much as a hundred requests.
    pub fn is_laborious(self) -> bool {
        match self {
            Stage::Fresh | Stage::Opening => true,
            Stage::Open | Stage::Unprotected => false,
        }
    }
}

/// What new connections speak.
#[derive(Debug, Default)]
pub struct Channels {
    #[cfg(feature = "tls")]
    pub tls: Option<std::sync::Arc<super::certificate::Certificate>>,
}

impl Channels {
    /// Whether it is TLS.
    pub fn is_secure(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// The channel of a connection that was just accepted.
    #[cfg(not(feature = "tls"))]
    pub fn open(&self, socket: Socket) -> Channel {
        socket
    }

    /// The channel of a connection that was just accepted.
    #[cfg(feature = "tls")]
    pub fn open(&self, socket: Socket) -> Channel {
        match &self.tls {
            Some(certificate) => Channel::Tls(super::tls::TlsStream::new(socket, certificate.clone())),
            None => Channel::Plain(socket),
        }
    }
}

#[cfg(feature = "tls")]
mod either {
    use std::fs::File;
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd};

    use super::Stage;
    use crate::engine::poller::Interest;
    use crate::engine::socket::Socket;
    use crate::engine::tls::TlsStream;
    use crate::engine::transfer::{Behind, Stream};

    /// What a connection reads from and writes to.
    #[derive(Debug)]
    pub enum Channel {
        Plain(Socket),
        Tls(TlsStream),
    }

    /// The same call on whichever it is.
    macro_rules! either {
        ($channel:expr, $stream:ident => $call:expr) => {
            match $channel {
                Channel::Plain($stream) => $call,
                Channel::Tls($stream) => $call,
            }
        };
    }

    impl Channel {
        pub fn socket(&self) -> &Socket {
            either!(self, stream => stream.socket())
        }

        /// Whether a read would not wait.
        pub fn has_input(&self) -> bool {
            self.holds_input() || self.socket().has_input()
        }
    }

    impl AsFd for Channel {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.socket().as_fd()
        }
    }

    impl Stream for Channel {
        fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            either!(self, stream => stream.receive(buffer))
        }

        fn send(&mut self, first: &[u8], second: &[u8], behind: Behind) -> io::Result<usize> {
            either!(self, stream => stream.send(first, second, behind))
        }

        fn send_file(&mut self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
            either!(self, stream => stream.send_file(file, offset, count))
        }

        fn finish(&mut self) -> io::Result<()> {
            either!(self, stream => stream.finish())
        }

        fn reset(&mut self) {
            either!(self, stream => stream.reset());
        }

        fn stage(&self) -> Stage {
            either!(self, stream => stream.stage())
        }

        fn holds_input(&self) -> bool {
            either!(self, stream => stream.holds_input())
        }

        fn awaits(&self) -> Interest {
            either!(self, stream => stream.awaits())
        }

        fn farewell(&mut self) {
            either!(self, stream => stream.farewell());
        }
    }
}
