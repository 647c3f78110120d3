//! Many scenarios in one process: a table with a total, and how to see again what failed.

use ipsec_scenarios::twin::Outcome;
use ipsec_scenarios::{Report, Scenario, run as run_scenario};
use serde::Serialize;

use crate::exit::{Error, print};
use crate::junit;
use crate::run::{Format, RunArgs, json, replay, write};
use crate::seeds::{Failed, RECORDED_FAILURES};

/// What many scenarios showed; `scenarios/README.md` documents the JSON form.
#[derive(Debug, Serialize)]
struct Summary {
    schema: &'static str,
    pattern: String,
    scenarios: Vec<Row>,
    runs: usize,
    checks: usize,
    held: bool,
}

/// One scenario.
#[derive(Debug, Serialize)]
struct Row {
    scenario: String,
    title: String,
    /// What must come of it and why, in a family.
    #[serde(serialize_with = "as_text")]
    outcome: Option<Outcome>,
    why: Option<String>,
    runs: usize,
    checks: usize,
    checks_held: usize,
    held: bool,
    digests: Vec<String>,
    failed: Vec<Failed>,
}

fn as_text<S: serde::Serializer>(outcome: &Option<Outcome>, serializer: S) -> Result<S::Ok, S::Error> {
    outcome.map(|o| o.to_string()).serialize(serializer)
}

pub(crate) fn run(args: &RunArgs, scenarios: &[Scenario]) -> Result<bool, Error> {
    let (mut rows, mut reports) = (Vec::new(), Vec::new());
    let mut recorded = 0;
    for scenario in scenarios {
        let mut row = Row::new(scenario);
        for seed in args.all_seeds() {
            let keep = args.has_folder();
            let play = |record| {
                let outcomes = run_scenario(scenario, &args.options(seed, record));
                outcomes.map_err(|e| Error::usage(format!("{}/{e}", scenario.name)))
            };
            let mut outcomes = play(keep)?;
            outcomes.report.replay = replay(args, &outcomes.report.replay, scenario);
            let report = &outcomes.report;
            if keep {
                write(&outcomes, &args.folder_of_many(scenario, seed))?;
            } else if !report.held && recorded < RECORDED_FAILURES {
                recorded += 1;
                write(&play(true)?, &args.folder_of_many(scenario, seed))?;
            }
            if !report.held {
                eprintln!("{} failed; to see it again: {}", scenario.name, report.replay);
            }
            row.add(report);
            if args.format() == Format::Junit {
                reports.push(outcomes.report);
            }
        }
        rows.push(row);
    }
    let total = |of: fn(&Row) -> usize| rows.iter().map(of).sum();
    let summary = Summary {
        schema: "ipseclab-table/1",
        pattern: args.scenario().to_string(),
        runs: total(|r| r.runs),
        checks: total(|r| r.checks),
        held: rows.iter().all(|r| r.held),
        scenarios: rows,
    };
    match args.format() {
        Format::Text => print(&text(&summary))?,
        Format::Json => print(&json(&summary)?)?,
        Format::Junit => print(&junit::document(&reports.iter().collect::<Vec<_>>()))?,
    }
    Ok(summary.held)
}

impl Row {
    fn new(scenario: &Scenario) -> Self {
        let expected = scenario.expected.as_ref();
        Row {
            scenario: scenario.name.clone(),
            title: scenario.title.clone(),
            outcome: expected.map(|e| e.outcome),
            why: expected.map(|e| e.why.clone()),
            runs: 0,
            checks: 0,
            checks_held: 0,
            held: true,
            digests: Vec::new(),
            failed: Vec::new(),
        }
    }

    fn add(&mut self, report: &Report) {
        let (held, all) = report.tally();
        self.runs += 1;
        self.checks += all;
        self.checks_held += held;
        self.held &= report.held;
        self.digests.push(report.digest.clone());
        if !report.held {
            self.failed.push(Failed::of(report));
        }
    }
}

fn text(summary: &Summary) -> String {
    let rows = &summary.scenarios;
    let name = rows.iter().map(|r| r.scenario.len()).max().unwrap_or(0).max("scenario".len());
    let expected = |r: &Row| r.outcome.map_or_else(|| "its own checks".into(), |o| o.to_string());
    let outcome = rows.iter().map(|r| expected(r).len()).max().unwrap_or(0).max("must be".len());
    let mut text = format!("{:name$}  {:outcome$}  checks  verdict\n", "scenario", "must be");
    for row in rows {
        let verdict = if row.held { "held" } else { "FAILED" };
        let checks = format!("{}/{}", row.checks_held, row.checks);
        text += &format!("{:name$}  {:outcome$}  {checks:>6}  {verdict}\n", row.scenario, expected(row));
        for failed in &row.failed {
            for check in &failed.checks {
                text += &format!("    FAILED  {check}\n");
            }
            text += &format!("    {}\n", failed.replay);
        }
    }
    let held = rows.iter().filter(|r| r.held).count();
    let checks: usize = rows.iter().map(|r| r.checks_held).sum();
    text + &format!(
        "\n{}: {held} of {} scenarios held every check; {checks} of {} checks held in {} runs\n",
        summary.pattern,
        rows.len(),
        summary.checks,
        summary.runs
    )
}
