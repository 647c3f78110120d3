//! Every fault at every place: one run for each datagram that can be dropped, duplicated, delayed, swapped, replayed,
//! altered or cut short, and what must come of each.
//!
//! A [`Sweep`] first plays its scenario without faults and notes every datagram on the outside link. The runs of a
//! [`Kind`] then differ from that run in one thing each, so that they are the same up to the datagram they are about. Two
//! probes of every flow follow: all must be answered within [`END`].
//!
//! ```
//! use ipsec_scenarios::embedded;
//! use ipsec_scenarios::sweep::{Kind, Sweep};
//!
//! let scenario = embedded::scenario("kb816514-neta-netb-tunnel").unwrap();
//! let mut sweep = Sweep::new(&scenario, 1).unwrap();
//! let cases = sweep.cases(Kind::Swap);
//! assert_eq!(cases.len(), sweep.datagrams().len());
//! assert_eq!(sweep.judge(&cases[0]), Ok(()));
//! ```

mod case;
mod tamper;
mod watch;

use ipsec_core::Instant;
use ipsec_sim::adversary::{Deed, Matcher, Rule, Which};
use ipsec_sim::trace::Trace;
use ipsec_sim::work::Workshop;
use ipsec_sim::{Builder, LinkId, Names, NodeId, Sink};

use crate::build;
use crate::domains::Domains;
use crate::embedded;
use crate::error::{LoadError, missing};
use crate::faults::FaultPlan;
use crate::scenario::Scenario;
use crate::steps::{Do, Flow};
use crate::traffic::{self, Running};

pub use case::{Case, Kind, Tally};
pub use tamper::{Field, altered, cut, field};
use watch::Watch;
pub use watch::{Change, Datagram, Ending, Message};

/// When every flow is started once more.
pub const PROBED: Instant = Instant::from_secs(100);
/// When a run ends: protected and connected, or failed.
pub const END: Instant = Instant::from_secs(120);

/// The scenario of this name with another security method in all its quick modes: `AH[SHA1]`.
///
/// # Errors
/// When there is no such scenario, or its files are wrong.
pub fn with_method(name: &str, method: &str) -> Result<Scenario, LoadError> {
    const KEY: &str = "qmsecmethods=\"";
    let mut files = embedded::files(name).ok_or_else(|| missing(name, "there is no such scenario"))?;
    let scripts: Vec<String> =
        files.iter().map(|(file, _)| file.to_string()).filter(|f| f.ends_with(".netsh")).collect();
    for script in scripts {
        let text = files.text(&script)?;
        let mut parts = text.split(KEY);
        let mut changed = parts.next().unwrap_or("").to_string();
        for part in parts {
            let rest = part.split_once('"').map_or("", |(_, rest)| rest);
            changed += &format!("{KEY}{method}\"{rest}");
        }
        files.insert(&script, changed);
    }
    Scenario::load(&files, embedded::files, Some(embedded::TWINS))
}

/// A scenario whose every datagram is to be tampered with.
#[derive(Clone, Debug)]
pub struct Sweep<'a> {
    scenario: &'a Scenario,
    builder: Builder,
    link: LinkId,
    workshop: Workshop,
    quiet: Ending,
}

impl<'a> Sweep<'a> {
    /// Plays the scenario without faults. The datagrams are those on its first unprotected link.
    ///
    /// # Errors
    /// When the scenario cannot be built, has no unprotected link, or does not work even without faults.
    pub fn new(scenario: &'a Scenario, seed: u64) -> Result<Self, LoadError> {
        let (builder, _) = build::network(scenario, &Domains::of(scenario)?, seed, &FaultPlan::NONE)?;
        let link = scenario.topology.links.iter().position(|l| l.unprotected);
        let link = link.ok_or_else(|| missing("topology.toml", "a sweep needs an unprotected link"))?;
        let mut sweep = Sweep {
            scenario,
            builder,
            link: LinkId(link as u16),
            workshop: Workshop::default().remembering(),
            quiet: Ending::default(),
        };
        sweep.quiet = sweep.play(Vec::new())?;
        let quiet = &sweep.quiet;
        let why = quiet.complaint().unwrap_or_default();
        if !quiet.is_sound() || quiet.answered.iter().any(|(_, got)| *got == 0) {
            return Err(missing(
                "steps.toml",
                format!("the run without faults already fails: {why}, {:?}", quiet.answered),
            ));
        }
        Ok(sweep)
    }

    /// The datagrams on the link in the run without faults, before its probes.
    pub fn datagrams(&self) -> &[Datagram] {
        &self.quiet.datagrams
    }

    /// How the run without faults ended.
    pub fn quiet(&self) -> &Ending {
        &self.quiet
    }

    /// A rule for the `n`-th datagram on the link, from 1.
    pub fn rule(&self, n: usize, deed: Deed) -> Rule {
        Rule { link: Some(self.link), from: None, matcher: Matcher::Any, which: Which::Nth(n as u32), deed }
    }

    /// A rule that drops a message of main mode (exchange 2) or quick mode (32) when it is sent first.
    pub fn drop_message(&self, exchange: u8, message: u32) -> Rule {
        let matcher = Matcher::IkeMessage { exchange, message };
        Rule { link: Some(self.link), from: None, matcher, which: Which::Nth(1), deed: Deed::Drop }
    }

    /// Plays the scenario with these rules.
    ///
    /// # Errors
    /// When the network cannot be built.
    pub fn play(&mut self, rules: Vec<Rule>) -> Result<Ending, LoadError> {
        self.play_before(rules, &mut ())
    }

    /// The flows that are started and are to be answered, and when.
    fn starts(&self) -> impl Iterator<Item = (&'a Flow, Instant)> {
        let steps = &self.scenario.steps;
        let started = steps.steps.iter().filter_map(|step| match &step.r#do {
            Do::Start(flow) => Some((steps.flow(flow.get_ref())?, Instant::EPOCH + step.at.get_ref().0)),
            _ => None,
        });
        started.filter(|(flow, _)| !flow.unanswered)
    }

    /// Plays the scenario with these rules before a sink.
    ///
    /// # Errors
    /// When the network cannot be built.
    pub fn play_before(&mut self, rules: Vec<Rule>, sink: &mut impl Sink) -> Result<Ending, LoadError> {
        let mut builder = self.builder.clone();
        rules.into_iter().for_each(|r| builder.rule(r));
        builder.workshop(std::mem::take(&mut self.workshop));
        let mut network = builder.build().map_err(|e| missing("topology.toml", e.to_string()))?;
        traffic::listen(self.scenario, &mut network)?;
        let (mut story, mut probes): (Vec<Running>, Vec<Running>) = (Vec::new(), Vec::new());
        for (flow, at) in self.starts() {
            story.push(traffic::start(self.scenario, &mut network, flow, at)?);
            probes.push(traffic::start(self.scenario, &mut network, flow, PROBED)?);
        }
        let mut sinks = (Watch::new(self.link, self.protected()?), sink);
        network.run_until(END, &mut sinks);
        network.finish(&mut sinks);
        let mut ending = sinks.0.ending();
        let answers = |flows: &[Running]| -> Vec<(u32, u32)> {
            flows.iter().map(|f| f.answers(&network)).map(|a| (a.asked, a.answered)).collect()
        };
        (ending.answered, ending.probes) = (answers(&story), answers(&probes));
        for node in 0..self.scenario.topology.nodes.len() as u16 {
            let Some(ipsec) = network.ipsec(NodeId(node)) else { continue };
            ending.pairs.extend(ipsec.status().pairs().map(|p| watch::LivePair::of(NodeId(node), p)));
        }
        ending.violations = network.violations().iter().map(|v| v.kind.to_string()).collect();
        self.workshop = network.into_workshop();
        Ok(ending)
    }

    /// Everything that happens in a run, line by line.
    ///
    /// # Errors
    /// When the network cannot be built.
    pub fn trace(&mut self, case: &Case) -> Result<String, LoadError> {
        let (nodes, links) = (&self.scenario.topology.nodes, &self.scenario.topology.links);
        let names = Names {
            nodes: nodes.iter().map(|n| n.name.get_ref().clone()).collect(),
            interfaces: nodes
                .iter()
                .map(|n| n.interfaces.iter().map(|i| i.name.get_ref().clone()).collect())
                .collect(),
            links: links.iter().map(|l| l.name.get_ref().clone()).collect(),
        };
        let mut trace = Trace::new(names);
        self.play_before(case.rules().to_vec(), &mut trace)?;
        Ok(trace.text())
    }

    /// Protocol and addresses of the flows that must never be readable outside.
    fn protected(&self) -> Result<Vec<traffic::Ends>, LoadError> {
        let flows = self.scenario.steps.flows.iter().filter(|f| !f.clear);
        flows.map(|f| traffic::ends(self.scenario, f)).collect()
    }
}
