//! The files of a scenario, from this library or from a directory.

use std::collections::BTreeMap;

use crate::error::{LoadError, missing};

/// The files of one directory, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    name: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Files {
    /// An empty directory of this name.
    pub fn new(name: &str) -> Self {
        Files { name: name.to_string(), files: BTreeMap::new() }
    }

    /// The directory's name, which is the scenario's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, file: &str, content: impl Into<Vec<u8>>) {
        self.files.insert(file.to_string(), content.into());
    }

    /// Whether there is such a file.
    pub fn contains(&self, file: &str) -> bool {
        self.files.contains_key(file)
    }

    /// The bytes of a file.
    pub fn bytes(&self, file: &str) -> Result<&[u8], LoadError> {
        self.files
            .get(file)
            .map(Vec::as_slice)
            .ok_or_else(|| missing(file, format!("`{}` has no such file", self.name)))
    }

    /// A file as text.
    pub fn text(&self, file: &str) -> Result<&str, LoadError> {
        std::str::from_utf8(self.bytes(file)?)
            .map_err(|e| missing(file, format!("not UTF-8 from octet {} on", e.valid_up_to())))
    }

    /// All files with their names, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// This directory over that of a parent: what both have comes from this one.
    pub(crate) fn over(&self, parent: &Files) -> Files {
        let mut files = parent.files.clone();
        files.extend(self.files.iter().map(|(n, b)| (n.clone(), b.clone())));
        Files { name: self.name.clone(), files }
    }
}
