//! Sending: a typed message in, a datagram out, and the bytes that later hashes and IVs are computed from.
//!
//! Hashes cover bytes as sent (RFC 2409 section 5), so a state builds a typed message, and takes everything it needs later
//! from what [`Outbox::send`] really sent. A probe's outbox tells a [`Lie`] first; hashes and chains still fit.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::v1::{auth, protect};
use crate::crypto::{CipherKey, HashAlg};
use crate::wire::ikev1::Hash;
use crate::wire::isakmp::{Flags, Header, Payload, PayloadType, encode_chain};

pub use crate::wire::isakmp::Lie;

/// Encodes, authenticates and encrypts messages.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    lies: VecDeque<Lie>,
}

/// How a message is authenticated and encrypted.
#[derive(Clone, Copy, Debug)]
pub enum Protection<'a> {
    /// Sent in clear.
    Clear,
    /// The proofs of phase 1: HASH_I or HASH_R follows our identity, which it covers.
    Phase1 {
        /// Key and IV; aggressive mode may do without.
        encryption: Option<Encryption<'a>>,
        /// Hash of the PRF.
        alg: HashAlg,
        /// SKEYID.
        skeyid: &'a [u8],
        /// What both hashes cover.
        transcript: auth::Phase1<'a>,
        /// HASH_I rather than HASH_R.
        initiator: bool,
        /// The body of our identity, when an earlier message carried it.
        id_b: &'a [u8],
    },
    /// Quick mode messages 1 and 2, and informational exchanges: a HASH payload goes in front and covers the rest.
    Phase2 {
        /// Key and IV.
        encryption: Encryption<'a>,
        /// Hash of the PRF.
        alg: HashAlg,
        /// SKEYID_a.
        skeyid_a: &'a [u8],
        /// Ni_b for HASH(2), else empty.
        ni_b: &'a [u8],
    },
    /// The answer to a reliable delete: a HASH payload goes in front and covers the rest.
    DeleteAnswer {
        /// Key and IV.
        encryption: Encryption<'a>,
        /// Hash of the PRF.
        alg: HashAlg,
        /// SKEYID_a.
        skeyid_a: &'a [u8],
        /// The nonce of the delete; empty without.
        ni_b: &'a [u8],
    },
    /// Quick mode message 3: a HASH payload alone.
    Third {
        /// Key and IV.
        encryption: Encryption<'a>,
        /// Hash of the PRF.
        alg: HashAlg,
        /// SKEYID_a.
        skeyid_a: &'a [u8],
        /// The initiator's nonce.
        ni_b: &'a [u8],
        /// The responder's nonce.
        nr_b: &'a [u8],
    },
}

/// A key and the IV to start from.
#[derive(Clone, Copy, Debug)]
pub struct Encryption<'a> {
    /// The expanded key.
    pub key: &'a CipherKey,
    /// One block.
    pub iv: &'a [u8],
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The whole message.
    pub datagram: Vec<u8>,
    /// The last ciphertext block: the next IV. Empty for a message in clear.
    pub last_block: Vec<u8>,
    bodies: Vec<(PayloadType, Vec<u8>)>,
}

impl Sent {
    /// The body of the `nth` payload of this type as sent, counted from 0; empty if there is none.
    pub fn body(&self, payload_type: PayloadType, nth: usize) -> &[u8] {
        let mut bodies = self.bodies.iter().filter(|(found, _)| *found == payload_type);
        bodies.nth(nth).map_or(&[], |(_, body)| body)
    }
}

impl Outbox {
    /// An outbox that tells these lies, one for each message, and is honest from then on.
    pub fn new(lies: &[Lie]) -> Self {
        Outbox { lies: lies.iter().cloned().collect() }
    }

    /// Encodes `payloads`, adds the HASH that `protection` asks for, and encrypts. The header's E flag follows.
    pub fn send(
        &mut self,
        mut header: Header,
        mut payloads: Vec<Payload>,
        protection: Protection<'_>,
    ) -> Sent {
        let lie = self.lies.pop_front().unwrap_or_default();
        lie.tell(&mut header, &mut payloads);
        let message_id = header.message_id;
        let encryption = match protection {
            Protection::Clear => None,
            Protection::Phase1 { encryption, alg, skeyid, transcript, initiator, id_b } => {
                let is_id = |payload: &Payload| payload.payload_type() == PayloadType::IDENTIFICATION;
                let id = payloads.iter().position(is_id);
                let sent = id.and_then(|place| payloads.get(place)).map(Payload::to_body);
                let id_b = sent.unwrap_or_else(|| id_b.to_vec());
                let data = match initiator {
                    true => transcript.hash_i(alg, skeyid, &id_b),
                    false => transcript.hash_r(alg, skeyid, &id_b),
                };
                payloads.insert(id.map_or(0, |place| place + 1), Payload::Hash(Hash { data }));
                encryption
            }
            Protection::Phase2 { encryption, alg, skeyid_a, ni_b } => {
                let (_, rest) = encode_chain(&payloads);
                let data = auth::hash_2(alg, skeyid_a, message_id, ni_b, &rest);
                payloads.insert(0, Payload::Hash(Hash { data }));
                Some(encryption)
            }
            Protection::DeleteAnswer { encryption, alg, skeyid_a, ni_b } => {
                let (_, rest) = encode_chain(&payloads);
                let data = auth::hash_delete_answer(alg, skeyid_a, ni_b, message_id, &rest);
                payloads.insert(0, Payload::Hash(Hash { data }));
                Some(encryption)
            }
            Protection::Third { encryption, alg, skeyid_a, ni_b, nr_b } => {
                let data = auth::hash_3(alg, skeyid_a, message_id, ni_b, nr_b);
                payloads.insert(0, Payload::Hash(Hash { data }));
                Some(encryption)
            }
        };
        let bodies = payloads.iter().map(|payload| (payload.payload_type(), payload.to_body())).collect();
        let (first, mut body) = encode_chain(&payloads);
        lie.spoil(&mut body);
        let Some(Encryption { key, iv }) = encryption else {
            return Sent { datagram: header.encode_with(first, &body), last_block: Vec::new(), bodies };
        };
        header.flags |= Flags::ENCRYPTION;
        // The IV comes from the same cipher as the key, so its length fits, and there is at least the HASH to encrypt.
        let Ok(protected) = protect::encrypt(key, iv, &body) else {
            return Sent { datagram: Vec::new(), last_block: iv.to_vec(), bodies };
        };
        Sent { datagram: header.encode_with(first, &protected.body), last_block: protected.next_iv, bodies }
    }
}
