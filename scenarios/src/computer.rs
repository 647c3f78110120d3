//! A node's policies as its administrator edits them: by a script before the run, by `netsh` lines while it runs.

use std::sync::Arc;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::interface::ConnectionKind;
use ipsec_core::pad::{Identity, Pad};
use ipsec_policy::compile::{LocalAddresses, LocalInterface, compile_stores};
use ipsec_policy::netsh::{Setting, run};
use ipsec_policy::{Live, Stores};

use crate::error::{LoadError, missing};
use crate::scenario::Scenario;
use crate::topology;

/// The policies of one node.
#[derive(Clone, Debug)]
pub(crate) struct Computer<'a> {
    node: &'a topology::Node,
    stores: Stores,
    local: LocalAddresses,
}

impl<'a> Computer<'a> {
    /// The node with what its script made.
    pub(crate) fn new(scenario: &Scenario, node: &'a topology::Node) -> Result<Self, LoadError> {
        let addresses = node.interfaces.iter().map(|i| i.address.get_ref().0).collect();
        let local = LocalAddresses {
            interfaces: vec![LocalInterface { kind: ConnectionKind::Lan, addresses }],
            ..LocalAddresses::default()
        };
        let mut computer =
            Self { node, stores: Stores::of(node.profile), local: local.with_release(node.profile) };
        let file = computer.file();
        if !file.is_empty() {
            computer.script(file, scenario.files.bytes(file)?, None)?;
            // The script ran before this start of the computer, so that these properties are in force now.
            computer.local.exempt = computer.stores.config.exempt;
        }
        Ok(computer)
    }

    fn file(&self) -> &'a str {
        self.node.policy.as_ref().map_or("", |p| p.get_ref().as_str())
    }

    fn script(&mut self, file: &str, bytes: &[u8], live: Option<&Live>) -> Result<String, LoadError> {
        let local = self.local.clone();
        let setting = Setting { computer: Some(&local), live, ..Setting::default() };
        let output = run(&mut self.stores, file, bytes, &setting).map_err(|e| LoadError {
            file: file.to_string(),
            line: 0,
            column: 0,
            key: None,
            message: e.to_string(),
        })?;
        Ok(output.text)
    }

    /// What its IPsec layer needs of them.
    pub(crate) fn databases(&self) -> Result<PolicyDatabases, LoadError> {
        let wrong = |e: ipsec_policy::compile::CompileError| missing(self.file(), e.to_string());
        let mut policy = compile_stores(&self.stores, &self.local).map_err(wrong)?;
        name(Arc::make_mut(&mut policy.pad), self.node);
        self.node.aggressive_mode.iter().for_each(|habit| habit.apply(&mut policy));
        Ok(policy)
    }

    /// Starts again: dynamic policy is lost, and the properties that waited for this are in force.
    pub(crate) fn restart(&mut self) -> Result<PolicyDatabases, LoadError> {
        self.stores.service_stopped();
        self.local.exempt = self.stores.config.exempt;
        self.databases()
    }

    /// Types a line: what it prints, and new databases when it changed a policy.
    pub(crate) fn enter(
        &mut self,
        line: &str,
        live: Option<&Live>,
    ) -> Result<(String, Option<PolicyDatabases>), LoadError> {
        let before = self.stores.clone();
        let text = self.script("steps.toml", line.as_bytes(), live)?;
        // The properties act by themselves or from the next start on.
        let changed = before.local != self.stores.local
            || before.persistent != self.stores.persistent
            || before.dynamic != self.stores.dynamic;
        let databases = if changed { Some(self.databases()?) } else { None };
        Ok((text, databases))
    }
}

/// Names for phase 1 in place of addresses.
fn name(pad: &mut Pad, node: &topology::Node) {
    let fqdn = |name: &String| Identity::Fqdn(name.clone());
    for entry in &mut pad.entries {
        entry.identity = node.identity.as_ref().map(fqdn);
        entry.peer_identities = node.peer_identities.iter().map(fqdn).collect();
    }
}
