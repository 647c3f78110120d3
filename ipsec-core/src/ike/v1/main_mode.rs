//! Main mode, authenticated with pre-shared keys (RFC 2409 section 5.4); see [`credential`](super::credential) for others.
//!
//! ```text
//!  1  HDR, SA            -->
//!  2                     <--  HDR, SA
//!  3  HDR, KE, Ni [, NAT-D, NAT-D] -->
//!  4                     <--  HDR, KE, Nr [, NAT-D, NAT-D]
//!  5  HDR*, IDii, HASH_I -->
//!  6                     <--  HDR*, IDir, HASH_R
//! ```
//!
//! The initiator repeats its messages until they are answered; the responder only answers, repetitions included, unless it
//! is told to repeat itself ([`IkeConfig::responder_retransmit`](crate::config::IkeConfig::responder_retransmit)). The
//! responder's first state is [`HalfOpen`](crate::ike::half_open::HalfOpen).

pub(crate) mod initiator;
pub(crate) mod responder;

use alloc::vec::Vec;

use super::nat_traversal::{self, Nat, Version};
use super::phase1::Agreement;
use super::{Received, none_of, one};
use crate::ike::failure::IkeError;
use crate::wire::isakmp::PayloadType;

/// A public value and a nonce.
#[derive(Clone, Debug)]
pub(crate) struct KeyExchange {
    pub(crate) public: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
    /// What the NAT-D payloads said, if NAT traversal was agreed.
    pub(crate) nat: Option<Nat>,
}

impl KeyExchange {
    /// Reads message 3 or 4, after both ends agreed on this version of NAT traversal.
    pub(crate) fn check(
        received: &Received<'_>,
        agreement: &Agreement,
        version: Option<Version>,
    ) -> Result<KeyExchange, IkeError> {
        let chain = received.clear()?;
        let foreign =
            [PayloadType::SA, PayloadType::IDENTIFICATION, PayloadType::HASH, PayloadType::SIGNATURE];
        none_of(&chain, &foreign)?;
        let public = chain.body(one(&chain, PayloadType::KEY_EXCHANGE)?).to_vec();
        let nonce = chain.body(one(&chain, PayloadType::NONCE)?).to_vec();
        super::check_public(agreement.proposal.group, &public)?;
        let hash = agreement.proposal.hash;
        let nat = version.and_then(|version| nat_traversal::discover(version, hash, &chain, received));
        Ok(KeyExchange { public, nonce, nat })
    }
}
