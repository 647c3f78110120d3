//! Randomness as an input: every random byte of a run comes from one 32-byte seed.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use zeroize::Zeroize;

/// What a stream of random bytes is for. The label separates the streams, so that drawing from one shifts no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u16)]
pub enum Label {
    /// Initiator and responder cookies (RFC 2408 section 2.5.3).
    Cookie = 1,
    /// Nonces (RFC 2409 section 5).
    Nonce = 2,
    /// Diffie-Hellman secret exponents.
    DhSecret = 3,
    /// Security parameter indexes (RFC 4301 section 4.4.2.1).
    Spi = 4,
    /// Message IDs of phase 2 exchanges (RFC 2408 section 3.1).
    MessageId = 5,
    /// The key of an SA's IV permutation (SP 800-38A appendix C).
    Iv = 6,
    /// Jitter of rekey times.
    Jitter = 7,
    /// IPv4 identification of packets the core builds.
    Ident = 8,
    /// Sequence numbers of dead peer detection (RFC 3706 section 6.2).
    DeadPeer = 9,
    /// The key of the cookies of denial-of-service protection (MS-IKEE section 3.9).
    DosCookie = 10,
}

/// The source of all randomness: it holds only the seed, and draws from it by name.
///
/// `stream(label, instance)` is ChaCha20 keyed with the seed, with label and instance selecting the stream. A
/// retransmission or another peer's exchange therefore shifts nothing.
#[derive(Clone)]
pub struct Streams {
    seed: [u8; 32],
}

impl Streams {
    /// Streams of the given seed.
    pub fn new(seed: [u8; 32]) -> Self {
        Streams { seed }
    }

    /// The stream for `label` and `instance` (an exchange number, an SA number), from its start.
    ///
    /// `instance` uses its low 48 bits.
    pub fn stream(&self, label: Label, instance: u64) -> ChaCha20Rng {
        let mut rng = ChaCha20Rng::from_seed(self.seed);
        rng.set_stream((label as u64) << 48 | (instance & 0xffff_ffff_ffff));
        rng
    }

    /// Fills `out` from the start of the stream for `label` and `instance`.
    pub fn fill(&self, label: Label, instance: u64, out: &mut [u8]) {
        self.stream(label, instance).fill_bytes(out);
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

impl core::fmt::Debug for Streams {
    /// The seed yields every key: it is not printed.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Streams { .. }")
    }
}
