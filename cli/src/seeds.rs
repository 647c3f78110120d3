//! Many seeds in one process: what failed, and how fast it went.

use std::io::IsTerminal as _;
use std::str::FromStr;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ipsec_scenarios::{Report, Scenario, run as run_scenario};
use serde::Serialize;

use crate::exit::{Error, print};
use crate::junit;
use crate::run::{Format, RunArgs, json, replay, write};

/// Failing seeds whose captures are written; more would only fill the disk.
pub(crate) const RECORDED_FAILURES: usize = 3;

/// Seeds from `from` on, `to` excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seeds {
    from: u64,
    to: u64,
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("`{text}` is no range: write A..B (B excluded) or A..=B, with A below B");
        let (from, to) = text.split_once("..").ok_or_else(wanted)?;
        let (to, included) = to.strip_prefix('=').map_or((to, 0), |to| (to, 1));
        let number = |text: &str| text.parse::<u64>().map_err(|_| wanted());
        let (from, to) = (number(from)?, number(to)?.checked_add(included).ok_or_else(wanted)?);
        // An empty range would be a success without a check.
        if from < to { Ok(Seeds { from, to }) } else { Err(wanted()) }
    }
}

impl Seeds {
    pub(crate) fn iter(&self) -> std::ops::Range<u64> {
        self.from..self.to
    }
}

/// What many runs showed; `scenarios/README.md` documents the JSON form.
#[derive(Debug, Serialize)]
struct Summary {
    schema: &'static str,
    scenario: String,
    from: u64,
    to: u64,
    runs: u64,
    held: bool,
    failed: Vec<Failed>,
    /// Not part of what is reproducible.
    runs_per_second: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Failed {
    pub(crate) seed: u64,
    digest: String,
    pub(crate) checks: Vec<String>,
    pub(crate) replay: String,
}

impl Failed {
    pub(crate) fn of(report: &Report) -> Self {
        let checks = report.checks.iter().filter(|c| !c.held);
        Failed {
            seed: report.seed,
            digest: report.digest.clone(),
            checks: checks.map(|c| format!("{}: {}", c.id, c.detail)).collect(),
            replay: report.replay.clone(),
        }
    }
}

pub(crate) fn run(args: &RunArgs, scenario: &Scenario, seeds: &Seeds) -> Result<bool, Error> {
    let bar = progress(seeds.to - seeds.from);
    let began = now();
    let (mut failed, mut reports) = (Vec::new(), Vec::new());
    for seed in seeds.iter() {
        let outcomes = run_scenario(scenario, &args.options(seed, false)).map_err(|e| usage(scenario, &e))?;
        let mut report = outcomes.report;
        report.replay = replay(args, &report.replay, scenario);
        if !report.held {
            bar.suspend(|| eprintln!("seed {seed} failed; to see it: {}", report.replay));
            if failed.len() < RECORDED_FAILURES {
                record(args, scenario, seed)?;
            }
            failed.push(Failed::of(&report));
        }
        if args.format() == Format::Junit {
            reports.push(report);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let runs = seeds.to - seeds.from;
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    let summary = Summary {
        schema: "ipseclab-seeds/1",
        scenario: scenario.name.clone(),
        from: seeds.from,
        to: seeds.to,
        runs,
        held: failed.is_empty(),
        failed,
        runs_per_second: runs.saturating_mul(1_000) / millis,
    };
    match args.format() {
        Format::Text => print(&text(&summary, runs, millis))?,
        Format::Json => print(&json(&summary)?)?,
        Format::Junit => print(&junit::document(&reports.iter().collect::<Vec<_>>()))?,
    }
    Ok(summary.held)
}

/// Runs a seed again, to keep its trace and captures.
fn record(args: &RunArgs, scenario: &Scenario, seed: u64) -> Result<(), Error> {
    let outcomes = run_scenario(scenario, &args.options(seed, true)).map_err(|e| usage(scenario, &e))?;
    let folder = args.folder(scenario, seed);
    write(&outcomes, &folder)?;
    eprintln!("  its captures, trace and report are in {}", folder.display());
    Ok(())
}

fn usage(scenario: &Scenario, error: &ipsec_scenarios::LoadError) -> Error {
    Error::usage(format!("{}/{error}", scenario.name))
}

fn text(summary: &Summary, runs: u64, millis: u64) -> String {
    let mut text = String::new();
    for failed in &summary.failed {
        text += &format!("seed {}\n", failed.seed);
        for check in &failed.checks {
            text += &format!("  FAILED  {check}\n");
        }
        text += &format!("  {}\n", failed.replay);
    }
    let held = runs - summary.failed.len() as u64;
    let rate = runs.saturating_mul(10_000) / millis;
    text + &format!(
        "{}: {held} of {runs} seeds held every check, {}.{} runs per second\n",
        summary.scenario,
        rate / 10,
        rate % 10
    )
}

/// A progress bar on terminals, nothing elsewhere.
fn progress(runs: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} seeds, {per_sec}, {eta} left");
    let bar = ProgressBar::with_draw_target(Some(runs), target);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[expect(clippy::disallowed_methods, reason = "the rate is of this computer's time; no run depends on it")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_never_empty() {
        assert_eq!("0..1000".parse(), Ok(Seeds { from: 0, to: 1000 }));
        assert_eq!("3..=3".parse(), Ok(Seeds { from: 3, to: 4 }));
        for wrong in ["", "5", "5..5", "6..5", "a..b", "0..", "..4", "0..=18446744073709551615", "-1..2"] {
            assert!(wrong.parse::<Seeds>().is_err(), "{wrong}");
        }
    }
}
