//! Main mode, authenticated with pre-shared keys (RFC 2409 section 5.4); see [`credential`](super::credential) for others.
//!
//! ```text
//!  1  HDR, SA            -->
//!  2                     <--  HDR, SA
//!  3  HDR, KE, Ni        -->
//!  4                     <--  HDR, KE, Nr
//!  5  HDR*, IDii, HASH_I -->
//!  6                     <--  HDR*, IDir, HASH_R
//! ```
//!
//! The initiator repeats its messages until they are answered; the responder only answers, repetitions included. The
//! responder's first state is [`HalfOpen`](crate::ike::half_open::HalfOpen).

pub(crate) mod initiator;
pub(crate) mod responder;

use alloc::vec::Vec;

use super::phase1::Agreement;
use super::{Received, none_of, one};
use crate::ike::failure::IkeError;
use crate::wire::isakmp::PayloadType;

/// A public value and a nonce.
#[derive(Clone, Debug)]
pub(crate) struct KeyExchange {
    pub(crate) public: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
}

impl KeyExchange {
    /// Reads message 3 or 4.
    pub(crate) fn check(received: &Received<'_>, agreement: &Agreement) -> Result<KeyExchange, IkeError> {
        let chain = received.clear()?;
        let foreign =
            [PayloadType::SA, PayloadType::IDENTIFICATION, PayloadType::HASH, PayloadType::SIGNATURE];
        none_of(&chain, &foreign)?;
        let public = chain.body(one(&chain, PayloadType::KEY_EXCHANGE)?).to_vec();
        let nonce = chain.body(one(&chain, PayloadType::NONCE)?).to_vec();
        super::check_public(agreement.proposal.group, &public)?;
        Ok(KeyExchange { public, nonce })
    }
}
