//! The prompt: one line after the other, each carried out at once, on stores that stay.

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
        let sources: Vec<Source> = (1..).zip(&lines).map(|(n, line)| Source::line(n, line)).collect();
        let mut stores = self.stores.clone();
        let mut session = Session::new(&mut stores, setting, "prompt", &lines, false);
        session.place = self.place.clone();
        let result = session::run_script(&mut session, &sources);
        let (place, ended) = (session.place.clone(), session.ended);
        let (output, errors) = session.finish(result);
        let error = errors.into_iter().next();
        if error.is_none() {
            (self.stores, self.place) = (stores, place);
            // Other helpers' contexts have no prompt here.
            if self.place.context == Context::Other {
                self.place.context = Context::Root;
            }
        }
        Answer { output, error, ended }
    }

    /// How the line could go on: the words that fit where it ends.
    #[must_use]
    pub fn complete(&self, line: &str) -> Completion {
        complete::complete(&self.stores, self.place.context, line)
    }
}
