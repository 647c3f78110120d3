//! The Internet Key Exchange: ISAKMP SAs, half-open negotiations, timers. Effects out.
//!
//! A datagram finds its ISAKMP SA by cookies: addresses and ports are attributes of the SA, and change only with
//! authenticated messages. A message that was answered before is answered again with the same bytes. Everything else is in
//! [`v1`], state by state.

mod addresses;
mod client;
mod context;
mod dos;
pub mod effect;
pub mod failure;
mod half_open;
mod identity;
mod idle;
mod keepalive;
mod liveness;
pub mod outbox;
mod pair;
pub mod proposal;
mod renewal;
mod respond;
mod retransmit;
mod sa;
mod sizes;
#[cfg(test)]
mod tests;
mod timer;
pub mod v1;
mod view;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::config::{Config, PolicyDatabases};
use crate::io::{DeleteReason, Event};
use crate::pad::{PadEntry, Phase1Exchange};
use crate::rng::Streams;
use crate::sad::{IpsecProtocol, PairId, Sad, Spi};
use crate::spd::{Action, EntryId};
use crate::time::Instant;
use crate::wire::isakmp::{Cookie, ExchangeType};
use crate::work::{WorkId, WorkResult};
use context::{Context, Node, Step};
use effect::{Acquire, Effect};
use failure::{Failure, FailureReason, IkeError, Phase, Progress};
use half_open::HalfOpenTable;
pub use liveness::PeerLiveness;
use retransmit::Ends;
use sa::{IsakmpSa, Names, SaId, WAITING_ACQUIRES};
pub use sizes::IkeSizes;
use timer::TimerKey;
use v1::Received;
use v1::aggressive_mode;
use v1::credential;
use v1::main_mode::initiator::Initiator;
use v1::phase1::Phase1;
use v1::vendor_id::{self, Capabilities, Occasion};
pub use view::IsakmpView;

/// The UDP port of IKE (RFC 2408 section 2.5.1).
pub const PORT: u16 = 500;

/// What IKE may look at and touch while it handles one input.
pub struct IkeContext<'a> {
    /// The time of the input.
    pub now: Instant,
    /// All randomness.
    pub streams: &'a Streams,
    /// SPD and PAD.
    pub policy: &'a PolicyDatabases,
    /// Only to reserve SPIs.
    pub sad: &'a mut Sad,
    /// What is to be done, in order.
    pub effects: &'a mut Vec<Effect>,
}

/// All IKE state of a node.
#[derive(Clone, Debug)]
pub struct Ike {
    sas: BTreeMap<SaId, IsakmpSa>,
    by_cookies: BTreeMap<(Cookie, Cookie), SaId>,
    half_open: HalfOpenTable,
    node: Node,
}

impl Ike {
    /// IKE of a node with this configuration.
    pub fn new(config: &Config) -> Self {
        let node = Node::new(config);
        let limits = &config.limits;
        let half_open =
            HalfOpenTable::new(limits.half_open, limits.half_open_per_source, node.half_open_age());
        Ike { sas: BTreeMap::new(), by_cookies: BTreeMap::new(), half_open, node }
    }

    /// A UDP payload arrived on port 500 (or 4500, marker taken off) at `local` from `peer`.
    pub fn handle_datagram(
        &mut self,
        local: SocketAddr,
        peer: SocketAddr,
        payload: &[u8],
        cx: &mut IkeContext<'_>,
    ) {
        match Received::new(local, peer, payload) {
            Ok(received) => self.receive(&received, cx),
            Err(error) => context(&mut self.node, cx).ignore(peer, IkeError::Decode(error)),
        }
        self.run_inline(cx);
    }

    fn receive(&mut self, received: &Received<'_>, cx: &mut IkeContext<'_>) {
        let header = &received.header;
        let (cky_i, cky_r) = (header.cky_i, header.cky_r);
        if context(&mut self.node, cx).receive_about_delete(received) {
            return;
        }
        if let Some(protection) = self.node.config.dos_protection {
            self.consider_protection(protection, cx);
        }
        if cky_r.is_zero() {
            return self.receive_first(received, cx);
        }
        if let Some(id) = self.by_cookies.get(&(cky_i, cky_r)).copied() {
            return self.with(id, cx, |sa, cx| sa.receive(received, cx));
        }
        // Our own phase 1, before it knows the responder's cookie.
        if let Some(id) = self.by_cookies.get(&(cky_i, Cookie::ZERO)).copied() {
            return match header.exchange_type {
                ExchangeType::MAIN_MODE | ExchangeType::AGGRESSIVE => {
                    self.with(id, cx, |sa, cx| sa.receive(received, cx));
                }
                ExchangeType::INFORMATIONAL => self.with(id, cx, |sa, cx| sa.note(received, cx)),
                _ => context(&mut self.node, cx).ignore(received.peer, IkeError::UnknownCookies),
            };
        }
        if self.half_open.get(cky_i, cky_r, cx.now).is_some() {
            return self.receive_third(received, cx);
        }
        if self.is_vouched(received, cx) {
            return self.receive_first(received, cx);
        }
        context(&mut self.node, cx).ignore(received.peer, IkeError::UnknownCookies);
    }

    /// The datapath wants a pair of SAs. Ignored while the same acquire is being negotiated already.
    pub fn acquire(&mut self, acquire: Acquire, cx: &mut IkeContext<'_>) {
        // A peer that carries a part of it was asked already; packets of the rest go nowhere while it does.
        if self.node.pairs.is_narrowed(&acquire) {
            cx.effects.push(Effect::AcquireFailed { acquire, silent: false });
        } else if !self.is_negotiating(&acquire) {
            self.node.acquires += 1;
            self.negotiate(acquire, cx);
            self.run_inline(cx);
        }
    }

    fn negotiate(&mut self, acquire: Acquire, cx: &mut IkeContext<'_>) {
        let Some(entry) = cx.policy.pad.lookup(acquire.local, acquire.peer) else {
            return self.refuse(acquire, FailureReason::NoPolicy, cx);
        };
        if let Err(reason) = credential::any(entry) {
            return self.refuse(acquire, reason, cx);
        }
        let between = |sa: &&IsakmpSa| {
            let ends = (sa.names.local.ip(), sa.names.peer.ip());
            let authorised = sa.names.pad_entry == entry.id || sa.names.found_by.is_some();
            let serves = authorised && self.may_serve(&sa.names, &acquire);
            ends == (acquire.local, acquire.peer) && serves && !sa.closed && !sa.dead && !sa.deleted
        };
        let usable = |sa: &&IsakmpSa| {
            let begun = sa.quick_modes_begun as usize + sa.acquires.len();
            let spent = entry.quick_modes != 0 && begun >= entry.quick_modes as usize;
            let live =
                sa.established().map_or(sa.names.initiator, |established| cx.now < established.expires);
            live && !spent
        };
        // An established SA is better than a main mode under way; among equals the newest.
        let found = self.sas.values().filter(between).filter(usable);
        if let Some(sa) = found.max_by_key(|sa| (sa.established().is_some(), sa.names.id)) {
            if sa.acquires.len() >= WAITING_ACQUIRES {
                let full = FailureReason::Protocol(IkeError::Busy("the queue of negotiations"));
                return self.refuse(acquire, full, cx);
            }
            return self.with(sa.names.id, cx, |sa, cx| {
                sa.acquires.push_back(acquire);
                sa.start_quick_modes(cx);
            });
        }
        if self.sas.len() >= self.node.limits.isakmp_sas {
            let full = FailureReason::Protocol(IkeError::Busy("the table of ISAKMP SAs"));
            return self.refuse(acquire, full, cx);
        }
        let ends = self.beginning(&acquire);
        self.begin(entry, ends, Some(acquire), cx);
    }

    /// Begins a phase 1 between these ends.
    fn begin(
        &mut self,
        entry: &PadEntry,
        (local, peer): Ends,
        acquire: Option<Acquire>,
        cx: &mut IkeContext<'_>,
    ) -> SaId {
        let id = SaId(self.node.next_number());
        let alone = !self.is_established_with(peer.ip());
        let mut cx = context(&mut self.node, cx);
        let occasion = Occasion { peer: peer.ip(), alone, answered: None };
        let names = Names {
            id,
            local,
            peer,
            initiator: true,
            cky_i: cx.cookie(id.0),
            cky_r: Cookie::ZERO,
            pad_entry: entry.id,
            exchange: entry.exchange,
            identity: entry.identity.clone(),
            peer_identities: entry.peer_identities.clone(),
            found_by: None,
            started: cx.now,
            alone,
            we_can: vendor_id::payloads(&cx.node.config.vendor_ids, occasion).1,
            peer_can: Capabilities::default(),
            fragmenting: false,
            pretend: cx.node.config.nat_traversal.pretend,
            nat: None,
            floated: false,
            peer_id: None,
            client: id,
        };
        let (local, peer, cky_i) = (names.local, names.peer, names.cky_i);
        let exchange = names.exchange;
        cx.event(Event::MainModeStarted { local, peer, exchange, initiator: true, cky_i });
        let mut sa = IsakmpSa::new(names, Phase1::Failed(FailureReason::Deleted(DeleteReason::Abandoned)));
        let mut step = Step { names: &sa.names, exchange: &mut sa.exchange, message_id: 0, cx: &mut cx };
        sa.phase1 = match entry.exchange {
            Phase1Exchange::MainMode => Initiator::start(entry, &mut step),
            Phase1Exchange::AggressiveMode => aggressive_mode::initiator::Initiator::start(entry, &mut step),
        };
        sa.acquires.extend(acquire);
        self.by_cookies.insert((cky_i, Cookie::ZERO), id);
        self.sas.insert(id, sa);
        id
    }

    /// The one place where a negotiation fails before it begins.
    fn refuse(&mut self, acquire: Acquire, reason: FailureReason, cx: &mut IkeContext<'_>) {
        let failure = Failure {
            local: SocketAddr::new(acquire.local, PORT),
            peer: SocketAddr::new(acquire.peer, PORT),
            cky_i: Cookie::ZERO,
            initiator: true,
            phase: Phase::MainMode,
            entry: Some(acquire.entry),
            selector: Some(acquire.selector.clone()),
            method: credential::preferred(cx.policy.pad.lookup(acquire.local, acquire.peer)),
            started: cx.now,
            progress: Progress::NotBegun,
            reason,
        };
        cx.effects.push(Effect::Event(Event::Failed(failure)));
        cx.effects.push(Effect::AcquireFailed { acquire, silent: false });
    }

    /// Whether this acquire is being negotiated: the same traffic for the same entry, whatever it replaces.
    pub fn is_negotiating(&self, acquire: &Acquire) -> bool {
        let same = |other: &Acquire| {
            (other.entry, other.local, other.peer) == (acquire.entry, acquire.local, acquire.peer)
                && other.selector == acquire.selector
                && self.client_of(other) == self.client_of(acquire)
        };
        self.sas.values().any(|sa| {
            sa.acquires.iter().any(same)
                || sa.quick_modes.values().filter_map(|quick_mode| quick_mode.state.acquire()).any(same)
        })
    }

    /// The datapath removed a pair (expired, deleted by command or policy): tell the peer which of our inbound SPIs are
    /// gone (RFC 2408 section 3.15).
    pub fn pair_deleted(
        &mut self,
        pair: PairId,
        inbound: &[(IpsecProtocol, Spi)],
        why: DeleteReason,
        cx: &mut IkeContext<'_>,
    ) {
        let Some(known) = self.node.pairs.remove(pair) else { return };
        self.node.timers.forget_pair(pair);
        if !matches!(why, DeleteReason::PeerDeleted | DeleteReason::InitialContact) {
            let mut cx = context(&mut self.node, cx);
            announce_deleted(&self.sas, &pair::Pair { inbound: inbound.to_vec(), ..known }, &mut cx);
        }
    }

    /// An authenticated ESP packet of this encapsulated pair came from a new address or port, which the pair follows already
    /// (RFC 3947 section 7): what else belongs to this peer is to follow.
    pub fn peer_moved(&mut self, pair: PairId, local: SocketAddr, peer: SocketAddr, cx: &mut IkeContext<'_>) {
        if let Some(client) = self.node.pairs.get(pair).map(|known| known.client) {
            self.relocate(client, (local, peer), Some(pair), cx);
            self.keep_alive((local, peer), cx);
        }
    }

    /// The first valid packet arrived on a new pair: the peer has it, which confirms a lost last message of quick mode.
    pub fn pair_confirmed(&mut self, pair: PairId, cx: &mut IkeContext<'_>) {
        if let Some((id, message_id)) = self.node.pairs.get(pair).map(|pair| pair.exchange) {
            self.with(id, cx, |sa, cx| sa.confirm_quick_mode(message_id, cx));
        }
    }

    /// Offloaded work is done.
    pub fn work_done(&mut self, id: WorkId, result: WorkResult, cx: &mut IkeContext<'_>) {
        self.deliver(id, result, cx);
        self.run_inline(cx);
    }

    fn deliver(&mut self, id: WorkId, result: WorkResult, cx: &mut IkeContext<'_>) {
        if let Some(owner) = self.node.take_owner(id) {
            self.with(owner.sa, cx, |sa, cx| sa.work_done(owner.message_id, id, result, cx));
        }
    }

    fn run_inline(&mut self, cx: &mut IkeContext<'_>) {
        while let Some((id, work)) = self.node.take_inline() {
            self.deliver(id, work.run(), cx);
        }
    }

    /// The policy databases were swapped: drop ISAKMP SAs and negotiations that the new PAD and SPD do not allow.
    pub fn policy_changed(&mut self, cx: &mut IkeContext<'_>) {
        self.half_open.clear();
        self.watch_half_open();
        for id in self.ids() {
            let Some(sa) = self.sas.get_mut(&id) else { continue };
            let entry = sa.names.entry_in(&cx.policy.pad, sa.names.local.ip(), sa.names.peer.ip());
            let allowed = entry.filter(|entry| match sa.established() {
                Some(established) => {
                    credential::is_allowed(&established.credential, entry)
                        && entry.proposals.contains(&established.proposal)
                }
                None => entry.id == sa.names.pad_entry,
            });
            match allowed {
                Some(entry) => sa.names.pad_entry = entry.id,
                None => {
                    self.close(id, DeleteReason::Policy, cx);
                    continue;
                }
            }
            self.with(id, cx, |sa, cx| {
                let gone = |acquire: &Acquire| !still_wanted(cx.policy, acquire.entry, acquire);
                let ended: Vec<u32> = sa
                    .quick_modes
                    .iter()
                    .filter(|(_, quick_mode)| quick_mode.state.acquire().is_some_and(gone))
                    .map(|(message_id, _)| *message_id)
                    .collect();
                let (dropped, kept) = core::mem::take(&mut sa.acquires).into_iter().partition(gone);
                sa.acquires = kept;
                for acquire in Vec::<Acquire>::from_iter::<alloc::collections::VecDeque<_>>(dropped) {
                    cx.effects.push(Effect::AcquireFailed { acquire, silent: false });
                }
                for message_id in ended {
                    sa.fail_quick_mode(message_id, FailureReason::Deleted(DeleteReason::Policy), cx);
                }
            });
        }
    }

    /// Delete all SAs and tell the peers.
    pub fn shutdown(&mut self, cx: &mut IkeContext<'_>) {
        let pairs: Vec<PairId> = self.node.pairs.iter().map(|(id, _)| id).collect();
        for pair in pairs {
            self.delete_pair(pair, DeleteReason::Command, cx);
        }
        self.half_open.clear();
        self.watch_half_open();
        for id in self.ids() {
            self.close(id, DeleteReason::Command, cx);
        }
    }

    /// Starts anew as if nothing had ever been negotiated. What selects random streams goes on, so that none is used twice.
    pub fn forget(&mut self, config: &Config) {
        let node = self.node.anew(config);
        *self = Ike { node, ..Ike::new(config) };
    }

    /// Fires the timers that are due at `cx.now`, in (deadline, key) order.
    pub fn handle_timeout(&mut self, cx: &mut IkeContext<'_>) {
        while let Some(key) = self.node.timers.pop_due(cx.now) {
            match key {
                TimerKey::Phase1(id) => self.with(id, cx, IsakmpSa::phase1_due),
                TimerKey::HalfOpen => self.half_open_due(cx),
                TimerKey::QuickMode(id, message_id) => {
                    self.with(id, cx, |sa, cx| sa.quick_mode_due(message_id, cx));
                }
                TimerKey::Delete(number) => context(&mut self.node, cx).delete_due(number),
                TimerKey::Liveness(id) => self.with(id, cx, IsakmpSa::liveness_due),
                TimerKey::Expiry(id) => self.close(id, DeleteReason::Expired, cx),
                TimerKey::Replaced(pair) => self.delete_pair(pair, DeleteReason::Replaced, cx),
                TimerKey::Idle(pair) => self.idle_due(pair, cx),
                TimerKey::Keepalive(local, peer) => self.keepalive_due((local, peer), cx),
                TimerKey::Renewal(id) => self.renewal_due(id, cx),
            }
            self.run_inline(cx);
        }
    }

    /// When the next timer is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.node.timers.next()
    }

    /// Half-open main modes held at this moment.
    #[cfg(test)]
    fn half_open_count(&self) -> usize {
        self.half_open.len()
    }

    /// Whether an ISAKMP SA with this address is established.
    pub(crate) fn is_established_with(&self, peer: IpAddr) -> bool {
        self.sas.values().any(|sa| sa.names.peer.ip() == peer && sa.established().is_some() && !sa.deleted)
    }

    fn ids(&self) -> Vec<SaId> {
        self.sas.keys().copied().collect()
    }

    /// Deletes a pair and tells the peer.
    fn delete_pair(&mut self, pair: PairId, why: DeleteReason, cx: &mut IkeContext<'_>) {
        let Some(known) = self.node.pairs.remove(pair) else { return };
        self.node.timers.forget_pair(pair);
        let mut cx = context(&mut self.node, cx);
        announce_deleted(&self.sas, &known, &mut cx);
        cx.effects.push(Effect::DeleteSa { pair, why });
    }

    /// Lets one ISAKMP SA handle something, and draws the conclusions that concern others.
    fn with(&mut self, id: SaId, cx: &mut IkeContext<'_>, act: impl FnOnce(&mut IsakmpSa, &mut Context<'_>)) {
        let Some(sa) = self.sas.get_mut(&id) else { return };
        let cookies = (sa.names.cky_i, sa.names.cky_r);
        let (was_established, ends) = (sa.established().is_some(), (sa.names.local, sa.names.peer));
        act(sa, &mut context(&mut self.node, cx));
        let now_cookies = (sa.names.cky_i, sa.names.cky_r);
        if cookies != now_cookies {
            self.by_cookies.remove(&cookies);
            self.by_cookies.insert(now_cookies, id);
        }
        if sa.closed {
            return self.remove(id);
        }
        let fresh = core::mem::take(&mut sa.fresh);
        let initial = fresh && sa.established().is_some_and(|established| established.initial_contact);
        let purge = core::mem::take(&mut sa.purge) || initial;
        if was_established {
            self.followed(id, ends, cx);
        }
        if fresh {
            self.recognise(id, cx);
        }
        if purge {
            self.purge(id, cx);
        }
        if fresh {
            self.plan_renewal(id, cx);
            self.with(id, cx, IsakmpSa::start_quick_modes);
        }
        self.retire(id, cx);
        self.bury(id, cx);
    }

    /// An ISAKMP SA that has made all the quick modes it may (one, with master-key PFS) stays as long as its answers may be
    /// asked for again; with Windows as long as it lives.
    fn retire(&mut self, id: SaId, cx: &mut IkeContext<'_>) {
        let Some(sa) = self.sas.get_mut(&id).filter(|sa| !sa.spent) else { return };
        let Some(expires) = sa.established().map(|established| established.expires) else { return };
        let limit = cx.policy.pad.entries.iter().find(|entry| entry.id == sa.names.pad_entry);
        let limit = limit.map_or(0, |entry| entry.quick_modes);
        let idle =
            sa.acquires.is_empty() && !sa.quick_modes.values().any(|quick_mode| quick_mode.state.is_active());
        if limit != 0 && sa.quick_modes_begun >= limit && idle {
            sa.spent = true;
            if self.node.config.spent_sas_stay {
                return;
            }
            let end = expires.min(cx.now + self.node.linger());
            self.node.timers.set(TimerKey::Expiry(id), end);
        }
    }

    /// Removes the ISAKMP SAs that the peer has deleted, or that it answers no more.
    fn bury(&mut self, id: SaId, cx: &mut IkeContext<'_>) {
        let Some(sa) = self.sas.get_mut(&id) else { return };
        if core::mem::take(&mut sa.unreachable) {
            return self.peer_is_dead(id, cx);
        }
        let (names, dead) = (sa.names.clone(), core::mem::take(&mut sa.dead));
        let deleted = core::mem::take(&mut sa.deleted_by_peer);
        for cookies in deleted {
            let Some(gone) = self.by_cookies.get(&cookies).copied() else { continue };
            if self.sas.get(&gone).is_some_and(|sa| sa.names.is_same_peer(&names)) {
                self.close(gone, DeleteReason::PeerDeleted, cx);
            }
        }
        if dead {
            self.close(id, DeleteReason::Abandoned, cx);
        }
    }

    /// Authenticated INITIAL-CONTACT on this SA: the peer knows nothing older. What it made since this main mode began is
    /// newer than its loss.
    fn purge(&mut self, id: SaId, cx: &mut IkeContext<'_>) {
        let Some(sa) = self.sas.get(&id) else { return };
        let (peer, since) = (sa.names.peer.ip(), sa.names.started);
        if sa.names.across_nat().is_some() {
            return self.purge_client(id, since, cx);
        }
        let (mut keep, gone) = self.node.pairs.split_by_age(&sa.names, since);
        // Those behind a NAT with this address have said nothing.
        keep.extend(self.node.pairs.iter().filter(|(_, pair)| pair.udp.is_some()).map(|(id, _)| id));
        for pair in gone {
            self.node.pairs.remove(pair);
            self.node.timers.forget_pair(pair);
        }
        cx.effects.push(Effect::PurgePeer { peer, keep });
        let older = |sa: &&IsakmpSa| {
            sa.names.id != id
                && sa.names.across_nat().is_none()
                && sa.names.peer.ip() == peer
                && sa.established().is_some_and(|established| established.since < since)
        };
        let older: Vec<SaId> = self.sas.values().filter(older).map(|sa| sa.names.id).collect();
        for id in older {
            self.close(id, DeleteReason::InitialContact, cx);
        }
    }

    /// Ends an ISAKMP SA: tells the peer where that makes sense, fails or moves what ran under it.
    fn close(&mut self, id: SaId, why: DeleteReason, cx: &mut IkeContext<'_>) {
        let Some(sa) = self.sas.get_mut(&id) else { return };
        if sa.deleted {
            return self.remove(id);
        }
        let mut moved = Vec::new();
        {
            let mut cx = context(&mut self.node, cx);
            let cx = &mut cx;
            if sa.established().is_none() {
                sa.fail_phase1(FailureReason::Deleted(why), sa.phase1.progress(), cx);
            } else {
                let orderly =
                    matches!(why, DeleteReason::Expired | DeleteReason::Policy | DeleteReason::Command);
                if orderly || why == DeleteReason::DeadPeer {
                    sa.announce_end(cx);
                }
                // With the end of its lifetime, or of its peer, what it was to negotiate goes on under a new one.
                let active: Vec<u32> = sa.quick_modes.keys().copied().collect();
                let waiting = core::mem::take(&mut sa.acquires);
                for message_id in active {
                    sa.fail_quick_mode(message_id, FailureReason::Deleted(why), cx);
                }
                if matches!(why, DeleteReason::Expired | DeleteReason::DeadPeer) {
                    moved.extend(waiting);
                } else {
                    let failed =
                        waiting.into_iter().map(|acquire| Effect::AcquireFailed { acquire, silent: false });
                    cx.effects.extend(failed);
                }
                let (cky_i, cky_r) = (sa.names.cky_i, sa.names.cky_r);
                cx.event(Event::IsakmpSaDeleted { cky_i, cky_r, why });
            }
        }
        self.remove_later(id, why, cx.now);
        for acquire in moved {
            self.acquire(acquire, cx);
        }
    }

    /// Removes an ISAKMP SA that has ended. With reliable deletes it stays for a while, to take and answer the peer's
    /// (MS-IKEE appendix A <26>).
    fn remove_later(&mut self, id: SaId, why: DeleteReason, now: Instant) {
        let Some(sa) = self.sas.get_mut(&id) else { return };
        let orderly = !matches!(
            why,
            DeleteReason::Abandoned
                | DeleteReason::InitialContact
                | DeleteReason::DeadPeer
                | DeleteReason::AddressGone
        );
        if !orderly || sa.closed || !sa.has_reliable_delete(self.node.config.reliable_delete) {
            return self.remove(id);
        }
        sa.deleted = true;
        self.node.timers.set(TimerKey::Expiry(id), now + self.node.linger());
    }

    fn remove(&mut self, id: SaId) {
        let Some(sa) = self.sas.remove(&id) else { return };
        self.by_cookies.remove(&(sa.names.cky_i, sa.names.cky_r));
        self.node.forget_work(id);
        self.node.timers.cancel(TimerKey::Phase1(id));
        self.node.timers.cancel(TimerKey::Expiry(id));
        self.node.timers.cancel(TimerKey::Liveness(id));
        self.node.timers.cancel(TimerKey::Renewal(id));
        for message_id in sa.quick_modes.keys() {
            self.node.timers.cancel(TimerKey::QuickMode(id, *message_id));
        }
    }
}

fn context<'a>(node: &'a mut Node, cx: &'a mut IkeContext<'_>) -> Context<'a> {
    Context { now: cx.now, streams: cx.streams, policy: cx.policy, sad: cx.sad, effects: cx.effects, node }
}

/// Tells the peer of a deleted pair, under the newest ISAKMP SA with it. Without one nobody can be told.
fn announce_deleted(sas: &BTreeMap<SaId, IsakmpSa>, pair: &pair::Pair, cx: &mut Context<'_>) {
    let with_peer = |sa: &&IsakmpSa| {
        sa.established().is_some()
            && !sa.deleted
            && sa.names.local.ip() == pair.local
            && pair.is_of(&sa.names)
    };
    let its_own = |sa: &&IsakmpSa| pair.udp.is_some() && sa.names.client == pair.client;
    if let Some(sa) = sas.values().filter(with_peer).max_by_key(|sa| (its_own(sa), sa.names.id)) {
        sa.announce_deleted(&pair.inbound, cx);
    }
}

/// Whether the policy still wants this traffic protected by this entry.
fn still_wanted(policy: &PolicyDatabases, entry: EntryId, acquire: &Acquire) -> bool {
    policy.spd.get(entry).is_some_and(|entry| {
        matches!(entry.action, Action::Protect(_)) && entry.selector.covers(&acquire.selector)
    })
}
