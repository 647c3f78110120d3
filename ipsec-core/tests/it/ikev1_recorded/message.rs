//! ISAKMP messages, taken apart (RFC 2408 section 3), and what they negotiate (RFC 2409 appendix A, RFC 2407 section 4).

use ipsec_core::crypto::{Cipher, HashAlg};
use std::collections::BTreeMap;

pub(super) const SA: u8 = 1;
pub(super) const KE: u8 = 4;
pub(super) const ID: u8 = 5;
pub(super) const HASH: u8 = 8;
pub(super) const SIG: u8 = 9;
pub(super) const NONCE: u8 = 10;
/// Microsoft's fragments (MS-IKEE section 2.2.3.2), which others send too.
pub(super) const FRAGMENT: u8 = 132;

/// An ISAKMP message cut into header fields and body.
pub(super) struct Message<'a> {
    pub(super) cookies: ([u8; 8], [u8; 8]),
    pub(super) first_payload: u8,
    pub(super) exchange: u8,
    pub(super) is_encrypted: bool,
    pub(super) message_id: u32,
    pub(super) body: &'a [u8],
}

impl<'a> Message<'a> {
    pub(super) fn cut(bytes: &'a [u8]) -> Self {
        assert_eq!(bytes.len(), u32::from_be_bytes(bytes[24..28].try_into().unwrap()) as usize);
        Message {
            cookies: (bytes[..8].try_into().unwrap(), bytes[8..16].try_into().unwrap()),
            first_payload: bytes[16],
            exchange: bytes[18],
            is_encrypted: bytes[19] & 1 != 0,
            message_id: u32::from_be_bytes(bytes[20..24].try_into().unwrap()),
            body: &bytes[28..],
        }
    }
}

/// Bodies of payloads by type.
pub(super) type Payloads = BTreeMap<u8, Vec<Vec<u8>>>;

/// The payloads of a body by type, and the length of the chain: what is behind it is padding.
pub(super) fn payloads(first: u8, body: &[u8]) -> (Payloads, usize) {
    let (mut found, mut next, mut at) = (Payloads::new(), first, 0);
    while next != 0 {
        let len = usize::from(u16::from_be_bytes([body[at + 2], body[at + 3]]));
        found.entry(next).or_default().push(body[at + 4..at + len].to_vec());
        next = body[at];
        at += len;
    }
    (found, at)
}

/// One proposal of an SA payload with its first transform.
#[derive(Clone, Debug)]
pub(super) struct Proposal {
    pub(super) number: u8,
    pub(super) protocol: u8,
    pub(super) spi: Vec<u8>,
    pub(super) transform_id: u8,
    pub(super) transforms: usize,
    /// Values of at most four octets, by attribute type.
    pub(super) attributes: BTreeMap<u16, u64>,
}

/// The proposals in an SA payload's body: DOI, situation, proposals.
pub(super) fn proposals(sa: &[u8]) -> Vec<Proposal> {
    let (mut found, mut rest) = (Vec::new(), &sa[8..]);
    while !rest.is_empty() {
        let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        let (proposal, behind) = rest.split_at(len);
        let transform = &proposal[8 + usize::from(proposal[6])..];
        let transform_len = usize::from(u16::from_be_bytes([transform[2], transform[3]]));
        found.push(Proposal {
            number: proposal[4],
            protocol: proposal[5],
            spi: proposal[8..8 + usize::from(proposal[6])].to_vec(),
            transform_id: transform[5],
            transforms: proposal[7].into(),
            attributes: attributes(&transform[8..transform_len]),
        });
        rest = behind;
    }
    found
}

fn attributes(mut bytes: &[u8]) -> BTreeMap<u16, u64> {
    let mut found = BTreeMap::new();
    while let [a, b, c, d, rest @ ..] = bytes {
        let (kind, short) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
        if kind & 0x8000 != 0 {
            found.insert(kind & 0x7fff, short.into());
            bytes = rest;
        } else {
            let (value, behind) = rest.split_at(short.into());
            if value.len() <= 4 {
                found.insert(kind, value.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet)));
            }
            bytes = behind;
        }
    }
    found
}

/// What phase 1 agreed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phase1Algorithms {
    pub(super) cipher: Cipher,
    pub(super) hash: HashAlg,
    pub(super) group: u64,
    /// Whether a pre-shared key authenticates; else signatures.
    pub(super) is_psk: bool,
}

impl Phase1Algorithms {
    /// The attributes of the responder's only transform (RFC 2409 appendix A).
    pub(super) fn read(sa: &[u8]) -> Self {
        let chosen = proposals(sa);
        assert_eq!((chosen.len(), chosen[0].transforms), (1, 1), "message 2 chooses one transform");
        let value = |kind| chosen[0].attributes.get(&kind).copied();
        let cipher = match (value(1), value(14)) {
            (Some(1), _) => Cipher::Des,
            (Some(5), _) => Cipher::TripleDes,
            (Some(7), bits) => aes(bits),
            other => panic!("encryption algorithm {other:?} is not replayed"),
        };
        let hash = match value(2) {
            Some(1) => HashAlg::Md5,
            Some(2) => HashAlg::Sha1,
            Some(4) => HashAlg::Sha256,
            Some(5) => HashAlg::Sha384,
            Some(6) => HashAlg::Sha512,
            other => panic!("hash algorithm {other:?} is not replayed"),
        };
        let is_psk = match value(3) {
            // XAUTH's numbers are those of draft-ietf-ipsec-isakmp-xauth; signatures are DSS, RSA, ECDSA.
            Some(1 | 65_001 | 65_002) => true,
            Some(2 | 3 | 9..=11 | 64_221 | 64_222 | 65_003..=65_006) => false,
            other => panic!("authentication method {other:?} is not replayed"),
        };
        Phase1Algorithms { cipher, hash, group: value(4).expect("a group"), is_psk }
    }
}

/// AES-CBC with this key length.
pub(super) fn aes(bits: Option<u64>) -> Cipher {
    match bits {
        Some(128) => Cipher::Aes128,
        Some(192) => Cipher::Aes192,
        Some(256) => Cipher::Aes256,
        other => panic!("AES needs a key length, not {other:?}"),
    }
}
