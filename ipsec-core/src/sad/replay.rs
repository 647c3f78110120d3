//! The anti-replay window (RFC 4303 section 3.4.3 and appendix A).

use alloc::vec;
use alloc::vec::Vec;

/// A sliding window over 64-bit sequence numbers: the highest number seen, and which of those below it were seen too.
///
/// The order is pre-check, ICV, then update: a forged packet must not move the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayWindow {
    /// Highest authenticated number; 0 before the first.
    highest: u64,
    /// Bit `n % width` says whether number `n` was seen, for the `width` numbers up to `highest`.
    seen: Vec<u64>,
}

impl ReplayWindow {
    /// A window of `width` packets, rounded up to a multiple of 64 (RFC 4303: at least 32, better 64).
    pub fn new(width: u32) -> Self {
        ReplayWindow { highest: 0, seen: vec![0; width.div_ceil(64).max(1) as usize] }
    }

    /// Its width in packets.
    pub fn width(&self) -> u64 {
        self.seen.len() as u64 * 64
    }

    /// The highest authenticated sequence number.
    pub fn highest(&self) -> u64 {
        self.highest
    }

    /// Pre-check: whether a packet with this number may be new. Number 0 is never sent.
    pub fn check(&self, sequence: u64) -> bool {
        sequence > self.highest
            || (sequence > 0 && self.highest - sequence < self.width() && !self.get(sequence))
    }

    /// Whether the window has gone past this number, so that nothing tells whether it was seen.
    pub fn is_below(&self, sequence: u64) -> bool {
        sequence.saturating_add(self.width()) <= self.highest
    }

    /// Notes that an authenticated packet had this number. `false` if it is a replay after all.
    pub fn update(&mut self, sequence: u64) -> bool {
        if !self.check(sequence) {
            return false;
        }
        if sequence > self.highest {
            if sequence - self.highest >= self.width() {
                self.seen.fill(0);
            } else {
                for skipped in self.highest + 1..=sequence {
                    self.set(skipped, false);
                }
            }
            self.highest = sequence;
        }
        self.set(sequence, true);
        true
    }

    /// The 64-bit number whose low half is `low`, as RFC 4303 appendix A2.2 infers it from the window's place.
    pub fn infer(&self, low: u32) -> u64 {
        let (high, top) = (self.highest >> 32, self.highest as u32);
        let bottom = self.highest.saturating_sub(self.width() - 1);
        let high = if u64::from(top) >= self.width() - 1 {
            // The window lies within one subspace: what is below it belongs to the next.
            if low >= bottom as u32 { high } else { high + 1 }
        } else {
            // The window reaches back into the subspace before.
            if self.highest >> 32 > 0 && low >= bottom as u32 { high - 1 } else { high }
        };
        high << 32 | u64::from(low)
    }

    fn get(&self, sequence: u64) -> bool {
        let bit = sequence % self.width();
        self.seen.get((bit / 64) as usize).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    fn set(&mut self, sequence: u64, value: bool) {
        let bit = sequence % self.width();
        if let Some(word) = self.seen.get_mut((bit / 64) as usize) {
            *word = *word & !(1 << (bit % 64)) | u64::from(value) << (bit % 64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    #[test]
    fn edges_of_the_window() {
        let mut w = ReplayWindow::new(64);
        assert!(!w.check(0));
        assert!(w.update(1) && !w.update(1));
        assert!(w.update(100));
        // 64 wide: 37..=100 are inside.
        assert!(!w.check(36) && w.check(37) && w.update(37) && !w.check(37));
        // Neither is new, but of 36 alone nobody knows whether it came before.
        assert_eq!([36, 37, 100, 101].map(|n| w.is_below(n)), [true, false, false, false]);
        assert!(w.update(u64::from(u32::MAX)) && !w.check(100));
        assert_eq!(ReplayWindow::new(33).width(), 64);
    }

    #[test]
    fn a_pre_check_changes_nothing() {
        let mut w = ReplayWindow::new(64);
        w.update(5);
        let before = w.clone();
        assert!(w.check(1_000_000));
        assert_eq!(w, before);
    }

    #[test]
    fn high_half_is_inferred() {
        let mut w = ReplayWindow::new(64);
        assert_eq!(w.infer(7), 7);
        w.update(u64::from(u32::MAX) - 10);
        assert_eq!(w.infer(3), (1 << 32) + 3);
        assert_eq!(w.infer(u32::MAX), u64::from(u32::MAX));
        w.update((1 << 32) + 3);
        assert_eq!(w.infer(u32::MAX), u64::from(u32::MAX));
        assert_eq!(w.infer(4), (1 << 32) + 4);
    }

    proptest! {
        /// The closed formula: a number is new iff it was not seen and is above `highest - width`.
        #[test]
        fn like_a_set(width in prop::sample::select(vec![32u32, 64, 128, 1024]), steps in prop::collection::vec(0u64..3000, 1..400)) {
            let mut w = ReplayWindow::new(width);
            let mut seen = BTreeSet::new();
            for n in steps {
                let highest = seen.last().copied().unwrap_or(0);
                let fresh = n > 0 && n + w.width() > highest && !seen.contains(&n);
                prop_assert_eq!(w.check(n), fresh);
                prop_assert_eq!(w.update(n), fresh);
                if fresh { seen.insert(n); }
            }
        }
    }
}
