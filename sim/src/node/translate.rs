//! A node that translates addresses: what comes in is reassembled, translated and passed on.

use ipsec_core::fragment::Reassembly;
use ipsec_core::interface::InterfaceId;
use ipsec_core::spd::Door;
use ipsec_core::{DropReason, Packet};

use super::icmp::{self, Complaint};
use super::{Node, is_unicast, mtu_of};
use crate::ip::{self, IpView};
use crate::nat::{Mapped, NatDrop};
use crate::sink::{DropCause, Effect};
use crate::world::Cx;

/// Which way a packet goes through the translator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Out,
    In,
    /// From inside to an external end of this box.
    Hairpin,
    /// Not translated: to the box itself, or from inside to inside.
    Past,
}

impl Node {
    /// Whether a packet meets address translation at all.
    pub(super) fn translates(&self, packet: &Packet) -> bool {
        self.nat.is_some() && packet.bytes().first().is_some_and(|b| b >> 4 == 4)
    }

    /// A packet comes off a link of a translator.
    pub(super) fn arrive_translated(&mut self, from: InterfaceId, packet: Packet, cx: &mut Cx<'_>) {
        let malformed = DropCause::Rule(DropReason::Malformed);
        if !ip::header_intact(packet.bytes()) || IpView::parse(packet.bytes()).is_none() {
            return cx.dropped(&packet, malformed);
        }
        let way = match self.way(from, &packet) {
            Ok(Way::Past) => return self.up(from, packet, false, cx),
            Ok(way) => way,
            Err(cause) => return cx.dropped(&packet, cause),
        };
        if !self.passes(from, &packet, Door::Inbound, cx) {
            return cx.dropped(&packet, DropCause::InputFilter(from));
        }
        // RFC 4787 REQ-14: fragments are translated whatever their order. Only the first has the ports.
        let mut given_up = Vec::new();
        let whole = match self.host.reassembler.push(packet.clone(), cx.now, &mut given_up) {
            Reassembly::Whole(whole) => whole,
            Reassembly::Waiting => return,
            Reassembly::Bad => return cx.dropped(&packet, DropCause::Rule(DropReason::BadFragment)),
        };
        let Some(nat) = &mut self.nat else { return };
        let mut translated = whole.clone();
        let bytes = translated.bytes_mut();
        let done: Result<Option<Mapped>, NatDrop> = match way {
            Way::Out => nat.outbound(bytes, cx.now),
            Way::Hairpin => nat.hairpin(bytes, cx.now),
            Way::In | Way::Past => nat.inbound(bytes, cx.now).map(|()| None),
        };
        match done {
            Err(reason) => cx.dropped(&whole, DropCause::Nat(reason)),
            Ok(mapped) => {
                if let Some(mapped) = mapped {
                    cx.record(Effect::Mapped(mapped));
                }
                self.pass_on(from, &whole, translated, cx);
            }
        }
    }

    fn way(&self, from: InterfaceId, packet: &Packet) -> Result<Way, DropCause> {
        let not_for_us = DropCause::Rule(DropReason::NotForUs);
        let (Some(nat), Some(view)) = (&self.nat, IpView::parse(packet.bytes())) else {
            return Err(not_for_us);
        };
        let outside = nat.config().outside;
        let to = view.destination;
        if nat.is_external(to) {
            return Ok(if from == outside { Way::In } else { Way::Hairpin });
        }
        if from == outside {
            // Nobody outside may use an inside address: it is not routed there.
            return Err(not_for_us);
        }
        if self.local.owns(to) || !is_unicast(to) {
            return Ok(Way::Past);
        }
        match self.local.route(to) {
            Some((interface, _)) if interface == outside => Ok(Way::Out),
            _ => Ok(Way::Past),
        }
    }

    /// Forwards what was translated. An ICMP error about it quotes the packet as it came (RFC 5508 section 4.2).
    fn pass_on(&mut self, from: InterfaceId, original: &Packet, mut packet: Packet, cx: &mut Cx<'_>) {
        let complaint = |what| Complaint { what, about_protected: false };
        let destination = IpView::parse(packet.bytes()).map(|v| (v.destination, v.dont_fragment));
        let Some((destination, whole)) = destination else { return };
        let Some((to, _)) = self.local.route(destination) else {
            cx.dropped(original, DropCause::Rule(DropReason::NoRoute));
            return self.complain(complaint(icmp::NO_ROUTE), original, cx);
        };
        if !ip::decrement_ttl(packet.bytes_mut()) {
            cx.dropped(original, DropCause::Rule(DropReason::TtlExceeded));
            return self.complain(complaint(icmp::TTL_EXCEEDED), original, cx);
        }
        let mtu = self.interfaces.get(usize::from(to.0)).map_or(1500, mtu_of);
        if whole && packet.len() > usize::from(mtu) {
            cx.dropped(original, DropCause::Rule(DropReason::TooBig { mtu }));
            return self.complain(complaint(icmp::too_big(mtu)), original, cx);
        }
        cx.record(Effect::Forwarded { from, to, packet: &packet });
        self.down(to, packet, Some(false), cx);
    }
}
