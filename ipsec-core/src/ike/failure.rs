//! Why IKE ignored a message or gave up, by whose fault it was.

use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use crate::io::DeleteReason;
use crate::selector::Selector;
use crate::spd::EntryId;
use crate::time::Instant;
use crate::wire::DecodeError;
use crate::wire::ikev1::AuthenticationMethod;
use crate::wire::isakmp::Cookie;

/// What others have and we do not: understood far enough to refuse it by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Foreign {
    /// New group mode (RFC 2409 section 5.6).
    NewGroupMode,
    /// Configuration of the peer (draft-ietf-ipsec-isakmp-mode-cfg).
    ModeConfig,
    /// Authentication of a user within IKE (draft-ietf-ipsec-isakmp-xauth).
    Xauth,
    /// Windows Vista's successor of IKE (MS-AIPS).
    AuthIp,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Foreign::NewGroupMode => "new group mode",
            Foreign::ModeConfig => "mode config",
            Foreign::Xauth => "XAUTH",
            Foreign::AuthIp => "AuthIP",
        })
    }
}

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
    /// The peer chose an authentication method that we offered and do not have here. Anybody might have said so.
    NotAvailable(AuthenticationMethod),
    /// A hash did not verify.
    AuthenticationFailed(&'static str),
    /// A table is full (RFC 2408 section 5.2 anti-clogging).
    Busy(&'static str),
    /// An exchange that is not ours.
    NotSupported(Foreign),
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
            IkeError::NotAvailable(method) => write!(f, "authentication with {method} is not available"),
            IkeError::AuthenticationFailed(what) => write!(f, "{what} does not verify"),
            IkeError::Busy(what) => write!(f, "{what} is full"),
            IkeError::NotSupported(what) => write!(f, "{what} is not supported"),
            IkeError::Unauthenticated => f.write_str("not authenticated, not acted upon"),
        }
    }
}

impl core::error::Error for IkeError {}

/// A negotiation that ended without an SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer.
    pub peer: SocketAddr,
    /// Initiator cookie of the ISAKMP SA; zero when none was begun.
    pub cky_i: Cookie,
    /// Whether we initiated it.
    pub initiator: bool,
    /// Main mode or quick mode.
    pub phase: Phase,
    /// The policy entry it was for, if that far.
    pub entry: Option<EntryId>,
    /// The traffic it was for, if that far. Our side local.
    pub selector: Option<Selector>,
    /// The authentication method that was agreed on; before that the first of ours for this peer.
    pub method: Option<AuthenticationMethod>,
    /// When it began: with the first message of its exchange.
    pub started: Instant,
    /// How far it came.
    pub progress: Progress,
    /// Why.
    pub reason: FailureReason,
}

/// How far a negotiation came: the last of the peer's messages that was acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// Nothing was sent, and nothing of the peer's processed.
    NotBegun,
    /// Our SA payload is on its way, in phase 1 or 2.
    SaSent,
    /// The SA payloads of phase 1 are exchanged.
    SaProcessed,
    /// The KE payloads of phase 1 are exchanged.
    KeyExchangeProcessed,
    /// The ID payloads of phase 1 are exchanged: phase 1 is complete.
    IdProcessed,
    /// A message of quick mode was processed.
    QuickModeProcessed,
}

/// Main mode or quick mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Phase 1, be it main mode or aggressive mode.
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
    NoProposalChosen(Vec<crate::ike::proposal::Refusal>),
    /// The algorithms would do, but no authentication method is common to both ends.
    NoCommonMethod {
        /// What the peer offered.
        offered: Vec<AuthenticationMethod>,
        /// What our policy has.
        wanted: Vec<AuthenticationMethod>,
    },
    /// The peer says NO-PROPOSAL-CHOSEN about our main-mode offer, with these authentication methods. Whether those or the
    /// algorithms displease it, it does not say; its own failure does.
    OfferRefused(Vec<AuthenticationMethod>),
    /// The peer said so in a notification (type).
    Notified(u16),
    /// A hash or identity did not verify.
    AuthenticationFailed,
    /// These authentication methods are not available here: the one that was agreed on, or all that are configured.
    MethodNotAvailable(Vec<AuthenticationMethod>),
    /// One end's policy has AH only, and there is a NAT between the ends (RFC 3715 section 2.1, case a).
    AhAcrossNat,
    /// NAT discovery found the responder behind a NAT, where our configuration accepts none: what Windows XP SP2 does unless
    /// AssumeUDPEncapsulationContextOnSendRule says otherwise (KB 885407, [`crate::config::ResponderBehindNat`]).
    ResponderBehindNat,
    /// The peer wants to encapsulate in UDP, and we found no NAT: somebody altered NAT-D, which no HASH covers (RFC 3947
    /// section 8), or put a NAT there since. The ISAKMP SA ends, and the next one looks again.
    NatDiscoveryDiffers,
    /// The peer's Diffie-Hellman value was refused.
    BadPublicValue,
    /// A message broke a rule.
    Protocol(IkeError),
    /// The peer, authenticated, began an exchange that we do not have.
    NotSupported(Foreign),
    /// Deleted before it was complete, and why.
    Deleted(DeleteReason),
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
            FailureReason::NoCommonMethod { offered, wanted } => write!(
                f,
                "no common authentication method: offered {}, wanted {}",
                Methods(offered, " or "),
                Methods(wanted, " or ")
            ),
            FailureReason::OfferRefused(methods) => write!(
                f,
                "peer chose no proposal (notify 14): offered authentication with {}",
                Methods(methods, " or ")
            ),
            FailureReason::Notified(n) => write!(f, "peer sent notify {n}"),
            FailureReason::AuthenticationFailed => {
                f.write_str("IKE authentication credentials are unacceptable")
            }
            FailureReason::MethodNotAvailable(methods) => {
                write!(f, "authentication with {} is not available", Methods(methods, " and "))
            }
            FailureReason::AhAcrossNat => f.write_str(
                "there is a NAT on the way, and only AH was to be used, which no NAT lets through",
            ),
            FailureReason::ResponderBehindNat => f.write_str("the responder is behind a NAT"),
            FailureReason::NatDiscoveryDiffers => {
                f.write_str("the peer found a NAT on the way and we found none, so phase 1 has to look again")
            }
            FailureReason::BadPublicValue => f.write_str("the peer's Diffie-Hellman value is not acceptable"),
            FailureReason::Protocol(e) => write!(f, "{e}"),
            FailureReason::NotSupported(what) => write!(f, "{what} is not supported"),
            FailureReason::Deleted(why) => write!(f, "SA deleted before it was complete: {why:?}"),
        }
    }
}

/// Names of methods with something between them.
struct Methods<'a>(&'a [AuthenticationMethod], &'static str);

impl fmt::Display for Methods<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, method) in self.0.iter().enumerate() {
            write!(f, "{}{method}", if i == 0 { "" } else { self.1 })?;
        }
        Ok(())
    }
}
