//! [`Ipsec`]: the node that owns SPD, SAD, PAD and IKE, with two doors for packets.
//!
//! The walks are in [`outbound`] and [`inbound`]; what waits for IKE is in [`pending`]. This file owns the state, orders
//! timers and applies what IKE wants done.

mod addresses;
mod batch;
mod counters;
mod default_response;
mod floating;
mod flow;
mod inbound;
mod outbound;
mod pending;
mod soft;
mod stateful;
mod status;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;
use core::net::IpAddr;

use crate::config::{Config, LaterFragments, PolicyDatabases, TunnelEgress};
use crate::fragment::Reassembler;
use crate::ike::effect::{Acquire, Datagram, Effect};
use crate::ike::{Ike, IkeContext};
use crate::interface::{Boundary, Interface, InterfaceId};
use crate::io::{Command, DeleteReason, DropReason, Event, Input, Keys, Output};
use crate::ip::{NewHeader, protocol, write};
use crate::natt;
use crate::packet::{Packet, PacketId, PacketPool};
use crate::rng::{Label, Streams};
use crate::sad::{BundleSpec, InstallContext, LifeEnd, Pair, PairId, Sad};
use crate::selector::FlowKey;
use crate::spd::{Action, EntryId, Mode, Spd, SpdEntry};
use crate::time::{Duration, Instant};
use crate::wire::udp;
pub use counters::{IkeCounters, Octets, Processed, TrafficCounters};
use pending::Pending;
pub use soft::SoftAssociation;
pub use status::Status;

/// Time to live of datagrams this node makes: IKE, outer headers, ICMP errors (Windows: 128).
const TTL: u8 = 128;

/// After a rekeying that failed, the next try comes so much later.
const REKEY_AGAIN: Duration = Duration::from_secs(10);

/// Buffers kept for datagrams of our own. More arrive than leave: they would pile up.
const OWN_BUFFERS: usize = 64;

/// One IPsec node, without clock, sockets or randomness of its own.
#[derive(Clone, Debug)]
pub struct Ipsec {
    config: Config,
    streams: Streams,
    sad: Sad,
    ike: Ike,
    pending: Pending,
    reassembler: Reassembler,
    /// Peers that gave no answer to IKE, and are spoken to in clear.
    soft: BTreeMap<(EntryId, IpAddr), SoftAssociation>,
    /// What may be answered where the policy is stateful.
    started: stateful::Started,
    /// IKE does not run: its datagrams, ESP and AH are packets like any other.
    ike_stopped: bool,
    effects: Vec<Effect>,
    outputs: VecDeque<Output>,
    pool: PacketPool,
    idents: u32,
    counters: counters::Counters,
    /// Whether the packet at hand is on its way in.
    inward: bool,
    batch: batch::Batch,
}

impl Ipsec {
    /// A node with this configuration. `seed` yields every random number it will ever use.
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let _ = now;
        let streams = Streams::new(seed);
        let mut ident = [0; 4];
        streams.fill(Label::Ident, 0, &mut ident);
        Ipsec {
            ike: Ike::new(&config),
            reassembler: Reassembler::new(config.limits.reassemblies, config.limits.reassembly_octets),
            config,
            streams,
            sad: Sad::default(),
            pending: Pending::default(),
            soft: BTreeMap::new(),
            started: stateful::Started::default(),
            ike_stopped: false,
            effects: Vec::new(),
            outputs: VecDeque::new(),
            pool: PacketPool::of(OWN_BUFFERS),
            idents: u32::from_be_bytes(ident),
            counters: counters::Counters::default(),
            inward: false,
            batch: batch::Batch::default(),
        }
    }

    /// Handles one input. Timers due at `now` fire first; `now` never goes back. What the network sends cannot make this
    /// fail: it becomes [`Event::Dropped`](crate::io::Event::Dropped).
    pub fn handle_input(&mut self, input: Input, now: Instant) {
        self.fire_timers(now);
        match input {
            Input::Outbound(interface, packet) => self.outbound(interface, packet, now),
            Input::Inbound(interface, packet) => self.inbound(interface, packet, now),
            Input::Command(command) => self.command(command, now),
            Input::WorkDone(id, result) => self.with_ike(now, |ike, cx| ike.work_done(id, result, cx)),
            Input::Timeout => {}
        }
        self.apply_effects(now);
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let others = [self.ike.poll_timeout(), self.reassembler.poll_timeout(), self.soft_timeout()];
        others.into_iter().chain([self.sad.poll_timeout()]).flatten().min()
    }

    /// A read-only view: SAs, held packets, counters. No keys.
    pub fn status(&self) -> Status<'_> {
        Status::new(self)
    }

    /// Gives a packet buffer back for reuse.
    pub fn recycle(&mut self, packet: Packet) {
        self.pool.recycle(packet);
    }

    /// Fires what is due, the earliest deadline first; ends of SAs before IKE before reassembly at the same time.
    fn fire_timers(&mut self, now: Instant) {
        // A timer may arm another one that is due as well. The bound holds even if one were never disarmed.
        for _ in 0..1_000 {
            let Some(due) = self.poll_timeout().filter(|at| *at <= now) else { return };
            if self.sad.poll_timeout() == Some(due) {
                if let Some((pair, end)) = self.sad.take_due(now) {
                    self.life_end(pair, end, now);
                }
            } else if self.ike.poll_timeout() == Some(due) {
                self.with_ike(now, |ike, cx| ike.handle_timeout(cx));
            } else {
                self.inward = true;
                for id in self.reassembler.expire(now) {
                    self.drop_id(id, InterfaceId::default(), DropReason::ReassemblyTimeout, None);
                }
                self.expire_soft(now);
            }
            self.apply_effects(now);
        }
    }

    fn life_end(&mut self, id: PairId, end: LifeEnd, now: Instant) {
        match end {
            // What carried nothing is left to expire.
            LifeEnd::Soft if self.sad.get(id).is_some_and(Pair::is_used) => self.rekey(id, now),
            LifeEnd::Soft => {}
            LifeEnd::Hard => self.delete_pair(id, DeleteReason::Expired, now),
        }
    }

    /// Asks IKE for a successor of this pair.
    fn rekey(&mut self, id: PairId, now: Instant) {
        let spd = self.config.policy.spd.clone();
        let Some(pair) = self.sad.get_mut(id).filter(|p| !p.rekeying && !p.replaced) else { return };
        // The inbound half of a one-way tunnel does not acquire; its outbound half does, if there is one.
        let acquires = |e: &&SpdEntry| {
            e.direction.outbound()
                && e.selector.covers(&pair.selector)
                && matches!(&e.action, Action::Protect(protect) if pair.satisfies(protect))
        };
        let own = spd.get(pair.sends_for).filter(|e| e.direction.outbound());
        let Some(entry) = own.or_else(|| spd.entries().iter().find(acquires)) else { return };
        pair.rekeying = true;
        let acquire = Acquire {
            entry: entry.id,
            local: pair.local,
            peer: pair.peer,
            selector: pair.selector.clone(),
            replaces: Some(id),
        };
        self.with_ike(now, |ike, cx| ike.acquire(acquire, cx));
    }

    /// After a packet on this pair: kilobytes and sequence numbers may have come to an end.
    fn after_use(&mut self, id: PairId, now: Instant) {
        let Some(pair) = self.sad.get(id) else { return };
        if pair.is_spent() {
            self.delete_pair(id, DeleteReason::Expired, now);
        } else if pair.wants_successor() {
            self.rekey(id, now);
        }
    }

    /// Dead peer detection hears of what is sent (RFC 3706 section 5.5).
    fn note_sent(&mut self, id: PairId, now: Instant) {
        if self.config.ike.dead_peer_detection.is_some() {
            self.with_ike(now, |ike, cx| ike.pair_sent(id, cx));
        }
    }

    /// And of what arrives.
    fn note_heard(&mut self, id: PairId, now: Instant) {
        if self.config.ike.dead_peer_detection.is_some() {
            self.with_ike(now, |ike, cx| ike.pair_heard(id, cx));
        }
    }

    /// Removes a pair and has the peer told.
    fn delete_pair(&mut self, id: PairId, why: DeleteReason, now: Instant) {
        if let Some(pair) = self.remove_pair(id, why) {
            let spis = pair.inbound_spis();
            self.with_ike(now, |ike, cx| ike.pair_deleted(id, &spis, why, cx));
        }
    }

    /// Removes a pair; what it carried stays counted.
    fn remove_pair(&mut self, id: PairId, why: DeleteReason) -> Option<Pair> {
        let pair = self.sad.remove(id)?;
        self.counters.past.add(&pair);
        self.event(Event::PairDeleted { pair: id, why });
        Some(pair)
    }

    fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::SetPolicy(databases) => {
                self.config.policy = databases;
                self.ike_stopped = false;
                self.started.clear();
                self.keep_allowed_pairs(now);
                self.with_ike(now, |ike, cx| ike.policy_changed(cx));
                self.end_soft_where(|_| true);
                // Held packets meet the new policy from its top.
                for held in self.pending.take_all() {
                    self.outbound(held.interface, held.packet, now);
                }
            }
            Command::StopIke(spd) => self.stop_ike(spd, now),
            Command::SetRoutes(routes) => self.set_routes(routes),
            Command::SetInterfaces(interfaces, routes) => self.set_interfaces(interfaces, routes, now),
            Command::Initiate(entry, flow) => self.initiate(entry, &flow, now),
            Command::Install(spec) => {
                self.install(spec, now);
            }
            Command::RekeyPair(id) => self.rekey(id, now),
            Command::RenewIsakmpSa(cky_i) => self.with_ike(now, |ike, cx| {
                ike.renew(cky_i, cx);
            }),
            Command::DeletePair(id) => self.delete_pair(id, DeleteReason::Command, now),
            Command::Shutdown => {
                let ids: Vec<PairId> = self.sad.pairs().map(|p| p.id).collect();
                for id in ids {
                    self.delete_pair(id, DeleteReason::Command, now);
                }
                self.with_ike(now, |ike, cx| ike.shutdown(cx));
                self.end_soft_where(|_| true);
                for held in self.pending.take_all() {
                    self.drop_packet(
                        held.packet,
                        held.interface,
                        DropReason::NegotiationFailed(held.entry),
                        None,
                    );
                }
            }
        }
    }

    /// The driver is alone from now on: nobody negotiates, and what it is to do says this SPD without any pairs.
    fn stop_ike(&mut self, spd: Arc<Spd>, now: Instant) {
        self.command(Command::Shutdown, now);
        self.ike.forget(&self.config);
        self.config.policy = PolicyDatabases { spd, pad: Arc::default() };
        self.ike_stopped = true;
        self.started.clear();
    }

    /// A pair stays when the entry that now decides about its traffic asks for what the pair is.
    fn keep_allowed_pairs(&mut self, now: Instant) {
        let spd = self.config.policy.spd.clone();
        let ids: Vec<PairId> = self.sad.pairs().map(|p| p.id).collect();
        for id in ids {
            let Some(pair) = self.sad.get_mut(id) else { continue };
            let door = |counts: fn(crate::spd::Direction) -> bool| {
                spd.entries().iter().find(|e| counts(e.direction) && e.selector.covers(&pair.selector))
            };
            let allows = |e: &&SpdEntry| matches!(&e.action, Action::Protect(p) if pair.satisfies(p));
            let entries = [door(crate::spd::Direction::outbound), door(crate::spd::Direction::inbound)];
            let [outbound, inbound] = entries.map(|e| e.filter(allows).map(|e| e.id));
            let inbound = inbound.or(outbound).or_else(|| default_response::keeps(&spd, pair));
            match (inbound.or(outbound), outbound.or(inbound)) {
                (Some(entry), Some(sends_for)) => (pair.entry, pair.sends_for) = (entry, sends_for),
                _ => self.delete_pair(id, DeleteReason::Policy, now),
            }
        }
    }

    fn initiate(&mut self, entry: EntryId, flow: &FlowKey, now: Instant) {
        let spd = self.config.policy.spd.clone();
        let Some(entry) = spd.get(entry) else { return };
        if let Action::Protect(protect) = &entry.action
            && let Some((local, peer)) = self.endpoints(protect.mode, flow)
        {
            let acquire = pending::acquire(entry, protect, local, peer, flow);
            self.with_ike(now, |ike, cx| ike.acquire(acquire, cx));
        }
    }

    /// Outer or transport addresses for traffic of `flow`: ours and the peer's. `None` when there is no route.
    fn endpoints(&self, mode: Mode, flow: &FlowKey) -> Option<(IpAddr, IpAddr)> {
        match mode {
            Mode::Transport => Some((flow.local, flow.remote)),
            mode if mode.is_to_anyone() => None,
            Mode::Tunnel { local: Some(local), remote } if !local.is_unspecified() => Some((local, remote)),
            Mode::Tunnel { remote, .. } => {
                let inner =
                    Some(flow.remote).filter(|_| self.config.tunnel_egress == TunnelEgress::InnerRoute);
                let local =
                    inner.and_then(|a| self.source_for(a)).filter(|a| a.is_ipv4() == remote.is_ipv4());
                Some((local.or_else(|| self.source_for(remote))?, remote))
            }
        }
    }

    /// Whether an entry that asks for ports stops this packet, because it shows none (RFC 4301 section 7.3).
    fn hides_ports(&self, info: &crate::ip::IpInfo) -> bool {
        self.config.later_fragments == LaterFragments::Stop && info.is_later_fragment()
    }

    /// The address this node sends from to `destination`: the route's, else the first of the interface's.
    fn source_for(&self, destination: IpAddr) -> Option<IpAddr> {
        let route = self.config.routes.lookup(destination)?;
        let of_interface = || {
            let addresses = &self.interface(route.interface)?.addresses;
            addresses.iter().map(|p| p.address).find(|a| a.is_ipv4() == destination.is_ipv4())
        };
        route.source.or_else(of_interface)
    }

    fn interface(&self, id: InterfaceId) -> Option<&Interface> {
        self.config.interfaces.iter().find(|i| i.id == id)
    }

    /// Whether `address` is this node's, on whatever interface.
    fn owns(&self, address: IpAddr) -> bool {
        self.config.interfaces.iter().any(|i| i.owns(address))
    }

    /// Whether packets to `address` stay inside the boundary: this node, or behind a protected interface.
    fn is_inside(&self, address: IpAddr) -> bool {
        let route = || self.config.routes.lookup(address).and_then(|r| self.interface(r.interface));
        self.owns(address) || route().is_some_and(|i| i.boundary == Boundary::Protected)
    }

    /// A fresh IPv4 identification; its 32 bits serve IPv6 fragments.
    fn next_ident(&mut self) -> u32 {
        self.idents = self.idents.wrapping_add(1);
        self.idents
    }

    fn with_ike(&mut self, now: Instant, call: impl FnOnce(&mut Ike, &mut IkeContext<'_>)) {
        let mut cx = IkeContext {
            now,
            streams: &self.streams,
            policy: &self.config.policy,
            sad: &mut self.sad,
            effects: &mut self.effects,
        };
        call(&mut self.ike, &mut cx);
    }

    /// Does what IKE wants done, in order; what that leads to comes after.
    fn apply_effects(&mut self, now: Instant) {
        while !self.effects.is_empty() {
            for effect in mem::take(&mut self.effects) {
                self.apply(effect, now);
            }
        }
    }

    fn apply(&mut self, effect: Effect, now: Instant) {
        match effect {
            Effect::Send(datagram) => self.send_datagram(&datagram),
            Effect::InstallInbound(spec) => {
                self.counters.ike.key_updates += 1;
                self.counters.ike.key_update_failures += u64::from(!self.install(spec, now));
            }
            Effect::InstallOutbound(spec) => {
                self.counters.ike.key_additions += 1;
                self.counters.ike.key_addition_failures += u64::from(!self.install(spec, now));
            }
            Effect::HandOver { new, old, proven: true } => self.sad.hand_over(old, new),
            Effect::HandOver { new, old, proven: false } => self.sad.hand_over_when_proven(old, new, now),
            Effect::MovePeer { pair, local, peer } => {
                self.move_peer(pair, local, peer);
            }
            Effect::DeleteSa { pair, why } => {
                self.remove_pair(pair, why);
            }
            Effect::PurgePeer { peer, keep } => {
                let stale = |p: &&Pair| p.peer == peer && !keep.contains(&p.id);
                let ids: Vec<PairId> = self.sad.pairs().filter(stale).map(|p| p.id).collect();
                for pair in ids {
                    self.remove_pair(pair, DeleteReason::InitialContact);
                }
            }
            Effect::ReleaseSpi { protocol, spi } => self.sad.release_spi(protocol, spi),
            Effect::AcquireFailed { acquire, silent } => self.acquire_failed(&acquire, silent, now),
            Effect::Work(id, work) => self.outputs.push_back(Output::Work(id, work)),
            Effect::Event(event) => self.event(event),
        }
    }

    /// Installs one direction of a pair; whether that was possible. Packets that waited for it leave.
    fn install(&mut self, spec: BundleSpec, now: Instant) -> bool {
        let cx = InstallContext {
            streams: &self.streams,
            window: self.config.limits.replay_window,
            margin_permille: self.config.ike.rekey_margin_permille,
            now,
        };
        if let Err(why) = self.sad.install(&spec, &cx) {
            self.event(Event::InstallFailed { pair: spec.pair, why });
            return false;
        }
        let (peer, inbound) = (spec.peer, spec.inbound);
        if self.config.key_log {
            self.event(Event::Keys(Keys::Ipsec(spec)));
        }
        if !inbound {
            self.end_soft_where(|soft| soft.peer == peer);
            for held in self.pending.take_peer(peer) {
                self.release(held, now);
            }
        }
        true
    }

    /// IKE's own datagrams leave by the route table, without asking the SPD (RFC 4301 section 4.4.1: IKE bypasses).
    fn send_datagram(&mut self, datagram: &Datagram) {
        let peer = datagram.peer.ip();
        let route = self.config.routes.lookup(peer).map(|r| r.interface);
        let local =
            Some(datagram.local.ip()).filter(|a| !a.is_unspecified()).or_else(|| self.source_for(peer));
        let (Some(interface), Some(local)) = (route, local) else {
            self.counters.ike.send_failures += 1;
            self.drop_id(0, InterfaceId::default(), DropReason::NoRoute, None);
            return;
        };
        let mut packet = self.pool.take(0, &datagram.payload);
        let (from, to) = (datagram.local.port(), datagram.peer.port());
        // RFC 3948 section 2.2: behind the port of ESP in UDP, IKE is marked as not being ESP.
        if from == natt::PORT && !datagram.keepalive {
            write(packet.push_front(natt::NON_ESP_MARKER.len()), 0, &natt::NON_ESP_MARKER);
        }
        let payload_len = packet.len();
        write(packet.push_front(udp::HEADER_LEN), 0, &udp::header(from, to, payload_len));
        // RFC 3948 section 2.3: a keepalive carries no checksum, which IPv4 alone allows.
        if !(datagram.keepalive && local.is_ipv4()) {
            udp::fill_checksum(local, peer, packet.bytes_mut());
        }
        let header = NewHeader {
            source: local,
            destination: peer,
            protocol: protocol::UDP,
            traffic_class: 0,
            ttl: TTL,
            dont_fragment: false,
            ident: self.next_ident() as u16,
        };
        packet.push_front(header.len());
        if !header.write(packet.bytes_mut()) {
            self.drop_packet(packet, interface, DropReason::Malformed, None);
            return;
        }
        self.transmit(interface, packet);
    }

    fn event(&mut self, event: Event) {
        self.counters.ike.event(&event);
        self.outputs.push_back(Output::Event(event));
    }

    fn drop_packet(
        &mut self,
        packet: Packet,
        interface: InterfaceId,
        reason: DropReason,
        flow: Option<FlowKey>,
    ) {
        self.drop_id(packet.id(), interface, reason, flow);
        self.pool.recycle(packet);
    }

    fn drop_id(
        &mut self,
        packet: PacketId,
        interface: InterfaceId,
        reason: DropReason,
        flow: Option<FlowKey>,
    ) {
        self.counters.dropped(&reason);
        // Only what is on its way out waits for IKE.
        let held = matches!(reason, DropReason::NegotiationFailed(_) | DropReason::PendingFull);
        let inbound = self.inward && !held;
        self.event(Event::Dropped { packet, interface, inbound, reason, flow });
    }
}

#[cfg(test)]
mod tests;
