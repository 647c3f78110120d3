//! Packets held while IKE negotiates (RFC 4301 section 5.1 step 3b), bounded by count and octets.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::Ipsec;
use crate::config::Limits;
use crate::ike::effect::Acquire;
use crate::interface::InterfaceId;
use crate::io::{DropReason, Event};
use crate::packet::Packet;
use crate::selector::{AddressRange, FlowKey, PortRange, Selector};
use crate::spd::{EntryId, Protect, SpdEntry};
use crate::time::Instant;

/// One packet that waits.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The interface it was leaving through.
    pub(super) interface: InterfaceId,
    /// The entry that wants protection.
    pub(super) entry: EntryId,
    /// The packet as it came to the outbound door.
    pub(super) packet: Packet,
}

/// All packets that wait, by what was asked of IKE.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    queues: BTreeMap<Acquire, VecDeque<Held>>,
    octets: usize,
}

impl Pending {
    /// Holds a packet. When its negotiation has enough of them or all have too many octets, the packet comes back.
    fn hold(&mut self, acquire: &Acquire, held: Held, limits: &Limits) -> Result<(), Held> {
        let waiting = self.queues.get(acquire).map_or(0, VecDeque::len);
        if waiting >= limits.pending_packets || self.octets + held.packet.len() > limits.pending_octets {
            return Err(held);
        }
        self.octets += held.packet.len();
        match self.queues.get_mut(acquire) {
            Some(queue) => queue.push_back(held),
            None => {
                self.queues.insert(acquire.clone(), VecDeque::from([held]));
            }
        }
        Ok(())
    }

    /// Takes the packets of one negotiation, oldest first.
    pub(super) fn take(&mut self, acquire: &Acquire) -> VecDeque<Held> {
        let queue = self.queues.remove(acquire).unwrap_or_default();
        self.forget(&queue);
        queue
    }

    /// Takes the packets of all negotiations with this peer.
    pub(super) fn take_peer(&mut self, peer: IpAddr) -> Vec<Held> {
        let of_peer: Vec<Acquire> = self.queues.keys().filter(|a| a.peer == peer).cloned().collect();
        of_peer.iter().flat_map(|acquire| self.take(acquire)).collect()
    }

    /// Takes everything.
    pub(super) fn take_all(&mut self) -> Vec<Held> {
        self.octets = 0;
        core::mem::take(&mut self.queues).into_values().flatten().collect()
    }

    fn forget(&mut self, queue: &VecDeque<Held>) {
        let octets: usize = queue.iter().map(|h| h.packet.len()).sum();
        self.octets = self.octets.saturating_sub(octets);
    }

    /// What is being waited for, and with how many packets.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&Acquire, usize)> {
        self.queues.iter().map(|(acquire, queue)| (acquire, queue.len()))
    }
}

/// What to ask IKE for: the entry's selector, narrowed to the packet where the populate flags say so (RFC 4301 section
/// 4.4.1.2).
pub(super) fn acquire(
    entry: &SpdEntry,
    protect: &Protect,
    local: IpAddr,
    peer: IpAddr,
    flow: &FlowKey,
) -> Acquire {
    let mut selector: Selector = entry.selector.clone();
    // An identity of quick mode names one range (RFC 2407 section 4.6.2): of several, the one that the packet is in.
    let narrow = |ranges: &[AddressRange], address: IpAddr, populate: bool| {
        let around = ranges.iter().find(|r| r.contains(address) && !populate);
        vec![around.copied().unwrap_or(AddressRange::single(address))]
    };
    selector.local = narrow(&selector.local, flow.local, protect.populate.local);
    selector.remote = narrow(&selector.remote, flow.remote, protect.populate.remote);
    if protect.populate.protocol {
        selector.protocol = Some(flow.protocol);
    }
    if protect.populate.ports {
        let narrow = |port: Option<u16>, range| port.map_or(range, PortRange::single);
        selector.local_ports = narrow(flow.local_port, selector.local_ports);
        selector.remote_ports = narrow(flow.remote_port, selector.remote_ports);
    }
    Acquire { entry: entry.id, local, peer, selector, replaces: None }
}

impl Ipsec {
    /// No SA yet: the packet waits and IKE is asked.
    pub(super) fn hold(&mut self, acquire: Acquire, held: Held, silently: bool, now: Instant) {
        let (id, interface, entry) = (held.packet.id(), held.interface, held.entry);
        if let Err(held) = self.pending.hold(&acquire, held, &self.config.limits) {
            self.drop_packet(held.packet, interface, DropReason::PendingFull, None);
            return;
        }
        if !silently {
            self.event(Event::Held { packet: id, entry });
        }
        self.with_ike(now, |ike, cx| ike.acquire(acquire, cx));
    }

    /// Something changed for a packet that waited: it walks again, and may have to wait again.
    pub(super) fn release(&mut self, held: Held, now: Instant) {
        self.outbound_again(held.interface, held.packet, now);
    }
}
