//! Recording a live run, so that it can be repeated bit for bit ([`replay`](crate::replay)).
//!
//! The core is a function of its configuration, its seed and its inputs. A recording is two files:
//!
//! - `run.rec`: versions, interfaces and routes, then each input with its time, and a digest of each output. Lines of JSON. The
//!   packets of applications are among the inputs, in clear, so only its owner may read it.
//! - `run.secrets`, only when asked for: the seed, which yields every key, and the policy with its pre-shared keys.
//!
//! Results of work are not recorded: they are secrets, and follow from the work, which the replay does again.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ipsec_core::interface::{Interface, InterfaceId};
use ipsec_core::route::RouteTable;
use ipsec_core::selector::FlowKey;
use ipsec_core::{Command, Event, Input, Instant, Output};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Version of the files.
pub const VERSION: u32 = 1;

/// What a policy was read from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// The configuration file.
    pub file: String,
    /// Scripts and keys, by the names the file has for them.
    pub others: BTreeMap<PathBuf, Vec<u8>>,
}

/// What is to be recorded, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// `run.rec`.
    pub path: PathBuf,
    /// `run.secrets`, if the run is to be repeated.
    pub secrets: Option<PathBuf>,
    /// The policy at the start.
    pub sources: Sources,
}

/// The first line of `run.rec`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) version: u32,
    pub(crate) program: String,
    /// The configuration file without keys; for people, a replay takes the one among the secrets.
    pub(crate) configuration: String,
    pub(crate) mtu: u16,
    pub(crate) interfaces: Vec<InterfaceRecord>,
    pub(crate) routes: Vec<RouteRecord>,
}

/// An interface of this computer; link details do not count.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InterfaceRecord {
    pub(crate) name: String,
    pub(crate) outside: bool,
    /// Addresses with the lengths of their prefixes.
    pub(crate) addresses: Vec<(std::net::IpAddr, u8)>,
}

/// A route, by the place of its interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RouteRecord {
    pub(crate) destination: (std::net::IpAddr, u8),
    pub(crate) interface: u16,
    pub(crate) source: Option<std::net::IpAddr>,
}

/// A line of `run.secrets`: the seed first, then the policy at the start and after each reload.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SecretLine {
    /// The version of the file, and the seed of everything random.
    Seed(u32, [u8; 32]),
    /// A policy.
    Sources(Sources),
}

/// A line of `run.rec` after the first.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    /// An input, at this time in nanoseconds since the start.
    In(u64, InputRecord),
    /// An output, by digest.
    Out(String),
}

/// An input.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InputRecord {
    Outbound(u16, String),
    Inbound(u16, String),
    /// The next policy of `run.secrets`.
    SetPolicy,
    Initiate(u32, FlowRecord),
    RekeyPair(u64),
    DeletePair(u64),
    /// By the initiator cookie, in hexadecimal.
    RenewIsakmpSa(String),
    Shutdown,
    /// The result of the work with this number.
    WorkDone(u64),
    Timeout,
}

/// A flow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FlowRecord {
    pub(crate) local: std::net::IpAddr,
    pub(crate) remote: std::net::IpAddr,
    pub(crate) protocol: u8,
    pub(crate) local_port: Option<u16>,
    pub(crate) remote_port: Option<u16>,
}

impl From<&FlowKey> for FlowRecord {
    fn from(flow: &FlowKey) -> Self {
        let FlowKey { local, remote, protocol, local_port, remote_port } = *flow;
        FlowRecord { local, remote, protocol, local_port, remote_port }
    }
}

/// Writes both files.
#[derive(Debug)]
pub(crate) struct Recorder {
    run: BufWriter<File>,
    secrets: Option<File>,
    /// Why it ended early.
    failed: bool,
}

impl Recorder {
    /// Begins the files.
    pub(crate) fn create(
        recording: &Recording,
        seed: &[u8; 32],
        interfaces: &[Interface],
        routes: &RouteTable,
        mtu: u16,
    ) -> io::Result<Recorder> {
        let configuration = crate::live::file::File::parse(&recording.sources.file);
        let head = Head {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            configuration: configuration.map(|file| file.without_keys()).unwrap_or_default(),
            mtu,
            interfaces: interfaces.iter().map(interface).collect(),
            routes: routes
                .iter()
                .map(|r| RouteRecord {
                    destination: (r.destination.address, r.destination.len),
                    interface: r.interface.0,
                    source: r.source,
                })
                .collect(),
        };
        let mut run = BufWriter::new(private(&recording.path)?);
        write(&mut run, &head)?;
        let mut secrets = recording.secrets.as_deref().map(private).transpose()?;
        if let Some(secrets) = &mut secrets {
            write(secrets, &SecretLine::Seed(VERSION, *seed))?;
            write(secrets, &SecretLine::Sources(recording.sources.clone()))?;
        }
        Ok(Recorder { run, secrets, failed: false })
    }

    /// Writes an input that is about to be handed in.
    pub(crate) fn input(&mut self, input: &Input, now: Instant) {
        if let Some(record) = input_record(input) {
            self.line(&Line::In(now.as_nanos(), record));
        }
    }

    /// Writes the digest of an output that is about to be carried out.
    pub(crate) fn output(&mut self, output: &Output) {
        if let Some(digest) = digest(output) {
            self.line(&Line::Out(digest));
        }
    }

    /// Notes what the next policy was read from.
    pub(crate) fn sources(&mut self, sources: Sources) {
        let Some(secrets) = &mut self.secrets else { return };
        if let Err(error) = write(secrets, &SecretLine::Sources(sources)) {
            tracing::warn!(%error, "the secrets of the recording could not be written");
        }
    }

    /// Hands what was written to the kernel.
    pub(crate) fn flush(&mut self) {
        self.failed |= self.run.flush().is_err();
    }

    fn line(&mut self, line: &Line) {
        if self.failed {
            return;
        }
        if let Err(error) = write(&mut self.run, line) {
            tracing::warn!(%error, "the recording could not be written, and ends here");
            self.failed = true;
        }
    }
}

fn private(path: &Path) -> io::Result<File> {
    // What is there may be readable by others; a new file is not.
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn write(out: &mut impl io::Write, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    out.write_all(&text)
}

fn interface(interface: &Interface) -> InterfaceRecord {
    InterfaceRecord {
        name: interface.name.clone(),
        outside: interface.boundary == ipsec_core::interface::Boundary::Unprotected,
        addresses: interface.addresses.iter().map(|p| (p.address, p.len)).collect(),
    }
}

fn input_record(input: &Input) -> Option<InputRecord> {
    Some(match input {
        Input::Outbound(InterfaceId(n), packet) => InputRecord::Outbound(*n, hex(packet.bytes())),
        Input::Inbound(InterfaceId(n), packet) => InputRecord::Inbound(*n, hex(packet.bytes())),
        Input::WorkDone(id, _) => InputRecord::WorkDone(id.0),
        Input::Timeout => InputRecord::Timeout,
        Input::Command(Command::SetPolicy(_)) => InputRecord::SetPolicy,
        Input::Command(Command::Initiate(entry, flow)) => InputRecord::Initiate(entry.0, flow.into()),
        Input::Command(Command::RekeyPair(pair)) => InputRecord::RekeyPair(pair.0),
        Input::Command(Command::DeletePair(pair)) => InputRecord::DeletePair(pair.0),
        Input::Command(Command::RenewIsakmpSa(cky_i)) => InputRecord::RenewIsakmpSa(hex(&cky_i.0)),
        Input::Command(Command::Shutdown) => InputRecord::Shutdown,
        // No live node installs keys by hand.
        Input::Command(_) => return None,
    })
}

/// The first eight octets of SHA-256 over what an output is; nothing of keys.
pub(crate) fn digest(output: &Output) -> Option<String> {
    let mut hash = Sha256::new();
    match output {
        Output::Transmit(InterfaceId(n), packet) => {
            hash.update(b"transmit");
            hash.update(n.to_be_bytes());
            hash.update(packet.bytes());
        }
        Output::Deliver(InterfaceId(n), packet) => {
            hash.update(b"deliver");
            hash.update(n.to_be_bytes());
            hash.update(packet.bytes());
        }
        Output::Event(Event::Keys(_)) => return None,
        Output::Event(event) => hash.update(format!("{event:?}")),
        Output::Work(id, work) => hash.update(format!("work {} {work:?}", id.0)),
    }
    hash.finalize().get(..8).map(hex)
}

pub(crate) fn hex(octets: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    octets.iter().flat_map(|o| [digit(o >> 4), digit(*o)]).collect()
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
