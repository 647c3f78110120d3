//! What `netsh ipsec dynamic show` prints at running computers.

use std::collections::BTreeMap;

use ipsec_scenarios::value::Ppm;
use ipsec_scenarios::{FaultPlan, Files, Outcomes, RunOptions, Scenario, embedded, run};

/// The scenario, in which somebody types these lines of dynamic mode at a node at last.
fn typed(name: &str, node: &str, at: &str, lines: &str) -> Scenario {
    let original = embedded::scenario(name).unwrap_or_else(|e| panic!("{name}/{e}")).files;
    let mut files = Files::new(name);
    original.iter().for_each(|(file, bytes)| files.insert(file, bytes));
    let mut steps = original.text("steps.toml").unwrap().to_owned();
    let lines = lines.lines().map(|l| format!("netsh ipsec dynamic {l}")).collect::<Vec<_>>().join("\n");
    steps += &format!(
        "\n[[step]]\nat = \"{at}\"\ndo = {{ netsh = {{ node = \"{node}\", line = '''{lines}''' }} }}\n"
    );
    files.insert("steps.toml", steps);
    Scenario::load(&files, |_| None, None).unwrap_or_else(|e| panic!("{name}/{e}"))
}

/// What is printed at a node.
fn printed(outcomes: &Outcomes, node: &str) -> Vec<String> {
    let story = outcomes.report.runs.iter().flat_map(|run| &run.story);
    let of = |line: &str| {
        let (head, text) = line.split_once("| ")?;
        (head.split_whitespace().nth(1) == Some(node)).then(|| text.to_owned())
    };
    story.filter_map(|line| of(line)).collect()
}

/// The rows of `show stats` that are not 0, those of the driver behind `ipsec`.
fn stats(name: &str, node: &str, at: &str) -> BTreeMap<String, u64> {
    let outcomes = run(&typed(name, node, at, "show stats"), &RunOptions::default()).unwrap();
    rows(&printed(&outcomes, node))
}

fn rows(lines: &[String]) -> BTreeMap<String, u64> {
    let from = lines.iter().rposition(|l| l == "IKE Statistics").unwrap();
    let mut rows = BTreeMap::new();
    let mut part = "";
    for line in &lines[from..] {
        if line == "IPsec Statistics" {
            part = "ipsec ";
        }
        let Some((label, value)) = line.split_at_checked(30) else { continue };
        let Some(value) = value.strip_prefix(": ") else { continue };
        let value: u64 = value.parse().unwrap();
        if value > 0 {
            rows.insert(format!("{part}{}", label.trim()), value);
        }
    }
    rows
}

/// Each row counts what the scenario did: the numbers are told by its text, and every other row is 0.
#[test]
fn each_row_of_stats_is_a_real_count() {
    let bytes = |kinds: &[&str], n: u64| -> Vec<(String, u64)> {
        let both = |kind: &&str| match *kind {
            "Tunnels" => {
                ["ipsec Bytes Sent In Tunnels".to_owned(), "ipsec Bytes Received In Tunnels".to_owned()]
            }
            kind => [format!("ipsec {kind} Bytes Sent"), format!("ipsec {kind} Bytes Received")],
        };
        kinds.iter().flat_map(both).map(|label| (label, n)).collect()
    };
    let expect = |name: &str, node: &str, at: &str, rows: &[(&str, u64)], more: Vec<(String, u64)>| {
        let wanted: BTreeMap<String, u64> =
            rows.iter().map(|(l, n)| ((*l).to_owned(), *n)).chain(more).collect();
        assert_eq!(stats(name, node, at), wanted, "{name}");
    };
    // A key every 300 seconds, of which three replaced another; 88 echoes of 60 octets each way.
    expect(
        "actions-rekey-seconds",
        "alice",
        "899s",
        &[
            ("Total Acquire", 4),
            ("Total Get SPI", 4),
            ("Key Additions", 4),
            ("Key Updates", 4),
            ("ISADB List Size", 1),
            ("Connection List Size", 1),
            ("IKE Main Mode", 1),
            ("IKE Quick Mode", 4),
            ("ipsec Active Assoc", 1),
            ("ipsec Key Additions", 4),
            ("ipsec Key Deletions", 3),
            ("ipsec Rekeys", 3),
        ],
        bytes(&["Confidential", "Authenticated", "Transport"], 88 * 60),
    );
    // Ten echoes each way through a tunnel that an adapter works for: 60 octets and an outer header.
    expect(
        "kb816514-offload",
        "gwa",
        "30s",
        &[
            ("Total Acquire", 1),
            ("Total Get SPI", 1),
            ("Key Additions", 1),
            ("Key Updates", 1),
            ("ISADB List Size", 1),
            ("Connection List Size", 1),
            ("IKE Main Mode", 1),
            ("IKE Quick Mode", 1),
            ("ipsec Active Assoc", 1),
            ("ipsec Offloaded Assoc", 1),
            ("ipsec Key Additions", 1),
            ("ipsec Active Tunnels", 1),
        ],
        bytes(&["Confidential", "Authenticated", "Tunnels", "Offloaded"], 10 * 80),
    );
    // Bob has no IPsec: Alice asks twice, and speaks in clear after each.
    expect(
        "soft-silence",
        "alice",
        "400s",
        &[
            ("Total Acquire", 2),
            ("Acquire Failures", 2),
            ("Negotiation Failures", 2),
            ("Soft Associations", 2),
        ],
        Vec::new(),
    );
    // While she asks, a packet waits for an acquire, which waits for main mode.
    expect(
        "soft-silence",
        "alice",
        "3s",
        &[("Total Acquire", 1), ("Active Acquire", 1), ("Acquire Heap Size", 1), ("ISADB List Size", 1)],
        Vec::new(),
    );
    // A stranger has another key: what his message 5 decrypts to is no message.
    let stranger = stats("defence-stranger", "bob", "99s");
    assert_eq!((stranger.get("IKE Main Mode"), stranger.get("Negotiation Failures")), (Some(&1), Some(&1)));
    assert!(stranger.contains_key("Invalid Packets Received"), "{stranger:?}");
    // Methods that nobody has in common are failures of authentication, each of them one that ends a negotiation.
    let methods = stats("methods-none-common", "bob", "60s");
    assert_eq!(methods.keys().collect::<Vec<_>>(), ["Authentication Failures", "Negotiation Failures"]);
    assert_eq!(methods["Authentication Failures"], methods["Negotiation Failures"]);
    // The gateway that was started afresh knows no SPI of before.
    assert_eq!(stats("initial-contact", "gwb", "79s").get("ipsec Bad SPI Packets"), Some(&1));
    // Forged parts of IKE messages wait for the rest.
    assert!(stats("fragmented-forged", "gwb", "30s").contains_key("Receive Heap Size"));
}

/// Packets that come twice, or altered: the driver's rows say how many of them the trace says were dropped.
#[test]
fn rows_of_dropped_packets_are_those_of_the_trace() {
    let faults = FaultPlan { duplication: Ppm(200_000), corruption: Ppm(100_000), ..FaultPlan::NONE };
    let options = RunOptions { record: true, faults, ..RunOptions::default() };
    for node in ["gwa", "gwb"] {
        let scenario = typed("kb816514-neta-netb-tunnel", node, "44900ms", "show stats type=all");
        let outcomes = run(&scenario, &options).unwrap();
        let rows = rows(&printed(&outcomes, node));
        let trace = outcomes.recordings[0].trace.text();
        let dropped = |why: &str| {
            let of = |l: &&str| {
                let mut words = l.split_whitespace();
                let at: f64 = words.next().unwrap_or("").parse().unwrap_or(f64::MAX);
                at < 44.9 && words.next() == Some(node) && words.next() == Some("drop") && l.contains(why)
            };
            u64::try_from(trace.lines().filter(of).count()).unwrap()
        };
        for (row, why) in [
            ("ipsec Packets With Replay Detection", "[replayed on"),
            ("ipsec Packets Not Authenticated", "[integrity check failed on"),
        ] {
            assert!(dropped(why) > 0, "{node}: {why}");
            assert_eq!(rows.get(row), Some(&dropped(why)), "{node}: {row}");
        }
    }
}

/// `type=` chooses one of the two parts.
#[test]
fn stats_come_in_two_parts() {
    let titles = |line: &str| {
        let outcomes =
            run(&typed("netsh-dynamic-demo", "server", "40s", line), &RunOptions::default()).unwrap();
        printed(&outcomes, "server").into_iter().filter(|l| l.ends_with("Statistics")).collect::<Vec<_>>()
    };
    assert_eq!(titles("show stats"), ["IKE Statistics", "IPsec Statistics"]);
    assert_eq!(titles("show stats ike"), ["IKE Statistics"]);
    assert_eq!(titles("show stats type=ipsec"), ["IPsec Statistics"]);
}

/// SAs as a list and as a table, chosen by their ends; and gone when their rule is.
#[test]
fn associations_are_shown_as_lists_and_tables() {
    let show = |at: &str, line: &str| {
        let original = typed("netsh-dynamic-negotiate", "alice", at, line);
        let mut files = Files::new("netsh-dynamic-negotiate");
        original.files.iter().for_each(|(file, bytes)| files.insert(file, bytes));
        // What the scenario itself shows is left out.
        let steps = original.files.text("steps.toml").unwrap().to_owned();
        let (before, shows) = steps.split_once("[[step]]\nat = \"25s\"").unwrap();
        let after = shows.split_once("[[step]]").unwrap().1;
        let (until, rest) = after.split_once("[[step]]\nat = \"32s\"").unwrap();
        let rest = rest.split_once("[[step]]").unwrap().1;
        files.insert("steps.toml", format!("{before}[[step]]{until}[[step]]{rest}"));
        let scenario = Scenario::load(&files, |_| None, None).unwrap_or_else(|e| panic!("{e}"));
        let lines = printed(&run(&scenario, &RunOptions::default()).unwrap(), "alice");
        let shown = |l: &&String| {
            !l.is_empty()
                && !["Pinging", "Reply", "Ping", "    ", "Appr", "Nego"].iter().any(|p| l.starts_with(p))
        };
        lines
            .iter()
            .filter(shown)
            .map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        show("25s", "show mmsas format=table\nshow qmsas all format=table"),
        [
            "IKE Main Mode SAs: 1",
            "Source Destination Role Method Seconds QMs",
            "------ ----------- ---- ------ ------- ---",
            "192.0.2.1:500 192.0.2.2:500 Initiator 3DES-SHA1-3 3587 1",
            "Quick Mode SAs: 1",
            "Source Destination Protocol Mode Security Method",
            "------ ----------- -------- ---- ---------------",
            "192.0.2.1 192.0.2.2 ANY Transport AH[SHA1]+ESP[3DES,None]",
        ]
    );
    assert_eq!(show("25s", "show qmsas dstaddr=192.0.2.9"), ["Quick Mode SAs: 0"]);
    assert_eq!(show("25s", "show qmsas protocol=tcp format=table"), ["Quick Mode SAs: 0"]);
    assert_eq!(show("25s", "show mmsas srcaddr=me dstaddr=192.0.2.0 ").len(), 1, "one address, not a subnet");
    assert_eq!(show("25s", "show mmsas srcaddr=192.0.2.1 dstaddr=192.0.2.2").len(), 8);
    assert_eq!(show("35s", "show qmsas\nshow mmsas"), ["Quick Mode SAs: 0", "IKE Main Mode SAs: 0"]);
    assert_eq!(show("59s", "show mmsas"), ["IKE Main Mode SAs: 0"]);
}
