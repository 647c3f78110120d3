//! The computer: its release, its stores, its services, its network, its logs.
//!
//! [`Computer`] is sans-IO like the core: calls hand in what people and the network do, with the time; what follows from it
//! comes out of [`Computer::poll_output`], in order. [`Output::Driver`] is for `ipsec_core::Ipsec`, [`Output::Event`] for
//! the logs.
//!
//! Who edits policy with `netsh` tells the running service, and the change is in force at once. Who edits the registry
//! ([`Computer::registry`]) does not, and the service finds the change when it polls the next time.

use std::collections::VecDeque;

use ipsec_core::config::PolicyDatabases;
use ipsec_core::{Command, Instant};
use ipsec_policy::compile::{CompileError, LocalAddresses, Validation, compile_stores};
use ipsec_policy::exempt::ExemptLevel;
use ipsec_policy::netsh::{self, Setting};
use ipsec_policy::{Live, Profile, Stores};

use crate::driver_mode::DriverMode;
use crate::network_settings::NetworkSettings;
use crate::policy_agent::{PolicyAgent, StartupType};

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

/// What happened on a computer, beside its IPsec driver and IKE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MachineEvent {
    /// The driver was loaded and begins in this mode (events 4295 to 4297).
    DriverStarts(DriverMode),
    /// The driver went over to this mode (events 4292 to 4294).
    DriverEntered(DriverMode),
    /// The service has started (event 613), with the store that its policy will come from.
    ServiceStarted {
        /// The store of the assigned policy; none: no policy is assigned.
        source: Option<PolicySource>,
    },
    /// The service has stopped (event 614).
    ServiceStopped,
    /// The service could not start (event 616).
    ServiceFailed,
    /// A policy is in force now (event 615).
    PolicyApplied {
        /// The store it came from.
        source: PolicySource,
        /// Its name.
        policy: String,
        /// Why just now.
        trigger: Trigger,
    },
    /// A policy could not be applied; what other sources say stays in force.
    PolicyFailed {
        /// The store it came from.
        source: PolicySource,
        /// Its name.
        policy: String,
        /// What is wrong with it.
        error: CompileError,
    },
    /// No policy of this store is assigned any more.
    PolicyUnassigned(PolicySource),
    /// The service polled the local store and found what it had read before (event 615).
    PolledNoChange,
    /// The service polled the local store and found changes (event 615).
    PolledChanged,
    /// Addresses or servers of the computer are others now.
    NetworkChanged,
}

/// Where a policy comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PolicySource {
    /// The persistent store.
    Persistent,
    /// The local registry.
    Local,
}

/// Why a policy was applied.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trigger {
    /// The service has started.
    Start,
    /// Somebody edited policy with a tool that tells the service.
    Edit,
    /// Polling found a change.
    Poll,
    /// The network settings are others.
    Network,
}

impl Computer {
    /// A computer with empty stores that has started some time ago: its service runs.
    #[must_use]
    pub fn new(release: &'static Profile, network: NetworkSettings) -> Self {
        let mut stores = Stores::of(release);
        stores.set_hosts(&network.hosts);
        Computer {
            release,
            agent: PolicyAgent::running(&stores, Instant::EPOCH),
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

    /// Runs a script as if it had been run before this start of the computer, so that the properties which wait for one
    /// are in force. What it prints.
    ///
    /// # Errors
    /// What is wrong with the script; nothing was changed then.
    pub fn prepare(&mut self, file: &str, script: &[u8]) -> Result<String, netsh::Error> {
        let text = self.run(file, script, None)?;
        self.exempt = self.stores.config.exempt;
        if self.agent.running {
            self.agent.read = self.stores.clone();
            self.agent.arm(Instant::EPOCH);
        }
        Ok(text)
    }

    /// Types a `netsh` line, or several: what it prints. What it changes is in force at once when the service runs.
    ///
    /// # Errors
    /// What is wrong with the line; nothing was changed then.
    pub fn enter(&mut self, line: &str, live: Option<&Live>, now: Instant) -> Result<String, netsh::Error> {
        let before = self.stores.clone();
        let text = self.run("netsh", line.as_bytes(), live)?;
        if self.agent.running && policies_differ(&before, &self.stores) {
            self.read_stores(Trigger::Edit, now);
        }
        Ok(text)
    }

    fn run(&mut self, file: &str, script: &[u8], live: Option<&Live>) -> Result<String, netsh::Error> {
        let local = self.local_addresses();
        let setting = Setting { computer: Some(&local), live, ..Setting::default() };
        Ok(netsh::run(&mut self.stores, file, script, &setting)?.text)
    }

    /// Starts the service: the policy that is assigned is in force.
    pub fn start_service(&mut self, now: Instant) {
        if self.agent.running || self.agent.startup == StartupType::Disabled {
            return;
        }
        self.agent.running = true;
        let stores =
            [(PolicySource::Persistent, &self.stores.persistent), (PolicySource::Local, &self.stores.local)];
        let source = stores.into_iter().find(|(_, store)| store.assigned().is_some()).map(|(s, _)| s);
        self.event(MachineEvent::ServiceStarted { source });
        self.enter_mode(DriverMode::Secure);
        self.read_stores(Trigger::Start, now);
    }

    /// Stops the service: peers are told that their SAs are gone, no policy is in force, dynamic policy is lost (TechNet
    /// cc739550).
    pub fn stop_service(&mut self) {
        if !self.agent.running {
            return;
        }
        self.stores.service_stopped();
        self.agent.running = false;
        self.agent.read = Stores::of(self.release);
        self.agent.next_poll = None;
        self.event(MachineEvent::ServiceStopped);
        self.outputs.push_back(Output::Driver(Command::Shutdown));
        self.enter_mode(DriverMode::Permit);
        if let Ok(databases) = self.databases() {
            self.outputs.push_back(Output::Driver(Command::SetPolicy(databases)));
        }
    }

    /// Starts the computer again in no time: dynamic policy is lost, and the properties that waited for this are in force.
    pub fn restart(&mut self, now: Instant) {
        self.stores.service_stopped();
        self.exempt = self.stores.config.exempt;
        self.read_stores(Trigger::Start, now);
    }

    /// When [`Computer::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.agent.next_poll
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.agent.next_poll.is_none_or(|due| due > now) {
            return;
        }
        if policies_differ(&self.agent.read, &self.stores) {
            self.event(MachineEvent::PolledChanged);
            self.read_stores(Trigger::Poll, now);
        } else {
            self.event(MachineEvent::PolledNoChange);
            self.agent.arm(now);
        }
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Reads the stores and gives the driver what they say.
    fn read_stores(&mut self, trigger: Trigger, now: Instant) {
        let before = std::mem::replace(&mut self.agent.read, self.stores.clone());
        self.agent.arm(now);
        self.tell_assignment(&before, trigger);
        match self.databases() {
            Ok(databases) => self.outputs.push_back(Output::Driver(Command::SetPolicy(databases))),
            Err(error) => {
                let policy = self.stores.local.assigned().map_or_else(String::new, |p| p.name.clone());
                self.event(MachineEvent::PolicyFailed { source: PolicySource::Local, policy, error });
            }
        }
    }

    fn tell_assignment(&mut self, before: &Stores, trigger: Trigger) {
        let read = self.agent.read.clone();
        let stores = [
            (PolicySource::Persistent, &before.persistent, &read.persistent),
            (PolicySource::Local, &before.local, &read.local),
        ];
        for (source, before, now) in stores {
            match (before.assigned(), now.assigned()) {
                (_, Some(policy)) if before != now || trigger == Trigger::Start => {
                    self.event(MachineEvent::PolicyApplied { source, policy: policy.name.clone(), trigger });
                }
                (Some(_), None) => self.event(MachineEvent::PolicyUnassigned(source)),
                _ => {}
            }
        }
    }

    fn enter_mode(&mut self, mode: DriverMode) {
        if self.mode != mode {
            self.mode = mode;
            self.event(MachineEvent::DriverEntered(mode));
        }
    }

    fn event(&mut self, event: MachineEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    /// What the policies that the service has read make of this computer.
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
        let validation = self.validation;
        LocalAddresses { validation, ..self.network.local_addresses(self.release, self.exempt) }
    }

    /// The service.
    #[must_use]
    pub fn agent(&self) -> &PolicyAgent {
        &self.agent
    }

    /// Whether the service runs.
    #[must_use]
    pub fn service_runs(&self) -> bool {
        self.agent.running
    }

    /// The driver's mode.
    #[must_use]
    pub fn driver_mode(&self) -> DriverMode {
        self.mode
    }
}

/// Whether there is something to tell the driver. The properties act by themselves or from the next start on.
fn policies_differ(a: &Stores, b: &Stores) -> bool {
    a.local != b.local || a.persistent != b.persistent || a.dynamic != b.dynamic
}

#[cfg(test)]
mod tests;
