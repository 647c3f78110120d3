//! Expensive computations as values: state functions emit them and get the result back as input.

use alloc::vec::Vec;
use core::fmt;

use crate::crypto::{DhSecret, Group, Secret};

/// Number of a piece of work on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkId(pub u64);

/// A pure computation, randomness included: the same value always gives the same result.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// g^x: our public value (RFC 2409 section 5).
    DhPublic {
        /// The Oakley group.
        group: Group,
        /// The secret exponent.
        secret: Secret,
    },
    /// g^xy: the shared secret, refused when the peer's value lies outside 2..p-2.
    DhShared {
        /// The Oakley group.
        group: Group,
        /// Our secret exponent.
        secret: Secret,
        /// The peer's public value as received.
        peer_public: Vec<u8>,
    },
}

/// What became of a piece of work.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkResult {
    /// Octets, padded on the left to the group's length; a shared secret is a secret, so both kinds are wiped.
    Bytes(Secret),
    /// The peer's value was not acceptable.
    Refused,
}

impl Work {
    /// Computes it.
    pub fn run(&self) -> WorkResult {
        let result = match self {
            Work::DhPublic { group, secret } => {
                DhSecret::from_exponent(*group, secret).map(|x| Secret::new(x.public()))
            }
            Work::DhShared { group, secret, peer_public } => {
                DhSecret::from_exponent(*group, secret).and_then(|x| x.shared(peer_public))
            }
        };
        result.map_or(WorkResult::Refused, WorkResult::Bytes)
    }

    /// Computes several pieces: results in the order of `works`. The door for computing many at once.
    pub fn run_batch(works: &[Work]) -> Vec<WorkResult> {
        works.iter().map(Work::run).collect()
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Work::DhPublic { group, .. } => write!(f, "DhPublic({group:?})"),
            Work::DhShared { group, .. } => write!(f, "DhShared({group:?})"),
        }
    }
}

impl fmt::Debug for WorkResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WorkResult::Bytes(_) => "Bytes(..)",
            WorkResult::Refused => "Refused",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ends_agree_and_a_batch_equals_single_runs() {
        let group = Group::Modp768;
        let public = |secret: u8| Work::DhPublic { group, secret: Secret::new([secret; 32]) };
        let works = [public(3), public(5)];
        let batch = Work::run_batch(&works);
        assert_eq!(batch, works.each_ref().map(Work::run));
        let [WorkResult::Bytes(a), WorkResult::Bytes(b)] = batch.as_slice() else { panic!("{batch:?}") };
        let shared = |secret: u8, peer: &Secret| Work::DhShared {
            group,
            secret: Secret::new([secret; 32]),
            peer_public: peer.to_vec(),
        };
        assert_eq!(shared(3, b).run(), shared(5, a).run());
    }

    #[test]
    fn degenerate_public_values_are_refused() {
        let mut one = alloc::vec![0; 96];
        one[95] = 1;
        let work = Work::DhShared { group: Group::Modp768, secret: Secret::new([7; 32]), peer_public: one };
        assert_eq!(work.run(), WorkResult::Refused);
    }
}
