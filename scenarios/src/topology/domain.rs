//! Domains: whose policies their directory has, which Group Policy objects assign them, their controllers and trusts.
//!
//! ```toml
//! [[domain]]
//! name = "corp.example"
//! policies = "directory.netsh"
//! controllers = [{ name = "dc1", address = "10.1.0.5" }]
//! trusts = ["partner.example"]
//! gpo = [
//!   { name = "Default Domain Policy", assigned = "Client (Respond Only)" },
//!   { name = "Tunnel gateways", unit = "Servers/Gateways", assigned = "Tunnel to NetB" },
//! ]
//! ```
//!
//! A node says `member_of = "corp.example/Servers/Gateways"`.

use std::net::IpAddr;

use ipsec_machine::directory::{Container, Place};
use serde::Deserialize;
use toml::Spanned;

use super::{Node, Topology};
use crate::error::{Doc, LoadError};

/// A domain of Windows 2000 or later, which is a Kerberos realm too.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Domain {
    /// Its DNS name.
    pub name: Spanned<String>,
    /// The netsh script that makes the policies of its directory; none: there are none. It assigns none of them.
    pub policies: Option<Spanned<String>>,
    /// Its Group Policy objects. `Default Domain Policy` is always there.
    #[serde(default)]
    pub gpo: Vec<Gpo>,
    /// Its controllers.
    #[serde(default)]
    pub controllers: Vec<Controller>,
    /// The domains that it trusts: whose members may authenticate to its own.
    #[serde(default)]
    pub trusts: Vec<Spanned<String>>,
}

/// A Group Policy object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpo {
    /// Its name.
    pub name: Spanned<String>,
    /// The organizational unit it is linked to, as a path of names: `Servers/Gateways`.
    pub unit: Option<String>,
    /// The site it is linked to. Without unit or site it is the domain.
    pub site: Option<String>,
    /// The policy that it assigns at the beginning.
    pub assigned: Option<String>,
}

/// A domain controller.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
}

impl Gpo {
    /// What it is linked to.
    pub(crate) fn container(&self) -> Container {
        match (&self.unit, &self.site) {
            (Some(unit), _) => Container::OrganizationalUnit(unit.clone()),
            (None, Some(site)) => Container::Site(site.clone()),
            (None, None) => Container::Domain,
        }
    }
}

impl Topology {
    /// The domain of this name.
    pub(crate) fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.name.get_ref().eq_ignore_ascii_case(name))
    }

    /// The domain, and the place in it, that `corp.example/Servers/Gateways` names.
    ///
    /// # Errors
    /// When there is no such domain.
    pub(crate) fn place(
        &self,
        doc: Doc<'_>,
        member_of: &Spanned<String>,
        site: Option<&String>,
        key: &str,
    ) -> Result<(&Domain, Place), LoadError> {
        let (name, unit) = match member_of.get_ref().split_once('/') {
            Some((name, unit)) => (name, Some(unit.to_owned())),
            None => (member_of.get_ref().as_str(), None),
        };
        let domain = self.domain(name).ok_or_else(|| {
            let known: Vec<&str> = self.domains.iter().map(|d| d.name.get_ref().as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            doc.error(member_of.span(), key, format!("no domain `{name}`; there are {known}"))
        })?;
        Ok((domain, Place { site: site.cloned(), unit }))
    }

    /// Checks the names in domains, and that each node's domain is there.
    pub(super) fn validate_domains(&self, doc: Doc<'_>) -> Result<(), LoadError> {
        for (i, domain) in self.domains.iter().enumerate() {
            let name = domain.name.get_ref();
            if self.domains.iter().take(i).any(|d| d.name.get_ref().eq_ignore_ascii_case(name)) {
                return Err(doc.error(domain.name.span(), "domain.name", "a second domain of this name"));
            }
            for trusted in &domain.trusts {
                self.place(doc, trusted, None, "domain.trusts")?;
            }
            if let Some(gpo) = domain.gpo.iter().find(|gpo| gpo.unit.is_some() && gpo.site.is_some()) {
                let message = "linked to a unit or to a site, not to both";
                return Err(doc.error(gpo.name.span(), "domain.gpo", message));
            }
        }
        self.nodes.iter().try_for_each(|node| self.validate_member(doc, node))
    }

    fn validate_member(&self, doc: Doc<'_>, node: &Node) -> Result<(), LoadError> {
        let Some(member_of) = &node.member_of else { return Ok(()) };
        self.place(doc, member_of, node.site.as_ref(), "node.member_of")?;
        if node.has_ipsec() {
            return Ok(());
        }
        let message = "a member without IPsec follows no policy: give it a `policy`, which may be empty";
        Err(doc.error(member_of.span(), "node.member_of", message))
    }
}
