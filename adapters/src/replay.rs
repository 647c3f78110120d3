//! Repeating a recorded run: the same core, on a virtual clock, with the same inputs at the same times.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use ipsec_core::config::WorkMode;
use ipsec_core::interface::{Boundary, InterfaceId};
use ipsec_core::route::{Route, RouteTable};
use ipsec_core::sad::PairId;
use ipsec_core::selector::{FlowKey, Prefix};
use ipsec_core::spd::EntryId;
use ipsec_core::wire::isakmp::Cookie;
use ipsec_core::work::{Work, WorkId};
use ipsec_core::{Command, Input, Instant, Ipsec, Output, Packet};

use crate::live::{core_config, policy_of};
use crate::outside::{Outside, interface};
use crate::record::{FlowRecord, Head, InputRecord, Line, SecretLine, Sources, VERSION, digest, unhex};

mod playback;

pub use playback::Playback;

/// What came of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Inputs handed in.
    pub inputs: u64,
    /// Outputs in the recording.
    pub outputs: u64,
    /// Outputs that were the same.
    pub reproduced: u64,
    /// The first that was not, and its line in the recording.
    pub difference: Option<String>,
}

impl Verdict {
    /// Whether every output was reproduced.
    pub fn held(&self) -> bool {
        self.difference.is_none() && self.reproduced == self.outputs
    }
}

/// Repeats the run of these two files.
///
/// # Errors
/// When a file cannot be read, is of another version, or is not a recording.
pub fn replay(run: &Path, secrets: &Path) -> Result<Verdict, String> {
    let recorded = Recorded::read(run, secrets)?;
    let mut player = recorded.player()?;
    let mut ended = false;
    for (number, line) in &recorded.lines {
        match line {
            Line::In(at, input) => {
                ended = matches!(input, InputRecord::Shutdown);
                let explain = |e| format!("{}: line {number}: {e}", run.display());
                player.hand_in(*at, input).map_err(explain)?;
            }
            Line::Out(expected) => player.compare(expected, *number),
        }
    }
    // Nor all outputs of its last input.
    if ended
        && let Some(extra) = player.next_output()
        && player.verdict.difference.is_none()
    {
        player.verdict.difference = Some(format!("after the end there is one more output: {}", name(&extra)));
    }
    let ours = env!("CARGO_PKG_VERSION");
    if let Some(difference) = player.verdict.difference.as_mut().filter(|_| recorded.head.program != ours) {
        *difference += &format!(" (it was recorded by version {}, this is {ours})", recorded.head.program);
    }
    Ok(player.verdict)
}

/// The two files, read.
struct Recorded {
    head: Head,
    seed: [u8; 32],
    policies: Vec<Sources>,
    /// Lines after the first, with their numbers.
    lines: Vec<(usize, Line)>,
}

impl Recorded {
    fn read(run: &Path, secrets: &Path) -> Result<Recorded, String> {
        let (seed, policies) = read_secrets(secrets)?;
        let explain = |number: usize, e: String| format!("{}: line {number}: {e}", run.display());
        let file = File::open(run).map_err(|e| format!("{}: {e}", run.display()))?;
        let mut lines = BufReader::new(file).lines();
        let head = lines.next().ok_or("the recording is empty")?.map_err(|e| e.to_string())?;
        let head: Head = serde_json::from_str(&head).map_err(|e| explain(1, e.to_string()))?;
        if head.version != VERSION {
            return Err(format!("a recording of version {}; this program knows {VERSION}", head.version));
        }
        let mut recorded = Recorded { head, seed, policies, lines: Vec::new() };
        let mut lines = (2..).zip(lines).peekable();
        while let Some((number, line)) = lines.next() {
            let line = line.map_err(|e| explain(number, e.to_string()))?;
            match serde_json::from_str(&line) {
                Ok(line) => recorded.lines.push((number, line)),
                // A node that was killed has not written all of its last line.
                Err(e) if e.is_eof() && lines.peek().is_none() => break,
                Err(e) => return Err(explain(number, e.to_string())),
            }
        }
        Ok(recorded)
    }

    fn player(&self) -> Result<Player, String> {
        Player::new(&self.head, self.seed, self.policies.clone())
    }
}

fn read_secrets(path: &Path) -> Result<([u8; 32], Vec<Sources>), String> {
    let explain = |e: String| format!("{}: {e}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| {
        explain(format!(
            "{e}; without its secrets a run cannot be repeated: they are written with --record-secrets"
        ))
    })?;
    let (mut seed, mut policies) = (None, Vec::new());
    for line in text.lines() {
        match serde_json::from_str(line).map_err(|e| explain(e.to_string()))? {
            SecretLine::Seed(VERSION, octets) => seed = Some(octets),
            SecretLine::Seed(version, _) => return Err(explain(format!("version {version} is not known"))),
            SecretLine::Sources(sources) => policies.push(sources),
        }
    }
    Ok((seed.ok_or_else(|| explain("there is no seed".to_owned()))?, policies))
}

/// The core and what it needs to go on.
struct Player {
    ipsec: Ipsec,
    outside: Outside,
    policies: std::vec::IntoIter<Sources>,
    work: BTreeMap<WorkId, Work>,
    verdict: Verdict,
}

impl Player {
    fn new(head: &Head, seed: [u8; 32], policies: Vec<Sources>) -> Result<Player, String> {
        let mut interfaces = Vec::new();
        for (number, record) in head.interfaces.iter().enumerate() {
            let boundary = if record.outside { Boundary::Unprotected } else { Boundary::Protected };
            let addresses =
                record.addresses.iter().map(|(address, len)| Prefix::new(*address, *len)).collect();
            interfaces.push(interface(number, &record.name, boundary, addresses));
        }
        let outside = Outside { interfaces, mtu: head.mtu };
        let mut routes = RouteTable::new();
        for record in &head.routes {
            routes.add(Route {
                destination: Prefix::new(record.destination.0, record.destination.1),
                next_hop: None,
                interface: InterfaceId(record.interface),
                source: record.source,
            });
        }
        let mut policies = policies.into_iter();
        let first = policies.next().ok_or("the secrets have no policy")?;
        let mut config = core_config(&first, &outside, |_| routes)?;
        config.work = WorkMode::Offload;
        let ipsec = Ipsec::new(config, seed, Instant::EPOCH);
        Ok(Player { ipsec, outside, policies, work: BTreeMap::new(), verdict: Verdict::default() })
    }

    fn hand_in(&mut self, at: u64, input: &InputRecord) -> Result<(), String> {
        let packet =
            |text: &str| unhex(text).map(|bytes| Packet::from_slice(0, &bytes)).ok_or("not hexadecimal");
        let input = match input {
            InputRecord::Outbound(n, text) => Input::Outbound(InterfaceId(*n), packet(text)?),
            InputRecord::Inbound(n, text) => Input::Inbound(InterfaceId(*n), packet(text)?),
            InputRecord::SetPolicy => {
                let sources = self.policies.next().ok_or("the secrets lack a policy")?;
                Input::Command(Command::SetPolicy(policy_of(&sources, &self.outside)?))
            }
            InputRecord::Initiate(entry, flow) => {
                Input::Command(Command::Initiate(EntryId(*entry), flow.into()))
            }
            InputRecord::RekeyPair(pair) => Input::Command(Command::RekeyPair(PairId(*pair))),
            InputRecord::DeletePair(pair) => Input::Command(Command::DeletePair(PairId(*pair))),
            InputRecord::RenewIsakmpSa(text) => {
                let octets = unhex(text).and_then(|octets| octets.try_into().ok());
                Input::Command(Command::RenewIsakmpSa(Cookie(octets.ok_or("not a cookie")?)))
            }
            InputRecord::Shutdown => Input::Command(Command::Shutdown),
            InputRecord::WorkDone(id) => {
                let work =
                    self.work.remove(&WorkId(*id)).ok_or_else(|| format!("nobody asked for work {id}"))?;
                Input::WorkDone(WorkId(*id), work.run())
            }
            InputRecord::Timeout => Input::Timeout,
        };
        self.verdict.inputs += 1;
        self.ipsec.handle_input(input, Instant::from_nanos(at));
        Ok(())
    }

    fn compare(&mut self, expected: &str, line: usize) {
        self.verdict.outputs += 1;
        let output = self.next_output();
        if output.as_ref().and_then(digest).as_deref() == Some(expected) {
            self.verdict.reproduced += 1;
        } else if self.verdict.difference.is_none() {
            let instead = output.as_ref().map_or("nothing".to_owned(), name);
            self.verdict.difference = Some(format!("line {line}: another output: {instead}"));
        }
    }

    /// The next output that is recorded; work is kept for its turn.
    fn next_output(&mut self) -> Option<Output> {
        loop {
            let output = self.ipsec.poll_output()?;
            if let Output::Work(id, work) = &output {
                self.work.insert(*id, work.clone());
            }
            if digest(&output).is_some() {
                return Some(output);
            }
        }
    }
}

fn name(output: &Output) -> String {
    match output {
        Output::Transmit(_, packet) => format!("{} octets sent", packet.len()),
        Output::Deliver(_, packet) => format!("{} octets delivered", packet.len()),
        Output::Event(event) => format!("{event:?}"),
        Output::Work(id, work) => format!("work {} {work:?}", id.0),
    }
}

impl From<&FlowRecord> for FlowKey {
    fn from(flow: &FlowRecord) -> Self {
        let FlowRecord { local, remote, protocol, local_port, remote_port } = *flow;
        FlowKey { local, remote, protocol, local_port, remote_port }
    }
}
