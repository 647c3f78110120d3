//! Aggressive mode as the responder, from message 1 on; states are named for the message they expect.

use alloc::vec::Vec;

use crate::crypto::Secret;
use crate::ike::context::Step;
use crate::ike::failure::{FailureReason, IkeError};
use crate::ike::identity;
use crate::ike::outbox::{Encryption, Protection};
use crate::ike::sa::Names;
use crate::ike::v1::main_mode::KeyExchange;
use crate::ike::v1::nat_traversal::discover;
use crate::ike::v1::phase1::{Accepted, Agreement, IsakmpKeys, Phase1, Transcript, unusable_key};
use crate::ike::v1::{Checked, Received, none_of, one, verify_hash};
use crate::wire::ikev1::{self, Nonce, SaPayload};
use crate::wire::isakmp::{Payload, PayloadType};
use crate::work::{Work, WorkId, WorkResult};

/// What the responder waits for.
#[derive(Clone, Debug)]
pub(crate) enum Responder {
    /// Our public value and the shared secret: message 2 needs both.
    MakeBoth { first: First, public: WorkId, shared: WorkId, g_xr: Option<Secret>, g_xy: Option<Secret> },
    /// The initiator's proof.
    WaitMessage3 { transcript: Transcript, keys: IsakmpKeys, idii_b: Vec<u8> },
}

/// What message 1 said, and what we shall answer.
#[derive(Clone, Debug)]
pub(crate) struct First {
    pub(crate) agreement: Agreement,
    pub(crate) reply: SaPayload,
    pub(crate) ke: KeyExchange,
    pub(crate) idii_b: Vec<u8>,
    pub(crate) vendor_ids: Vec<Payload>,
}

/// What message 1 and 2 have, and message 3 has not.
const NOT_IN_MESSAGE_3: [PayloadType; 5] = [
    PayloadType::SA,
    PayloadType::KEY_EXCHANGE,
    PayloadType::NONCE,
    PayloadType::IDENTIFICATION,
    PayloadType::SIGNATURE,
];

impl Responder {
    /// Message 1 was accepted: has both values computed.
    pub(crate) fn start(first: First, step: &mut Step<'_, '_>) -> Phase1 {
        let group = first.agreement.proposal.group;
        let secret = step.cx.exponent(step.names.id.0, group);
        let public = step.work(Work::DhPublic { group, secret: secret.clone() });
        let shared = step.work(Work::DhShared { group, secret, peer_public: first.ke.public.clone() });
        Phase1::AggressiveResponder(Responder::MakeBoth { first, public, shared, g_xr: None, g_xy: None })
    }

    /// Judges message 3: encrypted or in clear, it is a HASH_I that verifies.
    pub(crate) fn check(
        &self,
        received: &Received<'_>,
        names: &Names,
    ) -> Result<Checked<Accepted>, IkeError> {
        let Responder::WaitMessage3 { transcript, keys, idii_b } = self else {
            return Err(IkeError::Unexpected("work is under way"));
        };
        let iv = transcript.first_iv();
        let encrypted = received.header.flags.is_encrypted();
        let (chain, next_iv) = match encrypted {
            true => received.decrypt(Encryption { key: &keys.key, iv: &iv })?,
            false => (received.clear()?, iv),
        };
        none_of(&chain, &NOT_IN_MESSAGE_3)?;
        let hash = one(&chain, PayloadType::HASH)?;
        let expected = transcript.hashed(names).hash_i(keys.alg, &keys.skeyids.skeyid, idii_b);
        verify_hash(&chain, hash, &expected, "HASH_I")?;
        // HASH_I covers no notification: in clear, anybody may have added it.
        let notifications = chain.notifications().filter(|_| encrypted).cloned().collect();
        let version = names.nat_version();
        let nat = version.and_then(|version| discover(version, keys.alg, &chain, received));
        let id = names.found_by.clone();
        Ok(Checked::Accepted(Accepted::Authenticated { next_iv, notifications, id, nat }))
    }

    pub(crate) fn advance(self, accepted: Accepted, step: &mut Step<'_, '_>) -> Phase1 {
        match (self, accepted) {
            (
                Responder::WaitMessage3 { transcript, keys, .. },
                Accepted::Authenticated { next_iv, notifications, .. },
            ) => transcript.establish(keys, next_iv, &notifications, step),
            // `check` gives each state its own kind of message.
            (state, _) => Phase1::AggressiveResponder(state),
        }
    }

    pub(crate) fn complete(self, id: WorkId, result: WorkResult, step: &mut Step<'_, '_>) -> Phase1 {
        let WorkResult::Bytes(bytes) = result else {
            return Phase1::Failed(FailureReason::BadPublicValue);
        };
        let Responder::MakeBoth { first, public, shared, mut g_xr, mut g_xy } = self else {
            return Phase1::AggressiveResponder(self);
        };
        match id {
            id if id == public => g_xr = Some(bytes),
            id if id == shared => g_xy = Some(bytes),
            _ => {}
        }
        match (&g_xr, &g_xy) {
            (Some(g_xr), Some(g_xy)) => first.answer(g_xr, g_xy, step),
            _ => Phase1::AggressiveResponder(Responder::MakeBoth { first, public, shared, g_xr, g_xy }),
        }
    }

    pub(crate) fn is_working(&self) -> bool {
        matches!(self, Responder::MakeBoth { .. })
    }

    pub(crate) fn expectation(&self) -> &'static str {
        match self {
            Responder::MakeBoth { .. } => "computing the shared secret",
            Responder::WaitMessage3 { .. } => "waiting for aggressive mode message 3",
        }
    }
}

impl First {
    /// Sends message 2.
    fn answer(self, g_xr: &[u8], g_xy: &[u8], step: &mut Step<'_, '_>) -> Phase1 {
        let names = step.names;
        let nonce = step.cx.nonce(names.id.0);
        let transcript = Transcript {
            agreement: self.agreement,
            g_xi: self.ke.public,
            g_xr: g_xr.to_vec(),
            ni_b: self.ke.nonce,
            nr_b: nonce.clone(),
        };
        let keys = match transcript.keys(g_xy, names) {
            Ok(keys) => keys,
            Err(error) => return unusable_key(error),
        };
        transcript.log_key(&keys, step);
        let own = [
            Payload::Sa(self.reply),
            Payload::KeyExchange(ikev1::KeyExchange { data: g_xr.to_vec() }),
            Payload::Nonce(Nonce { data: nonce }),
            Payload::Identification(identity::payload(names.identity.as_ref(), names.local.ip())),
        ];
        let protection = Protection::Phase1 {
            encryption: None,
            alg: keys.alg,
            skeyid: &keys.skeyids.skeyid,
            transcript: transcript.hashed(names),
            initiator: false,
            id_b: &[],
        };
        let nat_d = names.nat_d(keys.alg);
        let payloads = own.into_iter().chain(self.vendor_ids).chain(nat_d).collect();
        let sent = step.cx.node.outbox.send(step.header(), payloads, protection);
        step.send(&sent, false);
        Phase1::AggressiveResponder(Responder::WaitMessage3 { transcript, keys, idii_b: self.idii_b })
    }
}
