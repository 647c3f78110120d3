//! Files that a script names: scripts that it calls, and what it reads.

use std::ops::Range;

use super::super::error::{Error, ErrorKind, Fault};
use super::super::source::{self, Source};
use super::{DEEPEST, Session, run_script};

/// A script can print into so many files.
const MOST_FILES: usize = 64;

impl Session<'_> {
    /// Runs another `netsh` script where the shell stands. Its end leads back to this context.
    pub(super) fn call(&mut self, source: &Source, span: Range<usize>, name: &str) -> Result<(), Fault> {
        let Some(bytes) = self.read(name) else {
            return Err(Fault::new(span, ErrorKind::NoFile { name: name.to_owned() }));
        };
        self.carry_out(source, span, name, &source::decode(&bytes).0)
    }

    /// `netsh <file`: its lines are what a person would type.
    pub(in crate::netsh) fn read_by_netsh(&mut self, source: &Source, name: &str) -> Result<(), Error> {
        let span = 0..source.text().len();
        let saved = std::mem::take(&mut self.place.context);
        let result = self.call(source, span, name);
        self.place.context = saved;
        result.or_else(|fault| self.fail(source, fault))
    }

    /// `echo command | netsh`.
    pub(in crate::netsh) fn fed_to_netsh(&mut self, source: &Source, text: &str) -> Result<(), Error> {
        let span = 0..source.text().trim_end().len();
        let saved = std::mem::take(&mut self.place.context);
        let result = self.carry_out(source, span, "the pipe", text);
        self.place.context = saved;
        result.or_else(|fault| self.fail(source, fault))
    }

    fn carry_out(
        &mut self,
        source: &Source,
        span: Range<usize>,
        name: &str,
        text: &str,
    ) -> Result<(), Fault> {
        let fault = |kind| Err(Fault::new(span.clone(), kind));
        if self.depth >= DEEPEST {
            return fault(ErrorKind::TooDeep);
        }
        let lines = super::super::lines(text);
        let sources: Vec<Source> =
            (1..).zip(&lines).map(|(number, line)| Source::line(number, line)).collect();
        let mut inner = Session {
            output: std::mem::take(&mut self.output),
            echoed: std::mem::take(&mut self.echoed),
            place: self.place.clone(),
            depth: self.depth + 1,
            ..Session::new(self.stores, self.setting, name, &lines, false)
        };
        let notes = std::mem::take(&mut inner.output.notes);
        let result = run_script(&mut inner, &sources);
        let (location, mut output, echoed) = (inner.place.location, inner.output, inner.echoed);
        let said = std::mem::replace(&mut output.notes, notes);
        (self.output, self.place.location, self.echoed) = (output, location, echoed);
        for note in said {
            let text = format!("{name}:{}:{}: {}", note.line, note.column, note.message);
            self.note(source.position(span.start), note.kind, text);
        }
        result.or_else(|error| fault(ErrorKind::InFile { error: Box::new(error) }))
    }

    /// What the run has printed so far.
    pub(in crate::netsh) fn printed(&self) -> &str {
        &self.output.text
    }

    /// Takes back what was printed behind this many bytes.
    pub(in crate::netsh) fn forget_printed(&mut self, bytes: usize) {
        if self.output.text.is_char_boundary(bytes) {
            self.output.text.truncate(bytes);
        }
    }

    /// What a person would type.
    pub(in crate::netsh) fn answers(&self) -> &[&str] {
        self.setting.answers
    }

    /// Keeps what a script prints into a file; `None` is something that is not known. Nothing is written to a disk.
    pub(in crate::netsh) fn write(&mut self, name: &str, text: Option<String>, append: bool, most: usize) {
        let name = echoed_name(name);
        let old = self.echoed.iter().position(|(n, _)| *n == name).map(|at| self.echoed.remove(at).1);
        let before = match old {
            _ if !append => Some(String::new()),
            Some(before) => before,
            // What stands before it in a file that was there is not known, unless it can be read.
            None => Some(self.read(&name).map(|bytes| source::decode(&bytes).0).unwrap_or_default()),
        };
        let all = before.zip(text).map(|(a, b)| a + &b).filter(|all| all.len() <= most);
        if self.echoed.len() < MOST_FILES {
            self.echoed.push((name, all));
        }
    }

    /// Whether a file was one that the script had printed into; then it is gone.
    pub(in crate::netsh) fn delete(&mut self, name: &str) -> bool {
        let (name, before) = (echoed_name(name), self.echoed.len());
        self.echoed.retain(|(n, _)| *n != name);
        self.echoed.len() < before
    }

    /// A file: one that this run has written, else one of the computer's.
    pub(in crate::netsh) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let key = echoed_name(name);
        if let Some((_, text)) = self.echoed.iter().find(|(n, _)| *n == key) {
            return text.clone().map(String::into_bytes);
        }
        let written = self.output.files.iter().rev().find(|(n, _)| n == name);
        match written {
            Some((_, text)) => Some(text.clone().into_bytes()),
            None => self.setting.read.and_then(|read| read(name)),
        }
    }
}

/// Windows finds a file whatever the case of its letters.
fn echoed_name(name: &str) -> String {
    let name = name.to_lowercase().replace('/', "\\");
    name.strip_prefix(".\\").unwrap_or(&name).to_owned()
}
