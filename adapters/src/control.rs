//! The control socket: a Unix socket of mode 0600, on which one line of JSON asks and one line answers.
//!
//! ```text
//! {"command":"status"}                     {"ok":true,"status":{...}}
//! {"command":"rekey","pair":3}             {"ok":true}
//! {"command":"delete","pair":99}           {"ok":false,"error":"there is no pair 99"}
//! ```

mod client;
mod report;

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use serde::{Deserialize, Serialize};

use crate::error::OpenError;
pub use client::ask;
pub(crate) use report::IsakmpSas;
pub use report::{Counters, EntryCount, IsakmpSa, PairReport, Report, SaReport, Sas, Status, Traffic};

/// Callers at once; more are turned away.
const CALLERS: usize = 16;
/// The longest request, in octets.
const LONGEST: usize = 65_536;

/// What can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// What the node is and does.
    Status,
    /// Its SAs, without keys.
    Sas,
    /// What it counted.
    Counters,
    /// Negotiate for the policy entry of this name.
    Initiate {
        /// Name of the rule.
        rule: String,
    },
    /// Negotiate a successor for this pair.
    Rekey {
        /// Number of the pair.
        pair: u64,
    },
    /// Begin a new phase 1 in place of this ISAKMP SA.
    Renew {
        /// Its initiator cookie in hexadecimal.
        isakmp: String,
    },
    /// Delete this pair and tell the peer.
    Delete {
        /// Number of the pair.
        pair: u64,
    },
    /// Read the configuration again.
    Reload,
}

/// What comes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// Whether it was done.
    pub ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was asked for.
    #[serde(flatten)]
    pub report: Option<serde_json::Value>,
}

impl Answer {
    pub(crate) fn done() -> Answer {
        Answer { ok: true, error: None, report: None }
    }

    pub(crate) fn failed(why: impl std::fmt::Display) -> Answer {
        Answer { ok: false, error: Some(why.to_string()), report: None }
    }

    pub(crate) fn of(report: &Report) -> Answer {
        match serde_json::to_value(report) {
            Ok(value) => Answer { report: Some(value), ..Answer::done() },
            Err(error) => Answer::failed(error),
        }
    }
}

/// One caller, with what of its line has come.
#[derive(Debug)]
struct Caller {
    stream: UnixStream,
    line: Vec<u8>,
    /// It says no more.
    ended: bool,
}

/// The listening socket and its callers.
#[derive(Debug)]
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
    callers: BTreeMap<usize, Caller>,
    next: usize,
}

impl Control {
    /// Listens at `path`. What a killed process left there is replaced; a socket that answers is not.
    pub(crate) fn open(
        path: &Path,
        registry: &Registry,
        token: Token,
        first: usize,
    ) -> Result<Control, OpenError> {
        let what = || format!("control socket {}", path.display());
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(OpenError::new(
                what(),
                "another node answers there; stop it, or set another `control`",
            ));
        }
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(OpenError::new(what(), e)),
            _ => {}
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| OpenError::new(what(), e))?;
        }
        // Nobody else may connect, not even between these two lines.
        let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(path);
        rustix::process::umask(umask);
        let mut listener = bound.map_err(|e| OpenError::new(what(), e))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|e| OpenError::new(what(), e))?;
        registry.register(&mut listener, token, Interest::READABLE).map_err(|e| OpenError::new(what(), e))?;
        Ok(Control { listener, path: path.to_owned(), callers: BTreeMap::new(), next: first })
    }

    /// Lets callers in.
    pub(crate) fn accept(&mut self, registry: &Registry) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            let token = self.next;
            if self.callers.len() < CALLERS
                && registry.register(&mut stream, Token(token), Interest::READABLE).is_ok()
            {
                self.callers.insert(token, Caller { stream, line: Vec::new(), ended: false });
                self.next += 1;
            }
        }
    }

    /// Reads what this caller says, and returns its whole lines.
    pub(crate) fn read(&mut self, token: usize) -> Vec<Result<Request, String>> {
        let Some(caller) = self.callers.get_mut(&token) else { return Vec::new() };
        let mut chunk = [0; 4096];
        caller.ended |= loop {
            match caller.stream.read(&mut chunk) {
                Ok(0) => break true,
                Ok(len) => caller.line.extend_from_slice(chunk.get(..len).unwrap_or_default()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => break e.kind() != io::ErrorKind::WouldBlock,
            }
            if caller.line.len() > LONGEST {
                break true;
            }
        };
        let mut requests = Vec::new();
        while let Some(end) = caller.line.iter().position(|octet| *octet == b'\n') {
            let line: Vec<u8> = caller.line.drain(..=end).collect();
            requests.push(serde_json::from_slice(&line).map_err(|e| e.to_string()));
        }
        requests
    }

    /// Forgets a caller that has said all it wanted.
    pub(crate) fn heard(&mut self, token: usize) {
        if self.callers.get(&token).is_some_and(|caller| caller.ended) {
            self.callers.remove(&token);
        }
    }

    /// Answers a caller. One that does not listen is gone.
    pub(crate) fn answer(&mut self, token: usize, answer: &Answer) {
        let Some(caller) = self.callers.get_mut(&token) else { return };
        let mut line = serde_json::to_vec(answer).unwrap_or_default();
        line.push(b'\n');
        let mut rest = line.as_slice();
        while !rest.is_empty() {
            match caller.stream.write(rest) {
                Ok(0) => break,
                Ok(len) => rest = rest.get(len..).unwrap_or_default(),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    if crate::wait::writable_for(&caller.stream, 200).is_err() {
                        break;
                    }
                }
                Err(_) => break,
            }
        }
        if !rest.is_empty() {
            self.callers.remove(&token);
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
