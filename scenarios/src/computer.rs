//! A node's computer: what its topology and script make of `ipsec_machine`'s, and what phase 1 needs beside it.

use std::sync::Arc;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::pad::{Identity, Pad};
use ipsec_core::{Command, Instant};
use ipsec_machine::computer::{self, BootTimes, MachineEvent, Output};
use ipsec_machine::event_log::Release;
use ipsec_machine::ipconfig;
use ipsec_machine::netdiag;
use ipsec_machine::network_settings::{Adapter, NetworkSettings};
use ipsec_machine::policy_agent::StartupType;
use ipsec_machine::routing_and_remote_access::L2tp;
use ipsec_policy::auth_method::PresharedKey;
use ipsec_policy::compile::CompileError;
use ipsec_policy::dynamic::Config;
use ipsec_policy::netsh;
use ipsec_policy::profile;
use ipsec_policy::profile::Switch;
use ipsec_policy::tools::Tool;
use ipsec_policy::{AuthMethod, Domain, Live};

use crate::domains::Domains;
use crate::error::{LoadError, missing};
use crate::scenario::Scenario;
use crate::steps::machine::{Reconfigure, ServiceAction, Typed};
use crate::topology;

/// The computer of one node.
#[derive(Clone, Debug)]
pub(crate) struct Computer<'a> {
    node: &'a topology::Node,
    computer: computer::Computer,
    /// The policy that its IPsec layer is made with.
    loaded: PolicyDatabases,
}

/// What a computer has to say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// To its IPsec layer.
    pub(crate) commands: Vec<Command>,
    /// To its logs.
    pub(crate) events: Vec<MachineEvent>,
}

impl<'a> Computer<'a> {
    /// The node with what its script made.
    pub(crate) fn new(
        scenario: &Scenario,
        node: &'a topology::Node,
        domains: &Domains,
    ) -> Result<Self, LoadError> {
        let network = NetworkSettings {
            adapters: node.interfaces.iter().map(|i| adapter(node, i)).collect(),
            hosts: scenario.topology.hosts.iter().map(|(n, a)| (n.to_lowercase(), a.clone())).collect(),
        };
        let service = node.service.unwrap_or_default();
        let computer = computer::Computer::new(node.profile, network).with_startup(service.startup.into());
        let mut computer = Self { node, computer, loaded: PolicyDatabases::default() };
        computer.computer.set_service_fails(service.fails);
        computer.computer.set_validation(node.validation);
        let config = &mut computer.computer.registry().config;
        config.inbound_groups =
            node.switches.iter().any(|switch| switch.get_ref() == Switch::InboundGroupsExempt.name());
        let level = node.no_default_exempt.as_ref().and_then(|n| node.profile.exempt_level(*n.get_ref()));
        config.exempt = level.unwrap_or(config.exempt);
        if let Some(l2tp) = &node.l2tp {
            let role = l2tp.server.map_or(L2tp::Server, L2tp::Client);
            let auth = vec![AuthMethod::PresharedKey(PresharedKey::new(&l2tp.psk))];
            computer.computer.set_automatic(role.policy(node.profile, auth));
        }
        let file = computer.file();
        if !file.is_empty() {
            let prepared = computer.computer.prepare(file, scenario.files.bytes(file)?);
            prepared.map_err(|e| wrong_line(file, e))?;
        }
        // It was so when the computer started: there is nothing to tell.
        computer.group_policy(domains.group_policy(node.name.get_ref()), Instant::EPOCH)?;
        let databases = computer.computer.databases().map_err(|e| computer.wrong_policy(&e))?;
        computer.loaded = computer.named(databases);
        Ok(computer)
    }

    /// What `ipconfig` prints there, if it is Windows.
    pub(crate) fn ipconfig(&self) -> Option<Vec<String>> {
        let windows = self.node.profile.name != profile::RFC.name;
        windows.then(|| ipconfig::lines(self.computer.network(), Release::of(self.node.profile)))
    }

    /// The properties of `netsh ipsec dynamic set config`.
    pub(crate) fn config(&self) -> &Config {
        &self.computer.stores().config
    }

    /// The computer itself.
    pub(crate) fn machine(&self) -> &computer::Computer {
        &self.computer
    }

    fn file(&self) -> &'a str {
        self.node.policy.as_ref().map_or("", |p| p.get_ref().as_str())
    }

    /// What its IPsec layer is made with.
    pub(crate) fn databases(&self) -> PolicyDatabases {
        self.loaded.clone()
    }

    /// What its IPsec layer is told before anything else, where it begins without its service.
    pub(crate) fn first_command(&self) -> Option<Command> {
        self.computer.driver_command().ok().filter(|command| matches!(command, Command::StopIke(_)))
    }

    /// Whether a layer that was just made knows that already.
    pub(crate) fn is_loaded(&self, command: &Command) -> bool {
        matches!(command, Command::SetPolicy(databases) if *databases == self.loaded)
    }

    /// Starts again.
    pub(crate) fn boot(&mut self, times: BootTimes, now: Instant) -> Result<Told, LoadError> {
        self.computer.boot(times, now);
        self.told()
    }

    /// Types a line: what it prints, and what follows.
    pub(crate) fn enter(
        &mut self,
        typed: &Typed,
        live: Option<&Live>,
        now: Instant,
    ) -> Result<(String, Told), LoadError> {
        let line = typed.line.as_str();
        let first = line.split_whitespace().next().and_then(Tool::of_command);
        let answer = if first == Some(Tool::Netdiag) {
            let answer = netdiag::command(&self.computer, line, netdiag::Options::default());
            answer
                .map(|answer| answer.text)
                .map_err(|e| (e.to_string(), wrong_step(&format!("`{line}`: {e}"))))
        } else {
            let answer = self.computer.enter(line, live, now);
            answer.map_err(|e| (e.kind.to_string(), wrong_line("steps.toml", e)))
        };
        let text = match (answer, &typed.refused) {
            (Ok(text), None) => text,
            (Err((text, _)), Some(part)) if text.contains(part) => text,
            (Err((_, error)), _) => return Err(error),
            (Ok(_), Some(_)) => {
                return Err(wrong_step(&format!("`{line}` was to be refused, and was carried out")));
            }
        };
        Ok((text, self.told()?))
    }

    /// Changes what is stored behind the service's back.
    pub(crate) fn edit_registry(&mut self, line: &str) -> Result<(), LoadError> {
        self.computer.edit_registry(line).map_err(|e| wrong_line("steps.toml", e))
    }

    /// Applies Group Policy.
    pub(crate) fn group_policy(&mut self, domain: Option<Domain>, now: Instant) -> Result<Told, LoadError> {
        self.computer.apply_group_policy(domain, now);
        self.told()
    }

    pub(crate) fn service(&mut self, action: ServiceAction, now: Instant) -> Result<Told, LoadError> {
        let computer = &mut self.computer;
        match action {
            ServiceAction::Start => computer.start_service(now),
            ServiceAction::Stop => computer.stop_service(),
            ServiceAction::Automatic => computer.set_startup(StartupType::Automatic),
            ServiceAction::Manual => computer.set_startup(StartupType::Manual),
            ServiceAction::Disabled => computer.set_startup(StartupType::Disabled),
            ServiceAction::Fails => computer.set_service_fails(true),
        }
        self.told()
    }

    pub(crate) fn reconfigure(&mut self, step: &Reconfigure) -> Result<Told, LoadError> {
        let mut network = self.computer.network().clone();
        for adapter in network.adapters.iter_mut().filter(|a| a.name == *step.interface.get_ref()) {
            let set =
                |to: &mut Vec<_>, from: &Option<Vec<_>>| from.iter().for_each(|from| to.clone_from(from));
            adapter.addresses = step.address.map_or(adapter.addresses.clone(), |net| vec![net.0]);
            set(&mut adapter.dns, &step.dns);
            set(&mut adapter.wins, &step.wins);
            set(&mut adapter.gateways, &step.gateway);
            adapter.dhcp = step.dhcp.or(adapter.dhcp);
        }
        self.computer.set_network(network);
        self.told()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.computer.poll_timeout()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<Told, LoadError> {
        self.computer.handle_timeout(now);
        self.told()
    }

    fn told(&mut self) -> Result<Told, LoadError> {
        let mut told = Told::default();
        while let Some(output) = self.computer.poll_output() {
            match output {
                Output::Driver(Command::SetPolicy(databases)) => {
                    told.commands.push(Command::SetPolicy(self.named(databases)));
                }
                Output::Driver(command) => told.commands.push(command),
                Output::Event(MachineEvent::PolicyFailed { error, .. }) => {
                    return Err(self.wrong_policy(&error));
                }
                Output::Event(event) => told.events.push(event),
            }
        }
        Ok(told)
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

/// The adapter of an interface. Where no gateway is named, default routes through the interface say it.
fn adapter(node: &topology::Node, interface: &topology::Interface) -> Adapter {
    let through = |route: &&topology::Route| {
        let by = node.interface_towards(route).and_then(|n| node.interfaces.get(n));
        route.to.0.len == 0 && by.is_some_and(|by| by.name.get_ref() == interface.name.get_ref())
    };
    let routed = || node.routes.iter().filter(through).filter_map(|route| route.via).collect();
    Adapter {
        name: interface.name.get_ref().clone(),
        kind: interface.kind.into(),
        addresses: vec![interface.address.get_ref().0],
        gateways: interface.gateway.clone().unwrap_or_else(routed),
        dns: interface.dns.clone(),
        wins: interface.wins.clone(),
        dhcp: interface.dhcp,
    }
}

pub(crate) fn wrong_line(file: &str, error: netsh::Error) -> LoadError {
    let message = netsh::Error { file: file.into(), ..error }.to_string();
    LoadError { file: file.to_string(), line: 0, column: 0, key: None, message }
}

fn wrong_step(message: &str) -> LoadError {
    LoadError { file: "steps.toml".to_string(), line: 0, column: 0, key: None, message: message.to_string() }
}

fn name(pad: &mut Pad, node: &topology::Node) {
    let fqdn = |name: &String| Identity::Fqdn(name.clone());
    for entry in &mut pad.entries {
        entry.identity = node.identity.as_ref().map(fqdn);
        entry.peer_identities = node.peer_identities.iter().map(fqdn).collect();
    }
}
