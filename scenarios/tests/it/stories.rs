//! The articles' own stories.

use ipsec_scenarios::{Outcomes, RunOptions, embedded, run};

pub(crate) fn played(name: &str, seed: u64) -> Outcomes {
    let scenario = embedded::scenario(name).unwrap_or_else(|e| panic!("{name}/{e}"));
    run(&scenario, &RunOptions { seed, ..RunOptions::default() }).unwrap_or_else(|e| panic!("{name}/{e}"))
}

/// Fails with every check that did not hold.
pub(crate) fn assert_held(outcomes: &Outcomes) {
    let report = &outcomes.report;
    let failed: Vec<String> = report
        .checks
        .iter()
        .filter(|c| !c.held)
        .map(|c| format!("{} {}: {}", c.run.as_deref().unwrap_or(""), c.id, c.detail))
        .collect();
    assert!(report.held, "{}\n{}\nreplay: {}", report.scenario, failed.join("\n"), report.replay);
    assert!(!report.checks.is_empty());
}

/// `expected.trace` was read line by line when it was written; `UPDATE_EXPECT=1` writes it anew, to be read again.
fn trace_is_as_expected(name: &str) {
    let outcomes = played(name, 1);
    let trace = outcomes.recordings[0].trace.text();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name).join("expected.trace");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &trace).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    if let Some((n, (found, wanted))) =
        (1..).zip(trace.lines().zip(expected.lines())).find(|(_, (f, w))| f != w)
    {
        panic!("{}:{n}\n found {found}\nwanted {wanted}", path.display());
    }
    assert_eq!(trace.lines().count(), expected.lines().count(), "{}", path.display());
}

#[test]
fn kb816514_holds() {
    assert_held(&played("kb816514-neta-netb-tunnel", 1));
}

#[test]
fn kb301284_troubleshooting_finds_the_filters() {
    assert_held(&played("kb301284-troubleshooting", 1));
}

#[test]
fn kb816514_gateway_to_server_holds() {
    assert_held(&played("kb816514-gateway-to-server", 1));
}

/// "Windows Server 2003 supports IPSec tunneling for situations where both tunnel endpoints have static IP addresses."
#[test]
fn a_tunnel_needs_static_addresses() {
    assert_held(&played("kb816514-address-changes", 1));
}

#[test]
fn kb816514_l2tp_holds() {
    assert_held(&played("kb816514-l2tp", 1));
}

#[test]
fn kb301284_holds() {
    assert_held(&played("kb301284-alice-bob-transport", 1));
}

#[test]
fn the_default_response_holds() {
    assert_held(&played("default-response", 1));
}

#[test]
fn default_response_trace() {
    trace_is_as_expected("default-response");
}

#[test]
fn kb816514_trace() {
    trace_is_as_expected("kb816514-neta-netb-tunnel");
}

#[test]
fn kb301284_trace() {
    trace_is_as_expected("kb301284-alice-bob-transport");
}

#[test]
fn netsh_dynamic_demo_holds() {
    assert_held(&played("netsh-dynamic-demo", 1));
}

/// Beside the assigned policy, and gone with the service.
#[test]
fn netsh_dynamic_beside_stored_holds() {
    assert_held(&played("netsh-dynamic-beside-stored", 1));
}

#[test]
fn netsh_dynamic_config_holds() {
    assert_held(&played("netsh-dynamic-config", 1));
}

/// "Replacing IPSecpol.exe and IPSeccmd.exe, the new IPSec context of the Netsh command-line tool".
#[test]
fn each_release_has_its_tools() {
    assert_held(&played("tools-of-releases", 1));
}

#[test]
fn netsh_ipsecexempt_holds() {
    assert_held(&played("netsh-ipsecexempt", 1));
}

#[test]
fn netsh_dynamic_negotiate_holds() {
    assert_held(&played("netsh-dynamic-negotiate", 1));
}
