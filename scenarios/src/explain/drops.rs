//! Why packets were dropped.

use ipsec_core::DropReason;
use ipsec_core::sad::PairId;
use ipsec_core::spd::{Action, EntryId, Mode, SpdEntry};
use ipsec_sim::DropCause;
use ipsec_sim::ip::protocol;

use super::{Explainer, Trouble, What, cause_text, reason_text, rule, wants};
use crate::topology::{PacketFilter, Permit};
use crate::twin::PacketPattern;

/// UDP port of ISAKMP (RFC 2408 section 2.5.1).
const ISAKMP: u16 = 500;

impl Explainer<'_> {
    /// Why an IPsec layer dropped a packet; nothing where a failed negotiation says it.
    pub(super) fn refused(
        &self,
        trouble: &Trouble,
        packet: &PacketPattern,
        reason: &DropReason,
    ) -> Vec<String> {
        let node = self.name(trouble);
        match reason {
            DropReason::NegotiationFailed(_) if !self.observer.failures.is_empty() => Vec::new(),
            DropReason::ClearTextRefused(entry) => self.clear_text(trouble, packet, *entry),
            DropReason::BundleMismatch(pair) => self.other_rule(trouble, packet, *pair),
            DropReason::FragmentWithoutPorts => {
                let with_ports =
                    |e: &&SpdEntry| matches!(e.action, Action::Protect(_)) && e.selector.protocol.is_some();
                let rules: Vec<String> = trouble
                    .policy
                    .spd
                    .entries()
                    .iter()
                    .filter(with_ports)
                    .map(|e| format!("'{}' ({})", e.name, e.selector))
                    .collect();
                let without = PacketPattern { from_port: None, to_port: None, ..*packet };
                let mut lines = vec![format!(
                    "{node} drops the later fragments of {without}: fragments carry no ports, and its rules for that \
                     traffic ask for ports: {}",
                    rules.join(", ")
                )];
                lines.extend(self.sent_in_clear(trouble, &without));
                lines
            }
            DropReason::WrongOuterSource(pair) => {
                let of_pair = |q: &&crate::observe::Timed<ipsec_core::io::QuickModeInfo>| {
                    q.node == trouble.node && q.info.pair == *pair
                };
                let peer = self.observer.quick_modes.iter().find(of_pair).map(|q| q.info.peer);
                let peer = peer.map_or("its peer".into(), |p| p.to_string());
                vec![format!(
                    "{node} drops what comes in through SA pair {} from another address than {peer}: the other end \
                     sends it out through another interface than the one with the tunnel endpoint",
                    pair.0
                )]
            }
            DropReason::NoRoute => vec![self.no_route(trouble, packet)],
            other => vec![format!("{node} drops {packet}: {}", reason_text(&trouble.policy, other))],
        }
    }

    /// Why another layer dropped a packet.
    pub(super) fn dropped(
        &self,
        trouble: &Trouble,
        packet: &PacketPattern,
        cause: &DropCause,
    ) -> Vec<String> {
        let node = self.name(trouble);
        let text = cause_text(&self.observer.names, trouble.node, cause);
        match cause {
            DropCause::Rule(DropReason::NoRoute) => vec![self.no_route(trouble, packet)],
            DropCause::InputFilter(i) | DropCause::OutputFilter(i) => {
                let of_node = self.node(trouble.node);
                let interface = of_node.and_then(|n| n.interfaces.get(usize::from(i.0)));
                let filter = of_node.and_then(|n| {
                    n.packet_filter
                        .iter()
                        .find(|f| interface.is_some_and(|i| i.name.get_ref() == f.interface.get_ref()))
                });
                let output = matches!(cause, DropCause::OutputFilter(_));
                let passes = filter.map_or(String::new(), |filter| criteria(filter, output));
                let ike = packet.protocol == protocol::UDP && packet.to_port == Some(ISAKMP);
                let so = if ike { "; without IKE no tunnel comes up" } else { "" };
                vec![format!("{node} drops {packet}: {text}, which {passes}{so}")]
            }
            _ => vec![format!("{node} drops {packet}: {text}")],
        }
    }

    /// Whether a packet filter stopped IKE.
    pub(super) fn ike_filtered(&self) -> bool {
        self.observer.troubles.iter().any(|t| match &t.what {
            What::Dropped(packet, DropCause::InputFilter(_) | DropCause::OutputFilter(_)) => {
                packet.protocol == protocol::UDP && packet.to_port == Some(ISAKMP)
            }
            _ => false,
        })
    }

    fn no_route(&self, trouble: &Trouble, packet: &PacketPattern) -> String {
        let before =
            if trouble.policy.spd.entries().is_empty() { "" } else { ", so that IPsec is not asked" };
        format!("{} has no route to {}{before}", self.name(trouble), packet.to)
    }

    /// Clear text that should have been protected: who wants what, and why it was sent so.
    fn clear_text(&self, trouble: &Trouble, packet: &PacketPattern, entry: EntryId) -> Vec<String> {
        let node = self.name(trouble);
        let wanted = trouble.policy.spd.get(entry).map_or("protected".to_owned(), wants);
        let rule = rule(&trouble.policy, entry);
        let mut lines =
            vec![format!("{node} refuses {packet}: it came in clear, and {rule} wants it {wanted}")];
        lines.extend(self.sent_in_clear(trouble, packet));
        lines
    }

    /// What the computer that should have protected the packet has to do with it.
    fn sent_in_clear(&self, trouble: &Trouble, packet: &PacketPattern) -> Option<String> {
        let near = |id: ipsec_sim::NodeId| {
            self.node(id)
                .is_some_and(|n| n.interfaces.iter().any(|i| i.address.get_ref().0.contains(packet.from)))
        };
        let mut others = self.observer.policies.iter().filter(|(id, _)| **id != trouble.node && near(**id));
        let Some((sender, policy)) = others.next() else {
            let (who, _) = self.owner(packet.from)?;
            return Some(format!("{} has no IPsec, and sent it in clear", who.name.get_ref()));
        };
        let sender = self.observer.names.node(*sender);
        let entry = Self::decides(policy, packet, false)?;
        Some(match &entry.action {
            Action::Bypass if entry.name == "default permit" => {
                format!("{sender} sent it in clear: none of its rules is about {packet}")
            }
            Action::Bypass => {
                format!("{sender} sent it in clear: {} permits {packet}", rule(policy, entry.id))
            }
            Action::Protect(protect) if protect.fallback => {
                format!("{sender} falls back to clear text when its peer does not answer IKE")
            }
            _ => {
                let (rule, wanted) = (rule(policy, entry.id), wants(entry));
                let forged = self.owner(packet.from).is_none();
                let how = if forged { "it is forged, or took" } else { "it took" };
                format!(
                    "{sender} would not send it so ({rule} wants it {wanted}): {how} a way around {sender}"
                )
            }
        })
    }

    /// It came in protected, but not as the first entry for it asks.
    fn other_rule(&self, trouble: &Trouble, packet: &PacketPattern, pair: PairId) -> Vec<String> {
        let node = self.name(trouble);
        let Some(entry) = Self::decides(&trouble.policy, packet, true) else { return Vec::new() };
        let rule = rule(&trouble.policy, entry.id);
        let came = format!("{node} refuses {packet}, which came in through SA pair {}", pair.0);
        let Action::Protect(protect) = &entry.action else {
            return vec![format!("{came}: {rule} wants it {}", wants(entry))];
        };
        match protect.mode {
            Mode::Tunnel { local: Some(local), .. } if !self.owns(trouble.node, local) => vec![format!(
                "{came}: the first filter for it is that of {rule}, whose tunnel ends at {local}, and that is not \
                 {node}: the Mirrored box of its filter is selected, or source and destination are reversed"
            )],
            _ => vec![format!("{came}: {rule} wants it {}", wants(entry))],
        }
    }
}

/// What a packet filter lets through.
fn criteria(filter: &PacketFilter, output: bool) -> String {
    let text = |list: &[Permit]| {
        let all: Vec<String> = list.iter().map(|p| format!("{} > {}", p.from.0, p.to.0)).collect();
        if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
    };
    let (only, except) =
        if output { (&filter.output, &filter.output_except) } else { (&filter.input, &filter.input_except) };
    match (only, except) {
        (Some(only), _) => format!("passes only {}", text(only)),
        (None, Some(except)) => format!("passes all except {}", text(except)),
        (None, None) => "passes everything".into(),
    }
}
