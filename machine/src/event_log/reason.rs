//! Why a negotiation failed, as event 547 puts it: the failure point, one of Windows' reasons, and the extra status.
//!
//! Windows 2000 has the reasons in oakley.dll, from 0xcbad0320 on; later releases have them among the Win32 codes from 13800
//! on, in the same order (MicrosoftDocs win32). Which reason Windows gives for what is our reading of their texts, and so is
//! the failure point: the peer where it told us, else me.

use ipsec_core::Instant;
use ipsec_core::ike::failure::{Failure, FailureReason, IkeError, Progress};
use ipsec_core::io::DeleteReason;
use ipsec_core::wire::ikev1::{AuthenticationMethod, NotifyType};

use super::insert::{Insert, Item};
use super::message::Release;

/// Where a negotiation failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Point {
    Me,
    Peer,
}

impl Point {
    pub(super) fn name(self) -> &'static str {
        match self {
            Point::Me => "Me",
            Point::Peer => "Peer",
        }
    }
}

/// One of Windows' reasons, by Win32 code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    AuthFail = 13801,
    AttribFail = 13802,
    GeneralProcessing = 13804,
    TimedOut = 13805,
    NoCert = 13806,
    SaDeleted = 13807,
    SaReaped = 13808,
    AcquireDrop = 13809,
    NoPeerResponse = 13813,
    DhFail = 13822,
    NoPolicy = 13825,
    Kerberos = 13827,
    ProcessSa = 13830,
    ProcessKe = 13833,
    ProcessId = 13834,
    ProcessHash = 13837,
    ProcessNotify = 13840,
    InvalidPayload = 13843,
    InvalidCookie = 13846,
    PolicyChange = 13849,
}

impl Reason {
    pub(super) fn text(self) -> &'static str {
        match self {
            Reason::AuthFail => "IKE authentication credentials are unacceptable",
            Reason::AttribFail => "IKE security attributes are unacceptable",
            Reason::GeneralProcessing => "General processing error",
            Reason::TimedOut => "Negotiation timed out",
            Reason::NoCert => "IKE failed to find valid machine certificate",
            Reason::SaDeleted => "IKE SA deleted by peer before establishment completed",
            Reason::SaReaped => "IKE SA deleted before establishment completed",
            Reason::AcquireDrop => "Negotiation request sat in Queue too long",
            Reason::NoPeerResponse => "No response from peer",
            Reason::DhFail => "Failure in Diffie-Helman computation",
            Reason::NoPolicy => "No policy configured",
            Reason::Kerberos => "Failed to authenticate using kerberos",
            Reason::ProcessSa => "Error processing SA payload",
            Reason::ProcessKe => "Error processing KE payload",
            Reason::ProcessId => "Error processing ID payload",
            Reason::ProcessNotify => "Error processing Notify payload",
            Reason::ProcessHash => "Error processing Hash payload",
            Reason::InvalidPayload => "Invalid payload received",
            Reason::InvalidCookie => "Invalid cookie received.",
            Reason::PolicyChange => "New policy invalidated SAs formed with old policy",
        }
    }
}

/// Whether the peer failed to prove who it is: event 545.
pub(super) fn is_bad_credential(reason: &FailureReason) -> bool {
    matches!(reason, FailureReason::AuthenticationFailed)
}

/// The failure point, and Windows' reason.
pub(super) fn of(reason: &FailureReason) -> (Point, Reason) {
    use Point::{Me, Peer};
    match reason {
        FailureReason::NoResponse => (Me, Reason::NoPeerResponse),
        FailureReason::TimedOut(_) => (Me, Reason::TimedOut),
        FailureReason::NoPolicy => (Me, Reason::NoPolicy),
        FailureReason::NoProposalChosen(_)
        | FailureReason::NoCommonMethod { .. }
        | FailureReason::AhAcrossNat
        | FailureReason::ResponderBehindNat => (Me, Reason::AttribFail),
        FailureReason::OfferRefused(_) => (Peer, Reason::AttribFail),
        FailureReason::Notified(notify) => (Peer, notified(NotifyType(*notify))),
        FailureReason::AuthenticationFailed => (Me, Reason::AuthFail),
        FailureReason::MethodNotAvailable(methods) => (Me, not_available(methods)),
        FailureReason::NatDiscoveryDiffers => (Me, Reason::ProcessSa),
        FailureReason::BadPublicValue => (Me, Reason::ProcessKe),
        FailureReason::Protocol(IkeError::Busy(_)) => (Me, Reason::AcquireDrop),
        FailureReason::Protocol(IkeError::Decode(_)) => (Me, Reason::InvalidPayload),
        FailureReason::Protocol(
            IkeError::PeerMisbehaved { notify, .. } | IkeError::PeerIncompatible { notify, .. },
        ) => (Me, misbehaved(NotifyType(*notify))),
        FailureReason::Protocol(IkeError::AuthenticationFailed(_)) => (Me, Reason::AuthFail),
        FailureReason::Deleted(DeleteReason::PeerDeleted) => (Peer, Reason::SaDeleted),
        FailureReason::Deleted(DeleteReason::Policy) => (Me, Reason::PolicyChange),
        FailureReason::Deleted(_) => (Me, Reason::SaReaped),
        _ => (Me, Reason::GeneralProcessing),
    }
}

/// What we say of it to the peer.
fn misbehaved(notify: NotifyType) -> Reason {
    match notify {
        NotifyType::NO_PROPOSAL_CHOSEN | NotifyType::BAD_PROPOSAL_SYNTAX => Reason::ProcessSa,
        NotifyType::INVALID_ID_INFORMATION => Reason::ProcessId,
        NotifyType::INVALID_KEY_INFORMATION => Reason::ProcessKe,
        NotifyType::INVALID_HASH_INFORMATION => Reason::ProcessHash,
        NotifyType::AUTHENTICATION_FAILED => Reason::AuthFail,
        NotifyType::INVALID_COOKIE => Reason::InvalidCookie,
        NotifyType::PAYLOAD_MALFORMED | NotifyType::INVALID_PAYLOAD_TYPE => Reason::InvalidPayload,
        _ => Reason::GeneralProcessing,
    }
}

/// What the peer said of it.
fn notified(notify: NotifyType) -> Reason {
    match notify {
        NotifyType::NO_PROPOSAL_CHOSEN => Reason::AttribFail,
        // What the responder says that has no filter for the identities of a quick mode.
        NotifyType::INVALID_ID_INFORMATION => Reason::ProcessId,
        NotifyType::AUTHENTICATION_FAILED => Reason::AuthFail,
        NotifyType::INVALID_KEY_INFORMATION => Reason::DhFail,
        NotifyType::INVALID_COOKIE | NotifyType::INVALID_MESSAGE_ID => Reason::SaDeleted,
        _ => Reason::ProcessNotify,
    }
}

fn not_available(methods: &[AuthenticationMethod]) -> Reason {
    match methods.first() {
        Some(&AuthenticationMethod::RSA_SIGNATURES) => Reason::NoCert,
        Some(&AuthenticationMethod::GSS_API) => Reason::Kerberos,
        _ => Reason::AuthFail,
    }
}

/// How far it came, as which role, in how many seconds. The message file of Windows XP has no texts for that, so what stands
/// there is two numbers: the status of what IKE relied on, zero as it relies on no Kerberos and no certificates here (our
/// choice, unconfirmed).
pub(super) fn extra_status(time: Instant, failure: &Failure, release: Release) -> Insert {
    if release < Release::Server2003 {
        return Insert::text("0x0 0x0");
    }
    let state = Item::heading(match failure.progress {
        Progress::NotBegun => "Unknown state",
        Progress::SaSent => "Sent first (SA) payload",
        Progress::SaProcessed => "Processed first (SA) payload",
        Progress::KeyExchangeProcessed => "Processed second (KE) payload",
        Progress::IdProcessed => "Processed third (ID) payload",
        Progress::QuickModeProcessed => "Processed Quick Mode payload",
    });
    let role = if failure.initiator { "Initiator.  Delta Time" } else { "Responder.  Delta Time" };
    let delta = time.saturating_since(failure.started).as_secs();
    Insert::Items(vec![state, Item::new(role, delta)])
}
