//! Scenarios from a directory.

use std::path::Path;

use ipsec_scenarios::{Family, Files, Scenario, embedded};

use crate::exit::Error;

/// What an argument of `ipseclab run` names.
pub(crate) enum Wanted {
    /// One scenario.
    One(Box<Scenario>),
    /// Those of a family, or all that fit a pattern.
    Many(Vec<Scenario>),
}

/// What an argument names: scenarios that come with the program, or those of a directory.
pub(crate) fn wanted(text: &str) -> Result<Wanted, Error> {
    let names = embedded::matching(text);
    if !names.is_empty() {
        return names.into_iter().map(own).collect::<Result<_, _>>().map(Wanted::Many);
    }
    let path = Path::new(text);
    if is_family(path) {
        return family(path).map(Wanted::Many);
    }
    scenario(text).map(Box::new).map(Wanted::One)
}

/// Whether a directory holds a family of scenarios.
pub(crate) fn is_family(path: &Path) -> bool {
    path.join("family.toml").exists()
}

/// Whether this is a name within the directory of a family: `my-family/a-scenario`.
pub(crate) fn is_member(path: &Path) -> bool {
    path.components().count() > 1 && !path.is_dir() && path.parent().is_some_and(is_family)
}

/// A scenario that comes with the program.
fn own(name: &str) -> Result<Scenario, Error> {
    embedded::scenario(name).map_err(|e| Error::usage(format!("{name}/{e}")))
}

/// All scenarios of a directory with a `family.toml`.
fn family(path: &Path) -> Result<Vec<Scenario>, Error> {
    let wrong = |e| Error::usage(format!("{}/{e}", path.display()));
    let family = Family::load(&read(path)?).map_err(wrong)?;
    family.names().filter_map(|name| family.scenario(name)).collect::<Result<_, _>>().map_err(wrong)
}

/// One scenario of a directory with a `family.toml`.
fn member(path: &Path) -> Result<Scenario, Error> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let scenarios = family(path.parent().unwrap_or(path))?;
    let found = scenarios.into_iter().find(|s| s.name == name);
    found.ok_or_else(|| Error::usage(format!("{}: the family has no such scenario", path.display())))
}

/// The scenario that an argument names: one that comes with the program, or a directory.
pub(crate) fn scenario(text: &str) -> Result<Scenario, Error> {
    let path = Path::new(text);
    match embedded::resolve(text) {
        Ok(name) => own(name),
        Err(_) if path.is_dir() => load(path),
        Err(_) if is_member(path) => member(path),
        Err(fitting) if fitting.is_empty() => Err(Error::usage(format!(
            "there is no scenario or directory `{text}`; `ipseclab list` names the scenarios"
        ))),
        Err(fitting) => Err(Error::usage(format!("`{text}` may be any of {}", fitting.join(", ")))),
    }
}

/// Reads a directory. A twin's parent is a directory beside it, or a scenario that comes with the program; what a twin
/// must show stands in `twins.toml` beside it, or in the program's.
fn load(path: &Path) -> Result<Scenario, Error> {
    let files = read(path)?;
    let beside = path.canonicalize().ok().and_then(|p| p.parent().map(Path::to_path_buf)).unwrap_or_default();
    let parents = |name: &str| {
        let directory = beside.join(name);
        if directory.is_dir() { read(&directory).ok() } else { embedded::files(name) }
    };
    let twins = std::fs::read_to_string(beside.join("twins.toml"));
    let twins = twins.as_deref().unwrap_or(embedded::TWINS);
    Scenario::load(&files, parents, Some(twins)).map_err(|e| Error::usage(format!("{}/{e}", path.display())))
}

fn read(path: &Path) -> Result<Files, Error> {
    let failed = |e: &std::io::Error| Error::file(path, e);
    let full = path.canonicalize().map_err(|e| failed(&e))?;
    let name = full.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let mut files = Files::new(&name);
    for entry in std::fs::read_dir(&full).map_err(|e| failed(&e))? {
        let entry = entry.map_err(|e| failed(&e))?;
        if entry.file_type().is_ok_and(|t| t.is_file()) {
            let content = std::fs::read(entry.path()).map_err(|e| Error::file(&entry.path(), &e))?;
            files.insert(&entry.file_name().to_string_lossy(), content);
        }
    }
    Ok(files)
}
