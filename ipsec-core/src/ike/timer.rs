//! Deadlines, fired in (time, key) order.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::SocketAddr;

use super::sa::SaId;
use crate::sad::PairId;
use crate::time::Instant;

/// What a deadline is for; each key has at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    /// Phase 1: send again, give up, or forget the answers.
    Phase1(SaId),
    /// The next message 2 that a responder repeats unasked, or the end of the time of a main mode that goes no further.
    HalfOpen,
    /// Quick mode with this message ID: send again, give up, or forget the answers.
    QuickMode(SaId, u32),
    /// The ISAKMP SA has lived its life.
    Expiry(SaId),
    /// The peer has proved nothing for long, or has not answered whether it lives.
    Liveness(SaId),
    /// A replaced pair is not needed any more.
    Replaced(PairId),
    /// Nothing may have been sent between these ends for as long as a NAT remembers.
    Keepalive(SocketAddr, SocketAddr),
    /// A delete with this number was not answered.
    Delete(u64),
    /// A pair may have carried nothing for long.
    Idle(PairId),
    /// The ISAKMP SA is to have a successor.
    Renewal(SaId),
}

/// The ordered set of deadlines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    by_key: BTreeMap<TimerKey, Instant>,
    by_time: BTreeSet<(Instant, TimerKey)>,
}

impl Timers {
    /// Sets the deadline of `key`, in place of an earlier one.
    pub(crate) fn set(&mut self, key: TimerKey, at: Instant) {
        self.cancel(key);
        self.by_key.insert(key, at);
        self.by_time.insert((at, key));
    }

    /// Sets the deadline of `key`, unless it has one.
    pub(crate) fn set_first(&mut self, key: TimerKey, at: Instant) {
        if !self.by_key.contains_key(&key) {
            self.set(key, at);
        }
    }

    /// Takes the deadline of `key` away.
    pub(crate) fn cancel(&mut self, key: TimerKey) {
        if let Some(at) = self.by_key.remove(&key) {
            self.by_time.remove(&(at, key));
        }
    }

    /// A pair is gone.
    pub(crate) fn forget_pair(&mut self, pair: PairId) {
        self.cancel(TimerKey::Replaced(pair));
        self.cancel(TimerKey::Idle(pair));
    }

    /// How many deadlines there are.
    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the first deadline that has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<TimerKey> {
        let (at, key) = *self.by_time.first()?;
        if at > now {
            return None;
        }
        self.cancel(key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fires_in_order_of_time_then_key() {
        let mut timers = Timers::default();
        let (a, b) = (TimerKey::Expiry(SaId(1)), TimerKey::Phase1(SaId(1)));
        timers.set(a, Instant::from_secs(1));
        timers.set(b, Instant::from_secs(9));
        timers.set(b, Instant::from_secs(1));
        assert_eq!(timers.next(), Some(Instant::from_secs(1)));
        assert_eq!(timers.pop_due(Instant::EPOCH), None);
        assert_eq!(timers.pop_due(Instant::from_secs(1)), Some(b));
        timers.cancel(a);
        assert_eq!((timers.pop_due(Instant::NEVER), timers.next()), (None, None));
    }
}
