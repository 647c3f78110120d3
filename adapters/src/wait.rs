//! Waiting for a full socket.

use std::io;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a full socket may hold up everything else, in milliseconds.
const PATIENCE: i64 = 2;

/// Waits until the socket takes more, but not for long.
pub(crate) fn writable(socket: &impl AsFd) -> io::Result<()> {
    writable_for(socket, PATIENCE)
}

/// Waits until the socket takes more, at most for so many milliseconds.
pub(crate) fn writable_for(socket: &impl AsFd, milliseconds: i64) -> io::Result<()> {
    let patience = Timespec { tv_sec: 0, tv_nsec: milliseconds * 1_000_000 };
    match poll(&mut [PollFd::new(socket, PollFlags::OUT)], Some(&patience))? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    }
}
