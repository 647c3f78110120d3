//! Batch files, as far as their outcome is known.
//!
//! `cmd` reads a file statement by statement. Here it is read once into [`Node`]s, then carried out: variables that the
//! script sets, `if` on known values, `for` over plain lists and over the lines of files that can be read here, `goto`,
//! `call :label`, `&`, `&&`, `||`, `|`, blocks, and the exit code of netsh's own lines. Only netsh lines have an effect.
//! What depends on the computer (other programs and their exit codes, files that are not here, environment) is not known:
//! such a statement is named in a note and passed over, and variables it would have set are unknown afterwards.

use super::error::{Error, ErrorKind, Fault};
use super::session::{LONGEST_LINE, Session, is_remark};
use super::source::Source;
use super::{NoteKind, session};
use crate::tools::Tool;

mod expand;
mod parse;
mod powershell;
mod run;

/// One statement.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A command line without control flow.
    Simple(Source),
    /// `:label`.
    Label(String),
    /// `( ... )`.
    Block(Vec<Node>),
    /// `if condition then [else otherwise]`.
    If { condition: Vec<Source>, then: Box<Node>, otherwise: Option<Box<Node>> },
    /// `for %%v in (set) do body`.
    For { options: Source, variable: char, set: Source, body: Box<Node> },
    /// `first operator second operator third ...`.
    Sequence(Box<Node>, Vec<(Operator, Node)>),
    /// `statement <file >file`; the other handles are left out.
    Redirected { node: Box<Node>, files: Redirection },
    /// Something that could not be read.
    NotUnderstood(Source),
}

/// The files that a statement reads its input from and prints into.
#[derive(Clone, Default, Debug)]
pub(super) struct Redirection {
    pub(super) input: Option<Source>,
    /// And whether it is put behind what is there.
    pub(super) output: Option<(Source, bool)>,
}

/// How two commands on a line hang together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    /// `&`
    Then,
    /// `&&`
    IfSucceeded,
    /// `||`
    IfFailed,
    /// `|`
    Pipe,
}

/// Whether a file is a batch file: some line calls netsh, or uses what only `cmd` knows. Else it is netsh's own script.
pub(super) fn is_batch(lines: &[Source]) -> bool {
    lines.iter().any(|line| {
        let text = line.text().trim_start().trim_start_matches('@');
        let text = match text.split_once('>') {
            Some((prompt, rest)) if prompt.get(1..3) == Some(":\\") => rest.trim_start(),
            _ => text,
        };
        let first = |part: &str| {
            is_command(part.trim_start().split(|c: char| c.is_whitespace() || c == '>').next().unwrap_or(""))
        };
        let lower = text.to_ascii_lowercase();
        text.split(['|', '&', '(']).any(first)
            || ["echo off", "setlocal", "goto ", "if ", "for "].iter().any(|w| lower.starts_with(w))
            || ["call netsh", "cmd /c netsh", "start netsh"].iter().any(|w| lower.starts_with(w))
    })
}

/// `netsh`, `netsh.exe`, with or without a path and quotation marks.
fn is_netsh(word: &str) -> bool {
    let word = word.trim_matches('"').to_ascii_lowercase();
    let name = word.rsplit(['\\', '/']).next().unwrap_or("");
    matches!(name, "netsh" | "netsh.exe")
}

fn is_command(word: &str) -> bool {
    Tool::of_command(word).is_some()
}

/// Carries out a batch file.
pub(super) fn run(session: &mut Session<'_>, lines: &[Source], arguments: &[&str]) -> Result<(), Error> {
    let lines = if powershell::is_script(session.file()) {
        powershell::lines(session, lines)
    } else {
        logical_lines(session, lines)
    };
    let program = parse::program(&lines);
    run::Machine::new(session, &program, arguments).run()
}

/// Lines with `^` continuations joined, prompts and remarks removed.
fn logical_lines(session: &mut Session<'_>, lines: &[Source]) -> Vec<Source> {
    let mut out: Vec<Source> = Vec::new();
    // A line that goes on in the next, and whether a quotation mark is open in it.
    let mut held: Option<(Source, bool)> = None;
    for line in lines {
        let (mut whole, open) = held.take().unwrap_or_default();
        let before = whole.text().len();
        whole.append(&if before == 0 { without_prompt(&line.trim()) } else { line.clone() });
        if is_remark(whole.text()) {
            continue;
        }
        if whole.text().len() > LONGEST_LINE {
            let text = "not carried out: the line is too long".to_owned();
            session.note(whole.start(), NoteKind::NotUnderstood, text);
            continue;
        }
        match continuation(whole.text().get(before..).unwrap_or(""), open) {
            Some((cut, open)) => {
                whole.truncate(before + cut);
                held = Some((whole, open));
            }
            None => out.push(whole),
        }
    }
    out.extend(held.map(|(whole, _)| whole));
    out
}

/// Lines copied from a window: `C:\>netsh ...`, and `netsh ipsec static>add ...`, which is one command.
fn without_prompt(line: &Source) -> Source {
    let Some((prompt, _)) = line.text().split_once('>') else { return line.clone() };
    let behind = prompt.len() + 1;
    if session::is_drive_prompt(prompt) {
        return line.from(behind).trim();
    }
    if session::of_prompt(prompt).is_none() {
        return line.clone();
    }
    let mut joined = line.slice(0..prompt.len());
    joined.push(' ', line.position(prompt.len()));
    joined.append(&line.from(behind));
    joined
}

/// Where the caret stands that joins this line with the next: the last one, outside quotation marks, not itself
/// escaped. `open`: a quotation mark is open before this text; the same is returned for what comes behind it.
/// A caret with blanks behind it is meant the same, though `cmd` reads it otherwise.
fn continuation(text: &str, open: bool) -> Option<(usize, bool)> {
    let trimmed = text.trim_end();
    let kept = trimmed.strip_suffix('^')?;
    let carets = trimmed.len() - trimmed.trim_end_matches('^').len();
    let open = open ^ (kept.chars().filter(|c| *c == '"').count() % 2 == 1);
    (carets % 2 == 1 && !open).then_some((kept.len(), open))
}
