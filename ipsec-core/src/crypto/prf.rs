//! Hashes, and the pseudo-random function of IKEv1: the HMAC of the negotiated hash (RFC 2409 section 4).

use super::{HashAlg, Secret};
use alloc::vec::Vec;
use hmac::{Hmac, KeyInit, Mac, digest::Digest};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

/// `prf(key, parts…)`: HMAC over the concatenation of `parts`, not truncated. A key may have any length (RFC
/// 2104).
pub fn prf(alg: HashAlg, key: &[u8], parts: &[&[u8]]) -> Secret {
    match alg {
        HashAlg::Md5 => hmac::<Hmac<Md5>>(key, parts),
        HashAlg::Sha1 => hmac::<Hmac<Sha1>>(key, parts),
        HashAlg::Sha256 => hmac::<Hmac<Sha256>>(key, parts),
        HashAlg::Sha384 => hmac::<Hmac<Sha384>>(key, parts),
        HashAlg::Sha512 => hmac::<Hmac<Sha512>>(key, parts),
    }
}

/// The plain hash over the concatenation of `parts`.
pub fn hash(alg: HashAlg, parts: &[&[u8]]) -> Vec<u8> {
    match alg {
        HashAlg::Md5 => digest::<Md5>(parts),
        HashAlg::Sha1 => digest::<Sha1>(parts),
        HashAlg::Sha256 => digest::<Sha256>(parts),
        HashAlg::Sha384 => digest::<Sha384>(parts),
        HashAlg::Sha512 => digest::<Sha512>(parts),
    }
}

fn hmac<H: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Secret {
    // HMAC takes keys of every length: the error does not exist.
    let Ok(mut h) = <H as KeyInit>::new_from_slice(key) else { return Secret::default() };
    for part in parts {
        h.update(part);
    }
    Secret::new(h.finalize().into_bytes().to_vec())
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut d = D::new();
    for part in parts {
        d.update(part);
    }
    d.finalize().to_vec()
}
