//! The logs of Windows computers in whole runs: what KB 816514 and 301284 tell an administrator to look for.

use ipsec_scenarios::report::{EventReport, RunReport};
use ipsec_scenarios::topology::audit::AuditSettings;
use ipsec_scenarios::{RunOptions, Scenario, embedded, run};

fn scenario(name: &str) -> Scenario {
    embedded::scenario(name).unwrap_or_else(|e| panic!("{name}/{e}"))
}

fn runs(scenario: &Scenario, oakley: bool) -> Vec<RunReport> {
    let options = RunOptions { oakley, ..RunOptions::default() };
    run(scenario, &options).unwrap_or_else(|e| panic!("{}/{e}", scenario.name)).report.runs
}

fn of<'a>(run: &'a RunReport, node: &'a str, id: u32) -> impl Iterator<Item = &'a EventReport> {
    run.event_log.iter().filter(move |e| e.node == node && e.id == id)
}

/// KB 816514: "You should see Event ID 541 (IKE security association established)." One for each main-mode SA and each
/// pair of quick-mode SAs, with its peer, its filter and its parameters.
#[test]
fn each_sa_has_its_541() {
    for (name, nodes) in
        [("kb816514-neta-netb-tunnel", &["gwa"][..]), ("kb301284-alice-bob-transport", &["alice", "bob"])]
    {
        for run in runs(&scenario(name), false) {
            for node in nodes {
                let main_modes: Vec<_> = run.main_modes.iter().filter(|m| m.node == *node).collect();
                let quick_modes: Vec<_> = run.quick_modes.iter().filter(|q| q.node == *node).collect();
                let logged: Vec<_> = of(&run, node, 541).collect();
                assert!(!main_modes.is_empty() && !quick_modes.is_empty(), "{name} {node}");
                assert_eq!(logged.len(), main_modes.len() + quick_modes.len(), "{name} {node}");
                let mode = |e: &&&EventReport, mode| e.field("Mode") == Some(mode);
                let key_exchange = logged.iter().filter(|e| mode(e, "Key Exchange Mode (Main Mode)"));
                for (event, sa) in key_exchange.zip(&main_modes) {
                    assert_eq!(event.at_us, sa.at_us);
                    assert_eq!(event.field("Peer IP Address"), sa.peer.split(':').next());
                    assert_eq!(event.field("Lifetime (sec)"), Some(sa.lifetime_seconds.to_string().as_str()));
                    assert!(event.text.contains("Preshared key ID."), "{}", event.text);
                }
                let protection = logged.iter().filter(|e| mode(e, "Data Protection Mode (Quick Mode)"));
                for (event, sa) in protection.zip(&quick_modes) {
                    assert_eq!(event.field("Peer IP Address"), Some(sa.peer.as_str()));
                    let decimal = |spi: &str| u32::from_str_radix(spi.trim_start_matches("0x"), 16).unwrap();
                    let spis =
                        [decimal(&sa.inbound_spis[0]), decimal(&sa.outbound_spis[0])].map(|s| s.to_string());
                    let logged =
                        ["InboundSpi", "OutBoundSpi"].map(|name| event.field(name).unwrap().to_owned());
                    assert_eq!(logged, spis);
                }
            }
        }
    }
}

/// The article's tunnel in the filter of its 541.
#[test]
fn the_articles_tunnel_is_in_the_log() {
    let runs = runs(&scenario("kb816514-neta-netb-tunnel"), false);
    let event = of(&runs[0], "gwa", 541).nth(1).unwrap();
    let fields = [
        ("Source IP Address", "10.1.0.0"),
        ("Source IP Address Mask", "255.255.0.0"),
        ("Destination IP Address", "10.2.0.0"),
        ("Destination IP Address Mask", "255.255.0.0"),
        ("IKE Local Addr", "203.0.113.1"),
        ("IKE Peer Addr", "203.0.113.2"),
        ("ESP Algorithm", "DES CBC"),
        ("HMAC Algorithm", "MD5"),
        ("AH Algorithm", "None"),
        ("Encapsulation", "Tunnel Mode"),
    ];
    for (name, value) in fields {
        assert_eq!(event.field(name), Some(value), "{}", event.text);
    }
    let (severity, source) = (event.severity.as_str(), event.source.as_str());
    assert_eq!((severity, source, event.category.as_str()), ("Success Audit", "Security", "Logon/Logoff"));
}

/// KB 816514: auditing is turned on to have these records at all, and a domain's policy overwrites the local one.
#[test]
fn auditing_off_leaves_the_security_log_empty() {
    let with = |own: Option<AuditSettings>, domain: Option<AuditSettings>| {
        let mut scenario = scenario("kb816514-neta-netb-tunnel");
        for node in &mut scenario.topology.nodes {
            (node.audit, node.domain_audit) = (own, domain);
        }
        runs(&scenario, false)[0].event_log.iter().filter(|e| e.log == "Security").count()
    };
    let settings = |text: &str| -> Option<AuditSettings> { Some(toml::from_str(text).unwrap()) };
    assert_eq!(with(None, None), 2);
    assert_eq!(with(settings(""), None), 0);
    assert_eq!(with(settings("logon_events = 'success failure'"), None), 2);
    assert_eq!(with(settings("logon_events = 'failure'"), None), 0);
    assert_eq!(with(settings("logon_events = 'success failure'"), settings("logon_events = 'none'")), 0);
    assert_eq!(with(settings("logon_events = 'none'"), settings("logon_events = 'success'")), 2);
    assert_eq!(with(settings("logon_events = 'success'"), settings("policy_change = 'success'")), 2);
    assert_eq!(with(settings("logon_events = 'success failure'\ndisable_ike_audits = true"), None), 0);
}

/// What a failing ping leaves in the logs: scenario, direction, computer, its 547's point and reason, and what else.
#[test]
fn failing_pings_have_their_reason_in_the_log() {
    const CASES: [([&str; 5], &[u32]); 13] = [
        (["kb301284-psk-mismatch", "alice-to-bob", "alice", "Me", "Negotiation timed out"], &[]),
        (["kb301284-psk-mismatch", "alice-to-bob", "bob", "Me", "Negotiation timed out"], &[]),
        (["kb301284-policy-on-one-end", "alice-to-bob", "alice", "Me", "No response from peer"], &[]),
        (["kb301284-policy-on-one-end", "alice-to-bob", "bob", "Me", "No policy configured"], &[]),
        (["kb301284-ports-reversed", "alice-to-bob", "bob", "Me", "No policy configured"], &[4289]),
        (["kb301284-ports-reversed", "alice-to-bob", "alice", "Peer", "Error processing ID payload"], &[]),
        (
            [
                "kb301284-pfs-on-one-side",
                "alice-to-bob",
                "bob",
                "Me",
                "IKE security attributes are unacceptable",
            ],
            &[546],
        ),
        (
            [
                "kb301284-pfs-on-one-side",
                "alice-to-bob",
                "alice",
                "Peer",
                "IKE security attributes are unacceptable",
            ],
            &[],
        ),
        (["kb816514-psk-mismatch", "neta-to-netb", "gwa", "Me", "Negotiation timed out"], &[]),
        (["kb816514-wrong-interface", "neta-to-netb", "gwa", "Me", "No response from peer"], &[]),
        (
            [
                "kb816514-pfs-on-one-side",
                "netb-to-neta",
                "gwa",
                "Me",
                "IKE security attributes are unacceptable",
            ],
            &[546],
        ),
        (["kb816514-gwa-without-inbound-rule", "netb-to-neta", "gwa", "Me", "No policy configured"], &[4289]),
        (
            [
                "kb816514-gwb-without-inbound-rule",
                "neta-to-netb",
                "gwa",
                "Peer",
                "Error processing ID payload",
            ],
            &[],
        ),
    ];
    for ([name, direction, node, point, reason], more) in CASES {
        let runs = runs(&scenario(name), false);
        let run = runs.iter().find(|r| r.name.as_deref() == Some(direction)).unwrap();
        let failures: Vec<_> = of(run, node, 547).collect();
        assert!(!failures.is_empty(), "{name} {node}");
        for event in failures {
            assert_eq!(event.severity, "Failure Audit");
            let found = [event.field("Failure Point"), event.field("Failure Reason")];
            assert_eq!(found, [Some(point), Some(reason)], "{name} {node}");
        }
        let others = [544, 545, 546, 4289].into_iter().filter(|id| of(run, node, *id).count() > 0);
        assert_eq!(others.collect::<Vec<_>>(), more, "{name} {node}");
    }
}

/// Both ends name the traffic that quick mode was about, each with itself as the source.
#[test]
fn refused_quick_modes_name_their_traffic() {
    let names =
        ["Source IP Address", "Destination IP Address", "Protocol", "Source Port", "Destination Port"];
    let (alice, bob) = ("172.16.98.231", "172.31.67.244");
    for (name, more) in [("kb301284-pfs-on-one-side", Some(546)), ("kb301284-ports-reversed", None)] {
        let runs = runs(&scenario(name), false);
        let run = runs.iter().find(|r| r.name.as_deref() == Some("alice-to-bob")).unwrap();
        let filters = |node, id| of(run, node, id).map(|e| names.map(|field| e.field(field).unwrap()));
        for id in [Some(547), more].into_iter().flatten() {
            assert!(filters("bob", id).count() > 0);
            assert!(filters("bob", id).all(|filter| filter == [bob, alice, "6", "6667", "0"]), "{name} {id}");
        }
        assert!(filters("alice", 547).all(|filter| filter == [alice, bob, "6", "0", "6667"]), "{name}");
    }
}

/// A pre-shared key here, a certificate there: 546 names the attribute.
#[test]
fn methods_that_differ_are_named() {
    let runs = runs(&scenario("methods-none-common"), false);
    let event = runs[0].event_log.iter().find(|e| e.id == 546).unwrap();
    let fields = ["Attribute", "Expected value", "Received value"].map(|name| event.field(name).unwrap());
    assert_eq!(fields, ["Authentication Method", "RSA Signature with Certificates", "Preshared Key"]);
    let failed = of(&runs[0], "bob", 547).next().unwrap();
    let fields = ["Failure Point", "Failure Reason"].map(|name| failed.field(name).unwrap());
    assert_eq!(fields, ["Me", "IKE security attributes are unacceptable"]);
}

/// How far a negotiation came, in the extra status of Windows Server 2003.
#[test]
fn extra_status_says_how_far_it_came() {
    let runs = runs(&scenario("kb816514-psk-mismatch"), false);
    let status = |run: usize| of(&runs[run], "gwa", 547).next().unwrap().text.clone();
    let initiator = "Extra Status: \nProcessed second (KE) payload\nInitiator.  Delta Time 64";
    assert!(status(0).contains(initiator), "{}", status(0));
    let responder = "Extra Status: \nProcessed second (KE) payload\nResponder.  Delta Time 64";
    assert!(status(1).contains(responder), "{}", status(1));
}

/// Forged clear text shows in the System log, and in the Security log of late Windows Server 2003.
#[test]
fn refused_clear_text_is_counted() {
    let runs = runs(&scenario("kb816514-clear-text-injected"), false);
    let event = of(&runs[0], "gwa", 4284).next().unwrap();
    assert!(event.text.contains("Received 2 packet(s) from 10.2.0.66"), "{}", event.text);
    let late = of(&runs[0], "gwa", 867).next().unwrap();
    let fields = ["Packet Source", "Number of Packets"].map(|name| late.field(name).unwrap());
    assert_eq!(fields, ["10.2.0.66", "2"]);
}

/// KB 301284: "it takes a few seconds for the endpoints to exchange cryptographic information": an SA appears after the ping
/// that asks for it, by the time of the messages and of Diffie-Hellman.
#[test]
fn sas_appear_a_while_after_the_ping() {
    let runs = runs(&scenario("kb301284-alice-bob-transport"), false);
    let (began, sa) = (&runs[0].flows[0].began_us, &runs[0].quick_modes[0]);
    assert!(sa.at_us > began + 10_000, "{} after {began}", sa.at_us);
}

/// KB 301284: ping prints that security is negotiated, and then replies.
#[test]
fn ping_negotiates_and_then_replies() {
    let runs = runs(&scenario("kb301284-all-traffic"), false);
    let printed =
        runs[0].story.iter().filter(|line| line.contains("| ")).filter_map(|l| l.split("| ").nth(1));
    let printed: Vec<&str> =
        printed.skip_while(|line| !line.starts_with("Pinging")).skip(1).take(3).collect();
    assert_eq!(printed[0], "Negotiating IP Security.", "{printed:#?}");
    assert!(printed[1..].iter().all(|line| line.starts_with("Reply from ")), "{printed:#?}");
}

/// A boot in the System and the Security log: the driver's mode, the service, the policy; Windows 2000 has no modes.
#[test]
fn a_boot_is_in_the_log() {
    let ids = |name: &str, node: &str| {
        let runs = runs(&scenario(name), false);
        runs[0].event_log.iter().filter(|e| e.node == node).map(|e| e.id).collect::<Vec<_>>()
    };
    assert_eq!(ids("boot-stateful", "server"), [4297, 613, 4294, 615]);
    assert_eq!(ids("boot-block", "server"), [4296, 613, 4294, 615]);
    assert_eq!(ids("boot-permit", "server"), [4295, 613, 4294, 615]);
    assert_eq!(ids("boot-service-fails", "server"), [4297, 616, 4292]);
    assert_eq!(ids("boot-windows-2000", "server"), [613, 507, 615]);
    assert_eq!(ids("service-stopped", "bob")[2..6], [614, 4293, 542, 543]);
}

/// `ikelogging` acts at once, and only from then on.
#[test]
fn netsh_turns_logs_on() {
    let mut files = embedded::files("netsh-dynamic-negotiate").unwrap();
    let typed = "at = \"11s\"\ndo = { netsh = { node = \"alice\", line = '''";
    let line = "netsh ipsec dynamic set config property=ikelogging value=1\n";
    let steps = files.text("steps.toml").unwrap().to_owned();
    assert!(steps.contains(typed));
    files.insert("steps.toml", steps.replace(typed, &format!("{typed}{line}")));
    let scenario = Scenario::load(&files, |_| None, None).unwrap();
    let report = &runs(&scenario, false)[0];
    let logs: Vec<&str> = report.oakley.iter().map(|log| log.node.as_str()).collect();
    assert_eq!(logs, ["alice"]);
    assert!(report.oakley[0].lines[0].starts_with("00:00:12."), "{:#?}", report.oakley[0].lines);
}

/// The Oakley log is written when it is turned on, and has no keys in it.
#[test]
fn the_oakley_log_can_be_turned_on() {
    let scenario = scenario("kb301284-alice-bob-transport");
    assert!(runs(&scenario, false)[0].oakley.is_empty());
    let runs = runs(&scenario, true);
    let alice = runs[0].oakley.iter().find(|log| log.node == "alice").unwrap();
    let has = |what: &str| alice.lines.iter().any(|line| line.contains(what));
    assert!(has("Main mode SA") && has("Quick mode SA") && has("Initiator: Main mode"), "{:#?}", alice.lines);
    let script = String::from_utf8(scenario.files.bytes("alice.netsh").unwrap().to_vec()).unwrap();
    let key = script.split("psk=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert!(key.len() > 5 && !has(key));
}
