//! A node's computer: what its topology and script make of `ipsec_machine`'s, and what phase 1 needs beside it.

use std::sync::Arc;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::pad::{Identity, Pad};
use ipsec_core::{Command, Instant};
use ipsec_machine::computer::{self, MachineEvent, Output};
use ipsec_machine::network_settings::{Adapter, NetworkSettings};
use ipsec_policy::Live;
use ipsec_policy::compile::CompileError;
use ipsec_policy::netsh;

use crate::error::{LoadError, missing};
use crate::scenario::Scenario;
use crate::topology;

/// The computer of one node.
#[derive(Clone, Debug)]
pub(crate) struct Computer<'a> {
    node: &'a topology::Node,
    computer: computer::Computer,
}

impl<'a> Computer<'a> {
    /// The node with what its script made.
    pub(crate) fn new(scenario: &Scenario, node: &'a topology::Node) -> Result<Self, LoadError> {
        let adapter = |i: &topology::Interface| Adapter::lan(i.name.get_ref(), &[i.address.get_ref().0]);
        let network =
            NetworkSettings { adapters: node.interfaces.iter().map(adapter).collect(), ..Default::default() };
        let mut computer = Self { node, computer: computer::Computer::new(node.profile, network) };
        computer.computer.set_validation(node.validation);
        let file = computer.file();
        if !file.is_empty() {
            let prepared = computer.computer.prepare(file, scenario.files.bytes(file)?);
            prepared.map_err(|e| wrong_line(file, e))?;
        }
        Ok(computer)
    }

    fn file(&self) -> &'a str {
        self.node.policy.as_ref().map_or("", |p| p.get_ref().as_str())
    }

    /// What its IPsec layer needs of its policies.
    pub(crate) fn databases(&self) -> Result<PolicyDatabases, LoadError> {
        let databases = self.computer.databases().map_err(|e| self.wrong_policy(&e))?;
        Ok(self.named(databases))
    }

    /// Starts again: what its IPsec layer is to be told.
    pub(crate) fn restart(&mut self, now: Instant) -> Result<Vec<Command>, LoadError> {
        self.computer.restart(now);
        self.commands()
    }

    /// Types a line: what it prints, and what its IPsec layer is to be told.
    pub(crate) fn enter(
        &mut self,
        line: &str,
        live: Option<&Live>,
        now: Instant,
    ) -> Result<(String, Vec<Command>), LoadError> {
        let text = self.computer.enter(line, live, now).map_err(|e| wrong_line("steps.toml", e))?;
        Ok((text, self.commands()?))
    }

    fn commands(&mut self) -> Result<Vec<Command>, LoadError> {
        let mut commands = Vec::new();
        while let Some(output) = self.computer.poll_output() {
            match output {
                Output::Driver(Command::SetPolicy(databases)) => {
                    commands.push(Command::SetPolicy(self.named(databases)));
                }
                Output::Driver(command) => commands.push(command),
                Output::Event(MachineEvent::PolicyFailed { error, .. }) => {
                    return Err(self.wrong_policy(&error));
                }
                Output::Event(_) => {}
            }
        }
        Ok(commands)
    }

    fn wrong_policy(&self, error: &CompileError) -> LoadError {
        missing(self.file(), error.to_string())
    }

    /// Names for phase 1 in place of addresses, and what Windows has not.
    fn named(&self, mut policy: PolicyDatabases) -> PolicyDatabases {
        name(Arc::make_mut(&mut policy.pad), self.node);
        self.node.aggressive_mode.iter().for_each(|habit| habit.apply(&mut policy));
        policy
    }
}

fn wrong_line(file: &str, error: netsh::Error) -> LoadError {
    let message = netsh::Error { file: file.into(), ..error }.to_string();
    LoadError { file: file.to_string(), line: 0, column: 0, key: None, message }
}

fn name(pad: &mut Pad, node: &topology::Node) {
    let fqdn = |name: &String| Identity::Fqdn(name.clone());
    for entry in &mut pad.entries {
        entry.identity = node.identity.as_ref().map(fqdn);
        entry.peer_identities = node.peer_identities.iter().map(fqdn).collect();
    }
}
