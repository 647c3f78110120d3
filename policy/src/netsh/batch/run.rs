//! Carrying out the statements of a batch file.

use std::collections::BTreeMap;

use super::expand::{Expanded, PLACE, Scope, Variables, expand};
use super::{Error, ErrorKind, Fault, Node, NoteKind, Operator, Session, Source, is_netsh};
use crate::netsh::source::Position;
use crate::netsh::token::is_quote;
use crate::tools::Tool;

mod arithmetic;
mod ask;
mod condition;
mod files;
mod pipe;
mod programs;
mod repeat;

use ask::Question;
use programs::is_shell;

/// A script that has executed this many statements is taken to run forever.
const STEPS: u32 = 20_000;
/// `call` may nest this deep.
const CALLS: usize = 16;
/// The longest text one variable may hold, so that doubling it in a loop ends.
const LONGEST: usize = 8191;

/// Commands that neither change policy nor decide what follows.
const HARMLESS: &[&str] = &["chcp", "ver", "timeout", "mode", "cd", "chdir", "pushd", "popd", "more", "sort"];
/// Those of them that leave the exit code alone.
const QUIET: &[&str] = &["cls", "pause", "title", "color", "prompt", "verify", "break"];

/// The variable that shows the exit code.
const ERRORLEVEL: &str = "errorlevel";

/// Where to go on.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Flow {
    Next,
    /// The command failed.
    Failed,
    /// Nobody knows how the command ended.
    Unsure,
    Goto(String),
    Return,
    Exit,
}

impl Flow {
    /// Whether the statements behind this one are not next.
    const fn leaves(&self) -> bool {
        matches!(self, Self::Goto(_) | Self::Return | Self::Exit)
    }
}

pub(super) struct Machine<'s, 'a> {
    session: &'s mut Session<'a>,
    program: &'s [Node],
    labels: BTreeMap<&'s str, usize>,
    variables: Variables,
    saved: Vec<Variables>,
    arguments: Vec<String>,
    loops: Vec<(char, String)>,
    delayed: bool,
    steps: u32,
    depth: usize,
    /// How many of the answers were asked for.
    answered: usize,
    /// Questions without an answer.
    questions: Vec<Question>,
    /// The script cannot go on; only a check gets here.
    stopped: bool,
    /// The text of the file that a statement reads from, if it is known.
    input: Option<Option<String>>,
    /// What the statement prints that runs with its output in a file; `None` in it when that is not known.
    printing: Option<Option<String>>,
}

impl<'s, 'a> Machine<'s, 'a> {
    pub(super) fn new(session: &'s mut Session<'a>, program: &'s [Node], arguments: &[&str]) -> Self {
        let mut labels = BTreeMap::new();
        for (index, node) in program.iter().enumerate() {
            if let Node::Label(name) = node {
                labels.entry(name.as_str()).or_insert(index);
            }
        }
        let arguments = arguments.iter().map(|a| (*a).to_owned()).collect();
        Self {
            session,
            program,
            labels,
            // The same on every release.
            variables: Variables::from([("os".to_owned(), Some("Windows_NT".to_owned()))]),
            saved: Vec::new(),
            arguments,
            loops: Vec::new(),
            delayed: false,
            steps: 0,
            depth: 0,
            answered: 0,
            questions: Vec::new(),
            stopped: false,
            input: None,
            printing: None,
        }
    }

    pub(super) fn run(mut self) -> Result<(), Error> {
        self.from(0).map(|_| ())
    }

    /// Runs from a statement to the end of the file or of the subroutine.
    fn from(&mut self, start: usize) -> Result<Flow, Error> {
        let mut index = start;
        let program = self.program;
        while let Some(node) = program.get(index) {
            index += 1;
            // Percent signs are replaced when a statement is read, so inside a block they show the values from before it.
            let before = (!matches!(node, Node::Simple(_) | Node::Label(_))).then(|| self.variables.clone());
            match self.node(node, before.as_ref())? {
                Flow::Next | Flow::Failed | Flow::Unsure => {}
                Flow::Goto(label) if label == "eof" => return Ok(Flow::Next),
                Flow::Goto(label) => match self.labels.get(label.as_str()) {
                    Some(at) => index = *at,
                    None => {
                        let at = first_source(node);
                        self.not_understood_because(
                            &at,
                            &format!("there is no label :{label}, the script ends"),
                        );
                        return Ok(Flow::Exit);
                    }
                },
                Flow::Return => return Ok(Flow::Next),
                Flow::Exit => return Ok(Flow::Exit),
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, node: &Node, before: Option<&Variables>) -> Result<Flow, Error> {
        // A label has no place to name, and no loop is made of labels alone.
        if let Node::Label(_) = node {
            return Ok(Flow::Next);
        }
        self.steps += 1;
        let source = if self.steps > STEPS { first_source(node) } else { Source::default() };
        // An empty block has no place either.
        if source.start().line > 0 {
            self.session
                .fail(&source, Fault::new(0..source.text().len(), ErrorKind::EndlessLoop { steps: STEPS }))?;
            return Ok(Flow::Exit);
        }
        match node {
            Node::Label(_) => Ok(Flow::Next),
            Node::Simple(source) => self.simple(source, before),
            Node::Block(nodes) => {
                let mut last = Flow::Next;
                for node in nodes {
                    last = self.node(node, before)?;
                    if last.leaves() {
                        break;
                    }
                }
                Ok(last)
            }
            Node::Sequence(first, others) => self.sequence(first, others, before),
            Node::If { condition, then, otherwise } => match self.condition(condition, before) {
                Some(true) => self.node(then, before),
                Some(false) => otherwise.as_ref().map_or(Ok(Flow::Next), |node| self.node(node, before)),
                None if self.no_way_on(condition, then, otherwise.as_deref(), before)? => Ok(Flow::Exit),
                None => {
                    self.pass_over(then, "the condition depends on the computer");
                    if let Some(node) = otherwise {
                        self.pass_over(node, "the condition depends on the computer");
                    }
                    Ok(Flow::Unsure)
                }
            },
            Node::For { options, variable, set, body } => self.repeat(options, *variable, set, body, before),
            Node::Redirected { node, files } => self.redirected(node, files, before),
            Node::NotUnderstood(source) => Ok(self.unsure(source)),
        }
    }

    /// Commands with operators between them, from left to right.
    fn sequence(
        &mut self,
        first: &Node,
        others: &[(Operator, Node)],
        before: Option<&Variables>,
    ) -> Result<Flow, Error> {
        let mut flow = self.node(first, before)?;
        // What a command that only prints hands on to the next one.
        let mut printed = self.printed(first, before);
        // A pipe belongs to the command before it, and goes with it.
        let mut left_out = false;
        for (operator, next) in others {
            if flow.leaves() {
                break;
            }
            left_out = match (&flow, operator) {
                (_, Operator::Pipe) => left_out,
                (Flow::Next, Operator::IfFailed) | (Flow::Failed, Operator::IfSucceeded) => true,
                (Flow::Unsure, Operator::IfFailed | Operator::IfSucceeded) => {
                    self.pass_over(next, "depends on a command that was not carried out");
                    true
                }
                _ => false,
            };
            if left_out {
                continue;
            }
            let through = printed.take().filter(|_| *operator == Operator::Pipe);
            if let Some(found) = through.as_ref().and_then(|text| self.finds(next, text, before)) {
                self.set_errorlevel(Some((!found).into()));
                flow = if found { Flow::Next } else { Flow::Failed };
                continue;
            }
            if *operator == Operator::Pipe
                && let Some(ended) = self.piped_into_netsh(next, through)?
            {
                flow = ended;
                continue;
            }
            printed = self.printed(next, before);
            flow = self.node(next, before)?;
        }
        Ok(flow)
    }

    /// Names a statement that is not carried out; variables it would set are unknown from now on.
    fn pass_over(&mut self, node: &Node, why: &str) {
        let source = first_source(node);
        let text = format!("not carried out, {why}: {}", shorten(source.trim().text()));
        self.session.note(source.trim().start(), NoteKind::NotUnderstood, text);
        self.forget(node);
        self.set_errorlevel(None);
    }

    fn forget(&mut self, node: &Node) {
        match node {
            Node::Simple(source) => {
                if let Some(name) =
                    source.text().trim().get(4..).filter(|_| first_word(source.text()) == "set")
                {
                    let name = name.trim().trim_start_matches("/a").trim_start_matches("/p").trim();
                    let name = name.trim_matches('"').split('=').next().unwrap_or("").to_lowercase();
                    let name = name.trim_end_matches(['+', '-', '*', '/', ' ']).to_owned();
                    self.variables.insert(name, None);
                }
            }
            Node::Block(nodes) => nodes.iter().for_each(|n| self.forget(n)),
            Node::If { then, otherwise, .. } => {
                self.forget(then);
                if let Some(node) = otherwise {
                    self.forget(node);
                }
            }
            Node::For { body, .. } => self.forget(body),
            Node::Sequence(first, others) => {
                self.forget(first);
                others.iter().for_each(|(_, n)| self.forget(n));
            }
            Node::Redirected { node, .. } => self.forget(node),
            Node::Label(_) | Node::NotUnderstood(_) => {}
        }
    }

    fn not_understood(&mut self, source: &Source) {
        self.not_understood_because(source, "not understood, not carried out");
    }

    fn not_understood_because(&mut self, source: &Source, why: &str) {
        let source = source.trim();
        if !source.text().is_empty() {
            let text = format!("{why}: {}", shorten(source.text()));
            self.session.note(source.start(), NoteKind::NotUnderstood, text);
        }
    }

    fn expand(&self, source: &Source, before: Option<&Variables>) -> Expanded {
        self.expand_in(source, before, false)
    }

    /// `names_file`: the text names a file, so that the script's own directory has a meaning in it.
    fn expand_in(&self, source: &Source, before: Option<&Variables>, names_file: bool) -> Expanded {
        let delayed = self.delayed.then_some(&self.variables);
        let (arguments, loops) = (self.arguments.as_slice(), self.loops.as_slice());
        expand(
            source,
            &Scope {
                variables: before.unwrap_or(&self.variables),
                delayed,
                arguments,
                file: self.session.file(),
                names_file,
                loops,
            },
        )
    }

    fn simple(&mut self, written: &Source, before: Option<&Variables>) -> Result<Flow, Error> {
        // `%SystemRoot%\system32\netsh.exe`: the place of the program is of no interest.
        let (program, behind) = split_word(&written.trim());
        if is_netsh(program.text()) {
            let Expanded { source, unknown, unset } =
                self.expand_in(&behind, before, names_file(behind.text()));
            self.count(&source);
            self.session.interactive = false;
            return self.netsh(&source.trim(), written, unknown.or(unset));
        }
        if is_shell(program.text()) {
            let Expanded { source, unknown, unset } = self.expand(&behind, before);
            self.count(&source);
            return self.through("cmd", &source.trim(), written, unknown.or(unset));
        }
        let Expanded { source, unknown, unset } = self.expand_in(written, before, names_file(written.text()));
        self.count(&source);
        let source = source.trim();
        let (word, rest) = split_word(&source);
        let lower = word.text().trim_matches('"').to_ascii_lowercase();
        let last = lower.rsplit('\\').next().unwrap_or("");
        let name = last.split(['.', ':', '/']).next().unwrap_or("");
        if is_netsh(word.text()) {
            self.session.interactive = false;
            return self.netsh(&rest, written, unknown.or(unset));
        }
        if let Some(tool) = Tool::of_command(word.text()).filter(|tool| is_about_ipsec(*tool, &rest)) {
            if !self.known(written, unknown.or(unset))? {
                return Ok(Flow::Unsure);
            }
            self.session.tool(&word, &rest, tool)?;
            return Ok(self.ended());
        }
        if self.session.interactive && !matches!(name, "rem" | "echo" | "pause" | "cls" | "set" | "goto") {
            self.session.line(&source)?;
            return Ok(self.ended());
        }
        match name {
            "" | "rem" => Ok(Flow::Next),
            "echo" => {
                let text = source.text().get(5..).unwrap_or("");
                self.echo(unknown.is_none().then_some(text));
                Ok(Flow::Next)
            }
            "start" => self.through(name, &rest, written, unknown.or(unset)),
            "call" => self.call(&rest, written, unknown.or(unset)),
            "goto" => {
                let label = rest.text().trim().trim_start_matches(':').to_ascii_lowercase();
                match unknown {
                    Some(_) => {
                        self.not_understood(written);
                        Ok(Flow::Exit)
                    }
                    None => Ok(Flow::Goto(label.split_whitespace().next().unwrap_or("").to_owned())),
                }
            }
            "exit" => {
                let code = rest.text().split_whitespace().next_back().and_then(|n| n.parse::<i32>().ok());
                self.set_errorlevel(code.or(self.errorlevel()));
                Ok(if rest.text().to_ascii_lowercase().contains("/b") { Flow::Return } else { Flow::Exit })
            }
            "shift" => {
                if !self.arguments.is_empty() {
                    self.arguments.remove(0);
                }
                Ok(Flow::Next)
            }
            "set" => {
                // A place on the disk may be part of a file's name, and of nothing else.
                let again = unknown.as_ref().map(|_| self.expand_in(written, before, true));
                match again.filter(|again| again.unknown.is_none()) {
                    Some(place) => self.set_place(&split_word(&place.source.trim()).1),
                    None => self.set(&rest, written, unknown.is_some())?,
                }
                Ok(if self.stopped { Flow::Exit } else { Flow::Next })
            }
            "choice" => {
                self.choice(&rest, written)?;
                Ok(if self.stopped { Flow::Exit } else { Flow::Next })
            }
            "setlocal" => {
                self.saved.push(self.variables.clone());
                self.delayed |= rest.text().to_ascii_lowercase().contains("enabledelayedexpansion");
                Ok(Flow::Next)
            }
            "endlocal" => {
                let saved = self.saved.pop().unwrap_or_default();
                self.restore(saved);
                Ok(Flow::Next)
            }
            // Whether they find something is not known, and decides nothing else.
            "find" | "findstr" => {
                self.set_errorlevel(None);
                Ok(Flow::Unsure)
            }
            _ if QUIET.contains(&name) => Ok(Flow::Next),
            _ if HARMLESS.contains(&name) => {
                self.set_errorlevel(None);
                Ok(Flow::Next)
            }
            "type" if self.typed(rest.text()) => Ok(Flow::Next),
            "del" | "erase" if self.deleted(rest.text()) => Ok(Flow::Next),
            _ => {
                self.echo(None);
                Ok(self.other_program(name, written))
            }
        }
    }

    /// Long lines count for more, so that the limit is one of work.
    fn count(&mut self, source: &Source) {
        self.steps = self.steps.saturating_add(u32::try_from(source.text().len() / 256).unwrap_or(u32::MAX));
    }

    fn unsure(&mut self, source: &Source) -> Flow {
        self.not_understood(source);
        self.set_errorlevel(None);
        self.echo(None);
        Flow::Unsure
    }

    /// How the last line of netsh's, or of its forerunners', ended. That a command which printed an error leaves an exit
    /// code other than 0 is unconfirmed, and so is that it is 1; published scripts that ask for it ask for `1`.
    fn ended(&mut self) -> Flow {
        let failed = std::mem::take(&mut self.session.failed);
        self.set_errorlevel(Some(failed.into()));
        if failed { Flow::Failed } else { Flow::Next }
    }

    /// The exit code of the last command that had one, if it is known.
    fn errorlevel(&self) -> Option<i32> {
        self.variables.get(ERRORLEVEL)?.as_ref()?.parse().ok()
    }

    fn set_errorlevel(&mut self, level: Option<i32>) {
        self.variables.insert(ERRORLEVEL.to_owned(), level.map(|n| n.to_string()));
    }

    /// Back to earlier variables; the exit code is none of them.
    fn restore(&mut self, variables: Variables) {
        let level = self.errorlevel();
        self.variables = variables;
        self.set_errorlevel(level);
    }

    /// A netsh line needs every value it names.
    fn netsh(
        &mut self,
        rest: &Source,
        written: &Source,
        unknown: Option<(String, Position)>,
    ) -> Result<Flow, Error> {
        if !self.known(written, unknown)? {
            return Ok(Flow::Unsure);
        }
        // In PowerShell a dollar sign begins a variable, whose value nobody works out here.
        if super::powershell::is_script(self.session.file())
            && let Some(at) = rest.text().find('$')
        {
            let behind = rest.text().get(at + 1..).unwrap_or("");
            let ends = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':'));
            let length = 1 + behind.find(ends).unwrap_or(behind.len());
            let name = rest.text().get(at..at + length).unwrap_or("$").to_owned();
            let fault = Fault::new(at..at + length, ErrorKind::UnknownVariable { name });
            self.session.fail(rest, fault)?;
            return Ok(Flow::Unsure);
        }
        let printed = self.session.printed().len();
        self.session.shell_line(rest)?;
        if let (Some(Some(text)), Some(new)) = (self.printing.as_mut(), self.session.printed().get(printed..))
        {
            text.push_str(new);
        }
        Ok(self.ended())
    }

    /// Whether every value that a line names is known; one that is not is an error.
    fn known(&mut self, written: &Source, unknown: Option<(String, Position)>) -> Result<bool, Error> {
        let Some((name, _)) = unknown else { return Ok(true) };
        let start = written.text().find(&name).unwrap_or(0);
        let span = start..start + name.len();
        let kind = match self.question_for(&name) {
            Some(question) => question.needed_for(name),
            None => ErrorKind::UnknownVariable { name },
        };
        let fault = Fault::new(span, kind);
        self.session.fail(written, fault)?;
        Ok(false)
    }

    fn call(
        &mut self,
        rest: &Source,
        written: &Source,
        unknown: Option<(String, Position)>,
    ) -> Result<Flow, Error> {
        let (target, after) = split_word(&rest.trim());
        if is_netsh(target.text()) {
            return self.netsh(&after, written, unknown);
        }
        let Some(label) = target.text().strip_prefix(':').map(str::to_ascii_lowercase) else {
            // `call set x=%%y%%` reads the line twice; other names are those of batch files and programs.
            let name = target.text().to_ascii_lowercase();
            let file = name.trim_matches('"').ends_with(".bat") || name.trim_matches('"').ends_with(".cmd");
            let why =
                if file { "another batch file, not carried out" } else { "not understood, not carried out" };
            self.not_understood_because(written, why);
            self.set_errorlevel(None);
            return Ok(Flow::Unsure);
        };
        let Some(at) = self.labels.get(label.as_str()).copied() else {
            self.not_understood_because(written, &format!("there is no label :{label}, not carried out"));
            self.set_errorlevel(Some(1));
            return Ok(Flow::Failed);
        };
        if self.depth >= CALLS {
            self.session.fail(written, Fault::new(0..written.text().len(), ErrorKind::TooDeep))?;
            return Ok(Flow::Exit);
        }
        let saved = std::mem::replace(&mut self.arguments, words(after.text()));
        let scopes = self.saved.len();
        self.depth += 1;
        let flow = self.from(at);
        self.depth -= 1;
        self.arguments = saved;
        // A subroutine's setlocal ends with it.
        while self.saved.len() > scopes {
            let saved = self.saved.pop().unwrap_or_default();
            self.restore(saved);
        }
        flow
    }

    /// `set name=%temp%\file`: the value is marked.
    fn set_place(&mut self, rest: &Source) {
        let text = rest.text().trim_matches('"');
        if let Some((name, value)) = text.split_once('=').filter(|_| !text.starts_with('/')) {
            let value = (value.len() <= LONGEST).then(|| format!("{PLACE}{value}"));
            self.variables.insert(name.to_lowercase(), value);
        }
    }

    /// `set name=value`, `set "name=value"`, `set /a`, `set /p`.
    fn set(&mut self, rest: &Source, written: &Source, unknown: bool) -> Result<(), Error> {
        let text = rest.text().trim_start();
        let behind = text.get(2..).unwrap_or("").trim_start();
        match text.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("/a") => {
                arithmetic::carry_out(behind, unknown, &mut self.variables);
                return Ok(());
            }
            Some("/p") => return self.set_asked(behind, written),
            _ => {}
        }
        let text = match text.strip_prefix('"') {
            Some(inner) => inner.rsplit_once('"').map_or(inner, |(inner, _)| inner),
            None => text,
        };
        let Some((name, value)) = text.split_once('=') else { return Ok(()) };
        let name = name.to_lowercase();
        let too_long = value.len() > LONGEST;
        if value.is_empty() && !unknown {
            self.variables.remove(&name);
        } else {
            self.variables.insert(name, (!unknown && !too_long).then(|| value.to_owned()));
        }
        Ok(())
    }
}

/// netdiag has many tests; the one of IPsec is meant without any too.
fn is_about_ipsec(tool: Tool, rest: &Source) -> bool {
    let text = rest.text().to_ascii_lowercase();
    tool != Tool::Netdiag || !text.contains("/test:") || text.contains("/test:ipsec")
}

/// Whether a line gives netsh, or a command about files, the name of a file.
fn names_file(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    if matches!(first_word(text).as_str(), "del" | "erase" | "type") {
        return true;
    }
    let mut words = lower.split_whitespace();
    words.any(|w| matches!(w, "-f" | "-a" | "exec") || w.starts_with("importp") || w.starts_with("exportp"))
}

/// The first word, quotation marks respected, and what follows it.
fn split_word(source: &Source) -> (Source, Source) {
    let mut quoted = false;
    let end = source.chars().find(|(i, c, _)| {
        quoted ^= is_quote(*c);
        // `call:label` and `goto:label` need no blank.
        !quoted && (c.is_whitespace() || (*c == ':' && source.text().get(..*i).is_some_and(jumps)))
    });
    let end = end.map_or(source.text().len(), |(i, ..)| i);
    (source.slice(0..end), source.from(end).trim())
}

fn jumps(word: &str) -> bool {
    word.eq_ignore_ascii_case("call") || word.eq_ignore_ascii_case("goto")
}

fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or("").to_ascii_lowercase()
}

/// Arguments of `call`, quotation marks kept.
fn words(text: &str) -> Vec<String> {
    let (mut out, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        quoted ^= c == '"';
        if !quoted && (c.is_whitespace() || matches!(c, ',' | ';')) {
            if !word.is_empty() {
                out.push(std::mem::take(&mut word));
            }
        } else {
            word.push(c);
        }
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

pub(super) fn shorten(text: &str) -> String {
    if text.chars().count() <= 60 {
        text.to_owned()
    } else {
        text.chars().take(57).chain("...".chars()).collect()
    }
}

/// The text a note about a statement points at.
fn first_source(node: &Node) -> Source {
    match node {
        Node::Simple(source) | Node::NotUnderstood(source) => source.clone(),
        Node::Label(_) => Source::default(),
        Node::Block(nodes) => nodes.first().map(first_source).unwrap_or_default(),
        Node::If { condition, then, .. } => condition.first().cloned().unwrap_or_else(|| first_source(then)),
        Node::For { set, .. } => set.clone(),
        Node::Sequence(first, _) => first_source(first),
        Node::Redirected { node, .. } => first_source(node),
    }
}
