//! Everything of a network that is not a node, and what a node may do to it while it handles one occasion.

use std::net::IpAddr;

use ipsec_core::interface::InterfaceId;
use ipsec_core::packet::PacketId;
use ipsec_core::work::{Work, WorkId};
use ipsec_core::{Duration, Instant, Packet};

use crate::adversary::{Adversary, Deed, Rule, Waiting, alter};
use crate::invariant::Invariants;
use crate::link::{Link, corrupt};
use crate::queue::{Occasion, Queue};
use crate::sink::{DropCause, Effect, Fate, Record, Sink};
use crate::topology::{LinkId, NodeId};
use crate::work::Workshop;

/// Links, adversary, queue and observers.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) links: Vec<Link>,
    pub(crate) adversary: Adversary,
    pub(crate) queue: Queue,
    pub(crate) invariants: Invariants,
    pub(crate) workshop: Workshop,
    next_packet: PacketId,
    transmissions: u64,
}

impl World {
    pub(crate) fn new(links: Vec<Link>, rules: Vec<Rule>, workshop: Workshop) -> Self {
        let outside = links.iter().map(|l| l.config.outside).collect();
        World {
            links,
            adversary: Adversary::new(rules),
            queue: Queue::default(),
            invariants: Invariants::new(outside),
            workshop,
            next_packet: 0,
            transmissions: 0,
        }
    }
}

/// The surroundings of a node (or the adversary) while it handles one occasion.
pub(crate) struct Cx<'a> {
    pub(crate) now: Instant,
    pub(crate) node: NodeId,
    pub(crate) cause: u64,
    pub(crate) world: &'a mut World,
    pub(crate) sink: &'a mut dyn Sink,
}

impl Cx<'_> {
    /// Reports to the invariants and to the sink.
    pub(crate) fn record(&mut self, effect: Effect<'_>) {
        let record = Record { time: self.now, node: self.node, cause: self.cause, effect };
        let known = self.world.invariants.violations().len();
        self.world.invariants.observe(&record);
        self.sink.record(&record);
        for violation in &self.world.invariants.violations()[known..] {
            self.sink.record(&Record { effect: Effect::Violation(violation), ..record });
        }
    }

    pub(crate) fn dropped(&mut self, packet: &Packet, cause: DropCause) {
        self.record(Effect::Dropped(packet, cause));
    }

    /// A number for a new packet.
    pub(crate) fn packet_id(&mut self) -> PacketId {
        self.world.next_packet += 1;
        self.world.next_packet
    }

    pub(crate) fn at(&mut self, time: Instant, occasion: Occasion) {
        self.world.queue.push(time, occasion);
    }

    /// Computes a piece of work; its result comes back as an occasion. `free` is when the node's processor is free.
    pub(crate) fn work(&mut self, id: WorkId, work: Work, free: &mut Instant) {
        let duration = self.world.workshop.duration(&work);
        *free = (*free).max(self.now) + duration;
        self.record(Effect::Work(free.saturating_since(self.now)));
        let result = self.world.workshop.run(work);
        let occasion = Occasion::WorkDone(self.node, id, result);
        self.at(*free, occasion);
    }

    /// Puts a packet on a link. Adversary first, then the link's own misfortunes.
    pub(crate) fn transmit(&mut self, link: LinkId, from: InterfaceId, next_hop: IpAddr, packet: Packet) {
        let mtu = self.world.links[usize::from(link.0)].config.mtu;
        if packet.len() > usize::from(mtu) {
            return self.dropped(&packet, DropCause::LinkMtu(mtu));
        }
        let deed = self.world.adversary.judge(link, self.node, packet.bytes());
        let behind = self.world.adversary.behind(link, self.node);
        self.carry(link, from, next_hop, packet, deed, false);
        for w in behind {
            let Waiting { link, next_hop, packet, .. } = w;
            self.at(self.now, Occasion::Replay { link, next_hop, packet });
        }
    }

    /// The way of a packet once the adversary has decided.
    pub(crate) fn carry(
        &mut self,
        link: LinkId,
        from: InterfaceId,
        next_hop: IpAddr,
        mut packet: Packet,
        deed: Option<Deed>,
        replay: bool,
    ) {
        let wire = &mut self.world.links[usize::from(link.0)];
        let passage = wire.send((self.node, from), packet.len(), self.now);
        let reached = wire.reached(next_hop, (self.node, from));
        let mut fate = Fate {
            lost: passage.lost,
            removed: matches!(deed, Some(Deed::Drop | Deed::Swap)),
            unclaimed: reached.is_empty(),
            held_back: passage.held_back,
            altered: passage.corrupted.is_some() || matches!(deed, Some(Deed::Alter(_) | Deed::Replace(_))),
            copies: u8::from(passage.duplicate.is_some()),
            replay,
        };
        let mut late = Duration::ZERO;
        match &deed {
            Some(Deed::Duplicate) => fate.copies += 1,
            Some(Deed::Swap) => {
                let (node, packet) = (self.node, packet.clone());
                let waiting = Waiting { link, node, next_hop, packet };
                self.world.adversary.waiting.push(waiting);
            }
            Some(Deed::Delay(by)) => (late, fate.held_back) = (*by, true),
            Some(Deed::Replay(after)) => {
                let (packet, at) = (packet.clone(), self.now + *after);
                self.at(at, Occasion::Replay { link, next_hop, packet });
            }
            _ => {}
        }
        self.world.transmissions += 1;
        let transmission = self.world.transmissions;
        let interface = from;
        self.record(Effect::Sent { link, interface, next_hop, transmission, packet: &packet, fate });
        if !fate.arrives() {
            return;
        }
        match &deed {
            Some(Deed::Alter(alterations)) => alter(packet.bytes_mut(), alterations),
            Some(Deed::Replace(bytes)) => packet = Packet::from_slice(packet.id(), bytes),
            _ => {}
        }
        let arrive = |cx: &mut Self, time: Instant, packet: Packet| {
            let Some(((node, interface), others)) = reached.split_last() else { return };
            for (node, interface) in others.iter().copied() {
                cx.at(time, Occasion::Arrival { node, interface, transmission, packet: packet.clone() });
            }
            cx.at(time, Occasion::Arrival { node: *node, interface: *interface, transmission, packet });
        };
        if let Some(time) = passage.duplicate {
            arrive(self, time + late, packet.clone());
        }
        if deed == Some(Deed::Duplicate) {
            arrive(self, passage.arrival, packet.clone());
        }
        if let Some(draw) = passage.corrupted {
            corrupt(packet.bytes_mut(), draw);
        }
        arrive(self, passage.arrival + late, packet);
    }
}
