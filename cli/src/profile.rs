//! `ipseclab profile`: what each release does, and how sure we are of it.

use std::fmt;

use clap::{Args, ValueEnum};
use ipsec_policy::profile::{ALL, Profile, Row};
use serde::Serialize;

use crate::exit::{Error, print};
use crate::run::json;

/// Options of `ipseclab profile`.
#[derive(Debug, Args)]
pub(crate) struct ProfileArgs {
    /// Names as in the topologies of scenarios; none: list them.
    names: Vec<String>,
    /// Show only in what two of them differ.
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with = "names")]
    diff: Option<Vec<String>>,
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
        let value = |row: Row| Value {
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
    if let Some([a, b]) = args.diff.as_deref() {
        let found = differences(find(a)?, find(b)?);
        match args.format {
            Format::Json => print(&json(&found)?)?,
            Format::Text => print(&found.iter().map(ToString::to_string).collect::<String>())?,
        }
        return Ok(true);
    }
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

/// A value that two profiles do not share; `None` where one has nothing of the kind.
#[derive(Serialize)]
struct Difference {
    name: &'static str,
    a: Option<String>,
    b: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |value: &Option<String>| value.clone().unwrap_or("-".into());
        writeln!(f, "  {:24}  {}\n  {:24}  {}", self.name, side(&self.a), "", side(&self.b))
    }
}

/// The values of either that the other has not, in the order of the table.
fn differences(a: &Profile, b: &Profile) -> Vec<Difference> {
    let (a, b) = (a.rows(), b.rows());
    let lacks = |rows: &[Row], row: &Row| !rows.iter().any(|r| (r.name, &r.value) == (row.name, &row.value));
    let mut only_b: Vec<&Row> = b.iter().filter(|row| lacks(&a, row)).collect();
    let mut found = Vec::new();
    for row in a.iter().filter(|row| lacks(&b, row)) {
        let other = only_b.iter().position(|r| r.name == row.name).map(|place| only_b.remove(place));
        found.push(Difference {
            name: row.name,
            a: Some(row.value.clone()),
            b: other.map(|r| r.value.clone()),
        });
    }
    found.extend(only_b.iter().map(|r| Difference { name: r.name, a: None, b: Some(r.value.clone()) }));
    found
}

fn text(profile: &Profile) -> String {
    let mut text = format!("{}: {}\n", profile.name, profile.title);
    for row in profile.rows() {
        text +=
            &format!("  {:24}  {}\n  {:24}  {}: {}\n", row.name, row.value, "", row.confidence, row.source);
    }
    text
}
