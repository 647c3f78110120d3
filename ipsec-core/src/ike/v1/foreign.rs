//! Exchanges of others: read as far as it takes to name them, refused, and forgotten.
//!
//! New group mode and the transaction exchange (mode config, XAUTH) run under an ISAKMP SA, and authenticate themselves as
//! informational exchanges do: HASH(1) = prf(SKEYID_a, M-ID | rest) (RFC 2409 section 5.6). Who has the keys is told; nobody
//! else is answered. AuthIP shares the port and the header, nothing more.

use alloc::vec::Vec;

use super::phase1::Phase1;
use super::{Received, auth, keymat, protect, verify_hash};
use crate::ike::context::Context;
use crate::ike::failure::{Failure, FailureReason, Foreign, IkeError, Phase, Progress};
use crate::ike::sa::IsakmpSa;
use crate::io::Event;
use crate::wire::Reader;
use crate::wire::ikev1::{Attribute, NotifyType, ProtocolId};
use crate::wire::isakmp::{Chain, ExchangeType, Payload, PayloadType, decode_chain};

/// The Attribute payload of the transaction exchange (draft-ietf-ipsec-isakmp-mode-cfg).
const ATTRIBUTE: PayloadType = PayloadType(14);
/// Octets in it before the attributes: type, RESERVED, identifier.
const ATTRIBUTE_HEADER: usize = 4;
/// The attributes of XAUTH (draft-ietf-ipsec-isakmp-xauth), from XAUTH-TYPE on.
const XAUTH: core::ops::RangeInclusive<u16> = 16_520..=16_530;

/// Whose exchange this is, if it is not ours. A transaction may turn out to be XAUTH.
pub(crate) fn of(exchange_type: ExchangeType) -> Option<Foreign> {
    match exchange_type {
        ExchangeType::NEW_GROUP_MODE => Some(Foreign::NewGroupMode),
        ExchangeType::TRANSACTION => Some(Foreign::ModeConfig),
        ExchangeType::AUTHIP_MAIN_MODE
        | ExchangeType::AUTHIP_QUICK_MODE
        | ExchangeType::AUTHIP_EXTENDED_MODE
        | ExchangeType::AUTHIP_NOTIFY => Some(Foreign::AuthIp),
        _ => None,
    }
}

impl IsakmpSa {
    /// A message of a foreign exchange with the cookies of this SA arrived.
    pub(crate) fn refuse_foreign(&mut self, received: &Received<'_>, what: Foreign, cx: &mut Context<'_>) {
        let message_id = received.header.message_id;
        if message_id == 0 || self.is_used(message_id) || self.quick_modes.contains_key(&message_id) {
            return cx.ignore(received.peer, IkeError::NotSupported(what));
        }
        let chain = match (what, self.open_foreign(received)) {
            (Foreign::AuthIp, _) | (_, Ok(None)) => {
                return cx.ignore(received.peer, IkeError::NotSupported(what));
            }
            (_, Err(error)) => return cx.ignore(received.peer, error),
            (_, Ok(Some(chain))) => chain,
        };
        // The hash does not cover the exchange type: what somebody relabelled on the way must stay good under its own.
        let payloads: Vec<PayloadType> = chain.payloads().iter().map(Payload::payload_type).collect();
        let second = if what == Foreign::NewGroupMode { PayloadType::SA } else { ATTRIBUTE };
        if payloads != [PayloadType::HASH, second] {
            return cx.ignore(received.peer, IkeError::NotSupported(what));
        }
        self.mark_used(message_id);
        self.follow(received, cx);
        let (what, notify) = match what {
            // RFC2409-5.6-04.
            Foreign::NewGroupMode => (what, NotifyType::ATTRIBUTES_NOT_SUPPORTED),
            _ if is_xauth(&chain) => (Foreign::Xauth, NotifyType::UNSUPPORTED_EXCHANGE_TYPE),
            _ => (what, NotifyType::UNSUPPORTED_EXCHANGE_TYPE),
        };
        self.notify(notify, ProtocolId::ISAKMP, &[], cx);
        let reason = FailureReason::NotSupported(what);
        let failure = Failure {
            local: self.names.local,
            peer: self.names.peer,
            cky_i: self.names.cky_i,
            initiator: false,
            phase: Phase::QuickMode,
            entry: None,
            selector: None,
            method: self.established().map(|phase1| phase1.credential.method()),
            started: cx.now,
            progress: Progress::IdProcessed,
            reason,
        };
        cx.event(Event::Failed(failure));
    }

    /// The payloads, if they are authentic; nothing while there are no keys.
    fn open_foreign(&self, received: &Received<'_>) -> Result<Option<Chain>, IkeError> {
        let Phase1::Established(phase1) = &self.phase1 else { return Ok(None) };
        if !received.header.flags.is_encrypted() {
            return Err(IkeError::Unauthenticated);
        }
        let (keys, message_id) = (&phase1.keys, received.header.message_id);
        let iv = keymat::phase_2_iv(keys.alg, &phase1.last_block, message_id, keys.key.cipher());
        let failed = IkeError::AuthenticationFailed("HASH(1) of a foreign exchange");
        let plain = protect::decrypt(&keys.key, &iv, received.body).map_err(|_| failed)?;
        let (chain, _) = decode_chain(received.header.next_payload, &plain.body).map_err(IkeError::Decode)?;
        let expected = auth::hash_informational(keys.alg, &keys.skeyids.skeyid_a, message_id, chain.from(1));
        verify_hash(&chain, 0, &expected, "HASH(1) of a foreign exchange")?;
        // HASH(1) does not cover the exchange type, and that of quick mode is computed the same way: a message of quick mode
        // whose type was altered on its way must leave no trace. It has more payloads.
        match has_shape(received.header.exchange_type, &chain) {
            true => Ok(Some(chain)),
            false => Err(IkeError::Unexpected("payloads of another exchange than this claims to be")),
        }
    }
}

/// Whether these are the payloads of such an exchange: HASH(1), SA of new group mode, HASH, ATTR of a transaction.
fn has_shape(exchange_type: ExchangeType, chain: &Chain) -> bool {
    let types: Vec<PayloadType> = chain.payloads().iter().map(Payload::payload_type).collect();
    let of_exchange = if exchange_type == ExchangeType::NEW_GROUP_MODE { PayloadType::SA } else { ATTRIBUTE };
    types == [PayloadType::HASH, of_exchange]
}

/// Whether a transaction is about XAUTH.
fn is_xauth(chain: &Chain) -> bool {
    let body = chain.payloads().iter().find_map(|payload| match payload {
        Payload::Other { payload_type: ATTRIBUTE, body } => body.get(ATTRIBUTE_HEADER..),
        _ => None,
    });
    let attributes = body.and_then(|body| Attribute::decode_all(&mut Reader::new(body)).ok());
    attributes.is_some_and(|all| all.iter().any(|attribute| XAUTH.contains(&attribute.kind)))
}
