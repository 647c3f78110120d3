//! The same seed gives the same digest, another seed another.

use ipsec_scenarios::{RunOptions, embedded, run};

fn digest(name: &str, seed: u64, record: bool) -> String {
    let scenario = embedded::scenario(name).unwrap();
    run(&scenario, &RunOptions { seed, record, ..RunOptions::default() }).unwrap().report.digest
}

#[test]
fn a_seed_is_a_run() {
    for name in ["kb816514-neta-netb-tunnel", "kb301284-alice-bob-transport", "kb816514-netb-first"] {
        let first = digest(name, 1, true);
        assert_eq!(first.len(), 64);
        assert_eq!(first, digest(name, 1, true), "{name}");
        assert_eq!(first, digest(name, 1, false), "{name}: recording changes nothing");
        assert_ne!(first, digest(name, 2, true), "{name}");
    }
}
