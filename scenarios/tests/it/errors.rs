//! What is wrong with a scenario is said with file, line, column and key.

use ipsec_scenarios::{Files, RunOptions, Scenario, embedded, run};

/// The tunnel with one text of one file replaced.
fn broken(file: &str, text: &str, with: &str) -> String {
    broken_in("kb816514-neta-netb-tunnel", file, text, with)
}

/// The same of another scenario.
fn broken_in(scenario: &str, file: &str, text: &str, with: &str) -> String {
    let mut files: Files = embedded::files(scenario).unwrap();
    let before = files.text(file).unwrap().to_string();
    assert!(before.contains(text), "{file} has no {text}");
    files.insert(file, before.replacen(text, with, 1));
    let loaded = Scenario::load(&files, embedded::files, Some(embedded::TWINS));
    match loaded.and_then(|s| run(&s, &RunOptions::default())) {
        Ok(_) => panic!("{with} was accepted"),
        Err(e) => e.to_string(),
    }
}

#[test]
fn of_the_topology() {
    let is = |text: &str, with: &str, wanted: &str| assert_eq!(broken("topology.toml", text, with), wanted);
    is(
        "link = \"neta\", address",
        "link = \"nets\", address",
        "topology.toml:22:38: interfaces.link: no link `nets`; there are neta, outside, netb",
    );
    is(
        "10.1.0.10/16",
        "10.1.0.10",
        "topology.toml:22:56: interfaces: `10.1.0.10` is no address with a prefix length, as in `10.1.0.10/16`",
    );
    is(
        "latency = \"20ms\"",
        "latncy = \"20ms\"",
        "topology.toml:12:1: latncy: unknown field `latncy`, expected one of `name`, `latency`, `jitter`, `mtu`, `unprotected`, `loses_fragments`, `alters`, `forges`, `replays`",
    );
    is(
        "policy = \"gwa.netsh\"",
        "policy = \"gwc.netsh\"",
        "topology.toml:31:10: node.policy: there is no such file",
    );
    is(
        "policy = \"gwa.netsh\"",
        "policy = \"gwa.netsh\"\naggressive_mode = [\"begins\"]",
        "topology.toml:28:8: node.profile: windows-2003 has neither aggressive mode (KB 257225) nor dead peer detection",
    );
}

#[test]
fn of_the_steps() {
    let is = |text: &str, with: &str, wanted: &str| assert_eq!(broken("steps.toml", text, with), wanted);
    is(
        "from = \"host-a\"",
        "from = \"hosta\"",
        "steps.toml:6:8: flow.from: no node `hosta`; there are host-a, gwa, gwb, host-b",
    );
    is(
        "at = \"40s\"",
        "at = \"40\"",
        "steps.toml:47:6: at: `40` is no duration: write a whole number and ns, us, ms, s, m or h, as in `20ms`",
    );
    is("at = \"40s\"", "at = \"45s\"", "steps.toml:47:6: step.at: the run ends at 45s");
}

/// Domains, their Group Policy objects and their policies.
#[test]
fn of_a_directory() {
    let wrong = |file: &str, text: &str, with: &str| broken_in("kb816514-domain-policy", file, text, with);
    let is = |text: &str, with: &str, wanted: &str| {
        let error = wrong("topology.toml", text, with);
        assert!(error.ends_with(wanted) && error.starts_with("topology.toml:"), "{error}");
    };
    is(
        "member_of = \"corp.example\"",
        "member_of = \"corp.exmaple/Servers\"",
        "node.member_of: no domain `corp.exmaple`; there are corp.example",
    );
    is(
        "assigned = \"Tunnel to NetB\"",
        "assigned = \"Tunnel to NetC\"",
        "domain.gpo: policy 'Tunnel to NetC' does not exist, expected 'Client (Respond Only)', 'Server (Request Security)', \
         'Secure Server (Require Security)' or 'Tunnel to NetB'",
    );
    is(
        "name = \"Servers\", unit",
        "name = \"Tunnel gateways\", unit",
        "domain.gpo: a second Group Policy object 'Tunnel gateways'",
    );
    is(
        "unit = \"Servers\"",
        "unit = \"Servers\", site = \"Berlin\"",
        "domain.gpo: linked to a unit or to a site, not to both",
    );
    is(
        "\"Default Domain Policy\"",
        "\"Default Domain Policy\", unit = \"Servers\"",
        "domain.gpo: this object is linked to the domain",
    );
    is(
        "policies = \"directory.netsh\"",
        "policies = \"directory.cmd\"",
        "domain.policies: there is no such file",
    );
    is(
        "kind = \"host\"",
        "kind = \"host\"\nmember_of = \"corp.example\"",
        "give it a `policy`, which may be empty",
    );
    let error = wrong("directory.netsh", "popd", "set policy name=\"Tunnel to NetB\" assign=yes\npopd");
    let expected = "directory.netsh: policy `Tunnel to NetB` is assigned: in a directory, a Group Policy object does that";
    assert_eq!(error, expected);
    let error = wrong("steps.toml", "corp.example/Servers", "corp.test/Servers");
    assert!(error.ends_with("do.move.to: no domain `corp.test`; there are corp.example"), "{error}");
}

#[test]
fn of_a_script() {
    let error = broken("gwa.netsh", "mirrored=no", "mirrored=maybe");
    assert!(error.starts_with("gwa.netsh:"), "{error}");
    assert!(error.contains("maybe"), "{error}");
}

/// With `validation = "strict"` a tunnel rule that Microsoft does not support is an error; else it fails as it would on Windows.
#[test]
fn of_strict_computers() {
    let mut files: Files = embedded::files("kb816514-neta-netb-tunnel").unwrap();
    let topology = files
        .text("topology.toml")
        .unwrap()
        .replace("policy = \"gwa.netsh\"", "policy = \"gwa.netsh\"\nvalidation = \"strict\"");
    files.insert("topology.toml", topology);
    let play = |files: &Files| {
        let scenario = Scenario::load(files, embedded::files, Some(embedded::TWINS)).unwrap();
        run(&scenario, &RunOptions::default()).map(|o| o.report.held)
    };
    assert_eq!(play(&files), Ok(true));
    let leased = files
        .text("topology.toml")
        .unwrap()
        .replace("address = \"203.0.113.1/24\"", "address = \"203.0.113.1/24\", dhcp = \"203.0.113.254\"");
    let mut dynamic = files.clone();
    dynamic.insert("topology.toml", leased);
    let error = play(&dynamic).unwrap_err().to_string();
    let wanted = "rule 'Tunnel to NetA' has the tunnel endpoint 203.0.113.1, which a DHCP server leased";
    assert!(error.contains(&format!("not supported: {wanted}")), "{error}");
    for (text, with, wanted) in [
        ("protocol=ANY", "protocol=TCP", "rule 'Tunnel to NetB' has a tunnel for a protocol or port"),
        (
            "conntype=all",
            "conntype=dialup",
            "rule 'Tunnel to NetB' has a tunnel for remote access connections",
        ),
        ("-actual key-", "-another key-", "rules 'Tunnel to NetB' and 'Tunnel to NetA' authenticate"),
    ] {
        let mut files = files.clone();
        let script = files.text("gwa.netsh").unwrap().replacen(text, with, 1);
        files.insert("gwa.netsh", script);
        let error = play(&files).unwrap_err().to_string();
        assert!(error.contains(&format!("not supported: {wanted}")), "{error}");
    }
}
