//! What people look at while a scenario runs: IP Security Monitor, ipsecmon, netdiag.

use ipsec_core::selector::FlowKey;
use ipsec_core::{Duration, Instant};
use ipsec_machine::monitor::{AssociationKind, Snapshot, Unprotected, View};
use ipsec_machine::netdiag;
use ipsec_policy::live::Counter;
use ipsec_scenarios::{Files, RunOptions, Scenario, Watch, embedded, run};

const OPTIONS: RunOptions =
    RunOptions { seed: 1, faults: ipsec_scenarios::FaultPlan::NONE, record: false, oakley: false };

fn scenario(name: &str) -> Scenario {
    embedded::scenario(name).unwrap_or_else(|e| panic!("{name}/{e}"))
}

fn at(seconds: u64) -> Instant {
    Instant::from_secs(seconds)
}

fn echo(local: &str, remote: &str) -> FlowKey {
    let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
    FlowKey { local, remote, protocol: 1, local_port: None, remote_port: None }
}

/// A scenario with another text in the place of one of its files.
fn altered(name: &str, file: &str, alter: impl Fn(&str) -> String) -> Scenario {
    let original = scenario(name).files;
    let mut files = Files::new(name);
    original.iter().for_each(|(file, bytes)| files.insert(file, bytes));
    files.insert(file, alter(original.text(file).unwrap()));
    Scenario::load(&files, |_| None, None).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn looking_changes_nothing() {
    for name in ["kb816514-neta-netb-tunnel", "netsh-dynamic-negotiate"] {
        let scenario = scenario(name);
        let wanted = run(&scenario, &OPTIONS).unwrap().report.digest;
        let mut watch = Watch::new(&scenario, &OPTIONS).unwrap();
        let nodes: Vec<String> = watch.nodes().map(str::to_string).collect();
        let mut time = Instant::EPOCH;
        while time < watch.end() {
            time = (time + Duration::from_millis(700)).min(watch.end());
            watch.run_until(time).unwrap();
            assert!(nodes.iter().all(|node| watch.snapshot(node).is_some()));
        }
        assert_eq!(watch.digest(), wanted, "{name}");
    }
}

/// KB 816514: "Check IP Security Monitor to see if an SA was created using the NetA to NetB filter you created"; "the filter
/// name appears in the IPSec monitor when the tunnel is active".
#[test]
fn the_monitor_shows_the_tunnel_by_the_name_of_its_filter() {
    let scenario = scenario("kb816514-neta-netb-tunnel");
    let mut watch = Watch::new(&scenario, &OPTIONS).unwrap();
    watch.run_until(at(1)).unwrap();
    let before = watch.snapshot("gwa").unwrap();
    assert_eq!(before.policy.as_deref(), Some("IPSec Tunnel with non-Microsoft Gateway"));
    let flow = echo("10.1.0.10", "10.2.0.10");
    assert_eq!(before.assert_protected(&flow).unwrap_err(), Unprotected::NoAssociation);
    watch.run_until(watch.end()).unwrap();
    let after = watch.snapshot("gwa").unwrap();
    let association = after.assert_protected(&flow).unwrap();
    assert_eq!(association.filter, "NetA to NetB");
    assert_eq!(association.policy, "IPSec Tunnel with non-Microsoft Gateway");
    assert_eq!((association.kind, association.security.as_str()), (AssociationKind::Tunnel, "ESP[DES,MD5]"));
    assert_eq!(association.peer_tunnel_endpoint, Some("203.0.113.2".parse().unwrap()));
    // The responder, too: packets of its filter from NetB to NetA leave on it.
    let other = watch.snapshot("gwb").unwrap();
    assert_eq!(other.assert_protected(&echo("10.2.0.10", "10.1.0.10")).unwrap().filter, "out");
    let elsewhere = echo("10.1.0.10", "198.51.100.1");
    assert_eq!(after.assert_protected(&elsewhere).unwrap_err(), Unprotected::NoAssociation);
    let main_modes: Vec<&str> = after.main_modes.iter().map(|sa| sa.security.as_str()).collect();
    assert_eq!(main_modes, ["3DES-SHA1-2"]);
}

/// One tunnel, 20 echoes of 60 octets each way, none lost: every counter can be told from the scenario. SAs count datagrams
/// as they are sealed, with the outer header of the tunnel.
#[test]
fn counters_of_the_tunnel_are_what_the_scenario_did() {
    let scenario = scenario("kb816514-neta-netb-tunnel");
    let mut watch = Watch::new(&scenario, &OPTIONS).unwrap();
    watch.run_until(watch.end()).unwrap();
    let counts = watch.snapshot("gwa").unwrap().counts;
    for (counter, wanted) in [
        (Counter::TotalAcquire, 1),
        (Counter::TotalGetSpi, 1),
        (Counter::KeyAdditions, 1),
        (Counter::KeyUpdates, 1),
        (Counter::MainModes, 1),
        (Counter::QuickModes, 1),
        (Counter::ActiveTunnels, 1),
        (Counter::IsadbListSize, 1),
        (Counter::BytesSentInTunnels, 20 * 80),
        (Counter::BytesReceivedInTunnels, 20 * 80),
        (Counter::ConfidentialBytesSent, 20 * 80),
        (Counter::AuthenticatedBytesReceived, 20 * 80),
        (Counter::TransportBytesSent, 0),
        (Counter::AcquireFailures, 0),
        (Counter::NegotiationFailures, 0),
        (Counter::KeyDeletions, 0),
        (Counter::Rekeys, 0),
    ] {
        assert_eq!(counts.of(counter), wanted, "{counter:?}");
    }
    let responder = watch.snapshot("gwb").unwrap().counts;
    assert_eq!((responder.of(Counter::TotalAcquire), responder.of(Counter::MainModes)), (0, 1));
}

/// The default response rule makes its filters of what peers propose: its SAs have its name, and that of its policy.
#[test]
fn sas_of_the_default_response_have_its_name() {
    let scenario = scenario("default-response");
    let mut watch = Watch::new(&scenario, &OPTIONS).unwrap();
    watch.run_until(at(30)).unwrap();
    let text = watch.snapshot("alice").unwrap().text();
    assert!(text.contains("  Default Response: 10.0.0.2 -> 10.0.0.3, ANY\n"), "{text}");
    assert!(text.contains("ESP[3DES,SHA1] transport, policy 'Client (Respond Only)'\n"), "{text}");
}

/// What an administrator reads when the keys differ: main modes that come to nothing, and messages that make no sense.
#[test]
fn counters_tell_a_wrong_key() {
    let scenario = scenario("kb301284-psk-mismatch");
    let mut watch = Watch::new(&scenario, &OPTIONS).unwrap();
    watch.run_until(watch.end()).unwrap();
    let alice = watch.snapshot("alice").unwrap();
    let of = |counter| alice.counts.of(counter);
    assert!(of(Counter::AcquireFailures) > 0 && of(Counter::NegotiationFailures) > 0);
    assert_eq!((of(Counter::MainModes), of(Counter::KeyAdditions)), (0, 0));
    let bob = watch.snapshot("bob").unwrap();
    assert!(bob.counts.of(Counter::InvalidPacketsReceived) > 0);
    assert!(alice.associations.is_empty());
}

/// KB 301284: "Change the refresh interval to 1"; "it takes a few seconds for the endpoints to exchange cryptographic
/// information [...] When the endpoints each build their security associations, you can observe an entry in IPSecMon".
#[test]
fn entries_appear_after_a_while_at_the_refresh_interval() {
    let scenario = scenario("kb301284-alice-bob-transport");
    let mut watch = Watch::new(&scenario, &OPTIONS).unwrap();
    let start = first_packet_held(&scenario);
    watch.run_until(start).unwrap();
    let look = |watch: &Watch<'_>, view: &mut View| {
        let (computer, ipsec) = (watch.computer("alice").unwrap(), watch.ipsec("alice").unwrap());
        view.look(computer, ipsec, watch.now()).clone()
    };
    let mut fast = View::open(watch.computer("alice").unwrap(), watch.ipsec("alice").unwrap(), watch.now());
    let mut slow = fast.clone();
    fast.set_interval(Duration::from_secs(1));
    let mut appeared = None;
    for tenth in 1..100 {
        watch.run_until(start + Duration::from_millis(100 * tenth)).unwrap();
        let (shown, held): (Snapshot, bool) = (look(&watch, &mut fast), slow.next() > watch.now());
        // Between two looks nothing moves, and the longer interval still shows the beginning.
        assert_eq!(shown.at, start + Duration::from_secs(tenth / 10));
        let unchanged = look(&watch, &mut slow);
        assert!(!held || unchanged.associations.is_empty());
        if appeared.is_none() && !shown.associations.is_empty() {
            appeared = Some(shown.at);
        }
    }
    let appeared = appeared.expect("an entry");
    assert!(appeared > start && appeared <= start + Duration::from_secs(5), "{start} {appeared}");
}

/// When the first flow of a scenario starts.
fn first_packet_held(scenario: &Scenario) -> Instant {
    let starts = scenario.steps.steps.iter().filter_map(|step| match &step.r#do {
        ipsec_scenarios::steps::Do::Start(_) => Some(step.at.get_ref().0),
        _ => None,
    });
    Instant::EPOCH + starts.min().expect("a flow")
}

/// KB 816514: "If you see a 'soft association' that did not previously exist, then IPSec agreed to allow this traffic to go
/// 'on the clear'"; KB 234580: its security operation is *None*.
#[test]
fn a_soft_association_is_a_kind_of_its_own() {
    let scenario =
        altered("kb301284-alice-bob-transport", "bob.netsh", |_| "netsh ipsec static delete all\n".into());
    let mut files = Files::new("soft");
    scenario.files.iter().for_each(|(file, bytes)| files.insert(file, bytes));
    let alice = scenario.files.text("alice.netsh").unwrap().replace("soft=no", "soft=yes");
    assert!(alice.contains("soft=yes"));
    files.insert("alice.netsh", alice);
    let scenario = Scenario::load(&files, |_| None, None).unwrap_or_else(|e| panic!("{e}"));
    let mut watch = Watch::new(&scenario, &OPTIONS).unwrap();
    // All of IKE's repetitions must have stayed without an answer; then clear text is allowed for five minutes.
    watch.run_until(at(120)).unwrap();
    let alice = watch.snapshot("alice").unwrap();
    let [soft] = alice.associations.as_slice() else { panic!("{:?}", alice.associations) };
    assert_eq!((soft.kind, soft.security.as_str()), (AssociationKind::Soft, "None"));
    assert!(soft.inbound_spis.is_empty() && soft.outbound_spis.is_empty());
    assert_eq!(alice.counts.of(Counter::SoftAssociations), 1);
    let flow = echo("0.0.0.0", &soft.destination);
    assert_eq!(alice.assert_protected(&flow).unwrap_err(), Unprotected::Soft);
    let document = serde_json::to_value(alice.document()).unwrap();
    assert_eq!(document["associations"][0]["kind"], "soft");
    assert_eq!(document["associations"][0]["security"], "None");
}

/// `Rekey: 0 seconds / 0 bytes.` is no limit of its own: the release's 3600 s and 100000 KB count, and the tunnel is rekeyed
/// before they end (Microsoft support 2790970).
#[test]
fn rekey_zero_means_the_defaults_of_the_release() {
    let scenario = altered("kb816514-neta-netb-tunnel", "steps.toml", |steps| {
        steps.replace("count = 12, interval = \"1s\"", "count = 400, interval = \"10s\"")
    });
    let mut watch = Watch::new(&scenario, &OPTIONS).unwrap();
    watch.run_until(at(60)).unwrap();
    let computer = watch.computer("gwa").unwrap();
    let text =
        netdiag::test_ipsec(computer.in_force(), &computer.local_addresses(), netdiag::Keys::default());
    assert_eq!(text.matches("Rekey: 0 seconds / 0 bytes. \n").count(), 2);
    let first = watch.snapshot("gwa").unwrap();
    let limits = (first.associations[0].lifetime_seconds, first.associations[0].lifetime_kilobytes);
    assert_eq!(limits, (Some(3600), Some(100_000)));
    // A quarter before the end nothing has happened; at the end the successor is there.
    watch.run_until(at(2700)).unwrap();
    assert_eq!(watch.snapshot("gwa").unwrap().counts.of(Counter::Rekeys), 0);
    watch.run_until(at(3650)).unwrap();
    let last = watch.snapshot("gwa").unwrap();
    assert_eq!(last.counts.of(Counter::Rekeys), 1);
    assert_eq!(last.counts.of(Counter::MainModes), 1);
    let keys = |shown: &Snapshot| {
        [Counter::KeyAdditions, Counter::KeyUpdates, Counter::KeyDeletions].map(|c| shown.counts.of(c))
    };
    assert_eq!((keys(&first), keys(&last)), ([1, 1, 0], [2, 2, 1]));
    assert_eq!(last.counts.of(Counter::ActiveAssociations), 1);
    assert_ne!(last.associations[0].outbound_spis, first.associations[0].outbound_spis);
    assert!(last.assert_protected(&echo("10.1.0.10", "10.2.0.10")).is_ok());
}

/// Checks of what displays show hold when it is so, and say what was found when it is not.
#[test]
fn checks_read_the_verdict_and_the_monitor() {
    let with = |old: &str, new: &str, id: &str| {
        let scenario = altered("kb816514-neta-netb-tunnel", "steps.toml", |steps| {
            assert!(steps.contains(old), "{old}");
            steps.replace(old, new)
        });
        let report = run(&scenario, &OPTIONS).unwrap().report;
        let check = report.checks.into_iter().find(|check| check.id == id).unwrap();
        (check.held, check.detail)
    };
    let verdict = r#"verdict = { link = "outside", is = "esp" }"#;
    assert_eq!(with(verdict, verdict, "verdict-outside"), (true, "outside: protected by ESP".into()));
    let (held, detail) = with(verdict, &verdict.replace("esp", "clear"), "verdict-outside");
    assert!(
        !held && detail.contains("wanted clear; found 203.0.113.1 <-> 203.0.113.2 protected by ESP"),
        "{detail}"
    );
    let between = r#"between = ["10.1.0.0/16", "10.2.0.0/16"]"#;
    let (held, detail) = with(between, &between.replace("10.2", "10.9"), "verdict-inside");
    assert_eq!((held, detail.as_str()), (false, "neta: nothing to judge; wanted clear; found none"));
    let (held, _) = with(between, r#"between = ["10.2.0.0/16", "10.1.0.0/16"]"#, "verdict-inside");
    assert!(held, "the two networks in either order");
    let after = r#"look = 2, count = 1, filter = "NetA to NetB", kind = "tunnel", security = "ESP[DES,MD5]""#;
    assert!(with(after, r#"kind = "tunnel""#, "monitor-after").0, "the last look, and one at least");
    for (old, new) in [
        ("look = 2", "look = 1"),
        ("count = 1", "count = 2"),
        ("count = 1", "count = 0"),
        ("NetA to NetB", "NetB to NetA"),
        ("tunnel", "transport"),
        ("DES", "3DES"),
    ] {
        let (held, detail) = with(after, &after.replace(old, new), "monitor-after");
        assert!(!held && detail.contains("such associations, wanted"), "{new}: {detail}");
    }
}

/// Looks that no step makes, and words that are no verdict, are refused where they stand.
#[test]
fn checks_of_displays_are_refused_with_their_place() {
    let refused = |old: &str, new: &str| {
        let original = scenario("kb816514-neta-netb-tunnel").files;
        let mut files = Files::new("kb816514-neta-netb-tunnel");
        original.iter().for_each(|(file, bytes)| files.insert(file, bytes));
        files.insert("steps.toml", original.text("steps.toml").unwrap().replace(old, new));
        Scenario::load(&files, |_| None, None).unwrap_err().to_string()
    };
    for (old, new, wanted) in [
        ("look = 2", "look = 3", "there are 2 steps that look at the monitor of this node"),
        ("look = 2", "look = 0", "there are 2 steps"),
        (r#"node = "gwa", look = 2"#, r#"node = "gwb""#, "there are 0 steps"),
        (r#"is = "esp""#, r#"is = "safe""#, "no verdict `safe`; there are nothing, esp, ah"),
        (r#"link = "outside", is"#, r#"link = "moon", is"#, "no link `moon`"),
        (r#"kind = "tunnel""#, r#"kind = "bridge""#, "no kind `bridge`; there are transport, tunnel, soft"),
    ] {
        let error = refused(old, new);
        assert!(error.contains(wanted) && error.contains("steps.toml"), "{error}");
    }
}

/// What ping prints, as people with two computers have noted it: with policies that match, the negotiation once and then
/// replies; with policies that do not, the negotiation for every packet; without a policy of one's own against somebody who
/// demands one, silence.
#[test]
fn ping_tells_matching_mismatched_and_missing_policies_apart() {
    let steps = r#"
end = "40s"
[[flow]]
name = "ping"
from = "alice"
to = "bob"
app = { ping = { count = 4, interval = "1s" } }
[[step]]
at = "2s"
do = { start = "ping" }
[[check]]
id = "asked"
says = ""
holds = { replies = { flow = "ping" } }
"#;
    let printed = |alter: &dyn Fn(&str, String) -> String| {
        let original = scenario("kb301284-alice-bob-transport").files;
        let mut files = Files::new("ping");
        original.iter().for_each(|(file, bytes)| files.insert(file, bytes));
        for file in ["alice.netsh", "bob.netsh"] {
            let all: String = original
                .text(file)
                .unwrap()
                .lines()
                .filter(|line| !line.contains("6668"))
                .map(|line| match line.split_once("protocol=TCP") {
                    Some((filter, _)) => format!("{filter}protocol=any mirrored=yes\n"),
                    None => format!("{line}\n"),
                })
                .collect();
            files.insert(file, alter(file, all));
        }
        files.insert("steps.toml", steps);
        let scenario = Scenario::load(&files, |_| None, None).unwrap_or_else(|e| panic!("{e}"));
        let report = run(&scenario, &RunOptions { record: true, ..OPTIONS }).unwrap().report;
        let said = report.runs[0].story.iter().filter_map(|line| line.split("alice    | ").nth(1));
        let said: Vec<String> = said.map(|line| line.split(" bytes=").next().unwrap().to_string()).collect();
        said.into_iter().skip(1).take(4).collect::<Vec<_>>()
    };
    let (negotiating, timed_out) = ("Negotiating IP Security.", "Request timed out.");
    let reply = "Reply from 172.31.67.244:";
    assert_eq!(printed(&|_, script| script), [negotiating, reply, reply, reply]);
    let other_key = |file: &str, script: String| {
        if file == "bob.netsh" { script.replace("a long string", "another long string") } else { script }
    };
    assert_eq!(printed(&other_key), [negotiating; 4]);
    let nothing = |file: &str, script: String| {
        if file == "alice.netsh" { "netsh ipsec static delete all\n".to_string() } else { script }
    };
    assert_eq!(printed(&nothing), [timed_out; 4]);
}
