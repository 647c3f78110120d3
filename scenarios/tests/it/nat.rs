//! The family `nat-…`: every scenario shows what it says.

use ipsec_scenarios::{RunOptions, embedded, run};

/// Runs the scenarios that fit, and fails with all that do not show what they should.
fn hold(pattern: &str) {
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

#[test]
fn windows_2000_meets_a_nat_as_kb_301284_says() {
    hold("nat-windows-2000-*");
}
