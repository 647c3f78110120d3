//! Why the command could not do what it was asked, and the exit code that says so.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

/// A check failed, or there was none.
pub(crate) const FAILED: ExitCode = ExitCode::FAILURE;

/// Not a matter of checks.
#[derive(Debug)]
pub(crate) enum Error {
    /// Exit code 2: what was asked for cannot be run as it is.
    Usage(String),
    /// Exit code 3: this computer is in the way.
    Environment(String),
}

impl Error {
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Error::Usage(message.to_string())
    }

    /// Something could not be done with a file.
    pub(crate) fn file(path: &Path, error: &std::io::Error) -> Self {
        Error::Environment(format!("{}: {error}", path.display()))
    }

    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Error::Usage(_) => ExitCode::from(2),
            Error::Environment(_) => ExitCode::from(3),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Error::Usage(message) | Error::Environment(message)) = self;
        f.write_str(message)
    }
}

/// Prints to standard output; whoever closed it early has seen enough.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    use std::io::Write as _;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::Environment(format!("standard output: {e}")))
        }
        _ => Ok(()),
    }
}
