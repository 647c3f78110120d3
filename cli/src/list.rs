//! `ipseclab list`.

use std::collections::BTreeMap;

use clap::Args;
use ipsec_scenarios::{Scenario, embedded};

use crate::exit::{Error, print};

/// Options of `ipseclab list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only those of a family (`nat`), or that fit a pattern (`nat-*`), each with the reason for what it must show.
    scenarios: Option<String>,
}

/// What stands under one heading: the scenarios of a family, or those whose names begin with the same word.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Group<'a> {
    name: &'a str,
    title: Option<&'a str>,
}

impl<'a> Group<'a> {
    fn of(scenario: &'a str) -> Self {
        match embedded::families().iter().find(|family| family.names().any(|name| name == scenario)) {
            Some(family) => Self { name: family.name(), title: Some(family.title()) },
            None => Self { name: scenario.split('-').next().unwrap_or(scenario), title: None },
        }
    }

    fn heading(&self, count: usize) -> String {
        match self.title {
            Some(title) => {
                format!("# {0}: {title}; {count} scenarios, all of them: ipseclab run {0}\n", self.name)
            }
            None => format!("# {0}; {count} scenarios, all of them: ipseclab run '{0}-*'\n", self.name),
        }
    }
}

/// Scenarios by group. What each of a family must show stands before its title.
pub(crate) fn list(args: &ListArgs) -> Result<bool, Error> {
    let names: Vec<&str> = match &args.scenarios {
        None => embedded::names().collect(),
        Some(pattern) => embedded::matching(pattern),
    };
    if names.is_empty() {
        return Err(Error::usage("no scenario has such a name; `ipseclab list` names them all"));
    }
    let mut groups: BTreeMap<Group<'_>, Vec<Scenario>> = BTreeMap::new();
    for name in &names {
        let scenario = embedded::scenario(name).map_err(|e| Error::usage(format!("{name}/{e}")))?;
        groups.entry(Group::of(name)).or_default().push(scenario);
    }
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (group, scenarios) in &groups {
        text += &group.heading(scenarios.len());
        for scenario in scenarios {
            let expected = scenario.expected.as_ref().map_or(String::new(), |e| format!("{}: ", e.outcome));
            text += &format!("{:width$}  {expected}{}\n", scenario.name, scenario.title);
            if let (Some(expected), Some(_)) = (&scenario.expected, &args.scenarios) {
                text += &format!("{:width$}  {}\n", "", expected.why);
            }
        }
        text.push('\n');
    }
    text += &format!("{} scenarios\n", names.len());
    print(&text)?;
    Ok(true)
}
