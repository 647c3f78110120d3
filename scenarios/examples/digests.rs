//! Prints `<scenario> <seed> <digest>` for every scenario and a few seeds, with and without faults: what must be equal on
//! every target. `.ci/determinism` compares them.

use ipsec_scenarios::value::Ppm;
use ipsec_scenarios::{FaultPlan, RunOptions, embedded, run};

fn main() -> Result<(), String> {
    let faults = FaultPlan {
        loss: Ppm(100_000),
        duplication: Ppm(100_000),
        reordering: Ppm(100_000),
        corruption: Ppm(20_000),
        ..FaultPlan::NONE
    };
    for name in embedded::names() {
        let scenario = embedded::scenario(name).map_err(|e| format!("{name}/{e}"))?;
        // The stories with several seeds, and with everything that can happen to a link; their twins, and families, once.
        let is_story = scenario.parent.is_none() && scenario.expected.is_none();
        let seeds = if is_story { 1..=3 } else { 1..=1 };
        for seed in seeds {
            let plain = RunOptions { seed, faults: FaultPlan::NONE, record: false, oakley: false };
            let report = run(&scenario, &plain).map_err(|e| format!("{name}/{e}"))?.report;
            println!("{name} {seed} {}", report.digest);
            if is_story {
                let report = run(&scenario, &RunOptions { faults, ..plain })
                    .map_err(|e| format!("{name}/{e}"))?
                    .report;
                println!("{name}+faults {seed} {}", report.digest);
            }
        }
    }
    Ok(())
}
