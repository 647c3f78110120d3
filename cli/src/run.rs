//! `ipseclab run`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use ipsec_scenarios::value::{Ppm, Span};
use ipsec_scenarios::{FaultPlan, Outcomes, Recording, RunOptions, Scenario, run as run_scenario};

use crate::directory::Wanted;
use crate::exit::{Error, print};
use crate::seeds::Seeds;
use crate::{directory, junit, many, print as text, seeds};

/// Options of `ipseclab run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A scenario's name, a unique prefix of it, or a directory with a scenario. A family's name (`nat`) or a pattern
    /// (`nat-*`) runs several, and prints a table with a total.
    scenario: String,
    /// The seed of everything random.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run every seed of A..B (B excluded) or A..=B, and print only what failed and the rate.
    #[arg(long, value_name = "A..B", conflicts_with = "seed")]
    seeds: Option<Seeds>,
    /// Part of the packets that every link loses, as in 10%.
    #[arg(long, value_name = "P", default_value = "0")]
    loss: Ppm,
    /// Part of the packets that arrive twice.
    #[arg(long, value_name = "P", default_value = "0")]
    dup: Ppm,
    /// Part of the packets that later ones overtake.
    #[arg(long, value_name = "P", default_value = "0")]
    reorder: Ppm,
    /// Part of the packets of which one octet is altered.
    #[arg(long, value_name = "P", default_value = "0")]
    corrupt: Ppm,
    /// When these faults end; 120 s later everything must work again.
    #[arg(long, value_name = "TIME", default_value_t = Span(FaultPlan::NONE.until))]
    faults_until: Span,
    /// Where captures, trace and report go [default: out/SCENARIO-SEED].
    /// Of several scenarios, each gets a folder there; without it only the first that fail.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the event logs of Windows computers too: of this one, or of all.
    #[arg(long, value_name = "NODE", num_args = 0..=1, default_missing_value = "all")]
    events: Option<String>,
    /// Turn the Oakley logs on, and print that of this computer.
    #[arg(long, value_name = "NODE")]
    oakley: Option<String>,
    /// What to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// What to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The story, for people.
    Text,
    /// The report, as report.json.
    Json,
    /// The checks, for CI servers.
    Junit,
}

impl RunArgs {
    pub(crate) fn options(&self, seed: u64, record: bool) -> RunOptions {
        let faults = FaultPlan {
            loss: self.loss,
            duplication: self.dup,
            reordering: self.reorder,
            corruption: self.corrupt,
            until: self.faults_until.0,
        };
        RunOptions { seed, faults, record, oakley: self.oakley.is_some() }
    }

    /// What was asked for.
    pub(crate) fn scenario(&self) -> &str {
        &self.scenario
    }

    /// The seeds to run.
    pub(crate) fn all_seeds(&self) -> std::ops::Range<u64> {
        self.seeds.as_ref().map_or(self.seed..self.seed.saturating_add(1), Seeds::iter)
    }

    /// Whether a folder for files was named.
    pub(crate) fn has_folder(&self) -> bool {
        self.out.is_some()
    }

    /// Where the files of a run go when there are several scenarios.
    pub(crate) fn folder_of_many(&self, scenario: &Scenario, seed: u64) -> PathBuf {
        let root = self.out.as_deref().unwrap_or(Path::new("out"));
        root.join(format!("{}-{seed}", scenario.name))
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Where a run's files go.
    pub(crate) fn folder(&self, scenario: &Scenario, seed: u64) -> PathBuf {
        let name = format!("{}-{seed}", scenario.name);
        match (&self.out, &self.seeds) {
            (None, _) => Path::new("out").join(name),
            (Some(out), None) => out.clone(),
            (Some(out), Some(_)) => out.join(name),
        }
    }
}

pub(crate) fn run(args: &RunArgs) -> Result<bool, Error> {
    let scenario = match directory::wanted(&args.scenario)? {
        Wanted::One(scenario) => *scenario,
        Wanted::Many(scenarios) => return many::run(args, &scenarios),
    };
    if let Some(range) = &args.seeds {
        return seeds::run(args, &scenario, range);
    }
    let options = args.options(args.seed, true);
    let mut outcomes =
        run_scenario(&scenario, &options).map_err(|e| Error::usage(format!("{}/{e}", scenario.name)))?;
    outcomes.report.replay = replay(args, &outcomes.report.replay, &scenario);
    let folder = args.folder(&scenario, args.seed);
    let captures = write(&outcomes, &folder)?;
    let report = &outcomes.report;
    match args.format {
        Format::Text => {
            print(&text::story(report, &folder, &captures))?;
            print(&text::logs(report, args.events.as_deref(), args.oakley.as_deref())?)?;
        }
        Format::Json => print(&json(report)?)?,
        Format::Junit => print(&junit::document(&[report]))?,
    }
    if !report.held {
        eprintln!("failed; to see it again: {}", report.replay);
    }
    Ok(report.held)
}

/// The replay command, with the directory a scenario came from instead of its name.
pub(crate) fn replay(args: &RunArgs, command: &str, scenario: &Scenario) -> String {
    let path = Path::new(&args.scenario);
    if directory::is_family(path) {
        command.replacen(&scenario.name, &path.join(&scenario.name).display().to_string(), 1)
    } else if path.is_dir() || directory::is_member(path) {
        command.replacen(&scenario.name, &args.scenario, 1)
    } else {
        command.into()
    }
}

/// Writes captures, Wireshark's configuration, trace and report. A twin's directions have a folder each. Returns the
/// captures.
pub(crate) fn write(outcomes: &Outcomes, folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut captures = Vec::new();
    for recording in &outcomes.recordings {
        captures.extend(write_recording(recording, folder)?);
    }
    std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, &e))?;
    let path = folder.join("report.json");
    std::fs::write(&path, json(&outcomes.report)?).map_err(|e| Error::file(&path, &e))?;
    Ok(captures)
}

fn write_recording(recording: &Recording, folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let folder = recording.name.as_ref().map_or_else(|| folder.to_path_buf(), |name| folder.join(name));
    let captures = recording.capture.write(&folder).map_err(|e| Error::file(&folder, &e))?;
    let path = folder.join("trace.txt");
    std::fs::write(&path, recording.trace.text()).map_err(|e| Error::file(&path, &e))?;
    Ok(captures)
}

pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::Environment(e.to_string()))?;
    Ok(text + "\n")
}
