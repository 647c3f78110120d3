//! When the successor of a pair begins to send.
//!
//! The initiator of a quick mode has its new pair when it sends message 3, the responder when that arrives (RFC 2409 section
//! 5.5). Packets that overtake message 3, or follow a lost one, would meet nothing. RFC 2408 section 3.1 has the commit bit
//! for this; without it the initiator goes on with the old pair until a packet has come in on the new one: the responder uses
//! that as soon as it has it.
//!
//! A peer that has nothing to say, or prefers its old SAs (as KAME does), gives no such sign, so the waiting ends after a
//! while: long enough for a responder to have repeated message 2 (strongSwan: after 4 s) and to have had its answer, and in
//! good time before the old pair ends, because the peer's clock for it may be a little ahead of ours.

use super::{Pair, PairId, Sad};
use crate::time::{Duration, Instant};

/// How long a successor without any sign of the peer waits.
const PATIENCE: Duration = Duration::from_secs(5);

impl Sad {
    /// Like [`hand_over`](Sad::hand_over), but while nothing came in on the new pair, the old one sends in its place: for a
    /// few seconds, and not during the second half of what is left of its life.
    pub(crate) fn hand_over_when_proven(&mut self, old: PairId, new: PairId, now: Instant) {
        let left = self.pairs.get(&old).map_or(Duration::ZERO, |pair| pair.life.hard.saturating_since(now));
        let patience = PATIENCE.min(left / 2);
        if let Some(pair) = self.pairs.get_mut(&new) {
            pair.yields = Some((old, now + patience));
        }
        self.hand_over(old, new);
    }

    /// The pair that sends for `pair`: itself, or the one it still yields to.
    pub(super) fn sender(&self, pair: &Pair, now: Instant) -> PairId {
        let older = |pair: &&Pair| {
            let (old, until) = pair.yields.filter(|_| !pair.confirmed)?;
            self.pairs.get(&old).filter(|old| now < until && old.outbound.is_some())
        };
        core::iter::successors(Some(pair), older).last().map_or(pair.id, |pair| pair.id)
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::super::IpsecProtocol;
    use super::super::binding::Choice;
    use super::super::tests::{install, spec};
    use super::*;

    /// Pairs of 1,000 s with these numbers, the later ones successors of the one before.
    fn pairs(numbers: &[u64], now: Instant) -> Sad {
        let mut sad = Sad::default();
        for n in numbers {
            for (inbound, spi) in [(true, 300), (false, 400)] {
                install(&mut sad, &spec(*n, inbound, spi + *n as u32, &[IpsecProtocol::Esp])).unwrap();
            }
            if *n > 1 {
                sad.hand_over_when_proven(PairId(n - 1), PairId(*n), now);
            }
        }
        sad
    }

    fn sends(sad: &Sad, seconds: u64) -> Choice {
        let peer: IpAddr = "10.0.0.2".parse().unwrap();
        sad.choose(Some(peer), |_| true, || None, Instant::from_secs(seconds))
    }

    #[test]
    fn the_old_pair_sends_until_something_came_in_on_the_new_one() {
        let mut sad = pairs(&[1, 2], Instant::from_secs(100));
        assert_eq!(sends(&sad, 101), Choice::Pair(PairId(1)));
        sad.get_mut(PairId(2)).unwrap().confirmed = true;
        assert_eq!(sends(&sad, 101), Choice::Pair(PairId(2)));
    }

    #[test]
    fn silence_is_waited_for_so_long() {
        let sad = pairs(&[1, 2], Instant::from_secs(100));
        assert_eq!(sends(&sad, 104), Choice::Pair(PairId(1)));
        assert_eq!(sends(&sad, 105), Choice::Pair(PairId(2)));
        // Six seconds are left: three of them are.
        let sad = pairs(&[1, 2], Instant::from_secs(994));
        assert_eq!(sends(&sad, 996), Choice::Pair(PairId(1)));
        assert_eq!(sends(&sad, 997), Choice::Pair(PairId(2)));
    }

    #[test]
    fn a_pair_that_is_gone_sends_no_more() {
        let mut sad = pairs(&[1, 2], Instant::from_secs(100));
        sad.remove(PairId(1));
        assert_eq!(sends(&sad, 101), Choice::Pair(PairId(2)));
    }

    #[test]
    fn two_successors_in_a_row_wait_for_the_first_that_works() {
        let mut sad = pairs(&[1, 2, 3], Instant::from_secs(100));
        assert_eq!(sends(&sad, 101), Choice::Pair(PairId(1)));
        sad.get_mut(PairId(2)).unwrap().confirmed = true;
        assert_eq!(sends(&sad, 101), Choice::Pair(PairId(2)));
        assert_eq!(sends(&sad, 105), Choice::Pair(PairId(3)));
    }
}
