//! `ipseclab list`.

use std::collections::BTreeMap;

use ipsec_scenarios::{Scenario, embedded};

use crate::exit::{Error, print};

/// Scenarios by family: what their names begin with. What each of a family must show stands before its title.
pub(crate) fn list() -> Result<bool, Error> {
    let mut families: BTreeMap<&str, Vec<Scenario>> = BTreeMap::new();
    for name in embedded::names() {
        let scenario = embedded::scenario(name).map_err(|e| Error::usage(format!("{name}/{e}")))?;
        families.entry(name.split('-').next().unwrap_or(name)).or_default().push(scenario);
    }
    let width = embedded::names().map(str::len).max().unwrap_or(0);
    let mut text = String::new();
    for (family, scenarios) in &families {
        let known = embedded::families().iter().find(|f| f.name() == *family);
        let title = known.map_or(String::new(), |f| format!(": {}", f.title()));
        let count = scenarios.len();
        text += &format!("# {family}{title}; {count} scenarios, all of them: ipseclab run '{family}-*'\n");
        for scenario in scenarios {
            let expected = scenario.expected.as_ref().map_or(String::new(), |e| format!("{}: ", e.outcome));
            text += &format!("{:width$}  {expected}{}\n", scenario.name, scenario.title);
        }
        text.push('\n');
    }
    text += &format!("{} scenarios\n", embedded::names().count());
    print(&text)?;
    Ok(true)
}
