//! Events of the service (613 to 616) and the modes of the driver (4292 to 4297) from what the computer reports.
//!
//! Values and sentences are in our own words: no message file has those of Windows XP and Server 2003, whose texts of 615
//! come from the service's own policy store engine.

use super::insert::Insert;
use super::message::{Kind, Release};
use crate::computer::{MachineEvent, PolicySource, Trigger};
use crate::driver_mode::DriverMode;

/// What this event makes of records.
pub(super) fn records(event: &MachineEvent, release: Release) -> Vec<(Kind, Vec<Insert>)> {
    let engine = if release == Release::Windows2000 { "" } else { "PAStore Engine: " };
    let says = |text: &str| vec![(Kind::ServiceSays, vec![Insert::Text(format!("{engine}{text}"))])];
    match event {
        MachineEvent::DriverStarts(mode) => {
            starts(*mode).map(|kind| (kind, Vec::new())).into_iter().collect()
        }
        MachineEvent::DriverEntered(mode) => {
            entered(*mode).map(|kind| (kind, Vec::new())).into_iter().collect()
        }
        MachineEvent::ServiceStarted { source, member } => {
            let inserts = ["PolicyAgent", source.map_or("None", storage), started(*source)].map(Insert::text);
            let mut records = vec![(Kind::ServiceStarted, inserts.to_vec())];
            // "This is normal if your computer is a member of a workgroup."
            if !member {
                records.push((Kind::NoKerberos, Vec::new()));
            }
            records
        }
        MachineEvent::ServiceStopped => {
            let inserts =
                ["PolicyAgent", "The service has stopped. IPsec protects nothing."].map(Insert::text);
            vec![(Kind::ServiceDisabled, inserts.to_vec())]
        }
        MachineEvent::ServiceFailed => {
            let text = "The service could not be started. The driver blocks until it is.";
            vec![(Kind::ServiceFailed, vec![Insert::text(text)])]
        }
        MachineEvent::PolicyApplied { source, policy, trigger } => {
            let why = match trigger {
                Trigger::Start => "when the service started",
                Trigger::Edit => "after it was edited",
                Trigger::Poll => "after polling found changes",
                Trigger::GroupPolicy => "after Group Policy was applied",
                Trigger::Network => "after network settings changed",
            };
            says(&format!("{} IPsec policy '{policy}' is in force, {why}.", storage(*source)))
        }
        MachineEvent::PolicyFailed { source, policy, error } => {
            says(&format!("{} IPsec policy '{policy}' could not be applied: {error}.", storage(*source)))
        }
        MachineEvent::PolicyUnassigned(source) => {
            says(&format!("{}: no IPsec policy is assigned any more.", storage(*source)))
        }
        MachineEvent::PolledNoChange => says("polled for changes of the active IPsec policy and found none."),
        MachineEvent::PolledChanged => {
            says("polled for changes of the active IPsec policy, found some, and applied them.")
        }
        MachineEvent::NetworkChanged => Vec::new(),
    }
}

fn storage(source: PolicySource) -> &'static str {
    match source {
        PolicySource::Persistent => "Persistent storage",
        PolicySource::Domain => "Active Directory storage",
        PolicySource::Local => "Local registry storage",
    }
}

fn started(source: Option<PolicySource>) -> &'static str {
    match source {
        Some(_) => "The service has started and applies the assigned policy.",
        None => "The service has started. No policy is assigned.",
    }
}

fn starts(mode: DriverMode) -> Option<Kind> {
    match mode {
        DriverMode::Permit => Some(Kind::StartsBypass),
        DriverMode::Block => Some(Kind::StartsBlock),
        DriverMode::Stateful => Some(Kind::StartsStateful),
        DriverMode::Secure => None,
    }
}

fn entered(mode: DriverMode) -> Option<Kind> {
    match mode {
        DriverMode::Permit => Some(Kind::EnteredBypass),
        DriverMode::Block => Some(Kind::EnteredBlock),
        DriverMode::Secure => Some(Kind::EnteredSecure),
        DriverMode::Stateful => None,
    }
}
