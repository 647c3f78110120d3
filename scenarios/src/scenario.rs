//! A scenario, read and checked.

use crate::error::{Doc, LoadError, missing};
use crate::family::Expected;
use crate::source::Files;
use crate::steps::Steps;
use crate::topology::Topology;
use crate::twin::{Twin, TwinFile, TwinsFile};

/// A network story that can be run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name: that of its directory.
    pub name: String,
    /// One line about it.
    pub title: String,
    /// The scenario it is a variation of.
    pub parent: Option<String>,
    /// Its files, patched if it is a twin.
    pub files: Files,
    /// Its network.
    pub topology: Topology,
    /// What happens.
    pub steps: Steps,
    /// What it must show, if it is a twin; then this replaces the checks of `steps`.
    pub twin: Option<Twin>,
    /// What it must show, if it is one of a family; `steps` check it.
    pub expected: Option<Expected>,
}

impl Scenario {
    /// Reads a directory. `parents` finds the parent of a twin; `twins` is the text of `twins.toml`.
    pub fn load(
        directory: &Files,
        parents: impl Fn(&str) -> Option<Files>,
        twins: Option<&str>,
    ) -> Result<Scenario, LoadError> {
        if !directory.contains("twin.toml") {
            return Scenario::read(directory.clone(), None, None);
        }
        let doc = Doc { file: "twin.toml", text: directory.text("twin.toml")? };
        let file: TwinFile = doc.parse()?;
        let parent = parents(&file.parent)
            .ok_or_else(|| doc.whole(format!("there is no scenario `{}` to be a twin of", file.parent)))?;
        let mut files = directory.over(&parent);
        file.apply(doc, &mut files)?;
        let table = Doc { file: "twins.toml", text: twins.unwrap_or("") };
        let found = match twins {
            Some(_) => table.parse::<TwinsFile>()?.twins,
            None => return Err(table.whole("a twin needs this table: it says what must come of it")),
        };
        let twin = found.into_iter().find(|t| t.name.get_ref() == directory.name()).ok_or_else(|| {
            missing("twins.toml", format!("does not say what `{}` must show", directory.name()))
        })?;
        Scenario::read(files, Some(file), Some((table, twin)))
    }

    fn read(
        files: Files,
        twin_file: Option<TwinFile>,
        twin: Option<(Doc<'_>, Twin)>,
    ) -> Result<Scenario, LoadError> {
        let doc = Doc { file: "topology.toml", text: files.text("topology.toml")? };
        let topology: Topology = doc.parse()?;
        topology.validate(doc)?;
        for script in topology.nodes.iter().filter_map(|n| n.policy.as_ref()) {
            if !files.contains(script.get_ref()) {
                return Err(doc.error(script.span(), "node.policy", "there is no such file"));
            }
        }
        for script in topology.domains.iter().filter_map(|d| d.policies.as_ref()) {
            if !files.contains(script.get_ref()) {
                return Err(doc.error(script.span(), "domain.policies", "there is no such file"));
            }
        }
        let doc = Doc { file: "steps.toml", text: files.text("steps.toml")? };
        let steps: Steps = doc.parse()?;
        steps.validate(doc, &topology)?;
        if let Some((doc, twin)) = &twin {
            twin.validate(*doc, &topology, &steps)?;
        }
        let (title, parent) = match twin_file {
            Some(file) => (file.title, Some(file.parent)),
            None => (topology.title.clone(), None),
        };
        let twin = twin.map(|(_, twin)| twin);
        let name = files.name().to_string();
        Ok(Scenario { name, title, parent, files, topology, steps, twin, expected: None })
    }
}
