//! `cargo run --release -p ipsec-scenarios --example sweep [scenario[=method]] [kind...]`: every fault at every place. Prints how many
//! runs each kind had, and the formula that says how many there must be. With `SWEEP_TRACE` set, also the trace of the first
//! run of each kind that failed.

use std::process::ExitCode;

use ipsec_scenarios::embedded;
use ipsec_scenarios::sweep::{Kind, Sweep, with_method};

const KINDS: &[Kind] = &[
    Kind::Drop,
    Kind::DropMainModePair,
    Kind::DropQuickModePair,
    Kind::DropIkePair,
    Kind::Duplicate,
    Kind::Delay,
    Kind::Swap,
    Kind::Replay(1),
    Kind::Replay(10),
    Kind::Replay(60),
    Kind::FlipBit,
    Kind::Truncate,
    Kind::TruncateIsakmp,
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_else(|| "kb816514".into());
    let wanted: Vec<String> = words.collect();
    match sweep(&name, &wanted) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every run of the kinds that are wanted held.
fn sweep(name: &str, wanted: &[String]) -> Result<bool, String> {
    let (prefix, method) = name.split_once('=').map_or((name, None), |(n, m)| (n, Some(m)));
    let whole = embedded::resolve(prefix).map_err(|_| "no such scenario")?;
    let scenario = match method {
        Some(method) => with_method(whole, method),
        None => embedded::scenario(whole),
    };
    let scenario = scenario.map_err(|e| e.to_string())?;
    let mut sweep = Sweep::new(&scenario, 1).map_err(|e| e.to_string())?;
    println!("{name}: n = {} datagrams outside", sweep.datagrams().len());
    let mut held = true;
    for kind in KINDS.iter().chain(&[Kind::FlipOctet]) {
        let called = wanted.iter().any(|w| format!("{kind:?}").eq_ignore_ascii_case(w));
        if !called && (!wanted.is_empty() || *kind == Kind::FlipOctet) {
            continue;
        }
        let tally = sweep.tally(*kind, |_| {});
        println!("{tally}");
        tally.failures.iter().for_each(|f| println!("    {f}"));
        if let (Some(case), true) = (&tally.first, std::env::var_os("SWEEP_TRACE").is_some()) {
            println!("{}", sweep.trace(case).unwrap_or_default());
        }
        held &= tally.held();
    }
    Ok(held)
}
