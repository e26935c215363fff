//! The guard's end of the line, and how file descriptors travel on it.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use super::frame::{Frame, Order, Word};

/// Sends bytes and, with the first of them, file descriptors. Says how many bytes have gone.
pub(super) fn send(line: BorrowedFd<'_>, bytes: &[u8], fds: &[OwnedFd]) -> io::Result<usize> {
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let rights = if raw.is_empty() { &[][..] } else { &rights[..] };
    Ok(sendmsg::<()>(line.as_raw_fd(), &[IoSlice::new(bytes)], rights, MsgFlags::empty(), None)?)
}

/// Non-blocking: a provost that has been stopped must not keep the guard from its deadlines.
pub(super) struct Line {
    stream: UnixStream,
    inbox: Vec<u8>,
    fds: VecDeque<OwnedFd>,
    outbox: Vec<u8>,
}

impl Line {
    /// Takes the line from standard input, where provost has put it.
    pub(super) fn inherited() -> io::Result<Self> {
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        // A person who calls the guard by hand has no socket there.
        stream.peer_addr()?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, inbox: Vec::new(), fds: VecDeque::new(), outbox: Vec::new() })
    }

    /// To wait on.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Whether something waits to be sent.
    pub(super) fn is_full(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Puts a word into the outbox; [`Line::flush`] sends it.
    pub(super) fn say(&mut self, word: &Word) {
        self.outbox.extend(word.encode());
    }

    /// Sends what can be sent without waiting. A line that is closed is noticed when it is read.
    pub(super) fn flush(&mut self) {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(sent) => drop(self.outbox.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.outbox.clear(),
            }
        }
    }

    /// Sends everything, however long it takes; for the last words.
    pub(super) fn finish(&mut self) {
        if self.stream.set_nonblocking(false).is_ok() {
            self.flush();
        }
    }

    /// Reads what is there. `false`: the line is closed.
    pub(super) fn read(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.receive(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => self.inbox.extend(&buffer[..length]),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return true,
                Err(_) => return false,
            }
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) -> nix::Result<usize> {
        let mut control = nix::cmsg_space!([RawFd; 16]);
        let mut iov = [IoSliceMut::new(buffer)];
        #[cfg(target_os = "linux")]
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        #[cfg(not(target_os = "linux"))]
        let flags = MsgFlags::empty();
        let message = recvmsg::<()>(self.stream.as_raw_fd(), &mut iov, Some(&mut control), flags)?;
        for rights in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(raw) = rights {
                for fd in raw {
                    #[expect(unsafe_code, reason = "the kernel has just made this descriptor for us alone")]
                    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
                    #[cfg(not(target_os = "linux"))]
                    nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
                    self.fds.push_back(fd);
                }
            }
        }
        Ok(message.bytes)
    }

    /// The next whole order, with the descriptors that came along.
    pub(super) fn order(&mut self) -> Result<Option<(Order, Vec<OwnedFd>)>, super::frame::Broken> {
        let Some(order) = Order::decode(&mut self.inbox)? else { return Ok(None) };
        let count = if matches!(order, Order::Spawn { .. }) { 3 } else { 0 };
        if self.fds.len() < count {
            return Err(super::frame::Broken);
        }
        Ok(Some((order, self.fds.drain(..count).collect())))
    }
}
