//! Main modes of which only the first message came: answered, held cheaply, and never more than a bound.
//!
//! Message 1 may carry any source address, so it earns no ISAKMP SA, no Diffie-Hellman and no timer of its own (RFC 2408 section
//! 2.5.3): its reply is kept, to be sent again when it is repeated, and SAi_b, which IKEv1 needs for its hashes. Message 3
//! proves that the peer sees what is sent to its address.
//!
//! All entries together have one timer: an entry whose time is over is a negotiation that failed, and is told, as is Windows'
//! habit ("there will usually be many audits for failed IKE negotiations to spoofed IP addresses", oakley.dll); what has to
//! make room for others is not. Windows' responders repeat message 2 unasked as well: whoever forges a source address has
//! seven datagrams sent to it instead of one, which is why it is off unless a profile asks for it.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::failure::{Failure, FailureReason, Phase, Progress};
use super::retransmit::Digest;
use super::v1::credential::Credential;
use super::v1::vendor_id::Capabilities;
use crate::config::RetransmitSchedule;
use crate::pad::{MainModeProposal, PadEntryId};
use crate::time::{Duration, Instant};
use crate::wire::isakmp::Cookie;

/// An answered first message.
#[derive(Clone, Debug)]
pub(crate) struct HalfOpen {
    /// Our end.
    pub(crate) local: SocketAddr,
    /// Where the message came from.
    pub(crate) peer: SocketAddr,
    /// The initiator's cookie.
    pub(crate) cky_i: Cookie,
    /// Ours.
    pub(crate) cky_r: Cookie,
    /// The exchange's number, which selects its random streams.
    pub(crate) number: u64,
    /// When it came.
    pub(crate) born: Instant,
    /// Of the message.
    pub(crate) digest: Digest,
    /// The body of its SA payload.
    pub(crate) sa_i_b: Vec<u8>,
    /// What we chose of it.
    pub(crate) chosen: MainModeProposal,
    /// The lifetime of the SA it may become, in seconds.
    pub(crate) lifetime_seconds: u32,
    /// Whether that is less than was offered.
    pub(crate) shortened: bool,
    /// Who may do this.
    pub(crate) pad_entry: PadEntryId,
    /// What it authenticates with.
    pub(crate) credential: Credential,
    /// Whether no ISAKMP SA with the peer was established when it came.
    pub(crate) alone: bool,
    /// What our vendor IDs announced.
    pub(crate) we_can: Capabilities,
    /// What the peer's announced.
    pub(crate) peer_can: Capabilities,
    /// Our message 2.
    pub(crate) reply: Vec<u8>,
    /// How often it was repeated unasked.
    pub(crate) repeats: u32,
    /// When it is next.
    pub(crate) again: Option<Instant>,
}

impl HalfOpen {
    /// Message 2 was sent: when it is due again, if a responder of ours repeats itself.
    fn schedule(&mut self, schedule: Option<&RetransmitSchedule>, now: Instant) {
        let gap = schedule.and_then(|schedule| schedule.gaps.get(self.repeats as usize));
        self.again = gap.map(|gap| now + *gap);
    }

    /// What is told when message 3 never came.
    pub(crate) fn given_up(&self) -> Failure {
        Failure {
            local: self.local,
            peer: self.peer,
            cky_i: self.cky_i,
            initiator: false,
            phase: Phase::MainMode,
            entry: None,
            selector: None,
            method: Some(self.credential.method()),
            started: self.born,
            progress: Progress::SaProcessed,
            reason: FailureReason::TimedOut("waiting for main mode message 3"),
        }
    }
}

/// The half-open main modes, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct HalfOpenTable {
    entries: VecDeque<HalfOpen>,
    limit: usize,
    limit_per_source: usize,
    /// How long the peer repeats its first message.
    max_age: Duration,
}

impl HalfOpenTable {
    pub(crate) fn new(limit: usize, limit_per_source: usize, max_age: Duration) -> Self {
        HalfOpenTable { entries: VecDeque::new(), limit, limit_per_source, max_age }
    }

    /// Adds an entry, and makes room first: entries past their time go, then the source's own oldest ones above its limit,
    /// then the oldest of the source that has the most. A flood from one address thus displaces itself.
    pub(crate) fn insert(&mut self, entry: HalfOpen) {
        self.expire(entry.born);
        let source = entry.peer.ip();
        while self.of(source).count() >= self.limit_per_source.max(1) {
            self.remove_oldest_of(source);
        }
        while self.entries.len() >= self.limit.max(1) {
            match self.heaviest() {
                Some(source) => self.remove_oldest_of(source),
                None => break,
            }
        }
        self.entries.push_back(entry);
    }

    /// Message 2 of the newest entry was sent.
    pub(crate) fn sent(&mut self, schedule: Option<&RetransmitSchedule>, now: Instant) {
        if let Some(newest) = self.entries.back_mut() {
            newest.schedule(schedule, now);
        }
    }

    /// When the next message 2 is to be repeated unasked, or the time of the oldest entry is over.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let over = self.entries.front().map(|oldest| oldest.born + self.max_age);
        self.entries.iter().filter_map(|entry| entry.again).chain(over).min()
    }

    /// Takes an entry whose time is over.
    pub(crate) fn pop_expired(&mut self, now: Instant) -> Option<HalfOpen> {
        self.entries.pop_front_if(|oldest| oldest.born + self.max_age <= now)
    }

    /// An entry whose message 2 is to be repeated now, with the count of its repetitions; its next one is set.
    pub(crate) fn pop_due(
        &mut self,
        schedule: Option<&RetransmitSchedule>,
        now: Instant,
    ) -> Option<&HalfOpen> {
        let entry = self.entries.iter_mut().find(|entry| entry.again.is_some_and(|at| at <= now))?;
        entry.repeats = entry.repeats.saturating_add(1);
        entry.schedule(schedule, now);
        Some(entry)
    }

    /// Entries at these addresses of ours are gone.
    pub(crate) fn forget_local(&mut self, gone: &[IpAddr]) {
        self.entries.retain(|entry| !gone.contains(&entry.local.ip()));
    }

    fn expire(&mut self, now: Instant) {
        while self.pop_expired(now).is_some() {}
    }

    /// How many there are within their time.
    pub(crate) fn live(&mut self, now: Instant) -> usize {
        self.expire(now);
        self.entries.len()
    }

    /// How many of one source there are.
    pub(crate) fn count_of(&self, source: IpAddr) -> usize {
        self.of(source).count()
    }

    fn of(&self, source: IpAddr) -> impl Iterator<Item = &HalfOpen> {
        self.entries.iter().filter(move |entry| entry.peer.ip() == source)
    }

    fn remove_oldest_of(&mut self, source: IpAddr) {
        if let Some(place) = self.entries.iter().position(|entry| entry.peer.ip() == source) {
            self.entries.remove(place);
        }
    }

    /// The source with the most entries; among equals the one whose entry is the oldest.
    fn heaviest(&self) -> Option<IpAddr> {
        let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for entry in &self.entries {
            *counts.entry(entry.peer.ip()).or_default() += 1;
        }
        let most = counts.values().max()?;
        let heavy = |entry: &&HalfOpen| counts.get(&entry.peer.ip()) == Some(most);
        self.entries.iter().find(heavy).map(|entry| entry.peer.ip())
    }

    /// The entry that this first message made when it came before.
    pub(crate) fn repeated(&self, peer: SocketAddr, digest: &Digest, now: Instant) -> Option<&HalfOpen> {
        self.entries.iter().find(|e| e.digest == *digest && e.peer == peer && self.is_live(e, now))
    }

    /// The entry with these cookies.
    pub(crate) fn get(&self, cky_i: Cookie, cky_r: Cookie, now: Instant) -> Option<&HalfOpen> {
        self.entries.iter().find(|e| e.cky_i == cky_i && e.cky_r == cky_r && self.is_live(e, now))
    }

    fn is_live(&self, entry: &HalfOpen, now: Instant) -> bool {
        entry.born + self.max_age > now
    }

    /// Takes the entry with these cookies: it has become an ISAKMP SA.
    pub(crate) fn take(&mut self, cky_i: Cookie, cky_r: Cookie) -> Option<HalfOpen> {
        let place = self.entries.iter().position(|e| e.cky_i == cky_i && e.cky_r == cky_r)?;
        self.entries.remove(place)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// How many there are, the expired ones included.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Cipher, Group, HashAlg};

    fn entry(number: u64, host: [u8; 4], born: u64) -> HalfOpen {
        let socket = SocketAddr::new(host.into(), 500);
        HalfOpen {
            local: socket,
            peer: socket,
            cky_i: Cookie(number.to_be_bytes()),
            cky_r: Cookie(number.to_be_bytes()),
            number,
            born: Instant::from_secs(born),
            digest: [number as u8; 16],
            sa_i_b: Vec::new(),
            chosen: MainModeProposal { cipher: Cipher::Des, hash: HashAlg::Md5, group: Group::Modp768 },
            lifetime_seconds: 1,
            shortened: false,
            pad_entry: PadEntryId(1),
            credential: Credential::PreSharedKey(Default::default()),
            alone: true,
            we_can: Capabilities::default(),
            peer_can: Capabilities::default(),
            reply: Vec::new(),
            repeats: 0,
            again: None,
        }
    }

    fn has(table: &HalfOpenTable, number: u64, now: u64) -> bool {
        let cookie = Cookie(number.to_be_bytes());
        table.get(cookie, cookie, Instant::from_secs(now)).is_some()
    }

    #[test]
    fn a_source_displaces_its_own_oldest_first() {
        let mut table = HalfOpenTable::new(4, 2, Duration::from_secs(63));
        table.insert(entry(1, [10, 0, 0, 1], 0));
        for number in 2..=4 {
            table.insert(entry(number, [10, 0, 0, 2], 0));
        }
        assert_eq!([1, 2, 3, 4].map(|n| has(&table, n, 0)), [true, false, true, true]);
    }

    #[test]
    fn a_full_table_makes_room_at_the_heaviest_source() {
        let mut table = HalfOpenTable::new(4, 3, Duration::from_secs(63));
        table.insert(entry(1, [10, 0, 0, 1], 0));
        for number in 2..=4 {
            table.insert(entry(number, [10, 0, 0, 2], 0));
        }
        table.insert(entry(5, [10, 0, 0, 3], 0));
        assert_eq!([1, 2, 3, 4, 5].map(|n| has(&table, n, 0)), [true, false, true, true, true]);
        // Among equals the oldest goes.
        table.insert(entry(6, [10, 0, 0, 4], 0));
        table.insert(entry(7, [10, 0, 0, 5], 0));
        assert_eq!([1, 3, 4, 5, 6, 7].map(|n| has(&table, n, 0)), [false, false, true, true, true, true]);
        assert_eq!(table.len(), 4);
    }

    #[test]
    fn entries_end_with_the_peers_schedule() {
        let mut table = HalfOpenTable::new(4, 2, Duration::from_secs(63));
        table.insert(entry(1, [10, 0, 0, 1], 0));
        assert!(has(&table, 1, 62) && !has(&table, 1, 63));
        table.insert(entry(2, [10, 0, 0, 2], 63));
        assert_eq!(table.len(), 1);
    }
}
