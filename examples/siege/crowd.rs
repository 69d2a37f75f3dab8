//! Many connections that one thread looks after, so that the load itself is light: epoll tells who has something to read,
//! or has been left.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};

use crate::client::Client;

/// Enough of an answer to see what it is.
const ANSWER_BYTES_MAX: usize = 1024;

#[derive(Debug)]
pub struct Crowd {
    set: OwnedFd,
    attention: Attention,
    pub members: Vec<Member>,
}

#[derive(Debug)]
pub struct Member {
    stream: TcpStream,
    /// From when its time counts.
    pub since: Instant,
    /// The beginning of what came.
    pub answer: Vec<u8>,
    pub ended: Option<(Instant, End)>,
}

/// How a server leaves a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By FIN.
    Finished,
    /// By RST.
    Reset,
}

/// What a crowd pays attention to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// It reads what comes.
    Answers,
    /// It reads nothing, and notices only its end.
    End,
}

impl Crowd {
    /// Connects so many, and has each begin as it is told: its time counts from then on.
    pub fn gather(
        count: usize,
        attention: Attention,
        mut begin: impl FnMut(usize) -> io::Result<Client>,
    ) -> io::Result<Crowd> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut members = Vec::with_capacity(count);
        let interest = match attention {
            Attention::Answers => EventFlags::IN | EventFlags::RDHUP,
            Attention::End => EventFlags::RDHUP,
        };
        for index in 0..count {
            let stream = begin(index)?.into_stream();
            stream.set_nonblocking(true)?;
            let data = u64::try_from(index).map_err(io::Error::other)?;
            epoll::add(&set, &stream, EventData::new_u64(data), interest)?;
            members.push(Member { stream, since: Instant::now(), answer: Vec::new(), ended: None });
        }
        Ok(Crowd { set, attention, members })
    }

    /// Looks after all of them for so long.
    pub fn attend(&mut self, time: Duration) -> io::Result<()> {
        let deadline = Instant::now() + time;
        let mut events = Vec::with_capacity(64);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            rustix::io::retry_on_intr(|| {
                epoll::wait(&self.set, rustix::buffer::spare_capacity(&mut events), Some(&timeout))
            })?;
            for epoll::Event { data, flags } in events.drain(..) {
                let index = usize::try_from(data.u64()).map_err(io::Error::other)?;
                let member = &mut self.members[index];
                match self.attention {
                    Attention::Answers => member.read(),
                    Attention::End => member.notice_end(flags),
                }
                if member.ended.is_some() {
                    epoll::delete(&self.set, &member.stream)?;
                }
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    pub fn is_over(&self) -> bool {
        self.members.iter().all(|member| member.ended.is_some())
    }
}

impl Member {
    fn notice_end(&mut self, flags: EventFlags) {
        let end = if flags.intersects(EventFlags::ERR | EventFlags::HUP) { End::Reset } else { End::Finished };
        self.ended = Some((Instant::now(), end));
    }

    /// Reads what has come, and keeps the beginning of it.
    fn read(&mut self) {
        let mut chunk = [0; ANSWER_BYTES_MAX];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return self.ended = Some((Instant::now(), End::Finished)),
                Ok(read) => {
                    let room = ANSWER_BYTES_MAX - self.answer.len();
                    self.answer.extend_from_slice(&chunk[..read.min(room)]);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return self.ended = Some((Instant::now(), End::Reset)),
            }
        }
    }

    /// Sends a byte, unless the answer has come or the server has left.
    pub fn drip(&mut self, byte: u8) {
        if self.answer.is_empty() && self.ended.is_none() {
            // A server that has just left says so to whoever attends.
            let _ = self.stream.write_all(&[byte]);
        }
    }

    /// Reads at most so much of what has come, and forgets it.
    pub fn sip(&mut self, bytes_max: usize) {
        // A server that has just left says so to whoever attends.
        let _ = self.stream.read(&mut vec![0; bytes_max]);
    }

    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// From the time that counts to its end.
    pub fn took(&self) -> Option<Duration> {
        self.ended.map(|(at, _)| at.duration_since(self.since))
    }
}
