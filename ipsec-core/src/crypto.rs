//! Ciphers, MACs, PRFs and Diffie-Hellman: pure functions and expanded keys, no protocol.
//!
//! The names of algorithms are values ([`Cipher`], [`Mac`], [`HashAlg`], [`Group`], [`Suite`]): `Copy`,
//! ordered, printable. The keys made from them ([`CipherKey`], [`MacKey`], [`IvGenerator`], [`DhSecret`]) are
//! wiped when dropped and never print themselves. Nothing here allocates for each packet.

mod cipher;
mod dh;
mod lanes;
mod mac;
mod prf;
mod secret;
mod suite;

pub use cipher::{CipherKey, IvGenerator, is_weak};
pub use dh::DhSecret;
pub(crate) use lanes::{CbcLane, LANES};
pub use mac::{Icv, MacKey};
pub use prf::{hash, prf};
pub use secret::{Secret, equal};
pub use suite::{Cipher, Group, HashAlg, Mac, Suite};

/// A key that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum KeyError {
    /// The key has not the length its algorithm takes, in bytes.
    #[error("a key of {got} bytes where {expected} are needed")]
    Length {
        /// What the algorithm takes.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// A DES weak or semi-weak key (RFC 2409 appendix A), or a 3DES key that degenerates to DES (RFC 2451
    /// section 2.3).
    #[error("weak key")]
    Weak,
}

/// Data that is not a whole number of cipher blocks, or an IV that is not one block, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum BlockError {
    /// The data does not fill its last block.
    #[error("{len} bytes are not a multiple of the block of {block}")]
    Data {
        /// Length of the data.
        len: usize,
        /// Block length of the cipher.
        block: usize,
    },
    /// The IV has not the length the cipher takes.
    #[error("an IV of {got} bytes where {expected} are needed")]
    Iv {
        /// What the cipher takes.
        expected: usize,
        /// What was given.
        got: usize,
    },
}

/// A Diffie-Hellman value that must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum DhError {
    /// The value has not the length of the group's prime, in bytes (RFC 2409 section 5).
    #[error("a public value of {got} bytes where the group has {expected}")]
    Length {
        /// The length of the prime.
        expected: usize,
        /// What was given.
        got: usize,
    },
    /// A public value that is 0, 1, p-1, or not below p: it would confine the shared secret to a known value.
    /// Or a zero exponent, which makes such a public value (RFC 2412 section 2.3.1.1).
    #[error("value out of range")]
    OutOfRange,
}
