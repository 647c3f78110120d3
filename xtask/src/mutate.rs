//! `cargo xtask mutate`: does a test notice when a rule is broken?
//!
//! `ipsec-core/mutations.toml` lists rules with the way each is broken. The workspace is copied to `target/mutate/tree`, so
//! the working tree is never touched. In the copy every rule gets a switch, an `if` around its text, so that one build serves
//! all of them. The named tests must be green with no switch set; then, with one rule broken at a time, at least one of them
//! must turn red. What does not compile, or does not end, is not red. The result is `docs/mutations.md`.

mod list;
mod runner;
mod table;
mod tree;

use std::collections::BTreeSet;
use std::path::Path;

use list::Mutation;
use runner::{Named, Outcome, Runner};
use table::Row;

/// Where the list is, from the workspace's directory.
const LIST: &str = "ipsec-core/mutations.toml";

struct Arguments {
    ids: BTreeSet<String>,
    list: bool,
    survey: bool,
}

/// Runs the command with its arguments. An error is what to print before failing.
pub(crate) fn run(root: &Path, arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let all = list::read(root)?;
    let arguments = parse(arguments, &all)?;
    let wanted: Vec<&Mutation> =
        all.iter().filter(|m| arguments.ids.is_empty() || arguments.ids.contains(&m.id)).collect();
    if arguments.list {
        wanted.iter().for_each(|m| println!("{:24} {} ({})", m.id, m.rule, m.rfc));
        return Ok(());
    }
    let tree = tree::copy(root, &list::with_switches(root, &all)?)?;
    let named = |mutation| if arguments.survey { Named::all() } else { Named::of(mutation) };
    let merged = Named::merge(wanted.iter().flat_map(|m| named(m)));
    println!("Building the tests in {}.", tree.display());
    let runner = Runner::build(root, &tree, &merged)?;
    let unbroken = runner.run(&merged, None)?;
    if unbroken != Outcome::Green {
        return Err(format!("with nothing broken: {unbroken}"));
    }
    println!(
        "{} named tests are green with nothing broken.",
        merged.iter().map(|n| n.tests.len()).sum::<usize>()
    );
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for (number, mutation) in wanted.iter().enumerate() {
        let outcome = runner.run(&named(mutation), Some(&mutation.id))?;
        println!("[{:3}/{}] {}: {outcome}", number + 1, wanted.len(), mutation.id);
        match outcome {
            Outcome::Red(tests) => rows.push(Row::new(mutation, &tests)),
            other => failures.push(format!("{}: {other}", mutation.id)),
        }
    }
    if !arguments.survey {
        table::write(root, &all, &rows)?;
    }
    if failures.is_empty() {
        println!("All {} broken rules turned a test red.", wanted.len());
        Ok(())
    } else {
        Err(format!("{} of {} were not noticed:\n  {}", failures.len(), wanted.len(), failures.join("\n  ")))
    }
}

fn parse(arguments: impl Iterator<Item = String>, all: &[Mutation]) -> Result<Arguments, String> {
    let mut parsed = Arguments { ids: BTreeSet::new(), list: false, survey: false };
    for argument in arguments {
        match argument.as_str() {
            "--list" => parsed.list = true,
            "--survey" => parsed.survey = true,
            id if all.iter().any(|m| m.id == id) => {
                parsed.ids.insert(argument);
            }
            _ => return Err(format!("no rule has the id {argument} (cargo xtask mutate --list)")),
        }
    }
    Ok(parsed)
}
