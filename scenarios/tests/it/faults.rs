//! Links misbehave until a set time; 120 s later everything works, and nothing leaked at any time.

use ipsec_scenarios::value::Ppm;
use ipsec_scenarios::{FaultPlan, RunOptions, embedded, run};

fn recovers(name: &str, faults: FaultPlan, seeds: std::ops::Range<u64>) {
    let scenario = embedded::scenario(name).unwrap();
    for seed in seeds {
        let report =
            run(&scenario, &RunOptions { seed, faults, record: false, oakley: false }).unwrap().report;
        let failed: Vec<_> = report.checks.iter().filter(|c| !c.held).map(|c| (&c.id, &c.detail)).collect();
        assert!(report.held, "{failed:?}\nreplay: {}", report.replay);
        // A check for each flow and the invariants.
        assert!(report.checks.len() > 2, "{:?}", report.checks);
    }
}

const TENTH: FaultPlan =
    FaultPlan { loss: Ppm(100_000), duplication: Ppm(100_000), reordering: Ppm(100_000), ..FaultPlan::NONE };

#[test]
fn kb816514_recovers() {
    recovers("kb816514-neta-netb-tunnel", TENTH, 0..10);
}

#[test]
fn kb301284_recovers() {
    recovers("kb301284-alice-bob-transport", TENTH, 0..10);
}

/// NAT-D, floating, quick modes and packets in UDP are lost, doubled and overtaken like everything else.
#[test]
fn nat_traversal_recovers() {
    for name in [
        "nat-ei-apd-rfc3947-tunnel-initiator",
        "nat-apd-apd-draft02-transport-both",
        "nat-ad-ei-rfc3947-transport-responder",
        "nat-two-clients-draft02-transport",
        "nat-releases-windows-2003-and-windows-xp-sp2",
    ] {
        recovers(name, FaultPlan { corruption: Ppm(20_000), ..TENTH }, 0..3);
    }
}

#[test]
fn microsofts_exchanges_recover() {
    for name in ["commit-bit", "reliable-delete", "dos-protection", "fragmented-main-mode"] {
        recovers(name, FaultPlan { corruption: Ppm(20_000), ..TENTH }, 0..3);
    }
}

/// Boots, services that stop and start, and other network settings come in between.
#[test]
fn computers_recover() {
    for name in [
        "boot-stateful",
        "boot-block",
        "persistent-policy",
        "service-stopped",
        "keyword-follows-configuration",
        "lease-my-address",
        "polling",
    ] {
        recovers(name, FaultPlan { corruption: Ppm(20_000), ..TENTH }, 0..3);
    }
}

#[test]
fn kb816514_survives_corruption() {
    recovers("kb816514-neta-netb-tunnel", FaultPlan { corruption: Ppm(100_000), ..FaultPlan::NONE }, 0..5);
}

#[test]
fn nothing_gets_through_while_every_packet_is_lost() {
    recovers("kb816514-neta-netb-tunnel", FaultPlan { loss: Ppm(1_000_000), ..FaultPlan::NONE }, 0..2);
}
