//! The directory of a Windows domain, as far as IPsec policy goes: its policies, and the Group Policy objects that assign them.
//!
//! ```text
//!  site  ->  domain  ->  OU  ->  OU in it        each container may have Group Policy objects linked to it
//!  farthest                      nearest         the nearest one that assigns a policy counts, whole
//! ```
//!
//! The local store comes before all of them: local, site, domain, organizational unit, the child's unit last, and the last
//! one wins (TechNet cc783170). Policies are never merged. What comes of it is a [`Domain`], which
//! [`Computer::apply_group_policy`](crate::computer::Computer::apply_group_policy) takes; when Group Policy is applied is
//! for the caller to say. Filters by groups, blocked and enforced links are not modelled.

use core::fmt;

use ipsec_policy::store::{StoreError, same_name};
use ipsec_policy::{Domain, Store};

/// The Group Policy object that each domain comes with.
pub const DEFAULT_DOMAIN_POLICY: &str = "Default Domain Policy";

/// The directory of one domain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Directory {
    name: String,
    /// "IP Security Policies on Active Directory". None of them is assigned in itself.
    policies: Store,
    gpos: Vec<Gpo>,
}

/// A Group Policy object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gpo {
    /// Its name.
    pub name: String,
    /// The container it is linked to.
    pub linked_to: Container,
    /// The IPsec policy that it assigns.
    pub assigned: Option<String>,
}

/// What a Group Policy object can be linked to, from the farthest to the nearest.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Container {
    /// A site.
    Site(String),
    /// The domain.
    Domain,
    /// An organizational unit, by the names of the units it is in and its own: `Servers/Gateways`.
    OrganizationalUnit(String),
}

/// Where in the directory a computer's account is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Place {
    /// The site, which follows from the computer's addresses.
    pub site: Option<String>,
    /// The organizational unit; none: the container `Computers`, which has no Group Policy.
    pub unit: Option<String>,
}

/// Why a Group Policy object cannot be changed so.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DirectoryError {
    /// There is no such object.
    #[error("no Group Policy object '{name}' in {domain}, expected {known}")]
    NoGpo {
        /// Its name.
        name: String,
        /// The domain.
        domain: String,
        /// What there is.
        known: String,
    },
    /// The name is taken.
    #[error("a second Group Policy object '{0}'")]
    SecondGpo(String),
    /// The directory has no such policy.
    #[error(transparent)]
    Policy(#[from] StoreError),
}

impl Directory {
    /// A domain of this DNS name with these policies. Its only Group Policy object is [`DEFAULT_DOMAIN_POLICY`], which assigns none.
    /// An assignment within `policies` does not count.
    #[must_use]
    pub fn new(name: &str, policies: &Store) -> Self {
        let gpo =
            Gpo { name: DEFAULT_DOMAIN_POLICY.to_owned(), linked_to: Container::Domain, assigned: None };
        let mut policies = policies.clone();
        let assigned = policies.assigned().map(|policy| policy.name.clone());
        // It is one of the store's own.
        assigned.iter().for_each(|name| drop(policies.unassign(name)));
        Directory { name: name.to_owned(), policies, gpos: vec![gpo] }
    }

    /// The domain's DNS name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// "All available IPSec policies", none of them assigned: who assigns one does so in a Group Policy object.
    #[must_use]
    pub fn policies(&self) -> &Store {
        &self.policies
    }

    /// Makes a Group Policy object and links it to a container. Of several at one container, the one made first counts most, as
    /// the first in the list of links does.
    ///
    /// # Errors
    /// [`DirectoryError::SecondGpo`].
    pub fn add_gpo(&mut self, name: &str, linked_to: Container) -> Result<(), DirectoryError> {
        if self.gpos.iter().any(|gpo| same_name(&gpo.name, name)) {
            return Err(DirectoryError::SecondGpo(name.to_owned()));
        }
        self.gpos.push(Gpo { name: name.to_owned(), linked_to, assigned: None });
        Ok(())
    }

    /// Lets a Group Policy object assign a policy of the directory, in place of what it assigned before; `None`: no policy.
    ///
    /// # Errors
    /// When there is no such object or policy; nothing was changed then.
    pub fn assign(&mut self, gpo: &str, policy: Option<&str>) -> Result<(), DirectoryError> {
        let policy = match policy {
            Some(name) => Some(self.policies.policy(name)?.name.clone()),
            None => None,
        };
        let known = self.gpos.iter().map(|gpo| format!("'{}'", gpo.name)).collect::<Vec<_>>().join(" or ");
        match self.gpos.iter_mut().find(|known| same_name(&known.name, gpo)) {
            Some(gpo) => gpo.assigned = policy,
            None => {
                let (name, domain) = (gpo.to_owned(), self.name.clone());
                return Err(DirectoryError::NoGpo { name, domain, known });
            }
        }
        Ok(())
    }

    /// The Group Policy objects that apply at a place, in the order in which they do: the last one that assigns a policy counts.
    #[must_use]
    pub fn applied(&self, place: &Place) -> Vec<&Gpo> {
        let mut applied: Vec<&Gpo> = self.gpos.iter().rev().filter(|g| g.linked_to.holds(place)).collect();
        // Stable: the reverse order of the links where they are at one container.
        applied.sort_by_key(|gpo| gpo.linked_to.distance());
        applied
    }

    /// What Group Policy makes of a member at this place.
    #[must_use]
    pub fn group_policy(&self, place: &Place) -> Domain {
        let assigning = self.applied(place).into_iter().rfind(|gpo| gpo.assigned.is_some());
        let mut policies = self.policies.clone();
        for policy in assigning.iter().filter_map(|gpo| gpo.assigned.as_ref()) {
            // `assign` has looked for it, and no policy is ever deleted here.
            let _ = policies.assign(policy);
        }
        Domain { name: self.name.clone(), policies, gpo: assigning.map(|gpo| gpo.name.clone()) }
    }
}

impl Container {
    /// Whether a computer there is in it.
    fn holds(&self, place: &Place) -> bool {
        match self {
            Container::Site(site) => place.site.as_ref().is_some_and(|own| same_name(own, site)),
            Container::Domain => true,
            Container::OrganizationalUnit(unit) => {
                let mut own = place.unit.iter().flat_map(|own| own.split('/'));
                unit.split('/').all(|name| own.next().is_some_and(|own| same_name(own, name)))
            }
        }
    }

    /// Sites, the domain, then units by depth: what has a greater number is nearer to a computer in it.
    fn distance(&self) -> usize {
        match self {
            Container::Site(_) => 0,
            Container::Domain => 1,
            Container::OrganizationalUnit(unit) => 2 + unit.matches('/').count(),
        }
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Container::Site(site) => write!(f, "the site {site}"),
            Container::Domain => f.write_str("the domain"),
            Container::OrganizationalUnit(unit) => write!(f, "the organizational unit {unit}"),
        }
    }
}

#[cfg(test)]
mod tests;
