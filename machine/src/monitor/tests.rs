use std::collections::BTreeSet;

use ipsec_core::Duration;
use ipsec_core::config::{Config, PolicyDatabases};
use ipsec_core::route::RouteTable;
use ipsec_policy::profile::{
    ALL, WINDOWS_2000, WINDOWS_2000_SP4_ROLLUP, WINDOWS_2003, WINDOWS_XP, WINDOWS_XP_SP2,
};

use super::*;
use crate::network_settings::NetworkSettings;

const NOW: Instant = Instant::from_secs(5);

fn shown(release: &'static Profile) -> Snapshot {
    let (computer, ipsec) = both(release);
    Snapshot::of(&computer, &ipsec, NOW)
}

fn both(release: &'static Profile) -> (Computer, Ipsec) {
    let ipsec = Ipsec::new(
        Config::new(Vec::new(), RouteTable::default(), PolicyDatabases::default()),
        [0; 32],
        Instant::EPOCH,
    );
    (Computer::new(release, NetworkSettings::default()), ipsec)
}

fn counters(release: &Profile) -> BTreeSet<Counter> {
    MonitorKind::of(release).counters().concat().iter().map(|(counter, _)| *counter).collect()
}

/// KB 816514: "In Microsoft Windows XP and the Windows Server 2003 family, IP Security Monitor is implemented as a Microsoft
/// Management Console (MMC) console"; Windows 2000 has ipsecmon (KB 301284).
#[test]
fn each_release_has_its_monitor() {
    let kinds = ALL.map(MonitorKind::of);
    use MonitorKind::{Ipsecmon, SnapIn2003, SnapInXp};
    assert_eq!(kinds, [Ipsecmon, Ipsecmon, SnapInXp, SnapInXp, SnapIn2003, SnapIn2003]);
    assert!(shown(&WINDOWS_2000).text().starts_with("ipsecmon at 5.000000 s"));
    assert!(shown(&WINDOWS_2003).text().starts_with("IP Security Monitor at 5.000000 s"));
}

/// The snap-in "displays more details about IPSec communication than IPsecmon.exe" (deployment guide): every counter of
/// Windows 2000, and more.
#[test]
fn the_snap_in_shows_all_that_ipsecmon_shows_and_more() {
    let (old, new) = (counters(&WINDOWS_2000), counters(&WINDOWS_2003));
    assert!(old.is_subset(&new) && new.len() > 2 * old.len(), "{old:?}");
    assert_eq!(counters(&WINDOWS_XP), new);
    let labels = |release| {
        let all = MonitorKind::of(release).counters().concat();
        all.into_iter().map(|(_, label)| label).collect::<Vec<_>>()
    };
    assert!(labels(&WINDOWS_2000).contains(&"Oakley Main Modes"));
    assert!(!labels(&WINDOWS_2003).contains(&"Oakley Main Modes"));
}

/// TechNet cc737334 ends its first eight with Authentication Failures; XP's page has Negotiation Failures before it.
#[test]
fn the_first_counters_stand_in_the_order_of_their_pages() {
    let first = |release, n| {
        let [ike, _] = MonitorKind::of(release).counters();
        ike.into_iter().take(n).map(|(_, label)| label).collect::<Vec<_>>()
    };
    let common = [
        "Active Acquire",
        "Active Receive",
        "Acquire Failures",
        "Receive Failures",
        "Send Failures",
        "Acquire Heap Size",
        "Receive Heap Size",
    ];
    assert_eq!(first(&WINDOWS_2003, 8), [&common[..], &["Authentication Failures"]].concat());
    let xp = [&common[..], &["Negotiation Failures", "Authentication Failures"]].concat();
    assert_eq!(first(&WINDOWS_XP_SP2, 9), xp);
}

/// Every counter stands in one of the two lists, and each list once.
#[test]
fn no_counter_stands_twice_in_a_list() {
    for release in ALL {
        for list in MonitorKind::of(release).counters() {
            let names: BTreeSet<&str> = list.iter().map(|(_, label)| *label).collect();
            assert_eq!(names.len(), list.len());
        }
    }
}

/// "Remote management and monitoring of IPSec is only supported between computers running the same version of the Windows
/// operating system. [...] it is recommended that you use Remote Desktop Connection."
#[test]
fn other_computers_are_shown_only_between_the_same_versions() {
    let remote = |own, other| {
        let (computer, ipsec) = both(other);
        Snapshot::remote(own, &computer, &ipsec, NOW).map(|shown| shown.kind)
    };
    assert_eq!(remote(&WINDOWS_2003, &WINDOWS_2003), Ok(MonitorKind::SnapIn2003));
    assert_eq!(remote(&WINDOWS_XP, &WINDOWS_XP_SP2), Ok(MonitorKind::SnapInXp));
    assert_eq!(remote(&WINDOWS_2000_SP4_ROLLUP, &WINDOWS_2000), Ok(MonitorKind::Ipsecmon));
    let refused = remote(&WINDOWS_2003, &WINDOWS_XP).unwrap_err().to_string();
    assert!(refused.contains("Remote Desktop"), "{refused}");
    assert!(remote(&WINDOWS_XP, &WINDOWS_2003).is_err() && remote(&WINDOWS_2000, &WINDOWS_XP).is_err());
}

/// KB 301284: "Click Options. Change the refresh interval to 1."
#[test]
fn a_view_looks_again_when_its_interval_has_passed() {
    let (computer, ipsec) = both(&WINDOWS_2000);
    let mut view = View::open(&computer, &ipsec, NOW);
    view.set_interval(Duration::from_secs(1));
    let mut seen = |millis: u64| view.look(&computer, &ipsec, NOW + Duration::from_millis(millis)).at;
    assert_eq!(seen(999), NOW);
    assert_eq!(seen(1_000), NOW + Duration::from_secs(1));
    assert_eq!(seen(1_900), NOW + Duration::from_secs(1));
    view.set_interval(Duration::from_millis(10));
    assert_eq!(view.interval(), Duration::from_secs(1));
}
