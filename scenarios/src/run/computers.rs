//! What people do at computers while a scenario runs, and what the computers do by themselves in between.

use std::time::Duration;

use ipsec_core::{Command, Instant};
use ipsec_machine::computer::BootTimes;
use ipsec_policy::Live;
use ipsec_sim::Action;

use super::Act;
use crate::build;
use crate::computer::Told;
use crate::error::LoadError;
use crate::steps::NetshLine;
use crate::steps::machine::{Boot, Reconfigure, Service, Typed};

impl Act<'_> {
    /// Runs the network up to `until`, and lets each computer do what is due there on the way.
    pub(super) fn run_until(&mut self, until: Instant) -> Result<(), LoadError> {
        self.ask_the_realms();
        loop {
            let due = |(name, computer): (&String, &crate::computer::Computer<'_>)| {
                Some((computer.poll_timeout()?, name.clone()))
            };
            let next = self.computers.iter().filter_map(due).min();
            let Some((at, name)) = next.filter(|(at, _)| *at <= until) else { break };
            self.network.run_until(at - Duration::from_nanos(1), &mut self.sinks);
            let told = self.computers.get_mut(&name).map(|computer| computer.handle_timeout(at));
            if let Some(told) = told {
                self.tell(&name, told?, at);
                self.ask_the_realms();
            }
        }
        self.network.run_until(until, &mut self.sinks);
        Ok(())
    }

    /// Types a line at a node; what it changes is in force at once.
    pub(super) fn netsh(&mut self, typed: &Typed, at: Instant) -> Result<(), LoadError> {
        let (name, line) = (typed.node.get_ref(), &typed.line);
        let Some(id) = self.sinks.2.node(name) else { return Ok(()) };
        let Some(computer) = self.computers.get_mut(name) else { return Ok(()) };
        let live = self.network.ipsec(id).map(|ipsec| Live::of(ipsec, at));
        let (text, told) = computer.enter(typed, live.as_ref(), at)?;
        let story = &mut self.sinks.2.story;
        line.lines().for_each(|line| story.say(at, name, &format!("> {line}")));
        text.lines().for_each(|line| story.say(at, name, &format!("| {line}")));
        self.tell(name, told, at);
        Ok(())
    }

    /// Changes what a node has stored; its service hears nothing of it.
    pub(super) fn registry(&mut self, step: &NetshLine, at: Instant) -> Result<(), LoadError> {
        let name = step.node.get_ref();
        let Some(computer) = self.computers.get_mut(name) else { return Ok(()) };
        computer.edit_registry(&step.line)?;
        self.sinks.2.story.say(at, name, "somebody edits the registry");
        Ok(())
    }

    /// A computer starts again in no time, with what stays of what was typed.
    pub(super) fn restart(&mut self, name: &str, at: Instant) -> Result<(), LoadError> {
        let Some(computer) = self.computers.get_mut(name) else { return Ok(()) };
        let mut told = computer.boot(BootTimes::default(), at)?;
        told.commands.retain(|command| !computer.is_loaded(command));
        self.tell(name, told, at);
        Ok(())
    }

    /// A computer starts again in its time.
    pub(super) fn boot(&mut self, boot: &Boot, at: Instant) -> Result<(), LoadError> {
        let name = boot.node.get_ref();
        self.act(name, at, Action::Reboot, "starts again");
        let Some(computer) = self.computers.get_mut(name) else { return Ok(()) };
        let told = computer.boot(BootTimes { service: boot.service.0, policy: boot.policy.0 }, at)?;
        self.tell(name, told, at);
        Ok(())
    }

    pub(super) fn service(&mut self, step: &Service, at: Instant) -> Result<(), LoadError> {
        let name = step.node.get_ref();
        let Some(computer) = self.computers.get_mut(name) else { return Ok(()) };
        let told = computer.service(step.action, at)?;
        self.tell(name, told, at);
        Ok(())
    }

    pub(super) fn reconfigure(&mut self, step: &Reconfigure, at: Instant) -> Result<(), LoadError> {
        let name = step.node.get_ref();
        let Some(computer) = self.computers.get_mut(name) else { return Ok(()) };
        let told = computer.reconfigure(step)?;
        // The stack has the address before the service hears of it.
        if let Some(net) = step.address {
            let interface = build::interface_id(self.scenario, name, step.interface.get_ref());
            let (address, len) = (net.0.address, net.0.len);
            let what = format!("{} has the address {address}/{len} now", step.interface.get_ref());
            self.act(name, at, Action::Addresses(interface, vec![net.0]), &what);
        }
        self.tell(name, told, at);
        Ok(())
    }

    /// Lets the IPsec layer of a node know, and the story.
    pub(super) fn tell(&mut self, name: &str, told: Told, at: Instant) {
        let observer = &mut self.sinks.2;
        let Some(node) = observer.node(name) else { return };
        for event in &told.events {
            observer.machine_event(at, node, event);
            self.sinks.3.machine(node, at, event);
        }
        if let Some(computer) = self.computers.get(name) {
            self.sinks.3.configure(node, computer.config());
        }
        for command in told.commands {
            if let Command::SetPolicy(policy) = &command {
                self.sinks.2.policies.insert(node, policy.clone());
            }
            self.network.schedule(at, node, Action::Ipsec(command));
        }
    }
}
