//! The hashes that authenticate IKEv1 exchanges, as pure functions (RFC 2409 sections 5, 5.5 and 5.7).
//!
//! Every argument is bytes as sent or received, never a re-encoding: `sai_b` is the body of the *initiator's*
//! SA payload of message 1, `idii_b` and `idir_b` are bodies of ID payloads, all without the generic payload
//! header, and with their reserved bits. The payloads that the phase 2 hashes cover do include their generic
//! headers, and leave out the padding of the encryption. Compare with [`equal`], which takes constant time.

use crate::crypto::{HashAlg, prf};
use alloc::vec::Vec;

pub use crate::crypto::equal;

/// What HASH_I and HASH_R cover, besides one identity.
#[derive(Clone, Copy, Debug)]
pub struct Phase1<'a> {
    /// The initiator's public value, in the group's full length.
    pub g_xi: &'a [u8],
    /// The responder's public value, in the group's full length.
    pub g_xr: &'a [u8],
    /// The initiator's cookie.
    pub cky_i: &'a [u8; 8],
    /// The responder's cookie.
    pub cky_r: &'a [u8; 8],
    /// The body of the initiator's SA payload: every proposal that was offered.
    pub sai_b: &'a [u8],
}

impl Phase1<'_> {
    /// `HASH_I = prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b)`.
    pub fn hash_i(&self, alg: HashAlg, skeyid: &[u8], idii_b: &[u8]) -> Vec<u8> {
        prf(alg, skeyid, &[self.g_xi, self.g_xr, self.cky_i, self.cky_r, self.sai_b, idii_b]).to_vec()
    }

    /// `HASH_R = prf(SKEYID, g^xr | g^xi | CKY-R | CKY-I | SAi_b | IDir_b)`.
    pub fn hash_r(&self, alg: HashAlg, skeyid: &[u8], idir_b: &[u8]) -> Vec<u8> {
        prf(alg, skeyid, &[self.g_xr, self.g_xi, self.cky_r, self.cky_i, self.sai_b, idir_b]).to_vec()
    }
}

/// Quick mode message 1: `HASH(1) = prf(SKEYID_a, M-ID | SA | Ni [ | KE ] [ | IDci | IDcr ])`.
///
/// `payloads` is everything after the HASH payload, in the order it was sent (RFC 2409 section 5.5).
pub fn hash_1(alg: HashAlg, skeyid_a: &[u8], message_id: u32, payloads: &[u8]) -> Vec<u8> {
    prf(alg, skeyid_a, &[&message_id.to_be_bytes(), payloads]).to_vec()
}

/// Quick mode message 2: `HASH(2) = prf(SKEYID_a, M-ID | Ni_b | SA | Nr [ | KE ] [ | IDci | IDcr ])`.
///
/// `payloads` is everything after the HASH payload, in the order it was sent.
pub fn hash_2(alg: HashAlg, skeyid_a: &[u8], message_id: u32, ni_b: &[u8], payloads: &[u8]) -> Vec<u8> {
    prf(alg, skeyid_a, &[&message_id.to_be_bytes(), ni_b, payloads]).to_vec()
}

/// Quick mode message 3: `HASH(3) = prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b)`.
pub fn hash_3(alg: HashAlg, skeyid_a: &[u8], message_id: u32, ni_b: &[u8], nr_b: &[u8]) -> Vec<u8> {
    prf(alg, skeyid_a, &[&[0], &message_id.to_be_bytes(), ni_b, nr_b]).to_vec()
}

/// The answer to a reliable delete: `HASH(2) = prf(SKEYID_a, Ni_b | M-ID | Nr | D)` (MS-IKEE section 3.8.5.1).
///
/// `payloads` is everything after the HASH payload; without nonces (Windows 2000) `ni_b` is empty.
pub fn hash_delete_answer(
    alg: HashAlg,
    skeyid_a: &[u8],
    ni_b: &[u8],
    message_id: u32,
    payloads: &[u8],
) -> Vec<u8> {
    prf(alg, skeyid_a, &[ni_b, &message_id.to_be_bytes(), payloads]).to_vec()
}

/// Informational exchange: `HASH(1) = prf(SKEYID_a, M-ID | N/D)` (RFC 2409 section 5.7).
///
/// It also authenticates the CONNECTED notification that ends a quick mode with the commit bit. `payloads` is
/// everything after the HASH payload.
pub fn hash_informational(alg: HashAlg, skeyid_a: &[u8], message_id: u32, payloads: &[u8]) -> Vec<u8> {
    hash_1(alg, skeyid_a, message_id, payloads)
}
