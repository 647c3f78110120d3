//! Diffie-Hellman in the MODP groups, in constant time.

use super::{DhError, Group, Secret};
use alloc::vec::Vec;
use core::fmt;
use crypto_bigint::{
    U768, U1024, U1536, U2048, Uint, Word, const_monty_params,
    modular::{ConstMontyForm, ConstMontyParams},
};
use zeroize::Zeroizing;

// The primes of RFC 2409 sections 6.1 and 6.2, and of RFC 3526 sections 2 and 3. The tests compute them from pi.
const_monty_params!(
    P768,
    U768,
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
     EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A63A3620FFFFFFFFFFFFFFFF"
);
const_monty_params!(
    P1024,
    U1024,
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
     EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
);
const_monty_params!(
    P1536,
    U1536,
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
     EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
     83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF"
);
const_monty_params!(
    P2048,
    U2048,
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD\
     EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F\
     83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
     E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510\
     15728E5A8AACAA68FFFFFFFFFFFFFFFF"
);

/// A secret exponent in a group, wiped when dropped.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DhSecret {
    group: Group,
    exponent: Secret,
}

impl DhSecret {
    /// How many random bytes [`from_random`](Self::from_random) takes.
    pub const RANDOM_LEN: usize = 40;

    /// A fresh secret: the first [`Group::exponent_len`] of the random bytes.
    pub fn from_random(group: Group, random: &[u8; Self::RANDOM_LEN]) -> Self {
        let exponent = Secret::from(random.as_slice()).truncated(group.exponent_len());
        DhSecret { group, exponent }
    }

    /// A given secret exponent, big-endian, not zero, at most as long as the group's prime.
    pub fn from_exponent(group: Group, exponent: &[u8]) -> Result<Self, DhError> {
        if exponent.is_empty() || exponent.len() > group.byte_len() {
            return Err(DhError::Length { expected: group.byte_len(), got: exponent.len() });
        }
        if exponent.iter().all(|byte| *byte == 0) {
            return Err(DhError::OutOfRange);
        }
        Ok(DhSecret { group, exponent: exponent.into() })
    }

    /// The group.
    pub fn group(&self) -> Group {
        self.group
    }

    /// The public value g^x, with leading zeros up to [`Group::byte_len`] (RFC 2409 section 5).
    pub fn public(&self) -> Vec<u8> {
        match self.group {
            Group::Modp768 => power::<P768, { U768::LIMBS }>(&Uint::from_u8(2), &self.exponent),
            Group::Modp1024 => power::<P1024, { U1024::LIMBS }>(&Uint::from_u8(2), &self.exponent),
            Group::Modp1536 => power::<P1536, { U1536::LIMBS }>(&Uint::from_u8(2), &self.exponent),
            Group::Modp2048 => power::<P2048, { U2048::LIMBS }>(&Uint::from_u8(2), &self.exponent),
        }
    }

    /// The shared secret g^xy, with leading zeros up to [`Group::byte_len`].
    ///
    /// `peer_public` must have the group's full length, and lie between 2 and p - 2.
    pub fn shared(&self, peer_public: &[u8]) -> Result<Secret, DhError> {
        let expected = self.group.byte_len();
        if peer_public.len() != expected {
            return Err(DhError::Length { expected, got: peer_public.len() });
        }
        match self.group {
            Group::Modp768 => power_of_peer::<P768, { U768::LIMBS }>(peer_public, &self.exponent),
            Group::Modp1024 => power_of_peer::<P1024, { U1024::LIMBS }>(peer_public, &self.exponent),
            Group::Modp1536 => power_of_peer::<P1536, { U1536::LIMBS }>(peer_public, &self.exponent),
            Group::Modp2048 => power_of_peer::<P2048, { U2048::LIMBS }>(peer_public, &self.exponent),
        }
    }
}

impl fmt::Debug for DhSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DhSecret({})", self.group)
    }
}

/// base^exponent mod p. The time depends on the exponent's length only.
fn power<P: ConstMontyParams<L>, const L: usize>(base: &Uint<L>, exponent: &[u8]) -> Vec<u8> {
    let bits = u32::try_from(exponent.len()).unwrap_or(u32::MAX).saturating_mul(8);
    let exponent = Zeroizing::new(from_bytes::<L>(exponent));
    let power = ConstMontyForm::<P, L>::new(base).pow_amm_bounded_exp(&exponent, bits);
    to_bytes(&Zeroizing::new(power.retrieve()))
}

/// The same for a peer's public value, after the range checks.
fn power_of_peer<P: ConstMontyParams<L>, const L: usize>(
    public: &[u8],
    exponent: &[u8],
) -> Result<Secret, DhError> {
    let base: Uint<L> = from_bytes(public);
    let last: Uint<L> = P::PARAMS.modulus().as_ref().wrapping_sub(&Uint::ONE);
    if base <= Uint::ONE || base >= last {
        return Err(DhError::OutOfRange);
    }
    Ok(Secret::new(power::<P, L>(&base, exponent)))
}

/// Big-endian bytes, at most as many as the number holds.
fn from_bytes<const L: usize>(bytes: &[u8]) -> Uint<L> {
    let mut words = [0; L];
    for (word, chunk) in words.iter_mut().zip(bytes.rchunks(size_of::<Word>())) {
        *word = chunk.iter().fold(0, |word, byte| word << 8 | Word::from(*byte));
    }
    Uint::from_words(words)
}

/// All bytes of the number, big-endian: leading zeros stay.
fn to_bytes<const L: usize>(number: &Uint<L>) -> Vec<u8> {
    number.as_words().iter().rev().flat_map(|word| word.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests;
