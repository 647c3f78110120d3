//! Why a node cannot start: always what is missing, and where one can do something about it.

use std::fmt;
use std::io;

/// What is missing on this computer.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct OpenError {
    /// What could not be had.
    pub what: String,
    /// Why, and what helps.
    pub why: String,
}

impl OpenError {
    pub(crate) fn new(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        OpenError { what: what.to_string(), why: why.to_string() }
    }

    /// What the kernel said, in words that help. `capability` is what the kernel asks for.
    pub(crate) fn io(what: impl fmt::Display, error: &io::Error, capability: &str) -> Self {
        let why = match error.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("{error}; it needs {capability}, so run as root or give the program that capability")
            }
            io::ErrorKind::AddrInUse => {
                format!("{error}; another IKE daemon has it (`ss -lunp` shows which): stop that first")
            }
            io::ErrorKind::ResourceBusy => {
                format!("{error}; another process has a device of this name: stop that, or set another `tun`")
            }
            io::ErrorKind::NotFound => format!("{error}; the kernel module may be missing (`modprobe tun`)"),
            _ => error.to_string(),
        };
        OpenError::new(what, why)
    }
}
