//! Which client behind a NAT has which flow (RFC 3948 section 5).
//!
//! Clients behind one NAT have one address, and in tunnel mode several may use one inner address: selectors do not tell whose
//! an answer is. So an authenticated packet binds its flow to the client it came from, and answers follow the binding. A
//! second client that shows a flow in use is refused, and a packet for one of several clients that nothing tells apart goes
//! to none of them: no answer ever reaches the wrong one.
//!
//! The table is bounded, and what is idle is forgotten. Forgetting a binding can make an answer ambiguous, and so lost, but
//! not misdirected.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::{IpAddr, SocketAddr};

use super::{Pair, PairId, Sad};
use crate::time::{Duration, Instant};

/// How long an idle flow of TCP stays bound (RFC 5382 requirement 5).
const TCP_IDLE: Duration = Duration::from_secs(7_440);

/// How long an echo request waits for its reply (RFC 5508 requirement 2).
const ECHO_IDLE: Duration = Duration::from_secs(60);

/// How long any other idle flow stays bound (RFC 4787 requirement 5).
const IDLE: Duration = Duration::from_secs(300);

/// What tells the flows of two clients apart, our side local.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// Our side's address.
    pub local: IpAddr,
    /// The far side's.
    pub remote: IpAddr,
    /// Upper-layer protocol.
    pub protocol: u8,
    /// Local and remote port; of ICMP echo, identifier and sequence number; else 0.
    pub ports: (u16, u16),
}

/// What a packet means for the binding of its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// One of many packets of the flow.
    Member,
    /// An echo request: binds until it is answered.
    Question,
    /// An echo reply: ends the binding.
    Answer,
    /// An ICMP error about a packet of the flow: follows the binding, and makes none.
    About,
}

/// Which pair is to carry an outgoing packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// None that was wanted.
    None,
    /// This one.
    Pair(PairId),
    /// Pairs of several clients, among them this one, and the flow is not known to be of one of them.
    Ambiguous(PairId),
}

#[derive(Clone, Copy, Debug)]
struct Binding {
    pair: PairId,
    until: Instant,
}

/// All bindings of a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Bindings {
    flows: BTreeMap<Flow, Binding>,
    ends: BTreeSet<(Instant, Flow)>,
}

impl Bindings {
    fn get(&self, flow: &Flow, now: Instant) -> Option<PairId> {
        self.flows.get(flow).filter(|binding| now < binding.until).map(|binding| binding.pair)
    }

    fn bind(&mut self, flow: Flow, binding: Binding, limit: usize, now: Instant) {
        self.release(&flow);
        while let Some((until, oldest)) = self.ends.first().copied() {
            if now < until && self.flows.len() < limit.max(1) {
                break;
            }
            self.release(&oldest);
        }
        self.ends.insert((binding.until, flow));
        self.flows.insert(flow, binding);
    }

    fn release(&mut self, flow: &Flow) {
        if let Some(binding) = self.flows.remove(flow) {
            self.ends.remove(&(binding.until, *flow));
        }
    }

    /// The new pair is the old one's successor.
    pub(super) fn hand_over(&mut self, old: PairId, new: PairId) {
        for binding in self.flows.values_mut().filter(|binding| binding.pair == old) {
            binding.pair = new;
        }
    }

    /// The pair is gone, and its flows are free.
    pub(super) fn forget(&mut self, pair: PairId) {
        self.flows.retain(|_, binding| binding.pair != pair);
        let flows = &self.flows;
        self.ends.retain(|(_, flow)| flows.contains_key(flow));
    }
}

/// What the pairs of one client share, rekeyed or for other traffic.
#[derive(PartialEq, Eq)]
enum Client {
    AcrossNat(u64),
    At(IpAddr, SocketAddr),
}

fn client(pair: &Pair) -> Client {
    match pair.udp {
        Some(udp) => Client::AcrossNat(udp.client),
        None => Client::At(pair.local, pair.peer_socket()),
    }
}

impl Sad {
    /// How many flows are bound.
    pub fn bindings(&self) -> usize {
        self.bindings.flows.len()
    }

    /// The pair that sends to `peer` (by [`Pair::home`]; `None`: to anyone), that `wanted` accepts, and whose client has this
    /// flow; the newest if there are several of one client, or the one that it still yields to. `flow` is asked only where clients behind NATs are about.
    pub fn choose(
        &self,
        peer: Option<IpAddr>,
        mut wanted: impl FnMut(&Pair) -> bool,
        flow: impl FnOnce() -> Option<Flow>,
        now: Instant,
    ) -> Choice {
        let of_peer = peer.and_then(|peer| self.outbound.get(&peer)).into_iter();
        let of_anyone = self.outbound.values().filter(|_| peer.is_none());
        let ids = of_peer.chain(of_anyone).rev().flat_map(|ids| ids.iter().rev());
        let mut pairs = ids.filter_map(|id| self.pairs.get(id));
        let Some(newest) = pairs.by_ref().find(|pair| wanted(pair)) else { return Choice::None };
        let other = |pair: &&Pair| client(pair) != client(newest) && wanted(pair);
        let others: alloc::vec::Vec<&Pair> = pairs.filter(other).collect();
        let chosen = |pair: &Pair| Choice::Pair(self.sender(pair, now));
        if newest.udp.is_none() && others.is_empty() {
            return chosen(newest);
        }
        let bound = flow().and_then(|flow| self.bindings.get(&flow, now)).and_then(|id| self.pairs.get(&id));
        match bound {
            Some(owner) => {
                let its = |pair: &&&Pair| client(pair) == client(owner);
                let found = [newest].iter().chain(&others).find(its).map(|pair| chosen(pair));
                found.unwrap_or(Choice::Ambiguous(newest.id))
            }
            None if others.is_empty() => chosen(newest),
            None => Choice::Ambiguous(newest.id),
        }
    }

    /// A packet of `flow` came in, authenticated, or leaves on this pair: the flow is its client's from now on.
    /// `false` when another living client has it. `limit` bounds the table.
    pub(crate) fn claim(&mut self, id: PairId, flow: Flow, part: Part, limit: usize, now: Instant) -> bool {
        let Some(pair) = self.pairs.get(&id) else { return true };
        if part == Part::About {
            return true;
        }
        let owner = self.bindings.get(&flow, now).and_then(|owner| self.pairs.get(&owner));
        if owner.is_some_and(|owner| client(owner) != client(pair)) {
            return false;
        }
        let idle = match (part, flow.protocol) {
            (Part::Answer, _) => {
                self.bindings.release(&flow);
                return true;
            }
            (Part::Question, _) => ECHO_IDLE,
            (_, 6) => TCP_IDLE,
            _ => IDLE,
        };
        self.bindings.bind(flow, Binding { pair: id, until: now + idle }, limit, now);
        true
    }
}

#[cfg(test)]
mod tests;
