//! Expected values are those of MS-IKEE, ike-scan's measurements and the RFCs, not of the table.

use super::*;
use crate::compile::{CompileError, LocalAddresses, Warning, compile, warnings};
use crate::store::Store;

fn hex(name: &str) -> Vec<String> {
    let profile = Profile::find(name).unwrap();
    let text = |id: &VendorId| id.body().iter().map(|octet| format!("{octet:02x}")).collect();
    profile.vendor_ids.value.iter().map(text).collect()
}

/// MS-IKEE appendix A <6> for the octets, <2> and <15> for who has which.
#[test]
fn vendor_ids_are_those_of_the_releases() {
    let ms = |version: u8| format!("1e2b516905991c7d7c96fcbfb587e461000000{version:02x}");
    let fragmentation = "4048b7d56ebce88525e7de7f00d6c2d3".to_owned();
    let nat_t = "90cb80913ebb696e086381b5ec427b1f".to_owned();
    let initial_contact = "26244d38eddb61b3172a36e3d0cfb819".to_owned();
    assert_eq!(hex("windows-2000"), [ms(2)]);
    assert_eq!(hex("windows-2000-sp4-rollup"), [ms(2), fragmentation.clone(), nat_t.clone()]);
    assert_eq!(hex("windows-xp"), [ms(3)]);
    let all = [ms(4), fragmentation, nat_t, initial_contact];
    assert_eq!(hex("windows-xp-sp2"), all);
    assert_eq!(hex("windows-2003"), all);
}

/// MS-IKEE appendix A <2> (extensions), <5> (groups), <23> and <24> (reliable delete); TechNet cc756041 (exemptions).
#[test]
fn releases_differ_as_microsoft_says() {
    let row = |name: &str| {
        let p = Profile::find(name).unwrap();
        let can = p.announces();
        (
            (can.nat_t_draft_02, can.fragmentation, p.fast_failover.value, p.reliable_delete.value),
            p.groups.value.contains(&DhGroup::High),
            p.exempt.value,
        )
    };
    use ReliableDelete::{Answered, Off, Repeated};
    let (all, isakmp) = (ExemptLevel::All, ExemptLevel::IsakmpOnly);
    assert_eq!(row("windows-2000"), ((false, false, false, Off), false, all));
    assert_eq!(row("windows-2000-sp4-rollup"), ((true, true, false, Answered), false, all));
    assert_eq!(row("windows-xp"), ((false, false, false, Repeated), false, all));
    assert_eq!(row("windows-xp-sp2"), ((true, true, true, Repeated), false, all));
    assert_eq!(row("windows-2003"), ((true, true, true, Repeated), true, isakmp));
    assert_eq!(row("rfc"), ((false, false, false, Off), true, isakmp));
}

/// ike-scan's back-off pattern of Windows 2000, 2003 and XP: 0, 1, 2, 4, 8, 16, 32.
#[test]
fn windows_sends_seven_times_in_either_role() {
    let gaps: Vec<Duration> = [1, 2, 4, 8, 16, 32].map(Duration::from_secs).to_vec();
    for profile in ALL.iter().filter(|p| p.name != "rfc") {
        let ike = profile.ike();
        assert_eq!(ike.retransmit.gaps, gaps, "{profile}");
        assert_eq!(ike.responder_retransmit.map(|s| s.gaps), Some(gaps.clone()), "{profile}");
    }
    assert_eq!(RFC.ike().responder_retransmit, None);
}

/// Microsoft support 2790970 for Windows, RFC 2407 section 4.5 for the others.
#[test]
fn unset_lifetimes_are_those_of_the_system() {
    assert_eq!(
        WINDOWS_2003.ike().default_lifetime,
        Lifetime { seconds: Some(3_600), kilobytes: Some(100_000) }
    );
    assert_eq!(RFC.ike().default_lifetime, Lifetime { seconds: Some(28_800), kilobytes: None });
}

/// KB 885407: Windows XP with Service Pack 2 alone accepts no responder behind a NAT. MS-IKEE section 3.1.5 and RFC 3947
/// section 5.2: who sends NAT-OA.
#[test]
fn habits_of_nat_traversal() {
    use ipsec_core::config::{NatOaHabit, ResponderBehindNat};
    for profile in ALL {
        let ike = profile.ike().nat_traversal;
        let refuses = ike.responder_behind_nat == ResponderBehindNat::Never;
        assert_eq!(refuses, profile.name == "windows-xp-sp2", "{profile}");
        let is_windows = ike.original_addresses == NatOaHabit::BehindNat;
        assert_eq!(is_windows, profile.name != "rfc", "{profile}");
        assert_eq!(ike.keepalive, Some(Duration::from_secs(20)), "{profile}: MS-IKEE appendix A <14>");
    }
}

#[test]
fn names_are_those_of_the_documentation() {
    let names: Vec<&str> = ALL.iter().map(|p| p.name).collect();
    let expected =
        ["windows-2000", "windows-2000-sp4-rollup", "windows-xp", "windows-xp-sp2", "windows-2003", "rfc"];
    assert_eq!(names, expected);
    assert_eq!(Profile::find("windows-95"), None);
}

/// What is printed says of every value where it comes from.
#[test]
fn every_row_has_a_source() {
    for profile in ALL {
        for row in profile.rows() {
            assert!(!row.value.is_empty() && !row.source.is_empty(), "{profile} {}", row.name);
        }
    }
}

const SCRIPT: &str = "ipsec static
add policy name=P mmsecmethods=\"METHODS\"
add filterlist name=L
add filter filterlist=L srcaddr=me dstaddr=192.0.2.2
add filteraction name=A action=negotiate
add rule name=R policy=P filterlist=L filteraction=A kerberos=no psk=key
set policy name=P assign=y
";

fn groups(release: &'static Profile, methods: &str) -> Result<(Vec<u16>, usize), CompileError> {
    let mut store = Store::of(release);
    let script = match methods {
        "" => SCRIPT.replace(" mmsecmethods=\"METHODS\"", ""),
        methods => SCRIPT.replace("METHODS", methods),
    };
    crate::netsh::run_script(&mut store, "s", script.as_bytes()).unwrap();
    let address = ipsec_core::selector::Prefix::new([192, 0, 2, 1].into(), 24);
    let local = LocalAddresses::lan(&[address]).with_release(release);
    let unknown = |w: &Warning| matches!(w, Warning::UnknownMainModeMethod { .. });
    let warned = warnings(&store, store.assigned().unwrap(), &local)?.iter().filter(|w| unknown(w)).count();
    let pad = compile(&store, &local)?.pad;
    Ok((pad.entries[0].proposals.iter().map(|p| p.group.id()).collect(), warned))
}

/// MS-IKEE appendix A <5>: 2,048 bits are Windows Server 2003's.
#[test]
fn what_a_release_does_not_know_is_left_out_with_a_warning() {
    let both = "3DES-SHA1-3 3DES-SHA1-2";
    assert_eq!(groups(&WINDOWS_2003, both), Ok((vec![14, 2], 0)));
    assert_eq!(groups(&WINDOWS_XP_SP2, both), Ok((vec![2], 1)));
    let none = CompileError::UnknownMainModeMethods { policy: "P".into(), release: "windows-2000" };
    assert_eq!(groups(&WINDOWS_2000, "3DES-SHA1-3"), Err(none));
}

#[test]
fn a_policy_without_methods_has_those_of_the_release() {
    assert_eq!(groups(&WINDOWS_2003, ""), Ok((vec![2, 2, 1, 1], 0)));
    assert_eq!(groups(&RFC, ""), Ok((vec![14, 2, 2, 1, 1], 0)));
}

/// The table in the documentation is this table.
#[test]
fn the_documentation_has_the_same_table() {
    let text = include_str!("../../../docs/profiles.md");
    for profile in ALL {
        let can = profile.announces();
        let yes = |is: bool| if is { "yes" } else { "no" };
        let version = can.microsoft.map_or("none".into(), |version| version.to_string());
        let deletes = match profile.reliable_delete.value {
            ReliableDelete::Off => "no",
            ReliableDelete::Answered => "answered",
            ReliableDelete::Repeated => "repeated",
        };
        let exempt: Vec<String> = profile.exempt.value.exemptions().iter().map(ToString::to_string).collect();
        let row = [
            format!("`{profile}`"),
            profile.title.to_string(),
            version,
            if can.nat_t_draft_02 { "draft-02".into() } else { yes(can.nat_t_rfc3947).to_string() },
            yes(can.fragmentation).to_string(),
            deletes.to_string(),
            yes(profile.fast_failover.value).to_string(),
            yes(profile.groups.value.contains(&DhGroup::High)).to_string(),
            exempt.join(", "),
        ];
        let row = format!("| {} |", row.join(" | "));
        assert!(text.contains(&row), "docs/profiles.md lacks\n{row}");
    }
}

/// MS-IKEE appendix A <2>, <29>: denial-of-service protection. KB 923339: the idle time of Windows Server 2003 SP1.
#[test]
fn switches_belong_to_releases() {
    let switched = |name: &str, switch| {
        let profile = Profile::find(name).unwrap();
        let mut ike = profile.ike();
        let has = profile.switch(switch, &mut ike);
        (has, ike.dos_protection.is_some(), ike.idle.is_some_and(|idle| idle.ignores_traffic))
    };
    assert_eq!(switched("windows-xp", Switch::DosProtection), (true, true, false));
    assert_eq!(switched("rfc", Switch::DosProtection), (false, false, false));
    assert_eq!(switched("windows-2003", Switch::IdleBug), (true, false, true));
    assert_eq!(switched("windows-xp-sp2", Switch::IdleBug), (false, false, false));
}
