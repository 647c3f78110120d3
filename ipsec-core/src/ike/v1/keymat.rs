//! Keying material of IKEv1, as pure functions (RFC 2409 sections 5 and 5.5, appendix B).
//!
//! Every argument is bytes as they were on the wire: `ni_b` and `nr_b` are nonce payload bodies without their
//! generic header, `g_xi`, `g_xr` and `g_xy` have the full length of the group, cookies are the 8 bytes of
//! the ISAKMP header. The state machine, a probing peer, test vectors and captures all call the same
//! functions.
//!
//! ```
//! use ipsec_core::crypto::{Cipher, HashAlg};
//! use ipsec_core::ike::v1::keymat::{self, Skeyids};
//!
//! let (prf, cky_i, cky_r) = (HashAlg::Sha1, [1; 8], [2; 8]);
//! let skeyid = keymat::skeyid_psk(prf, b"-actual key-", &[3; 16], &[4; 16]);
//! let keys = Skeyids::derive(prf, skeyid, &[5; 128], &cky_i, &cky_r);
//! let cipher_key = keymat::cipher_key(prf, &keys.skeyid_e, Cipher::TripleDes);
//! let iv = keymat::phase_1_iv(prf, &[6; 128], &[7; 128], Cipher::TripleDes);
//! assert_eq!((cipher_key.len(), iv.len()), (24, 8));
//! ```

use crate::crypto::{Cipher, HashAlg, Mac, Secret, Suite, hash, is_weak, prf};
use alloc::vec::Vec;
use zeroize::Zeroizing;

/// SKEYID for pre-shared keys: `prf(pre-shared-key, Ni_b | Nr_b)`.
pub fn skeyid_psk(alg: HashAlg, pre_shared_key: &[u8], ni_b: &[u8], nr_b: &[u8]) -> Secret {
    prf(alg, pre_shared_key, &[ni_b, nr_b])
}

/// SKEYID for signatures: `prf(Ni_b | Nr_b, g^xy)`.
pub fn skeyid_signature(alg: HashAlg, ni_b: &[u8], nr_b: &[u8], g_xy: &[u8]) -> Secret {
    prf(alg, &[ni_b, nr_b].concat(), &[g_xy])
}

/// SKEYID for public key encryption: `prf(hash(Ni_b | Nr_b), CKY-I | CKY-R)`.
pub fn skeyid_public_key(alg: HashAlg, ni_b: &[u8], nr_b: &[u8], cky_i: &[u8; 8], cky_r: &[u8; 8]) -> Secret {
    prf(alg, &hash(alg, &[ni_b, nr_b]), &[cky_i, cky_r])
}

/// SKEYID and the three keys derived from it (RFC 2409 section 5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skeyids {
    /// The root, which authenticates phase 1.
    pub skeyid: Secret,
    /// Derives keys for non-ISAKMP SAs.
    pub skeyid_d: Secret,
    /// Authenticates messages.
    pub skeyid_a: Secret,
    /// Keeps messages confidential, after expansion by [`cipher_key`].
    pub skeyid_e: Secret,
}

impl Skeyids {
    /// `SKEYID_d = prf(SKEYID, g^xy | CKY-I | CKY-R | 0)`, and `_a` and `_e`, each chained from the one
    /// before.
    pub fn derive(alg: HashAlg, skeyid: Secret, g_xy: &[u8], cky_i: &[u8; 8], cky_r: &[u8; 8]) -> Self {
        let skeyid_d = prf(alg, &skeyid, &[g_xy, cky_i, cky_r, &[0]]);
        let skeyid_a = prf(alg, &skeyid, &[&skeyid_d, g_xy, cky_i, cky_r, &[1]]);
        let skeyid_e = prf(alg, &skeyid, &[&skeyid_a, g_xy, cky_i, cky_r, &[2]]);
        Skeyids { skeyid, skeyid_d, skeyid_a, skeyid_e }
    }
}

/// The key that encrypts ISAKMP messages (RFC 2409 appendix B): the first bytes of SKEYID_e, which is
/// expanded when it is too short.
///
/// For DES, the first eight bytes that are no weak or semi-weak key. Where SKEYID_e holds no such eight
/// bytes, or 3DES parts coincide, the result is weak, and [`CipherKey::new`](crate::crypto::CipherKey::new)
/// refuses it.
pub fn cipher_key(alg: HashAlg, skeyid_e: &[u8], cipher: Cipher) -> Secret {
    let len = cipher.key_len();
    if skeyid_e.len() < len {
        return expand_skeyid_e(alg, skeyid_e, len);
    }
    let first = match cipher {
        Cipher::Des | Cipher::Des40 => skeyid_e.chunks_exact(len).find(|key| !is_weak(cipher, key)),
        _ => None,
    };
    Secret::from(first.unwrap_or(skeyid_e)).truncated(len)
}

/// `Ka = K1 | K2 | …` with `K1 = prf(SKEYID_e, 0)` and `Kn = prf(SKEYID_e, Kn-1)`.
fn expand_skeyid_e(alg: HashAlg, skeyid_e: &[u8], len: usize) -> Secret {
    let mut block = prf(alg, skeyid_e, &[&[0]]);
    let mut ka = Zeroizing::new(block.to_vec());
    while ka.len() < len {
        block = prf(alg, skeyid_e, &[&block]);
        ka.extend_from_slice(&block);
    }
    Secret::from(ka.as_slice()).truncated(len)
}

/// The IV of the first encrypted message of phase 1: `hash(g^xi | g^xr)`, cut to the cipher's block (RFC 2409
/// appendix B).
pub fn phase_1_iv(alg: HashAlg, g_xi: &[u8], g_xr: &[u8], cipher: Cipher) -> Vec<u8> {
    let mut iv = hash(alg, &[g_xi, g_xr]);
    iv.truncate(cipher.iv_len());
    iv
}

/// The IV of the first message of a quick mode or an informational exchange: `hash(last phase 1 CBC block |
/// M-ID)`, cut to the cipher's block (RFC 2409 appendix B).
///
/// `last_block` is the last ciphertext block of phase 1, which [`protect`](super::protect) returns as the
/// next IV. When no message of phase 1 was encrypted (aggressive mode with a clear third message) it is the
/// phase 1 IV itself.
pub fn phase_2_iv(alg: HashAlg, last_block: &[u8], message_id: u32, cipher: Cipher) -> Vec<u8> {
    let mut iv = hash(alg, &[last_block, &message_id.to_be_bytes()]);
    iv.truncate(cipher.iv_len());
    iv
}

/// KEYMAT of one SA of a quick mode (RFC 2409 section 5.5), `len` bytes: see [`Suite::keymat_len`].
///
/// `K1 = prf(SKEYID_d, [ g(qm)^xy | ] protocol | SPI | Ni_b | Nr_b)`, and each further block has the one
/// before in front. `g_qm_xy` is present with PFS. The SPI is the one that the SA's *receiver* chose; both
/// ends compute both SAs. The nonces are those of the quick mode; `protocol` is the IPSEC DOI's number, 2 for
/// AH and 3 for ESP (RFC 2407 section 4.4.1).
#[allow(clippy::too_many_arguments, reason = "they are the RFC's formula")]
pub fn keymat(
    alg: HashAlg,
    skeyid_d: &[u8],
    g_qm_xy: Option<&[u8]>,
    protocol: u8,
    spi: [u8; 4],
    ni_b: &[u8],
    nr_b: &[u8],
    len: usize,
) -> Secret {
    let g_qm_xy = g_qm_xy.unwrap_or_default();
    let mut block = Secret::default();
    let mut keymat = Zeroizing::new(Vec::with_capacity(len + alg.output_len()));
    while keymat.len() < len {
        block = prf(alg, skeyid_d, &[&block, g_qm_xy, &[protocol], &spi, ni_b, nr_b]);
        keymat.extend_from_slice(&block);
    }
    Secret::from(keymat.as_slice()).truncated(len)
}

/// The two keys of an SA, cut from its KEYMAT.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SaKeys {
    /// The cipher's key; empty for NULL and AH.
    pub encryption: Secret,
    /// The MAC's key; empty without integrity.
    pub integrity: Secret,
}

impl SaKeys {
    /// The encryption key is the first part of the KEYMAT, the integrity key follows (RFC 4301 section
    /// 4.5.2).
    ///
    /// `None` when `keymat` is shorter than [`Suite::keymat_len`].
    pub fn split(suite: Suite, keymat: &[u8]) -> Option<Self> {
        let (encryption, rest) = keymat.split_at_checked(suite.cipher().key_len())?;
        let integrity = rest.get(..suite.mac().map_or(0, Mac::key_len))?;
        Some(SaKeys { encryption: encryption.into(), integrity: integrity.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use hex_literal::hex;

    const SHA1: HashAlg = HashAlg::Sha1;

    fn counting(from: u8, len: u8) -> Vec<u8> {
        (from..from + len).collect()
    }

    // The expected values that no vector file has were computed with Python's hmac module.

    #[test]
    fn a_long_key_is_expanded() {
        let expanded = hex!("1e5fd6a5cbc98bd4c1fe20d5e5fb2ed1df330c93a33c043ca850a65fd7aeae17");
        assert_eq!(*cipher_key(SHA1, &counting(0, 20), Cipher::Aes256), expanded);
        assert_eq!(*cipher_key(SHA1, &counting(0, 20), Cipher::TripleDes), expanded[..24]);
    }

    #[test]
    fn a_short_key_is_the_start_of_skeyid_e() {
        assert_eq!(*cipher_key(SHA1, &counting(0, 20), Cipher::Aes128), counting(0, 16));
        assert_eq!(*cipher_key(SHA1, &counting(0x10, 20), Cipher::Des), counting(0x10, 8));
        assert_eq!(*cipher_key(HashAlg::Sha256, &counting(0, 32), Cipher::Aes256), counting(0, 32));
        assert!(cipher_key(SHA1, &counting(0, 20), Cipher::Null).is_empty());
    }

    #[test]
    fn weak_des_keys_are_passed_over() {
        let (weak, strong) = (hex!("01fe01fe01fe01fe"), hex!("0123456789abcdef"));
        assert_eq!(*cipher_key(HashAlg::Md5, &[weak, strong].concat(), Cipher::Des), strong);
        let hopeless = cipher_key(HashAlg::Md5, &[weak, weak].concat(), Cipher::Des);
        assert!(is_weak(Cipher::Des, &hopeless));
    }

    #[test]
    fn keymat_takes_as_many_blocks_as_it_needs() {
        let spi = hex!("c1dd109b");
        let keymat = |g_xy, len| keymat(SHA1, &counting(0x40, 20), g_xy, 3, spi, &[1; 16], &[2; 16], len);
        let plain =
            hex!("de6823c9b3c6b4f392cf21422853477a13a4331041f32481d76c01b6b10f6f2df1fa5259770cdc82c425c73e");
        let pfs =
            hex!("bf88c4dce2290d8b93777e73b911bb45a56b288080e9cba27ad450ff5a39bca68f7e75bb6cadc64e80eba861");
        assert_eq!(*keymat(None, 44), plain);
        assert_eq!(*keymat(Some(&[0x33; 128]), 44), pfs);
        for len in 0..44 {
            assert_eq!(*keymat(None, len), plain[..len]);
        }
    }

    #[test]
    fn public_key_encryption_hashes_the_nonces() {
        let skeyid = skeyid_public_key(SHA1, &[1; 16], &[2; 16], &[3; 8], &[4; 8]);
        assert_eq!(*skeyid, hex!("7318322e6e6f6d0fdc3a3c74f92f066f2987b064"));
    }

    #[test]
    fn keymat_is_split_encryption_first() {
        let suite = Suite::EncryptThenMac { cipher: Cipher::Des, mac: Some(Mac::HmacMd5_96) };
        let keys = SaKeys::split(suite, &counting(0, 24)).unwrap();
        assert_eq!((&*keys.encryption, &*keys.integrity), (&*counting(0, 8), &*counting(8, 16)));
        assert_eq!(SaKeys::split(suite, &counting(0, 23)), None);
        assert_eq!(SaKeys::split(suite, &[]), None);
    }
}
