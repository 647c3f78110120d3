//! Runs a scenario: the network, the steps at their times, the checks.

use std::collections::BTreeMap;
use std::time::Duration;

use ipsec_core::{Instant, Processed};
use ipsec_machine::monitor::Snapshot;
use ipsec_sim::digest::DigestSink;
use ipsec_sim::{Action, Network};
use sha2::{Digest as _, Sha256};

use crate::build;
use crate::check::Facts;
use crate::computer::Computer;
use crate::domains::Domains;
use crate::error::{LoadError, missing};
use crate::explain::{self, Explainer};
use crate::faults::{FaultPlan, RECOVERY};
use crate::logs::LogSink;
use crate::names;
use crate::observe::Observer;
use crate::record::Recording;
use crate::report::{
    CheckResult, DropReport, FailureReport, FlowReport, MainModeReport, QuickModeReport, Report, RunReport,
    SCHEMA,
};
use crate::scenario::Scenario;
use crate::steps::{Condition, Do};
use crate::story::lifetime;
use crate::traffic::{self, Answers, Running};
use crate::twin::{Direction, Outcome};
use crate::{flood, forge, inject, topology};

mod computers;
mod domains;
mod kerberos;
mod routes;
mod watch;

pub use watch::Watch;

/// When a twin's flow starts.
const TWIN_START: Instant = Instant::from_secs(2);
/// How long a run with faults goes on after its probes began.
const PROBING: Duration = Duration::from_secs(40);

/// How to run a scenario.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Everything random comes from it.
    pub seed: u64,
    /// Misfortunes of the links. With any, the scenario's own checks give way to those of recovery.
    pub faults: FaultPlan,
    /// Whether to keep trace, captures and story.
    pub record: bool,
    /// Whether the Oakley logs of Windows computers are on from the start.
    pub oakley: bool,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions { seed: 1, faults: FaultPlan::NONE, record: true, oakley: false }
    }
}

/// A report, and the files that go with it.
#[derive(Clone, Debug)]
pub struct Outcomes {
    /// The report.
    pub report: Report,
    /// Trace and captures of each run, when recorded.
    pub recordings: Vec<Recording>,
}

/// Runs a scenario: once, or once for each direction of a twin.
///
/// # Errors
/// When a file of the scenario is wrong in a way that only building the network shows.
pub fn run(scenario: &Scenario, options: &RunOptions) -> Result<Outcomes, LoadError> {
    let directions: Vec<Option<&Direction>> = match &scenario.twin {
        None => vec![None],
        Some(twin) => twin.directions.iter().map(Some).collect(),
    };
    let (mut checks, mut runs, mut recordings) = (Vec::new(), Vec::new(), Vec::new());
    for direction in directions {
        let act = Act::new(scenario, options, direction)?;
        let (mut found, run, recording) = act.play()?;
        checks.append(&mut found);
        recordings.extend(recording);
        runs.push(run);
    }
    let digest = match runs.as_slice() {
        [run] => run.digest.clone(),
        runs => {
            let mut all = Sha256::new();
            runs.iter().for_each(|r| all.update(r.digest.as_bytes()));
            all.finalize().iter().map(|octet| format!("{octet:02x}")).collect()
        }
    };
    let report = Report {
        schema: SCHEMA,
        scenario: scenario.name.clone(),
        title: scenario.title.clone(),
        seed: options.seed,
        faults: (!options.faults.is_none()).then_some(options.faults),
        digest,
        held: !checks.is_empty() && checks.iter().all(|c| c.held),
        checks,
        runs,
        replay: replay(&scenario.name, options),
    };
    Ok(Outcomes { report, recordings })
}

/// The command that runs `scenario` with these options.
pub fn replay(scenario: &str, options: &RunOptions) -> String {
    format!("ipseclab run {scenario} --seed {}{}", options.seed, options.faults.options())
}

/// One run of a network.
struct Act<'a> {
    scenario: &'a Scenario,
    options: &'a RunOptions,
    direction: Option<&'a Direction>,
    network: Network,
    sinks: (Option<Recording>, DigestSink, Observer, LogSink),
    flows: Vec<Running>,
    ipconfig: BTreeMap<String, Vec<String>>,
    /// What monitors showed, by node.
    monitors: BTreeMap<String, Vec<Snapshot>>,
    /// Those of nodes with IPsec.
    computers: BTreeMap<String, Computer<'a>>,
    domains: Domains,
    /// Static routes of nodes that got more of them.
    routes: BTreeMap<String, Vec<topology::Route>>,
    /// How many steps are done.
    stepped: usize,
}

impl<'a> Act<'a> {
    fn new(
        scenario: &'a Scenario,
        options: &'a RunOptions,
        direction: Option<&'a Direction>,
    ) -> Result<Self, LoadError> {
        let domains = Domains::of(scenario)?;
        let (mut builder, computers) = build::network(scenario, &domains, options.seed, &options.faults)?;
        let stepped = scenario.steps.steps.iter().filter(|_| direction.is_none());
        let stepped = stepped.filter_map(|s| match &s.r#do {
            Do::Inject(inject) => Some((s.at.get_ref().0, inject)),
            _ => None,
        });
        let forged = direction.iter().flat_map(|d| d.inject.iter().map(|i| (i.at.0, &i.packet)));
        for step in scenario.steps.steps.iter().filter(|_| direction.is_none()) {
            if let Do::Flood(flood) = &step.r#do {
                let begin = Instant::EPOCH + step.at.get_ref().0;
                for injection in flood::injections(scenario, begin, flood)? {
                    builder.inject(injection);
                }
            }
        }
        for (at, inject) in stepped.chain(forged) {
            builder.inject(inject::injection(scenario, Instant::EPOCH + at, inject)?);
        }
        let mut network = builder.build().map_err(|e| missing("topology.toml", e.to_string()))?;
        traffic::listen(scenario, &mut network)?;
        let names = network.names();
        let name = direction.map(|d| d.flow.get_ref().as_str());
        let recorder = options.record.then(|| Recording::new(name, &names));
        let mut observer = Observer::new(names, options.record);
        let judged = scenario.steps.checks.iter().filter_map(|check| match &check.holds {
            Condition::Verdict(c) => Some(c.link.get_ref().as_str()),
            _ => None,
        });
        observer.judge(judged);
        for (name, computer) in &computers {
            let node = observer.node(name);
            observer.policies.extend(node.map(|node| (node, computer.databases())));
        }
        let sinks =
            (recorder, DigestSink::new(), observer, LogSink::new(scenario, &computers, options.oakley));
        let routes = BTreeMap::new();
        let (flows, ipconfig) = (Vec::new(), BTreeMap::new());
        let (monitors, stepped) = (BTreeMap::new(), 0);
        Ok(Act {
            scenario,
            options,
            direction,
            network,
            sinks,
            flows,
            ipconfig,
            monitors,
            computers,
            domains,
            routes,
            stepped,
        })
    }

    fn play(mut self) -> Result<(Vec<CheckResult>, RunReport, Option<Recording>), LoadError> {
        let faulty = !self.options.faults.is_none();
        let mut end = Instant::EPOCH + self.direction.map_or(self.scenario.steps.end.0, |d| d.end.0);
        match self.direction {
            Some(direction) => self.start(direction.flow.get_ref(), TWIN_START)?,
            None => self.steps(Instant::NEVER)?,
        }
        let probed = self.probed();
        if faulty {
            self.probe()?;
            end = end.max(probed + PROBING);
        }
        self.run_until(end)?;
        self.network.finish(&mut self.sinks);
        self.sinks.3.close(end);
        let mut checks = if faulty { self.recovery(probed)? } else { self.checks()? };
        checks.push(self.invariants());
        let report = self.report(end);
        Ok((checks, report, self.sinks.0))
    }

    /// Runs up to each step that is due by `until`, and does it.
    fn steps(&mut self, until: Instant) -> Result<(), LoadError> {
        let mut steps: Vec<_> = self.scenario.steps.steps.iter().collect();
        steps.sort_by_key(|s| s.at.get_ref().0);
        for step in steps.into_iter().skip(self.stepped) {
            let at = Instant::EPOCH + step.at.get_ref().0;
            if at > until {
                break;
            }
            self.stepped += 1;
            // What is due at the very time of a step happens after it.
            self.run_until(at - Duration::from_nanos(1))?;
            if let Some(says) = &step.says {
                self.sinks.2.story.quote(says);
            }
            match &step.r#do {
                Do::Start(flow) => self.start(flow.get_ref(), at)?,
                Do::Ipconfig(node) => self.ipconfig(node.get_ref(), at),
                Do::Monitor(node) => self.monitor(node.get_ref(), at),
                Do::Capture(link) => {
                    self.sinks.2.story.say(at, link.get_ref(), "is captured, like every other link");
                }
                Do::Inject(_) => {}
                Do::Flood(flood) => {
                    let what = format!("{} first messages from {} begin", flood.count, flood.from);
                    self.sinks.2.story.say(at, flood.node.get_ref(), &what);
                }
                Do::ForgeFragments(what) => {
                    let cookies = self.sinks.2.link(what.link.get_ref());
                    let cookies = cookies.and_then(|link| self.sinks.2.cookies.get(&link).copied());
                    let forged = forge::injections(self.scenario, at, what, cookies)?;
                    let says = format!("{} forged fragments from {}", forged.len(), what.from);
                    self.sinks.2.story.say(at, what.node.get_ref(), &says);
                    forged.into_iter().for_each(|injection| self.network.inject(injection));
                }
                Do::Rebind(node) => {
                    let action = Action::Rebind { move_address: false };
                    self.act(node.get_ref(), at, action, "moves every mapping to a new port");
                }
                Do::MoveAddress(node) => {
                    let action = Action::Rebind { move_address: true };
                    self.act(node.get_ref(), at, action, "moves every mapping to its next address");
                }
                Do::Netsh(netsh) => self.netsh(netsh, at)?,
                Do::Route(new) => self.route(new, at),
                Do::Reboot(node) => {
                    self.act(node.get_ref(), at, Action::Reboot, "starts afresh");
                    self.restart(node.get_ref(), at)?;
                }
                Do::Boot(boot) => self.boot(boot, at)?,
                Do::Service(service) => self.service(service, at)?,
                Do::Reconfigure(settings) => self.reconfigure(settings, at)?,
                Do::Registry(lines) => self.registry(lines, at)?,
                Do::Move(step) => self.move_to(step, at)?,
                Do::GroupPolicy(step) => self.group_policy(step, at)?,
            }
        }
        Ok(())
    }

    /// Lets a node do something, and says so.
    fn act(&mut self, node: &str, at: Instant, action: Action, what: &str) {
        let observer = &mut self.sinks.2;
        let Some(id) = observer.node(node) else { return };
        observer.story.say(at, node, what);
        self.network.schedule(at, id, action);
    }

    fn start(&mut self, flow: &str, at: Instant) -> Result<(), LoadError> {
        let Some(flow) = self.scenario.steps.flow(flow) else { return Ok(()) };
        let running = traffic::start(self.scenario, &mut self.network, flow, at)?;
        self.flows.push(running);
        // While things go wrong and until they are probed, pings keep the SAs in use.
        if let (crate::steps::App::Ping(_), false) = (&flow.app, self.options.faults.is_none()) {
            let until = self.probed();
            traffic::keep_pinging(self.scenario, &mut self.network, flow, at, until)?;
        }
        Ok(())
    }

    /// When a run with faults must work again.
    fn probed(&self) -> Instant {
        Instant::EPOCH + self.options.faults.until + RECOVERY
    }

    /// Starts every flow that was started once more, after the faults.
    fn probe(&mut self) -> Result<(), LoadError> {
        let at = self.probed();
        for began in self.flows.clone() {
            self.start(&began.flow, at)?;
        }
        Ok(())
    }

    /// Interfaces with their addresses, as `ipconfig` lists them.
    fn ipconfig(&mut self, node: &str, at: Instant) {
        let observer = &mut self.sinks.2;
        let names = self.network.names();
        let Some(id) = observer.node(node) else { return };
        let known = self.scenario.topology.node(node);
        let interfaces = names.interfaces.get(usize::from(id.0)).map_or(&[][..], Vec::as_slice);
        let text: Vec<String> = interfaces
            .iter()
            .map(|name| {
                let of = known.and_then(|n| n.interfaces.iter().find(|i| i.name.get_ref() == name));
                of.map_or(name.clone(), |i| format!("{name} {}", i.address.get_ref().0))
            })
            .collect();
        let text = text.join(", ");
        match self.computers.get(node).and_then(Computer::ipconfig) {
            Some(lines) => {
                observer.story.say(at, node, "> ipconfig");
                lines.iter().for_each(|line| observer.story.say(at, node, &format!("| {line}")));
            }
            None => observer.story.say(at, node, &format!("ipconfig: {text}")),
        }
        self.ipconfig.entry(node.into()).or_default().push(text);
    }

    /// Associations as IP Security Monitor lists them.
    fn monitor(&mut self, node: &str, at: Instant) {
        let shown = self.snapshot(node, at);
        let story = &mut self.sinks.2.story;
        let associations = shown.as_ref().map_or(&[][..], |shown| &shown.associations);
        if associations.is_empty() {
            story.say(at, node, "monitor: no security associations");
        }
        for association in associations {
            story.say(at, node, &format!("monitor: {association}"));
        }
        self.monitors.entry(node.into()).or_default().extend(shown);
    }

    /// What the monitor of a node shows; `None` without IPsec.
    fn snapshot(&self, node: &str, at: Instant) -> Option<Snapshot> {
        Some(Snapshot::of(self.computers.get(node)?.machine(), self.ipsec(node)?, at))
    }

    fn answers(&self, since: Instant) -> BTreeMap<String, Answers> {
        let flows = self.flows.iter().filter(|f| f.began >= since);
        flows.map(|f| (f.flow.clone(), f.answers(&self.network))).collect()
    }

    /// Who processed packets of SAs, by node.
    fn processed(&self) -> BTreeMap<String, Processed> {
        let names = self.sinks.2.names.nodes.iter().filter_map(|name| {
            let status = self.network.ipsec(self.sinks.2.node(name)?)?.status();
            Some((name.clone(), status.processed()))
        });
        names.collect()
    }

    fn facts<'f>(
        &'f self,
        answers: &'f BTreeMap<String, Answers>,
        processed: &'f BTreeMap<String, Processed>,
    ) -> Facts<'f> {
        let (scenario, observer, logs) = (self.scenario, &self.sinks.2, &self.sinks.3);
        let (ipconfig, monitors) = (&self.ipconfig, &self.monitors);
        let kerberos = self.verdicts();
        Facts { scenario, observer, logs, answers, processed, kerberos, ipconfig, monitors }
    }

    fn checks(&self) -> Result<Vec<CheckResult>, LoadError> {
        let answers = self.answers(Instant::EPOCH);
        let (scenario, processed) = (self.scenario, self.processed());
        let facts = self.facts(&answers, &processed);
        if let (Some(direction), Some(twin)) = (self.direction, &scenario.twin) {
            let Some(flow) = scenario.steps.flow(direction.flow.get_ref()) else { return Ok(Vec::new()) };
            return Ok(facts.direction(twin, direction, &traffic::ends(scenario, flow)?));
        }
        let checks = scenario.steps.checks.iter().map(|check| {
            let (held, detail) = facts.condition(&check.holds);
            CheckResult { id: check.id.get_ref().clone(), run: None, says: check.says.clone(), held, detail }
        });
        Ok(checks.collect())
    }

    /// After the faults every flow works again, and nothing that is protected could be read at any time.
    fn recovery(&self, probed: Instant) -> Result<Vec<CheckResult>, LoadError> {
        let answers = self.answers(probed);
        let (scenario, processed) = (self.scenario, self.processed());
        let facts = self.facts(&answers, &processed);
        let connects = |outcome| {
            matches!(outcome, Outcome::Protected | Outcome::Clear | Outcome::Soft | Outcome::FirstClear)
        };
        let refused = scenario.expected.as_ref().is_some_and(|e| !connects(e.outcome));
        if refused || self.direction.is_some_and(|d| !connects(d.outcome)) {
            return Ok(Vec::new());
        }
        let run = self.direction.map(|d| d.flow.get_ref().clone());
        let mut checks = Vec::new();
        for (name, a) in &answers {
            let Some(flow) = scenario.steps.flow(name).filter(|f| !f.unanswered) else { continue };
            let says = format!(
                "{} s after the faults ended, every run is protected and connected",
                RECOVERY.as_secs()
            );
            let detail = format!("{} of {} answered", a.answered, a.asked);
            // At least: two flows may share a port, and then count each other's echoes.
            let (id, held) = (format!("connected-{name}"), a.answered >= a.asked);
            checks.push(CheckResult { id, run: run.clone(), says: says.clone(), held, detail });
            if !flow.clear {
                let clear = facts.readable_on(flow);
                let detail = if clear.is_empty() {
                    "never readable".into()
                } else {
                    format!("readable on {}", clear.join(", "))
                };
                let (id, held) = (format!("protected-{name}"), clear.is_empty());
                checks.push(CheckResult { id, run: run.clone(), says, held, detail });
            }
        }
        Ok(checks)
    }

    fn invariants(&self) -> CheckResult {
        let violations = self.network.violations();
        let detail = match violations.first() {
            None => "all held at every step".to_string(),
            Some(first) => {
                format!("{} violated, first at {} s: {}", violations.len(), first.time, first.kind)
            }
        };
        CheckResult {
            id: "invariants".into(),
            run: self.direction.map(|d| d.flow.get_ref().clone()),
            says: "no clear inner packet outside, sequence numbers rise, keys and selectors agree, each packet delivered was sent once".into(),
            held: violations.is_empty(),
            detail,
        }
    }

    /// Why what did not get through did not, for people.
    fn explanation(&self) -> Vec<String> {
        let topology = &self.scenario.topology;
        let answered = self.answers(Instant::EPOCH);
        let unanswered = |name: &str| self.scenario.steps.flow(name).is_some_and(|flow| flow.unanswered);
        let all_answered = answered.iter().all(|(name, a)| a.answered >= a.asked || unanswered(name));
        let warned = self.computers.iter().flat_map(|(name, c)| explain::warned(name, c.machine()));
        Explainer { topology, observer: &self.sinks.2 }.lines(all_answered, warned.collect())
    }

    fn report(&mut self, end: Instant) -> RunReport {
        let explanation = self.explanation();
        let story = self.sinks.2.story.take();
        let (_, digest, observer, logs) = &self.sinks;
        let node = |id| observer.names.node(id).to_string();
        let us = |at: Instant| at.as_nanos() / 1_000;
        let spis = |spis: &[ipsec_core::sad::Spi]| spis.iter().map(|s| format!("{:#010x}", s.0)).collect();
        RunReport {
            name: self.direction.map(|d| d.flow.get_ref().clone()),
            simulated_ms: end.as_millis(),
            events: self.network.steps(),
            digest: digest.digest().to_string(),
            main_modes: observer
                .main_modes
                .iter()
                .map(|m| MainModeReport {
                    at_us: us(m.at),
                    node: node(m.node),
                    peer: m.info.peer.to_string(),
                    initiator: m.info.initiator,
                    proposal: names::proposal(&m.info.proposal),
                    lifetime_seconds: m.info.lifetime_seconds,
                    nat: m.info.nat.map(|nat| nat.to_string()),
                })
                .collect(),
            quick_modes: observer
                .quick_modes
                .iter()
                .map(|q| QuickModeReport {
                    at_us: us(q.at),
                    node: node(q.node),
                    peer: q.info.peer.to_string(),
                    initiator: q.info.initiator,
                    method: names::method(&q.info.offer),
                    mode: if matches!(q.info.mode, ipsec_core::spd::Mode::Transport) {
                        "transport"
                    } else {
                        "tunnel"
                    }
                    .into(),
                    pfs_group: q.info.pfs.map(|g| g.id()),
                    selector: q.info.selector.to_string(),
                    inbound_spis: spis(&q.info.inbound_spis),
                    outbound_spis: spis(&q.info.outbound_spis),
                    lifetime: lifetime(&q.info.offer),
                })
                .collect(),
            flows: self
                .flows
                .iter()
                .map(|f| {
                    let a = f.answers(&self.network);
                    let (asked, answered, negotiating) = (a.asked, a.answered, a.negotiating);
                    FlowReport { flow: f.flow.clone(), began_us: us(f.began), asked, answered, negotiating }
                })
                .collect(),
            drops: observer
                .drops
                .iter()
                .map(|((n, packet, reason), times)| DropReport {
                    node: node(*n),
                    packet: packet.to_string(),
                    reason: reason.clone(),
                    times: *times,
                })
                .collect(),
            failures: observer
                .failures
                .iter()
                .map(|((n, phase, reason), failed)| FailureReport {
                    node: node(*n),
                    phase: (*phase).into(),
                    reason: reason.clone(),
                    detail: failed.detail.clone(),
                    times: failed.times,
                })
                .collect(),
            event_log: if self.options.record { logs.report() } else { Vec::new() },
            oakley: logs.oakley(),
            violations: self
                .network
                .violations()
                .iter()
                .map(|v| format!("{} {}: {}", v.time, node(v.node), v.kind))
                .collect(),
            links: observer.names.links.clone(),
            story,
            explanation,
        }
    }
}
