//! The pairs of IPsec SAs that quick modes made, as far as IKE must know them: to tell peers of deletes, to understand
//! theirs, and to hand over.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::effect::Acquire;
use super::retransmit::Ends;
use super::sa::{Names, SaId};
use crate::pad::Identity;
use crate::sad::{IpsecProtocol, PairId, Spi, UdpEncapsulation};
use crate::selector::Selector;
use crate::time::{Duration, Instant};

/// SPIs of one direction.
pub(crate) type SpiList = Vec<(IpsecProtocol, Spi)>;

/// What IKE remembers of a pair.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// Our address.
    pub(crate) local: IpAddr,
    /// The peer's.
    pub(crate) peer: IpAddr,
    /// How it is encapsulated across a NAT.
    pub(crate) udp: Option<UdpEncapsulation>,
    /// Whose it is: [`Names::client`] of its ISAKMP SA.
    pub(crate) client: SaId,
    /// What that calls itself.
    pub(crate) peer_id: Option<Identity>,
    /// What it carries.
    pub(crate) selector: Selector,
    /// Tunnel or transport mode.
    pub(crate) tunnel: bool,
    /// Of our inbound SAs.
    pub(crate) inbound: SpiList,
    /// Of our outbound SAs.
    pub(crate) outbound: SpiList,
    /// When it was made.
    pub(crate) since: Instant,
    /// The quick mode that made it.
    pub(crate) exchange: (SaId, u32),
    /// How long it may carry nothing, where that is bounded.
    pub(crate) idle_after: Duration,
    /// Whether another pair sends in its place.
    pub(crate) replaced: bool,
    /// What was asked for, of which the peer has chosen a part.
    pub(crate) narrowed_from: Option<Acquire>,
}

impl Pair {
    /// Our end and the peer's. Without encapsulation the ports are 0.
    pub(crate) fn ends(&self) -> Ends {
        let (local, peer) = self.udp.map_or((0, 0), |udp| (udp.local_port, udp.peer_port));
        (SocketAddr::new(self.local, local), SocketAddr::new(self.peer, peer))
    }

    /// Whether the peer of an ISAKMP SA may speak for it.
    pub(crate) fn is_of(&self, names: &Names) -> bool {
        match self.udp {
            None => names.across_nat().is_none() && self.peer == names.peer.ip(),
            Some(_) => self.client == names.client || names.is_called((&self.peer_id, self.peer)),
        }
    }

    /// Whether both are of one peer. Peers behind a NAT share an address.
    fn is_beside(&self, other: &Pair) -> bool {
        match (self.udp, other.udp) {
            (None, None) => self.peer == other.peer,
            (Some(_), Some(_)) => self.client == other.client,
            _ => false,
        }
    }
}

/// All pairs that exist.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs(BTreeMap<PairId, Pair>);

impl Pairs {
    pub(crate) fn insert(&mut self, id: PairId, pair: Pair) {
        self.0.insert(id, pair);
    }

    pub(crate) fn get(&self, id: PairId) -> Option<&Pair> {
        self.0.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: PairId) -> Option<&mut Pair> {
        self.0.get_mut(&id)
    }

    /// The peer has chosen a part of what `acquire` asked for; or had done so for the pair that this one replaces.
    pub(crate) fn note_narrowed(&mut self, id: PairId, acquire: Option<&Acquire>, replaces: Option<PairId>) {
        let before = || replaces.and_then(|old| self.0.get(&old)?.narrowed_from.clone());
        let from = acquire.map(|acquire| Acquire { replaces: None, ..acquire.clone() }).or_else(before);
        if let Some(pair) = self.0.get_mut(&id) {
            pair.narrowed_from = from;
        }
    }

    /// Whether a living pair is all that the peer makes of this.
    pub(crate) fn is_narrowed(&self, acquire: &Acquire) -> bool {
        self.0.values().any(|pair| pair.narrowed_from.as_ref() == Some(acquire))
    }

    pub(crate) fn remove(&mut self, id: PairId) -> Option<Pair> {
        self.0.remove(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PairId, &Pair)> {
        self.0.iter().map(|(id, pair)| (*id, pair))
    }

    /// The pair that sends on this SPI to this peer: one that is certainly its own before one that may be.
    pub(crate) fn by_outbound(&self, names: &Names, protocol: IpsecProtocol, spi: Spi) -> Option<PairId> {
        let wanted = (protocol, spi);
        let found = self.iter().filter(|(_, pair)| pair.is_of(names) && pair.outbound.contains(&wanted));
        found.min_by_key(|(id, pair)| (pair.client != names.client, *id)).map(|(id, _)| id)
    }

    /// The encapsulated pairs of this client.
    pub(crate) fn of_client(&mut self, client: SaId) -> impl Iterator<Item = (PairId, &mut Pair)> {
        let its = move |pair: &Pair| pair.udp.is_some() && pair.client == client;
        self.0.iter_mut().filter(move |(_, pair)| its(pair)).map(|(id, pair)| (*id, pair))
    }

    /// Marks the older pairs for the traffic of `new` as replaced, and gives those that were not yet.
    pub(crate) fn replace_with(&mut self, new: PairId) -> Vec<PairId> {
        let Some(pair) = self.0.get(&new).cloned() else { return Vec::new() };
        let same = |old: &Pair| {
            old.is_beside(&pair)
                && old.tunnel == pair.tunnel
                && old.selector == pair.selector
                && !old.replaced
        };
        let older = self.0.range_mut(..new).filter(|(_, old)| same(old));
        older
            .map(|(id, old)| {
                old.replaced = true;
                *id
            })
            .collect()
    }

    /// The older pairs for the traffic of `new` that send no more, whatever replaced them.
    pub(crate) fn outdone_by(&self, new: PairId) -> Vec<PairId> {
        let Some(pair) = self.0.get(&new) else { return Vec::new() };
        let same =
            |old: &Pair| old.is_beside(pair) && (old.tunnel, &old.selector) == (pair.tunnel, &pair.selector);
        self.0.range(..new).filter(|(_, old)| old.replaced && same(old)).map(|(id, _)| *id).collect()
    }

    /// Marks one pair as replaced. False if it is gone, or was already.
    pub(crate) fn replace(&mut self, old: PairId) -> bool {
        self.0.get_mut(&old).is_some_and(|pair| !core::mem::replace(&mut pair.replaced, true))
    }

    /// The pairs with this peer made at `since` or later, and the ones made before.
    pub(crate) fn split_by_age(&self, names: &Names, since: Instant) -> (Vec<PairId>, Vec<PairId>) {
        self.iter().filter(|(_, pair)| pair.is_of(names)).map(|(id, pair)| (id, pair.since >= since)).fold(
            (Vec::new(), Vec::new()),
            |(mut young, mut old), (id, is_young)| {
                if is_young {
                    young.push(id)
                } else {
                    old.push(id)
                }
                (young, old)
            },
        )
    }
}
