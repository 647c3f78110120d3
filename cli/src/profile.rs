//! `ipseclab profile`: what each release does, and how sure we are of it.

use clap::{Args, ValueEnum};
use ipsec_policy::profile::{ALL, Profile};
use serde::Serialize;

use crate::exit::{Error, print};
use crate::run::json;

/// Options of `ipseclab profile`.
#[derive(Debug, Args)]
pub(crate) struct ProfileArgs {
    /// Names as in the topologies of scenarios; none: list them.
    names: Vec<String>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How to print profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Rows, for people.
    Text,
    /// An array of profiles.
    Json,
}

#[derive(Serialize)]
struct Printed {
    name: &'static str,
    title: &'static str,
    values: Vec<Value>,
}

#[derive(Serialize)]
struct Value {
    name: &'static str,
    value: String,
    confidence: String,
    source: &'static str,
}

impl Printed {
    fn new(profile: &Profile) -> Self {
        let value = |row: ipsec_policy::profile::Row| Value {
            name: row.name,
            value: row.value,
            confidence: row.confidence.to_string(),
            source: row.source,
        };
        let values = profile.rows().into_iter().map(value).collect();
        Printed { name: profile.name, title: profile.title, values }
    }
}

pub(crate) fn profile(args: &ProfileArgs) -> Result<bool, Error> {
    let known = || ALL.map(|p| p.name).join(", ");
    let find = |name: &String| {
        Profile::find(name).ok_or_else(|| Error::usage(format!("no profile `{name}`; there are {}", known())))
    };
    let chosen: Vec<&Profile> = match args.names.as_slice() {
        [] => ALL.to_vec(),
        names => names.iter().map(find).collect::<Result<_, _>>()?,
    };
    match args.format {
        Format::Json => print(&json(&chosen.into_iter().map(Printed::new).collect::<Vec<_>>())?)?,
        Format::Text if args.names.is_empty() => {
            let width = ALL.iter().map(|p| p.name.len()).max().unwrap_or(0);
            let lines = ALL.map(|p| format!("{:width$}  {}\n", p.name, p.title));
            print(&lines.concat())?;
        }
        Format::Text => {
            let texts: Vec<String> = chosen.into_iter().map(text).collect();
            print(&texts.join("\n"))?;
        }
    }
    Ok(true)
}

fn text(profile: &Profile) -> String {
    let mut text = format!("{}: {}\n", profile.name, profile.title);
    for row in profile.rows() {
        text +=
            &format!("  {:24}  {}\n  {:24}  {}: {}\n", row.name, row.value, "", row.confidence, row.source);
    }
    text
}
