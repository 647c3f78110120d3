//! The domains of a scenario while it runs: their directories, and where in them its nodes are.

use std::collections::BTreeMap;

use ipsec_machine::directory::{DEFAULT_DOMAIN_POLICY, Directory, Place};
use ipsec_machine::kerberos::{Controller, Realm, Realms};
use ipsec_policy::{Domain, Stores, netsh};

use crate::error::{Doc, LoadError, missing};
use crate::scenario::Scenario;
use crate::steps::domain::{GroupPolicy, Move};
use crate::topology;

/// Every domain, and who is a member of which.
#[derive(Clone, Debug, Default)]
pub(crate) struct Domains {
    /// By name in lower case.
    directories: BTreeMap<String, Directory>,
    /// By node: the domain's name in lower case, and where in it the node is.
    places: BTreeMap<String, (String, Place)>,
    realms: Realms,
}

impl Domains {
    /// As they are at the beginning.
    pub(crate) fn of(scenario: &Scenario) -> Result<Self, LoadError> {
        let topology = &scenario.topology;
        let mut domains = Domains::default();
        for domain in &topology.domains {
            let directory = directory(scenario, domain)?;
            domains.directories.insert(domain.name.get_ref().to_lowercase(), directory);
            domains.realms.0.push(realm(domain));
        }
        let doc = Doc { file: "topology.toml", text: scenario.files.text("topology.toml")? };
        for node in &topology.nodes {
            let Some(member_of) = &node.member_of else { continue };
            let (domain, place) = topology.place(doc, member_of, node.site.as_ref(), "node.member_of")?;
            let name = domain.name.get_ref().to_lowercase();
            domains.places.insert(node.name.get_ref().clone(), (name, place));
        }
        Ok(domains)
    }

    /// What Group Policy makes of this node; none: it is in no domain.
    pub(crate) fn group_policy(&self, node: &str) -> Option<Domain> {
        let (domain, place) = self.places.get(node)?;
        Some(self.directories.get(domain)?.group_policy(place))
    }

    /// The domains as Kerberos realms.
    pub(crate) fn realms(&self) -> &Realms {
        &self.realms
    }

    /// The realm of this node.
    pub(crate) fn realm_of(&self, node: &str) -> Option<&str> {
        let (domain, _) = self.places.get(node)?;
        self.directories.get(domain).map(Directory::name)
    }

    /// The members of a domain.
    fn members(&self, domain: &str) -> Vec<String> {
        let of = self.places.iter().filter(|(_, (of, _))| of == domain);
        of.map(|(node, _)| node.clone()).collect()
    }

    /// Moves the account of a node, or takes it out of its domain.
    pub(crate) fn move_to(&mut self, scenario: &Scenario, step: &Move) -> Result<(), LoadError> {
        let (node, doc) = (step.node.get_ref(), steps(scenario)?);
        let site = self.places.get(node).and_then(|(_, place)| place.site.clone());
        let Some(to) = &step.to else {
            self.places.remove(node);
            return Ok(());
        };
        let (domain, place) = scenario.topology.place(doc, to, site.as_ref(), "do.move.to")?;
        self.places.insert(node.clone(), (domain.name.get_ref().to_lowercase(), place));
        Ok(())
    }

    /// Lets a Group Policy object assign another policy, or none: the nodes it may concern.
    pub(crate) fn assign(
        &mut self,
        scenario: &Scenario,
        step: &GroupPolicy,
    ) -> Result<Vec<String>, LoadError> {
        let name = step.domain.get_ref().to_lowercase();
        let Some(directory) = self.directories.get_mut(&name) else { return Ok(Vec::new()) };
        let assigned = directory.assign(step.gpo.get_ref(), step.assign.as_deref());
        let doc = steps(scenario)?;
        assigned.map_err(|e| doc.error(step.gpo.span(), "do.group_policy", e.to_string()))?;
        Ok(self.members(&name))
    }
}

fn steps(scenario: &Scenario) -> Result<Doc<'_>, LoadError> {
    Ok(Doc { file: "steps.toml", text: scenario.files.text("steps.toml")? })
}

fn realm(domain: &topology::domain::Domain) -> Realm {
    let controller =
        |c: &topology::domain::Controller| Controller { name: c.name.clone(), address: c.address };
    Realm {
        name: domain.name.get_ref().clone(),
        controllers: domain.controllers.iter().map(controller).collect(),
        trusts: domain.trusts.iter().map(|trusted| trusted.get_ref().clone()).collect(),
    }
}

fn directory(scenario: &Scenario, domain: &topology::domain::Domain) -> Result<Directory, LoadError> {
    let doc = Doc { file: "topology.toml", text: scenario.files.text("topology.toml")? };
    let mut stores = Stores::new();
    if let Some(script) = &domain.policies {
        let file = script.get_ref();
        let bytes = scenario.files.bytes(file)?;
        netsh::run_script(&mut stores.local, file, bytes)
            .map_err(|e| crate::computer::wrong_line(file, e))?;
        if let Some(assigned) = stores.local.assigned() {
            let name = &assigned.name;
            let message =
                format!("policy `{name}` is assigned: in a directory, a Group Policy object does that");
            return Err(missing(file, message));
        }
    }
    let mut directory = Directory::new(domain.name.get_ref(), &stores.local);
    for gpo in &domain.gpo {
        let wrong = |e: ipsec_machine::directory::DirectoryError| {
            doc.error(gpo.name.span(), "domain.gpo", e.to_string())
        };
        let name = gpo.name.get_ref();
        if name != DEFAULT_DOMAIN_POLICY {
            directory.add_gpo(name, gpo.container()).map_err(wrong)?;
        } else if gpo.unit.is_some() || gpo.site.is_some() {
            return Err(doc.error(gpo.name.span(), "domain.gpo", "this object is linked to the domain"));
        }
        directory.assign(name, gpo.assigned.as_deref()).map_err(wrong)?;
    }
    Ok(directory)
}
