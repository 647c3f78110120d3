//! Peers across a NAT: which of them is which, and where they are (RFC 3947 sections 4, 6 and 7; RFC 3948 section 5).
//!
//! Behind a NAT many peers have one address, and a peer's port changes whenever its NAT forgets it. So neither names a peer.
//! What belongs together are ISAKMP SAs and pairs made by one another, from one socket and under one identity: they carry
//! the number of the first of these SAs ([`Names::client`]), and move together.
//!
//! An identity alone names a peer too, but private addresses recur behind every NAT: where an address is the identity, the
//! address seen has to be the same as well.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::effect::{Acquire, Effect};
use super::retransmit::Ends;
use super::sa::{IsakmpSa, Names, SaId};
use super::{Ike, IkeContext, PORT, context};
use crate::io::{DeleteReason, Event};
use crate::pad::Identity;
use crate::sad::PairId;
use crate::time::Instant;

/// Whom we know: an address, and the identity of one of those that share it.
pub(crate) type Contact = (IpAddr, Option<Identity>);

impl Names {
    /// Whether this is what the peer calls itself; an address does not name it everywhere.
    pub(crate) fn is_called(&self, (id, at): (&Option<Identity>, IpAddr)) -> bool {
        match id {
            None => false,
            Some(Identity::Address(_)) => self.peer_id == *id && self.peer.ip() == at,
            Some(_) => self.peer_id == *id,
        }
    }

    /// Whether both are SAs with one peer, so that one may speak of the other.
    pub(crate) fn is_same_peer(&self, other: &Names) -> bool {
        match (self.across_nat(), other.across_nat()) {
            (None, None) => self.peer.ip() == other.peer.ip(),
            (Some(_), Some(_)) => {
                self.client == other.client || self.is_called((&other.peer_id, other.peer.ip()))
            }
            _ => false,
        }
    }

    /// Under what the peer is remembered.
    pub(crate) fn contact(&self) -> Contact {
        let shares_address = self.nat.is_some_and(|nat| nat.peer);
        (self.peer.ip(), self.peer_id.clone().filter(|_| shares_address))
    }

    fn ends(&self) -> Ends {
        (self.local, self.peer)
    }
}

impl Ike {
    /// Phase 1 is complete: the SA is of a client that we know already, if it came from the same socket and calls itself the
    /// same.
    pub(super) fn recognise(&mut self, id: SaId, cx: &mut IkeContext<'_>) {
        let Some(names) = self.sas.get(&id).map(|sa| &sa.names).filter(|names| names.across_nat().is_some())
        else {
            return;
        };
        let ends = names.ends();
        let of_sas = self.sas.values().filter(|sa| sa.names.id != id && sa.established().is_some());
        let mut of_sas = of_sas.map(|sa| (sa.names.ends(), &sa.names.peer_id, sa.names.client));
        let of_pairs = self.node.pairs.iter().map(|(_, pair)| (pair.ends(), &pair.peer_id, pair.client));
        let same = |known: &(Ends, &Option<Identity>, SaId)| {
            known.0 == ends && names.is_called((known.1, ends.1.ip()))
        };
        let client = of_sas.find(same).or_else(|| of_pairs.into_iter().find(same)).map(|known| known.2);
        if let (Some(client), Some(sa)) = (client, self.sas.get_mut(&id)) {
            sa.names.client = client;
        }
        self.keep_alive(ends, cx);
    }

    /// A client is elsewhere now: by an authenticated message under one of its ISAKMP SAs, or by ESP on the pair `but`,
    /// which has moved already. All that is its follows (RFC 3947 section 7).
    pub(super) fn relocate(
        &mut self,
        client: SaId,
        (local, peer): Ends,
        but: Option<PairId>,
        cx: &mut IkeContext<'_>,
    ) {
        for (pair, known) in self.node.pairs.of_client(client) {
            let moves = known.ends() != (local, peer);
            let Some(udp) = known.udp.as_mut().filter(|udp| udp.follow && moves) else { continue };
            (udp.local_port, udp.peer_port) = (local.port(), peer.port());
            (known.local, known.peer) = (local.ip(), peer.ip());
            if but != Some(pair) {
                cx.effects.push(Effect::MovePeer { pair, local, peer });
            }
        }
        for sa in self.sas.values_mut() {
            let its = sa.names.client == client && sa.established().is_some() && sa.names.peer_may_move();
            let entry = sa.names.entry_in(&cx.policy.pad, local.ip(), peer.ip());
            if its && entry.is_some_and(|entry| entry.id == sa.names.pad_entry) {
                move_names(&mut sa.names, (local, peer), cx.effects);
                self.node.deletes.follow((sa.names.cky_i, sa.names.cky_r), (local, peer));
            }
        }
    }

    /// An established ISAKMP SA has followed a message: so does everything else of its client.
    pub(super) fn followed(&mut self, id: SaId, from: Ends, cx: &mut IkeContext<'_>) {
        let Some(names) = self.sas.get(&id).map(|sa| sa.names.clone()) else { return };
        if names.ends() == from || names.across_nat().is_none() {
            return;
        }
        let (cky_i, to) = (names.cky_i, names.peer);
        cx.effects.push(Effect::Event(Event::IsakmpPeerMoved { cky_i, from: from.1, to }));
        self.node.deletes.follow((cky_i, names.cky_r), names.ends());
        self.relocate(names.client, names.ends(), None, cx);
        self.keep_alive(names.ends(), cx);
    }

    /// From where to where a new phase 1 begins. A peer behind a NAT can be reached through the mapping that it has, and
    /// nowhere else (RFC 3947 section 4).
    pub(super) fn beginning(&self, acquire: &Acquire) -> Ends {
        let pairs = &self.node.pairs;
        let of_peer = |pair: &&super::pair::Pair| (pair.local, pair.peer) == (acquire.local, acquire.peer);
        let replaced = acquire.replaces.and_then(|pair| pairs.get(pair));
        let newest = || pairs.iter().map(|(_, pair)| pair).filter(of_peer).max_by_key(|pair| pair.since);
        let pair = replaced.or_else(newest);
        match pair.filter(|pair| pair.udp.is_some_and(|udp| udp.follow)) {
            Some(pair) => pair.ends(),
            None => (SocketAddr::new(acquire.local, PORT), SocketAddr::new(acquire.peer, PORT)),
        }
    }

    /// Whether an ISAKMP SA may negotiate what is wanted: of several peers at one address, the one whose pair is replaced.
    pub(super) fn may_serve(&self, names: &Names, acquire: &Acquire) -> bool {
        let replaced = acquire.replaces.and_then(|pair| self.node.pairs.get(pair));
        replaced.is_none_or(|pair| pair.udp.is_none() || pair.is_of(names))
    }

    /// The client across a NAT for whom a pair is to be replaced.
    pub(super) fn client_of(&self, acquire: &Acquire) -> Option<SaId> {
        let replaced = acquire.replaces.and_then(|pair| self.node.pairs.get(pair));
        replaced.filter(|pair| pair.udp.is_some()).map(|pair| pair.client)
    }

    /// Authenticated INITIAL-CONTACT of a peer across a NAT: what bears its identity and is older goes, wherever it was
    /// (RFC 3947 section 6). Peers with one private address behind one NAT bear one identity: the other one is told, and
    /// comes back.
    pub(super) fn purge_client(&mut self, id: SaId, since: Instant, cx: &mut IkeContext<'_>) {
        let Some(names) = self.sas.get(&id).map(|sa| sa.names.clone()) else { return };
        let (_, gone) = self.node.pairs.split_by_age(&names, since);
        for pair in gone {
            let elsewhere = self.node.pairs.get(pair).is_some_and(|pair| pair.ends() != names.ends());
            let known = self.node.pairs.remove(pair);
            self.node.timers.forget_pair(pair);
            if let Some(known) = known.filter(|_| elsewhere) {
                super::announce_deleted(&self.sas, &known, &mut context(&mut self.node, cx));
            }
            cx.effects.push(Effect::DeleteSa { pair, why: DeleteReason::InitialContact });
        }
        let older = |sa: &&IsakmpSa| {
            let was = sa.established().is_some_and(|established| established.since < since);
            sa.names.id != id && was && names.is_same_peer(&sa.names)
        };
        let older: Vec<SaId> = self.sas.values().filter(older).map(|sa| sa.names.id).collect();
        for old in older {
            if let Some(sa) = self.sas.get(&old).filter(|sa| sa.names.ends() != names.ends()) {
                sa.announce_end(&mut context(&mut self.node, cx));
            }
            self.close(old, DeleteReason::InitialContact, cx);
        }
    }
}

fn move_names(names: &mut Names, ends: Ends, effects: &mut Vec<Effect>) {
    if names.ends() != ends {
        let (cky_i, from, to) = (names.cky_i, names.peer, ends.1);
        effects.push(Effect::Event(Event::IsakmpPeerMoved { cky_i, from, to }));
        (names.local, names.peer) = ends;
    }
}
