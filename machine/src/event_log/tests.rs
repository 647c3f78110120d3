//! The table and the records against the message tables of the releases (`tests/messages.txt`).

use std::net::SocketAddr;

use ipsec_core::crypto::{Cipher, Group, HashAlg, Mac};
use ipsec_core::ike::failure::{Failure, FailureReason, Phase, Progress};
use ipsec_core::ike::proposal::Refusal;
use ipsec_core::io::{DeleteReason, MainModeInfo, QuickModeInfo};
use ipsec_core::pad::{MainModeProposal, PadEntryId};
use ipsec_core::sad::{PairId, Spi};
use ipsec_core::selector::{AddressRange, FlowKey, PortRange, Prefix, Selector};
use ipsec_core::spd::{EntryId, EspTransform, Lifetime, Mode, Offer};
use ipsec_core::wire::ikev1::AuthenticationMethod;
use ipsec_core::wire::isakmp::Cookie;
use ipsec_core::{DropReason, Duration, Event, Instant};
use ipsec_policy::Profile;
use ipsec_policy::profile::{WINDOWS_2000, WINDOWS_2003, WINDOWS_XP_SP2};

use super::{DriverLogging, EventLog, Insert, Kind, Record, Release, message};
use crate::audit::{Audit, AuditPolicy};
use crate::computer::{MachineEvent, PolicySource};
use crate::driver_mode::DriverMode;

const TABLE: &str = include_str!("tests/messages.txt");
const PROFILES: [&Profile; 3] = [&WINDOWS_2000, &WINDOWS_XP_SP2, &WINDOWS_2003];

/// The rows of the table with so many columns.
fn rows(columns: usize) -> impl Iterator<Item = (Release, Vec<&'static str>)> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let rows = lines.map(|line| line.split("; ").map(str::trim).collect::<Vec<_>>());
    rows.filter(move |row| row.len() == columns).map(|row| {
        let release = Release::ALL.into_iter().find(|r| r.name() == row[0]).unwrap();
        (release, row)
    })
}

/// The labels of a list of fields, or of the lines of an insert.
fn listed(text: &str) -> Vec<&str> {
    text.trim_end_matches(';').split(" | ").map(str::trim).filter(|label| !label.is_empty()).collect()
}

/// A record of this kind whose places hold their own names: `%1`.
fn numbered(kind: Kind, release: Release) -> Record {
    let m = message::of(kind, release).unwrap();
    let inserts = (1..=6).map(|n| Insert::Text(format!("%{n}"))).collect();
    let (id, log, source) = (m.id, m.log, m.writer.source(release));
    Record { time: Instant::EPOCH, release, log, source, id, severity: m.severity, kind, inserts }
}

/// Every event of every release has its log, source, severity and labels, in their order, each with its place.
#[test]
fn every_event_of_every_release_is_that_of_the_message_tables() {
    let mut walked = 0;
    for (release, row) in rows(6) {
        let id: u32 = row[1].parse().unwrap();
        let found: Vec<_> = message::all(release).filter(|m| m.id == id).collect();
        let [m] = found[..] else { panic!("{} {id}: {} messages", release.name(), found.len()) };
        let record = numbered(m.kind, release);
        let facts = [record.log.name(), record.source, record.severity.name()];
        assert_eq!(facts, [row[2], row[3], row[4]], "{} {id}", release.name());
        let text = record.description();
        // Labels and their places appear one after the other, and a label begins its line.
        let mut rest = text.as_str();
        for label in listed(row[5]) {
            let (label, place) = label.rsplit_once(": ").map_or(("", label), |(l, p)| (l, p));
            let label = if label.is_empty() { String::new() } else { format!("{label}:") };
            let at = rest.find(&label).unwrap_or_else(|| panic!("{id}: no `{label}` in\n{text}"));
            assert!(
                label.is_empty() || at == 0 || rest[..at].trim_end_matches('\t').ends_with('\n'),
                "{text}"
            );
            rest = &rest[at + label.len()..];
            let at =
                rest.find(place).unwrap_or_else(|| panic!("{id}: no {place} after `{label}` in\n{text}"));
            assert!(label.is_empty() || rest[..at].trim().is_empty(), "{id}: {label} {place}\n{text}");
            rest = &rest[at + place.len()..];
        }
        assert!(!rest.contains('%'), "{id}: places beyond those of the table\n{text}");
        walked += 1;
    }
    assert_eq!(walked, 18 + 20 + 30);
}

/// And there is none that the table has not, but for IKE's own three, whose numbers are those of oakley.dll.
#[test]
fn no_release_has_other_events() {
    for release in Release::ALL {
        for m in message::all(release).filter(|m| m.writer != message::Writer::Oakley) {
            let known = rows(6).any(|(r, row)| r == release && row[1] == m.id.to_string());
            assert!(known, "{} {}", release.name(), m.id);
        }
    }
    let own = |release| message::all(release).filter(|m| m.writer == message::Writer::Oakley).map(|m| m.id);
    assert_eq!(own(Release::Windows2000).collect::<Vec<_>>(), [0x01fb]);
    assert_eq!(own(Release::Server2003).collect::<Vec<_>>(), [0x028e, 0x028f]);
}

mod words;

fn log(profile: &'static Profile, audit: AuditPolicy) -> EventLog {
    EventLog::new(profile, audit, DriverLogging { diagnostics: 0, interval: Duration::from_secs(3600) })
}

fn ends() -> (SocketAddr, SocketAddr) {
    (SocketAddr::from(([192, 0, 2, 1], 500)), SocketAddr::from(([192, 0, 2, 2], 500)))
}

fn main_mode() -> Event {
    let (local, peer) = ends();
    Event::MainModeEstablished(MainModeInfo {
        local,
        peer,
        exchange: Default::default(),
        initiator: true,
        cky_i: Cookie([1; 8]),
        cky_r: Cookie([2; 8]),
        pad_entry: PadEntryId(0),
        nat: None,
        proposal: MainModeProposal { cipher: Cipher::TripleDes, hash: HashAlg::Sha1, group: Group::Modp1024 },
        method: AuthenticationMethod::PRE_SHARED_KEY,
        started: Instant::from_secs(1),
        lifetime_seconds: 28_800,
        we_can: Default::default(),
        peer_can: Default::default(),
    })
}

/// NetA to NetB of KB 816514: ESP with DES and MD5 through a tunnel.
fn quick_mode() -> Event {
    let (local, peer) = ends();
    let net = |a: [u8; 4]| vec![AddressRange::from(Prefix::new(a.into(), 24))];
    let selector = Selector {
        local: net([10, 1, 0, 0]),
        remote: net([10, 2, 0, 0]),
        protocol: None,
        local_ports: PortRange::ANY,
        remote_ports: PortRange::ANY,
    };
    let esp = EspTransform { cipher: Cipher::Des, mac: Some(Mac::HmacMd5_96) };
    Event::QuickModeEstablished(QuickModeInfo {
        pair: PairId(7),
        cky_i: Cookie([1; 8]),
        message_id: 9,
        initiator: true,
        entry: EntryId(1),
        started: Instant::from_secs(4),
        local: local.ip(),
        peer: peer.ip(),
        udp: None,
        selector,
        offer: Offer { ah: None, esp: Some(esp), lifetime: Lifetime::default() },
        mode: Mode::Tunnel { local: None, remote: peer.ip() },
        pfs: None,
        inbound_spis: vec![Spi(0x1000_0001)],
        outbound_spis: vec![Spi(0x2000_0002)],
        replaces: None,
    })
}

fn failure(phase: Phase, reason: FailureReason) -> Event {
    let (local, peer) = ends();
    Event::Failed(Failure {
        local,
        peer,
        cky_i: Cookie([3; 8]),
        initiator: true,
        phase,
        entry: None,
        selector: None,
        method: Some(AuthenticationMethod::PRE_SHARED_KEY),
        started: Instant::from_secs(2),
        progress: Progress::KeyExchangeProcessed,
        reason,
    })
}

/// The lines of the inserts that real records have are those of oakley.dll, in their order.
#[test]
fn inserts_have_the_lines_of_oakley_dll() {
    for profile in PROFILES {
        let release = Release::of(profile);
        let mut log = log(profile, AuditPolicy::WHOLE);
        log.ipsec(Instant::from_secs(3), &main_mode());
        log.ipsec(Instant::from_secs(5), &quick_mode());
        let records: Vec<&Record> = log.records().collect();
        let lines = |record: usize, place: usize| match &records[record].inserts[place] {
            Insert::Items(items) => items.iter().map(|item| item.name.trim()).collect::<Vec<_>>(),
            Insert::Text(text) => panic!("{text}"),
        };
        let wanted = |name: &str| {
            let (_, row) = rows(3).find(|(r, row)| *r == release && row[1] == name).unwrap();
            listed(row[2]).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(lines(0, 1), wanted("Preshared key"));
        assert_eq!(lines(0, 2), wanted("Filter"));
        assert_eq!(lines(0, 3), wanted("Main mode"));
        assert_eq!(lines(1, 1), wanted("Preshared key"));
        assert_eq!(lines(1, 2), wanted("Filter"));
        assert_eq!(lines(1, 3), wanted("Quick mode"));
    }
}

/// The values of the article's tunnel, line by line.
#[test]
fn a_pair_of_the_articles_tunnel_reads_so() {
    let mut log = log(&WINDOWS_2003, AuditPolicy::WHOLE);
    log.ipsec(Instant::from_secs(3), &main_mode());
    log.ipsec(Instant::from_secs(5), &quick_mode());
    log.ipsec(Instant::from_secs(6), &Event::PairDeleted { pair: PairId(7), why: DeleteReason::Idle });
    let (cky_i, cky_r) = (Cookie([1; 8]), Cookie([2; 8]));
    log.ipsec(Instant::from_secs(6), &Event::IsakmpSaDeleted { cky_i, cky_r, why: DeleteReason::Expired });
    let ids: Vec<u32> = log.records().map(|r| r.id).collect();
    assert_eq!(ids, [541, 541, 542, 543]);
    let texts: Vec<String> = log.records().map(Record::viewer).collect();
    insta::assert_snapshot!(texts.join("\n"));
}

/// A second quick mode of the same main mode counts from its own first message.
#[test]
fn total_delta_time_counts_the_main_mode_once() {
    let mut log = log(&WINDOWS_2003, AuditPolicy::WHOLE);
    log.ipsec(Instant::from_secs(3), &main_mode());
    log.ipsec(Instant::from_secs(5), &quick_mode());
    log.ipsec(Instant::from_secs(9), &quick_mode());
    let totals: Vec<_> = log.records().map(|r| r.field("Total delta time (sec)")).collect();
    assert_eq!(totals, [None, Some("4".into()), Some("5".into())]);
}

/// Event 547 of each release; a peer identity and an extra status came with Windows XP, texts for it with Server 2003.
#[test]
fn failures_say_where_why_and_how_far() {
    let status = ["", "0x0 0x0", "Processed second (KE) payload\nInitiator.  Delta Time 62"];
    for (profile, status) in PROFILES.into_iter().zip(status) {
        let mut log = log(profile, AuditPolicy::WHOLE);
        let timed_out = FailureReason::TimedOut("waiting for main mode message 6");
        log.ipsec(Instant::from_secs(64), &failure(Phase::MainMode, timed_out));
        let record = log.records().next().unwrap();
        assert_eq!(record.id, 547);
        let field = |name| record.field(name).unwrap_or_default();
        assert_eq!(field("Mode"), "Key Exchange Mode (Main Mode)");
        assert_eq!(field("Source IP Address"), "192.0.2.1");
        assert_eq!(
            (field("Failure Point"), field("Failure Reason")),
            ("Me".into(), "Negotiation timed out".into())
        );
        let extra = record.inserts.get(5).map_or_else(String::new, Insert::to_string);
        assert_eq!(extra, status, "{}", profile.name);
        assert_eq!(record.field("Peer Identity").is_some(), profile != &WINDOWS_2000);
    }
}

/// What does not fit in a proposal is told once, before the failure itself.
#[test]
fn a_proposal_that_does_not_fit_is_named() {
    let refusal = |transform| Refusal {
        proposal: 1,
        transform,
        attribute: "Encryption-Algorithm",
        expected: "3DES-CBC".into(),
        offered: "DES-CBC".into(),
    };
    let mut log = log(&WINDOWS_XP_SP2, AuditPolicy::WHOLE);
    let reason = FailureReason::NoProposalChosen(vec![refusal(1), refusal(2)]);
    log.ipsec(Instant::from_secs(2), &failure(Phase::MainMode, reason));
    let (offered, wanted) = (vec![AuthenticationMethod::PRE_SHARED_KEY], vec![AuthenticationMethod::GSS_API]);
    let reason = FailureReason::NoCommonMethod { offered, wanted };
    log.ipsec(Instant::from_secs(3), &failure(Phase::MainMode, reason));
    log.ipsec(Instant::from_secs(4), &failure(Phase::MainMode, FailureReason::AuthenticationFailed));
    let ids: Vec<u32> = log.records().map(|r| r.id).collect();
    assert_eq!(ids, [546, 547, 546, 547, 545, 547]);
    let fields = |n: usize| {
        let record = log.records().nth(n).unwrap();
        ["Attribute", "Expected value", "Received value"].map(|name| record.field(name).unwrap())
    };
    assert_eq!(fields(0), ["Phase I Encryption Algorithm", "Triple DES CBC", "DES CBC"]);
    assert_eq!(fields(2), ["Authentication Method", "Kerberos (GSSAPI)", "Preshared Key"]);
}

/// KB 816514: without auditing nothing is recorded, with success only what succeeds.
#[test]
fn audit_policy_decides_about_the_security_log() {
    let record = |audit| {
        let mut log = log(&WINDOWS_2003, audit);
        log.ipsec(Instant::from_secs(3), &main_mode());
        log.ipsec(Instant::from_secs(4), &failure(Phase::QuickMode, FailureReason::NoPolicy));
        log.machine(
            Instant::from_secs(5),
            &MachineEvent::ServiceStarted { source: Some(PolicySource::Local), member: false },
        );
        log.machine(Instant::from_secs(5), &MachineEvent::DriverEntered(DriverMode::Secure));
        log.records().map(|r| r.id).collect::<Vec<_>>()
    };
    assert_eq!(record(AuditPolicy::OFF), [4294], "the driver's log needs no auditing");
    assert_eq!(record(AuditPolicy::WHOLE), [541, 547, 613, 4294]);
    let success = Some(Audit { success: true, failure: false });
    assert_eq!(record(AuditPolicy { logon_events: success, ..AuditPolicy::OFF }), [541, 4294]);
    let failure = Some(Audit { success: false, failure: true });
    assert_eq!(record(AuditPolicy { logon_events: failure, ..AuditPolicy::OFF }), [547, 4294]);
}

/// Message 0x4bad01fb of Windows 2000's oakley.dll: "lack of domain membership. This is normal if your computer is a member of a
/// workgroup." A member of a domain has credentials.
#[test]
fn only_who_is_in_no_domain_has_no_kerberos_credentials() {
    let records = |member| {
        let mut log = log(&WINDOWS_2000, AuditPolicy::WHOLE);
        log.machine(Instant::from_secs(1), &MachineEvent::ServiceStarted { source: None, member });
        log.records().map(|r| r.id).collect::<Vec<_>>()
    };
    assert_eq!((records(false), records(true)), (vec![613, 507], vec![613]));
}

fn dropped(inbound: bool, reason: DropReason) -> Event {
    let flow = FlowKey {
        local: [10, 0, 0, 1].into(),
        remote: [10, 0, 0, 2].into(),
        protocol: 6,
        local_port: Some(23),
        remote_port: Some(1025),
    };
    Event::Dropped { packet: 1, interface: Default::default(), inbound, reason, flow: Some(flow) }
}

/// One record for each reason and source and interval, at its end.
#[test]
fn the_driver_counts_for_an_interval() {
    let mut log = EventLog::new(
        &WINDOWS_2000,
        AuditPolicy::OFF,
        DriverLogging { diagnostics: 7, interval: Duration::from_secs(60) },
    );
    let drops =
        [(10, DropReason::UnknownSpi(5)), (20, DropReason::UnknownSpi(6)), (69, DropReason::UnknownSpi(7))];
    for (at, reason) in drops.into_iter().chain([(71, DropReason::ClearTextRefused(EntryId(1)))]) {
        log.ipsec(Instant::from_secs(at), &dropped(true, reason));
    }
    log.ipsec(Instant::from_secs(72), &dropped(false, DropReason::PolicyDiscard(EntryId(2))));
    let texts = |log: &EventLog| -> Vec<(u64, u32, String)> {
        let text = |r: &Record| r.description().lines().next().unwrap_or_default().to_owned();
        log.records().map(|r| (r.time.as_millis() / 1000, r.id, text(r))).collect()
    };
    let first = (70, 4283, "Received 3 packet(s) with a bad SPI from 10.0.0.2.".to_owned());
    assert_eq!(texts(&log), std::slice::from_ref(&first), "Windows 2000 writes no single packets");
    log.close(Instant::from_secs(80));
    let second = (80, 4284, "Received 1 packet(s) from 10.0.0.2 in clear that should be secured.".to_owned());
    assert_eq!(texts(&log), [first, second]);
}

/// Which refusal is which event: those of the System log of all releases, and of the Security log of Windows Server 2003.
#[test]
fn each_refusal_has_its_events() {
    let (pair, entry) = (PairId(7), EntryId(1));
    let cases: [(DropReason, &[u32]); 17] = [
        (DropReason::UnknownSpi(5), &[4283]),
        (DropReason::ClearTextRefused(entry), &[867, 4284]),
        (DropReason::IntegrityFailed(pair), &[864, 4285]),
        (DropReason::Replayed(pair), &[865]),
        (DropReason::TooOld(pair), &[866]),
        (DropReason::BadLength(pair), &[4286]),
        (DropReason::BadPadding(pair), &[4286]),
        (DropReason::BadEncapsulation, &[4286]),
        (DropReason::BundleMismatch(pair), &[4287]),
        (DropReason::BundleOrder(pair), &[4287]),
        (DropReason::WrongEncapsulation(pair), &[4287]),
        (DropReason::WrongOuterSource(pair), &[4288]),
        (DropReason::SelectorMismatch(pair), &[4288]),
        (DropReason::LifetimeExpired(pair), &[4288]),
        (DropReason::PolicyDiscard(entry), &[]),
        (DropReason::Dummy(pair), &[]),
        (DropReason::TtlExceeded, &[]),
    ];
    for (reason, wanted) in cases {
        let ids = |profile| {
            let mut log = log(profile, AuditPolicy::WHOLE);
            log.ipsec(Instant::from_secs(3), &main_mode());
            log.ipsec(Instant::from_secs(5), &quick_mode());
            log.ipsec(Instant::from_secs(6), &dropped(true, reason));
            // What leaves is nobody's fault but ours.
            log.ipsec(Instant::from_secs(6), &dropped(false, reason));
            log.close(Instant::from_secs(7));
            let told: Vec<Record> = log.records().skip(2).cloned().collect();
            for record in &told {
                let late = (record.field("Packet Source"), record.field("Inbound SA"));
                let sa = if record.id == 867 { "None" } else { "268435457" };
                assert!(record.id > 4000 || late == (Some("10.0.0.2".into()), Some(sa.into())), "{record:?}");
            }
            let mut ids: Vec<u32> = told.iter().map(|r| r.id).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(ids(&WINDOWS_2003), wanted, "{reason}");
        let system: Vec<u32> = wanted.iter().copied().filter(|id| *id > 4000).collect();
        assert_eq!((ids(&WINDOWS_XP_SP2), ids(&WINDOWS_2000)), (system.clone(), system), "{reason}");
    }
}

/// `ipsecdiagnostics`: single packets, in the order in which they went.
#[test]
fn diagnostics_show_single_packets() {
    let ids = |diagnostics| {
        let config = DriverLogging { diagnostics, interval: Duration::from_secs(60) };
        let mut log = EventLog::new(&WINDOWS_2003, AuditPolicy::OFF, config);
        log.ipsec(Instant::from_secs(1), &dropped(true, DropReason::PolicyDiscard(EntryId(2))));
        log.ipsec(Instant::from_secs(1), &dropped(false, DropReason::PolicyDiscard(EntryId(2))));
        log.ipsec(Instant::from_secs(1), &dropped(false, DropReason::NoRoute));
        log.records().cloned().collect::<Vec<_>>()
    };
    assert_eq!(ids(0).len(), 0);
    let both = ids(7);
    assert_eq!(both.iter().map(|r| r.id).collect::<Vec<_>>(), [4290, 4291]);
    let fields = |r: &Record| {
        ["Source IP Address", "Destination IP Address", "Protocol", "Source Port", "Destination Port"]
            .map(|name| r.field(name).unwrap())
    };
    assert_eq!(fields(&both[0]), ["10.0.0.2", "10.0.0.1", "6", "1025", "23"]);
    assert_eq!(fields(&both[1]), ["10.0.0.1", "10.0.0.2", "6", "23", "1025"]);
    assert_eq!(ids(2).iter().map(|r| r.id).collect::<Vec<_>>(), [4290]);
}

/// Attackers choose source addresses; the driver's memory does not follow them.
#[test]
fn counted_sources_are_bounded() {
    let mut log = log(&WINDOWS_2003, AuditPolicy::OFF);
    for n in 0..1_000_u32 {
        let Event::Dropped { packet, interface, inbound, reason, flow } =
            dropped(true, DropReason::UnknownSpi(1))
        else {
            unreachable!()
        };
        let flow = flow.map(|flow| FlowKey { remote: std::net::Ipv4Addr::from_bits(n).into(), ..flow });
        log.ipsec(Instant::from_secs(1), &Event::Dropped { packet, interface, inbound, reason, flow });
    }
    log.close(Instant::from_secs(2));
    assert_eq!(log.records().count(), 256);
}

/// The modes of the driver are told by Windows Server 2003 alone.
#[test]
fn driver_modes_have_their_numbers() {
    use MachineEvent::{DriverEntered, DriverStarts};
    let events = [
        (DriverEntered(DriverMode::Block), 4292),
        (DriverEntered(DriverMode::Permit), 4293),
        (DriverEntered(DriverMode::Secure), 4294),
        (DriverStarts(DriverMode::Permit), 4295),
        (DriverStarts(DriverMode::Block), 4296),
        (DriverStarts(DriverMode::Stateful), 4297),
    ];
    for (event, id) in events {
        let ids = |profile| {
            let mut log = log(profile, AuditPolicy::OFF);
            log.machine(Instant::EPOCH, &event);
            log.records().map(|r| r.id).collect::<Vec<_>>()
        };
        assert_eq!((ids(&WINDOWS_2003), ids(&WINDOWS_XP_SP2)), (vec![id], vec![]));
    }
}
