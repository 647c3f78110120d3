//! The committed list of rules, and the way each is broken.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One rule and one way to break it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mutation {
    /// Its short name.
    pub(crate) id: String,
    /// The rule, a sentence.
    pub(crate) rule: String,
    /// The document and section it comes from.
    pub(crate) rfc: String,
    /// What the broken program does instead, in words.
    pub(crate) broken: String,
    /// The file, from the workspace's directory; in the sources of the core.
    file: String,
    /// Text that occurs there exactly once: an expression, or whole statements.
    find: String,
    /// What takes its place: of the same type.
    replace: String,
    /// The package whose tests notice.
    #[serde(default = "core")]
    pub(crate) package: String,
    /// Tests of the library (`--lib`) expected red.
    #[serde(default)]
    pub(crate) lib: Vec<String>,
    /// Integration tests (`--test it`) expected red.
    #[serde(default)]
    pub(crate) it: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    mutation: Vec<Mutation>,
}

fn core() -> String {
    "ipsec-core".into()
}

/// The crate's root, where the switches are read.
const CRATE_ROOT: &str = "ipsec-core/src/lib.rs";

/// What comes first there: switches leave needless parentheses behind.
const QUIET: &str = "#![allow(unused)]\n";

/// What is appended to it: the environment sets one switch.
const SWITCHES: &str = r#"
/// Whether this rule is broken.
pub fn rule_is_broken(id: &str) -> bool {
    extern crate std;
    static BROKEN: std::sync::OnceLock<Option<std::ffi::OsString>> = std::sync::OnceLock::new();
    BROKEN.get_or_init(|| std::env::var_os("IPSECLAB_BROKEN_RULE")).as_deref() == Some(id.as_ref())
}
"#;

/// Reads the list.
pub(crate) fn read(root: &Path) -> Result<Vec<Mutation>, String> {
    let path = root.join(super::LIST);
    let text = std::fs::read_to_string(&path).map_err(|why| format!("{}: {why}", path.display()))?;
    let list: List = toml::from_str(&text).map_err(|why| format!("{}: {why}", path.display()))?;
    Ok(list.mutation)
}

/// The files of the core that have rules, each rule with its switch. Fails when a text is not there exactly once.
pub(crate) fn with_switches(root: &Path, all: &[Mutation]) -> Result<BTreeMap<PathBuf, String>, String> {
    let read = |file: &str| std::fs::read_to_string(root.join(file)).map_err(|why| format!("{file}: {why}"));
    let mut of_file: BTreeMap<&str, Vec<&Mutation>> = BTreeMap::new();
    all.iter().for_each(|mutation| of_file.entry(&mutation.file).or_default().push(mutation));
    let mut files =
        BTreeMap::from([(root.join(CRATE_ROOT), QUIET.to_owned() + &read(CRATE_ROOT)? + SWITCHES)]);
    for (file, mutations) in of_file {
        files.insert(root.join(file), switched(&read(file)?, &mutations)?);
    }
    Ok(files)
}

/// One source with switches. Rules about the same text are alternatives.
fn switched(source: &str, mutations: &[&Mutation]) -> Result<String, String> {
    let mut places: BTreeMap<usize, Vec<&Mutation>> = BTreeMap::new();
    for mutation in mutations {
        let mut found = source.match_indices(&mutation.find);
        match (found.next(), found.next()) {
            (Some((at, _)), None) => places.entry(at).or_default().push(mutation),
            (None, _) => return Err(format!("{}: `find` is not in {}", mutation.id, mutation.file)),
            _ => return Err(format!("{}: `find` occurs twice in {}", mutation.id, mutation.file)),
        }
    }
    let (mut result, mut copied) = (String::new(), 0);
    for (at, mutations) in places {
        let Some(find) = mutations.first().map(|m| &m.find) else { continue };
        if at < copied || mutations.iter().any(|m| m.find != *find) {
            let ids: Vec<&str> = mutations.iter().map(|m| m.id.as_str()).collect();
            return Err(format!("{}: `find` overlaps that of another rule", ids.join(", ")));
        }
        result += &source[copied..at];
        result += &switch(find, &mutations).map_err(|why| why.to_string())?;
        copied = at + find.len();
    }
    Ok(result + &source[copied..])
}

fn switch(find: &str, mutations: &[&Mutation]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for Mutation { id, replace, .. } in mutations {
        write!(text, "if crate::rule_is_broken({id:?}) {{ {replace} }} else ")?;
    }
    write!(text, "{{ {find} }}")?;
    // An expression may stand within another one.
    Ok(if find.ends_with(';') { text } else { format!("({text})") })
}

#[cfg(test)]
mod tests;
