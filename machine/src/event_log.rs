//! The event log: what IKE, the driver and the service tell an administrator.
//!
//! ```text
//!  ipsec_core::Event --> ike.rs, driver.rs --+
//!  MachineEvent ----------> service.rs ------+--> kind and inserts --audit policy--> Record --> text.rs
//!                                                    message.rs: the table of all kinds
//! ```
//!
//! [`message::Message`] has the message table: ids, sources, severities, labels and their order, for each release. They are
//! those of the shipped message files; running sentences are in our own words.

mod driver;
mod ike;
mod insert;
pub mod message;
mod reason;
mod refusal;
mod service;
mod text;

use ipsec_core::ike::failure::Failure;
use ipsec_core::{Duration, Event, Instant};
use ipsec_policy::Profile;
use ipsec_policy::dynamic::Config;

use crate::audit::AuditPolicy;
use crate::computer::MachineEvent;
pub use insert::{Insert, Item};
pub use message::{Kind, Log, Release, Severity};

/// The records a log keeps; older ones are overwritten.
const RECORDS: usize = 4_096;

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// When.
    pub time: Instant,
    /// The release that wrote it, on which its text depends.
    pub release: Release,
    /// The log it is in.
    pub log: Log,
    /// Its source.
    pub source: &'static str,
    /// Its event ID.
    pub id: u32,
    /// Information, warning, error, success audit or failure audit.
    pub severity: Severity,
    /// What it is about.
    pub kind: Kind,
    /// What the message's places are filled with, in order.
    pub inserts: Vec<Insert>,
}

/// Failure point, reason and status of a failed negotiation, in the words that event 547 has on Windows Server 2003.
pub(crate) fn failure_text(time: Instant, failure: &Failure) -> (&'static str, &'static str, String) {
    let (point, reason) = reason::of(&failure.reason);
    let status = reason::extra_status(time, failure, Release::Server2003).to_string();
    (point.name(), reason.text(), status.replace('\n', ", "))
}

/// What a driver writes, and how often (`netsh ipsec dynamic set config`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DriverLogging {
    /// `ipsecdiagnostics`: 2 inbound packets that are dropped, 4 outbound ones; bits may be added up.
    pub diagnostics: u32,
    /// `ipsecloginterval`: packets are counted for this long.
    pub interval: Duration,
}

impl From<&Config> for DriverLogging {
    fn from(config: &Config) -> Self {
        let interval = Duration::from_secs(config.log_interval.into());
        DriverLogging { diagnostics: config.diagnostics, interval }
    }
}

/// The event log of one computer.
#[derive(Clone, Debug)]
pub struct EventLog {
    release: Release,
    audit: AuditPolicy,
    records: std::collections::VecDeque<Record>,
    ike: ike::Watch,
    driver: driver::Counts,
}

impl EventLog {
    /// An empty log.
    #[must_use]
    pub fn new(profile: &'static Profile, audit: AuditPolicy, driver: DriverLogging) -> Self {
        EventLog {
            release: Release::of(profile),
            audit,
            records: std::collections::VecDeque::new(),
            ike: ike::Watch::new(profile),
            driver: driver::Counts::new(driver),
        }
    }

    /// Another audit policy is in force from now on.
    pub fn set_audit(&mut self, audit: AuditPolicy) {
        self.audit = audit;
    }

    /// Somebody typed `netsh ipsec dynamic set config`.
    pub fn configure(&mut self, driver: DriverLogging) {
        self.driver.configure(driver);
    }

    /// The IPsec driver or IKE reports.
    pub fn ipsec(&mut self, time: Instant, event: &Event) {
        self.flush(time);
        for (kind, inserts) in self.ike.records(time, event, self.release) {
            self.write(time, kind, inserts);
        }
        for (kind, inserts) in self.driver.records(time, event, &self.ike) {
            self.write(time, kind, inserts);
        }
    }

    /// The computer reports.
    pub fn machine(&mut self, time: Instant, event: &MachineEvent) {
        self.flush(time);
        for (kind, inserts) in service::records(event, self.release) {
            self.write(time, kind, inserts);
        }
    }

    /// The computer goes down, or the run ends: the driver writes what it has counted since it last wrote.
    pub fn close(&mut self, time: Instant) {
        self.flush(time);
        for (kind, inserts) in self.driver.take() {
            self.write(time, kind, inserts);
        }
    }

    /// What is in it, oldest first.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
    }

    /// Intervals of the driver that have ended.
    fn flush(&mut self, now: Instant) {
        if let Some(due) = self.driver.due().filter(|due| *due <= now) {
            for (kind, inserts) in self.driver.take() {
                self.write(due, kind, inserts);
            }
        }
    }

    /// A record, if the release has such events and the audit policy wants it.
    fn write(&mut self, time: Instant, kind: Kind, inserts: Vec<Insert>) {
        let release = self.release;
        let Some(message) = message::of(kind, release) else { return };
        let wanted = |category| self.audit.records(category, message.severity == Severity::SuccessAudit);
        if !message.category.is_none_or(wanted) {
            return;
        }
        if self.records.len() == RECORDS {
            self.records.pop_front();
        }
        let (log, source) = (message.log, message.writer.source(release));
        let (id, severity) = (message.id, message.severity);
        self.records.push_back(Record { time, release, log, source, id, severity, kind, inserts });
    }
}

#[cfg(test)]
mod tests;
