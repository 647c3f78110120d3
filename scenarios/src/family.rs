//! `family.toml`: many scenarios that differ in a few words, written once.
//!
//! ```text
//!  nat-{{mapping}}-{{version}}      a name with axes in it: one scenario for each combination of their values
//!        |  words: of the scenario, then of its axes' values, then of the family
//!        v
//!  parts of files, joined, with every {{word}} replaced  -->  topology.toml, steps.toml, *.netsh: an ordinary scenario
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::error::{Doc, LoadError, missing};
use crate::scenario::Scenario;
use crate::source::Files;
use crate::twin::Outcome;

/// Words within words go no deeper than this.
const DEPTH: usize = 8;

type Words = BTreeMap<String, String>;

/// `family.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FamilyFile {
    /// One line for `ipseclab list`.
    title: String,
    /// The parts of each file. A part's name may have words in it; an empty one is no part.
    files: BTreeMap<String, Vec<String>>,
    /// What words mean where nothing else says so.
    #[serde(default)]
    words: Words,
    /// Axes, their values, and the words that each value sets.
    #[serde(default)]
    axis: BTreeMap<String, BTreeMap<String, Words>>,
    #[serde(rename = "scenario")]
    scenarios: Vec<Pattern>,
}

/// Scenarios with one outcome for one reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pattern {
    /// Its name; each axis in it takes all its values.
    name: Spanned<String>,
    /// One line for `ipseclab list`.
    title: String,
    /// What must come of it.
    outcome: Outcome,
    /// Why, with the source.
    why: String,
    /// More words. One that is an axis has one of the axis' values.
    #[serde(default)]
    words: Words,
    /// The values that an axis takes here, where not all.
    #[serde(default)]
    only: BTreeMap<String, Vec<String>>,
}

/// What a scenario of a family must show, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its family.
    pub family: String,
    /// What must come of it.
    pub outcome: Outcome,
    /// Why, with the source.
    pub why: String,
}

/// Scenarios written once.
#[derive(Clone, Debug)]
pub struct Family {
    files: Files,
    title: String,
    parts: BTreeMap<String, Vec<String>>,
    members: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    name: String,
    title: String,
    expected: Expected,
    words: Words,
}

impl Family {
    /// Reads a directory with a `family.toml`.
    ///
    /// # Errors
    /// When the file is wrong, or two scenarios have one name.
    pub fn load(files: &Files) -> Result<Family, LoadError> {
        let doc = Doc { file: "family.toml", text: files.text("family.toml")? };
        let file: FamilyFile = doc.parse()?;
        let mut members: Vec<Member> = Vec::new();
        for pattern in &file.scenarios {
            let wrong = |message: String| doc.error(pattern.name.span(), "scenario.name", message);
            for words in combinations(&file, pattern).map_err(&wrong)? {
                let member = Member::new(files.name(), pattern, words).map_err(&wrong)?;
                if members.iter().any(|m| m.name == member.name) {
                    return Err(wrong(format!("a second scenario `{}`", member.name)));
                }
                members.push(member);
            }
        }
        Ok(Family { files: files.clone(), title: file.title, parts: file.files, members })
    }

    /// Its name: that of its directory.
    pub fn name(&self) -> &str {
        self.files.name()
    }

    /// One line about it.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Names of its scenarios, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|m| m.name.as_str())
    }

    /// The files of one of its scenarios; `None` if it has no such scenario.
    pub fn files(&self, name: &str) -> Option<Result<Files, LoadError>> {
        self.member(name).map(|member| self.join(member))
    }

    /// Reads one of its scenarios; `None` if it has no such scenario.
    pub fn scenario(&self, name: &str) -> Option<Result<Scenario, LoadError>> {
        let member = self.member(name)?;
        let read = |files: Files| Scenario::load(&files, |_| None, None);
        let described = |scenario: Scenario| Scenario {
            title: member.title.clone(),
            expected: Some(member.expected.clone()),
            ..scenario
        };
        Some(self.join(member).and_then(read).map(described))
    }

    fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.name == name)
    }

    /// Joins the parts of every file.
    fn join(&self, member: &Member) -> Result<Files, LoadError> {
        let mut files = Files::new(&member.name);
        for (file, parts) in &self.parts {
            let mut text = String::new();
            for part in parts {
                let part = fill(part, &member.words).map_err(|e| missing("family.toml", e))?;
                for part in part.split_whitespace() {
                    let filled = fill(self.files.text(part)?, &member.words);
                    text += &filled.map_err(|e| missing(part, e))?;
                    text.push('\n');
                }
            }
            if !text.is_empty() {
                files.insert(file, text);
            }
        }
        Ok(files)
    }
}

impl Member {
    fn new(family: &str, pattern: &Pattern, mut words: Words) -> Result<Member, String> {
        let name = fill(pattern.name.get_ref(), &words)?;
        let title = fill(&pattern.title, &words)?;
        let why = fill(&pattern.why, &words)?;
        for (word, text) in [
            ("name", name.clone()),
            ("title", title.clone()),
            ("why", why.clone()),
            ("outcome", pattern.outcome.to_string()),
        ] {
            words.insert(word.into(), text);
        }
        let expected = Expected { family: family.into(), outcome: pattern.outcome, why };
        Ok(Member { name, title, expected, words })
    }
}

/// The words of each scenario that a pattern stands for.
fn combinations(file: &FamilyFile, pattern: &Pattern) -> Result<Vec<Words>, String> {
    let mut all = vec![Words::new()];
    for (axis, values) in &file.axis {
        let only = pattern.only.get(axis);
        let fixed = pattern.words.get(axis).or_else(|| file.words.get(axis));
        let is_wanted = |value: &&String| only.is_none_or(|only| only.contains(value));
        let chosen: Vec<&String> = if pattern.name.get_ref().contains(&format!("{{{{{axis}}}}}")) {
            values.keys().filter(is_wanted).collect()
        } else {
            values.keys().filter(|value| Some(*value) == fixed).collect()
        };
        let unknown = only.into_iter().flatten().chain(fixed).find(|value| !values.contains_key(*value));
        if let Some(value) = unknown {
            return Err(format!("the axis `{axis}` has no value `{value}`"));
        }
        if chosen.is_empty() {
            continue;
        }
        let with = |words: &Words, value: &String| {
            let mut words = words.clone();
            words.extend(values.get(value).cloned().unwrap_or_default());
            words.insert(axis.clone(), value.clone());
            words
        };
        all = all.iter().flat_map(|words| chosen.iter().map(|value| with(words, value))).collect();
    }
    let complete = |words: Words| {
        let mut complete = file.words.clone();
        complete.extend(words);
        complete.extend(pattern.words.clone());
        complete
    };
    Ok(all.into_iter().map(complete).collect())
}

/// Replaces every `{{word}}`.
fn fill(text: &str, words: &Words) -> Result<String, String> {
    let mut text = text.to_string();
    for _ in 0..DEPTH {
        if !text.contains("{{") {
            return Ok(text);
        }
        let mut filled = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            let (word, after) = after.split_once("}}").ok_or("`{{` without `}}`")?;
            filled += before;
            filled += words.get(word).ok_or_else(|| format!("nothing says what {{{{{word}}}}} is"))?;
            rest = after;
        }
        filled += rest;
        text = filled;
    }
    Err("words that stand for each other have no end".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(text: &str) -> Result<Family, LoadError> {
        let mut files = Files::new("f");
        files.insert("family.toml", text);
        files.insert("a.txt", "{{greeting}}, {{size}} {{name}}");
        files.insert("b.txt", "b");
        Family::load(&files)
    }

    const TEXT: &str = r#"
        title = "t"
        files = { "x" = ["a.txt", "{{more}}"], "y" = ["{{more}}"] }
        words = { more = "", greeting = "hello", colour = "red" }
        axis.size = { large = { more = "b.txt" }, small = {} }
        axis.colour = { blue = {}, red = { greeting = "{{colour}} hello" } }
        [[scenario]]
        name = "f-{{size}}-{{colour}}"
        title = "{{size}}"
        outcome = "protected"
        why = "because"
        [[scenario]]
        name = "f-one"
        title = "one"
        outcome = "refused"
        why = "because"
        words = { size = "large" }
    "#;

    #[test]
    fn axes_in_a_name_take_all_their_values() {
        let family = family(TEXT).unwrap();
        let names: Vec<_> = family.names().collect();
        assert_eq!(names, ["f-large-blue", "f-small-blue", "f-large-red", "f-small-red", "f-one"]);
        let text = |name: &str, file: &str| {
            let files = family.files(name).unwrap().unwrap();
            files.text(file).map(str::to_string)
        };
        assert_eq!(text("f-large-blue", "x").unwrap(), "hello, large f-large-blue\nb\n");
        assert_eq!(text("f-small-red", "x").unwrap(), "red hello, small f-small-red\n");
        assert_eq!(text("f-one", "x").unwrap(), "red hello, large f-one\nb\n");
        assert!(text("f-small-red", "y").is_err(), "a file without parts is no file");
        assert!(family.files("f-two").is_none());
    }

    #[test]
    fn mistakes_are_found() {
        let is = |text: &str, with: &str, wanted: &str| {
            assert!(TEXT.contains(text));
            let error = family(&TEXT.replace(text, with)).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        };
        is("f-one", "f-small-red", "a second scenario `f-small-red`");
        is("size = \"large\"", "size = \"huge\"", "the axis `size` has no value `huge`");
        is("title = \"one\"", "title = \"{{one}}\"", "nothing says what {{one}} is");
        is("title = \"one\"", "title = \"{{one\"", "without `}}`");
        is("greeting = \"hello\"", "more = \"{{more}}\"", "duplicate key");
        let endless = TEXT.replace("b.txt", "{{more}}").replace("title = \"one\"", "title = \"{{more}}\"");
        assert!(family(&endless).unwrap_err().to_string().contains("no end"));
    }
}
