//! Signals as something to wait for, among sockets.

use std::io;
use std::os::fd::{AsRawFd as _, RawFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What an operator asks for by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGTERM or SIGINT: tell the peers and end.
    Stop,
}

/// SIGHUP, SIGTERM and SIGINT, which from now on no longer end the process by themselves.
#[derive(Debug)]
pub(crate) struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Blocks them in this thread and all it starts from now on, and opens the descriptor.
    pub(crate) fn open() -> io::Result<Signals> {
        let set: SigSet = [Signal::SIGHUP, Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
        set.thread_block()?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Signals { fd })
    }

    /// The next signal that came.
    pub(crate) fn take(&self) -> Option<Asked> {
        let signal = self.fd.read_signal().ok().flatten()?;
        let hangup = i32::try_from(signal.ssi_signo).is_ok_and(|number| number == Signal::SIGHUP as i32);
        Some(if hangup { Asked::Reload } else { Asked::Stop })
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
