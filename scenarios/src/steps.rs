//! `steps.toml`: who does what at which time, and what must come of it.

pub mod adversary;
pub mod displays;
pub mod domain;
pub mod machine;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddrV4};

use serde::Deserialize;
use toml::Spanned;

use crate::error::{Doc, LoadError};
pub use crate::steps::adversary::{Flood, ForgeFragments, Inject};
use crate::steps::displays::{Judged, Shown};
use crate::topology::traversal::Revision;
use crate::topology::{Route, Topology};
use crate::twin::{Outcome, PacketPattern};
use crate::value::{Net, Span};

/// What happens in a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// How long it runs.
    pub end: Span,
    /// The traffic that steps start.
    #[serde(rename = "flow")]
    pub flows: Vec<Flow>,
    /// What happens when, in the order of the file.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
    /// What must come of it.
    #[serde(rename = "check")]
    pub checks: Vec<Check>,
}

/// Traffic between two nodes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Its name.
    pub name: Spanned<String>,
    /// The node that begins.
    pub from: Spanned<String>,
    /// The node that answers.
    pub to: Spanned<String>,
    /// The address that is asked for, where it is not the first one of `to`: that of a translator before it.
    pub address: Option<IpAddr>,
    /// The application.
    pub app: App,
    /// Whether no policy protects it, and none should.
    #[serde(default)]
    pub clear: bool,
    /// Whether nobody should answer it, even when nothing goes wrong.
    #[serde(default)]
    pub unanswered: bool,
}

/// An application.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum App {
    /// The ping command.
    Ping(Ping),
    /// A TCP connection to an echo server.
    Tcp(Tcp),
    /// UDP datagrams to an echo server.
    Udp(Udp),
}

/// Echo requests.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// How many.
    pub count: u32,
    /// One each.
    pub interval: Span,
    /// Octets of data in each; Windows sends 32.
    #[serde(default = "default_ping_size")]
    pub size: u16,
}

fn default_ping_size() -> u16 {
    32
}

/// A TCP conversation of an Abczz client with an Abczz server that echoes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tcp {
    /// The server's port.
    pub port: u16,
    /// The client's port; none: a random high one.
    pub source_port: Option<u16>,
    /// What the client says; the server says it again.
    pub line: String,
    /// How often, in one connection.
    #[serde(default = "one")]
    pub lines: u32,
}

fn one() -> u32 {
    1
}

/// UDP datagrams to an echo server.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Udp {
    /// The server's port.
    pub port: u16,
    /// How many.
    pub count: u32,
    /// One each.
    pub interval: Span,
    /// The client's port for the first, and the next ones for the others. Flows that share ports share answers.
    pub source_port: Option<u16>,
    /// Whether they have a checksum; over IPv4 they need not (RFC 768).
    #[serde(default = "yes")]
    pub checksum: bool,
    /// Octets of data in each; 0: a few words.
    #[serde(default)]
    pub size: u16,
}

fn yes() -> bool {
    true
}

/// One step.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When, from the start of the run.
    pub at: Spanned<Span>,
    /// The article's words.
    pub says: Option<String>,
    /// What.
    pub r#do: Do,
}

/// What a step does.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Do {
    /// Start this flow.
    Start(Spanned<String>),
    /// Note the interfaces and routes of this node.
    Ipconfig(Spanned<String>),
    /// Note the SAs of this node.
    Monitor(Spanned<String>),
    /// Say that this link is being captured; every link always is.
    Capture(Spanned<String>),
    /// Put a forged packet on a link.
    Inject(Inject),
    /// Send first messages of aggressive mode to a node, from somebody without a key.
    Flood(Flood),
    /// Send forged fragments of an IKE message to a node, from somebody who reads the link.
    ForgeFragments(ForgeFragments),
    /// Let this translator move every mapping to a new external port.
    Rebind(Spanned<String>),
    /// Let this translator use its next external address, with new ports.
    MoveAddress(Spanned<String>),
    /// Type a `netsh` line at this node, or one of the tools before it.
    Netsh(machine::Typed),
    /// Give this node one more static route.
    Route(NewRoute),
    /// Let this node start afresh: its SAs, or its mappings, are lost.
    Reboot(Spanned<String>),
    /// Let this computer start again: driver, persistent policy, local policy, each in its time.
    Boot(machine::Boot),
    /// Start or stop the IPSec service of a computer.
    Service(machine::Service),
    /// Change the servers that a computer is configured with.
    Reconfigure(machine::Reconfigure),
    /// Change what a computer has stored, by `netsh` lines that its service does not hear of.
    Registry(NetshLine),
    /// Move the account of a computer to another organizational unit or domain.
    Move(domain::Move),
    /// Let a Group Policy object assign another policy.
    GroupPolicy(domain::GroupPolicy),
}

/// One more static route, as `route add` makes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRoute {
    /// The node.
    pub node: Spanned<String>,
    /// The route, as in the topology.
    pub route: Route,
}

/// A line for `netsh`, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetshLine {
    /// The node.
    pub node: Spanned<String>,
    /// What would be typed, with `netsh` before it as at a command prompt, or without.
    pub line: String,
}

/// One thing that must hold at the end.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// A permanent name.
    pub id: Spanned<String>,
    /// The article's words it tests.
    pub says: String,
    /// The condition.
    pub holds: Condition,
}

/// What can be asked of a run.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The far end answered.
    Replies(Replies),
    /// What the people at both ends of a flow saw.
    Outcome(FlowOutcome),
    /// What a capture shows.
    Seen(Seen),
    /// A main-mode SA came up.
    MainMode(MainMode),
    /// A pair of IPsec SAs came up.
    QuickMode(QuickMode),
    /// How many of each were established (Event ID 541).
    Established(Established),
    /// The interfaces and routes of this node were the same each time ipconfig was typed.
    SameInterfaces(Spanned<String>),
    /// How often something happened to a node's IKE.
    Happened(Happened),
    /// These nodes dropped no packet.
    NoDrops(Vec<Spanned<String>>),
    /// A node dropped packets for a reason.
    Dropped(Dropped),
    /// A packet reached the stack of a node.
    Delivered(Delivered),
    /// A negotiation failed.
    Failed(Failed),
    /// No negotiation of these nodes failed.
    NoFailures(Vec<Spanned<String>>),
    /// A translator made a mapping.
    Mapped(Mapped),
    /// NAT discovery found who is behind a NAT.
    FoundNat(FoundNat),
    /// How many packets of SAs a node's adapters processed in hardware, and how many the node.
    Processed(Processed),
    /// A computer's event log has such a record.
    Event(EventLogged),
    /// What `ipseclab verdict` says of a link's capture.
    Verdict(Judged),
    /// What a monitor showed when a step looked.
    Monitor(Shown),
    /// Whether Kerberos could authenticate two nodes at the end, where IKE had its tokens.
    Kerberos(domain::Kerberos),
}

/// Records of a Windows computer's event log.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLogged {
    /// The computer.
    pub node: Spanned<String>,
    /// The event ID.
    pub id: u32,
    /// How many there are; without it, one at least.
    pub count: Option<usize>,
    /// Labels, or names of lines in a block, with the values they have.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// How many packets of SAs were processed where, at the end.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Processed {
    /// The node.
    pub node: Spanned<String>,
    /// By adapters.
    pub hardware: u64,
    /// By the node.
    pub software: u64,
}

/// NAT discovery found who is behind a NAT.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundNat {
    /// The node that knows.
    pub node: Spanned<String>,
    /// The revision of NAT traversal that both ends spoke.
    pub revision: Revision,
    /// Whether the node is behind a NAT.
    pub local: bool,
    /// Whether its peer is.
    pub peer: bool,
}

/// What the people at both ends of a flow saw, wherever its addresses are translated.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowOutcome {
    /// The flow.
    pub flow: Spanned<String>,
    /// What they saw.
    pub is: Outcome,
}

/// A translator made a mapping.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapped {
    /// The translator.
    pub node: Spanned<String>,
    /// The inside end.
    pub inside: SocketAddrV4,
    /// The external end.
    pub outside: SocketAddrV4,
    /// How many mappings this inside end got in all.
    pub of_inside: Option<usize>,
}

/// A packet reached the stack of a node, or none did.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivered {
    /// The node.
    pub node: Spanned<String>,
    /// Which packet; ports do not count.
    pub packet: PacketPattern,
    /// Whether it did.
    #[serde(default = "yes")]
    pub arrived: bool,
}

/// A node dropped packets for a reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropped {
    /// The node.
    pub node: Spanned<String>,
    /// Which packets: `tcp`, `udp`, `icmp`, `esp` or `ah`.
    pub protocol: String,
    /// The name of the drop reason: `nat-unknown-protocol`.
    pub reason: String,
}

/// A negotiation failed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// The node that noticed.
    pub node: Spanned<String>,
    /// `main-mode` or `quick-mode`.
    pub phase: String,
    /// The name of the reason: `no-response`.
    pub reason: String,
}

/// How often something happened to a node's IKE.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Happened {
    /// The node.
    pub node: Spanned<String>,
    /// What: `aggressive-mode`, `main-mode` (established), `asked`, `alive`, `dead` (dead peer detection), `deleted initial-contact`
    /// (a pair, and why), `notified INITIAL-CONTACT`, `connected` (a quick mode with the commit bit), `delete-answered`,
    /// `dos-protection begins` and `ends`, `ignored: ` and why. Of a computer: `driver permit`, `block`, `stateful` or
    /// `secure`, `service started`, `stopped` or `failed`, `policy persistent`, `domain` or `local` (applied), `polled` (no change),
    /// `polled a change`.
    pub what: String,
    /// At least so often.
    #[serde(default)]
    pub at_least: u32,
    /// At most so often.
    pub at_most: Option<u32>,
}

/// The far end answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replies {
    /// The flow.
    pub flow: Spanned<String>,
    /// At least this many answers.
    #[serde(default)]
    pub at_least: u32,
    /// At most this many.
    pub at_most: Option<u32>,
    /// Whether ping said `Negotiating IP Security.` first.
    #[serde(default)]
    pub negotiating: bool,
}

/// What a capture shows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The link.
    pub link: Spanned<String>,
    /// Each of these was seen.
    #[serde(default)]
    pub some: Vec<Spanned<Traffic>>,
    /// None of these was seen.
    #[serde(default)]
    pub none: Vec<Spanned<Traffic>>,
}

/// Kinds of packets as Network Monitor would name them.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Traffic {
    /// UDP port 500.
    Isakmp,
    /// ISAKMP with a fragment of Microsoft's (MS-IKEE section 2.2.3.1); it counts as ISAKMP too.
    #[serde(rename = "isakmp-fragment")]
    IsakmpFragment,
    /// IP protocol 50.
    Esp,
    /// A fragment of an ESP packet; it counts as ESP too.
    #[serde(rename = "esp-fragment")]
    EspFragment,
    /// IP protocol 51.
    Ah,
    /// IP protocol 1.
    Icmp,
    /// IP protocol 6.
    Tcp,
    /// ESP in UDP port 4500, and the keepalives of the mapping under it (RFC 3948).
    #[serde(rename = "esp-in-udp")]
    EspInUdp,
    /// IP protocol 17, other than ISAKMP and ESP in UDP.
    Udp,
    /// Anything else.
    Other,
}

/// A main-mode SA.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MainMode {
    /// The node that has it.
    pub node: Spanned<String>,
    /// The other end.
    pub peer: IpAddr,
    /// As netsh writes it: `3DES-SHA1-2`.
    pub proposal: String,
    /// Its lifetime.
    pub lifetime: Span,
    /// The extensions that both ends announced, by vendor ID, and no others: `microsoft`, `nat-t-rfc3947`,
    /// `nat-t-draft-02`, `fragmentation`, `dead-peer-detection`, `vid-initial-contact`, `nlbs-present`.
    pub extensions: Option<Vec<String>>,
}

/// A pair of IPsec SAs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuickMode {
    /// The node that has it.
    pub node: Spanned<String>,
    /// The other end.
    pub peer: IpAddr,
    /// As netsh writes it: `ESP[DES,MD5]`.
    pub method: String,
    /// `transport` or `tunnel`.
    pub mode: ModeName,
    /// Whether quick mode made a Diffie-Hellman exchange of its own.
    pub pfs: bool,
    /// What it covers on this side.
    pub local: Option<Net>,
    /// What it covers on the other side.
    pub remote: Option<Net>,
}

/// Transport or tunnel.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ModeName {
    /// Between the flow's own addresses.
    Transport,
    /// Between gateways.
    Tunnel,
}

/// Counts of Event ID 541.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Established {
    /// The node that logged them.
    pub node: Spanned<String>,
    /// For main modes.
    pub main_modes: usize,
    /// For quick modes.
    pub quick_modes: usize,
}

impl Steps {
    /// The flow of this name.
    pub fn flow(&self, name: &str) -> Option<&Flow> {
        self.flows.iter().find(|f| f.name.get_ref() == name)
    }

    /// Checks names, references, and that each table says exactly one thing.
    pub(crate) fn validate(&self, doc: Doc<'_>, topology: &Topology) -> Result<(), LoadError> {
        let names = Names { doc, topology, steps: self };
        for flow in &self.flows {
            names.node(&flow.from, "flow.from")?;
            names.node(&flow.to, "flow.to")?;
        }
        for step in &self.steps {
            names.step(step)?;
        }
        for check in &self.checks {
            names.check(check)?;
        }
        Ok(())
    }
}

/// Resolves references while validating.
pub(crate) struct Names<'a> {
    pub(crate) doc: Doc<'a>,
    pub(crate) topology: &'a Topology,
    pub(crate) steps: &'a Steps,
}

impl Names<'_> {
    pub(crate) fn node(&self, name: &Spanned<String>, key: &str) -> Result<(), LoadError> {
        let known = self.topology.nodes.iter().map(|n| n.name.get_ref());
        self.known(name, key, "node", known)
    }

    fn nat(&self, name: &Spanned<String>, key: &str) -> Result<(), LoadError> {
        self.node(name, key)?;
        match self.topology.node(name.get_ref()).and_then(|n| n.nat.as_ref()) {
            Some(_) => Ok(()),
            None => {
                let message = format!("`{}` translates no addresses: its kind is not `nat`", name.get_ref());
                Err(self.doc.error(name.span(), key, message))
            }
        }
    }

    pub(crate) fn link(&self, name: &Spanned<String>, key: &str) -> Result<(), LoadError> {
        self.known(name, key, "link", self.topology.links.iter().map(|l| l.name.get_ref()))
    }

    pub(crate) fn flow(&self, name: &Spanned<String>, key: &str) -> Result<(), LoadError> {
        self.known(name, key, "flow", self.steps.flows.iter().map(|f| f.name.get_ref()))
    }

    fn known<'n>(
        &self,
        name: &Spanned<String>,
        key: &str,
        what: &str,
        mut known: impl Iterator<Item = &'n String> + Clone,
    ) -> Result<(), LoadError> {
        if known.clone().any(|k| k == name.get_ref()) {
            return Ok(());
        }
        let mut list = known.next().cloned().unwrap_or_default();
        for k in known {
            list += ", ";
            list += k;
        }
        Err(self.doc.error(name.span(), key, format!("no {what} `{}`; there are {list}", name.get_ref())))
    }

    fn step(&self, step: &Step) -> Result<(), LoadError> {
        if step.at.get_ref() >= &self.steps.end {
            return Err(self.doc.error(
                step.at.span(),
                "step.at",
                format!("the run ends at {}", self.steps.end),
            ));
        }
        match &step.r#do {
            Do::Start(flow) => self.flow(flow, "do.start"),
            Do::Ipconfig(node) => self.node(node, "do.ipconfig"),
            Do::Monitor(node) => self.node(node, "do.monitor"),
            Do::Capture(link) => self.link(link, "do.capture"),
            Do::Inject(inject) => self.inject(inject),
            Do::Flood(flood) => {
                self.link(&flood.link, "flood.link")?;
                self.node(&flood.node, "flood.node")
            }
            Do::ForgeFragments(forge) => {
                self.link(&forge.link, "forge_fragments.link")?;
                self.node(&forge.node, "forge_fragments.node")
            }
            Do::Rebind(node) => self.nat(node, "do.rebind"),
            Do::MoveAddress(node) => self.nat(node, "do.move_address"),
            Do::Netsh(netsh) => self.node(&netsh.node, "do.netsh.node"),
            Do::Route(new) => self.route(new),
            Do::Reboot(node) => self.node(node, "do.reboot"),
            Do::Boot(boot) => self.boot(boot),
            Do::Service(service) => self.service(service),
            Do::Reconfigure(settings) => self.reconfigure(settings),
            Do::Registry(lines) => self.registry(lines),
            Do::Move(step) => self.r#move(step),
            Do::GroupPolicy(step) => self.group_policy(step),
        }
    }

    fn route(&self, new: &NewRoute) -> Result<(), LoadError> {
        self.node(&new.node, "do.route.node")?;
        let node = self.topology.node(new.node.get_ref());
        if node.is_some_and(|node| node.interface_towards(&new.route).is_none()) {
            let message = format!("`{}` has no interface for this route", new.node.get_ref());
            return Err(self.doc.error(new.node.span(), "do.route", message));
        }
        Ok(())
    }

    pub(crate) fn inject(&self, inject: &Inject) -> Result<(), LoadError> {
        self.link(&inject.link, "inject.link")?;
        self.node(&inject.node, "inject.node")
    }

    fn check(&self, check: &Check) -> Result<(), LoadError> {
        match &check.holds {
            Condition::Replies(c) => self.flow(&c.flow, "replies.flow"),
            Condition::Outcome(c) => self.flow(&c.flow, "outcome.flow"),
            Condition::Seen(c) => self.link(&c.link, "seen.link"),
            Condition::MainMode(c) => self.node(&c.node, "main_mode.node"),
            Condition::QuickMode(c) => self.node(&c.node, "quick_mode.node"),
            Condition::Established(c) => self.node(&c.node, "established.node"),
            Condition::SameInterfaces(node) => self.node(node, "same_interfaces"),
            Condition::Happened(c) => self.node(&c.node, "happened.node"),
            Condition::Dropped(c) => self.node(&c.node, "dropped.node"),
            Condition::Delivered(c) => self.node(&c.node, "delivered.node"),
            Condition::Failed(c) => self.node(&c.node, "failed.node"),
            Condition::NoDrops(nodes) => nodes.iter().try_for_each(|n| self.node(n, "no_drops")),
            Condition::NoFailures(nodes) => nodes.iter().try_for_each(|n| self.node(n, "no_failures")),
            Condition::Mapped(c) => self.nat(&c.node, "mapped.node"),
            Condition::FoundNat(c) => self.node(&c.node, "found_nat.node"),
            Condition::Processed(c) => self.node(&c.node, "processed.node"),
            Condition::Event(c) => self.node(&c.node, "event.node"),
            Condition::Verdict(c) => self.link(&c.link, "verdict.link"),
            Condition::Monitor(c) => self.shown(c),
            Condition::Kerberos(c) => self.kerberos(c),
        }
    }
}
