//! TLS over a socket, as the state machine sees any stream: what comes out of it and goes into it is HTTP.
//!
//! *Invariants:*
//! - Nothing here waits, and one call does a bounded amount of work: a handshake is parked between any two bytes of it, as
//!   a request head is.
//! - Bytes count as sent when the kernel has all of their ciphertext. Until then a send says `WouldBlock`, and is to be
//!   asked for again with the same bytes; so what waits for room is one piece of
//!   [`TLS_PIECE_BYTES`](config::TLS_PIECE_BYTES), and a response that is done is done.
//! - Nothing that was taken from the kernel is left behind for an event to tell of: [`Stream::holds_input`] says so.
//! - A connection that has sent nothing has no session yet, and costs no more than a plain one.
//! - Once the session has failed, nothing that comes is taken for content: reads fail, and behind the end of ours what
//!   still comes is read only to be thrown away.
//!
//! The end of a stream is `close_notify`, and a FIN without one is taken for the same (RFC 9112 §9.8): a request is whole or
//! it isn't, and its own framing says so. The kernel's `sendfile` is of no use here, for the kernel can't encrypt: a piece
//! of the file is read, encrypted and sent.
//!
//! RFC 8446 (TLS 1.3), RFC 5246 (TLS 1.2), RFC 7301 (ALPN).

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::ServerConnection;

use super::certificate::Certificate;
use super::channel::Stage;
use super::poller::Interest;
use super::socket::Socket;
use super::transfer::{Behind, Stream};
use crate::config;

/// A socket that speaks TLS, or is to.
#[derive(Debug)]
pub struct TlsStream {
    socket: Socket,
    state: State,
    /// Bytes of content whose ciphertext is made, and not yet with the kernel whole.
    owed: usize,
}

#[derive(Debug)]
enum State {
    /// Nothing has come.
    Fresh(Arc<Certificate>),
    Session(Box<Session>),
    /// It begins like HTTP: it is spoken to in the clear, to say what is wrong.
    Unprotected,
    /// Failed: every read says so, however often it is asked, until the end is sent.
    Broken,
    /// Ended.
    Over,
}

#[derive(Debug)]
struct Session {
    tls: ServerConnection,
    /// Content that was decrypted and not handed on.
    decrypted: usize,
    /// Whether the client's end has come.
    ended: bool,
    /// Whether an event will tell of what is not here yet: the last read took all there was.
    announced: bool,
}

impl TlsStream {
    pub fn new(socket: Socket, certificate: Arc<Certificate>) -> TlsStream {
        TlsStream { socket, state: State::Fresh(certificate), owed: 0 }
    }

    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Finds out from the first byte what is spoken; `Ok(false)` if the end came before it.
    fn begin(&mut self) -> io::Result<bool> {
        let State::Fresh(certificate) = &self.state else { return Ok(true) };
        let Some(first) = self.socket.peek()? else { return Ok(false) };
        // A handshake begins with 22. What begins with neither fails as a handshake, with the alert that is due.
        self.state = if first.is_ascii_alphabetic() {
            State::Unprotected
        } else {
            let tls = certificate.session().map_err(io::Error::other)?;
            State::Session(Box::new(Session { tls, decrypted: 0, ended: false, announced: true }))
        };
        Ok(true)
    }

    /// Encrypts, unless that was done when it was last asked for, and has the kernel take all of it.
    fn deliver(
        &mut self,
        behind: Behind,
        encrypt: impl FnOnce(&mut ServerConnection) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let State::Session(session) = &mut self.state else { return Err(io::ErrorKind::NotConnected.into()) };
        if session.tls.is_handshaking() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if self.owed == 0 {
            // What the protocol itself still has to say goes first, so that there is room for a whole piece.
            flush(&mut session.tls, &mut self.socket, Behind::More)?;
            self.owed = encrypt(&mut session.tls)?;
        }
        flush(&mut session.tls, &mut self.socket, behind)?;
        Ok(std::mem::take(&mut self.owed))
    }
}

impl Stream for TlsStream {
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.begin()? {
            return Ok(0);
        }
        match &mut self.state {
            State::Session(session) => {
                let result = session.receive(&mut self.socket, buffer);
                if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::InvalidData) {
                    self.state = State::Broken;
                }
                result
            }
            State::Broken => Err(io::ErrorKind::InvalidData.into()),
            State::Fresh(_) | State::Unprotected | State::Over => self.socket.receive(buffer),
        }
    }

    fn send(&mut self, first: &[u8], second: &[u8], behind: Behind) -> io::Result<usize> {
        if matches!(self.state, State::Unprotected) {
            return self.socket.send(first, second, behind);
        }
        self.deliver(behind, |tls| {
            let count = tls.writer().write_vectored(&[IoSlice::new(first), IoSlice::new(second)])?;
            // Nothing was left to be sent before it, so there is room; and who sends again for ever gets nowhere.
            if count > 0 { Ok(count) } else { Err(io::ErrorKind::WriteZero.into()) }
        })
    }

    fn send_file(&mut self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        self.deliver(Behind::Nothing, |tls| {
            let count = count.min(config::TLS_PIECE_BYTES);
            // Not filled with zeros first.
            let mut piece = Vec::with_capacity(count);
            let (read, _) = rustix::io::pread(file, &mut piece.spare_capacity_mut()[..count], offset)?;
            tls.writer().write(read)
        })
    }

    fn finish(&mut self) -> io::Result<()> {
        self.farewell();
        self.socket.finish()
    }

    fn reset(&mut self) {
        self.socket.reset();
    }

    fn stage(&self) -> Stage {
        match &self.state {
            State::Fresh(_) => Stage::Fresh,
            State::Session(session) if session.tls.is_handshaking() => Stage::Opening,
            State::Session(_) | State::Broken | State::Over => Stage::Open,
            State::Unprotected => Stage::Unprotected,
        }
    }

    fn holds_input(&self) -> bool {
        match &self.state {
            State::Session(session) => session.decrypted > 0 || session.ended || !session.announced,
            State::Broken => true,
            State::Fresh(_) | State::Unprotected | State::Over => false,
        }
    }

    fn awaits(&self) -> Interest {
        match &self.state {
            State::Session(session) if session.tls.wants_write() => Interest::Write,
            State::Session(_) | State::Fresh(_) | State::Unprotected | State::Broken | State::Over => Interest::Read,
        }
    }

    fn farewell(&mut self) {
        if let State::Session(session) = &mut self.state {
            // In the middle of a handshake nobody counts on it, and in the middle of a piece it would be a lie.
            if !session.tls.is_handshaking() && self.owed == 0 {
                session.tls.send_close_notify();
                say_as_much_as_fits(&mut session.tls, &mut self.socket);
            }
        }
        if !matches!(self.state, State::Unprotected) {
            self.state = State::Over;
        }
    }
}

impl Session {
    /// Content, as much as fits and there is; 0 is the end of the stream.
    fn receive(&mut self, socket: &mut Socket, buffer: &mut [u8]) -> io::Result<usize> {
        // Bounded, for records may be empty.
        for _ in 0..config::TLS_READS_MAX {
            if self.decrypted > 0 || self.ended {
                return self.hand_on(buffer);
            }
            if let Err(error) = flush(&mut self.tls, socket, Behind::Nothing)
                && (error.kind() != io::ErrorKind::WouldBlock || self.tls.is_handshaking())
            {
                // There will be an event when there is room for what the client waits for.
                self.announced = true;
                return Err(error);
            }
            self.announced = true;
            let mut wire = Wire { socket, behind: Behind::Nothing, asked: 0 };
            let count = self.tls.read_tls(&mut wire)?;
            self.announced = count < wire.asked;
            match self.tls.process_new_packets() {
                Ok(state) => {
                    self.decrypted = state.plaintext_bytes_to_read();
                    self.ended = state.peer_has_closed() || count == 0;
                }
                Err(error) => {
                    say_as_much_as_fits(&mut self.tls, socket);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
        }
        self.announced = false;
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn hand_on(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.tls.reader().read(buffer) {
            Ok(count) => {
                self.decrypted -= count;
                Ok(count)
            }
            // A FIN without `close_notify`, be it in the middle of the handshake.
            Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::WouldBlock) => Ok(0),
            Err(error) => Err(error),
        }
    }
}

/// Has the kernel take all that is to be sent.
fn flush(tls: &mut ServerConnection, socket: &mut Socket, behind: Behind) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(&mut Wire { socket, behind, asked: 0 })?;
    }
    Ok(())
}

/// For last words, which nothing is to wait for: an alert that doesn't fit is lost, and so is the connection.
fn say_as_much_as_fits(tls: &mut ServerConnection, socket: &mut Socket) {
    if let Err(error) = flush(tls, socket, Behind::Nothing) {
        log::debug!("an alert was not sent: {error}");
    }
}

/// The socket, as rustls reads and writes it.
struct Wire<'s> {
    socket: &'s mut Socket,
    behind: Behind,
    /// How many bytes the last read had room for.
    asked: usize,
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.asked = buffer.len();
        self.socket.receive(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.send_pieces(&[IoSlice::new(bytes)], self.behind)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.send_pieces(pieces, self.behind)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
