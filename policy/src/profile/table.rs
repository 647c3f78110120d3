//! The table. [C], [I] and [U] of the reference are [`confirmed`], [`inferred`] and [`unconfirmed`] here.

use ipsec_core::config::{
    DosProtection, IdleTimeout, LaterFragments, NatOaHabit, NatTraversal, ReliableDelete, ResponderBehindNat,
    TunnelEgress, VendorIdRole, VendorIdWhen,
};
use ipsec_core::ike::v1::vendor_id as known;
use ipsec_core::time::Duration;

use super::{Profile, VendorId};
use crate::defaults::{self, Confidence, confirmed, inferred, unconfirmed};
use crate::exempt::ExemptLevel;
use crate::security_method::{Cipher, DhGroup, Hash, MainModeMethod};

/// All profiles, in the order of their release.
pub static ALL: [&Profile; 6] =
    [&WINDOWS_2000, &WINDOWS_2000_SP4_ROLLUP, &WINDOWS_XP, &WINDOWS_XP_SP2, &WINDOWS_2003, &RFC];

/// The seven sends that ike-scan measured.
const WINDOWS_GAPS: &[u16] = &[1, 2, 4, 8, 16, 32];
const WINDOWS_NAT_TRAVERSAL: NatTraversal = NatTraversal {
    keepalive: Some(Duration::from_secs(20)),
    responder_behind_nat: ResponderBehindNat::Allowed,
    original_addresses: NatOaHabit::BehindNat,
    pretend: false,
};
const WINDOWS_METHODS: &[MainModeMethod] = &defaults::MM_METHODS.value;
const ALL_LEVELS: &[ExemptLevel] = &[
    ExemptLevel::All,
    ExemptLevel::NoKerberosRsvp,
    ExemptLevel::NoMulticastBroadcast,
    ExemptLevel::IsakmpOnly,
];
const DES_AND_3DES: &[Cipher] = &[Cipher::TripleDes, Cipher::Des];
const RFC_METHODS: &[MainModeMethod] = &[
    method(Cipher::TripleDes, Hash::Sha1, DhGroup::High),
    method(Cipher::TripleDes, Hash::Sha1, DhGroup::Medium),
    method(Cipher::TripleDes, Hash::Md5, DhGroup::Medium),
    method(Cipher::Des, Hash::Sha1, DhGroup::Low),
    method(Cipher::Des, Hash::Md5, DhGroup::Low),
];

/// Windows 2000.
pub static WINDOWS_2000: Profile = W2K;
/// Windows 2000 with the rollup for Service Pack 4.
pub static WINDOWS_2000_SP4_ROLLUP: Profile = W2K_ROLLUP;
/// Windows XP.
pub static WINDOWS_XP: Profile = XP;
/// Windows XP with Service Pack 2.
pub static WINDOWS_XP_SP2: Profile = XP_SP2;
/// Windows Server 2003.
pub static WINDOWS_2003: Profile = W2003;

const W2K: Profile = Profile {
    name: "windows-2000",
    title: "Windows 2000, before the rollup for Service Pack 4",
    vendor_ids: unconfirmed(
        &[microsoft(2, Confidence::Confirmed)],
        "\"does not support IKE extensions\", MS-IKEE A <2>",
    ),
    nat_traversal: confirmed(
        WINDOWS_NAT_TRAVERSAL,
        "MS-IKEE A <14>: keepalives every 20 s; 3.1.5: NAT-OA is sent when the host is behind a NAT",
    ),
    main_mode_methods: unconfirmed(WINDOWS_METHODS, defaults::MM_METHODS.source),
    groups: confirmed(&[DhGroup::Low, DhGroup::Medium], "MS-IKEE A <5>"),
    ciphers: confirmed(
        DES_AND_3DES,
        "MS-IKEE A <5>; 40-bit DES is a policy value without a number on the wire",
    ),
    hashes: confirmed(&[Hash::Sha1, Hash::Md5], "MS-IKEE A <5>"),
    initiator_gaps: unconfirmed(WINDOWS_GAPS, "as measured for responders"),
    responder_gaps: confirmed(
        Some(WINDOWS_GAPS),
        "ike-scan, ike-backoff-patterns: observed on Windows 2000 Server SP1",
    ),
    soft_trial: inferred(
        (&[1, 2, 4], 8),
        "KB 234580: an ISAKMP request is tried four times; how long after the last one is not known",
    ),
    last_wait: unconfirmed(1, "what Windows waits after the last send is not known"),
    main_mode_minutes: inferred(480, "HP-UX/Windows guide p. 43 for XP; MS-GPIPSEC 2.2.1.2"),
    quick_mode_seconds: inferred(3600, "Microsoft support 2790970 for XP and Server 2003"),
    quick_mode_kilobytes: inferred(Some(100_000), "Microsoft support 2790970 for XP and Server 2003"),
    unset_lifetimes_absent: confirmed(true, "HP-UX/Windows guide p. 44"),
    isakmp_lifetime_notice: confirmed(
        false,
        "HP-UX/Windows guide p. 43: accepts main-mode lifetimes silently",
    ),
    exempt: confirmed(ExemptLevel::All, "TechNet cc756041"),
    exempt_levels: confirmed(
        &[ExemptLevel::All, ExemptLevel::NoKerberosRsvp],
        "KB 254728: NoDefaultExempt 0 and 1; the others came with Windows Server 2003",
    ),
    server_keywords: confirmed(
        false,
        "MS-GPIPSEC 2.2.1.4: special filters are not known to Windows 2000 and XP",
    ),
    start_up_modes: inferred(false, "TechNet cc783039 is about Windows Server 2003"),
    blocks_without_service: inferred(false, "KB 818043 changes Windows XP"),
    reliable_delete: confirmed(ReliableDelete::Off, "MS-IKEE A <2>"),
    commit_bit: confirmed(true, "open implementations note that Windows responders set it"),
    replay_status: unconfirmed(false, "no source"),
    spent_sas_stay: confirmed(true, "MS-IKEE 3.8.7.2"),
    idle: inferred(
        Some(IdleTimeout { in_cluster: IdleTimeout::WINDOWS.after, ..IdleTimeout::WINDOWS }),
        "MS-IKEE 3.5.2: 5 minutes; no fast failover",
    ),
    idle_bug: inferred(false, "KB 923339 is about Windows Server 2003"),
    dos_protection: inferred(
        Some(DosProtection::AT_ONCE),
        "MS-IKEE A <29> has the registry value, <2> has no such row",
    ),
    fast_failover: confirmed(false, "MS-IKEE A <2>"),
    aggressive_mode: confirmed(false, "KB 257225"),
    dead_peer_detection: confirmed(false, "MS-IKEE A <2>"),
    rechecks_selectors: confirmed(false, "HP-UX/Windows guide p. 42"),
    checks_outer_source: confirmed(true, "KB 816514: packets that leave by another interface are dropped"),
    later_fragments: unconfirmed(
        LaterFragments::FallThrough,
        "HP-UX/Windows guide p. 33: fragments do not match filters with ports; that the next filter decides is ours",
    ),
    tunnel_egress: confirmed(
        TunnelEgress::InnerRoute,
        "KB 816514: a tunnel does not change routing; the outer source is that of the outbound interface",
    ),
};

const W2K_ROLLUP: Profile = Profile {
    name: "windows-2000-sp4-rollup",
    title: "Windows 2000 with the rollup for Service Pack 4",
    vendor_ids: unconfirmed(
        &[microsoft(2, Confidence::Confirmed), FRAGMENTATION, NAT_T_DRAFT_02],
        "MS-IKEE A <2> names the extensions; their order is not known",
    ),
    responder_gaps: inferred(Some(WINDOWS_GAPS), "as Windows 2000 before it"),
    reliable_delete: confirmed(ReliableDelete::Answered, "MS-IKEE A <2>, <23>, <24>"),
    ..W2K
};

const XP: Profile = Profile {
    name: "windows-xp",
    title: "Windows XP, before Service Pack 2",
    vendor_ids: unconfirmed(
        &[microsoft(3, Confidence::Confirmed)],
        "MS-IKEE A <2>: no extension that has one",
    ),
    responder_gaps: confirmed(
        Some(WINDOWS_GAPS),
        "ike-scan, ike-backoff-patterns: observed on Windows XP Pro SP1",
    ),
    soft_trial: confirmed(
        (&[1], 2),
        "KB 914842: it falls back to clear after three seconds; how often it asks until then is not known",
    ),
    main_mode_minutes: confirmed(480, "HP-UX/Windows guide p. 43"),
    quick_mode_seconds: confirmed(3600, "Microsoft support 2790970"),
    quick_mode_kilobytes: confirmed(Some(100_000), "Microsoft support 2790970"),
    reliable_delete: confirmed(ReliableDelete::Repeated, "MS-IKEE A <2>, <23>, <24>"),
    dos_protection: confirmed(Some(DosProtection::AT_ONCE), "MS-IKEE A <2>, <29>"),
    ..W2K
};

const XP_SP2: Profile = Profile {
    name: "windows-xp-sp2",
    title: "Windows XP with Service Pack 2",
    vendor_ids: unconfirmed(
        &[microsoft(4, Confidence::Inferred), FRAGMENTATION, NAT_T_DRAFT_02, VID_INITIAL_CONTACT],
        "order of the reference, not seen in a capture",
    ),
    nat_traversal: confirmed(
        NatTraversal { responder_behind_nat: ResponderBehindNat::Never, ..WINDOWS_NAT_TRAVERSAL },
        "KB 885407: AssumeUDPEncapsulationContextOnSendRule is 0; MS-IKEE A <14>, 3.1.5 for the others",
    ),
    responder_gaps: inferred(Some(WINDOWS_GAPS), "as Windows XP before it"),
    blocks_without_service: confirmed(true, "KB 818043, which Service Pack 2 has"),
    idle: confirmed(Some(IdleTimeout::WINDOWS), "MS-IKEE 3.5.2, A <21>"),
    fast_failover: confirmed(true, "MS-IKEE A <2>"),
    ..XP
};

const W2003: Profile = Profile {
    name: "windows-2003",
    title: "Windows Server 2003",
    vendor_ids: unconfirmed(
        &[microsoft(4, Confidence::Confirmed), FRAGMENTATION, NAT_T_DRAFT_02, VID_INITIAL_CONTACT],
        "ike-scan, ike-vendor-ids: another one of 16 octets follows the first; their order is not known",
    ),
    nat_traversal: inferred(
        WINDOWS_NAT_TRAVERSAL,
        "KB 885407 changed Windows XP SP2 alone; MS-IKEE A <14>, 3.1.5 for the others",
    ),
    groups: confirmed(&[DhGroup::Low, DhGroup::Medium, DhGroup::High], "MS-IKEE A <5>"),
    responder_gaps: inferred(
        Some(WINDOWS_GAPS),
        "ike-scan, ike-backoff-patterns: the first gap was 0.5 to 1.5 s, the others as here",
    ),
    exempt: confirmed(ExemptLevel::IsakmpOnly, "TechNet cc756041"),
    exempt_levels: confirmed(ALL_LEVELS, "TechNet cc756041"),
    server_keywords: confirmed(true, "MS-GPIPSEC 2.2.1.4; What's new in Windows Server 2003 IPSec"),
    start_up_modes: confirmed(true, "TechNet cc783039"),
    blocks_without_service: inferred(true, "as Windows XP with KB 818043; it has the driver's event 4292"),
    idle: confirmed(Some(IdleTimeout::WINDOWS), "MS-IKEE 3.5.2, A <21>"),
    idle_bug: confirmed(true, "Service Pack 1 before KB 923339: SAs end every 300 s, whatever they carry"),
    ..XP_SP2
};

/// A strict implementation of the RFCs.
pub static RFC: Profile = Profile {
    name: "rfc",
    title: "what the RFCs say, and nobody's habits",
    vendor_ids: confirmed(&[], "RFC 2408 section 3.16: they may be sent"),
    nat_traversal: confirmed(
        NatTraversal {
            keepalive: Some(Duration::from_secs(20)),
            responder_behind_nat: ResponderBehindNat::Allowed,
            original_addresses: NatOaHabit::InTransportMode,
            pretend: false,
        },
        "RFC 3948 section 4: 20 s; RFC 3947 section 5.2",
    ),
    main_mode_methods: inferred(
        RFC_METHODS,
        "RFC 2409 section 4: DES, MD5, SHA and group 1; 3DES and group 2; the strongest first",
    ),
    groups: confirmed(
        &[DhGroup::Low, DhGroup::Medium, DhGroup::High],
        "RFC 2409 sections 6.1 and 6.2, RFC 3526 section 3",
    ),
    ciphers: confirmed(DES_AND_3DES, "RFC 2409 section 4"),
    hashes: confirmed(&[Hash::Sha1, Hash::Md5], "RFC 2409 section 4"),
    initiator_gaps: inferred(WINDOWS_GAPS, "RFC 2408 section 5.1 asks for a timer and names no times"),
    responder_gaps: inferred(
        None,
        "the initiator's repetitions are answered; RFC 2408 section 5.1 allows more",
    ),
    soft_trial: inferred((&[1], 2), "the RFCs have no fallback; as Windows Server 2003"),
    last_wait: inferred(1, "RFC 2408 section 5.1 names no times"),
    main_mode_minutes: inferred(480, "RFC 2409 has no default; that of RFC 2407 section 4.5"),
    quick_mode_seconds: confirmed(28_800, "RFC 2407 section 4.5"),
    quick_mode_kilobytes: confirmed(None, "RFC 2407 section 4.5"),
    unset_lifetimes_absent: confirmed(true, "RFC 2407 section 4.5"),
    isakmp_lifetime_notice: inferred(false, "RFC 2407 section 4.6.3.1 allows it"),
    exempt: inferred(ExemptLevel::IsakmpOnly, "RFC 4301 section 4.4.1: IKE itself must pass"),
    exempt_levels: inferred(ALL_LEVELS, "the RFCs have no such levels"),
    server_keywords: inferred(true, "RFC 4301 section 4.4.1 leaves it to the administrator's interface"),
    start_up_modes: inferred(false, "RFC 4301 says nothing of starting"),
    blocks_without_service: inferred(false, "RFC 4301 says nothing of starting"),
    reliable_delete: confirmed(ReliableDelete::Off, "RFC 2408 section 5.15"),
    commit_bit: inferred(false, "RFC 2408 section 3.1 allows it"),
    replay_status: inferred(false, "RFC 2407 section 4.6.3.2 allows it"),
    spent_sas_stay: inferred(false, "the RFCs have no limit of quick modes"),
    idle: confirmed(None, "the RFCs have no such timer"),
    idle_bug: confirmed(false, "the RFCs have no such timer"),
    dos_protection: confirmed(None, "the RFCs have no such mode"),
    fast_failover: confirmed(false, "the RFCs have no such thing"),
    aggressive_mode: inferred(
        false,
        "RFC 2409 section 5 asks for main mode, and recommends aggressive mode; off until asked for",
    ),
    dead_peer_detection: inferred(false, "RFC 3706; off until asked for"),
    rechecks_selectors: confirmed(true, "RFC 4301 section 5.2"),
    checks_outer_source: confirmed(false, "RFC 4301 section 4.1: unicast SAs are found without it"),
    later_fragments: confirmed(LaterFragments::Stop, "RFC 4301 section 7.3"),
    tunnel_egress: confirmed(TunnelEgress::OuterRoute, "RFC 4301 section 5.1.2.1"),
};

const FRAGMENTATION: VendorId = VendorId {
    text: "FRAGMENTATION",
    hash: known::FRAGMENTATION,
    version: None,
    role: VendorIdRole::Both,
    when: VendorIdWhen::Always,
    confidence: Confidence::Confirmed,
    source: "MS-IKEE 3.3.4.1, 3.3.5.1",
};

const NAT_T_DRAFT_02: VendorId = VendorId {
    text: "draft-ietf-ipsec-nat-t-ike-02\n",
    hash: known::NAT_T_DRAFT_02_NEWLINE,
    when: VendorIdWhen::Ipv4,
    source: "MS-IKEE 3.2.4.1, 3.2.5.1, A <15>",
    ..FRAGMENTATION
};

const VID_INITIAL_CONTACT: VendorId = VendorId {
    text: "Vid-Initial-Contact",
    hash: known::VID_INITIAL_CONTACT,
    when: VendorIdWhen::NoIsakmpSa,
    source: "MS-IKEE 3.5.4.1, 3.5.5.1",
    ..FRAGMENTATION
};

const fn microsoft(version: u32, confidence: Confidence) -> VendorId {
    VendorId {
        text: "MS NT5 ISAKMPOAKLEY",
        hash: known::MS_NT5_ISAKMPOAKLEY,
        version: Some(version),
        confidence,
        source: "MS-IKEE 1.7, A <6>; ike-scan, ike-vendor-ids",
        ..FRAGMENTATION
    }
}

const fn method(cipher: Cipher, hash: Hash, group: DhGroup) -> MainModeMethod {
    MainModeMethod { cipher, hash, group }
}
