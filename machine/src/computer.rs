//! The computer: its release, its stores, its services, its network, its logs.
//!
//! [`Computer`] is sans-IO like the core: calls hand in what people and the network do, with the time; what
//! follows from it comes out of [`Computer::poll_output`], in order. [`Output::Driver`] is for
//! `ipsec_core::Ipsec`, [`Output::Event`] for the logs.
//!
//! Who edits policy with `netsh` tells the running service, and the change is in force at once. Who edits the
//! registry ([`Computer::registry`]) does not, and the service finds the change when it polls the next time.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::{Command, Instant};
use ipsec_policy::compile::{CompileError, LocalAddresses, Validation, compile_stores};
use ipsec_policy::dynamic::Dynamic;
use ipsec_policy::exempt::ExemptLevel;
use ipsec_policy::netsh::{self, Setting};
use ipsec_policy::{Domain, Live, Profile, Store, Stores};

use crate::driver_mode::DriverMode;
use crate::network_settings::NetworkSettings;
use crate::policy_agent::{PolicyAgent, StartupType, State};

mod event;

pub use event::{MachineEvent, PolicySource, Trigger};

/// One computer.
#[derive(Clone, Debug)]
pub struct Computer {
    release: &'static Profile,
    stores: Stores,
    network: NetworkSettings,
    agent: PolicyAgent,
    mode: DriverMode,
    /// The default exemptions in force: those that were configured when the computer started.
    exempt: ExemptLevel,
    validation: Validation,
    outputs: VecDeque<Output>,
}

/// What a computer wants done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Hand this to the IPsec driver.
    Driver(Command),
    /// Something happened that logs may show.
    Event(MachineEvent),
}

/// How long a computer takes to boot, from its driver on.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct BootTimes {
    /// Until the service starts and applies persistent policy.
    pub service: Duration,
    /// From there until it has read the local store.
    pub policy: Duration,
}

impl Computer {
    /// A computer with empty stores that has started some time ago: its service runs.
    #[must_use]
    pub fn new(release: &'static Profile, network: NetworkSettings) -> Self {
        let mut stores = Stores::of(release);
        stores.set_hosts(&network.hosts);
        Computer {
            release,
            agent: PolicyAgent::new(&stores, Instant::EPOCH),
            exempt: stores.config.exempt,
            stores,
            network,
            mode: DriverMode::Secure,
            validation: Validation::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Refuses from now on what Microsoft does not support, or does what Windows does with it.
    pub fn set_validation(&mut self, validation: Validation) {
        self.validation = validation;
    }

    /// Routing and Remote Access runs, and has made this policy by itself
    /// ([`L2tp::policy`](crate::routing_and_remote_access::L2tp::policy)).
    pub fn set_automatic(&mut self, policy: Store) {
        if self.agent.runs() {
            self.agent.read.automatic = policy.clone();
        }
        self.stores.automatic = policy;
    }

    /// The same computer, whose service has this startup type: it did not start with the computer unless
    /// automatic.
    #[must_use]
    pub fn with_startup(mut self, startup: StartupType) -> Self {
        self.agent.startup = startup;
        if startup != StartupType::Automatic {
            self.agent.state = State::Stopped;
            self.agent.read = self.stores.emptied();
            self.mode = DriverMode::Permit;
        }
        self
    }

    /// Runs a script as if it had been run before this start of the computer, so that the properties which
    /// wait for one are in force. What it prints.
    ///
    /// # Errors
    /// What is wrong with the script; nothing was changed then.
    pub fn prepare(&mut self, file: &str, script: &[u8]) -> Result<String, netsh::Error> {
        let text = self.run(file, script, Setting::default())?;
        self.exempt = self.stores.config.exempt;
        if self.agent.runs() {
            self.agent.read = self.stores.clone();
            self.agent.arm(Instant::EPOCH);
        } else {
            self.stores.service_stopped();
        }
        Ok(text)
    }

    /// Types a line for `netsh` or one of the tools before it, or several: what it prints. What it changes is in
    /// force at once when the service runs; while it does not, stored policy can be edited and assigned, and
    /// waits. The release's own tools are there and no others.
    ///
    /// # Errors
    /// What is wrong with the line; nothing was changed then. A tool that the release lacks is wrong too.
    pub fn enter(&mut self, line: &str, live: Option<&Live>, now: Instant) -> Result<String, netsh::Error> {
        let before = self.stores.clone();
        let tools_of = Some(self.release);
        let read = self.agent.read.clone();
        let read_by_service = Some((&before, &read));
        let service_stopped = !self.agent.runs();
        let setting = Setting { live, tools_of, service_stopped, read_by_service, ..Setting::default() };
        let text = self.run("netsh", line.as_bytes(), setting)?;
        // The properties act by themselves or from the next start on.
        let changed = before.effective() != self.stores.effective()
            || before.persistent != self.stores.persistent
            || before.dynamic != self.stores.dynamic;
        if self.agent.runs() && changed {
            self.read_stores(self.stores.clone(), Trigger::Edit);
            self.agent.arm(now);
        }
        Ok(text)
    }

    /// Changes what is stored by `netsh` lines that nobody tells the service of, as somebody does who writes
    /// to the registry: a running service finds the change in the local store when it polls, and all of it
    /// when it starts.
    ///
    /// # Errors
    /// What is wrong with the lines; nothing was changed then.
    pub fn edit_registry(&mut self, lines: &str) -> Result<(), netsh::Error> {
        let setting = Setting { service_stopped: true, ..Setting::default() };
        self.run("registry", lines.as_bytes(), setting).map(drop)
    }

    /// Group Policy tells which domain the computer is a member of, and which policy its directory assigns
    /// ([`Directory::group_policy`](crate::directory::Directory::group_policy)). A running service applies that at once; the
    /// local store stays as it is.
    pub fn apply_group_policy(&mut self, domain: Option<Domain>, now: Instant) {
        if self.stores.domain == domain {
            return;
        }
        self.stores.domain = domain;
        if self.agent.runs() {
            let (local, domain) = (self.stores.local.clone(), self.stores.domain.clone());
            self.read_stores(Stores { local, domain, ..self.agent.read.clone() }, Trigger::GroupPolicy);
            self.agent.arm(now);
        }
    }

    fn run(&mut self, file: &str, script: &[u8], setting: Setting<'_>) -> Result<String, netsh::Error> {
        let local = self.local_addresses();
        let setting = Setting { computer: Some(&local), ..setting };
        Ok(netsh::run(&mut self.stores, file, script, &setting)?.text)
    }

    /// Starts the service by hand: the policy that is assigned is in force. A disabled service does not start.
    pub fn start_service(&mut self, now: Instant) {
        if !self.agent.runs() && self.agent.startup != StartupType::Disabled {
            self.service_starts(Duration::ZERO, now);
        }
    }

    /// Stops the service: peers are told that their SAs are gone, no policy is in force, dynamic policy is
    /// lost (TechNet cc739550).
    pub fn stop_service(&mut self) {
        if self.agent.runs() {
            self.forget_policy();
            self.event(MachineEvent::ServiceStopped);
            self.drive(DriverMode::Permit);
        }
    }

    /// Sets when the service starts. That acts from the next start of the computer on.
    pub fn set_startup(&mut self, startup: StartupType) {
        self.agent.startup = startup;
    }

    /// From now on the service fails with a run-time error when it is started, or no longer.
    pub fn set_service_fails(&mut self, fails: bool) {
        self.agent.fails = fails;
    }

    /// Starts the computer again: the driver is in its start-up mode until the service, in its time, has
    /// given it policy. Dynamic policy is lost, and the properties that waited for this are in force.
    pub fn boot(&mut self, times: BootTimes, now: Instant) {
        self.forget_policy();
        self.exempt = self.stores.config.exempt;
        let startup = self.agent.startup;
        self.mode =
            DriverMode::at_start_up(self.release, startup, &self.stores.config, self.source().is_some());
        self.event(MachineEvent::DriverStarts(self.mode));
        if startup == StartupType::Automatic && times.service.is_zero() {
            return self.service_starts(times.policy, now);
        }
        self.drive(self.mode);
        if startup == StartupType::Automatic {
            self.agent.state = State::Awaited { at: now + times.service, reading: times.policy };
        }
    }

    /// Changes the network settings. Filters with server keywords follow at once, without an edit of the policy.
    pub fn set_network(&mut self, network: NetworkSettings) {
        if network == self.network {
            return;
        }
        let before = self.databases();
        self.stores.set_hosts(&network.hosts);
        self.agent.read.set_hosts(&network.hosts);
        self.network = network;
        self.event(MachineEvent::NetworkChanged);
        if self.agent.runs() && self.databases() != before {
            self.read_stores(self.agent.read.clone(), Trigger::Network);
        }
    }

    /// When [`Computer::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.agent.poll_timeout()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return;
        }
        match self.agent.state {
            State::Stopped => {}
            State::Awaited { reading, .. } => self.service_starts(reading, now),
            State::Reading { .. } => self.read_all(now),
            State::Polling { .. } => self.poll(now),
        }
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The service starts: persistent policy is in force, and the local store is read after a while.
    fn service_starts(&mut self, reading: Duration, now: Instant) {
        if self.agent.fails {
            self.agent.state = State::Stopped;
            self.event(MachineEvent::ServiceFailed);
            let blocks = self.release.blocks_without_service.value;
            return self.drive(if blocks { DriverMode::Block } else { DriverMode::Permit });
        }
        let member = self.stores.domain.is_some();
        self.event(MachineEvent::ServiceStarted { source: self.source(), member });
        if reading.is_zero() {
            return self.read_all(now);
        }
        self.agent.state = State::Reading { at: now + reading };
        if self.stores.persistent.assigned().is_some() {
            let persistent = self.stores.persistent.clone();
            self.read_stores(Stores { persistent, ..self.agent.read.clone() }, Trigger::Start);
        }
    }

    fn read_all(&mut self, now: Instant) {
        self.read_stores(self.stores.clone(), Trigger::Start);
        self.agent.arm(now);
    }

    /// Looks at the store that the policy in force comes from.
    fn poll(&mut self, now: Instant) {
        if self.agent.read.effective() == self.stores.effective() {
            self.event(MachineEvent::PolledNoChange);
        } else {
            self.event(MachineEvent::PolledChanged);
            let (local, domain) = (self.stores.local.clone(), self.stores.domain.clone());
            self.read_stores(Stores { local, domain, ..self.agent.read.clone() }, Trigger::Poll);
        }
        self.agent.arm(now);
    }

    /// Gives the driver what these stores say. A policy that cannot be applied leaves the others in force.
    fn read_stores(&mut self, stores: Stores, trigger: Trigger) {
        let before = std::mem::replace(&mut self.agent.read, stores);
        let mut databases = self.databases();
        for source in [PolicySource::Domain, PolicySource::Local] {
            let at_fault = source == PolicySource::Local || self.agent.read.domain_assigns();
            if let (Err(error), true) = (&databases, at_fault) {
                self.unassign(source, error.clone());
                databases = self.databases();
            }
        }
        match databases {
            Ok(databases) => {
                if self.mode != DriverMode::Secure {
                    self.mode = DriverMode::Secure;
                    self.event(MachineEvent::DriverEntered(DriverMode::Secure));
                }
                self.tell_assignment(&before, trigger);
                self.outputs.push_back(Output::Driver(Command::SetPolicy(databases)));
            }
            Err(error) => {
                self.unassign(PolicySource::Persistent, error);
                self.drive(DriverMode::Block);
            }
        }
    }

    /// Leaves the policy out that cannot be applied. With the local one goes what was put in by hand.
    fn unassign(&mut self, source: PolicySource, error: CompileError) {
        let store = match source {
            PolicySource::Persistent => &mut self.agent.read.persistent,
            PolicySource::Domain => match &mut self.agent.read.domain {
                Some(domain) => &mut domain.policies,
                None => return,
            },
            PolicySource::Local => {
                self.agent.read.dynamic = Dynamic::default();
                &mut self.agent.read.local
            }
        };
        let policy = store.assigned().map_or_else(String::new, |policy| policy.name.clone());
        // Without an assigned policy there is nothing to take the assignment from.
        let _ = store.unassign(&policy);
        self.event(MachineEvent::PolicyFailed { source, policy, error });
    }

    fn tell_assignment(&mut self, before: &Stores, trigger: Trigger) {
        let read = self.agent.read.clone();
        let none = read.local.emptied();
        let stores = |of: &Stores, source| match source {
            PolicySource::Persistent => of.persistent.clone(),
            // Behind a policy of the domain the local one is not in force, whether or not it is assigned.
            PolicySource::Local if of.domain_assigns() => none.clone(),
            PolicySource::Domain if !of.domain_assigns() => none.clone(),
            PolicySource::Local | PolicySource::Domain => of.effective().clone(),
        };
        for source in [PolicySource::Persistent, PolicySource::Domain, PolicySource::Local] {
            let (was, is) = (stores(before, source), stores(&read, source));
            match (was.assigned(), is.assigned()) {
                (_, Some(policy)) if was != is || trigger == Trigger::Network => {
                    self.event(MachineEvent::PolicyApplied { source, policy: policy.name.clone(), trigger });
                }
                (Some(_), None) if source == PolicySource::Local && read.domain_assigns() => {}
                (Some(_), None) => self.event(MachineEvent::PolicyUnassigned(source)),
                _ => {}
            }
        }
    }

    /// The service and its memory are gone.
    fn forget_policy(&mut self) {
        self.stores.service_stopped();
        self.agent.state = State::Stopped;
        self.agent.read = self.stores.emptied();
    }

    /// The driver is alone, in this mode.
    fn drive(&mut self, mode: DriverMode) {
        if self.mode != mode {
            self.mode = mode;
            self.event(MachineEvent::DriverEntered(mode));
        }
        let spd = mode.spd(&self.stores.config.boot_exemptions());
        self.outputs.push_back(Output::Driver(Command::StopIke(Arc::new(spd))));
    }

    fn event(&mut self, event: MachineEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    /// The store whose policy is assigned.
    fn source(&self) -> Option<PolicySource> {
        let stores = &self.stores;
        let domain = stores.domain_assigns().then_some(PolicySource::Domain);
        let local = || stores.local.assigned().map(|_| PolicySource::Local);
        domain.or_else(local).or_else(|| stores.persistent.assigned().map(|_| PolicySource::Persistent))
    }

    /// What brings a driver that was just loaded to where this one is.
    ///
    /// # Errors
    /// Why a policy cannot be applied.
    pub fn driver_command(&self) -> Result<Command, CompileError> {
        if self.mode == DriverMode::Secure {
            return Ok(Command::SetPolicy(self.databases()?));
        }
        Ok(Command::StopIke(Arc::new(self.mode.spd(&self.stores.config.boot_exemptions()))))
    }

    /// What the policies that the service has read make of this computer: none while it does not run.
    ///
    /// # Errors
    /// Why one of them cannot be applied.
    pub fn databases(&self) -> Result<PolicyDatabases, CompileError> {
        compile_stores(&self.agent.read, &self.local_addresses())
    }

    /// The release.
    #[must_use]
    pub fn release(&self) -> &'static Profile {
        self.release
    }

    /// What is stored, whether or not the service has read it.
    #[must_use]
    pub fn stores(&self) -> &Stores {
        &self.stores
    }

    /// What the service has read and put in force; empty while it does not run.
    #[must_use]
    pub fn in_force(&self) -> &Stores {
        &self.agent.read
    }

    /// What is stored, for somebody who edits it without telling the service.
    pub fn registry(&mut self) -> &mut Stores {
        &mut self.stores
    }

    /// Its network.
    #[must_use]
    pub fn network(&self) -> &NetworkSettings {
        &self.network
    }

    /// What the policy compiler, and tools that show filters, want to know of it.
    #[must_use]
    pub fn local_addresses(&self) -> LocalAddresses {
        let (validation, inbound_groups) = (self.validation, self.stores.config.inbound_groups);
        let local = self.network.local_addresses(self.release, self.exempt);
        LocalAddresses { validation, inbound_groups, ..local }
    }

    /// The service.
    #[must_use]
    pub fn agent(&self) -> &PolicyAgent {
        &self.agent
    }

    /// Whether the service runs.
    #[must_use]
    pub fn service_runs(&self) -> bool {
        self.agent.runs()
    }

    /// The driver's mode.
    #[must_use]
    pub fn driver_mode(&self) -> DriverMode {
        self.mode
    }
}

#[cfg(test)]
mod tests;
