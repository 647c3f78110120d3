//! The netsh shell: contexts, `pushd`, `popd`, options, and the way from a line to a command.

use std::ops::Range;

use super::error::{Error, ErrorKind, Fault};
use super::source::{Position, Source};
use super::static_context::bind::{Match, abbreviation, bind, one_of};
use super::static_context::{Verb, execute};
use super::token::{self, Argument};
use super::{Note, NoteKind, Output};
use crate::store::{Store, StoreError};

/// Lines are joined up to this many bytes; `cmd` itself takes 8,191 characters.
pub(super) const LONGEST_LINE: usize = 16 << 10;

/// A script that has printed this many bytes is stopped at its next command.
const MOST_OUTPUT: usize = 16 << 20;

/// A check ends after this many errors.
const MOST_ERRORS: usize = 1000;

/// Where the shell stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Context {
    Root,
    Ipsec,
    Static,
    Dynamic,
    /// Another helper's context; its commands are none of ours.
    Other,
}

/// Contexts of other helpers, so that their commands are not taken for mistakes.
const OTHERS: &[&str] = &[
    "aaaa",
    "advfirewall",
    "bridge",
    "dhcp",
    "dhcpclient",
    "diag",
    "dns",
    "dnsclient",
    "firewall",
    "http",
    "int",
    "interface",
    "ip",
    "lan",
    "namespace",
    "nap",
    "netio",
    "p2p",
    "ras",
    "routing",
    "rpc",
    "trace",
    "wcn",
    "winhttp",
    "wins",
    "winsock",
    "wlan",
    "offline",
    "online",
    "commit",
    "abort",
    "flush",
    "set",
    "add",
    "alias",
    "unalias",
];

/// One run of a script.
pub(super) struct Session<'a> {
    store: &'a mut Store,
    file: &'a str,
    lines: &'a [&'a str],
    go_on: bool,
    errors: Vec<Error>,
    output: Output,
    context: Context,
    stack: Vec<Context>,
    /// A bare `netsh` was given: following lines are netsh's until `exit`.
    pub(super) interactive: bool,
    /// `exit` was given: a `netsh -f` file ends there.
    ended: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(store: &'a mut Store, file: &'a str, lines: &'a [&'a str], go_on: bool) -> Self {
        let (output, errors, stack) = (Output::default(), Vec::new(), Vec::new());
        Self {
            store,
            file,
            lines,
            go_on,
            errors,
            output,
            context: Context::Root,
            stack,
            interactive: false,
            ended: false,
        }
    }

    pub(super) fn finish(mut self, result: Result<(), Error>) -> (Output, Vec<Error>) {
        self.errors.extend(result.err());
        (self.output, self.errors)
    }

    pub(super) fn note(&mut self, at: Position, kind: NoteKind, message: String) {
        self.output.notes.push(Note { line: at.line, column: at.column, kind, message });
    }

    /// Ends the run, or only remembers the error when all of them are wanted.
    pub(super) fn fail(&mut self, source: &Source, fault: Fault) -> Result<(), Error> {
        let error = fault.locate(self.file, self.lines, source);
        if !self.go_on || self.errors.len() >= MOST_ERRORS {
            return Err(error);
        }
        self.errors.push(error);
        Ok(())
    }

    /// What stands behind `netsh` on a shell's command line.
    pub(super) fn shell_line(&mut self, source: &Source) -> Result<(), Error> {
        let saved = (self.context, std::mem::take(&mut self.stack));
        self.context = Context::Root;
        match self.shell_words(source) {
            // `netsh` or `netsh ipsec static` alone opens its prompt there.
            Ok(Ended::InContext) => {
                self.interactive = true;
                Ok(())
            }
            Ok(Ended::AfterCommand) => {
                (self.context, self.stack) = saved;
                Ok(())
            }
            Err(fault) => {
                (self.context, self.stack) = saved;
                self.fail(source, fault)
            }
        }
    }

    fn shell_words(&mut self, source: &Source) -> Result<Ended, Fault> {
        let arguments = self.arguments(source)?;
        let mut rest = arguments.as_slice();
        while let [option, after @ ..] = rest {
            let Some(word) = option.plain().filter(|w| !w.quoted && w.text.starts_with(['-', '/'])) else {
                break;
            };
            let value = after.first().and_then(Argument::plain);
            match (word.text.to_ascii_lowercase().get(1..), value) {
                (Some("c"), Some(context)) => {
                    let inner = token::arguments(&context.text)?.0;
                    // The context's own words have no place of their own: errors point at the option's value.
                    self.words(source, &inner).map_err(|f| Fault::new(context.span.clone(), f.kind))?;
                }
                (Some("f" | "a"), Some(_)) => {
                    return Err(unsupported(
                        option.span(),
                        "`netsh -f`",
                        "give the other file as a script of its own",
                    ));
                }
                (Some("r" | "u" | "p"), Some(_)) => {
                    return Err(unsupported(
                        option.span(),
                        "`netsh -r`",
                        "other computers have stores of their own",
                    ));
                }
                (Some("?"), _) => return Ok(Ended::AfterCommand),
                _ => {
                    let (found, expected) = (word.text.clone(), "-c, -f, -r or a context".to_owned());
                    return Err(Fault::new(word.span.clone(), ErrorKind::UnknownCommand { found, expected }));
                }
            }
            rest = after.get(1..).unwrap_or_default();
        }
        self.words(source, rest)
    }

    /// A line given to netsh itself: in a `netsh -f` file or at its prompt.
    pub(super) fn line(&mut self, source: &Source) -> Result<(), Error> {
        let result = self.arguments(source).and_then(|arguments| self.words(source, &arguments));
        result.map(|_| ()).or_else(|fault| self.fail(source, fault))
    }

    fn arguments(&mut self, source: &Source) -> Result<Vec<Argument>, Fault> {
        let (arguments, remark) = token::arguments(source.text())?;
        if let Some(span) = remark {
            let text = source.slice(span.clone());
            self.note(text.start(), NoteKind::Remark, format!("taken as a remark: {}", text.text()));
        }
        Ok(arguments)
    }

    /// Follows context words and carries out the command behind them.
    fn words(&mut self, source: &Source, arguments: &[Argument]) -> Result<Ended, Fault> {
        let mut rest = arguments;
        while let [first, after @ ..] = rest {
            let word = first.plain().map(|w| w.text.to_ascii_lowercase()).unwrap_or_default();
            match word.as_str() {
                "?" | "/?" | "-?" | "help" => return Ok(Ended::AfterCommand),
                "exit" | "quit" | "bye" => {
                    (self.context, self.interactive, self.ended) = (Context::Root, false, true);
                    return Ok(Ended::AfterCommand);
                }
                ".." => self.context = self.context.parent(),
                "pushd" => self.stack.push(self.context),
                "popd" => self.context = self.stack.pop().unwrap_or(Context::Root),
                "ipsec" | "/ipsec" => self.context = Context::Ipsec,
                _ => match self.step(first, &word)? {
                    Some(context) => self.context = context,
                    None => return self.command(source, rest).map(|()| Ended::AfterCommand),
                },
            }
            rest = after;
        }
        Ok(Ended::InContext)
    }

    /// The context a word leads to; `None` when it begins a command of this context.
    fn step(&mut self, argument: &Argument, word: &str) -> Result<Option<Context>, Fault> {
        let unknown = |expected: String| {
            let found = argument.tag.as_ref().map_or(word, |t| t.text.as_str()).to_owned();
            Fault::new(argument.span(), ErrorKind::UnknownCommand { found, expected })
        };
        match self.context {
            // A context knows its siblings through its parent.
            Context::Static | Context::Dynamic if word == "static" => Ok(Some(Context::Static)),
            Context::Static | Context::Dynamic if word == "dynamic" => Ok(Some(Context::Dynamic)),
            Context::Static | Context::Dynamic | Context::Other => Ok(None),
            Context::Ipsec => match abbreviation(word, &["static", "dynamic", "dump"], |w| w) {
                Match::One("static") => Ok(Some(Context::Static)),
                Match::One("dynamic") => Ok(Some(Context::Dynamic)),
                Match::One(_) => Ok(None),
                Match::Several(_) => Err(unknown("static or dynamic".to_owned())),
                Match::None => Err(unknown("static or dynamic".to_owned())),
            },
            Context::Root if word.len() > 2 && "ipsec".starts_with(word) => Ok(Some(Context::Ipsec)),
            Context::Root if is_static_verb(word) => Ok(None),
            Context::Root if OTHERS.contains(&word) => Ok(Some(Context::Other)),
            Context::Root => {
                Err(unknown("ipsec, or a command of ipsec static: add, set, delete or show".to_owned()))
            }
        }
    }

    fn command(&mut self, source: &Source, arguments: &[Argument]) -> Result<(), Fault> {
        let end = source.text().trim_end().len();
        match self.context {
            Context::Static => self.static_command(source, arguments, end),
            // `add policy ...` at the root: the file was meant for `netsh -c "ipsec static" -f`.
            Context::Root => match bind(arguments, end) {
                Ok(_) => self.static_command(source, arguments, end),
                Err(fault) => Err(fault),
            },
            Context::Dynamic => self.dynamic_command(source, arguments),
            Context::Ipsec => {
                self.note(
                    source.start(),
                    NoteKind::NoEffect,
                    "`netsh ipsec dump` is not carried out here".to_owned(),
                );
                Ok(())
            }
            Context::Other => {
                let text = format!("not about IPsec, not carried out: {}", source.trim().text());
                self.note(source.start(), NoteKind::NoEffect, text);
                Ok(())
            }
        }
    }

    fn static_command(&mut self, source: &Source, arguments: &[Argument], end: usize) -> Result<(), Fault> {
        if arguments
            .iter()
            .skip(1)
            .any(|a| a.plain().is_some_and(|w| matches!(w.text.as_str(), "?" | "/?" | "help")))
        {
            return Ok(());
        }
        let bound = bind(arguments, end)?;
        if self.output.text.len() > MOST_OUTPUT {
            return Err(Fault::new(bound.span, ErrorKind::TooMuchOutput { bytes: self.output.text.len() }));
        }
        self.output.commands += 1;
        match execute::execute(self.store, &bound) {
            Ok(reply) => {
                self.output.text.push_str(&reply.text);
                for (span, text) in reply.remarks {
                    let kind = if text.starts_with("not understood") {
                        NoteKind::NotUnderstood
                    } else {
                        NoteKind::Remark
                    };
                    self.note(source.position(span.start), kind, text);
                }
                Ok(())
            }
            Err(Fault { kind: ErrorKind::Store(error @ StoreError::NotFound { .. }), span })
                if matches!(bound.command.verb, Verb::Delete | Verb::Show) =>
            {
                let what = if bound.command.verb == Verb::Show { "shown" } else { "deleted" };
                let text =
                    format!("nothing {what}: {error}. Windows prints an error here and the script goes on");
                self.note(source.position(span.start), NoteKind::Remark, text);
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }

    /// Dynamic mode edits the running driver, which a stored policy knows nothing of. What changes no filter is named and
    /// passed over; what does ends the script, for its effect would be missing.
    fn dynamic_command(&mut self, source: &Source, arguments: &[Argument]) -> Result<(), Fault> {
        let words: Vec<String> =
            arguments.iter().filter_map(|a| a.plain()).map(|w| w.text.to_ascii_lowercase()).collect();
        let word = |n: usize| words.get(n).map_or("", String::as_str);
        let verb = match abbreviation(word(0), &["add", "set", "delete", "show"], |w| w) {
            Match::One(verb) => verb,
            _ => "",
        };
        let harmless = match verb {
            "show" => true,
            "set" => "config".starts_with(word(1)),
            "delete" => word(1) == "all",
            "add" => false,
            _ => {
                let span = arguments.first().map_or(0..0, Argument::span);
                let expected = one_of(&["add", "set", "delete", "show"]);
                return Err(Fault::new(
                    span,
                    ErrorKind::UnknownCommand { found: word(0).to_owned(), expected },
                ));
            }
        };
        if !harmless {
            let span = arguments.first().map_or(0..0, Argument::span).start..source.text().trim_end().len();
            return Err(unsupported(
                span,
                "`netsh ipsec dynamic`",
                "put the rule into a policy of `netsh ipsec static`",
            ));
        }
        let text =
            "dynamic mode concerns the running service and has no effect on the stored policy".to_owned();
        self.note(source.start(), NoteKind::NoEffect, text);
        Ok(())
    }
}

/// How a line ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    InContext,
    AfterCommand,
}

impl Context {
    const fn parent(self) -> Self {
        match self {
            Self::Static | Self::Dynamic => Self::Ipsec,
            Self::Ipsec | Self::Root | Self::Other => Self::Root,
        }
    }
}

fn is_static_verb(word: &str) -> bool {
    matches!(abbreviation(word, &Verb::ALL, |v| v.word()), Match::One(_)) && word.len() > 1
}

fn unsupported(span: Range<usize>, what: &str, instead: &'static str) -> Fault {
    Fault::new(span, ErrorKind::NotSupported { what: what.to_owned(), instead })
}

/// A `netsh -f` file: one command a line, `#` remarks, a trailing `^` joins lines as `netsh dump` writes them.
pub(super) fn run_script(session: &mut Session<'_>, lines: &[Source]) -> Result<(), Error> {
    let mut held: Option<Source> = None;
    for line in lines {
        let whole = match held.take() {
            None => line.clone(),
            Some(mut before) => {
                before.append(line);
                before
            }
        };
        let trimmed = whole.text().trim_end();
        let joinable = !is_remark(trimmed) && trimmed.len() < LONGEST_LINE;
        if let (Some(kept), true) = (trimmed.strip_suffix('^'), joinable) {
            held = Some(whole.slice(0..kept.len()));
            continue;
        }
        script_line(session, &whole)?;
        if session.ended {
            return Ok(());
        }
    }
    held.map_or(Ok(()), |whole| script_line(session, &whole))
}

fn script_line(session: &mut Session<'_>, line: &Source) -> Result<(), Error> {
    let line = without_prompt(session, &line.trim());
    if line.text().is_empty() || is_remark(line.text()) { Ok(()) } else { session.line(&line) }
}

/// Remarks of netsh scripts, and those of batch files where people mix the two.
pub(super) fn is_remark(text: &str) -> bool {
    let text = text.trim_start().trim_start_matches('@');
    let rem = text.get(..3).is_some_and(|t| t.eq_ignore_ascii_case("rem"));
    let ends = text.get(3..).is_some_and(|t| t.chars().next().is_none_or(|c| !c.is_alphanumeric()));
    text.starts_with('#') || text.starts_with("::") || text.starts_with("//") || (rem && ends)
}

/// Lines copied from a window: `C:\>netsh ...` and `netsh ipsec static>add ...`.
fn without_prompt(session: &mut Session<'_>, line: &Source) -> Source {
    let Some((prompt, _)) = line.text().split_once('>') else { return line.clone() };
    if !is_drive_prompt(prompt) {
        let Some(context) = of_prompt(prompt) else { return line.clone() };
        session.context = context;
    }
    line.from(prompt.len() + 1).trim()
}

/// What stands before the `>` of a `cmd` prompt: a path on a drive.
pub(super) fn is_drive_prompt(prompt: &str) -> bool {
    let mut start = prompt.chars();
    start.next().is_some_and(|c| c.is_ascii_alphabetic())
        && start.as_str().starts_with(":\\")
        && !prompt.contains('"')
}

/// The context a netsh prompt names; no blank stands before its `>`.
pub(super) fn of_prompt(prompt: &str) -> Option<Context> {
    match prompt.to_ascii_lowercase().as_str() {
        "netsh" => Some(Context::Root),
        "netsh ipsec" => Some(Context::Ipsec),
        "netsh ipsec static" => Some(Context::Static),
        "netsh ipsec dynamic" => Some(Context::Dynamic),
        _ => None,
    }
}
