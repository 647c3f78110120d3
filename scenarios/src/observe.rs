//! What a run showed: a sink that keeps what checks, reports and the story need.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::ike::failure::{Failure, FailureReason};
use ipsec_core::io::{MainModeInfo, QuickModeInfo};
use ipsec_core::packet::PacketId;
use ipsec_core::sad::PairId;
use ipsec_core::selector::FlowKey;
use ipsec_core::wire::ikev1::AuthenticationMethod;
use ipsec_core::wire::isakmp::{Cookie, Header, PayloadType, split};
use ipsec_core::{DropReason, Event, Instant};
use ipsec_machine::computer::MachineEvent;
use ipsec_sim::ip::{IpView, protocol};
use ipsec_sim::nat::Mapped;
use ipsec_sim::verdict::{Findings, Sight, sight};
use ipsec_sim::{Effect, LinkId, Names, NodeId, Record, Sink};

use crate::explain::{Trouble, What, cause_text, reason_text};
use crate::names;
use crate::steps::Traffic;
use crate::story::Story;
use crate::twin::PacketPattern;

/// Something a node established, and when.
#[derive(Clone, Debug)]
pub(crate) struct Timed<T> {
    pub(crate) at: Instant,
    pub(crate) node: NodeId,
    pub(crate) info: T,
}

/// A failed negotiation: how often, and the whole reason of the first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failed {
    pub(crate) times: u32,
    pub(crate) detail: String,
}

/// Everything that was observed.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    pub(crate) names: Names,
    pub(crate) story: Story,
    pub(crate) main_modes: Vec<Timed<MainModeInfo>>,
    pub(crate) quick_modes: Vec<Timed<QuickModeInfo>>,
    /// Pairs that are gone, by node.
    pub(crate) deleted: BTreeSet<(NodeId, PairId)>,
    /// Drops by node, packet and reason; how often.
    pub(crate) drops: BTreeMap<(NodeId, PacketPattern, String), u32>,
    /// Failed negotiations by node, phase and reason.
    pub(crate) failures: BTreeMap<(NodeId, &'static str, String), Failed>,
    /// The first drop and the first failure of each kind, in order of time; none when no story is told.
    pub(crate) troubles: Vec<Trouble>,
    /// The policy of each node with IPsec, as it is now.
    pub(crate) policies: BTreeMap<NodeId, PolicyDatabases>,
    tell: bool,
    /// Kinds of packets on each link; how many.
    pub(crate) seen: BTreeMap<(LinkId, Traffic), u32>,
    /// What the capture of each link shows that a check asks about.
    pub(crate) findings: BTreeMap<LinkId, Findings>,
    /// The cookies of the last message on each link that had both.
    pub(crate) cookies: BTreeMap<LinkId, (Cookie, Cookie)>,
    /// What could be read on each link: protocol and addresses of the outermost header; when last.
    pub(crate) readable: BTreeMap<(LinkId, u8, IpAddr, IpAddr), Instant>,
    /// Whole packets that reached the stack of their destination.
    pub(crate) delivered: BTreeSet<(NodeId, u8, IpAddr, IpAddr)>,
    /// The same by the node that made them, whatever became of their addresses.
    pub(crate) arrived: BTreeSet<(NodeId, NodeId, u8)>,
    /// What else happened to IKE, by node; how often.
    pub(crate) happened: BTreeMap<(NodeId, String), u32>,
    /// Nodes that made soft associations.
    pub(crate) soft: BTreeSet<NodeId>,
    /// Mappings that translators made, in order of time.
    pub(crate) mapped: Vec<(NodeId, Mapped)>,
    /// What the realms say of a node, the one that begins or not, and the owner of an address: for failures for want of Kerberos.
    pub(crate) kerberos: BTreeMap<(NodeId, bool, IpAddr), String>,
    /// What was said of that last.
    remarked: BTreeMap<(NodeId, bool, IpAddr), String>,
    /// What each numbered packet was when it was made, and where that was.
    ids: BTreeMap<PacketId, (NodeId, PacketPattern)>,
    /// What last came in at each node.
    last: BTreeMap<NodeId, PacketPattern>,
}

impl Observer {
    pub(crate) fn new(names: Names, tell: bool) -> Self {
        Observer {
            story: Story::new(names.clone(), tell),
            names,
            main_modes: Vec::new(),
            quick_modes: Vec::new(),
            deleted: BTreeSet::new(),
            drops: BTreeMap::new(),
            failures: BTreeMap::new(),
            troubles: Vec::new(),
            policies: BTreeMap::new(),
            tell,
            seen: BTreeMap::new(),
            findings: BTreeMap::new(),
            cookies: BTreeMap::new(),
            readable: BTreeMap::new(),
            delivered: BTreeSet::new(),
            arrived: BTreeSet::new(),
            happened: BTreeMap::new(),
            soft: BTreeSet::new(),
            mapped: Vec::new(),
            kerberos: BTreeMap::new(),
            remarked: BTreeMap::new(),
            ids: BTreeMap::new(),
            last: BTreeMap::new(),
        }
    }

    /// Judges what these links carry.
    pub(crate) fn judge<'n>(&mut self, links: impl Iterator<Item = &'n str>) {
        let links: Vec<LinkId> = links.filter_map(|name| self.link(name)).collect();
        self.findings.extend(links.into_iter().map(|link| (link, Findings::default())));
    }

    /// The node of this name.
    pub(crate) fn node(&self, name: &str) -> Option<NodeId> {
        self.names.nodes.iter().position(|n| n == name).map(|i| NodeId(i as u16))
    }

    /// The link of this name.
    pub(crate) fn link(&self, name: &str) -> Option<LinkId> {
        self.names.links.iter().position(|n| n == name).map(|i| LinkId(i as u16))
    }

    fn isakmp(&mut self, link: LinkId, header: &Header) {
        if !header.cky_r.is_zero() {
            self.cookies.insert(link, (header.cky_i, header.cky_r));
        }
        if header.next_payload == PayloadType::FRAGMENT {
            *self.seen.entry((link, Traffic::IsakmpFragment)).or_default() += 1;
        }
    }

    /// Something happened on a computer beside its IPsec layer.
    pub(crate) fn machine_event(&mut self, time: Instant, node: NodeId, event: &MachineEvent) {
        if let Some(what) = names::machine_happening(event) {
            *self.happened.entry((node, what)).or_default() += 1;
        }
        let name = self.names.node(node).to_string();
        self.story.say(time, &name, &event.to_string());
    }

    fn event(&mut self, time: Instant, node: NodeId, event: &Event) {
        if let Some(what) = names::happening(event) {
            *self.happened.entry((node, what)).or_default() += 1;
        }
        match event {
            Event::MainModeEstablished(info) => {
                self.main_modes.push(Timed { at: time, node, info: info.clone() });
            }
            Event::QuickModeEstablished(info) => {
                self.quick_modes.push(Timed { at: time, node, info: info.clone() });
            }
            Event::SoftAssociation { .. } => {
                self.soft.insert(node);
            }
            Event::PairDeleted { pair, .. } => {
                self.deleted.insert((node, *pair));
            }
            Event::Failed(failure) => {
                let key = (node, names::phase(failure.phase), names::failure(&failure.reason));
                let failed = self.failures.entry(key).or_default();
                failed.times += 1;
                if failed.times == 1 {
                    failed.detail = failure.reason.to_string();
                    if let Some(remark) = remark(&self.kerberos, node, failure) {
                        failed.detail += &format!("; {remark}");
                    }
                    self.trouble(node, What::Failed(Box::new(failure.clone())));
                }
            }
            Event::Dropped { packet, reason, flow, .. } => {
                self.ipsec_drop(time, node, *packet, reason, *flow)
            }
            _ => {}
        }
        self.story.event(time, node, event);
        if let Event::Failed(failure) = event {
            self.remark(time, node, failure);
        }
    }

    /// Says what the realms say, when it is something new.
    fn remark(&mut self, time: Instant, node: NodeId, failure: &Failure) {
        let Some(remark) = remark(&self.kerberos, node, failure) else { return };
        let key = (node, failure.initiator, failure.peer.ip());
        if self.remarked.insert(key, remark.clone()).as_ref() != Some(remark) {
            let name = self.names.node(node).to_string();
            self.story.say(time, &name, remark);
        }
    }

    fn ipsec_drop(
        &mut self,
        time: Instant,
        node: NodeId,
        packet: PacketId,
        reason: &DropReason,
        flow: Option<FlowKey>,
    ) {
        let last = self.last.get(&node).copied();
        let known = if packet == 0 { None } else { self.ids.get(&packet).map(|(_, pattern)| *pattern) };
        // Of a packet that was not opened, the flow has no more to say than what was last seen here.
        let flow = flow.filter(|f| last.is_none() || !matches!(f.protocol, 50 | 51));
        let Some(pattern) = known.or_else(|| flow.map(|f| oriented(&f, last))).or(last) else { return };
        if self.is_first_drop(node, pattern, names::drop_reason(reason)) {
            let why = self.policies.get(&node).map(|policy| reason_text(policy, reason));
            self.story.dropped(time, node, &pattern, &why.unwrap_or_else(|| reason.to_string()));
            self.trouble(node, What::Refused(pattern, *reason));
        }
    }

    fn is_first_drop(&mut self, node: NodeId, packet: PacketPattern, reason: String) -> bool {
        let times = self.drops.entry((node, packet, reason)).or_default();
        *times += 1;
        *times == 1
    }

    fn trouble(&mut self, node: NodeId, what: What) {
        if self.tell {
            let policy = self.policies.get(&node).cloned().unwrap_or_default();
            self.troubles.push(Trouble { node, policy, what });
        }
    }
}

impl Sink for Observer {
    fn record(&mut self, record: &Record<'_>) {
        let (time, node) = (record.time, record.node);
        match record.effect {
            Effect::Originated(packet) => {
                if let (Some(p), true) = (pattern(packet.bytes()), packet.id() != 0) {
                    self.ids.insert(packet.id(), (node, p));
                }
            }
            Effect::Sent { link, packet, .. } => {
                if let Some(findings) = self.findings.get_mut(&link) {
                    findings.add(packet.bytes());
                }
                let Some(view) = IpView::parse(packet.bytes()) else { return };
                let kind = traffic(&view);
                *self.seen.entry((link, kind)).or_default() += 1;
                if kind == Traffic::Esp && view.is_fragment() {
                    *self.seen.entry((link, Traffic::EspFragment)).or_default() += 1;
                }
                if let Some((header, _)) = view.isakmp().and_then(|message| split(message).ok()) {
                    self.isakmp(link, &header);
                }
                if !matches!(kind, Traffic::Isakmp | Traffic::Esp | Traffic::Ah | Traffic::EspInUdp) {
                    self.readable.insert((link, view.protocol, view.source, view.destination), time);
                }
            }
            Effect::Arrived(_, packet) => {
                if let Some(p) = pattern(packet.bytes()) {
                    self.last.insert(node, p);
                }
            }
            Effect::Delivered { packet, .. } => {
                if let Some(p) = pattern(packet.bytes()) {
                    self.delivered.insert((node, p.protocol, p.from, p.to));
                    let from = self.ids.get(&packet.id()).map(|(from, _)| *from);
                    self.arrived.extend(from.map(|from| (from, node, p.protocol)));
                }
            }
            Effect::Dropped(packet, cause) => {
                if let Some(p) = pattern(packet.bytes())
                    && self.is_first_drop(node, p, names::drop_cause(&cause))
                {
                    self.story.dropped(time, node, &p, &cause_text(&self.names, node, &cause));
                    self.trouble(node, What::Dropped(p, cause));
                }
            }
            Effect::Mapped(mapped) => {
                self.mapped.push((node, mapped));
                self.story.mapped(time, node, &mapped);
            }
            Effect::Ipsec(event) => self.event(time, node, event),
            Effect::Line(_, line) => self.story.line(time, node, line),
            Effect::Violation(violation) => self.story.violation(time, node, &violation.kind.to_string()),
            _ => {}
        }
    }
}

/// What the realms say of a negotiation that failed for want of Kerberos.
fn remark<'a>(
    realms: &'a BTreeMap<(NodeId, bool, IpAddr), String>,
    node: NodeId,
    failure: &Failure,
) -> Option<&'a String> {
    let FailureReason::MethodNotAvailable(methods) = &failure.reason else { return None };
    let wanted = methods.contains(&AuthenticationMethod::GSS_API);
    realms.get(&(node, failure.initiator, failure.peer.ip())).filter(|_| wanted)
}

/// A flow in the direction in which its packet went: as the packet that last came in, else from here to there.
fn oriented(flow: &FlowKey, last: Option<PacketPattern>) -> PacketPattern {
    let has_ports = matches!(flow.protocol, protocol::TCP | protocol::UDP);
    let (local_port, remote_port) =
        if has_ports { (flow.local_port, flow.remote_port) } else { (None, None) };
    let inbound = last.is_some_and(|l| (l.from, l.to) == (flow.remote, flow.local));
    let (from, from_port, to, to_port) = if inbound {
        (flow.remote, remote_port, flow.local, local_port)
    } else {
        (flow.local, local_port, flow.remote, remote_port)
    };
    PacketPattern { protocol: flow.protocol, from, from_port, to, to_port }
}

/// Protocol, addresses and ports of a datagram.
fn pattern(bytes: &[u8]) -> Option<PacketPattern> {
    let view = IpView::parse(bytes)?;
    let ports = matches!(view.protocol, protocol::TCP | protocol::UDP).then(|| view.ports()).flatten();
    Some(PacketPattern {
        protocol: view.protocol,
        from: view.source,
        from_port: ports.map(|p| p.0),
        to: view.destination,
        to_port: ports.map(|p| p.1),
    })
}

/// What a packet is to whoever sees it pass. On IKE's ports everything counts as IKE here, forged or not.
fn traffic(view: &IpView<'_>) -> Traffic {
    match sight(view) {
        _ if view.is_ike() => Traffic::Isakmp,
        Sight::Ike => Traffic::Isakmp,
        Sight::Ah { .. } | Sight::Esp { in_ah: true, .. } => Traffic::Ah,
        Sight::Esp { in_udp: true, .. } | Sight::Keepalive => Traffic::EspInUdp,
        Sight::Esp { .. } => Traffic::Esp,
        Sight::Part => Traffic::Udp,
        Sight::Neighbour => Traffic::Icmp,
        Sight::Clear(flow) => match flow.protocol {
            protocol::ICMP | protocol::ICMPV6 => Traffic::Icmp,
            protocol::TCP => Traffic::Tcp,
            protocol::UDP => Traffic::Udp,
            _ => Traffic::Other,
        },
    }
}
