//! The committed result, `docs/mutations.md`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::list::Mutation;

const FILE: &str = "docs/mutations.md";

const HEAD: &str = "\
# Broken rules

Each row is a rule of `ipsec-core`, one way to break it, and the tests that turned red when it was broken. The list is
`ipsec-core/mutations.toml`; `cargo xtask mutate` rebuilds this table, `cargo xtask mutate ID` one row of it.

The command copies the workspace below `target/`, and gives every rule a switch there, so that all share one build. It checks
that the named tests are green with nothing broken, then breaks the rules one by one, and fails when no named test notices. A
broken form that does not compile, or makes tests run without end, does not count.

| id | rule | source | broken: | red |
|---|---|---|---|---|
";

/// One line of the table.
pub(crate) struct Row {
    id: String,
    line: String,
}

impl Row {
    /// The line of a rule that turned these tests red.
    pub(crate) fn new(mutation: &Mutation, red: &[String]) -> Row {
        let Mutation { id, rule, rfc, broken, .. } = mutation;
        let red: Vec<String> = red.iter().map(|test| format!("`{test}`")).collect();
        Row { id: id.clone(), line: format!("| `{id}` | {rule} | {rfc} | {broken} | {} |", red.join(", ")) }
    }
}

/// Writes the table: rows of this run, and for rules that were not run now those that are there already.
pub(crate) fn write(root: &Path, all: &[Mutation], rows: &[Row]) -> Result<(), String> {
    let path = root.join(FILE);
    let known = fs::read_to_string(&path).unwrap_or_default();
    let mut text = String::from(HEAD);
    for Mutation { id, .. } in all {
        let start = format!("| `{id}` |");
        let new = rows.iter().find(|row| row.id == *id).map(|row| row.line.as_str());
        if let Some(line) = new.or_else(|| known.lines().find(|line| line.starts_with(&start))) {
            text.push_str(line);
            text.push('\n');
        }
    }
    let count = text.lines().filter(|line| line.starts_with("| `")).count();
    writeln!(text, "\n{count} rules of {}.", all.len()).map_err(|why| why.to_string())?;
    let parent = path.parent().unwrap_or(root);
    fs::create_dir_all(parent).and_then(|()| fs::write(&path, text)).map_err(|why| format!("{FILE}: {why}"))
}
