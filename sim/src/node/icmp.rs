//! ICMP errors a node sends about packets it cannot deliver or forward (RFC 792, RFC 1812 section 4.3, RFC 4443).

use ipsec_core::Packet;
use ipsec_core::selector::FlowKey;
use ipsec_core::spd::Action;

use super::{Node, fill_checksum};
use crate::ip::{self, Header, IpView, protocol};
use crate::sink::DropCause;
use crate::world::Cx;

/// Type and code in ICMP and in ICMPv6, and the second word of the message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct What {
    v4: (u8, u8),
    v6: (u8, u8),
    word: u32,
}

pub(crate) const NO_ROUTE: What = What { v4: (3, 0), v6: (1, 0), word: 0 };
pub(crate) const NO_PROTOCOL: What = What { v4: (3, 2), v6: (4, 1), word: 0 };
pub(crate) const NO_PORT: What = What { v4: (3, 3), v6: (1, 4), word: 0 };
pub(crate) const TTL_EXCEEDED: What = What { v4: (11, 0), v6: (3, 0), word: 0 };

/// Fragmentation needed and DF set (RFC 1191), packet too big (RFC 4443 section 3.2).
pub(crate) fn too_big(mtu: u16) -> What {
    What { v4: (3, 4), v6: (2, 0), word: u32::from(mtu) }
}

/// An error to report to a packet's source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Complaint {
    pub(crate) what: What,
    /// Whether the packet had come in on an SA: then no octet of it may leave in clear.
    pub(crate) about_protected: bool,
}

impl Node {
    /// Reports an error to the source of `about`, unless RFC 1122 section 3.2.2 forbids it.
    pub(crate) fn complain(&mut self, complaint: Complaint, about: &Packet, cx: &mut Cx<'_>) {
        let Some(view) = IpView::parse(about.bytes()) else { return };
        if !deserves_answer(&view) {
            return;
        }
        let v4 = view.source.is_ipv4();
        let Some((interface, source)) = self.local.route(view.source) else { return };
        // The error quotes the packet. If that came in protected the error must go back protected, so it is sent from
        // the inside address, which the tunnel's policy covers.
        let inside = self.local.protected_address(v4).filter(|_| complaint.about_protected);
        let owned = Some(view.destination).filter(|d| self.local.owns(*d));
        let Some(source) = owned.or(inside).or(source) else { return };
        let (number, (kind, code)) =
            if v4 { (protocol::ICMP, complaint.what.v4) } else { (protocol::ICMPV6, complaint.what.v6) };
        let mut segment = vec![kind, code, 0, 0];
        segment.extend(complaint.what.word.to_be_bytes());
        // Internet header and 64 bits (RFC 792); as much as fits 1,280 octets (RFC 4443).
        let most = if v4 { view.header_len + 8 } else { 1_280 - 48 };
        segment.extend(&about.bytes()[..most.min(about.len())]);
        fill_checksum(source, view.source, number, &mut segment);
        let ident = self.host.ident();
        let header = Header {
            source,
            destination: view.source,
            protocol: number,
            ttl: 128,
            ident,
            dont_fragment: false,
        };
        let bytes = ip::datagram(header, &segment);
        let flow = FlowKey {
            local: source,
            remote: view.source,
            protocol: number,
            local_port: Some(u16::from(kind) << 8 | u16::from(code)),
            remote_port: None,
        };
        if complaint.about_protected && self.is_guarded(interface) && !self.would_protect(&flow, interface) {
            return cx.dropped(&Packet::from_slice(0, &bytes), DropCause::WouldLeak);
        }
        self.send(interface, &bytes, cx);
    }

    /// Whether policy protects this flow on its way out.
    fn would_protect(&self, flow: &FlowKey, interface: ipsec_core::interface::InterfaceId) -> bool {
        let (Some(spd), Some(i)) = (&self.spd, self.interfaces.get(usize::from(interface.0))) else {
            return false;
        };
        matches!(spd.outbound(flow, i.kind).map(|e| &e.action), Some(Action::Protect(_) | Action::Discard))
    }
}

/// No error about an error, a non-first fragment or anything that was not for and from one host.
fn deserves_answer(view: &IpView<'_>) -> bool {
    let is_error = match (view.protocol, view.payload.first()) {
        (protocol::ICMP, Some(kind)) => !matches!(kind, 0 | 8 | 13..=18),
        (protocol::ICMPV6, Some(kind)) => *kind < 128,
        _ => false,
    };
    let unicast = super::is_unicast(view.source) && super::is_unicast(view.destination);
    !is_error && view.offset == 0 && unicast
}
