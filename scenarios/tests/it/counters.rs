//! The numbers of IP Security Monitor and ipsecmon against what was really there: the run's own list of dropped packets, what
//! each method protects, and tshark's count of packets and octets in the captures.

use std::collections::BTreeMap;
use std::process::Command;

use ipsec_core::Duration;
use ipsec_policy::live::{Counter, Counts};
use ipsec_scenarios::value::Ppm;
use ipsec_scenarios::{FaultPlan, Files, RunOptions, Scenario, Watch, embedded, run};

/// Echo requests and replies of KB 816514's two pings, and the octets of each in the tunnel: 32 of data, 8 of ICMP, 20 of IP,
/// and the outer header.
const ECHOES: u64 = 20;
const OCTETS: u64 = 32 + 8 + 20 + 20;

fn options(faults: FaultPlan, seed: u64) -> RunOptions {
    RunOptions { seed, faults, record: false, oakley: false }
}

fn at_end(scenario: &Scenario, options: &RunOptions) -> BTreeMap<String, Counts> {
    let mut watch = Watch::new(scenario, options).unwrap();
    watch.run_until(watch.end()).unwrap();
    let nodes: Vec<String> = watch.nodes().map(str::to_string).collect();
    nodes.into_iter().map(|node| (node.clone(), watch.snapshot(&node).unwrap().counts)).collect()
}

/// A scenario with another method, at both ends.
fn with_method(method: &str) -> Scenario {
    let original = embedded::scenario("kb816514-neta-netb-tunnel").unwrap().files;
    let mut files = Files::new("method");
    original.iter().for_each(|(file, bytes)| files.insert(file, bytes));
    for script in ["gwa.netsh", "gwb.netsh"] {
        let text = original.text(script).unwrap();
        assert!(text.contains("ESP[DES,MD5]"));
        files.insert(script, text.replace("ESP[DES,MD5]", method));
    }
    Scenario::load(&files, |_| None, None).unwrap_or_else(|e| panic!("{e}"))
}

/// "Confidential" are octets under a cipher, "authenticated" those under a hash: each method has its own of both.
#[test]
fn octets_count_by_what_protects_them() {
    let all = ECHOES * OCTETS;
    for (method, confidential, authenticated) in [
        ("ESP[DES,MD5]", all, all),
        ("ESP[3DES,None]", all, 0),
        ("ESP[None,SHA1]", 0, all),
        ("AH[MD5]", 0, all),
    ] {
        let counts = at_end(&with_method(method), &options(FaultPlan::NONE, 1));
        for node in ["gwa", "gwb"] {
            let of = |counter| counts[node].of(counter);
            for (counter, wanted) in [
                (Counter::ConfidentialBytesSent, confidential),
                (Counter::ConfidentialBytesReceived, confidential),
                (Counter::AuthenticatedBytesSent, authenticated),
                (Counter::AuthenticatedBytesReceived, authenticated),
                (Counter::BytesSentInTunnels, all),
                (Counter::BytesReceivedInTunnels, all),
                (Counter::TransportBytesSent, 0),
                (Counter::TransportBytesReceived, 0),
                (Counter::OffloadedBytesSent, 0),
                (Counter::OffloadedBytesReceived, 0),
            ] {
                assert_eq!(of(counter), wanted, "{method}, {node}: {counter:?}");
            }
        }
    }
}

/// Packets that are refused count by the reason, one by one: against the run's own list of what was dropped where.
#[test]
fn refused_packets_count_by_their_reason() {
    let faults = FaultPlan {
        corruption: Ppm(200_000),
        duplication: Ppm(200_000),
        until: Duration::from_secs(45),
        ..FaultPlan::NONE
    };
    let reasons: [(Counter, &[&str]); 4] = [
        (Counter::BadSpiPackets, &["unknown-spi"]),
        (Counter::PacketsNotDecrypted, &["bad-padding", "bad-length"]),
        (Counter::PacketsNotAuthenticated, &["integrity-failed"]),
        (Counter::PacketsWithReplayDetection, &["replayed"]),
    ];
    let mut seen: BTreeMap<Counter, u64> = BTreeMap::new();
    // Only without a hash does a packet that was altered come as far as its padding.
    for method in ["ESP[DES,MD5]", "ESP[DES,None]"] {
        let scenario = with_method(method);
        for seed in 1..=4 {
            let options = options(faults, seed);
            let report = run(&scenario, &options).unwrap().report;
            for (node, counts) in at_end(&scenario, &options) {
                for (counter, names) in reasons {
                    let fits = |d: &&ipsec_scenarios::report::DropReport| {
                        d.node == node && names.contains(&d.reason.as_str())
                    };
                    let dropped: u64 =
                        report.runs[0].drops.iter().filter(fits).map(|d| u64::from(d.times)).sum();
                    assert_eq!(counts.of(counter), dropped, "{method}, seed {seed}, {node}: {counter:?}");
                    *seen.entry(counter).or_default() += dropped;
                }
            }
        }
    }
    assert!(seen.values().all(|times| *times > 0), "each kind was there: {seen:?}");
}

/// Main modes that fail because methods do not fit are failed authentications, and ipsecmon has that number too.
#[test]
fn failed_authentications_count() {
    let scenario = embedded::scenario("kb816514-different-authentication").unwrap();
    let options = options(FaultPlan::NONE, 1);
    let counts = at_end(&scenario, &options);
    let report = run(&scenario, &options).unwrap().report;
    let failed = |node: &str| {
        let failures = report.runs[0].failures.iter();
        let of_node = failures.filter(|f| f.node == node && f.reason == "method-not-available");
        of_node.map(|f| u64::from(f.times)).sum::<u64>()
    };
    // Each packet asks anew.
    assert_eq!((failed("gwa"), failed("gwb")), (12, 0));
    for node in ["gwa", "gwb"] {
        assert_eq!(counts[node].of(Counter::AuthenticationFailures), failed(node), "{node}");
        assert_eq!(counts[node].of(Counter::NegotiationFailures), failed(node), "{node}");
    }
    // With keys that differ, message 5 is nonsense to the responder, and only the initiator is left without an SA.
    let counts = at_end(&embedded::scenario("kb301284-psk-mismatch").unwrap(), &options);
    assert!(counts["bob"].of(Counter::InvalidPacketsReceived) > 0);
    assert!(counts.values().all(|c| c.of(Counter::MainModes) == 0));
}

/// What an adapter processes: the packets that pass it, both ways, or one way when the other goes elsewhere.
#[test]
fn offloaded_octets_are_those_of_packets_through_the_adapter() {
    for (name, in_hardware_received) in [("kb816514-offload", true), ("kb816514-offload-asymmetric", false)] {
        let scenario = embedded::scenario(name).unwrap();
        let counts = at_end(&scenario, &options(FaultPlan::NONE, 1));
        let of = |counter| counts["gwa"].of(counter);
        let (sent, received) = (of(Counter::BytesSentInTunnels), of(Counter::BytesReceivedInTunnels));
        assert!(sent > 0 && received > 0);
        assert_eq!(of(Counter::OffloadedBytesSent), sent, "{name}");
        let wanted = if in_hardware_received { received } else { 0 };
        assert_eq!(of(Counter::OffloadedBytesReceived), wanted, "{name}");
        assert_eq!(of(Counter::OffloadedAssociations), 1, "{name}");
        assert_eq!(counts["gwb"].of(Counter::OffloadedAssociations), 0, "{name}");
    }
}

/// tshark decrypts the captures: the octets that it finds in ESP are those that the monitors count, sender by sender.
#[test]
fn octets_are_those_that_tshark_finds_in_the_captures() {
    if !crate::tshark::has_tshark() {
        return;
    }
    // In transport mode what was protected is the datagram with its own header: IP, TCP, data.
    for (name, link, nodes) in [
        ("kb816514-neta-netb-tunnel", "outside", [("gwa", "203.0.113.1"), ("gwb", "203.0.113.2")]),
        ("kb301284-alice-bob-transport", "bob-lan", [("alice", "172.16.98.231"), ("bob", "172.31.67.244")]),
    ] {
        let scenario = embedded::scenario(name).unwrap();
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("counters-{name}"));
        let played = run(&scenario, &RunOptions::default()).unwrap();
        played.recordings[0].capture.write(&folder).unwrap();
        let mut command = Command::new("tshark");
        command.env("WIRESHARK_CONFIG_DIR", folder.join("wireshark"));
        command.arg("-r").arg(folder.join(format!("{link}.pcapng")));
        command.args(["-Y", "esp", "-T", "fields", "-E", "separator=|"]);
        for field in ["ip.src", "ip.len", "tcp.hdr_len", "tcp.len"] {
            command.args(["-e", field]);
        }
        let output = command.output().expect("tshark runs");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let mut octets: BTreeMap<String, u64> = BTreeMap::new();
        for line in text.lines() {
            let fields: Vec<Vec<&str>> = line.split('|').map(|field| field.split(',').collect()).collect();
            let number =
                |n: usize, at: usize| fields[n].get(at).and_then(|s| s.parse::<u64>().ok()).unwrap_or(0);
            // Two IP headers are a tunnel: the inner datagram, and the outer header of 20.
            let inner = if fields[1].len() == 2 { number(1, 1) } else { number(2, 0) + number(3, 0) };
            *octets.entry(fields[0][0].to_string()).or_default() += 20 + inner;
        }
        let counts = at_end(&scenario, &options(FaultPlan::NONE, 1));
        for ((node, address), (peer, _)) in [(nodes[0], nodes[1]), (nodes[1], nodes[0])] {
            let found = octets[address];
            assert!(found > 0, "{name}: {text}");
            assert_eq!(counts[node].of(Counter::ConfidentialBytesSent), found, "{name}: {node}\n{text}");
            assert_eq!(counts[peer].of(Counter::ConfidentialBytesReceived), found, "{name}: {peer}");
            let tunnel = counts[node].of(Counter::BytesSentInTunnels);
            let transport = counts[node].of(Counter::TransportBytesSent);
            assert_eq!((tunnel + transport, tunnel == 0), (found, link == "bob-lan"), "{name}: {node}");
        }
    }
}
