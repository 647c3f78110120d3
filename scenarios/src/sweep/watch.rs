//! What a run of a sweep showed.

use std::net::IpAddr;

use ipsec_core::ike::failure::Phase;
use ipsec_core::io::DeleteReason;
use ipsec_core::sad::{Bundle, Pair, PairId, Spi};
use ipsec_core::selector::Selector;
use ipsec_core::{Event, Instant};
use ipsec_sim::ip::{IpView, protocol};
use ipsec_sim::{Effect, LinkId, NodeId, Record, Sink};

use super::PROBED;
use crate::traffic::Ends;

/// What a datagram on the link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Message {
    /// A message of an ISAKMP exchange: its exchange type and message ID.
    Ike {
        /// Exchange type (RFC 2408 section 3.1).
        exchange: u8,
        /// Message ID; 0 in main mode.
        id: u32,
    },
    /// ESP.
    Esp,
    /// ESP in UDP (RFC 3948).
    EspInUdp,
    /// AH.
    Ah,
    /// In clear, because no policy protects it.
    Clear,
}

/// A datagram of the run without faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Who put it on the link.
    pub from: NodeId,
    /// What it is.
    pub message: Message,
    /// Its octets, IP header first.
    pub bytes: Vec<u8>,
}

impl Datagram {
    fn new(from: NodeId, bytes: &[u8]) -> Option<Self> {
        let view = IpView::parse(bytes)?;
        let message = match (view.protocol, view.isakmp()) {
            (protocol::ESP, _) => Message::Esp,
            (protocol::AH, _) => Message::Ah,
            (_, Some(isakmp)) => Message::Ike {
                exchange: *isakmp.get(18)?,
                id: u32::from_be_bytes(isakmp.get(20..24)?.try_into().ok()?),
            },
            (protocol::UDP, None) if view.sa().is_some() => Message::EspInUdp,
            _ => Message::Clear,
        };
        Some(Datagram { from, message, bytes: bytes.to_vec() })
    }

    /// Not what is in clear by policy, nor fragments of IP: the only link with any loses them
    /// ([`loses_fragments`](crate::topology::Link::loses_fragments)).
    pub(super) fn is_worth_altering(&self) -> bool {
        self.message != Message::Clear && IpView::parse(&self.bytes).is_some_and(|v| !v.is_fragment())
    }
}

/// A change of what a node holds established, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A main-mode SA, by its cookies.
    MainMode([u8; 8], [u8; 8]),
    /// A pair of IPsec SAs with the SPIs it comes in and goes out on.
    QuickMode(Vec<Spi>, Vec<Spi>),
    /// A pair went away.
    PairDeleted(PairId, DeleteReason),
    /// A main-mode SA went away.
    IsakmpDeleted([u8; 8], DeleteReason),
    /// A negotiation failed.
    Failed(Phase),
}

/// A pair of SAs that is alive at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivePair {
    /// The node that has it.
    pub node: NodeId,
    /// What it covers, this side local.
    pub selector: Selector,
    /// SPIs of the SAs that packets come in on.
    pub inbound: Vec<Spi>,
    /// SPIs of the SAs that packets leave on.
    pub outbound: Vec<Spi>,
}

impl LivePair {
    pub(super) fn of(node: NodeId, pair: &Pair) -> Self {
        let spis =
            |b: &Option<Bundle>| b.iter().flat_map(|b| b.sas().iter().map(|sa| sa.spi())).collect::<Vec<_>>();
        let (inbound, outbound) = (spis(&pair.inbound), spis(&pair.outbound));
        LivePair { node, selector: pair.selector.clone(), inbound, outbound }
    }
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// The datagrams on the link, before the probes.
    pub datagrams: Vec<Datagram>,
    /// Requests and answers of the story's own flows.
    pub answered: Vec<(u32, u32)>,
    /// Requests and answers of the probes.
    pub probes: Vec<(u32, u32)>,
    /// All pairs of SAs at the end.
    pub pairs: Vec<LivePair>,
    /// What was established, deleted and failed, by node.
    pub changes: Vec<(NodeId, Change)>,
    /// Packets that could be read on an outside link although policy protects them.
    pub leaks: u32,
    /// Invariants that did not hold.
    pub violations: Vec<String>,
    /// Packets that came out of an SA because of the tampered datagram.
    pub opened: u32,
    /// What was established because of the tampered datagram, before anything else arrived.
    pub established: u32,
    /// Drops because of the tampered datagram, and IKE's words that it changed nothing.
    pub refused: u32,
    /// IKE messages that were sent again.
    pub repeated: u32,
    /// Authenticated notifications.
    pub notified: u32,
}

impl Ending {
    /// Protected and connected: every probe answered, nothing readable, all invariants held, and exactly one usable pair
    /// of SAs for each selector at each end, whose SPIs mirror those of the other end.
    pub fn is_sound(&self) -> bool {
        self.complaint().is_none()
    }

    /// Why the run is not sound.
    pub fn complaint(&self) -> Option<String> {
        if let Some((asked, answered)) = self.probes.iter().find(|(asked, answered)| asked != answered) {
            return Some(format!("{answered} of {asked} probes answered"));
        }
        if self.leaks > 0 {
            return Some(format!("{} packets readable outside", self.leaks));
        }
        if let Some(first) = self.violations.first() {
            return Some(format!("invariant: {first}"));
        }
        if self.pairs.is_empty() {
            return Some("no SAs".into());
        }
        self.pairs.iter().find_map(|p| {
            let same = self.pairs.iter().filter(|q| (q.node, &q.selector) == (p.node, &p.selector)).count();
            let mirrors = |q: &&LivePair| (&q.inbound, &q.outbound) == (&p.outbound, &p.inbound);
            let mirrored = self.pairs.iter().filter(|q| q.node != p.node).filter(mirrors).count();
            let usable = !p.inbound.is_empty() && !p.outbound.is_empty();
            (same != 1 || mirrored != 1 || !usable).then(|| {
                format!("node {} has {same} pairs for {}, {mirrored} mirrored", p.node.0, p.selector)
            })
        })
    }
}

/// The sink.
#[derive(Debug)]
pub(super) struct Watch {
    link: LinkId,
    protected: Vec<Ends>,
    /// Transmissions that were tampered with.
    tampered: Vec<u64>,
    /// The transmission that a router passes on as it is: what it sends next is tampered with, too.
    forwarded: u64,
    ending: Ending,
}

impl Watch {
    pub(super) fn new(link: LinkId, protected: Vec<Ends>) -> Self {
        Watch { link, protected, tampered: Vec::new(), forwarded: 0, ending: Ending::default() }
    }

    pub(super) fn ending(self) -> Ending {
        self.ending
    }

    fn sent(&mut self, time: Instant, node: NodeId, bytes: &[u8]) {
        let Some(view) = IpView::parse(bytes) else { return };
        let between =
            |e: &Ends, a: IpAddr, b: IpAddr| (e.protocol, e.source, e.destination) == (view.protocol, a, b);
        let (a, b) = (view.source, view.destination);
        let leaks = self.protected.iter().any(|e| between(e, a, b) || between(e, b, a));
        // In transport mode, what is encapsulated is between the same addresses.
        self.ending.leaks += u32::from(leaks && !view.is_ipsec() && !view.is_keepalive());
        if time < PROBED && node != NodeId::ADVERSARY {
            self.ending.datagrams.extend(Datagram::new(node, bytes));
        }
    }

    fn event(&mut self, node: NodeId, event: &Event, tampered: bool) {
        let ending = &mut self.ending;
        let change = match event {
            Event::MainModeEstablished(info) => Change::MainMode(info.cky_i.0, info.cky_r.0),
            Event::QuickModeEstablished(info) => {
                Change::QuickMode(info.inbound_spis.clone(), info.outbound_spis.clone())
            }
            Event::PairDeleted { pair, why } => Change::PairDeleted(*pair, *why),
            Event::IsakmpSaDeleted { cky_i, why, .. } => Change::IsakmpDeleted(cky_i.0, *why),
            Event::Failed(failure) => Change::Failed(failure.phase),
            Event::Opened { .. } => return ending.opened += u32::from(tampered),
            Event::Dropped { .. } | Event::IkeIgnored { .. } => {
                return ending.refused += u32::from(tampered);
            }
            Event::Retransmitted { .. } => return ending.repeated += 1,
            Event::Notified { .. } => return ending.notified += 1,
            _ => return,
        };
        ending.established += u32::from(tampered && !matches!(change, Change::Failed(_)));
        ending.changes.push((node, change));
    }
}

impl Sink for Watch {
    fn record(&mut self, record: &Record<'_>) {
        let tampered = record.cause != 0 && self.tampered.contains(&record.cause);
        match record.effect {
            Effect::Forwarded { packet, .. } if tampered => {
                // IKE and IPsec pass a router as they are; what a gateway took out of its tunnel is another datagram.
                let whole = |v: &IpView| v.is_ipsec() || v.protocol == protocol::UDP;
                let passes = IpView::parse(packet.bytes()).is_some_and(|v| whole(&v));
                self.forwarded = if passes { record.cause } else { 0 };
            }
            Effect::Sent { transmission, .. } if tampered && self.forwarded == record.cause => {
                self.tampered.push(transmission);
                self.forwarded = 0;
            }
            Effect::Sent { link, packet, fate, transmission, .. } if link == self.link => {
                if fate.altered {
                    self.tampered.push(transmission);
                }
                self.sent(record.time, record.node, packet.bytes());
            }
            Effect::Ipsec(event) if record.time < PROBED => self.event(record.node, event, tampered),
            Effect::Dropped(..) => self.ending.refused += u32::from(tampered),
            _ => {}
        }
    }
}
