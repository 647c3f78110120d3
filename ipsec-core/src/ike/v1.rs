//! IKE version 1 (RFC 2409): decrypt, choose the exchange by message ID, dispatch.
//!
//! Checking borrows and advancing consumes. `check` looks at a message and cannot change anything, so a forged datagram
//! leaves the state as it was; `advance` takes what `check` accepted, and cannot fail; `complete` takes the result of work.
//! What is accepted carries the next IV: only accepted messages move a chain of CBC blocks.

pub(crate) mod aggressive_mode;
pub mod auth;
pub(crate) mod credential;
pub(crate) mod dead_peer;
mod exchange;
pub(crate) mod foreign;
pub(crate) mod fragment;
pub(crate) mod informational;
pub mod keymat;
pub(crate) mod main_mode;
pub mod nat_traversal;
pub(crate) mod phase1;
pub mod protect;
pub(crate) mod quick_mode;
pub(crate) mod reliable_delete;
pub mod vendor_id;

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::failure::{FailureReason, IkeError};
use super::outbox::Encryption;
use super::retransmit::{Digest, digest};
use crate::crypto::{DhSecret, Group};
use crate::wire::ikev1::NotifyType;
use crate::wire::isakmp::{Chain, ExchangeType, Flags, Header, Payload, PayloadType, decode_chain, split};
use crate::wire::{DecodeError, DecodeErrorKind};

/// A received message, its payloads still as they came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Received<'a> {
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
    pub(crate) header: Header,
    pub(crate) body: &'a [u8],
    pub(crate) datagram: &'a [u8],
    pub(crate) digest: Digest,
}

/// What a state thinks of a message.
#[derive(Clone, Debug)]
pub(crate) enum Checked<A> {
    /// It moves the exchange on.
    Accepted(A),
    /// It is authentic, but its contents end the exchange.
    Refused(Refused),
}

/// Why an authentic message ends an exchange.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    /// What the peer is told.
    pub(crate) notify: NotifyType,
    /// What our driver is told.
    pub(crate) reason: FailureReason,
}

impl Refused {
    /// A broken rule.
    pub(crate) fn rule(notify: NotifyType, rule: &'static str) -> Self {
        let reason = FailureReason::Protocol(IkeError::PeerMisbehaved { notify: notify.0, rule });
        Refused { notify, reason }
    }
}

impl<'a> Received<'a> {
    /// Reads the header; the checks of RFC 2408 sections 5.1 and 5.2 that need no state.
    pub(crate) fn new(local: SocketAddr, peer: SocketAddr, datagram: &'a [u8]) -> Result<Self, DecodeError> {
        let (header, body) = split(datagram)?;
        header.check()?;
        // RFC2408-3.1-18: the A flag belongs to informational exchanges.
        let authentication_only = header.flags.contains(Flags::AUTHENTICATION_ONLY);
        if authentication_only && header.exchange_type != ExchangeType::INFORMATIONAL {
            let kind = DecodeErrorKind::BadValue { value: header.flags.0.into() };
            return Err(DecodeError::new("isakmp.flags", 19, kind));
        }
        Ok(Received { local, peer, header, body, datagram, digest: digest(datagram) })
    }

    /// The payloads of a message in clear; nothing may follow them.
    pub(crate) fn clear(&self) -> Result<Chain, IkeError> {
        if self.header.flags.is_encrypted() {
            return Err(IkeError::Unexpected("an encrypted message before there is a key"));
        }
        let (chain, consumed) =
            decode_chain(self.header.next_payload, self.body).map_err(IkeError::Decode)?;
        known(&chain)?;
        match self.body.len().checked_sub(consumed) {
            Some(0) | None => Ok(chain),
            Some(count) => Err(IkeError::Decode(DecodeError::new(
                "isakmp.length",
                28 + consumed,
                DecodeErrorKind::Trailing { count },
            ))),
        }
    }

    /// The payloads of an encrypted message, and the IV of the next one if this one is accepted.
    pub(crate) fn decrypt(&self, encryption: Encryption<'_>) -> Result<(Chain, Vec<u8>), IkeError> {
        if !self.header.flags.is_encrypted() {
            return Err(IkeError::Unauthenticated);
        }
        let Ok(plain) = protect::decrypt(encryption.key, encryption.iv, self.body) else {
            let kind = DecodeErrorKind::BadLength { length: self.body.len() };
            return Err(IkeError::Decode(DecodeError::new("isakmp.length", 24, kind)));
        };
        let (chain, _) = decode_chain(self.header.next_payload, &plain.body).map_err(IkeError::Decode)?;
        known(&chain)?;
        Ok((chain, plain.next_iv))
    }
}

/// RFC2408-5.3-01: a payload of an unassigned type condemns its message; those of the private range are passed over.
fn known(chain: &Chain) -> Result<(), IkeError> {
    let unassigned = |payload: &&Payload| matches!(payload, Payload::Other { payload_type, .. } if !payload_type.is_private());
    match chain.payloads().iter().find(unassigned) {
        None => Ok(()),
        Some(payload) => {
            let kind = DecodeErrorKind::BadValue { value: payload.payload_type().0.into() };
            Err(IkeError::Decode(DecodeError::new("payload.next", 28, kind)))
        }
    }
}

/// The SA payload, which comes first: at `place` (RFC2409-5-07, RFC2409-5.5-03).
pub(crate) fn sa_at(chain: &Chain, place: usize) -> Result<usize, IkeError> {
    match one(chain, PayloadType::SA)? {
        found if found == place => Ok(place),
        _ => {
            let notify = NotifyType::PAYLOAD_MALFORMED.0;
            Err(IkeError::PeerMisbehaved { notify, rule: "the SA payload is not where it belongs" })
        }
    }
}

/// RFC2408-3-02: the exchange says which payloads a message has. Certificates, notifications, vendor IDs and NAT
/// discovery may come with any.
pub(crate) fn none_of(chain: &Chain, foreign: &[PayloadType]) -> Result<(), IkeError> {
    match foreign.iter().any(|payload_type| chain.position(*payload_type).is_some()) {
        false => Ok(()),
        true => {
            let notify = NotifyType::INVALID_PAYLOAD_TYPE.0;
            Err(IkeError::PeerMisbehaved { notify, rule: "a payload that does not belong into this message" })
        }
    }
}

/// What belongs to later messages of main mode than the first two.
pub(crate) const NOT_WITH_SA: [PayloadType; 5] = [
    PayloadType::KEY_EXCHANGE,
    PayloadType::NONCE,
    PayloadType::IDENTIFICATION,
    PayloadType::HASH,
    PayloadType::SIGNATURE,
];

/// The place of the only payload of this type.
pub(crate) fn one(chain: &Chain, payload_type: PayloadType) -> Result<usize, IkeError> {
    at_most_one(chain, payload_type)?.ok_or(IkeError::PeerMisbehaved {
        notify: NotifyType::PAYLOAD_MALFORMED.0,
        rule: "a payload is missing",
    })
}

/// The place of the only payload of this type, if there is one.
pub(crate) fn at_most_one(chain: &Chain, payload_type: PayloadType) -> Result<Option<usize>, IkeError> {
    let mut positions = chain.positions(payload_type);
    match (positions.next(), positions.next()) {
        (first, None) => Ok(first),
        _ => Err(IkeError::PeerMisbehaved {
            notify: NotifyType::PAYLOAD_MALFORMED.0,
            rule: "a payload is there twice",
        }),
    }
}

/// RFC2409-5-10, RFC2409-5-35: refuses a public value that has not the group's length, or would confine the shared secret (0, 1, p - 1 and above).
///
/// Raising it to the power of one costs next to nothing, and judges it as the real exponentiation would.
pub(crate) fn check_public(group: Group, public: &[u8]) -> Result<(), IkeError> {
    let judged = DhSecret::from_exponent(group, &[1]).and_then(|one| one.shared(public));
    judged.map(drop).map_err(|_| IkeError::PeerMisbehaved {
        notify: NotifyType::INVALID_KEY_INFORMATION.0,
        rule: "the Diffie-Hellman value is not acceptable",
    })
}

/// Whether the first payload is a HASH equal to this one; the comparison takes constant time.
pub(crate) fn verify_hash(
    chain: &Chain,
    place: usize,
    expected: &[u8],
    name: &'static str,
) -> Result<(), IkeError> {
    let given = match chain.get(place) {
        Some(Payload::Hash(hash)) => hash.data.as_slice(),
        _ => {
            return Err(IkeError::PeerMisbehaved {
                notify: NotifyType::PAYLOAD_MALFORMED.0,
                rule: "HASH is missing",
            });
        }
    };
    if auth::equal(given, expected) { Ok(()) } else { Err(IkeError::AuthenticationFailed(name)) }
}
