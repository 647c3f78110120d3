//! The prompt: one line after the other, each carried out at once, on stores that stay.

use std::ops::Range;

use super::script;
use super::session::{self, Context, Place, Session};
use super::source::Source;
use super::{Error, Output, Setting};
use crate::stores::Stores;

mod complete;

pub use complete::Completion;

/// A shell at its prompt.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Prompt {
    stores: Stores,
    place: Place,
}

/// What came of one line.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Answer {
    /// What it printed, and what there is to say about it.
    pub output: Output,
    /// What was wrong with it; then it has changed nothing.
    pub error: Option<Error>,
    /// A command of it failed: with an error, or because what it names does not exist.
    pub failed: bool,
    /// It was `exit`, `quit` or `bye`.
    pub ended: bool,
}

impl Prompt {
    /// A prompt at the root of netsh.
    #[must_use]
    pub fn new(stores: Stores) -> Self {
        Self { stores, place: Place::default() }
    }

    /// What the lines so far have made.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        &self.stores
    }

    /// What the lines so far have made, to be changed by something else.
    pub fn stores_mut(&mut self) -> &mut Stores {
        &mut self.stores
    }

    /// What stands before the cursor: `netsh ipsec static>`.
    #[must_use]
    pub fn text(&self) -> &'static str {
        match self.place.context {
            Context::Root | Context::Other => "netsh>",
            Context::Ipsec => "netsh ipsec>",
            Context::Static => "netsh ipsec static>",
            Context::Dynamic => "netsh ipsec dynamic>",
        }
    }

    /// Carries out a line, also one of several commands, as a scrap of script. With an error it has changed nothing.
    pub fn line(&mut self, line: &str, setting: &Setting<'_>) -> Answer {
        let lines = super::lines(line);
        self.lines("prompt", &lines, 0..lines.len(), setting)
    }

    /// Carries out some of the lines of a text that arrives piece by piece; `file` is what errors call it. With an error
    /// they have changed nothing.
    pub fn lines(&mut self, file: &str, lines: &[&str], some: Range<usize>, setting: &Setting<'_>) -> Answer {
        let numbered = (1..).zip(lines).take(some.end).skip(some.start);
        let sources: Vec<Source> = numbered.map(|(n, line)| Source::line(n, line)).collect();
        self.carry_out(file, lines, setting, |session| session::run_script(session, &sources))
    }

    /// Carries out what stands behind `netsh` on a shell's command line, `-c context` and the like included; without a
    /// command the prompt stands in that context afterwards.
    pub fn shell(&mut self, words: &[String], setting: &Setting<'_>) -> Answer {
        let words: Vec<String> = words.iter().map(|word| script::shell_word(word)).collect();
        let line = words.join(" ");
        let source = Source::line(1, &line);
        self.carry_out("command line", &[&line], setting, |session| session.shell_line(&source))
    }

    fn carry_out(
        &mut self,
        file: &str,
        lines: &[&str],
        setting: &Setting<'_>,
        what: impl FnOnce(&mut Session<'_>) -> Result<(), Error>,
    ) -> Answer {
        let mut stores = self.stores.clone();
        let mut session = Session::new(&mut stores, setting, file, lines, false);
        session.place = self.place.clone();
        let result = what(&mut session);
        let (place, ended, failed) = (session.place.clone(), session.ended, session.failed);
        let (output, errors) = session.finish(result);
        let error = errors.into_iter().next();
        if error.is_none() {
            (self.stores, self.place) = (stores, place);
            // Other helpers' contexts have no prompt here.
            if self.place.context == Context::Other {
                self.place.context = Context::Root;
            }
        }
        Answer { output, error, failed, ended }
    }

    /// Whether the prompt stands outside every context.
    #[must_use]
    pub fn is_at_root(&self) -> bool {
        self.place.context == Context::Root
    }

    /// How the line could go on: the words that fit where it ends.
    #[must_use]
    pub fn complete(&self, line: &str) -> Completion {
        complete::complete(&self.stores, self.place.context, line)
    }
}
