//! How long an SA lives (RFC 4301 section 4.4.2.1): seconds and kilobytes, each with a soft end, when a successor is
//! negotiated, and a hard end, when the SA is gone.

use crate::rng::{Label, Streams};
use crate::sad::PairId;
use crate::spd::Lifetime;
use crate::time::{Duration, Instant};
use rand_core::Rng;

/// What counts when neither end named a lifetime: 28,800 s (RFC 2407 section 4.5).
pub const DEFAULT_SECONDS: u32 = 28_800;

/// The ends of one pair's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// When a successor is to be negotiated.
    pub soft: Instant,
    /// When the pair is gone.
    pub hard: Instant,
    /// Octets after which a successor is to be negotiated.
    pub soft_octets: u64,
    /// Octets after which the pair is gone.
    pub hard_octets: u64,
}

impl Life {
    /// The life of `pair`, beginning now.
    ///
    /// The margin before the hard end is `margin_permille` thousandths of the lifetime for the initiator and half of that
    /// for the responder, plus up to as much again at random: the two ends rarely rekey at once.
    pub fn new(
        lifetime: Lifetime,
        margin_permille: u32,
        initiator: bool,
        pair: PairId,
        streams: &Streams,
        now: Instant,
    ) -> Life {
        let seconds = lifetime.seconds.unwrap_or(DEFAULT_SECONDS);
        let mut random = streams.stream(Label::Jitter, pair.0);
        let mut before_end = |whole: u64| {
            let margin = whole / 1000 * u64::from(margin_permille.min(450)) / if initiator { 1 } else { 2 };
            margin + if margin == 0 { 0 } else { random.next_u64() % margin }
        };
        let hard = u64::from(seconds) * 1_000_000_000;
        let soft = hard - before_end(hard);
        let hard_octets = lifetime.kilobytes.map_or(u64::MAX, |kb| u64::from(kb) * 1024);
        let soft_octets =
            if hard_octets == u64::MAX { hard_octets } else { hard_octets - before_end(hard_octets) };
        Life {
            soft: now + Duration::from_nanos(soft),
            hard: now + Duration::from_nanos(hard),
            soft_octets,
            hard_octets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_ends_lie_in_their_margins() {
        let streams = Streams::new([3; 32]);
        let lifetime = Lifetime { seconds: Some(1000), kilobytes: Some(100_000) };
        for n in 0..200 {
            for (initiator, from, to) in [(true, 800, 900), (false, 900, 950)] {
                let life = Life::new(lifetime, 100, initiator, PairId(n), &streams, Instant::EPOCH);
                assert_eq!((life.hard, life.hard_octets), (Instant::from_secs(1000), 102_400_000));
                assert!(
                    life.soft > Instant::from_secs(from) && life.soft <= Instant::from_secs(to),
                    "{life:?}"
                );
                assert!(life.soft_octets > from * 102_400 && life.soft_octets <= to * 102_400, "{life:?}");
            }
        }
    }

    #[test]
    fn nothing_agreed_is_eight_hours() {
        let life =
            Life::new(Lifetime::default(), 100, true, PairId(1), &Streams::new([0; 32]), Instant::EPOCH);
        assert_eq!((life.hard, life.soft_octets), (Instant::from_secs(28_800), u64::MAX));
    }
}
