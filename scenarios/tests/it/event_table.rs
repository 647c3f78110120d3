//! `docs/events.md`: every event of the message tables has a scenario that triggers it, or the reason why none does.

use std::collections::{BTreeMap, BTreeSet};

use ipsec_machine::event_log::{Release, message};
use ipsec_scenarios::{RunOptions, embedded, run};

const TABLE: &str = include_str!("../../../docs/events.md");

/// The cells of the table whose rows begin with a number.
fn rows() -> Vec<Vec<&'static str>> {
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let rows = TABLE.lines().filter(|line| line.starts_with("| ")).map(cells);
    rows.filter(|row| row[0].parse::<u32>().is_ok()).collect()
}

#[test]
fn every_event_is_in_the_table() {
    let known: BTreeSet<u32> = Release::ALL.into_iter().flat_map(message::all).map(|m| m.id).collect();
    let told: BTreeSet<u32> = rows().iter().filter_map(|row| row[0].parse().ok()).collect();
    assert_eq!(told, known);
}

/// Where a scenario is named, a computer of it has the event in its log.
#[test]
fn every_trigger_triggers() {
    let mut ids: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    let mut shown = BTreeSet::new();
    for row in rows() {
        let id: u32 = row[0].parse().unwrap();
        let Some(name) = row[3].strip_prefix('`').and_then(|name| name.strip_suffix('`')) else {
            assert!(row[3].starts_with("never: "), "{id}: a scenario, or `never` and why");
            continue;
        };
        let found = ids.entry(name).or_insert_with(|| {
            let scenario = embedded::scenario(name).unwrap_or_else(|e| panic!("{id}: {name}/{e}"));
            let report =
                run(&scenario, &RunOptions::default()).unwrap_or_else(|e| panic!("{name}/{e}")).report;
            report.runs.iter().flat_map(|run| &run.event_log).map(|event| event.id).collect()
        });
        assert!(found.contains(&id), "{name} has no event {id}");
        shown.insert(id);
    }
    assert_eq!(shown.len(), rows().len() - 3, "all but 544, 655 and 4288");
}
