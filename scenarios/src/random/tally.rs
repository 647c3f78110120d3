//! Counts over many trials.

use std::collections::BTreeMap;
use std::fmt;

use ipsec_sim::model::{OutcomeKind, Passage};

use super::Verdict;

/// How many trials and flows there were, and what became of them.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Pairs of policies.
    pub pairs: u64,
    /// Flows.
    pub flows: u64,
    /// Flows about which model and simulator differ.
    pub disagreements: u64,
    /// Outcomes by kind.
    pub kinds: BTreeMap<OutcomeKind, u64>,
    /// What happened to the requests and replies, in words.
    pub passages: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts a trial.
    pub fn add(&mut self, verdict: &Verdict) {
        self.pairs += 1;
        self.flows += verdict.outcomes.len() as u64;
        self.disagreements += verdict.disagreements.len() as u64;
        for outcome in &verdict.outcomes {
            *self.kinds.entry(outcome.kind()).or_default() += 1;
            for passage in [Some(outcome.request), outcome.reply].into_iter().flatten() {
                let word = match passage {
                    // Which of the sides does not matter here.
                    Passage::Refused(_, rule) => format!("refused: {rule}"),
                    passage => passage.to_string(),
                };
                *self.passages.entry(word).or_default() += 1;
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} pairs of policies, {} flows, {} disagreements",
            self.pairs, self.flows, self.disagreements
        )?;
        for (kind, count) in &self.kinds {
            writeln!(f, "  {count:>8}  {kind}")?;
        }
        writeln!(f, "packets:")?;
        self.passages.iter().try_for_each(|(passage, count)| writeln!(f, "  {count:>8}  {passage}"))
    }
}
