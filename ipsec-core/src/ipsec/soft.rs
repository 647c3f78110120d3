//! Soft associations: peers that gave no answer to IKE, with which traffic passes in clear for a while where its entry allows
//! that (Windows: "Allow unsecured communication with non-IPSec-aware computers").
//!
//! | | |
//! |---|---|
//! | trigger | all that [`IkeConfig::soft_trial`](crate::config::IkeConfig) asks was sent, and not one datagram came back |
//! | ban | "if any reply comes from the responder, no fallback is allowed" (Windows 2000 Resource Kit, Filter Actions); nor is it while SAs with the peer live |
//! | what it lets pass | traffic of this entry with this peer: out, and in transport mode in |
//! | end | its lifetime ([`PadEntry::soft_seconds`](crate::pad::PadEntry)), SAs with the peer, a new policy |
//!
//! Then the next packet asks IKE again. Whether Windows prolonged one that is in use is not known; here nothing does.

use core::net::IpAddr;

use super::{Ipsec, REKEY_AGAIN};
use crate::ike::effect::Acquire;
use crate::io::{DropReason, Event};
use crate::spd::{Action, EntryId};
use crate::time::{Duration, Instant};

/// How long one lives where the PAD says nothing.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);

/// One soft association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftAssociation {
    /// The entry that allows it.
    pub entry: EntryId,
    /// Our address.
    pub local: IpAddr,
    /// The silent peer.
    pub peer: IpAddr,
    /// When it began.
    pub since: Instant,
    /// When it ends.
    pub until: Instant,
}

impl Ipsec {
    /// The negotiation for `acquire` came to nothing.
    pub(super) fn acquire_failed(&mut self, acquire: &Acquire, silent: bool, now: Instant) {
        self.counters.ike.acquire_failures += 1;
        if let Some(replaced) = acquire.replaces {
            // The old pair lives on to its hard end; until then it is tried again.
            self.sad.retry_soft(replaced, now + REKEY_AGAIN);
        }
        // A packet that met the end of the old pair waits for its successor as for a first pair.
        let acquire = &Acquire { replaces: None, ..acquire.clone() };
        let spd = self.config.policy.spd.clone();
        let entry = spd.get(acquire.entry);
        let silent = silent && !self.knows_ike(acquire.peer);
        let falls_back = silent && matches!(entry.map(|e| &e.action), Some(Action::Protect(p)) if p.fallback);
        if falls_back {
            self.note_soft(acquire, now);
        }
        for held in self.pending.take(acquire) {
            if falls_back {
                self.release(held, now);
            } else {
                let reason = DropReason::NegotiationFailed(held.entry);
                self.drop_packet(held.packet, held.interface, reason, None);
            }
        }
    }

    /// Whether the peer has SAs with us: then it is not one without IPsec, only silent at the moment.
    fn knows_ike(&self, peer: IpAddr) -> bool {
        self.ike.is_established_with(peer) || self.sad.pairs().any(|pair| pair.peer == peer)
    }

    fn note_soft(&mut self, acquire: &Acquire, now: Instant) {
        while self.soft.len() >= self.config.limits.peer_notes.max(1) {
            let oldest = self.soft.iter().min_by_key(|(key, soft)| (soft.until, **key)).map(|(key, _)| *key);
            let Some(key) = oldest else { break };
            self.end_soft(key);
        }
        let (entry, local, peer) = (acquire.entry, acquire.local, acquire.peer);
        let seconds = self.config.policy.pad.lookup(local, peer).and_then(|entry| entry.soft_seconds);
        let lifetime = seconds.map_or(DEFAULT_LIFETIME, |seconds| Duration::from_secs(seconds.into()));
        let soft = SoftAssociation { entry, local, peer, since: now, until: now + lifetime };
        self.soft.insert((entry, peer), soft);
        self.event(Event::SoftAssociation { entry, peer });
    }

    /// Whether traffic of this entry with this peer passes in clear.
    pub(super) fn is_soft(&self, entry: EntryId, peer: IpAddr, now: Instant) -> bool {
        self.soft.get(&(entry, peer)).is_some_and(|soft| now < soft.until)
    }

    /// When the first one ends.
    pub(super) fn soft_timeout(&self) -> Option<Instant> {
        self.soft.values().map(|soft| soft.until).min()
    }

    /// Ends those whose time has come.
    pub(super) fn expire_soft(&mut self, now: Instant) {
        self.end_soft_where(|soft| soft.until <= now);
    }

    /// Ends those that the condition is true of.
    pub(super) fn end_soft_where(&mut self, over: impl Fn(&SoftAssociation) -> bool) {
        let ended: alloc::vec::Vec<_> =
            self.soft.iter().filter(|(_, soft)| over(soft)).map(|(key, _)| *key).collect();
        ended.into_iter().for_each(|key| self.end_soft(key));
    }

    fn end_soft(&mut self, key: (EntryId, IpAddr)) {
        if let Some(SoftAssociation { entry, peer, .. }) = self.soft.remove(&key) {
            self.event(Event::SoftAssociationEnded { entry, peer });
        }
    }
}
