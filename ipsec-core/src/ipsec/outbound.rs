//! The outbound walk, top to bottom in packet order (RFC 4301 section 5.1).

use core::net::IpAddr;

use super::pending::{self, Held};
use super::{Ipsec, TTL};
use crate::config::{DfPolicy, TunnelEgress};
use crate::esp::SealError;
use crate::fragment::{self, FragmentError};
use crate::interface::{Boundary, ConnectionKind, Egress, InterfaceId};
use crate::io::{DeleteReason, DropReason, Event, Output};
use crate::ip::{IpInfo, protocol};
use crate::natt;
use crate::packet::Packet;
use crate::sad::binding::Choice;
use crate::sad::{Bundle, Pair, PairId};
use crate::selector::FlowKey;
use crate::spd::{Action, Decision, Direction, Door, EntryId, Mode, Protect, Spd, SpdEntry};
use crate::time::Instant;
use crate::tunnel::{self, Outer};
use crate::wire::PacketInfo;
use crate::wire::icmp::Icmp;

/// Path MTUs below these are not believed (RFC 791: 68 is the least, but nobody has less than 576; RFC 8200 section 5).
pub(super) fn least_mtu(v4: bool) -> u16 {
    if v4 { 576 } else { 1280 }
}

/// A packet at the outbound door, read once.
struct Leaving {
    interface: InterfaceId,
    kind: ConnectionKind,
    info: IpInfo,
    flow: FlowKey,
    packet: Packet,
}

impl Ipsec {
    /// A packet leaves through `interface`.
    pub(super) fn outbound(&mut self, interface: InterfaceId, packet: Packet, now: Instant) {
        self.leave(interface, packet, false, now);
    }

    /// A packet that was held leaves, or is held again without another word.
    pub(super) fn outbound_again(&mut self, interface: InterfaceId, packet: Packet, now: Instant) {
        self.leave(interface, packet, true, now);
    }

    fn leave(&mut self, interface: InterfaceId, packet: Packet, again: bool, now: Instant) {
        self.inward = false;
        let Some((kind, boundary)) = self.interface(interface).map(|i| (i.kind, i.boundary)) else {
            self.drop_packet(packet, interface, DropReason::NoRoute, None);
            return;
        };
        let Some(info) = IpInfo::parse(packet.bytes()) else {
            self.drop_packet(packet, interface, DropReason::Malformed, None);
            return;
        };
        // RFC 4301 section 3.1: leaving through a protected interface does not cross the boundary.
        if boundary == Boundary::Protected {
            self.transmit(interface, packet);
            return;
        }
        // Step 1: the selectors of the packet.
        let flow = info.outbound_flow(packet.bytes());
        let leaving = Leaving { interface, kind, info, flow, packet };
        // Steps 2 and 3: the first SPD entry that matches decides. (Cloning the handle keeps the borrow checker content.)
        let spd = self.config.policy.spd.clone();
        let hidden = self.hides_ports(&leaving.info);
        match spd.decide(Door::Outbound, &leaving.flow, leaving.kind, hidden) {
            Decision::NoMatch => self.refuse(leaving, DropReason::NoPolicy),
            // RFC4301-7.3-04: the fragment may belong to traffic that is to be protected.
            Decision::PortsHidden(_) => self.refuse(leaving, DropReason::FragmentWithoutPorts),
            Decision::Entry(entry) => {
                self.counters.hit(entry.id);
                match &entry.action {
                    // Step 3a.
                    Action::Discard => self.refuse(leaving, DropReason::PolicyDiscard(entry.id)),
                    Action::Bypass => self.leave_unless_asked(leaving, entry.id, now),
                    Action::Stateful => {
                        self.start(&leaving.packet, &leaving.info, &leaving.flow, now);
                        self.leave_clear(leaving, entry.id, now);
                    }
                    // Step 3b.
                    Action::Protect(protect) => self.protect(leaving, &spd, entry, protect, again, now),
                }
            }
        }
    }

    fn refuse(&mut self, leaving: Leaving, reason: DropReason) {
        self.drop_packet(leaving.packet, leaving.interface, reason, Some(leaving.flow));
    }

    /// No rule protects it; the default response rule may have been asked to.
    fn leave_unless_asked(&mut self, leaving: Leaving, entry: EntryId, now: Instant) {
        match self.answered(entry, &leaving.packet, &leaving.info, &leaving.flow, now) {
            Ok(Some(pair)) => self.seal(leaving, pair, now),
            Ok(None) => self.leave_clear(leaving, entry, now),
            Err(reason) => self.refuse(leaving, reason),
        }
    }

    fn leave_clear(&mut self, leaving: Leaving, entry: EntryId, now: Instant) {
        if let Some(quoted) = self.quotes_protected(&leaving, now) {
            self.refuse(leaving, DropReason::QuotesProtected(quoted));
            return;
        }
        self.event(Event::Bypassed { packet: leaving.packet.id(), entry });
        self.transmit(leaving.interface, leaving.packet);
    }

    /// The entry that protects what this ICMP error quotes. An error quotes the packet it is about, headers and all; about
    /// a packet that came in protected it must not go out in clear (RFC 4301 section 6.2).
    fn quotes_protected(&self, leaving: &Leaving, now: Instant) -> Option<EntryId> {
        let bytes = leaving.packet.bytes().get(leaving.info.upper.offset..)?;
        let icmp = match leaving.info.upper.protocol {
            protocol::ICMP => Icmp::decode_v4(bytes),
            protocol::ICMPV6 => Icmp::decode_v6(bytes),
            _ => return None,
        };
        let quoted = PacketInfo::of_quoted(icmp.ok()?.quoted()?).ok()?;
        let flow = FlowKey {
            local: quoted.dst,
            remote: quoted.src,
            protocol: quoted.protocol.0,
            local_port: quoted.dst_port(),
            remote_port: quoted.src_port(),
        };
        let spd = &self.config.policy.spd;
        let Decision::Entry(entry) =
            spd.decide(Door::Inbound, &flow, leaving.kind, quoted.is_later_fragment())
        else {
            return None;
        };
        let protect = match &entry.action {
            Action::Protect(protect) => protect,
            Action::Bypass => return self.asked_for(entry.id, &flow),
            Action::Discard | Action::Stateful => return None,
        };
        // Where clear text is accepted, the quoted packet may have come in clear; not while a pair carries its flow.
        let (_, peer) = self.endpoints(protect.mode, &flow)?;
        let clear = protect.accept_clear_inbound || protect.fallback && self.is_soft(entry.id, peer, now);
        let carried = || self.sad.sending(peer, |pair| pair.selector.matches(&flow)).is_some();
        (!clear || carried()).then_some(entry.id)
    }

    /// Step 3b: the SA of this entry, never one that happens to cover the flow. Without one, the packet waits for IKE.
    fn protect(
        &mut self,
        leaving: Leaving,
        spd: &Spd,
        entry: &SpdEntry,
        protect: &Protect,
        again: bool,
        now: Instant,
    ) {
        let endpoints = self.endpoints(protect.mode, &leaving.flow);
        let flow = leaving.flow;
        // A tunnel to anyone goes to whoever has set it up, and has this flow.
        if endpoints.is_some() || protect.mode.is_to_anyone() {
            let serves = |pair: &Pair| serves(pair, spd, entry, protect, &flow);
            let of_client = || super::flow::flow(leaving.packet.bytes(), &leaving.info, &flow).map(|f| f.0);
            match self.sad.choose(endpoints.map(|e| e.1), serves, of_client, now) {
                Choice::Pair(pair) => return self.seal(leaving, pair, now),
                Choice::Ambiguous(pair) => return self.refuse(leaving, DropReason::OverlappingFlow(pair)),
                Choice::None => {}
            }
        }
        let Some((local, peer)) = endpoints else {
            self.refuse(leaving, DropReason::NoRoute);
            return;
        };
        if protect.fallback && self.is_soft(entry.id, peer, now) {
            // A soft association: the peer gave no answer to IKE.
            self.leave_clear(leaving, entry.id, now);
        } else {
            let acquire = pending::acquire(entry, protect, local, peer, &flow);
            let held = Held { interface: leaving.interface, entry: entry.id, packet: leaving.packet };
            self.hold(acquire, held, again, now);
        }
    }

    /// Step 4: tunnel header, then the SAs of the bundle, inner first.
    fn seal(&mut self, leaving: Leaving, id: PairId, now: Instant) {
        let Leaving { interface, info, flow, mut packet, .. } = leaving;
        let Some(pair) = self.sad.get(id) else { return };
        let (mode, peer, encapsulation) = (pair.mode, pair.peer, pair.udp);
        let shared = self.is_shared(pair);
        let Some((out, local)) = self.egress(interface, pair) else {
            self.drop_packet(packet, interface, DropReason::NoRoute, Some(flow));
            return;
        };
        // RFC4302-3.3.4-03, RFC4303-3.3.4-04: a packet that will not fit and must not be cut goes no further; its sender is told.
        let df = match self.fits(&info, id, out, now) {
            Ok(df) => df,
            Err(mtu) => {
                self.too_big(packet, interface, mtu, Some(flow));
                return;
            }
        };
        let of_client = if shared { super::flow::flow(packet.bytes(), &info, &flow) } else { None };
        if let Mode::Tunnel { .. } = mode {
            let ident = self.next_ident() as u16;
            let outer = Outer { local, remote: peer, ttl: TTL, df, ident };
            if tunnel::encapsulate(&mut packet, &outer).is_none() {
                self.drop_packet(packet, interface, DropReason::Malformed, Some(flow));
                return;
            }
        }
        let octets = packet.len() as u64;
        let sas =
            self.sad.get_mut(id).and_then(|p| p.outbound.as_mut()).map(Bundle::sas_mut).unwrap_or_default();
        // The last SA of the bundle has nothing around it that covers it: its encryption may wait for other packets.
        let (outermost, inner) = match sas.split_last_mut() {
            Some((outermost, inner)) => (Some(outermost), inner),
            None => (None, Default::default()),
        };
        let sealed = inner.iter_mut().try_for_each(|sa| sa.seal(&mut packet));
        let sealed = sealed.and_then(|()| outermost.map_or(Ok(None), |sa| sa.begin_seal(&mut packet)));
        let unfinished = match sealed {
            Ok(unfinished) => unfinished,
            Err(why) => return self.not_sealed(packet, interface, id, flow, why, now),
        };
        if let Some(udp) = encapsulation
            && natt::encapsulate(&mut packet, (udp.local_port, udp.peer_port)).is_none()
        {
            self.drop_packet(packet, interface, DropReason::BadLength(id), Some(flow));
            return;
        }
        if let Some((flow, part)) = of_client {
            self.sad.claim(id, flow, part, self.config.limits.flow_bindings, now);
        }
        if let Some(pair) = self.sad.get_mut(id) {
            pair.offload = self.config.offload.contains(&out).then_some(out);
            self.counters.processed.sent(pair.offload, out, octets);
            pair.last_used = now;
            pair.last_sent = pair.udp.map(|_| now);
        }
        self.event(Event::Protected { packet: packet.id(), pair: id });
        if let Some(unfinished) = unfinished {
            let whole = self.link_mtu(out).is_none_or(|mtu| packet.len() <= usize::from(mtu));
            self.finish_later(unfinished, &mut packet, whole);
        }
        self.transmit(out, packet);
        self.note_sent(id, now);
        self.after_use(id, now);
    }

    /// Where the sealed packet leaves, and its outer source. In transport mode both are decided already.
    fn egress(&self, interface: InterfaceId, pair: &Pair) -> Option<(InterfaceId, IpAddr)> {
        let inner = self.config.tunnel_egress == TunnelEgress::InnerRoute && pair.udp.is_none();
        match pair.mode {
            Mode::Transport => Some((interface, pair.local)),
            Mode::Tunnel { .. } if inner => {
                let here = self.interface(interface)?;
                let of_family = |a: &IpAddr| a.is_ipv4() == pair.local.is_ipv4();
                let first = || here.addresses.iter().map(|p| p.address).find(of_family);
                let local = if here.owns(pair.local) { None } else { first() };
                Some((interface, local.unwrap_or(pair.local)))
            }
            Mode::Tunnel { .. } => Some((self.config.routes.lookup(pair.peer)?.interface, pair.local)),
        }
    }

    /// A packet that an SA does not take.
    fn not_sealed(
        &mut self,
        packet: Packet,
        interface: InterfaceId,
        id: PairId,
        flow: FlowKey,
        why: SealError,
        now: Instant,
    ) {
        let reason = match why {
            SealError::SequenceExhausted => DropReason::SequenceExhausted(id),
            SealError::Fragment => DropReason::BadFragment,
            SealError::TooLong => DropReason::BadLength(id),
            SealError::Malformed | SealError::Iv => DropReason::Malformed,
        };
        self.drop_packet(packet, interface, reason, Some(flow));
        if why == SealError::SequenceExhausted {
            // It can never send again: make room for a new one.
            self.delete_pair(id, DeleteReason::SequenceExhausted, now);
        }
    }

    /// What this node cuts datagrams to on this interface, in octets.
    fn link_mtu(&self, interface: InterfaceId) -> Option<u16> {
        match self.interface(interface)?.egress {
            Egress::Fragment { mtu } => Some(mtu),
            Egress::Whole => None,
        }
    }

    /// How DF is to be set, when the sealed packet fits the path or may be cut; else the MTU to tell the sender.
    fn fits(&self, inner: &IpInfo, id: PairId, out: InterfaceId, now: Instant) -> Result<DfPolicy, u16> {
        let policy = self.config.df;
        let Some(pair) = self.sad.get(id) else { return Ok(policy) };
        let Some(bundle) = &pair.outbound else { return Ok(policy) };
        let Some(path) = self.path_mtu(pair, out, now) else { return Ok(policy) };
        let tunnelled = matches!(pair.mode, Mode::Tunnel { .. });
        let udp = pair.udp.map_or(0, |_| natt::OVERHEAD);
        let sealed = |len: usize| sealed_len(inner, len, tunnelled, pair.local, bundle) + udp;
        if sealed(inner.total_len) <= usize::from(path) {
            return Ok(policy);
        }
        // Too big. Who may cut it? With DF clear, we cut the sealed packet; an IPv6 inner packet has an implied DF.
        let cut_anyway = match policy {
            DfPolicy::Clear => tunnelled,
            DfPolicy::Copy | DfPolicy::Set => false,
        };
        let least = least_mtu(inner.is_v4());
        if !inner.dont_fragment || cut_anyway || inner.total_len <= usize::from(least) && !inner.is_v4() {
            return Ok(DfPolicy::Clear);
        }
        // The largest datagram whose sealed form fits, found from above; padding makes it a step function.
        let mut mtu = usize::from(path);
        while mtu > 68 && sealed(mtu) > usize::from(path) {
            mtu -= 1;
        }
        Err(u16::try_from(mtu).unwrap_or(u16::MAX).max(if inner.is_v4() { 68 } else { 1280 }))
    }

    /// The MTU between the SA's ends, as far as known; `None` where somebody else fragments.
    fn path_mtu(&self, pair: &Pair, out: InterfaceId, now: Instant) -> Option<u16> {
        match self.interface(out)?.egress {
            Egress::Fragment { mtu } => Some(pair.path_mtu(now).map_or(mtu, |learned| learned.min(mtu))),
            Egress::Whole => None,
        }
    }

    /// Drops a packet that is too big, and tells its sender: the error comes in as if a router had sent it.
    ///
    /// The error quotes the packet, so it goes only to senders inside the boundary: nothing quoted leaves in clear.
    fn too_big(&mut self, packet: Packet, interface: InterfaceId, mtu: u16, flow: Option<FlowKey>) {
        let inside = IpInfo::parse(packet.bytes()).is_some_and(|info| self.is_inside(info.source));
        if inside && let Some(error) = self.packet_too_big(&packet, mtu) {
            self.outputs.push_back(Output::Deliver(interface, error));
        }
        self.drop_packet(packet, interface, DropReason::TooBig { mtu }, flow);
    }

    /// Step 5, below IPsec: fragments as the interface asks (RFC 4303 section 3.3.4), and hands out.
    pub(super) fn transmit(&mut self, interface: InterfaceId, packet: Packet) {
        let Some(mtu) = self.link_mtu(interface).filter(|mtu| packet.len() > usize::from(*mtu)) else {
            self.outputs.push_back(Output::Transmit(interface, packet));
            return;
        };
        let Some(info) = IpInfo::parse(packet.bytes()) else {
            self.drop_packet(packet, interface, DropReason::Malformed, None);
            return;
        };
        // Routers do not cut IPv6 datagrams of others; this node is the source of sealed ones and of its own.
        if info.dont_fragment && (info.is_v4() || !self.owns(info.source)) {
            self.too_big(packet, interface, mtu, None);
            return;
        }
        let ident = self.next_ident();
        let id = packet.id();
        match fragment::fragment(packet, mtu, ident) {
            Ok(fragments) => {
                self.outputs.extend(fragments.into_iter().map(|f| Output::Transmit(interface, f)));
            }
            Err(FragmentError::DontFragment | FragmentError::MtuTooSmall) => {
                self.drop_id(id, interface, DropReason::TooBig { mtu }, None);
            }
            Err(FragmentError::Malformed) => self.drop_id(id, interface, DropReason::Malformed, None),
        }
    }
}

/// Whether `pair` is an SA pair of this entry that carries `flow`.
///
/// A Windows tunnel is two one-way entries, while quick mode always makes a pair: the pair that the inbound half
/// authorised also carries what the outbound half wants sent.
fn serves(pair: &Pair, spd: &Spd, entry: &SpdEntry, protect: &Protect, flow: &FlowKey) -> bool {
    let twin = || {
        entry.direction == Direction::Outbound
            && spd.get(pair.entry).is_some_and(|e| e.direction == Direction::Inbound)
            && pair.satisfies(protect)
    };
    pair.selector.matches(flow) && (pair.sends_for == entry.id || twin())
}

/// Length of a datagram of `len` octets with the headers of `inner`, sealed.
fn sealed_len(inner: &IpInfo, len: usize, tunnelled: bool, local: IpAddr, bundle: &Bundle) -> usize {
    let (outer, payload, v4) = match tunnelled {
        true => (tunnel::header_len(local), len, local.is_ipv4()),
        false => (0, len.saturating_sub(inner.transport.offset), inner.is_v4()),
    };
    outer + len + bundle.overhead(payload, v4)
}
