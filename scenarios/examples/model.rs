//! Random pairs of policies against the reference model.
//!
//! ```text
//! cargo run --release -p ipsec-scenarios --example model -- 10000            seeds 0..10000
//! cargo run --release -p ipsec-scenarios --example model -- 10000 20000      seeds 10000..20000
//! cargo run --release -p ipsec-scenarios --example model -- --seed 17        one pair, with its scripts and outcomes
//! ```

use std::process::ExitCode;
use std::time::Instant;

use ipsec_scenarios::random::{Bench, Report, Tally, Trial};

/// Disagreements that are printed in full.
const SHOWN: u64 = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (one, words) = match arguments.split_first() {
        Some((first, rest)) if first == "--seed" => (true, rest),
        _ => (false, arguments.as_slice()),
    };
    let numbers: Result<Vec<u64>, _> = words.iter().map(|w| w.parse()).collect();
    let seeds = match (one, numbers.as_deref()) {
        (true, Ok([seed])) => *seed..seed.saturating_add(1),
        (false, Ok([])) => 0..10_000,
        (false, Ok([end])) => 0..*end,
        (false, Ok([start, end])) => *start..*end,
        _ => {
            eprintln!("usage: model [[FIRST] END] | --seed N");
            return ExitCode::FAILURE;
        }
    };
    match run(seeds, one) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the rate is about the real clock, and decides nothing")]
fn run(seeds: std::ops::Range<u64>, tell: bool) -> Result<bool, String> {
    let begin = Instant::now();
    let (mut bench, mut tally) = (Bench::default(), Tally::default());
    let mut shown = 0;
    for seed in seeds {
        let trial = Trial::draw(seed).map_err(|e| format!("trial {seed}: {e}"))?;
        let verdict = bench.judge(&trial);
        tally.add(&verdict);
        for disagreement in &verdict.disagreements {
            match shown {
                0..SHOWN => println!("{}", Report(&trial, disagreement)),
                _ => println!("also: {} in {}", disagreement.flow, trial.replay()),
            }
            shown += 1;
        }
        if tell {
            trial.scripts.iter().zip(&trial.listings).for_each(|(s, l)| println!("{s}\n{l}"));
            trial.flows.iter().zip(&verdict.outcomes).for_each(|(f, o)| println!("{f}: {o}"));
        }
    }
    print!("{tally}");
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{seconds:.1} s, {:.0} pairs/s, {:.0} flows/s",
        tally.pairs as f64 / seconds,
        tally.flows as f64 / seconds
    );
    Ok(tally.disagreements == 0)
}
