//! What the administrators of a domain do, and what Group Policy makes of it at its members.

use ipsec_core::Instant;

use super::Act;
use crate::error::LoadError;
use crate::steps::domain::{GroupPolicy, Move};

impl Act<'_> {
    /// Moves the account of a computer; Group Policy is applied there.
    pub(super) fn move_to(&mut self, step: &Move, at: Instant) -> Result<(), LoadError> {
        self.domains.move_to(self.scenario, step)?;
        let to = match &step.to {
            Some(to) => format!("is in {} from now on", to.get_ref()),
            None => "is in no domain from now on".to_owned(),
        };
        self.sinks.2.story.say(at, step.node.get_ref(), &to);
        self.apply_group_policy(step.node.get_ref(), at)
    }

    /// Lets a Group Policy object assign another policy, and applies it at every member of the domain.
    pub(super) fn group_policy(&mut self, step: &GroupPolicy, at: Instant) -> Result<(), LoadError> {
        let members = self.domains.assign(self.scenario, step)?;
        let gpo = step.gpo.get_ref();
        let what = match &step.assign {
            Some(policy) => format!("'{gpo}' assigns '{policy}'"),
            None => format!("'{gpo}' assigns no IPsec policy any more"),
        };
        self.sinks.2.story.say(at, step.domain.get_ref(), &what);
        members.iter().try_for_each(|node| self.apply_group_policy(node, at))
    }

    fn apply_group_policy(&mut self, node: &str, at: Instant) -> Result<(), LoadError> {
        let domain = self.domains.group_policy(node);
        let Some(computer) = self.computers.get_mut(node) else { return Ok(()) };
        let told = computer.group_policy(domain, at)?;
        self.tell(node, told, at);
        Ok(())
    }
}
