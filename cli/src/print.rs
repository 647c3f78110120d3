//! The story of a run, for people.

use std::path::{Path, PathBuf};

use ipsec_scenarios::Report;
use ipsec_scenarios::report::{EventReport, RunReport};

use crate::exit::Error;

pub(crate) fn story(report: &Report, folder: &Path, captures: &[PathBuf]) -> String {
    let mut text = format!("{}: {}\nseed {}{}\n", report.scenario, report.title, report.seed, faults(report));
    for run in &report.runs {
        if let Some(name) = &run.name {
            text += &format!("\n=== {name}\n");
        }
        text.push('\n');
        for line in &run.story {
            text += &format!("{line}\n");
        }
        text += &associations(run);
        text += &explanation(report, run);
    }
    text += &checks(report);
    text += &format!("\nDigest    {}\n", report.digest);
    text += &files(folder, captures);
    text + &format!("Replay    {}\n", report.replay)
}

/// The event logs that were asked for, of one computer or of `all`, and an Oakley log.
pub(crate) fn logs(report: &Report, events: Option<&str>, oakley: Option<&str>) -> Result<String, Error> {
    let mut text = String::new();
    for run in &report.runs {
        let title = run.name.as_ref().map_or(String::new(), |name| format!(" ({name})"));
        if let Some(node) = events {
            let wanted = |e: &&EventReport| node == "all" || e.node == node;
            let found: Vec<&EventReport> = run.event_log.iter().filter(wanted).collect();
            let records = if found.len() == 1 { "record" } else { "records" };
            text += &format!("\nEvent log{title}: {} {records}\n", found.len());
            for event in found {
                text += &format!("\nComputer:\t{}\n{}", event.node, event.text);
            }
        }
        if let Some(node) = oakley {
            let Some(log) = run.oakley.iter().find(|log| log.node == node) else {
                let known: Vec<&str> = run.oakley.iter().map(|log| log.node.as_str()).collect();
                let known = if known.is_empty() { "none".into() } else { known.join(", ") };
                return Err(Error::usage(format!(
                    "--oakley {node}: not a Windows computer with IPsec; there are: {known}"
                )));
            };
            text += &format!("\nOakley log of {node}{title}, lines in our own wording\n");
            log.lines.iter().for_each(|line| text += &format!("  {line}\n"));
        }
    }
    Ok(text)
}

fn faults(report: &Report) -> String {
    match &report.faults {
        None => String::new(),
        Some(plan) => format!(", faults{} until {} s", plan.options(), plan.until.as_secs()),
    }
}

fn associations(run: &RunReport) -> String {
    let mut text = String::from("\nSecurity associations\n");
    if run.main_modes.is_empty() && run.quick_modes.is_empty() {
        text += "  none\n";
    }
    for sa in &run.main_modes {
        let role = if sa.initiator { "initiator" } else { "responder" };
        let (node, peer, minutes) = (&sa.node, &sa.peer, sa.lifetime_seconds / 60);
        text += &format!("  {node:8} main mode   {peer}  {}, {minutes} min, {role}\n", sa.proposal);
    }
    for sa in &run.quick_modes {
        let role = if sa.initiator { "initiator" } else { "responder" };
        let pfs = sa.pfs_group.map_or(String::new(), |g| format!(", PFS group {g}"));
        text += &format!(
            "  {:8} quick mode  {}  {} {}{pfs}, {}, in {} out {}, {role}\n",
            sa.node,
            sa.peer,
            sa.method,
            sa.mode,
            sa.lifetime,
            sa.inbound_spis.join("+"),
            sa.outbound_spis.join("+"),
        );
        text += &format!("  {:8}             {}\n", "", sa.selector);
    }
    text
}

/// Why what did not get through did not, and the article's words about it.
fn explanation(report: &Report, run: &RunReport) -> String {
    if run.explanation.is_empty() {
        return String::new();
    }
    let flows: Vec<String> =
        run.flows.iter().map(|f| format!("{}: {} of {} answered", f.flow, f.answered, f.asked)).collect();
    let failed = run.flows.iter().any(|f| f.answered < f.asked);
    let title = if failed { "What went wrong" } else { "What was refused on the way" };
    let mut text = format!("\n{title} ({})\n", flows.join(", "));
    for line in &run.explanation {
        text += &format!("  - {line}\n");
    }
    // Of a twin all checks have the sentence it is about.
    if let Some(check) = report.checks.iter().find(|c| run.name.is_some() && c.run == run.name) {
        text += &format!("  The article: \"{}\"\n", check.says);
    }
    text
}

fn checks(report: &Report) -> String {
    let (held, all) = report.tally();
    let mut text = format!("\nChecks: {held} of {all} held\n");
    for check in &report.checks {
        let name = match &check.run {
            Some(run) => format!("{run}/{}", check.id),
            None => check.id.clone(),
        };
        let verdict = if check.held { "held  " } else { "FAILED" };
        text += &format!("  {verdict}  {name}: {}\n", check.detail);
        if !check.held {
            text += &format!("          \"{}\"\n", check.says);
        }
    }
    if all == 0 {
        text += "  FAILED  there is no check at all\n";
    }
    text
}

fn files(folder: &Path, captures: &[PathBuf]) -> String {
    let mut text = format!("Report    {}\n", folder.join("report.json").display());
    for capture in captures {
        text += &format!("Capture   {}\n", capture.display());
    }
    let outside = captures.iter().find(|c| c.file_name().is_some_and(|n| n == "outside.pcapng"));
    if let Some(capture) = outside.or_else(|| captures.first()) {
        let config = capture.with_file_name("wireshark");
        text +=
            &format!("To read   WIRESHARK_CONFIG_DIR={} tshark -r {}\n", config.display(), capture.display());
    }
    text
}
