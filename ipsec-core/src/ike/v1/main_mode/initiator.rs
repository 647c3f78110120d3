//! Main mode as the initiator; states are named for the message they expect.

use alloc::vec::Vec;

use super::KeyExchange;
use crate::crypto::Secret;
use crate::ike::context::Step;
use crate::ike::failure::{FailureReason, IkeError, Progress};
use crate::ike::outbox::Protection;
use crate::ike::proposal::phase1;
use crate::ike::sa::Names;
use crate::ike::v1::credential::Credential;
use crate::ike::v1::phase1::{Accepted, Agreement, IsakmpKeys, Phase1, Transcript, unusable_key};
use crate::ike::v1::vendor_id::{self, Capabilities, Occasion};
use crate::ike::v1::{Checked, NOT_WITH_SA, Received, none_of, sa_at};
use crate::pad::{AuthMethod, MainModeProposal, PadEntry};
use crate::wire::ikev1::{self, AuthenticationMethod, Nonce, NotifyType, SaPayload};
use crate::wire::isakmp::{Payload, PayloadType};
use crate::work::{Work, WorkId, WorkResult};

/// What the initiator waits for.
#[derive(Clone, Debug)]
pub(crate) enum Initiator {
    /// The responder's choice.
    WaitMessage2 { offered: SaPayload, offer: Offer },
    /// Our public value.
    MakePublic { agreement: Agreement, secret: Secret, work: WorkId },
    /// The responder's public value.
    WaitMessage4 { agreement: Agreement, secret: Secret, g_xi: Vec<u8>, ni_b: Vec<u8> },
    /// The shared secret.
    MakeShared { transcript: Transcript, work: WorkId },
    /// The responder's authentication.
    WaitMessage6 { transcript: Transcript, keys: IsakmpKeys, iv: Vec<u8> },
}

/// What message 1 leaves for the agreement.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) proposals: Vec<MainModeProposal>,
    pub(crate) methods: Vec<AuthMethod>,
    pub(crate) sa_i_b: Vec<u8>,
    pub(crate) lifetime_seconds: u32,
}

impl Initiator {
    /// Sends message 1.
    pub(crate) fn start(entry: &PadEntry, step: &mut Step<'_, '_>) -> Phase1 {
        let offered = phase1::offer(&entry.proposals, &entry.methods, entry.lifetime_seconds);
        let occasion = Occasion { peer: step.names.peer.ip(), alone: step.names.alone, answered: None };
        let (vendor_ids, _) = vendor_id::payloads(&step.cx.node.config.vendor_ids, occasion);
        let payloads = [Payload::Sa(offered.clone())].into_iter().chain(vendor_ids).collect();
        let sent = step.cx.node.outbox.send(step.header(), payloads, Protection::Clear);
        step.send(&sent, true);
        let offer = Offer {
            proposals: entry.proposals.clone(),
            methods: entry.methods.clone(),
            sa_i_b: sent.body(PayloadType::SA, 0).to_vec(),
            lifetime_seconds: entry.lifetime_seconds,
        };
        Phase1::MainModeInitiator(Initiator::WaitMessage2 { offered, offer })
    }

    pub(crate) fn check(
        &self,
        received: &Received<'_>,
        names: &Names,
    ) -> Result<Checked<Accepted>, IkeError> {
        match self {
            Initiator::WaitMessage2 { offered, offer: Offer { proposals, methods, .. } } => {
                let chain = received.clear()?;
                sa_at(&chain, 0)?;
                none_of(&chain, &NOT_WITH_SA)?;
                let agreed = chain.sa().and_then(|reply| phase1::confirm(offered, proposals, methods, reply));
                let (proposal, method) = agreed.ok_or(IkeError::PeerMisbehaved {
                    notify: NotifyType::BAD_PROPOSAL_SYNTAX.0,
                    rule: "the reply is not one of our transforms, unmodified",
                })?;
                let credential = Credential::of(&method)?;
                let (cky_r, peer_can) = (received.header.cky_r, Capabilities::of(&chain));
                Ok(Checked::Accepted(Accepted::Sa { cky_r, proposal, credential, peer_can }))
            }
            Initiator::WaitMessage4 { agreement, g_xi, .. } => {
                let ke = KeyExchange::check(received, agreement, names.nat_version())?;
                // RFC2408-1.7.3-02: message 3, sent back to us, moves nothing.
                if ke.public == *g_xi {
                    return Err(IkeError::Unexpected("our own public value, reflected"));
                }
                Ok(Checked::Accepted(Accepted::KeyExchange(ke)))
            }
            Initiator::WaitMessage6 { transcript, keys, iv } => {
                transcript.check_authentication(keys, iv, received, names)
            }
            Initiator::MakePublic { .. } | Initiator::MakeShared { .. } => {
                Err(IkeError::Unexpected("work is under way"))
            }
        }
    }

    pub(crate) fn advance(self, accepted: Accepted, step: &mut Step<'_, '_>) -> Phase1 {
        Phase1::MainModeInitiator(match (self, accepted) {
            (Initiator::WaitMessage2 { offer, .. }, Accepted::Sa { proposal, credential, .. }) => {
                let Offer { sa_i_b, lifetime_seconds, .. } = offer;
                let agreement =
                    Agreement { proposal, lifetime_seconds, shortened: false, sa_i_b, credential };
                let secret = step.cx.exponent(step.names.id.0, proposal.group);
                let work = step.work(Work::DhPublic { group: proposal.group, secret: secret.clone() });
                Initiator::MakePublic { agreement, secret, work }
            }
            (Initiator::WaitMessage4 { agreement, secret, g_xi, ni_b }, Accepted::KeyExchange(ke)) => {
                let group = agreement.proposal.group;
                let work = step.work(Work::DhShared { group, secret, peer_public: ke.public.clone() });
                let transcript = Transcript { agreement, g_xi, g_xr: ke.public, ni_b, nr_b: ke.nonce };
                Initiator::MakeShared { transcript, work }
            }
            (
                Initiator::WaitMessage6 { transcript, keys, .. },
                Accepted::Authenticated { next_iv, notifications, .. },
            ) => return transcript.establish(keys, next_iv, &notifications, step),
            // `check` gives each state its own kind of message.
            (state, _) => state,
        })
    }

    pub(crate) fn complete(self, id: WorkId, result: WorkResult, step: &mut Step<'_, '_>) -> Phase1 {
        match self {
            Initiator::MakePublic { agreement, secret, work } if work == id => {
                let WorkResult::Bytes(public) = result else {
                    return Phase1::Failed(FailureReason::BadPublicValue);
                };
                let ke = ikev1::KeyExchange { data: public.to_vec() };
                let nonce = Nonce { data: step.cx.nonce(step.names.id.0) };
                let mut payloads = [Payload::KeyExchange(ke), Payload::Nonce(nonce)].to_vec();
                payloads.extend(step.names.nat_d(agreement.proposal.hash));
                let sent = step.cx.node.outbox.send(step.header(), payloads, Protection::Clear);
                step.send(&sent, true);
                Phase1::MainModeInitiator(Initiator::WaitMessage4 {
                    agreement,
                    secret,
                    g_xi: sent.body(PayloadType::KEY_EXCHANGE, 0).to_vec(),
                    ni_b: sent.body(PayloadType::NONCE, 0).to_vec(),
                })
            }
            Initiator::MakeShared { transcript, work } if work == id => {
                let WorkResult::Bytes(g_xy) = result else {
                    return Phase1::Failed(FailureReason::BadPublicValue);
                };
                let keys = match transcript.derive(&g_xy, step) {
                    Ok(keys) => keys,
                    Err(error) => return unusable_key(error),
                };
                let sent = transcript.authenticate(&keys, &transcript.first_iv(), step);
                Phase1::MainModeInitiator(Initiator::WaitMessage6 { transcript, keys, iv: sent.last_block })
            }
            other => Phase1::MainModeInitiator(other),
        }
    }

    /// The methods of an offer that was not answered yet.
    pub(crate) fn offered_methods(&self) -> Option<Vec<AuthenticationMethod>> {
        match self {
            Initiator::WaitMessage2 { offer, .. } => {
                Some(offer.methods.iter().map(phase1::method_number).collect())
            }
            _ => None,
        }
    }

    pub(crate) fn is_working(&self) -> bool {
        matches!(self, Initiator::MakePublic { .. } | Initiator::MakeShared { .. })
    }

    /// How far it came.
    pub(crate) fn progress(&self) -> Progress {
        match self {
            Initiator::WaitMessage2 { .. } => Progress::SaSent,
            Initiator::MakePublic { .. } | Initiator::WaitMessage4 { .. } => Progress::SaProcessed,
            Initiator::MakeShared { .. } | Initiator::WaitMessage6 { .. } => Progress::KeyExchangeProcessed,
        }
    }

    pub(crate) fn expectation(&self) -> &'static str {
        match self {
            Initiator::WaitMessage2 { .. } => "waiting for main mode message 2",
            Initiator::MakePublic { .. } => "computing the public value",
            Initiator::WaitMessage4 { .. } => "waiting for main mode message 4",
            Initiator::MakeShared { .. } => "computing the shared secret",
            Initiator::WaitMessage6 { .. } => "waiting for main mode message 6",
        }
    }
}
