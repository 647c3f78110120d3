//! Expensive computations as values: state functions emit them and get the result back as input.

use alloc::vec::Vec;
use core::fmt;

use crate::crypto::Group;

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
        /// The secret exponent's octets.
        secret: Vec<u8>,
    },
    /// g^xy: the shared secret, refused when the peer's value lies outside 2..p-2.
    DhShared {
        /// The Oakley group.
        group: Group,
        /// Our secret exponent's octets.
        secret: Vec<u8>,
        /// The peer's public value as received.
        peer_public: Vec<u8>,
    },
}

/// What became of a piece of work.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkResult {
    /// Octets, padded on the left to the group's length.
    Bytes(Vec<u8>),
    /// The peer's value was not acceptable.
    Refused,
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
