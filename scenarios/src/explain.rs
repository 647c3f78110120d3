//! Why traffic did not get through, in sentences: what somebody says who sees every policy, route, filter and failure at once.
//!
//! Only the first of each kind is told, causes before what follows from them, in order of time. The words are ours; where a
//! sentence repeats a warning of Microsoft's articles, `ipsec_policy`'s warnings cite it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipsec_core::DropReason;
use ipsec_core::config::PolicyDatabases;
use ipsec_core::ike::failure::{Failure, FailureReason};
use ipsec_core::interface::ConnectionKind;
use ipsec_core::selector::FlowKey;
use ipsec_core::spd::{Action, EntryId, Mode, SpdEntry};
use ipsec_machine::computer::Computer;
use ipsec_policy::compile::warnings;
use ipsec_sim::{DropCause, Names, NodeId};

use crate::observe::Observer;
use crate::topology::{Interface, Node, Topology};
use crate::twin::PacketPattern;

mod drops;
mod failures;

/// How many sentences are enough.
const ENOUGH: usize = 8;

/// Something that went wrong for the first time, with the policy of its node at that time.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) node: NodeId,
    pub(crate) policy: PolicyDatabases,
    pub(crate) what: What,
}

impl Trouble {
    /// What it has in common with others of which one is enough: ports of clients come and go.
    fn kind(&self) -> (NodeId, String) {
        let of_packet = |p: &PacketPattern, why: String| {
            let to = PacketPattern { from_port: None, ..*p };
            format!("{to} {why}")
        };
        let what = match &self.what {
            What::Failed(failure) => format!("{:?} {} {}", failure.phase, failure.peer, failure.reason),
            What::Refused(packet, reason) => of_packet(packet, crate::names::drop_reason(reason)),
            What::Dropped(packet, cause) => of_packet(packet, crate::names::drop_cause(cause)),
        };
        (self.node, what)
    }
}

/// What went wrong.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// A negotiation.
    Failed(Box<Failure>),
    /// A packet, for its IPsec layer.
    Refused(PacketPattern, DropReason),
    /// A packet, at another layer.
    Dropped(PacketPattern, DropCause),
}

/// Everything that an explanation may need.
pub(crate) struct Explainer<'a> {
    pub(crate) topology: &'a Topology,
    pub(crate) observer: &'a Observer,
}

impl Explainer<'_> {
    /// What went wrong, sentence by sentence; nothing when nothing did. `warned`: what is known to be wrong with policies, told
    /// last.
    pub(crate) fn lines(&self, all_answered: bool, warned: Vec<String>) -> Vec<String> {
        let mut lines = Vec::new();
        let troubles = &self.observer.troubles;
        let mut seen = BTreeSet::new();
        for trouble in troubles.iter().filter(|t| seen.insert(t.kind())) {
            add(&mut lines, self.cause(trouble));
        }
        if lines.is_empty() && !all_answered {
            add(&mut lines, self.lost_ways());
        }
        if lines.is_empty() {
            for trouble in troubles {
                add(&mut lines, vec![self.plainly(trouble)]);
            }
        }
        let more = lines.len().saturating_sub(ENOUGH);
        lines.truncate(ENOUGH);
        if more > 0 {
            lines.push(format!("and {more} more: `drops` and `failures` of report.json have all of them"));
        }
        if !lines.is_empty() && !all_answered {
            add(&mut lines, warned);
        }
        lines
    }

    /// The sentences about a cause; none about what only follows from one.
    fn cause(&self, trouble: &Trouble) -> Vec<String> {
        match &trouble.what {
            What::Failed(failure) => self.failure(trouble, failure),
            What::Refused(packet, reason) => self.refused(trouble, packet, reason),
            What::Dropped(packet, cause) => self.dropped(trouble, packet, cause),
        }
    }

    fn plainly(&self, trouble: &Trouble) -> String {
        let node = self.observer.names.node(trouble.node);
        match &trouble.what {
            What::Failed(failure) => {
                let phase = crate::names::phase(failure.phase).replace('-', " ");
                let key = (
                    trouble.node,
                    crate::names::phase(failure.phase),
                    crate::names::failure(&failure.reason),
                );
                // What was found out beside the reason, as why there is no Kerberos.
                let detail = self.observer.failures.get(&key).map(|failed| failed.detail.clone());
                let why = match &failure.reason {
                    FailureReason::Notified(_) => crate::names::failure_text(&failure.reason),
                    other => detail.unwrap_or_else(|| other.to_string()),
                };
                format!("{node}: {phase} with {} failed: {why}", failure.peer.ip())
            }
            What::Refused(packet, reason) => {
                format!("{node} drops {packet}: {}", reason_text(&trouble.policy, reason))
            }
            What::Dropped(packet, cause) => {
                format!("{node} drops {packet}: {}", cause_text(&self.observer.names, trouble.node, cause))
            }
        }
    }

    /// Nobody dropped anything, and nothing arrived: next hops that nobody on the link has.
    fn lost_ways(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for node in &self.topology.nodes {
            for route in &node.routes {
                let interface = node.interface_towards(route).and_then(|i| node.interfaces.get(i));
                let (Some(via), Some(interface)) = (route.via, interface) else { continue };
                let link = interface.link.get_ref();
                let there = |i: &Interface| i.link.get_ref() == link && i.address.get_ref().0.address == via;
                if !self.topology.nodes.iter().flat_map(|n| &n.interfaces).any(there) {
                    let name = node.name.get_ref();
                    let whose = self.owner(via).map_or("nobody has it".to_owned(), |(other, i)| {
                        format!("it is {} of {}", i.name.get_ref(), other.name.get_ref())
                    });
                    lines.push(format!(
                        "{name} sends what goes to {} to the next hop {via}, and nobody on its link {link} has \
                         that address ({whose}): it is lost there",
                        if route.to.0.len == 0 { "other networks".to_owned() } else { route.to.0.to_string() },
                    ));
                }
            }
        }
        lines
    }

    fn name(&self, trouble: &Trouble) -> &str {
        self.observer.names.node(trouble.node)
    }

    /// Who has an address.
    fn owner(&self, address: IpAddr) -> Option<(&Node, &Interface)> {
        let nodes = self.topology.nodes.iter();
        let mut all = nodes.flat_map(|n| n.interfaces.iter().map(move |i| (n, i)));
        all.find(|(_, i)| i.address.get_ref().0.address == address)
    }

    fn node(&self, id: NodeId) -> Option<&Node> {
        self.topology.nodes.get(usize::from(id.0))
    }

    fn owns(&self, id: NodeId, address: IpAddr) -> bool {
        self.node(id).is_some_and(|n| n.interfaces.iter().any(|i| i.address.get_ref().0.address == address))
    }

    /// The first entry for what leaves or comes in, on any kind of connection.
    fn decides<'p>(
        policy: &'p PolicyDatabases,
        packet: &PacketPattern,
        inbound: bool,
    ) -> Option<&'p SpdEntry> {
        let kinds = [ConnectionKind::Lan, ConnectionKind::RemoteAccess];
        let (local, remote) = if inbound { (packet.to, packet.from) } else { (packet.from, packet.to) };
        let (local_port, remote_port) =
            if inbound { (packet.to_port, packet.from_port) } else { (packet.from_port, packet.to_port) };
        let flow = FlowKey { local, remote, protocol: packet.protocol, local_port, remote_port };
        let found = kinds.into_iter().filter_map(|kind| {
            if inbound { policy.spd.inbound(&flow, kind) } else { policy.spd.outbound(&flow, kind) }
        });
        found.min_by_key(|entry| entry.id)
    }
}

fn add(lines: &mut Vec<String>, more: Vec<String>) {
    for line in more {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
}

/// The rule behind an entry, as people call it: `rule 'Tunnel to NetB'`.
pub(crate) fn rule(policy: &PolicyDatabases, entry: EntryId) -> String {
    match policy.spd.get(entry) {
        Some(found) if found.name == "default permit" => "no rule, and so the default".to_owned(),
        Some(found) => format!("rule '{}'", found.name),
        None => format!("policy entry {}", entry.0),
    }
}

/// How an entry wants traffic: `through a tunnel with 203.0.113.2`.
fn wants(entry: &SpdEntry) -> String {
    match &entry.action {
        Action::Protect(protect) => match protect.mode {
            Mode::Transport => "protected by IPsec".into(),
            Mode::Tunnel { remote, .. } if remote.is_unspecified() => "through a tunnel".into(),
            Mode::Tunnel { remote, .. } => format!("through the tunnel with {remote}"),
        },
        Action::Bypass => "in clear".into(),
        Action::Discard => "not at all".into(),
        Action::Stateful => "only as an answer".into(),
    }
}

/// Why a packet is dropped, with the names of rules in place of the numbers of entries.
pub(crate) fn reason_text(policy: &PolicyDatabases, reason: &DropReason) -> String {
    match reason {
        DropReason::PolicyDiscard(e) => format!("{} blocks it", rule(policy, *e)),
        DropReason::ClearTextRefused(e) => format!("clear text, but {} wants protection", rule(policy, *e)),
        DropReason::NegotiationFailed(e) => format!("the negotiation for {} failed", rule(policy, *e)),
        DropReason::QuotesProtected(e) => {
            format!("a clear ICMP error that quotes what {} protects", rule(policy, *e))
        }
        other => other.to_string(),
    }
}

/// The same of another layer, with the names of interfaces.
pub(crate) fn cause_text(names: &Names, node: NodeId, cause: &DropCause) -> String {
    let name = |i: ipsec_core::interface::InterfaceId| {
        let of_node = names.interfaces.get(usize::from(node.0));
        of_node.and_then(|all| all.get(usize::from(i.0))).cloned().unwrap_or_else(|| i.0.to_string())
    };
    match cause {
        DropCause::InputFilter(i) => format!("input filter of {}", name(*i)),
        DropCause::OutputFilter(i) => format!("output filter of {}", name(*i)),
        other => other.to_string(),
    }
}

/// What is known to be wrong with the policies that a computer has in force.
pub(crate) fn warned(name: &str, computer: &Computer) -> Vec<String> {
    let (stores, local) = (computer.in_force(), computer.local_addresses());
    let stores = [&stores.persistent, &stores.local];
    let assigned = stores.iter().filter_map(|store| store.assigned().map(|policy| (store, policy)));
    let found = assigned.filter_map(|(store, policy)| warnings(store, policy, &local).ok());
    found.flatten().map(|warning| format!("policy of {name}: {warning}")).collect()
}
