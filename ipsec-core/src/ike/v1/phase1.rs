//! Phase 1 (RFC 2409 section 5): what main mode and aggressive mode have in common.
//!
//! Both agree on algorithms, exchange public values and nonces, and prove to each other with HASH_I and HASH_R that they
//! hold the same key. They differ in the number of messages this takes: see [`main_mode`](super::main_mode) and
//! [`aggressive_mode`](super::aggressive_mode).

mod transcript;

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::aggressive_mode::{self, initiator::Second};
use super::credential::Credential;
use super::keymat::Skeyids;
use super::main_mode::KeyExchange;
use super::main_mode::initiator::Initiator;
use super::main_mode::responder::Responder;
use super::nat_traversal::Nat;
use super::vendor_id::Capabilities;
use super::{Checked, Received};
use crate::crypto::{CipherKey, HashAlg};
use crate::ike::context::Step;
use crate::ike::failure::{FailureReason, IkeError, Progress};
use crate::ike::sa::Names;
use crate::pad::{Identity, MainModeProposal};
use crate::time::Instant;
use crate::wire::ikev1::{Notification, NotifyType};
use crate::wire::isakmp::Cookie;
use crate::work::{WorkId, WorkResult};
pub(crate) use transcript::{Transcript, unusable_key};

/// The state of a phase 1.
#[derive(Clone, Debug)]
pub(crate) enum Phase1 {
    /// Main mode of which we sent the first message.
    MainModeInitiator(Initiator),
    /// Main mode of which the peer did.
    MainModeResponder(Responder),
    /// Aggressive mode of which we sent the first message.
    AggressiveInitiator(aggressive_mode::initiator::Initiator),
    /// Aggressive mode of which the peer did.
    AggressiveResponder(aggressive_mode::responder::Responder),
    /// The ISAKMP SA is established.
    Established(Established),
    /// It came to nothing.
    Failed(FailureReason),
}

/// What a message brought, checked.
#[derive(Clone, Debug)]
pub(crate) enum Accepted {
    /// Message 2: the responder's cookie, its choice, and what its vendor IDs announce.
    Sa { cky_r: Cookie, proposal: MainModeProposal, credential: Credential, peer_can: Capabilities },
    /// Message 3 or 4.
    KeyExchange(KeyExchange),
    /// Message 2 of aggressive mode: the shared secret will show whether it is the peer's.
    Unproven(Box<Second>),
    /// Message 5 or 6; message 3 of aggressive mode.
    Authenticated {
        /// The last ciphertext block; the first IV when nothing was encrypted.
        next_iv: Vec<u8>,
        /// The notifications beside the identity.
        notifications: Vec<Notification>,
        /// What the peer calls itself.
        id: Option<Identity>,
        /// What the NAT-D payloads of aggressive mode's message 3 said.
        nat: Option<Nat>,
    },
}

/// What messages 1 and 2 settled.
#[derive(Clone, Debug)]
pub(crate) struct Agreement {
    pub(crate) proposal: MainModeProposal,
    pub(crate) lifetime_seconds: u32,
    /// Whether that is less than was offered: only the responder knows.
    pub(crate) shortened: bool,
    /// The body of the initiator's SA payload as it was on the wire.
    pub(crate) sa_i_b: Vec<u8>,
    /// How both ends authenticate themselves.
    pub(crate) credential: Credential,
}

/// The keys of an ISAKMP SA.
#[derive(Clone, Debug)]
pub(crate) struct IsakmpKeys {
    pub(crate) alg: HashAlg,
    pub(crate) skeyids: Skeyids,
    pub(crate) key: CipherKey,
}

/// An established ISAKMP SA.
#[derive(Clone, Debug)]
pub(crate) struct Established {
    pub(crate) keys: IsakmpKeys,
    /// The last ciphertext block of phase 1, from which the IVs of phase 2 are made.
    pub(crate) last_block: Vec<u8>,
    pub(crate) proposal: MainModeProposal,
    pub(crate) credential: Credential,
    /// When it was established.
    pub(crate) since: Instant,
    /// When its lifetime ends.
    pub(crate) expires: Instant,
    /// Whether it lives shorter than was offered.
    pub(crate) shortened: bool,
    /// Whether the peer said that it knows no other SA with us.
    pub(crate) initial_contact: bool,
}

impl Phase1 {
    /// Judges a message. Changes nothing.
    pub(crate) fn check(
        &self,
        received: &Received<'_>,
        names: &Names,
    ) -> Result<Checked<Accepted>, IkeError> {
        match self {
            Phase1::MainModeInitiator(state) => state.check(received, names),
            Phase1::MainModeResponder(state) => state.check(received, names),
            Phase1::AggressiveInitiator(state) => state.check(received, names),
            Phase1::AggressiveResponder(state) => state.check(received, names),
            Phase1::Established(_) => Err(IkeError::Unexpected("main mode is complete")),
            Phase1::Failed(_) => Err(IkeError::Unexpected("main mode has failed")),
        }
    }

    /// Moves on.
    pub(crate) fn advance(self, accepted: Accepted, step: &mut Step<'_, '_>) -> Self {
        match self {
            Phase1::MainModeInitiator(state) => state.advance(accepted, step),
            Phase1::MainModeResponder(state) => state.advance(accepted, step),
            Phase1::AggressiveInitiator(state) => state.advance(accepted, step),
            Phase1::AggressiveResponder(state) => state.advance(accepted, step),
            other => other,
        }
    }

    /// Moves on with the result of work.
    pub(crate) fn complete(self, id: WorkId, result: WorkResult, step: &mut Step<'_, '_>) -> Self {
        match self {
            Phase1::MainModeInitiator(state) => state.complete(id, result, step),
            Phase1::MainModeResponder(state) => state.complete(id, result, step),
            Phase1::AggressiveInitiator(state) => state.complete(id, result, step),
            Phase1::AggressiveResponder(state) => state.complete(id, result, step),
            other => other,
        }
    }

    /// Whether message 2 of main mode is missing.
    pub(crate) fn awaits_choice(&self) -> bool {
        matches!(self, Phase1::MainModeInitiator(Initiator::WaitMessage2 { .. }))
    }

    /// Message 2 of aggressive mode, once the shared secret has shown that it is the peer's.
    pub(crate) fn proven(&self) -> Option<&Second> {
        match self {
            Phase1::AggressiveInitiator(state) => state.proven(),
            _ => None,
        }
    }

    /// Whether only message 3 of aggressive mode is missing.
    pub(crate) fn lacks_message_3(&self) -> bool {
        use aggressive_mode::responder::Responder;
        matches!(self, Phase1::AggressiveResponder(Responder::WaitMessage3 { .. }))
    }

    /// Answers the message that [`proven`](Self::proven) gives.
    pub(crate) fn conclude(self, step: &mut Step<'_, '_>) -> Self {
        match self {
            Phase1::AggressiveInitiator(state) => state.conclude(step),
            other => other,
        }
    }

    /// Whether it waits for work rather than for a message.
    pub(crate) fn is_working(&self) -> bool {
        match self {
            Phase1::MainModeInitiator(state) => state.is_working(),
            Phase1::MainModeResponder(state) => state.is_working(),
            Phase1::AggressiveInitiator(state) => state.is_working(),
            Phase1::AggressiveResponder(state) => state.is_working(),
            Phase1::Established(_) | Phase1::Failed(_) => false,
        }
    }

    /// What a notification in clear has to do with our waiting in vain.
    pub(crate) fn refused_with(&self, notify: u16) -> FailureReason {
        match self {
            Phase1::MainModeInitiator(state) if notify == NotifyType::NO_PROPOSAL_CHOSEN.0 => {
                state.offered_methods().map_or(FailureReason::Notified(notify), FailureReason::OfferRefused)
            }
            _ => FailureReason::Notified(notify),
        }
    }

    /// How far it came.
    pub(crate) fn progress(&self) -> Progress {
        match self {
            Phase1::MainModeInitiator(state) => state.progress(),
            Phase1::MainModeResponder(_) => Progress::KeyExchangeProcessed,
            Phase1::AggressiveInitiator(state) => match state.is_working() {
                false => Progress::SaSent,
                true => Progress::SaProcessed,
            },
            Phase1::AggressiveResponder(_) => Progress::SaProcessed,
            Phase1::Established(_) => Progress::IdProcessed,
            Phase1::Failed(_) => Progress::NotBegun,
        }
    }

    /// What it waits for, for people.
    pub(crate) fn expectation(&self) -> &'static str {
        match self {
            Phase1::MainModeInitiator(state) => state.expectation(),
            Phase1::MainModeResponder(state) => state.expectation(),
            Phase1::AggressiveInitiator(state) => state.expectation(),
            Phase1::AggressiveResponder(state) => state.expectation(),
            Phase1::Established(_) => "after it was established",
            Phase1::Failed(_) => "after it failed",
        }
    }
}
