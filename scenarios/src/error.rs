//! What can be wrong with a scenario's files: always with file, line, column and key.

use std::fmt;
use std::ops::Range;

/// A scenario that cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// File inside the scenario's directory.
    pub file: String,
    /// Line, from 1; 0 when the whole file is meant (it is missing, for example).
    pub line: usize,
    /// Column in characters, from 1; 0 with line 0.
    pub column: usize,
    /// The key the value belongs to, as far as it is known.
    pub key: Option<String>,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for LoadError {}

/// One file while it is read: turns byte spans into lines and columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doc<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
}

impl Doc<'_> {
    /// An error at this span of the file.
    pub(crate) fn error(&self, span: Range<usize>, key: &str, message: impl Into<String>) -> LoadError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        LoadError {
            file: self.file.to_string(),
            line,
            column,
            key: (!key.is_empty()).then(|| key.to_string()),
            message: message.into(),
        }
    }

    /// An error about the file as a whole.
    pub(crate) fn whole(&self, message: impl Into<String>) -> LoadError {
        missing(self.file, message)
    }

    /// Reads the file as TOML.
    pub(crate) fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, LoadError> {
        toml::from_str(self.text).map_err(|e| {
            let span = e.span().unwrap_or(0..0);
            let key = self.key_at(span.start);
            self.error(span, &key, e.message())
        })
    }

    /// The key on the line of this offset, for messages of the TOML reader, which has only the span.
    fn key_at(&self, offset: usize) -> String {
        let start = self.text.get(..offset).and_then(|t| t.rfind('\n')).map_or(0, |i| i + 1);
        let line = self.text.get(start..).and_then(|t| t.lines().next()).unwrap_or("");
        match line.split_once('=') {
            Some((key, _)) if !key.trim_start().starts_with('#') => {
                key.trim().trim_start_matches("{ ").into()
            }
            _ => String::new(),
        }
    }
}

/// An error without a place.
pub(crate) fn missing(file: &str, message: impl Into<String>) -> LoadError {
    LoadError { file: file.to_string(), line: 0, column: 0, key: None, message: message.into() }
}
