//! The logs of the Windows computers of a network: a sink that hands each what its IPsec layer reports.

use std::collections::BTreeMap;

use ipsec_core::Instant;
use ipsec_machine::computer::MachineEvent;
use ipsec_machine::event_log::{DriverLogging, EventLog, Record};
use ipsec_machine::oakley_log::OakleyLog;
use ipsec_policy::dynamic::Config;
use ipsec_policy::profile;
use ipsec_sim::{Effect, NodeId, Sink};

use crate::computer::Computer;
use crate::report::{EventReport, FieldReport, OakleyReport};
use crate::scenario::Scenario;

/// The logs of one computer.
#[derive(Clone, Debug)]
struct Logs {
    name: String,
    /// What its driver and IKE write.
    config: Config,
    events: EventLog,
    oakley: OakleyLog,
}

/// The logs of all computers that have any.
#[derive(Clone, Debug)]
pub(crate) struct LogSink {
    logs: BTreeMap<NodeId, Logs>,
}

impl LogSink {
    /// Empty logs of the computers with Windows. With `oakley` every Oakley log is on from the start.
    pub(crate) fn new(scenario: &Scenario, computers: &BTreeMap<String, Computer<'_>>, oakley: bool) -> Self {
        let mut logs = BTreeMap::new();
        for (i, node) in scenario.topology.nodes.iter().enumerate() {
            let name = node.name.get_ref().clone();
            let windows = node.profile.name != profile::RFC.name;
            let Some(computer) = computers.get(&name).filter(|_| windows) else { continue };
            let config = computer.config().clone();
            let driver = DriverLogging::from(&config);
            let events = EventLog::new(node.profile, node.audit(), driver);
            let mut log = OakleyLog::default();
            log.set(oakley || config.ike_logging != 0);
            logs.insert(NodeId(i as u16), Logs { name, config, events, oakley: log });
        }
        LogSink { logs }
    }

    /// A computer reports.
    pub(crate) fn machine(&mut self, node: NodeId, at: Instant, event: &MachineEvent) {
        if let Some(logs) = self.logs.get_mut(&node) {
            logs.events.machine(at, event);
        }
    }

    /// A computer's properties, which somebody may have changed.
    pub(crate) fn configure(&mut self, node: NodeId, config: &Config) {
        let Some(logs) = self.logs.get_mut(&node).filter(|logs| logs.config != *config) else { return };
        logs.events.configure(DriverLogging::from(config));
        if logs.config.ike_logging != config.ike_logging {
            logs.oakley.set(config.ike_logging != 0);
        }
        logs.config = config.clone();
    }

    /// The run has ended.
    pub(crate) fn close(&mut self, at: Instant) {
        self.logs.values_mut().for_each(|logs| logs.events.close(at));
    }

    /// The records of a node.
    pub(crate) fn records(&self, node: NodeId) -> impl Iterator<Item = &Record> {
        self.logs.get(&node).into_iter().flat_map(|logs| logs.events.records())
    }

    /// All records, in order of time.
    pub(crate) fn report(&self) -> Vec<EventReport> {
        let of = |logs: &'_ Logs| logs.events.records().map(|r| event(&logs.name, r)).collect::<Vec<_>>();
        let mut all: Vec<EventReport> = self.logs.values().flat_map(of).collect();
        all.sort_by_key(|event| event.at_us);
        all
    }

    /// What the Oakley logs that are on, or were, hold.
    pub(crate) fn oakley(&self) -> Vec<OakleyReport> {
        let lines = |logs: &Logs| logs.oakley.lines().map(str::to_owned).collect::<Vec<_>>();
        let all = self.logs.values().map(|logs| (logs, lines(logs)));
        let written = all.filter(|(logs, lines)| logs.oakley.is_on() || !lines.is_empty());
        written.map(|(logs, lines)| OakleyReport { node: logs.name.clone(), lines }).collect()
    }
}

fn event(node: &str, record: &Record) -> EventReport {
    let field = |(name, value): (&str, String)| FieldReport { name: name.into(), value };
    EventReport {
        at_us: record.time.as_nanos() / 1_000,
        node: node.into(),
        log: record.log.name().into(),
        source: record.source.into(),
        id: record.id,
        severity: record.severity.name().into(),
        category: record.category().into(),
        fields: record.fields().into_iter().map(field).collect(),
        text: record.viewer(),
    }
}

impl Sink for LogSink {
    fn record(&mut self, record: &ipsec_sim::Record<'_>) {
        if let (Effect::Ipsec(event), Some(logs)) = (record.effect, self.logs.get_mut(&record.node)) {
            logs.events.ipsec(record.time, event);
            logs.oakley.ipsec(record.time, event);
        }
    }
}
