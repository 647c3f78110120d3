//! `netsh ipsec static` scripts: batch files, `netsh -f` files and lines copied from a prompt.
//!
//! ```text
//! bytes --source--> text with places --batch--> netsh lines --token--> words --static_context--> Store
//! ```
//!
//! Syntax is read liberally: any case, short forms, positional values, blanks around `=`, `^` continuations, `REM`,
//! `::`, `#` and `//` remarks, `pushd ipsec static`, GBK or UTF-16 files. Meaning is exact: a batch file's variables,
//! `if`, `for`, `goto` and `call :label` are carried out where their outcome is known, and what is not known is named in
//! a [`Note`] and never guessed. The first error stops the script and leaves the store as it was before it.
//!
//! One leniency is deliberate. A batch file goes on after a netsh command has failed, and scripts begin by deleting what
//! an earlier run may have left; so deleting (or showing) something that does not exist is a note, not an error.

use core::fmt;

use crate::store::Store;

mod batch;
mod context;
mod error;
mod source;
mod static_context;
mod token;

pub use error::{Error, ErrorKind};

use context::Session;
use source::Source;

/// What a script printed and what there is to say about it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Output {
    /// The output of `show` commands.
    pub text: String,
    /// Lines that were not understood or that mean something else than they seem to.
    pub notes: Vec<Note>,
    /// How many netsh commands were carried out.
    pub commands: usize,
}

/// A remark on a place in the script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// Line in the file, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Why it is made.
    pub kind: NoteKind,
    /// The remark.
    pub message: String,
}

/// Why a note is made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NoteKind {
    /// A line or condition was not understood and had no effect.
    NotUnderstood,
    /// A command was understood and has no effect here.
    NoEffect,
    /// A command was carried out; this is worth knowing about it.
    Remark,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: note: {}", self.line, self.column, self.message)
    }
}

/// Runs a script. On an error the store is what it was before.
///
/// `file` is only used to name the file in errors. The script runs as if started without arguments.
///
/// ```
/// let mut store = ipsec_policy::Store::new();
/// let script = b"netsh ipsec static add policy name=\"Alice's IPSec\" activatedefaultrule=no assign=y";
/// ipsec_policy::netsh::run_script(&mut store, "alice.cmd", script).unwrap();
/// assert_eq!(store.assigned().unwrap().name, "Alice's IPSec");
/// ```
pub fn run_script(store: &mut Store, file: &str, bytes: &[u8]) -> Result<Output, Error> {
    run_script_with(store, file, bytes, &[])
}

/// Runs a script with batch arguments `%1`, `%2` and so on. On an error the store is what it was before.
pub fn run_script_with(
    store: &mut Store,
    file: &str,
    bytes: &[u8],
    arguments: &[&str],
) -> Result<Output, Error> {
    let mut copy = store.clone();
    let (output, errors) = run(&mut copy, file, bytes, arguments, false);
    match errors.into_iter().next() {
        Some(error) => Err(error),
        None => {
            *store = copy;
            Ok(output)
        }
    }
}

/// Looks at a script without changing the store: goes on after errors, as a batch file does, and reports all of them.
#[must_use]
pub fn check(store: &Store, file: &str, bytes: &[u8]) -> (Output, Vec<Error>) {
    run(&mut store.clone(), file, bytes, &[], true)
}

fn run(store: &mut Store, file: &str, bytes: &[u8], arguments: &[&str], go_on: bool) -> (Output, Vec<Error>) {
    let (text, _) = source::decode(bytes);
    // Old Macintosh editors end lines with a carriage return alone.
    let newline = if text.contains('\n') { '\n' } else { '\r' };
    let lines: Vec<&str> = text.split(newline).map(|l| l.trim_end_matches('\r')).collect();
    let sources: Vec<Source> = (1..).zip(&lines).map(|(number, line)| Source::line(number, line)).collect();
    let mut session = Session::new(store, file, &lines, go_on);
    let result = if batch::is_batch(&sources) {
        batch::run(&mut session, &sources, arguments)
    } else {
        context::run_script(&mut session, &sources)
    };
    session.finish(result)
}
