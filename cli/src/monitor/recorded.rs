//! What `ipseclab run` has left behind: the report names the scenario, its seed and its faults, and a run is nothing else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ipsec_scenarios::value::Ppm;
use ipsec_scenarios::{FaultPlan, RunOptions, Scenario};
use serde_json::Value;

use crate::directory;
use crate::exit::Error;

/// A recorded run of a scenario.
pub(super) struct Recorded {
    pub(super) scenario: Scenario,
    pub(super) options: RunOptions,
    /// Of the run, or of the first direction of a twin.
    pub(super) digest: String,
}

/// The report that an argument names: the file, or the folder of a run.
pub(super) fn report(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    let inside = path.join("report.json");
    if inside.is_file() && !path.join("topology.toml").exists() && !path.join("twin.toml").exists() {
        return Some(inside);
    }
    (path.is_file() && path.extension().is_some_and(|e| e == "json")).then(|| path.to_owned())
}

impl Recorded {
    /// Reads a report, and the scenario that it names.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |what: &str| Error::usage(format!("{}: {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|e| Error::file(path, &e))?;
        let report: Value = serde_json::from_str(&text).map_err(|e| wrong(&e.to_string()))?;
        if report["schema"] != ipsec_scenarios::report::SCHEMA {
            let found = report["schema"].as_str().unwrap_or("none");
            return Err(wrong(&format!(
                "expected schema {}, found {found}",
                ipsec_scenarios::report::SCHEMA
            )));
        }
        let lacks = |field: &str| wrong(&format!("it has no {field}"));
        let name = report["scenario"].as_str().ok_or_else(|| lacks("scenario"))?;
        let seed = report["seed"].as_u64().ok_or_else(|| lacks("seed"))?;
        let digest = report["runs"][0]["digest"].as_str().ok_or_else(|| lacks("runs[0].digest"))?;
        // A scenario of one's own is named by its directory in the command that repeats it.
        let place = report["replay"].as_str().and_then(|command| {
            command.strip_prefix("ipseclab run ")?.split_once(" --seed ").map(|(place, _)| place)
        });
        let scenario = directory::scenario(place.unwrap_or(name))?;
        let options =
            RunOptions { seed, faults: faults(&report["faults"]), record: true, ..RunOptions::default() };
        Ok(Recorded { scenario, options, digest: digest.to_owned() })
    }
}

/// As reports write them; `null` for none.
fn faults(report: &Value) -> FaultPlan {
    let ppm = |field: &str| Ppm(report[field].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0));
    FaultPlan {
        loss: ppm("loss_ppm"),
        duplication: ppm("duplication_ppm"),
        reordering: ppm("reordering_ppm"),
        corruption: ppm("corruption_ppm"),
        until: report["until_ms"].as_u64().map_or(FaultPlan::NONE.until, Duration::from_millis),
    }
}
