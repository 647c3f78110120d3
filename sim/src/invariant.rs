//! What must hold at every step of every run, whatever faults and adversaries do.
//!
//! The observer sees records only, like any sink; it trusts no state of the nodes. Rules about protection count for flows
//! whose SA both ends have reported as established.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipsec_core::ike::failure::Phase;
use ipsec_core::interface::{ConnectionKind, Interface, InterfaceId};
use ipsec_core::io::{Keys, QuickModeInfo};
use ipsec_core::packet::PacketId;
use ipsec_core::sad::{BundleSpec, PairId, SaSpec, Spi};
use ipsec_core::selector::{FlowKey, Selector};
use ipsec_core::spd::{Action, EntryId, Mode, Spd, SpdEntry};
use ipsec_core::{Command, Duration, Event, Instant, Packet};

use crate::ip::{self, IpView, protocol};
use crate::sink::{Effect, Record};
use crate::topology::{LinkId, NodeId};

/// Violations kept; a broken run repeats itself.
const KEPT: usize = 64;

/// Something that must never happen, happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When.
    pub time: Instant,
    /// On which node.
    pub node: NodeId,
    /// What.
    pub kind: ViolationKind,
}

/// What was violated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViolationKind {
    /// A packet of a protected flow left in clear on an outside link; `quoted` inside an ICMP error.
    ClearText {
        /// The link.
        link: LinkId,
        /// Its flow.
        flow: FlowKey,
        /// Whether an ICMP error quotes it.
        quoted: bool,
    },
    /// Two live inbound SAs have one SPI, destination and protocol.
    SpiTwice {
        /// Protocol number.
        protocol: u8,
        /// The SPI.
        spi: Spi,
    },
    /// An SA's sequence number did not increase (RFC 4303 section 2.2).
    Sequence {
        /// The SPI.
        spi: u32,
        /// Highest number sent before.
        before: u32,
        /// The number sent now.
        now: u32,
    },
    /// The two ends of an SA do not hold the same keys or algorithms.
    KeysDiffer {
        /// The SPI.
        spi: Spi,
    },
    /// The two ends of an SA do not have mirrored selectors.
    SelectorsDiffer {
        /// The SPI.
        spi: Spi,
    },
    /// The two ends of an ISAKMP SA do not hold the same key.
    IsakmpKeysDiffer,
    /// A packet came out of an SA that no node sent, or not with these octets.
    NeverSent {
        /// Its number.
        packet: PacketId,
    },
    /// A packet came out of an SA twice.
    DeliveredTwice {
        /// Its number.
        packet: PacketId,
    },
    /// Time moved back.
    Time {
        /// From.
        from: Instant,
        /// To.
        to: Instant,
    },
    /// An exchange is still open although its repetitions ended long ago.
    OutlivedSchedule {
        /// The peer.
        peer: SocketAddr,
        /// Since when.
        since: Instant,
    },
}

impl fmt::Display for ViolationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ViolationKind::ClearText { flow, quoted, .. } => {
                let how = if *quoted { "quoted in an ICMP error" } else { "in clear" };
                write!(f, "protected flow {} > {} crosses an outside link {how}", flow.local, flow.remote)
            }
            ViolationKind::SpiTwice { protocol, spi } => {
                write!(f, "two live inbound SAs of protocol {protocol} have SPI {spi}")
            }
            ViolationKind::Sequence { spi, before, now } => {
                write!(f, "SA {spi:#010x} sent sequence number {now} after {before}")
            }
            ViolationKind::KeysDiffer { spi } => write!(f, "the ends of SA {spi} hold different keys"),
            ViolationKind::SelectorsDiffer { spi } => {
                write!(f, "the ends of SA {spi} do not have mirrored selectors")
            }
            ViolationKind::IsakmpKeysDiffer => f.write_str("the ends of an ISAKMP SA hold different keys"),
            ViolationKind::NeverSent { packet } => {
                write!(f, "packet {packet} came out of an SA but was never sent")
            }
            ViolationKind::DeliveredTwice { packet } => write!(f, "packet {packet} came out of an SA twice"),
            ViolationKind::Time { from, to } => write!(f, "time moved back from {from} to {to}"),
            ViolationKind::OutlivedSchedule { peer, since } => {
                write!(f, "the exchange with {peer} is open since {since}")
            }
        }
    }
}

/// What is known of a node.
#[derive(Clone, Debug, Default)]
struct Watched {
    spd: Option<Arc<Spd>>,
    addresses: Vec<IpAddr>,
    /// What kind of connection each interface is.
    kinds: Vec<ConnectionKind>,
    schedule: Duration,
    /// Entries under which it speaks in clear to a peer that gave no answer.
    soft: BTreeSet<EntryId>,
}

/// One live pair of SAs as its node reported it.
#[derive(Clone, Debug)]
struct Pair {
    inbound: Vec<Spi>,
    outbound: Vec<Spi>,
    selector: Selector,
    entry: EntryId,
}

/// The ends of one ISAKMP SA: the keys each node has, and the nodes that established it. Before that keys may differ: the
/// ends may have different pre-shared keys, and find out by the first message that does not decrypt.
#[derive(Clone, Debug, Default)]
struct IsakmpEnds {
    keys: BTreeMap<NodeId, Keys>,
    established: BTreeSet<NodeId>,
}

/// (protocol, SPI, destination) of an SA.
type SaKey = (u8, Spi, IpAddr);

/// The observer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Invariants {
    violations: Vec<Violation>,
    outside: Vec<bool>,
    /// Whether addresses are translated somewhere: then the ends of an SA see each other under other addresses, and the
    /// checksums of what it carries are repaired (RFC 3948 section 3.1.2).
    translated: bool,
    nodes: BTreeMap<NodeId, Watched>,
    pairs: BTreeMap<(NodeId, PairId), Pair>,
    /// Flows both ends have reported as protected, seen from a node that is an end.
    protected: Vec<(NodeId, PairId, Selector)>,
    /// Live inbound SAs.
    inbound: BTreeMap<(NodeId, SaKey), PairId>,
    /// Each end's view of an SA: the receiver's and the sender's.
    ends: BTreeMap<SaKey, [Option<BundleSpec>; 2]>,
    /// By the cookies of an ISAKMP SA.
    isakmp: BTreeMap<(u64, u64), IsakmpEnds>,
    sequence: BTreeMap<(NodeId, SaKey), u32>,
    /// The datagram that a node has sent the first fragment of, from where to where, when that showed IKE or ESP in UDP: the
    /// others show no ports.
    floated: BTreeMap<(NodeId, IpAddr, IpAddr), u32>,
    /// By packet number, which counts from 1: a fold of what was sent, and whether it came out of an SA.
    sent: Vec<(u64, bool)>,
    /// By initiator cookie: the peer's port may change on the way (RFC 3947 section 4).
    open: BTreeMap<(NodeId, u64), (SocketAddr, Instant)>,
    /// Answered first messages by initiator cookie: they cost their node no timer, and count as exchanges only once a third
    /// message came (RFC 2408 section 2.5.3).
    half_open: BTreeMap<(NodeId, u64), SocketAddr>,
}

impl Invariants {
    pub(crate) fn new(outside: Vec<bool>) -> Self {
        Invariants { outside, ..Invariants::default() }
    }

    pub(crate) fn introduce(
        &mut self,
        node: NodeId,
        spd: Option<Arc<Spd>>,
        interfaces: &[Interface],
        schedule: Duration,
    ) {
        let addresses = interfaces.iter().flat_map(|i| i.addresses.iter().map(|p| p.address)).collect();
        let kinds = interfaces.iter().map(|i| i.kind).collect();
        self.nodes.insert(node, Watched { spd, addresses, kinds, schedule, soft: BTreeSet::new() });
    }

    /// A node's interfaces have other addresses now.
    pub(crate) fn readdressed(&mut self, node: NodeId, interfaces: &[Interface]) {
        if let Some(watched) = self.nodes.get_mut(&node) {
            watched.addresses =
                interfaces.iter().flat_map(|i| i.addresses.iter().map(|p| p.address)).collect();
        }
    }

    /// Addresses are translated in this network.
    pub(crate) fn translated(&mut self) {
        self.translated = true;
    }

    pub(crate) fn violations(&self) -> &[Violation] {
        &self.violations
    }

    fn violated(&mut self, time: Instant, node: NodeId, kind: ViolationKind) {
        if self.violations.len() < KEPT {
            self.violations.push(Violation { time, node, kind });
        }
    }

    pub(crate) fn clock(&mut self, from: Instant, to: Instant) {
        if to < from {
            self.violated(from, NodeId::ADVERSARY, ViolationKind::Time { from, to });
        }
    }

    /// A command may take protection away on purpose: what the node protected so far no longer counts.
    pub(crate) fn command(&mut self, node: NodeId, command: &Command) {
        if let (Command::SetPolicy(policy), Some(watched)) = (command, self.nodes.get_mut(&node)) {
            watched.spd = Some(policy.spd.clone());
            watched.soft.clear();
        }
        if let Command::StopIke(spd) = command {
            // Its SAs go with it, and it owes nobody an exchange.
            self.reboot(node, Some(spd.clone()));
            if let Some(watched) = self.nodes.get_mut(&node) {
                watched.soft.clear();
            }
        }
        if !matches!(command, Command::Initiate(..)) {
            self.protected.retain(|(n, ..)| *n != node);
        }
    }

    /// A node that starts afresh has no SAs and owes nobody an exchange.
    pub(crate) fn reboot(&mut self, node: NodeId, spd: Option<Arc<Spd>>) {
        if let Some(watched) = self.nodes.get_mut(&node) {
            watched.spd = spd;
        }
        self.pairs.retain(|(n, _), _| *n != node);
        self.protected.retain(|(n, ..)| *n != node);
        self.inbound.retain(|(n, _), _| *n != node);
        self.sequence.retain(|(n, _), _| *n != node);
        self.open.retain(|(n, _), _| *n != node);
        self.half_open.retain(|(n, _), _| *n != node);
        // Seldom, but a new SA may get the SPI of one that is gone.
        for ends in self.ends.values_mut() {
            for end in ends {
                end.take_if(|bundle| {
                    self.nodes.get(&node).is_some_and(|w| w.addresses.contains(&bundle.local))
                });
            }
        }
    }

    pub(crate) fn observe(&mut self, record: &Record<'_>) {
        match record.effect {
            Effect::Originated(packet) => {
                let at = packet.id() as usize;
                if self.sent.len() <= at {
                    self.sent.resize(at + 1, (0, false));
                }
                self.sent[at] = (self.essence(packet), false);
            }
            Effect::Delivered { packet, protected: true } => self.delivered(record, packet),
            Effect::Sent { link, interface, packet, .. } if record.node != NodeId::ADVERSARY => {
                self.left(record, link, interface, packet);
            }
            Effect::Ipsec(event) => self.event(record, event),
            _ => {}
        }
    }

    fn delivered(&mut self, record: &Record<'_>, packet: &Packet) {
        let id = packet.id();
        let now = self.essence(packet);
        let kind = match self.sent.get_mut(id as usize) {
            Some((sent, delivered)) if *sent == now => {
                if !std::mem::replace(delivered, true) {
                    return;
                }
                ViolationKind::DeliveredTwice { packet: id }
            }
            _ => ViolationKind::NeverSent { packet: id },
        };
        self.violated(record.time, record.node, kind);
    }

    fn left(&mut self, record: &Record<'_>, link: LinkId, interface: InterfaceId, packet: &Packet) {
        let (time, node) = (record.time, record.node);
        let Some(watched) = self.nodes.get(&node).filter(|w| w.spd.is_some()) else { return };
        let kind = watched.kinds.get(usize::from(interface.0)).copied().unwrap_or_default();
        let Some(view) = IpView::parse(packet.bytes()) else { return };
        if let Some((number, spi, now)) = view.sa()
            && watched.addresses.contains(&view.source)
        {
            let key = (node, (number, Spi(spi), view.destination));
            let before = self.sequence.insert(key, now).unwrap_or(0);
            if now <= before {
                self.violated(time, node, ViolationKind::Sequence { spi, before, now });
            }
        }
        let outside = self.outside.get(usize::from(link.0)).copied().unwrap_or(false);
        if !outside || self.protected.is_empty() || self.is_sealed(node, &view) {
            return;
        }
        if let Some(flow) = self.leaks(node, kind, &view) {
            self.violated(time, node, ViolationKind::ClearText { link, flow, quoted: false });
        } else if let Some(inner) = quoted(&view)
            && let Some(flow) = self.leaks(node, kind, &inner)
        {
            self.violated(time, node, ViolationKind::ClearText { link, flow, quoted: true });
        }
    }

    /// IPsec, IKE, or a keepalive, which says nothing.
    fn is_sealed(&mut self, node: NodeId, view: &IpView<'_>) -> bool {
        let datagram = (node, view.source, view.destination);
        let sealed = view.is_ipsec() || view.is_keepalive();
        if view.protocol != protocol::UDP || !view.is_fragment() {
            return sealed;
        }
        if view.offset != 0 {
            return self.floated.get(&datagram) == Some(&view.ident);
        }
        if sealed {
            self.floated.insert(datagram, view.ident);
        } else {
            self.floated.remove(&datagram);
        }
        sealed
    }

    /// The flow of a clear packet, when an SA protects it and policy does not let it pass in clear.
    fn leaks(&self, node: NodeId, kind: ConnectionKind, view: &IpView<'_>) -> Option<FlowKey> {
        let flow = flow_of(view);
        let back = FlowKey {
            local: flow.remote,
            remote: flow.local,
            local_port: flow.remote_port,
            remote_port: flow.local_port,
            ..flow
        };
        let covers = |s: &Selector| s.matches(&flow) || s.matches(&back);
        self.protected.iter().find(|(n, _, s)| *n == node && covers(s))?;
        let watched = self.nodes.get(&node)?;
        let spd = watched.spd.as_ref()?;
        // What the default response rule has been asked to protect is not in clear while it lives.
        let asked = |default: &SpdEntry, f: &FlowKey| {
            let its = |((n, _), p): (&(NodeId, PairId), &Pair)| {
                *n == node && p.entry == default.id && p.selector.matches(f)
            };
            self.pairs.iter().any(its)
        };
        let in_clear = |entry: &SpdEntry, f: &FlowKey| match &entry.action {
            Action::Stateful => true,
            Action::Bypass => !spd.default_behind(entry.id).is_some_and(|default| asked(default, f)),
            Action::Protect(protect) => protect.fallback && watched.soft.contains(&entry.id),
            Action::Discard => false,
        };
        let bypassed = [flow, back].iter().any(|f| {
            spd.outbound(f, kind).is_some_and(|entry| in_clear(entry, f))
                && self.protected.iter().any(|(n, _, s)| *n == node && s.matches(f))
        });
        (!bypassed).then_some(flow)
    }

    fn event(&mut self, record: &Record<'_>, event: &Event) {
        let node = record.node;
        match event {
            Event::Keys(Keys::Ipsec(bundle)) => self.keys(record, bundle),
            Event::Keys(keys @ Keys::Isakmp { cky_i, cky_r, .. }) => {
                let key = (number_of(cky_i), number_of(cky_r));
                self.isakmp.entry(key).or_default().keys.insert(node, keys.clone());
                let cookie = number_of(cky_i);
                if let Some(peer) = self.half_open.remove(&(node, cookie)) {
                    self.open.insert((node, cookie), (peer, record.time));
                }
            }
            Event::QuickModeEstablished(info) => self.established(node, info),
            Event::SoftAssociation { entry, .. } => {
                self.nodes.entry(node).or_default().soft.insert(*entry);
            }
            Event::PairDeleted { pair, .. } => {
                self.inbound.retain(|(n, _), p| *n != node || p != pair);
                self.forget_if_soft(node, *pair);
            }
            Event::MainModeStarted { peer, initiator: true, cky_i, .. } => {
                self.open.insert((node, number_of(cky_i)), (*peer, record.time));
            }
            Event::MainModeStarted { peer, cky_i, .. } => {
                self.half_open.insert((node, number_of(cky_i)), *peer);
            }
            Event::MainModeEstablished(info) => {
                self.open.remove(&(node, number_of(&info.cky_i)));
                self.isakmp_established(record.time, node, (number_of(&info.cky_i), number_of(&info.cky_r)));
            }
            Event::Failed(failure) if failure.phase == Phase::MainMode => {
                self.open.retain(|(n, _), (peer, _)| (*n, peer.ip()) != (node, failure.peer.ip()));
            }
            _ => {}
        }
    }

    /// A pair that is gone still obliges its node, which must negotiate anew before it sends, unless its policy allows
    /// to fall back to clear.
    fn forget_if_soft(&mut self, node: NodeId, pair: PairId) {
        let Some(gone) = self.pairs.remove(&(node, pair)) else { return };
        let spd = self.nodes.get(&node).and_then(|w| w.spd.as_ref());
        let action = spd.and_then(|s| s.get(gone.entry)).map(|e| &e.action);
        // With its last pair a filter of the default response rule is gone, and its node owes nothing.
        let dynamic = spd.and_then(|s| s.default_response()).is_some_and(|default| default.id == gone.entry);
        if dynamic || !matches!(action, Some(Action::Protect(p)) if !p.fallback) {
            self.protected.retain(|(n, p, _)| (*n, *p) != (node, pair));
        }
    }

    fn established(&mut self, node: NodeId, info: &QuickModeInfo) {
        let pair = Pair {
            inbound: info.inbound_spis.clone(),
            outbound: info.outbound_spis.clone(),
            selector: info.selector.clone(),
            entry: info.entry,
        };
        let other = self
            .pairs
            .iter()
            .find(|((n, _), p)| *n != node && p.inbound == pair.outbound && p.outbound == pair.inbound);
        if let Some(((peer, number), p)) = other {
            for (n, number, selector) in [(node, info.pair, &pair.selector), (*peer, *number, &p.selector)] {
                if !self.protected.iter().any(|(m, _, s)| *m == n && s == selector) {
                    self.protected.push((n, number, selector.clone()));
                }
            }
        }
        self.pairs.insert((node, info.pair), pair);
    }

    fn keys(&mut self, record: &Record<'_>, bundle: &BundleSpec) {
        let (time, node) = (record.time, record.node);
        let destination = match bundle.local {
            IpAddr::V4(_) if self.translated => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            _ if bundle.inbound => bundle.local,
            _ => bundle.peer,
        };
        for sa in &bundle.sas {
            let key = (sa.protocol.number(), sa.spi, destination);
            if bundle.inbound
                && self.inbound.insert((node, key), bundle.pair).is_some_and(|p| p != bundle.pair)
            {
                let (protocol, spi) = (sa.protocol.number(), sa.spi);
                self.violated(time, node, ViolationKind::SpiTwice { protocol, spi });
            }
            if !bundle.inbound {
                // A new SA: an SPI may be used again once its old SA is gone.
                self.sequence.remove(&(node, key));
            }
            let ends = self.ends.entry(key).or_default();
            ends[usize::from(bundle.inbound)] = Some(bundle.clone());
            let [Some(sender), Some(receiver)] = ends else { continue };
            let (sender, receiver) = (sender.clone(), receiver.clone());
            self.ends.remove(&key);
            self.compare(record, sa, &sender, &receiver);
        }
    }

    fn compare(&mut self, record: &Record<'_>, sa: &SaSpec, sender: &BundleSpec, receiver: &BundleSpec) {
        let (time, node, spi) = (record.time, record.node, sa.spi);
        let of = |b: &BundleSpec| b.sas.iter().find(|s| (s.protocol, s.spi) == (sa.protocol, spi)).cloned();
        let modes = (matches!(sender.mode, Mode::Transport), matches!(receiver.mode, Mode::Transport));
        if of(sender) != of(receiver) || modes.0 != modes.1 {
            self.violated(time, node, ViolationKind::KeysDiffer { spi });
        }
        if sender.selector != receiver.selector.mirrored() && !self.translated {
            self.violated(time, node, ViolationKind::SelectorsDiffer { spi });
        }
    }

    /// Once both ends have established an ISAKMP SA, they have the same keys.
    fn isakmp_established(&mut self, time: Instant, node: NodeId, cookies: (u64, u64)) {
        let IsakmpEnds { keys, established } = self.isakmp.entry(cookies).or_default();
        established.insert(node);
        let mut of_ends = established.iter().filter_map(|n| keys.get(n));
        let first = of_ends.next();
        if of_ends.any(|k| Some(k) != first) {
            self.violated(time, node, ViolationKind::IsakmpKeysDiffer);
        }
    }

    /// A fold of what must not change between sender and receiver: addresses, protocol and payload; with a translator
    /// between them protocol and payload, but for the checksum of TCP or UDP.
    fn essence(&self, packet: &Packet) -> u64 {
        let Some(view) = IpView::parse(packet.bytes()) else { return 0 };
        if self.translated {
            let at = match view.protocol {
                protocol::TCP => 16,
                protocol::UDP => 6,
                _ => view.payload.len(),
            };
            let (front, back) = view.payload.split_at(at.min(view.payload.len()));
            let back = back.get(2..).unwrap_or_default();
            return ip::fold(front) ^ ip::fold(back).rotate_left(16) ^ u64::from(view.protocol);
        }
        let ends = |a: IpAddr| match a {
            IpAddr::V4(a) => u64::from(a.to_bits()),
            IpAddr::V6(a) => ip::fold(&a.octets()),
        };
        ip::fold(view.payload)
            ^ ends(view.source).rotate_left(32)
            ^ ends(view.destination).rotate_left(8)
            ^ u64::from(view.protocol)
    }

    pub(crate) fn at_quiet(&mut self, now: Instant) {
        let late: Vec<_> = self
            .open
            .iter()
            .filter(|((node, _), (_, since))| {
                let schedule = self.nodes.get(node).map_or(Duration::ZERO, |w| w.schedule);
                // Twice the schedule: the answering side may begin late, and repeats as long.
                *since + schedule * 2 + Duration::from_secs(5) < now
            })
            .map(|((node, _), (peer, since))| (*node, *peer, *since))
            .collect();
        for (node, peer, since) in late {
            self.violated(now, node, ViolationKind::OutlivedSchedule { peer, since });
        }
    }
}

fn number_of(cookie: &ipsec_core::wire::isakmp::Cookie) -> u64 {
    u64::from_be_bytes(cookie.0)
}

fn flow_of(view: &IpView<'_>) -> FlowKey {
    let ports = view.ports();
    let icmp = (matches!(view.protocol, protocol::ICMP | protocol::ICMPV6) && view.offset == 0)
        .then(|| ip::be16(view.payload, 0))
        .flatten();
    FlowKey {
        local: view.source,
        remote: view.destination,
        protocol: view.protocol,
        local_port: ports.map(|p| p.0).or(icmp),
        remote_port: ports.map(|p| p.1),
    }
}

/// The packet that an ICMP error quotes. It is cut short, so its header alone is read.
fn quoted<'a>(view: &IpView<'a>) -> Option<IpView<'a>> {
    let error = match view.protocol {
        protocol::ICMP => matches!(view.payload.first()?, 3 | 4 | 5 | 11 | 12),
        protocol::ICMPV6 => *view.payload.first()? < 128,
        _ => false,
    };
    if !error || view.offset != 0 {
        return None;
    }
    IpView::parse_quoted(view.payload.get(8..)?)
}

#[cfg(test)]
mod tests;
