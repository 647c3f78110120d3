//! The inbound walk, top to bottom in packet order (RFC 4301 section 5.2).

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::Ipsec;
use super::outbound::least_mtu;
use crate::esp::OpenError;
use crate::fragment::Reassembly;
use crate::interface::{Boundary, ConnectionKind, InterfaceId};
use crate::io::{DropReason, Event, Output};
use crate::ip::{IpInfo, NewHeader, header_intact, protocol, read_u16};
use crate::packet::Packet;
use crate::sad::{IpsecProtocol, IpsecSa, Pair, PairId, SaError, Spi};
use crate::spd::{Action, Decision, Door, Mode};
use crate::time::Instant;
use crate::wire::icmp::{self, Icmp, IcmpMessage};
use crate::wire::{IpProtocol, PacketInfo};
use crate::{ah, esp, ike, natt, tunnel};

/// Tunnels in tunnels are opened to this depth.
const MAX_DEPTH: usize = 4;

/// Octets of a quoted datagram in an ICMP error to a host (RFC 792 asks for the header and 8, RFC 1812 allows 576).
const QUOTED: usize = 548;

impl Ipsec {
    /// A packet arrived on `interface`.
    pub(super) fn inbound(&mut self, interface: InterfaceId, packet: Packet, now: Instant) {
        self.inward = true;
        let Some((kind, boundary)) = self.interface(interface).map(|i| (i.kind, i.boundary)) else {
            self.drop_packet(packet, interface, DropReason::NoRoute, None);
            return;
        };
        // RFC 1122 section 3.2.1.2: the header checksum of everything that arrives. Opening writes a new one, so this is the
        // only place that sees the sender's.
        let Some(info) = IpInfo::parse(packet.bytes()).filter(|_| header_intact(packet.bytes())) else {
            self.drop_packet(packet, interface, DropReason::Malformed, None);
            return;
        };
        // RFC 4301 section 3.1: what arrives on the protected side meets the outbound door when it is forwarded.
        if boundary == Boundary::Protected {
            self.outputs.push_back(Output::Deliver(interface, packet));
            return;
        }
        // Step 1: reassembly of what is addressed to us (RFC4303-3.4.1-01, RFC4301-5.2-01).
        if info.fragment.is_none() || !self.owns(info.destination) {
            self.arrive(interface, kind, packet, now);
            return;
        }
        let id = packet.id();
        let mut made_room = Vec::new();
        let outcome = self.reassembler.push(packet, now, &mut made_room);
        for id in made_room {
            self.drop_id(id, interface, DropReason::ReassemblyTimeout, None);
        }
        match outcome {
            Reassembly::Waiting => {}
            Reassembly::Bad => self.drop_id(id, interface, DropReason::BadFragment, None),
            Reassembly::Whole(packet) => self.arrive(interface, kind, packet, now),
        }
    }

    /// Steps 2 and 3: IKE and IPsec for this node, or clear text.
    fn arrive(&mut self, interface: InterfaceId, kind: ConnectionKind, mut packet: Packet, now: Instant) {
        // The pair whose SAs were taken off, with the policy's opinion still to come.
        let mut came_on: Option<PairId> = None;
        // The ports of a UDP header that was taken off ESP.
        let mut ports: Option<natt::Ports> = None;
        for depth in 0.. {
            let Some(info) = IpInfo::parse(packet.bytes()) else {
                self.drop_packet(packet, interface, DropReason::Malformed, None);
                return;
            };
            let ours = !self.ike_stopped && self.owns(info.destination) && !info.is_later_fragment();
            match info.upper.protocol {
                protocol::UDP if ours && came_on.is_none() && port_of(&packet, &info) == Some(ike::PORT) => {
                    self.ike_arrived(packet, interface, &info, now);
                    return;
                }
                protocol::UDP if ours && came_on.is_none() && port_of(&packet, &info) == Some(natt::PORT) => {
                    match self.floated(packet, interface, &info, now) {
                        Some((esp, of_udp)) => (packet, ports) = (esp, Some(of_udp)),
                        None => return,
                    }
                }
                protocol::ICMP | protocol::ICMPV6
                    if ours && came_on.is_none() && self.path_mtu_message(&packet, &info, now) =>
                {
                    self.pool.recycle(packet);
                    return;
                }
                // Step 3a: the SAs of a bundle, outer first.
                protocol::ESP | protocol::AH if ours => {
                    // What an outer SA carried must be its traffic, before the next is looked at.
                    if let Some(outer) = came_on {
                        let within = self.check_protected(&packet, &info, outer, kind);
                        if let Err(reason) = within.and(deep_enough(depth, outer)) {
                            let flow = info.inbound_flow(packet.bytes());
                            self.drop_packet(packet, interface, reason, Some(flow));
                            return;
                        }
                    }
                    match self.open(&mut packet, ports.take(), now) {
                        Ok(pair) => {
                            self.count_processed(pair, interface, packet.len());
                            came_on = Some(pair);
                        }
                        Err(reason) => {
                            // What is inside nobody knows: the flow is that of the IPsec header.
                            let flow = info.inbound_flow(packet.bytes());
                            self.drop_packet(packet, interface, reason, Some(flow));
                            return;
                        }
                    }
                }
                _ => break,
            }
        }
        self.admit(interface, kind, packet, came_on, now);
    }

    /// A packet of this many octets, its SAs and tunnel header off, came in on a pair.
    fn count_processed(&mut self, id: PairId, interface: InterfaceId, octets: usize) {
        let Some(pair) = self.sad.get(id) else { return };
        let header = match (pair.mode, pair.peer) {
            (Mode::Transport, _) => 0,
            (Mode::Tunnel { .. }, IpAddr::V4(_)) => 20,
            (Mode::Tunnel { .. }, IpAddr::V6(_)) => 40,
        };
        self.counters.processed.received(pair.offload, interface, octets as u64 + header);
    }

    /// Takes the SAs of one bundle off, outer first, and the tunnel header: the packet as the peer's policy saw it. `ports`
    /// of the UDP header that was around ESP.
    fn open(
        &mut self,
        packet: &mut Packet,
        mut ports: Option<natt::Ports>,
        now: Instant,
    ) -> Result<PairId, DropReason> {
        let mut current: Option<(PairId, usize)> = None;
        let check_source = self.config.sa_checks.outer_source;
        loop {
            let info = IpInfo::parse(packet.bytes()).ok_or(DropReason::Malformed)?;
            let (spi, sequence, proto) = ipsec_header(packet.bytes(), &info).ok_or(DropReason::Malformed)?;
            // RFC4303-3.4.2-01, RFC4301-5.2-04.
            let found = self.sad.lookup(Spi(spi), proto, info.destination);
            let (id, index) = found.ok_or(DropReason::UnknownSpi(spi))?;
            let pair = self.sad.get_mut(id).ok_or(DropReason::UnknownSpi(spi))?;
            match (pair.udp, ports.is_some()) {
                (None, false) if check_source && pair.peer != info.source => {
                    return Err(DropReason::WrongOuterSource(id));
                }
                // RFC 3947 section 7: a NAT may have moved the peer, which only the ICV can tell.
                (None, false) | (Some(_), true) => {}
                // RFC 3947 section 5.1: quick mode has agreed on one of the two.
                _ => return Err(DropReason::WrongEncapsulation(id)),
            }
            if now >= pair.life.hard || pair.is_spent() {
                return Err(DropReason::LifetimeExpired(id));
            }
            // RFC4303-3.4.3-11, RFC4303-3.4.3-13: pre-check, ICV, decryption, window, padding.
            let sa = pair.inbound.as_mut().and_then(|b| b.sas_mut().get_mut(index));
            let sa: &mut IpsecSa = sa.ok_or(DropReason::UnknownSpi(spi))?;
            let newest = sa.sequence();
            let verified = self.batch.take_verified();
            sa.open(packet, sequence, verified.as_ref()).map_err(|why| reason(why, id))?;
            // RFC 3947 section 8: a packet that was overtaken does not move its peer back. Without integrity none does.
            let newer = sa.sequence() > newest;
            if let Some(ports) = ports.take().filter(|_| newer) {
                self.follow(id, &info, ports, now);
            }
            let pair = self.sad.get(id).ok_or(DropReason::UnknownSpi(spi))?;
            // RFC2401-5.2.1-05: the SAs come in the order of the bundle, outermost first, none missing.
            let outermost = pair.inbound.as_ref().map_or(0, |b| b.sas().len()).saturating_sub(1);
            let expected = match current {
                None => (id, outermost),
                Some((pair, place)) => (pair, place.saturating_sub(1)),
            };
            if (id, index) != expected {
                let bare = current.is_none() && !carries_ipsec(packet);
                return Err(if bare { DropReason::EspWithoutAh(id) } else { DropReason::BundleOrder(id) });
            }
            if index == 0 {
                self.opened(packet, id, now)?;
                return Ok(id);
            }
            // More of the bundle must follow.
            if !carries_ipsec(packet) {
                return Err(DropReason::AhWithoutEsp(id));
            }
            current = Some((id, index));
        }
    }

    /// All SAs of the bundle are off: tunnel header, confirmation, lifetime.
    fn opened(&mut self, packet: &mut Packet, id: PairId, now: Instant) -> Result<(), DropReason> {
        let pair = self.sad.get_mut(id).ok_or(DropReason::Malformed)?;
        let (tunnelled, encapsulation) = (!pair.is_transport(), pair.udp);
        let first = !core::mem::replace(&mut pair.confirmed, true);
        pair.last_used = now;
        if first {
            // A lost last message of quick mode is made good by this packet.
            self.with_ike(now, |ike, cx| ike.pair_confirmed(id, cx));
        }
        if tunnelled && tunnel::decapsulate(packet).is_none() {
            return Err(DropReason::SelectorMismatch(id));
        }
        // RFC 3948 section 3.1.2: the NAT could not do it.
        if let Some(udp) = encapsulation.filter(|_| !tunnelled) {
            natt::repair_checksum(packet, udp.original.map(|original| (original.peer, original.local)));
        }
        Ok(())
    }

    /// Step 4: the policy check, then delivery.
    fn admit(
        &mut self,
        interface: InterfaceId,
        kind: ConnectionKind,
        packet: Packet,
        came_on: Option<PairId>,
        now: Instant,
    ) {
        let Some(info) = IpInfo::parse(packet.bytes()) else {
            self.drop_packet(packet, interface, DropReason::Malformed, None);
            return;
        };
        let verdict = match came_on {
            Some(pair) => {
                let checked = self.check_protected(&packet, &info, pair, kind);
                checked.and_then(|()| self.claim(&packet, &info, pair, now)).map(|()| None)
            }
            None => self.check_clear(&packet, &info, kind, now),
        };
        match (verdict, came_on) {
            (Err(reason), _) => {
                let flow = info.inbound_flow(packet.bytes());
                self.drop_packet(packet, interface, reason, Some(flow));
            }
            (Ok(_), Some(pair)) => {
                self.event(Event::Opened { packet: packet.id(), pair });
                self.note_heard(pair, now);
                self.outputs.push_back(Output::Deliver(interface, packet));
            }
            (Ok(entry), None) => {
                if let Some(entry) = entry {
                    self.event(Event::Bypassed { packet: packet.id(), entry });
                }
                self.outputs.push_back(Output::Deliver(interface, packet));
            }
        }
        if let Some(pair) = came_on {
            self.after_use(pair, now);
        }
    }

    /// A packet that came in on `id` must be traffic of those SAs, and what the SPD asks for (RFC 4301 section 5.2 step 4,
    /// RFC 2401 section 5.2.1 steps 2 to 4).
    fn check_protected(
        &mut self,
        packet: &Packet,
        info: &IpInfo,
        id: PairId,
        kind: ConnectionKind,
    ) -> Result<(), DropReason> {
        let strict = self.config.sa_checks.selectors;
        let flow = info.inbound_flow(packet.bytes());
        let later = self.hides_ports(info);
        let pair = self.sad.get(id).ok_or(DropReason::SelectorMismatch(id))?;
        // RFC4301-5.2-06, RFC4301-7.3-05: a later fragment shows no ports, so an SA that asks for some does not carry it.
        if strict && !pair.selector.matches(&flow) {
            return Err(DropReason::SelectorMismatch(id));
        }
        match self.config.policy.spd.decide(Door::Inbound, &flow, kind, later) {
            Decision::Entry(entry) => match &entry.action {
                Action::Discard => Err(DropReason::PolicyDiscard(entry.id)),
                Action::Stateful => Err(DropReason::Unsolicited(entry.id)),
                // More protection than asked for does no harm.
                Action::Bypass => Ok(()),
                Action::Protect(protect) if pair.entry == entry.id || pair.satisfies(protect) => {
                    self.counters.hit(entry.id);
                    Ok(())
                }
                Action::Protect(_) => Err(DropReason::BundleMismatch(id)),
            },
            // The fragment came on an SA that carries this traffic; ports cannot be asked for.
            Decision::PortsHidden(_) => Ok(()),
            Decision::NoMatch if strict => Err(DropReason::NoPolicy),
            Decision::NoMatch => Ok(()),
        }
    }

    /// A clear packet must match a bypass entry, or one that accepts unsecured traffic.
    fn check_clear(
        &mut self,
        packet: &Packet,
        info: &IpInfo,
        kind: ConnectionKind,
        now: Instant,
    ) -> Result<Option<crate::spd::EntryId>, DropReason> {
        let flow = info.inbound_flow(packet.bytes());
        let spd = self.config.policy.spd.clone();
        let entry = match spd.decide(Door::Inbound, &flow, kind, self.hides_ports(info)) {
            Decision::Entry(entry) => entry,
            Decision::PortsHidden(_) => return Err(DropReason::FragmentWithoutPorts),
            Decision::NoMatch => return Err(DropReason::NoPolicy),
        };
        self.counters.hit(entry.id);
        let accepted = match &entry.action {
            Action::Bypass => match self.refuses_clear(entry.id, &flow) {
                Some(default) => return Err(DropReason::ClearTextRefused(default)),
                None => true,
            },
            Action::Discard => return Err(DropReason::PolicyDiscard(entry.id)),
            Action::Stateful => {
                self.check_answer(entry.id, packet, info, now)?;
                true
            }
            Action::Protect(protect) => {
                protect.accept_clear_inbound || protect.fallback && self.is_soft(entry.id, flow.remote, now)
            }
        };
        if accepted { Ok(Some(entry.id)) } else { Err(DropReason::ClearTextRefused(entry.id)) }
    }

    /// A router says that a sealed packet of ours did not fit: the SA learns it (RFC 4301 section 8.2). The message is used
    /// up; whether it was one of these.
    ///
    /// It is not authenticated, so it can only lower the MTU, not below what every path carries, and for a while.
    fn path_mtu_message(&mut self, packet: &Packet, info: &IpInfo, now: Instant) -> bool {
        let bytes = packet.bytes().get(info.upper.offset..info.total_len).unwrap_or_default();
        let icmp = if info.is_v4() { Icmp::decode_v4(bytes) } else { Icmp::decode_v6(bytes) };
        let Some(icmp) = icmp.ok().filter(|icmp| icmp.checksum_ok(info.source, info.destination)) else {
            return false;
        };
        let IcmpMessage::TooBig { mtu } = icmp.message else { return false };
        let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
        let pairs = self.quoted_pairs(icmp.payload);
        let mtu = mtu.max(least_mtu(info.is_v4()));
        for id in &pairs {
            if self.sad.get_mut(*id).is_some_and(|pair| pair.learn_path_mtu(mtu, now)) {
                self.event(Event::PathMtu { pair: *id, mtu });
            }
        }
        !pairs.is_empty()
    }

    /// The pairs that a quoted packet of ours left on. A quote may end with the UDP header around ESP (RFC 792): then all
    /// pairs between these ports are meant.
    fn quoted_pairs(&self, quoted: &[u8]) -> Vec<PairId> {
        let Ok(info) = PacketInfo::of_quoted(quoted) else { return Vec::new() };
        if !self.owns(info.src) || info.is_later_fragment() {
            return Vec::new();
        }
        let Some((proto, spi)) = quoted_spi(quoted, &info) else {
            let ends = (info.src_port(), info.dst_port());
            let (IpProtocol::UDP, (Some(from), Some(to))) = (info.protocol, ends) else { return Vec::new() };
            let ends = (SocketAddr::new(info.src, from), SocketAddr::new(info.dst, to));
            let between = |p: &&Pair| p.udp.is_some() && (p.local_socket(), p.peer_socket()) == ends;
            return self.sad.pairs().filter(between).map(|pair| pair.id).collect();
        };
        let peer = SocketAddr::new(info.dst, info.dst_port().unwrap_or(0));
        self.sad.by_outbound_spi(Spi(spi), proto, peer).into_iter().collect()
    }

    /// The ICMP error that tells the sender of `packet` about `mtu`, from the address this node has towards it.
    pub(super) fn packet_too_big(&mut self, packet: &Packet, mtu: u16) -> Option<Packet> {
        let info = IpInfo::parse(packet.bytes())?;
        // RFC 1122 section 3.2.2: no errors about later fragments, nor to nobody or everybody.
        if info.is_later_fragment() || info.source.is_unspecified() || info.source.is_multicast() {
            return None;
        }
        let own = || self.config.interfaces.iter().flat_map(|i| &i.addresses).map(|p| p.address);
        let source = self
            .source_for(info.source)
            .filter(|a| a.is_ipv4() == info.is_v4())
            .or_else(|| own().find(|a| a.is_ipv4() == info.is_v4()))?;
        let quoted = packet.bytes().get(..info.total_len.min(QUOTED))?;
        let message = IcmpMessage::TooBig { mtu: mtu.into() };
        let (proto, body) = match (source, info.source) {
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                (protocol::ICMPV6, icmp::encode_v6(from, to, message, quoted))
            }
            _ => (protocol::ICMP, icmp::encode_v4(message, quoted)),
        };
        let header = NewHeader {
            source,
            destination: info.source,
            protocol: proto,
            traffic_class: 0,
            ttl: super::TTL,
            dont_fragment: false,
            ident: self.next_ident() as u16,
        };
        let mut error = self.pool.take(packet.id(), &body);
        error.push_front(header.len());
        header.write(error.bytes_mut()).then_some(error)
    }
}

/// Destination port of a UDP datagram.
fn port_of(packet: &Packet, info: &IpInfo) -> Option<u16> {
    read_u16(packet.bytes(), info.upper.offset + 2)
}

/// Whether ESP or AH comes next.
fn carries_ipsec(packet: &Packet) -> bool {
    IpInfo::parse(packet.bytes()).is_some_and(|i| matches!(i.upper.protocol, protocol::ESP | protocol::AH))
}

/// Tunnels in tunnels end somewhere.
fn deep_enough(depth: usize, pair: PairId) -> Result<(), DropReason> {
    if depth < MAX_DEPTH { Ok(()) } else { Err(DropReason::BundleMismatch(pair)) }
}

fn reason(why: SaError, id: PairId) -> DropReason {
    match why {
        SaError::Replayed => DropReason::Replayed(id),
        SaError::TooOld => DropReason::TooOld(id),
        SaError::Open(OpenError::Integrity) => DropReason::IntegrityFailed(id),
        SaError::Open(OpenError::Padding) => DropReason::BadPadding(id),
        SaError::Open(OpenError::Dummy) => DropReason::Dummy(id),
        SaError::Open(OpenError::Length | OpenError::Malformed | OpenError::Spi) => DropReason::BadLength(id),
    }
}

/// SPI, sequence number and protocol of the IPsec header behind the IP header.
fn ipsec_header(bytes: &[u8], info: &IpInfo) -> Option<(u32, u32, IpsecProtocol)> {
    match info.upper.protocol {
        protocol::ESP => esp::header(bytes, info.upper.offset).map(|(s, n)| (s, n, IpsecProtocol::Esp)),
        protocol::AH => ah::header(bytes, info.upper.offset).map(|(s, n)| (s, n, IpsecProtocol::Ah)),
        _ => None,
    }
}

/// Protocol and SPI of an IPsec packet whose beginning an ICMP error quotes. The quote is cut short, so it is not a datagram
/// by its own account.
fn quoted_spi(quoted: &[u8], info: &PacketInfo) -> Option<(IpsecProtocol, u32)> {
    let esp_at = |at| esp::header(quoted, at).map(|(spi, _)| (IpsecProtocol::Esp, spi));
    match info.protocol {
        IpProtocol::ESP => esp_at(info.upper_at),
        IpProtocol::UDP if info.src_port() == Some(natt::PORT) => esp_at(info.upper_at + natt::OVERHEAD),
        IpProtocol::AH => ah::header(quoted, info.upper_at).map(|(spi, _)| (IpsecProtocol::Ah, spi)),
        _ => None,
    }
}
