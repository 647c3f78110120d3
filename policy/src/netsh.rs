//! `netsh ipsec`: scripts (batch files, `netsh -f` files, lines copied from a prompt) and the prompt itself.
//!
//! ```text
//! bytes --source--> text with places --batch--> netsh lines --token--> words
//!       --command (the table)--> a command with typed values --static_context, dynamic_context--> Stores
//! ```
//!
//! Syntax is read liberally: any case, short forms, positional values, blanks around `=`, `^` continuations, `REM`,
//! `::`, `#` and `//` remarks, `pushd ipsec static`, GBK or UTF-16 files. Meaning is exact: a batch file's variables,
//! `if`, `for`, `goto` and `call :label` are carried out where their outcome is known, and what is not known is named in
//! a [`Note`] and never guessed. The first error stops the script and leaves the stores as they were before it.
//!
//! `ipsecpol` and `ipseccmd` in batch files, the tools of Windows 2000 and XP, make the same objects.
//!
//! One leniency is deliberate. A batch file goes on after a netsh command has failed, and scripts begin by deleting what
//! an earlier run may have left; so deleting (or showing) something that does not exist is a note, not an error.

use core::fmt;

use crate::compile::LocalAddresses;
use crate::live::Live;
use crate::profile::Profile;
use crate::store::Store;
use crate::stores::Stores;

mod batch;
mod command;
mod dynamic_context;
mod error;
mod ipsecpol;
mod prompt;
mod script;
mod session;
mod source;
mod static_context;
mod token;

pub use command::{Mode, Parameter, parameters};
pub use error::{Error, ErrorKind};
pub use prompt::{Answer, Completion, Prompt};
pub use script::{Unwritable, dump, dynamic_script, export, static_script};

use session::Session;
use source::Source;

/// What a script printed and what there is to say about it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Output {
    /// The output of `show` commands, `dump` and help.
    pub text: String,
    /// Lines that were not understood or that mean something else than they seem to.
    pub notes: Vec<Note>,
    /// How many netsh commands were carried out.
    pub commands: usize,
    /// Files that `exportpolicy` wrote, name and content, in order. It is for the caller to put them somewhere.
    pub files: Vec<(String, String)>,
}

/// The content of the file with this name, if there is one.
pub type ReadFile<'a> = dyn Fn(&str) -> Option<Vec<u8>> + 'a;

/// What a script finds around it.
#[derive(Clone, Copy, Default)]
pub struct Setting<'a> {
    /// Batch arguments `%1`, `%2` and so on.
    pub arguments: &'a [&'a str],
    /// What a person would type where the script asks (`set /p`, `choice`), in order.
    pub answers: &'a [&'a str],
    /// Reads a file by its name as written, for `exec`, `netsh -f` and `importpolicy`. Without it there are no files.
    pub read: Option<&'a ReadFile<'a>>,
    /// The computer, for `dynamic show` of filters.
    pub computer: Option<&'a LocalAddresses>,
    /// The running computer, for `dynamic show` of security associations and statistics.
    pub live: Option<&'a Live>,
    /// What is stored, and what the service has read of it: `dynamic show` tells the latter, until the script edits
    /// something, which the service reads at once. Without it they are the same.
    pub read_by_service: Option<(&'a Stores, &'a Stores)>,
    /// Only the tools of this release are there; others answer as they do on it. Without it all are.
    pub tools_of: Option<&'static Profile>,
    /// The IPSec service does not run, so that dynamic mode has nobody to talk to.
    pub service_stopped: bool,
    /// Only a stored policy is edited, and nothing runs that dynamic mode could talk to.
    pub stored_only: bool,
}

impl fmt::Debug for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("arguments", &self.arguments).finish_non_exhaustive()
    }
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

/// Runs a script that edits one stored policy. On an error the store is what it was before.
///
/// `file` is only used to name the file in errors. The script runs as if started without arguments; dynamic mode and the
/// persistent store are refused, for they need [`Stores`]: see [`run`].
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
    let mut stores = Stores { local: store.clone(), ..Stores::default() };
    let setting = Setting { arguments, stored_only: true, ..Setting::default() };
    let output = run(&mut stores, file, bytes, &setting)?;
    *store = stores.local;
    Ok(output)
}

/// Looks at a script without changing the store: goes on after errors, as a batch file does, and reports all of them.
#[must_use]
pub fn check(store: &Store, file: &str, bytes: &[u8]) -> (Output, Vec<Error>) {
    let stores = Stores { local: store.clone(), ..Stores::default() };
    try_out(&stores, file, bytes, &Setting { stored_only: true, ..Setting::default() })
}

/// Runs a script on everything a computer has. On an error the stores are what they were before.
pub fn run(stores: &mut Stores, file: &str, bytes: &[u8], setting: &Setting<'_>) -> Result<Output, Error> {
    let mut copy = stores.clone();
    let (output, errors) = carry_out(&mut copy, file, bytes, setting, false);
    match errors.into_iter().next() {
        Some(error) => Err(error),
        None => {
            *stores = copy;
            Ok(output)
        }
    }
}

/// Looks at a script as [`check`] does, with everything a computer has.
#[must_use]
pub fn try_out(stores: &Stores, file: &str, bytes: &[u8], setting: &Setting<'_>) -> (Output, Vec<Error>) {
    carry_out(&mut stores.clone(), file, bytes, setting, true)
}

fn carry_out(
    stores: &mut Stores,
    file: &str,
    bytes: &[u8],
    setting: &Setting<'_>,
    go_on: bool,
) -> (Output, Vec<Error>) {
    let (text, _) = source::decode(bytes);
    let lines = lines(&text);
    let sources: Vec<Source> = (1..).zip(&lines).map(|(number, line)| Source::line(number, line)).collect();
    let mut session = Session::new(stores, setting, file, &lines, go_on);
    let result = if batch::is_batch(&sources) {
        batch::run(&mut session, &sources, setting.arguments)
    } else {
        session::run_script(&mut session, &sources)
    };
    session.finish(result)
}

/// A script's text, whatever its encoding: UTF-8, UTF-16, GBK, the pages of the console or of Windows.
#[must_use]
pub fn text_of(bytes: &[u8]) -> String {
    source::decode(bytes).0
}

/// Old Macintosh editors end lines with a carriage return alone.
fn lines(text: &str) -> Vec<&str> {
    let newline = if text.contains('\n') { '\n' } else { '\r' };
    text.split(newline).map(|l| l.trim_end_matches('\r')).collect()
}
