//! The netsh shell: contexts, `pushd`, `popd`, options, and the way from a line to a command.

use std::collections::BTreeSet;
use std::ops::Range;

use super::command::bind::{Bound, Match, abbreviation, bind};
use super::command::{Mode, Object, Verb};
use super::dynamic_context;
use super::error::{Error, ErrorKind, Fault};
use super::ipsecpol;
use super::script;
use super::source::{Position, Source};
use super::static_context::{self, Reply, Surroundings};
use super::token::{self, Argument};
use super::{Note, NoteKind, Output, Setting};
use crate::profile::Profile;
use crate::store::{ObjectKind, StoreError};
use crate::stores::Stores;
use crate::tools::{self, Tool};

mod files;
mod shell;

/// Lines are joined up to this many bytes; `cmd` itself takes 8,191 characters.
pub(super) const LONGEST_LINE: usize = 16 << 10;

/// A script that has printed this many bytes is stopped at its next command.
const MOST_OUTPUT: usize = 16 << 20;

/// A check ends after this many errors.
const MOST_ERRORS: usize = 1000;

/// Where the shell stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Context {
    #[default]
    Root,
    Ipsec,
    Static,
    Dynamic,
    /// Another helper's context; its commands are none of ours.
    Other,
}

/// Scripts may call scripts this deep.
const DEEPEST: u8 = 8;

/// Which store `static` commands are about.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Location {
    #[default]
    Local,
    Persistent,
}

impl core::fmt::Display for Location {
    /// Windows prints the computer's name behind it, which is not known here.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Local => "Local Store",
            Self::Persistent => "Persistent Store",
        })
    }
}

/// Where the shell stands: what a prompt keeps from line to line.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Place {
    pub(super) context: Context,
    stack: Vec<Context>,
    location: Location,
}

/// One run of a script.
pub(super) struct Session<'a> {
    stores: &'a mut Stores,
    setting: &'a Setting<'a>,
    file: &'a str,
    lines: &'a [&'a str],
    go_on: bool,
    errors: Vec<Error>,
    output: Output,
    pub(super) place: Place,
    /// A bare `netsh` was given: following lines are netsh's until `exit`.
    pub(super) interactive: bool,
    /// `exit` was given: a `netsh -f` file ends there.
    pub(super) ended: bool,
    /// A command since this was last asked printed an error on Windows.
    pub(super) failed: bool,
    /// How many scripts this one was called through.
    depth: u8,
    /// Files that the script itself has printed into: names in lower case, and contents where they are known.
    echoed: Vec<(String, Option<String>)>,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        stores: &'a mut Stores,
        setting: &'a Setting<'a>,
        file: &'a str,
        lines: &'a [&'a str],
        go_on: bool,
    ) -> Self {
        Self {
            stores,
            setting,
            file,
            lines,
            go_on,
            errors: Vec::new(),
            output: Output::default(),
            place: Place::default(),
            interactive: false,
            ended: false,
            failed: false,
            depth: 0,
            echoed: Vec::new(),
        }
    }

    /// The script's name.
    pub(super) fn file(&self) -> &'a str {
        self.file
    }

    /// The computer's release, if it is known.
    pub(super) fn release(&self) -> Option<&'static Profile> {
        self.stores.local.release()
    }

    pub(super) fn finish(mut self, result: Result<(), Error>) -> (Output, Vec<Error>) {
        self.errors.extend(result.err());
        // What a loop says in each round is said once.
        let mut said = BTreeSet::new();
        self.output.notes.retain(|n| said.insert((n.line, n.column, n.message.clone())));
        let mut said = BTreeSet::new();
        self.errors.retain(|e| said.insert((e.line, e.column, e.kind.to_string())));
        (self.output, self.errors)
    }

    pub(super) fn note(&mut self, at: Position, kind: NoteKind, message: String) {
        self.output.notes.push(Note { line: at.line, column: at.column, kind, message });
    }

    /// Ends the run, or only remembers the error when all of them are wanted.
    pub(super) fn fail(&mut self, source: &Source, fault: Fault) -> Result<(), Error> {
        self.failed = true;
        let error = fault.locate(self.file, self.lines, source);
        if !self.go_on || self.errors.len() >= MOST_ERRORS {
            return Err(error);
        }
        self.errors.push(error);
        Ok(())
    }

    /// What stands behind `netsh` on a shell's command line.
    pub(super) fn shell_line(&mut self, source: &Source) -> Result<(), Error> {
        let at_root = Place { location: self.place.location, ..Place::default() };
        let saved = std::mem::replace(&mut self.place, at_root);
        match self.shell_words(source) {
            // `netsh` or `netsh ipsec static` alone opens its prompt there.
            Ok(Ended::InContext) => {
                self.interactive = true;
                Ok(())
            }
            Ok(Ended::AfterCommand) => {
                self.leave(saved);
                Ok(())
            }
            Err(fault) => {
                self.leave(saved);
                self.fail(source, fault)
            }
        }
    }

    /// Back to where the shell was; the chosen store stays.
    fn leave(&mut self, saved: Place) {
        self.place = Place { location: self.place.location, ..saved };
    }

    fn shell_words(&mut self, source: &Source) -> Result<Ended, Fault> {
        let arguments = self.arguments(source)?;
        let mut rest = arguments.as_slice();
        let mut ran = false;
        while let [option, after @ ..] = rest {
            let Some(word) = option.plain().filter(|w| !w.quoted && w.text.starts_with(['-', '/'])) else {
                break;
            };
            let value = after.first().and_then(Argument::plain);
            match (word.text.to_ascii_lowercase().get(1..), value) {
                (Some("c"), Some(context)) => {
                    let inner = token::arguments(&context.text)?.0;
                    // The context's own words have no place of their own: errors point at the option's value.
                    let ended = self.words(source, &inner);
                    ran |=
                        ended.map_err(|f| Fault::new(context.span.clone(), f.kind))? == Ended::AfterCommand;
                }
                (Some("f"), Some(file)) => {
                    self.call(source, file.span.clone(), &file.text)?;
                    return Ok(Ended::AfterCommand);
                }
                (Some("a"), Some(file)) => self.call(source, file.span.clone(), &file.text)?,
                (Some("r" | "u" | "p"), Some(_)) => {
                    return Err(unsupported(
                        option.span(),
                        &format!("`netsh {}`", word.text),
                        "other computers have stores of their own",
                    ));
                }
                (Some("?" | "h" | "help"), _) => {
                    self.output.text.push_str(&self.help(&[]));
                    return Ok(Ended::AfterCommand);
                }
                _ => {
                    let (found, expected) = (word.text.clone(), "-c, -f, -r or a context".to_owned());
                    return Err(Fault::new(word.span.clone(), ErrorKind::UnknownCommand { found, expected }));
                }
            }
            rest = after.get(1..).unwrap_or_default();
        }
        // A file may be meant for a context that it does not name; a command line may not.
        let first = rest.first().and_then(Argument::plain).filter(|word| is_verb(&word.text));
        if let (Context::Root, Some(word)) = (self.place.context, first)
            && shell::own_command(rest).is_none()
            && !shell::shows_mode(rest)
        {
            let (found, expected) = (word.text.clone(), "ipsec static or ipsec dynamic before it".to_owned());
            return Err(Fault::new(word.span.clone(), ErrorKind::UnknownCommand { found, expected }));
        }
        if ran && rest.is_empty() { Ok(Ended::AfterCommand) } else { self.words(source, rest) }
    }

    /// What stands behind a tool's name: `ipsecpol` and `ipseccmd` edit policy here, the others only look at it.
    pub(super) fn tool(&mut self, name: &Source, source: &Source, tool: Tool) -> Result<(), Error> {
        if let Err(fault) = self.has(tool, 0..name.text().len()) {
            return self.fail(name, fault);
        }
        if !matches!(tool, Tool::IpsecPol | Tool::IpsecCmd) {
            let text = format!("{tool} shows what is in force, and is typed at a computer of a scenario");
            self.note(name.start(), NoteKind::NoEffect, text);
            return Ok(());
        }
        let ran = ipsecpol::execute(self.stores, source.text(), tool, self.setting);
        let result = ran.map(|reply| {
            self.output.commands += 1;
            self.say(source, reply);
        });
        result.or_else(|fault| self.fail(source, fault))
    }

    /// Whether the release has a tool.
    fn has(&self, tool: Tool, span: Range<usize>) -> Result<(), Fault> {
        let missing = self.setting.tools_of.and_then(|release| tools::answer(release, tool, false));
        missing.map_or(Ok(()), |missing| Err(Fault::new(span, ErrorKind::NoSuchTool(missing))))
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

    /// Follows context words and carries out the command behind them. Without a command the shell stands in that context
    /// from then on, else where it stood.
    fn words(&mut self, source: &Source, arguments: &[Argument]) -> Result<Ended, Fault> {
        let stood = self.place.context;
        let ended = self.follow(source, arguments)?;
        if ended == Ended::AfterCommand && !self.ended {
            self.place.context = stood;
        }
        Ok(ended)
    }

    fn follow(&mut self, source: &Source, arguments: &[Argument]) -> Result<Ended, Fault> {
        let mut rest = arguments;
        while let [first, after @ ..] = rest {
            let word = first.plain().map(|w| w.text.to_ascii_lowercase()).unwrap_or_default();
            let place = &mut self.place;
            match word.as_str() {
                "?" | "/?" | "-?" | "help" => {
                    self.output.text.push_str(&self.help(&[]));
                    return Ok(Ended::AfterCommand);
                }
                "exit" | "quit" | "bye" => {
                    (place.context, self.interactive, self.ended) = (Context::Root, false, true);
                    return Ok(Ended::AfterCommand);
                }
                ".." => place.context = place.context.parent(),
                "pushd" => place.stack.push(place.context),
                "popd" => place.context = place.stack.pop().unwrap_or(Context::Root),
                "exec" => {
                    let Some(file) = after.first().and_then(Argument::plain) else {
                        let end = source.text().trim_end().len();
                        let expected = "the name of a script".to_owned();
                        return Err(Fault::new(end..end, ErrorKind::Incomplete { expected }));
                    };
                    return self.call(source, file.span.clone(), &file.text).map(|()| Ended::AfterCommand);
                }
                "ipsec" | "/ipsec" => {
                    self.has(Tool::NetshIpsec, first.span())?;
                    self.place.context = Context::Ipsec;
                }
                _ => match self.step(first, &word)? {
                    Some(context) => self.place.context = context,
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
        match self.place.context {
            // A context knows its siblings through its parent.
            Context::Static | Context::Dynamic if word == "static" => Ok(Some(Context::Static)),
            Context::Static | Context::Dynamic if word == "dynamic" => Ok(Some(Context::Dynamic)),
            Context::Static | Context::Dynamic if shell::OTHERS.contains(&word) => Ok(Some(Context::Other)),
            Context::Static | Context::Dynamic | Context::Other => Ok(None),
            Context::Ipsec => match abbreviation(word, &["static", "dynamic", "dump"], |w| w) {
                Match::One("static") => Ok(Some(Context::Static)),
                Match::One("dynamic") => Ok(Some(Context::Dynamic)),
                Match::One(_) => Ok(None),
                Match::Several(_) => Err(unknown("static or dynamic".to_owned())),
                Match::None if shell::ITS_OWN.contains(&word) => Ok(None),
                Match::None if shell::OTHERS.contains(&word) => Ok(Some(Context::Other)),
                Match::None => Err(unknown("static, dynamic or dump".to_owned())),
            },
            Context::Root if word.len() > 2 && "ipsec".starts_with(word) => Ok(Some(Context::Ipsec)),
            Context::Root if is_verb(word) || word == "dump" || shell::ITS_OWN.contains(&word) => Ok(None),
            Context::Root if shell::OTHERS.contains(&word) => Ok(Some(Context::Other)),
            Context::Root => {
                Err(unknown("ipsec, or a command of ipsec static: add, set, delete or show".to_owned()))
            }
        }
    }

    fn command(&mut self, source: &Source, arguments: &[Argument]) -> Result<(), Fault> {
        let end = source.text().trim_end().len();
        let question =
            |a: &Argument| a.plain().is_some_and(|w| matches!(w.text.as_str(), "?" | "/?" | "help"));
        if let Some(at) = arguments.iter().skip(1).position(question) {
            let words: Vec<&str> =
                arguments.iter().take(at + 1).filter_map(|a| a.plain()).map(|w| w.text.as_str()).collect();
            self.output.text.push_str(&self.help(&words));
            return Ok(());
        }
        if shell::shows_mode(arguments) && self.place.context != Context::Other {
            self.output.text.push_str("online\n");
            return Ok(());
        }
        if let Some(own) = shell::own_command(arguments).filter(|_| self.place.context != Context::Other) {
            self.note(source.start(), NoteKind::NoEffect, format!("{}: {}", own?, source.trim().text()));
            return Ok(());
        }
        let dump = arguments
            .first()
            .and_then(Argument::plain)
            .is_some_and(|w| w.text.len() > 1 && "dump".starts_with(&w.text.to_ascii_lowercase()));
        match self.place.context {
            Context::Other => {
                let text = format!("not about IPsec, not carried out: {}", source.trim().text());
                self.note(source.start(), NoteKind::NoEffect, text);
                Ok(())
            }
            // A context inherits what those above it have.
            _ if dump => self.dump(arguments),
            Context::Static => self.run(source, bind(Mode::Static, arguments, end)?),
            Context::Dynamic => self.run(source, bind(Mode::Dynamic, arguments, end)?),
            // `add policy ...` at the root: the file was meant for `netsh -c "ipsec static" -f`.
            Context::Root | Context::Ipsec => {
                let bound = bind(Mode::Static, arguments, end)
                    .or_else(|fault| bind(Mode::Dynamic, arguments, end).map_err(|_| fault))?;
                self.run(source, bound)
            }
        }
    }

    fn dump(&mut self, arguments: &[Argument]) -> Result<(), Fault> {
        let span = arguments.first().map_or(0..0, Argument::span);
        self.has(Tool::NetshIpsec, span.clone())?;
        self.check_output(&span)?;
        let text = script::dump(self.stores).map_err(|e| Fault::new(span, ErrorKind::Unwritable(e)))?;
        self.output.commands += 1;
        self.output.text.push_str(&text);
        Ok(())
    }

    fn check_output(&self, span: &Range<usize>) -> Result<(), Fault> {
        let bytes =
            self.output.text.len() + self.output.files.iter().map(|(_, text)| text.len()).sum::<usize>();
        if bytes > MOST_OUTPUT {
            return Err(Fault::new(span.clone(), ErrorKind::TooMuchOutput { bytes }));
        }
        Ok(())
    }

    /// Carries out a command that could be read.
    fn run(&mut self, source: &Source, bound: Bound) -> Result<(), Fault> {
        self.has(Tool::NetshIpsec, bound.span.clone())?;
        self.check_output(&bound.span)?;
        if let Some(why) = self.without_effect(&bound)? {
            self.note(source.start(), NoteKind::NoEffect, why);
            return Ok(());
        }
        let result = match (bound.command.mode, bound.command.verb, bound.command.object) {
            (Mode::Static, Verb::Set, Object::Store) => self.set_store(&bound),
            (Mode::Static, ..) => self.static_command(&bound),
            (Mode::Dynamic, ..) => dynamic_context::execute(self.stores, &bound, self.setting),
        };
        match result {
            Ok(reply) => {
                self.output.commands += 1;
                self.failed |= reply.text.starts_with("ERR IPsec[");
                self.say(source, reply);
                Ok(())
            }
            Err(Fault { kind: ErrorKind::Store(error @ StoreError::NotFound { .. }), span })
                if matches!(bound.command.verb, Verb::Delete | Verb::Show) =>
            {
                self.output.commands += 1;
                self.failed = true;
                let what = if bound.command.verb == Verb::Show { "shown" } else { "deleted" };
                let never = match &error {
                    StoreError::NotFound { kind: ObjectKind::Rule, name, .. }
                        if bound.command.verb == Verb::Delete && is_default_response(name) =>
                    {
                        ". The default response rule is never deleted; `set defaultrule policy=... activate=no` switches it off"
                    }
                    _ => "",
                };
                let text = format!(
                    "nothing {what}: {error}. Windows prints an error here and the script goes on{never}"
                );
                self.note(source.position(span.start), NoteKind::Remark, text);
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }

    fn say(&mut self, source: &Source, reply: Reply) {
        self.output.text.push_str(&reply.text);
        self.output.files.extend(reply.file);
        for (span, kind, text) in reply.remarks {
            self.note(source.position(span.start), kind, text);
        }
    }

    fn static_command(&mut self, bound: &Bound) -> Result<Reply, Fault> {
        let location = self.place.location;
        let setting = self.setting;
        let written = std::mem::take(&mut self.output.files);
        let read = |name: &str| match written.iter().rev().find(|(n, _)| n == name) {
            Some((_, text)) => Some(text.clone().into_bytes()),
            None => setting.read.and_then(|read| read(name)),
        };
        let store = match location {
            Location::Local => &mut self.stores.local,
            Location::Persistent => &mut self.stores.persistent,
        };
        let result = static_context::execute(
            store,
            bound,
            &Surroundings { location, domain: self.stores.domain.as_ref(), read: &read },
        );
        self.output.files = written;
        result
    }

    fn set_store(&mut self, bound: &Bound) -> Result<Reply, Fault> {
        let instead = match bound.word("location") {
            Some("domain") => match &self.stores.domain {
                None => "this computer is in no domain; there are the local and the persistent store",
                Some(_) => {
                    "a domain's policies are edited at its directory; there are the local and the persistent store"
                }
            },
            Some("persistent") if self.setting.stored_only => "this script is to edit one stored policy",
            word => {
                self.place.location =
                    if word == Some("persistent") { Location::Persistent } else { Location::Local };
                return Ok(Reply { remarks: static_context::unused(bound).collect(), ..Reply::default() });
            }
        };
        let what = format!("`set store location={}`", bound.word("location").unwrap_or_default());
        Err(Fault::new(bound.span_of("location"), ErrorKind::NotSupported { what, instead }))
    }

    /// When only a stored policy is edited, dynamic mode has nobody to talk to. What would change a filter ends the
    /// script, for its effect would be missing; the rest is named and passed over.
    fn without_effect(&self, bound: &Bound) -> Result<Option<String>, Fault> {
        let command = bound.command;
        if command.mode != Mode::Static && self.setting.service_stopped {
            return Err(Fault::new(bound.span.clone(), ErrorKind::ServiceStopped));
        }
        if command.mode == Mode::Static || !self.setting.stored_only {
            return Ok(None);
        }
        match (command.verb, command.object) {
            (Verb::Show, _) | (Verb::Set, Object::Config) | (Verb::Delete, Object::All) => Ok(Some(
                "dynamic mode concerns the running service and has no effect on the stored policy".to_owned(),
            )),
            _ => {
                let what = "`netsh ipsec dynamic`".to_owned();
                let instead = "put the rule into a policy of `netsh ipsec static`";
                Err(Fault::new(bound.span.clone(), ErrorKind::NotSupported { what, instead }))
            }
        }
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

fn is_verb(word: &str) -> bool {
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
    let remark = is_remark(line.text()) || line.text().starts_with(';');
    if line.text().is_empty() || remark { Ok(()) } else { session.line(&line) }
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
        session.place.context = context;
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

/// What the default response rule is called: in scripts, in displays, and by its filter list.
fn is_default_response(name: &str) -> bool {
    ["default", "default response", "default response rule", "<dynamic>"]
        .iter()
        .any(|called| name.eq_ignore_ascii_case(called))
}
