//! The story of a run as a person wants to read it: one line for each thing that matters.

use std::collections::BTreeSet;

use ipsec_core::io::{DpdStep, QuickModeInfo};
use ipsec_core::spd::{Mode, Offer};
use ipsec_core::{Event, Instant};
use ipsec_sim::nat::Mapped;
use ipsec_sim::{Names, NodeId};

use crate::names;
use crate::twin::PacketPattern;

/// Collects the lines.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    names: Names,
    tell: bool,
    lines: Vec<String>,
    /// Nodes that have said that they hold packets for a negotiation.
    waiting: BTreeSet<NodeId>,
}

impl Story {
    pub(crate) fn new(names: Names, tell: bool) -> Self {
        Story { names, tell, lines: Vec::new(), waiting: BTreeSet::new() }
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The lines, taken out.
    pub(crate) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// Adds what `who` did or saw.
    pub(crate) fn say(&mut self, time: Instant, who: &str, what: &str) {
        if self.tell {
            self.lines.push(format!("{:>12}  {who:<8} {what}", time.to_string()));
        }
    }

    /// Adds the article's own words.
    pub(crate) fn quote(&mut self, words: &str) {
        if self.tell {
            self.lines.push(String::new());
            self.lines.push(format!("  \"{words}\""));
        }
    }

    fn node(&mut self, time: Instant, node: NodeId, what: &str) {
        if self.tell {
            let who = self.names.node(node).to_string();
            self.say(time, &who, what);
        }
    }

    /// A line an application printed.
    pub(crate) fn line(&mut self, time: Instant, node: NodeId, line: &str) {
        self.node(time, node, &format!("| {line}"));
    }

    /// The first drop of its kind.
    pub(crate) fn dropped(&mut self, time: Instant, node: NodeId, packet: &PacketPattern, why: &str) {
        self.node(time, node, &format!("drops {packet}: {why}"));
    }

    /// A translator made a mapping.
    pub(crate) fn mapped(&mut self, time: Instant, node: NodeId, mapped: &Mapped) {
        self.node(time, node, &format!("maps {mapped}"));
    }

    /// An invariant does not hold.
    pub(crate) fn violation(&mut self, time: Instant, node: NodeId, what: &str) {
        self.node(time, node, &format!("INVARIANT VIOLATED: {what}"));
    }

    /// What IPsec reports, as far as it matters to the story.
    pub(crate) fn event(&mut self, time: Instant, node: NodeId, event: &Event) {
        if !self.tell {
            return;
        }
        let text = match event {
            Event::Held { .. } if self.waiting.insert(node) => {
                "holds packets until IKE has negotiated".into()
            }
            Event::MainModeStarted { peer, exchange, initiator: true, .. } => {
                format!("begins {} with {}", exchange.name(), peer.ip())
            }
            Event::MainModeStarted { peer, exchange, .. } => {
                format!("answers {} of {}", exchange.name(), peer.ip())
            }
            Event::MainModeEstablished(info) => {
                let minutes = info.lifetime_seconds / 60;
                let proposal = names::proposal(&info.proposal);
                let nat =
                    info.nat.filter(|nat| nat.is_found()).map_or(String::new(), |nat| format!(", {nat}"));
                let peer = info.peer.ip();
                format!("main mode SA with {peer}: {proposal}, lives {minutes} min{nat} (event 541)")
            }
            Event::QuickModeEstablished(info) => {
                self.waiting.remove(&node);
                quick_mode(info)
            }
            Event::Failed(failure) => {
                self.waiting.remove(&node);
                let phase = names::phase(failure.phase).replace('-', " ");
                format!(
                    "{phase} with {} failed: {} (event 547)",
                    failure.peer.ip(),
                    names::failure_text(&failure.reason)
                )
            }
            Event::Retransmitted { peer, attempt, .. } => {
                format!("repeats a message to {} ({attempt})", peer.ip())
            }
            Event::DeadPeerDetection { peer, step, .. } => match step {
                DpdStep::Asked { attempt: 0, .. } => format!("asks {} whether it lives", peer.ip()),
                DpdStep::Asked { attempt, .. } => format!("asks {} again ({attempt})", peer.ip()),
                DpdStep::Alive { .. } => format!("{} lives", peer.ip()),
                DpdStep::Dead => format!("{} does not answer and is held dead", peer.ip()),
            },
            Event::PairDeleted { pair, why } => format!("SA pair {} is gone: {why:?} (event 542)", pair.0),
            Event::IsakmpSaDeleted { why, .. } => format!("main mode SA is gone: {why:?} (event 543)"),
            Event::SoftAssociation { peer, .. } => {
                self.waiting.remove(&node);
                format!("soft association with {peer}, which does not answer: traffic passes in clear")
            }
            Event::SoftAssociationEnded { peer, .. } => format!("soft association with {peer} is over"),
            Event::PeerMoved { pair, from, to } => {
                format!("SA pair {} follows its peer from {from} to {to}", pair.0)
            }
            Event::IsakmpPeerMoved { from, to, .. } => {
                format!("main mode SA follows its peer from {from} to {to}")
            }
            Event::Notified { peer, notify } => format!("{} notifies {}", peer.ip(), names::notify(*notify)),
            _ => return,
        };
        self.node(time, node, &text);
    }
}

fn quick_mode(info: &QuickModeInfo) -> String {
    let spis = |spis: &[ipsec_core::sad::Spi]| {
        spis.iter().map(|s| format!("{:#010x}", s.0)).collect::<Vec<_>>().join("+")
    };
    let mode = if matches!(info.mode, Mode::Tunnel { .. }) { "tunnel" } else { "transport" };
    let pfs = info.pfs.map_or(String::new(), |group| format!(", PFS group {}", group.id()));
    let mode = if info.udp.is_some() { format!("{mode} in UDP") } else { mode.to_owned() };
    format!(
        "SA pair {} with {}: {} {mode}{pfs}, {}, in {} out {}, {} (event 541)",
        info.pair.0,
        info.peer,
        names::method(&info.offer),
        info.selector,
        spis(&info.inbound_spis),
        spis(&info.outbound_spis),
        lifetime(&info.offer),
    )
}

/// Lifetimes as agreed; what was not agreed is the system's own default.
pub(crate) fn lifetime(offer: &Offer) -> String {
    match (offer.lifetime.seconds, offer.lifetime.kilobytes) {
        (None, None) => "default lifetimes".into(),
        (Some(s), None) => format!("lives {s} s"),
        (None, Some(k)) => format!("lives {k} kB"),
        (Some(s), Some(k)) => format!("lives {s} s or {k} kB"),
    }
}
