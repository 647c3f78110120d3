//! What becomes of one flow's packets in a run.

use std::collections::{BTreeMap, BTreeSet};

use ipsec_core::packet::PacketId;
use ipsec_core::sad::PairId;
use ipsec_core::{DropReason, Event};
use ipsec_sim::ip::{IpView, protocol};
use ipsec_sim::model::{Flow, Outcome, Passage, Protection, Rule};
use ipsec_sim::{Effect, NodeId, Record, Sink};

use ipsec_core::spd::Mode;

/// Follows the packets of a flow and of its reply. The first of each whose fate is known counts.
#[derive(Clone, Debug)]
pub(super) struct Observer {
    /// Request and reply.
    flows: [Flow; 2],
    packets: [BTreeSet<PacketId>; 2],
    fates: [Option<Fate>; 2],
    opened: BTreeMap<PacketId, (NodeId, PairId)>,
    made: BTreeMap<(NodeId, PairId), Protection>,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Delivered(PacketId),
    Dropped(NodeId, Rule),
}

impl Observer {
    pub(super) fn new(flow: Flow) -> Observer {
        Observer {
            flows: [flow, flow.reply()],
            packets: Default::default(),
            fates: [None; 2],
            opened: BTreeMap::new(),
            made: BTreeMap::new(),
        }
    }

    /// Whether nothing more can be learned.
    pub(super) fn is_done(&self) -> bool {
        match self.fates {
            [Some(Fate::Dropped(..)), _] | [_, Some(_)] => true,
            [_, None] => false,
        }
    }

    /// What became of request and reply; the first two nodes are the sides.
    pub(super) fn outcome(&self) -> Outcome {
        let request = self.passage(0);
        Outcome { request, reply: request.arrives().then(|| self.passage(1)) }
    }

    fn passage(&self, which: usize) -> Passage {
        match self.fates[which] {
            None => Passage::Refused(usize::MAX, Rule::Unforeseen),
            Some(Fate::Dropped(node, rule)) => Passage::Refused(usize::from(node.0), rule),
            Some(Fate::Delivered(packet)) => match self.opened.get(&packet) {
                None => Passage::Clear,
                Some(by) => match self.made.get(by) {
                    Some(protection) => Passage::Protected(*protection),
                    None => Passage::Refused(usize::MAX, Rule::Unforeseen),
                },
            },
        }
    }

    /// Whether an IP datagram belongs to the request (0) or the reply (1).
    fn which(&self, bytes: &[u8]) -> Option<usize> {
        let view = IpView::parse(bytes)?;
        // An echo request has type 8, a reply 0; everything else is an error about some packet.
        let echo = match (view.protocol, view.payload.first()) {
            (protocol::ICMP, Some(8)) => Some(0),
            (protocol::ICMP, Some(0)) => Some(1),
            (protocol::ICMP, _) => return None,
            _ => None,
        };
        let flow = Flow {
            source: view.source,
            destination: view.destination,
            protocol: view.protocol,
            ports: view.ports(),
        };
        let ports = |f: &Flow| if echo.is_some() { Flow { ports: None, ..*f } } else { *f };
        let found = self.flows.iter().position(|f| *f == ports(&flow))?;
        echo.is_none_or(|e| e == found).then_some(found)
    }

    fn settle(&mut self, packet: PacketId, fate: Fate) {
        for (packets, slot) in self.packets.iter().zip(&mut self.fates) {
            if packets.contains(&packet) {
                slot.get_or_insert(fate);
            }
        }
    }
}

impl Sink for Observer {
    fn record(&mut self, record: &Record<'_>) {
        match record.effect {
            Effect::Originated(packet) => {
                if let Some(which) = self.which(packet.bytes()) {
                    self.packets[which].insert(packet.id());
                }
            }
            Effect::Delivered { packet, .. } => self.settle(packet.id(), Fate::Delivered(packet.id())),
            Effect::Dropped(packet, _) => {
                self.settle(packet.id(), Fate::Dropped(record.node, Rule::Unforeseen));
            }
            Effect::Ipsec(Event::Dropped { packet, reason, .. }) => {
                self.settle(*packet, Fate::Dropped(record.node, rule(reason)));
            }
            Effect::Ipsec(Event::Opened { packet, pair }) => {
                self.opened.insert(*packet, (record.node, *pair));
            }
            Effect::Ipsec(Event::QuickModeEstablished(info)) => {
                let protection = Protection {
                    ah: info.offer.ah,
                    esp: info.offer.esp,
                    tunnel: info.mode != Mode::Transport,
                    pfs: info.pfs.is_some(),
                };
                self.made.insert((record.node, info.pair), protection);
            }
            _ => {}
        }
    }
}

/// A drop reason in the model's words.
fn rule(reason: &DropReason) -> Rule {
    match reason {
        DropReason::PolicyDiscard(_) | DropReason::Unsolicited(_) => Rule::Blocked,
        DropReason::ClearTextRefused(_) => Rule::ClearText,
        DropReason::SelectorMismatch(_)
        | DropReason::BundleMismatch(_)
        | DropReason::EspWithoutAh(_)
        | DropReason::AhWithoutEsp(_)
        | DropReason::BundleOrder(_) => Rule::OtherProtection,
        DropReason::NegotiationFailed(_) => Rule::NoAgreement,
        DropReason::NoPolicy => Rule::NoEntry,
        _ => Rule::Unforeseen,
    }
}
