//! A scenario that runs as far as somebody wants to look: what live displays are made of.

use ipsec_core::{Instant, Ipsec};
use ipsec_machine::computer::Computer as Machine;
use ipsec_machine::monitor::Snapshot;

use super::{Act, PROBING, RunOptions, TWIN_START};
use crate::computer::Computer;
use crate::error::LoadError;
use crate::scenario::Scenario;

/// A scenario under way. Looking at it changes nothing: run to its end, its digest is that of [`run`](super::run).
///
/// Of a twin it is the first direction. Checks are not made.
pub struct Watch<'a> {
    act: Act<'a>,
    /// Whether what a run with faults does after them is arranged.
    probed: bool,
}

impl<'a> Watch<'a> {
    /// The scenario at time zero.
    ///
    /// # Errors
    /// When a file of the scenario is wrong in a way that only building the network shows.
    pub fn new(scenario: &'a Scenario, options: &'a RunOptions) -> Result<Self, LoadError> {
        let direction = scenario.twin.as_ref().and_then(|twin| twin.directions.first());
        let mut act = Act::new(scenario, options, direction)?;
        if let Some(direction) = direction {
            act.start(direction.flow.get_ref(), TWIN_START)?;
        }
        let mut watch = Watch { act, probed: options.faults.is_none() };
        watch.probe()?;
        Ok(watch)
    }

    /// After the last step, faults are followed by their probes.
    fn probe(&mut self) -> Result<(), LoadError> {
        let all = self.act.direction.is_some() || self.act.stepped == self.act.scenario.steps.steps.len();
        if all && !self.probed {
            self.probed = true;
            self.act.probe()?;
        }
        Ok(())
    }

    /// Runs until this time; earlier times change nothing.
    ///
    /// # Errors
    /// When a step cannot be done.
    pub fn run_until(&mut self, time: Instant) -> Result<(), LoadError> {
        if self.act.direction.is_none() {
            self.act.steps(time)?;
            self.probe()?;
        }
        self.act.run_until(time)
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.act.network.now()
    }

    /// When the scenario ends. Nobody has to stop there.
    #[must_use]
    pub fn end(&self) -> Instant {
        let end = self.act.direction.map_or(self.act.scenario.steps.end.0, |direction| direction.end.0);
        let end = Instant::EPOCH + end;
        if self.act.options.faults.is_none() { end } else { end.max(self.act.probed() + PROBING) }
    }

    /// When something happens next, be it a step.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let mut steps: Vec<Instant> = match self.act.direction {
            Some(_) => Vec::new(),
            None => self.act.scenario.steps.steps.iter().map(|s| Instant::EPOCH + s.at.get_ref().0).collect(),
        };
        steps.sort();
        let due = self.act.computers.values().filter_map(Computer::poll_timeout);
        let step = steps.into_iter().nth(self.act.stepped);
        step.into_iter().chain(self.act.network.next_time()).chain(due).min()
    }

    /// The names of the nodes that have IPsec.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.act.computers.keys().map(String::as_str).filter(|node| self.ipsec(node).is_some())
    }

    /// A node's computer.
    #[must_use]
    pub fn computer(&self, node: &str) -> Option<&Machine> {
        self.act.computers.get(node).map(Computer::machine)
    }

    /// A node's IPsec.
    #[must_use]
    pub fn ipsec(&self, node: &str) -> Option<&Ipsec> {
        self.act.ipsec(node)
    }

    /// What the monitor of a node shows now; `None` without IPsec.
    #[must_use]
    pub fn snapshot(&self, node: &str) -> Option<Snapshot> {
        self.act.snapshot(node, self.now())
    }

    /// The story so far, line by line.
    #[must_use]
    pub fn story(&self) -> &[String] {
        self.act.sinks.2.story.lines()
    }

    /// The digest of everything that happened so far.
    #[must_use]
    pub fn digest(&self) -> String {
        self.act.sinks.1.digest().to_string()
    }
}

impl Act<'_> {
    pub(super) fn ipsec(&self, node: &str) -> Option<&Ipsec> {
        self.network.ipsec(self.sinks.2.node(node)?)
    }
}
