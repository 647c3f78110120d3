//! Builds test programs in the copy, and runs tests by name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::list::Mutation;

/// Seconds that a test program may take; a broken rule may make it run for ever.
const SECONDS: u64 = 300;

/// The arguments of `cargo test` that choose a program.
type Target = &'static [&'static str];
const LIBRARY: Target = &["--lib"];
const INTEGRATION: Target = &["--test", "it"];

/// Tests of one program.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    package: String,
    target: Target,
    /// Names; none for all.
    pub(crate) tests: BTreeSet<String>,
}

impl Named {
    /// The tests that a mutation names.
    pub(crate) fn of(mutation: &Mutation) -> Vec<Named> {
        let named = [(LIBRARY, &mutation.lib), (INTEGRATION, &mutation.it)];
        let named = named.into_iter().filter(|(_, tests)| !tests.is_empty());
        let package = &mutation.package;
        named
            .map(|(target, tests)| Named {
                package: package.clone(),
                target,
                tests: tests.iter().cloned().collect(),
            })
            .collect()
    }

    /// All tests of the core.
    pub(crate) fn all() -> Vec<Named> {
        let all = |target| Named { package: "ipsec-core".into(), target, tests: BTreeSet::new() };
        vec![all(LIBRARY), all(INTEGRATION)]
    }

    fn program(&self) -> (String, Target) {
        (self.package.clone(), self.target)
    }

    /// One of each program.
    pub(crate) fn merge(all: impl Iterator<Item = Named>) -> Vec<Named> {
        let mut merged: BTreeMap<(String, Target), Named> = BTreeMap::new();
        for mut named in all {
            merged
                .entry(named.program())
                .and_modify(|known| known.tests.append(&mut named.tests))
                .or_insert(named);
        }
        merged.into_values().collect()
    }
}

/// What tests said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All passed.
    Green,
    /// These failed.
    Red(Vec<String>),
    /// Something else went wrong: tests were missing, or did not end.
    Unclear(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Green => f.write_str("NO TEST NOTICED"),
            Outcome::Red(tests) => write!(f, "red: {}", tests.join(", ")),
            Outcome::Unclear(why) => write!(f, "UNCLEAR, {why}"),
        }
    }
}

/// A test program and the directory to run it in.
type Program = (PathBuf, PathBuf);

/// The test programs, built.
pub(crate) struct Runner {
    programs: BTreeMap<(String, Target), Program>,
    output: PathBuf,
}

impl Runner {
    /// Builds the programs in the copy, below `target/mutate`: a program with switches must not be found in `target/debug`.
    pub(crate) fn build(root: &Path, tree: &Path, all: &[Named]) -> Result<Runner, String> {
        let scratch = root.join("target/mutate");
        let mut programs = BTreeMap::new();
        for named in all {
            programs.insert(named.program(), build(tree, &scratch.join("build"), named)?);
        }
        Ok(Runner { programs, output: scratch.join("output.txt") })
    }

    /// Runs the named tests of each program, with a rule broken or with none.
    pub(crate) fn run(&self, all: &[Named], broken: Option<&str>) -> Result<Outcome, String> {
        let mut red = Vec::new();
        for named in all {
            let program = self.programs.get(&named.program()).ok_or("a program was not built")?;
            let (ended, output) = self.execute(program, named, broken)?;
            let (passed, failed) = verdicts(&output);
            let silent = named.tests.iter().filter(|t| !passed.contains(*t) && !failed.contains(*t)).count();
            if !ended || silent > 0 || passed.len() + failed.len() == 0 {
                let why = if ended { "tests that did not run" } else { "tests that did not end" };
                return Ok(Outcome::Unclear(format!("{why} among {:?}", named.tests)));
            }
            red.extend(failed);
        }
        red.sort();
        Ok(if red.is_empty() { Outcome::Green } else { Outcome::Red(red) })
    }

    /// Whether the program ended, and what it printed.
    #[allow(clippy::disallowed_methods, reason = "only the clock can stop what a broken rule keeps running")]
    fn execute(
        &self,
        (program, directory): &Program,
        named: &Named,
        broken: Option<&str>,
    ) -> Result<(bool, String), String> {
        let failed = |why: std::io::Error| format!("{}: {why}", program.display());
        let output = File::create(&self.output).map_err(failed)?;
        let exact = (!named.tests.is_empty()).then_some("--exact");
        let mut child = Command::new(program)
            .args(exact)
            .args(&named.tests)
            .current_dir(directory)
            .env("CARGO_MANIFEST_DIR", directory)
            .env("INSTA_UPDATE", "no")
            .env("IPSECLAB_BROKEN_RULE", broken.unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut ended = false;
        for _ in 0..SECONDS * 10 {
            ended = child.try_wait().map_err(failed)?.is_some();
            if ended {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        if !ended {
            child.kill().and_then(|()| child.wait()).map_err(failed)?;
        }
        let printed = fs::read(&self.output).map_err(failed)?;
        Ok((ended, String::from_utf8_lossy(&printed).into_owned()))
    }
}

/// Builds the program with these tests. Prints what the compiler has against it.
fn build(tree: &Path, target: &Path, named: &Named) -> Result<Program, String> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["test", "--no-run", "--quiet", "--message-format=json-render-diagnostics", "--package"])
        .arg(&named.package)
        .args(named.target)
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", target)
        .stdin(Stdio::null())
        .output()
        .map_err(|why| format!("cargo: {why}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("a broken form does not compile, which is not red:\n{errors}"));
    }
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = messages.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
    let mut programs = messages.filter_map(|message| {
        let manifest = Path::new(message.get("manifest_path")?.as_str()?);
        Some((PathBuf::from(message.get("executable")?.as_str()?), manifest.parent()?.to_path_buf()))
    });
    programs.next_back().ok_or_else(|| format!("cargo built no test program of {}", named.package))
}

/// The names of the tests that passed and that failed, from what libtest prints.
fn verdicts(output: &str) -> (BTreeSet<String>, Vec<String>) {
    let (mut passed, mut failed) = (BTreeSet::new(), Vec::new());
    for line in output.lines().filter_map(|line| line.strip_prefix("test ")) {
        match line.split_once(" ... ") {
            Some((name, "ok")) => {
                passed.insert(name.trim_end_matches(" - should panic").to_owned());
            }
            Some((name, "FAILED")) => failed.push(name.trim_end_matches(" - should panic").to_owned()),
            _ => {}
        }
    }
    (passed, failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_libtest_prints() {
        let output = "\nrunning 3 tests\ntest a::b ... ok\ntest a::c ... FAILED\ntest d - should panic ... ok\n\n\
            failures:\n\n---- a::c stdout ----\ntest of nothing\n\ntest result: FAILED. 2 passed; 1 failed\n";
        let (passed, failed) = verdicts(output);
        assert_eq!((passed.len(), failed.as_slice()), (2, &["a::c".to_owned()][..]));
        assert!(passed.contains("a::b") && passed.contains("d"));
    }
}
