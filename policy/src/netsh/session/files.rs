//! Files that a script names: scripts that it calls, and what it reads.

use std::ops::Range;

use super::super::error::{ErrorKind, Fault};
use super::super::source::{self, Source};
use super::{DEEPEST, Session, run_script};

impl Session<'_> {
    /// Runs another `netsh` script where the shell stands. Its end leads back to this context.
    pub(super) fn call(&mut self, source: &Source, span: Range<usize>, name: &str) -> Result<(), Fault> {
        let fault = |kind| Err(Fault::new(span.clone(), kind));
        if self.depth >= DEEPEST {
            return fault(ErrorKind::TooDeep);
        }
        let Some(bytes) = self.read(name) else {
            return fault(ErrorKind::NoFile { name: name.to_owned() });
        };
        let text = source::decode(&bytes).0;
        let lines = super::super::lines(&text);
        let sources: Vec<Source> =
            (1..).zip(&lines).map(|(number, line)| Source::line(number, line)).collect();
        let mut inner = Session {
            output: std::mem::take(&mut self.output),
            place: self.place.clone(),
            depth: self.depth + 1,
            ..Session::new(self.stores, self.setting, name, &lines, false)
        };
        let notes = std::mem::take(&mut inner.output.notes);
        let result = run_script(&mut inner, &sources);
        let (location, mut output) = (inner.place.location, inner.output);
        let said = std::mem::replace(&mut output.notes, notes);
        (self.output, self.place.location) = (output, location);
        for note in said {
            let text = format!("{name}:{}:{}: {}", note.line, note.column, note.message);
            self.note(source.position(span.start), note.kind, text);
        }
        result.or_else(|error| fault(ErrorKind::InFile { error: Box::new(error) }))
    }

    /// A file: one that this run has written, else one of the computer's.
    pub(in crate::netsh) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let written = self.output.files.iter().rev().find(|(n, _)| n == name);
        match written {
            Some((_, text)) => Some(text.clone().into_bytes()),
            None => self.setting.read.and_then(|read| read(name)),
        }
    }
}
