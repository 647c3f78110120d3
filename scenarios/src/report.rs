//! What a run reports: versioned, for people and machines. `README.md` documents the JSON form.

use serde::Serialize;

use crate::faults::FaultPlan;

/// Version of the report's JSON form; it changes when a field changes its meaning or goes away.
pub const SCHEMA: &str = "ipseclab-report/1";

/// Everything a scenario's run showed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The scenario's name.
    pub scenario: String,
    /// One line about it.
    pub title: String,
    /// The seed.
    pub seed: u64,
    /// Misfortunes of the links; `None` without any.
    pub faults: Option<FaultPlan>,
    /// SHA-256 over everything that happened, in lower-case hexadecimal; of several runs, over their digests.
    pub digest: String,
    /// Whether every check held. False when there is none.
    pub held: bool,
    /// The checks.
    pub checks: Vec<CheckResult>,
    /// The runs: one, or one for each direction of a twin.
    pub runs: Vec<RunReport>,
    /// The command that does the same again.
    pub replay: String,
}

/// What became of a check.
#[derive(Clone, Debug, Serialize)]
pub struct CheckResult {
    /// Its permanent name.
    pub id: String,
    /// The run it is about, if there are several.
    pub run: Option<String>,
    /// The article's words.
    pub says: String,
    /// Whether it held.
    pub held: bool,
    /// What was found; when it failed, beside what was wanted.
    pub detail: String,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// The direction of a twin.
    pub name: Option<String>,
    /// Simulated time in milliseconds.
    pub simulated_ms: u64,
    /// Events handled.
    pub events: u64,
    /// SHA-256 over everything that happened.
    pub digest: String,
    /// Main-mode SAs, in order of time.
    pub main_modes: Vec<MainModeReport>,
    /// Pairs of IPsec SAs, in order of time.
    pub quick_modes: Vec<QuickModeReport>,
    /// Flows and their answers.
    pub flows: Vec<FlowReport>,
    /// Packets dropped by the network layer or by IPsec.
    pub drops: Vec<DropReport>,
    /// Negotiations that failed.
    pub failures: Vec<FailureReport>,
    /// Events of the logs of Windows computers, in order of time.
    pub event_log: Vec<EventReport>,
    /// The Oakley logs that were written.
    pub oakley: Vec<OakleyReport>,
    /// Invariants that did not hold.
    pub violations: Vec<String>,
    /// Names of the links; each capture is called `<link>.pcapng`.
    pub links: Vec<String>,
    /// The story, line by line.
    pub story: Vec<String>,
    /// Why what did not get through did not, a sentence each; told only with the story.
    pub explanation: Vec<String>,
}

/// An established main-mode SA.
#[derive(Clone, Debug, Serialize)]
pub struct MainModeReport {
    /// When, in microseconds.
    pub at_us: u64,
    /// The node that has it.
    pub node: String,
    /// The other end.
    pub peer: String,
    /// Whether the node began.
    pub initiator: bool,
    /// As netsh writes it: `3DES-SHA1-2`.
    pub proposal: String,
    /// Lifetime in seconds.
    pub lifetime_seconds: u32,
    /// What NAT discovery found; `None` without NAT traversal.
    pub nat: Option<String>,
}

/// An established pair of IPsec SAs.
#[derive(Clone, Debug, Serialize)]
pub struct QuickModeReport {
    /// When, in microseconds.
    pub at_us: u64,
    /// The node that has it.
    pub node: String,
    /// The other end.
    pub peer: String,
    /// Whether the node began.
    pub initiator: bool,
    /// As netsh writes it: `ESP[DES,MD5]`.
    pub method: String,
    /// `transport` or `tunnel`.
    pub mode: String,
    /// Oakley group of perfect forward secrecy.
    pub pfs_group: Option<u16>,
    /// What it covers.
    pub selector: String,
    /// SPIs of what comes in, hexadecimal.
    pub inbound_spis: Vec<String>,
    /// SPIs of what goes out, hexadecimal.
    pub outbound_spis: Vec<String>,
    /// Negotiated lifetimes; the system's own defaults otherwise.
    pub lifetime: String,
}

/// What came of a flow.
#[derive(Clone, Debug, Serialize)]
pub struct FlowReport {
    /// Its name.
    pub flow: String,
    /// When it began, in microseconds.
    pub began_us: u64,
    /// Requests.
    pub asked: u32,
    /// Answers.
    pub answered: u32,
    /// Pings that said `Negotiating IP Security.`
    pub negotiating: u32,
}

/// Packets dropped for one reason.
#[derive(Clone, Debug, Serialize)]
pub struct DropReport {
    /// The node.
    pub node: String,
    /// The packet.
    pub packet: String,
    /// The reason's name.
    pub reason: String,
    /// How many.
    pub times: u32,
}

/// Negotiations that failed for one reason.
#[derive(Clone, Debug, Serialize)]
pub struct FailureReport {
    /// The node.
    pub node: String,
    /// `main-mode` or `quick-mode`.
    pub phase: String,
    /// The reason's name.
    pub reason: String,
    /// The first one's reason in full.
    pub detail: String,
    /// How many.
    pub times: u32,
}

/// An event of a computer's log.
#[derive(Clone, Debug, Serialize)]
pub struct EventReport {
    /// When, in microseconds.
    pub at_us: u64,
    /// The computer.
    pub node: String,
    /// `Security` or `System`.
    pub log: String,
    /// Its source.
    pub source: String,
    /// Its event ID.
    pub id: u32,
    /// `Success Audit`, `Failure Audit`, `Information` or `Error`.
    pub severity: String,
    /// Its category; `None` outside the Security log.
    pub category: String,
    /// Labels and values of its description, in their order; the lines of a block follow its label.
    pub fields: Vec<FieldReport>,
    /// As the event viewer shows it.
    pub text: String,
}

/// A label with its value.
#[derive(Clone, Debug, Serialize)]
pub struct FieldReport {
    /// The label, without its punctuation.
    pub name: String,
    /// The value; empty for the label of a block.
    pub value: String,
}

/// The Oakley log of a computer.
#[derive(Clone, Debug, Serialize)]
pub struct OakleyReport {
    /// The computer.
    pub node: String,
    /// Its lines.
    pub lines: Vec<String>,
}

impl EventReport {
    /// The value of the first field with this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|f| f.name == name).map(|f| f.value.as_str())
    }
}

impl Report {
    /// Checks that held and all checks.
    pub fn tally(&self) -> (usize, usize) {
        (self.checks.iter().filter(|c| c.held).count(), self.checks.len())
    }
}
