//! Steps of the administrators of a domain. Group Policy is applied at once, as `gpupdate /force` does; by itself it would be
//! within 90 minutes.

use serde::Deserialize;
use toml::Spanned;

use super::Names;
use crate::error::LoadError;

/// The account of a computer is moved to another organizational unit or domain, or out of its domain.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// The computer.
    pub node: Spanned<String>,
    /// Where to, as in `member_of`; none: it is in no domain from now on.
    pub to: Option<Spanned<String>>,
}

/// A Group Policy object is edited.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupPolicy {
    /// The domain.
    pub domain: Spanned<String>,
    /// The object.
    pub gpo: Spanned<String>,
    /// The policy that it assigns from now on; none: it assigns none.
    pub assign: Option<String>,
}

/// What is in the way of Kerberos.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kerberos {
    /// The node that begins.
    pub from: Spanned<String>,
    /// The node that answers.
    pub to: Spanned<String>,
    /// Exactly these sentences (`ipsec_machine::kerberos::Obstacle`); none: it could authenticate them.
    #[serde(default)]
    pub obstacles: Vec<String>,
}

impl Names<'_> {
    pub(super) fn kerberos(&self, check: &Kerberos) -> Result<(), LoadError> {
        self.node(&check.from, "kerberos.from")?;
        self.node(&check.to, "kerberos.to")
    }

    pub(super) fn r#move(&self, step: &Move) -> Result<(), LoadError> {
        self.computer(&step.node, "do.move.node")?;
        let mut to = step.to.iter();
        to.try_for_each(|to| self.topology.place(self.doc, to, None, "do.move.to").map(drop))
    }

    pub(super) fn group_policy(&self, step: &GroupPolicy) -> Result<(), LoadError> {
        self.topology.place(self.doc, &step.domain, None, "do.group_policy.domain").map(drop)
    }
}
