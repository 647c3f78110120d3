//! A run that fails says why, with the names that people gave to computers, rules and interfaces.

use ipsec_scenarios::{RunOptions, embedded, run};

/// Twin, direction, and what its explanation must say: what the article's sentence about it warns of.
const WANTED: &[(&str, &str, &[&str])] = &[
    (
        "kb816514-gwa-without-outbound-rule",
        "neta-to-netb",
        &[
            "gwb refuses icmp 10.1.0.10 > 10.2.0.10: it came in clear, and rule 'to NetB' wants it through the tunnel \
             with 203.0.113.1",
            "gwa sent it in clear: none of its rules is about icmp 10.1.0.10 > 10.2.0.10",
        ],
    ),
    (
        "kb816514-gwa-without-inbound-rule",
        "netb-to-neta",
        &[
            "gwa refuses quick mode with 203.0.113.2 for 10.2.0.0/16 -> 10.1.0.0/16 (gwb first): none of its rules",
        ],
    ),
    (
        "kb816514-mirrored-filters",
        "neta-to-netb",
        &["'Tunnel to NetB', whose tunnel ends at 203.0.113.2", "Mirrored"],
    ),
    (
        "kb816514-mirrored-filters-inbound-first",
        "neta-to-netb",
        &["a tunnel to itself", "gwa's own address", "Mirrored"],
    ),
    ("kb816514-pfs-on-one-side", "neta-to-netb", &["perfect forward secrecy"]),
    ("kb816514-psk-mismatch", "neta-to-netb", &["gwb cannot read", "the preshared keys of the two differ"]),
    ("kb816514-psk-mismatch", "netb-to-neta", &["gwa cannot read", "the preshared keys of the two differ"]),
    (
        "kb816514-filter-without-gateway-pair",
        "neta-to-netb",
        &[
            "udp 203.0.113.1:500 > 203.0.113.2:500: output filter of WIN2003extIP, which passes only 10.1.0.0/16 > 10.2.0.0/16",
        ],
    ),
    (
        "kb816514-wrong-interface",
        "neta-to-netb",
        &["gwb refuses main mode with 203.0.113.3", "203.0.113.3 is second of gwa, whose route to gwb"],
    ),
    ("kb816514-missing-route", "neta-to-netb", &["gwa has no route to 10.2.0.10"]),
    (
        "kb816514-different-authentication",
        "netb-to-neta",
        &["no common authentication method", "rules 'Tunnel to NetB' and 'Tunnel to NetA' authenticate"],
    ),
    (
        "kb816514-off-link-default-gateway",
        "neta-to-netb",
        &["next hop 203.0.113.1, and nobody on its link neta has that address (it is WIN2003extIP of gwa)"],
    ),
    (
        "kb816514-port-tunnel",
        "big-datagrams",
        &[
            "gwb drops the later fragments of udp 10.1.0.10 > 10.2.0.10: fragments carry no ports",
            "gwa sent it in clear",
        ],
    ),
    ("kb301284-ports-reversed", "alice-to-bob", &["172.16.98.231 -> 172.31.67.244:6667 tcp (alice first)"]),
    ("kb301284-policy-on-one-end", "alice-to-bob", &["bob refuses main mode", "or none is assigned"]),
    ("kb816514-clear-text-injected", "neta-to-netb", &["icmp 10.2.0.66 > 10.1.0.10", "it is forged"]),
];

fn play(name: &str) -> ipsec_scenarios::Report {
    let scenario = embedded::scenario(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    run(&scenario, &RunOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}")).report
}

#[test]
fn of_twins_name_the_cause() {
    for (name, direction, wanted) in WANTED {
        let report = play(name);
        let run = report.runs.iter().find(|r| r.name.as_deref() == Some(direction)).unwrap();
        let text = run.explanation.join("\n");
        for words in *wanted {
            assert!(text.contains(words), "{name}, {direction}: no `{words}` in\n{text}");
        }
    }
}

/// Whatever is not answered is explained, by few sentences; and where nothing went wrong there are none.
#[test]
fn of_every_twin_are_there_when_needed() {
    for name in embedded::names().filter(|name| embedded::TWINS.contains(&format!("\"{name}\""))) {
        for run in play(name).runs {
            let silent = run.flows.iter().any(|flow| flow.answered == 0);
            let untroubled = run.drops.is_empty() && run.failures.is_empty() && !silent;
            assert!(!silent || !run.explanation.is_empty(), "{name} {:?}", run.name);
            assert!(!untroubled || run.explanation.is_empty(), "{name}: {:?}", run.explanation);
            assert!(run.explanation.len() <= 14, "{name}: {:?}", run.explanation);
        }
    }
}
