//! A read-only view of a node: what a monitor shows. No keys.

use super::counters::{IkeCounters, Processed, TrafficCounters};
use super::{Ipsec, SoftAssociation};
use crate::ike::effect::Acquire;
use crate::ike::{IkeSizes, IsakmpView, PeerLiveness};
use crate::sad::Pair;
use crate::spd::{EntryId, Spd};

/// A read-only view of a node.
#[derive(Clone, Copy, Debug)]
pub struct Status<'a> {
    ipsec: &'a Ipsec,
}

impl<'a> Status<'a> {
    pub(super) fn new(ipsec: &'a Ipsec) -> Self {
        Status { ipsec }
    }

    /// All pairs of SAs, by number, with algorithms, lifetimes and counters.
    pub fn pairs(&self) -> impl Iterator<Item = &'a Pair> {
        self.ipsec.sad.pairs()
    }

    /// The policy in force.
    pub fn spd(&self) -> &'a Spd {
        &self.ipsec.config.policy.spd
    }

    /// Packets that each SPD entry decided about, both directions together.
    pub fn hits(&self) -> impl Iterator<Item = (EntryId, u64)> {
        self.ipsec.counters.hits.iter().map(|(entry, n)| (*entry, *n))
    }

    /// Packets dropped, by [`DropReason::name`](crate::io::DropReason::name).
    pub fn drops(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.ipsec.counters.drops.iter().map(|(name, n)| (*name, *n))
    }

    /// What key exchange has counted since the node began.
    pub fn ike_counters(&self) -> IkeCounters {
        let (acquires, spis) = (self.ipsec.ike.acquires(), self.ipsec.sad.spis_reserved_so_far());
        IkeCounters { acquires, spis, ..self.ipsec.counters.ike }
    }

    /// Octets that SAs have carried since the node began, those that are gone included.
    pub fn traffic(&self) -> TrafficCounters {
        let mut traffic = self.ipsec.counters.past;
        self.pairs().for_each(|pair| traffic.add(pair));
        traffic
    }

    /// Packets of SAs that hardware processed, and the others.
    pub fn processed(&self) -> Processed {
        self.ipsec.counters.processed
    }

    /// What IKE is being waited for, and with how many packets.
    pub fn pending(&self) -> impl Iterator<Item = (&'a Acquire, usize)> {
        self.ipsec.pending.waiting()
    }

    /// Soft associations: peers that gave no answer to IKE, with which traffic passes in clear.
    pub fn soft_associations(&self) -> impl Iterator<Item = &'a SoftAssociation> {
        self.ipsec.soft.values()
    }

    /// How much IKE holds.
    pub fn ike(&self) -> IkeSizes {
        self.ipsec.ike.sizes()
    }

    /// What is known of the life of each peer with which dead peer detection is in force.
    pub fn liveness(&self) -> impl Iterator<Item = PeerLiveness> {
        self.ipsec.ike.liveness()
    }

    /// Established ISAKMP SAs, in the order in which they began.
    pub fn isakmp_sas(&self) -> impl Iterator<Item = IsakmpView> {
        self.ipsec.ike.established()
    }

    /// SPIs reserved for SAs under negotiation.
    pub fn reserved_spis(&self) -> usize {
        self.ipsec.sad.reserved_spis()
    }

    /// Flows that are remembered as those of one client behind a NAT (RFC 3948 section 5).
    pub fn flow_bindings(&self) -> usize {
        self.ipsec.sad.bindings()
    }

    /// Flows that may be answered, where the policy is stateful.
    pub fn started_flows(&self) -> usize {
        self.ipsec.started.len()
    }

    /// Whether IKE runs: it does unless it was stopped, until the next policy.
    pub fn ike_runs(&self) -> bool {
        !self.ipsec.ike_stopped
    }

    /// Datagrams that wait for fragments.
    pub fn reassemblies(&self) -> usize {
        self.ipsec.reassembler.len()
    }
}
