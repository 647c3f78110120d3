//! The family `nat-…`: every scenario shows what it says.

use ipsec_scenarios::{RunOptions, Scenario, embedded, run};

/// Runs the scenarios that fit, and fails with all that do not show what they should.
pub(crate) fn hold(pattern: &str) {
    let names = embedded::matching(pattern);
    assert!(!names.is_empty(), "{pattern} is nobody");
    let mut failed = Vec::new();
    for name in &names {
        let scenario = embedded::scenario(name).unwrap_or_else(|e| panic!("{name}/{e}"));
        let options = RunOptions { record: false, ..RunOptions::default() };
        let report = run(&scenario, &options).unwrap_or_else(|e| panic!("{name}/{e}")).report;
        for check in report.checks.iter().filter(|c| !c.held) {
            failed.push(format!("{name} {}: {}\n    replay: {}", check.id, check.detail, report.replay));
        }
    }
    assert!(failed.is_empty(), "{} checks failed:\n{}", failed.len(), failed.join("\n"));
    println!("{pattern}: {} scenarios", names.len());
}

macro_rules! families {
    ($($test:ident: $pattern:literal),+ $(,)?) => {
        $(#[test]
        fn $test() {
            hold($pattern);
        })+

        const TESTED: &[&str] = &[$($pattern),+];
    };
}

families! {
    windows_2000_meets_a_nat_as_kb_301284_says: "nat-windows-2000-*",
    endpoint_independent_mapping: "nat-ei-*",
    address_dependent_mapping: "nat-ad-*",
    address_and_port_dependent_mapping: "nat-apd-*",
    one_client_of_two_servers: "nat-two-servers-*",
    port_preservation: "nat-port-preservation-*",
    pass_through: "nat-pass-through-*",
    no_nat_at_all: "nat-absent-*",
    static_maps: "nat-static-map-*",
    hairpinning: "nat-hairpinning-*",
    time_outs: "nat-keepalives-*",
    rebinding: "nat-rebinding-*",
    reboots: "nat-reboot-*",
    reboots_behind_the_nat: "nat-inner-reboot-*",
    reboots_outside: "nat-outer-reboot-*",
    another_address: "nat-move-address-*",
    ah: "nat-ah-*",
    versions: "nat-t-*",
    windows_xp_sp2: "nat-xp-sp2-*",
    releases: "nat-releases-*",
    two_clients: "nat-two-clients-*",
}

#[test]
fn every_scenario_is_tested() {
    let tested: Vec<&str> = TESTED.iter().flat_map(|pattern| embedded::matching(pattern)).collect();
    let forgotten: Vec<&str> =
        embedded::matching("nat").into_iter().filter(|n| !tested.contains(n)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

/// RFC 4787 has three behaviours of each kind; there are two versions, two modes, and three places for NATs.
#[test]
fn every_combination_is_there() {
    let names = embedded::matching("nat");
    for mapping in ["ei", "ad", "apd"] {
        for filtering in ["ei", "ad", "apd"] {
            for version in ["rfc3947", "draft02"] {
                for mode in ["tunnel", "transport"] {
                    for role in ["initiator", "responder", "both"] {
                        let name = format!("nat-{mapping}-{filtering}-{version}-{mode}-{role}");
                        assert!(names.contains(&name.as_str()), "{name}");
                    }
                }
            }
        }
    }
}

/// What a scenario says must come of it is what is checked: another outcome, or a NAT that does otherwise, is noticed.
#[test]
fn a_wrong_expectation_is_noticed() {
    for (name, file, text, with) in [
        ("nat-ei-apd-rfc3947-tunnel-initiator", "steps.toml", "is = \"protected\"", "is = \"refused\""),
        (
            "nat-ei-apd-rfc3947-tunnel-initiator",
            "steps.toml",
            "revision = \"rfc3947\"",
            "revision = \"draft-02\"",
        ),
        ("nat-ei-apd-rfc3947-tunnel-initiator", "topology.toml", "nat_t = [\"rfc3947\"]", ""),
        (
            "nat-ei-ei-draft02-transport-initiator",
            "steps.toml",
            "reason = \"unknown-spi\"",
            "reason = \"nat-filtered\"",
        ),
        ("nat-ad-ei-draft02-transport-responder", "topology.toml", "port = 500, to", "port = 501, to"),
        ("nat-windows-2000-esp-icmp-pass-through", "topology.toml", "inbound = 4097", "inbound = 4098"),
        ("nat-keepalives-on-rfc3947-tunnel-initiator", "topology.toml", "\"20s\"", "\"off\""),
        ("nat-keepalives-off-rfc3947-tunnel-initiator", "topology.toml", "\"off\"", "\"20s\""),
        (
            "nat-rebinding-draft02-transport-initiator",
            "steps.toml",
            "rebind = \"nat\"",
            "monitor = \"alice\"",
        ),
        ("nat-hairpinning-on-rfc3947-tunnel", "topology.toml", "hairpinning = true", "hairpinning = false"),
        ("nat-xp-sp2-default-tunnel-both", "topology.toml", "windows-xp-sp2", "windows-2003"),
        (
            "nat-two-servers-ei-apd-rfc3947",
            "topology.toml",
            "\"endpoint-independent\"",
            "\"address-dependent\"",
        ),
        (
            "nat-port-preservation-on-rfc3947-tunnel-initiator",
            "topology.toml",
            "port_preservation = true",
            "",
        ),
        ("nat-two-clients-same-port-rfc3947-transport", "steps.toml", "at_least = 0 ,", "at_least = 1 ,"),
    ] {
        let mut files = embedded::files(name).unwrap();
        let before = files.text(file).unwrap().to_string();
        assert!(before.contains(text), "{name} {file} has no {text}");
        files.insert(file, before.replace(text, with));
        let scenario = Scenario::load(&files, |_| None, None).unwrap_or_else(|e| panic!("{name}/{e}"));
        let report = run(&scenario, &RunOptions { record: false, ..RunOptions::default() }).unwrap().report;
        assert!(!report.held, "{name} holds with {with} for {text}");
    }
}
