//! A node: IPsec on its interfaces, the packet filter above it, forwarding, and a host on top.

pub(crate) mod addressing;
mod icmp;
mod translate;

use std::net::IpAddr;
use std::sync::Arc;

use ipsec_core::config::Config;
use ipsec_core::fragment::{self, Reassembly};
use ipsec_core::interface::{Boundary, Egress, Interface, InterfaceId};
use ipsec_core::packet::PacketId;
use ipsec_core::route::{Route, RouteTable};
use ipsec_core::selector::Prefix;
use ipsec_core::spd::{Door, Spd};
use ipsec_core::work::{WorkId, WorkResult};
use ipsec_core::{Command, DropReason, Duration, Event, Input, Instant, Ipsec, Output, Packet};

use crate::app::{Action, Outgoing};
use crate::host::{Host, transport_intact};
use crate::ip::{self, Header, IpView, protocol};
use crate::nat::Nat;
use crate::packet_filter::PacketFilter;
use crate::queue::{Occasion, Queue};
use crate::sink::{DropCause, Effect, Layer};
use crate::topology::{AppId, NodeConfig, NodeId};
use crate::world::{Cx, World};
use addressing::Addressing;
use icmp::Complaint;

/// What a node's IPsec layer starts from.
#[derive(Clone, Debug)]
pub(crate) struct Boot {
    pub(crate) config: Config,
    /// The seed of the first start; later ones derive theirs from it.
    pub(crate) seed: [u8; 32],
    pub(crate) starts: u64,
}

impl Boot {
    /// IPsec as it is after a start: configured, and without any memory.
    pub(crate) fn start(&mut self, now: Instant) -> Ipsec {
        let mut seed = self.seed;
        for (octet, count) in seed.iter_mut().zip(self.starts.to_le_bytes()) {
            *octet ^= count;
        }
        self.starts += 1;
        Ipsec::new(self.config.clone(), seed, now)
    }
}

/// A running node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) name: String,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) ipsec: Option<Ipsec>,
    /// What IPsec is made of when the node starts.
    pub(crate) boot: Option<Boot>,
    /// The policy in force, for what must not leak.
    pub(crate) spd: Option<Arc<Spd>>,
    /// How long IKE repeats itself before it gives up.
    pub(crate) ike_schedule: Duration,
    pub(crate) host: Host,
    /// Address translation, on a node that does it.
    pub(crate) nat: Option<Nat>,
    local: Addressing,
    /// Input and output filter of each interface.
    filters: Vec<(PacketFilter, PacketFilter)>,
    forwarding: bool,
    /// The packet IPsec opened last: its delivery follows.
    opened: PacketId,
    /// When the processor has finished the work it was given.
    free: Instant,
    /// The earliest timer occasion in the queue.
    armed: Instant,
}

impl Node {
    pub(crate) fn new(
        id: NodeId,
        config: NodeConfig,
        interfaces: Vec<Interface>,
        routes: RouteTable,
        mut boot: Option<Boot>,
        seed: [u8; 32],
    ) -> Self {
        let addresses =
            config.interfaces.iter().flat_map(|i| i.addresses.iter().map(|p| p.address)).collect();
        let mtu = interfaces.iter().map(mtu_of).min().unwrap_or(1500);
        let settings = config.ipsec.as_ref();
        Node {
            id,
            name: config.name,
            ipsec: boot.as_mut().map(|boot| boot.start(Instant::EPOCH)),
            boot,
            spd: settings.map(|s| s.policy.spd.clone()),
            ike_schedule: settings.map_or(Duration::ZERO, |s| s.ike.retransmit.length()),
            host: Host::new(addresses, mtu, config.path_mtu_discovery, seed),
            nat: config.nat.map(Nat::new),
            local: Addressing {
                interfaces: interfaces.clone(),
                routes,
                links: config.interfaces.iter().map(|i| i.link).collect(),
            },
            interfaces,
            filters: config.interfaces.into_iter().map(|i| (i.input, i.output)).collect(),
            forwarding: config.forwarding,
            opened: 0,
            free: Instant::EPOCH,
            armed: Instant::NEVER,
        }
    }

    /// IPsec and address translation lose their memory; the policy configured at first is in force again.
    pub(crate) fn reboot(&mut self, now: Instant, world: &mut World) {
        self.ipsec = self.boot.as_mut().map(|boot| boot.start(now));
        self.spd = self.boot.as_ref().map(|boot| boot.config.policy.spd.clone());
        self.opened = 0;
        if let Some(nat) = &mut self.nat {
            nat.reboot();
        }
        world.queue.forget_work(self.id);
        world.invariants.reboot(self.id, self.spd.clone());
    }

    /// Whether packets on this interface pass IPsec's doors.
    fn is_guarded(&self, interface: InterfaceId) -> bool {
        let boundary = self.interfaces.get(usize::from(interface.0)).map(|i| i.boundary);
        self.ipsec.is_some() && boundary.is_some_and(|b| b != Boundary::Protected)
    }

    /// A packet comes off a link.
    pub(crate) fn arrive(&mut self, interface: InterfaceId, packet: Packet, cx: &mut Cx<'_>) {
        cx.record(Effect::Arrived(interface, &packet));
        if self.translates(&packet) {
            return self.arrive_translated(interface, packet, cx);
        }
        let guarded = self.is_guarded(interface);
        // IKE is an application above the packet filter, which ESP and AH never reach.
        if guarded
            && is_own_ike(&packet, &self.local, false)
            && !self.passes(interface, &packet, Door::Inbound, cx)
        {
            return cx.dropped(&packet, DropCause::InputFilter(interface));
        }
        let view = IpView::parse(packet.bytes());
        if guarded && view.is_some_and(|v| v.is_fragment() && self.local.owns(v.destination)) {
            let (layer, door) = (Layer::Fragmentation, Door::Inbound);
            cx.record(Effect::Passed { layer, door, interface, packet: &packet });
        }
        match &mut self.ipsec {
            Some(ipsec) if guarded => ipsec.handle_input(Input::Inbound(interface, packet), cx.now),
            _ if !ip::header_intact(packet.bytes()) => {
                cx.dropped(&packet, DropCause::Rule(DropReason::Malformed));
            }
            _ => self.up(interface, packet, false, cx),
        }
    }

    /// Whether the packet filter lets it through.
    fn passes(&self, interface: InterfaceId, packet: &Packet, door: Door, cx: &mut Cx<'_>) -> bool {
        let (Some(filters), Some(view)) =
            (self.filters.get(usize::from(interface.0)), IpView::parse(packet.bytes()))
        else {
            return false;
        };
        let filter = if door == Door::Outbound { &filters.1 } else { &filters.0 };
        let passes = filter.passes(&view);
        if passes {
            cx.record(Effect::Passed { layer: Layer::PacketFilter, door, interface, packet });
        }
        passes
    }

    /// A packet on its way up from IPsec, or from an unguarded link: packet filter, then host or forwarding.
    fn up(&mut self, interface: InterfaceId, packet: Packet, protected: bool, cx: &mut Cx<'_>) {
        let Some(view) = IpView::parse(packet.bytes()) else {
            return cx.dropped(&packet, DropCause::Rule(DropReason::Malformed));
        };
        if !self.passes(interface, &packet, Door::Inbound, cx) {
            return cx.dropped(&packet, DropCause::InputFilter(interface));
        }
        if self.local.owns(view.destination) {
            self.deliver(packet, protected, cx);
        } else if self.local.is_in_group(view.destination) {
            self.deliver_to_group(packet, protected, cx);
        } else if self.forwarding && is_unicast(view.destination) {
            self.forward(interface, packet, protected, cx);
        } else {
            cx.dropped(&packet, DropCause::Rule(DropReason::NotForUs));
        }
    }

    /// RFC 1812 section 5.2.1.
    fn forward(&mut self, from: InterfaceId, mut packet: Packet, protected: bool, cx: &mut Cx<'_>) {
        let Some(destination) = IpView::parse(packet.bytes()).map(|v| v.destination) else { return };
        let complaint = |what| Complaint { what, about_protected: protected };
        let Some((to, _)) = self.local.route(destination) else {
            cx.dropped(&packet, DropCause::Rule(DropReason::NoRoute));
            return self.complain(complaint(icmp::NO_ROUTE), &packet, cx);
        };
        if !ip::decrement_ttl(packet.bytes_mut()) {
            cx.dropped(&packet, DropCause::Rule(DropReason::TtlExceeded));
            return self.complain(complaint(icmp::TTL_EXCEEDED), &packet, cx);
        }
        cx.record(Effect::Forwarded { from, to, packet: &packet });
        self.down(to, packet, Some(protected), cx);
    }

    /// A packet on its way down: packet filter, then IPsec or the link. `forwarded` says whether it was, and had come in
    /// protected.
    fn down(&mut self, interface: InterfaceId, packet: Packet, forwarded: Option<bool>, cx: &mut Cx<'_>) {
        if !self.passes(interface, &packet, Door::Outbound, cx) {
            return cx.dropped(&packet, DropCause::OutputFilter(interface));
        }
        let guarded = self.is_guarded(interface);
        match &mut self.ipsec {
            Some(ipsec) if guarded => ipsec.handle_input(Input::Outbound(interface, packet), cx.now),
            _ => self.emit(interface, packet, forwarded, cx),
        }
    }

    /// Fragments if need be and puts the packet on the link.
    fn emit(&mut self, interface: InterfaceId, packet: Packet, forwarded: Option<bool>, cx: &mut Cx<'_>) {
        let Some(mtu) = self.interfaces.get(usize::from(interface.0)).map(mtu_of) else { return };
        if packet.len() <= usize::from(mtu) {
            return self.transmit(interface, packet, cx);
        }
        let ident = u32::from(self.host.ident());
        // Routers leave IPv6 datagrams of others whole (RFC 8200 section 5).
        let own = forwarded.is_none() || packet.bytes().first().is_some_and(|b| b >> 4 == 4);
        if let (true, Ok(fragments)) = (own, fragment::fragment(packet.clone(), mtu, ident)) {
            for fragment in fragments {
                self.transmit(interface, fragment, cx);
            }
            return;
        }
        cx.dropped(&packet, DropCause::Rule(DropReason::TooBig { mtu }));
        match forwarded {
            Some(about_protected) => {
                self.complain(Complaint { what: icmp::too_big(mtu), about_protected }, &packet, cx);
            }
            None => self.host.path_mtu(mtu, cx.now),
        }
    }

    fn transmit(&mut self, interface: InterfaceId, packet: Packet, cx: &mut Cx<'_>) {
        let destination = IpView::parse(packet.bytes()).map(|v| v.destination);
        let link = self.local.links.get(usize::from(interface.0)).copied();
        let (Some(destination), Some(link)) = (destination, link) else { return };
        let next_hop = self.local.next_hop(interface, destination);
        cx.transmit(link, interface, next_hop, packet);
    }

    /// A packet is addressed to this node.
    fn deliver(&mut self, packet: Packet, protected: bool, cx: &mut Cx<'_>) {
        let is_fragment = IpView::parse(packet.bytes()).is_some_and(|v| v.is_fragment());
        let packet = if is_fragment {
            let mut given_up = Vec::new();
            match self.host.reassembler.push(packet, cx.now, &mut given_up) {
                Reassembly::Whole(whole) => whole,
                Reassembly::Waiting | Reassembly::Bad => return,
            }
        } else {
            packet
        };
        if !transport_intact(&packet) {
            return cx.dropped(&packet, DropCause::Checksum);
        }
        let Some(view) = IpView::parse(packet.bytes()) else { return };
        cx.record(Effect::Delivered { packet: &packet, protected });
        let unreachable = |what| Complaint { what, about_protected: protected };
        match view.protocol {
            protocol::ICMP | protocol::ICMPV6 => self.host.icmp(&view, cx.now, &self.local),
            protocol::TCP => self.host.stack.receive(packet.bytes()),
            protocol::UDP => {
                if !self.host.udp(&view, cx.now, &self.local) {
                    cx.dropped(&packet, DropCause::NoListener);
                    self.complain(unreachable(icmp::NO_PORT), &packet, cx);
                }
            }
            _ => {
                cx.dropped(&packet, DropCause::Rule(DropReason::NotForUs));
                self.complain(unreachable(icmp::NO_PROTOCOL), &packet, cx);
            }
        }
    }

    /// A packet is addressed to a group that this node is in. Nobody is told of errors, and neither TCP nor ping answers
    /// (RFC 1122 sections 3.2.2, 3.2.2.6 and 4.2.3.10).
    fn deliver_to_group(&mut self, packet: Packet, protected: bool, cx: &mut Cx<'_>) {
        if !transport_intact(&packet) {
            return cx.dropped(&packet, DropCause::Checksum);
        }
        let Some(view) = IpView::parse(packet.bytes()) else { return };
        cx.record(Effect::Delivered { packet: &packet, protected });
        if view.protocol == protocol::UDP && !self.host.udp(&view, cx.now, &self.local) {
            cx.dropped(&packet, DropCause::NoListener);
        }
    }

    /// Sends what an application or this node itself wants sent. Its number, or `None` without a route.
    fn originate(&mut self, out: Outgoing, cx: &mut Cx<'_>) -> Option<PacketId> {
        let (interface, source) = self.local.route(out.destination)?;
        let source = out.source.or(source)?;
        let mut segment = out.segment;
        if out.checksum {
            fill_checksum(source, out.destination, out.protocol, &mut segment);
        }
        let header = Header {
            source,
            destination: out.destination,
            protocol: out.protocol,
            ttl: out.ttl,
            ident: self.host.ident(),
            dont_fragment: out.dont_fragment,
        };
        Some(self.send(interface, &ip::datagram(header, &segment), cx))
    }

    /// Numbers a packet of this node's own and sends it.
    fn send(&mut self, interface: InterfaceId, bytes: &[u8], cx: &mut Cx<'_>) -> PacketId {
        let id = cx.packet_id();
        let packet = Packet::from_slice(id, bytes);
        cx.record(Effect::Originated(&packet));
        if IpView::parse(bytes).is_some_and(|v| self.local.owns(v.destination)) {
            self.deliver(packet, false, cx);
        } else {
            self.down(interface, packet, None, cx);
        }
        id
    }

    /// A scheduled action begins.
    pub(crate) fn act(&mut self, id: AppId, action: &Action, cx: &mut Cx<'_>) {
        cx.record(Effect::Action(id, action));
        if let Action::Rebind { move_address } = action {
            if let Some(nat) = &mut self.nat {
                nat.rebind(*move_address, cx.now);
            }
        } else if let Action::Reboot = action {
            self.reboot(cx.now, cx.world);
        } else if let Action::Routes(fixed) = action {
            self.change_routes(fixed, cx.now);
        } else if let Action::Addresses(interface, addresses) = action {
            self.change_addresses(*interface, addresses, cx);
        } else if let Action::Ipsec(command) = action {
            if let Command::SetPolicy(policy) = command {
                self.spd = Some(policy.spd.clone());
            }
            if let Command::StopIke(spd) = command {
                self.spd = Some(spd.clone());
            }
            cx.world.invariants.command(self.id, command);
            if let Some(ipsec) = &mut self.ipsec {
                ipsec.handle_input(Input::Command(command.clone()), cx.now);
            }
        } else {
            self.host.start(id, action, cx.now, &self.local);
        }
    }

    /// Other static routes in place of those there were; they stay over a reboot.
    fn change_routes(&mut self, fixed: &[Route], now: Instant) {
        self.local.routes = addressing::routes(&self.interfaces, fixed);
        if let Some(boot) = &mut self.boot {
            boot.config.routes = self.local.routes.clone();
        }
        if let Some(ipsec) = &mut self.ipsec {
            ipsec.handle_input(Input::Command(Command::SetRoutes(self.local.routes.clone())), now);
        }
    }

    /// Other addresses of an interface; its static routes stay. They stay over a reboot, too.
    fn change_addresses(&mut self, id: InterfaceId, addresses: &[Prefix], cx: &mut Cx<'_>) {
        let on_link = self.interfaces.iter().map(|i| i.addresses.len()).sum();
        let fixed: Vec<Route> = self.local.routes.iter().skip(on_link).cloned().collect();
        let Some(interface) = self.interfaces.get_mut(usize::from(id.0)) else { return };
        interface.addresses = addresses.to_vec();
        self.local.interfaces.clone_from(&self.interfaces);
        self.local.routes = addressing::routes(&self.interfaces, &fixed);
        let own = self.interfaces.iter().flat_map(|i| i.addresses.iter().map(|p| p.address)).collect();
        self.host.set_addresses(own, cx.now);
        if let Some(link) = self.local.links.get(usize::from(id.0)) {
            cx.world.links[usize::from(link.0)].readdress(self.id, id, addresses);
        }
        cx.world.invariants.readdressed(self.id, &self.interfaces);
        let (interfaces, routes) = (self.interfaces.clone(), self.local.routes.clone());
        if let Some(boot) = &mut self.boot {
            (boot.config.interfaces, boot.config.routes) = (interfaces.clone(), routes.clone());
        }
        if let Some(ipsec) = &mut self.ipsec {
            let command = Command::SetInterfaces(interfaces, routes);
            cx.world.invariants.command(self.id, &command);
            ipsec.handle_input(Input::Command(command), cx.now);
        }
    }

    pub(crate) fn work_done(&mut self, id: WorkId, result: WorkResult, cx: &mut Cx<'_>) {
        if let Some(ipsec) = &mut self.ipsec {
            ipsec.handle_input(Input::WorkDone(id, result), cx.now);
        }
    }

    pub(crate) fn timeout(&mut self, cx: &mut Cx<'_>) {
        if let Some(ipsec) = &mut self.ipsec
            && ipsec.poll_timeout().is_some_and(|t| t <= cx.now)
        {
            ipsec.handle_input(Input::Timeout, cx.now);
        }
        for id in self.host.reassembler.expire(cx.now) {
            let reason = DropReason::ReassemblyTimeout;
            cx.dropped(&Packet::from_slice(id, &[]), DropCause::Rule(reason));
        }
    }

    /// Carries out everything that follows from what was handled, until nothing does.
    pub(crate) fn settle(&mut self, cx: &mut Cx<'_>) {
        loop {
            let mut idle = true;
            while let Some(output) = self.ipsec.as_mut().and_then(Ipsec::poll_output) {
                idle = false;
                self.carry_out(output, cx);
            }
            self.host.poll(cx.now, &self.local);
            for (app, line) in std::mem::take(&mut self.host.lines) {
                cx.record(Effect::Line(app, &line));
            }
            for out in std::mem::take(&mut self.host.outbox) {
                idle = false;
                let app = out.app;
                let packet = self.originate(out, cx);
                if let Some(app) = app {
                    self.host.sent(app, packet, cx.now, &self.local);
                }
            }
            while let Some(bytes) = self.host.next_segment() {
                idle = false;
                let route = IpView::parse(&bytes).and_then(|v| self.local.route(v.destination));
                if let Some((interface, _)) = route {
                    self.send(interface, &bytes, cx);
                }
            }
            if idle {
                return;
            }
        }
    }

    fn carry_out(&mut self, output: Output, cx: &mut Cx<'_>) {
        match output {
            Output::Transmit(interface, packet) => {
                if is_own_ike(&packet, &self.local, true)
                    && !self.passes(interface, &packet, Door::Outbound, cx)
                {
                    return cx.dropped(&packet, DropCause::OutputFilter(interface));
                }
                if IpView::parse(packet.bytes()).is_some_and(|v| v.is_fragment()) {
                    let (layer, door) = (Layer::Fragmentation, Door::Outbound);
                    cx.record(Effect::Passed { layer, door, interface, packet: &packet });
                }
                self.transmit(interface, packet, cx);
            }
            Output::Deliver(interface, packet) => {
                let own = IpView::parse(packet.bytes()).is_some_and(|v| self.local.owns(v.source));
                if own {
                    // IPsec itself reports a packet that is too big: that came from no link and meets no input filter.
                    return self.report(packet, cx);
                }
                let protected = packet.id() != 0 && packet.id() == self.opened;
                self.up(interface, packet, protected, cx);
            }
            Output::Event(event) => {
                cx.record(Effect::Ipsec(&event));
                match event {
                    Event::Held { packet, .. } => self.host.held(packet, cx.now, &self.local),
                    Event::Opened { packet, .. } => self.opened = packet,
                    Event::Bypassed { packet, .. } if packet == self.opened => self.opened = 0,
                    _ => {}
                }
            }
            Output::Work(id, work) => cx.work(id, work, &mut self.free),
        }
    }

    /// Sends an ICMP error that IPsec made to the sender inside, be it this host or one behind it.
    fn report(&mut self, packet: Packet, cx: &mut Cx<'_>) {
        let route = IpView::parse(packet.bytes()).and_then(|v| self.local.route(v.destination));
        if let Some((interface, _)) = route {
            self.send(interface, packet.bytes(), cx);
        }
    }

    /// When this node has something to do without being asked.
    fn deadline(&mut self, now: Instant) -> Instant {
        let ipsec = self.ipsec.as_ref().and_then(Ipsec::poll_timeout);
        ipsec.into_iter().chain(self.host.deadline(now)).min().unwrap_or(Instant::NEVER)
    }

    /// Puts the next timer into the queue, unless an earlier one is there already.
    pub(crate) fn arm(&mut self, queue: &mut Queue, now: Instant) {
        let deadline = self.deadline(now);
        if deadline < self.armed {
            self.armed = deadline;
            queue.push(deadline.max(now), Occasion::Timer(self.id));
        }
    }

    /// Whether a timer occasion has been overtaken: an earlier one came in between, or the deadline moved on.
    pub(crate) fn is_stale(&mut self, time: Instant, queue: &mut Queue) -> bool {
        if self.armed != time {
            return true;
        }
        self.armed = Instant::NEVER;
        // Seen from just before, so that what is due at `time` is not moved past it.
        if self.deadline(time - Duration::from_micros(1)) <= time {
            return false;
        }
        self.arm(queue, time);
        true
    }
}

fn mtu_of(interface: &Interface) -> u16 {
    match interface.egress {
        Egress::Fragment { mtu } => mtu,
        Egress::Whole => u16::MAX,
    }
}

fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => !a.is_multicast() && !a.is_broadcast() && !a.is_unspecified(),
        IpAddr::V6(a) => !a.is_multicast() && !a.is_unspecified(),
    }
}

/// Whether this is an IKE datagram of this node: from it when `leaving`, else to it.
fn is_own_ike(packet: &Packet, local: &Addressing, leaving: bool) -> bool {
    IpView::parse(packet.bytes())
        .is_some_and(|v| v.is_ike() && local.owns(if leaving { v.source } else { v.destination }))
}

/// Fills in the checksum of an ICMP, UDP or TCP segment whose checksum field is zero or stale.
fn fill_checksum(source: IpAddr, destination: IpAddr, number: u8, segment: &mut [u8]) {
    let at = match number {
        protocol::ICMP | protocol::ICMPV6 => 2,
        protocol::UDP => 6,
        protocol::TCP => 16,
        _ => return,
    };
    let Some(field) = segment.get_mut(at..at + 2) else { return };
    field.fill(0);
    let sum = match number {
        protocol::ICMP => ip::checksum(&[segment]),
        _ => ip::transport_checksum(source, destination, number, segment),
    };
    // RFC 768: a computed checksum of zero is sent as all ones.
    let sum = if number == protocol::UDP && sum == 0 { 0xffff } else { sum };
    segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}
