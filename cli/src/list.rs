//! `ipseclab list`.

use ipsec_scenarios::embedded;

use crate::exit::{Error, print};

pub(crate) fn list() -> Result<bool, Error> {
    let mut text = String::new();
    let width = embedded::names().map(str::len).max().unwrap_or(0);
    for name in embedded::names() {
        let scenario = embedded::scenario(name).map_err(Error::usage)?;
        if scenario.parent.is_none() && !text.is_empty() {
            text.push('\n');
        }
        text += &format!("{name:width$}  {}\n", scenario.title);
    }
    print(&text)?;
    Ok(true)
}
