//! UDP for IPsec: IKE on ports 500 and 4500, ESP on 4500 (RFC 3947, RFC 3948), and peers that move behind their NATs.

use core::net::SocketAddr;

use super::{Ipsec, flow};
use crate::interface::InterfaceId;
use crate::io::{DropReason, Event};
use crate::ip::IpInfo;
use crate::natt::{self, Content, reachable};
use crate::packet::Packet;
use crate::sad::{Pair, PairId};
use crate::spd::{Action, SpdEntry};
use crate::time::Instant;
use crate::wire::udp::Udp;

impl Ipsec {
    /// IKE's datagrams precede every filter (RFC 4301 section 4.4.1).
    pub(super) fn ike_arrived(
        &mut self,
        packet: Packet,
        interface: InterfaceId,
        info: &IpInfo,
        now: Instant,
    ) {
        if let Some((local, peer, udp)) = datagram(&packet, info) {
            self.with_ike(now, |ike, cx| ike.handle_datagram(local, peer, udp.payload, cx));
            self.pool.recycle(packet);
        } else {
            let flow = info.inbound_flow(packet.bytes());
            self.drop_packet(packet, interface, DropReason::Malformed, Some(flow));
        }
    }

    /// A datagram on port 4500 (RFC 3948 section 2): what is ESP comes back without its UDP header, the rest is used up.
    ///
    /// A checksum is verified where there is one (RFC 1122 section 4.1.3.4), and not asked for.
    pub(super) fn floated(
        &mut self,
        mut packet: Packet,
        interface: InterfaceId,
        info: &IpInfo,
        now: Instant,
    ) -> Option<(Packet, natt::Ports)> {
        let refused = match datagram(&packet, info).map(|(l, p, udp)| (l, p, natt::classify(udp.payload))) {
            None => DropReason::Malformed,
            Some((_, _, None)) => DropReason::BadEncapsulation,
            Some((local, peer, Some(Content::Ike(message)))) => {
                self.with_ike(now, |ike, cx| ike.handle_datagram(local, peer, message, cx));
                self.pool.recycle(packet);
                return None;
            }
            // Section 2.3: it has done its work in the NAT.
            Some((_, _, Some(Content::Keepalive))) => {
                self.pool.recycle(packet);
                return None;
            }
            Some((_, _, Some(Content::Esp(_)))) => match natt::decapsulate(&mut packet) {
                Some(ports) => return Some((packet, ports)),
                None => DropReason::Malformed,
            },
        };
        let flow = info.inbound_flow(packet.bytes());
        self.drop_packet(packet, interface, refused, Some(flow));
        None
    }

    /// An authenticated packet of an encapsulated pair, newer than all before, came from here: so that is where its peer is
    /// now, if it is one whose NAT may move it (RFC 3947 section 7).
    ///
    /// The outer source is the one thing that the ICV does not cover. So where no answer could go, nobody moves to.
    pub(super) fn follow(&mut self, id: PairId, info: &IpInfo, ports: natt::Ports, now: Instant) {
        let local = SocketAddr::new(info.destination, ports.1);
        let peer = SocketAddr::new(info.source, ports.0);
        let Some(pair) = self.sad.get(id) else { return };
        let is_there = (pair.local, pair.peer_socket()) == (local.ip(), peer);
        if is_there || !pair.udp.is_some_and(|udp| udp.follow) {
            return;
        }
        if !reachable(peer) || self.owns(peer.ip()) {
            return;
        }
        if self.move_peer(id, local, peer) {
            self.with_ike(now, |ike, cx| ike.peer_moved(id, local, peer, cx));
        }
    }

    /// Follows the peer of a pair, and puts it on record. Whether there was anything to follow.
    ///
    /// In transport mode the peer's address is in the selectors: the pair goes with it as far as the policy entry reaches.
    pub(super) fn move_peer(&mut self, id: PairId, local: SocketAddr, peer: SocketAddr) -> bool {
        let Some(pair) = self.sad.get(id) else { return false };
        let elsewhere = pair.is_transport() && pair.peer != peer.ip();
        let reaches = |id| {
            let entry = self.config.policy.spd.get(id);
            entry.is_some_and(|entry| entry.selector.remote.iter().any(|range| range.contains(peer.ip())))
        };
        if elsewhere && !(reaches(pair.entry) && reaches(pair.sends_for)) {
            return false;
        }
        let Some(from) = self.sad.move_peer(id, local, peer) else { return false };
        self.event(Event::PeerMoved { pair: id, from, to: peer });
        true
    }

    /// Whether other clients may have the addresses of this pair's traffic: behind its NAT, or, where a tunnel is open to
    /// anyone, anywhere (RFC 3948 section 5).
    pub(super) fn is_shared(&self, pair: &Pair) -> bool {
        let open = |entry: &SpdEntry| matches!(&entry.action, Action::Protect(p) if p.mode.is_to_anyone());
        let entry = || self.config.policy.spd.get(pair.sends_for);
        pair.udp.is_some() || !pair.is_transport() && entry().is_some_and(open)
    }

    /// The flow of an authenticated packet belongs to the client that sent it, unless it is another's (RFC 3948 section 5).
    pub(super) fn claim(
        &mut self,
        packet: &Packet,
        info: &IpInfo,
        id: PairId,
        now: Instant,
    ) -> Result<(), DropReason> {
        if !self.sad.get(id).is_some_and(|pair| self.is_shared(pair)) {
            return Ok(());
        }
        let key = info.inbound_flow(packet.bytes());
        let Some((flow, part)) = flow::flow(packet.bytes(), info, &key) else { return Ok(()) };
        let limit = self.config.limits.flow_bindings;
        if self.sad.claim(id, flow, part, limit, now) { Ok(()) } else { Err(DropReason::OverlappingFlow(id)) }
    }
}

/// A UDP datagram to us, with both ends. `None` when its length or checksum is wrong.
fn datagram<'a>(packet: &'a Packet, info: &IpInfo) -> Option<(SocketAddr, SocketAddr, Udp<'a>)> {
    let bytes = packet.bytes().get(info.upper.offset..info.total_len)?;
    let udp = Udp::decode(bytes).ok().filter(|udp| udp.checksum_ok(info.source, info.destination))?;
    let local = SocketAddr::new(info.destination, udp.dst_port);
    Some((local, SocketAddr::new(info.source, udp.src_port), udp))
}
