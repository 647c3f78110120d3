//! Names of drop reasons, failures and algorithms, as `twins.toml`, `steps.toml` and reports write them.

use ipsec_core::crypto::{Cipher, Group};
use ipsec_core::ike::failure::{FailureReason, Phase};
use ipsec_core::ike::v1::vendor_id::Capabilities;
use ipsec_core::io::DpdStep;
use ipsec_core::pad::MainModeProposal;
use ipsec_core::spd::Offer;
use ipsec_core::{DropReason, Event};
use ipsec_machine::computer::MachineEvent;
use ipsec_sim::DropCause;

/// `clear-text-refused` for [`DropReason::ClearTextRefused`].
pub fn drop_reason(reason: &DropReason) -> String {
    variant(reason)
}

/// `input-filter` for [`DropCause::InputFilter`]; a rule that IPsec would name too has that name.
pub fn drop_cause(cause: &DropCause) -> String {
    match cause {
        DropCause::Rule(reason) => drop_reason(reason),
        DropCause::Nat(reason) => format!("nat-{}", variant(reason)),
        other => variant(other),
    }
}

/// `no-response` for [`FailureReason::NoResponse`], `notified 14` for a notification of type 14.
pub fn failure(reason: &FailureReason) -> String {
    match reason {
        FailureReason::Notified(n) => format!("notified {n}"),
        FailureReason::OfferRefused(_) => "notified 14".into(),
        other => variant(other),
    }
}

/// Why a negotiation failed, with the name of a notification beside its number.
pub fn failure_text(reason: &FailureReason) -> String {
    match reason {
        FailureReason::Notified(n) => format!("peer sent notify {n} ({})", notify(*n)),
        other => other.to_string(),
    }
}

/// What happened to IKE, as `happened` in `steps.toml` names it; nothing for what has checks of its own.
pub fn happening(event: &Event) -> Option<String> {
    Some(match event {
        Event::MainModeEstablished(info) => info.exchange.name().replace(' ', "-"),
        Event::DeadPeerDetection { step, .. } => match step {
            DpdStep::Asked { .. } => "asked".into(),
            DpdStep::Alive { .. } => "alive".into(),
            DpdStep::Dead => "dead".into(),
        },
        Event::QuickModeConnected { .. } => "connected".into(),
        Event::DeleteAnswered { .. } => "delete-answered".into(),
        Event::DosProtection { active: true } => "dos-protection begins".into(),
        Event::DosProtection { active: false } => "dos-protection ends".into(),
        Event::PairDeleted { why, .. } => format!("deleted {}", variant(why)),
        Event::SoftAssociation { .. } => "soft-association".into(),
        Event::SoftAssociationEnded { .. } => "soft-association over".into(),
        Event::Notified { notify: kind, .. } => format!("notified {}", notify(*kind)),
        Event::IkeIgnored { reason, .. } => format!("ignored: {reason}"),
        _ => return None,
    })
}

/// The same for what happens on a computer beside its IPsec layer.
pub fn machine_happening(event: &MachineEvent) -> Option<String> {
    Some(match event {
        MachineEvent::DriverStarts(mode) | MachineEvent::DriverEntered(mode) => format!("driver {mode}"),
        MachineEvent::ServiceStarted { .. } => "service started".into(),
        MachineEvent::ServiceStopped => "service stopped".into(),
        MachineEvent::ServiceFailed => "service failed".into(),
        MachineEvent::PolicyApplied { source, .. } => format!("policy {source}"),
        MachineEvent::PolledNoChange => "polled".into(),
        MachineEvent::PolledChanged => "polled a change".into(),
        _ => return None,
    })
}

/// The name of a notify message type (RFC 2408 section 3.14.1, RFC 2407 section 4.6.3), or its number.
pub fn notify(kind: u16) -> String {
    match kind {
        11 => "INVALID-SPI".into(),
        14 => "NO-PROPOSAL-CHOSEN".into(),
        18 => "INVALID-ID-INFORMATION".into(),
        24 => "AUTHENTICATION-FAILED".into(),
        24_576 => "RESPONDER-LIFETIME".into(),
        24_577 => "REPLAY-STATUS".into(),
        24_578 => "INITIAL-CONTACT".into(),
        36_136 => "R-U-THERE".into(),
        36_137 => "R-U-THERE-ACK".into(),
        other => format!("message type {other}"),
    }
}

/// The extensions of phase 1 that both ends announced.
pub fn extensions(we: &Capabilities, peer: &Capabilities) -> Vec<&'static str> {
    let both = [
        (we.microsoft.is_some() && peer.microsoft.is_some(), "microsoft"),
        (we.nat_t_rfc3947 && peer.nat_t_rfc3947, "nat-t-rfc3947"),
        (we.nat_t_draft_02 && peer.nat_t_draft_02, "nat-t-draft-02"),
        (we.fragmentation && peer.fragmentation, "fragmentation"),
        (we.dead_peer_detection && peer.dead_peer_detection, "dead-peer-detection"),
        (we.vid_initial_contact && peer.vid_initial_contact, "vid-initial-contact"),
        (we.nlbs_present && peer.nlbs_present, "nlbs-present"),
    ];
    both.into_iter().filter(|(both, _)| *both).map(|(_, name)| name).collect()
}

/// `main-mode` or `quick-mode`.
pub fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::MainMode => "main-mode",
        Phase::QuickMode => "quick-mode",
    }
}

/// The name of an enum's variant in kebab case, without its contents.
fn variant(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let name: String = text.chars().take_while(char::is_ascii_alphanumeric).collect();
    let mut kebab = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.push(c.to_ascii_lowercase());
    }
    kebab
}

/// As `netsh` writes it: `3DES-SHA1-2`, with netsh's own number 3 for the 2,048-bit group.
pub fn proposal(p: &MainModeProposal) -> String {
    let group = if p.group == Group::Modp2048 { 3 } else { p.group.id() };
    format!("{}-{}-{group}", p.cipher.microsoft_name(), p.hash.microsoft_name())
}

/// As `netsh` writes it: `ESP[DES,MD5]`, `AH[SHA1]+ESP[3DES,None]`.
pub fn method(offer: &Offer) -> String {
    let ah = offer.ah.map(|mac| format!("AH[{}]", mac.microsoft_name()));
    let esp = offer.esp.map(|esp| {
        let cipher = if esp.cipher == Cipher::Null { "None" } else { esp.cipher.microsoft_name() };
        format!("ESP[{cipher},{}]", esp.mac.map_or("None", |mac| mac.microsoft_name()))
    });
    [ah, esp].into_iter().flatten().collect::<Vec<_>>().join("+")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipsec_core::spd::EntryId;

    #[test]
    fn variants_become_kebab() {
        assert_eq!(drop_reason(&DropReason::ClearTextRefused(EntryId(3))), "clear-text-refused");
        assert_eq!(drop_reason(&DropReason::TooBig { mtu: 1400 }), "too-big");
        assert_eq!(drop_cause(&DropCause::Rule(DropReason::NoRoute)), "no-route");
        assert_eq!(failure(&FailureReason::Notified(14)), "notified 14");
        assert_eq!(failure(&FailureReason::TimedOut("x")), "timed-out");
    }
}
