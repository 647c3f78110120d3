//! The words that fill places, against those of oakley.dll in each release (`messages.txt`).

use ipsec_core::ike::failure::IkeError;
use ipsec_core::sad::UdpEncapsulation;
use ipsec_core::wire::ikev1::{Phase1Attribute, Phase2Attribute};

use super::*;
use crate::event_log::{reason, refusal};

/// A row of words.
fn words(release: Release, name: &str) -> Vec<&'static str> {
    let row = rows(3).find(|(r, row)| *r == release && row[1] == name);
    let (_, row) = row.unwrap_or_else(|| panic!("{}: no row {name}", release.name()));
    listed(row[2])
}

/// A quick mode with everything in it that these releases can agree on.
fn agreed(cipher: Cipher, mac: Mac, mode: Mode, in_udp: bool) -> Event {
    let Event::QuickModeEstablished(mut info) = quick_mode() else { unreachable!() };
    info.offer = Offer {
        ah: in_udp.then_some(mac),
        esp: Some(EspTransform { cipher, mac: (!in_udp).then_some(mac) }),
        lifetime: Lifetime::default(),
    };
    info.mode = mode;
    let udp =
        UdpEncapsulation { local_port: 4500, peer_port: 4500, original: None, follow: false, client: 1 };
    info.udp = in_udp.then(|| Box::new(udp));
    Event::QuickModeEstablished(info)
}

#[test]
fn parameters_are_words_of_the_release() {
    for profile in PROFILES {
        let release = Release::of(profile);
        let (values, modes) = (words(release, "Values"), words(release, "Modes"));
        let mut log = log(profile, AuditPolicy::WHOLE);
        log.ipsec(Instant::from_secs(3), &main_mode());
        let tunnel = Mode::Tunnel { local: None, remote: ends().1.ip() };
        let ciphers = [Cipher::Null, Cipher::Des, Cipher::TripleDes, Cipher::Des40];
        for cipher in ciphers.into_iter().take(if release == Release::Windows2000 { 4 } else { 3 }) {
            for (mac, mode) in [(Mac::HmacMd5_96, tunnel), (Mac::HmacSha1_96, Mode::Transport)] {
                for in_udp in [false, true] {
                    log.ipsec(Instant::from_secs(4), &agreed(cipher, mac, mode, in_udp));
                }
            }
        }
        for record in log.records() {
            assert!(modes.contains(&record.field("Mode").unwrap().as_str()));
            for name in ["ESP Algorithm", "HMAC Algorithm", "AH Algorithm", "Encapsulation"] {
                let value = record.field(name).unwrap_or("None".to_owned());
                assert!(values.contains(&value.as_str()), "{}: {name} {value}", release.name());
            }
        }
        let encapsulations: std::collections::BTreeSet<_> =
            log.records().filter_map(|r| r.field("Encapsulation")).collect();
        assert_eq!(encapsulations.len(), if release == Release::Server2003 { 4 } else { 2 });
    }
}

/// SPIs in decimal as oakley.dll formats numbers, and on Windows Server 2003 the peer's ports and its address behind a NAT.
#[test]
fn identities_have_the_lines_of_the_release() {
    let methods = [
        (AuthenticationMethod::PRE_SHARED_KEY, "Preshared key"),
        (AuthenticationMethod::GSS_API, "Kerberos"),
        (AuthenticationMethod::RSA_SIGNATURES, "Certificate, none shown"),
    ];
    for profile in PROFILES.into_iter().skip(1) {
        for (method, row) in methods {
            let mut log = log(profile, AuditPolicy::WHOLE);
            let Event::Failed(mut failed) = failure(Phase::MainMode, FailureReason::NoResponse) else {
                unreachable!()
            };
            failed.method = Some(method);
            log.ipsec(Instant::from_secs(64), &Event::Failed(failed));
            let record = log.records().next().unwrap();
            let Insert::Items(lines) = &record.inserts[2] else { panic!("{record:?}") };
            let lines: Vec<&str> = lines.iter().map(|item| item.name.trim()).collect();
            assert_eq!(lines, words(Release::of(profile), row));
        }
    }
}

/// Every reason that can come of a failure is oakley.dll's under its number.
#[test]
fn failure_reasons_are_those_of_oakley_dll() {
    use ipsec_core::io::DeleteReason::{Command, PeerDeleted, Policy};
    let method = |method| FailureReason::MethodNotAvailable(vec![method]);
    let mut reasons = vec![
        FailureReason::NoResponse,
        FailureReason::TimedOut(""),
        FailureReason::NoPolicy,
        FailureReason::NoProposalChosen(vec![]),
        FailureReason::OfferRefused(vec![]),
        FailureReason::AuthenticationFailed,
        FailureReason::AhAcrossNat,
        FailureReason::NatDiscoveryDiffers,
        FailureReason::BadPublicValue,
        FailureReason::Protocol(IkeError::Busy("")),
        FailureReason::Protocol(IkeError::AuthenticationFailed("")),
        FailureReason::Protocol(IkeError::UnknownCookies),
        method(AuthenticationMethod::RSA_SIGNATURES),
        method(AuthenticationMethod::GSS_API),
        method(AuthenticationMethod::PRE_SHARED_KEY),
    ];
    reasons.extend([Command, PeerDeleted, Policy].map(FailureReason::Deleted));
    for notify in 0..40 {
        reasons.push(FailureReason::Notified(notify));
        reasons.push(FailureReason::Protocol(IkeError::PeerMisbehaved { notify, rule: "" }));
    }
    let points = words(Release::Windows2000, "Failure points");
    let mut told = std::collections::BTreeSet::new();
    for failure in reasons {
        let (point, reason) = reason::of(&failure);
        let row = words(Release::Windows2000, &format!("Reason {}", reason as u32));
        assert_eq!((row, points.contains(&point.name())), (vec![reason.text()], true), "{failure:?}");
        told.insert(reason as u32);
    }
    assert_eq!(told.len(), 20, "{told:?}");
}

/// What the peer has told us failed there, what we found failed here.
#[test]
fn the_failure_point_is_whose_fault_it_was() {
    use ipsec_core::io::DeleteReason::{PeerDeleted, Policy};
    let of = |failure| {
        let (point, reason) = reason::of(&failure);
        (point.name(), reason as u32)
    };
    assert_eq!(of(FailureReason::Notified(14)), ("Peer", 13802));
    assert_eq!(of(FailureReason::Notified(18)), ("Peer", 13834));
    assert_eq!(of(FailureReason::Deleted(PeerDeleted)), ("Peer", 13807));
    assert_eq!(of(FailureReason::Deleted(Policy)), ("Me", 13849));
    let wrong = IkeError::PeerMisbehaved { notify: 23, rule: "" };
    assert_eq!(of(FailureReason::Protocol(wrong)), ("Me", 13837));
    assert_eq!(of(FailureReason::NoResponse), ("Me", 13813));
}

#[test]
fn attributes_are_words_of_the_release() {
    for release in Release::ALL {
        let known = words(release, "Attributes");
        let told = |name: &'static str, phase| {
            let refusal = Refusal {
                proposal: 1,
                transform: 1,
                attribute: name,
                expected: "MD5".into(),
                offered: "SHA".into(),
            };
            let Event::Failed(failed) = failure(phase, FailureReason::NoProposalChosen(vec![refusal])) else {
                unreachable!()
            };
            let [attribute, expected, received] = refusal::mismatches(&failed).remove(0);
            let values = words(release, "Values");
            assert!([expected, received].iter().all(|value| values.contains(&value.as_str())));
            assert!(known.contains(&attribute.as_str()), "{}: {name}: {attribute}", release.name());
        };
        for kind in [1, 2, 3, 4, 5, 11, 12, 13, 14] {
            told(Phase1Attribute(kind).name().unwrap(), Phase::MainMode);
        }
        for kind in [1, 2, 3, 4, 5, 6, 7] {
            told(Phase2Attribute(kind).name().unwrap(), Phase::QuickMode);
        }
    }
}

#[test]
fn states_and_roles_are_those_of_windows_server_2003() {
    let (states, roles) = (words(Release::Server2003, "States"), words(Release::Server2003, "Roles"));
    let wanted = [
        (Progress::SaSent, "Sent first (SA) payload"),
        (Progress::SaProcessed, "Processed first (SA) payload"),
        (Progress::KeyExchangeProcessed, "Processed second (KE) payload"),
        (Progress::IdProcessed, "Processed third (ID) payload"),
        (Progress::QuickModeProcessed, "Processed Quick Mode payload"),
        (Progress::NotBegun, "Unknown state"),
    ];
    for (progress, text) in wanted {
        for initiator in [true, false] {
            let Event::Failed(of) = failure(Phase::MainMode, FailureReason::NoResponse) else {
                unreachable!()
            };
            let failed = Failure { progress, initiator, ..of };
            let Insert::Items(items) = reason::extra_status(failed.started, &failed, Release::Server2003)
            else {
                unreachable!()
            };
            assert_eq!((items[0].name, states.contains(&text)), (text, true));
            assert_eq!(items[1].name, roles[usize::from(!initiator)]);
        }
    }
}
