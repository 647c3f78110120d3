//! Aggressive mode as the initiator; states are named for the message they expect.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::crypto::Secret;
use crate::ike::context::Step;
use crate::ike::failure::{FailureReason, IkeError};
use crate::ike::identity;
use crate::ike::outbox::{Encryption, Protection};
use crate::ike::proposal::phase1;
use crate::ike::retransmit::Digest;
use crate::ike::sa::Names;
use crate::ike::v1::credential::Credential;
use crate::ike::v1::main_mode::KeyExchange;
use crate::ike::v1::nat_traversal::{Version, discover};
use crate::ike::v1::phase1::{Accepted, Agreement, IsakmpKeys, Phase1, Transcript};
use crate::ike::v1::vendor_id::{self, Capabilities, Occasion};
use crate::ike::v1::{Checked, Received, Refused, auth, check_public, none_of, one, sa_at};
use crate::pad::{AuthMethod, MainModeProposal, PadEntry};
use crate::wire::ikev1::{self, Identification, Nonce, NotifyType, SaPayload};
use crate::wire::isakmp::{Cookie, Payload, PayloadType};
use crate::work::{Work, WorkId, WorkResult};

/// What the initiator waits for.
#[derive(Clone, Debug)]
pub(crate) enum Initiator {
    /// Our public value, without which there is no message 1.
    MakePublic { offer: Offer, secret: Secret, work: WorkId },
    /// The responder's choice, public value and proof.
    WaitMessage2 { first: Box<First> },
    /// The shared secret, without which the proof in message 2 cannot be judged.
    MakeShared { first: Box<First>, second: Box<Second>, work: WorkId },
    /// Message 2 has proved itself: the names of the SA may follow.
    Proven { transcript: Transcript, keys: IsakmpKeys, second: Box<Second>, idii_b: Vec<u8> },
}

/// What we are going to offer.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    offered: SaPayload,
    proposals: Vec<MainModeProposal>,
    methods: Vec<AuthMethod>,
    lifetime_seconds: u32,
}

/// What message 1 said.
#[derive(Clone, Debug)]
pub(crate) struct First {
    offer: Offer,
    secret: Secret,
    sa_i_b: Vec<u8>,
    g_xi: Vec<u8>,
    ni_b: Vec<u8>,
    idii_b: Vec<u8>,
}

/// What message 2 says, not proven yet.
#[derive(Clone, Debug)]
pub(crate) struct Second {
    pub(crate) cky_r: Cookie,
    pub(crate) peer_can: Capabilities,
    pub(crate) digest: Digest,
    /// Our end and the peer's, as it came.
    pub(crate) ends: (SocketAddr, SocketAddr),
    proposal: MainModeProposal,
    credential: Credential,
    pub(crate) ke: KeyExchange,
    pub(crate) id: Option<Identification>,
    idir_b: Vec<u8>,
    hash: Vec<u8>,
}

impl Initiator {
    /// Has our public value computed.
    pub(crate) fn start(entry: &PadEntry, step: &mut Step<'_, '_>) -> Phase1 {
        let proposals = phase1::of_one_group(&entry.proposals);
        // Each method has messages of its own, so only those are offered whose messages we have.
        let available = |method: &&AuthMethod| Credential::of(method).is_ok();
        let methods: Vec<AuthMethod> = entry.methods.iter().filter(available).cloned().collect();
        let Some(group) = proposals.first().map(|proposal| proposal.group) else {
            return Phase1::Failed(FailureReason::NoPolicy);
        };
        let offer = Offer {
            offered: phase1::offer(&proposals, &methods, entry.lifetime_seconds),
            proposals,
            methods,
            lifetime_seconds: entry.lifetime_seconds,
        };
        let secret = step.cx.exponent(step.names.id.0, group);
        step.rest();
        let work = step.work(Work::DhPublic { group, secret: secret.clone() });
        Phase1::AggressiveInitiator(Initiator::MakePublic { offer, secret, work })
    }

    /// Judges message 2, as far as it can be judged without the shared secret.
    pub(crate) fn check(
        &self,
        received: &Received<'_>,
        names: &Names,
    ) -> Result<Checked<Accepted>, IkeError> {
        match self {
            Initiator::WaitMessage2 { first } => {
                let second = Second::check(received, first, names)?;
                Ok(Checked::Accepted(Accepted::Unproven(Box::new(second))))
            }
            _ => Err(IkeError::Unexpected("work is under way")),
        }
    }

    pub(crate) fn advance(self, accepted: Accepted, step: &mut Step<'_, '_>) -> Phase1 {
        Phase1::AggressiveInitiator(match (self, accepted) {
            (Initiator::WaitMessage2 { first }, Accepted::Unproven(second)) => {
                let (group, secret) = (second.proposal.group, first.secret.clone());
                let peer_public = second.ke.public.clone();
                let work = step.work(Work::DhShared { group, secret, peer_public });
                Initiator::MakeShared { first, second, work }
            }
            // `check` gives each state its own kind of message.
            (state, _) => state,
        })
    }

    pub(crate) fn complete(self, id: WorkId, result: WorkResult, step: &mut Step<'_, '_>) -> Phase1 {
        match (self, result) {
            (Initiator::MakePublic { offer, secret, work }, WorkResult::Bytes(public)) if work == id => {
                let first = Box::new(First::send(offer, secret, &public, step));
                Phase1::AggressiveInitiator(Initiator::WaitMessage2 { first })
            }
            (Initiator::MakePublic { work, .. }, _) if work == id => {
                Phase1::Failed(FailureReason::BadPublicValue)
            }
            (Initiator::MakeShared { first, second, work }, result) if work == id => {
                let proven = match result {
                    WorkResult::Bytes(g_xy) => first.prove(&second, &g_xy, step.names),
                    _ => Err(IkeError::Unexpected("a public value that gives no secret")),
                };
                match proven {
                    Ok((transcript, keys)) => {
                        let idii_b = first.idii_b;
                        let proven = Initiator::Proven { transcript, keys, second, idii_b };
                        Phase1::AggressiveInitiator(proven)
                    }
                    Err(error) => {
                        step.cx.ignore(step.names.peer, error);
                        Phase1::AggressiveInitiator(Initiator::WaitMessage2 { first })
                    }
                }
            }
            (other, _) => Phase1::AggressiveInitiator(other),
        }
    }

    /// Message 2, once it has proved itself.
    pub(crate) fn proven(&self) -> Option<&Second> {
        match self {
            Initiator::Proven { second, .. } => Some(second),
            _ => None,
        }
    }

    /// Sends message 3: the peer is authenticated, and the names of the SA are complete.
    pub(crate) fn conclude(self, step: &mut Step<'_, '_>) -> Phase1 {
        let Initiator::Proven { transcript, keys, second, idii_b } = self else {
            return Phase1::AggressiveInitiator(self);
        };
        transcript.log_key(&keys, step);
        let names = step.names;
        if let Some(Refused { reason, .. }) = identity::refuse(second.id.as_ref(), names) {
            return Phase1::Failed(reason);
        }
        let iv = transcript.first_iv();
        let in_clear = step.cx.node.config.aggressive_in_clear;
        let encryption = (!in_clear).then_some(Encryption { key: &keys.key, iv: &iv });
        let protection = Protection::Phase1 {
            encryption,
            alg: keys.alg,
            skeyid: &keys.skeyids.skeyid,
            transcript: transcript.hashed(names),
            initiator: true,
            id_b: &idii_b,
        };
        let nat_d = names.nat_d(keys.alg);
        let sent = step.cx.node.outbox.send(step.header(), nat_d, protection);
        step.send(&sent, false);
        let last_block = if in_clear { iv } else { sent.last_block };
        transcript.establish(keys, last_block, &[], step)
    }

    pub(crate) fn is_working(&self) -> bool {
        !matches!(self, Initiator::WaitMessage2 { .. })
    }

    pub(crate) fn expectation(&self) -> &'static str {
        match self {
            Initiator::MakePublic { .. } => "computing the public value",
            Initiator::WaitMessage2 { .. } => "waiting for aggressive mode message 2",
            Initiator::MakeShared { .. } | Initiator::Proven { .. } => "computing the shared secret",
        }
    }
}

impl First {
    /// Sends message 1.
    fn send(offer: Offer, secret: Secret, public: &[u8], step: &mut Step<'_, '_>) -> Self {
        let names = step.names;
        let occasion = Occasion { peer: names.peer.ip(), alone: names.alone, answered: None };
        let (vendor_ids, _) = vendor_id::payloads(&step.cx.node.config.vendor_ids, occasion);
        let own = [
            Payload::Sa(offer.offered.clone()),
            Payload::KeyExchange(ikev1::KeyExchange { data: public.to_vec() }),
            Payload::Nonce(Nonce { data: step.cx.nonce(names.id.0) }),
            Payload::Identification(identity::payload(names.identity.as_ref(), names.local.ip())),
        ];
        let payloads = own.into_iter().chain(vendor_ids).collect();
        let sent = step.cx.node.outbox.send(step.header(), payloads, Protection::Clear);
        step.send(&sent, true);
        let body = |payload_type| sent.body(payload_type, 0).to_vec();
        First {
            offer,
            secret,
            sa_i_b: body(PayloadType::SA),
            g_xi: body(PayloadType::KEY_EXCHANGE),
            ni_b: body(PayloadType::NONCE),
            idii_b: body(PayloadType::IDENTIFICATION),
        }
    }

    /// The keys, if HASH_R in message 2 shows that the peer has them as well.
    fn prove(
        &self,
        second: &Second,
        g_xy: &[u8],
        names: &Names,
    ) -> Result<(Transcript, IsakmpKeys), IkeError> {
        let agreement = Agreement {
            proposal: second.proposal,
            lifetime_seconds: self.offer.lifetime_seconds,
            shortened: false,
            sa_i_b: self.sa_i_b.clone(),
            credential: second.credential.clone(),
        };
        let transcript = Transcript {
            agreement,
            g_xi: self.g_xi.clone(),
            g_xr: second.ke.public.clone(),
            ni_b: self.ni_b.clone(),
            nr_b: second.ke.nonce.clone(),
        };
        let names = Names { cky_r: second.cky_r, ..names.clone() };
        let keys = transcript.keys(g_xy, &names).map_err(|_| IkeError::PeerMisbehaved {
            notify: NotifyType::INVALID_KEY_INFORMATION.0,
            rule: "the derived key is weak",
        })?;
        let expected = transcript.hashed(&names).hash_r(keys.alg, &keys.skeyids.skeyid, &second.idir_b);
        match auth::equal(&second.hash, &expected) {
            true => Ok((transcript, keys)),
            false => Err(IkeError::AuthenticationFailed("HASH_R")),
        }
    }
}

impl Second {
    fn check(received: &Received<'_>, first: &First, names: &Names) -> Result<Self, IkeError> {
        let chain = received.clear()?;
        sa_at(&chain, 0)?;
        none_of(&chain, &[PayloadType::SIGNATURE])?;
        let body = |payload_type| one(&chain, payload_type).map(|place| chain.body(place).to_vec());
        let (public, nonce) = (body(PayloadType::KEY_EXCHANGE)?, body(PayloadType::NONCE)?);
        let (idir_b, hash) = (body(PayloadType::IDENTIFICATION)?, body(PayloadType::HASH)?);
        let Offer { offered, proposals, methods, .. } = &first.offer;
        let agreed = chain.sa().and_then(|reply| phase1::confirm(offered, proposals, methods, reply));
        let (proposal, method) = agreed.ok_or(IkeError::PeerMisbehaved {
            notify: NotifyType::BAD_PROPOSAL_SYNTAX.0,
            rule: "the reply is not one of our transforms, unmodified",
        })?;
        // RFC2408-1.7.3-02: our own value, sent back to us, moves nothing.
        if public == first.g_xi {
            return Err(IkeError::Unexpected("our own public value, reflected"));
        }
        check_public(proposal.group, &public)?;
        let peer_can = Capabilities::of(&chain);
        let version = Version::agreed(&names.we_can, &peer_can, received.peer.ip());
        let nat = version.and_then(|version| discover(version, proposal.hash, &chain, received));
        let ke = KeyExchange { public, nonce, nat };
        Ok(Second {
            cky_r: received.header.cky_r,
            peer_can,
            digest: received.digest,
            credential: Credential::of(&method)?,
            ends: (received.local, received.peer),
            proposal,
            ke,
            id: chain.identification().cloned(),
            idir_b,
            hash,
        })
    }
}
