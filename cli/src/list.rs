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

/// Scenarios by family: what their names begin with. What each of a family must show stands before its title.
pub(crate) fn list(args: &ListArgs) -> Result<bool, Error> {
    let names: Vec<&str> = match &args.scenarios {
        None => embedded::names().collect(),
        Some(pattern) => embedded::matching(pattern),
    };
    if names.is_empty() {
        return Err(Error::usage("no scenario has such a name; `ipseclab list` names them all"));
    }
    let mut families: BTreeMap<&str, Vec<Scenario>> = BTreeMap::new();
    for name in &names {
        let scenario = embedded::scenario(name).map_err(|e| Error::usage(format!("{name}/{e}")))?;
        families.entry(name.split('-').next().unwrap_or(name)).or_default().push(scenario);
    }
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (family, scenarios) in &families {
        let known = embedded::families().iter().find(|f| f.name() == *family);
        let title = known.map_or(String::new(), |f| format!(": {}", f.title()));
        let count = scenarios.len();
        text += &format!("# {family}{title}; {count} scenarios, all of them: ipseclab run '{family}-*'\n");
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
