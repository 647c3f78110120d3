//! Why IKE ignored a message or gave up, by whose fault it was.

use core::fmt;
use core::net::SocketAddr;

use crate::spd::EntryId;
use crate::wire::DecodeError;

/// Why a message changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IkeError {
    /// The bytes do not decode.
    Decode(DecodeError),
    /// No SA has these cookies (INVALID-COOKIE).
    UnknownCookies,
    /// The exchange, or this message of it, is not expected now.
    Unexpected(&'static str),
    /// The peer broke a rule; the notify type of RFC 2408 section 3.14.1 that says so.
    PeerMisbehaved {
        /// Notify message type.
        notify: u16,
        /// Which rule.
        rule: &'static str,
    },
    /// The peer is honest, but wants other things than we do; the whole explanation is in the failure event.
    PeerIncompatible {
        /// Notify message type.
        notify: u16,
        /// What does not fit.
        what: &'static str,
    },
    /// A hash did not verify.
    AuthenticationFailed(&'static str),
    /// A table is full (RFC 2408 section 5.2 anti-clogging).
    Busy(&'static str),
    /// An unauthenticated notification or delete: never acted upon.
    Unauthenticated,
}

impl fmt::Display for IkeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IkeError::Decode(e) => write!(f, "malformed: {e}"),
            IkeError::UnknownCookies => f.write_str("no ISAKMP SA has these cookies"),
            IkeError::Unexpected(what) => write!(f, "not expected now: {what}"),
            IkeError::PeerMisbehaved { notify, rule } => {
                write!(f, "peer broke a rule: {rule} (notify {notify})")
            }
            IkeError::PeerIncompatible { notify, what } => {
                write!(f, "incompatible: {what} (notify {notify})")
            }
            IkeError::AuthenticationFailed(what) => write!(f, "{what} does not verify"),
            IkeError::Busy(what) => write!(f, "{what} is full"),
            IkeError::Unauthenticated => f.write_str("not authenticated, not acted upon"),
        }
    }
}

impl core::error::Error for IkeError {}

/// A negotiation that ended without an SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The peer.
    pub peer: SocketAddr,
    /// Whether we initiated it.
    pub initiator: bool,
    /// Main mode or quick mode.
    pub phase: Phase,
    /// The policy entry it was for, if that far.
    pub entry: Option<EntryId>,
    /// Why.
    pub reason: FailureReason,
}

/// Main mode or quick mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Phase 1.
    MainMode,
    /// Phase 2.
    QuickMode,
}

/// Why a negotiation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureReason {
    /// No answer at all.
    NoResponse,
    /// Answers stopped before the end, in the given state. A pre-shared key mismatch ends so.
    TimedOut(&'static str),
    /// No PAD entry or SPD entry covers it (Win32 13825).
    NoPolicy,
    /// Nothing in common; each refusal explained.
    NoProposalChosen(alloc::vec::Vec<crate::ike::proposal::Refusal>),
    /// The peer said so in a notification (type).
    Notified(u16),
    /// A hash or identity did not verify.
    AuthenticationFailed,
    /// None of the configured authentication methods is available here.
    MethodNotAvailable,
    /// The peer's Diffie-Hellman value was refused.
    BadPublicValue,
    /// A message broke a rule.
    Protocol(IkeError),
    /// Deleted before it was complete.
    Deleted,
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureReason::NoResponse => f.write_str("no response from peer"),
            FailureReason::TimedOut(state) => write!(f, "negotiation timed out {state}"),
            FailureReason::NoPolicy => f.write_str("no policy configured"),
            FailureReason::NoProposalChosen(refusals) => {
                f.write_str("no proposal chosen")?;
                for (i, r) in refusals.iter().enumerate() {
                    write!(f, "{} {r}", if i == 0 { ":" } else { ";" })?;
                }
                Ok(())
            }
            FailureReason::Notified(n) => write!(f, "peer sent notify {n}"),
            FailureReason::AuthenticationFailed => {
                f.write_str("IKE authentication credentials are unacceptable")
            }
            FailureReason::MethodNotAvailable => {
                f.write_str("no configured authentication method is available")
            }
            FailureReason::BadPublicValue => f.write_str("the peer's Diffie-Hellman value is not acceptable"),
            FailureReason::Protocol(e) => write!(f, "{e}"),
            FailureReason::Deleted => f.write_str("SA deleted before it was complete"),
        }
    }
}
