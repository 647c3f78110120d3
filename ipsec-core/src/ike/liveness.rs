//! Which ISAKMP SA speaks for a peer's life, and what becomes of a dead peer's SAs (RFC 3706 section 5.4).

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::sa::{IsakmpSa, SaId};
use super::{Ike, IkeContext, pair};
use crate::io::DeleteReason;
use crate::sad::PairId;
use crate::time::Instant;

/// What is known of the life of a peer: what a monitor shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLiveness {
    /// The peer.
    pub peer: SocketAddr,
    /// Its last proof of life.
    pub last_heard: Instant,
    /// Whether it was asked and has not answered yet.
    pub asking: bool,
}

impl Ike {
    /// A packet left on this pair. Only to be told with [`dead_peer_detection`](crate::config::IkeConfig::dead_peer_detection).
    pub fn pair_sent(&mut self, pair: PairId, cx: &mut IkeContext<'_>) {
        if let Some(id) = self.speaks_for(pair) {
            self.with(id, cx, IsakmpSa::spoke);
        }
    }

    /// An authentic packet, not replayed, arrived on this pair: its peer lives. To be told as
    /// [`pair_sent`](Ike::pair_sent).
    pub fn pair_heard(&mut self, pair: PairId, cx: &mut IkeContext<'_>) {
        if let Some(id) = self.speaks_for(pair) {
            self.with(id, cx, IsakmpSa::hear);
        }
    }

    /// The peers with which dead peer detection is in force.
    pub fn liveness(&self) -> impl Iterator<Item = PeerLiveness> {
        self.sas.values().filter(|sa| sa.has_dead_peer_detection()).map(|sa| PeerLiveness {
            peer: sa.names.peer,
            last_heard: sa.last_heard(),
            asking: sa.is_asking(),
        })
    }

    /// The ISAKMP SA under which the peer of a pair is asked: the one that made the pair, else the newest with the same ends.
    /// When none is left nobody can be asked.
    fn speaks_for(&self, pair: PairId) -> Option<SaId> {
        let pair = self.node.pairs.get(pair)?;
        let made = self.sas.get(&pair.exchange.0);
        let ends = |sa: &&IsakmpSa| is_between(sa, pair);
        let able = |sa: &&IsakmpSa| sa.has_dead_peer_detection();
        let found = made.filter(able).or_else(|| self.sas.values().rev().filter(able).find(ends));
        found.map(|sa| sa.names.id)
    }

    /// The peer of this ISAKMP SA is held dead: deletes all SAs with it. What waits to be negotiated, and the next packet, begin
    /// with a new phase 1.
    pub(super) fn peer_is_dead(&mut self, id: SaId, cx: &mut IkeContext<'_>) {
        let Some(dead) = self.sas.get(&id) else { return };
        let names = dead.names.clone();
        // Behind a NAT others have its address, perhaps its identity: only what is certainly its own goes.
        let certain = |client| names.across_nat().is_none() || client == names.client;
        let of_peer = |pair: &pair::Pair| is_between(dead, pair) && certain(pair.client);
        let pairs = self.node.pairs.iter().filter(|(_, pair)| of_peer(pair)).map(|(pair, _)| pair);
        for pair in pairs.collect::<Vec<_>>() {
            self.delete_pair(pair, DeleteReason::DeadPeer, cx);
        }
        let with_peer = |sa: &&IsakmpSa| {
            let same = sa.names.local.ip() == names.local.ip() && sa.names.is_same_peer(&names);
            same && certain(sa.names.client) && sa.established().is_some() && !sa.deleted
        };
        let sas: Vec<SaId> = self.sas.values().filter(with_peer).map(|sa| sa.names.id).collect();
        for id in sas {
            self.close(id, DeleteReason::DeadPeer, cx);
        }
    }
}

fn is_between(sa: &IsakmpSa, pair: &pair::Pair) -> bool {
    sa.names.local.ip() == pair.local && pair.is_of(&sa.names)
}
