//! Main mode as the responder, from message 3 on; states are named for the message they expect.

use alloc::vec::Vec;

use super::KeyExchange;
use crate::crypto::Secret;
use crate::ike::context::Step;
use crate::ike::failure::{FailureReason, IkeError};
use crate::ike::outbox::Protection;
use crate::ike::sa::Names;
use crate::ike::v1::phase1::{Accepted, Agreement, IsakmpKeys, Phase1, Transcript, unusable_key};
use crate::ike::v1::{Checked, Received};
use crate::wire::ikev1::{self, Nonce};
use crate::wire::isakmp::{Payload, PayloadType};
use crate::work::{Work, WorkId, WorkResult};

/// What the responder waits for.
#[derive(Clone, Debug)]
pub(crate) enum Responder {
    /// Our public value for message 4; the shared secret may come before it.
    MakePublic {
        agreement: Agreement,
        peer: KeyExchange,
        public: WorkId,
        shared: WorkId,
        g_xy: Option<Secret>,
    },
    /// The shared secret, without which message 5 cannot be read.
    MakeShared { transcript: Transcript, shared: WorkId },
    /// The initiator's authentication.
    WaitMessage5 { transcript: Transcript, keys: IsakmpKeys, iv: Vec<u8> },
}

impl Responder {
    /// Message 3 was accepted: has both values computed.
    pub(crate) fn start(agreement: Agreement, peer: KeyExchange, step: &mut Step<'_, '_>) -> Phase1 {
        let group = agreement.proposal.group;
        let secret = step.cx.exponent(step.names.id.0, group);
        let public = step.work(Work::DhPublic { group, secret: secret.clone() });
        let shared = step.work(Work::DhShared { group, secret, peer_public: peer.public.clone() });
        Phase1::MainModeResponder(Responder::MakePublic { agreement, peer, public, shared, g_xy: None })
    }

    pub(crate) fn check(
        &self,
        received: &Received<'_>,
        names: &Names,
    ) -> Result<Checked<Accepted>, IkeError> {
        match self {
            Responder::WaitMessage5 { transcript, keys, iv } => {
                transcript.check_authentication(keys, iv, received, names)
            }
            Responder::MakePublic { .. } | Responder::MakeShared { .. } => {
                Err(IkeError::Unexpected("work is under way"))
            }
        }
    }

    pub(crate) fn advance(self, accepted: Accepted, step: &mut Step<'_, '_>) -> Phase1 {
        match (self, accepted) {
            (
                Responder::WaitMessage5 { transcript, keys, .. },
                Accepted::Authenticated { next_iv, notifications, .. },
            ) => {
                let sent = transcript.authenticate(&keys, &next_iv, step);
                transcript.establish(keys, sent.last_block, &notifications, step)
            }
            // `check` gives each state its own kind of message.
            (state, _) => Phase1::MainModeResponder(state),
        }
    }

    pub(crate) fn complete(self, id: WorkId, result: WorkResult, step: &mut Step<'_, '_>) -> Phase1 {
        let WorkResult::Bytes(bytes) = result else {
            return Phase1::Failed(FailureReason::BadPublicValue);
        };
        match self {
            Responder::MakePublic { agreement, peer, public, shared, .. } if id == shared => {
                Phase1::MainModeResponder(Responder::MakePublic {
                    agreement,
                    peer,
                    public,
                    shared,
                    g_xy: Some(bytes),
                })
            }
            Responder::MakePublic { agreement, peer, public, shared, g_xy } if id == public => {
                let ke = ikev1::KeyExchange { data: bytes.to_vec() };
                let nonce = Nonce { data: step.cx.nonce(step.names.id.0) };
                let mut payloads = [Payload::KeyExchange(ke), Payload::Nonce(nonce)].to_vec();
                payloads.extend(step.names.nat_d(agreement.proposal.hash));
                let sent = step.cx.node.outbox.send(step.header(), payloads, Protection::Clear);
                step.answer(&sent);
                let transcript = Transcript {
                    agreement,
                    g_xi: peer.public,
                    g_xr: sent.body(PayloadType::KEY_EXCHANGE, 0).to_vec(),
                    ni_b: peer.nonce,
                    nr_b: sent.body(PayloadType::NONCE, 0).to_vec(),
                };
                match g_xy {
                    Some(g_xy) => with_shared(transcript, &g_xy, step),
                    None => Phase1::MainModeResponder(Responder::MakeShared { transcript, shared }),
                }
            }
            Responder::MakeShared { transcript, shared } if id == shared => {
                with_shared(transcript, &bytes, step)
            }
            other => Phase1::MainModeResponder(other),
        }
    }

    pub(crate) fn is_working(&self) -> bool {
        matches!(self, Responder::MakePublic { .. } | Responder::MakeShared { .. })
    }

    pub(crate) fn expectation(&self) -> &'static str {
        match self {
            Responder::MakePublic { .. } => "computing the public value",
            Responder::MakeShared { .. } => "computing the shared secret",
            Responder::WaitMessage5 { .. } => "waiting for main mode message 5",
        }
    }
}

fn with_shared(transcript: Transcript, g_xy: &[u8], step: &mut Step<'_, '_>) -> Phase1 {
    match transcript.derive(g_xy, step) {
        Ok(keys) => {
            let iv = transcript.first_iv();
            Phase1::MainModeResponder(Responder::WaitMessage5 { transcript, keys, iv })
        }
        Err(error) => unusable_key(error),
    }
}
